/*
 * server - the server's side of a dialogue, RFC 5321, RFC 2033 (LMTP)
 *
 * A pulled machine: bytes from the peer go in by space/filled, next gives
 * events one by one, and bytes for the peer come out by out/sent. Each
 * command is checked first (syntax, order, limits: no effect), then handed
 * out as an event with the answer that follows by default, and takes effect
 * when it is answered (server_reply). What the check refuses is an event as
 * well, so that whoever drives the machine sees every answer before it
 * leaves.
 *
 *   MORE -> filled     COMMAND, REFUSED, LINE, CHUNK, MESSAGE -> reply (or ask)
 *   BODY, BROKEN -> next     TLS -> handshake, secured     CLOSED -> hang up
 *
 * BDAT (RFC 3030) is a command without an answer that begins a body; each of
 * its chunks but the last ends in a CHUNK, and RSET, NOOP and QUIT may come
 * between them.
 *
 * Any split of the input gives the same events. Answers gather in out until
 * MORE, so that a pipelined group is answered in one write (RFC 2920 3.2).
 *
 * Owns: three buffers: in and out, which an idle session leaves to others
 * where its config has spare memory, and scratch; all are given back while it
 * is idle. Fails with: ERR_MEMORY, ERR_LIMIT, ERR_PROTOCOL (called out of
 * turn). I/O: none.
 */
#ifndef CORE_SERVER_H
#define CORE_SERVER_H

#include <stdint.h>

#include "buf.h"
#include "cmd.h"
#include "dot.h"
#include "head.h"
#include "line.h"
#include "scan.h"

/* What was answered, in all sessions that share it. */
struct server_counts {
    uint64_t replies[6]; /* by the first digit of their code */
    uint64_t recipients, recipients_refused;
    uint64_t messages, messages_refused;
    uint64_t octets; /* of the messages that were kept */
};

/* Memory that sessions at rest left to those that are awake. */
struct server_spare {
    struct buf in, out;
};

/* Settings, shared by many sessions and borrowed by each while it lives. */
struct server_config {
    struct server_spare *spare;   /* NULL: each session has its own memory */
    struct server_counts *counts; /* NULL: nobody counts */
    struct span hostname;
    struct span mail_parameters; /* keywords offered unless server_offer says */
    struct span rcpt_parameters; /* otherwise, spaces between them */
    size_t line_limit;           /* octets of a command line with its CRLF */
    size_t body_line_limit;      /* octets of a line of a body */
    uint64_t size_limit;         /* octets of a message */
    size_t recipient_limit;      /* RCPT commands of a transaction */
    uint64_t header_limit;       /* octets of a message's header */
    size_t error_limit;   /* refused commands without a message between */
    size_t unknown_limit; /* unknown commands of a session */
    size_t command_limit; /* commands of a session, refused ones too */
    size_t mail_limit;    /* MAIL commands of a session */
    enum dot_policy bare; /* what a bare CR or LF in a body means */
    bool in_step;         /* no pipelining before EHLO allowed it */
    bool lmtp;
    bool tls;            /* STARTTLS is offered */
    bool auth;           /* AUTH is offered */
    bool auth_required;  /* before MAIL, RCPT, DATA, VRFY, EXPN */
    bool auth_cleartext; /* AUTH is allowed without TLS */
};

enum server_kind {
    SERVER_MORE,    /* bring bytes */
    SERVER_COMMAND, /* a command, with its default answer */
    SERVER_REFUSED, /* a line that is refused, with the answer */
    SERVER_LINE,    /* the peer's answer to server_ask, in ev->bytes */
    SERVER_BODY,    /* octets of the body, in ev->bytes */
    SERVER_BROKEN,  /* the body counts as nothing; its end is yet to come */
    SERVER_CHUNK,   /* a chunk is whole, and more are to come */
    SERVER_MESSAGE, /* the body is at its end: one answer, or one a recipient;
                       by default a refusal where it was BROKEN */
    SERVER_TLS,     /* all was sent: shake hands now */
    SERVER_CLOSED   /* nothing more will come: send what is out, hang up */
};

struct server_event {
    enum server_kind kind;
    struct cmd cmd;    /* COMMAND; what is known of it at REFUSED */
    struct span bytes; /* LINE, BODY */
    int code;          /* the default answer, and why at BROKEN */
    struct span enhanced;
    struct span text;
};

enum server_state {
    SERVER_AT_GREETING,
    SERVER_AT_COMMAND,
    SERVER_AT_LINE,
    SERVER_AT_BODY,
    SERVER_AT_CHUNK,
    SERVER_AT_TLS,
    SERVER_AT_END
};

enum server_hello { HELLO_NONE, HELLO_HELO, HELLO_EHLO };

struct server {
    const struct server_config *config;
    struct buf in, out;
    size_t taken;   /* octets of in that the last event borrowed */
    size_t reading; /* octets to make room for at the next read */
    size_t offered; /* room of the last server_space */
    struct line_reader line;
    const struct kernel *kernel; /* NULL: kernel_scalar */
    struct dot_decoder dot;
    struct scan notes;       /* of chunks */
    struct dot_encoder mend; /* of their line ends */
    struct buf scratch;      /* a text that is put together; mended line ends */
    enum server_state state;
    size_t due;  /* answers that the last event still needs */
    size_t kept; /* of a message's answers, those that take it */
    bool each;   /* they are one a recipient, and one for all of it (PRDR) */
    enum server_kind due_kind;
    enum verb due_verb;
    enum server_hello hello;
    bool secure;
    bool authenticated;
    bool turned_away;    /* the greeting was a refusal */
    bool mail;           /* a transaction is open */
    bool mail_utf8;      /* with SMTPUTF8 */
    bool binary;         /* with BODY=BINARYMIME */
    bool prdr;           /* with PRDR */
    bool chunking;       /* a body comes by BDAT */
    bool chunk_last;     /* and this is its last chunk */
    uint64_t chunk_left; /* octets of it that are to come */
    uint64_t skip;     /* octets of a chunk that was refused before they came */
    int chunk_refused; /* why they are of no body, or 0 */
    struct span mail_parameters; /* as the last EHLO offered them */
    struct span rcpt_parameters;
    bool end_of_input;
    bool hang_up;      /* the answer that is due is the last one */
    bool asked_utf8;   /* SMTPUTF8 stands in the MAIL that is to be answered */
    bool asked_binary; /* so does BODY=BINARYMIME */
    bool asked_prdr;   /* and PRDR */
    bool ended;        /* the end of the body was seen */
    size_t recipients; /* accepted */
    size_t tried;      /* RCPT commands */
    size_t errors;
    size_t unknown;   /* unknown commands */
    size_t commands;  /* all of them */
    size_t mails;     /* MAIL commands */
    bool early;       /* what is in came before pipelining was allowed */
    struct head head; /* of the body */
    int broken; /* index into the reasons why a body counts as nothing, or 0 */
    int err;    /* the first failure, sticky */
};

/* A zeroed struct may be freed; free may run twice. */
INTERNAL void server_init(struct server *s, const struct server_config *c);
INTERNAL void server_free(struct server *s);

/* Room for *n octets from the peer, valid until the next call; NULL when
   there is none (see s->err). filled(0) is the end of input. */
INTERNAL char *server_space(struct server *s, size_t *n);
INTERNAL void server_filled(struct server *s, size_t n);

/* The next event; its spans are valid until the next call but server_reply
   and server_ask. 0 or an error. */
INTERNAL int server_next(struct server *s, struct server_event *ev);

/* Answers the last event. Text may hold LF between lines and is cleaned; the
   enhanced code is left out where none belongs. */
INTERNAL int server_reply(struct server *s, int code, struct span enhanced,
                          struct span text);

/* Opens these parameters, and no others, in this session; borrowed while it
   lives. */
INTERNAL void server_offer(struct server *s, struct span mail,
                           struct span rcpt);

/* Asks for one more line within AUTH or a command of the script's.
   ERR_PROTOCOL where neither waits for its answer, or its line is refused. */
INTERNAL int server_ask(struct server *s, int code, struct span text);

/* TLS is up: all that was learnt before is forgotten (RFC 3207 4.2). Also
   what a session begins with where TLS came first. */
INTERNAL void server_secured(struct server *s);

/* Begins anew as another client (XCLIENT): all that was learnt is forgotten.
   Refused: nothing but QUIT is served. */
INTERNAL void server_restart(struct server *s, bool refused,
                             bool authenticated);

/* PRDR: says 353 to a MESSAGE; from then on it needs an answer a recipient,
   and one for the message as a whole. ERR_PROTOCOL where the client has not
   asked for it. */
INTERNAL int server_each(struct server *s, struct span text);

/* Says a last word (421 at a deadline or a shutdown) and ends. */
INTERNAL int server_close(struct server *s, int code, struct span enhanced,
                          struct span text);

/* True while octets of a body are to come. */
static inline bool server_in_body(const struct server *s)
{
    return s->state == SERVER_AT_BODY || s->state == SERVER_AT_CHUNK;
}

/* What is known of the body so far. */
struct server_body {
    uint64_t size;
    bool eight_bit, nul;
};

INTERNAL struct server_body server_body(const struct server *s);

static inline struct span server_out(const struct server *s)
{
    return buf_span(&s->out);
}

INTERNAL void server_sent(struct server *s, size_t n);

#endif
