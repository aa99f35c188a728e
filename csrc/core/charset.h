/*
 * charset - conversion between charsets by the system's iconv
 *
 * Names are matched without regard to case. Reading, the usual mislabels
 * mean what senders mean by them, as in browsers: iso-8859-1 is
 * windows-1252, gb2312 is gb18030, ks_c_5601-1987 is cp949, shift_jis is
 * cp932. us-ascii, unknown-8bit and their like are read as UTF-8, what is
 * none byte for byte as windows-1252. Writing, names mean what they say.
 *
 * What is ill-formed becomes U+FFFD: in UTF-8 one for each maximal part of
 * a sequence (Unicode 3.9, as browsers and Python do).
 *
 * Owns: a stream its iconv descriptor. Fails with: ERR_CHARSET (unknown),
 * ERR_SYNTAX, ERR_MEMORY, ERR_LIMIT. I/O: none (iconv may load tables).
 */
#ifndef CORE_CHARSET_H
#define CORE_CHARSET_H

#include "buf.h"
#include "charset_name.h"
#include "charset_store.h"
#include "kernel.h"
#include "seven.h"
#include "utf7.h"

/* Appends the UTF-8 of bytes in a charset to out. Returns how many faults
   were replaced by U+FFFD, or read otherwise than labelled. store may be
   NULL. */
INTERNAL int charset_decode(struct buf *out, struct span charset,
                            struct span bytes, struct charset_store *store);

/* Appends the UTF-8 text in a charset to out. ERR_SYNTAX when the text is
   not UTF-8 or has a character that the charset lacks. */
INTERNAL int charset_encode(struct buf *out, struct span charset,
                            struct span text, struct charset_store *store);

INTERNAL bool charset_known(struct span charset);

/* Length of the well-formed UTF-8 sequence at the head of s, or 0. */
INTERNAL size_t charset_utf8(struct span s);

/* True when all of s is well-formed UTF-8. */
INTERNAL bool charset_is_utf8(struct span s);

/* The same, for what may be long. */
INTERNAL bool charset_is_utf8_by(const struct kernel *kernel, struct span s);

/* Length of the run of ASCII at the head of s. */
INTERNAL size_t charset_ascii_run(struct span s);

/* The same in steps: any split of the input gives the same bytes. */
enum charset_kind {
    CHARSET_UTF8,
    CHARSET_ASCII,
    CHARSET_1252,
    CHARSET_UTF7, /* reading only */
    CHARSET_ICONV,
    CHARSET_SEVEN /* iconv behind seven.h */
};

struct charset_stream {
    struct charset_store *store;  /* where descriptors come from and go to */
    char name[CHARSET_NAME_MOST]; /* as iconv knows it */
    void *cd;    /* iconv_t; NULL for the kinds that need none */
    void *spare; /* iconv_t for characters that cd lacks; opened with need */
    enum charset_kind kind;
    bool writing;
    struct seven seven;
    struct utf7 utf7;
    bool passes;   /* cp949: glibc is behind one of its faults */
    unsigned unit; /* bytes to skip where input is ill-formed */
    unsigned char held[16];
    unsigned held_n; /* a sequence that waits for its end */
    size_t faults;   /* reading: how many were replaced */
};

/* Open reads bytes in a charset, or writes text in it. A failed open needs
   no free; free may run twice and on a zeroed struct. A store, or NULL, has
   to live until free. */
INTERNAL int charset_open(struct charset_stream *s, struct span charset,
                          bool writing, struct charset_store *store);
INTERNAL int charset_step(struct charset_stream *s, struct span in,
                          struct buf *out);
INTERNAL int charset_finish(struct charset_stream *s, struct buf *out);
INTERNAL void charset_free(struct charset_stream *s);

#endif
