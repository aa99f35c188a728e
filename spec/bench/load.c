/*
 * load - a client that keeps a server busy, or idle, for make bench
 *
 *   load send PORT COUNT SIZE MODE     COUNT messages over one connection;
 *       seq: each reply is awaited; pipe: as RFC 2920 has it; full: the end
 *       of a body and the next MAIL, RCPT and DATA in one write
 *   load idle PORT COUNT PID [tls]     what an idle session costs, and what
 *       many do to one that is busy
 *
 * Prints numbers, for receive.lua. I/O: 127.0.0.1 only.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/resource.h>
#include <sys/socket.h>

enum { ROUNDS = 2000, RUNS = 7, REPLY = 4096, LINE = 80 };

struct peer {
    int fd;
    SSL *tls;
    char in[REPLY]; /* what has come of replies */
    size_t n;
};

static const char group[] = "MAIL FROM:<a@example.org>\r\n"
                            "RCPT TO:<b@example.org>\r\nDATA\r\n";

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static double now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void peer_open(struct peer *p, int port)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    int on = 1;
    memset(p, 0, sizeof *p);
    a.sin_port = htons((unsigned short)port);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    p->fd = socket(AF_INET, SOCK_STREAM, 0);
    (void)setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (p->fd < 0 || connect(p->fd, (struct sockaddr *)&a, sizeof a) != 0)
        fail("connect");
}

static void peer_say(struct peer *p, const char *octets, size_t n)
{
    while (n) {
        ssize_t sent = p->tls ? SSL_write(p->tls, octets, (int)n)
                              : write(p->fd, octets, n);
        if (sent <= 0)
            fail("write");
        octets += sent;
        n -= (size_t)sent;
    }
}

/* Drops whole replies; how many of count are still to come. */
static int peer_drop(struct peer *p, int count)
{
    char *end;
    while (count && (end = memchr(p->in, '\n', p->n))) {
        size_t line = (size_t)(end - p->in) + 1;
        if (line > 3 && p->in[0] > '3')
            fail(p->in);
        count -= line > 3 && p->in[3] != '-';
        p->n -= line;
        memmove(p->in, end + 1, p->n);
    }
    return count;
}

static void peer_hear(struct peer *p, int count)
{
    while ((count = peer_drop(p, count)) > 0) {
        char *at = p->in + p->n;
        size_t room = sizeof p->in - p->n;
        ssize_t n =
            p->tls ? SSL_read(p->tls, at, (int)room) : read(p->fd, at, room);
        if (n <= 0)
            fail("read");
        p->n += (size_t)n;
    }
}

static void peer_ask(struct peer *p, const char *line)
{
    peer_say(p, line, strlen(line));
    peer_hear(p, 1);
}

static void peer_greet(struct peer *p, SSL_CTX *tls)
{
    peer_hear(p, 1);
    peer_ask(p, "EHLO load.example.org\r\n");
    if (!tls)
        return;
    peer_ask(p, "STARTTLS\r\n");
    p->tls = SSL_new(tls);
    if (!p->tls || !SSL_set_fd(p->tls, p->fd) || SSL_connect(p->tls) != 1)
        fail("TLS");
    peer_ask(p, "EHLO load.example.org\r\n");
}

/* A message of about so many octets, with its dot, and behind it the group of
   the next one. */
static char *message(size_t size, size_t *n)
{
    static const char head[] = "Subject: load\r\n\r\n";
    size_t lines = size < LINE ? 1 : size / LINE, at = sizeof head - 1;
    char *text = malloc(at + lines * LINE + 3 + sizeof group);
    if (!text)
        fail("malloc");
    memcpy(text, head, at);
    for (size_t i = 0; i < lines; i++, at += LINE) {
        memset(text + at, 'x', LINE - 2);
        memcpy(text + at + LINE - 2, "\r\n", 2);
    }
    memcpy(text + at, ".\r\n", 3);
    memcpy(text + at + 3, group, sizeof group);
    *n = at + 3;
    return text;
}

static void send_seq(struct peer *p, const char *text, size_t n)
{
    peer_ask(p, "MAIL FROM:<a@example.org>\r\n");
    peer_ask(p, "RCPT TO:<b@example.org>\r\n");
    peer_ask(p, "DATA\r\n");
    peer_say(p, text, n);
    peer_hear(p, 1);
}

static void send_pipe(struct peer *p, const char *text, size_t n)
{
    peer_say(p, group, sizeof group - 1);
    peer_hear(p, 3);
    peer_say(p, text, n);
    peer_hear(p, 1);
}

static void send_full(struct peer *p, const char *text, size_t n, long count)
{
    peer_say(p, group, sizeof group - 1);
    peer_hear(p, 3);
    for (long i = 1; i < count; i++) {
        peer_say(p, text, n + sizeof group - 1);
        peer_hear(p, 4);
    }
    peer_say(p, text, n);
    peer_hear(p, 1);
}

static void load_send(int port, long count, size_t size, const char *mode)
{
    struct peer p;
    size_t n;
    char *text = message(size, &n);
    double start;
    peer_open(&p, port);
    peer_greet(&p, NULL);
    start = now();
    if (strcmp(mode, "full") == 0)
        send_full(&p, text, n, count);
    for (long i = 0; i < count && strcmp(mode, "full") != 0; i++)
        (strcmp(mode, "seq") == 0 ? send_seq : send_pipe)(&p, text, n);
    printf("%.9f\n", now() - start);
    peer_ask(&p, "QUIT\r\n");
    free(text);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The time of a command's round trip: median and 99th of 100, microseconds,
   the best of some runs, since others disturb. */
static void time_commands(struct peer *p, double *median, double *late)
{
    static double took[ROUNDS];
    *median = *late = 1e9;
    for (int run = 0; run < RUNS; run++) {
        for (int i = 0; i < ROUNDS; i++) {
            double start = now();
            peer_ask(p, "MAIL FROM:<a@example.org>\r\n");
            took[i] = (now() - start) * 1e6;
            peer_ask(p, "RSET\r\n");
        }
        qsort(took, ROUNDS, sizeof *took, by_size);
        if (took[ROUNDS / 2] < *median)
            *median = took[ROUNDS / 2];
        if (took[ROUNDS / 100 * 99] < *late)
            *late = took[ROUNDS / 100 * 99];
    }
}

/* Resident octets of a process. */
static double resident(const char *pid)
{
    char path[64], line[256];
    double kib = 0;
    (void)snprintf(path, sizeof path, "/proc/%.20s/status", pid);
    FILE *f = fopen(path, "r");
    if (!f)
        fail(path);
    while (fgets(line, sizeof line, f))
        if (strncmp(line, "VmRSS:", 6) == 0)
            kib = strtod(line + 6, NULL);
    (void)fclose(f);
    return kib * 1024;
}

static void load_idle(int port, size_t count, const char *pid, SSL_CTX *tls)
{
    struct peer busy, *all = calloc(count, sizeof *all);
    double before, p50, p99, p50_after, p99_after;
    struct rlimit r;
    if (!all)
        fail("calloc");
    (void)getrlimit(RLIMIT_NOFILE, &r);
    r.rlim_cur = r.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &r);
    peer_open(&busy, port);
    peer_greet(&busy, tls);
    time_commands(&busy, &p50, &p99);
    before = resident(pid);
    for (size_t i = 0; i < count; i++) {
        peer_open(&all[i], port);
        peer_greet(&all[i], tls);
    }
    (void)sleep(2);
    printf("%.0f ", (resident(pid) - before) / (double)count);
    time_commands(&busy, &p50_after, &p99_after);
    printf("%.1f %.1f %.1f %.1f\n", p50, p99, p50_after, p99_after);
}

int main(int argc, char **argv)
{
    if (argc == 6 && strcmp(argv[1], "send") == 0) {
        load_send(atoi(argv[2]), atol(argv[3]), (size_t)atol(argv[4]), argv[5]);
    } else if (argc >= 5 && strcmp(argv[1], "idle") == 0) {
        SSL_CTX *tls = argc > 5 ? SSL_CTX_new(TLS_client_method()) : NULL;
        load_idle(atoi(argv[2]), (size_t)atol(argv[3]), argv[4], tls);
    } else {
        return 2;
    }
    return 0;
}
