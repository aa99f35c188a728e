/*
 * defect - what a reader of messages repairs or passes over; see defect.h
 */
#include "defect.h"

static const struct {
    short number;
    short severity;
    const char *text;
} defects[] = {
    {DEFECT_FIELD_FIRST, DEFECT_INTEROPERABILITY,
     "the header begins with a continuation line"},
    {DEFECT_FIELD_COLON, DEFECT_INTEROPERABILITY,
     "a line between header fields is no field"},
    {DEFECT_HEADER_END, DEFECT_INTEROPERABILITY,
     "no empty line ends the header"},
    {DEFECT_MBOX_LINE, DEFECT_HARMLESS,
     "an mbox \"From \" line stands before the header"},
    {DEFECT_BYTE_MARK, DEFECT_HARMLESS,
     "a byte order mark stands before the header"},
    {DEFECT_NUL, DEFECT_ATTACK, "a header field holds NUL"},
    {DEFECT_DATE, DEFECT_INTEROPERABILITY, "the date cannot be read"},
    {DEFECT_ADDRESS, DEFECT_INTEROPERABILITY, "an address list is malformed"},
    {DEFECT_WORD, DEFECT_INTEROPERABILITY, "an encoded word cannot be decoded"},
    {DEFECT_PARAM, DEFECT_INTEROPERABILITY, "a parameter is malformed"},
    {DEFECT_TYPE, DEFECT_INTEROPERABILITY,
     "Content-Type cannot be read; the default is taken"},
    {DEFECT_TYPE_REPEATED, DEFECT_ATTACK,
     "Content-Type is given again; the first one is taken"},
    {DEFECT_BOUNDARY_MISSING, DEFECT_INTEROPERABILITY,
     "a multipart names no boundary"},
    {DEFECT_BOUNDARY_UNUSED, DEFECT_INTEROPERABILITY,
     "the boundary of a multipart never occurs"},
    {DEFECT_BOUNDARY_UNCLOSED, DEFECT_INTEROPERABILITY,
     "a multipart is not closed by its boundary"},
    {DEFECT_BOUNDARY_LONG, DEFECT_INTEROPERABILITY,
     "a boundary is longer than 70 characters"},
    {DEFECT_ENCODED_PARTS, DEFECT_INTEROPERABILITY,
     "a multipart is marked as encoded, which it cannot be"},
    {DEFECT_REPORT, DEFECT_INTEROPERABILITY,
     "a report lacks a field that it must have"},
    {DEFECT_EXTERNAL, DEFECT_INTEROPERABILITY,
     "a message/external-body does not say where the body is"},
    {DEFECT_ENCODING, DEFECT_INTEROPERABILITY,
     "the Content-Transfer-Encoding is unknown"},
    {DEFECT_BASE64, DEFECT_INTEROPERABILITY, "the base64 body is damaged"},
    {DEFECT_QUOTED, DEFECT_HARMLESS,
     "the quoted-printable body has malformed escapes"},
    {DEFECT_CHARSET, DEFECT_INTEROPERABILITY, "the charset is unknown"},
    {DEFECT_TEXT, DEFECT_INTEROPERABILITY,
     "the text has bytes that its charset does not have"},
    {DEFECT_UUENCODE, DEFECT_INTEROPERABILITY, "the uuencoded body is damaged"},
    {DEFECT_UNANNOUNCED, DEFECT_INTEROPERABILITY,
     "8-bit octets came without BODY=8BITMIME"},
    {DEFECT_LIMIT_DEPTH, DEFECT_ATTACK,
     "parts are nested too deep; this one is kept whole"},
    {DEFECT_LIMIT_PARTS, DEFECT_ATTACK,
     "there are too many parts; the rest is kept raw"},
    {DEFECT_LIMIT_HEADER, DEFECT_ATTACK,
     "a header is too long; the rest of it is kept raw"},
    {DEFECT_LIMIT_FIELDS, DEFECT_ATTACK,
     "a header has too many fields; the rest of it is kept raw"},
    {DEFECT_LIMIT_ADDRESSES, DEFECT_ATTACK,
     "a field has too many addresses; the rest is kept raw"},
    {DEFECT_LIMIT_PARAMS, DEFECT_ATTACK,
     "a field has too many parameters; the rest is kept raw"},
};

static size_t find(int number)
{
    size_t i = 0, n = sizeof defects / sizeof defects[0];
    while (i < n && defects[i].number != number)
        i++;
    return i;
}

const char *defect_text(int number)
{
    size_t i = find(number);
    return i < sizeof defects / sizeof defects[0] ? defects[i].text
                                                  : "unknown defect";
}

enum defect_severity defect_severity(int number)
{
    size_t i = find(number);
    return i < sizeof defects / sizeof defects[0]
               ? (enum defect_severity)defects[i].severity
               : DEFECT_HARMLESS;
}
