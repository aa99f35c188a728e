/*
 * shared - numbers that a process and those it forks see alike; see shared.h
 */
#ifdef __linux__
#define _GNU_SOURCE /* MAP_ANONYMOUS */
#endif
#include <sched.h>
#include <stdatomic.h>
#include <time.h>

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
    return atomic_load(&s->slots[i]);
}

void shared_set(struct shared *s, size_t i, long long value)
{
    atomic_store(&s->slots[i], value);
}

enum { YIELDS = 64, NAP = 50000 }; /* then naps, in nanoseconds */

static bool shared_try(struct shared *s, size_t i, long long who)
{
    long long nobody = 0;
    return atomic_compare_exchange_strong(&s->slots[i], &nobody, who);
}

bool shared_lock(struct shared *s, size_t i, long long who, unsigned patience)
{
    const struct timespec nap = {0, NAP};
    unsigned long long naps = patience * (1000000ULL / NAP);
    for (int n = 0; n < YIELDS; n++) {
        if (shared_try(s, i, who))
            return true;
        (void)sched_yield();
    }
    while (!shared_try(s, i, who)) {
        if (naps-- == 0)
            return false;
        (void)nanosleep(&nap, NULL);
    }
    return true;
}

void shared_unlock(struct shared *s, size_t i, long long who)
{
    (void)atomic_compare_exchange_strong(&s->slots[i], &who, 0);
}

void shared_close(struct shared *s)
{
    if (s->slots)
        (void)munmap(s->slots, s->count * sizeof *s->slots);
    s->slots = NULL;
    s->count = 0;
}
