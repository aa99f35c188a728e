/*
 * mime_known - the types and transfer encodings that most parts have, by
 * number
 *
 * So that a reader of many parts compares numbers, not names. 0 is any other
 * type, and the encoding of a part that names none.
 *
 * Owns: nothing. Fails with: nothing. I/O: none.
 */
#ifndef CORE_MIME_KNOWN_H
#define CORE_MIME_KNOWN_H

#include "media.h"

enum mime_type {
    MIME_TYPE_OTHER,
    MIME_TYPE_PLAIN,   /* the default, RFC 2045 5.2 */
    MIME_TYPE_MESSAGE, /* of parts of a digest, RFC 2046 5.1.5 */
    MIME_TYPES = 24
};

/* clang-format off */
enum mime_coding {
    MIME_CODING_NONE, MIME_CODING_7BIT, MIME_CODING_8BIT, MIME_CODING_BINARY,
    MIME_CODING_BASE64, MIME_CODING_QUOTED, MIME_CODING_UU, /* three names */
    MIME_CODING_UNKNOWN = MIME_CODING_UU + 3
};
/* clang-format on */

INTERNAL enum mime_type mime_known_type(const struct media *m);

/* Of "text/plain" with nothing around it, which it splits where it is known. */
INTERNAL enum mime_type mime_known_name(struct span name, struct media *m);
INTERNAL enum mime_coding mime_known_coding(struct span word);

/* "text/plain" of a number below MIME_TYPES; NULL where there is none. */
INTERNAL const char *mime_type_name(unsigned type);

/* "base64" of a number below MIME_CODING_UNKNOWN. */
INTERNAL const char *mime_coding_name(unsigned coding);

/* Does it change the octets? */
INTERNAL bool mime_coding_changes(enum mime_coding coding);

#endif
