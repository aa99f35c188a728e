/*
 * mime_known - frequent types and encodings; see mime_known.h
 */
#include "mime_known.h"

#define TYPE(type, subtype)                                                    \
    {                                                                          \
        sizeof(type) - 1, sizeof(subtype) - 1, type "/" subtype                \
    }

static const struct {
    size_t type, subtype; /* lengths */
    const char *name;
} types[MIME_TYPES] = {
    {0, 0, NULL},
    TYPE("text", "plain"),
    TYPE("message", "rfc822"),
    TYPE("text", "html"),
    TYPE("multipart", "mixed"),
    TYPE("multipart", "alternative"),
    TYPE("multipart", "related"),
    TYPE("multipart", "signed"),
    TYPE("multipart", "report"),
    TYPE("multipart", "digest"),
    TYPE("application", "octet-stream"),
    TYPE("application", "pdf"),
    TYPE("application", "pgp-signature"),
    TYPE("application", "pkcs7-signature"),
    TYPE("application", "x-pkcs7-signature"),
    TYPE("image", "gif"),
    TYPE("image", "jpeg"),
    TYPE("image", "png"),
    TYPE("message", "delivery-status"),
    TYPE("text", "calendar"),
    TYPE("text", "csv"),
    TYPE("text", "rfc822-headers"),
    TYPE("text", "enriched"),
    TYPE("text", "richtext"),
};

#define CODING(name)                                                           \
    {                                                                          \
        name, sizeof(name) - 1                                                 \
    }

static const struct span codings[MIME_CODING_UNKNOWN] = {
    CODING("7bit"),       CODING("7bit"),     CODING("8bit"),
    CODING("binary"),     CODING("base64"),   CODING("quoted-printable"),
    CODING("x-uuencode"), CODING("uuencode"), CODING("x-uue"),
};

static bool is_type(const struct media *m, unsigned i)
{
    size_t n = types[i].type;
    return m->subtype.n == types[i].subtype && m->type.n == n &&
           span_ieq(m->type, span_of(types[i].name, n)) &&
           span_ieq(m->subtype, span_of(types[i].name + n + 1, m->subtype.n));
}

enum mime_type mime_known_type(const struct media *m)
{
    for (unsigned i = 1; i < MIME_TYPES; i++)
        if (is_type(m, i))
            return (enum mime_type)i;
    return MIME_TYPE_OTHER;
}

enum mime_type mime_known_name(struct span name, struct media *m)
{
    for (unsigned i = 1; i < MIME_TYPES; i++) {
        size_t n = types[i].type;
        if (name.n != n + 1 + types[i].subtype ||
            !span_ieq(name, span_of(types[i].name, name.n)))
            continue;
        m->type = span_of(name.p, n);
        m->subtype = span_of(name.p + n + 1, types[i].subtype);
        return (enum mime_type)i;
    }
    return MIME_TYPE_OTHER;
}

enum mime_coding mime_known_coding(struct span word)
{
    for (unsigned i = MIME_CODING_7BIT; i < MIME_CODING_UNKNOWN; i++)
        if (span_ieq(word, codings[i]))
            return (enum mime_coding)i;
    return word.n ? MIME_CODING_UNKNOWN : MIME_CODING_NONE;
}

const char *mime_type_name(unsigned type)
{
    return types[type].name;
}

const char *mime_coding_name(unsigned coding)
{
    return codings[coding].p;
}

bool mime_coding_changes(enum mime_coding coding)
{
    return coding >= MIME_CODING_BASE64 && coding < MIME_CODING_UNKNOWN;
}
