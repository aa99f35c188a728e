/*
 * tls_context - the settings of many TLS sessions; see tls.h
 *
 * Renegotiation and compression are off, TLS 1.2 is the least unless asked
 * for less, and the record buffers of an idle session are given back.
 */
#include <stdio.h>

#include <sys/stat.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "../core/ascii.h"
#include "tls_parts.h"

enum { PATH_SIZE = 4096 };

int tls_failure(char *text, const char *what)
{
    unsigned long e = ERR_peek_error();
    unsigned long last = ERR_peek_last_error();
    const char *reason = ERR_GET_LIB(e) == ERR_LIB_SYS
                             ? strerror(ERR_GET_REASON(e))
                             : ERR_reason_error_string(e);
    ERR_clear_error();
    snprintf(text, SOCK_TEXT, "%s: %s", what,
             reason ? reason : "no reason given");
    return ERR_GET_REASON(e) == ERR_R_MALLOC_FAILURE ||
                   ERR_GET_REASON(last) == ERR_R_MALLOC_FAILURE
               ? ERR_MEMORY
               : ERR_TLS;
}

static int context_bad(char *text, const char *what, struct span value)
{
    snprintf(text, SOCK_TEXT, "%s: %.*s", what,
             (int)(value.n < 150 ? value.n : 150), value.n ? value.p : "");
    return ERR_SYNTAX;
}

static bool is_pem(struct span s)
{
    static const char mark[] = "-----BEGIN ";
    for (size_t i = 0; s.n >= sizeof mark && i < s.n - sizeof mark; i++)
        if (memcmp(s.p + i, mark, sizeof mark - 1) == 0)
            return true;
    return false;
}

static bool path_of(struct span s, char path[PATH_SIZE])
{
    if (s.n == 0 || s.n >= PATH_SIZE || memchr(s.p, '\0', s.n))
        return false;
    memcpy(path, s.p, s.n);
    path[s.n] = '\0';
    return true;
}

static BIO *pem_open(struct span s)
{
    char path[PATH_SIZE];
    if (is_pem(s))
        return BIO_new_mem_buf(s.p, (int)s.n);
    return path_of(s, path) ? BIO_new_file(path, "r") : NULL;
}

/* OpenSSL would ask on the terminal. */
static int no_password(char *out, int room, int writing, void *unused)
{
    (void)out, (void)room, (void)writing, (void)unused;
    return -1;
}

/* The end of a PEM file is an error of its own kind. */
static bool pem_ended(void)
{
    unsigned long e = ERR_peek_last_error();
    bool ended = ERR_GET_LIB(e) == ERR_LIB_PEM &&
                 ERR_GET_REASON(e) == PEM_R_NO_START_LINE;
    if (ended)
        ERR_clear_error();
    return ended;
}

static bool context_chain(SSL_CTX *ctx, BIO *pem)
{
    X509 *x = PEM_read_bio_X509_AUX(pem, NULL, no_password, NULL);
    bool ok = x && SSL_CTX_use_certificate(ctx, x) == 1;
    X509_free(x);
    while (ok && (x = PEM_read_bio_X509(pem, NULL, no_password, NULL))) {
        ok = SSL_CTX_add0_chain_cert(ctx, x) == 1;
        if (!ok)
            X509_free(x);
    }
    return ok && pem_ended();
}

/* "cannot use the certificate: PATH: why" */
static int context_unusable(char *text, const char *what, struct span s)
{
    char words[SOCK_TEXT];
    bool path = !is_pem(s);
    snprintf(words, sizeof words, "cannot use %s%s%.*s", what, path ? " " : "",
             path ? (int)(s.n < 120 ? s.n : 120) : 0, s.p);
    return tls_failure(text, words);
}

static int context_certificate(SSL_CTX *ctx, const struct tls_settings *s,
                               char *text)
{
    struct span key = s->key.n ? s->key : s->certificate;
    BIO *pem = pem_open(s->certificate);
    bool ok = pem && context_chain(ctx, pem);
    BIO_free(pem);
    if (!ok)
        return context_unusable(text, "the certificate", s->certificate);
    pem = pem_open(key);
    EVP_PKEY *pkey =
        pem ? PEM_read_bio_PrivateKey(pem, NULL, no_password, NULL) : NULL;
    ok = pkey && SSL_CTX_use_PrivateKey(ctx, pkey) == 1 &&
         SSL_CTX_check_private_key(ctx) == 1;
    EVP_PKEY_free(pkey);
    BIO_free(pem);
    return ok ? 0 : context_unusable(text, "the private key", key);
}

static bool context_trust_pem(SSL_CTX *ctx, struct span pem)
{
    BIO *b = BIO_new_mem_buf(pem.p, (int)pem.n);
    X509_STORE *store = SSL_CTX_get_cert_store(ctx);
    X509 *x;
    size_t count = 0;
    bool ok = b != NULL;
    while (ok && (x = PEM_read_bio_X509(b, NULL, no_password, NULL))) {
        ok = X509_STORE_add_cert(store, x) == 1;
        X509_free(x);
        count++;
    }
    BIO_free(b);
    return ok && count > 0 && pem_ended();
}

static int context_trust(SSL_CTX *ctx, struct span ca, char *text)
{
    char path[PATH_SIZE];
    struct stat s;
    bool ok;
    /* who names an authority means it, be it a leaf or an intermediate */
    if (ca.n)
        X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(ctx),
                                    X509_V_FLAG_PARTIAL_CHAIN);
    if (ca.n == 0) {
        ok = SSL_CTX_set_default_verify_paths(ctx) == 1;
    } else if (is_pem(ca)) {
        ok = context_trust_pem(ctx, ca);
    } else {
        if (!path_of(ca, path) || stat(path, &s) != 0) {
            (void)context_bad(text, "no such file of authorities", ca);
            return ERR_TLS;
        }
        bool folder = S_ISDIR(s.st_mode);
        ok = SSL_CTX_load_verify_locations(ctx, folder ? NULL : path,
                                           folder ? path : NULL) == 1;
    }
    return ok ? 0 : context_unusable(text, "the authorities", ca);
}

/* 0: none named; less: not a version. */
static int version_of(struct span name)
{
    static const struct {
        const char *name;
        int version;
    } versions[] = {
        {"", 0},
        {"1.0", TLS1_VERSION},
        {"1.1", TLS1_1_VERSION},
        {"1.2", TLS1_2_VERSION},
        {"1.3", TLS1_3_VERSION},
    };
    for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++)
        if (span_eq(name, span_from(versions[i].name)))
            return versions[i].version;
    return -1;
}

/* Who asks for what RFC 8996 forbids gets the ciphers that go with it. */
static int context_versions(SSL_CTX *ctx, const struct tls_settings *s,
                            char *text)
{
    int least = version_of(s->minimum), most = version_of(s->maximum);
    if (least < 0 || most < 0)
        return context_bad(text, "a TLS version is 1.0, 1.1, 1.2 or 1.3, not",
                           least < 0 ? s->minimum : s->maximum);
    if (least == 0)
        least = TLS1_2_VERSION;
    if (most && most < least)
        return context_bad(text, "no TLS version is left up to", s->maximum);
    if (least < TLS1_2_VERSION)
        SSL_CTX_set_security_level(ctx, 0);
    return SSL_CTX_set_min_proto_version(ctx, least) &&
                   SSL_CTX_set_max_proto_version(ctx, most)
               ? 0
               : tls_failure(text, "this TLS version is not available");
}

static bool pin_of_hex(struct tls_pin *pin, struct span s)
{
    size_t digits = 0;
    for (size_t i = 0; i < s.n; i++) {
        int d = ascii_hex(s.p[i]);
        if (s.p[i] == ':' && digits % 2 == 0)
            continue;
        if (d < 0 || digits == 2 * (size_t)SHA256_SIZE)
            return false;
        unsigned char *b = &pin->sha256[digits++ / 2];
        *b = (unsigned char)(*b << 4 | d);
    }
    return digits == 2 * (size_t)SHA256_SIZE;
}

static bool pin_of(struct tls_pin *pin, struct span s)
{
    static const struct span prefix = {"sha256/", 7};
    unsigned char raw[48];
    memset(pin, 0, sizeof *pin);
    if (!span_istarts(s, prefix))
        return pin_of_hex(pin, s);
    s = span_skip(s, prefix.n);
    /* 32 bytes are 44 characters with one '=': 33 bytes with the padding */
    if (s.n != 44 || s.p[43] != '=' ||
        EVP_DecodeBlock(raw, (const unsigned char *)s.p, 44) != 33)
        return false;
    pin->key = true;
    memcpy(pin->sha256, raw, SHA256_SIZE);
    return true;
}

static int context_pins(struct tls_context *c, const struct tls_settings *s,
                        char *text)
{
    for (size_t i = 0; i < s->npins; i++)
        if (!pin_of(&c->pins[i], s->pins[i]))
            return context_bad(text,
                               "a pin is sha256/BASE64 of a key or the hex "
                               "sha256 of a certificate, not",
                               s->pins[i]);
    c->npins = s->npins;
    return 0;
}

static int context_verify(struct tls_context *c, const struct tls_settings *s,
                          char *text)
{
    bool ask = s->server ? s->ca.n > 0 : !s->insecure;
    SSL_CTX_set_verify(c->ctx, ask ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    if (s->server && s->choose)
        SSL_CTX_set_client_hello_cb(c->ctx, tls_hello, NULL);
    SSL_CTX_set_cert_verify_callback(c->ctx, tls_verify, NULL);
    c->insecure = s->insecure;
    if (s->dane)
        return tls_dane_context(c, s, text);
    int err = context_pins(c, s, text);
    /* the system's store takes some milliseconds: only where it is asked */
    if (err == 0 && ask && c->npins == 0)
        err = context_trust(c->ctx, s->ca, text);
    return err;
}

int tls_keep(SSL *ssl, SSL_SESSION *session)
{
    const struct tls *tls = SSL_get_app_data(ssl);
    struct tls_context *c = tls->context;
    size_t n = strlen(tls->host);
    if (n == 0 || n >= TLS_NAME || !SSL_SESSION_is_resumable(session))
        return 0;
    struct tls_kept *place = &c->kept[c->oldest];
    c->oldest = (c->oldest + 1) % TLS_KEPT;
    SSL_SESSION_free(place->session);
    place->session = session; /* its reference is ours now */
    memcpy(place->host, tls->host, n + 1);
    return 1;
}

SSL_SESSION *tls_kept_take(struct tls_context *context, const char *host)
{
    for (size_t i = 1; i <= TLS_KEPT; i++) { /* the newest first */
        struct tls_kept *place =
            &context->kept[(context->oldest + TLS_KEPT - i) % TLS_KEPT];
        SSL_SESSION *session = place->session;
        if (!session || strcmp(place->host, host) != 0)
            continue;
        if (SSL_SESSION_get_protocol_version(session) < TLS1_3_VERSION)
            return SSL_SESSION_up_ref(session) ? session : NULL;
        place->session = NULL;
        return session;
    }
    return NULL;
}

/* What a session was verified by is its context's, so that what is resumed
   was verified as strictly. */
static void context_resume(SSL_CTX *ctx, bool server)
{
    if (server) {
        SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
        return;
    }
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT |
                                            SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, tls_keep);
}

/* A server's sessions are many, and idle: they keep no buffers. */
static void context_habits(SSL_CTX *ctx, bool server)
{
    static const unsigned char id[] = "lunapost";
    SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (server)
        SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(ctx, 1);
    SSL_CTX_set_session_id_context(ctx, id, sizeof id - 1);
    SSL_CTX_set_dh_auto(ctx, 1);
    SSL_CTX_set_default_passwd_cb(ctx, no_password);
}

static int context_fill(struct tls_context *c, const struct tls_settings *s,
                        char *text)
{
    context_habits(c->ctx, s->server);
    context_resume(c->ctx, s->server);
    int err = context_versions(c->ctx, s, text);
    if (err == 0)
        err = context_verify(c, s, text);
    if (err == 0 && s->certificate.n)
        err = context_certificate(c->ctx, s, text);
    else if (err == 0 && s->test)
        err = tls_test_certificate(c->ctx, s->hostname, text);
    else if (err == 0 && s->server)
        err = context_bad(text, "a TLS server needs", SPAN("a certificate"));
    return err;
}

int tls_context_new(struct tls_context **context,
                    const struct tls_settings *settings, char text[SOCK_TEXT])
{
    struct tls_context *c = OPENSSL_zalloc(sizeof *c);
    if (!c)
        return ERR_MEMORY;
    ERR_clear_error();
    c->uses = 1;
    c->server = settings->server;
    c->ctx = SSL_CTX_new(settings->server ? TLS_server_method()
                                          : TLS_client_method());
    c->method = tls_method();
    int err =
        c->ctx && c->method ? context_fill(c, settings, text) : ERR_MEMORY;
    ERR_clear_error();
    if (err < 0) {
        tls_context_drop(c);
        return err;
    }
    *context = c;
    return 0;
}

void tls_context_keep(struct tls_context *context)
{
    context->uses++;
}

void tls_context_drop(struct tls_context *context)
{
    if (!context || --context->uses > 0)
        return;
    for (size_t i = 0; i < TLS_KEPT; i++)
        SSL_SESSION_free(context->kept[i].session);
    tls_dane_drop(context);
    SSL_CTX_free(context->ctx);
    BIO_meth_free(context->method);
    OPENSSL_free(context);
}

bool tls_context_server(const struct tls_context *context)
{
    return context->server;
}

size_t tls_context_pem(const struct tls_context *context, char *out,
                       size_t room)
{
    X509 *x = SSL_CTX_get0_certificate(context->ctx);
    BIO *b = x ? BIO_new(BIO_s_mem()) : NULL;
    char *p = NULL;
    size_t n = 0;
    if (b && PEM_write_bio_X509(b, x) == 1) {
        long got = BIO_get_mem_data(b, &p);
        if (got > 0 && (size_t)got <= room) {
            n = (size_t)got;
            memcpy(out, p, n);
        }
    }
    BIO_free(b);
    ERR_clear_error();
    return n;
}
