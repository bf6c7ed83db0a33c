/* Noticing: what of a check becomes owed. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fs.h"
#include "core/monitor/reminders_internal.h"
#include "core/monitor/thresholds.h"

/* Sent keys of what is gone are kept for longer than any certificate lives. */
#define FORGET_AFTER (400 * ECERT_DAY)

struct ecert_noticing {
    const struct ecert_config *config;
    int64_t now;
    struct ecert_known known;
    struct ecert_strings quiet;          /* names that are acknowledged */
    struct ecert_reminders_state before; /* as the last check left it; no_answer is sorted */
    struct ecert_no_answer *no_answer;   /* of this check */
    size_t n_no_answer;
};

static int by_thing(const void *a, const void *b)
{
    const struct ecert_no_answer *x = a, *y = b;

    return strcmp(x->thing, y->thing);
}

void ecert_noticing_free(struct ecert_noticing **noticing)
{
    struct ecert_noticing *n = *noticing;

    if (n == NULL)
        return;
    ecert_known_clear(&n->known);
    ecert_strings_clear(&n->quiet);
    ecert_reminders_state_clear(&n->before);
    free(n->no_answer);
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
    ECERT_TRY(ecert_acks_list(config, now, &n->quiet, ret_notes, err));
    ECERT_TRY(ecert_reminders_state_read(config, &n->before, ret_notes, err));
    if (n->before.n_no_answer > 1)
        qsort(n->before.no_answer, n->before.n_no_answer, sizeof *n->before.no_answer, by_thing);
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

/* *ret_owed: it is owed or sent now; false where nobody is to be told. */
static enum ecert_status owe(struct ecert_noticing *noticing, char *key,
                             const struct ecert_finding *finding, int64_t since, bool *ret_new,
                             bool *ret_owed, struct ecert_error *err)
{
    struct ecert_reminder reminder = {
        .key = key, .created = noticing->now, .since = since, .finding = *finding};
    bool owed = false, sent = false;

    *ret_owed = false;
    if (ecert_strings_contain(&noticing->quiet, finding->name))
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

static enum ecert_status remember_no_answer(struct ecert_noticing *noticing, const char *thing,
                                            int64_t since, struct ecert_error *err)
{
    struct ecert_no_answer *all = noticing->no_answer;
    const size_t n = noticing->n_no_answer;

    if ((n & (n + 1)) == 0) /* doubled at each power of two */
        all = reallocarray(all, 2 * (n + 1), sizeof *all);
    if (all == NULL)
        return ecert_error_nomem(err);
    noticing->no_answer = all;
    (void)strcpy(all[n].thing, thing);
    all[n].since = since;
    noticing->n_no_answer++;
    return ECERT_OK;
}

/* *ret_first: the check before this one had an answer. */
static enum ecert_status notice_no_answer(struct ecert_noticing *noticing,
                                          const struct ecert_thing *thing, int64_t *ret_since,
                                          bool *ret_first, struct ecert_error *err)
{
    struct ecert_no_answer wanted = {.since = 0};
    const struct ecert_no_answer *before = NULL;
    int64_t since = noticing->now;

    (void)strcpy(wanted.thing, thing->prefix);
    if (noticing->before.n_no_answer > 0)
        before = bsearch(&wanted, noticing->before.no_answer, noticing->before.n_no_answer,
                         sizeof wanted, by_thing);
    if (before != NULL && before->since < since)
        since = before->since;
    *ret_first = before == NULL;
    *ret_since = since;
    return remember_no_answer(noticing, thing->prefix, since, err);
}

static enum ecert_status add_problem(struct ecert_noticing *noticing,
                                     const struct ecert_finding *finding, bool *ret_new,
                                     struct ecert_error *err)
{
    struct history history = {.since = noticing->now, .latest = INT64_MIN};
    struct ecert_thing thing;
    char key[ECERT_KEY_LEN + 1];
    bool is_first = false;
    size_t first;

    ECERT_TRY(ecert_thing_of_problem(finding, &thing, err));
    if (finding->condition == ECERT_CONDITION_NO_ANSWER)
        ECERT_TRY(notice_no_answer(noticing, &thing, &history.since, &is_first, err));
    const size_t n = mark_seen(noticing, &thing, &first);
    if (is_first && n == 0)
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

/* A problem that is gone is told at once when it comes back. */
static enum ecert_status forget_problems(struct ecert_noticing *noticing, struct ecert_error *err)
{
    for (size_t i = 0; i < noticing->known.n; i++) {
        struct ecert_known_key *key = &noticing->known.items[i];

        if (key->sent && !key->owed && !key->seen && ecert_key_is_problem(key->key))
            ECERT_TRY(ecert_known_drop(noticing->config, key, err));
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

/* What a run that was killed left half written. */
static enum ecert_status remove_temporaries(const struct ecert_config *config, const char *folder,
                                            struct ecert_error *err)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings names = {0};

    ECERT_TRY(ecert_reminders_list(config, folder, &names, err));
    for (size_t i = 0; i < names.len; i++) {
        ECERT_AUTO(ecert_auto_free) char *path = NULL;

        if (names.items[i][0] != '.' || strstr(names.items[i], ".ecert-") == NULL)
            continue;
        ECERT_TRY(ecert_text_format(&path, err, "%s/reminders/%s/%s", config->state_dir, folder,
                                    names.items[i]));
        ECERT_TRY(ecert_fs_remove_tree(AT_FDCWD, path, err));
    }
    return ECERT_OK;
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
        ECERT_TRY(remove_temporaries(noticing->config, folders[i], err));
    return ECERT_OK;
}

/* Of a check that did not look at everything, what it did not look at is as it was. */
static enum ecert_status keep_no_answers(struct ecert_noticing *noticing, struct ecert_error *err)
{
    for (size_t i = 0; i < noticing->before.n_no_answer; i++)
        ECERT_TRY(remember_no_answer(noticing, noticing->before.no_answer[i].thing,
                                     noticing->before.no_answer[i].since, err));
    return ECERT_OK;
}

static enum ecert_status finish(struct ecert_noticing *noticing, bool complete,
                                struct ecert_error *err)
{
    ECERT_AUTO(ecert_reminders_state_clear) struct ecert_reminders_state state = {0};
    const int64_t since_forgetting = noticing->now - noticing->before.last_forget;

    if (!complete && noticing->n_no_answer == 0)
        return ECERT_OK;
    /* read again: a digest may have gone out meanwhile */
    ECERT_TRY(ecert_reminders_state_read(noticing->config, &state, NULL, err));
    if (!complete) {
        ECERT_TRY(keep_no_answers(noticing, err));
    } else {
        ECERT_TRY(forget_problems(noticing, err));
        state.last_check = noticing->now;
        if (since_forgetting < 0 || since_forgetting >= ECERT_WEEK) {
            ECERT_TRY(forget_old(noticing, err));
            state.last_forget = noticing->now;
        }
    }
    free(state.no_answer);
    state.no_answer = noticing->no_answer;
    state.n_no_answer = noticing->n_no_answer;
    noticing->no_answer = NULL;
    noticing->n_no_answer = 0;
    return ecert_reminders_state_write(noticing->config, &state, err);
}

enum ecert_status ecert_noticing_end(struct ecert_noticing **noticing, bool complete,
                                     struct ecert_error *err)
{
    const enum ecert_status status = finish(*noticing, complete, err);

    ecert_noticing_free(noticing);
    return status;
}
