#include "plugins/nginx/tree.h"

#include "plugins/nginx/lexer.h"

#include <string.h>

#define MAX_DEPTH    100 /* of kept blocks: whoever walks the tree calls itself */
#define MAX_WORD_LEN 64  /* of a keyword with quotes and escapes */
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct keyword {
    const char *name;
    size_t len;
    bool block;
    enum ecert_nginx_kind kind;
} keywords[] = {
#define KEYWORD(name, block, kind)                        \
    {                                                     \
        name, sizeof(name) - 1, block, ECERT_NGINX_##kind \
    }
    KEYWORD("http", true, HTTP),
    KEYWORD("stream", true, STREAM),
    KEYWORD("mail", true, MAIL),
    KEYWORD("server", true, SERVER),
    KEYWORD("location", true, LOCATION),
    KEYWORD("if", true, LOCATION),
    KEYWORD("limit_except", true, LOCATION),
    KEYWORD("include", false, INCLUDE),
    KEYWORD("listen", false, LISTEN),
    KEYWORD("server_name", false, SERVER_NAME),
    KEYWORD("ssl", false, SSL),
    KEYWORD("ssl_certificate", false, CERTIFICATE),
    KEYWORD("ssl_certificate_key", false, CERTIFICATE_KEY),
    KEYWORD("ssl_password_file", false, PASSWORD_FILE),
    KEYWORD("ssl_reject_handshake", false, REJECT_HANDSHAKE),
    KEYWORD("starttls", false, STARTTLS),
    KEYWORD("protocol", false, PROTOCOL),
    KEYWORD("pid", false, PID),
    KEYWORD("error_log", false, ERROR_LOG),
    KEYWORD("access_log", false, ACCESS_LOG),
#undef KEYWORD
};

/* The words of the directive being read. */
struct pending {
    struct ecert_nginx_word *words; /* [0] is the name */
    size_t n;
    size_t room;
    uint32_t line;
};

struct parser {
    struct ecert_nginx *env;
    struct ecert_nginx_file *file;
    struct ecert_nginx_directive *block; /* the innermost kept one */
    size_t depth;
    size_t skipped;        /* blocks that are open inside one that is not kept, itself included */
    uint32_t skipped_line; /* where the outermost of these starts */
    struct pending pending;
    struct ecert_nginx_directive *spare; /* of a block that was not kept after all; NULL: none */
};

enum ecert_status ecert_nginx_no_memory(const struct ecert_nginx *env, struct ecert_error *err)
{
    return env->host->fail(err, ECERT_E_NOMEM, "out of memory");
}

/* As nginx understands it: also a directive's name may be in quotes, and have escapes. */
static bool word_is(const struct ecert_nginx_file *file, struct ecert_nginx_word word,
                    const char *text, size_t len)
{
    const struct ecert_view raw = {file->text.ptr + word.start, word.len};
    uint8_t decoded[MAX_WORD_LEN];

    if (raw.len == len)
        return memcmp(raw.ptr, text, len) == 0;
    if (raw.len < len || raw.len > sizeof decoded)
        return false;
    return ecert_nginx_word_decode(raw, decoded) == len && memcmp(decoded, text, len) == 0;
}

static bool is_written_plainly(const struct ecert_nginx_file *file, struct ecert_nginx_word word)
{
    const uint8_t *text = file->text.ptr + word.start;

    return text[0] != '"' && text[0] != '\'' && memchr(text, '\\', word.len) == NULL;
}

static enum ecert_nginx_kind kind_of(const struct parser *parser, bool block)
{
    if (parser->pending.n == 0)
        return ECERT_NGINX_NONE;
    const struct ecert_nginx_word name = parser->pending.words[0];
    const bool plain = is_written_plainly(parser->file, name);

    for (size_t i = 0; i < COUNT(keywords); i++)
        if (keywords[i].block == block && (!plain || keywords[i].len == name.len) &&
            word_is(parser->file, name, keywords[i].name, keywords[i].len))
            return keywords[i].kind;
    return ECERT_NGINX_NONE;
}

static enum ecert_status add_word(struct parser *parser, const struct ecert_nginx_piece *piece,
                                  struct ecert_error *err)
{
    struct pending *pending = &parser->pending;

    if (pending->n == 0)
        pending->line = piece->line;
    if (pending->n == pending->room) { /* one buffer for all directives: it hardly ever grows */
        const size_t room = pending->room == 0 ? 64 : 2 * pending->room;
        struct ecert_nginx_word *words =
            ecert_arena_alloc(&parser->env->arena, room * sizeof *words);
        if (words == NULL)
            return ecert_nginx_no_memory(parser->env, err);
        if (pending->n != 0)
            memcpy(words, pending->words, pending->n * sizeof *words);
        parser->env->words = pending->words = words;
        parser->env->n_words = pending->room = room;
    }
    pending->words[pending->n++] =
        (struct ecert_nginx_word){piece->start, piece->end - piece->start};
    return ECERT_OK;
}

static struct ecert_nginx_directive *new_directive(struct parser *parser,
                                                   enum ecert_nginx_kind kind)
{
    const struct pending *pending = &parser->pending;
    const size_t n = kind == ECERT_NGINX_LOCATION ? 0 : pending->n - 1; /* nobody asks which */
    struct ecert_nginx_directive *directive =
        parser->spare != NULL ? parser->spare
                              : ecert_arena_alloc(&parser->env->arena, sizeof *directive);
    struct ecert_nginx_word *words = ecert_arena_alloc(&parser->env->arena, n * sizeof *words);

    if (directive == NULL || words == NULL)
        return NULL;
    if (n != 0)
        memcpy(words, pending->words + 1, n * sizeof *words);
    parser->spare = NULL;
    *directive = (struct ecert_nginx_directive){
        .file = parser->file,
        .parent = parser->block,
        .words = words,
        .n_words = (uint32_t)n,
        .start = pending->words[0].start,
        .line = pending->line,
        .kind = kind,
    };
    return directive;
}

static void append(struct parser *parser, struct ecert_nginx_directive *directive)
{
    struct ecert_nginx_directive *parent = directive->parent;
    struct ecert_nginx_directive **first = parent != NULL ? &parent->first : &parser->file->first;
    struct ecert_nginx_directive **last = parent != NULL ? &parent->last : &parser->file->last;

    if (*last == NULL)
        *first = directive;
    else
        (*last)->next = directive;
    *last = directive;
}

static enum ecert_status end_directive(struct parser *parser, const struct ecert_nginx_piece *piece,
                                       struct ecert_error *err)
{
    const enum ecert_nginx_kind kind =
        parser->skipped != 0 ? ECERT_NGINX_NONE : kind_of(parser, false);

    if (kind != ECERT_NGINX_NONE) {
        struct ecert_nginx_directive *directive = new_directive(parser, kind);
        if (directive == NULL)
            return ecert_nginx_no_memory(parser->env, err);
        directive->end = piece->end;
        append(parser, directive);
    }
    parser->pending.n = 0;
    return ECERT_OK;
}

static enum ecert_status open_block(struct parser *parser, const struct ecert_nginx_piece *piece,
                                    struct ecert_error *err)
{
    const enum ecert_nginx_kind kind =
        parser->skipped != 0 ? ECERT_NGINX_NONE : kind_of(parser, true);

    if (kind == ECERT_NGINX_NONE || parser->depth == MAX_DEPTH) {
        if (parser->skipped++ == 0)
            parser->skipped_line = piece->line;
    } else {
        struct ecert_nginx_directive *directive = new_directive(parser, kind);
        if (directive == NULL)
            return ecert_nginx_no_memory(parser->env, err);
        directive->open = piece->end;
        directive->open_line = piece->line;
        parser->block = directive;
        parser->depth++;
    }
    parser->pending.n = 0;
    return ECERT_OK;
}

static enum ecert_status close_block(struct parser *parser, const struct ecert_nginx_piece *piece,
                                     struct ecert_error *err)
{
    struct ecert_nginx_directive *block = parser->block;

    if (parser->pending.n != 0)
        return parser->env->host->fail(err, ECERT_E_CONFIG,
                                       "%s:%u: the directive that starts here has no ';' before "
                                       "the '}' of line %u; correct the file",
                                       parser->file->path, parser->pending.line, piece->line);
    if (parser->skipped == 0 && block == NULL)
        return parser->env->host->fail(err, ECERT_E_CONFIG,
                                       "%s:%u: this '}' closes no block; correct the file",
                                       parser->file->path, piece->line);
    if (parser->skipped != 0) {
        parser->skipped--;
        return ECERT_OK;
    }
    parser->depth--;
    block->end = piece->end;
    parser->block = block->parent;
    if (block->first != NULL || block->kind == ECERT_NGINX_SERVER)
        append(parser, block);
    else
        parser->spare = block; /* a file has many locations */
    return ECERT_OK;
}

static enum ecert_status take_piece(struct parser *parser, const struct ecert_nginx_piece *piece,
                                    struct ecert_error *err)
{
    switch (piece->kind) {
    case ECERT_NGINX_PIECE_WORD:
        return add_word(parser, piece, err);
    case ECERT_NGINX_PIECE_END:
        return end_directive(parser, piece, err);
    case ECERT_NGINX_PIECE_OPEN:
        return open_block(parser, piece, err);
    case ECERT_NGINX_PIECE_CLOSE:
        return close_block(parser, piece, err);
    case ECERT_NGINX_PIECE_BLANK:
    case ECERT_NGINX_PIECE_COMMENT:
    case ECERT_NGINX_PIECE_RAW:
        break;
    }
    return ECERT_OK;
}

enum ecert_status ecert_nginx_parse(struct ecert_nginx *env, struct ecert_nginx_file *file,
                                    struct ecert_error *err)
{
    struct parser parser = {
        .env = env, .file = file, .pending = {.words = env->words, .room = env->n_words}};
    struct ecert_nginx_lexer lexer = {0};
    struct ecert_nginx_piece piece = {0};

    ecert_nginx_lexer_init(&lexer, file->text);
    while (ecert_nginx_lexer_next(&lexer, &piece))
        ECERT_NGINX_TRY(take_piece(&parser, &piece, err));
    if (parser.pending.n != 0)
        return env->host->fail(err, ECERT_E_CONFIG,
                               "%s:%u: the directive that starts here is not finished at the end "
                               "of the file; correct the file",
                               file->path, parser.pending.line);
    if (parser.skipped != 0 || parser.block != NULL)
        return env->host->fail(err, ECERT_E_CONFIG,
                               "%s:%u: the block that starts here is not closed; correct the file",
                               file->path,
                               parser.skipped != 0 ? parser.skipped_line : parser.block->open_line);
    return ECERT_OK;
}

char *ecert_nginx_argument(struct ecert_nginx *env, const struct ecert_nginx_directive *directive,
                           uint32_t i)
{
    const struct ecert_nginx_word word = directive->words[i];
    char *text = ecert_arena_alloc(&env->arena, (size_t)word.len + 1);

    if (text != NULL)
        text[ecert_nginx_word_decode(
            (struct ecert_view){directive->file->text.ptr + word.start, word.len},
            (uint8_t *)text)] = '\0';
    return text;
}

bool ecert_nginx_argument_is(const struct ecert_nginx_directive *directive, uint32_t i,
                             const char *text)
{
    return i < directive->n_words &&
           word_is(directive->file, directive->words[i], text, strlen(text));
}
