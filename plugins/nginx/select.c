#include "plugins/nginx/select.h"

#include <string.h>
#include <strings.h>

#define MAX_LISTED 8

/* The target's names, and which of them were found. */
struct wanted {
    const char *const *names;
    size_t n;
    bool explicit_names;
    bool *found;
    const char *first_left; /* the first note about a block that was left alone */
};

static bool is_unknowable(const char *name)
{
    return name[0] == '~' || strchr(name, '$') != NULL;
}

static bool is_nobody(const char *name)
{
    return name[0] == '\0' || strcmp(name, "_") == 0;
}

bool ecert_nginx_select_is_known(const char *name)
{
    return !is_unknowable(name) && !is_nobody(name);
}

static bool is_name_of(const char *in_block, const char *wanted)
{
    if (!ecert_nginx_select_is_known(in_block))
        return false;
    if (in_block[0] != '.')
        return strcasecmp(in_block, wanted) == 0;
    return strcasecmp(in_block + 1, wanted) == 0 ||
           (wanted[0] == '*' && strcasecmp(in_block, wanted + 1) == 0);
}

/* "*.parent", itself, among the names of the leaf. */
static bool covers_all_below(const struct ecert_nginx *env, const char *parent)
{
    const char *const *names = env->host->leaf(env->job)->dns_names;

    for (size_t i = 0; names != NULL && names[i] != NULL; i++)
        if (names[i][0] == '*' && strcasecmp(names[i] + 1, parent) == 0)
            return true;
    return false;
}

static bool covers(const struct ecert_nginx *env, const char *name)
{
    if (name[0] == '.')
        return env->host->covers(env->job, name + 1) && covers_all_below(env, name);
    if (name[0] == '*')
        return covers_all_below(env, name + 1);
    return env->host->covers(env->job, name);
}

bool ecert_nginx_select_is_covered(const struct ecert_nginx *env,
                                   const struct ecert_nginx_server *server)
{
    for (size_t i = 0; i < server->n_names; i++)
        if (is_unknowable(server->names[i]) ||
            (!is_nobody(server->names[i]) && !covers(env, server->names[i])))
            return false;
    return true;
}

const char *ecert_nginx_select_list(struct ecert_nginx *env, const char *const *names, size_t n)
{
    const char *text = "";

    for (size_t i = 0; i < n && i < MAX_LISTED && text != NULL; i++)
        text = ecert_arena_text(&env->arena, "%s%s'%s'", text, i == 0 ? "" : ", ", names[i]);
    if (n > MAX_LISTED && text != NULL)
        text = ecert_arena_text(&env->arena, "%s and %zu more", text, n - MAX_LISTED);
    return text;
}

/* The names of the block that the leaf does not cover. */
static enum ecert_status list_uncovered(struct ecert_nginx *env,
                                        const struct ecert_nginx_server *server, size_t *ret_n,
                                        const char **ret, struct ecert_error *err)
{
    const char **names = ecert_arena_alloc(&env->arena, server->n_names * sizeof *names);
    size_t n = 0;

    if (names == NULL)
        return ecert_nginx_no_memory(env, err);
    for (size_t i = 0; i < server->n_names; i++) {
        const char *name = server->names[i];
        if (ecert_nginx_select_is_known(name) && !covers(env, name))
            names[n++] = name;
    }
    *ret = ecert_nginx_select_list(env, names, n);
    *ret_n = n;
    return *ret != NULL ? ECERT_OK : ecert_nginx_no_memory(env, err);
}

static enum ecert_status note(struct ecert_nginx *env, const char *text, struct ecert_error *err)
{
    if (text == NULL)
        return ecert_nginx_no_memory(env, err);
    return env->host->emit_note(env->job, text, err);
}

static enum ecert_status leave(struct ecert_nginx *env, struct wanted *wanted, const char *text,
                               struct ecert_error *err)
{
    if (wanted->first_left == NULL)
        wanted->first_left = text;
    return note(env, text, err);
}

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
    for (size_t i = 0; i < server->n_names; i++)
        for (size_t j = 0; j < wanted->n; j++)
            wanted->found[j] |= is_name_of(server->names[i], wanted->names[j]);
}

static enum ecert_status judge(struct ecert_nginx *env, const struct ecert_nginx_sites *sites,
                               struct wanted *wanted, struct ecert_nginx_server *server,
                               struct ecert_error *err)
{
    const struct ecert_nginx_directive *block = server->block;
    const char *name = find_name(wanted, server);
    const char *uncovered = NULL;
    size_t n = 0;

    if (name == NULL)
        return ECERT_OK;
    if (!ecert_nginx_sites_has_tls(sites, server))
        return leave(env, wanted,
                     ecert_arena_text(&env->arena,
                                      "%s:%u: the server block for '%s' does not listen with ssl; "
                                      "it is left alone",
                                      block->file->path, block->line, name),
                     err);
    ECERT_NGINX_TRY(list_uncovered(env, server, &n, &uncovered, err));
    if (n != 0 && wanted->explicit_names)
        return env->host->fail(err, ECERT_E_CONFIG,
                               "%s:%u: the server block for '%s' also serves %s, which the "
                               "certificate '%s' does not cover; give these names a server block "
                               "of their own",
                               block->file->path, block->line, name, uncovered,
                               env->host->certificate(env->job));
    if (n != 0)
        return leave(env, wanted,
                     ecert_arena_text(&env->arena,
                                      "%s:%u: the server block for '%s' is left alone, because it "
                                      "also serves %s, which the certificate does not cover",
                                      block->file->path, block->line, name, uncovered),
                     err);
    server->chosen_for = name;
    mark_found(wanted, server);
    const char *names = ecert_nginx_select_list(env, server->names, server->n_names);
    return note(env,
                names == NULL
                    ? NULL
                    : ecert_arena_text(&env->arena,
                                       "%s:%u: the server block for %s takes the certificate",
                                       block->file->path, block->line, names),
                err);
}

static enum ecert_status refuse_none(struct ecert_nginx *env,
                                     const struct ecert_nginx_layout *layout,
                                     const struct ecert_nginx_sites *sites,
                                     const struct wanted *wanted, struct ecert_error *err)
{
    const char *names = ecert_nginx_select_list(env, wanted->names, wanted->n);

    if (names == NULL)
        return ecert_nginx_no_memory(env, err);
    if (wanted->first_left != NULL)
        return env->host->fail(err, ECERT_E_CONFIG,
                               "none of the %zu server blocks of '%s' can take the certificate for "
                               "%s: %s",
                               sites->n_servers, layout->conf_path, names, wanted->first_left);
    return env->host->fail(err, ECERT_E_CONFIG,
                           "none of the %zu server blocks of '%s' and its includes has the name "
                           "%s; add a server block with 'listen 443 ssl' and this server_name, or "
                           "set 'server_names' of target '%s'",
                           sites->n_servers, layout->conf_path, names, env->host->target(env->job));
}

/* Each name that the configuration of the target asks for must be served. */
static enum ecert_status check_found(struct ecert_nginx *env,
                                     const struct ecert_nginx_layout *layout,
                                     const struct wanted *wanted, struct ecert_error *err)
{
    for (size_t i = 0; wanted->explicit_names && i < wanted->n; i++)
        if (!wanted->found[i])
            return env->host->fail(err, ECERT_E_CONFIG,
                                   "no server block of '%s' and its includes that listens with ssl "
                                   "has the name '%s'; add one, or take the name out of "
                                   "'server_names' of target '%s'",
                                   layout->conf_path, wanted->names[i],
                                   env->host->target(env->job));
    return ECERT_OK;
}

enum ecert_status ecert_nginx_select(struct ecert_nginx *env,
                                     const struct ecert_nginx_layout *layout,
                                     struct ecert_nginx_sites *sites, struct ecert_error *err)
{
    struct wanted wanted = {0};
    bool any = false;

    wanted.names = env->host->server_names(env->job, &wanted.explicit_names);
    while (wanted.names[wanted.n] != NULL)
        wanted.n++;
    wanted.found = ecert_arena_alloc(&env->arena, wanted.n * sizeof *wanted.found);
    if (wanted.found == NULL)
        return ecert_nginx_no_memory(env, err);
    for (size_t i = 0; i < sites->n_servers; i++) {
        ECERT_NGINX_TRY(judge(env, sites, &wanted, sites->servers[i], err));
        any |= sites->servers[i]->chosen_for != NULL;
    }
    if (!any)
        return refuse_none(env, layout, sites, &wanted, err);
    return check_found(env, layout, &wanted, err);
}
