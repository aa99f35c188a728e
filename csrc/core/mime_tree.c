/*
 * mime_tree - the parts of one whole message; see mime_tree.h
 */
#include "mime_tree.h"

static struct mime_node *node_at(struct mime_tree *t, ptrdiff_t i)
{
    return (struct mime_node *)(void *)t->nodes.base + i;
}

static int add_node(struct mime_tree *t, ptrdiff_t parent, size_t at)
{
    struct mime_node node = {at,        at,        at,        at,
                             at,        parent,    MIME_NONE, MIME_NONE,
                             MIME_NONE, MIME_LEAF, 0};
    ptrdiff_t i = (ptrdiff_t)t->n;
    if (parent != MIME_NONE)
        node.depth = node_at(t, parent)->depth + 1;
    if (buf_add(&t->nodes, (const char *)&node, sizeof node) < 0)
        return buf_error(&t->nodes);
    t->n++;
    if (parent == MIME_NONE)
        return 0;
    struct mime_node *up = node_at(t, parent);
    if (up->last_child == MIME_NONE)
        up->first_child = i;
    else
        node_at(t, up->last_child)->next = i;
    up->last_child = i;
    return 0;
}

static int add_defect(struct mime_tree *t, const struct mime_event *e)
{
    struct defect d = {e->number, e->at};
    if (t->defect_n++ >= MIME_DEFECTS_MOST)
        return 0;
    return buf_add(&t->defects, (const char *)&d, sizeof d);
}

static void add_field(struct mime_node *node, const struct mime_event *e)
{
    if (node->header_end == node->at)
        node->header_at = (size_t)e->at;
    node->header_end = (size_t)e->at + e->bytes.n;
}

/* Takes one event; *now is the part that is open. */
static int take(struct mime_tree *t, const struct mime_event *e, ptrdiff_t *now)
{
    struct mime_node *node = *now == MIME_NONE ? NULL : node_at(t, *now);
    switch (e->event) {
    case MIME_PART: {
        int err = add_node(t, *now, (size_t)e->at);
        *now = (ptrdiff_t)t->n - 1;
        return err;
    }
    case MIME_FIELD:
        add_field(node, e);
        return 0;
    case MIME_HEAD:
        node->body_at = (size_t)e->at;
        node->kind = e->kind;
        return 0;
    case MIME_PART_END:
        node->body_end = (size_t)e->at;
        *now = node->parent;
        return 0;
    case MIME_DEFECT:
        return add_defect(t, e);
    default:
        return 0;
    }
}

int mime_tree_parse(struct mime_tree *t, struct span message,
                    const struct mime_limits *limits)
{
    struct mime m;
    struct mime_event e = {0};
    ptrdiff_t now = MIME_NONE;
    int err = 0;
    memset(t, 0, sizeof *t);
    buf_init(&t->nodes, SIZE_MAX / 2);
    buf_init(&t->defects, SIZE_MAX / 2);
    mime_init(&m, limits);
    mime_push(&m, message);
    mime_finish(&m);
    while (err == 0 && (err = mime_next(&m, &e)) > MIME_MORE && err != MIME_END)
        err = take(t, &e, &now);
    mime_free(&m);
    return err < 0 ? err : 0;
}

void mime_tree_free(struct mime_tree *t)
{
    buf_free(&t->nodes);
    buf_free(&t->defects);
    t->n = t->defect_n = 0;
}
