/*
 * poller_epoll - the poller on Linux
 *
 * Level-triggered. epoll refuses plain files, which are always ready, with
 * EPERM. ENOENT and EEXIST say that a descriptor was closed and its number
 * taken again unseen: the other call is then the right one.
 *
 * Owns: the epoll descriptor. Fails with: ERR_SYSTEM, ERR_MEMORY. I/O: epoll.
 */
#include "poller_backend.h"

#if defined(__linux__)
#include <errno.h>
#include <unistd.h>

#include <sys/epoll.h>

static int epoll_open(struct poller *p)
{
    p->kernel = epoll_create1(EPOLL_CLOEXEC);
    return p->kernel < 0 ? ERR_SYSTEM : 0;
}

static void epoll_shut(struct poller *p)
{
    if (p->kernel >= 0)
        (void)close(p->kernel);
    p->kernel = -1;
}

static int epoll_arm(struct poller *p, int fd, int mode)
{
    struct poller_fd *f = &p->fds[fd];
    struct epoll_event e = {0};
    e.events = (mode & POLLER_READ ? EPOLLIN : 0u) |
               (mode & POLLER_WRITE ? EPOLLOUT : 0u);
    e.data.fd = fd;
    int op = f->known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    if (epoll_ctl(p->kernel, op, fd, &e) == 0)
        return 0;
    if (errno == ENOENT && f->known)
        op = EPOLL_CTL_ADD;
    else if (errno == EEXIST)
        op = EPOLL_CTL_MOD;
    else if (errno == EPERM) {
        f->always = 1;
        return 0;
    } else
        return errno == ENOMEM ? ERR_MEMORY : ERR_SYSTEM;
    return epoll_ctl(p->kernel, op, fd, &e) == 0 ? 0 : ERR_SYSTEM;
}

static void epoll_forget(struct poller *p, int fd)
{
    struct epoll_event unused = {0}; /* before Linux 2.6.9 not NULL */
    (void)epoll_ctl(p->kernel, EPOLL_CTL_DEL, fd, &unused);
}

static int epoll_turn(struct poller *p, int milliseconds)
{
    struct epoll_event e[POLLER_BATCH];
    int n = epoll_wait(p->kernel, e, POLLER_BATCH, milliseconds);
    if (n < 0)
        return errno == EINTR ? 0 : ERR_SYSTEM;
    for (int i = 0; i < n; i++)
        poller_report(p, e[i].data.fd,
                      (e[i].events & EPOLLIN ? POLLER_READ : 0) |
                          (e[i].events & EPOLLOUT ? POLLER_WRITE : 0),
                      e[i].events & (EPOLLERR | EPOLLHUP));
    return 0;
}

static const struct poller_backend backend = {
    "epoll", epoll_open, epoll_shut, epoll_arm, epoll_forget, epoll_turn,
};

const struct poller_backend *poller_epoll(void)
{
    return &backend;
}
#else
const struct poller_backend *poller_epoll(void)
{
    return NULL;
}
#endif
