/*
 * listener - a listening socket, and the path of a Unix one; see listener.h
 */
#include <unistd.h>

#include "listener.h"
#include "service.h"

void listener_init(struct listener *l)
{
    memset(l, 0, sizeof *l);
    l->fd = -1;
}

int listener_open(struct listener *l, const char *host, int port, int backlog,
                  unsigned permissions, char text[SOCK_TEXT])
{
    int err = sock_listen(&l->fd, host, port, backlog, permissions, text);
    if (err == 0 && port == SOCK_PATH) {
        l->process = (long)getpid();
        memcpy(l->path, host, strlen(host) + 1);
    }
    return err;
}

int listener_take(struct listener *l, int fd, char text[SOCK_TEXT])
{
    int err = service_take(fd, text);
    if (err == 0) {
        sock_took_over(fd);
        l->fd = fd;
    }
    return err;
}

void listener_disown(struct listener *l)
{
    l->path[0] = '\0';
}

void listener_drop(struct listener *l)
{
    if (l->fd >= 0 && l->path[0] && l->process == (long)getpid())
        (void)unlink(l->path);
    sock_close(l->fd);
    listener_init(l);
}
