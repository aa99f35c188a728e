/*
 * err - the negative results of every function that can fail; see err.h
 */
#include "err.h"

static const struct {
    const char *kind;
    const char *text;
} errors[] = {
    {"protocol", "unknown error"},
    {"memory", "not enough memory"},
    {"limit", "a limit was reached"},
    {"syntax", "malformed"},
    {"protocol", "not allowed now"},
    {"closed", "the connection was closed"},
    {"timeout", "the deadline passed"},
    {"connect", "no connection"},
    {"tls", "TLS failed"},
    {"dns", "the name was not found"},
    {"syntax", "unknown charset"},
    {"connect", "the system refused"},
};

static size_t err_index(int err)
{
    size_t n = sizeof errors / sizeof errors[0];
    return err < 0 && err > -(int)n ? (size_t)-err : 0;
}

const char *err_kind(int err)
{
    return errors[err_index(err)].kind;
}

const char *err_text(int err)
{
    return errors[err_index(err)].text;
}
