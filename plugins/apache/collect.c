#include "plugins/apache/collect.h"

#include <string.h>

static const char *const directive_names[ECERT_APACHE_DIRECTIVE_COUNT] = {
    [ECERT_APACHE_ENGINE] = "SSLEngine",
    [ECERT_APACHE_CERTIFICATE] = "SSLCertificateFile",
    [ECERT_APACHE_KEY] = "SSLCertificateKeyFile",
    [ECERT_APACHE_CHAIN] = "SSLCertificateChainFile",
    [ECERT_APACHE_NAME] = "ServerName",
    [ECERT_APACHE_ALIAS] = "ServerAlias",
    [ECERT_APACHE_LISTEN] = "Listen",
    [ECERT_APACHE_DIALOG] = "SSLPassPhraseDialog",
    [ECERT_APACHE_MACRO] = "Use",
};

static bool names_a_file(enum ecert_apache_directive directive)
{
    return directive == ECERT_APACHE_CERTIFICATE || directive == ECERT_APACHE_KEY ||
           directive == ECERT_APACHE_CHAIN;
}

/* See ecert_apache_use.path; false: no memory. */
static bool find_path(const struct ecert_apache_walk *walk, struct ecert_apache_use *use)
{
    const char *value = use->value;
    const bool macro = walk->block != NULL && walk->block->host->macro;

    if (names_a_file(use->directive) && walk->parameters != NULL && walk->parameters->n > 0)
        value = ecert_apache_parameters_fill(walk->scan->arena, walk->parameters, value);
    if (value == NULL)
        return false;
    if (!names_a_file(use->directive) || strncmp(value, "pkcs11:", 7) == 0 ||
        strstr(value, "${") != NULL || (macro && strpbrk(value, "$%@") != NULL))
        return true;
    const char *path = ecert_apache_resolve(walk->scan->arena, walk->scan->dump, value);
    use->path = path != NULL && path[0] == '/' ? path : NULL;
    return path != NULL;
}

static bool add_use(struct ecert_apache_walk *walk, enum ecert_apache_directive directive,
                    const struct ecert_apache_piece *piece, struct ecert_apache_word word)
{
    const struct ecert_view text = walk->lexer.text;
    struct ecert_apache_uses *uses = &walk->scope->of[directive];
    struct ecert_apache_use use = {
        .directive = directive, .node = walk->node, .text = text, .piece = *piece, .word = word};
    struct ecert_apache_use *list =
        ecert_arena_grow(walk->scan->arena, uses->list, uses->n, sizeof *list);

    use.value = ecert_apache_word_value(&walk->scan->variables, text, word);
    if (list == NULL || use.value == NULL || !find_path(walk, &use))
        return false;
    uses->list = list;
    list[uses->n++] = use;
    return true;
}

static const char *next_text(const struct ecert_apache_walk *walk,
                             const struct ecert_apache_piece *piece, size_t *at)
{
    const struct ecert_view text = walk->lexer.text;
    struct ecert_apache_word word = {0};

    return ecert_apache_next_word(text, piece, at, &word)
               ? ecert_apache_word_value(&walk->scan->variables, text, word)
               : "";
}

/* Define NAME [value], UnDefine NAME: in force from here on. */
static bool define(const struct ecert_apache_walk *walk, const struct ecert_apache_piece *piece,
                   bool defined)
{
    size_t at = piece->name.end;
    const char *name = next_text(walk, piece, &at);
    const char *value = name == NULL || !defined ? "" : next_text(walk, piece, &at);

    if (name == NULL || value == NULL)
        return false;
    if (name[0] == '\0' || walk->unread != NULL)
        return true;
    return defined ? ecert_apache_define(&walk->scan->variables, name, value)
                   : ecert_apache_undefine(&walk->scan->variables, name);
}

static bool is_asked_for(const struct ecert_apache_walk *walk,
                         enum ecert_apache_directive directive)
{
    if (walk->scope == NULL)
        return false;
    if (directive != ECERT_APACHE_NAME && directive != ECERT_APACHE_ALIAS)
        return true;
    if (walk->block == NULL)
        return directive == ECERT_APACHE_NAME;
    return walk->block->host->aliases_unknown && !walk->block->host->macro;
}

bool ecert_apache_collect(struct ecert_apache_walk *walk, const struct ecert_apache_piece *piece)
{
    const struct ecert_view text = walk->lexer.text;
    const uint8_t first = piece->name.begin < piece->name.end ? text.ptr[piece->name.begin] : 0;
    size_t at = piece->name.end;
    struct ecert_apache_word word = {0};

    if (first != '"' && first != '\'' && first != '\\' && strchr("SsLlDdUu", first) == NULL)
        return true;
    for (size_t i = 0; i < ECERT_APACHE_DIRECTIVE_COUNT; i++) {
        if (!ecert_apache_is(text, piece, directive_names[i]))
            continue;
        while (is_asked_for(walk, (enum ecert_apache_directive)i) &&
               ecert_apache_next_word(text, piece, &at, &word)) {
            if (!add_use(walk, (enum ecert_apache_directive)i, piece, word))
                return false;
            if (i != ECERT_APACHE_ALIAS)
                break;
        }
        return true;
    }
    if (ecert_apache_is(text, piece, "LoadModule"))
        return walk->unread != NULL || ecert_apache_loaded_add(&walk->scan->loaded, text, piece);
    if (ecert_apache_is(text, piece, "Define"))
        return define(walk, piece, true);
    return !ecert_apache_is(text, piece, "UnDefine") || define(walk, piece, false);
}

/* ---- uses ---------------------------------------------------------------------------------- */

const struct ecert_apache_use *ecert_apache_use_at(const struct ecert_apache_scope *scope,
                                                   enum ecert_apache_directive directive, size_t n)
{
    const struct ecert_apache_uses *uses = &scope->of[directive];

    return n < uses->n ? &uses->list[n] : NULL;
}

size_t ecert_apache_use_count(const struct ecert_apache_scope *scope,
                              enum ecert_apache_directive directive)
{
    return scope->of[directive].n;
}

const struct ecert_apache_use *ecert_apache_use_last(const struct ecert_apache_scope *scope,
                                                     enum ecert_apache_directive directive)
{
    const struct ecert_apache_uses *uses = &scope->of[directive];

    return uses->n > 0 ? &uses->list[uses->n - 1] : NULL;
}

const char *ecert_apache_use_file(const struct ecert_apache_scan *scan,
                                  const struct ecert_apache_block *block,
                                  const struct ecert_apache_use *use)
{
    return use->node == ECERT_APACHE_NO_NODE ? block->host->file : scan->tree.nodes[use->node].path;
}
