/* Forgetting: the end of a check. */
#include <string.h>

#include "core/monitor/reminders_internal.h"

/* Sent keys of what is gone are kept for longer than any certificate lives. */
#define FORGET_AFTER (400 * ECERT_DAY)

/* A check that could not look does not see a problem either: it is gone when it stays away. */
#define GONE_AFTER (2 * ECERT_DAY)

bool ecert_condition_hides(enum ecert_condition condition)
{
    return condition == ECERT_CONDITION_MISSING || condition == ECERT_CONDITION_UNREADABLE ||
           condition == ECERT_CONDITION_UNDECODABLE || condition == ECERT_CONDITION_NO_ANSWER;
}

/* ---- problems ---- */

static enum ecert_status is_hidden(const struct ecert_noticing *noticing,
                                   const struct ecert_finding *finding, bool *ret,
                                   struct ecert_error *err)
{
    struct ecert_thing place;

    *ret = false;
    if (noticing->hidden.n == 0 || ecert_condition_hides(finding->condition))
        return ECERT_OK;
    ECERT_TRY(ecert_thing_of_place(finding, &place, err));
    for (size_t i = 0; !*ret && i < noticing->hidden.n; i++)
        *ret = strcmp(noticing->hidden.items[i].thing, place.prefix) == 0;
    return ECERT_OK;
}

static int64_t last_told(const struct ecert_reminder *reminder)
{
    int64_t last = reminder->created;

    for (size_t i = 0; i < reminder->n_owed; i++)
        if (reminder->owed[i].told_at > last)
            last = reminder->owed[i].told_at;
    return last;
}

/*
 * A problem that stayed away is forgotten, and told at once when it comes back.  No check sees
 * those of units (remind --failed tells of them): what counts is when they were last told.  Where
 * nobody could look this time, it did not stay away.
 */
static enum ecert_status forget_problem(struct ecert_noticing *noticing,
                                        struct ecert_known_key *key,
                                        struct ecert_things_since *absent, struct ecert_error *err)
{
    ECERT_AUTO(ecert_reminder_clear) struct ecert_reminder reminder = {0};
    ECERT_AUTO(ecert_auto_free) char *path = NULL;
    const struct ecert_thing_since *before =
        ecert_things_since_find(&noticing->before.absent, key->key);
    int64_t since = noticing->now;
    bool unit = false, hidden = false;

    ECERT_TRY(ecert_reminders_path(noticing->config, ECERT_FOLDER_SENT, key->key, &path, err));
    const enum ecert_status status = ecert_reminder_read(path, key->key, &reminder, err);
    if (status == ECERT_E_NOMEM)
        return status;
    if (status == ECERT_OK) { /* what cannot be read is of no unit, and nowhere */
        unit = reminder.finding.watched == ECERT_WATCHED_UNIT;
        ECERT_TRY(is_hidden(noticing, &reminder.finding, &hidden, err));
    }
    if (hidden)
        return ECERT_OK;
    if (unit)
        since = last_told(&reminder);
    else if (before != NULL && before->since < since)
        since = before->since;
    const int64_t away = noticing->now - since;
    if (away >= GONE_AFTER || away < -ECERT_CLOCK_SLACK)
        return ecert_known_drop(noticing->config, key, err);
    return unit ? ECERT_OK : ecert_things_since_add(absent, key->key, since, err);
}

static enum ecert_status forget_problems(struct ecert_noticing *noticing,
                                         struct ecert_things_since *absent, struct ecert_error *err)
{
    for (size_t i = 0; i < noticing->known.n; i++) {
        struct ecert_known_key *key = &noticing->known.items[i];

        if (key->sent && !key->owed && !key->seen && ecert_key_is_problem(key->key))
            ECERT_TRY(forget_problem(noticing, key, absent, err));
    }
    return ECERT_OK;
}

static enum ecert_status forget_if_old(struct ecert_noticing *noticing, struct ecert_known_key *key,
                                       struct ecert_error *err)
{
    ECERT_AUTO(ecert_reminder_clear) struct ecert_reminder reminder = {0};
    ECERT_AUTO(ecert_auto_free) char *path = NULL;

    ECERT_TRY(ecert_reminders_path(noticing->config, ECERT_FOLDER_SENT, key->key, &path, err));
    const enum ecert_status status = ecert_reminder_read(path, key->key, &reminder, err);
    if (status == ECERT_E_NOMEM)
        return status;
    /* one that cannot be read any more says that it was sent, by its name */
    if (status != ECERT_OK || noticing->now - reminder.created <= FORGET_AFTER)
        return ECERT_OK;
    return ecert_known_drop(noticing->config, key, err);
}

static enum ecert_status forget_old(struct ecert_noticing *noticing, struct ecert_error *err)
{
    const char *const folders[] = {".", ECERT_FOLDER_OWED, ECERT_FOLDER_ACKS};

    for (size_t i = 0; i < noticing->known.n; i++) {
        struct ecert_known_key *key = &noticing->known.items[i];

        if (key->sent && !key->owed && !key->seen)
            ECERT_TRY(forget_if_old(noticing, key, err));
    }
    for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
        ECERT_TRY(ecert_reminders_remove_temporaries(noticing->config, folders[i], err));
    return ECERT_OK;
}

static bool is_seen(const struct ecert_noticing *noticing, const char *prefix)
{
    struct ecert_thing thing = {0};
    size_t first, n;

    memcpy(thing.prefix, prefix, ECERT_THING_LEN);
    ecert_known_of(&noticing->known, &thing, &first, &n);
    return n > 0 && noticing->known.items[first].seen;
}

/* Of a check that did not look at everything, what it did not look at is as it was. */
static enum ecert_status keep_the_rest(struct ecert_noticing *noticing,
                                       struct ecert_things_since *absent, struct ecert_error *err)
{
    const struct ecert_reminders_state *before = &noticing->before;

    for (size_t i = 0; i < before->no_answer.n; i++)
        ECERT_TRY(ecert_things_since_add(&noticing->no_answer, before->no_answer.items[i].thing,
                                         before->no_answer.items[i].since, err));
    for (size_t i = 0; i < before->absent.n; i++)
        if (!is_seen(noticing, before->absent.items[i].thing))
            ECERT_TRY(ecert_things_since_add(absent, before->absent.items[i].thing,
                                             before->absent.items[i].since, err));
    return ECERT_OK;
}

static enum ecert_status finish(struct ecert_noticing *noticing, bool complete,
                                struct ecert_error *err)
{
    ECERT_AUTO(ecert_reminders_state_clear) struct ecert_reminders_state state = {0};
    ECERT_AUTO(ecert_things_since_clear) struct ecert_things_since absent = {0};
    const int64_t since_forgetting = noticing->now - noticing->before.last_forget;
    const bool nothing_new = noticing->no_answer.n == 0;

    if (complete)
        ECERT_TRY(forget_problems(noticing, &absent, err));
    else
        ECERT_TRY(keep_the_rest(noticing, &absent, err));
    if (!complete && nothing_new && absent.n == noticing->before.absent.n)
        return ECERT_OK;
    if (complete && (since_forgetting < 0 || since_forgetting >= ECERT_WEEK))
        ECERT_TRY(forget_old(noticing, err));
    /* read again: a digest may have gone out meanwhile */
    ECERT_TRY(ecert_reminders_state_read(noticing->config, &state, NULL, err));
    if (complete)
        state.last_check = noticing->now;
    if (complete && (since_forgetting < 0 || since_forgetting >= ECERT_WEEK))
        state.last_forget = noticing->now;
    ecert_things_since_clear(&state.no_answer);
    ecert_things_since_clear(&state.absent);
    state.no_answer = noticing->no_answer;
    state.absent = absent;
    noticing->no_answer = absent = (struct ecert_things_since){0};
    return ecert_reminders_state_write(noticing->config, &state, err);
}

enum ecert_status ecert_noticing_end(struct ecert_noticing **noticing, bool complete,
                                     struct ecert_error *err)
{
    const enum ecert_status status = finish(*noticing, complete, err);

    ecert_noticing_free(noticing);
    return status;
}
