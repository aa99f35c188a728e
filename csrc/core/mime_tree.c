/*
 * mime_tree - the parts of one whole message; see mime_tree.h
 */
#include "mime_tree.h"

#include <limits.h>

/* Most messages need no more: their arrays never grow. */
enum { NODES_FIRST = 16, FIELDS_FIRST = 64 };

void mime_tree_init(struct mime_tree *t)
{
    struct mime_limits limits;
    memset(t, 0, sizeof *t);
    mime_limits_default(&limits);
    mime_init(&t->machine, &limits);
    t->machine.bodiless = true;
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

static struct mime_node *node_at(struct mime_tree *t, int32_t i)
{
    return (struct mime_node *)(void *)t->nodes.base + i;
}

static int add_node(struct mime_tree *t, int32_t parent, size_t at)
{
    struct mime_node *node, *up;
    int32_t i = (int32_t)t->n;
    if (t->field_n > UINT32_MAX)
        return ERR_MEMORY;
    node = (struct mime_node *)(void *)buf_space(
        &t->nodes, (t->n ? 1 : NODES_FIRST) * sizeof *node);
    if (!node)
        return buf_error(&t->nodes);
    buf_filled(&t->nodes, sizeof *node);
    memset(node, 0, sizeof *node);
    node->at = node->body_at = node->body_end = at;
    node->parent = parent;
    node->first_child = node->last_child = node->next = MIME_NONE;
    node->field = (uint32_t)t->field_n;
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

/* Room for a field, or, at first, for those of most messages. */
static struct mime_field *field_space(struct mime_tree *t)
{
    return (struct mime_field *)(void *)buf_space(
        &t->fields,
        (t->field_n ? 1 : FIELDS_FIRST) * sizeof(struct mime_field));
}

/* n fields were put there. */
static void fields_added(struct mime_tree *t, struct mime_node *node,
                         const struct mime_field *f, size_t n)
{
    if (node->field_n == 0)
        node->header_at = f->at;
    node->field_n += (uint32_t)n;
    t->field_n += n;
    buf_filled(&t->fields, n * sizeof *f);
}

static int add_field(struct mime_tree *t, struct mime_node *node,
                     const struct mime_event *e)
{
    struct mime_field *f = field_space(t);
    if (!f)
        return buf_error(&t->fields);
    f->at = (uint32_t)(e->at - node->at);
    f->n = (uint32_t)e->bytes.n;
    f->hash = mime_hash(e->field.name);
    fields_added(t, node, f, 1);
    return 0;
}

/* Those that need no events. */
static int add_fields(struct mime_tree *t, int32_t now)
{
    for (;;) {
        struct mime_field *f = field_space(t);
        size_t room = (t->fields.room - t->fields.tail) / sizeof *f;
        if (!f)
            return buf_error(&t->fields);
        int n = mime_fields(&t->machine, f, room < INT_MAX ? room : INT_MAX);
        if (n <= 0)
            return n;
        fields_added(t, node_at(t, now), f, (size_t)n);
    }
}

static void settle_node(struct mime_tree *t, struct mime_node *node,
                        const struct mime_event *e)
{
    const struct mime *m = &t->machine;
    node->body_at = (size_t)e->at;
    node->kind = (uint8_t)e->kind;
    node->coded = e->coded;
    t->coded |= e->coded;
    node->text = m->said.text;
    node->type = (uint8_t)m->said.type;
    node->coding = (uint8_t)m->said.coding;
    node->params_at = (uint32_t)(m->params_at - m->part_at);
    node->params_n = (uint32_t)m->params_n;
}

/* Takes one event; *now is the part that is open. */
static int take(struct mime_tree *t, const struct mime_event *e, int32_t *now)
{
    struct mime_node *node = *now == MIME_NONE ? NULL : node_at(t, *now);
    switch (e->event) {
    case MIME_PART: {
        int err = add_node(t, *now, (size_t)e->at);
        if (err < 0)
            return err;
        *now = (int32_t)t->n - 1;
        return add_fields(t, *now);
    }
    case MIME_FIELD: {
        int err = add_field(t, node, e);
        return err < 0 ? err : add_fields(t, *now);
    }
    case MIME_HEAD:
        settle_node(t, node, e);
        return 0;
    case MIME_PART_END:
        node->body_end = (size_t)e->at;
        *now = node->parent;
        return 0;
    case MIME_DEFECT: {
        int err = add_defect(t, e);
        return err < 0 ? err : add_fields(t, *now);
    }
    default:
        return 0;
    }
}

static void begin(struct mime_tree *t, struct span message,
                  const struct mime_limits *limits)
{
    buf_clear(&t->nodes);
    buf_clear(&t->fields);
    buf_clear(&t->defects);
    t->n = t->field_n = t->defect_n = 0;
    t->whole = true;
    t->coded = false;
    mime_again(&t->machine, limits);
    mime_push(&t->machine, message);
    mime_finish(&t->machine);
}

/* Takes what comes, to the end, or to the end of the first header. */
static int read_on(struct mime_tree *t, int32_t now, bool head)
{
    struct mime_event e = {0};
    int err = 0;
    while (err == 0 && t->whole &&
           (err = mime_next(&t->machine, &e)) > MIME_MORE && err != MIME_END) {
        t->whole = !head || err != MIME_HEAD || e.kind == MIME_LEAF;
        err = take(t, &e, &now);
    }
    return err < 0 ? err : 0;
}

int mime_tree_parse(struct mime_tree *t, struct span message,
                    const struct mime_limits *limits, bool head)
{
    begin(t, message, limits);
    return read_on(t, MIME_NONE, head);
}

/* The fields of the root that say something of its body. */
static size_t telling(const struct mime_map *head, struct header_field out[2])
{
    static const struct span names[] = {{"content-type", 12},
                                        {"content-transfer-encoding", 25}};
    size_t n = 0;
    for (size_t i = 0; i < 2; i++)
        n += mime_map_find(head, 0, names[i], 0, &out[n]);
    return n;
}

int mime_tree_resume(struct mime_tree *t, const struct mime_map *head,
                     const struct mime_limits *limits)
{
    size_t kept =
        head->defect_n < MIME_DEFECTS_MOST ? head->defect_n : MIME_DEFECTS_MOST;
    struct header_field fields[2];
    int err;
    begin(t, head->message, limits);
    if (buf_add(&t->nodes, (const char *)head->nodes, sizeof *head->nodes) ||
        buf_add(&t->fields, (const char *)head->fields,
                head->field_n * sizeof *head->fields) ||
        buf_add(&t->defects, (const char *)head->defects,
                kept * sizeof *head->defects))
        return ERR_MEMORY;
    t->n = 1;
    t->field_n = head->field_n;
    t->defect_n = head->defect_n;
    err = mime_resume(&t->machine, fields, telling(head, fields),
                      head->nodes[0].body_at);
    return err < 0 ? err : read_on(t, 0, false);
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
    map->coded = t->coded;
    map->nodes = put(&to, &t->nodes);
    map->defects = put(&to, &t->defects);
    map->fields = put(&to, &t->fields); /* the least aligned are last */
}

void mime_map_field(const struct mime_map *map, size_t part, size_t i,
                    struct header_field *f)
{
    const struct mime_field *field = &map->fields[i];
    size_t at = map->nodes[part].at + field->at;
    header_split(span_of(map->message.p + at, field->n), f);
    f->at = at;
}

/* Cuts a field that begins with that name and a colon, as most do that are
   looked for: header_split does not know how long the name is. */
static bool split_named(struct span field, struct span name,
                        struct header_field *f)
{
    size_t n = name.n;
    if (n == 0 || n >= field.n || field.p[n] != ':' ||
        !span_ieq(span_of(field.p, n), name))
        return false;
    f->n = field.n;
    f->name = span_of(field.p, n);
    f->value = header_value(span_skip(field, n + 1));
    return true;
}

bool mime_map_find(const struct mime_map *map, size_t part, struct span name,
                   size_t nth, struct header_field *f)
{
    const struct mime_node *node = &map->nodes[part];
    const struct mime_field *field = map->fields + node->field;
    const struct mime_field *end = field + node->field_n;
    uint32_t hash = mime_hash(name);
    for (; field < end; field++) {
        struct span whole;
        if (field->hash != hash)
            continue;
        f->at = node->at + field->at;
        whole = span_of(map->message.p + f->at, field->n);
        if (!split_named(whole, name, f) &&
            !(header_split(whole, f) && span_ieq(f->name, name)))
            continue;
        if (nth-- == 0)
            return true;
    }
    return false;
}
