/*
 * client - the client's side of SMTP and LMTP, as a pulled machine
 *
 * Bytes of the peer go in (space, filled), events come out (next), commands
 * and bodies are written (command, body) to a buffer that the caller sends
 * (out, sent). Commands may be written ahead of their replies (RFC 2920): the
 * machine remembers which reply belongs to which. A reply that nobody asked
 * for, that comes before what it answers was sent, or that cannot be one to
 * its command (250 to DATA), is ERR_PROTOCOL. Any split of the input gives
 * the same events. The first error of the peer is sticky and has a text; a
 * refused call (client_command and the like) has a text but spoils nothing.
 *
 * Owns: its bufs. Fails with: ERR_PROTOCOL, ERR_SYNTAX, ERR_LIMIT,
 * ERR_CLOSED, ERR_MEMORY. I/O: none.
 */
#ifndef CORE_CLIENT_H
#define CORE_CLIENT_H

#include <stdint.h>

#include "buf.h"
#include "dot.h"
#include "reply.h"

enum {
    CLIENT_QUEUE = 256,    /* most commands written ahead of their replies */
    CLIENT_LINE = 16384,   /* longest command, CRLF included */
    CLIENT_ROOM = 8192,    /* bytes asked for by one read */
    CLIENT_HIGH = 1 << 17, /* body bytes kept before they have to be sent */
    CLIENT_OUT = 1 << 20,  /* ceiling of what waits to be sent */
    CLIENT_CHUNK = 1 << 18 /* longest chunk of BDAT */
};

enum client_event {
    CLIENT_MORE = 0,  /* the peer has to say more */
    CLIENT_REPLY = 1, /* client->reply is whole, until the next call */
    CLIENT_CLOSED = 2 /* nothing will come any more */
};

enum client_state {
    CLIENT_COMMAND, /* commands may be written */
    CLIENT_AHEAD,   /* DATA or STARTTLS is written: nothing may follow yet */
    CLIENT_BODY,    /* 354 has come: the body may be written */
    CLIENT_TLS,     /* STARTTLS is accepted: client_starttls comes next */
    CLIENT_OVER     /* after QUIT, 421, or a body refused before its end */
};

struct client {
    struct buf in, out;
    struct reply reply;
    struct buf offers; /* the lines of the last EHLO's reply, LF behind each */
    const struct kernel *kernel; /* NULL: kernel_scalar */
    struct dot_encoder dot;
    bool chunking;    /* chunks were written, not the last one */
    struct buf chunk; /* one with its line ends mended */
    enum client_state state;
    unsigned char queue[CLIENT_QUEUE]; /* ring: what replies are due for */
    uint64_t ends[CLIENT_QUEUE];       /* octet sent by when they may come */
    uint64_t sent;                     /* octets */
    size_t first, due;
    size_t recipients; /* accepted in this transaction */
    size_t finals;     /* replies due for the body: one a recipient in LMTP */
    bool lmtp;         /* LHLO was accepted */
    bool loose;        /* after client_raw: any reply may come */
    bool ended;        /* the peer sent its last byte */
    bool taken;        /* reply has been handed out */
    int err;           /* the first error of the peer, or 0 */
    const char *text;  /* its words, or those of the last refused call */
    char note[40];     /* text, where it has a code in it */
};

/* The machine begins by waiting for the greeting. A zeroed struct may be
   freed without init; free may run twice. */
INTERNAL void client_init(struct client *c);
INTERNAL void client_free(struct client *c);

/* Where the peer's bytes go: *room of them fit. NULL at ERR_MEMORY or
   ERR_LIMIT (then client_next was not called often enough). */
INTERNAL char *client_space(struct client *c, size_t *room);
INTERNAL void client_filled(struct client *c, size_t n);
INTERNAL void client_end(struct client *c);

/* An event of enum client_event, or ERR_*. Call again until CLIENT_MORE. */
INTERNAL int client_next(struct client *c);

/* Bytes for the peer; valid until the next call that is not const. */
INTERNAL struct span client_out(const struct client *c);
INTERNAL void client_sent(struct client *c, size_t n);

/* Writes a command line, of which a reply is due. An empty verb: the
   argument alone (an answer to a 334). Refused: ERR_SYNTAX for CR, LF or NUL,
   ERR_LIMIT when the line is too long or CLIENT_QUEUE replies are due,
   ERR_PROTOCOL when the state does not allow it, ERR_CLOSED. */
INTERNAL int client_command(struct client *c, struct span verb,
                            struct span argument);

/* For who writes several and means all of them or none: whether a whole line,
   without its end, can be a command (else refused as above), and whether so
   many commands of so many octets, 3 a line for its end, can be written now. */
INTERNAL int client_sound(struct client *c, struct span line);
INTERNAL bool client_holds(const struct client *c, size_t count, size_t octets);

/* Writes all commands of a transaction, MAIL to DATA, as so many lines with
   their ends: at once, or refused as above. What the lines hold is the caller's
   to judge; ERR_SYNTAX where there are not so many. */
INTERNAL int client_envelope(struct client *c, struct span lines, size_t count);

/* Writes bytes as they are, a body too; from now on the peer may reply to
   anything. */
INTERNAL int client_raw(struct client *c, struct span bytes);

/* Writes body: line ends become CRLF, dots are doubled; with done and all of
   it taken, the final dot follows. *taken is less than in.n when CLIENT_HIGH
   is reached: send, then call again with the rest. */
INTERNAL int client_body(struct client *c, struct span in, bool done,
                         size_t *taken);

/* Writes octets as a part of the body in base64, whole lines of 76 columns, up
   to CLIENT_HIGH as client_body does: each piece but the last is a number of
   lines. ERR_PROTOCOL, refused, within a line. */
INTERNAL int client_base64(struct client *c, struct span in, size_t *taken);

/* How many octets at the head of a body can go out as they are, past the
   machine: 0 while others wait to be sent. Who sends some of them tells
   client_passed, and gives the rest to either as before. */
INTERNAL size_t client_plain(struct client *c, struct span in);
INTERNAL void client_passed(struct client *c, struct span bytes);

/* Writes a chunk of a body with its BDAT (RFC 3030), of which a reply is due,
   as of a command. Line ends become CRLF unless binary: then, and with a CR
   that waits for what follows it, the chunk's size differs from in.n. Refused
   as commands are, ERR_LIMIT also where in is longer than CLIENT_CHUNK. */
INTERNAL int client_chunk(struct client *c, struct span in, bool binary,
                          bool last);

/* The handshake is done: what the peer said before is forgotten (RFC 3207
   4.2). ERR_PROTOCOL, sticky, when plaintext bytes came after the reply. */
INTERNAL int client_starttls(struct client *c);

/* True when a final dot, or a last chunk, has left, and its reply has not
   come. */
INTERNAL bool client_doubt(const struct client *c);

/* The extensions offered, one a call; *at begins with 0. The words are what
   follows the keyword. Valid like client->reply. */
INTERNAL bool client_offer(const struct client *c, size_t *at,
                           struct span *keyword, struct span *words);

#endif
