/*
 * tls - TLS contexts and sessions over a socket, by OpenSSL; see tls.h
 *
 * The session here, its context in tls_context.c, the test certificate in
 * tls_test.c. Within a call the socket's own failure writes its words where
 * the caller's will be: they beat OpenSSL's "syscall".
 */
#include <stdio.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include "tls_parts.h"

/* A record starts with its type, RFC 8446 5.1; SSLv2's with its high bit. */
static bool speaks_tls(unsigned char first)
{
    return (first >= 0x14 && first <= 0x17) || first >= 0x80;
}

static int bio_read(BIO *b, char *p, size_t room, size_t *n)
{
    struct tls *tls = BIO_get_data(b);
    int r = tls->await ? sock_await(tls->fd, p, room, n, tls->text)
                       : sock_read(tls->fd, p, room, n, tls->text);
    tls->await = false;
    BIO_clear_retry_flags(b);
    if (r == IO_DONE && !tls->spoke) {
        tls->spoke = true;
        tls->first = (unsigned char)p[0];
    }
    if (r == IO_WANT_READ)
        BIO_set_retry_read(b);
    tls->ended = r == IO_EOF;
    tls->down = r < 0 ? r : 0;
    return r == IO_DONE;
}

static int bio_write(BIO *b, const char *p, size_t size, size_t *n)
{
    struct tls *tls = BIO_get_data(b);
    struct span bytes = span_of(p, size);
    int r = tls->push ? sock_push(tls->fd, bytes, n, tls->text)
                      : sock_write(tls->fd, bytes, n, tls->text);
    tls->push = false;
    BIO_clear_retry_flags(b);
    if (r == IO_WANT_WRITE)
        BIO_set_retry_write(b);
    tls->down = r < 0 ? r : 0;
    return r == IO_DONE;
}

static long bio_control(BIO *b, int command, long number, void *p)
{
    struct tls *tls = BIO_get_data(b);
    (void)number, (void)p;
    switch (command) {
    case BIO_CTRL_FLUSH:
        return 1;
    case BIO_CTRL_EOF:
        return tls && tls->ended;
    default:
        return 0;
    }
}

BIO_METHOD *tls_method(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "lunapost socket");
    if (m && BIO_meth_set_read_ex(m, bio_read) &&
        BIO_meth_set_write_ex(m, bio_write) &&
        BIO_meth_set_ctrl(m, bio_control))
        return m;
    BIO_meth_free(m);
    return NULL;
}

static bool sha256_of_key(X509 *x, unsigned char out[SHA256_SIZE])
{
    unsigned char *der = NULL;
    int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &der);
    bool ok =
        n > 0 && EVP_Digest(der, (size_t)n, out, NULL, EVP_sha256(), NULL) == 1;
    OPENSSL_free(der);
    return ok;
}

static bool sha256_of(X509 *x, unsigned char out[SHA256_SIZE])
{
    return X509_digest(x, EVP_sha256(), out, NULL) == 1;
}

static bool pinned(const struct tls_context *c, X509 *leaf)
{
    unsigned char key[SHA256_SIZE], whole[SHA256_SIZE];
    if (!sha256_of_key(leaf, key) || !sha256_of(leaf, whole))
        return false;
    for (size_t i = 0; i < c->npins; i++)
        if (memcmp(c->pins[i].sha256, c->pins[i].key ? key : whole,
                   SHA256_SIZE) == 0)
            return true;
    return false;
}

/* Whoever the server is, it will do. */
static bool tls_trusting(const struct tls *tls)
{
    return tls->context->insecure || (tls->context->dane && !tls->proves);
}

/* Looks for the name once more: OpenSSL forgets which one it was to look for
   when, just then, an allocation fails. */
static int tls_named(const struct tls *tls, X509_STORE_CTX *store, X509 *leaf)
{
    bool address = sock_numeric(tls->host);
    int ok = address
                 ? X509_check_ip_asc(leaf, tls->host, 0)
                 : X509_check_host(leaf, tls->host, 0,
                                   X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL);
    if (ok == 1)
        return 1;
    X509_STORE_CTX_set_error(store, address ? X509_V_ERR_IP_ADDRESS_MISMATCH
                                            : X509_V_ERR_HOSTNAME_MISMATCH);
    return 0;
}

int tls_verify(X509_STORE_CTX *store, void *unused)
{
    SSL *ssl =
        X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tls *tls = SSL_get_app_data(ssl);
    X509 *leaf = X509_STORE_CTX_get0_cert(store);
    (void)unused;
    tls->saw = leaf && sha256_of(leaf, tls->seen);
    if (tls_trusting(tls))
        return 1;
    if (tls->context->npins == 0) {
        int verified = X509_verify_cert(store);
        if (verified != 1 || !tls->host[0] || tls->context->dane)
            return verified;
        return tls_named(tls, store, leaf);
    }
    bool ok = leaf && pinned(tls->context, leaf);
    X509_STORE_CTX_set_error(store, ok ? X509_V_OK
                                       : X509_V_ERR_APPLICATION_VERIFICATION);
    return ok;
}

/* RFC 6066 3: a list with one entry, type 0, a host name. */
static void tls_note_name(struct tls *tls, const unsigned char *p, size_t n)
{
    tls->asked[0] = '\0';
    if (n < 5 || p[2] != 0)
        return;
    size_t length = (size_t)p[3] << 8 | p[4];
    if (length > n - 5 || length >= TLS_NAME || memchr(p + 5, '\0', length))
        return;
    memcpy(tls->asked, p + 5, length);
    tls->asked[length] = '\0';
}

int tls_hello(SSL *ssl, int *alert, void *unused)
{
    struct tls *tls = SSL_get_app_data(ssl);
    const unsigned char *p;
    size_t n;
    (void)alert, (void)unused;
    if (tls->chosen)
        return SSL_CLIENT_HELLO_SUCCESS;
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &p, &n))
        tls_note_name(tls, p, n);
    return SSL_CLIENT_HELLO_RETRY;
}

const char *tls_asked(const struct tls *tls)
{
    return tls->asked;
}

int tls_choose(struct tls *tls, const struct tls_context *context)
{
    tls->chosen = true;
    if (context && !SSL_set_SSL_CTX(tls->ssl, context->ctx)) {
        ERR_clear_error();
        return ERR_MEMORY;
    }
    return 0;
}

static bool tls_expect(struct tls *tls)
{
    X509_VERIFY_PARAM *expect = SSL_get0_param(tls->ssl);
    bool address = sock_numeric(tls->host);
    if (tls->context->dane)
        return tls_dane_expect(tls);
    if (!address && SSL_set_tlsext_host_name(tls->ssl, tls->host) != 1)
        return false;
    if (tls->context->insecure || tls->context->npins)
        return true;
    if (address)
        return X509_VERIFY_PARAM_set1_ip_asc(expect, tls->host) == 1;
    X509_VERIFY_PARAM_set_hostflags(expect,
                                    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return X509_VERIFY_PARAM_set1_host(expect, tls->host, 0) == 1;
}

/* A session that cannot be resumed is no failure: the handshake is whole. */
static void tls_resume(struct tls *tls)
{
    SSL_SESSION *session = tls_kept_take(tls->context, tls->host);
    if (session && SSL_set_session(tls->ssl, session) != 1)
        ERR_clear_error();
    SSL_SESSION_free(session);
}

static int tls_fill(struct tls *tls, char *text)
{
    BIO *b;
    if (!(tls->ssl = SSL_new(tls->context->ctx)) ||
        !(b = BIO_new(tls->context->method)))
        return tls_failure(text, "no TLS session");
    BIO_set_data(b, tls);
    BIO_set_init(b, 1);
    SSL_set_bio(tls->ssl, b, b);
    if (SSL_set_app_data(tls->ssl, tls) != 1)
        return tls_failure(text, "no TLS session");
    if (tls->context->server) {
        SSL_set_accept_state(tls->ssl);
        return 0;
    }
    SSL_set_connect_state(tls->ssl);
    if (tls->host[0]) {
        tls_resume(tls);
        return tls_expect(tls) ? 0 : tls_failure(text, "not a host name");
    }
    if (tls->context->insecure || tls->context->npins)
        return 0;
    snprintf(text, SOCK_TEXT, "no host name to verify the certificate by");
    return ERR_TLS;
}

int tls_new(struct tls **tls, struct tls_context *context, int fd,
            const char *host, char text[SOCK_TEXT])
{
    size_t n = host ? strlen(host) : 0;
    if (n && host[n - 1] == '.') /* the root's dot is in no certificate */
        n--;
    struct tls *t = OPENSSL_zalloc(sizeof *t + n + 1);
    if (!t)
        return ERR_MEMORY;
    ERR_clear_error();
    if (n)
        memcpy(t->host, host, n);
    t->fd = fd;
    t->context = context;
    tls_context_keep(context);
    int err = tls_fill(t, text);
    if (err < 0) {
        tls_free(t);
        return err;
    }
    *tls = t;
    return 0;
}

void tls_free(struct tls *tls)
{
    if (!tls)
        return;
    SSL_free(tls->ssl);
    tls_context_drop(tls->context);
    OPENSSL_free(tls);
}

static void print_sha256(const unsigned char *b, char out[TLS_PRINT])
{
    static const char digits[] = "0123456789ABCDEF";
    for (int i = 0; i < SHA256_SIZE; i++) {
        *out++ = digits[b[i] >> 4];
        *out++ = digits[b[i] & 15];
        *out++ = i + 1 < SHA256_SIZE ? ':' : '\0';
    }
}

/* The words of a failed verification: which name, why, and what to paste. */
static int tls_refused(const struct tls *tls, char *text)
{
    char seen[TLS_PRINT] = "none";
    long why = SSL_get_verify_result(tls->ssl);
    const char *reason = why == X509_V_ERR_APPLICATION_VERIFICATION
                             ? "no pin matches"
                             : X509_verify_cert_error_string(why);
    if (tls->saw)
        print_sha256(tls->seen, seen);
    snprintf(text, SOCK_TEXT,
             "certificate of %.50s refused: %.60s; to trust it: pin = \"%s\"",
             tls->host[0] ? tls->host : "the peer", reason, seen);
    return ERR_TLS;
}

static int tls_broken(struct tls *tls, char *text)
{
    unsigned long e = ERR_peek_error();
    tls->broken = true;
#ifdef SSL_R_UNEXPECTED_EOF_WHILE_READING
    if (ERR_GET_REASON(e) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
        ERR_clear_error();
        return IO_EOF;
    }
#endif
    if (tls->spoke && !speaks_tls(tls->first)) {
        ERR_clear_error();
        snprintf(text, SOCK_TEXT,
                 tls->context->server
                     ? "the client speaks plaintext where TLS was expected"
                     : "the server speaks plaintext where TLS was expected; "
                       "this port speaks plaintext at first: use "
                       "tls = \"starttls\"");
        return ERR_TLS;
    }
    if (ERR_GET_REASON(e) == SSL_R_CERTIFICATE_VERIFY_FAILED) {
        ERR_clear_error();
        return tls_refused(tls, text);
    }
    return tls_failure(text, tls->up ? "TLS failed" : "TLS handshake failed");
}

static int tls_outcome(struct tls *tls, int r, char *text)
{
    switch (SSL_get_error(tls->ssl, r)) {
    case SSL_ERROR_WANT_READ:
        return IO_WANT_READ;
    case SSL_ERROR_WANT_WRITE:
        return IO_WANT_WRITE;
    case SSL_ERROR_WANT_CLIENT_HELLO_CB:
        return IO_WANT_CHOICE;
    case SSL_ERROR_ZERO_RETURN:
        return IO_EOF;
    case SSL_ERROR_SYSCALL:
        tls->broken = true;
        ERR_clear_error();
        return tls->down ? tls->down : IO_EOF;
    default:
        return tls_broken(tls, text);
    }
}

/* OpenSSL's queue has to be empty before a call; that is soon asked. */
static void tls_enter(struct tls *tls, char *text)
{
    if (ERR_peek_error())
        ERR_clear_error();
    tls->text = text;
    tls->down = 0;
    tls->await = tls->push = false;
}

int tls_handshake(struct tls *tls, char text[SOCK_TEXT])
{
    tls_enter(tls, text);
    int r = SSL_do_handshake(tls->ssl);
    tls->up = r == 1;
    if (r == 1)
        return IO_DONE;
    r = tls_outcome(tls, r, text);
    if (r == IO_EOF) {
        snprintf(text, SOCK_TEXT,
                 "the peer closed the connection during the TLS handshake");
        return ERR_TLS;
    }
    return r;
}

static int tls_early(char *text)
{
    snprintf(text, SOCK_TEXT, "the TLS handshake is not done");
    return ERR_PROTOCOL;
}

int tls_read(struct tls *tls, char *p, size_t room, size_t *n, bool await,
             char text[SOCK_TEXT])
{
    if (!tls->up)
        return tls_early(text);
    tls_enter(tls, text);
    tls->await = await;
    int r = SSL_read_ex(tls->ssl, p, room, n);
    return r == 1 ? IO_DONE : tls_outcome(tls, r, text);
}

int tls_write(struct tls *tls, struct span bytes, size_t *n, bool push,
              char text[SOCK_TEXT])
{
    if (!tls->up)
        return tls_early(text);
    tls_enter(tls, text);
    tls->push = push;
    int r = SSL_write_ex(tls->ssl, bytes.p, bytes.n, n);
    if (r == 1)
        return IO_DONE;
    r = tls_outcome(tls, r, text);
    if (r == IO_EOF) {
        snprintf(text, SOCK_TEXT, "the peer closed the connection");
        return ERR_CLOSED;
    }
    return r;
}

int tls_shutdown(struct tls *tls, char text[SOCK_TEXT])
{
    if (tls->broken || !tls->up)
        return IO_DONE;
    tls_enter(tls, text);
    int r = SSL_shutdown(tls->ssl);
    if (r >= 0)
        return IO_DONE;
    r = tls_outcome(tls, r, text);
    return r == IO_WANT_WRITE ? r : IO_DONE;
}

bool tls_pending(const struct tls *tls)
{
    return SSL_has_pending(tls->ssl) == 1;
}

bool tls_seen(const struct tls *tls, char out[TLS_PRINT])
{
    if (tls->saw)
        print_sha256(tls->seen, out);
    return tls->saw;
}

static X509 *tls_peer(const struct tls *tls)
{
#if OPENSSL_VERSION_NUMBER >= 0x30000000L
    return SSL_get1_peer_certificate(tls->ssl);
#else
    return SSL_get_peer_certificate(tls->ssl);
#endif
}

static void print_name(const X509_NAME *name, char out[TLS_NAME])
{
    BIO *b = BIO_new(BIO_s_mem());
    out[0] = '\0';
    if (b && X509_NAME_print_ex(b, name, 0, XN_FLAG_RFC2253) >= 0) {
        int n = BIO_read(b, out, TLS_NAME - 1);
        out[n > 0 ? n : 0] = '\0';
    }
    BIO_free(b);
}

void tls_inform(const struct tls *tls, struct tls_info *info)
{
    unsigned char hash[SHA256_SIZE];
    X509 *x = tls_peer(tls);
    memset(info, 0, sizeof *info);
    info->version = SSL_get_version(tls->ssl);
    info->cipher = SSL_get_cipher_name(tls->ssl);
    info->resumed = SSL_session_reused(tls->ssl) == 1;
    if (x) {
        info->certificate = true;
        info->verified = !tls_trusting(tls) &&
                         SSL_get_verify_mode(tls->ssl) != SSL_VERIFY_NONE &&
                         SSL_get_verify_result(tls->ssl) == X509_V_OK;
        print_name(X509_get_subject_name(x), info->subject);
        print_name(X509_get_issuer_name(x), info->issuer);
        if (sha256_of(x, hash))
            print_sha256(hash, info->fingerprint);
        if (sha256_of_key(x, hash)) {
            memcpy(info->pin, "sha256/", 7);
            EVP_EncodeBlock((unsigned char *)info->pin + 7, hash, SHA256_SIZE);
        }
        X509_free(x);
    }
    ERR_clear_error();
}

/* The first Finished message of the last handshake: the client's, or the
   server's when a session was resumed. RFC 5929 3.1 */
static int binding_unique(const struct tls *tls, unsigned char out[64])
{
    bool own = tls->context->server == (SSL_session_reused(tls->ssl) == 1);
    if (SSL_version(tls->ssl) >= TLS1_3_VERSION)
        return ERR_PROTOCOL;
    size_t n = own ? SSL_get_finished(tls->ssl, out, 64)
                   : SSL_get_peer_finished(tls->ssl, out, 64);
    return n ? (int)n : ERR_PROTOCOL;
}

int tls_binding(const struct tls *tls, const char *type, unsigned char out[64])
{
    static const char label[] = "EXPORTER-Channel-Binding";
    if (!tls->up)
        return ERR_PROTOCOL;
    if (strcmp(type, "tls-unique") == 0)
        return binding_unique(tls, out);
    if (strcmp(type, "tls-exporter") != 0)
        return ERR_SYNTAX;
    int ok =
        SSL_export_keying_material(tls->ssl, out, 32, label, sizeof label - 1,
                                   (const unsigned char *)"", 0, 1);
    int reason = ERR_GET_REASON(ERR_peek_error());
    ERR_clear_error();
    if (ok != 1)
        return reason == ERR_R_MALLOC_FAILURE ? ERR_MEMORY : ERR_PROTOCOL;
    return 32;
}
