/*
 * mime - reads messages piece by piece, RFC 5322, RFC 2045, RFC 2046
 *
 * A pulled machine. Push a chunk, pull events until MORE, push the next;
 * finish after the last. Any split of the input gives the same events, but
 * for where BODY chunks are cut. A chunk is not copied where its bytes can
 * be handed out as they stand, so a whole message pushed at once is read in
 * place; what is kept between chunks is one header field or one boundary
 * line at most. Nothing is decoded. Parts nest on an explicit stack.
 *
 * Parsing never fails on bytes: what was repaired comes out as DEFECT. Past
 * a limit the rest is not taken apart, but stays part of what encloses it.
 *
 * Owns: its buffers. Fails with: ERR_MEMORY. I/O: none.
 */
#ifndef CORE_MIME_H
#define CORE_MIME_H

#include <stdint.h>

#include "boundary.h"
#include "header.h"
#include "mime_said.h"

struct mime_limits {
    size_t depth;  /* of nested parts; 100 */
    size_t parts;  /* in all; 10,000; 2^30 at most */
    size_t header; /* bytes of one header; 1 MiB; 2^30 at most */
    size_t fields; /* of one header; 10,000 */
};

enum mime_event_kind {
    MIME_MORE,     /* push or finish; no event */
    MIME_PART,     /* a part begins with its header */
    MIME_FIELD,    /* a field of it: bytes, field */
    MIME_HEAD,     /* its header is over, its body begins: kind */
    MIME_BODY,     /* bytes of a leaf's body, not decoded */
    MIME_PART_END, /* the body ends here; the line end before the boundary
                     belongs to the boundary */
    MIME_DEFECT,   /* number */
    MIME_END       /* nothing more comes */
};

struct mime_event {
    enum mime_event_kind event;
    uint64_t at;  /* offset in the message of what it tells of */
    size_t depth; /* of the part, the root's is 0 */
    struct span bytes;
    struct header_field field;
    enum mime_kind kind;
    bool coded; /* at HEAD of a leaf: one that may be an encoded message */
    enum defect_number number;
};

/* A field of a header. */
struct mime_field {
    uint32_t at;   /* offset in its part */
    uint32_t n;    /* of the whole field, its line end included */
    uint32_t hash; /* mime_hash of its name */
};

enum mime_state {
    MIME_START,  /* before the first byte */
    MIME_HEADER, /* at the start of a header line */
    MIME_SKIP,   /* in a header past its limit */
    MIME_LEAF_BODY,
    MIME_AROUND, /* preamble or epilogue */
    MIME_DONE
};

struct mime {
    struct mime_limits limits;
    enum mime_state state;
    struct span input; /* pushed, not yet looked at */
    struct buf carry;  /* what was left of earlier chunks */
    bool finished;     /* no chunk follows */
    bool bodiless;     /* what bodies hold is not told: no BODY events */
    uint64_t at;       /* offset in the message of the next byte */
    size_t lines;      /* whole lines of the field that is being read, */
    size_t scanned;    /* and how far its end was looked for */
    size_t junk;       /* bytes that are no fields, looked at */
    uint64_t junk_to;  /* and up to where they are passed over */
    bool line_start;   /* the next byte begins a line */
    struct buf frames; /* struct frame of mime.c, one a part that is open */
    struct buf bounds; /* their boundaries */
    uint64_t marks[BOUNDARY_MARKS]; /* see boundary.h */
    size_t depth;                   /* frames */
    size_t open_bounds;       /* of these, boundaries that are looked for */
    size_t parts;             /* begun so far */
    size_t close_to;          /* frames above this many end ... */
    uint64_t close_at;        /* ... here */
    bool opening;             /* then a part begins */
    uint64_t part_at;         /* where the last part began */
    uint64_t header_at;       /* of the header that is being read: offset, */
    size_t fields;            /* fields, */
    struct mime_said said;    /* and what they say */
    uint64_t params_at;       /* the parameters of its type: offset, */
    size_t params_n;          /* length */
    struct defect defects[4]; /* found, not yet handed out */
    size_t defect_n;
};

INTERNAL void mime_limits_default(struct mime_limits *limits);

INTERNAL void mime_init(struct mime *m, const struct mime_limits *limits);
INTERNAL void mime_free(struct mime *m);

/* Makes a machine that was initialised ready for another message. */
INTERNAL void mime_again(struct mime *m, const struct mime_limits *limits);

/* Only after MORE (or at first). The chunk is borrowed until MORE comes
   again. */
INTERNAL void mime_push(struct mime *m, struct span chunk);
INTERNAL void mime_finish(struct mime *m);

/* The kind of the event, or ERR_MEMORY. Its spans live until the next call
   on the machine. */
INTERNAL int mime_next(struct mime *m, struct mime_event *e);

/* Where the last chunk was pushed: takes the fields that come next at once,
   in place of their events; up to `room`, and only such as need no repair. 0:
   mime_next tells what comes. */
INTERNAL int mime_fields(struct mime *m, struct mime_field *out, size_t room);

/* After push, where all of a message is there, in place of its first events:
   its header was read before, to the body at an offset, and says of that body
   what these fields say. Then its root part is open, and what its header
   ended with is told next. 0 or ERR_MEMORY. */
INTERNAL int mime_resume(struct mime *m, const struct header_field *fields,
                         size_t n, size_t body_at);

/* Of a field's name, the same for both cases of letters: of its first and
   last bytes, and its length. */
static inline uint32_t mime_hash(struct span name)
{
    uint32_t head = 0, tail = 0;
    if (name.n >= sizeof head) {
        memcpy(&head, name.p, sizeof head);
        memcpy(&tail, name.p + name.n - sizeof tail, sizeof tail);
    } else {
        for (size_t i = 0; i < name.n; i++)
            head = head << 8 | (unsigned char)name.p[i];
    }
    head = (head | 0x20202020u) * 0x9e3779b1u;
    tail = (tail | 0x20202020u) * 0x85ebca6bu;
    return (head ^ (tail >> 7 | tail << 25)) + (uint32_t)name.n;
}

#endif
