/* Noticing: what of a check becomes owed. */
#include <stdlib.h>
#include <string.h>

#include "core/base/fs.h"
#include "core/monitor/reminders_internal.h"
#include "core/monitor/thresholds.h"

/* So far past what counts a clock that was put back may have told of weeks: more than a year. */
#define WEEKS_AHEAD 58

/* Of a problem that lasts, what was told last is kept, and what before it: see reminders.h. */
#define TOLD_KEPT 2

/* Two checks in a row may be a minute apart, and a server's restart takes several. */
#define NO_ANSWER_FOR ((int64_t)600)

void ecert_noticing_free(struct ecert_noticing **noticing)
{
    struct ecert_noticing *n = *noticing;

    if (n == NULL)
        return;
    ecert_known_clear(&n->known);
    ecert_acks_clear(&n->acks);
    ecert_reminders_state_clear(&n->before);
    ecert_things_since_clear(&n->no_answer);
    ecert_things_since_clear(&n->hidden);
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
    const int64_t past = crossed < 0 && crossed != ECERT_NO_THRESHOLD ? -crossed / 7 : 0;
    for (int64_t week = 0; week <= past + WEEKS_AHEAD; week = ecert_week_told_next(week))
        if (crossed == ECERT_NO_THRESHOLD || -7 * week < crossed)
            ECERT_TRY(look_at_smaller(noticing, thing, (int)(-7 * week), days, ret_told, err));
    return ECERT_OK;
}

/*
 * Past the end the last week that was told says that all before it were.  The one before it is kept
 * too, for a clock that is put back; so what has been over for years leaves two files of these.
 */
static enum ecert_status drop_weeks_before(struct ecert_noticing *noticing,
                                           const struct ecert_thing *thing, int crossed,
                                           struct ecert_error *err)
{
    char key[ECERT_KEY_LEN + 1];

    for (int64_t week = 1;; week = ecert_week_told_next(week)) {
        if (-7 * ecert_week_told_next(week) <= crossed)
            return ECERT_OK;
        ecert_thing_key(thing, -7 * week, key);
        struct ecert_known_key *known = ecert_known_find(&noticing->known, key);
        if (known != NULL && !known->owed)
            ECERT_TRY(ecert_known_drop(noticing->config, known, err));
    }
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
    const struct ecert_known_key *known = ecert_known_find(&noticing->known, key);
    if (known != NULL && known->sent)
        ECERT_TRY(drop_weeks_before(noticing, &thing, crossed, err));
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

struct told {
    struct ecert_known_key *key;
    int64_t since, created;
};

/* What the keys of a problem tell of its history. */
struct history {
    int64_t since;               /* when it was first seen */
    int64_t latest;              /* when it was last told */
    struct told told[TOLD_KEPT]; /* the last ones that everybody was told, the newest first */
};

/*
 * Each reminder of a problem knows since when it is there, so that the last ones tell it all: the
 * older go.  One that knows of an earlier beginning than they do stays.
 */
static enum ecert_status keep_newest(struct ecert_noticing *noticing, struct told one,
                                     struct history *history, struct ecert_error *err)
{
    bool is_covered = false;

    for (size_t i = 0; i < TOLD_KEPT; i++) {
        struct told *kept = &history->told[i];
        const struct told before = *kept;

        if (before.key != NULL && before.created >= one.created)
            continue;
        *kept = one;
        if (before.key == NULL)
            return ECERT_OK;
        one = before;
    }
    for (size_t i = 0; i < TOLD_KEPT; i++)
        is_covered = is_covered || history->told[i].since <= one.since;
    return is_covered ? ecert_known_drop(noticing->config, one.key, err) : ECERT_OK;
}

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
    if (known->owed)
        return ECERT_OK;
    return keep_newest(noticing, (struct told){known, reminder.since, reminder.created}, history,
                       err);
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

/* What could not be looked at may have the problems that it had. */
static enum ecert_status note_hidden(struct ecert_noticing *noticing,
                                     const struct ecert_finding *finding, struct ecert_error *err)
{
    struct ecert_thing place;

    if (!ecert_condition_hides(finding->condition))
        return ECERT_OK;
    ECERT_TRY(ecert_thing_of_place(finding, &place, err));
    return ecert_things_since_add(&noticing->hidden, place.prefix, noticing->now, err);
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
    ECERT_TRY(note_hidden(noticing, finding, err));
    if (finding->condition == ECERT_CONDITION_NO_ANSWER)
        ECERT_TRY(notice_no_answer(noticing, &thing, &history.since, &is_early, err));
    const size_t n = mark_seen(noticing, &thing, &first);
    if (is_early && n == 0)
        return ECERT_OK;
    for (size_t i = 0; i < n; i++)
        ECERT_TRY(take_in(noticing, &noticing->known.items[first + i], &history, err));
    if (history.latest > noticing->now) /* a clock put back a little */
        return ECERT_OK;
    ecert_thing_key(&thing, ecert_week_told((noticing->now - history.since) / ECERT_WEEK), key);
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
