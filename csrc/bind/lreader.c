/*
 * lreader - where messages are read; see lbind.h
 *
 * One tree serves one message after the other, and keeps its memory.
 *
 * Owns: the tree, in a userdata. Fails with: raises on memory. I/O: none.
 */
#include <stdint.h>

#include "lbind.h"

#define READER "lunapost.parts.reader"

enum { READER_KEPT = 1 << 20, SLOTS_MOST = 64 };

struct reader {
    struct mime_tree tree;
    uint64_t uses; /* of the tree */
};

static int reader_drop(lua_State *L)
{
    struct reader *r = luaL_checkudata(L, 1, READER);
    mime_tree_free(&r->tree);
    return 0;
}

static struct reader *new_reader(lua_State *L)
{
    struct reader *r = lbind_new(L, sizeof *r, READER, 0);
    mime_tree_init(&r->tree);
    return r;
}

struct reader *lbind_new_reader(lua_State *L)
{
    lbind_type(L, READER, NULL, NULL, reader_drop);
    return new_reader(L);
}

/* The tree that messages are read in, one after the other. */
static struct mime_tree *shared_tree(struct reader *r)
{
    struct mime_tree *t = &r->tree;
    r->uses++;
    if (t->nodes.room + t->fields.room + t->machine.said.list.text.room >
        READER_KEPT) {
        mime_tree_free(t);
        mime_tree_init(t);
    }
    return t;
}

static void read_into(lua_State *L, struct mime_tree *t,
                      const struct lbind_reading *k)
{
    int err = k->map ? mime_tree_resume(t, k->map, k->limits)
                     : mime_tree_parse(t, k->bytes, k->limits, k->head);
    if (err < 0)
        luaL_error(L, "not enough memory");
}

/* Lua may run finalizers when it makes a userdata, and what they read takes
   the place of this in the shared tree: then it is read again, in one of its
   own. */
void *lbind_read_map(lua_State *L, struct reader *r, struct lbind_reading *k,
                     size_t before, int values)
{
    struct mime_tree *t = shared_tree(r);
    uint64_t use = r->uses;
    read_into(L, t, k);
    k->slots = k->parts && t->whole && t->n <= SLOTS_MOST ? t->n : 0;
    values += k->slots ? (int)k->slots - 1 : 0;
    char *p = lua_newuserdatauv(L, before + mime_map_size(t), values);
    bool own = r->uses != use;
    if (own) {
        lua_pop(L, 1);
        t = &new_reader(L)->tree; /* reader */
        read_into(L, t, k);
        p = lua_newuserdatauv(L, before + mime_map_size(t), values);
    }
    memset(p, 0, before);
    mime_map_put(t, k->bytes, p + before);
    k->whole = t->whole;
    if (own)
        lua_remove(L, -2);
    return p;
}
