/* The spool: what is owed, and how telling it went. */
#include "core/monitor/reminders.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fs.h"
#include "core/monitor/channel_internal.h"
#include "core/monitor/reminders_internal.h"

#define MINUTE ((int64_t)60)

static const int64_t back_off[] = {5 * MINUTE, 15 * MINUTE, 60 * MINUTE, 240 * MINUTE};
#define LONGEST (240 * MINUTE)

int64_t ecert_next_try(unsigned tries, int64_t now)
{
    const size_t last = ARRAY_SIZE(back_off) - 1;

    return now + back_off[tries < last ? tries : last];
}

bool ecert_try_is_due(int64_t next_try, int64_t now)
{
    return next_try <= now || next_try > now + LONGEST;
}

bool ecert_owed_is_due(const struct ecert_owed *owed, int64_t now)
{
    return !owed->told && ecert_try_is_due(owed->next_try, now);
}

static bool is_told(const struct ecert_reminder *reminder)
{
    for (size_t i = 0; i < reminder->n_owed; i++)
        if (!reminder->owed[i].told)
            return false;
    return true;
}

/* The new name is on disk before the old one is off it; one found in both is told. */
static enum ecert_status move_to_sent(const struct ecert_config *config, const char *key,
                                      struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *owed = NULL;
    ECERT_AUTO(ecert_auto_free) char *sent = NULL;
    ECERT_AUTO(ecert_auto_free) char *folder = NULL;

    ECERT_TRY(ecert_reminders_path(config, ECERT_FOLDER_OWED, key, &owed, err));
    ECERT_TRY(ecert_reminders_path(config, ECERT_FOLDER_SENT, key, &sent, err));
    ECERT_TRY(ecert_reminders_folder(config, ECERT_FOLDER_SENT, &folder, err));
    ECERT_TRY(ecert_reminders_make_folder(config, ECERT_FOLDER_SENT, err));
    if (rename(owed, sent) != 0 && errno != ENOENT)
        return ecert_error_errno(err, ECERT_E_IO, "rename '%s' to '%s'", owed, sent);
    return ecert_fs_sync_directory(folder, err);
}

/* ---- what is owed ---- */

static int by_age(const void *a, const void *b)
{
    const struct ecert_reminder *x = a, *y = b;

    if (x->created != y->created)
        return x->created < y->created ? -1 : 1;
    return strcmp(x->key, y->key);
}

/* One reading of the spool. */
struct reading {
    const struct ecert_config *config;
    bool settles; /* by whoever holds the lock: what it comes to is written down */
    struct ecert_reminder_list list;
    struct ecert_strings *notes;
};

/* Nothing that is told here ends the reading of the others. */
static enum ecert_status note_failed(struct reading *reading, enum ecert_status status,
                                     const char *what, struct ecert_error *err)
{
    if (status != ECERT_E_IO)
        return status;
    reading->list.unread++;
    return ecert_strings_printf(reading->notes, err, "%s: %s", what, err->text);
}

static enum ecert_status note_failed_write(struct reading *reading, enum ecert_status status,
                                           struct ecert_error *err)
{
    return note_failed(reading, status, "who is owed a reminder is not written down", err);
}

static bool is_among(const struct ecert_owed *one, const struct ecert_owed *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (ecert_owed_compare(one, &list[i]) == 0)
            return true;
    return false;
}

/* A journal whose socket is away at this moment is told later; see channel.h. */
static bool is_for_journal(const struct ecert_config *config, const struct ecert_owed *owed)
{
    return owed->channel == ECERT_CHANNEL_JOURNAL && config->reminders.journal;
}

/* Take out who is not told today any more; who was told stays, for the record. */
static enum ecert_status drop_removed(const struct ecert_config *config,
                                      struct ecert_reminder *reminder,
                                      const struct ecert_owed *today, size_t n_today,
                                      bool *ret_changed, struct ecert_strings *notes,
                                      struct ecert_error *err)
{
    size_t kept = 0;
    enum ecert_status status = ECERT_OK;

    for (size_t i = 0; i < reminder->n_owed; i++) {
        struct ecert_owed *owed = &reminder->owed[i];

        if (owed->told || is_for_journal(config, owed) || is_among(owed, today, n_today)) {
            reminder->owed[kept++] = *owed;
            continue;
        }
        *ret_changed = true;
        if (status == ECERT_OK)
            status = ecert_strings_printf(
                notes, err,
                "a reminder of '%s' is not owed over %s%s%s any more: the configuration does not "
                "name it for that now",
                reminder->finding.name, ecert_channel_word(owed->channel),
                owed->to == NULL ? "" : " to ", owed->to == NULL ? "" : owed->to);
        free(owed->to);
        free(owed->last_error);
    }
    reminder->n_owed = kept;
    return status;
}

/* Put in who is told today; takes them out of `today`. */
static enum ecert_status add_missing(struct ecert_reminder *reminder, struct ecert_owed *today,
                                     size_t n_today, bool *ret_changed, struct ecert_error *err)
{
    struct ecert_owed *all =
        reallocarray(reminder->owed, reminder->n_owed + n_today + 1, sizeof *all);

    if (all == NULL)
        return ecert_error_nomem(err);
    reminder->owed = all;
    for (size_t i = 0; i < n_today; i++) {
        if (is_among(&today[i], all, reminder->n_owed))
            continue;
        all[reminder->n_owed++] = today[i];
        today[i] = (struct ecert_owed){0};
        *ret_changed = true;
    }
    return ECERT_OK;
}

/* The configuration may have changed since it was noticed: today's says who is told. */
static enum ecert_status go_by_today(struct reading *reading, struct ecert_reminder *reminder,
                                     struct ecert_error *err)
{
    struct ecert_finding finding = reminder->finding;
    struct ecert_owed *today = NULL;
    size_t n_today = 0;
    bool changed = false;

    finding.settings = ecert_watch_settings_of(reading->config, finding.name);
    ECERT_TRY(
        ecert_recipients(reading->config, &finding, &today, &n_today, &reminder->escalated, err));
    enum ecert_status status =
        drop_removed(reading->config, reminder, today, n_today, &changed, reading->notes, err);
    if (status == ECERT_OK)
        status = add_missing(reminder, today, n_today, &changed, err);
    ecert_owed_free(today, n_today);
    if (status != ECERT_OK || !changed || !reading->settles)
        return status;
    return note_failed_write(reading, ecert_reminder_write(reading->config, reminder, err), err);
}

/* What cannot be read must not hide the others. */
static enum ecert_status pass_over(struct reading *reading, const char *path,
                                   enum ecert_status status, struct ecert_error *err)
{
    if (status == ECERT_E_NOT_FOUND) /* told by another run meanwhile */
        return ECERT_OK;
    if (status == ECERT_E_REFUSED && reading->settles) {
        status = ecert_reminders_set_aside(path, reading->notes, err);
        reading->list.unread += status == ECERT_OK;
    }
    if (status == ECERT_E_REFUSED)
        status = ECERT_E_IO;
    return note_failed(reading, status, "a reminder is not told", err);
}

/* Nobody is owed it any more. */
static enum ecert_status close_one(struct reading *reading, const char *key,
                                   struct ecert_error *err)
{
    if (!reading->settles)
        return ECERT_OK;
    return note_failed_write(reading, move_to_sent(reading->config, key, err), err);
}

/* One file of owed/. */
static enum ecert_status read_one(struct reading *reading, const char *key, struct ecert_error *err)
{
    ECERT_AUTO(ecert_reminder_clear) struct ecert_reminder reminder = {0};
    ECERT_AUTO(ecert_auto_free) char *path = NULL;

    ECERT_TRY(ecert_reminders_path(reading->config, ECERT_FOLDER_OWED, key, &path, err));
    const enum ecert_status status = ecert_reminder_read(path, key, &reminder, err);
    if (status != ECERT_OK)
        return pass_over(reading, path, status, err);
    if (is_told(&reminder)) /* the run before ended between telling and moving */
        return close_one(reading, key, err);
    ECERT_TRY(go_by_today(reading, &reminder, err));
    if (is_told(&reminder)) /* nobody is left */
        return close_one(reading, key, err);
    reading->list.items[reading->list.n++] = reminder;
    reminder = (struct ecert_reminder){0};
    return ECERT_OK;
}

static enum ecert_status read_all(struct reading *reading, struct ecert_error *err)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings names = {0};
    char key[ECERT_KEY_LEN + 1];

    ECERT_TRY(ecert_reminders_list(reading->config, ECERT_FOLDER_OWED, &names, err));
    reading->list.items = calloc(names.len + 1, sizeof *reading->list.items);
    if (reading->list.items == NULL)
        return ecert_error_nomem(err);
    for (size_t i = 0; i < names.len; i++)
        if (ecert_key_of_name(names.items[i], key))
            ECERT_TRY(read_one(reading, key, err));
    qsort(reading->list.items, reading->list.n, sizeof *reading->list.items, by_age);
    return ECERT_OK;
}

static enum ecert_status read_spool(struct reading *reading, struct ecert_reminder_list *ret,
                                    struct ecert_error *err)
{
    const enum ecert_status status = read_all(reading, err);

    if (status != ECERT_OK)
        ecert_reminder_list_clear(&reading->list);
    else
        *ret = reading->list;
    return status;
}

enum ecert_status ecert_reminders_owed(const struct ecert_config *config,
                                       struct ecert_reminder_list *ret,
                                       struct ecert_strings *ret_notes, struct ecert_error *err)
{
    struct reading reading = {.config = config, .notes = ret_notes};

    return read_spool(&reading, ret, err);
}

enum ecert_status ecert_reminders_settle(const struct ecert_config *config,
                                         struct ecert_reminder_list *ret,
                                         struct ecert_strings *ret_notes, struct ecert_error *err)
{
    struct reading reading = {.config = config, .settles = true, .notes = ret_notes};

    return read_spool(&reading, ret, err);
}

/* ---- how it went ---- */

static enum ecert_status note_failure(struct ecert_owed *owed, int64_t now,
                                      const struct ecert_error *outcome, struct ecert_error *err)
{
    owed->next_try = ecert_next_try((unsigned)owed->tries, now);
    if (owed->tries < INT16_MAX)
        owed->tries++;
    free(owed->last_error);
    owed->last_error = NULL;
    return ecert_text_copy(ecert_view_of(outcome->text), &owed->last_error, err);
}

enum ecert_status ecert_reminder_told(const struct ecert_config *config,
                                      struct ecert_reminder *reminder, size_t which, int64_t now,
                                      const struct ecert_error *outcome, struct ecert_error *err)
{
    struct ecert_owed *owed = &reminder->owed[which];

    if (outcome != NULL && outcome->status != ECERT_OK) {
        ECERT_TRY(note_failure(owed, now, outcome, err));
    } else {
        owed->told = true;
        owed->told_at = now;
    }
    ECERT_TRY(ecert_reminder_write(config, reminder, err));
    return is_told(reminder) ? move_to_sent(config, reminder->key, err) : ECERT_OK;
}
