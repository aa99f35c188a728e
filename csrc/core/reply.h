/*
 * reply - replies of SMTP, read and written (RFC 5321 4.2, RFC 2034)
 *
 * Reading takes whole lines from a buf until a reply is complete, in steps
 * of any size. Lines end with CRLF; a bare LF is taken too. They are kept as
 * they came, without their ends. An enhanced code counts only when its class
 * is the code's first digit.
 *
 * Owns: struct reply its buf. Fails with: ERR_PROTOCOL (text says why),
 * ERR_SYNTAX (writing), ERR_MEMORY, ERR_LIMIT. I/O: none.
 */
#ifndef CORE_REPLY_H
#define CORE_REPLY_H

#include "buf.h"

enum {
    REPLY_LINE = 512,       /* longest line written, CRLF included */
    REPLY_LINE_MOST = 4096, /* longest line read, its end included */
    REPLY_MOST = 65536,     /* octets of all lines of one reply */
    REPLY_ENHANCED = 12     /* room for "5.999.999" and its NUL */
};

struct reply {
    int code;                      /* 0 until the first line has come */
    bool whole;                    /* the last line has come */
    char enhanced[REPLY_ENHANCED]; /* "" where there is none */
    struct buf lines;              /* as they came, each with LF behind it */
    size_t seen;      /* octets of an unfinished line known to hold no LF */
    const char *text; /* why reply_read failed, a static string, or NULL */
};

/* A zeroed struct may be freed without init. free may run twice. */
INTERNAL void reply_init(struct reply *r);
INTERNAL void reply_free(struct reply *r);

/* Forgets what was read; keeps the memory. */
INTERNAL void reply_clear(struct reply *r);

/* Takes lines from in: 1 when the reply is whole (what follows it stays in
   in), 0 when it needs more, ERR_PROTOCOL, ERR_LIMIT or ERR_MEMORY. */
INTERNAL int reply_read(struct reply *r, struct buf *in);

/* The next line as it came; *at begins with 0. False behind the last. Valid
   until the next call that is not const. */
INTERNAL bool reply_line(const struct reply *r, size_t *at, struct span *line);

/* What a line says behind its code and the enhanced code, where one counts.
 */
INTERNAL struct span reply_words(const struct reply *r, struct span line);

/* True for class.subject.detail (RFC 3463 2) whose class is the code's. */
INTERNAL bool reply_enhanced_fits(int code, struct span enhanced);

/* Appends a reply: a line for each line of text, and more where one would
   be over REPLY_LINE octets; the enhanced code, unless empty, in each.
   Control characters become blanks or "?", octets above 127 stay.
   ERR_SYNTAX, with nothing written, for a code outside 200..599 or an
   enhanced code that does not fit it. */
INTERNAL int reply_write(struct buf *out, int code, struct span enhanced,
                         struct span text);

/* Appends a question of AUTH, which is one line however long it is (RFC 4954
   4); its text is cleaned. */
INTERNAL int reply_challenge(struct buf *out, int code, struct span text);

#endif
