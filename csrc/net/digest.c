/*
 * digest - hashes, keyed hashes, derived keys, random bytes; see digest.h
 *
 * Only calls that OpenSSL 1.1.1 and 3.x share. Its error queue belongs to
 * the thread, not to us: each failure empties it, so that a later TLS call
 * never reads an old reason.
 */
#include <limits.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "digest.h"

_Static_assert(DIGEST_MAX >= EVP_MAX_MD_SIZE, "any digest fits");

static int digest_failure(void)
{
    unsigned long e = ERR_peek_last_error();
    ERR_clear_error();
    return ERR_GET_REASON(e) == ERR_R_MALLOC_FAILURE ? ERR_MEMORY : ERR_SYSTEM;
}

static const char *digest_bytes(struct span s)
{
    return s.p ? s.p : "";
}

int digest_of(const char *name, struct span bytes, struct digest *d)
{
    const EVP_MD *md = EVP_get_digestbyname(name);
    unsigned int n = 0;
    if (!md)
        return ERR_SYNTAX;
    if (!EVP_Digest(digest_bytes(bytes), bytes.n, d->bytes, &n, md, NULL))
        return digest_failure();
    d->n = n;
    return 0;
}

int digest_hmac(const char *name, struct span key, struct span bytes,
                struct digest *d)
{
    const EVP_MD *md = EVP_get_digestbyname(name);
    unsigned int n = 0;
    if (!md)
        return ERR_SYNTAX;
    if (key.n > INT_MAX)
        return ERR_LIMIT;
    if (!HMAC(md, digest_bytes(key), (int)key.n,
              (const unsigned char *)digest_bytes(bytes), bytes.n, d->bytes,
              &n))
        return digest_failure();
    d->n = n;
    return 0;
}

int digest_pbkdf2(const char *name, struct span password, struct span salt,
                  int rounds, char *out, size_t n)
{
    const EVP_MD *md = EVP_get_digestbyname(name);
    if (!md)
        return ERR_SYNTAX;
    if (password.n > INT_MAX || salt.n > INT_MAX || n > INT_MAX)
        return ERR_LIMIT;
    if (!PKCS5_PBKDF2_HMAC(digest_bytes(password), (int)password.n,
                           (const unsigned char *)digest_bytes(salt),
                           (int)salt.n, rounds, md, (int)n,
                           (unsigned char *)out))
        return digest_failure();
    return 0;
}

int digest_random(char *out, size_t n)
{
    if (n > INT_MAX)
        return ERR_LIMIT;
    return RAND_bytes((unsigned char *)out, (int)n) == 1 ? 0 : digest_failure();
}

const char *digest_library(void)
{
    return OpenSSL_version(OPENSSL_VERSION);
}

bool digest_equal(struct span a, struct span b)
{
    return a.n == b.n && (a.n == 0 || CRYPTO_memcmp(a.p, b.p, a.n) == 0);
}
