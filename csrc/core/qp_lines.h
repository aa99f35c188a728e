/*
 * qp_lines - the control of quoted-printable encoding by vector instructions
 *
 * Written once for all instruction sets: the file of one defines ON (its
 * attribute and STEP), sense() and put(), and then includes this. First a
 * stretch of octets is turned into bits, then line after line is cut by
 * counting bits, as the portable loop of qp.c would cut it. Left to that is
 * what needs a second thought: the begin of a line that has to be disarmed,
 * and the end of the input.
 *
 * Owns: nothing. Fails with: nothing. I/O: none.
 */
#ifndef CORE_QP_LINES_H
#define CORE_QP_LINES_H

enum {
    LINE = KERNEL_LINE - 1, /* columns, and the "=" of a soft break */
    WORDS = 64,             /* of a stretch: 4 KiB */
    MARGIN = 80,            /* octets that the bits of a line may need */
    BEYOND = 64             /* octets behind a stretch that may be read */
};

/* A bit for each octet of a stretch. */
struct stretch {
    uint64_t escaped[WORDS + 2]; /* comes out as =XX */
    uint64_t ends[WORDS + 2];    /* the line ends here: LF, or CR LF */
    uint64_t bound[WORDS + 2];   /* within a UTF-8 sequence, not its first */
};

/* The bits of 128 octets. */
struct pair {
    uint64_t low, high;
};

/* Fills in word i of a stretch; *carry goes from word to word. */
ON void sense(struct stretch *s, size_t i, const unsigned char *in, bool binary,
              uint64_t *carry);

/* n octets, LINE at most. */
ON char *put(const unsigned char *in, size_t n, struct pair escaped, char *to);

/* How many octets fit into room columns, LINE at most; all n do not. */
ON size_t fitting(struct pair escaped, size_t n, size_t room);

ON uint64_t low(size_t n)
{
    return n < 64 ? ((uint64_t)1 << n) - 1 : ~(uint64_t)0;
}

ON unsigned first_of(uint64_t bits)
{
    return (unsigned)__builtin_ctzll(bits);
}

ON unsigned count(uint64_t bits)
{
    return (unsigned)__builtin_popcountll(bits);
}

/* Where the blanks begin whose last one is at. */
ON size_t run_start(uint64_t blank, size_t at)
{
    uint64_t other = ~blank & low(at);
    return other ? 64 - (size_t)__builtin_clzll(other) : 0;
}

/* Where the bits of a sequence's tail are, by those of what begins one of
   two, three and four octets. */
ON uint64_t tails(uint64_t two, uint64_t three, uint64_t four, uint64_t *carry)
{
    uint64_t bits =
        *carry | (two | three | four) << 1 | (three | four) << 2 | four << 3;
    *carry = (two | three | four) >> 63 | (three | four) >> 62 | four >> 61;
    return bits;
}

/* The bits from octet i on. */
ON struct pair pair_from(const uint64_t *words, size_t i)
{
    size_t w = i / 64, s = i % 64;
    struct pair p = {words[w] >> s | words[w + 1] << 1 << (63 - s),
                     words[w + 1] >> s | words[w + 2] << 1 << (63 - s)};
    return p;
}

/* 64 bits of a pair from i on, 127 at most. */
ON uint64_t bits_from(struct pair p, size_t i)
{
    return i < 64 ? p.low >> i | p.high << 1 << (63 - i) : p.high >> (i - 64);
}

ON unsigned count_low(struct pair p, size_t n)
{
    return n <= 64 ? count(p.low & low(n))
                   : count(p.low) + count(p.high & low(n - 64));
}

ON bool at(struct pair p, size_t i)
{
    return (i < 64 ? p.low >> i : p.high >> (i - 64)) & 1;
}

/* The first bit from i on, or some place behind any line. */
ON size_t next_of(struct pair p, size_t i)
{
    uint64_t rest = i < 64 ? p.low >> i : p.high >> (i - 64);
    if (rest)
        return i + first_of(rest);
    return 64 + (i < 64 && p.high ? first_of(p.high) : 63);
}

/* How many bits in a row are set, the last of them at i; not 64. */
ON unsigned ones_to(struct pair p, size_t i)
{
    uint64_t bits =
        i < 64 ? p.low << (63 - i) : p.high << (127 - i) | p.low >> (i - 63);
    return (unsigned)__builtin_clzll(~bits);
}

/* The same, escape by escape. */
ON size_t fitting_few(struct pair escaped, size_t n, size_t room)
{
    size_t wide = 2 * count_low(escaped, n);
    size_t k = wide < n && n - wide > room / 3 ? n - wide : room / 3;
    size_t columns = k + 2 * count_low(escaped, k);
    for (;;) { /* k octets fit; those up to the next escape, and it? */
        size_t next = next_of(escaped, k), run = next - k;
        if (columns + run > room)
            return k + (room - columns);
        if (columns + run + 3 > room)
            return next;
        columns += run + 3;
        k = next + 1;
    }
}

ON bool armed(const unsigned char *in)
{
    return *in == '.' || (*in == 'F' && memcmp(in, "From ", 5) == 0);
}

ON void end_line(struct kernel_lines *l, bool lf)
{
    if (!l->keep || !lf)
        *l->to++ = '\r';
    *l->to++ = '\n';
    l->column = 0;
}

/* One line, or what it has room for: to its end, or to a soft break. */
ON size_t cut(struct kernel_lines *l, const struct stretch *s, size_t i,
              const unsigned char *in)
{
    struct pair escaped = pair_from(s->escaped, i);
    size_t room = LINE - l->column, end = next_of(pair_from(s->ends, i), 0);
    size_t k = end < room ? end : room;
    if (end <= room && k + 2 * count_low(escaped, k) <= room) {
        l->to = put(in, k, escaped, l->to);
        bool lf = in[k] == '\n';
        end_line(l, lf);
        return k + (lf ? 1 : 2);
    }
    if (escaped.low | escaped.high) {
        struct pair bound = pair_from(s->bound, i);
        if (k + 2 * count_low(escaped, k) > room)
            k = fitting(escaped, k, room);
        if (bound.low | bound.high)
            k -= ones_to(bound, k);
    }
    l->to = put(in, k, escaped, l->to);
    *l->to++ = '=';
    end_line(l, true);
    return k;
}

/* Lines whose bits are all in a stretch of n octets; returns how many octets
   were taken. *stop: the next line is not for us. */
ON size_t cut_all(struct kernel_lines *l, const struct stretch *s,
                  const unsigned char *in, size_t n, bool *stop)
{
    size_t i = 0;
    while (n - i >= MARGIN) {
        *stop = l->column == 0 && armed(in + i);
        if (*stop)
            break;
        i += cut(l, s, i, in + i);
    }
    return i;
}

ON size_t encode_lines(struct kernel_lines *lines, const unsigned char *in,
                       size_t n)
{
    struct kernel_lines own = *lines, *l = &own; /* which no store reaches */
    struct stretch s;
    size_t i = 0;
    bool stop = false;
    while (!stop && n - i >= KERNEL_QP_AHEAD) {
        size_t words = (n - i - BEYOND) / 64;
        uint64_t carry = 0;
        if (words > WORDS)
            words = WORDS;
        for (size_t w = 0; w < words; w++)
            sense(&s, w, in + i + 64 * w, l->binary, &carry);
        for (size_t w = words; w < words + 2; w++)
            s.escaped[w] = s.ends[w] = s.bound[w] = 0;
        i += cut_all(l, &s, in + i, 64 * words, &stop);
    }
    *lines = own;
    return i;
}

#endif
