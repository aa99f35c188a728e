/*
 * compose - header fields on their way out: RFC 5322, 2045, 2047, 2231, 6532
 *
 * A field is written in pieces: begin, the pieces, end. The writer puts a
 * blank or a fold (CRLF and a blank) between pieces, so that lines stay
 * within 78 columns wherever a piece fits one, and never pass 998. A quoted
 * string, an address, a token is one piece: no fold falls inside.
 *
 * Every byte of a caller's passes one function that refuses CR, LF and NUL
 * (DESIGN rule 2), and text is looked at before it is encoded: a line break
 * hidden in an encoded word would come out at the reader's.
 *
 * The first failure is kept (c->err): later calls do nothing, and
 * compose_end returns it.
 *
 * Owns: its scratch (compose_free); out is the caller's. Fails with:
 * ERR_SYNTAX, ERR_LIMIT (a piece longer than a line may be), ERR_MEMORY.
 * I/O: none.
 */
#ifndef CORE_COMPOSE_H
#define CORE_COMPOSE_H

#include "buf.h"

enum { COMPOSE_COLUMNS = 78, COMPOSE_LINE = 998 };

struct compose {
    struct buf *out;
    struct buf scratch; /* a piece, quoted or encoded */
    size_t column;      /* characters on the present line */
    size_t start;       /* column behind "Name:"; 0 once folded */
    size_t items;       /* of the list of addresses so far */
    bool utf8;          /* raw UTF-8 was written: RFC 6532 */
    int err;
};

/* A zeroed struct may be freed; free may run twice. */
INTERNAL void compose_free(struct compose *c);

/* Begins "Name:" at the tail of out; a struct may be used again. */
INTERNAL void compose_begin(struct compose *c, struct buf *out,
                            struct span name);

/* Unstructured UTF-8 text, as encoded words where it needs them. */
INTERNAL void compose_text(struct compose *c, struct span text);

/* ASCII text as it is, for structured fields that know no encoded words
   (List-Unsubscribe, Received): folded at its blanks only. */
INTERNAL void compose_bare(struct compose *c, struct span text);

/* One piece as it is, without blanks or controls: a msg-id, a token. */
INTERNAL void compose_word(struct compose *c, struct span word);

/* "token" or "token/token": the value of a field with parameters. */
INTERNAL void compose_token(struct compose *c, struct span token);

/* One mailbox of a list; the name may be empty. */
INTERNAL void compose_mailbox(struct compose *c, struct span name,
                              struct span address);

/* "Name:" and, after its mailboxes, ";". */
INTERNAL void compose_group(struct compose *c, struct span name);
INTERNAL void compose_group_end(struct compose *c);

/* "; name=value", RFC 2231 where the value needs it. */
INTERNAL void compose_parameter(struct compose *c, struct span name,
                                struct span value);

/* The same for readers that know encoded words in quotes only (name= of
   Content-Type): a quoted string of words, folded between them. Writes
   nothing when the value needs no words. */
INTERNAL void compose_parameter_words(struct compose *c, struct span name,
                                      struct span value);

/* Ends the line. 0 or the first failure. */
INTERNAL int compose_end(struct compose *c);

/* Looks at an address (addr-spec) as it would be written: 0, 1 when it has
   UTF-8 (SMTPUTF8), or ERR_SYNTAX. Dots in odd places of the local part are
   let through, since such addresses are in use. */
INTERNAL int compose_address(struct span address);

#endif
