/*
 * resolve - names to addresses and back; see resolve.h
 *
 * One mutex guards the pool and the state of its lookups. A lookup belongs to
 * its caller and, while it runs, to a thread: whoever lets go last frees it.
 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <sys/socket.h>

#if defined(__linux__)
#include <sys/eventfd.h>
#endif

#include "resolve.h"
#include "system.h"

enum { SERVICE_SIZE = 32, QUEUE_MAX = 4096, THREADS_MIN = 2, THREADS_MAX = 8 };

enum lookup_state { LOOKUP_QUEUED, LOOKUP_RUNNING, LOOKUP_DONE };

struct lookup {
    struct lookup *next; /* in the queue */
    struct resolver *pool;
    enum resolve_kind kind;
    enum lookup_state state;
    bool dropped; /* by its caller, while a thread is at it */
    int bell[2];  /* read end, write end; the same for an eventfd */
    int err;
    char text[SOCK_TEXT];
    char name[RESOLVE_NAME];
    char service[SERVICE_SIZE];
    struct query query;
    char *path; /* RESOLVE_FLUSH */
    struct lookup_answer answer;
};

struct queue {
    struct lookup *first, **last;
    size_t busy; /* threads at this kind */
};

struct resolver {
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct queue queues[RESOLVE_KINDS];
    size_t queued, uses, threads, idle, most;
    bool closed;
    pid_t process;
};

static void bell_close(int bell[2])
{
    if (bell[0] >= 0)
        (void)close(bell[0]);
    if (bell[1] >= 0 && bell[1] != bell[0])
        (void)close(bell[1]);
    bell[0] = bell[1] = -1;
}

static bool bell_open(int bell[2])
{
#if defined(__linux__)
    bell[0] = bell[1] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return bell[0] >= 0;
#else
    if (pipe(bell) != 0) {
        bell[0] = bell[1] = -1;
        return false;
    }
    for (int i = 0; i < 2; i++) {
        (void)fcntl(bell[i], F_SETFD, FD_CLOEXEC);
        (void)fcntl(bell[i], F_SETFL, O_NONBLOCK);
    }
    return true;
#endif
}

static void bell_ring(const int bell[2])
{
    static const unsigned long long one = 1;
    ssize_t n;
    do
        n = write(bell[1], &one, sizeof one);
    while (n < 0 && errno == EINTR);
}

static void lookup_free(struct lookup *l)
{
    bell_close(l->bell);
    free(l->answer.octets);
    free(l->path);
    free(l);
}

static void lookup_fail(struct lookup *l, int code, int number)
{
    const char *words =
        code == EAI_SYSTEM ? strerror(number) : gai_strerror(code);
    l->err = code == EAI_MEMORY ? ERR_MEMORY : ERR_DNS;
    l->answer.transient = code == EAI_AGAIN || code == EAI_SYSTEM;
    snprintf(l->text, sizeof l->text, "%s", words);
}

static void lookup_keep(struct lookup *l, const struct addrinfo *list)
{
    struct lookup_answer *a = &l->answer;
    if (list && list->ai_canonname)
        snprintf(a->name, sizeof a->name, "%s", list->ai_canonname);
    for (; list && a->count < RESOLVE_ADDRESSES; list = list->ai_next)
        if (sock_name_of(&a->addresses[a->count], list->ai_addr,
                         list->ai_addrlen) == 0)
            a->count++;
}

/* Runs on a thread, without the lock: only the fields of the answer. */
static void lookup_forward(struct lookup *l)
{
    struct addrinfo hints = {0}, *list = NULL;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_CANONNAME;
    int code =
        getaddrinfo(l->name, l->service[0] ? l->service : NULL, &hints, &list);
    if (code != 0) {
        lookup_fail(l, code, errno);
        return;
    }
    lookup_keep(l, list);
    freeaddrinfo(list);
}

static void lookup_reverse(struct lookup *l)
{
    struct addrinfo hints = {0}, *list = NULL;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICHOST;
    int code = getaddrinfo(l->name, NULL, &hints, &list);
    if (code == 0)
        code = getnameinfo(list->ai_addr, list->ai_addrlen, l->answer.name,
                           sizeof l->answer.name, NULL, 0, NI_NAMEREQD);
    if (code != 0)
        lookup_fail(l, code, errno);
    if (list)
        freeaddrinfo(list);
}

static void lookup_records(struct lookup *l)
{
    struct lookup_answer *a = &l->answer;
    a->octets = malloc(QUERY_ANSWER);
    l->err = a->octets ? query_run(&l->query, l->name, a->octets, QUERY_ANSWER,
                                   &a->size)
                       : ERR_MEMORY;
    a->transient = l->err < 0;
    if (l->err < 0)
        return;
    char *less = realloc(a->octets, a->size); /* most answers are short */
    if (less)
        a->octets = less;
}

static void lookup_sync(struct lookup *l)
{
    l->err = system_sync(l->path, l->text);
}

static void lookup_work(struct lookup *l)
{
    static void (*const work[RESOLVE_KINDS])(struct lookup *) = {
        [RESOLVE_FORWARD] = lookup_forward,
        [RESOLVE_RECORDS] = lookup_records,
        [RESOLVE_REVERSE] = lookup_reverse,
        [RESOLVE_FLUSH] = lookup_sync,
    };
    work[l->kind](l);
}

static void lookup_done(struct lookup *l)
{
    l->state = LOOKUP_DONE;
    bell_ring(l->bell);
}

static struct lookup *queue_take(struct resolver *r, enum resolve_kind kind)
{
    struct queue *q = &r->queues[kind];
    struct lookup *l = q->first;
    if (!l)
        return NULL;
    q->first = l->next;
    if (!q->first)
        q->last = &q->first;
    l->next = NULL;
    l->state = LOOKUP_RUNNING;
    q->busy++;
    r->queued--;
    return l;
}

/* Addresses first; one thread is for nothing else. */
static struct lookup *resolver_take(struct resolver *r)
{
    struct lookup *l = queue_take(r, RESOLVE_FORWARD);
    size_t busy = 0;
    for (int kind = RESOLVE_FORWARD + 1; kind < RESOLVE_KINDS; kind++)
        busy += r->queues[kind].busy;
    for (int kind = RESOLVE_FORWARD + 1;
         kind < RESOLVE_KINDS && !l && busy + 1 < r->most; kind++)
        l = queue_take(r, kind);
    return l;
}

/* Lets go of the pool, whose lock is held, and gives the lock back. */
static void resolver_leave(struct resolver *r)
{
    bool last = --r->uses == 0;
    (void)pthread_mutex_unlock(&r->lock);
    if (!last)
        return;
    (void)pthread_cond_destroy(&r->work);
    (void)pthread_mutex_destroy(&r->lock);
    free(r);
}

static void *resolver_thread(void *arg)
{
    struct resolver *r = arg;
    (void)pthread_mutex_lock(&r->lock);
    while (!r->closed) {
        struct lookup *l = resolver_take(r);
        if (!l) {
            r->idle++;
            (void)pthread_cond_wait(&r->work, &r->lock);
            r->idle--;
            continue;
        }
        (void)pthread_mutex_unlock(&r->lock);
        lookup_work(l);
        (void)pthread_mutex_lock(&r->lock);
        r->queues[l->kind].busy--;
        if (l->dropped)
            lookup_free(l);
        else
            lookup_done(l);
    }
    r->threads--;
    resolver_leave(r);
    return NULL;
}

/* Signals are the main thread's business. */
static bool resolver_grow(struct resolver *r)
{
    pthread_t thread;
    pthread_attr_t detached;
    sigset_t all, before;
    if (r->threads == r->most)
        return true;
    if (pthread_attr_init(&detached) != 0)
        return false;
    (void)pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    bool ok = pthread_create(&thread, &detached, resolver_thread, r) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&detached);
    r->threads += ok;
    r->uses += ok;
    return ok;
}

int resolver_new(struct resolver **r, size_t threads)
{
    struct resolver *new = calloc(1, sizeof *new);
    if (!new)
        return ERR_MEMORY;
    if (pthread_mutex_init(&new->lock, NULL) != 0) {
        free(new);
        return ERR_SYSTEM;
    }
    if (pthread_cond_init(&new->work, NULL) != 0) {
        (void)pthread_mutex_destroy(&new->lock);
        free(new);
        return ERR_SYSTEM;
    }
    for (int kind = 0; kind < RESOLVE_KINDS; kind++)
        new->queues[kind].last = &new->queues[kind].first;
    new->most = threads < THREADS_MIN   ? THREADS_MIN
                : threads > THREADS_MAX ? THREADS_MAX
                                        : threads;
    new->uses = 1;
    new->process = getpid();
    *r = new;
    return 0;
}

bool resolver_foreign(const struct resolver *r)
{
    return r->process != getpid();
}

/* In a forked child the lock may be held by a thread that is not there: what
   belongs to the parent is left as it is. */
void resolver_drop(struct resolver *r)
{
    if (!r || resolver_foreign(r))
        return;
    (void)pthread_mutex_lock(&r->lock);
    r->closed = true;
    for (int kind = 0; kind < RESOLVE_KINDS; kind++) {
        struct lookup *l;
        while ((l = queue_take(r, kind))) {
            l->err = ERR_CLOSED;
            lookup_done(l);
        }
    }
    (void)pthread_cond_broadcast(&r->work);
    resolver_leave(r);
}

static int resolver_queue(struct resolver *r, struct lookup *l)
{
    struct queue *q = &r->queues[l->kind];
    if (r->queued == QUEUE_MAX)
        return ERR_LIMIT;
    if (r->queued >= r->idle && !resolver_grow(r) && r->threads == 0)
        return ERR_SYSTEM;
    *q->last = l;
    q->last = &l->next;
    r->queued++;
    (void)pthread_cond_broadcast(&r->work);
    return 0;
}

static int lookup_begin(struct lookup *l, struct resolver *r)
{
    if (!bell_open(l->bell))
        return ERR_SYSTEM;
    bool now = l->kind == RESOLVE_FORWARD && sock_numeric(l->name);
    if (now) {
        lookup_forward(l);
        lookup_done(l);
    }
    (void)pthread_mutex_lock(&r->lock);
    int err = r->closed ? ERR_CLOSED : now ? 0 : resolver_queue(r, l);
    r->uses += err == 0;
    (void)pthread_mutex_unlock(&r->lock);
    return err;
}

static int lookup_new(struct lookup **lookup, struct resolver *r,
                      enum resolve_kind kind, const char *name,
                      char text[SOCK_TEXT])
{
    if (strlen(name) >= RESOLVE_NAME || name[0] == '\0') {
        snprintf(text, SOCK_TEXT, "not a host name");
        return ERR_DNS;
    }
    struct lookup *l = calloc(1, sizeof *l);
    if (!l)
        return ERR_MEMORY;
    l->bell[0] = l->bell[1] = -1;
    l->kind = kind;
    l->pool = r;
    snprintf(l->name, sizeof l->name, "%s", name);
    *lookup = l;
    return 0;
}

static int lookup_commit(struct lookup **lookup, struct resolver *r,
                         char text[SOCK_TEXT])
{
    int err = lookup_begin(*lookup, r);
    if (err == 0)
        return 0;
    snprintf(text, SOCK_TEXT, "no lookup: %s", err_text(err));
    lookup_free(*lookup);
    *lookup = NULL;
    return err;
}

int lookup_start(struct lookup **lookup, struct resolver *r,
                 enum resolve_kind kind, const char *name, const char *service,
                 char text[SOCK_TEXT])
{
    if (service && strlen(service) >= SERVICE_SIZE) {
        snprintf(text, SOCK_TEXT, "not a service");
        return ERR_DNS;
    }
    int err = lookup_new(lookup, r, kind, name, text);
    if (err < 0)
        return err;
    if (service)
        snprintf((*lookup)->service, SERVICE_SIZE, "%s", service);
    return lookup_commit(lookup, r, text);
}

int lookup_query(struct lookup **lookup, struct resolver *r, const char *name,
                 const struct query *query, char text[SOCK_TEXT])
{
    int err = query_check(query, text);
    if (err == 0)
        err = lookup_new(lookup, r, RESOLVE_RECORDS, name, text);
    if (err < 0)
        return err;
    (*lookup)->query = *query;
    return lookup_commit(lookup, r, text);
}

int lookup_flush(struct lookup **lookup, struct resolver *r, const char *path,
                 char text[SOCK_TEXT])
{
    int err = lookup_new(lookup, r, RESOLVE_FLUSH, "file", text);
    if (err < 0)
        return err;
    (*lookup)->path = strdup(path);
    if ((*lookup)->path)
        return lookup_commit(lookup, r, text);
    lookup_free(*lookup);
    *lookup = NULL;
    return ERR_MEMORY;
}

/* Takes a lookup out of its queue; it is there. */
static void queue_remove(struct resolver *r, struct lookup *l)
{
    struct queue *q = &r->queues[l->kind];
    struct lookup **link = &q->first;
    while (*link != l)
        link = &(*link)->next;
    *link = l->next;
    if (q->last == &l->next)
        q->last = link;
    r->queued--;
}

void lookup_drop(struct lookup *l)
{
    if (!l)
        return;
    struct resolver *r = l->pool;
    if (resolver_foreign(r)) {
        bell_close(l->bell);
        return;
    }
    (void)pthread_mutex_lock(&r->lock);
    if (l->state == LOOKUP_QUEUED)
        queue_remove(r, l);
    if (l->state == LOOKUP_RUNNING) {
        l->dropped = true;
        bell_close(l->bell);
    } else {
        lookup_free(l);
    }
    resolver_leave(r);
}

int lookup_fd(const struct lookup *l)
{
    return l->bell[0];
}

int lookup_result(struct lookup *l, const struct lookup_answer **answer,
                  char text[SOCK_TEXT])
{
    struct resolver *r = l->pool;
    *answer = &l->answer;
    if (resolver_foreign(r)) {
        snprintf(text, SOCK_TEXT, "the lookup belongs to the parent process");
        return ERR_CLOSED;
    }
    (void)pthread_mutex_lock(&r->lock);
    bool done = l->state == LOOKUP_DONE;
    (void)pthread_mutex_unlock(&r->lock);
    if (!done)
        return IO_WANT_READ;
    if (l->err < 0)
        snprintf(text, SOCK_TEXT, "%s",
                 l->text[0] ? l->text : err_text(l->err));
    return l->err;
}
