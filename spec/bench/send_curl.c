/*
 * send_curl - usage: send_curl PORT COUNT SIZE: sends messages by libcurl over
 * one connection with STARTTLS; prints seconds, and processor seconds.
 *
 * Owns: its message. Fails with: exit code 1. I/O: the network.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <curl/curl.h>

struct message {
    char *p;
    size_t n, at;
};

static size_t give(char *to, size_t size, size_t count, void *from)
{
    struct message *m = from;
    size_t n = size * count < m->n - m->at ? size * count : m->n - m->at;
    memcpy(to, m->p + m->at, n);
    m->at += n;
    return n;
}

static double seconds(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool build(struct message *m, size_t size)
{
    static const char head[] = "From: <a@example.org>\r\n"
                               "To: <b@example.org>\r\nSubject: bench\r\n\r\n";
    size_t lines = size / 80 ? size / 80 : 1, n = sizeof head - 1;
    m->n = n + 80 * lines;
    m->p = malloc(m->n);
    if (!m->p)
        return false;
    memcpy(m->p, head, n);
    memset(m->p + n, 'x', 80 * lines);
    for (size_t i = 0; i < lines; i++)
        memcpy(m->p + n + 80 * i + 78, "\r\n", 2);
    return true;
}

static CURL *session(struct message *m, const char *port)
{
    static char url[64];
    CURL *c = curl_easy_init();
    snprintf(url, sizeof url, "smtp://127.0.0.1:%s/localhost", port);
    curl_easy_setopt(c, CURLOPT_URL, url);
    curl_easy_setopt(c, CURLOPT_USE_SSL, (long)CURLUSESSL_ALL);
    curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 0L);
    curl_easy_setopt(c, CURLOPT_MAIL_FROM, "<a@example.org>");
    curl_easy_setopt(c, CURLOPT_MAIL_RCPT,
                     curl_slist_append(NULL, "<b@example.org>"));
    curl_easy_setopt(c, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(c, CURLOPT_READFUNCTION, give);
    curl_easy_setopt(c, CURLOPT_READDATA, m);
    return c;
}

int main(int argc, char **argv)
{
    struct message m = {NULL, 0, 0};
    if (argc < 4 || !build(&m, (size_t)atol(argv[3])))
        return 1;
    CURL *c = session(&m, argv[1]);
    if (curl_easy_perform(c) != CURLE_OK) /* connects */
        return 1;
    double start = seconds(CLOCK_MONOTONIC);
    double spent = seconds(CLOCK_PROCESS_CPUTIME_ID);
    for (int i = atoi(argv[2]); i > 0; i--) {
        m.at = 0;
        if (curl_easy_perform(c) != CURLE_OK)
            return 1;
    }
    printf("%.6f %.6f\n", seconds(CLOCK_MONOTONIC) - start,
           seconds(CLOCK_PROCESS_CPUTIME_ID) - spent);
    curl_easy_cleanup(c);
    return 0;
}
