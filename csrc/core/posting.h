/*
 * posting - whole messages over a client machine, as most of them go
 *
 * MAIL, RCPT of each recipient and DATA are written ahead of their replies;
 * where all say yes the body follows, and behind its dot, where there is one,
 * the commands of the next message (RFC 2920). Then the reply to the dot is
 * awaited. A message that is out of the ordinary is refused before anything
 * is said; one that is answered otherwise ends the posting where it stands:
 * said tells what was heard. A pulled machine, as client is; the caller moves
 * the bytes of client.
 *
 * Owns: its bufs. Fails with: what client fails with. I/O: none.
 */
#ifndef CORE_POSTING_H
#define CORE_POSTING_H

#include "client.h"
#include "survey.h"

enum {
    POSTING_MOST = 100,   /* recipients */
    POSTING_PARTS = 64,   /* of a body */
    POSTING_WINDOW = 200, /* fewer commands are unanswered at a time */
    POSTING_ADDRESS = CLIENT_LINE - 64, /* octets: parameters follow */
    POSTING_LAST = 1 << 13,   /* octets of a long body leave with its dot */
    POSTING_LONG = 3 << 13,   /* a longer body is not copied at once */
    POSTING_SAID = 1 << 16,   /* replies are heard up to so many octets */
    POSTING_HEAD = 1 + 8 + 4, /* octets before a piece of the record */
    POSTING_PIECES = 64,      /* the last so many are kept at least */
    POSTING_RECORD = 1 << 22  /* octets of them at most */
};

enum posting_stage {
    POSTING_IDLE,    /* the commands are to be written */
    POSTING_HEARING, /* the replies to them are due */
    POSTING_BODY,    /* the body is to be written */
    POSTING_FINAL    /* the reply to its dot is due */
};

/* A part of a body: lines, or what becomes lines of base64. */
struct posting_part {
    struct span octets;
    bool base64;
};

/* Borrowed for each call, the same in all calls for one message. */
struct posting_mail {
    struct span from;
    const struct span *to;
    size_t recipients; /* 0: there is no message */
    const struct posting_part *parts;
    size_t count;   /* of the parts: 1 or more */
    bool known;     /* what follows is; else there is one part, of lines */
    bool eight_bit; /* some octets are above 127 */
    size_t size;    /* of the whole */
    const struct survey *seen; /* of the one part, if it was looked at */
};

/* What the peer offers. */
struct posting_peer {
    bool size, eight_bit, binary; /* SIZE, 8BITMIME, BINARYMIME */
    size_t limit;                 /* of SIZE; 0: none */
    size_t most;                  /* recipients of a message */
};

/* A message whose commands were said. */
struct posting_said {
    size_t count; /* of its commands; 0: there is none */
    bool other;   /* another way hears of it, and sends its body */
    size_t plain; /* octets at the head of its body that go out as they are */
    size_t size;  /* of its body */
};

struct posting {
    struct posting_peer peer;
    enum posting_stage stage;
    struct posting_said present, next;
    struct posting_said ready; /* to be the next, behind the present body */
    size_t heard;              /* replies to the present one's commands */
    size_t part;               /* of its body, which is written */
    size_t taken;              /* octets of that */
    bool odd;           /* one of the replies was not the one hoped for */
    double now;         /* the caller's clock, for the record */
    double since;       /* when the stage, or heard or taken, changed; 0: the
                           replies are not awaited yet */
    struct buf said;    /* those replies as they came, LF behind each line */
    size_t told;        /* octets of them that are in the record */
    struct buf lines;   /* commands on their way to client */
    struct buf behind;  /* those of the message that is ready */
    struct reply reply; /* of posting_heard */

    /* What was said and heard of late, in pieces: "C", "S" or, for the size of
       a body in digits, "*"; its time, a double; its length, 32 bits; both in
       the machine's order; its octets. Who takes it asks posting_record, then
       calls posting_noted. It ends with a whole piece, and lacks some where
       memory did. */
    struct buf record;
    size_t pieces;
};

/* A zeroed struct may be freed without init; free may run twice. */
INTERNAL void posting_init(struct posting *p);
INTERNAL void posting_free(struct posting *p);

/* Whether an address may stand in angle brackets as it is, and in a command. */
INTERNAL bool posting_bare(struct span address);

/* Whether a message can go this way, as far as the message tells. */
INTERNAL bool posting_fits(const struct posting *p,
                           const struct posting_mail *m);

/* Where the posting is idle: writes the commands of a message, which is the
   present one then. False: it is not for this way, nothing was said. */
INTERNAL bool posting_say(struct posting *p, struct client *c,
                          const struct posting_mail *m);

/* Makes ready the commands of a message that are to be said behind the body of
   the present one, or of that which is said next; NULL: of none. False: it is
   not for this way. Its end, or who says nothing, forgets it. */
INTERNAL bool posting_behind(struct posting *p, const struct client *c,
                             const struct posting_mail *m);

/* The same for so many lines, with their ends, of a message that goes another
   way. */
INTERNAL bool posting_behind_lines(struct posting *p, struct client *c,
                                   struct span lines, size_t count);

/* What came: CLIENT_REPLY: in POSTING_FINAL that to the dot, client->reply;
   earlier the posting has come to its end. CLIENT_MORE in POSTING_BODY: the
   body is to be written. Else as client_next. */
INTERNAL int posting_next(struct posting *p, struct client *c);

/* In POSTING_BODY: goes to the part that is to be written. False: what is left
   is for posting_finish. */
INTERNAL bool posting_more(struct posting *p, const struct posting_mail *m);

/* What of that part is to be written before posting_finish; whether that is
   lines, which may leave without a copy; so many octets of it were taken. */
INTERNAL struct span posting_most(const struct posting *p,
                                  const struct posting_mail *m);
INTERNAL bool posting_lines(const struct posting *p,
                            const struct posting_mail *m);
INTERNAL void posting_took(struct posting *p, size_t n);

/* How many octets at the head of what is left are known to go out as they
   are. */
INTERNAL size_t posting_plain(const struct posting *p);

/* Writes as much of it as client has room for: 0 or ERR_*. */
INTERNAL int posting_write(struct posting *p, struct client *c,
                           const struct posting_mail *m);

/* Writes the end of the body, and its dot; then the commands of the message
   that is ready, if there is one. 0 or ERR_*. */
INTERNAL int posting_finish(struct posting *p, struct client *c,
                            const struct posting_mail *m);

/* The present message is through: the next one, if it was said, is now the
   present one. */
INTERNAL void posting_end(struct posting *p);

/* Takes one of the replies that were heard to the present message's commands
   off p->said: p->reply, until the next call. False: there is no other. */
INTERNAL bool posting_heard(struct posting *p);

/* Ends it all; what was said stays said. */
INTERNAL void posting_drop(struct posting *p);

/* The record, to what was heard last; and that it was taken. */
INTERNAL struct span posting_record(struct posting *p);
INTERNAL void posting_noted(struct posting *p);

#endif
