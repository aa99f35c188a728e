/*
 * guard - each kernel where memory ends
 *
 * Input and output have their exact sizes and begin, or end, at a page that
 * must not be touched: a load or store that leaves them ends the program,
 * which says by which kernel, in which step, of how many octets. A step that
 * works in place does so, too.
 */
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "compare.h"

static const struct step *const steps[] = {
    &base64_encoding, &base64_decoding, &qp_encoding, &qp_decoding, &text_steps,
};

enum { STEPS = sizeof steps / sizeof steps[0] };

/* Memory between two pages that are none. */
struct field {
    char *p;
    size_t n;
};

/* What runs, for the one who has to tell of it. */
static struct {
    const struct kernel *kernel;
    const char *step;
    size_t n;
} now;

static void told(int signal_number)
{
    char text[128];
    int n = snprintf(text, sizeof text,
                     "%s: %s leaves its memory, %zu octets (signal %d)\n",
                     now.kernel->name, now.step, now.n, signal_number);
    ssize_t sent = write(STDOUT_FILENO, text, (size_t)n);
    _exit(sent == n ? 1 : 3);
}

static struct field field(size_t n)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    n = (n + page - 1) / page * page;
    char *p =
        mmap(NULL, n + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED || mprotect(p + page, n, PROT_READ | PROT_WRITE) != 0) {
        perror("guard");
        exit(2);
    }
    struct field f = {p + page, n};
    return f;
}

static void leave(struct field f)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    munmap(f.p - page, f.n + 2 * page);
}

/* The n octets at one end of it. */
static char *at_edge(struct field f, size_t n, bool end)
{
    return end ? f.p + f.n - n : f.p;
}

struct fields {
    struct field in, out;
};

/* One input at every edge; its result is w->expected, of n octets. */
static void at_edges(struct work *w, const struct fields *f,
                     const struct kernel *k, const struct step *s,
                     size_t variant, struct span in, size_t n)
{
    for (int edges = 0; edges < 4; edges++) {
        char *p = at_edge(f->in, in.n, edges & 1);
        char *out = at_edge(f->out, n, edges & 2);
        memcpy(p, in.p, in.n);
        size_t done = s->run(k, variant, span_of(p, in.n), out);
        need(done == n && memcmp(out, w->expected, n) == 0, k, s->name, in.n);
        need(memcmp(p, in.p, in.n) == 0, k, "the input", in.n);
        if (!s->in_place || edges & 2)
            continue;
        done = s->run(k, variant, span_of(p, in.n), p);
        need(done == n && memcmp(p, w->expected, n) == 0, k, s->name, in.n);
    }
}

void guard(struct work *w, const struct kernel *k, size_t most, size_t every)
{
    struct fields f = {field(4 * most + AROUND), field(4 * most + AROUND)};
    now.kernel = k;
    signal(SIGSEGV, told);
    signal(SIGBUS, told);
    for (size_t i = 0; i < STEPS; i++)
        for (size_t n = 0; n <= most; n += n < ALL_LENGTHS ? 1 : every)
            for (size_t v = 0; v < steps[i]->variants; v++) {
                struct span in = steps[i]->make(w, v, n);
                now.step = steps[i]->name;
                now.n = in.n;
                size_t done =
                    steps[i]->run(&kernel_scalar, v, in, (char *)w->expected);
                at_edges(w, &f, k, steps[i], v, in, done);
            }
    signal(SIGSEGV, SIG_DFL);
    signal(SIGBUS, SIG_DFL);
    leave(f.in);
    leave(f.out);
}
