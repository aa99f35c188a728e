/*
 * compare - each kernel of this machine against the portable code
 *
 * Usage: compare [most [every]]: the longest input (4096), and which lengths
 * above 320 are tried (1: each). Every length at all alignments of 0..63,
 * above 320 in one shape of the codec's at most of them; then where memory
 * ends (guard.c). Each kernel in a process of its own, all at once. Prints
 * the names of the kernels, or what differs, with exit status 1.
 */
#include <sys/wait.h>
#include <unistd.h>

#include "compare.h"

size_t below(struct work *w, size_t n)
{
    w->random ^= w->random << 13;
    w->random ^= w->random >> 7;
    w->random ^= w->random << 17;
    return (size_t)(w->random >> 11) % n;
}

void need(bool fact, const struct kernel *k, const char *what, size_t n)
{
    if (fact)
        return;
    printf("%s: %s differs, %zu octets\n", k->name, what, n);
    (void)fflush(stdout);
    _exit(1);
}

char *place(struct work *w, size_t alignment, size_t n)
{
    uintptr_t at = (uintptr_t)w->room;
    unsigned char *p = w->room + (AROUND - at % AROUND) + AROUND + alignment;
    memset(p - AROUND, CANARY, n + 2 * AROUND);
    return (char *)p;
}

bool intact(const char *p, size_t n)
{
    unsigned char canaries[AROUND];
    memset(canaries, CANARY, AROUND);
    return memcmp(p - AROUND, canaries, AROUND) == 0 &&
           memcmp(p + n, canaries, AROUND) == 0;
}

static void compare(struct work *w, const struct kernel *k, size_t n,
                    size_t alignment)
{
    compare_base64(w, k, n, alignment);
    compare_qp(w, k, n, alignment);
    compare_text(w, k, n, alignment);
}

static void compare_all(struct work *w, const struct kernel *k, size_t most,
                        size_t every)
{
    compare_base64_octets(w, k);
    for (size_t n = 0; n <= most; n += n < ALL_LENGTHS ? 1 : every)
        for (size_t alignment = 0; alignment < AROUND; alignment++) {
            w->some = n > ALL_LENGTHS && alignment != n * 7 % AROUND;
            compare(w, k, n, alignment);
        }
    guard(w, k, most, every);
}

enum { KERNELS_MOST = 8 };

/* Starts a process for each kernel, and waits for them. */
static bool all_agree(struct work *w, size_t most, size_t every)
{
    pid_t children[KERNELS_MOST];
    size_t n = 0;
    bool agree = true;
    for (const struct kernel *const *k = kernels; *k; k++, n++) {
        children[n] = kernel_here(*k) ? fork() : 0;
        if (children[n] == 0 && kernel_here(*k)) {
            compare_all(w, *k, *k == &kernel_scalar ? 256 : most, every);
            _exit(0);
        }
    }
    for (size_t i = 0; i < n; i++) {
        int status = 0;
        if (children[i] == 0)
            continue;
        if (children[i] < 0 || waitpid(children[i], &status, 0) < 0 ||
            status != 0)
            agree = false;
        else
            printf("%s\n", kernels[i]->name);
    }
    return agree;
}

int main(int argc, char **argv)
{
    struct work *w = malloc(sizeof *w);
    long most = argc > 1 ? strtol(argv[1], NULL, 10) : 4096;
    long every = argc > 2 ? strtol(argv[2], NULL, 10) : 1;
    if (!w || most < 0 || most > MOST / 2 || every < 1)
        return 2;
    w->random = 88172645463325252u;
    for (size_t i = 0; i < sizeof w->plain; i++)
        w->plain[i] = (unsigned char)below(w, 256);
    bool agree = all_agree(w, (size_t)most, (size_t)every);
    free(w);
    return agree ? 0 : 1;
}
