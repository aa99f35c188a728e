/*
 * digest - hashes, keyed hashes, derived keys, random bytes
 *
 * Thin over OpenSSL, for SASL mechanisms, fingerprints and identifiers.
 * Names are OpenSSL's ("md5", "sha1", "sha256", "sha512"), any case.
 *
 * Owns: nothing. Fails with: ERR_SYNTAX (unknown name), ERR_LIMIT (longer
 * than OpenSSL's int), ERR_MEMORY, ERR_SYSTEM. I/O: OpenSSL's randomness.
 */
#ifndef NET_DIGEST_H
#define NET_DIGEST_H

#include "../core/err.h"
#include "../core/span.h"

enum { DIGEST_MAX = 64 };

struct digest {
    unsigned char bytes[DIGEST_MAX];
    size_t n;
};

INTERNAL int digest_of(const char *name, struct span bytes, struct digest *d);
INTERNAL int digest_hmac(const char *name, struct span key, struct span bytes,
                         struct digest *d);

/* RFC 8018 5.2: n bytes derived from a password; rounds >= 1. */
INTERNAL int digest_pbkdf2(const char *name, struct span password,
                           struct span salt, int rounds, char *out, size_t n);

INTERNAL int digest_random(char *out, size_t n);

/* "OpenSSL 3.0.15 3 Sep 2024": what runs, whatever it was built with. */
INTERNAL const char *digest_library(void);

/* In a time that depends on the lengths alone. */
INTERNAL bool digest_equal(struct span a, struct span b);

#endif
