/*
 * query - one question to the system's name servers; see query.h
 *
 * res_nquery tells little about why it failed, but leaves the header of the
 * last answer in the buffer: it is zero where none came. musl has no
 * res_nquery, and a res_query that is safe on threads and asks the system's
 * servers only. Name servers by IPv6 stand in a part of the state that is
 * glibc's own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netinet/in.h>
#include <resolv.h>

#include "query.h"

#if defined(__GLIBC__) || defined(__APPLE__) || defined(__FreeBSD__) ||        \
    defined(__NetBSD__) || defined(__DragonFly__)
#define HAS_STATE 1
#else
#define HAS_STATE 0
#endif

#if defined(__GLIBC__)
#define HAS_SIX 1
#else
#define HAS_SIX 0
#endif

enum { HEAD = 12, RESPONSE = 0x80, TRIES = 2, LONGEST = 30, INTERNET = 1 };

int query_check(const struct query *q, char text[SOCK_TEXT])
{
    struct in6_addr address;
    if (q->count > 0 && !HAS_STATE) {
        snprintf(text, SOCK_TEXT,
                 "this system's resolver asks no other name servers");
        return ERR_SYSTEM;
    }
    for (size_t i = 0; i < q->count; i++)
        if (inet_pton(AF_INET, q->servers[i].host, &address) != 1 &&
            !(HAS_SIX &&
              inet_pton(AF_INET6, q->servers[i].host, &address) == 1)) {
            snprintf(text, SOCK_TEXT, "a name server is an %s, not %.100s",
                     HAS_SIX ? "address" : "IPv4 address here",
                     q->servers[i].host);
            return ERR_SYSTEM;
        }
    return 0;
}

void query_address(struct span octets, char host[SOCK_HOST])
{
    int family = octets.n == 4 ? AF_INET : AF_INET6;
    host[0] = '\0';
    if (octets.n == 4 || octets.n == 16)
        (void)inet_ntop(family, octets.p, host, SOCK_HOST);
}

/* What came of a query that gave `size`, or less than 0. */
static int query_outcome(const char *answer, size_t room, int size, size_t *n)
{
    bool answered = (unsigned char)answer[2] & RESPONSE;
    if (size >= HEAD)
        *n = (size_t)size < room ? (size_t)size : room;
    else
        *n = HEAD;
    return size >= HEAD || answered ? 0 : ERR_TIMEOUT;
}

#if HAS_STATE
#if HAS_SIX
/* The place for a longer address, which res_nclose frees; the short one is to
   hold none then. */
static int query_six(struct __res_state *state, size_t i,
                     const struct sock_name *server)
{
    struct sockaddr_in6 *a = state->_u._ext.nsaddrs[i];
    if (!a && !(a = malloc(sizeof *a)))
        return ERR_MEMORY;
    memset(a, 0, sizeof *a);
    a->sin6_family = AF_INET6;
    a->sin6_port = htons((uint16_t)server->port);
    (void)inet_pton(AF_INET6, server->host, &a->sin6_addr);
    state->_u._ext.nsaddrs[i] = a;
    return 0;
}
#else
static int query_six(struct __res_state *state, size_t i,
                     const struct sock_name *server)
{
    (void)state, (void)i, (void)server;
    return ERR_SYSTEM;
}
#endif

static int query_servers(struct __res_state *state, const struct query *q)
{
    int err = 0;
    if (q->count == 0)
        return 0;
    for (size_t i = 0; i < q->count && err == 0; i++) {
        struct sockaddr_in *a = &state->nsaddr_list[i];
        memset(a, 0, sizeof *a);
        a->sin_port = htons((uint16_t)q->servers[i].port);
        if (inet_pton(AF_INET, q->servers[i].host, &a->sin_addr) == 1)
            a->sin_family = AF_INET;
        else
            err = query_six(state, i, &q->servers[i]);
    }
    state->nscount = (int)q->count;
    return err;
}

static void query_options(struct __res_state *state, const struct query *q)
{
    state->options &= ~(unsigned long)(RES_DNSRCH | RES_DEFNAMES);
#if defined(RES_USE_EDNS0) && defined(RES_USE_DNSSEC)
    state->options |= RES_USE_EDNS0 | RES_USE_DNSSEC;
#endif
#if defined(RES_TRUSTAD)
    if (q->count > 0)
        state->options &= ~(unsigned long)RES_TRUSTAD;
    if (q->trust)
        state->options |= RES_TRUSTAD;
#endif
    if (q->seconds > 0) {
        double s = q->seconds < LONGEST ? q->seconds : LONGEST;
        state->retrans = (int)(s / TRIES) + 1;
        state->retry = TRIES;
    }
}

/* Where the system does not clear a bit that it has no reason to trust. */
static void query_distrust(const struct query *q, char *answer)
{
#if !defined(RES_TRUSTAD)
    if (!q->trust)
        answer[3] = (char)(answer[3] & ~0x20);
#else
    (void)q;
    (void)answer;
#endif
}

int query_run(const struct query *q, const char *name, char *answer,
              size_t room, size_t *n)
{
    struct __res_state state;
    memset(&state, 0, sizeof state);
    memset(answer, 0, HEAD);
    if (res_ninit(&state) != 0)
        return ERR_SYSTEM;
    int servers = state.nscount; /* the system's */
    int size = 0, err = query_servers(&state, q);
    query_options(&state, q);
    if (err == 0)
        size = res_nquery(&state, name, INTERNET, (int)q->type,
                          (unsigned char *)answer, (int)room);
    if (state.nscount < servers) /* else it keeps those that are IPv6 */
        state.nscount = servers;
#if defined(__GLIBC__)
    res_nclose(&state);
#else
    res_ndestroy(&state);
#endif
    query_distrust(q, answer);
    return err < 0 ? err : query_outcome(answer, room, size, n);
}
#else
int query_run(const struct query *q, const char *name, char *answer,
              size_t room, size_t *n)
{
    memset(answer, 0, HEAD);
    int size = res_query(name, INTERNET, (int)q->type, (unsigned char *)answer,
                         (int)room);
    if (!q->trust)
        answer[3] = (char)(answer[3] & ~0x20);
    return query_outcome(answer, room, size, n);
}
#endif
