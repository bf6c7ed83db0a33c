/*
 * ssl_certificate and ssl_certificate_key of the chosen server blocks.
 *
 * nginx pairs them by order: the first certificate with the first key.  Several pairs in one block
 * are for several key types (RSA and ECDSA).  A block without any of the two inherits those of the
 * http block; its own override them.
 */
#ifndef ECERT_NGINX_PAIRS_H
#define ECERT_NGINX_PAIRS_H

#include "plugins/nginx/sites.h"

/* What the two directives shall name. */
struct ecert_nginx_pair {
    const char *certificate;
    const char *key;
};

/*
 * From the job's paths.  nginx reads the chain from ssl_certificate: the full chain goes there.
 * ECERT_E_CONFIG: there is no path for one of the two, or the chain is in a file of its own only.
 */
enum ecert_status ecert_nginx_pairs_want(struct ecert_nginx *env, struct ecert_nginx_pair *ret,
                                         struct ecert_error *err);

/*
 * Collects the edits of one chosen block:
 *   one pair          its two values;
 *   several pairs     the one that has the path already, else the one of our key type;
 *   missing           added to the block, each of the two by itself.
 * A pair in a file that several server blocks include is changed there if the leaf covers all of
 * them that listen with ssl.
 *
 * ECERT_E_CONFIG, naming file and line and what to write: a value with variables, "data:",
 * "engine:" or "store:"; a shared file as above that other blocks need; several pairs of which
 * none has our key type, or not as many keys as certificates.
 */
enum ecert_status ecert_nginx_pairs_edit(struct ecert_nginx *env,
                                         const struct ecert_nginx_layout *layout,
                                         const struct ecert_nginx_sites *sites,
                                         const struct ecert_nginx_server *server,
                                         const struct ecert_nginx_pair *pair,
                                         struct ecert_error *err);

/*
 * What a block uses at present, its own or inherited: of several pairs the one of our key type,
 * else the first.  A member is NULL where there is none, or no plain file (a value with variables,
 * "data:", "engine:", "store:").  ECERT_E_CONFIG: a directive without its one value.
 */
enum ecert_status ecert_nginx_pairs_present(struct ecert_nginx *env,
                                            const struct ecert_nginx_layout *layout,
                                            const struct ecert_nginx_sites *sites,
                                            const struct ecert_nginx_server *server,
                                            struct ecert_nginx_pair *ret, struct ecert_error *err);

#endif
