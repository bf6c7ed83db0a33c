/* What `ecert discover` and `ecert init` have in common. */
#ifndef ECERT_CLI_LOOKING_H
#define ECERT_CLI_LOOKING_H

#include "core/cli/app.h"
#include "core/issue/inventory.h"

/*
 * Load the configuration, if there is one that may be read, and look at this host.  False: it was
 * told what is wrong, and *ret_code is what to leave with.
 */
bool ecert_looking(struct ecert_app *app, struct ecert_inventory *ret, int *ret_code);

/*
 * Servers that could not be asked: complaints; profiles that could not be loaded, and what was
 * looked for where no server is here: remarks.  Returns how many complaints there were.
 */
size_t ecert_looking_tell(struct ecert_app *app, const struct ecert_inventory *inventory);

/* "/opt/nginx/sbin/nginx -c /x.conf", or how the plugin is called; the caller frees.  NULL: no
 * memory. */
char *ecert_looking_words(const struct ecert_inventory_server *server);

#endif
