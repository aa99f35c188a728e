/*
 * system - what scripts need of the operating system beside sockets
 *
 * Owns: the folder under way in system_list. Fails with: ERR_SYSTEM, with
 * words in `text`. I/O: the calls named; none but sync takes long.
 */
#ifndef NET_SYSTEM_H
#define NET_SYSTEM_H

#include <stdio.h>

#include "sock.h"

struct system_stat {
    const char *type; /* "file", "folder", "socket", "other" */
    long long size;
    double modified; /* seconds since 1970 */
};

INTERNAL long system_pid(void);
INTERNAL bool system_is_terminal(int fd);

/* The host's own name, as configured: with or without its domain. */
INTERNAL int system_hostname(char *out, size_t room);

/* Seconds since 1970, UTC, and how many seconds east of UTC the clock on the
   wall is then. */
INTERNAL double system_time(void);
INTERNAL long system_zone(double time);

/* Raises the limit of open descriptors to its hard limit; what it is then. */
INTERNAL size_t system_raise_descriptors(void);

/* Gives free memory back to the system, where the C library keeps it. */
INTERNAL void system_trim(void);

/* Makes a file's bytes, or a folder's names, survive a power cut. */
INTERNAL int system_sync(const char *path, char text[SOCK_TEXT]);

/* A file to write, emptied where there was one, or fresh: there must be none,
   nor a link. A new one is for its owner alone, whatever the umask. NULL: it
   cannot be. */
INTERNAL FILE *system_create(const char *path, bool fresh,
                             char text[SOCK_TEXT]);

/* A file to write and to read that has no name any more: that of the pattern,
   whose X's are replaced, is taken away at once. NULL: it cannot be. */
INTERNAL FILE *system_temporary(char *pattern, char text[SOCK_TEXT]);

/* mode: permission bits. 1 when the folder was there before. */
INTERNAL int system_make_folder(const char *path, unsigned mode,
                                char text[SOCK_TEXT]);

/* Both names on one file system; an existing target is replaced (rename), or
   a failure (link, which makes a second name). */
INTERNAL int system_rename(const char *from, const char *to,
                           char text[SOCK_TEXT]);
INTERNAL int system_link(const char *from, const char *to,
                         char text[SOCK_TEXT]);
INTERNAL int system_remove(const char *path, char text[SOCK_TEXT]);
/* An empty one. */
INTERNAL int system_remove_folder(const char *path, char text[SOCK_TEXT]);

/* Makes a folder of a name that nobody has: the X's at the pattern's end are
   replaced. Only its owner may enter it. */
INTERNAL int system_temporary_folder(char *pattern, char text[SOCK_TEXT]);

INTERNAL int system_stat(const char *path, struct system_stat *s,
                         char text[SOCK_TEXT]);

/* The names in a folder, one a call, without "." and "..": NULL at the end.
   Closing twice is fine. */
INTERNAL int system_list_open(void **folder, const char *path,
                              char text[SOCK_TEXT]);
INTERNAL const char *system_list_next(void *folder);
INTERNAL void system_list_close(void **folder);

#endif
