/*
 * mime_tree - the parts of one whole message; see mime_tree.h
 */
#include "mime_tree.h"

/* Most messages need no more: their arrays never grow. */
enum { NODES_FIRST = 16, FIELDS_FIRST = 64 };

void mime_tree_init(struct mime_tree *t)
{
    struct mime_limits limits;
    memset(t, 0, sizeof *t);
    mime_limits_default(&limits);
    mime_init(&t->machine, &limits);
    buf_init(&t->nodes, SIZE_MAX / 2);
    buf_init(&t->fields, SIZE_MAX / 2);
    buf_init(&t->defects, SIZE_MAX / 2);
}

void mime_tree_free(struct mime_tree *t)
{
    mime_free(&t->machine);
    buf_free(&t->nodes);
    buf_free(&t->fields);
    buf_free(&t->defects);
    t->n = t->field_n = t->defect_n = 0;
}

static struct mime_node *node_at(struct mime_tree *t, ptrdiff_t i)
{
    return (struct mime_node *)(void *)t->nodes.base + i;
}

static int add_node(struct mime_tree *t, ptrdiff_t parent, size_t at)
{
    struct mime_node *node, *up;
    ptrdiff_t i = (ptrdiff_t)t->n;
    node = (struct mime_node *)(void *)buf_space(
        &t->nodes, (t->n ? 1 : NODES_FIRST) * sizeof *node);
    if (!node)
        return buf_error(&t->nodes);
    buf_filled(&t->nodes, sizeof *node);
    memset(node, 0, sizeof *node);
    node->at = node->header_at = node->header_end = at;
    node->body_at = node->body_end = at;
    node->parent = parent;
    node->first_child = node->last_child = node->next = MIME_NONE;
    node->field = t->field_n;
    node->number = 1;
    t->n++;
    if (parent == MIME_NONE)
        return 0;
    up = node_at(t, parent);
    node->depth = up->depth + 1;
    if (up->last_child == MIME_NONE) {
        up->first_child = i;
    } else {
        node->number = node_at(t, up->last_child)->number + 1;
        node_at(t, up->last_child)->next = i;
    }
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

uint32_t mime_hash(struct span name)
{
    uint32_t h = (uint32_t)name.n;
    for (size_t i = 0; i < name.n; i++)
        h = h * 31 + ((unsigned char)name.p[i] | 0x20u);
    return h;
}

static int add_field(struct mime_tree *t, struct mime_node *node,
                     const struct mime_event *e)
{
    struct mime_field *f = (struct mime_field *)(void *)buf_space(
        &t->fields, (t->field_n ? 1 : FIELDS_FIRST) * sizeof *f);
    if (!f)
        return buf_error(&t->fields);
    buf_filled(&t->fields, sizeof *f);
    if (node->field_n++ == 0)
        node->header_at = (size_t)e->at;
    node->header_end = (size_t)e->at + e->bytes.n;
    f->at = (size_t)e->at;
    f->n = e->bytes.n;
    f->hash = mime_hash(e->field.name);
    t->field_n++;
    return 0;
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
        return add_field(t, node, e);
    case MIME_HEAD:
        node->body_at = (size_t)e->at;
        node->kind = e->kind;
        node->coded = e->coded;
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
                    const struct mime_limits *limits, bool head)
{
    struct mime_event e = {0};
    ptrdiff_t now = MIME_NONE;
    int err = 0;
    buf_clear(&t->nodes);
    buf_clear(&t->fields);
    buf_clear(&t->defects);
    t->n = t->field_n = t->defect_n = 0;
    mime_again(&t->machine, limits);
    mime_push(&t->machine, message);
    mime_finish(&t->machine);
    t->whole = true;
    while (err == 0 && t->whole &&
           (err = mime_next(&t->machine, &e)) > MIME_MORE && err != MIME_END) {
        t->whole = !head || err != MIME_HEAD || e.kind == MIME_LEAF;
        err = take(t, &e, &now);
    }
    return err < 0 ? err : 0;
}

size_t mime_map_size(const struct mime_tree *t)
{
    return sizeof(struct mime_map) + buf_size(&t->nodes) +
           buf_size(&t->fields) + buf_size(&t->defects);
}

static const void *put(char **to, const struct buf *b)
{
    char *p = *to;
    if (buf_size(b))
        memcpy(p, b->base, buf_size(b));
    *to += buf_size(b);
    return p;
}

void mime_map_put(const struct mime_tree *t, struct span message, void *memory)
{
    struct mime_map *map = memory;
    char *to = (char *)memory + sizeof *map;
    map->message = message;
    map->n = t->n;
    map->field_n = t->field_n;
    map->defect_n = t->defect_n;
    map->nodes = put(&to, &t->nodes);
    map->fields = put(&to, &t->fields);
    map->defects = put(&to, &t->defects);
}

void mime_map_field(const struct mime_map *map, size_t i,
                    struct header_field *f)
{
    const struct mime_field *field = &map->fields[i];
    header_split(span_of(map->message.p + field->at, field->n), f);
    f->at = field->at;
}

bool mime_map_find(const struct mime_map *map, size_t part, struct span name,
                   size_t nth, struct header_field *f)
{
    const struct mime_node *node = &map->nodes[part];
    uint32_t hash = mime_hash(name);
    for (size_t i = node->field; i < node->field + node->field_n; i++) {
        if (map->fields[i].hash != hash)
            continue;
        mime_map_field(map, i, f);
        if (span_ieq(f->name, name) && nth-- == 0)
            return true;
    }
    return false;
}
