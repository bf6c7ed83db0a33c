/*
 * Asking for a certificate: the order of things that must not be lost.
 *
 *   1. what is asked is checked against the CA's rules (csr.h); CAA is looked at, and only said
 *   2. the key is made (or the present one taken again), the CSR made from it
 *   3. both are on disk and synced (flow/requests.h): state "made"
 *   4. the key is backed up (backup.h)
 *   5. only then the CSR is shown: state "open"
 *
 * A run that is interrupted, or whose backup fails, leaves requests in state "made"; the same
 * command takes them up again from step 4.  A name that has a pending request gets no second one
 * unless `another` is said: its CSR is shown again.
 */
#ifndef ECERT_ISSUE_REQUEST_H
#define ECERT_ISSUE_REQUEST_H

#include "core/flow/context.h"
#include "core/flow/requests.h"

struct ecert_request_wish {
    const char *const *names; /* of certificates, NULL-ended; NULL: all */
    const char *reason;       /* of an emergency; NULL: none */
    const char *id;           /* of one name: that pending request, not the newest; NULL: any */
    bool another;             /* also where a request is pending; not with an id */
    bool without_backup;      /* the operator says so */
    bool skip_caa;            /* no look-ups */
    int64_t now;              /* seconds */
    void (*progress)(void *context, size_t done, size_t n); /* NULL: not wanted */
    void *progress_context;
};

/* What became of one name. */
struct ecert_request_outcome {
    const struct ecert_certificate_config *certificate; /* borrowed */
    struct ecert_request request; /* valid if error.status is ECERT_OK; ISSUED: nothing was made,
                                     its certificate has just come */
    bool again;                   /* it was pending before */
    struct ecert_strings notes;   /* CAA, key types, weak backups, what is served already */
    struct ecert_error error;
};

struct ecert_request_outcomes {
    struct ecert_request_outcome *items;
    size_t n;
};
void ecert_request_outcomes_clear(struct ecert_request_outcomes *outcomes);

/*
 * Do it for every name; one that fails never stops the others.  The caller holds the lock.
 * Nothing was begun on ECERT_E_CONFIG (no backup is configured and without_backup was not said, an
 * unknown name) and on what ecert_backup_kit_open() says of a place that is missing.  Where every
 * CSR is only shown again, backups are not looked at.
 *
 * A request that was made and never shown, and that would be another one if it were made today
 * (names, organisation and its Chinese name, authority, validation, kind of key, subject), is given
 * up ("cancelled") when its successor is made; where it would be the same, it is checked against
 * the CA's rules again before it is shown.  One that was shown stays, with a note of every
 * difference, and of the kind that it would be of by now.  A pending one that is damaged is the
 * outcome's error, with the way out. With the policy "reuse" the present key is checked like a new
 * one; where an open request asks for the same with the same key, it is shown again also for
 * `another`, with a note. Where a certificate came back less than a day ago and would be asked for
 * in the same way now, a new key is hardly what is meant: nothing is made without `another` or a
 * reason, and the outcome is the request that was issued. With `id` nothing new is made: an id that
 * is unknown, or of a request that is not pending, is the outcome's error (ECERT_E_NOT_FOUND,
 * ECERT_E_REFUSED).  Where others are pending beside the one that is shown, a note has their ids.
 * `reason` of one name is kept too.  An --all that was interrupted goes on under its old batch;
 * what was pending before and has no reason, or no batch, gets those of this run.
 */
ECERT_MUST_CHECK enum ecert_status ecert_request_make(struct ecert_context *context,
                                                      const struct ecert_request_wish *wish,
                                                      struct ecert_request_outcomes *ret,
                                                      struct ecert_error *err);

/*
 * Which kind it is, from the configuration and the newest generation: none yet, or the subscription
 * (where it is not configured: the certificate) is over, for the CA renews nothing that has
 * expired: FIRST; likewise where the certificate has expired and the subscription ends within 60
 * days; the subscription ends (subscription_ends) later than the next certificate would be needed:
 * REISSUE, also where both go on for more than 60 days (an emergency); it ends within 60 days of
 * the generation's end: RENEWAL.  Where it is not configured, REISSUE while the generation has more
 * than 60 days (no certificate outlives its subscription), then RENEWAL. `ret_why` is a sentence
 * with the dates.
 */
ECERT_MUST_CHECK enum ecert_status ecert_request_kind_of(
    struct ecert_context *context, const struct ecert_certificate_config *certificate, int64_t now,
    enum ecert_request_kind *ret, char **ret_why, struct ecert_error *err);

/*
 * Give up a pending request of the certificate `name`, which may have left the configuration: state
 * "cancelled"; key and CSR stay.  `id` NULL: the only pending one. ECERT_E_NOT_FOUND: none, or none
 * with this id; ECERT_E_REFUSED: several and no id, or it was issued (the text lists them).  One
 * that is cancelled already is ECERT_OK.  The caller holds the lock.
 */
ECERT_MUST_CHECK enum ecert_status ecert_request_cancel(struct ecert_context *context,
                                                        const char *name, const char *id,
                                                        int64_t now, struct ecert_request *ret,
                                                        struct ecert_error *err);

#endif
