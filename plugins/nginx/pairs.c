#include "plugins/nginx/pairs.h"

#include "plugins/nginx/edit.h"
#include "plugins/nginx/select.h"

#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#define MAX_CERTIFICATE_LEN ((size_t)1 << 20)

/* One block's work. */
struct work {
    struct ecert_nginx *env;
    const struct ecert_nginx_layout *layout;
    const struct ecert_nginx_sites *sites;
    const struct ecert_nginx_server *server;
};

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
    struct ecert_nginx *env = work->env;

    *ret = NULL;
    if (directive->n_words != 1)
        return env->host->fail(err, ECERT_E_CONFIG, "%s:%u: '%s' takes one path",
                               directive->file->path, directive->line, directive_name(directive));
    const char *value = ecert_nginx_argument(env, directive, 0);
    if (value == NULL)
        return ecert_nginx_no_memory(env, err);
    if (is_special(value))
        return ECERT_OK;
    *ret = ecert_nginx_resolve(env, work->layout->conf_prefix, value);
    return *ret != NULL ? ECERT_OK : ecert_nginx_no_memory(env, err);
}

static bool names_directive(const struct ecert_nginx_server *server,
                            const struct ecert_nginx_directive *directive)
{
    for (size_t i = 0; i < server->n_certificates; i++)
        if (server->certificates[i] == directive)
            return true;
    for (size_t i = 0; i < server->n_keys; i++)
        if (server->keys[i] == directive)
            return true;
    return false;
}

/* A directive of an included file speaks for every block that includes it. */
static enum ecert_status check_shared(struct work *work,
                                      const struct ecert_nginx_directive *directive,
                                      struct ecert_error *err)
{
    const struct ecert_nginx_directive *own = work->server->block;

    if (directive->parent == own)
        return ECERT_OK;
    for (size_t i = 0; i < work->sites->n_servers; i++) {
        const struct ecert_nginx_server *other = work->sites->servers[i];
        if (other->chosen_for != NULL || !names_directive(other, directive) ||
            !ecert_nginx_sites_has_tls(work->sites, other) ||
            ecert_nginx_select_is_covered(work->env, other))
            continue;
        /* adding a pair beside the include would give the block two pairs of one type */
        return work->env->host->fail(
            err, ECERT_E_CONFIG,
            "%s:%u: this %s also serves the server block at %s:%u, whose names the certificate "
            "'%s' "
            "does not cover; in the server block at %s:%u, replace the include of this file by "
            "ssl_certificate and ssl_certificate_key of its own",
            directive->file->path, directive->line, directive_name(directive),
            other->block->file->path, other->block->line,
            work->env->host->certificate(work->env->job), own->file->path, own->line);
    }
    return ECERT_OK;
}

static enum ecert_status replace(struct work *work, const struct ecert_nginx_directive *directive,
                                 const char *path, struct ecert_error *err)
{
    const char *present = NULL;

    ECERT_NGINX_TRY(value_path(work, directive, &present, err));
    if (present == NULL) {
        const char *value = ecert_nginx_argument(work->env, directive, 0);
        return work->env->host->fail(
            err, ECERT_E_CONFIG,
            "%s:%u: '%s' of %s is not the path of a file, so it is not changed by itself; write "
            "'%s %s;' there, or take the name '%s' out of 'server_names' of target '%s'",
            directive->file->path, directive->line, value != NULL ? value : "",
            directive_name(directive), directive_name(directive), path, work->server->chosen_for,
            work->env->host->target(work->env->job));
    }
    if (strcmp(present, path) == 0)
        return ECERT_OK;
    ECERT_NGINX_TRY(check_shared(work, directive, err));
    return ecert_nginx_edit_value(work->env, directive, path, err);
}

/* ---- several pairs --------------------------------------------------------------------------- */

static const char *key_type_of(X509 *certificate)
{
    const EVP_PKEY *key = certificate != NULL ? X509_get0_pubkey(certificate) : NULL;
    const int type = key != NULL ? EVP_PKEY_get_base_id(key) : EVP_PKEY_NONE;

    if (type == EVP_PKEY_RSA || type == EVP_PKEY_RSA_PSS)
        return "rsa";
    return type == EVP_PKEY_EC ? "ec" : "unknown";
}

/* The key type of the certificate file's leaf; "unknown" where it cannot be told. */
static const char *read_key_type(struct work *work, const char *path)
{
    struct ecert_nginx *env = work->env;
    struct ecert_view pem = {0};
    struct ecert_error ignored = {0};

    if (path == NULL ||
        env->host->read_file(env->job, path, MAX_CERTIFICATE_LEN, &pem, &ignored) != ECERT_OK)
        return "unknown";
    BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    X509 *certificate = bio != NULL ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    const char *type = key_type_of(certificate);
    X509_free(certificate);
    BIO_free(bio);
    ERR_clear_error();
    return type;
}

/* Which of several pairs is ours. */
static enum ecert_status choose_pair(struct work *work, const struct ecert_nginx_pair *pair,
                                     size_t *ret, struct ecert_error *err)
{
    const struct ecert_nginx_server *server = work->server;
    const struct ecert_host *host = work->env->host;
    const char *wanted = host->leaf(work->env->job)->key_type;
    const char **paths =
        ecert_arena_alloc(&work->env->arena, server->n_certificates * sizeof *paths);

    if (paths == NULL)
        return ecert_nginx_no_memory(work->env, err);
    for (size_t i = 0; i < server->n_certificates; i++) {
        ECERT_NGINX_TRY(value_path(work, server->certificates[i], &paths[i], err));
        if (paths[i] != NULL && strcmp(paths[i], pair->certificate) == 0) {
            *ret = i; /* ours since an earlier deployment */
            return ECERT_OK;
        }
    }
    for (size_t i = 0; i < server->n_certificates; i++)
        if (strcmp(read_key_type(work, paths[i]), wanted) == 0) {
            *ret = i;
            return ECERT_OK;
        }
    return host->fail(err, ECERT_E_CONFIG,
                      "%s:%u: none of the %zu certificates of the server block for '%s' is of the "
                      "type '%s'; add 'ssl_certificate %s;' and 'ssl_certificate_key %s;' to it, "
                      "or remove a pair that is no longer wanted",
                      server->block->file->path, server->block->line, server->n_certificates,
                      server->chosen_for, wanted, pair->certificate, pair->key);
}

static enum ecert_status edit_one_of_several(struct work *work, const struct ecert_nginx_pair *pair,
                                             struct ecert_error *err)
{
    const struct ecert_nginx_server *server = work->server;
    size_t i = 0;

    if (server->n_certificates != server->n_keys)
        return work->env->host->fail(
            err, ECERT_E_CONFIG,
            "%s:%u: the server block for '%s' has %zu ssl_certificate and %zu ssl_certificate_key; "
            "correct it",
            server->block->file->path, server->block->line, server->chosen_for,
            server->n_certificates, server->n_keys);
    ECERT_NGINX_TRY(choose_pair(work, pair, &i, err));
    ECERT_NGINX_TRY(replace(work, server->certificates[i], pair->certificate, err));
    return replace(work, server->keys[i], pair->key, err);
}

/* ---- one pair or none ------------------------------------------------------------------------ */

static enum ecert_status add_missing(struct work *work, const struct ecert_nginx_pair *pair,
                                     struct ecert_error *err)
{
    const struct ecert_nginx_server *server = work->server;
    const char *directives[2];
    size_t n = 0;

    if (server->n_certificates == 0)
        ECERT_NGINX_TRY(ecert_nginx_edit_directive(work->env, "ssl_certificate", pair->certificate,
                                                   &directives[n++], err));
    if (server->n_keys == 0)
        ECERT_NGINX_TRY(ecert_nginx_edit_directive(work->env, "ssl_certificate_key", pair->key,
                                                   &directives[n++], err));
    if (n == 0)
        return ECERT_OK;
    return ecert_nginx_edit_insert(work->env, server->block, directives, n, err);
}

enum ecert_status ecert_nginx_pairs_edit(struct ecert_nginx *env,
                                         const struct ecert_nginx_layout *layout,
                                         const struct ecert_nginx_sites *sites,
                                         const struct ecert_nginx_server *server,
                                         const struct ecert_nginx_pair *pair,
                                         struct ecert_error *err)
{
    struct work work = {env, layout, sites, server};

    if (server->n_certificates > 1 || server->n_keys > 1)
        return edit_one_of_several(&work, pair, err);
    if (server->n_certificates == 1)
        ECERT_NGINX_TRY(replace(&work, server->certificates[0], pair->certificate, err));
    if (server->n_keys == 1)
        ECERT_NGINX_TRY(replace(&work, server->keys[0], pair->key, err));
    return add_missing(&work, pair, err);
}

/* ---- what is there --------------------------------------------------------------------------- */

enum ecert_status ecert_nginx_pairs_present(struct ecert_nginx *env,
                                            const struct ecert_nginx_layout *layout,
                                            const struct ecert_nginx_sites *sites,
                                            const struct ecert_nginx_server *server,
                                            struct ecert_nginx_pair *ret, struct ecert_error *err)
{
    struct work work = {env, layout, sites, server};
    const bool own = server->n_certificates > 0, own_keys = server->n_keys > 0;
    const struct ecert_nginx_directive **certificates =
        own ? server->certificates : server->scope->certificates;
    const struct ecert_nginx_directive **keys = own_keys ? server->keys : server->scope->keys;
    const size_t n = own ? server->n_certificates : server->scope->n_certificates;
    const size_t n_keys = own_keys ? server->n_keys : server->scope->n_keys;
    const char *wanted = env->host->leaf(env->job)->key_type;
    const char *path = NULL;
    size_t chosen = 0;

    for (size_t i = 0; n > 1 && i < n; i++) {
        ECERT_NGINX_TRY(value_path(&work, certificates[i], &path, err));
        if (strcmp(read_key_type(&work, path), wanted) == 0) {
            chosen = i;
            break;
        }
    }
    if (chosen < n)
        ECERT_NGINX_TRY(value_path(&work, certificates[chosen], &ret->certificate, err));
    if (chosen < n_keys)
        ECERT_NGINX_TRY(value_path(&work, keys[chosen], &ret->key, err));
    return ECERT_OK;
}
