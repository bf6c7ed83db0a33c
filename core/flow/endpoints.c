#include "core/flow/endpoints.h"

#include <stdlib.h>

static void forget(struct ecert_endpoints *endpoints)
{
    for (size_t i = 0; endpoints->seen != NULL && i < endpoints->n; i++)
        ecert_seen_clear(&endpoints->seen[i]);
    free(endpoints->seen);
    endpoints->seen = NULL;
}

void ecert_endpoints_clear(struct ecert_endpoints *endpoints)
{
    forget(endpoints);
    free(endpoints->probes);
    *endpoints = (struct ecert_endpoints){0};
}

enum ecert_status ecert_endpoints_add(struct ecert_endpoints *endpoints,
                                      const struct ecert_probe *probe, struct ecert_error *err)
{
    forget(endpoints);
    if (endpoints->n == endpoints->room) {
        const size_t room = endpoints->room == 0 ? 16 : 2 * endpoints->room;
        struct ecert_probe *more = reallocarray(endpoints->probes, room, sizeof *more);

        if (more == NULL)
            return ecert_error_nomem(err);
        endpoints->probes = more;
        endpoints->room = room;
    }
    endpoints->probes[endpoints->n++] = *probe;
    return ECERT_OK;
}

enum ecert_status ecert_endpoints_add_target(struct ecert_endpoints *endpoints,
                                             const struct ecert_target_state *state,
                                             struct ecert_error *err)
{
    for (size_t i = 0; i < state->n_probes; i++)
        ECERT_TRY(ecert_endpoints_add(endpoints, &state->probes[i], err));
    return ECERT_OK;
}

enum ecert_status ecert_endpoints_look(struct ecert_endpoints *endpoints,
                                       struct ecert_network *network, const char *key_type,
                                       ecert_network_progress_fn *progress, void *context,
                                       struct ecert_error *err)
{
    forget(endpoints);
    endpoints->seen = calloc(endpoints->n + 1, sizeof *endpoints->seen);
    if (endpoints->seen == NULL)
        return ecert_error_nomem(err);
    if (endpoints->n == 0)
        return ECERT_OK;
    return ecert_network_probe_all(network, endpoints->probes, endpoints->n, key_type,
                                   ECERT_ENDPOINTS_TIMEOUT_MS, progress, context, endpoints->seen,
                                   err);
}
