#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/monitor/monitor_parts.h"

/* What a target has: a generation's facts and chain, as far as they can be read. */
struct had {
    struct ecert_generation_facts own; /* of an older generation than the newest */
    const struct ecert_generation_facts *facts;
    const struct monitor_chain *chain; /* NULL: not known */
};

static void had_clear(struct had *had)
{
    ecert_generation_facts_clear(&had->own);
}

static const struct monitor_certificate *certificate_of(const struct monitor *monitor,
                                                        const struct ecert_deployment *deployment)
{
    return &monitor->certificates[deployment->certificate - monitor->config->certificates];
}

/*
 * The hash is that of the state, which was proved; the rest is read from the generation, and left
 * out if that is no more, or another one.
 */
static enum ecert_status read_had(struct monitor *monitor,
                                  const struct ecert_deployment *deployment, bool with_chain,
                                  struct had *ret, struct ecert_error *err)
{
    const struct monitor_certificate *certificate = certificate_of(monitor, deployment);
    const struct ecert_target_state *state = &deployment->state;
    const char *name = deployment->certificate->name;
    struct ecert_error why = {0};

    if (state->actual == certificate->newest.number) {
        ret->facts = &certificate->newest;
        ret->chain = certificate->chain;
    } else {
        if (ecert_store_facts(monitor->config->state_dir, name, state->actual, &ret->own, &why) ==
            ECERT_E_NOMEM)
            return ecert_error_nomem(err);
        ret->facts = &ret->own;
        if (with_chain && ret->own.number > 0 &&
            monitor_read_chain(monitor, name, &ret->own, &ret->chain, &why) == ECERT_E_NOMEM)
            return ecert_error_nomem(err);
    }
    if (strcmp(ret->facts->sha256, state->actual_sha256) != 0)
        *ret = (struct had){.own = ret->own, .facts = &ret->own};
    return ECERT_OK;
}

static void describe(const struct had *had, const struct ecert_target_state *state,
                     struct ecert_finding *finding)
{
    if (state->actual == 0)
        return;
    memcpy(finding->sha256, state->actual_sha256, sizeof finding->sha256);
    if (strcmp(had->facts->sha256, state->actual_sha256) != 0)
        return;
    (void)snprintf(finding->serial, sizeof finding->serial, "%.*s", (int)sizeof finding->serial - 1,
                   had->facts->serial);
    finding->not_before = had->facts->not_before;
    finding->not_after = had->facts->not_after;
}

/* Nothing was ever deployed there: what its server serves is what somebody else put there. */
static bool is_foreign(const struct ecert_deployment *deployment)
{
    return (deployment->standing == ECERT_STANDING_NOTHING ||
            deployment->standing == ECERT_STANDING_HELD) &&
           deployment->state.actual == 0;
}

static enum ecert_status begin(const struct ecert_deployment *deployment, const char *place,
                               struct ecert_finding *ret, struct ecert_error *err)
{
    if (place != NULL && is_foreign(deployment))
        return monitor_begin(
            ECERT_WATCHED_TARGET, deployment->certificate->name, &deployment->certificate->settings,
            ret, err, "target %s (not deployed by ecert yet), %s", deployment->target->id, place);
    return monitor_begin(ECERT_WATCHED_TARGET, deployment->certificate->name,
                         &deployment->certificate->settings, ret, err, "target %s%s%s",
                         deployment->target->id, place == NULL ? "" : ", ",
                         place == NULL ? "" : place);
}

/* ---- what it shall have ---- */

static bool lags(const struct ecert_deployment *deployment)
{
    return deployment->standing == ECERT_STANDING_WANTED ||
           deployment->standing == ECERT_STANDING_WAITING;
}

/* A rollback that somebody decided is no delay, but it is said. */
static enum ecert_status say_held(const struct monitor *monitor,
                                  const struct ecert_deployment *deployment,
                                  struct ecert_finding *finding, struct ecert_error *err)
{
    const unsigned newest = certificate_of(monitor, deployment)->newest.number;

    if (newest <= deployment->generation)
        return ECERT_OK;
    return monitor_detail(finding, err, "held at generation %u by a rollback; the newest is %u",
                          deployment->generation, newest);
}

static enum ecert_status say_owed(const struct ecert_deployment *deployment,
                                  struct ecert_finding *finding, struct ecert_error *err)
{
    const struct ecert_target_state *state = &deployment->state;
    ECERT_AUTO(ecert_auto_free) char *what = NULL;

    if (state->actual == 0)
        ECERT_TRY(ecert_text_format(&what, err, "generation %u was never deployed",
                                    deployment->generation));
    else if (state->actual != deployment->generation)
        ECERT_TRY(ecert_text_format(&what, err, "it has generation %u, and %u is owed",
                                    state->actual, deployment->generation));
    else if (deployment->settings_changed)
        ECERT_TRY(ecert_text_format(&what, err, "its settings were changed since"));
    else
        ECERT_TRY(
            ecert_text_format(&what, err, "generation %u is to be deployed again", state->actual));
    if (state->last_error == NULL)
        return monitor_detail(finding, err, "%s", what);
    return monitor_detail(finding, err, "%s; the last try failed: %s", what, state->last_error);
}

static enum ecert_status tell_owed(const struct monitor *monitor,
                                   const struct ecert_deployment *deployment, const struct had *had,
                                   struct ecert_error *err)
{
    ECERT_AUTO(ecert_finding_clear) struct ecert_finding finding = {0};

    ECERT_TRY(begin(deployment, NULL, &finding, err));
    describe(had, &deployment->state, &finding);
    finding.condition = ECERT_CONDITION_NOT_DEPLOYED;
    ECERT_TRY(say_owed(deployment, &finding, err));
    return monitor_tell(monitor, &finding, err);
}

static enum ecert_status tell_unfit(const struct monitor *monitor,
                                    const struct ecert_deployment *deployment,
                                    struct ecert_error *err)
{
    ECERT_AUTO(ecert_finding_clear) struct ecert_finding finding = {0};

    ECERT_TRY(begin(deployment, NULL, &finding, err));
    finding.condition = monitor_condition_of(deployment->error.status);
    ECERT_TRY(monitor_detail(&finding, err, "%s", deployment->error.text));
    return monitor_tell(monitor, &finding, err);
}

/* From what was written down: nobody is asked. */
static enum ecert_status tell_written(const struct monitor *monitor,
                                      const struct ecert_deployment *deployment,
                                      const struct had *had, struct ecert_error *err)
{
    ECERT_AUTO(ecert_finding_clear) struct ecert_finding finding = {0};

    ECERT_TRY(begin(deployment, NULL, &finding, err));
    describe(had, &deployment->state, &finding);
    ECERT_TRY(say_held(monitor, deployment, &finding, err));
    if (finding.serial[0] != '\0') /* else nothing but its hash is known */
        ECERT_TRY(monitor_check_dates(&finding, err));
    return monitor_tell(monitor, &finding, err);
}

static enum ecert_status ask(struct monitor *monitor, const struct ecert_deployment *deployment,
                             struct ecert_error *err)
{
    for (size_t i = 0; i < deployment->state.n_probes; i++) {
        struct monitor_asked asked = {.deployment = deployment};

        ECERT_TRY(monitor_ask(monitor, &asked, &deployment->state.probes[i], err));
    }
    return ECERT_OK;
}

/*
 * Its server may run on a certificate that ends tomorrow while nobody has asked for the next one.
 * Where it answers the configuration says, or the plugin; what that cannot say `ecert adopt` tells.
 */
static enum ecert_status ask_foreign(struct monitor *monitor, struct ecert_deployment *deployment,
                                     struct ecert_error *err)
{
    struct ecert_error why = {0};

    if (!deployment->target->probe)
        return ECERT_OK;
    if (monitor->options->offline) {
        monitor_pass_over(monitor, deployment->target->n_probes, 0);
        return ECERT_OK;
    }
    if (ecert_served_places(monitor->config, deployment, &monitor->sites, &deployment->plan,
                            &why) != ECERT_OK)
        return why.status == ECERT_E_NOMEM ? ecert_error_nomem(err) : ECERT_OK;
    for (size_t i = 0; i < deployment->plan.n_probes; i++) {
        struct monitor_asked asked = {.deployment = deployment};

        ECERT_TRY(monitor_ask(monitor, &asked, &deployment->plan.probes[i], err));
    }
    return ECERT_OK;
}

static enum ecert_status look_at(struct monitor *monitor, struct ecert_deployment *deployment,
                                 struct ecert_error *err)
{
    const bool serves = deployment->target->probe && deployment->state.n_probes > 0;
    const bool asks = serves && !monitor->options->offline;
    ECERT_AUTO(had_clear) struct had had = {0};

    if (deployment->standing == ECERT_STANDING_UNFIT)
        return tell_unfit(monitor, deployment, err);
    if (deployment->standing == ECERT_STANDING_NOTHING ||
        deployment->standing == ECERT_STANDING_HELD) /* the certificate is told */
        return is_foreign(deployment) ? ask_foreign(monitor, deployment, err) : ECERT_OK;
    if (serves && !asks)
        monitor_pass_over(monitor, deployment->state.n_probes, 0);
    ECERT_TRY(read_had(monitor, deployment, false, &had, err));
    if (lags(deployment))
        ECERT_TRY(tell_owed(monitor, deployment, &had, err));
    else if (!asks)
        ECERT_TRY(tell_written(monitor, deployment, &had, err));
    return asks ? ask(monitor, deployment, err) : ECERT_OK;
}

enum ecert_status monitor_select_targets(struct monitor *monitor, struct ecert_error *err)
{
    const struct ecert_config *config = monitor->config;
    const char **names = calloc(config->n_certificates + 1, sizeof *names);
    size_t n = 0;

    if (names == NULL)
        return ecert_error_nomem(err);
    for (size_t i = 0; i < config->n_certificates; i++)
        if (monitor->certificates[i].wanted)
            names[n++] = config->certificates[i].name;
    /* no names would be every one */
    const struct ecert_deploy_selection how = {.names = n < config->n_certificates ? names : NULL};
    const enum ecert_status status =
        n == 0 ? ECERT_OK : ecert_deploy_select(monitor->context, &how, &monitor->deployments, err);
    free(names);
    ECERT_TRY(status);
    for (size_t i = 0; i < monitor->deployments.n; i++) {
        const struct ecert_deployment *deployment = &monitor->deployments.items[i];

        monitor->certificates[deployment->certificate - config->certificates].number =
            deployment->newest;
    }
    return ECERT_OK;
}

enum ecert_status monitor_targets(struct monitor *monitor, struct ecert_error *err)
{
    for (size_t i = 0; i < monitor->deployments.n; i++)
        ECERT_TRY(look_at(monitor, &monitor->deployments.items[i], err));
    return ECERT_OK;
}

/* ---- what its server serves ---- */

/* The kind of key of the leaf that a target has, if another leaf of another kind was seen. */
static const char *missed_kind(const struct monitor *monitor, size_t index)
{
    const struct ecert_deployment *deployment = monitor->asked[index].deployment;
    const struct ecert_seen *seen = &monitor->endpoints.seen[index];
    ECERT_AUTO(ecert_bundle_clear) struct ecert_bundle bundle = {0};
    struct ecert_error ignored = {0}; /* then what was seen is judged as it is */
    char sha256[ECERT_SHA256_HEX_LEN];

    if (deployment == NULL || !seen->answered)
        return NULL;
    ecert_certificate_sha256(sk_X509_value(seen->certificates, 0), sha256);
    if (strcmp(sha256, deployment->state.actual_sha256) == 0 ||
        ecert_store_load(monitor->config->state_dir, deployment->certificate->name,
                         deployment->state.actual, &bundle, &ignored) != ECERT_OK)
        return NULL;
    const char *kind = ecert_certificate_key_type(bundle.leaf);
    const char *served = ecert_certificate_key_type(sk_X509_value(seen->certificates, 0));
    return strcmp(kind, served) != 0 && strcmp(kind, "other") != 0 ? kind : NULL;
}

/* What the second look saw takes the place of what the first one saw, where there was an answer. */
static enum ecert_status look_again(struct monitor *monitor, const char *const *kinds,
                                    const char *kind, struct ecert_error *err)
{
    ECERT_AUTO(ecert_endpoints_clear) struct ecert_endpoints again = {0};
    struct ecert_error why = {0};
    size_t at = 0;

    for (size_t i = 0; i < monitor->n_asked; i++)
        if (kinds[i] != NULL && strcmp(kinds[i], kind) == 0)
            ECERT_TRY(ecert_endpoints_add(&again, &monitor->endpoints.probes[i], err));
    if (ecert_endpoints_look(&again, &monitor->context->network, kind, NULL, NULL, &why) !=
        ECERT_OK)
        return why.status == ECERT_E_NOMEM ? ecert_error_nomem(err) : ECERT_OK;
    for (size_t i = 0; i < monitor->n_asked; i++) {
        if (kinds[i] == NULL || strcmp(kinds[i], kind) != 0)
            continue;
        if (again.seen[at].answered) {
            ecert_seen_clear(&monitor->endpoints.seen[i]);
            monitor->endpoints.seen[i] = again.seen[at];
            again.seen[at] = (struct ecert_seen){0};
            monitor->asked[i].key_type = kind;
        }
        at++;
    }
    return ECERT_OK;
}

enum ecert_status monitor_look_for_kind(struct monitor *monitor, struct ecert_error *err)
{
    const char **kinds = calloc(monitor->n_asked + 1, sizeof *kinds);
    bool any = false;

    if (kinds == NULL)
        return ecert_error_nomem(err);
    for (size_t i = 0; i < monitor->n_asked; i++) {
        kinds[i] = missed_kind(monitor, i);
        any = any || kinds[i] != NULL;
    }
    enum ecert_status status = any ? look_again(monitor, kinds, "rsa", err) : ECERT_OK;
    if (status == ECERT_OK && any)
        status = look_again(monitor, kinds, "ec", err);
    free(kinds);
    return status;
}

/* What is known of the target; `question` borrows from `had`. */
static enum ecert_status expect(struct monitor *monitor, const struct ecert_deployment *deployment,
                                struct had *had, struct ecert_served_question *question,
                                struct ecert_error *err)
{
    const struct ecert_target_state *state = &deployment->state;

    if (state->actual == 0)
        return ECERT_OK;
    ECERT_TRY(read_had(monitor, deployment, true, had, err));
    question->deployed_sha256 = state->actual_sha256;
    question->deployed_serial = had->facts->number > 0 ? had->facts->serial : NULL;
    question->generation = state->actual;
    question->deployed_chain = had->chain == NULL ? NULL : had->chain->members;
    return ECERT_OK;
}

static unsigned doubt(void *context, size_t index, const struct ecert_seen *seen)
{
    struct monitor *monitor = context;
    struct ecert_served_question question = {.seen = seen};
    ECERT_AUTO(had_clear) struct had had = {0};
    struct ecert_error ignored = {0}; /* out of memory: the answer is told as it is */

    if (monitor->asked[index].deployment == NULL ||
        expect(monitor, monitor->asked[index].deployment, &had, &question, &ignored) != ECERT_OK)
        return 0;
    return ecert_served_doubt(&question);
}

enum ecert_status monitor_settle(struct monitor *monitor, struct ecert_error *err)
{
    const char **key_types = calloc(monitor->n_asked + 1, sizeof *key_types);
    const struct ecert_endpoints_judge judge = {doubt, monitor, key_types};

    if (key_types == NULL)
        return ecert_error_nomem(err);
    for (size_t i = 0; i < monitor->n_asked; i++)
        key_types[i] = monitor->asked[i].key_type;
    const enum ecert_status status =
        ecert_endpoints_settle(&monitor->endpoints, &monitor->context->network, &judge, err);
    free(key_types);
    return status;
}

enum ecert_status monitor_tell_target(struct monitor *monitor, size_t index,
                                      const struct ecert_known_authority *known, size_t n_known,
                                      struct ecert_error *err)
{
    const struct ecert_deployment *deployment = monitor->asked[index].deployment;
    struct ecert_served_question question = {
        .seen = &monitor->endpoints.seen[index], .known = known, .n_known = n_known};
    ECERT_AUTO(ecert_finding_clear) struct ecert_finding finding = {0};
    ECERT_AUTO(ecert_auto_free) char *place = NULL;
    ECERT_AUTO(had_clear) struct had had = {0};

    if (is_foreign(deployment)) {
        if (!question.seen->answered) /* it may have no TLS yet: nothing is promised of it */
            return ECERT_OK;
        question.host = monitor->endpoints.probes[index].server_name;
    }
    ECERT_TRY(expect(monitor, deployment, &had, &question, err));
    ECERT_TRY(monitor_place(&monitor->endpoints.probes[index], &place, err));
    ECERT_TRY(begin(deployment, place, &finding, err));
    ECERT_TRY(say_held(monitor, deployment, &finding, err));
    return monitor_tell_served(monitor, &question, &finding, err);
}
