/*
 * addr - lists of addresses in header fields, RFC 5322 3.4 and 4.4, RFC 6532
 *
 * Addresses are pulled one by one from a raw or unfolded value. Obsolete
 * syntax, comments, source routes, quoted local parts, domain literals and
 * UTF-8 are taken; so are the habits of real mail: semicolons or nothing
 * between addresses, names with bare dots, at-signs or brackets, encoded
 * words with commas, a quote, comment or angle that is never closed.
 * Groups are flattened; each member tells its group.
 * Time is linear in the value; nothing recurses.
 *
 * Owns: the reader its buffers. Fails with: ERR_MEMORY, ERR_LIMIT.
 * I/O: none.
 */
#ifndef CORE_ADDR_H
#define CORE_ADDR_H

#include "buf.h"

enum { ADDR_MOST = 10000 }; /* addresses pulled of one value, by default */

struct addr {
    struct span name;    /* words of the display name, quotes taken off,
                            encoded words as they are (see word.h); where
                            there is none, the last comment's text; empty
                            where they only repeat the address */
    struct span address; /* local@domain without comments and blanks; local
                            alone where no domain is; or empty, as the name
                            may be, too: "<>" is an entry that names nobody */
    size_t local;        /* length of the local part within address */
    struct span group;   /* its group's name, or empty */
    bool grouped;        /* member of a group, be its name empty */
};

struct addr_reader {
    struct span s;     /* what was given */
    size_t at;         /* what was read of it */
    struct buf name;   /* of the present address ... */
    struct buf word;   /* ... words that may turn out to be a local part */
    struct buf spec;   /* ... the address */
    struct buf remark; /* ... the last comment */
    struct buf group;
    size_t local;     /* length of the local part in spec */
    size_t restart;   /* where the word behind a whole address began, or 0 */
    size_t left;      /* addresses that may still be pulled */
    size_t faults;    /* repaired things so far */
    bool gathers;     /* the buffers are ready for this value */
    bool grouped;     /* within a group */
    bool found;       /* spec holds an address */
    bool angled;      /* ... that stood in angles */
    bool orphaned;    /* no comma before this: only an address counts */
    bool unclosed[2]; /* no closing quote, parenthesis is ahead */
};

/* The value is borrowed until free. */
INTERNAL void addr_init(struct addr_reader *r, struct span value, size_t most);

/* The same with a reader that is zeroed or was used before: its memory is
   used again. */
INTERNAL void addr_again(struct addr_reader *r, struct span value, size_t most);
INTERNAL void addr_free(struct addr_reader *r);

/* 1 and the next address, whose spans live until the next call; 0 at the
   end, or where `most` were pulled (r->left is 0 then, and more may be
   there); else an error. */
INTERNAL int addr_next(struct addr_reader *r, struct addr *a);

#endif
