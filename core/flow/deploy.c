#include "core/flow/deploy.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/fs.h"
#include "core/flow/settings.h"
#include "core/flow/shared_chain.h"

#define PLANS_MAX 8 /* workers at the same time, whatever the number of processors */

const char *ecert_standing_word(enum ecert_standing standing)
{
    switch (standing) {
#define ECERT_STANDING_WORD(value, word) \
    case value:                          \
        return word;
        ECERT_STANDING_LIST(ECERT_STANDING_WORD)
#undef ECERT_STANDING_WORD
    }
    return "?";
}

static void deployment_clear(struct ecert_deployment *deployment)
{
    ecert_target_state_clear(&deployment->state);
    ecert_bundle_clear(&deployment->bundle);
    ecert_plan_clear(&deployment->plan);
    ecert_strings_clear(&deployment->notes);
    free(deployment->live_dir);
    free(deployment->live_value);
    free(deployment->key_file);
    free(deployment->fullchain_file);
    for (size_t i = 0; i < ECERT_MATERIAL_COUNT; i++)
        free(deployment->copy_from[i]);
    ecert_bytes_clear(&deployment->shared_chain);
    ecert_strings_clear(&deployment->served);
    ecert_strings_clear(&deployment->emptied);
    ecert_outcome_clear(&deployment->outcome);
    *deployment = (struct ecert_deployment){0};
}

void ecert_deployments_clear(struct ecert_deployments *deployments)
{
    for (size_t i = 0; i < deployments->n; i++)
        deployment_clear(&deployments->items[i]);
    free(deployments->items);
    *deployments = (struct ecert_deployments){0};
}

/* ---- selecting ---- */

static bool is_named(const struct ecert_deploy_selection *how, const char *name)
{
    if (how->names == NULL || how->names[0] == NULL)
        return true;
    for (size_t i = 0; how->names[i] != NULL; i++)
        if (strcmp(how->names[i], name) == 0)
            return true;
    return false;
}

/* Has this generation the same leaf?  One that is not there (any more) has another. */
static enum ecert_status has_leaf(const char *state_dir, const char *name, unsigned generation,
                                  const char *sha256, bool *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_generation_facts_clear) struct ecert_generation_facts facts = {0};

    const enum ecert_status status = ecert_store_facts(state_dir, name, generation, &facts, err);
    if (status != ECERT_OK && status != ECERT_E_NOT_FOUND)
        return status;
    *ret = status == ECERT_OK && strcmp(facts.sha256, sha256) == 0;
    if (status != ECERT_OK)
        *err = (struct ecert_error){0};
    return ECERT_OK;
}

/*
 * The certificate that a rollback went back from may be taken again, with another chain or its key
 * under another passphrase: that generation is newer and no newer certificate, so that the hold
 * goes on past it.
 */
static enum ecert_status raise_hold(const char *state_dir, const char *name, unsigned newest,
                                    struct ecert_target_state *state, struct ecert_error *err)
{
    ECERT_AUTO(ecert_generation_facts_clear) struct ecert_generation_facts facts = {0};
    bool same = true;

    if ((state->desired == 0 && !state->nothing) || state->held_at == 0 || newest <= state->held_at)
        return ECERT_OK;
    const enum ecert_status status =
        ecert_store_facts(state_dir, name, state->held_at, &facts, err);
    if (status == ECERT_E_NOT_FOUND) { /* nothing to compare with: as for another leaf */
        *err = (struct ecert_error){0};
        return ECERT_OK;
    }
    ECERT_TRY(status);
    for (unsigned next = state->held_at + 1; same && next <= newest; next++) {
        ECERT_TRY(has_leaf(state_dir, name, next, facts.sha256, &same, err));
        if (same)
            state->held_at = next;
    }
    return ECERT_OK;
}

/* What this target shall have: the newest, unless a rollback holds an older one. */
static unsigned desired_generation(const struct ecert_target_state *state, unsigned newest)
{
    return state->desired > 0 && newest <= state->held_at ? state->desired : newest;
}

/* From now on it shall have this generation, which must be there. */
static enum ecert_status decide(const char *state_dir, const struct ecert_deploy_selection *how,
                                unsigned newest, struct ecert_deployment *deployment,
                                struct ecert_error *err)
{
    ECERT_AUTO(ecert_generation_facts_clear) struct ecert_generation_facts facts = {0};
    struct ecert_target_state *state = &deployment->state;
    const char *name = deployment->certificate->name;
    const unsigned now = state->actual > 0 ? state->actual : newest;

    deployment->desired_before = state->desired;
    deployment->nothing_before = state->nothing;
    deployment->held_at_before = state->held_at;
    state->nothing = how->to_nothing;
    if (how->to_nothing)
        return ecert_deploy_decide_nothing(state_dir, newest, deployment, err);
    state->desired = how->to_generation > 0 ? how->to_generation : now > 0 ? now - 1 : 0;
    state->held_at = newest;
    if (state->desired == 0)
        return ecert_error_set(err, ECERT_E_NOT_FOUND,
                               "'%s' has no generation before %u to go back to", name, now);
    deployment->decided = true;
    return ecert_store_facts(state_dir, name, state->desired, &facts, err);
}

bool ecert_deployment_was_tried(const struct ecert_deployment *deployment)
{
    return deployment->state.tried_generation == deployment->generation &&
           !ecert_settings_differ(deployment->settings, deployment->state.tried_settings);
}

static enum ecert_status stand(struct ecert_context *context,
                               const struct ecert_deploy_selection *how,
                               struct ecert_deployment *deployment, struct ecert_error *err)
{
    const char *state_dir = context->config->state_dir;
    const char *name = deployment->certificate->name;
    struct ecert_target_state *state = &deployment->state;
    unsigned newest = 0, live = 0;

    ECERT_TRY(ecert_store_newest(state_dir, name, &newest, err));
    deployment->newest = newest;
    ECERT_TRY(ecert_store_load_target(state_dir, name, deployment->target->id, state, err));
    deployment->has_state = true;
    ECERT_TRY(ecert_store_live(state_dir, name, deployment->target->id, &live, err));
    ECERT_TRY(ecert_settings_fingerprint(deployment->target, deployment->settings, err));
    deployment->settings_changed =
        ecert_settings_differ(deployment->settings, state->actual_settings);
    ECERT_TRY(raise_hold(state_dir, name, newest, state, err));
    if (how->rollback)
        ECERT_TRY(decide(state_dir, how, newest, deployment, err));
    bool at_nothing = false;
    ECERT_TRY(ecert_deploy_stand_at_nothing(state_dir, how, deployment, &at_nothing, err));
    if (at_nothing)
        return ECERT_OK;
    if (how->to_nothing) { /* nothing is known of what was before */
        deployment->generation = state->actual;
        deployment->standing = ECERT_STANDING_CURRENT;
        return ECERT_OK;
    }
    deployment->generation = desired_generation(state, newest);
    if (deployment->generation == 0) {
        deployment->standing = ECERT_STANDING_NOTHING;
        return ECERT_OK;
    }
    /* the link is what the server reads: it must agree with what was written down */
    const bool current =
        state->actual == deployment->generation && state->last_error == NULL &&
        !deployment->settings_changed &&
        (deployment->target->has_files || live == deployment->generation) &&
        (state->outcome == NULL ||
         strcmp(state->outcome, ecert_outcome_word(ECERT_OUTCOME_NOT_RUNNING)) != 0);
    if (how->every || how->rollback)
        deployment->standing = ECERT_STANDING_WANTED;
    else if (current)
        deployment->standing = ECERT_STANDING_CURRENT;
    else if (state->next_try > ecert_clock_now() &&
             state->next_try - ecert_clock_now() <= ECERT_DEPLOY_LONGEST_PAUSE &&
             ecert_deployment_was_tried(deployment))
        deployment->standing = ECERT_STANDING_WAITING;
    else
        deployment->standing = ECERT_STANDING_WANTED;
    return ECERT_OK;
}

static enum ecert_status add(struct ecert_context *context,
                             const struct ecert_deploy_selection *how,
                             const struct ecert_certificate_config *certificate,
                             const struct ecert_target_config *target,
                             struct ecert_deployments *deployments, struct ecert_error *err)
{
    if ((deployments->n & (deployments->n - 1)) == 0) { /* 0, 1, 2, 4, 8 ...: it is full */
        const size_t room = deployments->n == 0 ? 1 : 2 * deployments->n;
        struct ecert_deployment *more = reallocarray(deployments->items, room, sizeof *more);

        if (more == NULL)
            return ecert_error_nomem(err);
        deployments->items = more;
    }
    struct ecert_deployment *deployment = &deployments->items[deployments->n++];
    *deployment = (struct ecert_deployment){
        .certificate = certificate, .target = target, .with_sites = how->with_sites};
    if (stand(context, how, deployment, &deployment->error) == ECERT_OK)
        return ECERT_OK;
    if (how->rollback) { /* what was asked for cannot be done: no half of it is */
        *err = deployment->error;
        return err->status;
    }
    deployment->standing = ECERT_STANDING_UNFIT;
    return ECERT_OK;
}

static enum ecert_status check_names(const struct ecert_config *config,
                                     const struct ecert_deploy_selection *how,
                                     struct ecert_error *err)
{
    for (size_t i = 0; how->names != NULL && how->names[i] != NULL; i++)
        ECERT_TRY(ecert_config_check_name(config, how->names[i], err));
    return ECERT_OK;
}

/* What stands as before ecert already does not stop the others; alone it is a mistake. */
static enum ecert_status check_any_restores(const struct ecert_deployments *deployments,
                                            struct ecert_error *err)
{
    for (size_t i = 0; i < deployments->n; i++)
        if (deployments->items[i].restores)
            return ECERT_OK;
    if (deployments->n == 0)
        return ECERT_OK;
    *err = deployments->items[0].error;
    return err->status;
}

enum ecert_status ecert_deploy_select(struct ecert_context *context,
                                      const struct ecert_deploy_selection *how,
                                      struct ecert_deployments *ret, struct ecert_error *err)
{
    const struct ecert_config *config = context->config;
    ECERT_AUTO(ecert_deployments_clear) struct ecert_deployments deployments = {0};

    ECERT_TRY(check_names(config, how, err));
    for (size_t i = 0; i < config->n_certificates; i++) {
        const struct ecert_certificate_config *certificate = &config->certificates[i];

        for (size_t k = 0; k < certificate->n_targets; k++) {
            const struct ecert_target_config *target = &certificate->targets[k];
            if (is_named(how, certificate->name) &&
                (how->target == NULL || strcmp(how->target, target->id) == 0))
                ECERT_TRY(add(context, how, certificate, target, &deployments, err));
        }
    }
    if (how->to_nothing)
        ECERT_TRY(check_any_restores(&deployments, err));
    if (how->target != NULL && deployments.n == 0)
        return ecert_error_set(err, ECERT_E_CONFIG,
                               "no target has the id '%s'; `ecert status` lists them", how->target);
    *ret = deployments;
    deployments = (struct ecert_deployments){0};
    return ECERT_OK;
}

/* ---- preparing and carrying out ---- */

/* It will be needed for the handshakes; its start-up takes as long as a plan, so they overlap. */
static void start_network_early(struct ecert_context *context,
                                const struct ecert_deployments *deployments)
{
    struct ecert_error later = {0}; /* whoever needs it first will fail with the same sentence */

    for (size_t i = 0; i < deployments->n; i++) {
        if (deployments->items[i].standing != ECERT_STANDING_WANTED)
            continue;
        (void)!ecert_network_start(&context->network, &later);
        return;
    }
}

/* A deployment whose plugin is being asked. */
struct asked {
    struct ecert_deployment *deployment;
    struct ecert_preparation *preparation;
};

static void take_answer(struct asked *asked)
{
    struct ecert_deployment *deployment = asked->deployment;

    if (ecert_deploy_prepare_end(deployment, asked->preparation, &deployment->error) != ECERT_OK)
        deployment->standing = ECERT_STANDING_UNFIT;
}

/* The plugins ask their servers side by side, as many as there are processors. */
void ecert_deploy_prepare(struct ecert_context *context, struct ecert_deployments *deployments)
{
    const long processors = sysconf(_SC_NPROCESSORS_ONLN);
    const size_t room = processors < 1           ? 1
                        : processors < PLANS_MAX ? (size_t)processors
                                                 : PLANS_MAX;
    struct asked ring[PLANS_MAX];
    size_t begun = 0, ended = 0;

    start_network_early(context, deployments);
    for (size_t i = 0; i < deployments->n; i++) {
        struct ecert_deployment *deployment = &deployments->items[i];
        struct asked *slot = &ring[begun % room];

        if (deployment->standing != ECERT_STANDING_WANTED)
            continue;
        if (deployment->restores) {
            if (ecert_deploy_prepare_restore(context->config, deployment, &deployment->error) !=
                ECERT_OK)
                deployment->standing = ECERT_STANDING_UNFIT;
            continue;
        }
        if (begun - ended == room)
            take_answer(&ring[ended++ % room]);
        slot->deployment = deployment;
        if (ecert_deploy_prepare_begin(context, deployment, &slot->preparation,
                                       &deployment->error) == ECERT_OK)
            begun++;
        else
            deployment->standing = ECERT_STANDING_UNFIT;
    }
    while (ended < begun)
        take_answer(&ring[ended++ % room]);
    ecert_shared_chain_settle(context->config, deployments);
}

static bool is_among(const char *path, const struct ecert_strings *paths)
{
    ECERT_AUTO(ecert_auto_free) char *resolved = NULL;
    struct ecert_error ignored = {0};

    if (ecert_strings_contain(paths, path))
        return true;
    return ecert_fs_resolve_new(path, &resolved, &ignored) == ECERT_OK &&
           ecert_strings_contain(paths, resolved);
}

/* The first of these paths that the change touches; NULL if none. */
static const char *touched(const struct ecert_change *change, const struct ecert_strings *paths)
{
    for (size_t i = 0; i < change->plan->n_files; i++)
        if (is_among(change->plan->files[i].path, paths))
            return change->plan->files[i].path;
    for (size_t i = 0; i < change->n_copies; i++)
        if (is_among(change->copies[i].to, paths))
            return change->copies[i].to;
    for (size_t i = 0; change->live_dir != NULL && i < paths->len; i++) {
        const size_t n = strlen(change->live_dir);
        if (strncmp(paths->items[i], change->live_dir, n) == 0 && paths->items[i][n] == '/' &&
            strcmp(paths->items[i] + n + 1, change->live_link) == 0)
            return paths->items[i];
    }
    return NULL;
}

void ecert_deploy_leave_alone(struct ecert_deployments *deployments,
                              const struct ecert_strings *paths)
{
    for (size_t i = 0; i < deployments->n; i++) {
        struct ecert_deployment *deployment = &deployments->items[i];

        if (deployment->standing != ECERT_STANDING_WANTED)
            continue;
        const char *path = touched(&deployment->change, paths);
        if (path == NULL)
            continue;
        deployment->standing = ECERT_STANDING_UNFIT;
        (void)ecert_error_set(&deployment->error, ECERT_E_BUSY,
                              "'%s' belongs to an unfinished transaction that cannot be undone "
                              "yet; what hinders that is said above",
                              path);
    }
}

/* The changes of those that are prepared, in one array as the transaction wants them. */
static struct ecert_change *gather(const struct ecert_deployments *deployments, size_t *ret_n)
{
    struct ecert_change *changes = calloc(deployments->n + 1, sizeof *changes);
    size_t n = 0;

    for (size_t i = 0; changes != NULL && i < deployments->n; i++)
        if (deployments->items[i].standing == ECERT_STANDING_WANTED)
            changes[n++] = deployments->items[i].change;
    *ret_n = n;
    return changes;
}

enum ecert_status ecert_deploy_diff(const struct ecert_deployments *deployments,
                                    struct ecert_buffer *out, size_t *ret_changes,
                                    struct ecert_strings *ret_refused, struct ecert_error *err)
{
    size_t n = 0;
    ECERT_AUTO(ecert_auto_free) struct ecert_change *changes = gather(deployments, &n);

    if (changes == NULL)
        return ecert_error_nomem(err);
    return ecert_transaction_diff(changes, n, out, ret_changes, ret_refused, err);
}

/*
 * What a person decided is written down before it is done: after a crash in between, the next run
 * would take the newest for what the target has and shall have.  One that is refused is taken back
 * by ecert_deploy_write_down().
 */
static enum ecert_status write_decisions(const struct ecert_config *config,
                                         const struct ecert_deployments *deployments,
                                         struct ecert_error *err)
{
    for (size_t i = 0; i < deployments->n; i++) {
        const struct ecert_deployment *deployment = &deployments->items[i];

        if (deployment->decided && (deployment->standing == ECERT_STANDING_WANTED ||
                                    deployment->standing == ECERT_STANDING_HELD))
            ECERT_TRY(ecert_store_save_target(config->state_dir, deployment->certificate->name,
                                              deployment->target->id, &deployment->state, err));
    }
    return ECERT_OK;
}

enum ecert_status ecert_deploy_carry_out(struct ecert_context *context,
                                         struct ecert_deployments *deployments,
                                         struct ecert_error *err)
{
    const struct ecert_transaction_env env = {.state_dir = context->config->state_dir,
                                              .network = &context->network};
    size_t n = 0, at = 0;
    ECERT_AUTO(ecert_auto_free) struct ecert_change *changes = gather(deployments, &n);
    ECERT_AUTO(ecert_auto_free)
    struct ecert_outcome *outcomes = calloc(n + 1, sizeof *outcomes);

    if (changes == NULL || outcomes == NULL)
        return ecert_error_nomem(err);
    ECERT_TRY(write_decisions(context->config, deployments, err));
    enum ecert_status status = ECERT_OK;
    if (n > 0)
        status = ecert_transaction_run(&env, changes, n, outcomes, err);
    ecert_network_release(&context->network);
    for (size_t i = 0; i < deployments->n; i++) {
        struct ecert_deployment *deployment = &deployments->items[i];
        struct ecert_error writing = {0};

        if (deployment->standing == ECERT_STANDING_WANTED) {
            deployment->outcome = outcomes[at++];
            deployment->has_outcome = true;
        } else if (deployment->standing != ECERT_STANDING_UNFIT) {
            continue;
        }
        if (ecert_deploy_write_down(context->config, deployment, &writing) != ECERT_OK &&
            status == ECERT_OK) {
            *err = writing;
            status = writing.status;
        }
    }
    return status;
}

size_t ecert_deploy_failures(const struct ecert_deployments *deployments)
{
    size_t failures = 0;

    for (size_t i = 0; i < deployments->n; i++) {
        const struct ecert_deployment *deployment = &deployments->items[i];

        if (deployment->standing == ECERT_STANDING_UNFIT ||
            deployment->standing == ECERT_STANDING_WAITING ||
            (deployment->has_outcome && deployment->outcome.error.status != ECERT_OK))
            failures++;
    }
    return failures;
}
