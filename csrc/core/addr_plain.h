/*
 * addr_plain - the address at the head of a list, where it is written as most
 * are, RFC 5322 3.4
 *
 * "Name <local@domain>", with the name in words or in quotes, and
 * "local@domain": without comments, routes, groups, backslashes, literals,
 * obsolete blanks. Its spans borrow the list; what addr.h's reader makes of
 * the same bytes is the same.
 *
 * Owns: nothing. Fails with: nothing. I/O: none.
 */
#ifndef CORE_ADDR_PLAIN_H
#define CORE_ADDR_PLAIN_H

#include "addr.h"

/* How many bytes of s the first address takes, with the comma behind it; 0
   where it is none of these. */
INTERNAL size_t addr_plain(struct span s, struct addr *a);

#endif
