/*
 * buf - growable bytes with a ceiling; see buf.h
 *
 * Space is first won by moving the bytes to the front, when at least half of
 * the memory lies before them (so that moving stays linear in what was
 * added), then by doubling.
 */
#include "buf.h"

#include <stdlib.h>

enum { BUF_LEAST = 64 };

void buf_init(struct buf *b, size_t ceiling)
{
    memset(b, 0, sizeof *b);
    b->ceiling = ceiling;
}

void buf_renew(struct buf *b, size_t ceiling)
{
    buf_clear(b);
    b->ceiling = ceiling;
}

void buf_free(struct buf *b)
{
    free(b->base);
    b->base = NULL;
    b->head = b->tail = b->room = 0;
}

static void buf_compact(struct buf *b)
{
    size_t n = b->tail - b->head;
    if (n)
        memmove(b->base, b->base + b->head, n);
    b->head = 0;
    b->tail = n;
}

static size_t buf_grown(const struct buf *b, size_t need)
{
    size_t room = b->room < BUF_LEAST ? BUF_LEAST : b->room;
    while (room < need)
        room = room > b->ceiling / 2 ? b->ceiling : room * 2;
    return room;
}

char *buf_grow(struct buf *b, size_t want)
{
    size_t n = b->tail - b->head;
    if (b->err)
        return NULL;
    if (want > b->ceiling || n > b->ceiling - want) {
        b->err = ERR_LIMIT;
        return NULL;
    }
    if (b->room - b->tail >= want && b->base)
        return b->base + b->tail;
    if (b->head > 0 && b->head >= n)
        buf_compact(b);
    if (b->room - b->tail < want || !b->base) {
        if (b->head > 0)
            buf_compact(b);
        size_t room = buf_grown(b, n + want);
        char *p = realloc(b->base, room);
        if (!p) {
            b->err = ERR_MEMORY;
            return NULL;
        }
        b->base = p;
        b->room = room;
    }
    return b->base + b->tail;
}

int buf_add(struct buf *b, const char *p, size_t n)
{
    char *q;
    if (n == 0)
        return b->err;
    q = buf_space(b, n);
    if (!q)
        return b->err;
    memcpy(q, p, n);
    b->tail += n;
    return 0;
}

int buf_add_span(struct buf *b, struct span s)
{
    return buf_add(b, s.p, s.n);
}

int buf_add_text(struct buf *b, const char *text)
{
    return buf_add(b, text, strlen(text));
}

int buf_add_number(struct buf *b, unsigned long long n)
{
    char digits[24];
    size_t i = sizeof digits;
    do {
        digits[--i] = (char)('0' + n % 10);
        n /= 10;
    } while (n);
    return buf_add(b, digits + i, sizeof digits - i);
}

void buf_drop(struct buf *b, size_t n)
{
    if (n >= b->tail - b->head)
        b->head = b->tail = 0;
    else
        b->head += n;
}

void buf_cut(struct buf *b, size_t n)
{
    if (n < b->tail - b->head)
        b->tail = b->head + n;
}

void buf_rest(struct buf *b)
{
    if (b->head == b->tail)
        buf_free(b);
}

static void buf_move(struct buf *to, struct buf *from)
{
    to->base = from->base;
    to->room = from->room;
    from->base = NULL;
    from->room = 0;
    to->head = to->tail = from->head = from->tail = 0;
}

void buf_lend(struct buf *b, struct buf *spare, size_t most)
{
    if (b->head != b->tail || !b->base)
        return;
    if (spare && !spare->base && b->room <= most)
        buf_move(spare, b);
    else
        buf_free(b);
}

void buf_borrow(struct buf *b, struct buf *spare)
{
    if (spare && spare->base && !b->base)
        buf_move(b, spare);
}
