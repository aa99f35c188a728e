/*
 * isa - the instruction sets that kernels are written for
 *
 * A function that uses one says so by its attribute, AVX512, AVX2, SSSE3 or
 * NEON, and whatever it calls inline by the same and STEP; a file says
 * nothing, since a rock is built with one set of flags for all files. The
 * rest of a file for another processor stands in #if ISA_X86 or
 * #if ISA_NEON. Call such a function only where kernel_here (kernel.h)
 * says that the processor has the whole set.
 *
 * Owns: nothing. Fails with: nothing. I/O: none.
 */
#ifndef CORE_ISA_H
#define CORE_ISA_H

#if defined(__x86_64__)
#define ISA_X86 1
#include <immintrin.h>
#else
#define ISA_X86 0
#endif

#if defined(__aarch64__) && defined(__ARM_NEON) && !defined(__AARCH64EB__)
#define ISA_NEON 1
#include <arm_neon.h>
#else
#define ISA_NEON 0
#endif

/* Ice Lake, Zen 4 and later. */
#define AVX512                                                                 \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi,"              \
                          "avx512vbmi2,avx2,bmi,bmi2,popcnt")))

/* Haswell, Zen and later. */
#define AVX2 __attribute__((target("avx2,bmi,bmi2,popcnt")))

/* SSE4.1 is part of it: Penryn, Bulldozer and later. */
#define SSSE3 __attribute__((target("ssse3,sse4.1")))

/* Part of every aarch64. */
#define NEON

#define STEP __attribute__((always_inline)) static inline

#endif
