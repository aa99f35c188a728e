/*
 * client_parts - what the files of client share; private to them
 *
 * Owns: see client.h. Fails with: see client.h. I/O: none.
 */
#ifndef CORE_CLIENT_PARTS_H
#define CORE_CLIENT_PARTS_H

#include "client.h"

/* What a reply is due for. */
enum client_topic {
    TOPIC_OTHER,
    TOPIC_GREETING,
    TOPIC_EHLO,
    TOPIC_LHLO,
    TOPIC_HELO,
    TOPIC_MAIL,
    TOPIC_RCPT,
    TOPIC_RSET,
    TOPIC_DATA,
    TOPIC_CHUNK,
    TOPIC_STARTTLS,
    TOPIC_QUIT,
    TOPIC_FINAL
};

/* What was written last is to be answered. */
INTERNAL void client_due(struct client *c, enum client_topic topic);

/* The only writer of the state. */
INTERNAL void client_enter(struct client *c, enum client_state state);

/* The first error of the peer, which stays; NULL: the text of err. */
INTERNAL int client_fail(struct client *c, int err, const char *text);

/* An error of a call, which spoils nothing. */
INTERNAL int client_refuse(struct client *c, int err, const char *text);

/* Whether something may be written: 0, or the reason why not. */
INTERNAL int client_ready(struct client *c, enum client_state state);

/* Whether a command may be: as client_command has it. */
INTERNAL int client_command_fits(struct client *c, struct span verb,
                                 struct span argument);

/* Writes s and an end: 0 or ERR_*, sticky. */
INTERNAL int client_write(struct client *c, struct span s, const char *end);

#endif
