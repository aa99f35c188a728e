/*
 * check - what the server's machine refuses; see check.h
 */
#include "check.h"

#include "ascii.h"
#include "esmtp.h"

/* clang-format off */
static const struct answer refusals[] = {
    [REFUSED_LONG]      = {500, "5.5.2", "line too long", false},
    [REFUSED_BARE]      = {500, "5.5.2", "a line must end with CRLF", false},
    [REFUSED_NUL]       = {501, "5.5.2", "NUL in a command", false},
    [REFUSED_CONTROL]   = {501, "5.5.2", "control character in a command",
                           false},
    [REFUSED_VERB]      = {500, "5.5.2", "command not recognized", false},
    [REFUSED_SYNTAX]    = {501, "5.5.4", "syntax: ", false},
    [REFUSED_AWAY]      = {503, "5.5.1", "no service here; QUIT", false},
    [REFUSED_LHLO]      = {500, "5.5.1", "this is LMTP: say LHLO", false},
    [REFUSED_NO_LHLO]   = {500, "5.5.1", "this is SMTP: say EHLO", false},
    [REFUSED_HELLO]     = {503, "5.5.1", "say HELO or EHLO first", false},
    [REFUSED_LHLO_FIRST] = {503, "5.5.1", "say LHLO first", false},
    [REFUSED_EHLO]      = {503, "5.5.1", "say EHLO first", false},
    [REFUSED_AUTH]      = {530, "5.7.0", "authentication required", false},
    [REFUSED_NO_MAIL]   = {503, "5.5.1", "MAIL comes first", false},
    [REFUSED_MAIL]      = {503, "5.5.1", "not within a transaction", false},
    [REFUSED_NO_TLS]    = {502, "5.5.1", "STARTTLS is not offered", false},
    [REFUSED_TLS]       = {503, "5.5.1", "TLS is on already", false},
    [REFUSED_AFTER_TLS] = {554, "5.5.1", "no octets may follow STARTTLS",
                           false},
    [REFUSED_NO_AUTH]   = {502, "5.5.1", "AUTH is not offered", false},
    [REFUSED_AUTHED]    = {503, "5.5.1", "authenticated already", false},
    [REFUSED_CLEARTEXT] = {538, "5.7.11", "encryption required: STARTTLS first",
                           false},
    [REFUSED_SENDER]    = {501, "5.1.7", "syntax: ", false},
    [REFUSED_RECIPIENT] = {501, "5.1.3", "syntax: ", false},
    [REFUSED_PARAMETER] = {501, "5.5.4", "malformed parameter", false},
    [REFUSED_UNKNOWN_PARAMETER] = {555, "5.5.4", "parameter not offered",
                           false},
    [REFUSED_SIZE]      = {552, "5.3.4", "message too big", false},
    [REFUSED_BODY_VALUE] = {501, "5.5.4", "BODY is 7BIT or 8BITMIME", false},
    [REFUSED_UTF8]      = {553, "5.6.7", "address needs SMTPUTF8", false},
    [REFUSED_MANY]      = {452, "4.5.3", "too many recipients", false},
    [REFUSED_NO_RCPT]   = {503, "5.5.1", "RCPT comes first", false},
    [REFUSED_ALL_RCPT]  = {554, "5.5.1", "no valid recipients", false},
    [REFUSED_AUTH_LINE] = {500, "5.5.6", "authentication line too long",
                           false},
    [REFUSED_ERRORS]    = {421, "4.7.0", "too many errors", true},
    [REFUSED_CHUNK]     = {501, "5.5.4", "syntax: ", false},
    [REFUSED_IN_CHUNKS] = {503, "5.5.1", "between chunks: BDAT or RSET", false},
    [REFUSED_BROKEN]    = {503, "5.5.1", "the message was refused: RSET",
                           false},
    [REFUSED_BINARY]    = {503, "5.5.1", "BODY=BINARYMIME needs BDAT", false},
    [REFUSED_EARLY]     = {503, "5.5.1", "pipelining before EHLO allowed it",
                           false},
    [REFUSED_HTTP]      = {554, "5.5.1", "this is no HTTP server", false},
    [REFUSED_UNKNOWN]   = {421, "4.7.0", "too many unknown commands", true},
    [REFUSED_COMMANDS]  = {421, "4.7.0", "too many commands", true},
    [REFUSED_MAILS]     = {421, "4.7.0", "too many messages", true},
    [BROKEN_BARE]       = {554, "5.6.0", "bare CR or LF in the message",
                           false},
    [BROKEN_LINE]       = {554, "5.6.0", "line too long in the message",
                           false},
    [BROKEN_SIZE]       = {552, "5.3.4", "message too big", false},
    [BROKEN_HEADER]     = {552, "5.3.4", "header too big", false},
};
/* clang-format on */

const struct answer *check_answer(enum refusal why)
{
    return &refusals[why];
}

enum refusal check_line(const struct server *s, enum line_result r,
                        struct span line)
{
    unsigned classes = 0;
    if (r == LINE_OVERLONG)
        return REFUSED_LONG;
    if (r == LINE_BARE && s->config->bare == DOT_REJECT)
        return REFUSED_BARE;
    for (size_t i = 0; i < line.n; i++)
        classes |= ascii_table[(unsigned char)line.p[i]];
    if (!(classes & ASCII_CONTROL))
        return REFUSED_NOT;
    for (size_t i = 0; i < line.n; i++) {
        if (line.p[i] == '\0')
            return REFUSED_NUL;
        if (line.p[i] != '\t' && ascii_is(line.p[i], ASCII_CONTROL))
            return REFUSED_CONTROL;
    }
    return REFUSED_NOT;
}

static bool between_chunks(enum verb verb)
{
    return verb == VERB_BDAT || verb == VERB_RSET || verb == VERB_NOOP ||
           verb == VERB_QUIT;
}

/* Order of commands: what the verb's row asks for. */
static enum refusal check_order(const struct server *s, enum verb verb)
{
    unsigned flags = verb_row(verb)->flags;
    if (s->chunking && !between_chunks(verb))
        return REFUSED_IN_CHUNKS;
    if ((flags & VERB_HELLO) && s->hello == HELLO_NONE)
        return s->config->lmtp ? REFUSED_LHLO_FIRST : REFUSED_HELLO;
    if (s->config->auth_required && !s->authenticated && !(flags & VERB_OPEN))
        return REFUSED_AUTH;
    if ((flags & VERB_IN_MAIL) && !s->mail)
        return REFUSED_NO_MAIL;
    if ((flags & VERB_NOT_MAIL) && s->mail)
        return REFUSED_MAIL;
    return REFUSED_NOT;
}

static enum refusal check_hello(const struct server *s, const struct cmd *cmd)
{
    bool lhlo = cmd->verb == VERB_LHLO;
    if (lhlo != s->config->lmtp)
        return lhlo ? REFUSED_NO_LHLO : REFUSED_LHLO;
    /* in any charset: mail programs say the name of their computer as it is */
    if (!ascii_all(cmd->argument, ASCII_VISIBLE | ASCII_8BIT))
        return REFUSED_SYNTAX;
    return REFUSED_NOT;
}

static enum refusal check_starttls(const struct server *s)
{
    if (!s->config->tls)
        return REFUSED_NO_TLS;
    if (s->secure)
        return REFUSED_TLS;
    if (buf_size(&s->in) > s->taken)
        return REFUSED_AFTER_TLS;
    return REFUSED_NOT;
}

static enum refusal check_auth(const struct server *s)
{
    if (!s->config->auth)
        return REFUSED_NO_AUTH;
    if (s->authenticated)
        return REFUSED_AUTHED;
    if (s->hello != HELLO_EHLO)
        return REFUSED_EHLO;
    if (!s->secure && !s->config->auth_cleartext)
        return REFUSED_CLEARTEXT;
    return REFUSED_NOT;
}

/* BINARYMIME opens no parameter but this value of one: in the list of what
   is open it stands as such. */
static enum refusal check_body_value(struct span list, struct cmd *cmd,
                                     struct span value)
{
    cmd->binary = span_ieq(value, SPAN("BINARYMIME"));
    if (cmd->binary && !cmd_in_list(list, SPAN("BODY=BINARYMIME")))
        return REFUSED_BODY_VALUE;
    return esmtp_value(SPAN("BODY"), value) ? REFUSED_NOT : REFUSED_BODY_VALUE;
}

static enum refusal check_parameter(const struct server *s, struct span list,
                                    struct cmd *cmd, struct span keyword,
                                    struct span value)
{
    uint64_t size;
    if (s->hello == HELLO_HELO || !cmd_in_list(list, keyword))
        return REFUSED_UNKNOWN_PARAMETER;
    if (span_ieq(keyword, SPAN("SIZE"))) {
        /* RFC 1870 6: up to 20 digits; more than we count is too big */
        if (!ascii_all(value, ASCII_DIGIT) || value.n > 20)
            return REFUSED_PARAMETER;
        if (!ascii_number(value, s->config->size_limit, &size))
            return REFUSED_SIZE;
    }
    if (span_ieq(keyword, SPAN("BODY")))
        return check_body_value(list, cmd, value);
    return esmtp_value(keyword, value) ? REFUSED_NOT : REFUSED_PARAMETER;
}

/* Two that say the same: one keyword, or those of RFC 4865 4.4 for how long a
   message is held. */
static bool same_matter(struct span one, struct span other)
{
    static const char holds[] = "HOLDFOR HOLDUNTIL";
    return span_ieq(one, other) || (cmd_in_list(span_from(holds), one) &&
                                    cmd_in_list(span_from(holds), other));
}

/* True when a keyword stands in what was read before it: sent twice. */
static bool parameter_repeated(struct span all, struct span keyword)
{
    struct span seen, value;
    bool has;
    while (cmd_parameter(&all, &seen, &value, &has) > 0 && seen.p < keyword.p)
        if (same_matter(seen, keyword))
            return true;
    return false;
}

static enum refusal check_parameters(const struct server *s, struct cmd *cmd)
{
    struct span rest = cmd->parameters, keyword, value;
    struct span list =
        cmd->verb == VERB_MAIL ? s->mail_parameters : s->rcpt_parameters;
    bool has;
    int r;
    while ((r = cmd_parameter(&rest, &keyword, &value, &has)) > 0) {
        enum refusal why = check_parameter(s, list, cmd, keyword, value);
        if (why)
            return why;
        if (parameter_repeated(cmd->parameters, keyword))
            return REFUSED_PARAMETER;
        if (span_ieq(keyword, SPAN("SMTPUTF8")))
            cmd->utf8 = true;
        if (span_ieq(keyword, SPAN("PRDR")))
            cmd->prdr = true;
    }
    return r < 0 ? REFUSED_PARAMETER : REFUSED_NOT;
}

static enum refusal check_path(const struct server *s, struct cmd *cmd)
{
    bool mail = cmd->verb == VERB_MAIL;
    enum refusal why;
    if (cmd_parse_path(cmd) < 0)
        return mail ? REFUSED_SENDER : REFUSED_RECIPIENT;
    why = check_parameters(s, cmd);
    if (why)
        return why;
    if (mail && s->mails >= s->config->mail_limit)
        return REFUSED_MAILS;
    if (cmd->path.utf8 && !(mail ? cmd->utf8 : s->mail_utf8))
        return REFUSED_UTF8;
    if (!mail && s->tried >= s->config->recipient_limit)
        return REFUSED_MANY;
    return REFUSED_NOT;
}

static enum refusal check_data(const struct server *s, enum verb verb)
{
    if (verb == VERB_DATA && s->binary)
        return REFUSED_BINARY;
    if (s->recipients > 0)
        return REFUSED_NOT;
    return s->tried > 0 ? REFUSED_ALL_RCPT : REFUSED_NO_RCPT;
}

static enum refusal check_verb(const struct server *s, struct cmd *cmd)
{
    switch (cmd->verb) {
    case VERB_HELO:
    case VERB_EHLO:
    case VERB_LHLO:
        return check_hello(s, cmd);
    case VERB_STARTTLS:
        return check_starttls(s);
    case VERB_AUTH:
        return check_auth(s);
    case VERB_MAIL:
    case VERB_RCPT:
        return check_path(s, cmd);
    case VERB_DATA:
    case VERB_BDAT:
        return check_data(s, cmd->verb);
    default:
        return REFUSED_NOT;
    }
}

/* A web browser that was talked into speaking to a mail server. */
static bool is_http(const struct cmd *cmd)
{
    static const char methods[] =
        "GET HEAD POST PUT DELETE CONNECT OPTIONS TRACE PATCH PRI";
    struct span version = SPAN("HTTP/"), rest = cmd->argument;
    return cmd->verb == VERB_OTHER && rest.n > version.n + 3 &&
           span_eq(span_of(rest.p + rest.n - version.n - 3, version.n),
                   version) &&
           cmd_in_list(span_from(methods), cmd->name);
}

enum refusal check_command(const struct server *s, struct cmd *cmd)
{
    unsigned flags = verb_row(cmd->verb)->flags;
    enum refusal why;
    if (s->early && cmd->verb != VERB_QUIT)
        return REFUSED_EARLY;
    if (is_http(cmd))
        return REFUSED_HTTP;
    if (s->turned_away && cmd->verb != VERB_QUIT)
        return REFUSED_AWAY;
    why = check_order(s, cmd->verb);
    if (why)
        return why;
    if ((flags & VERB_BARE) && cmd->argument.n)
        return REFUSED_SYNTAX;
    if ((flags & VERB_ARGUED) && cmd->argument.n == 0)
        return REFUSED_SYNTAX;
    return check_verb(s, cmd);
}

enum refusal check_chunk(struct server *s, struct cmd *cmd)
{
    if (cmd_parse_chunk(cmd, &s->chunk_left, &s->chunk_last) < 0)
        return REFUSED_CHUNK;
    if (s->chunking && s->broken)
        return REFUSED_BROKEN;
    return check_command(s, cmd);
}

/* As dot_longest has it: the CRLF of a line counts. */
static size_t chunks_longest(const struct scan *seen)
{
    size_t whole = seen->longest ? seen->longest + 2 : 0;
    return seen->line > whole ? seen->line : whole;
}

/* What stands in a chunk is announced: it counts before it is here. */
static enum refusal check_chunks(const struct server *s)
{
    const struct scan *seen = &s->notes;
    if (s->chunk_left > s->config->size_limit ||
        seen->size > s->config->size_limit - s->chunk_left)
        return BROKEN_SIZE;
    if (s->config->bare == DOT_REJECT && !s->binary &&
        (seen->bare_cr || seen->bare_lf))
        return BROKEN_BARE;
    if (!s->binary && chunks_longest(seen) > s->config->body_line_limit)
        return BROKEN_LINE;
    return REFUSED_NOT;
}

static enum refusal check_data_body(const struct server *s)
{
    if (s->dot.size > s->config->size_limit)
        return BROKEN_SIZE;
    if (s->config->bare == DOT_REJECT && (s->dot.bare_cr || s->dot.bare_lf))
        return BROKEN_BARE;
    if (dot_longest(&s->dot) > s->config->body_line_limit)
        return BROKEN_LINE;
    return REFUSED_NOT;
}

/* A line without end is told as such, not as the header that it grows. */
enum refusal check_body(const struct server *s)
{
    enum refusal why = s->chunking ? check_chunks(s) : check_data_body(s);
    if (!why && s->head.size > s->config->header_limit)
        return BROKEN_HEADER;
    return why;
}
