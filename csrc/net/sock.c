/*
 * sock - non-blocking stream sockets; see sock.h
 */
#define _GNU_SOURCE /* accept4 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>

#include "sock.h"

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* SO_NOSIGPIPE is set instead */
#endif

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un path;
};

static int sock_fail(char *text, int err, const char *what, int number)
{
    snprintf(text, SOCK_TEXT, "%s: %s", what, strerror(number));
    return err;
}

static int address_of_path(union address *a, socklen_t *n, const char *path,
                           char *text)
{
    size_t length = strlen(path);
    if (length == 0 || length >= sizeof a->path.sun_path) {
        snprintf(text, SOCK_TEXT,
                 "the path of a Unix socket has 1 to %zu bytes",
                 sizeof a->path.sun_path - 1);
        return ERR_SYNTAX;
    }
    a->path.sun_family = AF_UNIX;
    memcpy(a->path.sun_path, path, length + 1);
    *n = (socklen_t)sizeof a->path;
    return 0;
}

/* A zone is an interface's name, or its number in at most 9 digits. */
static bool zone_of(const char *zone, uint32_t *scope)
{
    *scope = if_nametoindex(zone);
    size_t digits = strspn(zone, "0123456789");
    if (*scope == 0 && digits > 0 && digits < 10 && zone[digits] == '\0')
        for (const char *p = zone; *p; p++)
            *scope = *scope * 10 + (uint32_t)(*p - '0');
    return *scope != 0;
}

/* "fe80::1%eth0" */
static bool address_of_v6(struct sockaddr_in6 *v6, const char *host)
{
    char bare[INET6_ADDRSTRLEN];
    const char *zone = strchr(host, '%');
    size_t n = zone ? (size_t)(zone - host) : strlen(host);
    if (n >= sizeof bare)
        return false;
    memcpy(bare, host, n);
    bare[n] = '\0';
    v6->sin6_family = AF_INET6;
    return inet_pton(AF_INET6, bare, &v6->sin6_addr) == 1 &&
           (!zone || zone_of(zone + 1, &v6->sin6_scope_id));
}

static int address_of(union address *a, socklen_t *n, const char *host,
                      int port, char *text)
{
    memset(a, 0, sizeof *a);
    if (port == SOCK_PATH)
        return address_of_path(a, n, host, text);
    if (strcmp(host, "*") == 0)
        host = "::";
    if (inet_pton(AF_INET, host, &a->v4.sin_addr) == 1) {
        a->v4.sin_family = AF_INET;
        a->v4.sin_port = htons((unsigned short)port);
        *n = (socklen_t)sizeof a->v4;
        return 0;
    }
    if (address_of_v6(&a->v6, host)) {
        a->v6.sin6_port = htons((unsigned short)port);
        *n = (socklen_t)sizeof a->v6;
        return 0;
    }
    snprintf(text, SOCK_TEXT, "not an address: %.100s", host);
    return ERR_SYNTAX;
}

bool sock_numeric(const char *host)
{
    struct in_addr v4;
    struct sockaddr_in6 v6 = {0};
    return inet_pton(AF_INET, host, &v4) == 1 || address_of_v6(&v6, host);
}

static void sock_on(int fd, int level, int option)
{
    int on = 1;
    (void)setsockopt(fd, level, option, &on, sizeof on);
}

#ifndef SOCK_CLOEXEC
static void sock_flags(int fd)
{
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    (void)fcntl(fd, F_SETFL, O_NONBLOCK);
}
#endif

/* What each stream needs, whichever end made it. */
static void sock_habits(int fd, int family)
{
    if (family != AF_UNIX)
        sock_on(fd, IPPROTO_TCP, TCP_NODELAY);
#ifdef SO_NOSIGPIPE
    sock_on(fd, SOL_SOCKET, SO_NOSIGPIPE);
#endif
}

static int sock_new(int *fd, int family, char *text)
{
#ifdef SOCK_CLOEXEC
    *fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
#else
    *fd = socket(family, SOCK_STREAM, 0);
#endif
    if (*fd < 0)
        return sock_fail(text, ERR_SYSTEM, "no socket", errno);
#ifndef SOCK_CLOEXEC
    sock_flags(*fd);
#endif
    sock_habits(*fd, family);
    return 0;
}

/* A socket's file outlives its listener: nobody answers, so it may go. Any
   other kind of file stays. */
static bool path_is_dead(const union address *a, socklen_t n)
{
    struct stat s;
    if (lstat(a->path.sun_path, &s) != 0 || !S_ISSOCK(s.st_mode))
        return false;
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0)
        return false;
    (void)fcntl(fd, F_SETFL, O_NONBLOCK);
    bool dead = connect(fd, &a->any, n) != 0 && errno == ECONNREFUSED;
    close(fd);
    return dead && unlink(a->path.sun_path) == 0;
}

static int sock_bind(int fd, const union address *a, socklen_t n)
{
    if (bind(fd, &a->any, n) == 0)
        return 0;
    if (errno == EADDRINUSE && a->any.sa_family == AF_UNIX) {
        if (path_is_dead(a, n))
            return bind(fd, &a->any, n);
        errno = EADDRINUSE;
    }
    return -1;
}

static int sock_permit(const union address *a, unsigned permissions)
{
    if (a->any.sa_family != AF_UNIX || permissions == 0)
        return 0;
    return chmod(a->path.sun_path, (mode_t)permissions);
}

int sock_listen(int *fd, const char *host, int port, int backlog,
                unsigned permissions, char text[SOCK_TEXT])
{
    union address a;
    socklen_t n;
    int err = address_of(&a, &n, host, port, text);
    if (err == 0)
        err = sock_new(fd, a.any.sa_family, text);
    if (err == ERR_SYSTEM && strcmp(host, "*") == 0)
        return sock_listen(fd, "0.0.0.0", port, backlog, 0, text);
    if (err < 0)
        return err;
    if (a.any.sa_family != AF_UNIX)
        sock_on(*fd, SOL_SOCKET, SO_REUSEADDR);
    if (a.any.sa_family == AF_INET6) {
        int alone = strcmp(host, "*") != 0;
        (void)setsockopt(*fd, IPPROTO_IPV6, IPV6_V6ONLY, &alone, sizeof alone);
    }
    if (sock_bind(*fd, &a, n) != 0 || sock_permit(&a, permissions) != 0 ||
        listen(*fd, backlog) != 0) {
        err = sock_fail(text, ERR_CONNECT, "cannot listen", errno);
        close(*fd);
        *fd = -1;
    }
    return err;
}

/* Errors of accept that belong to one connection, which is gone already. */
static bool accept_again(int number)
{
    switch (number) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
#ifdef __linux__ /* accept(2): pending network errors of the new socket */
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
#endif
        return true;
    default:
        return false;
    }
}

/* Linux hands down to connections what their listener has. */
static void sock_accepted(int fd, int family)
{
#ifdef __linux__
    (void)fd;
    (void)family;
#else
    sock_habits(fd, family);
#endif
}

void sock_took_over(int listener)
{
    sock_on(listener, IPPROTO_TCP, TCP_NODELAY); /* fails where it is Unix */
}

static void sock_note(struct sock_from *from, const union address *a,
                      socklen_t n)
{
    bool fits = a->any.sa_family != AF_UNIX && n <= sizeof from->bytes;
    from->n = fits ? (unsigned char)n : 0;
    memcpy(from->bytes, a, from->n);
}

int sock_accept(int listener, int *fd, struct sock_from *from,
                char text[SOCK_TEXT])
{
    union address a = {0};
    for (int tries = 0; tries < 16; tries++) {
        socklen_t n = sizeof a;
#ifdef SOCK_CLOEXEC
        *fd = accept4(listener, &a.any, &n, SOCK_CLOEXEC | SOCK_NONBLOCK);
#else
        *fd = accept(listener, &a.any, &n);
#endif
        if (*fd >= 0) {
#ifndef SOCK_CLOEXEC
            sock_flags(*fd);
#endif
            sock_accepted(*fd, a.any.sa_family);
            sock_note(from, &a, n);
            return IO_DONE;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            return IO_WANT_READ;
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
            errno == ENOMEM)
            return sock_fail(text, ERR_LIMIT, "cannot accept", errno);
        if (!accept_again(errno))
            return sock_fail(text, ERR_SYSTEM, "cannot accept", errno);
    }
    return IO_WANT_READ;
}

int sock_connect(int *fd, const char *host, int port, char text[SOCK_TEXT])
{
    union address a;
    socklen_t n;
    int err = address_of(&a, &n, host, port, text);
    if (err == 0)
        err = sock_new(fd, a.any.sa_family, text);
    if (err < 0)
        return err;
    if (connect(*fd, &a.any, n) == 0)
        return IO_DONE;
    if (errno == EINPROGRESS || errno == EINTR)
        return IO_WANT_WRITE;
    err = errno == EAGAIN ? ERR_LIMIT : ERR_CONNECT;
    err = sock_fail(text, err, "cannot connect", errno);
    close(*fd);
    *fd = -1;
    return err;
}

/* A connect to a free port of this very host may meet itself. */
static bool sock_is_itself(int fd)
{
    union address a, b;
    socklen_t n = sizeof a, m = sizeof b;
    memset(&a, 0, sizeof a);
    memset(&b, 0, sizeof b);
    return getsockname(fd, &a.any, &n) == 0 &&
           getpeername(fd, &b.any, &m) == 0 && n == m &&
           a.any.sa_family != AF_UNIX && memcmp(&a, &b, n) == 0;
}

int sock_connected(int fd, char text[SOCK_TEXT])
{
    struct pollfd p = {fd, POLLOUT, 0};
    int number = 0;
    socklen_t n = sizeof number;
    if (poll(&p, 1, 0) <= 0) /* a signal may come even so */
        return IO_WANT_WRITE;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &number, &n) != 0)
        number = errno;
    if (number == 0 && sock_is_itself(fd))
        number = ECONNREFUSED;
    return number ? sock_fail(text, ERR_CONNECT, "cannot connect", number)
                  : IO_DONE;
}

int sock_adopt(int *fd, int from, char text[SOCK_TEXT])
{
    union address a;
    socklen_t n = sizeof a;
    int kind = 0;
    socklen_t size = sizeof kind;
    memset(&a, 0, sizeof a);
    if (getsockopt(from, SOL_SOCKET, SO_TYPE, &kind, &size) != 0)
        return sock_fail(text, ERR_CONNECT, "cannot adopt", errno);
    if (kind != SOCK_STREAM)
        return sock_fail(text, ERR_CONNECT, "cannot adopt", EPROTOTYPE);
    *fd = fcntl(from, F_DUPFD_CLOEXEC, 0);
    if (*fd < 0)
        return sock_fail(text, ERR_LIMIT, "cannot adopt", errno);
    (void)fcntl(*fd, F_SETFL, O_NONBLOCK);
    (void)getsockname(*fd, &a.any, &n);
    sock_habits(*fd, a.any.sa_family);
    return 0;
}

static int sock_got(ssize_t got, size_t *n, char text[SOCK_TEXT])
{
    if (got < 0) {
        if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)
            return IO_WANT_READ;
        return sock_fail(text, ERR_CLOSED, "cannot read", errno);
    }
    *n = (size_t)got;
    return got ? IO_DONE : IO_EOF;
}

int sock_read(int fd, char *p, size_t room, size_t *n, char text[SOCK_TEXT])
{
    ssize_t got;
    do
        got = recv(fd, p, room, MSG_DONTWAIT);
    while (got < 0 && errno == EINTR);
    return sock_got(got, n, text);
}

static int sock_took(ssize_t sent, size_t *n, char text[SOCK_TEXT])
{
    if (sent < 0) {
        if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)
            return IO_WANT_WRITE;
        return sock_fail(text, ERR_CLOSED, "cannot write", errno);
    }
    *n = (size_t)sent;
    return IO_DONE;
}

int sock_write(int fd, struct span bytes, size_t *n, char text[SOCK_TEXT])
{
    ssize_t sent;
    do
        sent = send(fd, bytes.p, bytes.n, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    return sock_took(sent, n, text);
}

int sock_patient(int fd, unsigned milliseconds)
{
    struct timeval t = {(time_t)(milliseconds / 1000),
                        (suseconds_t)(milliseconds % 1000 * 1000)};
    int flags = fcntl(fd, F_GETFL);
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t) != 0 ||
        flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) != 0)
        return ERR_SYSTEM;
    return 0;
}

int sock_await(int fd, char *p, size_t room, size_t *n, char text[SOCK_TEXT])
{
    return sock_got(recv(fd, p, room, 0), n, text);
}

int sock_push(int fd, struct span bytes, size_t *n, char text[SOCK_TEXT])
{
    return sock_took(send(fd, bytes.p, bytes.n, MSG_NOSIGNAL), n, text);
}

static void name_of_v6(struct sock_name *name, const struct sockaddr_in6 *v6)
{
    const unsigned char *b = v6->sin6_addr.s6_addr;
    name->port = ntohs(v6->sin6_port);
    if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
        snprintf(name->host, SOCK_HOST, "%u.%u.%u.%u", b[12], b[13], b[14],
                 b[15]);
        return;
    }
    (void)inet_ntop(AF_INET6, b, name->host, SOCK_HOST);
    if (v6->sin6_scope_id) {
        char zone[IF_NAMESIZE];
        size_t n = strlen(name->host);
        if (if_indextoname(v6->sin6_scope_id, zone))
            snprintf(name->host + n, SOCK_HOST - n, "%%%s", zone);
    }
}

static int name_of(struct sock_name *name, const union address *a, socklen_t n)
{
    memset(name, 0, sizeof *name);
    switch (a->any.sa_family) {
    case AF_INET:
        name->port = ntohs(a->v4.sin_port);
        (void)inet_ntop(AF_INET, &a->v4.sin_addr, name->host, SOCK_HOST);
        return 0;
    case AF_INET6:
        name_of_v6(name, &a->v6);
        return 0;
    case AF_UNIX:
        name->local = true;
        if (n > offsetof(struct sockaddr_un, sun_path))
            memcpy(name->host, a->path.sun_path,
                   n - offsetof(struct sockaddr_un, sun_path));
        return 0;
    default:
        return ERR_SYSTEM;
    }
}

_Static_assert(SOCK_HOST > sizeof((struct sockaddr_un *)0)->sun_path,
               "a path fits, and its end");

int sock_peer(int fd, struct sock_name *name)
{
    union address a;
    socklen_t n = sizeof a;
    memset(&a, 0, sizeof a);
    return getpeername(fd, &a.any, &n) == 0 ? name_of(name, &a, n) : ERR_CLOSED;
}

int sock_local(int fd, struct sock_name *name)
{
    union address a;
    socklen_t n = sizeof a;
    memset(&a, 0, sizeof a);
    return getsockname(fd, &a.any, &n) == 0 ? name_of(name, &a, n) : ERR_CLOSED;
}

int sock_name_of(struct sock_name *name, const struct sockaddr *a, size_t size)
{
    union address copy;
    if (size > sizeof copy)
        return ERR_SYSTEM;
    memset(&copy, 0, sizeof copy);
    memcpy(&copy, a, size);
    return name_of(name, &copy, (socklen_t)size);
}

int sock_origin(const struct sock_from *from, struct sock_name *name)
{
    union address a;
    memset(&a, 0, sizeof a);
    memcpy(&a, from->bytes, from->n);
    return name_of(name, &a, from->n);
}

void sock_quickack(int fd)
{
#ifdef TCP_QUICKACK
    sock_on(fd, IPPROTO_TCP, TCP_QUICKACK);
#else
    (void)fd;
#endif
}

void sock_shutdown(int fd)
{
    (void)shutdown(fd, SHUT_WR);
}

void sock_abandon(int fd)
{
    struct linger none = {1, 0};
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
}

void sock_close(int fd)
{
    if (fd >= 0)
        (void)close(fd);
}
