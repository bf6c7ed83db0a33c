#include "plugins/nginx/probes.h"

#include "plugins/nginx/names.h"

#include <ctype.h>
#include <string.h>

#define BUCKETS       4096u
#define COUNT(array)  (sizeof(array) / sizeof((array)[0]))
#define MAX_ADDRESSES 256u  /* a site takes no more */
#define MAX_PROBES    8000u /* a plan takes no more than 8192 */

struct known {
    struct known *next; /* of the same bucket */
    struct ecert_probe_record record;
};

struct probes {
    struct known **buckets;
    size_t n;
};

static char *lower(char *text)
{
    for (char *c = text; c != NULL && *c != '\0'; c++)
        *c = (char)tolower((unsigned char)*c);
    return text;
}

/* What to ask for so that the block answers, by this name of it; NULL: nothing. */
static const char *probe_name(struct ecert_nginx *env, const struct ecert_nginx_sites *sites,
                              const struct ecert_nginx_server *server,
                              const struct ecert_nginx_listen *listen, const char *name)
{
    static const char *const labels[] = {"", "www", "ecert-probe"};
    const bool wild = name[0] == '.' || name[0] == '*';
    const char *rest = name + (name[0] == '*' ? 1 : 0);

    for (size_t i = name[0] == '*' ? 1 : 0; i < (wild ? COUNT(labels) : 1); i++) {
        const char *text =
            i == 0 ? name + (wild ? 1 : 0) : ecert_arena_text(&env->arena, "%s%s", labels[i], rest);
        if (text == NULL || server->scope->kind == ECERT_NGINX_MAIL ||
            ecert_nginx_sockets_owner(&sites->sockets, server->scope, listen, text) == server)
            return text;
    }
    return NULL;
}

/* By the name that it was chosen for, or any other that is its own there; NULL: it has none. */
static const char *probe_any_name(struct ecert_nginx *env, const struct ecert_nginx_sites *sites,
                                  const struct ecert_nginx_server *server,
                                  const struct ecert_nginx_listen *listen)
{
    const char *found = probe_name(env, sites, server, listen, server->chosen_for);

    for (size_t i = 0; found == NULL && i < server->n_names; i++)
        if (ecert_nginx_names_is_known(server->names[i]) &&
            !ecert_nginx_names_is_local(server->names[i]))
            found = probe_name(env, sites, server, listen, server->names[i]);
    return found;
}

static bool is_same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static uint32_t hash_of(const struct ecert_probe_record *probe)
{
    const char *const texts[] = {probe->address, probe->server_name};
    uint32_t hash = 2166136261u ^ probe->port; /* FNV-1a */

    for (size_t i = 0; i < 2; i++)
        for (const char *c = texts[i]; c != NULL && *c != '\0'; c++)
            hash = (hash ^ (uint8_t)*c) * 16777619u;
    return hash % BUCKETS;
}

/* *ret_new is false where the same probe was added before. */
static enum ecert_status remember(struct ecert_nginx *env, struct probes *probes,
                                  const struct ecert_probe_record *probe, bool *ret_new,
                                  struct ecert_error *err)
{
    struct known **bucket = &probes->buckets[hash_of(probe)];

    *ret_new = false;
    for (const struct known *known = *bucket; known != NULL; known = known->next)
        if (known->record.port == probe->port &&
            strcmp(known->record.address, probe->address) == 0 &&
            is_same_text(known->record.server_name, probe->server_name) &&
            is_same_text(known->record.starttls, probe->starttls))
            return ECERT_OK;
    struct known *known = ecert_arena_alloc(&env->arena, sizeof *known);
    if (known == NULL)
        return ecert_nginx_no_memory(env, err);
    *known = (struct known){*bucket, *probe};
    *bucket = known;
    *ret_new = true;
    return ECERT_OK;
}

/*
 * Would a connection to `address` reach other server blocks than this one?  A socket for the one
 * address goes before the socket for all addresses.
 */
static bool is_shadowed(const struct ecert_nginx_sites *sites,
                        const struct ecert_nginx_server *server, const char *address, uint16_t port)
{
    for (size_t i = 0; i < server->n_listens; i++)
        if (server->listens[i].port <= port && port <= server->listens[i].last_port &&
            server->listens[i].tls_over_tcp && strcmp(server->listens[i].address, address) == 0)
            return false;
    return ecert_nginx_sockets_have(&sites->sockets, address, port);
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
           !ecert_nginx_sites_rejects(server) &&
           (ecert_nginx_sites_is_tls(sites, server, listen) ||
            ecert_nginx_sites_starttls(sites, server, listen) != NULL);
}

/* Of a range the one port that is looked at. */
static struct ecert_nginx_listen at_tls(const struct ecert_nginx_sites *sites,
                                        const struct ecert_nginx_server *server,
                                        const struct ecert_nginx_listen *listen)
{
    struct ecert_nginx_listen one = *listen;

    one.port = one.last_port = ecert_nginx_sites_tls_port(sites, server, listen);
    return one;
}

/* Without a name only the default block of a socket can be asked for. */
static bool can_be_asked(const struct ecert_nginx_sites *sites,
                         const struct ecert_nginx_server *server,
                         const struct ecert_nginx_listen *listen)
{
    return server->chosen_for != NULL ||
           ecert_nginx_sockets_default(&sites->sockets, server->scope, listen) == server;
}

static enum ecert_status note_unseen(struct ecert_nginx *env,
                                     const struct ecert_nginx_server *server,
                                     const struct ecert_nginx_listen *listen, const char *why,
                                     struct ecert_error *err)
{
    const char *text = ecert_arena_text(
        &env->arena, "%s:%u: 'listen %s' is not looked at after the reload: %s; set 'probe'",
        server->block->file->path, server->block->line, listen->text, why);

    return text != NULL ? env->host->emit_note(env->job, text, err)
                        : ecert_nginx_no_memory(env, err);
}

static enum ecert_status probe_socket(struct ecert_nginx *env,
                                      const struct ecert_nginx_sites *sites,
                                      const struct ecert_nginx_server *server,
                                      const struct ecert_nginx_listen *listen,
                                      struct probes *probes, struct ecert_error *err)
{
    bool is_new = false;

    if (!is_wanted(sites, server, listen) || !can_be_asked(sites, server, listen))
        return ECERT_OK;
    const char *why = why_not(sites, server, listen);
    if (why != NULL)
        return note_unseen(env, server, listen, why, err);
    struct ecert_probe_record record = {
        .size = sizeof record,
        .address = ecert_nginx_listen_reach(listen),
        .port = listen->port,
        .starttls = ecert_nginx_sites_starttls(sites, server, listen),
    };
    if (server->chosen_for != NULL) {
        const char *name = probe_any_name(env, sites, server, listen);
        if (name == NULL)
            return note_unseen(env, server, listen, "other server blocks have its names", err);
        record.server_name = lower(ecert_arena_text(&env->arena, "%s", name));
        if (record.server_name == NULL)
            return ecert_nginx_no_memory(env, err);
    }
    ECERT_NGINX_TRY(remember(env, probes, &record, &is_new, err));
    if (!is_new || ++probes->n > MAX_PROBES)
        return ECERT_OK;
    return env->host->emit_probe(env->job, &record, err);
}

enum ecert_status ecert_nginx_probes_emit(struct ecert_nginx *env,
                                          const struct ecert_nginx_sites *sites,
                                          struct ecert_error *err)
{
    struct probes probes = {0};

    probes.buckets = ecert_arena_alloc(&env->arena, BUCKETS * sizeof(struct known *));
    if (probes.buckets == NULL)
        return ecert_nginx_no_memory(env, err);
    for (size_t i = 0; i < sites->n_servers; i++) {
        const struct ecert_nginx_server *server = sites->servers[i];
        for (size_t j = 0; server->chosen && j < server->n_listens; j++) {
            const struct ecert_nginx_listen listen = at_tls(sites, server, &server->listens[j]);
            ECERT_NGINX_TRY(probe_socket(env, sites, server, &listen, &probes, err));
        }
    }
    if (probes.n <= MAX_PROBES)
        return ECERT_OK;
    const char *text = ecert_arena_text(
        &env->arena, "of %zu sockets and names the first %u are looked at", probes.n, MAX_PROBES);
    return text != NULL ? env->host->emit_note(env->job, text, err)
                        : ecert_nginx_no_memory(env, err);
}

/* ---- without a plan -------------------------------------------------------------------------- */

enum ecert_status ecert_nginx_probes_of(struct ecert_nginx *env,
                                        const struct ecert_nginx_sites *sites,
                                        const struct ecert_nginx_server *server,
                                        const struct ecert_probe_record *const **ret,
                                        struct ecert_error *err)
{
    const struct ecert_probe_record **records =
        ecert_arena_alloc(&env->arena, (server->n_listens + 1) * sizeof *records);
    size_t n = 0;

    if (records == NULL)
        return ecert_nginx_no_memory(env, err);
    for (size_t i = 0; i < server->n_listens && n < MAX_ADDRESSES; i++) {
        const struct ecert_nginx_listen listen = at_tls(sites, server, &server->listens[i]);
        if (!server->read || !is_wanted(sites, server, &listen) ||
            why_not(sites, server, &listen) != NULL)
            continue;
        struct ecert_probe_record *record = ecert_arena_alloc(&env->arena, sizeof *record);
        if (record == NULL)
            return ecert_nginx_no_memory(env, err);
        *record = (struct ecert_probe_record){
            .size = sizeof *record,
            .address = ecert_nginx_listen_reach(&listen),
            .port = listen.port,
            .starttls = ecert_nginx_sites_starttls(sites, server, &listen),
        };
        records[n++] = record;
    }
    *ret = records;
    return ECERT_OK;
}
