/*
 * fuzz_compose - whatever is put into a field, one whole field comes out
 *
 * The input is pieces that 0xFF ends, each led by an octet that chooses the
 * call; 0xFE parts two arguments. What comes out must be one field: no line
 * end but folds, no NUL, no line over 998 octets or of blanks alone, ASCII
 * unless the writer says otherwise. Text must be read back as it was.
 */
#include <stdint.h>
#include <stdlib.h>

#include "core/ascii.h"
#include "core/charset.h"
#include "core/compose.h"
#include "core/header.h"
#include "core/word.h"

static void need(bool fact)
{
    if (!fact)
        abort();
}

static void act(struct compose *c, struct span piece)
{
    struct span second = span_skip(piece, 1), first = span_cut(&second, '\xfe');
    switch (piece.p[0] & 15) {
    case 0:
        compose_text(c, first);
        break;
    case 8:
        compose_bare(c, first);
        break;
    case 1:
        compose_word(c, first);
        break;
    case 2:
        compose_token(c, first);
        break;
    case 3:
        compose_group(c, first);
        break;
    case 4:
        compose_group_end(c);
        break;
    case 5:
        compose_mailbox(c, first, second);
        break;
    case 6:
        compose_parameter(c, first, second);
        break;
    default:
        compose_parameter_words(c, first, second);
    }
}

/* One line without its end. */
static void check_line(struct span line, bool utf8)
{
    bool black = false;
    need(line.n <= COMPOSE_LINE);
    for (size_t i = 0; i < line.n; i++) {
        need(line.p[i] != '\r' && line.p[i] != '\n' && line.p[i] != '\0');
        need(utf8 || !ascii_is(line.p[i], ASCII_8BIT));
        black = black || !ascii_is(line.p[i], ASCII_BLANK);
    }
    need(black);
}

static void check_field(struct span s, bool utf8)
{
    bool first = true;
    while (s.n) {
        size_t n = span_find(s, '\n');
        need(n > 0 && n < s.n && s.p[n - 1] == '\r');
        need(first ? !ascii_is(s.p[0], ASCII_BLANK)
                   : ascii_is(s.p[0], ASCII_BLANK));
        check_line(span_of(s.p, n - 1), utf8);
        s = span_skip(s, n + 1);
        first = false;
    }
    need(!first);
}

/* A field that holds nothing but this text, as words or as it is. */
static void check_text(struct span text, bool bare)
{
    struct compose c = {0};
    struct buf out, flat, read;
    struct header_field field;
    buf_init(&out, 1 << 24);
    buf_init(&flat, 1 << 24);
    buf_init(&read, 1 << 24);
    compose_begin(&c, &out, SPAN("Subject"));
    if (bare)
        compose_bare(&c, text);
    else
        compose_text(&c, text);
    if (compose_end(&c) == 0) {
        check_field(buf_span(&out), false);
        need(!ascii_breaks(text) && charset_is_utf8(text));
        need(header_split(buf_span(&out), &field));
        need(header_unfold(&flat, field.value) == 0);
        if (!bare)
            need(word_decode(&read, buf_span(&flat), NULL) == 0);
        struct span found = buf_span(bare ? &flat : &read);
        need(span_eq(span_trim(found), span_trim(text)));
    }
    compose_free(&c);
    buf_free(&out);
    buf_free(&flat);
    buf_free(&read);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct span input = span_of((const char *)data, n), name;
    struct compose c = {0};
    struct buf out;
    check_text(input, false);
    check_text(input, true);
    buf_init(&out, 1 << 24);
    name = span_cut(&input, '\xff');
    compose_begin(&c, &out, name.n ? name : SPAN("To"));
    while (input.n) {
        struct span piece = span_cut(&input, '\xff');
        if (piece.n)
            act(&c, piece);
    }
    if (compose_end(&c) == 0)
        check_field(buf_span(&out), c.utf8);
    compose_free(&c);
    buf_free(&out);
    return 0;
}
