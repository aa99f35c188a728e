/*
 * text_avx2 - lines by two halves of 32 octets; see text_kernels.h
 */
#include "isa.h"

#if ISA_X86

#define ON AVX2 STEP

#include "octets_avx2.h"
#include "text_step.h"

AVX2 size_t text_avx2_encode(struct kernel_wire *l, struct span in, char *out)
{
    return encode_by_copies(l, in, out);
}

AVX2 size_t text_avx2_look(struct kernel_body *b, struct span in)
{
    return look(b, in);
}

AVX2 size_t text_avx2_skim(struct kernel_body *b, struct span in)
{
    return skim(b, in);
}

AVX2 size_t text_avx2_scan(struct scan *s, struct span in)
{
    return scan(s, in);
}

AVX2 size_t text_avx2_count(struct kernel_count *c, struct span in)
{
    return count_ends(c, in);
}

AVX2 size_t text_avx2_utf8(struct span in)
{
    return utf8(in);
}

#endif
