/*
 * date - dates of header fields; see date.h
 *
 * The value is cut into words at blanks and commas. Each word is offered to
 * the readers of one table in turn: month, day name, time, zone, joined
 * dates, plain number. The first that knows it takes it. The standard form is
 * read before that, letter by letter, with the same result.
 */
#include "date.h"

#include "ascii.h"

enum { DATE_UNSET = -1, DAY_SECONDS = 86400, DATE_CLOCK = 12 };

struct reading {
    int year, month, day; /* month from 1 */
    int second;           /* of the day */
    int zone;
    bool zoned;
    bool fixed;   /* by an offset: no other one counts */
    bool useless; /* a time that no clock shows */
    bool afternoon, morning;
};

static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
static const char days[] = "SunMonTueWedThuFriSat";

/* Index of a word whose first three letters are in a list, or -1. */
static int listed(struct span w, const char *list)
{
    char a, b, c;
    if (w.n < 3)
        return -1;
    a = ascii_upper(w.p[0]);
    b = ascii_lower(w.p[1]);
    c = ascii_lower(w.p[2]);
    for (const char *p = list; *p; p += 3)
        if (p[0] == a && p[1] == b && p[2] == c)
            return (int)(p - list) / 3;
    return -1;
}

static bool number(struct span s, size_t digits, int *value)
{
    uint64_t v = 0;
    if (s.n > digits || !ascii_number(s, 999999, &v))
        return false;
    *value = (int)v;
    return true;
}

static bool read_month(struct reading *r, struct span w)
{
    int month = listed(w, names);
    if (month < 0 || !ascii_all(w, ASCII_ALPHA) || r->month != DATE_UNSET)
        return false;
    r->month = month + 1;
    return true;
}

static bool read_day_name(struct reading *r, struct span w)
{
    (void)r;
    return ascii_all(w, ASCII_ALPHA) && listed(w, days) >= 0;
}

/* hh:mm, hh:mm:ss, hh.mm.ss, with fractions of a second passed over. */
static bool read_clock(struct span w, int *second)
{
    char mark = span_find(w, ':') < w.n ? ':' : '.';
    int part[3] = {0, 0, 0};
    size_t n = 0;
    if (span_find(w, mark) == w.n)
        return false;
    for (; w.n && n < 3; n++) {
        struct span piece = span_cut(&w, mark);
        if (n == 2)
            piece.n = ascii_run(piece, ASCII_DIGIT);
        if (!number(piece, 2, &part[n]))
            return false;
    }
    if (n < 2 || part[0] > 23 || part[1] > 59 || part[2] > 60)
        return false;
    *second = part[0] * 3600 + part[1] * 60 + part[2];
    return true;
}

static bool read_zone(struct reading *r, struct span w);

/* A time may have its zone stuck to it: 08:12:31+0200, 08:12:31Z. */
static bool read_time(struct reading *r, struct span w)
{
    size_t n = 0;
    int second;
    while (n < w.n &&
           (ascii_is(w.p[n], ASCII_DIGIT) || w.p[n] == ':' || w.p[n] == '.'))
        n++;
    if (r->second != DATE_UNSET)
        return false;
    if (!read_clock(span_of(w.p, n), &second)) {
        r->useless |= span_find(span_of(w.p, n), ':') < n;
        return false;
    }
    r->second = second;
    return n == w.n || read_zone(r, span_skip(w, n));
}

static bool read_half(struct reading *r, struct span w)
{
    r->afternoon |= span_ieq(w, SPAN("PM"));
    r->morning |= span_ieq(w, SPAN("AM"));
    return span_ieq(w, SPAN("PM")) || span_ieq(w, SPAN("AM"));
}

/* The sign is + or -; nothing else may be negative. */
static bool set_offset(struct reading *r, char sign, int hours, int minutes)
{
    if ((sign != '+' && sign != '-') || hours < 0 || hours > 23 ||
        minutes < 0 || minutes > 59)
        return false;
    if (r->fixed)
        return true;
    r->fixed = true;
    r->zone = hours * 3600 + minutes * 60;
    r->zoned = sign == '+' || r->zone != 0; /* "-0000": unknown, RFC 5322 3.3 */
    r->zone = sign == '+' ? r->zone : -r->zone;
    return true;
}

/* +hhmm, +hh:mm, +hh */
static bool read_offset(struct reading *r, struct span w)
{
    int hours = 0, minutes = 0;
    struct span s = span_skip(w, 1);
    size_t colon = span_find(s, ':');
    if (w.n < 2 || (w.p[0] != '+' && w.p[0] != '-'))
        return false;
    size_t at = colon < s.n ? colon : s.n > 2 ? s.n - 2 : s.n;
    if (!number(span_of(s.p, at), 2, &hours))
        return false;
    s = span_skip(s, colon < s.n ? colon + 1 : at);
    if (s.n && !number(s, 2, &minutes))
        return false;
    return set_offset(r, w.p[0], hours, minutes);
}

/* RFC 5322 4.3, and names that are widespread and mean one thing. */
static const struct {
    char name[6];
    signed char quarters; /* of an hour */
} zones[] = {
    {"UT", 0},    {"UTC", 0},   {"GMT", 0},    {"Z", 0},     {"EST", -20},
    {"EDT", -16}, {"CST", -24}, {"CDT", -20},  {"MST", -28}, {"MDT", -24},
    {"PST", -32}, {"PDT", -28}, {"AKST", -36}, {"HST", -40}, {"WET", 0},
    {"WEST", 4},  {"CET", 4},   {"MET", 4},    {"MEZ", 4},   {"CEST", 8},
    {"MEST", 8},  {"MESZ", 8},  {"EET", 8},    {"EEST", 12}, {"MSK", 12},
    {"JST", 36},  {"KST", 36},  {"HKT", 32},   {"SGT", 32},  {"AEST", 40},
    {"AEDT", 44}, {"NZST", 48}, {"NZDT", 52},  {"BRT", -12}, {"AKDT", -32},
};

static bool read_zone_name(struct reading *r, struct span w)
{
    for (size_t i = 0; i < sizeof zones / sizeof zones[0]; i++)
        if (span_ieq(w, span_from(zones[i].name))) {
            r->zone = zones[i].quarters * 900;
            r->zoned = true;
            return true;
        }
    return false;
}

/* An offset, a name, or both ("GMT+0200"). Single letters other than Z and
   names that nobody knows say nothing (RFC 5322 4.3), and are passed over. */
static bool read_zone(struct reading *r, struct span w)
{
    size_t letters = ascii_run(w, ASCII_ALPHA);
    if (letters < w.n)
        return read_offset(r, span_skip(w, letters));
    if (!r->zoned)
        read_zone_name(r, w);
    return letters > 0;
}

static void set_year(struct reading *r, int year, size_t digits)
{
    if (digits <= 2) /* RFC 5322 4.3 */
        year += year < 50 ? 2000 : 1900;
    else if (digits == 3)
        year += 1900;
    r->year = year;
}

static bool read_number(struct reading *r, struct span w)
{
    int v;
    if (!number(w, 4, &v))
        return false;
    if (r->day == DATE_UNSET && w.n <= 2)
        r->day = v;
    else if (r->year == DATE_UNSET)
        set_year(r, v, w.n);
    else
        return false;
    return true;
}

/* 15-Nov-1994, 15/Nov/94, 15.11.1994, 1994-11-15, 1994/11/15: where the year
   has four digits or the month a name, so that nothing has to be guessed. */
static bool read_joined(struct reading *r, struct span w)
{
    static const char marks[] = "-/.";
    for (const char *mark = marks; *mark; mark++) {
        struct span rest = w;
        struct span a = span_cut(&rest, *mark), b = span_cut(&rest, *mark);
        int year, day, month = listed(b, names) + 1;
        bool swapped = a.n == 4;
        struct span y = swapped ? a : rest, d = swapped ? rest : a;
        if (!number(y, 4, &year) || !number(d, 2, &day))
            continue;
        if (!month &&
            (y.n != 4 || (*mark == '/' && !swapped) || !number(b, 2, &month)))
            continue;
        set_year(r, year, y.n);
        r->month = month;
        r->day = day;
        return true;
    }
    return false;
}

/* 1994-11-15T08:12:31Z */
static bool read_iso(struct reading *r, struct span w)
{
    struct span rest = w, day = span_cut(&rest, 'T');
    return rest.n && day.n == 10 && read_joined(r, day) && read_time(r, rest);
}

static bool (*const readers[])(struct reading *, struct span) = {
    read_iso,   read_time,     read_joined, read_half,
    read_month, read_day_name, read_number, read_zone,
};

static void read_word(struct reading *r, struct span w)
{
    for (size_t i = 0; i < sizeof readers / sizeof readers[0]; i++)
        if (readers[i](r, w))
            return;
}

/* Cuts the next word from *s: blanks, commas and comments stand between. */
static struct span word(struct span *s)
{
    size_t depth = 0, i = 0, from;
    for (; i < s->n; i++) {
        char c = s->p[i];
        if (c == '(')
            depth++;
        else if (c == ')' && depth)
            depth--;
        else if (!depth && !strchr(" \t\r\n,", c)) /* and no NUL */
            break;
    }
    from = i;
    while (i < s->n && !strchr(" \t\r\n,(", s->p[i]))
        i++;
    struct span w = span_of(s->p + from, i - from);
    *s = span_skip(*s, i);
    return w;
}

static bool is_clock(struct span w)
{
    size_t i = 0;
    while (i < w.n && (ascii_is(w.p[i], ASCII_DIGIT) || w.p[i] == ':'))
        i++;
    return w.n > 0 && i == w.n;
}

/* The next word; "08 : 12 (noon) : 31", which RFC 5322 4.3 has, is one, put
   together in clock. */
static struct span joined_word(struct span *s, char clock[DATE_CLOCK])
{
    struct span w = word(s);
    size_t n = w.n;
    if (n > DATE_CLOCK || !is_clock(w))
        return w;
    memcpy(clock, w.p, n);
    for (;;) {
        struct span rest = *s, next = word(&rest);
        if (!is_clock(next) || n + next.n > DATE_CLOCK ||
            (next.p[0] != ':' && clock[n - 1] != ':'))
            break;
        memcpy(clock + n, next.p, next.n);
        n += next.n;
        *s = rest;
    }
    return n == w.n ? w : span_of(clock, n);
}

/* Days since 1970-01-01 of the Gregorian calendar, from the era of 400 years
   that begins on 1 March 0000. */
static int64_t days_since_1970(int year, int month, int day)
{
    int64_t y = year - (month <= 2);
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t of_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year -
           719468;
}

int date_month_days(int year, int month)
{
    static const char lengths[] = {31, 28, 31, 30, 31, 30,
                                   31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return lengths[month - 1] + (month == 2 && leap);
}

static bool fits(const struct reading *r)
{
    return !r->useless && r->year != DATE_UNSET && r->month >= 1 &&
           r->month <= 12 && r->day >= 1 &&
           r->day <= date_month_days(r->year, r->month);
}

static void read_loose(struct reading *r, struct span value)
{
    char clock[DATE_CLOCK];
    while (value.n)
        read_word(r, joined_word(&value, clock));
    if (r->second == DATE_UNSET)
        r->second = 0;
    if (r->afternoon && r->second < DAY_SECONDS / 2)
        r->second += DAY_SECONDS / 2;
    if (r->morning && r->second >= DAY_SECONDS / 2)
        r->second -= DAY_SECONDS / 2;
}

/* The standard form, which nearly all dates have, at a glance. */

/* A number of so many digits at s, or -1. */
static int digits_at(const char *s, size_t n)
{
    int v = 0;
    for (size_t i = 0; i < n; i++) {
        if (!ascii_is(s[i], ASCII_DIGIT))
            return -1;
        v = v * 10 + s[i] - '0';
    }
    return v;
}

/* Offset behind "Tue, ", or 0. */
static size_t skip_day_name(struct span s)
{
    return s.n > 5 && s.p[3] == ',' && s.p[4] == ' ' &&
                   listed(span_of(s.p, 3), days) >= 0
               ? 5
               : 0;
}

/* One comment that holds no other. */
static bool is_remark(struct span s)
{
    s = span_trim(s);
    return s.n > 1 && s.p[0] == '(' && span_find(s, ')') == s.n - 1 &&
           span_find(span_skip(s, 1), '(') == s.n - 1;
}

/* "Nov 1994 08:12:31 +0200", and at most a comment behind it. */
static bool read_rest(struct reading *r, struct span s)
{
    enum { CLOCK = 9, ZONE = 18, ALL = 23 };
    int hour, minute, second, zone;
    if (s.n < ALL || s.p[3] != ' ' || s.p[8] != ' ' || s.p[11] != ':' ||
        s.p[14] != ':' || s.p[17] != ' ')
        return false;
    r->month = listed(s, names) + 1;
    r->year = digits_at(s.p + 4, 4);
    hour = digits_at(s.p + CLOCK, 2);
    minute = digits_at(s.p + CLOCK + 3, 2);
    second = digits_at(s.p + CLOCK + 6, 2);
    zone = digits_at(s.p + ZONE + 1, 4);
    r->second = hour * 3600 + minute * 60 + second;
    return r->year >= 1000 && hour >= 0 && hour < 24 && minute >= 0 &&
           minute < 60 && second >= 0 && second <= 60 &&
           set_offset(r, s.p[ZONE], zone / 100, zone % 100) &&
           (s.n == ALL || is_remark(span_skip(s, ALL)));
}

static bool read_standard(struct reading *r, struct span s)
{
    size_t i;
    s = span_trim(s);
    i = skip_day_name(s);
    for (size_t n = 2; n > 0; n--)
        if (s.n > i + n && s.p[i + n] == ' ' &&
            (r->day = digits_at(s.p + i, n)) >= 0)
            return read_rest(r, span_skip(s, i + n + 1)) && fits(r);
    return false;
}

int date_parse(struct span value, struct date *d)
{
    static const struct reading unset = {.year = DATE_UNSET,
                                         .month = DATE_UNSET,
                                         .day = DATE_UNSET,
                                         .second = DATE_UNSET};
    struct reading r = unset;
    if (!read_standard(&r, value)) {
        r = unset;
        read_loose(&r, value);
    }
    if (!fits(&r))
        return ERR_SYNTAX;
    d->epoch = days_since_1970(r.year, r.month, r.day) * DAY_SECONDS +
               r.second - r.zone;
    d->zone = r.zone;
    d->zoned = r.zoned;
    return 0;
}

/* The other way round: year, month and day of a count of days. */
static void date_of(int64_t count, int64_t *year, int *month, int *day)
{
    int64_t z = count + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t of_era = z - era * 146097;
    int64_t y =
        (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int of_year = (int)(of_era - (365 * y + y / 4 - y / 100));
    int shifted = (5 * of_year + 2) / 153;
    *day = of_year - (153 * shifted + 2) / 5 + 1;
    *month = shifted + (shifted < 10 ? 3 : -9);
    *year = y + era * 400 + (*month <= 2);
}

static void add_digits(struct buf *out, int64_t value, size_t width)
{
    char digits[4];
    for (size_t i = width; i-- > 0; value /= 10)
        digits[i] = (char)('0' + value % 10);
    buf_add(out, digits, width);
}

static void add_clock(struct buf *out, int64_t clock)
{
    add_digits(out, clock / 3600, 2);
    buf_add_char(out, ':');
    add_digits(out, clock / 60 % 60, 2);
    buf_add_char(out, ':');
    add_digits(out, clock % 60, 2);
}

int date_format(struct buf *out, const struct date *d)
{
    static const int64_t first = -62167219200, last = 253402300799;
    int zone = d->zone / 60, month, day;
    int64_t local, count, year, clock;
    if (d->epoch < first || d->epoch > last || zone <= -1440 || zone >= 1440)
        return ERR_SYNTAX;
    local = d->epoch + zone * 60;
    if (local < first || local > last)
        return ERR_SYNTAX;
    clock = (local % DAY_SECONDS + DAY_SECONDS) % DAY_SECONDS;
    count = (local - clock) / DAY_SECONDS;
    date_of(count, &year, &month, &day);
    buf_add(out, days + ((count % 7 + 11) % 7) * 3, 3);
    buf_add_text(out, ", ");
    buf_add_number(out, (unsigned)day);
    buf_add_char(out, ' ');
    buf_add(out, names + (month - 1) * 3, 3);
    buf_add_char(out, ' ');
    add_digits(out, year, 4);
    buf_add_char(out, ' ');
    add_clock(out, clock);
    buf_add_text(out, zone < 0 || !d->zoned ? " -" : " +");
    zone = zone < 0 ? -zone : zone;
    add_digits(out, zone / 60 * 100 + zone % 60, 4);
    return buf_error(out);
}
