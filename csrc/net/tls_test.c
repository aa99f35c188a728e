/*
 * tls_test - a throw-away certificate, for tests and first steps
 *
 * A P-256 key and a self-signed certificate, valid for 90 days, made anew for
 * each context and never written anywhere. Its names are localhost, the
 * loopback addresses and the host name given.
 *
 * Owns: nothing after the call. Fails with: ERR_SYNTAX (the host name),
 * ERR_TLS, ERR_MEMORY. I/O: OpenSSL's randomness, the wall clock.
 */
#include <stdio.h>

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "tls_parts.h"

enum { DAY = 24 * 60 * 60 };

static EVP_PKEY *test_key(void)
{
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *p = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, NULL);
    if (!p || EVP_PKEY_keygen_init(p) <= 0 ||
        EVP_PKEY_CTX_set_ec_paramgen_curve_nid(p, NID_X9_62_prime256v1) <= 0 ||
        EVP_PKEY_keygen(p, &key) <= 0)
        key = NULL;
    EVP_PKEY_CTX_free(p);
    return key;
}

/* The host name goes into OpenSSL's own little language: letters, digits,
   dots and hyphens only. */
static bool test_name(struct span hostname)
{
    for (size_t i = 0; i < hostname.n; i++) {
        char c = hostname.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
              (c >= '0' && c <= '9') || c == '.' || c == '-'))
            return false;
    }
    return hostname.n < TLS_NAME - 1;
}

static bool test_extension(X509 *x, int nid, const char *value)
{
    X509V3_CTX v3;
    X509V3_set_ctx(&v3, x, x, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &v3, nid, value);
    bool ok = e && X509_add_ext(x, e, -1);
    X509_EXTENSION_free(e);
    return ok;
}

static bool test_extensions(X509 *x, struct span hostname)
{
    char names[TLS_NAME + 64];
    const char *more = hostname.n ? ",DNS:" : "";
    snprintf(names, sizeof names, "DNS:localhost,IP:127.0.0.1,IP:::1%s%.*s",
             more, (int)hostname.n, hostname.n ? hostname.p : "");
    return test_extension(x, NID_subject_alt_name, names) &&
           test_extension(x, NID_basic_constraints, "critical,CA:FALSE") &&
           test_extension(x, NID_key_usage, "critical,digitalSignature") &&
           test_extension(x, NID_ext_key_usage, "serverAuth,clientAuth") &&
           test_extension(x, NID_subject_key_identifier, "hash");
}

static bool test_fill(X509 *x, EVP_PKEY *key, struct span hostname)
{
    uint64_t serial = 0;
    X509_NAME *name = X509_get_subject_name(x);
    if (RAND_bytes((unsigned char *)&serial, sizeof serial) != 1)
        return false;
    return X509_set_version(x, 2) && /* v3 */
           ASN1_INTEGER_set_uint64(X509_get_serialNumber(x), serial >> 1) &&
           X509_gmtime_adj(X509_getm_notBefore(x), -DAY) &&
           X509_gmtime_adj(X509_getm_notAfter(x), 90L * DAY) &&
           X509_NAME_add_entry_by_txt(
               name, "CN", MBSTRING_ASC,
               (const unsigned char *)"lunapost test certificate", -1, -1, 0) &&
           X509_set_issuer_name(x, name) && X509_set_pubkey(x, key) &&
           test_extensions(x, hostname) && X509_sign(x, key, EVP_sha256());
}

int tls_test_certificate(SSL_CTX *ctx, struct span hostname,
                         char text[SOCK_TEXT])
{
    if (!test_name(hostname)) {
        snprintf(text, SOCK_TEXT, "not a host name for a certificate");
        return ERR_SYNTAX;
    }
    EVP_PKEY *key = test_key();
    X509 *x = X509_new();
    bool ok = key && x && test_fill(x, key, hostname) &&
              SSL_CTX_use_certificate(ctx, x) == 1 &&
              SSL_CTX_use_PrivateKey(ctx, key) == 1;
    X509_free(x);
    EVP_PKEY_free(key);
    return ok ? 0 : tls_failure(text, "no test certificate");
}
