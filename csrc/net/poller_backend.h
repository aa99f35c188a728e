/*
 * poller_backend - what a kernel's readiness call gives the poller; private
 *
 * A backend keeps no waits: it is told the modes of a descriptor and reports
 * which are ready.
 *
 * Owns: poller.kernel and poller.private. Fails with: see poller.h. I/O: see
 * poller.h.
 */
#ifndef NET_POLLER_BACKEND_H
#define NET_POLLER_BACKEND_H

#include "poller.h"

struct poller_fd {
    unsigned char want;   /* modes waited for */
    unsigned char armed;  /* modes told to the kernel */
    unsigned char ready;  /* modes to hand out */
    unsigned char known;  /* the kernel knows it */
    unsigned char always; /* a file: always ready, unknown to epoll */
    unsigned char queued; /* it stands in the ready queue */
    unsigned place;       /* in the heap, or POLLER_NOWHERE */
    unsigned slot;        /* for the backend */
};

#define POLLER_NOWHERE 0xffffffffu

struct poller_backend {
    const char *name;
    int (*open)(struct poller *p);
    void (*close)(struct poller *p);
    /* Tells the kernel the modes (0: none for now). IO as a plain file, which
       cannot be watched, sets fd's `always`. */
    int (*arm)(struct poller *p, int fd, int mode);
    void (*forget)(struct poller *p, int fd);
    /* Calls poller_report for each ready descriptor. */
    int (*wait)(struct poller *p, int milliseconds);
};

/* gone: hung up or failed, which the kernel reports armed or not. */
INTERNAL void poller_report(struct poller *p, int fd, int mode, bool gone);

/* NULL where the system has none. */
INTERNAL const struct poller_backend *poller_epoll(void);
INTERNAL const struct poller_backend *poller_kqueue(void);
INTERNAL const struct poller_backend *poller_poll(void);

#endif
