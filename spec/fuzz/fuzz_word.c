/*
 * fuzz_word - encoded words of any octets
 *
 * What is decoded is UTF-8; text is encoded when it is UTF-8 on one line,
 * into words of at most 75 characters, and decodes to what it was.
 */
#include "core/ascii.h"
#include "core/charset.h"
#include "core/mime_word.h"
#include "core/word.h"
#include "fuzz.h"

/* Words of at most 75 characters, each whole by itself. */
static void words_are_short(struct span value)
{
    while (value.n) {
        struct span word = value;
        word.n = 0;
        while (word.n < value.n && !ascii_is(value.p[word.n], ASCII_BLANK))
            word.n++;
        value = span_skip(value, word.n + 1);
        bool is_word = word.n > 4 && memcmp(word.p, "=?", 2) == 0 &&
                       memcmp(word.p + word.n - 2, "?=", 2) == 0;
        need(!is_word || word.n <= 75);
    }
}

static void encoding(struct span in, enum word_place place, struct buf *a,
                     struct buf *b)
{
    int err = word_encode(b, in, SPAN("utf-8"), place);
    need((err == 0) == (charset_is_utf8(in) && !ascii_breaks(in)));
    if (err < 0)
        return;
    struct span value = buf_span(b);
    for (size_t i = 0; i < value.n; i++)
        need(ascii_is(value.p[i], ASCII_VISIBLE | ASCII_BLANK) ||
             ascii_is(value.p[i], ASCII_CONTROL));
    words_are_short(value);
    buf_clear(a);
    need(word_decode(a, value, NULL) == 0);
    if (place != WORD_PHRASE || (in.n && value.p[0] != '"'))
        need(span_eq(buf_span(a), in));
}

/* What is decoded at a glance is what the reader of all words makes of it. */
static void check_glance(struct span in, struct buf *a, struct buf *b)
{
    enum mime_text kind = mime_text_kind(in);
    buf_clear(a);
    buf_clear(b);
    if (kind == MIME_TEXT_OTHER ||
        (kind == MIME_TEXT_WORDS && !mime_words(b, in)))
        return;
    need(word_decode(a, in, NULL) == 0);
    need(span_eq(buf_span(a), kind == MIME_TEXT_PLAIN ? in : buf_span(b)));
}

static void fuzz_word(struct span in, size_t step, unsigned bits, struct buf *a,
                      struct buf *b)
{
    static const char *const others[] = {"latin1", "shift_jis", "iso-2022-jp",
                                         "koi8-r"};
    char *copy = malloc(in.n ? in.n : 1);
    struct span own = span_of(copy, in.n);
    need(copy != NULL);
    memcpy(copy, in.p, in.n);
    need(word_decode(a, own, NULL) >= 0 && charset_is_utf8(buf_span(a)));
    check_glance(own, a, b);
    buf_clear(b);
    encoding(own, (enum word_place)(step % 3), a, b);
    buf_clear(b);
    if (word_encode(b, own, span_from(others[bits % 4]), WORD_TEXT) == 0) {
        words_are_short(buf_span(b));
        buf_clear(a);
        need(word_decode(a, buf_span(b), NULL) >= 0);
    }
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    return fuzz(data, n, fuzz_word);
}
