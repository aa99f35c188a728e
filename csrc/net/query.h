/*
 * query - one question to the system's name servers, or to others
 *
 * Blocks, so it belongs on a thread (resolve.h). The answer is read by
 * core/dns.h. That it was verified (AD) counts only where the system's
 * configuration trusts its name servers' word (glibc: trust-ad in
 * resolv.conf), or where the caller does.
 *
 * Owns: nothing. Fails with: ERR_TIMEOUT (nobody answered, or the name is
 * none that can be asked for), ERR_SYSTEM. I/O: libresolv.
 */
#ifndef NET_QUERY_H
#define NET_QUERY_H

#include "sock.h"

enum { QUERY_SERVERS = 3, QUERY_ANSWER = 65535 };

struct query {
    unsigned type;                           /* enum dns_type, or another */
    struct sock_name servers[QUERY_SERVERS]; /* IPv4; with glibc IPv6, too */
    size_t count;                            /* 0: the system's servers */
    bool trust;     /* these servers' word that an answer is verified */
    double seconds; /* about how long to wait; 0: as the system has it */
};

/* The servers are addresses that can be asked here. */
INTERNAL int query_check(const struct query *q, char text[SOCK_TEXT]);

/* The octets of the answer, at most room; of one that holds no records maybe
   the header alone. */
INTERNAL int query_run(const struct query *q, const char *name, char *answer,
                       size_t room, size_t *n);

/* An address of 4 or 16 octets as text; "" where it is none. */
INTERNAL void query_address(struct span octets, char host[SOCK_HOST]);

#endif
