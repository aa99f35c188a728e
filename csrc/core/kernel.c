/*
 * kernel - the inner loops that vector instructions make faster; see kernel.h
 */
#include "kernel.h"

#include "base64_avx2.h"

static size_t nothing(const unsigned char *in, size_t n, char *out, bool url)
{
    (void)in;
    (void)n;
    (void)out;
    (void)url;
    return 0;
}

const struct kernel kernel_scalar = {
    .name = "scalar",
    .base64_encode = nothing,
    .base64_encode_lines = nothing,
    .base64_decode = nothing,
    .base64_decode_lines = nothing,
};

#if KERNEL_AVX2
const struct kernel kernel_avx2 = {
    .name = "avx2",
    .base64_encode = base64_avx2_encode,
    .base64_encode_lines = base64_avx2_encode_lines,
    .base64_decode = base64_avx2_decode,
    .base64_decode_lines = base64_avx2_decode_lines,
};
#endif
