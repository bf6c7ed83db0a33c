#include "plugins/apache/change.h"

#include "plugins/apache/macro.h"
#include "plugins/apache/sharing.h"

#include <string.h>
#include <strings.h>

#define REASON    "   (ecert: the chain is in SSLCertificateFile)"
#define MAX_PAIRS 16

/* One block being changed. */
struct work {
    struct ecert_apache_changes *all;
    const struct ecert_apache_block *block;
    const struct ecert_apache_scope *scope;
    struct ecert_error *err;
    size_t n_pairs;       /* SSLCertificateFile directives of the block */
    bool ours[MAX_PAIRS]; /* which of them are replaced */
    bool others;          /* one of them stays */
};

static enum ecert_status no_memory(const struct work *work)
{
    return work->all->scan->host->fail(work->err, ECERT_E_NOMEM, "out of memory");
}

bool ecert_apache_is_on(const struct ecert_apache_use *engine)
{
    return engine != NULL &&
           (strcasecmp(engine->value, "on") == 0 || strcasecmp(engine->value, "optional") == 0);
}

static const char *path_of(const struct work *work, const struct ecert_apache_use *use)
{
    return ecert_apache_use_file(work->all->scan, work->block, use);
}

/* Is this file also read by a virtual host, or by the server, that is not changed? */
static bool is_shared(const struct work *work, size_t node)
{
    return node != ECERT_APACHE_NO_NODE && node != work->block->node &&
           ecert_apache_is_shared(work->all->scan, node);
}

static enum ecert_status refuse_shared(const struct work *work, const struct ecert_apache_use *use)
{
    const struct ecert_apache_wish *wish = &work->all->wish;

    return work->all->scan->host->fail(
        work->err, ECERT_E_CONFIG,
        "'%s' line %zu sets '%s' for other virtual hosts too; take it out of that file and write "
        "\"SSLCertificateFile %s\" and \"SSLCertificateKeyFile %s\" into the <VirtualHost> at %s",
        path_of(work, use), use->piece.line, use->value, wish->certificate,
        wish->key != NULL ? wish->key : "...", work->block->host->place);
}

/* ---- edits --------------------------------------------------------------------------------- */

static enum ecert_status add_edit(struct work *work, const char *path, struct ecert_view text,
                                  size_t begin, size_t end, const char *with)
{
    const struct ecert_apache_edit edit = {
        .path = path, .text = text, .begin = begin, .end = end, .with = with};

    if (with == NULL || !ecert_apache_edits_add(work->all->scan->arena, &work->all->edits, &edit))
        return no_memory(work);
    return ECERT_OK;
}

const char *ecert_apache_as_word(struct ecert_arena *arena, const char *path, uint8_t quote)
{
    if (quote == 0 && strpbrk(path, " \t\"'\\<>") == NULL)
        return path;
    char *word = ecert_arena_alloc(arena, 2 * strlen(path) + 3);
    char *end = word;
    const char mark = quote == '\'' ? '\'' : '"';
    if (word == NULL)
        return NULL;
    *end++ = mark;
    for (const char *p = path; *p != '\0'; p++) {
        if (*p == mark || *p == '\\')
            *end++ = '\\';
        *end++ = *p;
    }
    *end = mark;
    return word;
}

static const char *as_word(const struct work *work, const char *path, uint8_t quote)
{
    return ecert_apache_as_word(work->all->scan->arena, path, quote);
}

static bool names(const struct ecert_apache_use *use, const char *path)
{
    return use->path != NULL && strcmp(use->path, path) == 0;
}

static enum ecert_status set_value(struct work *work, const struct ecert_apache_use *use,
                                   const char *path)
{
    if (names(use, path))
        return ECERT_OK;
    if (is_shared(work, use->node))
        return refuse_shared(work, use);
    const uint8_t first = use->text.ptr[use->word.begin];
    return add_edit(work, path_of(work, use), use->text, use->word.begin, use->word.end,
                    as_word(work, path, first == '"' || first == '\'' ? first : 0));
}

/* What one level more is in the style of this indentation. */
static const char *deeper_by(struct ecert_view text, const struct ecert_apache_piece *like)
{
    return memchr(text.ptr + like->begin, '\t', ecert_apache_indent(text, like)) != NULL ? "\t"
                                                                                         : "    ";
}

/* A new line: the indentation of `like`, and its line ending or that of the block's head. */
static const char *new_line(const struct work *work, struct ecert_view text,
                            const struct ecert_apache_piece *like, bool deeper, const char *name,
                            const char *word)
{
    const char *line_end = ecert_apache_line_end(text, like);

    if (line_end[0] == '\0')
        line_end = ecert_apache_line_end(work->block->text, &work->block->head);
    return word == NULL
               ? NULL
               : ecert_arena_text(work->all->scan->arena, "%.*s%s%s %s%s",
                                  (int)ecert_apache_indent(text, like),
                                  (const char *)text.ptr + like->begin,
                                  deeper ? deeper_by(text, like) : "", name, word, line_end);
}

/* As the last lines of the block, indented as its last directive. */
static enum ecert_status append(struct work *work, const char *name, const char *word)
{
    const struct ecert_apache_block *block = work->block;
    const bool empty = block->last.kind == ECERT_APACHE_OPEN;

    return add_edit(work, block->host->file, block->text, block->close.begin, block->close.begin,
                    new_line(work, block->text, &block->last, empty, name, word));
}

static enum ecert_status insert_before(struct work *work, const struct ecert_apache_use *use,
                                       const char *name, const char *word)
{
    return add_edit(work, path_of(work, use), use->text, use->piece.begin, use->piece.begin,
                    new_line(work, use->text, &use->piece, false, name, word));
}

/* After this directive; a file that ends without a line ending still does. */
static enum ecert_status insert_after(struct work *work, const struct ecert_apache_use *use,
                                      const char *name, const char *path)
{
    const char *line = new_line(work, use->text, &use->piece, false, name, as_word(work, path, 0));

    if (is_shared(work, use->node))
        return refuse_shared(work, use);
    if (line != NULL && ecert_apache_line_end(use->text, &use->piece)[0] == '\0') {
        const char *end = ecert_apache_line_end(work->block->text, &work->block->head);
        line = ecert_arena_text(work->all->scan->arena, "%s%.*s", end,
                                (int)(strlen(line) - strlen(end)), line);
    }
    return add_edit(work, path_of(work, use), use->text, use->piece.end, use->piece.end, line);
}

/* The directive as a comment: its bytes stay, what a backslash joined to it is a comment too. */
static enum ecert_status comment_out(struct work *work, const struct ecert_apache_use *use)
{
    const size_t begin = use->piece.name.begin;
    const size_t end = use->piece.end - strlen(ecert_apache_line_end(use->text, &use->piece));

    ECERT_APACHE_TRY(add_edit(work, path_of(work, use), use->text, begin, begin, "# "));
    return add_edit(work, path_of(work, use), use->text, end, end, REASON);
}

/* ---- SSLCertificateFile and SSLCertificateKeyFile ------------------------------------------- */

static const struct ecert_pem *look(const struct work *work, const struct ecert_apache_use *use)
{
    struct ecert_apache_scan *scan = work->all->scan;

    return ecert_pem_look(&scan->shelf, scan->arena, scan->host, scan->job, use->path);
}

/* How well a pair is known for ours; only those that are known best are. */
enum claim { CLAIM_NONE, CLAIM_TYPE, CLAIM_REPLACED, CLAIM_PATH };

static enum claim claim_of(const struct work *work, const struct ecert_apache_use *use,
                           const struct ecert_pem *pem)
{
    const struct ecert_apache_scan *scan = work->all->scan;
    const struct ecert_apache_wish *wish = &work->all->wish;
    const char *replaced = scan->host->leaf(scan->job)->replaced_sha1;

    if (names(use, wish->certificate))
        return CLAIM_PATH;
    if (replaced != NULL && pem->sha1[0] != '\0' && strcmp(pem->sha1, replaced) == 0)
        return CLAIM_REPLACED;
    return pem->key_type != NULL && strcmp(pem->key_type, wish->key_type) == 0 ? CLAIM_TYPE
                                                                               : CLAIM_NONE;
}

/* mod_ssl gives OpenSSL one after the other, and of one key type the last one stays. */
static enum ecert_status check_last(struct work *work)
{
    const struct ecert_apache_wish *wish = &work->all->wish;
    const struct ecert_apache_use *ours = NULL;

    for (size_t i = 0; i < work->n_pairs; i++) {
        const struct ecert_apache_use *use =
            ecert_apache_use_at(work->scope, ECERT_APACHE_CERTIFICATE, i);
        const struct ecert_pem *pem = look(work, use);
        if (pem == NULL)
            return no_memory(work);
        if (work->ours[i])
            ours = use;
        else if (ours != NULL && pem->key_type != NULL &&
                 strcmp(pem->key_type, wish->key_type) == 0)
            return work->all->scan->host->fail(
                work->err, ECERT_E_CONFIG,
                "%s has a second certificate with a key of type '%s', '%s' in '%s' line %zu, "
                "behind "
                "'%s', which is to be '%s': the server would serve the second; remove one of the "
                "two pairs",
                work->block->host->place, wish->key_type, use->value, path_of(work, use),
                use->piece.line, ours->value, wish->certificate);
    }
    return ECERT_OK;
}

/*
 * A single pair is ours whatever its type; of several, that with the target's own path, else that
 * with the leaf which is replaced, else those of the leaf's type.
 */
static enum ecert_status choose_pairs(struct work *work)
{
    const struct ecert_apache_wish *wish = &work->all->wish;
    enum claim claims[MAX_PAIRS] = {CLAIM_NONE};
    enum claim best = CLAIM_NONE;

    work->n_pairs = ecert_apache_use_count(work->scope, ECERT_APACHE_CERTIFICATE);
    if (work->n_pairs > MAX_PAIRS)
        return work->all->scan->host->fail(work->err, ECERT_E_CONFIG,
                                           "%s has more than %d directives SSLCertificateFile",
                                           work->block->host->place, MAX_PAIRS);
    for (size_t i = 0; i < work->n_pairs; i++) {
        const struct ecert_apache_use *use =
            ecert_apache_use_at(work->scope, ECERT_APACHE_CERTIFICATE, i);
        const struct ecert_pem *pem = look(work, use);
        if (pem == NULL)
            return no_memory(work);
        claims[i] = work->n_pairs == 1 ? CLAIM_PATH : claim_of(work, use, pem);
        best = claims[i] > best ? claims[i] : best;
    }
    if (work->n_pairs > 0 && best == CLAIM_NONE)
        return work->all->scan->host->fail(
            work->err, ECERT_E_CONFIG,
            "%s has %zu directives SSLCertificateFile and none of them names a certificate with a "
            "key of type '%s'; add \"SSLCertificateFile %s\" with its SSLCertificateKeyFile",
            work->block->host->place, work->n_pairs, wish->key_type, wish->certificate);
    for (size_t i = 0; i < work->n_pairs; i++) {
        work->ours[i] = claims[i] == best;
        work->others = work->others || !work->ours[i];
    }
    return check_last(work);
}

/* Pairs of the server level that no pair of the block takes the place of are served as well. */
static enum ecert_status check_server_level(struct work *work)
{
    const struct ecert_apache_scope *server = &work->all->scan->server;
    const size_t n = ecert_apache_use_count(server, ECERT_APACHE_CERTIFICATE);

    if (n <= (work->n_pairs > 0 ? work->n_pairs : 1))
        return ECERT_OK;
    const struct ecert_apache_use *use =
        ecert_apache_use_at(server, ECERT_APACHE_CERTIFICATE, n - 1);
    return work->all->scan->host->fail(
        work->err, ECERT_E_CONFIG,
        "SSLCertificateFile '%s' in '%s' line %zu is for all virtual hosts, and would be served "
        "beside the new certificate; move it into the virtual hosts that it is for",
        use->value, path_of(work, use), use->piece.line);
}

/* Where the key of a certificate goes: behind it, but not before the key of an earlier one. */
static const struct ecert_apache_use *key_goes_behind(const struct work *work,
                                                      const struct ecert_apache_use *certificate)
{
    const struct ecert_apache_use *last = ecert_apache_use_last(work->scope, ECERT_APACHE_KEY);

    return last != NULL && last->node == certificate->node &&
                   last->piece.begin > certificate->piece.begin
               ? last
               : certificate;
}

static enum ecert_macro_gives macro_gives(const struct work *work, const char *directive)
{
    return ecert_apache_macro_gives(work->all->scan, work->scope, directive);
}

/* Directives of a macro count as well, and a certificate with the key of another ends the server.
 */
static enum ecert_status refuse_macro(const struct work *work, const char *directive)
{
    const struct ecert_apache_wish *wish = &work->all->wish;
    const struct ecert_apache_use *use = ecert_apache_use_at(work->scope, ECERT_APACHE_MACRO, 0);

    return work->all->scan->host->fail(
        work->err, ECERT_E_CONFIG,
        "the macro of 'Use %.100s' in '%s' line %zu may give %s for the virtual host at %s, and "
        "macros are not edited; write \"SSLCertificateFile %s\" and \"SSLCertificateKeyFile %s\" "
        "into the <VirtualHost> instead of what the macro gives",
        use->value, path_of(work, use), use->piece.line, directive, work->block->host->place,
        wish->certificate, wish->key != NULL ? wish->key : "...");
}

/* The key of the pair `i`, of which `n_keys` have one by now. */
static enum ecert_status set_key(struct work *work, size_t i, size_t *n_keys)
{
    const char *key = work->all->wish.key;
    const struct ecert_apache_use *use = ecert_apache_use_at(work->scope, ECERT_APACHE_KEY, i);
    const struct ecert_apache_use *certificate =
        ecert_apache_use_at(work->scope, ECERT_APACHE_CERTIFICATE, i);

    if (use != NULL)
        return key != NULL ? set_value(work, use, key) : ECERT_OK;
    if (macro_gives(work, "SSLCertificateKeyFile") != ECERT_MACRO_GIVES_NOT)
        return refuse_macro(work, "SSLCertificateKeyFile");
    if (key == NULL)
        return work->all->scan->host->fail(
            work->err, ECERT_E_CONFIG,
            "%s names no SSLCertificateKeyFile for '%s'; add 'key' to the target's 'files'",
            work->block->host->place, certificate->value);
    const struct ecert_apache_use *behind = key_goes_behind(work, certificate);
    /* two of them behind one directive would be one edit */
    const bool again =
        behind != certificate && *n_keys > ecert_apache_use_count(work->scope, ECERT_APACHE_KEY);
    if (i != *n_keys || again)
        return work->all->scan->host->fail(
            work->err, ECERT_E_CONFIG,
            "%s has fewer SSLCertificateKeyFile than SSLCertificateFile; write one for each, in "
            "the same order",
            work->block->host->place);
    ++*n_keys;
    return insert_after(work, behind, "SSLCertificateKeyFile", key);
}

static enum ecert_status change_pairs(struct work *work)
{
    const struct ecert_apache_wish *wish = &work->all->wish;
    size_t n_keys = ecert_apache_use_count(work->scope, ECERT_APACHE_KEY);

    for (size_t i = 0; i < work->n_pairs; i++) {
        if (!work->ours[i])
            continue;
        ECERT_APACHE_TRY(set_value(work,
                                   ecert_apache_use_at(work->scope, ECERT_APACHE_CERTIFICATE, i),
                                   wish->certificate));
        ECERT_APACHE_TRY(set_key(work, i, &n_keys));
    }
    return ECERT_OK;
}

/* ---- SSLCertificateChainFile ----------------------------------------------------------------- */

/* A pair that stays may have its chain from the directive that we are about to neutralise. */
static enum ecert_status check_others(struct work *work, const struct ecert_apache_use *chain)
{
    for (size_t i = 0; i < work->n_pairs; i++) {
        const struct ecert_apache_use *use =
            ecert_apache_use_at(work->scope, ECERT_APACHE_CERTIFICATE, i);
        const struct ecert_pem *pem = work->ours[i] ? NULL : look(work, use);
        if (work->ours[i] || (pem != NULL && pem->n_certificates > 1))
            continue;
        return work->all->scan->host->fail(
            work->err, ECERT_E_CONFIG,
            "SSLCertificateChainFile in '%s' line %zu holds the chain of '%s' and would hide that "
            "of the new certificate; append it to '%s' and remove the directive",
            path_of(work, chain), chain->piece.line, use->value, use->value);
    }
    return ECERT_OK;
}

/* The directive that puts an inherited one out of force; see change.h. */
static enum ecert_status override(struct work *work)
{
    const struct ecert_apache_use *use = ecert_apache_use_last(work->scope, ECERT_APACHE_CHAIN);
    const char *path = work->all->wish.certificate;

    if (use != NULL && !is_shared(work, use->node))
        return set_value(work, use, path);
    if (use != NULL && names(use, path))
        return ECERT_OK;
    return append(work, "SSLCertificateChainFile", as_word(work, path, 0));
}

/* The chain is in SSLCertificateFile: no other one may be in force. */
static enum ecert_status neutralise_chain(struct work *work)
{
    const struct ecert_apache_use *inherited =
        ecert_apache_use_last(&work->all->scan->server, ECERT_APACHE_CHAIN);
    const struct ecert_apache_use *last = ecert_apache_use_last(work->scope, ECERT_APACHE_CHAIN);
    const struct ecert_apache_use *use = NULL;
    bool shared = false;

    if (last == NULL && !work->others &&
        macro_gives(work, "SSLCertificateChainFile") == ECERT_MACRO_GIVES)
        return override(work);
    if (last != NULL ? names(last, work->all->wish.certificate) : inherited == NULL)
        return ECERT_OK;
    if (work->others)
        ECERT_APACHE_TRY(check_others(work, last != NULL ? last : inherited));
    for (size_t i = 0; (use = ecert_apache_use_at(work->scope, ECERT_APACHE_CHAIN, i)) != NULL; i++)
        shared = shared || is_shared(work, use->node);
    if (shared || inherited != NULL)
        return override(work);
    for (size_t i = 0; (use = ecert_apache_use_at(work->scope, ECERT_APACHE_CHAIN, i)) != NULL; i++)
        ECERT_APACHE_TRY(comment_out(work, use));
    return ECERT_OK;
}

/* The last SSLCertificateChainFile is the one in force. */
static enum ecert_status change_chain(struct work *work)
{
    const char *chain = work->all->wish.chain;
    const struct ecert_apache_use *use = ecert_apache_use_last(work->scope, ECERT_APACHE_CHAIN);
    const struct ecert_apache_use *after = ecert_apache_use_last(work->scope, ECERT_APACHE_KEY);

    if (chain == NULL)
        return neutralise_chain(work);
    if (use != NULL && (names(use, chain) || !is_shared(work, use->node)))
        return set_value(work, use, chain);
    if (after == NULL)
        after = ecert_apache_use_last(work->scope, ECERT_APACHE_CERTIFICATE);
    if (use == NULL && after != NULL && after->node == work->block->node)
        return insert_after(work, after, "SSLCertificateChainFile", chain);
    return append(work, "SSLCertificateChainFile", as_word(work, chain, 0));
}

/* ---- the block ------------------------------------------------------------------------------- */

static enum ecert_status change_engine(struct work *work)
{
    const struct ecert_apache_use *engine = ecert_apache_use_last(work->scope, ECERT_APACHE_ENGINE);
    const struct ecert_apache_use *first =
        ecert_apache_use_at(work->scope, ECERT_APACHE_CERTIFICATE, 0);

    if (engine == NULL)
        engine = ecert_apache_use_last(&work->all->scan->server, ECERT_APACHE_ENGINE);
    if (ecert_apache_is_on(engine))
        return ECERT_OK;
    if (first != NULL && first->node == work->block->node)
        return insert_before(work, first, "SSLEngine", "on");
    return append(work, "SSLEngine", "on");
}

/* A block without SSLCertificateFile gets one; a key that stands there already is taken over. */
static enum ecert_status add_pair(struct work *work)
{
    const struct ecert_apache_wish *wish = &work->all->wish;
    const struct ecert_apache_use *key = ecert_apache_use_at(work->scope, ECERT_APACHE_KEY, 0);
    const char *word = as_word(work, wish->certificate, 0);
    const enum ecert_macro_gives macro_certificate = macro_gives(work, "SSLCertificateFile");

    if (key != NULL ? macro_certificate != ECERT_MACRO_GIVES_NOT
                    : macro_certificate != macro_gives(work, "SSLCertificateKeyFile"))
        return refuse_macro(work, "a part of the pair");
    if (key == NULL && wish->key == NULL)
        return work->all->scan->host->fail(
            work->err, ECERT_E_CONFIG,
            "%s names no SSLCertificateKeyFile; add 'key' to the target's 'files'",
            work->block->host->place);
    if (key != NULL && key->node == work->block->node)
        ECERT_APACHE_TRY(insert_before(work, key, "SSLCertificateFile", word));
    else
        ECERT_APACHE_TRY(append(work, "SSLCertificateFile", word));
    if (key == NULL)
        return append(work, "SSLCertificateKeyFile", as_word(work, wish->key, 0));
    return wish->key != NULL ? set_value(work, key, wish->key) : ECERT_OK;
}

enum ecert_status ecert_apache_change(struct ecert_apache_changes *changes,
                                      const struct ecert_apache_block *block,
                                      struct ecert_error *err)
{
    struct work work = {.all = changes, .block = block, .scope = &block->scope, .err = err};

    ECERT_APACHE_TRY(choose_pairs(&work));
    ECERT_APACHE_TRY(check_server_level(&work));
    ECERT_APACHE_TRY(change_engine(&work));
    ECERT_APACHE_TRY(work.n_pairs > 0 ? change_pairs(&work) : add_pair(&work));
    return change_chain(&work);
}
