/*
 * privileges - who this process is, and becoming somebody lesser for good
 *
 * Owns: nothing. Fails with: ERR_SYSTEM, with words in `text`; the process
 * may then be half changed, and had better end. I/O: the user and group
 * databases, setuid and its kin.
 */
#ifndef NET_PRIVILEGES_H
#define NET_PRIVILEGES_H

#include "sock.h"

enum { PRIVILEGES_GROUPS = 64 };

struct privileges {
    long user, group;
    long groups[PRIVILEGES_GROUPS]; /* supplementary ones */
    size_t ngroups;
};

INTERNAL int privileges_now(struct privileges *p, char text[SOCK_TEXT]);

/* Names or numbers. group NULL: the user's own. The supplementary groups
   become those of the user. Real, effective and saved identities change, and
   it is tried whether root can be had back: that is a failure. Being that
   user already, root or not, is fine where no privilege and no group but the
   user's own is left. */
INTERNAL int privileges_become(const char *user, const char *group,
                               char text[SOCK_TEXT]);

#endif
