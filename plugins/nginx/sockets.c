#include "plugins/nginx/sockets.h"

#include "plugins/nginx/sites.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define BUCKETS 4096u

/* `ssl` on a port: bits of ecert_nginx_sockets.ports */
#define AT_ADDRESS   1u
#define AT_HOST_NAME 2u

struct ecert_nginx_socket {
    struct ecert_nginx_socket *next; /* of the same bucket */
    const struct ecert_nginx_scope *scope;
    const struct ecert_nginx_listen *listen;
    const struct ecert_nginx_server *first, *said; /* the first block; the one that says so */
    bool ssl;
};

/* A name that some block has: "x" is `exact`, "*.x" is `below` x, ".x" is both. */
struct ecert_nginx_host_name {
    struct ecert_nginx_host_name *next;
    const char *base; /* x */
    const struct ecert_nginx_server *server;
    bool exact, below;
};

/* Those of one bucket, in the order of the file. */
struct ecert_nginx_host_names {
    struct ecert_nginx_host_name *first, *last;
};

static uint32_t hash_of(const char *text)
{
    uint32_t hash = 2166136261u; /* FNV-1a */

    for (; *text != '\0'; text++)
        hash = (hash ^ (uint8_t)tolower((unsigned char)*text)) * 16777619u;
    return hash;
}

static uint32_t bucket_of(const char *address, uint16_t port)
{
    return (hash_of(address) ^ port) % BUCKETS;
}

static struct ecert_nginx_socket *find(const struct ecert_nginx_sockets *sockets,
                                       const struct ecert_nginx_scope *scope,
                                       const struct ecert_nginx_listen *listen)
{
    struct ecert_nginx_socket *socket = NULL;

    if (sockets->buckets != NULL)
        socket = sockets->buckets[bucket_of(listen->address, listen->port)];
    while (socket != NULL &&
           (socket->scope != scope || !ecert_nginx_listen_is_same(socket->listen, listen)))
        socket = socket->next;
    return socket;
}

/* The socket of one port. */
static struct ecert_nginx_listen at_port(const struct ecert_nginx_listen *listen, unsigned port)
{
    struct ecert_nginx_listen one = *listen;

    one.port = one.last_port = (uint16_t)port;
    return one;
}

static struct ecert_nginx_socket *make(struct ecert_nginx *env, struct ecert_nginx_sockets *sockets,
                                       const struct ecert_nginx_listen *listen)
{
    if (sockets->buckets == NULL)
        sockets->buckets =
            ecert_arena_alloc(&env->arena, BUCKETS * sizeof(struct ecert_nginx_socket *));
    if (sockets->ports == NULL)
        sockets->ports = ecert_arena_alloc(&env->arena, UINT16_MAX + 1u);
    struct ecert_nginx_socket *socket = ecert_arena_alloc(&env->arena, sizeof *socket);
    struct ecert_nginx_listen *copy = ecert_arena_alloc(&env->arena, sizeof *copy);
    if (sockets->buckets == NULL || sockets->ports == NULL || socket == NULL || copy == NULL)
        return NULL;
    *copy = *listen;
    struct ecert_nginx_socket **bucket =
        &sockets->buckets[bucket_of(listen->address, listen->port)];
    *socket = (struct ecert_nginx_socket){.next = *bucket, .listen = copy};
    *bucket = socket;
    return socket;
}

static enum ecert_status add(struct ecert_nginx *env, struct ecert_nginx_sockets *sockets,
                             const struct ecert_nginx_scope *scope,
                             const struct ecert_nginx_server *server,
                             const struct ecert_nginx_listen *listen, struct ecert_error *err)
{
    struct ecert_nginx_socket *socket = find(sockets, scope, listen);

    if (socket == NULL) {
        socket = make(env, sockets, listen);
        if (socket == NULL)
            return ecert_nginx_no_memory(env, err);
        socket->scope = scope;
        socket->first = server;
    }
    socket->ssl |= listen->ssl;
    if (listen->ssl)
        sockets->ports[listen->port] |= (uint8_t)(listen->by_name ? AT_HOST_NAME : AT_ADDRESS);
    if (listen->default_server)
        socket->said = server;
    return ECERT_OK;
}

enum ecert_status ecert_nginx_sockets_add(struct ecert_nginx *env,
                                          struct ecert_nginx_sockets *sockets,
                                          const struct ecert_nginx_scope *scope,
                                          const struct ecert_nginx_server *server,
                                          const struct ecert_nginx_listen *listen,
                                          struct ecert_error *err)
{
    for (unsigned port = listen->port; port <= listen->last_port; port++) {
        const struct ecert_nginx_listen one = at_port(listen, port);
        ECERT_NGINX_TRY(add(env, sockets, scope, server, &one, err));
    }
    return ECERT_OK;
}

bool ecert_nginx_sockets_are_ssl(const struct ecert_nginx_sockets *sockets,
                                 const struct ecert_nginx_scope *scope,
                                 const struct ecert_nginx_listen *listen, uint16_t *ret_port)
{
    for (unsigned port = listen->port; port <= listen->last_port; port++) {
        const struct ecert_nginx_listen one = at_port(listen, port);
        const struct ecert_nginx_socket *socket = find(sockets, scope, &one);
        if (socket == NULL || !socket->ssl)
            continue;
        if (ret_port != NULL)
            *ret_port = one.port;
        return true;
    }
    return false;
}

bool ecert_nginx_sockets_may_be_ssl(const struct ecert_nginx_sockets *sockets,
                                    const struct ecert_nginx_listen *listen)
{
    unsigned found = 0;

    for (unsigned port = listen->port; sockets->ports != NULL && port <= listen->last_port; port++)
        found |= sockets->ports[port];
    return (found & AT_HOST_NAME) != 0 || (listen->by_name && found != 0);
}

const struct ecert_nginx_server *ecert_nginx_sockets_default(
    const struct ecert_nginx_sockets *sockets, const struct ecert_nginx_scope *scope,
    const struct ecert_nginx_listen *listen)
{
    const struct ecert_nginx_listen one = at_port(listen, listen->port);
    const struct ecert_nginx_socket *socket = find(sockets, scope, &one);

    if (socket == NULL)
        return NULL;
    return socket->said != NULL ? socket->said : socket->first;
}

bool ecert_nginx_sockets_have(const struct ecert_nginx_sockets *sockets, const char *address,
                              uint16_t port)
{
    const struct ecert_nginx_socket *socket = NULL;

    if (sockets->buckets != NULL)
        socket = sockets->buckets[bucket_of(address, port)];
    for (; socket != NULL; socket = socket->next)
        if (socket->listen->port == port && socket->listen->tls_over_tcp &&
            strcmp(socket->listen->address, address) == 0)
            return true;
    return false;
}

/* ---- names ----------------------------------------------------------------------------------- */

enum ecert_status ecert_nginx_sockets_add_name(struct ecert_nginx *env,
                                               struct ecert_nginx_sockets *sockets,
                                               const struct ecert_nginx_server *server,
                                               const char *name, struct ecert_error *err)
{
    const bool dot = name[0] == '.';
    const bool star = name[0] == '*' && name[1] == '.';

    if (sockets->names == NULL)
        sockets->names = ecert_arena_alloc(&env->arena, BUCKETS * sizeof *sockets->names);
    struct ecert_nginx_host_name *entry = ecert_arena_alloc(&env->arena, sizeof *entry);
    if (sockets->names == NULL || entry == NULL)
        return ecert_nginx_no_memory(env, err);
    *entry = (struct ecert_nginx_host_name){
        .base = name + (dot    ? 1
                        : star ? 2
                               : 0),
        .server = server,
        .exact = !star,
        .below = dot || star,
    };
    struct ecert_nginx_host_names *bucket = &sockets->names[hash_of(entry->base) % BUCKETS];
    if (bucket->last != NULL)
        bucket->last->next = entry;
    else
        bucket->first = entry;
    bucket->last = entry;
    return ECERT_OK;
}

static bool listens_on(const struct ecert_nginx_server *server,
                       const struct ecert_nginx_scope *scope,
                       const struct ecert_nginx_listen *listen)
{
    for (size_t i = 0; server->scope == scope && i < server->n_listens; i++)
        if (ecert_nginx_listen_is_same(&server->listens[i], listen))
            return true;
    return false;
}

/* The blocks that answer to `base` and to the names below it. */
struct owners {
    const struct ecert_nginx_server *exact, *below;
};

static struct owners find_owners(const struct ecert_nginx_sockets *sockets,
                                 const struct ecert_nginx_scope *scope,
                                 const struct ecert_nginx_listen *listen, const char *base)
{
    const struct ecert_nginx_host_name *entry = NULL;
    struct owners owners = {0};
    bool has_exact = false;

    if (sockets->names != NULL)
        entry = sockets->names[hash_of(base) % BUCKETS].first;
    for (; entry != NULL; entry = entry->next) {
        if (strcasecmp(entry->base, base) != 0 || !listens_on(entry->server, scope, listen) ||
            (entry->exact && has_exact))
            continue;
        has_exact |= entry->exact;
        if (entry->below && owners.below != NULL)
            continue; /* ".x" behind "*.x": and "x" is nobody's from now on */
        if (entry->exact)
            owners.exact = entry->server;
        if (entry->below)
            owners.below = entry->server;
    }
    return owners;
}

const struct ecert_nginx_server *ecert_nginx_sockets_owner(
    const struct ecert_nginx_sockets *sockets, const struct ecert_nginx_scope *scope,
    const struct ecert_nginx_listen *listen, const char *name)
{
    const struct ecert_nginx_listen one = at_port(listen, listen->port);
    struct owners owners = find_owners(sockets, scope, &one, name);

    if (owners.exact != NULL)
        return owners.exact;
    owners.below = NULL;
    for (const char *dot = strchr(name, '.'); dot != NULL && owners.below == NULL;
         dot = strchr(dot + 1, '.'))
        owners = find_owners(sockets, scope, &one, dot + 1);
    return owners.below;
}
