/*
 * shared - numbers that a process and those it forks see alike; see shared.h
 */
#ifdef __linux__
#define _GNU_SOURCE /* MAP_ANONYMOUS */
#endif
#include <stdatomic.h>

#include <sys/mman.h>

#include "shared.h"

#ifndef MAP_ANONYMOUS
#define MAP_ANONYMOUS MAP_ANON
#endif

int shared_open(struct shared *s, size_t count)
{
    void *p = mmap(NULL, count * sizeof *s->slots, PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return ERR_MEMORY;
    s->slots = p;
    s->count = count;
    return 0;
}

long long shared_get(const struct shared *s, size_t i)
{
    return atomic_load_explicit(&s->slots[i], memory_order_acquire);
}

void shared_set(struct shared *s, size_t i, long long value)
{
    atomic_store_explicit(&s->slots[i], value, memory_order_release);
}

void shared_close(struct shared *s)
{
    if (s->slots)
        (void)munmap(s->slots, s->count * sizeof *s->slots);
    s->slots = NULL;
    s->count = 0;
}
