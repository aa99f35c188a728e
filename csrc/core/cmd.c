/*
 * cmd - one command line; see cmd.h
 */
#include "cmd.h"

#include "ascii.h"

/* clang-format off */
static const struct verb_row rows[] = {
    {"(connect)", VERB_CONNECT,  VERB_OPEN, ""},
    {"HELO",     VERB_HELO,     VERB_OPEN | VERB_ARGUED, "HELO domain"},
    {"EHLO",     VERB_EHLO,     VERB_OPEN | VERB_ARGUED, "EHLO domain"},
    {"LHLO",     VERB_LHLO,     VERB_OPEN | VERB_ARGUED, "LHLO domain"},
    {"STARTTLS", VERB_STARTTLS, VERB_OPEN | VERB_HELLO | VERB_NOT_MAIL |
                                VERB_BARE, "STARTTLS"},
    {"AUTH",     VERB_AUTH,     VERB_OPEN | VERB_HELLO | VERB_NOT_MAIL |
                                VERB_ARGUED,
                                "AUTH mechanism [initial-response]"},
    {"MAIL",     VERB_MAIL,     VERB_HELLO | VERB_NOT_MAIL | VERB_ARGUED,
                                "MAIL FROM:<address> [parameters]"},
    {"RCPT",     VERB_RCPT,     VERB_HELLO | VERB_IN_MAIL | VERB_ARGUED,
                                "RCPT TO:<address> [parameters]"},
    {"DATA",     VERB_DATA,     VERB_HELLO | VERB_IN_MAIL | VERB_BARE, "DATA"},
    {"BDAT",     VERB_BDAT,     VERB_HELLO | VERB_IN_MAIL, "BDAT size [LAST]"},
    {"RSET",     VERB_RSET,     VERB_OPEN | VERB_BARE, "RSET"},
    {"NOOP",     VERB_NOOP,     VERB_OPEN, "NOOP [text]"},
    {"VRFY",     VERB_VRFY,     VERB_ARGUED, "VRFY user-or-address"},
    {"EXPN",     VERB_EXPN,     VERB_ARGUED, "EXPN list"},
    {"HELP",     VERB_HELP,     VERB_OPEN, "HELP [topic]"},
    {"QUIT",     VERB_QUIT,     VERB_OPEN | VERB_BARE, "QUIT"},
    {"",         VERB_OTHER,    VERB_OPEN, ""},
};
/* clang-format on */

const struct verb_row *verb_row(enum verb verb)
{
    return &rows[verb];
}

static enum verb verb_find(struct span name)
{
    char first = ascii_upper(name.p[0]);
    for (int v = VERB_HELO; v < VERB_OTHER; v++)
        if (rows[v].name[0] == first && span_ieq(name, span_from(rows[v].name)))
            return (enum verb)v;
    return VERB_OTHER;
}

static struct span trim_blanks(struct span s)
{
    s = span_skip(s, ascii_run(s, ASCII_BLANK));
    while (s.n && ascii_is(s.p[s.n - 1], ASCII_BLANK))
        s.n--;
    return s;
}

int cmd_parse(struct cmd *cmd, struct span line)
{
    size_t n = 0;
    memset(cmd, 0, sizeof *cmd);
    while (n < line.n &&
           (line.p[n] == '-' || ascii_is(line.p[n], ASCII_LETDIG)))
        n++;
    if (n == 0 || (n < line.n && !ascii_is(line.p[n], ASCII_BLANK)))
        return ERR_SYNTAX;
    cmd->name = span_of(line.p, n);
    cmd->argument = trim_blanks(span_skip(line, n));
    cmd->verb = verb_find(cmd->name);
    return 0;
}

int cmd_parse_chunk(const struct cmd *cmd, uint64_t *size, bool *last)
{
    struct span rest = cmd->argument, digits = span_cut(&rest, ' ');
    struct span word = trim_blanks(rest);
    *last = span_ieq(word, SPAN("LAST"));
    if (digits.n == 0 || !ascii_all(digits, ASCII_DIGIT) || (word.n && !*last))
        return ERR_SYNTAX;
    return ascii_number(digits, UINT64_MAX / 2, size) ? 0 : ERR_SYNTAX;
}

int cmd_parse_path(struct cmd *cmd)
{
    bool mail = cmd->verb == VERB_MAIL;
    struct span keyword = mail ? SPAN("FROM:") : SPAN("TO:");
    struct span rest = cmd->argument;
    if (!span_istarts(rest, keyword))
        return ERR_SYNTAX;
    if (path_parse(&cmd->path, mail ? PATH_REVERSE : PATH_FORWARD,
                   span_skip(rest, keyword.n), &rest) < 0)
        return ERR_SYNTAX;
    if (rest.n && !ascii_is(rest.p[0], ASCII_BLANK))
        return ERR_SYNTAX;
    cmd->parameters = trim_blanks(rest);
    return 0;
}

/* esmtp-keyword = (ALPHA / DIGIT) *(ALPHA / DIGIT / "-") */
static size_t scan_keyword(struct span s)
{
    size_t n = 0;
    while (n < s.n &&
           (ascii_is(s.p[n], ASCII_LETDIG) || (n > 0 && s.p[n] == '-')))
        n++;
    return n;
}

int cmd_parameter(struct span *rest, struct span *keyword, struct span *value,
                  bool *has_value)
{
    struct span s = trim_blanks(*rest);
    size_t n = scan_keyword(s);
    *value = span_of(s.p, 0);
    *has_value = false;
    if (s.n == 0)
        return 0;
    if (n == 0)
        return ERR_SYNTAX;
    *keyword = span_of(s.p, n);
    s = span_skip(s, n);
    if (s.n && s.p[0] == '=') {
        s = span_skip(s, 1);
        n = ascii_run(s, ASCII_VISIBLE | ASCII_8BIT);
        *value = span_of(s.p, n);
        *has_value = true;
        if (n == 0 || span_find(*value, '=') < n)
            return ERR_SYNTAX;
        s = span_skip(s, n);
    }
    if (s.n && !ascii_is(s.p[0], ASCII_BLANK))
        return ERR_SYNTAX;
    *rest = s;
    return 1;
}

bool cmd_in_list(struct span list, struct span word)
{
    while (list.n)
        if (span_ieq(span_cut(&list, ' '), word))
            return true;
    return false;
}
