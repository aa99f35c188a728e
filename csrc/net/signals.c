/*
 * signals - signals as bytes to read; see signals.h
 */
#include <pthread.h>
#include <unistd.h>

#include "signals.h"

#if defined(__linux__)
#include <sys/signalfd.h>
#else
#include <sys/event.h>
#include <sys/time.h>
#include <sys/types.h>
#endif

static const struct {
    int number;
    const char *name;
} known[] = {
    {SIGTERM, "term"},  {SIGINT, "int"},   {SIGHUP, "hup"},   {SIGQUIT, "quit"},
    {SIGCHLD, "child"}, {SIGPIPE, "pipe"}, {SIGXFSZ, "size"},
};

enum { KNOWN = sizeof known / sizeof known[0] };

static sigset_t known_set(void)
{
    sigset_t set;
    (void)sigemptyset(&set);
    for (int i = 0; i < KNOWN; i++)
        (void)sigaddset(&set, known[i].number);
    return set;
}

void signals_init(struct signals *s)
{
    memset(s, 0, sizeof *s);
    s->fd = -1;
}

#if defined(__linux__)
static int source_open(const sigset_t *set)
{
    return signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int source_next(int fd)
{
    struct signalfd_siginfo info;
    ssize_t n = read(fd, &info, sizeof info);
    return n == (ssize_t)sizeof info ? (int)info.ssi_signo : 0;
}
#else
/* kqueue reports a blocked signal, too, and leaves it pending. */
static int source_open(const sigset_t *set)
{
    struct kevent changes[KNOWN];
    int fd = kqueue();
    (void)set;
    for (int i = 0; i < KNOWN; i++)
        EV_SET(&changes[i], (uintptr_t)known[i].number, EVFILT_SIGNAL, EV_ADD,
               0, 0, 0);
    if (fd >= 0 && kevent(fd, changes, KNOWN, NULL, 0, NULL) != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

static int source_next(int fd)
{
    struct kevent e;
    struct timespec none = {0, 0};
    sigset_t one;
    int number;
    if (kevent(fd, NULL, 0, &e, 1, &none) != 1)
        return 0;
    (void)sigemptyset(&one);
    (void)sigaddset(&one, (int)e.ident);
    (void)sigwait(&one, &number);
    return (int)e.ident;
}
#endif

int signals_open(struct signals *s)
{
    sigset_t set = known_set();
    if (pthread_sigmask(SIG_BLOCK, &set, &s->before) != 0)
        return ERR_SYSTEM;
    s->fd = source_open(&set);
    if (s->fd >= 0)
        return 0;
    (void)pthread_sigmask(SIG_SETMASK, &s->before, NULL);
    return ERR_SYSTEM;
}

int signals_reopen(struct signals *s)
{
    sigset_t set = known_set();
    int fd = source_open(&set);
    if (fd < 0)
        return ERR_SYSTEM;
    (void)close(s->fd);
    s->fd = fd;
    return 0;
}

const char *signals_next(struct signals *s)
{
    int number = s->fd >= 0 ? source_next(s->fd) : 0;
    for (int i = 0; i < KNOWN; i++)
        if (known[i].number == number)
            return known[i].name;
    return NULL;
}

void signals_close(struct signals *s)
{
    if (s->fd < 0)
        return;
    while (signals_next(s))
        continue;
    (void)close(s->fd);
    (void)pthread_sigmask(SIG_SETMASK, &s->before, NULL);
    signals_init(s);
}
