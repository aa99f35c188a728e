/*
 * idn - domains in any script as A-labels; see idn.h
 */
#include "idn.h"

#include <dlfcn.h>
#include <stdio.h>

/* Of idn2.h: IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL. */
enum { IDN_FLAGS = 1 | 8 };

static void say(char text[IDN_TEXT], const char *words)
{
    snprintf(text, IDN_TEXT, "%s", words ? words : "unknown failure");
}

/* POSIX has function pointers come as void *; memcpy keeps ISO C content. */
static bool find(const struct idn *idn, const char *name, void *function)
{
    void *found = dlsym(idn->library, name);
    memcpy(function, &found, sizeof found);
    return found != NULL;
}

int idn_open(struct idn *idn, const char *name, char text[IDN_TEXT])
{
    idn_close(idn);
    idn->library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (!idn->library) {
        say(text, dlerror());
        return ERR_SYSTEM;
    }
    if (find(idn, "idn2_lookup_u8", &idn->lookup) &&
        find(idn, "idn2_strerror", &idn->words) &&
        find(idn, "idn2_free", &idn->drop))
        return 0;
    idn_close(idn);
    say(text, "it is no libidn2");
    return ERR_SYSTEM;
}

void idn_close(struct idn *idn)
{
    if (idn->library)
        dlclose(idn->library);
    memset(idn, 0, sizeof *idn);
}

int idn_ascii(const struct idn *idn, const char *domain, char out[IDN_DOMAIN],
              char text[IDN_TEXT])
{
    unsigned char *made = NULL;
    int err = idn->lookup((const unsigned char *)domain, &made, IDN_FLAGS);
    size_t n = err == 0 && made ? strlen((const char *)made) : 0;
    if (n > 0 && n < IDN_DOMAIN)
        memcpy(out, made, n + 1);
    if (made)
        idn->drop(made);
    if (n > 0 && n < IDN_DOMAIN)
        return 0;
    say(text, err ? idn->words(err) : "not a domain");
    return ERR_SYNTAX;
}
