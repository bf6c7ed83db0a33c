/* What is written down of a deployment: the target's state, and a record for whoever asks later. */

#include <jansson.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/fs.h"
#include "core/flow/certificate.h"
#include "core/flow/deploy.h"
#include "core/flow/outcome_json.h"

#define FIRST_PAUSE 600 /* seconds until the second try, doubled with each failure ... */
/* ... up to a day: the daily timer always tries */
#define MAX_PAUSE ECERT_DEPLOY_LONGEST_PAUSE

static void auto_json(json_t **json)
{
    json_decref(*json);
}

static int64_t pause_after(unsigned failures)
{
    int64_t pause = FIRST_PAUSE;

    for (unsigned i = 1; i < failures && pause < MAX_PAUSE; i++)
        pause *= 2;
    return pause < MAX_PAUSE ? pause : MAX_PAUSE - 3600; /* a timer may fire a little early */
}

static enum ecert_status keep_probes(struct ecert_deployment *deployment, struct ecert_error *err)
{
    struct ecert_target_state *state = &deployment->state;
    const struct ecert_plan *plan = &deployment->plan;
    struct ecert_plan copy = {0};

    for (size_t i = 0; i < plan->n_probes; i++) {
        const struct ecert_probe_record record = {
            .size = sizeof record,
            .address = plan->probes[i].address,
            .port = plan->probes[i].port,
            .server_name = plan->probes[i].server_name,
            .starttls = plan->probes[i].starttls,
        };
        if (ecert_plan_add_probe(&copy, &record, err) != ECERT_OK) {
            ecert_plan_clear(&copy);
            return err->status;
        }
    }
    for (size_t i = 0; i < state->n_probes; i++)
        ecert_probe_clear(&state->probes[i]);
    free(state->probes);
    state->probes = copy.probes; /* taken over; nothing else is in the copy */
    state->n_probes = copy.n_probes;
    return ECERT_OK;
}

static enum ecert_status update_state(struct ecert_deployment *deployment,
                                      const struct ecert_error *failure, const char *word,
                                      int64_t now, struct ecert_error *err)
{
    struct ecert_target_state *state = &deployment->state;
    const bool again = ecert_deployment_was_tried(deployment);

    free(state->last_error);
    free(state->outcome);
    state->last_error = state->outcome = NULL;
    ECERT_TRY(ecert_text_copy(ecert_view_of(word), &state->outcome, err));
    state->last_try = now;
    state->tried_generation = deployment->generation;
    memcpy(state->tried_settings, deployment->settings, sizeof state->tried_settings);
    if (failure != NULL) {
        state->failures = again ? state->failures + 1 : 1;
        state->next_try = now + pause_after(state->failures);
        return ecert_text_copy(ecert_view_of(failure->text), &state->last_error, err);
    }
    state->failures = 0;
    state->next_try = 0;
    if (deployment->restores) { /* as if it had never been deployed */
        state->actual = 0;
        state->actual_sha256[0] = state->actual_sha1[0] = state->actual_settings[0] = '\0';
        state->deployed = 0;
        return keep_probes(deployment, err);
    }
    if (deployment->outcome.kind != ECERT_OUTCOME_UNCHANGED || state->deployed == 0)
        state->deployed = now;
    state->actual = deployment->generation;
    memcpy(state->actual_settings, deployment->settings, sizeof state->actual_settings);
    ecert_certificate_sha256(deployment->bundle.leaf, state->actual_sha256);
    ecert_certificate_sha1(deployment->bundle.leaf, state->actual_sha1);
    return keep_probes(deployment, err);
}

/* Who did it: the user, and who logged in before sudo or su (audit's loginuid), where known. */
static json_t *by_whom(void)
{
    const struct passwd *user = getpwuid(getuid());
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes login = {0};
    struct ecert_error ignored = {0};
    json_t *by = json_pack("{s:I, s:o}", "uid", (json_int_t)getuid(), "user",
                           ecert_text_json(user == NULL ? "" : user->pw_name));

    if (ecert_fs_read_proc("/proc/self/loginuid", &login, &ignored) == ECERT_OK) {
        const unsigned long uid = strtoul((const char *)login.ptr, NULL, 10);
        const struct passwd *who = uid < 4294967295ul ? getpwuid((uid_t)uid) : NULL;
        if (who != NULL)
            (void)json_object_set_new(by, "login", ecert_text_json(who->pw_name));
    }
    return by;
}

static enum ecert_status write_record(const struct ecert_config *config,
                                      const struct ecert_deployment *deployment,
                                      const struct ecert_error *failure, const char *word,
                                      const char *sha256_before, unsigned before, int64_t now,
                                      struct ecert_error *err)
{
    char time_text[ECERT_TIME_TEXT_LEN];
    char sha256[ECERT_SHA256_HEX_LEN] = "";

    ecert_clock_text(now, time_text);
    if (deployment->bundle.leaf != NULL)
        ecert_certificate_sha256(deployment->bundle.leaf, sha256);
    ECERT_AUTO(auto_json)
    json_t *json =
        json_pack("{s:s, s:s, s:s, s:s, s:o, s:s, s:{s:i, s:s}, s:{s:i, s:s}}", "certificate",
                  deployment->certificate->name, "target", deployment->target->id, "plugin",
                  deployment->target->plugin, "when", time_text, "by", by_whom(), "outcome", word,
                  "from", "generation", (int)before, "sha256", sha256_before, "to", "generation",
                  (int)deployment->generation, "sha256", sha256);
    if (json == NULL ||
        (failure != NULL &&
         json_object_set_new(json, "error", ecert_text_json(failure->text)) != 0) ||
        (deployment->has_outcome &&
         json_object_update_missing_new(json, ecert_outcome_json(&deployment->outcome)) != 0))
        return ecert_error_nomem(err);
    ECERT_AUTO(ecert_auto_free) char *text = json_dumps(json, JSON_INDENT(2));
    if (text == NULL)
        return ecert_error_nomem(err);
    return ecert_store_record(config->state_dir, deployment->certificate->name,
                              deployment->target->id, now, ecert_view_of(text), err);
}

/* A rollback that nothing came of, and that nothing was changed for. */
static bool is_refused_rollback(const struct ecert_deployment *deployment)
{
    return deployment->decided &&
           (!deployment->has_outcome || deployment->outcome.kind == ECERT_OUTCOME_REFUSED);
}

/* What counts for the target from now on. */
static enum ecert_status write_state(const struct ecert_config *config,
                                     struct ecert_deployment *deployment,
                                     const struct ecert_error *failure, const char *word,
                                     int64_t now, struct ecert_error *err)
{
    struct ecert_target_state *state = &deployment->state;

    if (is_refused_rollback(deployment)) {
        state->desired = deployment->desired_before;
        state->held_at = deployment->held_at_before;
        state->nothing = deployment->nothing_before;
    } else {
        ECERT_TRY(update_state(deployment, failure, word, now, err));
    }
    return ecert_store_save_target(config->state_dir, deployment->certificate->name,
                                   deployment->target->id, state, err);
}

enum ecert_status ecert_deploy_write_down(const struct ecert_config *config,
                                          struct ecert_deployment *deployment,
                                          struct ecert_error *err)
{
    const int64_t now = ecert_clock_now();
    const struct ecert_error *failure = NULL;
    const char *word = ecert_standing_word(ECERT_STANDING_UNFIT);
    char sha256_before[ECERT_SHA256_HEX_LEN];
    const unsigned before = deployment->state.actual;

    if (!deployment->has_state)
        return ECERT_OK; /* a held generation must outlive a disk that could not be read */
    memcpy(sha256_before, deployment->state.actual_sha256, sizeof sha256_before);
    if (!deployment->has_outcome) {
        failure = &deployment->error;
    } else {
        word = ecert_outcome_word(deployment->outcome.kind);
        if (deployment->outcome.error.status != ECERT_OK)
            failure = &deployment->outcome.error;
    }
    ECERT_TRY(write_state(config, deployment, failure, word, now, err));
    if (deployment->restores && failure == NULL)
        ECERT_TRY(ecert_deploy_finish_restore(config->state_dir, deployment, err));
    if (deployment->has_outcome && deployment->outcome.kind == ECERT_OUTCOME_UNCHANGED &&
        !deployment->restores)
        return ECERT_OK; /* nothing happened: nothing to tell later */
    return write_record(config, deployment, failure, word, sha256_before, before, now, err);
}

/* The outcome of a target that was adopted. */
static const char adopted_word[] = "adopted";

bool ecert_deployment_is_adopted(const struct ecert_deployment *deployment)
{
    const struct ecert_target_state *state = &deployment->state;

    return state->outcome != NULL && strcmp(state->outcome, adopted_word) == 0;
}

enum ecert_status ecert_deploy_pass_over_unfit(const struct ecert_config *config,
                                               struct ecert_deployments *deployments,
                                               struct ecert_error *err)
{
    for (size_t i = 0; i < deployments->n; i++) {
        struct ecert_deployment *one = &deployments->items[i];
        ECERT_AUTO(ecert_generation_facts_clear) struct ecert_generation_facts facts = {0};

        if (one->standing != ECERT_STANDING_WANTED || one->state.actual != one->generation ||
            !ecert_deployment_is_adopted(one))
            continue;
        ECERT_TRY(ecert_store_facts(config->state_dir, one->certificate->name, one->generation,
                                    &facts, err));
        if (facts.unfit == NULL)
            continue;
        one->standing = ECERT_STANDING_CURRENT;
        ECERT_TRY(ecert_strings_printf(&one->notes, err,
                                       "stays as it was adopted, until there is a certificate that "
                                       "can be deployed: %s",
                                       facts.unfit));
    }
    return ECERT_OK;
}

enum ecert_status ecert_deploy_write_adopted(const struct ecert_config *config,
                                             struct ecert_deployment *deployment,
                                             struct ecert_error *err)
{
    const char *word = adopted_word;
    const int64_t now = ecert_clock_now();

    ECERT_TRY(update_state(deployment, NULL, word, now, err));
    ECERT_TRY(ecert_store_save_target(config->state_dir, deployment->certificate->name,
                                      deployment->target->id, &deployment->state, err));
    return write_record(config, deployment, NULL, word, "", 0, now, err);
}
