/*
 * server_parts - what the files of server share; private to them
 *
 * Owns: see server.h. Fails with: see server.h. I/O: none.
 */
#ifndef CORE_SERVER_PARTS_H
#define CORE_SERVER_PARTS_H

#include "server.h"

/* The only writer of the state. */
INTERNAL void server_enter(struct server *s, enum server_state state);

/* Keeps the first failure, and ends the session; returns what is kept. */
INTERNAL int server_fail(struct server *s, int err);

/* Before something is written to out. */
INTERNAL void server_speak(struct server *s);

/* A body comes, of which nothing is here yet. */
INTERNAL void server_body_begin(struct server *s);

#endif
