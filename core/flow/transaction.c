#include "core/flow/transaction_internal.h"

#include <stdlib.h>
#include <string.h>

void ecert_transaction_at(const struct ecert_transaction_env *env, const char *point)
{
    if (env->at != NULL)
        env->at(point);
}

/* One reload serves both: the same service, and the same command. */
static bool same_group(const struct ecert_change *a, const struct ecert_change *b)
{
    return a->plan->has_activation && b->plan->has_activation &&
           strcmp(a->plan->activation.service, b->plan->activation.service) == 0 &&
           ecert_strings_equal(&a->plan->activation.reload, &b->plan->activation.reload);
}

/* Move the group of changes[first] into `members`; returns how many it has. */
static size_t gather(const struct ecert_change *changes, size_t n, size_t first,
                     struct ecert_outcome *outcomes, bool *taken, struct ecert_member *members)
{
    size_t count = 0;

    for (size_t i = first; i < n; i++) {
        if (taken[i] || (i != first && !same_group(&changes[first], &changes[i])))
            continue;
        taken[i] = true;
        members[count++] = (struct ecert_member){&changes[i], &outcomes[i], true};
    }
    return count;
}

static struct ecert_transaction_env with_defaults(const struct ecert_transaction_env *env)
{
    struct ecert_transaction_env full = *env;

    if (full.look_timeout_ms == 0)
        full.look_timeout_ms = 10000;
    if (full.command_timeout_ms == 0)
        full.command_timeout_ms = 120000;
    return full;
}

/* Begin the network half early: its start-up goes on while the files are prepared. */
static void start_network(const struct ecert_transaction_env *env,
                          const struct ecert_change *changes, size_t n)
{
    struct ecert_error ignored = {0};
    bool wanted = false;

    for (size_t i = 0; i < n; i++)
        wanted = wanted || (changes[i].look && changes[i].plan->n_probes > 0);
    if (wanted) /* where it fails, the first handshake says so */
        (void)!ecert_network_start(env->network, &ignored);
}

enum ecert_status ecert_transaction_run(const struct ecert_transaction_env *env,
                                        const struct ecert_change *changes, size_t n,
                                        struct ecert_outcome *outcomes, struct ecert_error *err)
{
    const struct ecert_transaction_env full = with_defaults(env);
    struct ecert_member *members = calloc(n + 1, sizeof *members);
    bool *taken = calloc(n + 1, sizeof *taken);
    enum ecert_status status = ECERT_OK;

    for (size_t i = 0; i < n; i++)
        outcomes[i] = (struct ecert_outcome){.kind = ECERT_OUTCOME_REFUSED};
    if (members == NULL || taken == NULL) {
        status = ecert_error_nomem(err);
        for (size_t i = 0; i < n; i++)
            outcomes[i].error = *err;
    } else {
        start_network(&full, changes, n);
    }
    for (size_t i = 0; taken != NULL && members != NULL && i < n; i++) {
        if (taken[i])
            continue;
        const size_t count = gather(changes, n, i, outcomes, taken, members);
        if (status == ECERT_OK)
            status = ecert_attempt_group(&full, members, count, err);
        if (status != ECERT_OK) /* the machinery: this group and those after it */
            ecert_members_verdict(members, count, ECERT_OUTCOME_REFUSED, err);
    }
    free(members);
    free(taken);
    return status;
}
