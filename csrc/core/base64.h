/*
 * base64 - RFC 4648 4 and 5, RFC 2045 6.8
 *
 * Steps: they read what they are given, write what they can, and keep the
 * rest in their struct, so that any split of the input gives the same bytes.
 *
 * Owns: nothing. Fails with: ERR_SYNTAX (strict decoding). I/O: none.
 */
#ifndef CORE_BASE64_H
#define CORE_BASE64_H

#include "err.h"
#include "kernel.h"
#include "span.h"

struct base64_encoder {
    const struct kernel *kernel; /* init sets kernel_scalar */
    unsigned char held[3];       /* input bytes that wait for a full group */
    unsigned held_n;
    unsigned columns; /* 0: one line; else a multiple of 4 */
    unsigned column;  /* characters on the present line */
    bool url;         /* the alphabet of RFC 4648 5 */
    bool unpadded;    /* no "=" at the end */
    bool lf;          /* lines end with LF (files), not CRLF */
};

/* Most bytes that encoding n bytes gives, line ends included. */
INTERNAL size_t base64_room(size_t n, unsigned columns);

INTERNAL void base64_encoder_init(struct base64_encoder *e, unsigned columns);

/* Encodes all of in to out, which has base64_room(in.n + 2, columns) bytes;
   returns how many were written. Lines end with CRLF, the last one too,
   which finish writes with the padding (at most 6 bytes; nothing for empty
   input). */
INTERNAL size_t base64_encode(struct base64_encoder *e, struct span in,
                              char *out);
INTERNAL size_t base64_encode_finish(struct base64_encoder *e, char *out);

struct base64_decoder {
    const struct kernel *kernel; /* init sets kernel_scalar */
    unsigned held;               /* bits that wait for a full byte */
    unsigned count;              /* characters of the present group, 0..3 */
    bool strict;      /* anything but canonical RFC 4648 is ERR_SYNTAX */
    bool url;         /* the alphabet of RFC 4648 5 */
    bool unpadded;    /* "=" may be left out */
    bool padded;      /* the padding was seen: what follows is no data */
    bool pad;         /* one "=" of two was seen */
    size_t junk;      /* characters skipped that are not white space */
    size_t truncated; /* 1 when the last group was incomplete */
    size_t offset;    /* input consumed; at ERR_SYNTAX where it is wrong */
};

INTERNAL void base64_decoder_init(struct base64_decoder *d, bool strict);

/* Decodes all of in to out, which has in.n bytes (out may be in.p itself);
   *n bytes were written. A byte is written as soon as its bits are there,
   so that finish writes nothing: it tells whether the end is where one may
   be, and counts in truncated what was lost. */
INTERNAL int base64_decode(struct base64_decoder *d, struct span in, char *out,
                           size_t *n);
INTERNAL int base64_decode_finish(struct base64_decoder *d, char *out,
                                  size_t *n);

#endif
