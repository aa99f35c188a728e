/*
 * head - how long the header of a message is; see head.h
 */
#include "head.h"

void head_note(struct head *h, struct span octets)
{
    while (!h->over && octets.n) {
        size_t n = span_find(octets, '\n');
        bool whole = n < octets.n;
        if (n)
            h->last = octets.p[n - 1];
        h->line += n;
        h->size += n + whole;
        if (whole) {
            h->over = h->line == 0 || (h->line == 1 && h->last == '\r');
            h->line = 0;
        }
        octets = span_skip(octets, n + whole);
    }
}
