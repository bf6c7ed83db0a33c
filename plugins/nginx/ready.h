/* Server blocks that stand ready but are not read: Debian's sites-available without a link. */
#ifndef ECERT_NGINX_READY_H
#define ECERT_NGINX_READY_H

#include "plugins/nginx/sites.h"

/*
 * Adds the server blocks of the files in sites-available, beside the configuration file, that the
 * configuration does not lead to by whatever name or link, as if the first http block included
 * them.  What is wrong in such a file is a note, because nginx does not read it.  ECERT_E_NOMEM,
 * ECERT_E_IO.
 */
enum ecert_status ecert_nginx_ready_read(struct ecert_nginx *env,
                                         const struct ecert_nginx_layout *layout,
                                         struct ecert_nginx_sites *sites, struct ecert_error *err);

#endif
