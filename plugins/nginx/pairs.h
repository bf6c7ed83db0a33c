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
 * What a block uses at present, its own or inherited: of several pairs the one that has our path
 * already, whatever it holds; else the one whose leaf is replaced; else the one that nginx serves
 * to clients of our key type, which is the last of that type; else the first.  A member is NULL
 * where there is none, or no plain file.
 */
struct ecert_nginx_present {
    size_t index; /* of the two, among those of the block or of the block around it */
    const struct ecert_nginx_directive *certificate, *key;
    struct ecert_nginx_pair path;
    bool is_told; /* there is one pair at most, or one is ours by path, leaf or type */
    const struct ecert_nginx_directive *later; /* ssl_certificate of another pair with our key type,
                                                  which nginx would serve instead; NULL: none */
    const char *special; /* a value that is not the path of a file: with a variable, "data:",
                            "engine:", "store:"; NULL: none */
    const struct ecert_nginx_directive *special_in; /* the directive that has it */
};

/*
 * `pair` may be {0}: nothing is ours yet.  ECERT_E_CONFIG: a directive without its one value.
 * ECERT_E_NOMEM.
 */
enum ecert_status ecert_nginx_pairs_present(struct ecert_nginx *env,
                                            const struct ecert_nginx_layout *layout,
                                            const struct ecert_nginx_server *server,
                                            const struct ecert_nginx_pair *pair,
                                            struct ecert_nginx_present *ret,
                                            struct ecert_error *err);

/* Leaves by their thumbprints. */
struct ecert_nginx_leaves {
    const char *replaced; /* NULL or "": none */
    const char **others;  /* sorted */
    size_t n_others;
};

/* How a pair of the block, its own or inherited, has to do with a certificate: bits. */
enum {
    ECERT_NGINX_USES_PATH = 1,     /* it names this file */
    ECERT_NGINX_USES_REPLACED = 2, /* its file holds the leaf `replaced` */
    ECERT_NGINX_USES_OTHER = 4,    /* its file holds one of `others` */
};
enum ecert_status ecert_nginx_pairs_use(struct ecert_nginx *env,
                                        const struct ecert_nginx_layout *layout,
                                        const struct ecert_nginx_server *server, const char *path,
                                        const struct ecert_nginx_leaves *leaves, unsigned *ret,
                                        struct ecert_error *err);

/*
 * Says of each directive by which other blocks it is used that the target is not for, once all
 * blocks are chosen: `covered` says whether the certificate would serve a block well all the same.
 */
typedef bool ecert_nginx_covered_fn(const struct ecert_nginx *env,
                                    const struct ecert_nginx_server *server);
void ecert_nginx_pairs_find_outsiders(const struct ecert_nginx *env,
                                      const struct ecert_nginx_sites *sites,
                                      ecert_nginx_covered_fn *covered);

/*
 * Collects the edits of one chosen block:
 *   no pair         one is added;
 *   its own         the two values are changed;
 *   of a snippet    changed there, unless other blocks use it that the leaf does not cover: then a
 *                   pair of its own goes behind the include.  Of two pairs of one key type nginx
 *                   serves the later one (SSL_CTX_use_certificate() replaces what the context has;
 *                   tried with nginx 1.22);
 *   inherited       changed there if the target is for every block that inherits it; else the
 *                   block gets a pair of its own, and with it the pairs of other key types that it
 *                   would no longer inherit.
 *
 * ECERT_E_CONFIG, naming file and line and what to write: a value that is not the path of a file;
 * several pairs of which none is ours, or a later one would be served instead; not as many keys as
 * certificates.
 */
enum ecert_status ecert_nginx_pairs_edit(struct ecert_nginx *env,
                                         const struct ecert_nginx_layout *layout,
                                         const struct ecert_nginx_server *server,
                                         const struct ecert_nginx_pair *pair,
                                         struct ecert_error *err);

#endif
