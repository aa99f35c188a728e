/*
 * esmtp - values of the parameters of MAIL and RCPT; see esmtp.h
 */
#include "esmtp.h"

#include "ascii.h"
#include "date.h"

enum { ENVID_MOST = 100, ORCPT_MOST = 500 }; /* RFC 3461 4.4, 4.2 */

static bool is_hex_upper(char c)
{
    return ascii_is(c, ASCII_DIGIT) || (c >= 'A' && c <= 'F');
}

bool esmtp_xtext(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '=' || !ascii_is(s.p[i], ASCII_VISIBLE))
            return false;
        if (s.p[i] != '+')
            continue;
        if (s.n - i < 3 || !is_hex_upper(s.p[i + 1]) ||
            !is_hex_upper(s.p[i + 2]))
            return false;
        i += 2;
    }
    return true;
}

/* xtext that stands for visible characters and blanks, as all that has it for
   its value must (RFC 3461 4.2, 4.4): line ends would be taken for the ends of
   fields by who writes them into a report. */
static bool text(struct span s)
{
    if (!esmtp_xtext(s))
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] != '+')
            continue;
        int octet = 16 * ascii_hex(s.p[i + 1]) + ascii_hex(s.p[i + 2]);
        if (octet < ' ' || octet == 0x7F)
            return false;
        i += 2;
    }
    return true;
}

static bool none(struct span v)
{
    return v.n == 0;
}

static bool one_of(struct span v, const char *words)
{
    struct span list = span_from(words);
    while (list.n)
        if (span_ieq(span_cut(&list, ' '), v))
            return true;
    return false;
}

static bool body(struct span v)
{
    return one_of(v, "7BIT 8BITMIME BINARYMIME");
}

static bool ret(struct span v)
{
    return one_of(v, "FULL HDRS");
}

static bool envid(struct span v)
{
    return v.n && v.n <= ENVID_MOST && text(v);
}

/* NEVER stands alone; a word comes once. */
static bool notify(struct span v)
{
    static const char *const words[] = {"SUCCESS", "FAILURE", "DELAY"};
    unsigned seen = 0;
    if (span_ieq(v, SPAN("NEVER")))
        return true;
    if (v.n == 0 || v.p[v.n - 1] == ',')
        return false;
    while (v.n) {
        struct span word = span_cut(&v, ',');
        unsigned i = 0;
        while (i < 3 && !span_ieq(word, span_from(words[i])))
            i++;
        if (i == 3 || (seen & 1u << i))
            return false;
        seen |= 1u << i;
    }
    return true;
}

/* addr-type ";" xtext */
static bool orcpt(struct span v)
{
    struct span rest = v, type = span_cut(&rest, ';');
    return type.n && type.n < v.n && rest.n && v.n <= ORCPT_MOST &&
           ascii_all(type, ASCII_VISIBLE) && text(rest);
}

static bool submitter(struct span v)
{
    return v.n && text(v);
}

static bool auth(struct span v)
{
    return span_ieq(v, SPAN("<>")) || submitter(v);
}

static bool digits(struct span v, size_t most)
{
    return v.n && v.n <= most && ascii_all(v, ASCII_DIGIT);
}

/* by-time ";" by-mode [by-trace]: what shall return when it is late has some
   time left, RFC 2852 4. */
static bool by(struct span v)
{
    struct span mode = v, time = span_cut(&mode, ';');
    bool late = time.n && time.p[0] == '-';
    uint64_t seconds;
    if (late || (time.n && time.p[0] == '+'))
        time = span_skip(time, 1);
    if (!digits(time, 9) || !ascii_number(time, UINT32_MAX, &seconds))
        return false;
    return one_of(mode, late || seconds == 0 ? "N NT" : "R N RT NT");
}

static bool holdfor(struct span v)
{
    return digits(v, 9);
}

/* Two digits that are least to most, 0 to 99; -1: they are not. */
static int two(const char *p, int least, int most)
{
    int n;
    if (!digits(span_of(p, 2), 2))
        return -1;
    n = (p[0] - '0') * 10 + p[1] - '0';
    return n < least || n > most ? -1 : n;
}

/* YYYY-MM-DD, a day that there is */
static bool full_date(const char *p)
{
    int century = two(p, 0, 99), year = two(p + 2, 0, 99);
    int month = two(p + 5, 1, 12);
    if (century < 0 || year < 0 || month < 0 || p[4] != '-' || p[7] != '-')
        return false;
    return two(p + 8, 1, date_month_days(century * 100 + year, month)) > 0;
}

/* HH:MM:SS; 60 is a leap second. */
static bool full_time(const char *p)
{
    return two(p, 0, 23) >= 0 && p[2] == ':' && two(p + 3, 0, 59) >= 0 &&
           p[5] == ':' && two(p + 6, 0, 60) >= 0;
}

/* Z or an offset in its place */
static bool zone(struct span v)
{
    if (span_ieq(v, SPAN("Z")))
        return true;
    return v.n == 6 && (v.p[0] == '+' || v.p[0] == '-') &&
           two(v.p + 1, 0, 23) >= 0 && v.p[3] == ':' &&
           two(v.p + 4, 0, 59) >= 0;
}

/* RFC 3339: YYYY-MM-DDTHH:MM:SS[.F] and a zone */
static bool date_time(struct span v)
{
    enum { TIME = 11, ZONE = 19 };
    if (v.n <= ZONE || !full_date(v.p) || ascii_upper(v.p[TIME - 1]) != 'T' ||
        !full_time(v.p + TIME))
        return false;
    v = span_skip(v, ZONE);
    if (v.p[0] == '.') {
        size_t run = ascii_run(span_skip(v, 1), ASCII_DIGIT);
        v = span_skip(v, 1 + run);
        if (run == 0)
            return false;
    }
    return zone(v);
}

static bool priority(struct span v)
{
    if (v.n && v.p[0] == '-')
        v = span_skip(v, 1);
    return v.n == 1 && ascii_is(v.p[0], ASCII_DIGIT);
}

static bool rrvs(struct span v)
{
    struct span how = v, time = span_cut(&how, ';');
    return date_time(time) && (time.n == v.n || one_of(how, "C R"));
}

bool esmtp_value(struct span keyword, struct span value)
{
    static const struct {
        const char *keyword;
        bool (*fits)(struct span);
    } rows[] = {
        {"BODY", body},
        {"SMTPUTF8", none},
        {"AUTH", auth},
        {"RET", ret},
        {"ENVID", envid},
        {"NOTIFY", notify},
        {"ORCPT", orcpt},
        {"BY", by},
        {"HOLDFOR", holdfor},
        {"HOLDUNTIL", date_time},
        {"MT-PRIORITY", priority},
        {"RRVS", rrvs},
        {"REQUIRETLS", none},
        {"PRDR", none},
        {"CONPERM", none},
        {"CONNEG", none},
        {"SUBMITTER", submitter},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (span_ieq(keyword, span_from(rows[i].keyword)))
            return rows[i].fits(value);
    return true;
}
