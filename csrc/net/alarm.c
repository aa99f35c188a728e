/*
 * alarm - a descriptor that is readable in time; see alarm.h
 */
#include <math.h>
#include <unistd.h>

#include "alarm.h"

/* Nothing waits for longer; and it fits every clock. */
static const double LONGEST = 1e8;
static const double SHORTEST = 2e-9; /* 0 would switch a timer off */

static double clamp(double seconds)
{
    return seconds < SHORTEST  ? SHORTEST
           : seconds > LONGEST ? LONGEST
                               : seconds;
}

void alarm_init(struct alarm *a)
{
    a->fd = -1;
}

void alarm_close(struct alarm *a)
{
    if (a->fd >= 0)
        (void)close(a->fd);
    a->fd = -1;
}

#if defined(__linux__)
#include <sys/timerfd.h>

int alarm_open(struct alarm *a)
{
    a->fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    return a->fd < 0 ? ERR_SYSTEM : 0;
}

int alarm_set(struct alarm *a, double seconds)
{
    struct itimerspec when = {0};
    if (seconds != HUGE_VAL) {
        double s = clamp(seconds);
        when.it_value.tv_sec = (time_t)s;
        when.it_value.tv_nsec = (long)((s - (double)(time_t)s) * 1e9);
    }
    return timerfd_settime(a->fd, 0, &when, NULL) == 0 ? 0 : ERR_SYSTEM;
}

#elif defined(__APPLE__) || defined(__FreeBSD__) || defined(__OpenBSD__) ||    \
    defined(__NetBSD__) || defined(__DragonFly__)
#include <errno.h>
#include <fcntl.h>

#include <sys/types.h>
/* it needs the types */
#include <sys/event.h>

int alarm_open(struct alarm *a)
{
    a->fd = kqueue();
    if (a->fd < 0)
        return ERR_SYSTEM;
    (void)fcntl(a->fd, F_SETFD, FD_CLOEXEC);
    return 0;
}

int alarm_set(struct alarm *a, double seconds)
{
    struct kevent k;
    EV_SET(&k, 1, EVFILT_TIMER, EV_DELETE, 0, 0, 0);
    if (kevent(a->fd, &k, 1, NULL, 0, NULL) < 0 && errno != ENOENT)
        return ERR_SYSTEM;
    if (seconds == HUGE_VAL)
        return 0;
    EV_SET(&k, 1, EVFILT_TIMER, EV_ADD | EV_ONESHOT, 0,
           (long)(clamp(seconds) * 1e3) + 1, 0);
    return kevent(a->fd, &k, 1, NULL, 0, NULL) < 0 ? ERR_SYSTEM : 0;
}

#else
int alarm_open(struct alarm *a)
{
    (void)a;
    return ERR_SYSTEM;
}

int alarm_set(struct alarm *a, double seconds)
{
    (void)a;
    (void)seconds;
    return ERR_SYSTEM;
}
#endif
