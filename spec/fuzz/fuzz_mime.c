/*
 * fuzz_mime - any octets as a message
 *
 * Events are the same in every split of the input; offsets stay inside and
 * only grow; parts nest; what is handed out is what stands in the message.
 * The tree of the whole message agrees.
 */
#include <stdlib.h>

#include "core/mime_tree.h"

enum { STEPS = 4, DEPTH = 8, PARTS = 40 };

static void need(bool fact)
{
    if (!fact)
        abort();
}

/* What is known while events come. */
struct watch {
    struct span message;
    struct buf notes; /* what happened, to compare; bodies joined */
    uint64_t at;      /* where the last event was */
    size_t open, parts, fields;
    bool in_body;
};

static void note_number(struct watch *w, uint64_t v)
{
    buf_add_number(&w->notes, v);
    buf_add_char(&w->notes, ' ');
}

static void check_bytes(struct watch *w, const struct mime_event *e)
{
    need(e->at + e->bytes.n <= w->message.n);
    need(span_eq(e->bytes, span_of(w->message.p + e->at, e->bytes.n)));
}

static void check_body(struct watch *w, const struct mime_event *e)
{
    need(e->bytes.n > 0 && e->depth + 1 == w->open);
    check_bytes(w, e);
    if (!w->in_body)
        note_number(w, e->at);
    else
        need(e->at == w->at);
    w->at = e->at + e->bytes.n;
}

static void check_event(struct watch *w, const struct mime_event *e)
{
    bool body = e->event == MIME_BODY;
    need(e->at <= w->message.n);
    if (w->in_body && !body)
        note_number(w, w->at);
    if (body)
        check_body(w, e);
    w->in_body = body;
    if (body)
        return;
    note_number(w, e->event);
    note_number(w, e->at);
    if (e->event == MIME_DEFECT) {
        note_number(w, e->number);
        return;
    }
    need(e->at >= w->at || e->event == MIME_PART_END);
    w->at = e->at > w->at ? e->at : w->at;
    w->open += e->event == MIME_PART;
    w->parts += e->event == MIME_PART;
    need(w->open <= DEPTH && w->parts <= PARTS);
    need(e->depth + 1 == w->open);
    w->open -= e->event == MIME_PART_END;
    w->fields += e->event == MIME_FIELD;
    if (e->event == MIME_FIELD)
        check_bytes(w, e);
}

static const struct mime_limits limits = {DEPTH, PARTS, 3000, 50};

static void run(struct watch *w, size_t step)
{
    struct mime m;
    struct mime_event e = {0};
    struct span rest = w->message;
    int event;
    w->at = 0;
    w->open = w->parts = w->fields = 0;
    w->in_body = false;
    mime_init(&m, &limits);
    while ((event = mime_next(&m, &e)) != MIME_END) {
        need(event >= 0);
        if (event == MIME_MORE && rest.n == 0) {
            mime_finish(&m);
        } else if (event == MIME_MORE) {
            size_t n = rest.n < step ? rest.n : step;
            mime_push(&m, span_of(rest.p, n));
            rest = span_skip(rest, n);
        } else {
            check_event(w, &e);
        }
    }
    need(w->open == 0 && rest.n == 0);
    mime_free(&m);
}

static void check_fields(const struct mime_map *map, size_t part)
{
    const struct mime_node *n = &map->nodes[part];
    size_t behind = n->at + n->header_at;
    for (size_t i = n->field; i < n->field + n->field_n; i++) {
        struct header_field f;
        mime_map_field(map, part, i, &f);
        need(f.at >= behind && f.at + f.n <= n->body_at);
        need(f.name.n > 0 && mime_hash(f.name) == map->fields[i].hash);
        behind = f.at + f.n;
    }
}

static void check_node(const struct mime_map *map, size_t i)
{
    const struct mime_node *n = &map->nodes[i], *up;
    size_t end = map->message.n;
    need(n->at <= end && n->header_at <= end - n->at);
    need(n->at <= n->body_at && n->body_at <= end);
    need(n->body_at <= n->body_end && n->body_end <= end);
    need(n->field + n->field_n <= map->field_n);
    check_fields(map, i);
    need((i == 0) == (n->parent == MIME_NONE));
    if (i == 0)
        return;
    need(n->parent < (int32_t)i);
    up = &map->nodes[n->parent];
    need(up->body_at <= n->at && n->body_end <= up->body_end);
    need(up->depth + 1 == n->depth && up->kind != MIME_LEAF);
}

static struct mime_map *map_of(const struct mime_tree *t, struct span message)
{
    struct mime_map *map = malloc(mime_map_size(t));
    need(map != NULL);
    mime_map_put(t, message, map);
    return map;
}

static size_t kept(const struct mime_map *map)
{
    return map->defect_n < MIME_DEFECTS_MOST ? map->defect_n
                                             : MIME_DEFECTS_MOST;
}

/* Read on behind the header, it is the same as read at once. */
static void check_resumed(struct mime_tree *t, const struct mime_map *whole)
{
    struct mime_map *head = map_of(t, whole->message);
    need(mime_tree_resume(t, head, &limits) == 0);
    struct mime_map *map = map_of(t, whole->message);
    need(map->n == whole->n && map->field_n == whole->field_n);
    need(map->defect_n == whole->defect_n && map->coded == whole->coded);
    need(memcmp(map->nodes, whole->nodes, map->n * sizeof *map->nodes) == 0);
    for (size_t i = 0; i < kept(map); i++)
        need(map->defects[i].number == whole->defects[i].number &&
             map->defects[i].at == whole->defects[i].at);
    free(head);
    free(map);
}

/* The header alone is the same as that of the whole. */
static void check_head(struct mime_tree *t, const struct mime_map *whole)
{
    need(mime_tree_parse(t, whole->message, &limits, true) == 0);
    need(t->n == 1 && t->field_n == whole->nodes[0].field_n);
    need(t->field_n == 0 || memcmp(t->fields.base, whole->fields,
                                   t->field_n * sizeof *whole->fields) == 0);
    if (!t->whole)
        check_resumed(t, whole);
}

static void check_tree(struct span message, size_t parts, size_t fields)
{
    struct mime_tree t;
    mime_tree_init(&t);
    need(mime_tree_parse(&t, message, &limits, false) == 0);
    need(t.n == parts && parts > 0 && t.field_n == fields);
    struct mime_map *map = map_of(&t, message);
    for (size_t i = 0; i < map->n; i++)
        check_node(map, i);
    check_head(&t, map);
    free(map);
    mime_tree_free(&t);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n)
{
    static const size_t steps[STEPS] = {1, 3, 17, 1000};
    struct watch whole = {0}, cut = {0};
    if (n > 20000)
        return 0;
    whole.message = cut.message = span_of((const char *)data, n);
    buf_init(&whole.notes, 1 << 24);
    buf_init(&cut.notes, 1 << 24);
    run(&whole, n + 1);
    for (size_t i = 0; i < STEPS; i++) {
        buf_clear(&cut.notes);
        run(&cut, steps[i]);
        need(span_eq(buf_span(&whole.notes), buf_span(&cut.notes)));
    }
    check_tree(whole.message, whole.parts, whole.fields);
    buf_free(&whole.notes);
    buf_free(&cut.notes);
    return 0;
}
