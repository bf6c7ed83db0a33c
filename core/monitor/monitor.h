/*
 * The monitor: looks at everything whose expiry is followed, and hands out findings.
 *
 *   certificates   the newest generation of each, its chain, what each target has and serves
 *   watches        files, directories, globs, endpoints, lists of endpoints
 *   the rest       subscriptions, the Authorised Representative's e-Cert (Organisational), anchors
 *                  and CRLs of the authorities in use, files in the inbox that are not taken
 *
 * One input that cannot be read hides no other.  Nothing is changed, but for CRLs that are fetched
 * into the cache.  All handshakes go on at the same time.
 */
#ifndef ECERT_MONITOR_MONITOR_H
#define ECERT_MONITOR_MONITOR_H

#include "core/flow/context.h"
#include "core/monitor/finding.h"

/* Called for each finding, in no particular order; it is valid during the call. */
typedef enum ecert_status ecert_finding_fn(void *context, const struct ecert_finding *finding,
                                           struct ecert_error *err);

/* What `offline` leaves out. */
struct ecert_monitor_passed_over {
    size_t live;    /* addresses of deployed targets */
    size_t watched; /* addresses of watches, those in lists too */
};

struct ecert_monitor_options {
    const char *const *names; /* certificates and watches, NULL-ended; NULL or empty: everything */
    bool offline;             /* no handshakes, no fetches */
    struct ecert_monitor_passed_over *passed_over; /* counted up; NULL: not wanted */
    /* how far the handshakes are, for a progress bar; NULL: not wanted */
    void (*progress)(void *context, size_t done, size_t of);
    void *progress_context;
};

/*
 * ECERT_E_CONFIG: a name that neither a certificate nor a watch has (with the nearest).
 * ECERT_E_NOMEM, ECERT_E_IO: the machinery.  What the call returns.
 */
ECERT_MUST_CHECK enum ecert_status ecert_monitor_run(struct ecert_context *context,
                                                     const struct ecert_monitor_options *options,
                                                     ecert_finding_fn *call, void *call_context,
                                                     struct ecert_error *err);

#endif
