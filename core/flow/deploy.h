/*
 * Deploying: which targets want what, what each plugin would change, and carrying it out.
 *
 * select → prepare → (diff | carry out).  A deployment is one target with everything that its
 * change borrows; it is not copied or moved once it is prepared.  What a target shall have
 * (`desired`) and what it was last seen to have (`actual`) are separate, persistent facts:
 * a target that failed is selected again by every run, with back-off, until it has what it shall.
 * So is one whose settings were changed in the configuration; what somebody edited in a server's
 * own files is not looked for here, because only the plugin could tell.
 *
 * A rollback holds a target at an older generation until there is one with another leaf than that
 * which was the newest then: the same certificate taken again undoes no decision.
 *
 * `rollback --to 0` holds it at nothing in the same way, with its server's files as they were
 * before ecert (origin.h); `ecert deploy` ends that, too.
 */
#ifndef ECERT_FLOW_DEPLOY_H
#define ECERT_FLOW_DEPLOY_H

#include "core/flow/context.h"
#include "core/flow/store.h"
#include "core/flow/transaction.h"

/* Seconds; a next try that is further away was written by a wrong clock and counts as due. */
#define ECERT_DEPLOY_LONGEST_PAUSE 86400

/* X(value, word) */
#define ECERT_STANDING_LIST(X)                                                               \
    X(ECERT_STANDING_WANTED, "wanted")      /* to be deployed */                             \
    X(ECERT_STANDING_CURRENT, "current")    /* has what it shall have: nothing to do */      \
    X(ECERT_STANDING_WAITING, "waiting")    /* failed lately: not before its next try */     \
    X(ECERT_STANDING_NOTHING, "not-issued") /* no certificate has been taken yet */          \
    X(ECERT_STANDING_HELD, "held")          /* held as it was before ecert: nothing to do */ \
    X(ECERT_STANDING_UNFIT, "unfit")        /* could not be prepared: see error */

enum ecert_standing {
#define ECERT_STANDING_ENUM(value, word) value,
    ECERT_STANDING_LIST(ECERT_STANDING_ENUM)
#undef ECERT_STANDING_ENUM
};
const char *ecert_standing_word(enum ecert_standing standing);

struct ecert_deployment {
    const struct ecert_certificate_config *certificate; /* borrowed from the configuration */
    const struct ecert_target_config *target;
    enum ecert_standing standing;
    struct ecert_error error; /* UNFIT: why */
    struct ecert_target_state state;
    bool with_sites;     /* its plan shall tell of the sites that were looked at */
    bool has_state;      /* it was read: what could not be read is not written over */
    unsigned newest;     /* generation that there is; 0: none, or it could not be looked up */
    unsigned generation; /* to be deployed; 0 if NOTHING */
    bool decided;        /* by a rollback */
    bool restores;       /* its files are put back as they were before ecert */
    bool nothing_before; /* DECIDED: likewise */
    unsigned desired_before, held_at_before; /* DECIDED: what counts again if it is refused */
    char settings[ECERT_SHA256_HEX_LEN];     /* fingerprint of what the configuration says now */
    bool settings_changed;                   /* since what the target has was deployed */

    /* prepared */
    struct ecert_bundle bundle;
    struct ecert_plan plan;
    struct ecert_strings notes;
    char *live_dir, *live_value, *key_file, *fullchain_file;
    bool key_is_encrypted;
    char *copy_from[ECERT_MATERIAL_COUNT];
    struct ecert_change_copy copies[ECERT_MATERIAL_COUNT];
    struct ecert_bytes shared_chain; /* what its chain file gets if others have it, too */
    struct ecert_strings served;     /* RESTORES: what each probe shall see again */
    struct ecert_strings emptied;    /* files that were not there: removed once it went well */
    struct ecert_change change;

    /* carried out */
    bool has_outcome;
    struct ecert_outcome outcome;
};

struct ecert_deployments {
    struct ecert_deployment *items;
    size_t n;
};
void ecert_deployments_clear(struct ecert_deployments *deployments);

struct ecert_deploy_selection {
    const char *const *names; /* certificates, NULL-ended; NULL or empty: all */
    const char *target;       /* id; NULL: all */
    bool every;               /* those that are current or waiting too */
    bool keeps_holds;         /* EVERY: but those that are held as before ecert stay so */
    bool with_sites;          /* the plans shall tell of the sites that were looked at */
    bool rollback;            /* to_generation below is what they shall have from now on */
    bool to_nothing;          /* ... which is: as it was before ecert */
    unsigned to_generation;   /* 0: the one before what is deployed */
};

/*
 * Which targets there are and how they stand.  ECERT_E_CONFIG: a name or target that the
 * configuration does not have (with the nearest); ECERT_E_NOT_FOUND: no generation to roll back to,
 * or, to nothing, no target that has anything to put back; ECERT_E_IO.
 */
ECERT_MUST_CHECK enum ecert_status ecert_deploy_select(struct ecert_context *context,
                                                       const struct ecert_deploy_selection *how,
                                                       struct ecert_deployments *ret,
                                                       struct ecert_error *err);

/*
 * Load, check again and plan every WANTED one.  Whatever goes wrong makes that one UNFIT and
 * leaves the others alone.  Changes nothing on the system.
 */
void ecert_deploy_prepare(struct ecert_context *context, struct ecert_deployments *deployments);

/* Those prepared that would touch one of these files become UNFIT. */
void ecert_deploy_leave_alone(struct ecert_deployments *deployments,
                              const struct ecert_strings *paths);

/* The unified diff of all that are prepared; see ecert_transaction_diff(). */
ECERT_MUST_CHECK enum ecert_status ecert_deploy_diff(const struct ecert_deployments *deployments,
                                                     struct ecert_buffer *out, size_t *ret_changes,
                                                     struct ecert_strings *ret_refused,
                                                     struct ecert_error *err);

/*
 * Carry out all that are prepared and write down state and record of each.  The caller holds the
 * lock and has recovered.  A failed target is an outcome, not an error.
 */
ECERT_MUST_CHECK enum ecert_status ecert_deploy_carry_out(struct ecert_context *context,
                                                          struct ecert_deployments *deployments,
                                                          struct ecert_error *err);

/*
 * For those who only look (`ecert plan`): a target that has what was adopted there, although an
 * issued file would be refused for it, becomes CURRENT, with a note why nothing is planned.
 */
ECERT_MUST_CHECK enum ecert_status ecert_deploy_pass_over_unfit(
    const struct ecert_config *config, struct ecert_deployments *deployments,
    struct ecert_error *err);

/* How many were UNFIT, ended in a failure, or failed before and wait for their next try. */
size_t ecert_deploy_failures(const struct ecert_deployments *deployments);

/* ---- parts, each in a file of its own ---- */

/*
 * deploy_prepare.c: load and check one, and begin to ask its plugin; the answer is taken by the
 * end, which the caller owes whenever the beginning succeeded.
 */
struct ecert_preparation;
ECERT_MUST_CHECK enum ecert_status ecert_deploy_prepare_begin(struct ecert_context *context,
                                                              struct ecert_deployment *deployment,
                                                              struct ecert_preparation **ret,
                                                              struct ecert_error *err);
ECERT_MUST_CHECK enum ecert_status ecert_deploy_prepare_end(struct ecert_deployment *deployment,
                                                            struct ecert_preparation *preparation,
                                                            struct ecert_error *err);

/*
 * restore.c: from now on the target shall be as it was before ecert.  Where nothing is known of
 * that, because no file was changed for it, `error` of the deployment says so: one that stands at
 * nothing already or was never deployed is held, any other one stays as it is, with a note.
 */
ECERT_MUST_CHECK enum ecert_status ecert_deploy_decide_nothing(const char *state_dir,
                                                               unsigned newest,
                                                               struct ecert_deployment *deployment,
                                                               struct ecert_error *err);

/*
 * restore.c: is it held so, and how does it stand then?  A deployment that somebody asks for and a
 * newer certificate than the hold's end it: *ret is false, and the state says so.
 */
ECERT_MUST_CHECK enum ecert_status ecert_deploy_stand_at_nothing(
    const char *state_dir, const struct ecert_deploy_selection *how,
    struct ecert_deployment *deployment, bool *ret, struct ecert_error *err);

/*
 * restore.c: the same as ecert_deploy_prepare_begin() and _end() for one that RESTORES, without a
 * plugin.  ECERT_E_CHANGED: a file was changed since, in the lines that are to be put back, and the
 * notes have both differences; or a link that leads nowhere is in its place.  ECERT_E_REFUSED: a
 * link leads out of what the target may touch.
 */
ECERT_MUST_CHECK enum ecert_status ecert_deploy_prepare_restore(const struct ecert_config *config,
                                                                struct ecert_deployment *deployment,
                                                                struct ecert_error *err);

/*
 * restore.c: once it went well.  What was not there before is removed, and its origin forgotten.
 * ECERT_E_IO.
 */
ECERT_MUST_CHECK enum ecert_status ecert_deploy_finish_restore(
    const char *state_dir, const struct ecert_deployment *deployment, struct ecert_error *err);

/*
 * deploy_prepare.c: the operator's addresses (`probes`) take the place of those which the plugin
 * found and `plan` has; without any of the operator's, the plan keeps its own.  An address
 * without a server name is asked for the certificate's.  Errors of ecert_plan_add_probe().
 */
ECERT_MUST_CHECK enum ecert_status ecert_deployment_choose_probes(
    const struct ecert_deployment *deployment, struct ecert_plan *plan, struct ecert_error *err);

/*
 * deploy.c: was the last try for this generation with these settings?  Then a failure is waited
 * out; anything else is tried at once.
 */
bool ecert_deployment_was_tried(const struct ecert_deployment *deployment);

/*
 * deploy_record.c: state and record of one, after its outcome or its being unfit.  A rollback that
 * was refused or unfit decides nothing: its record is written, and its state stays as it was
 * before, so that what cannot be done is not tried by every run.
 */
ECERT_MUST_CHECK enum ecert_status ecert_deploy_write_down(const struct ecert_config *config,
                                                           struct ecert_deployment *deployment,
                                                           struct ecert_error *err);

/* deploy_record.c: nothing was deployed since the target was adopted. */
bool ecert_deployment_is_adopted(const struct ecert_deployment *deployment);

/*
 * The same for a target that counts as having `generation` because its server used that pair before
 * ecert came (core/issue/adopt.h): with bundle, probes of the plan and settings, and no outcome.
 */
ECERT_MUST_CHECK enum ecert_status ecert_deploy_write_adopted(const struct ecert_config *config,
                                                              struct ecert_deployment *deployment,
                                                              struct ecert_error *err);

#endif
