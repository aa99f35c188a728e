/*
 * qp_strict - whether a text is quoted-printable as RFC 2045 6.7 writes it
 *
 * What a decoder lets pass is refused here: octets that are not printable,
 * "=" without two upper-case digits or a line end behind it, blanks at the
 * end of a line, CR without LF, lines over 76 columns. Lines may end with
 * LF. Any split of the input gives the same answer.
 *
 * Owns: nothing. Fails with: ERR_SYNTAX. I/O: none.
 */
#ifndef CORE_QP_STRICT_H
#define CORE_QP_STRICT_H

#include "err.h"
#include "span.h"

enum { QP_COLUMNS = 76 };

enum qp_after {
    QP_AFTER_TEXT,
    QP_AFTER_BLANK,
    QP_AFTER_CR,
    QP_AFTER_EQUALS,
    QP_AFTER_DIGIT
};

struct qp_strict {       /* ready when zeroed */
    enum qp_after after; /* what came last */
    unsigned column;
    size_t offset;   /* input looked at */
    size_t wrong_at; /* where it is wrong, once it is */
    bool wrong;
};

/* 0 or ERR_SYNTAX, with wrong_at set. */
INTERNAL int qp_strict_check(struct qp_strict *s, struct span in);
INTERNAL int qp_strict_finish(struct qp_strict *s);

#endif
