/*
 * scan - what a body is made of, in one pass
 *
 * From this its transfer encoding is chosen (RFC 2045 6, RFC 5321 4.5.3.1.6)
 * and its size on the wire is known beforehand. Any split of the input
 * gives the same answers.
 *
 * Owns: nothing. Fails with: nothing. I/O: none.
 */
#ifndef CORE_SCAN_H
#define CORE_SCAN_H

#include "kernel.h"
#include "span.h"

struct scan {                    /* ready when zeroed */
    const struct kernel *kernel; /* NULL: kernel_scalar */
    size_t size;                 /* bytes seen */
    size_t lines;                /* line ends of any kind */
    size_t longest;   /* longest line, without its end, once finished */
    size_t eight_bit; /* bytes above 127 */
    size_t bare_cr, bare_lf;
    bool nul;
    bool trailing_blank; /* a line ends with a space or a tab */
    bool not_utf8;
    size_t line;           /* bytes of the present line */
    char last;             /* the byte before, when line > 0 */
    bool cr;               /* the byte before is a CR */
    unsigned char held[4]; /* a UTF-8 sequence that waits for its end */
    unsigned held_n;
};

enum scan_encoding { SCAN_7BIT, SCAN_8BIT, SCAN_QP, SCAN_BASE64, SCAN_BINARY };

INTERNAL void scan_step(struct scan *s, struct span in);
INTERNAL void scan_finish(struct scan *s);

/* The encoding for text whose line ends may be made CRLF, or for octets that
   must stay as they are; eight_bit: the peer takes 8BITMIME. QP when it
   comes out shorter than base64. */
INTERNAL enum scan_encoding scan_choose(const struct scan *s, bool text,
                                        bool eight_bit);

/* "7bit", "8bit", "quoted-printable", "base64", "binary" */
INTERNAL const char *scan_name(enum scan_encoding encoding);

#endif
