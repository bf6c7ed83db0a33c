#include "plugins/nginx/pairs.h"

#include "plugins/nginx/edit.h"

#include <stdlib.h>
#include <string.h>

/* One block's work. */
struct work {
    struct ecert_nginx *env;
    const struct ecert_nginx_layout *layout;
    const struct ecert_nginx_server *server;
};

/* The certificates or the keys of a block. */
struct half {
    const struct ecert_nginx_directive **list;
    size_t n;
    bool inherited;
    const struct ecert_nginx_server *outsider; /* of inherited ones */
};

static struct half certificates_of(const struct ecert_nginx_server *server)
{
    const struct ecert_nginx_scope *scope = server->scope;

    if (server->n_certificates > 0)
        return (struct half){server->certificates, server->n_certificates, false, NULL};
    return (struct half){scope->certificates, scope->n_certificates, true,
                         scope->certificate_outsider};
}

static struct half keys_of(const struct ecert_nginx_server *server)
{
    const struct ecert_nginx_scope *scope = server->scope;

    if (server->n_keys > 0)
        return (struct half){server->keys, server->n_keys, false, NULL};
    return (struct half){scope->keys, scope->n_keys, true, scope->key_outsider};
}

static const char *directive_name(const struct ecert_nginx_directive *directive)
{
    return directive->kind == ECERT_NGINX_CERTIFICATE ? "ssl_certificate" : "ssl_certificate_key";
}

enum ecert_status ecert_nginx_pairs_want(struct ecert_nginx *env, struct ecert_nginx_pair *ret,
                                         struct ecert_error *err)
{
    const struct ecert_host *host = env->host;
    const char *full_chain = host->path(env->job, ECERT_MATERIAL_FULLCHAIN);
    const char *certificate = host->path(env->job, ECERT_MATERIAL_CERTIFICATE);
    const char *key = host->path(env->job, ECERT_MATERIAL_KEY);

    if (full_chain == NULL && certificate != NULL &&
        host->path(env->job, ECERT_MATERIAL_CHAIN) != NULL)
        return host->fail(err, ECERT_E_CONFIG,
                          "nginx reads the chain from ssl_certificate: set files.fullchain of "
                          "target '%s' instead of files.certificate and files.chain",
                          host->target(env->job));
    if (full_chain == NULL && certificate == NULL)
        return host->fail(err, ECERT_E_CONFIG,
                          "target '%s' has no file for ssl_certificate: set files.fullchain",
                          host->target(env->job));
    if (key == NULL)
        return host->fail(err, ECERT_E_CONFIG,
                          "target '%s' has no file for ssl_certificate_key: set files.key, and see "
                          "that the key of '%s' is on this host",
                          host->target(env->job), host->certificate(env->job));
    *ret = (struct ecert_nginx_pair){full_chain != NULL ? full_chain : certificate, key};
    return ECERT_OK;
}

/* ---- one value ------------------------------------------------------------------------------- */

static bool is_special(const char *value)
{
    return strchr(value, '$') != NULL || strncmp(value, "data:", 5) == 0 ||
           strncmp(value, "engine:", 7) == 0 || strncmp(value, "store:", 6) == 0;
}

/* The path that a directive names; *ret is NULL where it is not a plain file. */
static enum ecert_status value_path(struct work *work,
                                    const struct ecert_nginx_directive *directive, const char **ret,
                                    struct ecert_error *err)
{
    struct ecert_nginx_directive *marked = (struct ecert_nginx_directive *)(uintptr_t)directive;
    struct ecert_nginx *env = work->env;

    *ret = directive->path;
    if (directive->resolved)
        return ECERT_OK;
    if (directive->n_words != 1)
        return env->host->fail(err, ECERT_E_CONFIG, "%s:%u: '%s' takes one path",
                               directive->file->path, directive->line, directive_name(directive));
    const char *value = ecert_nginx_argument(env, directive, 0);
    if (value == NULL)
        return ecert_nginx_no_memory(env, err);
    if (!is_special(value)) {
        marked->path = ecert_nginx_resolve(env, work->layout->conf_prefix, value);
        if (marked->path == NULL)
            return ecert_nginx_no_memory(env, err);
    }
    marked->resolved = true;
    *ret = marked->path;
    return ECERT_OK;
}

/* ---- what is there --------------------------------------------------------------------------- */

static bool is_same(const char *a, const char *b)
{
    return a != NULL && b != NULL && strcmp(a, b) == 0;
}

/* How well a pair is known for ours: the highest wins, and of equals the last. */
enum claim { CLAIM_NONE, CLAIM_TYPE, CLAIM_REPLACED, CLAIM_PATH };

static enum ecert_status claim_of(struct work *work, const struct ecert_nginx_directive *directive,
                                  const struct ecert_nginx_pair *pair, enum claim *ret,
                                  bool *ret_of_our_type, struct ecert_error *err)
{
    struct ecert_nginx *env = work->env;
    const struct ecert_leaf_facts *leaf = env->host->leaf(env->job);
    const char *path = NULL;

    ECERT_NGINX_TRY(value_path(work, directive, &path, err));
    const struct ecert_pem *pem =
        ecert_pem_look(&env->shelf, &env->arena, env->host, env->job, path);
    if (pem == NULL)
        return ecert_nginx_no_memory(env, err);
    *ret_of_our_type = is_same(pem->key_type, leaf->key_type);
    *ret = *ret_of_our_type ? CLAIM_TYPE : CLAIM_NONE;
    if (pem->sha1[0] != '\0' && is_same(pem->sha1, leaf->replaced_sha1))
        *ret = CLAIM_REPLACED;
    if (is_same(path, pair->certificate))
        *ret = CLAIM_PATH;
    return ECERT_OK;
}

/* Of several pairs ours: see struct ecert_nginx_present. */
static enum ecert_status choose(struct work *work, const struct half *certificates,
                                const struct ecert_nginx_pair *pair,
                                struct ecert_nginx_present *present, struct ecert_error *err)
{
    const struct ecert_nginx_directive *later = NULL;
    enum claim best = CLAIM_NONE;

    present->is_told = certificates->n <= 1;
    for (size_t i = certificates->n; certificates->n > 1 && i-- > 0;) {
        enum claim claim = CLAIM_NONE;
        bool of_our_type = false;
        ECERT_NGINX_TRY(claim_of(work, certificates->list[i], pair, &claim, &of_our_type, err));
        if (claim > best) {
            best = claim;
            present->index = i;
            present->is_told = true;
            present->later = later;
        }
        if (claim != CLAIM_PATH && of_our_type && later == NULL)
            later = certificates->list[i];
    }
    return ECERT_OK;
}

static enum ecert_status read_half(struct work *work, const struct half *half, size_t i,
                                   const struct ecert_nginx_directive **ret, const char **ret_path,
                                   struct ecert_nginx_present *present, struct ecert_error *err)
{
    if (i >= half->n)
        return ECERT_OK;
    *ret = half->list[i];
    ECERT_NGINX_TRY(value_path(work, *ret, ret_path, err));
    if (*ret_path != NULL || present->special != NULL)
        return ECERT_OK;
    present->special = ecert_nginx_argument(work->env, *ret, 0);
    present->special_in = *ret;
    return present->special != NULL ? ECERT_OK : ecert_nginx_no_memory(work->env, err);
}

enum ecert_status ecert_nginx_pairs_present(struct ecert_nginx *env,
                                            const struct ecert_nginx_layout *layout,
                                            const struct ecert_nginx_server *server,
                                            const struct ecert_nginx_pair *pair,
                                            struct ecert_nginx_present *ret,
                                            struct ecert_error *err)
{
    struct work work = {env, layout, server};
    const struct half certificates = certificates_of(server);
    const struct half keys = keys_of(server);
    struct ecert_nginx_present present = {0};

    ECERT_NGINX_TRY(choose(&work, &certificates, pair, &present, err));
    ECERT_NGINX_TRY(read_half(&work, &certificates, present.index, &present.certificate,
                              &present.path.certificate, &present, err));
    ECERT_NGINX_TRY(
        read_half(&work, &keys, present.index, &present.key, &present.path.key, &present, err));
    *ret = present;
    return ECERT_OK;
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static unsigned use_of_leaf(const struct ecert_nginx_leaves *leaves, const char *sha1)
{
    unsigned uses = 0;

    if (sha1[0] == '\0')
        return 0;
    if (is_same(sha1, leaves->replaced))
        uses |= ECERT_NGINX_USES_REPLACED;
    if (leaves->n_others > 0 && bsearch(&sha1, leaves->others, leaves->n_others,
                                        sizeof *leaves->others, compare_texts) != NULL)
        uses |= ECERT_NGINX_USES_OTHER;
    return uses;
}

enum ecert_status ecert_nginx_pairs_use(struct ecert_nginx *env,
                                        const struct ecert_nginx_layout *layout,
                                        const struct ecert_nginx_server *server, const char *path,
                                        const struct ecert_nginx_leaves *leaves, unsigned *ret,
                                        struct ecert_error *err)
{
    struct work work = {env, layout, server};
    const struct half certificates = certificates_of(server);

    *ret = 0;
    for (size_t i = 0; i < certificates.n; i++) {
        const char *present = NULL;
        ECERT_NGINX_TRY(value_path(&work, certificates.list[i], &present, err));
        if (is_same(present, path))
            *ret |= ECERT_NGINX_USES_PATH;
        if (leaves->replaced == NULL && leaves->n_others == 0)
            continue; /* no file needs to be read */
        const struct ecert_pem *pem =
            ecert_pem_look(&env->shelf, &env->arena, env->host, env->job, present);
        if (pem == NULL)
            return ecert_nginx_no_memory(env, err);
        *ret |= use_of_leaf(leaves, pem->sha1);
    }
    return ECERT_OK;
}

/* ---- who else uses it ------------------------------------------------------------------------ */

static void add_outsider(const struct half *half, const struct ecert_nginx_server *server)
{
    for (size_t i = 0; i < half->n; i++) {
        struct ecert_nginx_directive *directive =
            (struct ecert_nginx_directive *)(uintptr_t)half->list[i];
        if (directive->outsider == NULL)
            directive->outsider = server;
    }
}

void ecert_nginx_pairs_find_outsiders(const struct ecert_nginx *env,
                                      const struct ecert_nginx_sites *sites,
                                      ecert_nginx_covered_fn *covered)
{
    for (size_t i = 0; i < sites->n_servers; i++) {
        const struct ecert_nginx_server *server = sites->servers[i];
        struct ecert_nginx_scope *scope = (struct ecert_nginx_scope *)(uintptr_t)server->scope;
        const struct half certificates = certificates_of(server);
        const struct half keys = keys_of(server);

        if (server->chosen || !ecert_nginx_sites_may_speak_tls(sites, server))
            continue;
        if (certificates.inherited)
            scope->certificate_outsider = server;
        if (keys.inherited)
            scope->key_outsider = server;
        if (covered(env, server))
            continue;
        add_outsider(&certificates, server);
        add_outsider(&keys, server);
    }
}

/* May the directive be changed where it stands, or does it hold for others too? */
static bool is_free(const struct half *half, const struct ecert_nginx_directive *directive)
{
    return directive->outsider == NULL && (!half->inherited || half->outsider == NULL);
}

/* ---- changing a value ------------------------------------------------------------------------ */

static enum ecert_status replace(struct work *work, const struct ecert_nginx_directive *directive,
                                 const char *present, const char *path, struct ecert_error *err)
{
    struct ecert_nginx_directive *marked = (struct ecert_nginx_directive *)(uintptr_t)directive;

    if (directive == NULL || directive->ours)
        return ECERT_OK; /* none, or changed for another block already */
    marked->ours = true;
    marked->user = work->server;
    if (is_same(present, path))
        return ECERT_OK;
    return ecert_nginx_edit_value(work->env, directive, path, err);
}

/* ---- a pair of its own ----------------------------------------------------------------------- */

/* The directives to insert. */
struct lines {
    const char **text;
    size_t n;
};

static enum ecert_status add_line(struct work *work, struct lines *lines, const char *name,
                                  const char *path, struct ecert_error *err)
{
    return ecert_nginx_edit_directive(work->env, name, path, &lines->text[lines->n++], err);
}

/* As it stands in the file, quotes and variables included. */
static enum ecert_status copy_line(struct work *work, struct lines *lines,
                                   const struct ecert_nginx_directive *directive,
                                   struct ecert_error *err)
{
    const struct ecert_nginx_word word = directive->words[0];
    const char *text =
        ecert_arena_text(&work->env->arena, "%s %.*s;", directive_name(directive), (int)word.len,
                         (const char *)directive->file->text.ptr + word.start);

    lines->text[lines->n++] = text;
    return text != NULL ? ECERT_OK : ecert_nginx_no_memory(work->env, err);
}

/*
 * What the block needs so that its pair `i` is ours: where it inherited, all that it would lose by
 * having one of its own.
 */
static enum ecert_status add_half(struct work *work, struct lines *lines, const struct half *half,
                                  size_t i, const char *name, const char *path,
                                  struct ecert_error *err)
{
    if (!half->inherited || half->n == 0)
        return add_line(work, lines, name, path, err);
    for (size_t j = 0; j < half->n; j++)
        ECERT_NGINX_TRY(j == i ? add_line(work, lines, name, path, err)
                               : copy_line(work, lines, half->list[j], err));
    return ECERT_OK;
}

static enum ecert_status refuse_shared(struct work *work,
                                       const struct ecert_nginx_directive *directive,
                                       const struct ecert_nginx_pair *pair, struct ecert_error *err)
{
    const struct ecert_nginx_directive *own = work->server->block;
    const struct ecert_nginx_directive *other =
        directive->outsider != NULL ? directive->outsider->block : own;

    return work->env->host->fail(
        err, ECERT_E_CONFIG,
        "%s:%u: this %s also serves the server block at %s:%u, whose names the certificate '%s' "
        "does not cover; in the server block at %s:%u, replace the include of this file by "
        "'ssl_certificate %s;' and 'ssl_certificate_key %s;'",
        directive->file->path, directive->line, directive_name(directive), other->file->path,
        other->line, work->env->host->certificate(work->env->job), own->file->path, own->line,
        pair->certificate, pair->key);
}

/* Half `half` stays as it is where `keep` says so; else the block gets its own. */
static enum ecert_status insert_pair(struct work *work, const struct half *certificates,
                                     bool keep_certificate, const struct half *keys, bool keep_key,
                                     size_t i, const struct ecert_nginx_pair *pair,
                                     struct ecert_error *err)
{
    struct lines lines = {0};

    lines.text =
        ecert_arena_alloc(&work->env->arena, (certificates->n + keys->n + 2) * sizeof *lines.text);
    if (lines.text == NULL)
        return ecert_nginx_no_memory(work->env, err);
    if (!keep_certificate)
        ECERT_NGINX_TRY(
            add_half(work, &lines, certificates, i, "ssl_certificate", pair->certificate, err));
    if (!keep_key)
        ECERT_NGINX_TRY(add_half(work, &lines, keys, i, "ssl_certificate_key", pair->key, err));
    return ecert_nginx_edit_insert(work->env, work->server->block, work->server->pair_end,
                                   lines.text, lines.n, err);
}

/*
 * Would a pair behind the snippet's replace that?  Of another key type it would stand beside it,
 * and some clients would go on getting the old certificate.
 */
static bool would_override(struct work *work, const char *path)
{
    struct ecert_nginx *env = work->env;
    const struct ecert_pem *pem =
        ecert_pem_look(&env->shelf, &env->arena, env->host, env->job, path);

    return pem != NULL && (pem->key_type == NULL ||
                           strcmp(pem->key_type, env->host->leaf(env->job)->key_type) == 0);
}

/* ---- one block ------------------------------------------------------------------------------- */

static enum ecert_status check(struct work *work, const struct ecert_nginx_present *present,
                               const struct half *certificates, const struct half *keys,
                               const struct ecert_nginx_pair *pair, struct ecert_error *err)
{
    const struct ecert_nginx_directive *block = work->server->block;
    const struct ecert_host *host = work->env->host;

    if (certificates->n > keys->n && certificates->n > 1)
        return host->fail(err, ECERT_E_CONFIG,
                          "%s:%u: the server block has %zu ssl_certificate and %zu "
                          "ssl_certificate_key; correct it",
                          block->file->path, block->line, certificates->n, keys->n);
    if (!present->is_told)
        return host->fail(err, ECERT_E_CONFIG,
                          "%s:%u: none of the %zu certificates of the server block is of the type "
                          "'%s'; add 'ssl_certificate %s;' and 'ssl_certificate_key %s;' to it, "
                          "or remove a pair that is no longer wanted",
                          block->file->path, block->line, certificates->n,
                          host->leaf(work->env->job)->key_type, pair->certificate, pair->key);
    if (present->later != NULL)
        return host->fail(
            err, ECERT_E_CONFIG,
            "%s:%u: this ssl_certificate is of the type '%s' and stands behind that of "
            "%s:%u, which is to be '%s': nginx serves the later of two; remove one of "
            "the two pairs",
            present->later->file->path, present->later->line, host->leaf(work->env->job)->key_type,
            present->certificate->file->path, present->certificate->line, pair->certificate);
    if (present->special != NULL)
        return host->fail(err, ECERT_E_CONFIG,
                          "%s:%u: '%s' of %s is not the path of a file, so it is not changed by "
                          "itself; write 'ssl_certificate %s;' and 'ssl_certificate_key %s;' into "
                          "the server block at %s:%u, or take it out of target '%s'",
                          present->special_in->file->path, present->special_in->line,
                          present->special, directive_name(present->special_in), pair->certificate,
                          pair->key, block->file->path, block->line, host->target(work->env->job));
    return ECERT_OK;
}

enum ecert_status ecert_nginx_pairs_edit(struct ecert_nginx *env,
                                         const struct ecert_nginx_layout *layout,
                                         const struct ecert_nginx_server *server,
                                         const struct ecert_nginx_pair *pair,
                                         struct ecert_error *err)
{
    struct work work = {env, layout, server};
    const struct half certificates = certificates_of(server);
    const struct half keys = keys_of(server);
    struct ecert_nginx_present now = {0};

    ECERT_NGINX_TRY(ecert_nginx_pairs_present(env, layout, server, pair, &now, err));
    ECERT_NGINX_TRY(check(&work, &now, &certificates, &keys, pair, err));
    const bool right_certificate = is_same(now.path.certificate, pair->certificate);
    const bool right_key = is_same(now.path.key, pair->key);
    const bool keep_certificate =
        now.certificate != NULL && (right_certificate || is_free(&certificates, now.certificate));
    const bool keep_key = now.key != NULL && (right_key || is_free(&keys, now.key));

    /* behind a snippet's pair: both, because nginx pairs them by order */
    const bool shared_certificate =
        now.certificate != NULL && !keep_certificate && !certificates.inherited;
    const bool shared_key = now.key != NULL && !keep_key && !keys.inherited;
    if (shared_certificate || shared_key) {
        if (certificates.n != keys.n || certificates.inherited || keys.inherited ||
            !would_override(&work, now.path.certificate))
            return refuse_shared(&work, shared_certificate ? now.certificate : now.key, pair, err);
        return insert_pair(&work, &certificates, false, &keys, false, 0, pair, err);
    }
    if (keep_certificate)
        ECERT_NGINX_TRY(
            replace(&work, now.certificate, now.path.certificate, pair->certificate, err));
    if (keep_key)
        ECERT_NGINX_TRY(replace(&work, now.key, now.path.key, pair->key, err));
    if (keep_certificate && keep_key)
        return ECERT_OK;
    return insert_pair(&work, &certificates, keep_certificate, &keys, keep_key, now.index, pair,
                       err);
}
