/*
 * gmime_peer - messages as GMime reads and writes them, for the interop specs
 *
 *   gmime_peer read FILE...    prints a line of JSON for each message
 *   gmime_peer write SHAPES    writes SHAPES.1, SHAPES.2 ... (see shapes.lua)
 */
#include <fcntl.h>
#include <gmime/gmime.h>
#include <stdio.h>
#include <string.h>

static void put_json(const char *s)
{
    if (!s) {
        fputs("null", stdout);
        return;
    }
    putchar('"');
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c < 32 || c == '"' || c == '\\')
            printf("\\u%04x", c);
        else
            putchar(c);
    }
    putchar('"');
}

/* GMime leaves the line ends of folds in names. */
static void put_name(const char *words)
{
    char *name = g_strdup(words ? words : ""), *to = name;
    for (const char *p = name; *p; p++)
        if (*p != '\r' && *p != '\n')
            *to++ = *p;
    *to = '\0';
    put_json(name);
    g_free(name);
}

static void put_addresses(const char *name, InternetAddressList *list)
{
    int n = list ? internet_address_list_length(list) : 0;
    printf(",\"%s\":[", name);
    for (int i = 0; i < n; i++) {
        InternetAddress *one = internet_address_list_get_address(list, i);
        fputs(i ? ",[" : "[", stdout);
        put_name(internet_address_get_name(one));
        putchar(',');
        put_json(
            internet_address_mailbox_get_addr(INTERNET_ADDRESS_MAILBOX(one)));
        putchar(']');
    }
    putchar(']');
}

static void put_leaf(GMimePart *part, int *count)
{
    GMimeContentType *type = g_mime_object_get_content_type(GMIME_OBJECT(part));
    GMimeStream *stream = g_mime_stream_mem_new();
    GMimeDataWrapper *content = g_mime_part_get_content(part);
    if (content)
        g_mime_data_wrapper_write_to_stream(content, stream);
    GByteArray *octets =
        g_mime_stream_mem_get_byte_array(GMIME_STREAM_MEM(stream));
    char *sha = g_compute_checksum_for_data(G_CHECKSUM_SHA256, octets->data,
                                            octets->len);
    char *name = g_mime_content_type_get_mime_type(type);
    fputs((*count)++ ? ",{\"type\":" : "{\"type\":", stdout);
    put_json(name);
    fputs(",\"name\":", stdout);
    put_json(g_mime_part_get_filename(part));
    fputs(",\"id\":", stdout);
    put_json(g_mime_part_get_content_id(part));
    fputs(",\"sha\":", stdout);
    put_json(sha);
    putchar('}');
    g_free(name);
    g_free(sha);
    g_object_unref(stream);
}

static void each_part(GMimeObject *parent, GMimeObject *part, gpointer count)
{
    (void)parent;
    if (GMIME_IS_MESSAGE_PART(part))
        g_mime_message_foreach(
            g_mime_message_part_get_message(GMIME_MESSAGE_PART(part)),
            each_part, count);
    else if (GMIME_IS_PART(part))
        put_leaf(GMIME_PART(part), count);
}

static int read_one(const char *path)
{
    int count = 0;
    GMimeStream *stream = g_mime_stream_fs_open(path, 0, 0, NULL);
    GMimeParser *parser = g_mime_parser_new_with_stream(stream);
    GMimeMessage *message = g_mime_parser_construct_message(parser, NULL);
    if (!message)
        return 1;
    fputs("{\"subject\":", stdout);
    put_json(g_mime_message_get_subject(message));
    put_addresses("from", g_mime_message_get_from(message));
    put_addresses("to", g_mime_message_get_to(message));
    fputs(",\"leaves\":[", stdout);
    g_mime_message_foreach(message, each_part, &count);
    puts("]}");
    g_object_unref(message);
    g_object_unref(parser);
    g_object_unref(stream);
    return 0;
}

/* Shapes: lines of words, base64 but for the first; "-" is nothing. */
struct shape {
    GMimeMessage *message;
    GMimeMultipart *mixed;
};

static char *word(char **line, size_t *n)
{
    char *text = strsep(line, " ");
    size_t size = 0;
    if (!text || !strcmp(text, "-"))
        return NULL;
    char *octets = (char *)g_base64_decode(text, &size);
    char *out = g_malloc0(size + 1);
    memcpy(out, octets, size);
    g_free(octets);
    if (n)
        *n = size;
    return out;
}

static void add_part(struct shape *s, char *line, const char *disposition)
{
    size_t n = 0;
    char *type = word(&line, NULL), *name = word(&line, NULL);
    char *id = word(&line, NULL), *data = word(&line, &n);
    GMimeContentType *kind = g_mime_content_type_parse(NULL, type);
    GMimePart *part = g_mime_part_new();
    GMimeStream *stream =
        g_mime_stream_mem_new_with_buffer(data ? data : "", n);
    GMimeDataWrapper *content = g_mime_data_wrapper_new_with_stream(
        stream, GMIME_CONTENT_ENCODING_DEFAULT);
    g_mime_object_set_content_type(GMIME_OBJECT(part), kind);
    g_mime_part_set_content(part, content);
    g_mime_part_set_content_encoding(part, GMIME_CONTENT_ENCODING_BASE64);
    if (disposition)
        g_mime_object_set_disposition(GMIME_OBJECT(part), disposition);
    if (name)
        g_mime_part_set_filename(part, name);
    if (id)
        g_mime_object_set_content_id(GMIME_OBJECT(part), id);
    g_mime_multipart_add(s->mixed, GMIME_OBJECT(part));
}

static void add_mailbox(struct shape *s, char *line, GMimeAddressType type)
{
    char *name = word(&line, NULL), *address = word(&line, NULL);
    g_mime_message_add_mailbox(s->message, type, name, address);
}

static void finish(struct shape *s, const char *path, int number)
{
    char *name = g_strdup_printf("%s.%d", path, number);
    GMimeStream *stream =
        g_mime_stream_fs_open(name, O_CREAT | O_TRUNC | O_WRONLY, 0600, NULL);
    g_mime_message_set_mime_part(s->message, GMIME_OBJECT(s->mixed));
    g_mime_object_write_to_stream(GMIME_OBJECT(s->message), NULL, stream);
    g_mime_stream_close(stream);
    g_free(name);
}

static int write_all(const char *path)
{
    char *text, *line, *verb;
    struct shape s = {NULL, NULL};
    int number = 0;
    if (!g_file_get_contents(path, &text, NULL, NULL))
        return 1;
    while ((line = strsep(&text, "\n")) && (verb = strsep(&line, " "))) {
        if (!strcmp(verb, "message")) {
            s.message = g_mime_message_new(TRUE);
            s.mixed = g_mime_multipart_new_with_subtype("mixed");
        } else if (!strcmp(verb, "subject"))
            g_mime_message_set_subject(s.message, word(&line, NULL), "utf-8");
        else if (!strcmp(verb, "from"))
            add_mailbox(&s, line, GMIME_ADDRESS_TYPE_FROM);
        else if (!strcmp(verb, "to"))
            add_mailbox(&s, line, GMIME_ADDRESS_TYPE_TO);
        else if (!strcmp(verb, "body"))
            add_part(&s, line, NULL);
        else if (!strcmp(verb, "inline"))
            add_part(&s, line, "inline");
        else if (!strcmp(verb, "attach"))
            add_part(&s, line, "attachment");
        else if (!strcmp(verb, "end"))
            finish(&s, path, ++number);
    }
    return 0;
}

int main(int argc, char **argv)
{
    int failures = 0;
    g_mime_init();
    if (argc > 2 && !strcmp(argv[1], "write"))
        return write_all(argv[2]);
    for (int i = 2; i < argc; i++)
        failures += read_one(argv[i]);
    return failures;
}
