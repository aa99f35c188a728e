/*
 * date - dates of header fields, RFC 5322 3.3 and 4.3
 *
 * Reading takes every order in which the parts of a date are found: the
 * standard form, obsolete years and zones, asctime, ISO 8601, missing
 * seconds, zone, comma or day name, comments anywhere. It guesses nothing:
 * day, month, year must be there and fit the calendar.
 *
 * Owns: nothing. Fails with: ERR_SYNTAX, ERR_MEMORY, ERR_LIMIT. I/O: none.
 */
#ifndef CORE_DATE_H
#define CORE_DATE_H

#include <stdint.h>

#include "buf.h"

struct date {
    int64_t epoch; /* seconds since 1970-01-01T00:00:00Z */
    int zone;      /* seconds east of UTC */
    bool zoned;    /* false: no zone was given, or "-0000"; UTC is assumed */
};

/* Reads a raw or unfolded value: 0 or ERR_SYNTAX. */
INTERNAL int date_parse(struct span value, struct date *d);

/* Appends "Tue, 15 Nov 1994 08:12:31 +0200" for years 0 to 9999 and zones
   within a day (rounded to minutes); else ERR_SYNTAX. */
INTERNAL int date_format(struct buf *out, const struct date *d);

/* Days of a month, 1 to 12, in the Gregorian calendar. */
INTERNAL int date_month_days(int year, int month);

#endif
