/*
 * charset_name - what senders call their charsets; see charset_name.h
 */
#include "charset_name.h"

#include "ascii.h"

#define U8    CHARSET_NAME_UTF8
#define ASCII CHARSET_NAME_ASCII
#define W1252 CHARSET_NAME_1252
#define U7    CHARSET_NAME_UTF7
#define JP    CHARSET_NAME_JP
#define HZ    CHARSET_NAME_HZ

/* name: lower case; read, write: what iconv is asked for, NULL: the name */
struct alias {
    const char *name;
    const char *read;
    const char *write;
};

/* clang-format off */
static const struct alias aliases[] = {
    {"utf-8", U8, U8}, {"utf8", U8, U8}, {"utf_8", U8, U8},
    {"cp65001", U8, U8}, {"x-utf-8", U8, U8}, {"utf-8-sig", U8, U8},
    {"unicode-1-1-utf-8", U8, U8}, {"x-unicode20utf8", U8, U8},
    {"us-ascii", ASCII, ASCII}, {"ascii", ASCII, ASCII},
    {"ansi_x3.4-1968", ASCII, ASCII}, {"iso646-us", ASCII, ASCII},
    {"ansi-x3.4-1968", ASCII, ASCII}, {"us", ASCII, ASCII},
    {"iso_646.irv:1991", ASCII, ASCII}, {"646", ASCII, ASCII},
    {"unknown-8bit", ASCII, NULL}, {"x-unknown", ASCII, NULL},
    {"unknown", ASCII, NULL}, {"default", ASCII, NULL},
    {"x-user-defined", ASCII, NULL}, {"8bit", ASCII, NULL},
    {"7bit", ASCII, NULL}, {"binary", ASCII, NULL},
    {"default_charset", ASCII, NULL}, {"none", ASCII, NULL},
    {"_autodetect", ASCII, NULL}, {"_autodetect_all", ASCII, NULL},
    {"iso-8859-1", W1252, NULL}, {"iso8859-1", W1252, NULL},
    {"iso_8859-1", W1252, NULL}, {"iso8859_1", W1252, "iso-8859-1"},
    {"iso_8859-1:1987", W1252, NULL}, {"iso88591", W1252, NULL},
    {"latin1", W1252, NULL}, {"latin-1", W1252, "iso-8859-1"},
    {"l1", W1252, NULL}, {"8859_1", W1252, NULL},
    {"cp1252", W1252, NULL}, {"windows-1252", W1252, NULL},
    {"x-cp1252", W1252, "cp1252"}, {"ansi", W1252, "cp1252"},
    {"x-ansi", W1252, "cp1252"}, {"cp-1252", W1252, "cp1252"},
    {"windows1252", W1252, "cp1252"}, {"win-1252", W1252, "cp1252"},
    {"iso-8859-8-i", "cp1255", "iso-8859-8"},
    {"iso-8859-8-e", "cp1255", "iso-8859-8"},
    {"iso-8859-9", "cp1254", NULL}, {"latin5", "cp1254", NULL},
    {"iso-8859-11", "cp874", NULL}, {"tis-620", "cp874", NULL},
    {"tis620", "cp874", NULL}, {"windows-874", "cp874", "cp874"},
    {"gb2312", "gb18030", NULL}, {"gbk", "gb18030", NULL},
    {"gb_2312-80", "gb18030", "gb2312"}, {"euc-cn", "gb18030", NULL},
    {"x-gbk", "gb18030", "gbk"}, {"cp936", "gb18030", NULL},
    {"cn-gb", "gb18030", "gb2312"}, {"csgb2312", "gb18030", "gb2312"},
    {"ks_c_5601-1987", "cp949", "euc-kr"}, {"ksc5601", "cp949", "euc-kr"},
    {"ks_c_5601", "cp949", "euc-kr"}, {"ksc_5601", "cp949", "euc-kr"},
    {"ks_c_5601-1989", "cp949", "euc-kr"}, {"euc-kr", "cp949", NULL},
    {"euckr", "cp949", NULL}, {"ms949", "cp949", "cp949"},
    {"x-windows-949", "cp949", "cp949"}, {"korean", "cp949", "euc-kr"},
    {"shift_jis", "cp932", NULL}, {"shift-jis", "cp932", "shift_jis"},
    {"sjis", "cp932", NULL}, {"x-sjis", "cp932", "sjis"},
    {"ms_kanji", "cp932", NULL}, {"windows-31j", "cp932", NULL},
    {"cswindows31j", "cp932", "cp932"}, {"x-ms-cp932", "cp932", "cp932"},
    {"ms932", "cp932", "cp932"}, {"x-euc-jp", "euc-jp", "euc-jp"},
    {"iso-2022-jp", JP, NULL}, {"csiso2022jp", JP, NULL},
    {"iso-2022-jp-1", JP, JP}, {"iso-2022-jp-ms", JP, JP},
    {"cp50220", JP, JP}, {"cp50221", JP, JP}, {"cp50222", JP, JP},
    {"hz-gb-2312", HZ, ""}, {"hz", HZ, ""},
    {"big5", "big5-hkscs", NULL}, {"x-x-big5", "big5-hkscs", "big5"},
    {"cn-big5", "big5-hkscs", NULL}, {"big5hkscs", "big5-hkscs", NULL},
    {"x-mac-roman", "macintosh", "macintosh"},
    {"mac", "macintosh", NULL}, {"macroman", "macintosh", "macintosh"},
    {"x-mac-cyrillic", "mac-cyrillic", "mac-cyrillic"},
    {"koi8", "koi8-r", "koi8-r"}, {"koi", "koi8-r", "koi8-r"},
    {"koi8-ru", "koi8-u", "koi8-u"}, {"unicode-1-1-utf-7", U7, U7},
    {"csutf7", U7, U7}, {"x-unicode-2-0-utf-7", U7, U7}, {"utf7", U7, U7},
    /* glibc's let through what no UTF-8 has */
    {"ucs-4", "utf-32be", "utf-32be"}, {"ucs4", "utf-32be", "utf-32be"},
    {"ucs-4be", "utf-32be", "utf-32be"}, {"csucs4", "utf-32be", "utf-32be"},
    {"ucs-4le", "utf-32le", "utf-32le"}, {"iso-10646", "utf-32be", "utf-32be"},
    {"iso-10646-ucs-4", "utf-32be", "utf-32be"},
    {"10646-1:1993", "", ""}, {"osf00010104", "", ""},
    {"osf00010105", "", ""}, {"osf00010106", "", ""},
    /* not charsets of mail, but names that glibc knows */
    {"char", "", ""}, {"wchar_t", "", ""}, {"internal", "", ""},
};
/* clang-format on */

static bool name_lower(struct span charset, char *name)
{
    charset = span_trim(charset);
    if (charset.n > 2 && strchr("\"'", charset.p[0]) && charset.p[0])
        charset = span_of(charset.p + 1, charset.n - 2);
    if (charset.n == 0 || charset.n >= CHARSET_NAME_MOST)
        return false;
    for (size_t i = 0; i < charset.n; i++) {
        char c = ascii_lower(charset.p[i]);
        if (ascii_is(c, ASCII_LETDIG) || (c && strchr("-_.:", c)))
            *name++ = c;
        else if (!c || !strchr("+()", c)) /* which iconv passes over */
            return false;
    }
    *name = '\0';
    return true;
}

/* What to ask iconv for, or NULL. */
static const char *name_resolve(const char *name, bool writing)
{
    size_t n = sizeof aliases / sizeof aliases[0];
    for (size_t i = 0; i < n; i++) {
        if (name[0] != aliases[i].name[0] || strcmp(name, aliases[i].name) != 0)
            continue;
        if (!writing)
            name = aliases[i].read;
        else if (aliases[i].write)
            name = aliases[i].write;
        return name[0] ? name : NULL;
    }
    return name;
}

bool charset_name(struct span label, bool writing, char name[CHARSET_NAME_MOST])
{
    char label_name[CHARSET_NAME_MOST];
    const char *known = NULL;
    if (name_lower(label, label_name))
        known = name_resolve(label_name, writing);
    if (known)
        memcpy(name, known, strlen(known) + 1);
    return known != NULL;
}
