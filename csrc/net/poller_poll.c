/*
 * poller_poll - the poller on any POSIX system, by poll(2)
 *
 * One dense array for the kernel; each descriptor knows its slot, the last
 * one fills a gap. A descriptor that nobody waits for is not in it. Where a
 * turn finds more than a batch ready, the next one starts behind the last
 * reported, so that none starves.
 *
 * Owns: the array. Fails with: ERR_MEMORY, ERR_SYSTEM. I/O: poll.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "poller_backend.h"

struct table {
    size_t n, room;
    size_t start; /* where the next report begins */
    struct pollfd *fds;
};

static int table_open(struct poller *p)
{
    p->private = calloc(1, sizeof(struct table));
    return p->private ? 0 : ERR_MEMORY;
}

static void table_close(struct poller *p)
{
    struct table *t = p->private;
    if (t)
        free(t->fds);
    free(t);
    p->private = NULL;
}

/* slot counts from 1: 0 is not in the table. */
static void table_forget(struct poller *p, int fd)
{
    struct table *t = p->private;
    unsigned slot = p->fds[fd].slot;
    if (slot == 0)
        return;
    t->fds[slot - 1] = t->fds[--t->n];
    p->fds[t->fds[slot - 1].fd].slot = slot;
    p->fds[fd].slot = 0;
}

static int table_room(struct table *t)
{
    if (t->n < t->room)
        return 0;
    size_t room = t->room ? 2 * t->room : 64;
    struct pollfd *more = realloc(t->fds, room * sizeof *more);
    if (!more)
        return ERR_MEMORY;
    t->fds = more;
    t->room = room;
    return 0;
}

static int table_arm(struct poller *p, int fd, int mode)
{
    struct table *t = p->private;
    struct poller_fd *f = &p->fds[fd];
    if (mode == 0) {
        table_forget(p, fd);
        return 0;
    }
    if (f->slot == 0) {
        if (table_room(t) < 0)
            return ERR_MEMORY;
        t->fds[t->n].fd = fd;
        f->slot = (unsigned)++t->n;
    }
    short events = (short)((mode & POLLER_READ ? POLLIN : 0) |
                           (mode & POLLER_WRITE ? POLLOUT : 0));
    t->fds[f->slot - 1].events = events;
    t->fds[f->slot - 1].revents = 0;
    return 0;
}

/* A report may take a descriptor out of the table, so that another one moves
   into its slot: that one's events are still there next turn. */
static int table_turn(struct poller *p, int milliseconds)
{
    struct table *t = p->private;
    int n = poll(t->fds, (nfds_t)t->n, milliseconds);
    if (n < 0)
        return errno == EINTR ? 0 : ERR_SYSTEM;
    size_t total = t->n;
    for (size_t i = 0; i < total && n > 0; i++) {
        size_t at = (t->start + i) % total;
        if (at >= t->n || t->fds[at].revents == 0)
            continue;
        int events = t->fds[at].revents;
        t->fds[at].revents = 0;
        n--;
        if (p->ready_tail == POLLER_BATCH) {
            t->start = at;
            return 0;
        }
        poller_report(p, t->fds[at].fd,
                      (events & POLLIN ? POLLER_READ : 0) |
                          (events & POLLOUT ? POLLER_WRITE : 0),
                      events & (POLLERR | POLLHUP | POLLNVAL));
    }
    t->start = 0;
    return 0;
}

static const struct poller_backend backend = {
    "poll", table_open, table_close, table_arm, table_forget, table_turn,
};

const struct poller_backend *poller_poll(void)
{
    return &backend;
}
