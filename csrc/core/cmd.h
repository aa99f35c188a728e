/*
 * cmd - one command line: verb, argument, path and parameters, RFC 5321 4.1
 *
 * The table of verbs holds all that the server machine must know of each:
 * where it is allowed, what argument it takes, its syntax for HELP and for
 * refusals. Verbs that are not in the table are VERB_OTHER, for the script.
 *
 * Owns: nothing; spans borrow the line. Fails with: nothing. I/O: none.
 */
#ifndef CORE_CMD_H
#define CORE_CMD_H

#include <stdint.h>

#include "path.h"

enum verb {
    VERB_CONNECT, /* not a verb: the session begins */
    VERB_HELO,
    VERB_EHLO,
    VERB_LHLO,
    VERB_STARTTLS,
    VERB_AUTH,
    VERB_MAIL,
    VERB_RCPT,
    VERB_DATA,
    VERB_BDAT,
    VERB_RSET,
    VERB_NOOP,
    VERB_VRFY,
    VERB_EXPN,
    VERB_HELP,
    VERB_QUIT,
    VERB_OTHER
};

enum verb_flag {
    VERB_HELLO = 1 << 0,    /* needs HELO or EHLO before it */
    VERB_IN_MAIL = 1 << 1,  /* needs MAIL */
    VERB_NOT_MAIL = 1 << 2, /* not within a transaction */
    VERB_OPEN = 1 << 3,     /* allowed before a required AUTH */
    VERB_BARE = 1 << 4,     /* takes no argument */
    VERB_ARGUED = 1 << 5,   /* needs an argument */
};

struct verb_row {
    const char *name;
    enum verb verb;
    unsigned flags;
    const char *syntax;
};

/* The row of a verb; VERB_CONNECT and VERB_OTHER have one, too. */
INTERNAL const struct verb_row *verb_row(enum verb verb);

struct cmd {
    enum verb verb;
    struct span name;       /* the verb as it was sent */
    struct span argument;   /* what follows it, blanks trimmed */
    struct path path;       /* MAIL and RCPT */
    struct span parameters; /* of MAIL and RCPT, as sent */
    bool utf8;              /* MAIL: SMTPUTF8 is among them */
    bool binary;            /* MAIL: BODY=BINARYMIME is among them */
    bool prdr;              /* MAIL: PRDR is among them */
};

/* Splits a line into verb and argument. ERR_SYNTAX when it does not begin
   with a word of letters, digits and hyphens. */
INTERNAL int cmd_parse(struct cmd *cmd, struct span line);

/* Reads "size [LAST]", the argument of BDAT (RFC 3030 2). ERR_SYNTAX when it
   is malformed. */
INTERNAL int cmd_parse_chunk(const struct cmd *cmd, uint64_t *size, bool *last);

/* Reads path and parameters of MAIL FROM:<...> or RCPT TO:<...>.
   ERR_SYNTAX when the keyword, the path or what lies between parameters is
   malformed. */
INTERNAL int cmd_parse_path(struct cmd *cmd);

/* Takes the next "keyword[=value]" off *rest: 1 when there was one, 0 at the
   end, ERR_SYNTAX when it is malformed (RFC 5321 4.1.2 esmtp-param). */
INTERNAL int cmd_parameter(struct span *rest, struct span *keyword,
                           struct span *value, bool *has_value);

/* True when a list of words separated by spaces has the word, whatever its
   case. */
INTERNAL bool cmd_in_list(struct span list, struct span word);

#endif
