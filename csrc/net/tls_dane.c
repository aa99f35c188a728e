/*
 * tls_dane - servers known by their TLSA records (RFC 6698, as RFC 7672 has
 * it for mail); see tls.h
 *
 * OpenSSL matches the records. Those of usage 0 and 1 mean nothing for mail,
 * nor do those that OpenSSL cannot use: where none is left the server's
 * certificate is not looked at (RFC 7672 2.2). A certificate of usage 3 may
 * carry any name and be expired (3.1.1). One below a trust anchor of usage 2
 * carries the name that the records are found by, or that of the domain whose
 * mail the host takes (3.2.2).
 */
#include "tls_parts.h"

enum { USAGE_TRUST_ANCHOR = 2, USAGE_CERTIFICATE = 3 };

static bool dane_copy(struct tls_context *c, const struct tls_tlsa *one)
{
    struct tls_tlsa *kept = &c->tlsa[c->ntlsa];
    char *data = OPENSSL_memdup(one->data.p, one->data.n);
    if (!data)
        return false;
    *kept = *one;
    kept->data = span_of(data, one->data.n);
    c->ntlsa++;
    return true;
}

int tls_dane_context(struct tls_context *c, const struct tls_settings *s,
                     char *text)
{
    if (SSL_CTX_dane_enable(c->ctx) <= 0)
        return tls_failure(text, "no DANE here");
    if (s->domain.n >= sizeof c->domain)
        return tls_failure(text, "the name of the domain is too long");
    if (s->domain.n > 0)
        memcpy(c->domain, s->domain.p, s->domain.n);
    for (size_t i = 0; i < s->ntlsa; i++)
        if (s->tlsa[i].data.n > 0 && !dane_copy(c, &s->tlsa[i]))
            return ERR_MEMORY;
    c->dane = true;
    return 0;
}

void tls_dane_drop(struct tls_context *c)
{
    for (size_t i = 0; i < c->ntlsa; i++) {
        void *data;
        memcpy(&data, &c->tlsa[i].data.p, sizeof data);
        OPENSSL_free(data);
    }
    c->ntlsa = 0;
}

static int dane_add(struct tls *tls, const struct tls_tlsa *one)
{
    if (one->usage != USAGE_TRUST_ANCHOR && one->usage != USAGE_CERTIFICATE)
        return 0;
    return SSL_dane_tlsa_add(tls->ssl, one->usage, one->selector, one->matching,
                             (const unsigned char *)one->data.p, one->data.n);
}

bool tls_dane_expect(struct tls *tls)
{
    const struct tls_context *c = tls->context;
    if (SSL_dane_enable(tls->ssl, tls->host) <= 0)
        return false;
    if (c->domain[0] && SSL_add1_host(tls->ssl, c->domain) != 1)
        return false;
    SSL_dane_set_flags(tls->ssl, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
    for (size_t i = 0; i < c->ntlsa; i++) {
        int added = dane_add(tls, &c->tlsa[i]);
        if (added < 0)
            return false;
        tls->proves = tls->proves || added > 0;
    }
    return true;
}
