/*
 * Apache's configuration files, as a sequence of pieces that lose nothing.
 *
 * A piece is one logical line: a physical line and those that a backslash at the line's end joins
 * to it, with its line ending.  The pieces of a file, put one after the other, are the file, byte
 * for byte, whatever the file holds.  Nothing is allocated.
 *
 * The rules are those of httpd 2.4's ap_cfg_getline() and ap_getword_conf() (server/util.c), tried
 * with 2.4.71: a backslash directly before LF or CR LF joins, also after another backslash, and in
 * comments too; "#" starts a comment only as the first character of a logical line; quotes are '
 * or ", within them a backslash before the quote or a backslash is taken away.  A NUL byte ends the
 * logical line for the server, and what follows it up to the line feed is passed over.  Names of
 * directives and sections do not depend on case.
 */
#ifndef ECERT_APACHE_LEXER_H
#define ECERT_APACHE_LEXER_H

#include "plugins/shared/arena.h"

#include <stdbool.h>

enum ecert_apache_kind {
    ECERT_APACHE_BLANK = 0,
    ECERT_APACHE_COMMENT,
    ECERT_APACHE_DIRECTIVE,
    ECERT_APACHE_OPEN,  /* <Name arguments> */
    ECERT_APACHE_CLOSE, /* </Name> */
};

/* A word as it stands in the file; quotes and joined line ends included. */
struct ecert_apache_word {
    size_t begin, end;
};

struct ecert_apache_piece {
    enum ecert_apache_kind kind;
    size_t begin, end;             /* with the line ending */
    size_t seen;                   /* what the server sees ends here: at a NUL byte, or at `end` */
    size_t line;                   /* the last physical line: the server names that one */
    struct ecert_apache_word name; /* of directives and sections, without "<" and "</" */
};

struct ecert_apache_lexer {
    struct ecert_view text;
    size_t at;
    size_t line; /* physical lines read so far */
};

/* The next piece; false at the end of the file. */
bool ecert_apache_next(struct ecert_apache_lexer *lexer, struct ecert_apache_piece *ret);

/* The next word of a piece after `*at` (begin with piece->name.end); false when there is none. */
bool ecert_apache_next_word(struct ecert_view text, const struct ecert_apache_piece *piece,
                            size_t *at, struct ecert_apache_word *ret);

/* Does the piece have this name? */
bool ecert_apache_is(struct ecert_view text, const struct ecert_apache_piece *piece,
                     const char *name);

/* Is the logical line, without the blanks around it, this text, case included? */
bool ecert_apache_is_line(struct ecert_view text, const struct ecert_apache_piece *piece,
                          const char *line);

/* The word without quotes, escapes and joined line ends; NULL: no memory. */
char *ecert_apache_word_text(struct ecert_arena *arena, struct ecert_view text,
                             struct ecert_apache_word word);

/* The length of the blanks before the first character of a piece. */
size_t ecert_apache_indent(struct ecert_view text, const struct ecert_apache_piece *piece);

/* "\r\n", "\n", or "" where the file ends without one. */
const char *ecert_apache_line_end(struct ecert_view text, const struct ecert_apache_piece *piece);

#endif
