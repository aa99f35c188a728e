/*
 * host - a Lua interpreter whose memory can be made to run out
 *
 * Linked with lunapost's objects (preloaded as lunapost.core), and with
 * --wrap so that each malloc, calloc and realloc that they make comes here;
 * Lua's allocator and OpenSSL's come here as well. One counter counts them
 * all, so "the nth allocation fails" has one meaning.
 *
 *   lua SCRIPT [ARG...]                  runs a script, as lua does
 *   lua --gc MODE SCRIPT [ARG...]        with a hard collector: MODE is
 *                                        incremental or generational
 *   lua --torture SECONDS SCENARIO.lua   see below
 *
 * A scenario is a script that returns a function. It runs in a fresh state
 * once to count its allocations, and then again with the nth one failing,
 * for every n (or an even choice of them, where SECONDS are too few), in
 * three ways: that one only; that one and the next, which defeats Lua's
 * emergency collection; and all from there on. The function returns true
 * when all went well. Falsehood or an error is fine when an allocation
 * failed, except an error that begins with "wrong": results must never be
 * silently wrong. After each run, nothing that Lua or lunapost allocated may
 * be left, and at the end LeakSanitizer looks for the rest.
 *
 * Owns: the counters. Fails with: exit code 1 and a line on stderr.
 * I/O: stdio, the clock, SIGALRM as a watchdog.
 */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int luaopen_lunapost_core(lua_State *L);

enum { RUN_SECONDS = 30 }; /* a run that takes longer hangs */

/* Counting and failing */

static atomic_ulong seen;           /* allocations since the count began */
static atomic_ulong failed;         /* of these, made to fail */
static atomic_ulong fail_from = 0;  /* the first that fails, 0: none */
static atomic_ulong fail_until = 0; /* the first behind it that does not */
static atomic_long blocks;          /* blocks that our objects hold */
static size_t lua_bytes;            /* bytes that the Lua state holds */

static bool denied(void)
{
    unsigned long n = ++seen, from = fail_from;
    if (!from || n < from || n >= fail_until)
        return false;
    failed++;
    return true;
}

static void arm(unsigned long from, unsigned long count)
{
    seen = 0;
    failed = 0;
    fail_until = count ? from + count : (unsigned long)-1;
    fail_from = from;
}

static void disarm(void)
{
    fail_from = 0;
}

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void __real_free(void *p);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void __wrap_free(void *p);

void *__wrap_malloc(size_t n)
{
    void *p = denied() ? NULL : __real_malloc(n);
    blocks += p != NULL;
    return p;
}

void *__wrap_calloc(size_t n, size_t size)
{
    void *p = denied() ? NULL : __real_calloc(n, size);
    blocks += p != NULL;
    return p;
}

void *__wrap_realloc(void *p, size_t n)
{
    void *q = denied() ? NULL : __real_realloc(p, n);
    blocks += q && !p;
    return q;
}

void __wrap_free(void *p)
{
    blocks -= p != NULL;
    __real_free(p);
}

static void *ssl_malloc(size_t n, const char *file, int line)
{
    (void)file, (void)line;
    return denied() ? NULL : __real_malloc(n);
}

static void *ssl_realloc(void *p, size_t n, const char *file, int line)
{
    (void)file, (void)line;
    return denied() ? NULL : __real_realloc(p, n);
}

static void ssl_free(void *p, const char *file, int line)
{
    (void)file, (void)line;
    __real_free(p);
}

static void *lua_memory(void *unused, void *p, size_t old, size_t n)
{
    (void)unused;
    if (!p)
        old = 0; /* a type's number, not a size */
    if (n == 0) {
        lua_bytes -= old;
        __real_free(p);
        return NULL;
    }
    if (n > old && denied())
        return NULL;
    void *q = __real_realloc(p, n);
    if (q)
        lua_bytes += n - old;
    return q;
}

/* States */

static int traceback(lua_State *L)
{
    const char *text = luaL_tolstring(L, 1, NULL);
    luaL_traceback(L, L, text, 1);
    return 1;
}

/* argv[0] is the script, argv[-1] the program: the globals arg and ... are
   set as lua does. */
static int script(lua_State *L)
{
    char **argv = lua_touserdata(L, 1);
    int argc = (int)lua_tointeger(L, 2);
    luaL_openlibs(L);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    lua_pushcfunction(L, luaopen_lunapost_core);
    lua_setfield(L, -2, "lunapost.core");
    lua_createtable(L, argc, 2);
    for (int i = -1; i < argc; i++) {
        lua_pushstring(L, argv[i]);
        lua_rawseti(L, -2, i);
    }
    lua_setglobal(L, "arg");
    if (luaL_loadfile(L, argv[0]) != LUA_OK)
        return lua_error(L);
    luaL_checkstack(L, argc, "arguments");
    for (int i = 1; i < argc; i++)
        lua_pushstring(L, argv[i]);
    lua_call(L, argc - 1, 1);
    return 1;
}

static lua_State *state(void)
{
    lua_State *L = lua_newstate(lua_memory, NULL);
    if (L)
        lua_settop(L, 0);
    return L;
}

/* Leaves what the script returns on the stack; false and a line on stderr
   when it raises. */
static bool run_script(lua_State *L, int argc, char **argv)
{
    lua_pushcfunction(L, traceback);
    lua_pushcfunction(L, script);
    lua_pushlightuserdata(L, argv);
    lua_pushinteger(L, argc);
    if (lua_pcall(L, 2, 1, 1) == LUA_OK)
        return true;
    fprintf(stderr, "lua: %s\n", lua_tostring(L, -1));
    return false;
}

static void collect_hard(lua_State *L, const char *mode)
{
    if (strcmp(mode, "generational") == 0)
        lua_gc(L, LUA_GCGEN, 1, 1);
    else
        lua_gc(L, LUA_GCINC, 1, 1000, 1);
}

static int interpret(const char *gc, int argc, char **argv)
{
    lua_State *L = state();
    if (!L)
        return 1;
    if (gc)
        collect_hard(L, gc);
    bool ok = run_script(L, argc, argv);
    lua_close(L);
    return ok ? 0 : 1;
}

/* Torture */

struct sweep {
    char *program;
    char *scenario;
    unsigned long total;   /* allocations of a run in which none fails */
    double seconds;        /* that such a run takes */
    const char *way;       /* how it fails now, for messages */
    unsigned long n;       /* where */
    unsigned long runs;    /* made so far */
    unsigned long refused; /* of these, ended with an error or falsehood */
    bool bad;
};

static struct sweep sweep; /* for the watchdog's message too */

static void complain(const char *what)
{
    fprintf(stderr, "torture: %s: allocation %lu fails (%s): %s\n",
            sweep.scenario, sweep.n, sweep.way, what);
    sweep.bad = true;
}

static void hung(int signal)
{
    (void)signal;
    complain("the run hangs");
    _exit(1);
}

/* Judges what the scenario's function did; see the head of this file. */
static void judge(lua_State *L, int status)
{
    const char *text = luaL_tolstring(L, -1, NULL);
    if (status == LUA_OK && lua_toboolean(L, -2))
        return;
    sweep.refused++;
    if (!failed || strstr(text, "wrong:"))
        complain(text);
}

/* A resolver's thread may outlive the state that started it, for a moment. */
static void settle(long held)
{
    struct timespec pause = {0, 1000000};
    for (int i = 0; blocks > held && i < 3000; i++)
        nanosleep(&pause, NULL);
}

/* One run; false when no allocation was made to fail. */
static bool run_once(unsigned long n, unsigned long count)
{
    lua_State *L = state();
    long held = blocks;
    sweep.n = n;
    sweep.runs++;
    alarm(RUN_SECONDS);
    if (!L || !run_script(L, 1, &sweep.scenario)) {
        complain("the scenario does not load");
    } else {
        arm(n, count);
        int status = lua_pcall(L, 0, 1, 0);
        disarm();
        judge(L, status);
    }
    unsigned long hits = failed;
    if (L)
        lua_close(L);
    alarm(0);
    settle(held);
    if (lua_bytes != 0)
        complain("Lua's memory leaks");
    if (blocks != held)
        complain("lunapost's memory leaks");
    lua_bytes = 0;
    return hits > 0;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* How many allocations a run makes, and how long it takes. The first run
   also lets OpenSSL set up what it keeps for good. */
static void measure(void)
{
    sweep.way = "none";
    run_once(0, 0);
    arm(0, 0);
    double start = now();
    run_once(0, 0);
    sweep.seconds = now() - start;
    sweep.total = seen;
}

static void fail_each(const char *way, unsigned long count, double seconds)
{
    double each = sweep.seconds > 1e-6 ? sweep.seconds : 1e-6;
    double room = seconds / each;
    unsigned long step = 1, n = 1, runs = sweep.runs;
    if ((double)sweep.total > room)
        step = (unsigned long)((double)sweep.total / room) + 1;
    double end = now() + 2 * seconds;
    sweep.way = way;
    while (run_once(n, count) && !sweep.bad && now() < end)
        n += n < 64 ? 1 : step;
    printf("%-36s %-10s %6lu runs, step %lu, to allocation %lu\n",
           sweep.scenario, way, sweep.runs - runs, step, n);
    fflush(stdout);
}

static int torture(double seconds, char *program, char *scenario)
{
    sweep.program = program;
    sweep.scenario = scenario;
    signal(SIGALRM, hung);
    signal(SIGPIPE, SIG_IGN);
    measure();
    if (sweep.bad)
        return 1;
    fail_each("one", 1, seconds / 3);
    if (!sweep.bad)
        fail_each("two", 2, seconds / 3);
    if (!sweep.bad)
        fail_each("the rest", 0, seconds / 3);
    printf("%-36s %lu of %lu runs ended with an error\n", scenario,
           sweep.refused, sweep.runs);
    return sweep.bad ? 1 : 0;
}

int main(int argc, char **argv)
{
    const char *gc = NULL;
    if (argc == 4 && strcmp(argv[1], "--torture") == 0) {
        CRYPTO_set_mem_functions(ssl_malloc, ssl_realloc, ssl_free);
        return torture(atof(argv[2]), argv[0], argv[3]);
    }
    if (argc > 3 && strcmp(argv[1], "--gc") == 0) {
        gc = argv[2];
        argv[2] = argv[0];
        argc -= 2;
        argv += 2;
    }
    if (argc < 2) {
        fputs("usage: lua [--gc MODE] SCRIPT [ARG...]\n"
              "       lua --torture SECONDS SCENARIO.lua\n",
              stderr);
        return 64;
    }
    return interpret(gc, argc - 1, argv + 1);
}
