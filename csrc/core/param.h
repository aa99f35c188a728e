/*
 * param - parameters of MIME fields, RFC 2045 5.1 and RFC 2231
 *
 * Reading gathers ";name=value" pairs: quoted strings, comments, RFC 2231
 * continuations in any order, charset and language, encoded words where
 * they do not belong (a common habit), missing semicolons and quotes. The
 * values are UTF-8 in one buf.
 *
 * Owns: param_list its bufs. Fails with: ERR_MEMORY, ERR_LIMIT. I/O: none.
 */
#ifndef CORE_PARAM_H
#define CORE_PARAM_H

#include "charset.h"

enum { PARAM_MOST = 128 }; /* parameters and continuations kept of one field */

struct param {
    size_t name_at, name_n;   /* lower case, in the list's buf */
    size_t value_at, value_n; /* decoded, UTF-8 */
    size_t language_n;        /* behind the value; 0: none was given */
};

struct param_list {
    struct buf text;             /* names, values and languages */
    struct buf joined;           /* of one value: kept for the next list */
    struct charset_store *store; /* see charset.h; NULL: none */
    struct param items[PARAM_MOST];
    size_t n;
    size_t faults; /* repaired or dropped things */
    bool more;     /* than PARAM_MOST were there; these are left out */
};

/* May run twice, and on a zeroed struct. */
INTERNAL void param_list_free(struct param_list *list);

/* Parses an unfolded field value from its first ";" on. The list is zeroed
   but for its store, or one that was used before, whose memory is used
   again. Of a name given twice the first counts, one
   in RFC 2231 form before one that is not. */
INTERNAL int param_parse(struct param_list *list, struct span value);

INTERNAL struct span param_name(const struct param_list *list, size_t i);
INTERNAL struct span param_value(const struct param_list *list, size_t i);
INTERNAL struct span param_language(const struct param_list *list, size_t i);

/* Appends "; name=value" to a field that is being written: a token or a
   quoted string where ASCII allows, else RFC 2231 with charset utf-8, in
   continuations where it is long; each piece fits a line of 76 columns, but
   for ASCII of up to 70 bytes, which stays whole under any name. The pieces
   are separated by "; ". ERR_SYNTAX for CR, LF or NUL, for what is not
   UTF-8, and for a name that is no token. */
INTERNAL int param_encode(struct buf *out, struct span name, struct span value);

/* The same in another charset, where the value is not ASCII, and with a
   language, for which the RFC 2231 form is taken in any case. Either may be
   empty. ERR_SYNTAX also for what the charset lacks, and for what is no
   language; ERR_CHARSET. */
INTERNAL int param_encode_as(struct buf *out, struct span name,
                             struct span value, struct span charset,
                             struct span language);

#endif
