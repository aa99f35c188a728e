/*
 * mapping - a file's bytes as memory, read only
 *
 * A file that is made shorter while it is mapped takes the process down where
 * what is gone is looked at (SIGBUS): who maps it must know that nobody does.
 *
 * Owns: the memory. Fails with: ERR_SYSTEM, with words in `text`.
 * I/O: open, fstat, mmap.
 */
#ifndef NET_MAPPING_H
#define NET_MAPPING_H

#include "../core/span.h"
#include "sock.h"

struct mapping {
    struct span bytes; /* an empty file has none */
};

/* A regular file. The struct is zeroed. */
INTERNAL int mapping_open(struct mapping *m, const char *path,
                          char text[SOCK_TEXT]);

/* May run twice. */
INTERNAL void mapping_close(struct mapping *m);

#endif
