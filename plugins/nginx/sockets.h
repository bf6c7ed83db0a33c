/*
 * The sockets of all server blocks, and the names behind them: what a block cannot know of itself.
 *
 * `ssl` of one block holds for every block that listens on the same address and port; who connects
 * to an address without a name that any block has gets the default block of that socket.
 */
#ifndef ECERT_NGINX_SOCKETS_H
#define ECERT_NGINX_SOCKETS_H

#include "plugins/nginx/listen.h"

struct ecert_nginx_scope;
struct ecert_nginx_socket;
struct ecert_nginx_host_names;

/* {0} is the empty one; everything lives in the arena. */
struct ecert_nginx_sockets {
    struct ecert_nginx_socket **buckets;
    uint8_t *ports; /* which of them speak TLS: see ecert_nginx_sockets_may_be_ssl() */
    struct ecert_nginx_host_names *names;
};

/* One block listens there, on each port of a range.  ECERT_E_NOMEM. */
enum ecert_status ecert_nginx_sockets_add(struct ecert_nginx *env,
                                          struct ecert_nginx_sockets *sockets,
                                          const struct ecert_nginx_scope *scope,
                                          const struct ecert_nginx_server *server,
                                          const struct ecert_nginx_listen *listen,
                                          struct ecert_error *err);

/*
 * Does one of the blocks say that this socket speaks TLS?  Of a range one port is enough; the first
 * such port is in *ret_port, which may be NULL.
 */
bool ecert_nginx_sockets_are_ssl(const struct ecert_nginx_sockets *sockets,
                                 const struct ecert_nginx_scope *scope,
                                 const struct ecert_nginx_listen *listen, uint16_t *ret_port);

/*
 * Could it be so, as one of the two is a host name that may stand for the other's address?  To know
 * it would mean to resolve names, and nginx may get other answers when it does.
 */
bool ecert_nginx_sockets_may_be_ssl(const struct ecert_nginx_sockets *sockets,
                                    const struct ecert_nginx_listen *listen);

/* The block that answers where no name decides, of a range at its first port; NULL: there is no
 * such socket. */
const struct ecert_nginx_server *ecert_nginx_sockets_default(
    const struct ecert_nginx_sockets *sockets, const struct ecert_nginx_scope *scope,
    const struct ecert_nginx_listen *listen);

/* Does a block of any scope listen on exactly this address over TCP? */
bool ecert_nginx_sockets_have(const struct ecert_nginx_sockets *sockets, const char *address,
                              uint16_t port);

/* A block has the name, which lives in the arena.  In the order of the file.  ECERT_E_NOMEM. */
enum ecert_status ecert_nginx_sockets_add_name(struct ecert_nginx *env,
                                               struct ecert_nginx_sockets *sockets,
                                               const struct ecert_nginx_server *server,
                                               const char *name, struct ecert_error *err);

/*
 * The block that answers to a host name on a socket, of a range at its first port, because it has
 * the name or the longest wildcard for it.  Of several with the same one nginx takes the first, and
 * ".x" is ignored as a whole behind a block with "x" or "*.x" (ngx_hash_add_key(), which warns
 * "conflicting server name"; tried with nginx 1.22).  NULL: none has, as far as names without
 * regular expressions and wildcards at the end go.
 */
const struct ecert_nginx_server *ecert_nginx_sockets_owner(
    const struct ecert_nginx_sockets *sockets, const struct ecert_nginx_scope *scope,
    const struct ecert_nginx_listen *listen, const char *name);

#endif
