/*
 * charset_store - descriptors of iconv that wait for their next use
 *
 * Opening one may load a table from a file, and closing it unload that: tens
 * of microseconds for every word of a header. So descriptors that are done
 * with may be put into a store, from which the next conversion takes them.
 *
 * Owns: the descriptors in it. Fails with: nothing. I/O: none.
 */
#ifndef CORE_CHARSET_STORE_H
#define CORE_CHARSET_STORE_H

#include "charset_name.h"

enum { CHARSET_KEPT = 8 }; /* glibc takes some 30 KiB for each */

struct charset_store { /* ready when zeroed; the latest comes first */
    struct charset_kept {
        void *cd; /* iconv_t, NULL: none */
        bool writing;
        char name[CHARSET_NAME_MOST];
    } kept[CHARSET_KEPT];
    bool closed; /* keeps no more */
};

/* Closes all, and keeps none from then on. May run twice. */
INTERNAL void charset_store_free(struct charset_store *store);

/* A descriptor (iconv_t) for a charset, in its first state, or NULL: none is
   kept, or store is NULL. The store has it no more. */
INTERNAL void *charset_store_take(struct charset_store *store, const char *name,
                                  bool writing);

/* Keeps a descriptor, in the place of the one that was not used for longest
   where all are taken, or closes it: where store is NULL or closed, and where
   iconv would not forget what the last text was. */
INTERNAL void charset_store_give(struct charset_store *store, void *cd,
                                 const char *name, bool writing);

#endif
