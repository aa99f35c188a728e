/*
 * qp_strict - quoted-printable to the letter; see qp_strict.h
 */
#include "qp_strict.h"

enum { RIGHT = -1 }; /* else: how many octets back the fault begins */

static bool is_digit(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F');
}

static bool is_break(unsigned char c)
{
    return c == '\r' || c == '\n';
}

static enum qp_after kind(unsigned char c)
{
    if (c == ' ' || c == '\t')
        return QP_AFTER_BLANK;
    return c == '=' ? QP_AFTER_EQUALS : QP_AFTER_TEXT;
}

/* An octet that need not be anything because of what precedes it. */
static int take(struct qp_strict *s, unsigned char c)
{
    if (is_break(c)) {
        s->after = c == '\r' ? QP_AFTER_CR : QP_AFTER_TEXT;
        s->column = 0;
        return RIGHT;
    }
    if (c != '\t' && (c < ' ' || c > '~'))
        return 0;
    s->after = kind(c);
    return ++s->column > QP_COLUMNS ? QP_COLUMNS : RIGHT;
}

static int step(struct qp_strict *s, unsigned char c)
{
    int back;
    switch (s->after) {
    case QP_AFTER_BLANK:
        return is_break(c) ? 1 : take(s, c);
    case QP_AFTER_CR:
        return c == '\n' ? take(s, c) : 1;
    case QP_AFTER_EQUALS:
        if (is_break(c))
            return take(s, c);
        if (!is_digit(c))
            return 1;
        back = take(s, c);
        s->after = QP_AFTER_DIGIT;
        return back;
    case QP_AFTER_DIGIT:
        return is_digit(c) ? take(s, c) : 2;
    default:
        return take(s, c);
    }
}

static int fail(struct qp_strict *s, size_t back)
{
    s->wrong = true;
    s->wrong_at = s->offset - back;
    return ERR_SYNTAX;
}

int qp_strict_check(struct qp_strict *s, struct span in)
{
    for (size_t i = 0; i < in.n; i++) {
        int back = step(s, (unsigned char)in.p[i]);
        if (back != RIGHT)
            return fail(s, (size_t)back);
        s->offset++;
    }
    return 0;
}

int qp_strict_finish(struct qp_strict *s)
{
    switch (s->after) {
    case QP_AFTER_BLANK:
    case QP_AFTER_CR:
        return fail(s, 1);
    case QP_AFTER_DIGIT:
        return fail(s, 2);
    default:
        return 0;
    }
}
