/*
 * Endpoints that are asked what they serve, all at the same time: those that the last deployment of
 * a target recorded, and others.
 *
 * The texts of the probes are borrowed from where they came.
 */
#ifndef ECERT_FLOW_ENDPOINTS_H
#define ECERT_FLOW_ENDPOINTS_H

#include "core/flow/network.h"
#include "core/flow/store.h"

/* One handshake may take as long. */
#define ECERT_ENDPOINTS_TIMEOUT_MS 4000u

struct ecert_endpoints {
    struct ecert_probe *probes; /* borrowed texts */
    struct ecert_seen *seen;    /* one for each, after ecert_endpoints_look() */
    size_t n, room;
};
void ecert_endpoints_clear(struct ecert_endpoints *endpoints);

/* Append one; it has the index n - 1 then.  ECERT_E_NOMEM. */
ECERT_MUST_CHECK enum ecert_status ecert_endpoints_add(struct ecert_endpoints *endpoints,
                                                       const struct ecert_probe *probe,
                                                       struct ecert_error *err);

/* Append those of a target, in their order. */
ECERT_MUST_CHECK enum ecert_status ecert_endpoints_add_target(
    struct ecert_endpoints *endpoints, const struct ecert_target_state *state,
    struct ecert_error *err);

/*
 * Handshake with all of them: see ecert_network_probe_all() for `key_type`, `progress` (NULL: not
 * wanted) and the errors.  The network half is not started for none.  What was seen before is
 * forgotten.
 */
ECERT_MUST_CHECK enum ecert_status ecert_endpoints_look(struct ecert_endpoints *endpoints,
                                                        struct ecert_network *network,
                                                        const char *key_type,
                                                        ecert_network_progress_fn *progress,
                                                        void *context, struct ecert_error *err);

/* How good is an answer?  Borrowed. */
struct ecert_endpoints_judge {
    /* 0: it is what must be there; more: the more the worse.  Asked of answers only. */
    unsigned (*doubt)(void *context, size_t index, const struct ecert_seen *seen);
    void *context;
    const char *const *key_types; /* asked for, one for each endpoint; NULL: none */
};

/*
 * Ask those with a doubtful answer again after 250 ms, all together, and what is doubtful then
 * after 500 ms more; the best answer stays.  An old worker of a web server answers for some 100 ms
 * after a reload.  What cannot be asked again stays as it was seen: ECERT_E_NOMEM only.
 */
ECERT_MUST_CHECK enum ecert_status ecert_endpoints_settle(struct ecert_endpoints *endpoints,
                                                          struct ecert_network *network,
                                                          const struct ecert_endpoints_judge *judge,
                                                          struct ecert_error *err);

#endif
