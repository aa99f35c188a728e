/*
 * gmime - GMime's codecs, for cross-checks and beside ours in the benchmark
 *
 * Usage: gmime OP < records > results
 *        gmime OP FILE SECONDS
 *
 * A record is its length in digits, LF, and its bytes; a result is the same,
 * or "-1" and LF where GMime refuses. With a FILE the work on it is done
 * again and again for at least so many seconds of processor time, into
 * memory that is there already, and the seconds that one call takes are
 * printed.
 */
#include <gmime/gmime.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct bytes {
    char *p;
    size_t n;
};

/* What an operation writes to: enough for any. */
static size_t room_for(size_t n)
{
    return n * 8 + 4096;
}

static size_t encode(GMimeContentEncoding kind, struct bytes in, char *out)
{
    GMimeEncoding state;
    g_mime_encoding_init_encode(&state, kind);
    return g_mime_encoding_flush(&state, in.p, in.n, out);
}

static size_t decode(GMimeContentEncoding kind, struct bytes in, char *out)
{
    GMimeEncoding state;
    g_mime_encoding_init_decode(&state, kind);
    return g_mime_encoding_step(&state, in.p, in.n, out);
}

static long base64(struct bytes in, char *out)
{
    return (long)encode(GMIME_CONTENT_ENCODING_BASE64, in, out);
}

static long unbase64(struct bytes in, char *out)
{
    return (long)decode(GMIME_CONTENT_ENCODING_BASE64, in, out);
}

static long qp(struct bytes in, char *out)
{
    return (long)encode(GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE, in, out);
}

static long unqp(struct bytes in, char *out)
{
    return (long)decode(GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE, in, out);
}

static long uu(struct bytes in, char *out)
{
    return (long)encode(GMIME_CONTENT_ENCODING_UUENCODE, in, out);
}

static long unuu(struct bytes in, char *out)
{
    return (long)decode(GMIME_CONTENT_ENCODING_UUENCODE, in, out);
}

static long take(char *text, char *out)
{
    size_t n = text ? strlen(text) : 0;
    if (!text)
        return -1;
    memcpy(out, text, n);
    g_free(text);
    return (long)n;
}

static long word(struct bytes in, char *out)
{
    return take(g_mime_utils_header_encode_text(NULL, in.p, "utf-8"), out);
}

static long phrase(struct bytes in, char *out)
{
    return take(g_mime_utils_header_encode_phrase(NULL, in.p, "utf-8"), out);
}

static long unword(struct bytes in, char *out)
{
    return take(g_mime_utils_header_decode_text(NULL, in.p), out);
}

static long unphrase(struct bytes in, char *out)
{
    return take(g_mime_utils_header_decode_phrase(NULL, in.p), out);
}

/* "; filename=value" folded, as it stands in a field. */
static long param(struct bytes in, char *out)
{
    GMimeParamList *list = g_mime_param_list_new();
    GString *text = g_string_new(NULL);
    g_mime_param_list_set_parameter(list, "filename", in.p);
    g_mime_param_list_encode(list, NULL, TRUE, text);
    g_object_unref(list);
    return take(g_string_free(text, FALSE), out);
}

/* The value of "filename" in what stands behind the first ";". */
static long unparam(struct bytes in, char *out)
{
    GMimeParamList *list = g_mime_param_list_parse(NULL, in.p);
    GMimeParam *found =
        list ? g_mime_param_list_get_parameter(list, "filename") : NULL;
    long n = found ? take(g_strdup(g_mime_param_get_value(found)), out) : -1;
    if (list)
        g_object_unref(list);
    return n;
}

static const struct {
    const char *name;
    long (*run)(struct bytes in, char *out);
} operations[] = {
    {"base64", base64}, {"unbase64", unbase64},
    {"qp", qp},         {"unqp", unqp},
    {"uu", uu},         {"unuu", unuu},
    {"word", word},     {"phrase", phrase},
    {"unword", unword}, {"unphrase", unphrase},
    {"param", param},   {"unparam", unparam},
    {NULL, NULL},
};

static char *room(size_t n)
{
    char *p = malloc(n);
    if (!p)
        exit(2);
    memset(p, 0, n);
    return p;
}

static int answer(long (*run)(struct bytes, char *))
{
    struct bytes in = {NULL, 0};
    while (scanf("%zu", &in.n) == 1 && getchar() == '\n') {
        in.p = room(in.n + 1);
        char *out = room(room_for(in.n));
        if (fread(in.p, 1, in.n, stdin) != in.n)
            return 2;
        long n = run(in, out);
        printf("%ld\n", n);
        if (n > 0)
            fwrite(out, 1, (size_t)n, stdout);
        free(in.p);
        free(out);
    }
    return feof(stdin) ? 0 : 2;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int measure(long (*run)(struct bytes, char *), const char *path,
                   double seconds)
{
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0)
        return 2;
    struct bytes in = {NULL, (size_t)ftell(file)};
    rewind(file);
    in.p = room(in.n + 1);
    char *out = room(room_for(in.n));
    if (fread(in.p, 1, in.n, file) != in.n)
        return 2;
    fclose(file);
    run(in, out);
    long calls = 0;
    double start = now(), took;
    do {
        run(in, out);
        calls++;
        took = now() - start;
    } while (took < seconds);
    printf("%.12f\n", took / (double)calls);
    return 0;
}

int main(int n, char **arguments)
{
    g_mime_init();
    for (size_t i = 0; n > 1 && operations[i].name; i++)
        if (strcmp(arguments[1], operations[i].name) == 0)
            return n > 3 ? measure(operations[i].run, arguments[2],
                                   atof(arguments[3]))
                         : answer(operations[i].run);
    fputs("usage: gmime OP [FILE SECONDS]\n", stderr);
    return 2;
}
