/*
 * check - what the server's machine refuses, and with which words
 *
 * Pure questions about a session and a line: no effect. The reasons are an
 * enum, and one table holds the answer to each.
 *
 * Owns: nothing. Fails with: nothing. I/O: none.
 */
#ifndef CORE_CHECK_H
#define CORE_CHECK_H

#include "server.h"

struct answer {
    int code;
    const char *enhanced;
    const char *text;
    bool named; /* the host's name comes before the text */
};

/* clang-format off */
enum refusal {
    REFUSED_NOT = 0,
    REFUSED_LONG, REFUSED_BARE, REFUSED_NUL, REFUSED_CONTROL, REFUSED_VERB,
    REFUSED_SYNTAX, REFUSED_AWAY, REFUSED_LHLO, REFUSED_NO_LHLO,
    REFUSED_HELLO, REFUSED_AUTH, REFUSED_NO_MAIL, REFUSED_MAIL,
    REFUSED_NO_TLS, REFUSED_TLS, REFUSED_AFTER_TLS, REFUSED_NO_AUTH,
    REFUSED_EHLO, REFUSED_LHLO_FIRST,
    REFUSED_AUTHED, REFUSED_CLEARTEXT, REFUSED_SENDER, REFUSED_RECIPIENT,
    REFUSED_PARAMETER, REFUSED_UNKNOWN_PARAMETER, REFUSED_SIZE,
    REFUSED_BODY_VALUE, REFUSED_UTF8, REFUSED_MANY, REFUSED_NO_RCPT,
    REFUSED_ALL_RCPT, REFUSED_AUTH_LINE, REFUSED_ERRORS, REFUSED_CHUNK,
    REFUSED_IN_CHUNKS, REFUSED_BROKEN, REFUSED_BINARY, REFUSED_EARLY,
    REFUSED_HTTP, REFUSED_UNKNOWN, REFUSED_COMMANDS, REFUSED_MAILS,
    BROKEN_BARE, BROKEN_LINE, BROKEN_SIZE, BROKEN_HEADER
};
/* clang-format on */

INTERNAL const struct answer *check_answer(enum refusal why);

/* What no line of a dialogue may hold, whatever it says. */
INTERNAL enum refusal check_line(const struct server *s, enum line_result r,
                                 struct span line);

/* Order, argument and limits of a command; fills in cmd's path. */
INTERNAL enum refusal check_command(const struct server *s, struct cmd *cmd);

/* Whether a chunk may come now; reads its size. REFUSED_CHUNK: how many
   octets follow is not known, so that nothing after them can be trusted. */
INTERNAL enum refusal check_chunk(struct server *s, struct cmd *cmd);

/* Why the body counts as nothing from here on, or REFUSED_NOT. */
INTERNAL enum refusal check_body(const struct server *s);

#endif
