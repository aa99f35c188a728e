/*
 * service - what a service manager passes and is told; see service.h
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <sys/socket.h>
#include <sys/un.h>

#include "service.h"

enum { SOCKETS_MAX = 1024 };

static long service_number(const char *name)
{
    const char *value = getenv(name);
    char *end;
    if (!value || *value < '0' || *value > '9')
        return -1;
    errno = 0;
    long n = strtol(value, &end, 10);
    return *end == '\0' && errno == 0 ? n : -1;
}

int service_sockets(void)
{
    long n = service_number("LISTEN_FDS");
    if (service_number("LISTEN_PID") != (long)getpid())
        return 0;
    return n > 0 && n <= SOCKETS_MAX ? (int)n : 0;
}

static bool service_listens(int fd)
{
    int listens = 0, type = 0;
    socklen_t n = sizeof listens, m = sizeof type;
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &n) == 0 &&
           getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &m) == 0 && listens &&
           type == SOCK_STREAM;
}

int service_take(int fd, char text[SOCK_TEXT])
{
    if (!service_listens(fd)) {
        (void)snprintf(text, SOCK_TEXT,
                       "descriptor %d is no listening stream socket", fd);
        return ERR_SYSTEM;
    }
    int flags = fcntl(fd, F_GETFL);
    if (flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0 &&
        fcntl(fd, F_SETFD, FD_CLOEXEC) == 0)
        return 0;
    (void)snprintf(text, SOCK_TEXT, "descriptor %d: %s", fd, strerror(errno));
    return ERR_SYSTEM;
}

/* An abstract name begins with a NUL, and ends where its size says. */
static int service_address(struct sockaddr_un *a, socklen_t *n,
                           const char *path, char *text)
{
    size_t length = strlen(path);
    if (length < 2 || length >= sizeof a->sun_path ||
        (path[0] != '/' && path[0] != '@')) {
        (void)snprintf(text, SOCK_TEXT, "not a socket to notify: %.100s", path);
        return ERR_SYNTAX;
    }
    memset(a, 0, sizeof *a);
    a->sun_family = AF_UNIX;
    memcpy(a->sun_path, path, length);
    if (path[0] == '@')
        a->sun_path[0] = '\0';
    *n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    return 0;
}

int service_tell(const char *path, struct span words, char text[SOCK_TEXT])
{
    struct sockaddr_un a;
    socklen_t n;
    int err = service_address(&a, &n, path, text);
    if (err < 0)
        return err;
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    ssize_t sent = -1;
    if (fd >= 0)
        sent = sendto(fd, words.p, words.n, MSG_DONTWAIT,
                      (const struct sockaddr *)&a, n);
    if (sent < 0) {
        (void)snprintf(text, SOCK_TEXT, "%.100s: %s", path, strerror(errno));
        err = ERR_SYSTEM;
    }
    sock_close(fd);
    return err;
}
