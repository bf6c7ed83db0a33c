/*
 * One attempt at a group of changes that share a service: what its steps (attempt.c) and its way
 * back (attempt_undo.c) know of it.  See transaction_internal.h for who does what.
 */
#ifndef ECERT_FLOW_ATTEMPT_H
#define ECERT_FLOW_ATTEMPT_H

#include "core/flow/service.h"
#include "core/flow/staging.h"
#include "core/flow/transaction_internal.h"

struct ecert_attempt {
    const struct ecert_transaction_env *env;
    struct ecert_member *members;
    size_t n;
    const struct ecert_plan_activation *activation; /* NULL: the files alone are the deployment */
    struct ecert_items items;
    struct ecert_journal journal;
    struct ecert_service service;
    struct ecert_buffer reload_words;
    bool told;     /* of a failure: the guilty have their verdicts already */
    bool proved;   /* the test said yes in the private view */
    bool unproved; /* there is no private view: test after the commit */
    bool unclear;  /* that test said no to several members: each must be tried alone */
    bool tested;   /* one or the other: the server's test has accepted what is live now */
    bool activated;
    bool died;
    bool stuck;          /* not everything could be put back: what is needed for it is kept */
    bool broken_machine; /* the state directory, not a target, is the trouble */
};

/*
 * attempt_preload.c: load each distinct pair once, as a server would; a bad pair refuses its
 * members, which are told.
 */
ECERT_MUST_CHECK enum ecert_status ecert_attempt_preload(struct ecert_attempt *attempt,
                                                         struct ecert_error *err);

/*
 * Put everything back and make the server take it again.  *why, the reason, gets the words about
 * how that went.  ECERT_OUTCOME_UNDONE or ECERT_OUTCOME_UNDO_FAILED; `stuck` is set.
 */
enum ecert_outcome_kind ecert_attempt_put_back(struct ecert_attempt *attempt,
                                               struct ecert_error *why);

/* Reload the server, or start it if our reload ended it; nothing if we had not reloaded it. */
ECERT_MUST_CHECK enum ecert_status ecert_attempt_reactivate(struct ecert_attempt *attempt,
                                                            struct ecert_error *err);

#endif
