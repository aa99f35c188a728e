/*
 * openssl - OpenSSL's base64, for cross-checks
 *
 * Usage: openssl OP < records > results
 *
 * A record is its length in digits, LF, and its bytes; a result is the same,
 * or "-1" and LF where OpenSSL refuses.
 */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef long operation(unsigned char *in, int n, unsigned char *out);

static long base64(unsigned char *in, int n, unsigned char *out)
{
    return EVP_EncodeBlock(out, in, n);
}

/* EVP_DecodeBlock counts what the padding stands for. */
static long unbase64(unsigned char *in, int n, unsigned char *out)
{
    long size = EVP_DecodeBlock(out, in, n);
    while (size > 0 && n > 0 && in[n - 1] == '=') {
        n--;
        size--;
    }
    return size;
}

/* Lines of 64 characters and LF: it has no others. */
static long lines(unsigned char *in, int n, unsigned char *out)
{
    EVP_ENCODE_CTX *state = EVP_ENCODE_CTX_new();
    int size = 0, rest = 0;
    EVP_EncodeInit(state);
    int ok = EVP_EncodeUpdate(state, out, &size, in, n);
    EVP_EncodeFinal(state, out + size, &rest);
    EVP_ENCODE_CTX_free(state);
    return ok || n == 0 ? size + rest : -1;
}

static long unlines(unsigned char *in, int n, unsigned char *out)
{
    EVP_ENCODE_CTX *state = EVP_ENCODE_CTX_new();
    int size = 0, rest = 0;
    EVP_DecodeInit(state);
    int ok = EVP_DecodeUpdate(state, out, &size, in, n) >= 0 &&
             EVP_DecodeFinal(state, out + size, &rest) >= 0;
    EVP_ENCODE_CTX_free(state);
    return ok ? size + rest : -1;
}

static const struct {
    const char *name;
    operation *run;
} operations[] = {{"base64", base64},
                  {"unbase64", unbase64},
                  {"lines", lines},
                  {"unlines", unlines},
                  {NULL, NULL}};

static int answer(operation *run)
{
    size_t n;
    while (scanf("%zu", &n) == 1 && getchar() == '\n') {
        unsigned char *in = calloc(n + 1, 1), *out = calloc(n * 2 + 256, 1);
        if (!in || !out || fread(in, 1, n, stdin) != n)
            return 2;
        long size = run(in, (int)n, out);
        printf("%ld\n", size);
        if (size > 0)
            fwrite(out, 1, (size_t)size, stdout);
        free(in);
        free(out);
    }
    return feof(stdin) ? 0 : 2;
}

int main(int n, char **arguments)
{
    for (size_t i = 0; n > 1 && operations[i].name; i++)
        if (strcmp(arguments[1], operations[i].name) == 0)
            return answer(operations[i].run);
    fputs("usage: openssl OP\n", stderr);
    return 2;
}
