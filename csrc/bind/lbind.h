/*
 * lbind - what the bindings share
 *
 * A binding fetches its arguments, calls one function of core or net, and
 * pushes the results. Userdata are made first and filled after (a raising
 * Lua call must find every C resource already owned by a userdata), and the
 * function behind __gc and __close is one, may run twice, and never blocks.
 *
 * Owns: nothing. Fails with: raises on misuse. I/O: none.
 */
#ifndef BIND_LBIND_H
#define BIND_LBIND_H

#include <lauxlib.h>
#include <lua.h>

#include "../core/addr.h"
#include "../core/buf.h"
#include "../core/charset.h"
#include "../core/err.h"
#include "../core/kernel.h"
#include "../core/mime_tree.h"
#include "../core/mime_word.h"
#include "../core/param.h"
#include "../core/span.h"
#include "../net/exchange.h"

/* Names of the userdata that more than one binding touches. */
#define LBIND_CONN "lunapost.conn"

/* Makes the metatable of a userdata type: methods become its __index (a
   table of their own), metamethods go into it; drop is both __gc and
   __close. Leaves the stack as it was.                                    */
INTERNAL void lbind_type(lua_State *L, const char *type,
                         const luaL_Reg *methods, const luaL_Reg *meta,
                         lua_CFunction drop);

/* Adds methods to those of a type. */
INTERNAL void lbind_extend(lua_State *L, const char *type,
                           const luaL_Reg *methods);

/* Pushes a zeroed userdata of the type with uservalues user values. */
INTERNAL void *lbind_new(lua_State *L, size_t size, const char *type,
                         int uservalues);

/* Adds methods of the type to the table at the top, to be called as plain
   functions where the search for a method would be dear. */
INTERNAL void lbind_export(lua_State *L, const char *type,
                           const luaL_Reg *methods);

/* The first argument of a method of the type, or raises: luaL_checkudata,
   without a search for the name. */
INTERNAL void *lbind_self(lua_State *L, const char *type);

/* The same, where calls are so many that a look at the metatable would be
   felt: a struct of this size that begins with this mark is one, and no other
   userdata is. */
static inline void *lbind_marked(lua_State *L, const void *mark, size_t size,
                                 const char *type)
{
    void *p = lua_touserdata(L, 1);
    if (p && lua_rawlen(L, 1) == size && *(const void **)p == mark)
        return p;
    return lbind_self(L, type);
}

INTERNAL void lbind_push(lua_State *L, struct span s);
INTERNAL struct span lbind_check(lua_State *L, int arg);
INTERNAL struct span lbind_optional(lua_State *L, int arg);

/* An integer in 0..max, raised on otherwise. */
INTERNAL size_t lbind_size(lua_State *L, int arg, size_t max);

/* Fields of an options table (absolute index): default where absent, raised
   on where of the wrong type or range. A borrowed span lives as long as the
   table holds the string. */
INTERNAL size_t lbind_field_size(lua_State *L, int table, const char *name,
                                 size_t fallback);
INTERNAL bool lbind_field_bool(lua_State *L, int table, const char *name,
                               bool fallback);
INTERNAL struct span lbind_field(lua_State *L, int table, const char *name);

/* nil, kind, text: the world failed. text may be NULL. Raises on ERR_MEMORY.
   Returns 3, for the caller to return. */
INTERNAL int lbind_fail(lua_State *L, int err, const char *text);

/* Where this Lua state keeps the kernel that its codecs run, until it is
   closed. The first call chooses; raises when LUNAPOST_KERNEL pins one that
   is not here. */
INTERNAL const struct kernel **lbind_kernel(lua_State *L);

/* The kernel of that name, or the best (NULL); NULL: not on this machine. */
INTERNAL const struct kernel *lbind_kernel_find(const char *name);

/* Where this Lua state keeps descriptors of iconv for its conversions, until
   it is closed. */
INTERNAL struct charset_store *lbind_charsets(lua_State *L);

/* Before close(fd): every poller of this Lua state lets go of it. Allocates
   and raises nothing. */
INTERNAL void lbind_forget(lua_State *L, int fd);

/* poller_again of the poller at arg, or false where none is there. A wait that
   is new ends after the seconds at arg + 2, and when the number at arg + 1 has
   it; *due keeps that for who goes on with it, when it is not new. */
INTERNAL bool lbind_again(lua_State *L, int arg, int fd, bool *fresh,
                          double *due);

/* What the one-shot functions that users call share (lcall.c). It is the
   first upvalue of each. */
struct lbind_call {
    struct buf out; /* where a result is gathered: kept, up to a ceiling */
    struct param_list params;
    const struct kernel **kernel;
    struct charset_store *charsets;
    bool busy; /* params are not all in Lua yet: see struct lbind_work */
};

/* The one of this function, with out empty. */
INTERNAL struct lbind_call *lbind_call(lua_State *L);

/* An argument of codec.WHAT that is a string, and no number. */
INTERNAL struct span lbind_text(lua_State *L, int arg, const char *what);

/* One key that a table of options may have, and where its value goes. */
struct lbind_option {
    const char *name;
    const char *type;           /* as lunapost.options names it */
    const char *const *choices; /* of a string: these only, NULL: any */
};

struct lbind_given { /* zeroed: not given */
    bool set, flag;
    int choice; /* its place among the choices */
    lua_Integer number;
    struct span text;
};

enum { LBIND_OPTIONS = 5 };

/* Reads a table of options, or none: given[i] becomes the value of known[i],
   which ends with a NULL name. Raises as lunapost.options does. */
INTERNAL void lbind_options(lua_State *L, int arg, const char *what,
                            const struct lbind_option *known,
                            struct lbind_given *given);

/* Pushes what was gathered, and lets go of memory beyond the ceiling. */
INTERNAL void lbind_gathered(lua_State *L);

/* Lets go of memory beyond the ceiling, as lbind_gathered and lbind_problem
   do. */
INTERNAL void lbind_rest(lua_State *L);

/* At the top of the stack is nil, or the list of defects: adds one, unless
   count is 0. offset counts from 1; 0: none. The format gets the count and
   a plural s. */
INTERNAL void lbind_defect(lua_State *L, const char *kind, size_t count,
                           size_t offset, const char *format);

/* Makes nil at the top of the stack the empty list. */
INTERNAL void lbind_defects(lua_State *L);

/* The text of an error is at the top of the stack: it becomes nil, err and,
   unless 0, where. Returns how many that are. Raises on ERR_MEMORY. */
INTERNAL int lbind_problem(lua_State *L, int err, size_t where);

/* Those functions: of octets (lwhole.c), of text and charsets (ltext.c). */
INTERNAL extern const luaL_Reg lbind_wholes[];
INTERNAL extern const luaL_Reg lbind_texts[];

/* What reading values works with (lvalue.c): one userdata, first upvalue of
   each function. Its memory is used again, and a raising Lua call leaks
   nothing. */
struct lbind_work {
    struct buf flat; /* an unfolded value */
    struct buf text; /* what is made of it */
    struct buf more;
    struct param_list params;
    struct addr_reader addresses;
    struct charset_store *charsets;
    const struct kernel **kernel;
    struct reader *reader; /* where messages are read; or NULL */
    bool busy;             /* with a value that is not all in Lua yet */
    bool asked;            /* for more than the header of the last message */
};

INTERNAL struct lbind_work *lbind_new_work(lua_State *L);

/* The one of this function, its buffers empty; and its end, which gives back
   what only a large value needed. In between Lua may run finalizers, which
   read values, too: while it is busy a new one is pushed, for them. One that
   a raise left busy costs time, and no more. */
INTERNAL struct lbind_work *lbind_work(lua_State *L);
INTERNAL struct lbind_work *lbind_work_by(lua_State *L, struct lbind_work *w);
INTERNAL void lbind_work_end(struct lbind_work *w);

/* A raw value without folds; borrows the value, or w->flat. */
INTERNAL int lbind_flat(struct lbind_work *w, struct span raw,
                        struct span *value);

/* Push what a raw value tells, and return how many faults were repaired.
   They raise for want of memory. Text: unfolded, encoded words decoded.
   Addresses: a list, *more is set where it has more than most. kind: of the
   value, without the blanks at its ends or with them. */
INTERNAL int lbind_push_value(lua_State *L, struct lbind_work *w,
                              struct span raw, enum mime_text kind);
INTERNAL int lbind_push_addresses(lua_State *L, struct lbind_work *w,
                                  struct span raw, enum mime_text kind,
                                  size_t most, bool *more);

/* "type/subtype", or, wordy, the first word of a raw value, in lower case;
   nil where there is none. Leaves what follows it in *rest, until the next
   use of w->flat. */
INTERNAL void lbind_push_media(lua_State *L, struct lbind_work *w,
                               struct span raw, bool wordy, struct span *rest);

/* Reads parameters into w->params, and pushes them as a table. */
INTERNAL int lbind_params(lua_State *L, struct lbind_work *w, struct span rest);
INTERNAL void lbind_push_params(lua_State *L, const struct lbind_work *w);

/* Pushes bytes of a charset as UTF-8, through w->more. Returns how many
   faults there were, or ERR_*, with nothing pushed. No charset: ASCII, where
   not all is UTF-8. */
INTERNAL int lbind_push_utf8(lua_State *L, struct lbind_work *w,
                             struct span charset, struct span bytes);

/* The number of the defect of a body that is not well in an encoding; 0:
   the encoding changes nothing; -1: it is unknown. */
INTERNAL int lbind_encoding(enum mime_coding coding);

/* Undoes a transfer encoding, which changes the bytes, into out. */
INTERNAL void lbind_decode(lua_State *L, const struct kernel *kernel,
                           enum mime_coding coding, struct span in,
                           struct buf *out, size_t *faults);

/* Limits from a table, or none. */
INTERNAL void lbind_limits(lua_State *L, int arg, struct mime_limits *limits);

/* Pushes what tells of a defect. */
INTERNAL void lbind_push_defect(lua_State *L, int number, uint64_t at);

/* Pushes { name, raw value }. */
INTERNAL void lbind_push_field(lua_State *L, const struct header_field *f);

/* Messages that were read (lmessage.c). A part is a userdata, and so is a
   message, which its root part is; a change of the message turns its parts to
   another one. */
struct lbind_part {
    const void *mark;         /* tells that this is one */
    struct lbind_message *of; /* whose part it is now */
    size_t i;                 /* which one, from 0 on */
    bool message;             /* its userdata is a struct lbind_message */
};

struct lbind_message {
    struct lbind_part root;
    struct mime_limits limits;
    size_t addresses; /* most of a field */
    uint16_t slots;   /* parts that have user values, from the root on; or 0 */
    bool whole;       /* all of it was read, not the first header only */
    bool asked;       /* for more than that header */
    struct lbind_work *work; /* the first upvalue of its functions, which live
                                as long as its metatable */
    const struct mapping *mapping; /* where its bytes are; NULL: a string */
    const struct mime_map *map;
    struct mime_map head[]; /* where the map is at first */
};

/* User values: of parts, and the further ones of messages. Values that are
   asked for most need no table. */
enum {
    LBIND_OWNER = 1, /* the userdata of the message; nil: this one */
    LBIND_KEPT,      /* values by name */
    LBIND_PARTS,     /* the list of the parts below */
    LBIND_OF_PART = LBIND_PARTS,
    LBIND_BYTES, /* a string, or a mapping */
    LBIND_STATE, /* what Lua knows of the message: a table */
    LBIND_MADE,  /* its parts that were handed out, by index */
    LBIND_WHOLE, /* the map of all of it */
    LBIND_NOTED, /* defects that nobody has asked for, three values each */
    LBIND_FROM,
    LBIND_TO,
    LBIND_OF_MESSAGE = LBIND_TO /* behind it stand its parts; see slots */
};

/* Upvalues of all functions of parts: what lbind_work gives, and fields and
   methods by name. The first has user values, too. */
enum {
    LBIND_WORK = 1,
    LBIND_KNOWN,
    LBIND_UPVALUES = LBIND_KNOWN,
    LBIND_META = 1, /* the metatable of parts */
    LBIND_WORDS,    /* types; codings, behind them */
    LBIND_READER,   /* work->reader */
    LBIND_WORK_VALUES = LBIND_READER
};

/* Pushes such a user value. */
static inline void lbind_push_shared(lua_State *L, int value)
{
    lua_getiuservalue(L, lua_upvalueindex(LBIND_WORK), value);
}

/* Where messages are read (lreader.c), which it pushes. */
INTERNAL struct reader *lbind_new_reader(lua_State *L);

/* What is to be read. */
struct lbind_reading {
    struct span bytes;
    const struct mime_limits *limits;
    const struct mime_map *map; /* of its header, to read on; NULL: begin */
    bool head;                  /* its header only */
    bool parts;                 /* user values for parts, where they are few */
    bool whole;                 /* result: all of it was read */
    size_t slots;               /* result: so many parts have them */
};

/* Reads, and pushes a userdata of so many bytes, zeroed, and the map behind
   them. */
INTERNAL void *lbind_read_map(lua_State *L, struct reader *r,
                              struct lbind_reading *k, size_t before,
                              int values);

/* Is an argument a file that was mapped (else NULL)? Then its bytes. They live
   until it is closed, which a finalizer may see: what was collected with it
   is finalized in any order. mapped raises when those bytes are gone. */
INTERNAL const struct mapping *lbind_mapping(lua_State *L, int arg,
                                             struct span *bytes);
INTERNAL void lbind_mapped(lua_State *L, const struct mapping *m,
                           struct span bytes);

/* To ask for a type by its name takes as long as most answers. */
INTERNAL extern const char lbind_part_mark;
INTERNAL int lbind_no_part(lua_State *L, int arg);

/* The part that is an argument. */
static inline struct lbind_part *lbind_part(lua_State *L, int arg)
{
    struct lbind_part *p = lua_touserdata(L, arg);
    if (!p || lua_rawlen(L, arg) < sizeof *p || p->mark != &lbind_part_mark)
        lbind_no_part(L, arg);
    return p;
}

/* Reads what follows the first header. */
INTERNAL void lbind_ask(lua_State *L, int arg);

/* The map of the message of the part that is an argument. Unless whole, it
   may be that of the first header only. Lives until the next such call with
   whole. Raises when its bytes are gone. */
static inline const struct mime_map *
lbind_map(lua_State *L, int arg, const struct lbind_part *p, bool whole)
{
    if (p->of->mapping)
        lbind_mapped(L, p->of->mapping, p->of->map->message);
    if (whole && !p->of->whole)
        lbind_ask(L, arg);
    if (whole && !p->of->asked)
        p->of->work->asked = p->of->asked = true;
    return p->of->map;
}

/* Pushes a part of the same message; its state; what was kept of it: false,
   with nothing pushed, when nothing was. slot: its user value, or 0. */
INTERNAL void lbind_push_part(lua_State *L, int arg, size_t i);

/* Makes parts from..end of the same message, and pushes where they stand,
   whatever is changed later: the message, which has them behind its user value
   LBIND_OF_MESSAGE, and is the root; or a table of them, by index from 1. */
INTERNAL void lbind_push_all(lua_State *L, int arg, size_t from, size_t end);

INTERNAL void lbind_push_state(lua_State *L, int arg);
INTERNAL bool lbind_push_kept(lua_State *L, const struct lbind_part *p, int arg,
                              int slot, int name);

/* Puts a defect of a part off until somebody asks for defects: its number,
   and its offset, or what it is of, at the top, which it pops. False, with
   nothing popped: somebody has asked. */
INTERNAL bool lbind_defer(lua_State *L, int arg, int number);

/* What is below a part (lwalk.c): pushes the list of parts, its path. */
INTERNAL void lbind_push_below(lua_State *L, const struct lbind_part *p);
INTERNAL void lbind_push_path(lua_State *L, const struct lbind_part *p);

/* Pushes the body of the part at 1, a text in UTF-8; nil: it holds parts. */
INTERNAL void lbind_push_held(lua_State *L);

/* Keeps the value at the top, which stays there. */
INTERNAL void lbind_keep(lua_State *L, const struct lbind_part *p, int arg,
                         int slot, int name);

/* Methods; and message(bytes, [limits], [path], [origin]) -> its root. */
INTERNAL extern const luaL_Reg lbind_message_methods[];
INTERNAL int lbind_read_message(lua_State *L);
INTERNAL int lbind_walk(lua_State *L);

/* The parts of lunapost.core, listed in lmain.c. Each pushes one table. */
INTERNAL int lbind_open_codec(lua_State *L);
INTERNAL int lbind_open_call(lua_State *L);
/* lreply: { code=, enhanced=, text=, lines=, raw= } of a whole reply, on the
   stack; the same with said=, the line as it came, for lines= and raw=, where
   there is one: smtp/reply.lua makes them, and fills their metatable, which
   goes into the table at the top; and write_reply(code, enhanced, text), for
   Lua. */
struct reply;
INTERNAL void lbind_push_reply(lua_State *L, const struct reply *r);
INTERNAL void lbind_push_brief_reply(lua_State *L, const struct reply *r);
INTERNAL int lbind_write_reply(lua_State *L);
INTERNAL void lbind_open_reply(lua_State *L);

/* The client machine: by itself (lclient), over a conn (lexchange), and for
   whole messages (lpost). */
#define LBIND_CLIENT "lunapost.client"

struct lbind_client {
    struct exchange over;   /* first its machine: lclient's get this alone */
    struct buf said;        /* replies that were collected, as they came */
    struct posting posting; /* the messages under way */
};

/* Pushes an event of exchange.h by its name, or nil, kind, text. Returns how
   many values that are. */
INTERNAL int lbind_event(lua_State *L, const struct lbind_client *l,
                         const struct conn *conn, int event);

/* Pushes what was heard: of a yes (2yz, 354) the code alone, else the whole
   reply. */
INTERNAL void lbind_push_heard(lua_State *L, const struct reply *r);

/* What is in the string at an argument, as a body. The last long one that was
   asked about, of 16 KiB to 4 MiB, is held, and looked at once. */
enum { LBIND_SEEN_LEAST = 1 << 14 }; /* a look at less is as soon done */
INTERNAL struct survey lbind_survey(lua_State *L, int arg);

INTERNAL void lbind_open_exchange(lua_State *L);
INTERNAL void lbind_open_post(lua_State *L);

/* lcontext: TLS contexts. Adds to the table at the top. */
#define LBIND_CONTEXT "lunapost.tls_context"

struct tls_context;
struct lbind_context {
    struct tls_context *tls;
};

INTERNAL void lbind_open_context(lua_State *L);

/* lconfig: settings of the server's machine. Adds to the table at the top. */
#define LBIND_CONFIG "lunapost.server_config"
INTERNAL void lbind_open_config(lua_State *L);

INTERNAL int lbind_open_stream(lua_State *L);
INTERNAL int lbind_open_mime(lua_State *L);
INTERNAL int lbind_open_parts(lua_State *L);
INTERNAL int lbind_open_part(lua_State *L);
INTERNAL int lbind_open_compose(lua_State *L);
INTERNAL int lbind_open_server(lua_State *L);
INTERNAL int lbind_open_client(lua_State *L);
INTERNAL int lbind_open_net(lua_State *L);
INTERNAL int lbind_open_loop(lua_State *L);
INTERNAL int lbind_open_alarm(lua_State *L);
INTERNAL int lbind_open_resolver(lua_State *L);
INTERNAL int lbind_open_dns(lua_State *L);
INTERNAL int lbind_open_crypto(lua_State *L);
INTERNAL int lbind_open_system(lua_State *L);
INTERNAL int lbind_open_process(lua_State *L);
INTERNAL int lbind_open_terminal(lua_State *L);
INTERNAL int lbind_open_idn(lua_State *L);
INTERNAL int lbind_open_mapping(lua_State *L);

#endif
