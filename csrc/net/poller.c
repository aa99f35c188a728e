/*
 * poller - ready descriptors and passed deadlines; see poller.h
 *
 * Deadlines stand in one binary heap; each descriptor and timer knows its
 * place in it, so that a wait that ends early leaves the heap at once.
 */
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>

#include "poller_backend.h"

/* A descriptor or timer in the heap. */
struct poller_due {
    double due;
    int id;
};

/* Free timers form a list through the table: their successors' indexes. */
#define NO_TIMER ((size_t)-1)

enum { TIMERS_MAX = INT_MAX / 2 };

double poller_now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static const struct poller_backend *backend_of(const char *name)
{
    const struct poller_backend *all[] = {poller_epoll(), poller_kqueue(),
                                          poller_poll()};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (all[i] && (!name || strcmp(name, all[i]->name) == 0))
            return all[i];
    return NULL;
}

int poller_init(struct poller *p, const char *backend)
{
    memset(p, 0, sizeof *p);
    p->kernel = -1;
    p->free_timer = NO_TIMER;
    p->backend = backend_of(backend);
    return p->backend ? p->backend->open(p) : ERR_SYNTAX;
}

void poller_free(struct poller *p)
{
    if (p->backend)
        p->backend->close(p);
    free(p->fds);
    free(p->heap);
    free(p->timers);
    struct poller *next = p->next;
    const void *mark = p->mark;
    memset(p, 0, sizeof *p);
    p->mark = mark;
    p->next = next;
    p->kernel = -1;
}

const char *poller_name(const struct poller *p)
{
    return p->backend ? p->backend->name : "closed";
}

int poller_kernel(const struct poller *p)
{
    return p->kernel;
}

double poller_due(const struct poller *p)
{
    return p->heap_size ? p->heap[0].due : HUGE_VAL;
}

static void heap_put(struct poller *p, size_t i, struct poller_due d)
{
    p->heap[i] = d;
    if (d.id >= 0)
        p->fds[d.id].place = (unsigned)i;
    else
        p->timers[-(d.id + 1)] = i;
}

static void heap_up(struct poller *p, size_t i, struct poller_due d)
{
    while (i > 0 && d.due < p->heap[(i - 1) / 2].due) {
        heap_put(p, i, p->heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    heap_put(p, i, d);
}

static void heap_down(struct poller *p, size_t i, struct poller_due d)
{
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= p->heap_size)
            break;
        if (child + 1 < p->heap_size &&
            p->heap[child + 1].due < p->heap[child].due)
            child++;
        if (p->heap[child].due >= d.due)
            break;
        heap_put(p, i, p->heap[child]);
        i = child;
    }
    heap_put(p, i, d);
}

static void heap_settle(struct poller *p, size_t i, struct poller_due d)
{
    if (i > 0 && d.due < p->heap[(i - 1) / 2].due)
        heap_up(p, i, d);
    else
        heap_down(p, i, d);
}

static int heap_add(struct poller *p, int id, double due)
{
    struct poller_due d = {due, id};
    if (p->heap_size == p->heap_room) {
        size_t room = p->heap_room ? 2 * p->heap_room : 64;
        struct poller_due *more = realloc(p->heap, room * sizeof *more);
        if (!more)
            return ERR_MEMORY;
        p->heap = more;
        p->heap_room = room;
    }
    heap_up(p, p->heap_size++, d);
    return 0;
}

static void heap_remove(struct poller *p, size_t i)
{
    struct poller_due last = p->heap[--p->heap_size];
    if (i < p->heap_size)
        heap_settle(p, i, last);
}

/* A descriptor's entry, made on demand: NULL where memory is out. */
static struct poller_fd *fd_entry(struct poller *p, int fd)
{
    if ((size_t)fd >= p->nfds) {
        size_t n = p->nfds ? p->nfds : 64;
        while (n <= (size_t)fd)
            n *= 2;
        struct poller_fd *more = realloc(p->fds, n * sizeof *more);
        if (!more)
            return NULL;
        p->fds = more;
        memset(more + p->nfds, 0, (n - p->nfds) * sizeof *more);
        for (size_t i = p->nfds; i < n; i++)
            more[i].place = POLLER_NOWHERE;
        p->nfds = n;
    }
    return &p->fds[fd];
}

static struct poller_fd *fd_known(const struct poller *p, int fd)
{
    return fd >= 0 && (size_t)fd < p->nfds ? &p->fds[fd] : NULL;
}

static void fd_deadline_off(struct poller *p, struct poller_fd *f)
{
    if (f->place == POLLER_NOWHERE)
        return;
    heap_remove(p, f->place);
    f->place = POLLER_NOWHERE;
}

static int fd_deadline(struct poller *p, struct poller_fd *f, int fd,
                       double due)
{
    struct poller_due d = {due, fd};
    if (due == HUGE_VAL) {
        fd_deadline_off(p, f);
        return 0;
    }
    if (f->place == POLLER_NOWHERE)
        return heap_add(p, fd, due);
    heap_settle(p, f->place, d);
    return 0;
}

/* Queues a descriptor's event once. When the queue is full, readiness waits
   for the next turn, since it is a level; a close is said only once, so it
   is noted for a later search. */
static void fd_queue(struct poller *p, int fd, int mode)
{
    struct poller_fd *f = &p->fds[fd];
    if (!f->queued) {
        if (p->ready_tail == POLLER_BATCH && mode != POLLER_CLOSED)
            return;
        if (p->ready_tail == POLLER_BATCH) {
            p->crowded = true;
        } else {
            p->ready[p->ready_tail++] = fd;
            f->queued = 1;
        }
    }
    f->ready = (unsigned char)(f->ready | mode);
}

static void queue_crowded(struct poller *p)
{
    p->crowded = false;
    for (size_t fd = 0; fd < p->nfds; fd++)
        if (p->fds[fd].ready && !p->fds[fd].queued)
            fd_queue(p, (int)fd, POLLER_CLOSED);
}

static int fd_arm(struct poller *p, struct poller_fd *f, int fd, int mode)
{
    if (f->always || (f->known && f->armed == mode))
        return 0;
    int err = p->backend->arm(p, fd, mode);
    if (err == 0 && !f->always) {
        f->known = 1;
        f->armed = (unsigned char)mode;
    }
    return err;
}

int poller_wait(struct poller *p, int fd, int mode, double due)
{
    struct poller_fd *f = fd_entry(p, fd);
    if (!f)
        return ERR_MEMORY;
    int err = fd_arm(p, f, fd, mode);
    if (err == 0)
        err = fd_deadline(p, f, fd, f->always ? 0 : due);
    if (err < 0) {
        poller_cancel(p, fd);
        return err;
    }
    p->waiting += f->want == 0;
    if (f->want != mode) /* else what is queued of it still counts */
        f->ready = 0;
    f->want = (unsigned char)mode;
    return 0;
}

bool poller_waits(const struct poller *p, int fd)
{
    const struct poller_fd *f = fd_known(p, fd);
    return f && f->want;
}

static void fd_done(struct poller *p, struct poller_fd *f)
{
    p->waiting -= f->want != 0;
    f->want = 0;
    fd_deadline_off(p, f);
}

int poller_timer(struct poller *p, double due, int *id)
{
    if (p->free_timer == NO_TIMER) {
        size_t n = p->ntimers ? 2 * p->ntimers : 16;
        size_t *more = n > TIMERS_MAX ? NULL : realloc(p->timers, n * sizeof n);
        if (!more)
            return ERR_MEMORY;
        p->timers = more;
        p->free_timer = p->ntimers;
        while (p->ntimers < n) {
            more[p->ntimers] = p->ntimers + 1 < n ? p->ntimers + 1 : NO_TIMER;
            p->ntimers++;
        }
    }
    size_t t = p->free_timer, next = p->timers[t];
    *id = -(int)t - 1;
    int err = heap_add(p, *id, due);
    if (err == 0) {
        p->free_timer = next;
        p->waiting++;
    }
    return err;
}

static void timer_done(struct poller *p, int id)
{
    size_t t = (size_t) - (id + 1);
    p->timers[t] = p->free_timer;
    p->free_timer = t;
    p->waiting--;
}

/* A free timer's entry may look like a place: the heap knows better. */
static bool timer_runs(const struct poller *p, int id)
{
    size_t t = (size_t) - (id + 1);
    return t < p->ntimers && p->timers[t] < p->heap_size &&
           p->heap[p->timers[t]].id == id;
}

void poller_cancel(struct poller *p, int id)
{
    struct poller_fd *f = fd_known(p, id);
    if (f) {
        fd_done(p, f);
        f->ready = 0;
    } else if (id < 0 && timer_runs(p, id)) {
        heap_remove(p, p->timers[-(id + 1)]);
        timer_done(p, id);
    }
}

void poller_forget(struct poller *p, int fd)
{
    struct poller_fd *f = fd_known(p, fd);
    if (!f)
        return;
    bool waited = f->want != 0;
    fd_done(p, f);
    f->ready = 0;
    f->always = 0;
    if (f->known)
        p->backend->forget(p, fd);
    f->known = f->armed = 0;
    if (waited)
        fd_queue(p, fd, POLLER_CLOSED);
}

void poller_report(struct poller *p, int fd, int mode, bool gone)
{
    struct poller_fd *f = fd_known(p, fd);
    if (!f || !f->known)
        return;
    int ready = gone ? f->want : mode & f->want;
    if (ready) {
        fd_queue(p, fd, ready);
    } else if (gone) {
        p->backend->forget(p, fd);
        f->known = f->armed = 0;
    } else {
        (void)fd_arm(p, f, fd, f->want);
    }
}

/* Whole milliseconds, rounded up: never early, never a busy wait. */
static int milliseconds(double seconds)
{
    double ms = seconds * 1000;
    if (ms <= 0)
        return 0;
    if (ms >= INT_MAX)
        return seconds == HUGE_VAL ? -1 : INT_MAX;
    return (int)ms + ((int)ms < ms);
}

/* Where something is ready, what it says may be what another one waits for:
   deadlines that passed since the last turn wait for the next one, which
   looks at once. So a process that stood still, or had much to do, ends no
   wait for bytes that only it could bring about. */
static void turned_at(struct poller *p, double now)
{
    p->turned = p->ready_tail ? p->looked : now;
    p->looked = now;
}

int poller_turn(struct poller *p, double seconds)
{
    if (p->ready_head == p->ready_tail)
        p->ready_head = p->ready_tail = 0;
    if (p->crowded && p->ready_tail == 0)
        queue_crowded(p);
    p->handed = 0;
    if (p->heap_size) {
        double left = p->heap[0].due - poller_now();
        seconds = left < seconds ? left : seconds;
    }
    if (p->ready_tail)
        seconds = 0;
    int err = 0;
    if (p->ready_tail == 0)
        err = p->backend->wait(p, milliseconds(seconds));
    turned_at(p, poller_now());
    return err;
}

static bool next_ready(struct poller *p, struct poller_event *event)
{
    while (p->ready_head < p->ready_tail) {
        int fd = p->ready[p->ready_head++];
        struct poller_fd *f = &p->fds[fd];
        int ready = f->ready;
        f->queued = f->ready = 0;
        if (!ready)
            continue; /* cancelled, or forgotten and taken anew */
        event->due =
            f->place == POLLER_NOWHERE ? HUGE_VAL : p->heap[f->place].due;
        fd_done(p, f);
        event->id = fd;
        event->mode = ready;
        return true;
    }
    return false;
}

static bool is_due(const struct poller *p)
{
    return p->handed < POLLER_BATCH && p->heap_size &&
           p->heap[0].due <= p->turned;
}

static bool next_due(struct poller *p, struct poller_event *event)
{
    if (!is_due(p))
        return false;
    int id = p->heap[0].id;
    event->id = id;
    event->mode = POLLER_TIMEOUT;
    event->due = p->heap[0].due;
    if (id >= 0) {
        if (p->fds[id].always) /* a plain file is due at once */
            event->mode = p->fds[id].want;
        fd_done(p, &p->fds[id]);
    } else {
        heap_remove(p, 0);
        timer_done(p, id);
    }
    p->handed++;
    return true;
}

bool poller_next(struct poller *p, struct poller_event *event)
{
    return next_ready(p, event) || next_due(p, event);
}

/* Whether the next event is one of this descriptor, and no close. */
static bool is_next(struct poller *p, int fd)
{
    while (p->ready_head < p->ready_tail &&
           !p->fds[p->ready[p->ready_head]].ready)
        p->fds[p->ready[p->ready_head++]].queued = 0;
    return p->ready_head < p->ready_tail && p->ready[p->ready_head] == fd &&
           !(p->fds[fd].ready & POLLER_CLOSED);
}

bool poller_more(const struct poller *p)
{
    return p->ready_head < p->ready_tail || is_due(p);
}

bool poller_again(struct poller *p, int fd, double due)
{
    struct poller_event event;
    if (!p->alone)
        return false;
    p->alone = poller_wait(p, fd, POLLER_READ, due) == 0 && !poller_more(p) &&
               poller_turn(p, HUGE_VAL) == 0 && is_next(p, fd) &&
               poller_next(p, &event);
    return p->alone;
}

int poller_reopen(struct poller *p)
{
    p->backend->close(p);
    int err = p->backend->open(p);
    for (size_t fd = 0; err == 0 && fd < p->nfds; fd++) {
        struct poller_fd *f = &p->fds[fd];
        f->known = f->armed = 0;
        f->slot = 0;
        if (f->want)
            err = fd_arm(p, f, (int)fd, f->want);
    }
    return err;
}

int poller_block(int fd, int mode, double seconds, bool *interrupted)
{
    struct pollfd one = {fd, 0, 0};
    *interrupted = false;
    if (mode & POLLER_READ)
        one.events |= POLLIN;
    if (mode & POLLER_WRITE)
        one.events |= POLLOUT;
    int n = poll(&one, 1, milliseconds(seconds));
    if (n < 0) {
        *interrupted = errno == EINTR;
        return *interrupted ? 0 : ERR_SYSTEM;
    }
    if (n == 0)
        return 0;
    if (one.revents & POLLNVAL)
        return ERR_SYSTEM;
    if (one.revents & (POLLERR | POLLHUP))
        return mode;
    return (one.revents & POLLIN ? POLLER_READ : 0) |
           (one.revents & POLLOUT ? POLLER_WRITE : 0);
}
