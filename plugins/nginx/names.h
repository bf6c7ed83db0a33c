/*
 * The names of a server block as server_name has them: which of them a client can ask for, and
 * which the leaf covers.  ".x" is "x" and "*.x".
 */
#ifndef ECERT_NGINX_NAMES_H
#define ECERT_NGINX_NAMES_H

#include "plugins/nginx/sites.h"

/* A host name, or a wild one: not a regular expression, with a variable, an address, "_" or empty.
 */
bool ecert_nginx_names_is_known(const char *name);

/* "localhost": no e-Cert can have it, and nobody outside asks for it. */
bool ecert_nginx_names_is_local(const char *name);

/* Does the leaf cover a name that is known?  A wild one takes the same wildcard in the leaf. */
bool ecert_nginx_names_covers(const struct ecert_nginx *env, const char *name);

/*
 * Would this block be well served by the leaf, chosen or not?  Local names do not count beside one
 * that is covered.  False for regular expressions and variables, whose names are not known.
 */
bool ecert_nginx_names_are_covered(const struct ecert_nginx *env,
                                   const struct ecert_nginx_server *server);

/* "'a', 'b' and 3 more".  NULL: no memory. */
const char *ecert_nginx_names_list(struct ecert_nginx *env, const char *const *names, size_t n);

/*
 * Such a list of the block's names that the leaf does not cover; with `unknown`, of those also that
 * nobody knows.  ECERT_E_NOMEM.
 */
enum ecert_status ecert_nginx_names_list_uncovered(struct ecert_nginx *env,
                                                   const struct ecert_nginx_server *server,
                                                   bool unknown, size_t *ret_n, const char **ret,
                                                   struct ecert_error *err);

#endif
