/*
 * head - how long the header of a message is; see head.h
 */
#include "head.h"

void head_note(struct head *h, struct span octets)
{
    while (!h->over && octets.n) {
        size_t n = span_find(octets, '\n');
        bool whole = n < octets.n;
        struct span line = span_of(octets.p, n);
        if (n && h->line == 0)
            h->field = *octets.p == ' ' || *octets.p == '\t';
        h->field = h->field || span_find(line, ':') < n;
        h->line += n;
        h->size += n + whole;
        if (whole) {
            h->over = h->line == 0 || !h->field;
            h->line = 0;
        }
        octets = span_skip(octets, n + whole);
    }
}
