/*
 * idn - domains in any script as A-labels, RFC 5891, by the system's libidn2
 *
 * The library is no dependency: it is loaded when it is first wanted.
 * Domains are mapped as UTS 46 has it (lower case, NFC), not transitional.
 *
 * Owns: the loaded library (idn_close). Fails with: ERR_SYSTEM (no library),
 * ERR_SYNTAX (no domain), with words in `text`. I/O: the dynamic loader.
 */
#ifndef NET_IDN_H
#define NET_IDN_H

#include "../core/err.h"
#include "../core/span.h"

enum { IDN_DOMAIN = 256, IDN_TEXT = 200 };

struct idn { /* zeroed: not open */
    void *library;
    int (*lookup)(const unsigned char *from, unsigned char **to, int flags);
    const char *(*words)(int err);
    void (*drop)(void *p);
};

/* Loads the library of this file name. */
INTERNAL int idn_open(struct idn *idn, const char *name, char text[IDN_TEXT]);
INTERNAL void idn_close(struct idn *idn);

/* The domain, UTF-8 and NUL-terminated, in ASCII. */
INTERNAL int idn_ascii(const struct idn *idn, const char *domain,
                       char out[IDN_DOMAIN], char text[IDN_TEXT]);

#endif
