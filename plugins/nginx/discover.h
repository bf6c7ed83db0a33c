/* The server blocks as site records: all of them for `ecert discover`, with reasons for a plan. */
#ifndef ECERT_NGINX_DISCOVER_H
#define ECERT_NGINX_DISCOVER_H

#include "plugins/nginx/pairs.h"

/*
 * Emits a site for each server block: with a name or without, with ssl or without, also those that
 * stand ready but are not read.  ".x" is "x" and "*.x"; regular expressions, variables, "_" and the
 * empty name are left out.  Failures as ecert_nginx_pairs_present().
 */
enum ecert_status ecert_nginx_discover(struct ecert_nginx *env,
                                       const struct ecert_nginx_layout *layout,
                                       const struct ecert_nginx_sites *sites,
                                       struct ecert_error *err);

/*
 * The same for a plan whose edits are collected: with `taken` and `why`.  A block that was not
 * chosen, but uses a directive that was changed for another one, is taken with it.  Of a plan that
 * failed: those blocks about which something was decided.
 */
enum ecert_status ecert_nginx_report(struct ecert_nginx *env,
                                     const struct ecert_nginx_layout *layout,
                                     const struct ecert_nginx_sites *sites,
                                     const struct ecert_nginx_pair *pair, struct ecert_error *err);

#endif
