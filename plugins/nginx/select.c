#include "plugins/nginx/select.h"

#include "plugins/nginx/names.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* What the target is for, and what was found so far. */
struct wanted {
    const struct ecert_nginx_layout *layout;
    const struct ecert_nginx_pair *pair;
    struct ecert_nginx_sites *sites;
    const char *const *names;
    size_t n;
    bool explicit_names;
    bool everywhere;
    bool *found;            /* of `names` */
    const char *first_left; /* of the blocks with one of the names that are left: where and why */
    struct ecert_nginx_leaves leaves;
    const char *first_refused; /* a block that an explicit name asks for: why not; NULL: none */
    const char *first_used;    /* of those below; the rest stands in the sites' records */
    size_t n_used; /* blocks that everywhere_it_was found and whose names are not covered */
};

static bool is_name_of(const char *in_block, const char *wanted)
{
    if (!ecert_nginx_names_is_known(in_block))
        return false;
    if (in_block[0] != '.')
        return strcasecmp(in_block, wanted) == 0;
    return strcasecmp(in_block + 1, wanted) == 0 ||
           (wanted[0] == '*' && strcasecmp(in_block, wanted + 1) == 0);
}

/* ---- why ------------------------------------------------------------------------------------- */

/* `why` may be NULL: no memory. */
static enum ecert_status leave(struct ecert_nginx *env, struct ecert_nginx_server *server,
                               const char *why, struct ecert_error *err)
{
    server->why = why;
    return why != NULL ? ECERT_OK : ecert_nginx_no_memory(env, err);
}

/* A block that has the name, and is left: it is the reason if there is no other one. */
static enum ecert_status leave_named(struct ecert_nginx *env, struct wanted *wanted,
                                     struct ecert_nginx_server *server, const char *why,
                                     struct ecert_error *err)
{
    if (wanted->first_left == NULL && why != NULL)
        wanted->first_left = ecert_arena_text(
            &env->arena, "%s:%u: the server block for '%s' is left alone: %s",
            server->block->file->path, server->block->line, server->chosen_for, why);
    server->chosen_for = NULL;
    return leave(env, server, why, err);
}

static enum ecert_status take(struct ecert_nginx *env, struct ecert_nginx_server *server,
                              const char *why, struct ecert_error *err)
{
    server->chosen = true;
    return leave(env, server, why, err);
}

/* Taken, although the block has local names too: they are said.  `why` may be NULL: no memory. */
static enum ecert_status take_but(struct ecert_nginx *env, struct ecert_nginx_server *server,
                                  const char *why, struct ecert_error *err)
{
    const char *local = NULL;

    for (size_t i = 0; i < server->n_names && local == NULL; i++)
        if (ecert_nginx_names_is_local(server->names[i]) &&
            !ecert_nginx_names_covers(env, server->names[i]))
            local = server->names[i];
    if (why != NULL && local != NULL)
        why = ecert_arena_text(&env->arena,
                               "%s; '%s' is not counted: a name without a dot is on no e-Cert", why,
                               local);
    return take(env, server, why, err);
}

/* ---- by name --------------------------------------------------------------------------------- */

static const char *find_name(const struct wanted *wanted, const struct ecert_nginx_server *server)
{
    for (size_t i = 0; i < server->n_names; i++)
        for (size_t j = 0; j < wanted->n; j++)
            if (is_name_of(server->names[i], wanted->names[j]))
                return server->names[i];
    return NULL;
}

static void mark_found(struct wanted *wanted, const struct ecert_nginx_server *server)
{
    for (size_t i = 0; wanted->explicit_names && i < server->n_names; i++)
        for (size_t j = 0; j < wanted->n; j++)
            wanted->found[j] |= is_name_of(server->names[i], wanted->names[j]);
}

static const char *why_special(struct ecert_nginx *env, const struct wanted *wanted,
                               const struct ecert_nginx_present *now)
{
    return ecert_arena_text(&env->arena,
                            "'%s' in %s:%u is not the path of a file; write 'ssl_certificate %s;' "
                            "and 'ssl_certificate_key %s;' into the block instead",
                            now->special, now->special_in->file->path, now->special_in->line,
                            wanted->pair->certificate, wanted->pair->key);
}

static const char *why_uncovered(struct ecert_nginx *env, const char *uncovered)
{
    return ecert_arena_text(&env->arena, "it also serves %s, which the certificate does not cover",
                            uncovered);
}

static enum ecert_status refuse_names(struct ecert_nginx *env, struct wanted *wanted,
                                      struct ecert_nginx_server *server, const char *uncovered,
                                      struct ecert_error *err)
{
    if (wanted->first_refused == NULL)
        wanted->first_refused = ecert_arena_text(
            &env->arena,
            "%s:%u: the server block for '%s' also serves %.500s, which the certificate '%s' does "
            "not cover; give these names a server block of their own",
            server->block->file->path, server->block->line, server->chosen_for, uncovered,
            env->host->certificate(env->job));
    if (wanted->first_refused == NULL)
        return ecert_nginx_no_memory(env, err);
    server->refused = true;
    return leave(env, server, why_uncovered(env, uncovered), err);
}

/* The leaf that the block has now may be that of blocks with other names. */
static enum ecert_status remember_leaf(struct ecert_nginx *env, struct wanted *wanted,
                                       const struct ecert_nginx_present *now,
                                       struct ecert_error *err)
{
    struct ecert_nginx_leaves *leaves = &wanted->leaves;
    const struct ecert_pem *pem =
        ecert_pem_look(&env->shelf, &env->arena, env->host, env->job, now->path.certificate);

    if (pem == NULL)
        return ecert_nginx_no_memory(env, err);
    if (pem->sha1[0] == '\0')
        return ECERT_OK;
    leaves->others =
        ecert_arena_grow(&env->arena, leaves->others, leaves->n_others, sizeof *leaves->others);
    if (leaves->others == NULL)
        return ecert_nginx_no_memory(env, err);
    leaves->others[leaves->n_others++] = pem->sha1;
    return ECERT_OK;
}

/* NULL: no memory. */
static const char *why_unknown(struct ecert_nginx *env, const struct ecert_nginx_server *server,
                               const char *unknown)
{
    return ecert_arena_text(&env->arena,
                            "it also serves what %s stands for, and nobody knows whether the "
                            "certificate covers that; 'server_names = [\"%s\"]' takes it",
                            unknown, server->chosen_for);
}

static enum ecert_status take_named(struct ecert_nginx *env, struct wanted *wanted,
                                    struct ecert_nginx_server *server, struct ecert_error *err)
{
    struct ecert_nginx_present now = {0};
    const char *uncovered = NULL;
    const char *unknown = NULL;
    size_t n = 0;

    ECERT_NGINX_TRY(ecert_nginx_names_list_uncovered(env, server, false, &n, &uncovered, err));
    if (n != 0 && wanted->explicit_names)
        return refuse_names(env, wanted, server, uncovered, err);
    if (n != 0)
        return leave_named(env, wanted, server, why_uncovered(env, uncovered), err);
    ECERT_NGINX_TRY(ecert_nginx_names_list_uncovered(env, server, true, &n, &unknown, err));
    if (n != 0 && !wanted->explicit_names)
        return leave_named(env, wanted, server, why_unknown(env, server, unknown), err);
    ECERT_NGINX_TRY(
        ecert_nginx_pairs_present(env, wanted->layout, server, wanted->pair, &now, err));
    if (!wanted->explicit_names && now.special != NULL)
        return leave_named(env, wanted, server, why_special(env, wanted, &now), err);
    if (!wanted->explicit_names && !now.is_told)
        return leave_named(env, wanted, server,
                           ecert_arena_text(&env->arena,
                                            "none of its certificates is of the type '%s'; add "
                                            "'ssl_certificate %s;' and 'ssl_certificate_key %s;'",
                                            env->host->leaf(env->job)->key_type,
                                            wanted->pair->certificate, wanted->pair->key),
                           err);
    if (!wanted->explicit_names && now.later != NULL)
        return leave_named(
            env, wanted, server,
            ecert_arena_text(&env->arena,
                             "of its certificates of the type '%s' nginx serves that "
                             "of %s:%u, and another is to be replaced; remove one of "
                             "the two pairs",
                             env->host->leaf(env->job)->key_type, now.later->file->path,
                             now.later->line),
            err);
    if (wanted->everywhere && wanted->leaves.replaced == NULL)
        ECERT_NGINX_TRY(remember_leaf(env, wanted, &now, err));
    mark_found(wanted, server);
    const char *why = ecert_arena_text(&env->arena, "it has the name '%s'", server->chosen_for);
    if (n != 0 && why != NULL)
        why = ecert_arena_text(&env->arena,
                               "%s, which 'server_names' asks for; nobody knows whether the "
                               "certificate covers what %s stands for",
                               why, unknown);
    return take_but(env, server, why, err);
}

static enum ecert_status judge_by_name(struct ecert_nginx *env, struct wanted *wanted,
                                       struct ecert_nginx_server *server, struct ecert_error *err)
{
    server->chosen_for = find_name(wanted, server);
    if (server->chosen_for == NULL && server->tls)
        return ECERT_OK; /* by the certificate, perhaps */
    if (server->tls)
        return take_named(env, wanted, server, err);
    const char *why = ecert_nginx_sites_rejects(server)
                          ? "it refuses every handshake (ssl_reject_handshake)"
                          : "it does not listen with ssl";
    return server->chosen_for != NULL ? leave_named(env, wanted, server, why, err)
                                      : leave(env, server, why, err);
}

/* ---- by certificate -------------------------------------------------------------------------- */

static const char *why_used(unsigned uses)
{
    if (uses & ECERT_NGINX_USES_PATH)
        return "it uses the target's own file";
    if (uses & ECERT_NGINX_USES_REPLACED)
        return "it uses the certificate that is replaced";
    return "it uses the certificate of a site that has the target's name";
}

/* The block has names that the certificate is not for. */
static enum ecert_status refuse_used(struct ecert_nginx *env, struct wanted *wanted,
                                     struct ecert_nginx_server *server, unsigned uses,
                                     const char *uncovered, struct ecert_error *err)
{
    if (wanted->n_used++ == 0)
        wanted->first_used =
            ecert_arena_text(&env->arena, "%s:%u (%.500s)", server->block->file->path,
                             server->block->line, uncovered);
    if (wanted->first_used == NULL)
        return ecert_nginx_no_memory(env, err);
    server->refused = true;
    return leave(env, server,
                 ecert_arena_text(&env->arena, "%s, and the certificate does not cover %s",
                                  why_used(uses), uncovered),
                 err);
}

static enum ecert_status take_used(struct ecert_nginx *env, struct wanted *wanted,
                                   struct ecert_nginx_server *server, unsigned uses,
                                   struct ecert_error *err)
{
    struct ecert_nginx_present now = {0};
    const char *uncovered = NULL;
    size_t n = 0;

    ECERT_NGINX_TRY(ecert_nginx_names_list_uncovered(env, server, true, &n, &uncovered, err));
    if (n != 0)
        return refuse_used(env, wanted, server, uses, uncovered, err);
    ECERT_NGINX_TRY(
        ecert_nginx_pairs_present(env, wanted->layout, server, wanted->pair, &now, err));
    if (now.special != NULL)
        return leave(env, server, why_special(env, wanted, &now), err);
    for (size_t i = 0; i < server->n_names && server->chosen_for == NULL; i++)
        if (ecert_nginx_names_is_known(server->names[i]) &&
            !ecert_nginx_names_is_local(server->names[i]))
            server->chosen_for = server->names[i]; /* to ask for it */
    return take_but(env, server, why_used(uses), err);
}

static const char *why_other(struct ecert_nginx *env, const struct ecert_nginx_server *server,
                             unsigned uses)
{
    const char *names = "it has none of the target's names";

    if (server->n_names == 0)
        names = "it has no name";
    if (uses == 0)
        return names;
    return ecert_arena_text(&env->arena, "%s, but %s; 'everywhere_it_was = true' takes it", names,
                            why_used(uses));
}

static enum ecert_status judge_by_certificate(struct ecert_nginx *env, struct wanted *wanted,
                                              struct ecert_nginx_server *server,
                                              struct ecert_error *err)
{
    unsigned uses = 0;

    if (server->chosen || server->refused || !server->tls)
        return ECERT_OK;
    ECERT_NGINX_TRY(ecert_nginx_pairs_use(env, wanted->layout, server, wanted->pair->certificate,
                                          &wanted->leaves, &uses, err));
    if (wanted->everywhere && uses != 0)
        return take_used(env, wanted, server, uses, err);
    return server->why != NULL ? ECERT_OK : leave(env, server, why_other(env, server, uses), err);
}

/* ---- the whole ------------------------------------------------------------------------------- */

/* The list is as long as it is: the sites' records are, the text of an error is not. */
static enum ecert_status refuse_all(struct ecert_nginx *env, const struct wanted *wanted,
                                    struct ecert_error *err)
{
    if (wanted->first_refused != NULL)
        return env->host->fail(err, ECERT_E_CONFIG, "%s", wanted->first_refused);
    return env->host->fail(err, ECERT_E_CONFIG,
                           "everywhere_it_was finds %zu server block%s with names that '%s' does "
                           "not cover: %s%s; give them a pair of their own, or get a certificate "
                           "with these names",
                           wanted->n_used, wanted->n_used == 1 ? "" : "s",
                           env->host->certificate(env->job), wanted->first_used,
                           wanted->n_used == 1 ? "" : " and others, which are listed below");
}

static enum ecert_status refuse_none(struct ecert_nginx *env, const struct wanted *wanted,
                                     struct ecert_error *err)
{
    const char *names = ecert_nginx_names_list(env, wanted->names, wanted->n);
    const size_t n = wanted->sites->n_servers;

    if (names == NULL)
        return ecert_nginx_no_memory(env, err);
    if (wanted->first_left != NULL)
        return env->host->fail(err, ECERT_E_CONFIG,
                               "none of the %zu server blocks of '%s' can take the certificate for "
                               "%s: %s",
                               n, wanted->layout->conf_path, names, wanted->first_left);
    return env->host->fail(err, ECERT_E_CONFIG,
                           "none of the %zu server blocks of '%s' and its includes has the name "
                           "%s; add a server block with 'listen 443 ssl' and this server_name, or "
                           "set 'server_names' of target '%s'",
                           n, wanted->layout->conf_path, names, env->host->target(env->job));
}

/* Each name that the configuration of the target asks for must be served. */
static enum ecert_status check_found(struct ecert_nginx *env, const struct wanted *wanted,
                                     struct ecert_error *err)
{
    for (size_t i = 0; wanted->explicit_names && i < wanted->n; i++)
        if (!wanted->found[i])
            return env->host->fail(err, ECERT_E_CONFIG,
                                   "no server block of '%s' and its includes that listens with ssl "
                                   "has the name '%s'; add one, or take the name out of "
                                   "'server_names' of target '%s'",
                                   wanted->layout->conf_path, wanted->names[i],
                                   env->host->target(env->job));
    return ECERT_OK;
}

static enum ecert_status want(struct ecert_nginx *env, struct wanted *wanted,
                              struct ecert_error *err)
{
    const char *everywhere = env->host->setting(env->job, "everywhere_it_was");

    wanted->names = env->host->server_names(env->job, &wanted->explicit_names);
    while (wanted->names[wanted->n] != NULL)
        wanted->n++;
    wanted->everywhere = everywhere != NULL && strcmp(everywhere, "true") == 0;
    wanted->leaves.replaced = env->host->leaf(env->job)->replaced_sha1;
    wanted->found = ecert_arena_alloc(&env->arena, wanted->n * sizeof *wanted->found);
    return wanted->found != NULL ? ECERT_OK : ecert_nginx_no_memory(env, err);
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

enum ecert_status ecert_nginx_select(struct ecert_nginx *env,
                                     const struct ecert_nginx_layout *layout,
                                     const struct ecert_nginx_pair *pair,
                                     struct ecert_nginx_sites *sites, struct ecert_error *err)
{
    struct wanted wanted = {.layout = layout, .pair = pair, .sites = sites};
    bool any = false;

    ECERT_NGINX_TRY(want(env, &wanted, err));
    for (size_t i = 0; i < sites->n_servers; i++)
        ECERT_NGINX_TRY(judge_by_name(env, &wanted, sites->servers[i], err));
    if (wanted.leaves.n_others > 0)
        qsort(wanted.leaves.others, wanted.leaves.n_others, sizeof *wanted.leaves.others,
              compare_texts);
    for (size_t i = 0; i < sites->n_servers; i++) {
        ECERT_NGINX_TRY(judge_by_certificate(env, &wanted, sites->servers[i], err));
        any |= sites->servers[i]->chosen;
    }
    if (wanted.n_used > 0 || wanted.first_refused != NULL)
        return refuse_all(env, &wanted, err);
    return any ? check_found(env, &wanted, err) : refuse_none(env, &wanted, err);
}
