/*
 * word - encoded words of header values, RFC 2047
 *
 * Owns: nothing. Fails with: ERR_MEMORY, ERR_LIMIT, ERR_CHARSET, ERR_SYNTAX.
 * I/O: none.
 */
#ifndef CORE_WORD_H
#define CORE_WORD_H

#include "charset.h"

enum word_place { /* where the words will stand decides what may be bare */
                  WORD_TEXT,   /* unstructured text: Subject */
                  WORD_PHRASE, /* a display name */
                  WORD_COMMENT
};

/* Appends an unfolded header value as UTF-8 text, with its encoded words
   decoded, adjacent ones joined (a character split across two is whole
   again). Raw 8-bit text is taken as UTF-8, else as windows-1252. Returns
   how many faults there were (unknown charset or malformed word: its text
   is kept). store, or NULL: see charset.h. */
INTERNAL int word_decode(struct buf *out, struct span value,
                         struct charset_store *store);

/* Appends UTF-8 text so that it is ASCII: bare where it can be, else as
   words of at most 75 characters in the charset, split between characters,
   Q or B, whichever is shorter, separated by single spaces. Text that
   could be mistaken for an encoded word is encoded. A phrase may become one
   quoted string of at most 76 characters instead. The caller folds at the
   spaces outside it. */
INTERNAL int word_encode(struct buf *out, struct span text, struct span charset,
                         enum word_place place);

/* The same for a first line on which so many columns are taken: where the
   text begins with a word, and a useful one still fits there, that word is
   cut to fit. */
INTERNAL int word_encode_at(struct buf *out, struct span text,
                            struct span charset, enum word_place place,
                            size_t taken);

struct word_form { /* what no other field asks for may be zero */
    struct span charset;
    struct span language; /* RFC 2231 5; letters, digits and "-" */
    enum word_place place;
    size_t taken;
    struct charset_store *store;
};

/* All of the above. ERR_LIMIT: charset and language leave no room. */
INTERNAL int word_encode_as(struct buf *out, struct span text,
                            const struct word_form *form);

/* Is it a language as RFC 5646 writes them, of up to 35 characters? */
INTERNAL bool word_is_language(struct span s);

#endif
