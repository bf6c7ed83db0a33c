/*
 * Which server blocks the target is for.
 *
 * A block is chosen when one of its names is one of the target's and one of its sockets starts
 * with a TLS handshake.  The names compare without regard to case: exactly; ".x" is "x" and "*.x";
 * "*.x" is itself.  Regular expressions, variables, "_" and the empty name are nobody's.
 *
 * All names of a chosen block must be covered by the leaf, because the block has one certificate
 * for all of them.  A block with a name that is not covered is refused when the target's
 * `server_names` asked for it, and left alone otherwise.
 */
#ifndef ECERT_NGINX_SELECT_H
#define ECERT_NGINX_SELECT_H

#include "plugins/nginx/sites.h"

/*
 * Fills in chosen_for of the chosen blocks and emits a note for each of them and for each block
 * that has the name and is left alone.  ECERT_E_CONFIG: no block is chosen; a name of
 * `server_names` is in none of the chosen ones; a block that `server_names` asks for has other
 * names.
 */
enum ecert_status ecert_nginx_select(struct ecert_nginx *env,
                                     const struct ecert_nginx_layout *layout,
                                     struct ecert_nginx_sites *sites, struct ecert_error *err);

/*
 * Would this block be well served by the leaf, chosen or not?  False for regular expressions and
 * variables, whose names are not known.
 */
bool ecert_nginx_select_is_covered(const struct ecert_nginx *env,
                                   const struct ecert_nginx_server *server);

/* A host name, or a wild one: not a regular expression, with a variable, "_" or empty. */
bool ecert_nginx_select_is_known(const char *name);

/* "'a', 'b' and 3 more".  NULL: no memory. */
const char *ecert_nginx_select_list(struct ecert_nginx *env, const char *const *names, size_t n);

#endif
