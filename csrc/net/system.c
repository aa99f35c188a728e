/*
 * system - what scripts need of the operating system; see system.h
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <sys/resource.h>
#include <sys/stat.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "system.h"

static int system_fail(char *text, const char *path)
{
    int number = errno;
    snprintf(text, SOCK_TEXT, "%.150s: %s", path, strerror(number));
    return ERR_SYSTEM;
}

static int system_result(int result, const char *path, char *text)
{
    return result == 0 ? 0 : system_fail(text, path);
}

long system_pid(void)
{
    return (long)getpid();
}

bool system_is_terminal(int fd)
{
    return isatty(fd) == 1;
}

int system_hostname(char *out, size_t room)
{
    if (room == 0 || gethostname(out, room - 1) != 0)
        return ERR_SYSTEM;
    out[room - 1] = '\0';
    return 0;
}

double system_time(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

long system_zone(double time)
{
    struct tm wall;
    time_t t = (time_t)time;
    return localtime_r(&t, &wall) ? wall.tm_gmtoff : 0;
}

size_t system_raise_descriptors(void)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) != 0)
        return 0;
    if (r.rlim_cur < r.rlim_max) {
        rlim_t before = r.rlim_cur;
        r.rlim_cur = r.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &r) != 0)
            r.rlim_cur = before;
    }
    return r.rlim_cur == RLIM_INFINITY ? SIZE_MAX / 2 : (size_t)r.rlim_cur;
}

void system_trim(void)
{
#ifdef __GLIBC__
    (void)malloc_trim(0);
#endif
}

int system_sync(const char *path, char text[SOCK_TEXT])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return system_fail(text, path);
    int err = system_result(fsync(fd), path, text);
    (void)close(fd);
    return err;
}

/* NULL, and closed, where there is no memory for a stream. */
static FILE *system_stream(int fd, const char *mode, const char *path,
                           char *text)
{
    FILE *file = fd < 0 ? NULL : fdopen(fd, mode);
    if (file)
        return file;
    (void)system_fail(text, path);
    if (fd >= 0)
        (void)close(fd);
    return NULL;
}

FILE *system_create(const char *path, bool fresh, char text[SOCK_TEXT])
{
    int flags = O_WRONLY | O_CREAT | (fresh ? O_EXCL : O_TRUNC) | O_CLOEXEC;
    return system_stream(open(path, flags, S_IRUSR | S_IWUSR), "wb", path,
                         text);
}

FILE *system_temporary(char *pattern, char text[SOCK_TEXT])
{
    int fd = mkstemp(pattern);
    if (fd >= 0) {
        (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
        (void)unlink(pattern);
    }
    return system_stream(fd, "w+b", pattern, text);
}

int system_make_folder(const char *path, unsigned mode, char text[SOCK_TEXT])
{
    struct stat s;
    if (mkdir(path, (mode_t)mode) == 0)
        return 0;
    int number = errno;
    if (number == EEXIST && stat(path, &s) == 0 && S_ISDIR(s.st_mode))
        return 1;
    errno = number;
    return system_fail(text, path);
}

int system_rename(const char *from, const char *to, char text[SOCK_TEXT])
{
    return system_result(rename(from, to), from, text);
}

int system_link(const char *from, const char *to, char text[SOCK_TEXT])
{
    return system_result(link(from, to), from, text);
}

int system_remove(const char *path, char text[SOCK_TEXT])
{
    return system_result(unlink(path), path, text);
}

int system_remove_folder(const char *path, char text[SOCK_TEXT])
{
    return system_result(rmdir(path), path, text);
}

int system_temporary_folder(char *pattern, char text[SOCK_TEXT])
{
    return mkdtemp(pattern) ? 0 : system_fail(text, pattern);
}

int system_stat(const char *path, struct system_stat *out, char text[SOCK_TEXT])
{
    struct stat s;
    if (stat(path, &s) != 0)
        return system_fail(text, path);
    out->type = S_ISREG(s.st_mode)    ? "file"
                : S_ISDIR(s.st_mode)  ? "folder"
                : S_ISSOCK(s.st_mode) ? "socket"
                                      : "other";
    out->size = (long long)s.st_size;
    out->modified = (double)s.st_mtime;
    return 0;
}

int system_list_open(void **folder, const char *path, char text[SOCK_TEXT])
{
    *folder = opendir(path);
    return *folder ? 0 : system_fail(text, path);
}

const char *system_list_next(void *folder)
{
    struct dirent *entry;
    while ((entry = readdir(folder)))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            return entry->d_name;
    return NULL;
}

void system_list_close(void **folder)
{
    if (*folder)
        (void)closedir(*folder);
    *folder = NULL;
}
