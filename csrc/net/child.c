/*
 * child - a program started without a shell; see child.h
 */
#define _GNU_SOURCE /* posix_spawn_file_actions_addclosefrom_np */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __APPLE__ /* a shared object sees no environ there */
#include <crt_externs.h>
#define environ (*_NSGetEnviron())
#else
extern char **environ;
#endif

static int child_fail(char *text, int err, const char *what, int number)
{
    (void)snprintf(text, SOCK_TEXT, "%.100s: %s", what, strerror(number));
    return err;
}

/* Ours does not block; theirs does, as programs expect it. */
static int child_pair(int pair[2], char *text)
{
#ifdef SOCK_CLOEXEC
    int kind = SOCK_STREAM | SOCK_CLOEXEC;
#else
    int kind = SOCK_STREAM;
#endif
    if (socketpair(AF_UNIX, kind, 0, pair) != 0)
        return child_fail(text, ERR_SYSTEM, "no socket", errno);
    (void)fcntl(pair[0], F_SETFD, FD_CLOEXEC);
    (void)fcntl(pair[1], F_SETFD, FD_CLOEXEC);
    (void)fcntl(pair[0], F_SETFL, O_NONBLOCK);
#ifdef SO_NOSIGPIPE
    int on = 1;
    (void)setsockopt(pair[0], SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
#endif
    return 0;
}

#if defined(__GLIBC__) &&                                                      \
    (__GLIBC__ > 2 || (__GLIBC__ == 2 && __GLIBC_MINOR__ >= 34))
#define CLOSE_FROM
#endif

#ifndef CLOSE_FROM
enum { SCANNED = 1024 };
#endif

/* Descriptors that were opened without close-on-exec (Lua's io does) are
   none of the program's business. */
static int child_close_others(posix_spawn_file_actions_t *actions)
{
#ifdef CLOSE_FROM
    return posix_spawn_file_actions_addclosefrom_np(actions, 3);
#else
    for (int fd = 3; fd < SCANNED; fd++) {
        int flags = fcntl(fd, F_GETFD);
        if (flags < 0 || (flags & FD_CLOEXEC))
            continue;
        int number = posix_spawn_file_actions_addclose(actions, fd);
        if (number)
            return number;
    }
    return 0;
#endif
}

static int child_actions(posix_spawn_file_actions_t *actions, int theirs,
                         bool errors)
{
    int number = posix_spawn_file_actions_adddup2(actions, theirs, 0);
    if (number == 0)
        number = posix_spawn_file_actions_adddup2(actions, theirs, 1);
    if (number == 0 && errors)
        number = posix_spawn_file_actions_adddup2(actions, theirs, 2);
    return number ? number : child_close_others(actions);
}

/* Signals that this process blocks or ignores reach the program as usual. */
static int child_signals(posix_spawnattr_t *attributes)
{
    static const int usual[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGPIPE,
                                SIGTERM, SIGCHLD, SIGALRM};
    sigset_t none, all;
    (void)sigemptyset(&none);
    (void)sigemptyset(&all);
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
        (void)sigaddset(&all, usual[i]);
    int number = posix_spawnattr_setsigmask(attributes, &none);
    if (number == 0)
        number = posix_spawnattr_setsigdefault(attributes, &all);
    if (number == 0)
        number = posix_spawnattr_setflags(
            attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    return number;
}

/* 0, or what errno would be. */
static int child_spawn(struct child *c, char *const *argv, int theirs,
                       bool errors)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    pid_t pid = 0;
    int number = posix_spawn_file_actions_init(&actions);
    if (number)
        return number;
    number = posix_spawnattr_init(&attributes);
    if (number == 0) {
        number = child_actions(&actions, theirs, errors);
        if (number == 0)
            number = child_signals(&attributes);
        if (number == 0)
            number = posix_spawnp(&pid, argv[0], &actions, &attributes, argv,
                                  environ);
        (void)posix_spawnattr_destroy(&attributes);
    }
    (void)posix_spawn_file_actions_destroy(&actions);
    if (number == 0)
        c->pid = (long)pid;
    return number;
}

int child_start(struct child *c, char *const *argv, bool errors, int *fd,
                char text[SOCK_TEXT])
{
    int pair[2];
    int err = child_pair(pair, text);
    if (err < 0)
        return err;
    int number = child_spawn(c, argv, pair[1], errors);
    (void)close(pair[1]);
    if (number == 0) {
        *fd = pair[0];
        return 0;
    }
    (void)close(pair[0]);
    return child_fail(text, ERR_CONNECT, argv[0], number);
}

/* Whether it has ended; options are those of waitpid. */
static bool child_wait(struct child *c, int options)
{
    int status = 0;
    pid_t pid;
    if (c->pid == 0 || c->ended)
        return true;
    do
        pid = waitpid((pid_t)c->pid, &status, options);
    while (pid < 0 && errno == EINTR);
    if (pid == 0)
        return false;
    c->ended = true;
    if (pid < 0)
        c->code = -1;
    else
        c->code =
            WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return true;
}

bool child_ended(struct child *c)
{
    return child_wait(c, WNOHANG);
}

void child_signal(struct child *c, bool force)
{
    if (!child_ended(c))
        (void)kill((pid_t)c->pid, force ? SIGKILL : SIGTERM);
}

void child_drop(struct child *c)
{
    if (!child_ended(c) && kill((pid_t)c->pid, SIGKILL) == 0)
        (void)child_wait(c, 0); /* else a zombie stays: nobody knows it now */
}
