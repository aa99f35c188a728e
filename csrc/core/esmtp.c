/*
 * esmtp - values of the parameters of MAIL and RCPT; see esmtp.h
 */
#include "esmtp.h"

#include "ascii.h"

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

static int hex_value(char c)
{
    return c <= '9' ? c - '0' : c - 'A' + 10;
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
        int octet = 16 * hex_value(s.p[i + 1]) + hex_value(s.p[i + 2]);
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

static int two(const char *p)
{
    return 10 * (p[0] - '0') + p[1] - '0';
}

/* Whether YYYY-MM-DDTHH:MM:SS is a moment; a second may be a leap second. */
static bool is_moment(const char *p)
{
    static const unsigned char days[] = {31, 29, 31, 30, 31, 30,
                                         31, 31, 30, 31, 30, 31};
    int year = 100 * two(p) + two(p + 2), month = two(p + 5), day = two(p + 8);
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return month >= 1 && month <= 12 && day >= 1 && day <= days[month - 1] &&
           (month != 2 || leap || day < 29) && two(p + 11) < 24 &&
           two(p + 14) < 60 && two(p + 17) <= 60;
}

/* RFC 3339: YYYY-MM-DDTHH:MM:SS[.F]Z or an offset in its place */
static bool date_time(struct span v)
{
    static const char shape[] = "0000-00-00T00:00:00";
    size_t n = sizeof shape - 1;
    if (v.n <= n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (shape[i] == '0' ? !ascii_is(v.p[i], ASCII_DIGIT)
                            : ascii_upper(v.p[i]) != shape[i])
            return false;
    if (!is_moment(v.p))
        return false;
    v = span_skip(v, n);
    if (v.p[0] == '.') {
        size_t run = ascii_run(span_skip(v, 1), ASCII_DIGIT);
        v = span_skip(v, 1 + run);
        if (run == 0 || v.n == 0)
            return false;
    }
    if (span_ieq(v, SPAN("Z")))
        return true;
    return v.n == 6 && (v.p[0] == '+' || v.p[0] == '-') && v.p[3] == ':' &&
           digits(span_of(v.p + 1, 2), 2) && digits(span_of(v.p + 4, 2), 2) &&
           two(v.p + 1) < 24 && two(v.p + 4) < 60;
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
