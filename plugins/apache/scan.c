#include "plugins/apache/scan.h"

#include <string.h>
#include <strings.h>

#define MAX_LEVEL 128 /* the server's own limit, AP_MAX_INCLUDE_DEPTH */

static const char *const directive_names[ECERT_APACHE_DIRECTIVE_COUNT] = {
    [ECERT_APACHE_ENGINE] = "SSLEngine",
    [ECERT_APACHE_CERTIFICATE] = "SSLCertificateFile",
    [ECERT_APACHE_KEY] = "SSLCertificateKeyFile",
    [ECERT_APACHE_CHAIN] = "SSLCertificateChainFile",
    [ECERT_APACHE_ALIAS] = "ServerAlias",
    [ECERT_APACHE_LISTEN] = "Listen",
    [ECERT_APACHE_DIALOG] = "SSLPassPhraseDialog",
};

/* Where the walk through one file stands. */
struct walk {
    struct ecert_apache_scan *scan;
    size_t node;
    struct ecert_view text;
    struct ecert_apache_lexer lexer;
    size_t child;                     /* the next included file that was not walked yet */
    struct ecert_apache_scope *scope; /* NULL: a virtual host that nobody wants */
    struct ecert_apache_block *block; /* whose scope it is; NULL: the server's */
    bool in_block;                    /* within a <VirtualHost> of this file */
    size_t depth;                     /* of sections within it */
};

static enum ecert_status walk_file(struct ecert_apache_scan *scan, size_t node,
                                   struct ecert_apache_block *block, struct ecert_error *err);

static enum ecert_status no_memory(const struct ecert_apache_scan *scan, struct ecert_error *err)
{
    return scan->host->fail(err, ECERT_E_NOMEM, "out of memory");
}

static bool add_use(struct walk *walk, enum ecert_apache_directive directive,
                    const struct ecert_apache_piece *piece, struct ecert_apache_word word)
{
    struct ecert_arena *arena = walk->scan->arena;
    struct ecert_apache_scope *scope = walk->scope;
    struct ecert_apache_use *uses =
        ecert_arena_grow(arena, scope->uses, scope->n_uses, sizeof *uses);
    const char *value = ecert_apache_word_text(arena, walk->text, word);

    if (uses == NULL || value == NULL)
        return false;
    scope->uses = uses;
    uses[scope->n_uses++] = (struct ecert_apache_use){.directive = directive,
                                                      .node = walk->node,
                                                      .text = walk->text,
                                                      .piece = *piece,
                                                      .word = word,
                                                      .value = value};
    return true;
}

/* A directive that bears on TLS becomes a use of the scope; others are passed over. */
static enum ecert_status collect(struct walk *walk, const struct ecert_apache_piece *piece,
                                 struct ecert_error *err)
{
    size_t at = piece->name.end;
    struct ecert_apache_word word = {0};

    for (size_t i = 0; i < ECERT_APACHE_DIRECTIVE_COUNT; i++) {
        if (!ecert_apache_is(walk->text, piece, directive_names[i]))
            continue;
        while (ecert_apache_next_word(walk->text, piece, &at, &word)) {
            if (!add_use(walk, (enum ecert_apache_directive)i, piece, word))
                return no_memory(walk->scan, err);
            if (i != ECERT_APACHE_ALIAS)
                break;
        }
        break;
    }
    return ECERT_OK;
}

/*
 * Walk the files that the Include in this line brought in.  They are searched for by the line,
 * because files that a macro includes stand among them, with lines of the macro.
 */
static enum ecert_status follow(struct walk *walk, size_t line, struct ecert_error *err)
{
    const struct ecert_apache_dump *dump = walk->scan->dump;
    const size_t level = dump->nodes[walk->node].level;
    enum ecert_status status = ECERT_OK;
    bool matched = false;

    for (size_t i = walk->child; i < dump->n_nodes && status == ECERT_OK; i++) {
        const struct ecert_apache_node *child = &dump->nodes[i];
        if (child->level <= level)
            break; /* the next file beside or above this one */
        if (child->level > level + 1)
            continue; /* included by an included one */
        if (child->line == line) {
            matched = true;
            walk->child = i + 1;
            if (walk->scope != NULL)
                status = walk_file(walk->scan, i, walk->block, err);
        } else if (matched) {
            break;
        }
    }
    return status;
}

/* ---- sections ------------------------------------------------------------------------------ */

static const char *first_word(const struct walk *walk, const struct ecert_apache_piece *piece)
{
    struct ecert_apache_word word = {0};
    size_t at = piece->name.end;

    return ecert_apache_next_word(walk->text, piece, &at, &word)
               ? ecert_apache_word_text(walk->scan->arena, walk->text, word)
               : "";
}

static bool is_opaque(const struct walk *walk, const struct ecert_apache_piece *piece)
{
    const char *const name = (const char *)walk->text.ptr + piece->name.begin;

    return ecert_apache_is(walk->text, piece, "Perl") ||
           ecert_apache_is(walk->text, piece, "Macro") ||
           (piece->name.end - piece->name.begin > 3 && strncasecmp(name, "Lua", 3) == 0);
}

static bool is_inactive(const struct walk *walk, const struct ecert_apache_piece *piece)
{
    const bool define = ecert_apache_is(walk->text, piece, "IfDefine");

    if (!define && !ecert_apache_is(walk->text, piece, "IfModule"))
        return false;
    const char *word = first_word(walk, piece);
    if (word == NULL)
        return false;
    const bool negated = word[0] == '!';
    const char *name = word + (negated ? 1 : 0);
    if (!define)
        return negated && (strcasecmp(name, "mod_ssl.c") == 0 || strcmp(name, "ssl_module") == 0);
    return (ecert_apache_define(walk->scan->dump, name, strlen(name)) != NULL) == negated;
}

static bool has_same_name(struct ecert_view text, const struct ecert_apache_piece *a,
                          const struct ecert_apache_piece *b)
{
    const size_t len = a->name.end - a->name.begin;

    return len == b->name.end - b->name.begin &&
           strncasecmp((const char *)text.ptr + a->name.begin,
                       (const char *)text.ptr + b->name.begin, len) == 0;
}

/* Pass over a section, as the server does: up to the close of the same name. */
static void skip_section(struct walk *walk, const struct ecert_apache_piece *head)
{
    struct ecert_apache_piece piece = {0};

    for (size_t open = 1; open > 0 && ecert_apache_next(&walk->lexer, &piece);) {
        if (piece.kind == ECERT_APACHE_OPEN && has_same_name(walk->text, head, &piece))
            open++;
        else if (piece.kind == ECERT_APACHE_CLOSE && has_same_name(walk->text, head, &piece))
            open--;
    }
}

/* The wanted block whose head ends in this line; NULL: nobody wants it. */
static struct ecert_apache_block *find_block(struct ecert_apache_scan *scan, size_t node,
                                             size_t line)
{
    size_t low = 0;
    size_t high = scan->n_blocks;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        struct ecert_apache_block *block = &scan->blocks[middle];
        int order = strcmp(block->host->file, scan->dump->nodes[node].path);
        if (order == 0 && block->host->line != line)
            order = block->host->line < line ? -1 : 1;
        if (order == 0)
            return block->host->macro ? NULL : block;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static void enter_block(struct walk *walk, const struct ecert_apache_piece *head)
{
    struct ecert_apache_block *block = find_block(walk->scan, walk->node, head->line);

    walk->in_block = true;
    walk->depth = 0;
    walk->block = block;
    walk->scope = NULL;
    if (block == NULL || block->found) /* a file that is included twice: its first reading counts */
        return;
    block->found = true;
    block->node = walk->node;
    block->text = walk->text;
    block->head = *head;
    block->last = *head;
    walk->scope = &block->scope;
}

static void leave_block(struct walk *walk, const struct ecert_apache_piece *close)
{
    if (walk->scope != NULL)
        walk->block->close = *close;
    walk->in_block = false;
    walk->block = NULL;
    walk->scope = &walk->scan->server;
}

static enum ecert_status step(struct walk *walk, const struct ecert_apache_piece *piece,
                              struct ecert_error *err)
{
    const struct ecert_view text = walk->text;

    switch (piece->kind) {
    case ECERT_APACHE_BLANK:
    case ECERT_APACHE_COMMENT:
        return ECERT_OK;
    case ECERT_APACHE_OPEN:
        if (is_opaque(walk, piece) || is_inactive(walk, piece))
            skip_section(walk, piece);
        else if (walk->block == NULL && !walk->in_block &&
                 ecert_apache_is(text, piece, "VirtualHost"))
            enter_block(walk, piece);
        else
            walk->depth++;
        return ECERT_OK;
    case ECERT_APACHE_CLOSE:
        if (walk->in_block && ecert_apache_is(text, piece, "VirtualHost"))
            leave_block(walk, piece);
        else if (walk->depth > 0)
            walk->depth--;
        return ECERT_OK;
    case ECERT_APACHE_DIRECTIVE:
        if (ecert_apache_is(text, piece, "Include") ||
            ecert_apache_is(text, piece, "IncludeOptional"))
            return follow(walk, piece->line, err);
        if (walk->scope == NULL)
            return ECERT_OK;
        if (walk->in_block && walk->depth == 0)
            walk->block->last = *piece;
        return collect(walk, piece, err);
    }
    return ECERT_OK;
}

/* ---- files --------------------------------------------------------------------------------- */

static enum ecert_status open_file(struct walk *walk, const char *path, struct ecert_error *err)
{
    struct ecert_apache_scan *scan = walk->scan;
    const enum ecert_status status =
        scan->host->read_file(scan->job, path, ECERT_APACHE_FILE_MAX_LEN, &walk->text, err);

    walk->lexer = (struct ecert_apache_lexer){.text = walk->text};
    return status;
}

/* One file, in the server's scope or, where it was included by a block, in that block's. */
static enum ecert_status walk_file(struct ecert_apache_scan *scan, size_t node,
                                   struct ecert_apache_block *block, struct ecert_error *err)
{
    const char *const path = scan->dump->nodes[node].path;
    struct walk walk = {.scan = scan,
                        .node = node,
                        .child = node + 1,
                        .block = block,
                        .scope = block != NULL ? &block->scope : &scan->server};
    struct ecert_apache_piece piece = {0};
    enum ecert_status status = ECERT_OK;

    if (scan->dump->nodes[node].level > MAX_LEVEL)
        return scan->host->fail(err, ECERT_E_CONFIG, "'%s' is included too deeply", path);
    scan->owners[node] = block != NULL ? (size_t)(block - scan->blocks) + 1 : 0;
    status = open_file(&walk, path, err);
    while (status == ECERT_OK && ecert_apache_next(&walk.lexer, &piece))
        status = step(&walk, &piece, err);
    if (status == ECERT_OK && walk.in_block)
        return scan->host->fail(err, ECERT_E_CONFIG,
                                "'%s' ends within a <VirtualHost>; close it in the same file",
                                path);
    return status;
}

/* What a macro's definition holds stands for the block that it made. */
static enum ecert_status walk_macro(struct ecert_apache_scan *scan,
                                    struct ecert_apache_block *block, struct ecert_error *err)
{
    struct walk walk = {.scan = scan, .block = block, .scope = &block->scope};
    struct ecert_apache_piece piece = {0};

    if (block->host->file[0] != '/')
        return ECERT_OK;
    ECERT_APACHE_TRY(open_file(&walk, block->host->file, err));
    while (ecert_apache_next(&walk.lexer, &piece))
        if (piece.line == block->host->line && piece.kind == ECERT_APACHE_OPEN)
            break;
    if (piece.line != block->host->line)
        return ECERT_OK;
    block->found = true;
    block->text = walk.text;
    block->head = piece;
    while (ecert_apache_next(&walk.lexer, &piece)) {
        if (piece.kind == ECERT_APACHE_CLOSE && ecert_apache_is(walk.text, &piece, "Macro"))
            break;
        if (piece.kind == ECERT_APACHE_DIRECTIVE)
            ECERT_APACHE_TRY(collect(&walk, &piece, err));
    }
    block->close = piece;
    block->last = piece;
    return ECERT_OK;
}

enum ecert_status ecert_apache_scan_run(struct ecert_apache_scan *scan, struct ecert_error *err)
{
    const struct ecert_apache_dump *dump = scan->dump;

    scan->owners = ecert_arena_alloc(scan->arena, (dump->n_nodes + 1) * sizeof *scan->owners);
    if (scan->owners == NULL)
        return no_memory(scan, err);
    for (size_t i = 0; i < dump->n_nodes; i++)
        if (dump->nodes[i].level == 0)
            ECERT_APACHE_TRY(walk_file(scan, i, NULL, err));
    for (size_t i = 0; i < scan->n_blocks; i++)
        if (scan->blocks[i].host->macro)
            ECERT_APACHE_TRY(walk_macro(scan, &scan->blocks[i], err));
    return ECERT_OK;
}

/* ---- uses ---------------------------------------------------------------------------------- */

const struct ecert_apache_use *ecert_apache_use_at(const struct ecert_apache_scope *scope,
                                                   enum ecert_apache_directive directive, size_t n)
{
    for (size_t i = 0; i < scope->n_uses; i++)
        if (scope->uses[i].directive == directive && n-- == 0)
            return &scope->uses[i];
    return NULL;
}

size_t ecert_apache_use_count(const struct ecert_apache_scope *scope,
                              enum ecert_apache_directive directive)
{
    size_t n = 0;

    for (size_t i = 0; i < scope->n_uses; i++)
        if (scope->uses[i].directive == directive)
            n++;
    return n;
}

const struct ecert_apache_use *ecert_apache_use_last(const struct ecert_apache_scope *scope,
                                                     enum ecert_apache_directive directive)
{
    for (size_t i = scope->n_uses; i > 0; i--)
        if (scope->uses[i - 1].directive == directive)
            return &scope->uses[i - 1];
    return NULL;
}
