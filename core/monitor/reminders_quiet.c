/* Asking, without writing anything, what an ack keeps quiet: as reminders_noticing.c decides it. */
#include <stdlib.h>

#include "core/monitor/reminders_internal.h"

struct ecert_quiet {
    const struct ecert_config *config;
    int64_t now;
    bool loaded; /* the two below: once somebody acknowledged a problem */
    struct ecert_known known;
    struct ecert_reminders_state state;
};

void ecert_quiet_free(struct ecert_quiet **quiet)
{
    struct ecert_quiet *q = *quiet;

    if (q == NULL)
        return;
    ecert_known_clear(&q->known);
    ecert_reminders_state_clear(&q->state);
    free(q);
    *quiet = NULL;
}

enum ecert_status ecert_quiet_new(const struct ecert_config *config, int64_t now,
                                  struct ecert_quiet **ret, struct ecert_error *err)
{
    struct ecert_quiet *q = calloc(1, sizeof *q);

    if (q == NULL)
        return ecert_error_nomem(err);
    q->config = config;
    q->now = now;
    *ret = q;
    return ECERT_OK;
}

static enum ecert_status load(struct ecert_quiet *quiet, struct ecert_error *err)
{
    if (quiet->loaded)
        return ECERT_OK;
    ecert_known_clear(&quiet->known);
    ECERT_TRY(ecert_known_load(quiet->config, &quiet->known, err));
    ECERT_TRY(ecert_reminders_state_look(quiet->config, &quiet->state, err));
    quiet->loaded = true;
    return ECERT_OK;
}

/* What one reminder of the problem says; one that is damaged says nothing. */
static enum ecert_status ask(const struct ecert_quiet *quiet, const struct ecert_known_key *known,
                             int64_t *since, struct ecert_error *err)
{
    ECERT_AUTO(ecert_reminder_clear) struct ecert_reminder reminder = {0};
    ECERT_AUTO(ecert_auto_free) char *path = NULL;
    const char *folder = known->owed ? ECERT_FOLDER_OWED : ECERT_FOLDER_SENT;

    ECERT_TRY(ecert_reminders_path(quiet->config, folder, known->key, &path, err));
    const enum ecert_status status = ecert_reminder_read(path, known->key, &reminder, err);
    if (status == ECERT_E_NOT_FOUND || status == ECERT_E_REFUSED)
        return ECERT_OK;
    ECERT_TRY(status);
    if (reminder.since <= quiet->now + ECERT_CLOCK_SLACK && reminder.since < *since)
        *since = reminder.since;
    return ECERT_OK;
}

/* When was the problem first seen?  Now, where nothing is known of it. */
static enum ecert_status find_since(struct ecert_quiet *quiet, const struct ecert_finding *finding,
                                    int64_t *ret, struct ecert_error *err)
{
    struct ecert_thing thing;
    int64_t since = quiet->now;
    size_t first, n;

    ECERT_TRY(load(quiet, err));
    ECERT_TRY(ecert_thing_of_problem(finding, &thing, err));
    const struct ecert_thing_since *before =
        finding->condition == ECERT_CONDITION_NO_ANSWER
            ? ecert_things_since_find(&quiet->state.no_answer, thing.prefix)
            : NULL;
    if (before != NULL && before->since < since)
        since = before->since;
    ecert_known_of(&quiet->known, &thing, &first, &n);
    for (size_t i = first; i < first + n; i++)
        ECERT_TRY(ask(quiet, &quiet->known.items[i], &since, err));
    *ret = since;
    return ECERT_OK;
}

enum ecert_status ecert_quiet_find(struct ecert_quiet *quiet, const struct ecert_finding *finding,
                                   struct ecert_ack *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_ack_clear) struct ecert_ack ack = {0};
    int64_t since = 0; /* an end */

    if (finding->condition == ECERT_CONDITION_FINE)
        return ecert_error_set(err, ECERT_E_NOT_FOUND, "'%s' is fine", finding->name);
    ECERT_TRY(ecert_ack_read(quiet->config, finding->name, quiet->now, &ack, err));
    if (finding->condition != ECERT_CONDITION_EXPIRES &&
        finding->condition != ECERT_CONDITION_EXPIRED)
        ECERT_TRY(find_since(quiet, finding, &since, err));
    if (since > ack.when)
        return ecert_error_set(err, ECERT_E_NOT_FOUND,
                               "'%s' was acknowledged before this was known", finding->name);
    *ret = ack;
    ack = (struct ecert_ack){0};
    return ECERT_OK;
}
