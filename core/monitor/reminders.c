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

bool ecert_owed_is_due(const struct ecert_owed *owed, int64_t now)
{
    return !owed->told && (owed->next_try <= now || owed->next_try > now + LONGEST);
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

/* Nothing that is told here ends the reading of the others. */
static enum ecert_status note_failed_write(enum ecert_status status, struct ecert_strings *notes,
                                           struct ecert_error *err)
{
    if (status != ECERT_E_IO)
        return status;
    return ecert_strings_printf(notes, err, "who is owed a reminder is not written down: %s",
                                err->text);
}

static bool is_among(const struct ecert_owed *one, const struct ecert_owed *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (ecert_owed_is_same(one, &list[i]))
            return true;
    return false;
}

/* Take out who is not told today any more; who was told stays, for the record. */
static enum ecert_status drop_removed(struct ecert_reminder *reminder,
                                      const struct ecert_owed *today, size_t n_today,
                                      bool *ret_changed, struct ecert_strings *notes,
                                      struct ecert_error *err)
{
    size_t kept = 0;
    enum ecert_status status = ECERT_OK;

    for (size_t i = 0; i < reminder->n_owed; i++) {
        struct ecert_owed *owed = &reminder->owed[i];

        if (owed->told || is_among(owed, today, n_today)) {
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
static enum ecert_status go_by_today(const struct ecert_config *config,
                                     struct ecert_reminder *reminder, struct ecert_strings *notes,
                                     struct ecert_error *err)
{
    struct ecert_finding finding = reminder->finding;
    struct ecert_owed *today = NULL;
    size_t n_today = 0;
    bool changed = false;

    finding.settings = ecert_watch_settings_of(config, finding.name);
    ECERT_TRY(ecert_recipients(config, &finding, &today, &n_today, &reminder->escalated, err));
    enum ecert_status status = drop_removed(reminder, today, n_today, &changed, notes, err);
    if (status == ECERT_OK)
        status = add_missing(reminder, today, n_today, &changed, err);
    ecert_owed_free(today, n_today);
    if (status != ECERT_OK || !changed)
        return status;
    return note_failed_write(ecert_reminder_write(config, reminder, err), notes, err);
}

/* One file of owed/.  What cannot be read must not hide the others. */
static enum ecert_status read_one(const struct ecert_config *config, const char *key,
                                  struct ecert_reminder_list *list, struct ecert_strings *notes,
                                  struct ecert_error *err)
{
    ECERT_AUTO(ecert_reminder_clear) struct ecert_reminder reminder = {0};
    ECERT_AUTO(ecert_auto_free) char *path = NULL;

    ECERT_TRY(ecert_reminders_path(config, ECERT_FOLDER_OWED, key, &path, err));
    const enum ecert_status status = ecert_reminder_read(path, key, &reminder, err);
    if (status == ECERT_E_NOT_FOUND) /* told by another run meanwhile */
        return ECERT_OK;
    if (status == ECERT_E_REFUSED)
        return ecert_reminders_set_aside(path, notes, err);
    if (status == ECERT_E_IO)
        return ecert_strings_printf(notes, err, "a reminder is not told: %s", err->text);
    ECERT_TRY(status);
    if (is_told(&reminder)) /* the run before ended between telling and moving */
        return move_to_sent(config, key, err);
    ECERT_TRY(go_by_today(config, &reminder, notes, err));
    if (is_told(&reminder)) /* nobody is left */
        return note_failed_write(move_to_sent(config, key, err), notes, err);
    list->items[list->n++] = reminder;
    reminder = (struct ecert_reminder){0};
    return ECERT_OK;
}

enum ecert_status ecert_reminders_owed(const struct ecert_config *config,
                                       struct ecert_reminder_list *ret,
                                       struct ecert_strings *ret_notes, struct ecert_error *err)
{
    ECERT_AUTO(ecert_reminder_list_clear) struct ecert_reminder_list list = {0};
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings names = {0};
    char key[ECERT_KEY_LEN + 1];

    ECERT_TRY(ecert_reminders_list(config, ECERT_FOLDER_OWED, &names, err));
    list.items = calloc(names.len + 1, sizeof *list.items);
    if (list.items == NULL)
        return ecert_error_nomem(err);
    for (size_t i = 0; i < names.len; i++)
        if (ecert_key_of_name(names.items[i], key))
            ECERT_TRY(read_one(config, key, &list, ret_notes, err));
    qsort(list.items, list.n, sizeof *list.items, by_age);
    *ret = list;
    list = (struct ecert_reminder_list){0};
    return ECERT_OK;
}

/* ---- how it went ---- */

static enum ecert_status note_failure(struct ecert_owed *owed, int64_t now,
                                      const struct ecert_error *outcome, struct ecert_error *err)
{
    const size_t last = ARRAY_SIZE(back_off) - 1;

    owed->next_try = now + back_off[owed->tries < last ? owed->tries : last];
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
