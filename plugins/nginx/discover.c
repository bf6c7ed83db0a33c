#include "plugins/nginx/discover.h"

#include "plugins/nginx/pairs.h"
#include "plugins/nginx/probes.h"
#include "plugins/nginx/select.h"
#include "plugins/shared/names.h"

#include <string.h>

/* The names that are host names or wild ones; NULL-ended.  NULL: no memory. */
static const char *const *known_names(struct ecert_nginx *env,
                                      const struct ecert_nginx_server *server,
                                      struct ecert_left_out *left_out)
{
    const char **names = ecert_arena_alloc(&env->arena, (2 * server->n_names + 1) * sizeof *names);
    size_t n = 0;

    for (size_t i = 0; names != NULL && i < server->n_names; i++) {
        const char *name = server->names[i];
        if (!ecert_nginx_select_is_known(name) ||
            !ecert_names_take(left_out, name, server->block->file->path, server->block->line))
            continue;
        names[n++] = name[0] == '.' ? name + 1 : name;
        if (name[0] != '.')
            continue;
        names[n] = ecert_arena_text(&env->arena, "*%s", name);
        if (names[n++] == NULL)
            return NULL;
    }
    return names;
}

static enum ecert_status emit(struct ecert_nginx *env, const struct ecert_nginx_layout *layout,
                              const struct ecert_nginx_sites *sites,
                              const struct ecert_nginx_server *server,
                              struct ecert_left_out *left_out, struct ecert_error *err)
{
    const char *file = server->block->file->path;
    struct ecert_nginx_pair pair = {0};
    struct ecert_site_record site = {
        .size = sizeof site,
        .kind = "server block",
        .names = known_names(env, server, left_out),
        .file = file[0] == '/' ? file : NULL, /* "-g" is none */
        .line = server->block->line,
        .enabled = ecert_nginx_sites_has_tls(sites, server),
    };

    if (site.names == NULL)
        return ecert_nginx_no_memory(env, err);
    if (site.names[0] == NULL)
        return ECERT_OK;
    ECERT_NGINX_TRY(ecert_nginx_pairs_present(env, layout, sites, server, &pair, err));
    ECERT_NGINX_TRY(ecert_nginx_probes_of(env, sites, server, &site.addresses, err));
    site.certificate = pair.certificate;
    site.key = pair.key;
    return env->host->emit_site(env->job, &site, err);
}

enum ecert_status ecert_nginx_discover(struct ecert_nginx *env,
                                       const struct ecert_nginx_layout *layout,
                                       const struct ecert_nginx_sites *sites,
                                       struct ecert_error *err)
{
    struct ecert_left_out left_out = {0};

    for (size_t i = 0; i < sites->n_servers; i++)
        ECERT_NGINX_TRY(emit(env, layout, sites, sites->servers[i], &left_out, err));
    return ecert_names_note(&left_out, env->host, env->job, err);
}
