/* Which server blocks there are, and which pair each of them has at present. */
#ifndef ECERT_NGINX_DISCOVER_H
#define ECERT_NGINX_DISCOVER_H

#include "plugins/nginx/sites.h"

/*
 * Emits a site for each server block with a name.  ".x" is "x" and "*.x"; regular expressions,
 * variables, "_" and the empty name are left out.  Failures as ecert_nginx_pairs_present().
 */
enum ecert_status ecert_nginx_discover(struct ecert_nginx *env,
                                       const struct ecert_nginx_layout *layout,
                                       const struct ecert_nginx_sites *sites,
                                       struct ecert_error *err);

#endif
