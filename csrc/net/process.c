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

long process_reap(long child, int *code)
{
    int status;
    pid_t pid;
    do {
        pid = waitpid(child ? (pid_t)child : -1, &status, WNOHANG);
    } while (pid < 0 && errno == EINTR);
    if (pid <= 0)
        return 0;
    *code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return (long)pid;
}

long process_parent(void)
{
    return (long)getppid();
}

int process_tell(long pid, enum process_word word, char text[SOCK_TEXT])
{
    static const int numbers[] = {
        [PROCESS_END] = SIGTERM,
        [PROCESS_HURRY] = SIGQUIT,
        [PROCESS_RELOAD] = SIGHUP,
        [PROCESS_KILL] = SIGKILL,
    };
    if (kill((pid_t)pid, numbers[word]) == 0 || errno == ESRCH)
        return 0;
    return process_fail("kill", text);
}
