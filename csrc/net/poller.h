/*
 * poller - which descriptors are ready, and which deadlines have passed
 *
 * A descriptor is told to the kernel once and stays there. Readiness is a
 * level: whoever waits and finds bytes left from before is told at once. An
 * event for a descriptor that nobody waits for disarms it until the next
 * wait; interest in writing is there only while it is waited for.
 *
 * A wait is for one event or its deadline, whichever comes first, and is then
 * over. One turn hands out a bounded number of events, oldest first.
 *
 * Owns: the kernel's object and its tables, not the descriptors. Fails with:
 * ERR_MEMORY, ERR_LIMIT, ERR_SYSTEM. I/O: epoll, kqueue or poll; the
 * monotonic clock.
 */
#ifndef NET_POLLER_H
#define NET_POLLER_H

#include "../core/err.h"
#include "../core/span.h"

enum poller_mode {
    POLLER_READ = 1,
    POLLER_WRITE = 2,
    POLLER_TIMEOUT = 4, /* in an event: the deadline passed */
    POLLER_CLOSED = 8,  /* in an event: forgotten while waited for */
};

/* At most so many events a turn. */
enum { POLLER_BATCH = 256 };

struct poller_event {
    int id; /* a descriptor, or a timer's number, which is negative */
    int mode;
    double due; /* the deadline of the wait that it ends, or HUGE_VAL */
};

struct poller_fd;
struct poller_due;
struct poller_backend; /* poller_backend.h */

struct poller {
    const void *mark; /* for the binding: tells that this is one */
    const struct poller_backend *backend;
    int kernel;            /* its descriptor, or -1 */
    void *private;         /* its tables, or NULL */
    struct poller_fd *fds; /* by descriptor */
    size_t nfds;
    struct poller_due *heap; /* by time: the earliest first */
    size_t heap_size, heap_room;
    size_t *timers; /* place in the heap, by timer */
    size_t ntimers, free_timer;
    int ready[POLLER_BATCH]; /* descriptors with an event to hand out */
    size_t ready_head, ready_tail;
    bool crowded;        /* a close found the queue full */
    size_t waiting;      /* descriptors and timers under way */
    size_t handed;       /* deadlines handed out in this turn */
    double looked;       /* when the last turn took its events */
    double turned;       /* deadlines up to here have passed in this turn */
    bool alone;          /* only who got the last event has anything to do */
    struct poller *next; /* for the binding: all pollers of a Lua state */
};

/* backend: "epoll", "kqueue", "poll", or NULL for the best that there is.
   ERR_SYNTAX: it is not here. A zeroed struct may be freed; free may run
   twice. */
INTERNAL int poller_init(struct poller *p, const char *backend);
INTERNAL void poller_free(struct poller *p);
INTERNAL const char *poller_name(const struct poller *p);

/* A descriptor that is readable while a descriptor waited for is ready, for
   another loop to watch; -1 where this backend has none. */
INTERNAL int poller_kernel(const struct poller *p);

/* When the earliest deadline passes, or HUGE_VAL. */
INTERNAL double poller_due(const struct poller *p);

/* Seconds from an arbitrary start, never backwards. */
INTERNAL double poller_now(void);

/* Waits for a mode of a descriptor until `due` (poller_now's scale; HUGE_VAL:
   no deadline). A wait under way is replaced. */
INTERNAL int poller_wait(struct poller *p, int fd, int mode, double due);
INTERNAL bool poller_waits(const struct poller *p, int fd);

/* A timer's number in *id, valid until its event or its cancel. */
INTERNAL int poller_timer(struct poller *p, double due, int *id);

/* Ends the wait of a descriptor or timer; it stays known to the kernel. */
INTERNAL void poller_cancel(struct poller *p, int id);

/* Before close(fd). Whoever waits gets POLLER_CLOSED. */
INTERNAL void poller_forget(struct poller *p, int fd);

/* Blocks until something happens, at most `seconds` (HUGE_VAL: no limit; a
   signal ends it), not at all while events are left to hand out. */
INTERNAL int poller_turn(struct poller *p, double seconds);

/* The next event of this turn, or false. */
INTERNAL bool poller_next(struct poller *p, struct poller_event *event);

/* False when poller_next has no more to give. */
INTERNAL bool poller_more(const struct poller *p);

/* Waits for reading until due, and takes the next event, where that is of this
   descriptor. False where it is not, or none may be waited for here: the wait
   goes on, then, where it could begin. For who was given an event alone. */
INTERNAL bool poller_again(struct poller *p, int fd, double due);

/* In a forked child: the kernel's object is shared with the parent, so it is
   left to it, and a new one takes over what is waited for. */
INTERNAL int poller_reopen(struct poller *p);

/* One descriptor, outside any poller: its ready modes; 0 when the seconds
   have passed, or a signal came (*interrupted). */
INTERNAL int poller_block(int fd, int mode, double seconds, bool *interrupted);

#endif
