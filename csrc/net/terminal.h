/*
 * terminal - keys as they are pressed, for a command that edits lines
 *
 * Owns: nothing; who makes a terminal raw restores it. Fails with:
 * ERR_SYSTEM (no terminal). I/O: tcgetattr, tcsetattr, ioctl, read.
 */
#ifndef NET_TERMINAL_H
#define NET_TERMINAL_H

#include <stddef.h>
#include <termios.h>

#include "../core/err.h"

struct terminal {
    int fd;
    bool raw;             /* until terminal_restore */
    struct termios saved; /* how it was */
};

/* Keys come at once, unechoed, ^C as a key. */
INTERNAL int terminal_raw(struct terminal *t, int fd);

/* Puts it back; may run twice, and on a zeroed struct. */
INTERNAL void terminal_restore(struct terminal *t);

/* What was pressed: *n octets, 0 at the end of input. Blocks unless the
   descriptor is readable. */
INTERNAL int terminal_read(int fd, char *p, size_t room, size_t *n);

/* How wide it is, 80 where nobody knows. */
INTERNAL size_t terminal_columns(int fd);

#endif
