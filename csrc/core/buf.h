/*
 * buf - growable bytes with a ceiling
 *
 * The only allocator of core. A buf is a queue: bytes are added at its tail
 * and dropped from its head. It never grows past the ceiling given at init.
 * The first failure is sticky: each later add returns it, so that a writer
 * of many pieces may check once, at the end (buf_error).
 *
 * Owns: its bytes. Fails with: ERR_MEMORY, ERR_LIMIT. I/O: none.
 */
#ifndef CORE_BUF_H
#define CORE_BUF_H

#include "err.h"
#include "span.h"

struct buf {
    char *base;     /* NULL until the first byte */
    size_t head;    /* offset of the first byte kept */
    size_t tail;    /* offset behind the last byte */
    size_t room;    /* bytes allocated */
    size_t ceiling; /* most bytes that it may hold */
    int err;        /* the first failure, or 0 */
};

/* A zeroed struct may be freed without init. free may run twice. */
INTERNAL void buf_init(struct buf *b, size_t ceiling);
INTERNAL void buf_free(struct buf *b);

/* Like init, but with the memory that it has; it may be zeroed. */
INTERNAL void buf_renew(struct buf *b, size_t ceiling);

/* What it holds; valid until the next call that is not const. */
static inline struct span buf_span(const struct buf *b)
{
    return b->base ? span_of(b->base + b->head, b->tail - b->head)
                   : span_of(NULL, 0);
}

static inline size_t buf_size(const struct buf *b)
{
    return b->tail - b->head;
}

static inline int buf_error(const struct buf *b)
{
    return b->err;
}

/* What buf_space calls where there may be no room. */
INTERNAL char *buf_grow(struct buf *b, size_t want);

/* Room for at least want bytes at the tail, or NULL (see buf_error). Write
   there, then tell how many with buf_filled. */
static inline char *buf_space(struct buf *b, size_t want)
{
    if (b->base && b->err == 0 && want <= b->room - b->tail &&
        b->room <= b->ceiling)
        return b->base + b->tail;
    return buf_grow(b, want);
}

static inline void buf_filled(struct buf *b, size_t n)
{
    b->tail += n;
}

/* 0 or the sticky failure. buf_add of a null pointer with n = 0 is fine. */
INTERNAL int buf_add(struct buf *b, const char *p, size_t n);
INTERNAL int buf_add_span(struct buf *b, struct span s);
INTERNAL int buf_add_text(struct buf *b, const char *text);
INTERNAL int buf_add_number(struct buf *b, unsigned long long n);

/* The same for one byte, which most often has room. */
static inline int buf_add_char(struct buf *b, char c)
{
    if (b->err || b->tail == b->room || buf_size(b) >= b->ceiling)
        return buf_add(b, &c, 1);
    b->base[b->tail++] = c;
    return 0;
}

/* Drops n bytes (at most all) from the head. */
INTERNAL void buf_drop(struct buf *b, size_t n);

/* Cuts to n bytes from the head on; no effect when it holds fewer. */
INTERNAL void buf_cut(struct buf *b, size_t n);

/* Empties it and forgets the failure; keeps the memory. */
static inline void buf_clear(struct buf *b)
{
    b->head = b->tail = 0;
    b->err = 0;
}

/* Gives the memory back when it is empty: an idle session keeps none. */
INTERNAL void buf_rest(struct buf *b);

/* The same, to a buf that others take it from; which keeps what it has, and
   nothing of more than most bytes. NULL: none. */
INTERNAL void buf_lend(struct buf *b, struct buf *spare, size_t most);
INTERNAL void buf_borrow(struct buf *b, struct buf *spare);

#endif
