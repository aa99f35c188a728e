/*
 * exchange - a client machine over a conn: sending, hearing, whole messages
 *
 * Each call does what can be done now; the answer is an event of the machine,
 * or what to wait for before the same call is made again. Patient, a call
 * blocks for a while instead (conn_await), where no loop has anything else to
 * do.
 *
 * Owns: its machine. Fails with: what conn and client fail with; the text is
 * the machine's, if that has failed, else the conn's. I/O: conn_read,
 * conn_write.
 */
#ifndef NET_EXCHANGE_H
#define NET_EXCHANGE_H

#include "../core/client.h"
#include "../core/posting.h"
#include "conn.h"

enum exchange_event { /* goes on from enum client_event */
                      EXCHANGE_SENT = CLIENT_CLOSED +
                                      1, /* flushing: all that waited is sent */
                      EXCHANGE_READ,     /* again when readable */
                      EXCHANGE_WRITE,    /* again when writable, or readable */
                      EXCHANGE_DONE,     /* the reply to a message's dot came */
                      EXCHANGE_NO,       /* the message is not for this way */
                      EXCHANGE_UNASKED   /* something came before a message */
};

struct exchange {
    struct client machine;
    double heard;    /* when octets came last */
    unsigned bodies; /* before which what was read was acknowledged */
};

/* What a call may do, and what it has done. */
struct exchange_call {
    struct conn *conn;
    bool flushing, patient;
    bool wrote, asked;
    bool exact; /* patient, it does not wait while it sends */
};

/* The next event of the machine, or what to wait for. Flushing, it is enough
   that all was sent. While sending is blocked it reads, too, for the reply
   that refuses a body before its end. Patient, it reads once at most, so that
   the caller may look at the clock. */
INTERNAL int exchange_step(struct exchange *x, struct exchange_call *call);

/* The same, but CLIENT_MORE once more octets came, or the end: who wants more
   than one event calls client_next. */
INTERNAL int exchange_turn(struct exchange *x, struct exchange_call *call);

/* Looks whether anything has come; nothing is sent. An event of the machine.
   Before the first bodies what was read is acknowledged: a peer whose next
   segment waits for that (Nagle) sends it now, not behind our dot. */
INTERNAL int exchange_look(struct exchange *x, struct conn *conn);

/* Sends what waits, then of *in what goes out as it is, past the machine,
   which keeps no copy; other octets are left to the machine. plain: how many
   go out as they are, where that is known. enum io, or ERR_*. */
INTERNAL int exchange_pour(struct exchange *x, struct exchange_call *call,
                           struct span *in, size_t plain);

/* While a body cannot be sent: EXCHANGE_WRITE, or the event that ends it. */
INTERNAL int exchange_stuck(struct exchange *x, struct conn *conn);

/*
 * A whole message, see posting.h: begins where the posting is idle, and says
 * the one that is ready, if there is any, behind its body. EXCHANGE_DONE: the
 * reply to the dot is the machine's; what comes next is the caller's
 * (posting_end).
 * EXCHANGE_NO: nothing was said. EXCHANGE_UNASKED: the same, as client_next or
 * conn have more to tell (*told). Flushing: EXCHANGE_SENT once the body has
 * gone. Else as exchange_step; another event ends the posting.
 */
INTERNAL int exchange_post(struct exchange *x, struct exchange_call *call,
                           struct posting *p, const struct posting_mail *m,
                           int *told);

#endif
