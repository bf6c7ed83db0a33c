/*
 * What the core lends to a plugin: struct ecert_host over a job in this process.
 *
 * Runs in the worker.  Everything that is returned to the plugin belongs to the job and lives
 * until ecert_job_clear().  A record that is refused is remembered: a plan() or discover() that
 * ignores the answer and returns ECERT_OK has failed nevertheless.
 */
#ifndef ECERT_HOST_LENT_H
#define ECERT_HOST_LENT_H

#include "core/host/plugin.h"

struct ecert_job {
    const struct ecert_job_spec *spec;
    const struct ecert_plugin *plugin;
    struct ecert_leaf_facts leaf;
    struct ecert_plan plan; /* what was emitted so far */
    bool discovering;       /* discover() was called, not plan() */
    size_t n_unwanted;      /* sites of a plan that nobody wants to see: counted, not kept */
    struct ecert_discovery discovery;

    size_t n_refused;           /* records that were refused */
    struct ecert_error refused; /* the first of them */
    /*
     * Called when a plugin goes on and on emitting refused records, so that one which emits for
     * ever does not have to be waited for.  NULL: nobody minds.  Does not return.
     */
    void (*give_up)(struct ecert_job *job);
    void *give_up_context;

    void **owned; /* NULL: forgotten before the end */
    size_t n_owned;
    size_t forgotten; /* where the next one is looked for first: they go in the order they came */
};

/* `spec` and `plugin` are borrowed until ecert_job_clear(). */
void ecert_job_init(struct ecert_job *job, const struct ecert_job_spec *spec,
                    const struct ecert_plugin *plugin);
void ecert_job_clear(struct ecert_job *job); /* wipes */

extern const struct ecert_host ecert_lent_host;

#endif
