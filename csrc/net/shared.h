/*
 * shared - numbers that a process and those it forks see alike
 *
 * Each writer has slots of its own; a reader may see the slots of one writer
 * at different moments, but each of them whole, and in the order in which they
 * were written.
 *
 * Owns: the memory. Fails with: ERR_MEMORY. I/O: mmap, anonymous.
 */
#ifndef NET_SHARED_H
#define NET_SHARED_H

#include "sock.h"

struct shared {
    _Atomic long long *slots; /* NULL when closed */
    size_t count;
};

INTERNAL int shared_open(struct shared *s, size_t count);
INTERNAL long long shared_get(const struct shared *s, size_t i);
INTERNAL void shared_set(struct shared *s, size_t i, long long value);

/* May run twice. */
INTERNAL void shared_close(struct shared *s);

#endif
