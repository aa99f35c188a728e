/*
 * resolve - what the system does slowly, on a few threads: names to addresses
 * and back, and flushes of files
 *
 * getaddrinfo, getnameinfo, queries for other records (query.h) and fsync
 * block, so they run on a small pool, whose threads start when they are
 * needed. Each lookup has a descriptor that becomes readable when it is
 * answered, and may be dropped at any time: a thread that is still at it then
 * throws its answer away. Lookups of names for peers' addresses, and of
 * records, and flushes never take the last thread, so that a slow zone of a
 * stranger holds up no connection; and those of peers leave one to records.
 *
 * The pool is counted: threads may outlive the handle. After a fork it
 * belongs to the parent (resolver_foreign), and a child makes its own.
 *
 * Owns: threads, lookups, descriptors. Fails with: ERR_DNS, ERR_LIMIT (too
 * many wait), ERR_MEMORY, ERR_SYSTEM. I/O: the system's resolver.
 */
#ifndef NET_RESOLVE_H
#define NET_RESOLVE_H

#include "query.h"
#include "sock.h"

enum { RESOLVE_NAME = 256, RESOLVE_ADDRESSES = 32 };

/* In the order in which they are served. */
enum resolve_kind {
    RESOLVE_FORWARD,
    RESOLVE_RECORDS,
    RESOLVE_REVERSE,
    RESOLVE_FLUSH,
    RESOLVE_KINDS
};

struct resolver;

/* Read it only after lookup_result gave IO_DONE. */
struct lookup_answer {
    char name[RESOLVE_NAME]; /* canonical, or what the address is called */
    struct sock_name addresses[RESOLVE_ADDRESSES];
    size_t count;
    char *octets; /* RESOLVE_RECORDS: for dns_open */
    size_t size;
    bool transient; /* a failure that may pass */
};

struct lookup;

/* threads: 2..8. */
INTERNAL int resolver_new(struct resolver **r, size_t threads);
INTERNAL void resolver_drop(struct resolver *r);
INTERNAL bool resolver_foreign(const struct resolver *r);

/* name: a host, or an address for RESOLVE_REVERSE; service: a port or a
   name of one, or NULL. A literal address is answered at once. */
INTERNAL int lookup_start(struct lookup **lookup, struct resolver *r,
                          enum resolve_kind kind, const char *name,
                          const char *service, char text[SOCK_TEXT]);

/* The records of a name: RESOLVE_RECORDS. */
INTERNAL int lookup_query(struct lookup **lookup, struct resolver *r,
                          const char *name, const struct query *query,
                          char text[SOCK_TEXT]);

/* Makes a file's bytes, or a folder's names, survive a power cut, as
   system_sync does: RESOLVE_FLUSH. */
INTERNAL int lookup_flush(struct lookup **lookup, struct resolver *r,
                          const char *path, char text[SOCK_TEXT]);
INTERNAL void lookup_drop(struct lookup *lookup);

INTERNAL int lookup_fd(const struct lookup *lookup);

/* IO_WANT_READ, or IO_DONE, or what failed. The answer is the lookup's. */
INTERNAL int lookup_result(struct lookup *lookup,
                           const struct lookup_answer **answer,
                           char text[SOCK_TEXT]);

#endif
