#include "plugins/nginx/discover.h"

#include "plugins/nginx/names.h"
#include "plugins/nginx/probes.h"
#include "plugins/shared/names.h"

#include <string.h>

#define MAX_PATH_LEN 4095
#define MAX_NAMES    8192u /* a site takes no more */
#define ROUND        256   /* sites whose texts are released together */

/* The names that are host names or wild ones, NULL-ended, and how many.  NULL: no memory. */
static const char **known_names(struct ecert_nginx *env, const struct ecert_nginx_server *server,
                                struct ecert_left_out *left_out, size_t *ret_n)
{
    const char **names = ecert_arena_alloc(&env->arena, (2 * server->n_names + 1) * sizeof *names);
    size_t n = 0;

    for (size_t i = 0; names != NULL && i < server->n_names; i++) {
        const char *name = server->names[i];
        if (!ecert_nginx_names_is_known(name) ||
            !ecert_names_take(left_out, name, server->block->file->path, server->block->line))
            continue;
        names[n++] = name[0] == '.' ? name + 1 : name;
        if (name[0] != '.')
            continue;
        names[n] = ecert_arena_text(&env->arena, "*%s", name);
        if (names[n++] == NULL)
            return NULL;
    }
    *ret_n = n;
    return names;
}

/* ---- what a record may hold ------------------------------------------------------------------ */

/* The length of the UTF-8 sequence at `text`; 0: it is none, or a control character. */
static size_t sequence_len(const char *text)
{
    const uint8_t first = (uint8_t)text[0];
    const size_t len = first < 0x80    ? 1
                       : first < 0xC2  ? 0
                       : first < 0xE0  ? 2
                       : first < 0xF0  ? 3
                       : first <= 0xF4 ? 4
                                       : 0;

    if (first < ' ' || first == 0x7F || (first == 0xC2 && (uint8_t)text[1] < 0xA0))
        return 0;
    for (size_t i = 1; i < len; i++)
        if (((uint8_t)text[i] & 0xC0) != 0x80)
            return 0;
    return len;
}

/* A path with other bytes cannot be told: there is none, for this purpose. */
static const char *path_to_tell(const char *path)
{
    if (path == NULL || path[0] != '/' || strlen(path) > MAX_PATH_LEN)
        return NULL;
    for (const char *c = path; *c != '\0'; c += sequence_len(c))
        if (sequence_len(c) == 0)
            return NULL;
    return path;
}

/* A clause quotes the configuration: other bytes become "?".  NULL: no memory, or there is none. */
static const char *clause_to_tell(struct ecert_nginx *env, const char *why)
{
    char *text = why == NULL ? NULL : ecert_arena_copy(&env->arena, why, strlen(why));

    for (char *c = text; c != NULL && *c != '\0';) {
        const size_t len = sequence_len(c);
        if (len == 0)
            *c = '?';
        c += len == 0 ? 1 : len;
    }
    return text;
}

/* More names than a site takes: the first ones are told, and that there are more. */
static enum ecert_status cut_names(struct ecert_nginx *env, const struct ecert_nginx_server *server,
                                   const char **names, size_t n, struct ecert_error *err)
{
    if (n <= MAX_NAMES)
        return ECERT_OK;
    names[MAX_NAMES] = NULL;
    const char *note = clause_to_tell(
        env,
        ecert_arena_text(&env->arena, "%s:%u: of the %zu names of the %s the first %u are told",
                         server->block->file->path, server->block->line, n,
                         ecert_nginx_sites_kind(server), MAX_NAMES));
    if (note == NULL)
        return ecert_nginx_no_memory(env, err);
    return env->host->emit_note(env->job, note, err);
}

/* ---- records --------------------------------------------------------------------------------- */

static enum ecert_status fill(struct ecert_nginx *env, const struct ecert_nginx_sites *sites,
                              const struct ecert_nginx_server *server,
                              const struct ecert_nginx_present *now,
                              struct ecert_left_out *left_out, struct ecert_site_record *site,
                              struct ecert_error *err)
{
    size_t n_names = 0;
    const char **names = known_names(env, server, left_out, &n_names);

    if (names == NULL)
        return ecert_nginx_no_memory(env, err);
    ECERT_NGINX_TRY(cut_names(env, server, names, n_names, err));
    site->size = sizeof *site;
    site->kind = ecert_nginx_sites_kind(server);
    site->names = names;
    site->file = path_to_tell(server->block->file->path); /* "-g" is none */
    site->line = server->block->line;
    site->enabled = server->read && server->tls;
    site->tls = server->tls;
    site->certificate = path_to_tell(now->path.certificate);
    site->key = path_to_tell(now->path.key);
    return ecert_nginx_probes_of(env, sites, server, &site->addresses, err);
}

/* ---- discover() ------------------------------------------------------------------------------ */

static const char *remark(struct ecert_nginx *env, const struct ecert_nginx_server *server,
                          const struct ecert_nginx_present *now)
{
    if (!server->read)
        return "not enabled: nothing that nginx reads leads to it";
    if (ecert_nginx_sites_rejects(server))
        return "it refuses every handshake (ssl_reject_handshake)";
    if (now->special != NULL && server->tls)
        return clause_to_tell(env, ecert_arena_text(&env->arena,
                                                    "'%s' in %s:%u is not the path of a file",
                                                    now->special, now->special_in->file->path,
                                                    now->special_in->line));
    return NULL;
}

static enum ecert_status discover_one(struct ecert_nginx *env, struct ecert_nginx *round,
                                      const struct ecert_nginx_layout *layout,
                                      const struct ecert_nginx_sites *sites,
                                      const struct ecert_nginx_server *server,
                                      struct ecert_left_out *left_out, struct ecert_error *err)
{
    const struct ecert_nginx_pair nothing = {0};
    struct ecert_nginx_present now = {0};
    struct ecert_site_record site = {0};

    ECERT_NGINX_TRY(ecert_nginx_pairs_present(env, layout, server, &nothing, &now, err));
    ECERT_NGINX_TRY(fill(round, sites, server, &now, left_out, &site, err));
    site.why = remark(round, server, &now);
    return env->host->emit_site(env->job, &site, err);
}

enum ecert_status ecert_nginx_discover(struct ecert_nginx *env,
                                       const struct ecert_nginx_layout *layout,
                                       const struct ecert_nginx_sites *sites,
                                       struct ecert_error *err)
{
    struct ecert_nginx round = {.host = env->host, .job = env->job};
    struct ecert_left_out left_out = {0};
    enum ecert_status status = ECERT_OK;

    for (size_t i = 0; i < sites->n_servers && status == ECERT_OK; i++) {
        status = discover_one(env, &round, layout, sites, sites->servers[i], &left_out, err);
        if (i % ROUND == ROUND - 1)
            ecert_arena_clear(&round.arena);
    }
    ecert_arena_clear(&round.arena);
    return status != ECERT_OK ? status : ecert_names_note(&left_out, env->host, env->job, err);
}

/* ---- plan() ---------------------------------------------------------------------------------- */

/* Left by itself, it gets the certificate with a block that shares its directive. */
static enum ecert_status judge_shared(struct ecert_nginx *env,
                                      const struct ecert_nginx_server *server,
                                      const struct ecert_nginx_present *now,
                                      struct ecert_site_record *site, struct ecert_error *err)
{
    const struct ecert_nginx_directive *shared = now->certificate;

    if (server->chosen || !server->tls || shared == NULL || !shared->ours ||
        !ecert_nginx_names_are_covered(env, server))
        return ECERT_OK;
    const struct ecert_nginx_directive *user = shared->user->block;
    site->taken = true;
    site->why = clause_to_tell(
        env, ecert_arena_text(&env->arena, "it has the ssl_certificate of the block at %s:%u",
                              user->file->path, user->line));
    return site->why != NULL ? ECERT_OK : ecert_nginx_no_memory(env, err);
}

static enum ecert_status report_one(struct ecert_nginx *env, struct ecert_nginx *round,
                                    const struct ecert_nginx_layout *layout,
                                    const struct ecert_nginx_sites *sites,
                                    const struct ecert_nginx_pair *pair,
                                    const struct ecert_nginx_server *server,
                                    struct ecert_error *err)
{
    struct ecert_left_out left_out = {0};
    struct ecert_nginx_present now = {0};
    struct ecert_site_record site = {0};

    if (server->why == NULL) /* the plan failed before */
        return ECERT_OK;
    ECERT_NGINX_TRY(ecert_nginx_pairs_present(env, layout, server, pair, &now, err));
    ECERT_NGINX_TRY(fill(round, sites, server, &now, &left_out, &site, err));
    site.taken = server->chosen;
    site.refused = server->refused;
    site.why = clause_to_tell(round, server->why);
    if (site.why == NULL)
        return ecert_nginx_no_memory(env, err);
    ECERT_NGINX_TRY(judge_shared(round, server, &now, &site, err));
    return env->host->emit_site(env->job, &site, err);
}

enum ecert_status ecert_nginx_report(struct ecert_nginx *env,
                                     const struct ecert_nginx_layout *layout,
                                     const struct ecert_nginx_sites *sites,
                                     const struct ecert_nginx_pair *pair, struct ecert_error *err)
{
    struct ecert_nginx round = {.host = env->host, .job = env->job};
    enum ecert_status status = ECERT_OK;

    if (!ECERT_HOST_HAS(env->host, emit_site))
        return ECERT_OK;
    for (size_t i = 0; i < sites->n_servers && status == ECERT_OK; i++) {
        status = report_one(env, &round, layout, sites, pair, sites->servers[i], err);
        if (i % ROUND == ROUND - 1)
            ecert_arena_clear(&round.arena);
    }
    ecert_arena_clear(&round.arena);
    return status;
}
