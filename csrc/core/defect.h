/*
 * defect - what a reader of messages repairs or passes over
 *
 * Reading never fails on bytes; it notes. Numbers are stable: new ones go to
 * the end of their group.
 *
 * Owns: nothing. Fails with: nothing. I/O: none.
 */
#ifndef CORE_DEFECT_H
#define CORE_DEFECT_H

#include <stdint.h>

#include "span.h"

enum defect_number {
    /* header */
    DEFECT_FIELD_FIRST = 101, /* the first line continues nothing */
    DEFECT_FIELD_COLON = 102, /* a line without a colon between fields */
    DEFECT_HEADER_END = 103,  /* no empty line behind the header */
    DEFECT_MBOX_LINE = 104,   /* a "From " line before the header */
    DEFECT_BYTE_MARK = 105,   /* a UTF-8 byte order mark before it */
    DEFECT_NUL = 106,         /* NUL in a field */
    DEFECT_DATE = 107,
    DEFECT_ADDRESS = 108,
    DEFECT_WORD = 109,  /* an encoded word that cannot be decoded */
    DEFECT_PARAM = 110, /* a parameter repaired or dropped */
    /* structure */
    DEFECT_TYPE = 201,
    DEFECT_TYPE_REPEATED = 202,
    DEFECT_BOUNDARY_MISSING = 203,  /* no boundary parameter */
    DEFECT_BOUNDARY_UNUSED = 204,   /* no line has it */
    DEFECT_BOUNDARY_UNCLOSED = 205, /* no closing one */
    DEFECT_BOUNDARY_LONG = 206,     /* longer than 70, RFC 2046 5.1.1 */
    DEFECT_ENCODED_PARTS = 207,     /* base64 or the like around parts */
    DEFECT_REPORT = 208,            /* it lacks a field that it must have */
    DEFECT_EXTERNAL = 209,          /* it does not say where the body is */
    /* bodies, found when they are decoded */
    DEFECT_ENCODING = 301, /* an unknown Content-Transfer-Encoding */
    DEFECT_BASE64 = 302,
    DEFECT_QUOTED = 303,
    DEFECT_CHARSET = 304, /* an unknown charset */
    DEFECT_TEXT = 305,    /* bytes that the charset does not have */
    DEFECT_UUENCODE = 306,
    DEFECT_UNANNOUNCED = 307, /* 8-bit octets without BODY=8BITMIME */
    /* limits: what lies behind is kept as raw bytes */
    DEFECT_LIMIT_DEPTH = 401,
    DEFECT_LIMIT_PARTS = 402,
    DEFECT_LIMIT_HEADER = 403,
    DEFECT_LIMIT_FIELDS = 404,
    DEFECT_LIMIT_ADDRESSES = 405,
    DEFECT_LIMIT_PARAMS = 406
};

enum defect_severity {
    DEFECT_HARMLESS,
    DEFECT_INTEROPERABILITY, /* other readers may see something else */
    DEFECT_ATTACK            /* the shape of known attacks */
};

struct defect {
    enum defect_number number;
    uint64_t at; /* offset in the message */
};

/* Static text; any number is allowed. */
INTERNAL const char *defect_text(int number);
INTERNAL enum defect_severity defect_severity(int number);

#endif
