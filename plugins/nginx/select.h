/*
 * Which server blocks the target is for, and why.
 *
 * A block is chosen when one of its sockets speaks TLS and
 *   (1) one of its names is one of the target's.  The names compare without regard to case:
 *       exactly; ".x" is "x" and "*.x"; "*.x" is itself.  Regular expressions, variables, names
 *       without a letter or digit ("_", "") and addresses, for which no client asks by SNI (RFC
 *       6066, section 3), are nobody's;
 *       (A mail block has the one of its server_name, own or inherited; a stream block has names
 *       since nginx 1.25.5 only, and is found by (2) to (4) before.)
 * or, with the setting everywhere_it_was,
 *   (2) one of its certificates is the target's own file,
 *   (3) or holds the leaf that the target had before,
 *   (4) or, where no such leaf is known, which is before the first deployment, holds the leaf that
 *       a block which was chosen by (1) uses now.
 *
 * All names of a chosen block must be covered by the leaf, because the block has one certificate
 * for all of them; but names without a dot, which no e-Cert has ("localhost"), do not count beside
 * one that is covered.  A block found by (1) with a name that is not covered is refused when the
 * target's `server_names` asked for it, and left alone otherwise, as is one whose pair is not a
 * plain file.  One with names that cannot be known is left alone, too, but taken when
 * `server_names` asked for it.  Blocks found by (2) to (4) with such names, or with names that
 * cannot be known, are refused together: each says so in its site's record, the error counts them.
 */
#ifndef ECERT_NGINX_SELECT_H
#define ECERT_NGINX_SELECT_H

#include "plugins/nginx/pairs.h"

/*
 * Fills in chosen, chosen_for, refused and why of every block.  ECERT_E_CONFIG: no block is chosen;
 * a name of `server_names` is in none of the chosen ones; a block that `server_names` asks for has
 * other names; blocks that everywhere_it_was found have other names: `why` is filled in all the
 * same.
 */
enum ecert_status ecert_nginx_select(struct ecert_nginx *env,
                                     const struct ecert_nginx_layout *layout,
                                     const struct ecert_nginx_pair *pair,
                                     struct ecert_nginx_sites *sites, struct ecert_error *err);

#endif
