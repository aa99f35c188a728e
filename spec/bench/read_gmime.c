/*
 * read_gmime - GMime beside spec/bench/read.lua, with the same arguments:
 * full|headers MS CHECKFILE FILE...
 *
 * GMime has no call that reads a header only: in headers it is handed the
 * header block alone.
 */
#define _GNU_SOURCE
#include <gmime/gmime.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct bytes {
    guint8 *p;
    size_t n;
};

struct tally {
    unsigned long leaves, size;
    FILE *check;
    bool first;
};

static guint32 crc32(const guint8 *p, size_t n)
{
    guint32 c = ~(guint32)0;
    while (n--) {
        c ^= *p++;
        for (int k = 0; k < 8; k++)
            c = c & 1 ? c >> 1 ^ 0xedb88320u : c >> 1;
    }
    return ~c;
}

static void read_text(GMimeObject *part, struct tally *t)
{
    char *text = g_mime_text_part_get_text((GMimeTextPart *)part);
    t->leaves++;
    t->size += text ? strlen(text) : 0;
    g_free(text);
}

static void read_octets(GMimeObject *part, struct tally *t)
{
    GMimeStream *stream = g_mime_stream_mem_new();
    GMimeDataWrapper *content = g_mime_part_get_content((GMimePart *)part);
    if (content)
        g_mime_data_wrapper_write_to_stream(content, stream);
    GByteArray *a = g_mime_stream_mem_get_byte_array((GMimeStreamMem *)stream);
    t->leaves++;
    t->size += a->len;
    if (t->check) {
        fprintf(t->check, "%s%u:%08x", t->first ? "" : ",", a->len,
                crc32(a->data, a->len));
        t->first = false;
    }
    g_object_unref(stream);
}

static void read_part(GMimeObject *parent, GMimeObject *part, gpointer user)
{
    struct tally *t = user;
    (void)parent;
    if (GMIME_IS_TEXT_PART(part))
        read_text(part, t);
    else if (GMIME_IS_PART(part))
        read_octets(part, t);
    else if (GMIME_IS_MESSAGE_PART(part)) {
        GMimeMessage *m =
            g_mime_message_part_get_message((GMimeMessagePart *)part);
        if (m)
            g_mime_message_foreach(m, read_part, t);
    }
}

static size_t header_size(struct bytes b)
{
    const guint8 *end = memmem(b.p, b.n, "\r\n\r\n", 4);
    if (end)
        return (size_t)(end - b.p) + 4;
    end = memmem(b.p, b.n, "\n\n", 2);
    return end ? (size_t)(end - b.p) + 2 : b.n;
}

static void read_message(struct bytes b, bool full, struct tally *t)
{
    GByteArray *array = g_byte_array_new_take(b.p, full ? b.n : header_size(b));
    GMimeStream *stream = g_mime_stream_mem_new();
    g_mime_stream_mem_set_byte_array((GMimeStreamMem *)stream, array);
    GMimeParser *parser = g_mime_parser_new_with_stream(stream);
    GMimeMessage *m = g_mime_parser_construct_message(parser, NULL);
    t->first = true;
    if (m) {
        (void)g_mime_message_get_subject(m);
        (void)g_mime_message_get_date(m);
        (void)internet_address_list_length(g_mime_message_get_from(m));
        (void)internet_address_list_length(g_mime_message_get_to(m));
        if (full)
            g_mime_message_foreach(m, read_part, t);
        g_object_unref(m);
    }
    if (t->check)
        fputc('\n', t->check);
    g_object_unref(parser);
    g_object_unref(stream);
    g_byte_array_free(array, FALSE);
}

static struct bytes load(const char *name)
{
    struct bytes b = {NULL, 0};
    FILE *f = fopen(name, "rb");
    if (!f || fseek(f, 0, SEEK_END) != 0)
        exit(2);
    b.n = (size_t)ftell(f);
    b.p = malloc(b.n + 1);
    rewind(f);
    if (!b.p || fread(b.p, 1, b.n, f) != b.n)
        exit(2);
    fclose(f);
    return b;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

int main(int argc, char **argv)
{
    struct tally t = {0, 0, NULL, true};
    if (argc < 5)
        return 2;
    bool full = strcmp(argv[1], "full") == 0;
    int n = argc - 4;
    struct bytes *all = malloc((size_t)n * sizeof *all);
    g_mime_init();
    for (int i = 0; i < n; i++)
        all[i] = load(argv[4 + i]);
    if (strcmp(argv[3], "-") != 0)
        t.check = fopen(argv[3], "w");
    for (int i = 0; i < n; i++)
        read_message(all[i], full, &t);
    if (t.check)
        fclose(t.check);
    t.check = NULL;
    unsigned long rounds = 0;
    double start = now(), took;
    do {
        t.leaves = t.size = 0;
        for (int i = 0; i < n; i++)
            read_message(all[i], full, &t);
        rounds++;
        took = now() - start;
    } while (took < atof(argv[2]) * 1e6);
    printf("%lu %.0f %lu %lu\n", rounds, took, t.leaves, t.size);
    return 0;
}
