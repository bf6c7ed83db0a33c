/*
 * The program, once: what `ecert run` does.  Each step is a file of this directory, or a few.
 *
 *     recover   finish what an interrupted run began          recover.c
 *     fetch     ask the sources, match, build chains, check   source.c, intake.c, chain.c, checks.c
 *     select    which targets do not have what they shall     deploy.c
 *     plan      ask their plugins what to change              deploy_prepare.c
 *     carry out stage, prove, commit, activate, look          transaction.c
 *     record    state and deployment record of each           deploy_record.c
 */
#ifndef ECERT_FLOW_PIPELINE_H
#define ECERT_FLOW_PIPELINE_H

#include "core/flow/deploy.h"
#include "core/flow/source.h"

/* What a run did, for whoever shows it. */
struct ecert_pipeline_report {
    struct ecert_strings recovered; /* one sentence per interrupted transaction */
    struct ecert_strings stuck;     /* files of those that cannot be undone yet */
    struct ecert_strings dead;      /* one sentence per service that the undoing did not bring up */
    struct ecert_arrivals arrivals;
    struct ecert_deployments deployments;
    void (*before_changes)(void); /* called before the first change; NULL: nothing */
    bool with_diff;               /* asked for by the caller, and the sites of each plan */
    struct ecert_bytes diff;      /* then: of all that was to be changed */
};
void ecert_pipeline_report_clear(struct ecert_pipeline_report *report);

/* Undo what an interrupted run left; the caller holds the lock. */
ECERT_MUST_CHECK enum ecert_status ecert_pipeline_recover(struct ecert_context *context,
                                                          struct ecert_pipeline_report *report,
                                                          struct ecert_error *err);

/* Select, plan, carry out, record. */
ECERT_MUST_CHECK enum ecert_status ecert_pipeline_deploy(struct ecert_context *context,
                                                         const struct ecert_deploy_selection *how,
                                                         struct ecert_pipeline_report *report,
                                                         struct ecert_error *err);

/*
 * All of it.  What fails for one certificate or target is in the report and does not stop the
 * others; an error here is one that stops everything.  The caller holds the lock.
 */
ECERT_MUST_CHECK enum ecert_status ecert_pipeline_run(struct ecert_context *context,
                                                      struct ecert_pipeline_report *report,
                                                      struct ecert_error *err);

#endif
