/*
 * charset_name - what senders call their charsets, and what iconv calls them
 *
 * A name from the network gets to iconv only if it is made of the letters
 * that names are made of: no "//" option and no path gets there.
 *
 * Owns: nothing. Fails with: nothing. I/O: none.
 */
#ifndef CORE_CHARSET_NAME_H
#define CORE_CHARSET_NAME_H

#include "span.h"

enum { CHARSET_NAME_MOST = 48 };

/* Those that charset.c reads without iconv, or with something before it. */
#define CHARSET_NAME_UTF8  "utf-8"
#define CHARSET_NAME_ASCII "us-ascii"
#define CHARSET_NAME_1252  "windows-1252"
#define CHARSET_NAME_UTF7  "utf-7"
#define CHARSET_NAME_JP    "iso-2022-jp"
#define CHARSET_NAME_HZ    "hz-gb-2312"
#define CHARSET_NAME_SPARE "euc-jp-ms" /* what iso-2022-jp may have besides */

/* Writes to name, a string, what a label means when reading or writing.
   False: it cannot be a charset of mail. */
INTERNAL bool charset_name(struct span label, bool writing,
                           char name[CHARSET_NAME_MOST]);

#endif
