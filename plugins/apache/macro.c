#include "plugins/apache/macro.h"

#include "plugins/apache/collect.h"

#include <string.h>
#include <strings.h>

/* An earlier host of the same lines, which no parameter makes another one; hosts are sorted by file
 * and line of the macro. */
static const struct ecert_apache_block *find_same(const struct ecert_apache_scan *scan, size_t i)
{
    const struct ecert_apache_host *host = scan->blocks[i].host;

    for (size_t k = i; k > 0; k--) {
        const struct ecert_apache_block *block = &scan->blocks[k - 1];
        if (block->host->line != host->line || strcmp(block->host->file, host->file) != 0)
            return NULL;
        if (block->host->macro && block->found && block->host->macro_line == host->macro_line)
            return block->of_parameters ? NULL : block;
    }
    return NULL;
}

/* To the head of the virtual host within the macro; false: it is not there. */
static bool find_head(struct ecert_apache_lexer *lexer, const struct ecert_apache_host *host,
                      struct ecert_apache_piece *ret_macro, struct ecert_apache_piece *ret)
{
    bool found = false;

    while (!found && ecert_apache_next(lexer, ret))
        found = ret->line == host->line && ret->kind == ECERT_APACHE_OPEN &&
                ecert_apache_is(lexer->text, ret, "Macro");
    *ret_macro = *ret;
    for (size_t n = 0; found && n < host->macro_line;) {
        found = ecert_apache_next(lexer, ret);
        n += ret->kind == ECERT_APACHE_COMMENT ? 0 : 1; /* mod_macro keeps blank lines only */
    }
    return found && ret->kind == ECERT_APACHE_OPEN &&
           ecert_apache_is(lexer->text, ret, "VirtualHost");
}

static bool walk_block(struct ecert_apache_walk *walk, struct ecert_apache_block *block)
{
    struct ecert_apache_piece piece = {0};

    while (ecert_apache_next(&walk->lexer, &piece)) {
        if (piece.kind == ECERT_APACHE_CLOSE &&
            ecert_apache_is(walk->lexer.text, &piece, "VirtualHost"))
            break;
        if (piece.kind == ECERT_APACHE_OPEN &&
            ecert_apache_is_inactive(&walk->scan->conditions, walk->lexer.text, &piece))
            ecert_apache_skip(&walk->lexer, &piece);
        else if (piece.kind == ECERT_APACHE_DIRECTIVE && !ecert_apache_collect(walk, &piece))
            return false;
    }
    block->close = piece;
    block->last = piece;
    return true;
}

enum ecert_status ecert_apache_macro_walk(struct ecert_apache_scan *scan, size_t i,
                                          struct ecert_error *err)
{
    struct ecert_apache_block *block = &scan->blocks[i];
    struct ecert_apache_file *file = ecert_apache_tree_find(&scan->tree, block->host->file);
    const struct ecert_apache_block *same = find_same(scan, i);
    struct ecert_apache_walk walk = {
        .scan = scan, .node = ECERT_APACHE_NO_NODE, .block = block, .scope = &block->scope};
    struct ecert_apache_piece head = {0};
    struct ecert_apache_piece macro = {0};
    struct ecert_apache_parameters parameters = {0};

    if (same != NULL) {
        struct ecert_apache_host *host = block->host;
        *block = *same;
        block->host = host;
        return ECERT_OK;
    }
    if (file == NULL)
        return ECERT_OK;
    ECERT_APACHE_TRY(ecert_apache_tree_read(scan->host, scan->job, file, err));
    walk.lexer = (struct ecert_apache_lexer){.text = file->text};
    if (!find_head(&walk.lexer, block->host, &macro, &head))
        return ECERT_OK;
    if (!ecert_apache_parameters_of(scan, block->host, file->text, &macro, &parameters))
        return ecert_apache_no_memory(scan, err);
    walk.parameters = &parameters;
    block->of_parameters = parameters.has_any;
    block->found = true;
    block->node = ECERT_APACHE_NO_NODE;
    block->text = file->text;
    block->head = head;
    return walk_block(&walk, block) ? ECERT_OK : ecert_apache_no_memory(scan, err);
}

/* ---- macros within a host -------------------------------------------------------------------- */

/* What the macro gives that begins at the lexer, to its end. */
static enum ecert_macro_gives look_into(struct ecert_apache_lexer *lexer, const char *directive)
{
    enum ecert_macro_gives found = ECERT_MACRO_GIVES_NOT;
    struct ecert_apache_piece piece = {0};

    while (ecert_apache_next(lexer, &piece)) {
        if (piece.kind == ECERT_APACHE_CLOSE && ecert_apache_is(lexer->text, &piece, "Macro"))
            break;
        if (piece.kind != ECERT_APACHE_DIRECTIVE)
            continue;
        if (ecert_apache_is(lexer->text, &piece, directive))
            return ECERT_MACRO_GIVES;
        if (ecert_apache_is(lexer->text, &piece, "Use") ||
            ecert_apache_is(lexer->text, &piece, "Include") ||
            ecert_apache_is(lexer->text, &piece, "IncludeOptional") ||
            memchr("$%@", lexer->text.ptr[piece.name.begin], 3) != NULL)
            found = ECERT_MACRO_MAY_GIVE;
    }
    return found;
}

static bool is_macro(const struct ecert_apache_scan *scan, struct ecert_view text,
                     const struct ecert_apache_piece *piece, const char *name)
{
    struct ecert_apache_word word = {0};
    size_t at = piece->name.end;

    if (piece->kind != ECERT_APACHE_OPEN || !ecert_apache_is(text, piece, "Macro") ||
        !ecert_apache_next_word(text, piece, &at, &word))
        return false;
    const char *value = ecert_apache_word_value(&scan->variables, text, word);
    return value == NULL || strcasecmp(value, name) == 0;
}

/* Every definition of that name counts: which one was in force is not followed. */
static enum ecert_macro_gives gives(const struct ecert_apache_scan *scan, const char *name,
                                    const char *directive)
{
    enum ecert_macro_gives most = ECERT_MACRO_GIVES_NOT;
    bool found = false;

    for (size_t i = 0; i < scan->tree.n_files; i++) {
        struct ecert_apache_lexer lexer = {.text = scan->tree.files[i].text};
        struct ecert_apache_piece piece = {0};
        while (scan->tree.files[i].is_read && ecert_apache_next(&lexer, &piece)) {
            if (!is_macro(scan, lexer.text, &piece, name))
                continue;
            const enum ecert_macro_gives this_one = look_into(&lexer, directive);
            most = this_one > most ? this_one : most;
            found = true;
        }
    }
    return found ? most : ECERT_MACRO_MAY_GIVE;
}

enum ecert_macro_gives ecert_apache_macro_gives(const struct ecert_apache_scan *scan,
                                                const struct ecert_apache_scope *scope,
                                                const char *directive)
{
    enum ecert_macro_gives most = ECERT_MACRO_GIVES_NOT;

    for (size_t i = 0; i < ecert_apache_use_count(scope, ECERT_APACHE_MACRO); i++) {
        const struct ecert_apache_use *use = ecert_apache_use_at(scope, ECERT_APACHE_MACRO, i);
        const enum ecert_macro_gives this_one = gives(scan, use->value, directive);
        most = this_one > most ? this_one : most;
    }
    return most;
}
