/*
 * kernel - the inner loops that vector instructions make faster; see kernel.h
 */
#include "kernel.h"

#include "base64_kernels.h"
#include "isa.h"
#include "qp_kernels.h"
#include "text_kernels.h"

static bool always(void)
{
    return true;
}

static size_t no_groups(const unsigned char *in, size_t n, char *out, bool url)
{
    (void)in;
    (void)n;
    (void)out;
    (void)url;
    return 0;
}

static size_t no_lines(const unsigned char *in, size_t n, char *out, bool url,
                       bool lf)
{
    (void)lf;
    return no_groups(in, n, out, url);
}

static size_t no_text(struct kernel_lines *l, const unsigned char *in, size_t n)
{
    return no_groups(in, n, l->to, false);
}

static size_t no_octets(const unsigned char *in, size_t n, char **to)
{
    return no_groups(in, n, *to, false);
}

static size_t no_lines_encoded(struct kernel_wire *l, struct span in, char *out)
{
    (void)in;
    (void)out;
    l->written = 0;
    return 0;
}

static size_t no_body(struct kernel_body *b, struct span in)
{
    (void)b;
    (void)in;
    return 0;
}

static size_t no_scan(struct scan *s, struct span in)
{
    (void)s;
    (void)in;
    return 0;
}

static size_t no_count(struct kernel_count *c, struct span in)
{
    (void)c;
    (void)in;
    return 0;
}

static size_t no_utf8(struct span in)
{
    (void)in;
    return 0;
}

#if ISA_X86

/* What isa.h lists for each, and no less. */
static bool has_ssse3(void)
{
    return __builtin_cpu_supports("ssse3") && __builtin_cpu_supports("sse4.1");
}

static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
           __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt");
}

static bool has_avx512(void)
{
    return has_avx2() && __builtin_cpu_supports("avx512f") &&
           __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512vbmi") &&
           __builtin_cpu_supports("avx512vbmi2");
}

static const struct kernel avx512 = {
    .name = "avx512",
    .here = has_avx512,
    .base64_encode = base64_avx512_encode,
    .base64_encode_lines = base64_avx512_encode_lines,
    .base64_decode = base64_avx512_decode,
    .base64_decode_lines = base64_avx512_decode_lines,
    .qp_encode = qp_avx512_encode,
    .qp_decode = qp_avx512_decode,
    .dot_encode = text_avx512_encode,
    .dot_look = text_avx512_look,
    .dot_skim = text_avx512_skim,
    .scan = text_avx512_scan,
    .count = text_avx512_count,
    .utf8 = text_avx512_utf8,
};

static const struct kernel avx2 = {
    .name = "avx2",
    .here = has_avx2,
    .base64_encode = base64_avx2_encode,
    .base64_encode_lines = base64_avx2_encode_lines,
    .base64_decode = base64_avx2_decode,
    .base64_decode_lines = base64_avx2_decode_lines,
    .qp_encode = qp_avx2_encode,
    .qp_decode = qp_avx2_decode,
    .dot_encode = text_avx2_encode,
    .dot_look = text_avx2_look,
    .dot_skim = text_avx2_skim,
    .scan = text_avx2_scan,
    .count = text_avx2_count,
    .utf8 = text_avx2_utf8,
};

static const struct kernel ssse3 = {
    .name = "ssse3",
    .here = has_ssse3,
    .base64_encode = base64_ssse3_encode,
    .base64_encode_lines = base64_ssse3_encode_lines,
    .base64_decode = base64_ssse3_decode,
    .base64_decode_lines = base64_ssse3_decode_lines,
    .qp_encode = qp_ssse3_encode,
    .qp_decode = qp_ssse3_decode,
    .dot_encode = text_ssse3_encode,
    .dot_look = text_ssse3_look,
    .dot_skim = text_ssse3_skim,
    .scan = text_ssse3_scan,
    .count = text_ssse3_count,
    .utf8 = text_ssse3_utf8,
};

#endif

#if ISA_NEON

static const struct kernel neon = {
    .name = "neon",
    .here = always,
    .base64_encode = base64_neon_encode,
    .base64_encode_lines = base64_neon_encode_lines,
    .base64_decode = base64_neon_decode,
    .base64_decode_lines = base64_neon_decode_lines,
    .qp_encode = qp_neon_encode,
    .qp_decode = qp_neon_decode,
    .dot_encode = text_neon_encode,
    .dot_look = text_neon_look,
    .dot_skim = text_neon_skim,
    .scan = text_neon_scan,
    .count = text_neon_count,
    .utf8 = text_neon_utf8,
};

#endif

const struct kernel kernel_scalar = {
    .name = "scalar",
    .here = always,
    .base64_encode = no_groups,
    .base64_encode_lines = no_lines,
    .base64_decode = no_groups,
    .base64_decode_lines = no_lines,
    .qp_encode = no_text,
    .qp_decode = no_octets,
    .dot_encode = no_lines_encoded,
    .dot_look = no_body,
    .dot_skim = no_body,
    .scan = no_scan,
    .count = no_count,
    .utf8 = no_utf8,
};

const struct kernel *const kernels[] = {
#if ISA_X86
    &avx512,        &avx2, &ssse3,
#endif
#if ISA_NEON
    &neon,
#endif
    &kernel_scalar, NULL,
};

bool kernel_here(const struct kernel *k)
{
    return k->here();
}
