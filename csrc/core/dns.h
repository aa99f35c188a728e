/*
 * dns - the answer of a name server, record by record (RFC 1035 4)
 *
 * Bytes from anybody: every length is checked, a compressed name only goes
 * back, and aliases are followed a bounded number of times. Only records
 * that answer the question are given: those of the name that the chain of
 * CNAMEs ends at.
 *
 * Owns: nothing; records borrow the answer. Fails with: ERR_SYNTAX (the
 * answer is malformed). I/O: none.
 */
#ifndef CORE_DNS_H
#define CORE_DNS_H

#include "err.h"
#include "span.h"

enum dns_type {
    DNS_A = 1,
    DNS_CNAME = 5,
    DNS_PTR = 12,
    DNS_MX = 15,
    DNS_TXT = 16,
    DNS_AAAA = 28,
    DNS_TLSA = 52,
};

enum dns_code {
    DNS_OK = 0,
    DNS_FORMAT = 1,
    DNS_FAILED = 2, /* SERVFAIL */
    DNS_NO_NAME = 3,
    DNS_NOT_IMPLEMENTED = 4,
    DNS_REFUSED = 5,
};

/* As text: no dot at the end, the root is ""; an octet that no host name has
   is \DDD. */
enum { DNS_NAME = 1020, DNS_HEADER = 12 };

struct dns_reader {
    struct span answer;
    size_t at;     /* the next record */
    unsigned left; /* records of the answer section */
    unsigned type; /* what was asked for */
    unsigned code; /* enum dns_code, or another one */
    bool secure;   /* the server says that it verified the answer (AD) */
    char name[DNS_NAME];
};

struct dns_record {
    unsigned ttl;
    unsigned preference;                /* MX */
    unsigned usage, selector, matching; /* TLSA */
    char host[DNS_NAME];                /* MX, PTR */
    struct span data; /* the rest: octets of an address (4, 16) or of a TLSA;
                         the strings of a TXT, each behind its length */
};

/* Reads header and question, and follows aliases. With a code other than
   DNS_OK, or without records, the header is enough. */
INTERNAL int dns_open(struct dns_reader *r, struct span answer);

/* 1: a record, 0: no more. */
INTERNAL int dns_next(struct dns_reader *r, struct dns_record *record);

#endif
