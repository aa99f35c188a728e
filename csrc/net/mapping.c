/*
 * mapping - a file's bytes as memory; see mapping.h
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mapping.h"

static int failed(const char *path, const char *why, char text[SOCK_TEXT])
{
    snprintf(text, SOCK_TEXT, "%.150s: %s", path, why);
    return ERR_SYSTEM;
}

static int map(struct mapping *m, int fd, const char *path,
               char text[SOCK_TEXT])
{
    struct stat s;
    void *p;
    if (fstat(fd, &s) < 0)
        return failed(path, strerror(errno), text);
    if (!S_ISREG(s.st_mode))
        return failed(path, "only a regular file can be mapped", text);
    if (s.st_size == 0)
        return 0;
    if ((uintmax_t)s.st_size > SIZE_MAX / 2)
        return failed(path, "the file is too large to be mapped", text);
    p = mmap(NULL, (size_t)s.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED)
        return failed(path, strerror(errno), text);
    m->bytes = span_of(p, (size_t)s.st_size);
    return 0;
}

int mapping_open(struct mapping *m, const char *path, char text[SOCK_TEXT])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), err;
    if (fd < 0)
        return failed(path, strerror(errno), text);
    err = map(m, fd, path, text);
    close(fd);
    return err;
}

void mapping_close(struct mapping *m)
{
    union {
        const char *from;
        void *to;
    } memory = {m->bytes.p};
    if (m->bytes.n)
        munmap(memory.to, m->bytes.n);
    m->bytes = span_of(NULL, 0);
}
