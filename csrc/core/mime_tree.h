/*
 * mime_tree - the parts of one whole message, as offsets into it
 *
 * A tree is where messages are read, one after the other; its memory is used
 * again. What was read is then put into one piece of memory of the caller's,
 * a mime_map: the parts, the fields of their headers, the defects.
 *
 * Owns: the tree its arrays; the message stays the caller's.
 * Fails with: ERR_MEMORY. I/O: none.
 */
#ifndef CORE_MIME_TREE_H
#define CORE_MIME_TREE_H

#include "mime.h"

enum {
    MIME_NONE = -1,
    MIME_DEFECTS_MOST = 1000 /* kept; the others are counted */
};

struct mime_node {
    size_t at;          /* where the part begins */
    size_t body_at;     /* behind the empty line */
    size_t body_end;    /* the end of the part */
    uint32_t header_at; /* its first field, counted from where it begins */
    uint32_t params_at; /* so what stands behind its type, */
    uint32_t params_n;  /* so many bytes */
    uint32_t field;     /* its fields: the index of the first, */
    uint32_t field_n;   /* how many */
    int32_t parent, first_child, last_child, next; /* indexes or NONE */
    uint32_t depth;
    uint32_t number; /* among its parent's children, from 1 on */
    uint8_t kind;    /* enum mime_kind, */
    uint8_t type;    /* enum mime_type, */
    uint8_t coding;  /* enum mime_coding, of its body */
    bool coded;      /* a leaf that may be an encoded message */
    bool text;       /* its type is a text's */
};

struct mime_tree {
    struct mime machine;
    struct buf nodes;            /* struct mime_node, in order of appearance */
    struct buf fields;           /* struct mime_field, by part */
    struct buf defects;          /* struct defect */
    size_t n, field_n, defect_n; /* of them; defects not kept included */
    bool whole;                  /* all of the message was read */
    bool coded;                  /* one of its leaves is */
};

/* A zeroed struct may be freed without init. free may run twice. */
INTERNAL void mime_tree_init(struct mime_tree *t);
INTERNAL void mime_tree_free(struct mime_tree *t);

/* Reads a message in place of what was read before. head: its header only,
   as if nothing followed, unless its body is no more work. */
INTERNAL int mime_tree_parse(struct mime_tree *t, struct span message,
                             const struct mime_limits *limits, bool head);

struct mime_map;

/* Reads on where only the header was read, which is in a map. */
INTERNAL int mime_tree_resume(struct mime_tree *t, const struct mime_map *head,
                              const struct mime_limits *limits);

struct mime_map {
    struct span message;
    size_t n, field_n, defect_n;
    bool coded; /* a leaf may be an encoded message */
    const struct mime_node *nodes;
    const struct mime_field *fields;
    const struct defect *defects; /* MIME_DEFECTS_MOST at most */
};

/* How many bytes of memory the map of what was read takes, and the map, at
   the head of that memory. */
INTERNAL size_t mime_map_size(const struct mime_tree *t);
INTERNAL void mime_map_put(const struct mime_tree *t, struct span message,
                           void *memory);

/* Finds the nth field (0: the first) of a name in a part's header, in any
   case; f->at counts from the message's first byte. */
INTERNAL bool mime_map_find(const struct mime_map *map, size_t part,
                            struct span name, size_t nth,
                            struct header_field *f);

/* The field of that index, which is one of that part, as it stands. */
INTERNAL void mime_map_field(const struct mime_map *map, size_t part, size_t i,
                             struct header_field *f);

#endif
