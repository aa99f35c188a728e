/*
 * text_ssse3 - lines by four quarters of 16 octets; see text_kernels.h
 */
#include "isa.h"

#if ISA_X86

#define ON SSSE3 STEP

#include "octets_ssse3.h"
#include "text_step.h"

SSSE3 size_t text_ssse3_encode(struct kernel_wire *l, struct span in, char *out)
{
    return encode_by_copies(l, in, out);
}

SSSE3 size_t text_ssse3_look(struct kernel_body *b, struct span in)
{
    return look(b, in);
}

SSSE3 size_t text_ssse3_skim(struct kernel_body *b, struct span in)
{
    return skim(b, in);
}

SSSE3 size_t text_ssse3_scan(struct scan *s, struct span in)
{
    return scan(s, in);
}

SSSE3 size_t text_ssse3_count(struct kernel_count *c, struct span in)
{
    return count_ends(c, in);
}

SSSE3 size_t text_ssse3_utf8(struct span in)
{
    return utf8(in);
}

#endif
