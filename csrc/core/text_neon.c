/*
 * text_neon - lines by four quarters of 16 octets; see text_kernels.h
 */
#include "isa.h"

#if ISA_NEON

#define ON NEON STEP

#include "octets_neon.h"
#include "text_step.h"

NEON size_t text_neon_encode(struct kernel_wire *l, struct span in, char *out)
{
    return encode_by_copies(l, in, out);
}

NEON size_t text_neon_look(struct kernel_body *b, struct span in)
{
    return look(b, in);
}

NEON size_t text_neon_skim(struct kernel_body *b, struct span in)
{
    return skim(b, in);
}

NEON size_t text_neon_scan(struct scan *s, struct span in)
{
    return scan(s, in);
}

NEON size_t text_neon_count(struct kernel_count *c, struct span in)
{
    return count_ends(c, in);
}

NEON size_t text_neon_utf8(struct span in)
{
    return utf8(in);
}

#endif
