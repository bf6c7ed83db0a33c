/* Noticing: what of a check becomes owed. */
#include <stdlib.h>
#include <string.h>

#include "core/base/fs.h"
#include "core/monitor/reminders_internal.h"
#include "core/monitor/thresholds.h"

/* Sent keys of what is gone are kept for longer than any certificate lives. */
#define FORGET_AFTER (400 * ECERT_DAY)

/* A check that could not look does not see a problem either: it is gone when it stays away. */
#define GONE_AFTER (2 * ECERT_DAY)

/* Two checks in a row may be a minute apart, and a server's restart takes several. */
#define NO_ANSWER_FOR ((int64_t)600)

struct ecert_noticing {
    const struct ecert_config *config;
    int64_t now;
    struct ecert_known known;
    struct ecert_acks acks;
    struct ecert_reminders_state before; /* as the last check left it */
    struct ecert_things_since no_answer; /* of this check */
};

void ecert_noticing_free(struct ecert_noticing **noticing)
{
    struct ecert_noticing *n = *noticing;

    if (n == NULL)
        return;
    ecert_known_clear(&n->known);
    ecert_acks_clear(&n->acks);
    ecert_reminders_state_clear(&n->before);
    ecert_things_since_clear(&n->no_answer);
    free(n);
    *noticing = NULL;
}

enum ecert_status ecert_noticing_begin(const struct ecert_config *config, int64_t now,
                                       struct ecert_noticing **ret, struct ecert_strings *ret_notes,
                                       struct ecert_error *err)
{
    ECERT_AUTO(ecert_noticing_free) struct ecert_noticing *n = calloc(1, sizeof *n);

    if (n == NULL)
        return ecert_error_nomem(err);
    n->config = config;
    n->now = now;
    ECERT_TRY(ecert_known_load(config, &n->known, err));
    ECERT_TRY(ecert_acks_list(config, now, &n->acks, ret_notes, err));
    ECERT_TRY(ecert_reminders_state_read(config, &n->before, ret_notes, err));
    *ret = n;
    n = NULL;
    return ECERT_OK;
}

/* ---- owing ---- */

static enum ecert_status is_on_disk(const struct ecert_noticing *noticing, const char *folder,
                                    const char *key, bool *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *path = NULL;

    ECERT_TRY(ecert_reminders_path(noticing->config, folder, key, &path, err));
    *ret = ecert_fs_exists(path);
    return ECERT_OK;
}

/* Whoever said "I know" knew of ends (since 0), and of the problems that were there by then. */
static bool is_quiet(const struct ecert_noticing *noticing, const char *name, int64_t since)
{
    for (size_t i = 0; i < noticing->acks.n; i++)
        if (strcmp(noticing->acks.items[i].name, name) == 0)
            return since <= noticing->acks.items[i].when;
    return false;
}

/* *ret_owed: it is owed or sent now; false where nobody is to be told. */
static enum ecert_status owe(struct ecert_noticing *noticing, char *key,
                             const struct ecert_finding *finding, int64_t since, bool *ret_new,
                             bool *ret_owed, struct ecert_error *err)
{
    struct ecert_reminder reminder = {
        .key = key, .created = noticing->now, .since = since, .finding = *finding};
    bool owed = false, sent = false;

    *ret_owed = false;
    if (is_quiet(noticing, finding->name, since))
        return ECERT_OK;
    ECERT_TRY(ecert_recipients(noticing->config, finding, &reminder.owed, &reminder.n_owed,
                               &reminder.escalated, err));
    reminder.finding.settings = NULL;
    enum ecert_status status = ECERT_OK;
    if (reminder.n_owed > 0) {
        /* another run may have been faster */
        status = is_on_disk(noticing, ECERT_FOLDER_OWED, key, &owed, err);
        if (status == ECERT_OK)
            status = is_on_disk(noticing, ECERT_FOLDER_SENT, key, &sent, err);
        if (status == ECERT_OK && !owed && !sent)
            status = ecert_reminder_write(noticing->config, &reminder, err);
        if (status == ECERT_OK)
            status = ecert_known_add_owed(&noticing->known, key, err);
        *ret_owed = true;
        *ret_new = *ret_new || (!owed && !sent);
    }
    ecert_owed_free(reminder.owed, reminder.n_owed);
    return status;
}

/* What is still owed of the thing, but for this key, says the same with older numbers. */
static enum ecert_status supersede(struct ecert_noticing *noticing, const struct ecert_thing *thing,
                                   const char *key, struct ecert_error *err)
{
    size_t first, n;

    ecert_known_of(&noticing->known, thing, &first, &n);
    for (size_t i = first; i < first + n; i++)
        if (strcmp(noticing->known.items[i].key, key) != 0)
            ECERT_TRY(ecert_known_drop_owed(noticing->config, &noticing->known.items[i], err));
    return ECERT_OK;
}

static enum ecert_status owe_latest(struct ecert_noticing *noticing,
                                    const struct ecert_thing *thing, char *key,
                                    const struct ecert_finding *finding, int64_t since,
                                    bool *ret_new, struct ecert_error *err)
{
    bool owed = ecert_known_find(&noticing->known, key) != NULL;

    if (!owed)
        ECERT_TRY(owe(noticing, key, finding, since, ret_new, &owed, err));
    return owed ? supersede(noticing, thing, key, err) : ECERT_OK;
}

/* How many keys of the thing are known; they are kept, because it is there. */
static size_t mark_seen(struct ecert_noticing *noticing, const struct ecert_thing *thing,
                        size_t *ret_first)
{
    size_t n;

    ecert_known_of(&noticing->known, thing, ret_first, &n);
    for (size_t i = 0; i < n; i++)
        noticing->known.items[*ret_first + i].seen = true;
    return n;
}

/* ---- ends ---- */

/* A threshold that does not count any more is forgotten; *ret_told: one that does is known. */
static enum ecert_status look_at_smaller(struct ecert_noticing *noticing,
                                         const struct ecert_thing *thing, int threshold, int days,
                                         bool *ret_told, struct ecert_error *err)
{
    char key[ECERT_KEY_LEN + 1];

    ecert_thing_key(thing, threshold, key);
    struct ecert_known_key *known = ecert_known_find(&noticing->known, key);
    if (known == NULL)
        return ECERT_OK;
    if (days > threshold + ECERT_CLOCK_SLACK_DAYS)
        return ecert_known_drop(noticing->config, known, err);
    *ret_told = true;
    return ECERT_OK;
}

/* Every threshold below `crossed` (ECERT_NO_THRESHOLD: every one). */
static enum ecert_status look_at_all_smaller(struct ecert_noticing *noticing,
                                             const struct ecert_thing *thing,
                                             const struct ecert_finding *finding, int crossed,
                                             bool *ret_told, struct ecert_error *err)
{
    const int days = ecert_finding_days(finding, noticing->now);
    struct ecert_thresholds thresholds;

    ecert_thresholds_for(&noticing->config->reminders, finding->settings, finding->watched,
                         finding->not_after - finding->not_before, &thresholds);
    for (size_t i = 0; i < thresholds.n; i++)
        if (crossed == ECERT_NO_THRESHOLD || thresholds.days[i] < crossed)
            ECERT_TRY(look_at_smaller(noticing, thing, thresholds.days[i], days, ret_told, err));
    for (int week = 0; week <= ECERT_WEEKS_PAST_END; week++)
        if (crossed == ECERT_NO_THRESHOLD || -7 * week < crossed)
            ECERT_TRY(look_at_smaller(noticing, thing, -7 * week, days, ret_told, err));
    return ECERT_OK;
}

/* Where nothing is crossed and nothing is known of the thing, nothing is done at all. */
static enum ecert_status notice_end(struct ecert_noticing *noticing,
                                    const struct ecert_finding *finding, int crossed, bool *ret_new,
                                    struct ecert_error *err)
{
    struct ecert_finding told = *finding;
    struct ecert_thing thing;
    char key[ECERT_KEY_LEN + 1];
    bool is_told = false;
    size_t first;

    if (crossed == ECERT_NO_THRESHOLD && noticing->known.n == 0)
        return ECERT_OK;
    ECERT_TRY(ecert_thing_of_end(finding, &thing, err));
    if (mark_seen(noticing, &thing, &first) > 0)
        ECERT_TRY(look_at_all_smaller(noticing, &thing, finding, crossed, &is_told, err));
    /* a clock put back a little: the smaller one was told already */
    if (crossed == ECERT_NO_THRESHOLD || is_told)
        return ECERT_OK;
    told.threshold = crossed;
    ecert_thing_key(&thing, crossed, key);
    return owe_latest(noticing, &thing, key, &told, 0, ret_new, err);
}

static bool is_about_end(enum ecert_condition condition)
{
    return condition == ECERT_CONDITION_EXPIRES || condition == ECERT_CONDITION_EXPIRED;
}

/* The end of a thing, whatever else is wrong with it. */
static enum ecert_status add_end(struct ecert_noticing *noticing,
                                 const struct ecert_finding *finding, bool *ret_new,
                                 struct ecert_error *err)
{
    struct ecert_finding end = *finding;
    int crossed = ECERT_NO_THRESHOLD;

    if (finding->condition != ECERT_CONDITION_FINE && !is_about_end(finding->condition)) {
        end.condition = ECERT_CONDITION_FINE;
        end.urgency = ECERT_URGENCY_FINE;
        end.detail = NULL;
        ecert_finding_judge_dates(&end, &noticing->config->reminders, noticing->now);
    }
    if (is_about_end(end.condition)) {
        const int days = ecert_finding_days(&end, noticing->now);
        const int threshold = end.threshold == ECERT_NO_THRESHOLD ? 0 : end.threshold;
        crossed = days < 0 ? ecert_thresholds_past_end(days) : threshold;
    }
    return notice_end(noticing, &end, crossed, ret_new, err);
}

/* ---- problems ---- */

/* What the keys of a problem tell of its history. */
struct history {
    int64_t since;  /* when it was first seen */
    int64_t latest; /* when it was last told */
};

/* Take one reminder of the problem in; written by a clock that was put back since, it is gone. */
static enum ecert_status take_in(struct ecert_noticing *noticing, struct ecert_known_key *known,
                                 struct history *history, struct ecert_error *err)
{
    ECERT_AUTO(ecert_reminder_clear) struct ecert_reminder reminder = {0};
    ECERT_AUTO(ecert_auto_free) char *path = NULL;
    const int64_t ahead = noticing->now + ECERT_CLOCK_SLACK;
    const char *folder = known->owed ? ECERT_FOLDER_OWED : ECERT_FOLDER_SENT;

    if (!known->owed && !known->sent)
        return ECERT_OK;
    ECERT_TRY(ecert_reminders_path(noticing->config, folder, known->key, &path, err));
    const enum ecert_status status = ecert_reminder_read(path, known->key, &reminder, err);
    if (status == ECERT_E_NOMEM)
        return status;
    if (status != ECERT_OK) { /* told again, with what is known now */
        ECERT_TRY(ecert_reminders_set_aside(path, NULL, err));
        return ecert_known_drop(noticing->config, known, err);
    }
    if (reminder.since <= ahead && reminder.since < history->since)
        history->since = reminder.since;
    if (reminder.created > ahead)
        return ecert_known_drop(noticing->config, known, err);
    if (reminder.created > history->latest)
        history->latest = reminder.created;
    return ECERT_OK;
}

/* *ret_early: the check before this one had an answer, or it was a moment ago. */
static enum ecert_status notice_no_answer(struct ecert_noticing *noticing,
                                          const struct ecert_thing *thing, int64_t *ret_since,
                                          bool *ret_early, struct ecert_error *err)
{
    const struct ecert_thing_since *before =
        ecert_things_since_find(&noticing->before.no_answer, thing->prefix);
    int64_t since = noticing->now;

    if (before != NULL && before->since < since)
        since = before->since;
    *ret_early = before == NULL || noticing->now - since < NO_ANSWER_FOR;
    *ret_since = since;
    return ecert_things_since_add(&noticing->no_answer, thing->prefix, since, err);
}

static enum ecert_status add_problem(struct ecert_noticing *noticing,
                                     const struct ecert_finding *finding, bool *ret_new,
                                     struct ecert_error *err)
{
    struct history history = {.since = noticing->now, .latest = INT64_MIN};
    struct ecert_thing thing;
    char key[ECERT_KEY_LEN + 1];
    bool is_early = false;
    size_t first;

    ECERT_TRY(ecert_thing_of_problem(finding, &thing, err));
    if (finding->condition == ECERT_CONDITION_NO_ANSWER)
        ECERT_TRY(notice_no_answer(noticing, &thing, &history.since, &is_early, err));
    const size_t n = mark_seen(noticing, &thing, &first);
    if (is_early && n == 0)
        return ECERT_OK;
    for (size_t i = 0; i < n; i++)
        ECERT_TRY(take_in(noticing, &noticing->known.items[first + i], &history, err));
    if (history.latest > noticing->now) /* a clock put back a little */
        return ECERT_OK;
    ecert_thing_key(&thing, (noticing->now - history.since) / ECERT_WEEK, key);
    return owe_latest(noticing, &thing, key, finding, history.since, ret_new, err);
}

enum ecert_status ecert_noticing_add(struct ecert_noticing *noticing,
                                     const struct ecert_finding *finding, bool *ret_new,
                                     struct ecert_error *err)
{
    bool is_new = false;

    if (finding->not_after != 0)
        ECERT_TRY(add_end(noticing, finding, &is_new, err));
    if (finding->condition != ECERT_CONDITION_FINE && !is_about_end(finding->condition))
        ECERT_TRY(add_problem(noticing, finding, &is_new, err));
    *ret_new = is_new;
    return ECERT_OK;
}

/* ---- the end of a check ---- */

/*
 * Is it of a unit?  No check sees those (remind --failed tells of them), so *ret_told says when
 * they were last told.  What cannot be read is of none.
 */
static enum ecert_status is_of_unit(const struct ecert_noticing *noticing, const char *key,
                                    bool *ret, int64_t *ret_told, struct ecert_error *err)
{
    ECERT_AUTO(ecert_reminder_clear) struct ecert_reminder reminder = {0};
    ECERT_AUTO(ecert_auto_free) char *path = NULL;

    ECERT_TRY(ecert_reminders_path(noticing->config, ECERT_FOLDER_SENT, key, &path, err));
    const enum ecert_status status = ecert_reminder_read(path, key, &reminder, err);
    if (status == ECERT_E_NOMEM)
        return status;
    *ret = status == ECERT_OK && reminder.finding.watched == ECERT_WATCHED_UNIT;
    *ret_told = reminder.created;
    for (size_t i = 0; i < reminder.n_owed; i++)
        if (reminder.owed[i].told_at > *ret_told)
            *ret_told = reminder.owed[i].told_at;
    return ECERT_OK;
}

/* A problem that stayed away is forgotten, and told at once when it comes back. */
static enum ecert_status forget_problem(struct ecert_noticing *noticing,
                                        struct ecert_known_key *key,
                                        struct ecert_things_since *absent, struct ecert_error *err)
{
    const struct ecert_thing_since *before =
        ecert_things_since_find(&noticing->before.absent, key->key);
    int64_t since = noticing->now, told = 0;
    bool unit = false;

    if (before != NULL && before->since < since)
        since = before->since;
    ECERT_TRY(is_of_unit(noticing, key->key, &unit, &told, err));
    const int64_t away = noticing->now - (unit ? told : since);
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
