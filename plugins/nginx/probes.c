#include "plugins/nginx/probes.h"

#include <ctype.h>
#include <string.h>

struct probes {
    struct ecert_probe_record *records;
    size_t n;
};

/* A host name that the block answers to: "www.x" for "*.x", "x" for ".x". */
static const char *probe_name(struct ecert_nginx *env, const char *name)
{
    char *text = name[0] == '*'   ? ecert_arena_text(&env->arena, "www%s", name + 1)
                 : name[0] == '.' ? ecert_arena_text(&env->arena, "%s", name + 1)
                                  : ecert_arena_text(&env->arena, "%s", name);

    for (char *c = text; c != NULL && *c != '\0'; c++)
        *c = (char)tolower((unsigned char)*c);
    return text;
}

static bool is_known(const struct probes *probes, const struct ecert_probe_record *probe)
{
    for (size_t i = 0; i < probes->n; i++)
        if (probes->records[i].port == probe->port &&
            strcmp(probes->records[i].address, probe->address) == 0 &&
            strcmp(probes->records[i].server_name, probe->server_name) == 0)
            return true;
    return false;
}

/*
 * Would a connection to `address` reach other server blocks than this one?  A socket for the one
 * address goes before the socket for all addresses.
 */
static bool is_shadowed(const struct ecert_nginx_sites *sites,
                        const struct ecert_nginx_server *server, const char *address, uint16_t port)
{
    bool shadowed = false;

    for (size_t i = 0; i < sites->n_loopbacks; i++) {
        const struct ecert_nginx_loopback *loopback = &sites->loopbacks[i];
        if (loopback->port != port || strcmp(loopback->address, address) != 0)
            continue;
        if (loopback->server == server)
            return false;
        shadowed = true;
    }
    return shadowed;
}

static const char *why_not(const struct ecert_nginx_sites *sites,
                           const struct ecert_nginx_server *server,
                           const struct ecert_nginx_listen *listen)
{
    const char *address = ecert_nginx_listen_reach(listen);

    if (listen->proxy_protocol)
        return "it expects the PROXY protocol";
    if (address == NULL)
        return "it has no numeric address";
    if (is_shadowed(sites, server, address, listen->port))
        return "another server block has the address that this host would use";
    return NULL;
}

static bool is_wanted(const struct ecert_nginx_sites *sites,
                      const struct ecert_nginx_server *server,
                      const struct ecert_nginx_listen *listen)
{
    return listen->tls_over_tcp && strncmp(listen->address, "unix:", 5) != 0 &&
           ecert_nginx_sites_is_tls(sites, server, listen);
}

static enum ecert_status probe_socket(struct ecert_nginx *env,
                                      const struct ecert_nginx_sites *sites,
                                      const struct ecert_nginx_server *server,
                                      const struct ecert_nginx_listen *listen,
                                      struct probes *probes, struct ecert_error *err)
{
    if (!is_wanted(sites, server, listen))
        return ECERT_OK;
    const char *why = why_not(sites, server, listen);
    if (why != NULL) {
        const char *text = ecert_arena_text(
            &env->arena, "%s:%u: 'listen %s' is not looked at after the reload: %s; set 'probe'",
            server->block->file->path, server->block->line, listen->text, why);
        return text != NULL ? env->host->emit_note(env->job, text, err)
                            : ecert_nginx_no_memory(env, err);
    }
    const struct ecert_probe_record record = {
        .size = sizeof record,
        .address = ecert_nginx_listen_reach(listen),
        .port = listen->port,
        .server_name = probe_name(env, server->chosen_for),
    };
    probes->records = ecert_arena_grow(&env->arena, probes->records, probes->n, sizeof record);
    if (probes->records == NULL || record.server_name == NULL)
        return ecert_nginx_no_memory(env, err);
    if (is_known(probes, &record))
        return ECERT_OK;
    probes->records[probes->n++] = record;
    return env->host->emit_probe(env->job, &record, err);
}

enum ecert_status ecert_nginx_probes_emit(struct ecert_nginx *env,
                                          const struct ecert_nginx_sites *sites,
                                          struct ecert_error *err)
{
    const struct ecert_nginx_listen otherwise = ecert_nginx_listen_default();
    struct probes probes = {0};

    for (size_t i = 0; i < sites->n_servers; i++) {
        const struct ecert_nginx_server *server = sites->servers[i];
        if (server->chosen_for == NULL)
            continue;
        for (size_t j = 0; j < server->n_listens; j++)
            ECERT_NGINX_TRY(probe_socket(env, sites, server, &server->listens[j], &probes, err));
        if (server->n_listens == 0)
            ECERT_NGINX_TRY(probe_socket(env, sites, server, &otherwise, &probes, err));
    }
    return ECERT_OK;
}

/* ---- without a plan -------------------------------------------------------------------------- */

static enum ecert_status add_address(struct ecert_nginx *env, const struct ecert_nginx_sites *sites,
                                     const struct ecert_nginx_server *server,
                                     const struct ecert_nginx_listen *listen,
                                     const struct ecert_probe_record **records, size_t *n,
                                     struct ecert_error *err)
{
    if (!is_wanted(sites, server, listen) || why_not(sites, server, listen) != NULL)
        return ECERT_OK;
    struct ecert_probe_record *record = ecert_arena_alloc(&env->arena, sizeof *record);
    if (record == NULL)
        return ecert_nginx_no_memory(env, err);
    *record = (struct ecert_probe_record){
        .size = sizeof *record, .address = ecert_nginx_listen_reach(listen), .port = listen->port};
    records[(*n)++] = record;
    return ECERT_OK;
}

enum ecert_status ecert_nginx_probes_of(struct ecert_nginx *env,
                                        const struct ecert_nginx_sites *sites,
                                        const struct ecert_nginx_server *server,
                                        const struct ecert_probe_record *const **ret,
                                        struct ecert_error *err)
{
    const struct ecert_nginx_listen otherwise = ecert_nginx_listen_default();
    const struct ecert_probe_record **records =
        ecert_arena_alloc(&env->arena, (server->n_listens + 2) * sizeof *records);
    size_t n = 0;

    if (records == NULL)
        return ecert_nginx_no_memory(env, err);
    for (size_t i = 0; i < server->n_listens; i++)
        ECERT_NGINX_TRY(add_address(env, sites, server, &server->listens[i], records, &n, err));
    if (server->n_listens == 0)
        ECERT_NGINX_TRY(add_address(env, sites, server, &otherwise, records, &n, err));
    *ret = records;
    return ECERT_OK;
}
