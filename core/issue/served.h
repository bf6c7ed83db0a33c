/*
 * What a target's server serves although ecert never deployed to it: where to look, as far as the
 * configuration (`probe`) or the target's plugin (discover()) can say.
 */
#ifndef ECERT_ISSUE_SERVED_H
#define ECERT_ISSUE_SERVED_H

#include "core/flow/deploy.h"
#include "core/host/plugin.h"

/* To find one server's sites may take as long here, where nothing depends on it. */
#define ECERT_SERVED_TIMEOUT_MS 10000u

/* What a plugin found last: of many targets with the same settings it is asked once. */
struct ecert_served_sites {
    char settings[ECERT_SHA256_HEX_LEN]; /* fingerprint; "": nobody was asked */
    struct ecert_discovery discovery;
    struct ecert_error error;
};
void ecert_served_sites_clear(struct ecert_served_sites *sites);

/*
 * Add to `ret` where the server of a target answers for the names of its certificate: every TLS
 * site that has one of them.  Of `deployment` certificate and target are used.  Nothing is added
 * where the target says `probe = false`, or no site has a name.  ECERT_E_UNSUPPORTED and others of
 * the plugin, which is asked in a worker; ECERT_E_NOMEM.
 */
ECERT_MUST_CHECK enum ecert_status ecert_served_places(const struct ecert_config *config,
                                                       const struct ecert_deployment *deployment,
                                                       struct ecert_served_sites *sites,
                                                       struct ecert_plan *ret,
                                                       struct ecert_error *err);

#endif
