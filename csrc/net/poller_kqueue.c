/*
 * poller_kqueue - the poller on macOS and the BSDs
 *
 * Two filters a descriptor, added when first wanted and switched on and off
 * after. A closed descriptor leaves the kernel's set by itself.
 *
 * Owns: the kqueue descriptor. Fails with: ERR_SYSTEM, ERR_MEMORY. I/O:
 * kevent.
 */
#include "poller_backend.h"

#if defined(__APPLE__) || defined(__FreeBSD__) || defined(__OpenBSD__) ||      \
    defined(__NetBSD__) || defined(__DragonFly__)
#include <errno.h>
#include <unistd.h>

#include <sys/event.h>
#include <sys/time.h>
#include <sys/types.h>

static int kqueue_open(struct poller *p)
{
    p->kernel = kqueue();
    return p->kernel < 0 ? ERR_SYSTEM : 0;
}

static void kqueue_shut(struct poller *p)
{
    if (p->kernel >= 0)
        (void)close(p->kernel);
    p->kernel = -1;
}

/* slot holds the modes whose filters exist. */
static int kqueue_arm(struct poller *p, int fd, int mode)
{
    struct poller_fd *f = &p->fds[fd];
    struct kevent changes[2];
    int n = 0;
    if (!f->known)
        f->slot = 0;
    for (int bit = POLLER_READ; bit <= POLLER_WRITE; bit <<= 1) {
        if (!(mode & bit) && !(f->slot & (unsigned)bit))
            continue;
        EV_SET(&changes[n], (uintptr_t)fd,
               bit == POLLER_READ ? EVFILT_READ : EVFILT_WRITE,
               mode & bit ? EV_ADD | EV_ENABLE : EV_DISABLE, 0, 0, 0);
        f->slot |= (unsigned)bit;
        n++;
    }
    if (n && kevent(p->kernel, changes, n, NULL, 0, NULL) != 0)
        return errno == ENOMEM ? ERR_MEMORY : ERR_SYSTEM;
    return 0;
}

static void kqueue_forget(struct poller *p, int fd)
{
    struct poller_fd *f = &p->fds[fd];
    struct kevent change;
    for (int bit = POLLER_READ; bit <= POLLER_WRITE; bit <<= 1) {
        if (!(f->slot & (unsigned)bit))
            continue;
        EV_SET(&change, (uintptr_t)fd,
               bit == POLLER_READ ? EVFILT_READ : EVFILT_WRITE, EV_DELETE, 0, 0,
               0);
        (void)kevent(p->kernel, &change, 1, NULL, 0, NULL);
    }
    f->slot = 0;
}

static int kqueue_turn(struct poller *p, int milliseconds)
{
    struct kevent e[POLLER_BATCH];
    struct timespec t = {milliseconds / 1000,
                         (long)(milliseconds % 1000) * 1000000};
    int n = kevent(p->kernel, NULL, 0, e, POLLER_BATCH,
                   milliseconds < 0 ? NULL : &t);
    if (n < 0)
        return errno == EINTR ? 0 : ERR_SYSTEM;
    for (int i = 0; i < n; i++)
        poller_report(p, (int)e[i].ident,
                      e[i].filter == EVFILT_READ ? POLLER_READ : POLLER_WRITE,
                      false);
    return 0;
}

static const struct poller_backend backend = {
    "kqueue", kqueue_open, kqueue_shut, kqueue_arm, kqueue_forget, kqueue_turn,
};

const struct poller_backend *poller_kqueue(void)
{
    return &backend;
}
#else
const struct poller_backend *poller_kqueue(void)
{
    return NULL;
}
#endif
