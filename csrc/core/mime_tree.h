/*
 * mime_tree - the parts of one whole message, as offsets into it
 *
 * Owns: the arrays; the message stays the caller's. Fails with: ERR_MEMORY.
 * I/O: none.
 */
#ifndef CORE_MIME_TREE_H
#define CORE_MIME_TREE_H

#include "mime.h"

enum {
    MIME_NONE = -1,
    MIME_DEFECTS_MOST = 1000 /* kept; the others are counted */
};

struct mime_node {
    size_t at;         /* where the part begins */
    size_t header_at;  /* its first field */
    size_t header_end; /* behind its last field that was read */
    size_t body_at;    /* behind the empty line */
    size_t body_end;   /* the end of the part */
    ptrdiff_t parent, first_child, last_child, next; /* indexes or NONE */
    enum mime_kind kind;
    unsigned depth;
};

struct mime_tree {
    struct buf nodes;   /* struct mime_node, in order of appearance */
    struct buf defects; /* struct defect */
    size_t n, defect_n; /* of them; defects that were not kept included */
};

/* Reads a message; free also after a failure. */
INTERNAL int mime_tree_parse(struct mime_tree *t, struct span message,
                             const struct mime_limits *limits);
INTERNAL void mime_tree_free(struct mime_tree *t);

static inline const struct mime_node *mime_tree_node(const struct mime_tree *t,
                                                     size_t i)
{
    return (const struct mime_node *)(const void *)t->nodes.base + i;
}

static inline const struct defect *mime_tree_defect(const struct mime_tree *t,
                                                    size_t i)
{
    return (const struct defect *)(const void *)t->defects.base + i;
}

#endif
