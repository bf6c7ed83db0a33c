/*
 * nginx configuration text as pieces.
 *
 * Every byte of the text belongs to exactly one piece, in order, whatever the text is: put
 * together again, the pieces are the text.  There is no wrong input here; what makes no sense to
 * nginx (a quote that is never closed) still is a piece.
 *
 * The rules are those of ngx_conf_read_token() (src/core/ngx_conf_file.c): blanks are space, tab,
 * CR and LF; a comment starts with '#' where a word could start and ends before LF; an unquoted
 * word ends before a blank, ';' or '{', except that "${" belongs to it, and '}', '#' and quotes
 * inside it are ordinary; a backslash takes the next byte with it, in quotes too.
 *
 * The body of a directive whose name ends in "_by_lua_block" is one RAW piece, up to the '}' that
 * closes it by the rules of Lua: braces in its strings, long brackets and comments do not count
 * (lua-nginx-module, src/ngx_http_lua_lex.rl).
 */
#ifndef ECERT_NGINX_LEXER_H
#define ECERT_NGINX_LEXER_H

#include <ecert/status.h>

#include <stdbool.h>

/* Larger files are not read: offsets are 32 bits wide. */
#define ECERT_NGINX_MAX_FILE_LEN ((size_t)64 << 20)

enum ecert_nginx_piece_kind {
    ECERT_NGINX_PIECE_BLANK = 0,
    ECERT_NGINX_PIECE_COMMENT = 1, /* without its LF */
    ECERT_NGINX_PIECE_WORD = 2,    /* with its quotes */
    ECERT_NGINX_PIECE_END = 3,     /* ";" */
    ECERT_NGINX_PIECE_OPEN = 4,    /* "{" */
    ECERT_NGINX_PIECE_CLOSE = 5,   /* "}" */
    ECERT_NGINX_PIECE_RAW = 6,     /* Lua */
};

struct ecert_nginx_piece {
    enum ecert_nginx_piece_kind kind;
    uint32_t start;
    uint32_t end;  /* the offset after the last byte */
    uint32_t line; /* where it starts, from 1 */
};

struct ecert_nginx_lexer {
    const uint8_t *text;
    uint32_t len;
    uint32_t at;
    uint32_t line;
    bool in_directive; /* its name was read */
    bool lua;          /* the name says that a Lua block follows */
    bool raw;          /* the Lua block starts here */
};

/* `text` has at most ECERT_NGINX_MAX_FILE_LEN bytes and outlives the lexer. */
void ecert_nginx_lexer_init(struct ecert_nginx_lexer *lexer, struct ecert_view text);

/* False: the end of the text. */
bool ecert_nginx_lexer_next(struct ecert_nginx_lexer *lexer, struct ecert_nginx_piece *ret);

/*
 * What nginx makes of a word: without its quotes, with \" \' \\ \t \r \n resolved.  Writes at most
 * `word.len` bytes to `out` and returns how many.
 */
size_t ecert_nginx_word_decode(struct ecert_view word, uint8_t *out);

#endif
