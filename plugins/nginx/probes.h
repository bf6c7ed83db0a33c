/* Where this machine reaches a server block, to look at what it serves. */
#ifndef ECERT_NGINX_PROBES_H
#define ECERT_NGINX_PROBES_H

#include "plugins/nginx/sites.h"

/*
 * Emits a probe for each socket of each chosen block, and a note for one that cannot be looked at:
 * it expects the PROXY protocol, has no numeric address, or other blocks have the address that this
 * machine would use or all names of the block.  It is asked for by the name that it was chosen for,
 * or by another of its names where another block answers to that.  A mail block with "starttls" is
 * asked by STARTTLS.  A block without a name is asked without one where it is the default of the
 * socket, and not otherwise.  No more than 8,000 probes; a note says how many there would be.
 * ECERT_E_NOMEM.
 */
enum ecert_status ecert_nginx_probes_emit(struct ecert_nginx *env,
                                          const struct ecert_nginx_sites *sites,
                                          struct ecert_error *err);

/* The same sockets of one block, without a server name; NULL-ended, in the arena. */
enum ecert_status ecert_nginx_probes_of(struct ecert_nginx *env,
                                        const struct ecert_nginx_sites *sites,
                                        const struct ecert_nginx_server *server,
                                        const struct ecert_probe_record *const **ret,
                                        struct ecert_error *err);

#endif
