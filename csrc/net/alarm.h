/*
 * alarm - a descriptor that becomes readable when a time has come
 *
 * For event loops of others, which may watch descriptors and know no timers.
 * It stays readable until it is set again.
 *
 * Owns: the descriptor. Fails with: ERR_SYSTEM, also where the system has no
 * such thing. I/O: timerfd or kqueue.
 */
#ifndef NET_ALARM_H
#define NET_ALARM_H

#include "../core/err.h"
#include "../core/span.h"

struct alarm {
    int fd; /* -1 when closed; a zeroed struct needs alarm_init */
};

INTERNAL void alarm_init(struct alarm *a);
INTERNAL int alarm_open(struct alarm *a);

/* May run twice. */
INTERNAL void alarm_close(struct alarm *a);

/* Seconds from now; HUGE_VAL: never. */
INTERNAL int alarm_set(struct alarm *a, double seconds);

#endif
