/*
 * kernel - the inner loops that vector instructions make faster
 *
 * A kernel is a constant table with a function for each such loop. A
 * function does as much of the work as it can from the front and tells how
 * much that was; the codec's portable loop does what is left. So a kernel
 * takes the regular bulk only, never a decision, and the bytes are the same
 * by all of them. kernel_scalar takes nothing: all is left to the portable
 * loops.
 *
 * Which kernel runs is the caller's choice: one is chosen when the module
 * loads, and handed to the codecs in their structs.
 *
 * Owns: nothing. Fails with: nothing. I/O: none.
 */
#ifndef CORE_KERNEL_H
#define CORE_KERNEL_H

#include "span.h"

enum {
    KERNEL_LINE = 76,
    KERNEL_LINE_BYTES = 57,
    KERNEL_QP_AHEAD = 256, /* octets that quoted-printable leaves at the end */
    KERNEL_QP_ROOM = 64    /* that it may write behind its result */
};

/* Lines of quoted-printable in the making; see qp.h. */
struct kernel_lines {
    char *to; /* where the next character goes */
    unsigned column;
    bool binary;
    bool keep;
};

/* The state of lines, before and after. */
struct kernel_wire {
    bool dots;      /* those that begin a line are doubled */
    bool inside;    /* the present line has begun */
    size_t written; /* octets */
};

/* What is seen of a body on the wire; line and longest as in dot.h. */
struct kernel_body {
    bool inside; /* the present line has begun */
    bool nul, eight_bit;
    size_t line, longest;
};

/* What is counted of octets. */
struct kernel_count {
    size_t lf, cr;
    bool eight_bit; /* seen */
};

struct scan;

struct kernel {
    const char *name; /* avx512, avx2, ssse3, neon, scalar */
    bool (*here)(void);

    /* Groups of 3 bytes to 4 characters; returns how many groups. out has
       no byte in common with in. */
    size_t (*base64_encode)(const unsigned char *in, size_t groups, char *out,
                            bool url);

    /* Lines of KERNEL_LINE characters and CRLF (lf: LF), from
       KERNEL_LINE_BYTES each; returns how many lines. */
    size_t (*base64_encode_lines)(const unsigned char *in, size_t lines,
                                  char *out, bool url, bool lf);

    /* Groups of 4 characters, all of the alphabet, to 3 bytes; returns how
       many groups. out may be in, or before it; no byte of it is touched
       behind the result. */
    size_t (*base64_decode)(const unsigned char *in, size_t groups, char *out,
                            bool url);

    /* The same for lines of KERNEL_LINE characters of the alphabet and CRLF
       (lf: LF), of which in has at most so many; returns how many lines. */
    size_t (*base64_decode_lines)(const unsigned char *in, size_t lines,
                                  char *out, bool url, bool lf);

    /* Octets to lines; returns how many octets. */
    size_t (*qp_encode)(struct kernel_lines *l, const unsigned char *in,
                        size_t n);

    /* Lines to octets, as far as nothing needs a second look; moves *to
       behind them. Returns how many characters. */
    size_t (*qp_decode)(const unsigned char *in, size_t n, char **to);

    /* Lines to the wire: LF becomes CRLF, CRLF stays; stops before a CR that
       is bare, or may be. Returns how many octets it took. out, which has
       no byte in common with in, has room for 2 * in.n + 64. */
    size_t (*dot_encode)(struct kernel_wire *l, struct span in, char *out);

    /* Looks at lines of the wire until a CR or LF that is bare, or may be,
       or a dot that begins a line. Returns how many octets it saw. */
    size_t (*dot_look)(struct kernel_body *b, struct span in);

    /* The same, but that line, longest and nul stay as they are. */
    size_t (*dot_skim)(struct kernel_body *b, struct span in);

    /* scan.h, but for size, the UTF-8, and a CR that waits before in. */
    size_t (*scan)(struct scan *s, struct span in);

    /* Adds to the counts; returns how many octets it counted. */
    size_t (*count)(struct kernel_count *c, struct span in);

    /* Length of a well-formed UTF-8 head of in: whole sequences. */
    size_t (*utf8)(struct span in);
};

INTERNAL extern const struct kernel kernel_scalar;

/* Those of this build, best first, then NULL. The last is kernel_scalar. */
INTERNAL extern const struct kernel *const kernels[];

/* Whether this processor, and its system, can run it: asks the processor. */
INTERNAL bool kernel_here(const struct kernel *k);

#endif
