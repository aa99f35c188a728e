/*
 * text_kernels - lines and dots by vector instructions
 *
 * The functions for text of each struct kernel (kernel.h), whose contract
 * they keep; text_<isa>.c has those of one instruction set.
 *
 * Owns: nothing. Fails with: nothing. I/O: none.
 */
#ifndef CORE_TEXT_KERNELS_H
#define CORE_TEXT_KERNELS_H

#include "kernel.h"

INTERNAL size_t text_avx512_encode(struct kernel_wire *l, struct span in,
                                   char *out);
INTERNAL size_t text_avx2_encode(struct kernel_wire *l, struct span in,
                                 char *out);
INTERNAL size_t text_ssse3_encode(struct kernel_wire *l, struct span in,
                                  char *out);
INTERNAL size_t text_neon_encode(struct kernel_wire *l, struct span in,
                                 char *out);
INTERNAL size_t text_avx512_look(struct kernel_body *b, struct span in);
INTERNAL size_t text_avx512_skim(struct kernel_body *b, struct span in);
INTERNAL size_t text_avx512_scan(struct scan *s, struct span in);
INTERNAL size_t text_avx512_count(struct kernel_count *c, struct span in);
INTERNAL size_t text_avx512_utf8(struct span in);
INTERNAL size_t text_avx2_look(struct kernel_body *b, struct span in);
INTERNAL size_t text_avx2_skim(struct kernel_body *b, struct span in);
INTERNAL size_t text_avx2_scan(struct scan *s, struct span in);
INTERNAL size_t text_avx2_count(struct kernel_count *c, struct span in);
INTERNAL size_t text_avx2_utf8(struct span in);
INTERNAL size_t text_ssse3_look(struct kernel_body *b, struct span in);
INTERNAL size_t text_ssse3_skim(struct kernel_body *b, struct span in);
INTERNAL size_t text_ssse3_scan(struct scan *s, struct span in);
INTERNAL size_t text_ssse3_count(struct kernel_count *c, struct span in);
INTERNAL size_t text_ssse3_utf8(struct span in);
INTERNAL size_t text_neon_look(struct kernel_body *b, struct span in);
INTERNAL size_t text_neon_skim(struct kernel_body *b, struct span in);
INTERNAL size_t text_neon_scan(struct scan *s, struct span in);
INTERNAL size_t text_neon_count(struct kernel_count *c, struct span in);
INTERNAL size_t text_neon_utf8(struct span in);

#endif
