/*
 * process - children of this process that share its listeners; see process.h
 */
#include "process.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

static int process_fail(const char *what, char text[SOCK_TEXT])
{
    (void)snprintf(text, SOCK_TEXT, "%s: %s", what, strerror(errno));
    return ERR_SYSTEM;
}

long process_fork(char text[SOCK_TEXT])
{
    pid_t pid = fork();
    return pid < 0 ? process_fail("fork", text) : (long)pid;
}

long process_reap(int *code)
{
    int status;
    pid_t pid;
    do {
        pid = waitpid(-1, &status, WNOHANG);
    } while (pid < 0 && errno == EINTR);
    if (pid <= 0)
        return 0;
    *code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return (long)pid;
}

int process_end(long pid, bool force, char text[SOCK_TEXT])
{
    if (kill((pid_t)pid, force ? SIGKILL : SIGTERM) == 0 || errno == ESRCH)
        return 0;
    return process_fail("kill", text);
}
