/*
 * charset_store - descriptors that wait for their next use; see
 * charset_store.h
 *
 * Owns: the descriptors in it. Fails with: nothing. I/O: none.
 */
#include "charset_store.h"

#include <iconv.h>

static void set_name(char to[CHARSET_NAME_MOST], const char *name)
{
    memcpy(to, name, strlen(name) + 1);
}

/* The store's place i, empty, as the first. */
static struct charset_kept *store_first(struct charset_store *store, size_t i)
{
    memmove(store->kept + 1, store->kept, i * sizeof store->kept[0]);
    store->kept[0].cd = NULL;
    return store->kept;
}

/* A descriptor as new, or NULL. Its place in the store stays free. */
void *charset_store_take(struct charset_store *store, const char *name,
                         bool writing)
{
    for (size_t i = 0; store && i < CHARSET_KEPT; i++) {
        struct charset_kept *kept = &store->kept[i];
        void *cd = kept->cd;
        if (!cd || kept->writing != writing || strcmp(kept->name, name) != 0)
            continue;
        store_first(store, i);
        iconv(cd, NULL, NULL, NULL, NULL);
        return cd;
    }
    return NULL;
}

/* glibc forgets no byte order that it has seen, nor all of utf-7's state:
   these are not used twice. */
static bool reusable(const char *name)
{
    static const char *const once[] = {"utf", "ucs", "unicode", "10646", "osf"};
    for (size_t i = 0; i < sizeof once / sizeof once[0]; i++)
        if (strstr(name, once[i]))
            return false;
    return true;
}

/* Takes a free place, or that of the one that was not used for longest. */
void charset_store_give(struct charset_store *store, void *cd, const char *name,
                        bool writing)
{
    struct charset_kept *kept;
    size_t i = 0;
    if (!cd)
        return;
    if (!store || store->closed || !reusable(name)) {
        iconv_close(cd);
        return;
    }
    while (i < CHARSET_KEPT - 1 && store->kept[i].cd)
        i++;
    if (store->kept[i].cd)
        iconv_close(store->kept[i].cd);
    kept = store_first(store, i);
    kept->cd = cd;
    kept->writing = writing;
    set_name(kept->name, name);
}

void charset_store_free(struct charset_store *store)
{
    for (size_t i = 0; i < CHARSET_KEPT; i++) {
        if (store->kept[i].cd)
            iconv_close(store->kept[i].cd);
        store->kept[i].cd = NULL;
    }
    store->closed = true;
}
