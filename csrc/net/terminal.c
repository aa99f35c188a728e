/*
 * terminal - keys as they are pressed; see terminal.h
 */
#include "terminal.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <unistd.h>

int terminal_raw(struct terminal *t, int fd)
{
    if (tcgetattr(fd, &t->saved) != 0)
        return ERR_SYSTEM;
    struct termios raw = t->saved;
    raw.c_iflag &= ~(tcflag_t)(BRKINT | ICRNL | INPCK | ISTRIP | IXON);
    raw.c_lflag &= ~(tcflag_t)(ECHO | ICANON | IEXTEN | ISIG);
    raw.c_cflag |= CS8;
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    if (tcsetattr(fd, TCSADRAIN, &raw) != 0)
        return ERR_SYSTEM;
    t->fd = fd;
    t->raw = true;
    return 0;
}

void terminal_restore(struct terminal *t)
{
    if (t->raw)
        (void)tcsetattr(t->fd, TCSADRAIN, &t->saved);
    t->raw = false;
}

int terminal_read(int fd, char *p, size_t room, size_t *n)
{
    ssize_t got;
    do
        got = read(fd, p, room);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return ERR_SYSTEM;
    *n = (size_t)got;
    return 0;
}

size_t terminal_columns(int fd)
{
    struct winsize size = {0};
    if (ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return 80;
    return size.ws_col;
}
