/*
 * shared - numbers that a process and those it forks see alike
 *
 * Each writer has slots of its own; a reader may see the slots of one writer
 * at different moments, but each of them whole, and in one order with all that
 * is written: who writes and then reads the others' cannot be overlooked by
 * one who does the same.
 *
 * A slot may be a lock, held by the number in it: 0 when it is free. What its
 * holder does is short; who is killed meanwhile leaves it to those who know of
 * the death to free it.
 *
 * Owns: the memory. Fails with: ERR_MEMORY. I/O: mmap, anonymous; the clock and
 * sleeps, while a lock is another's.
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

/* Takes a lock for who, > 0; false when another kept it for so many
   milliseconds. */
INTERNAL bool shared_lock(struct shared *s, size_t i, long long who,
                          unsigned patience);

/* Frees a lock, if who holds it. */
INTERNAL void shared_unlock(struct shared *s, size_t i, long long who);

/* May run twice. */
INTERNAL void shared_close(struct shared *s);

#endif
