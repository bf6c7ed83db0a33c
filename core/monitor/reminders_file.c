/* One reminder, one file. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/flow/store_json.h"
#include "core/monitor/reminders_internal.h"

#define FORMAT 1

/* The years 0 to 9999: what is outside was not written here, and would overflow sums. */
#define TIME_MIN (-INT64_C(62167219200))
#define TIME_MAX INT64_C(253402300799)

#define OWED_MAX 10000

/* Days; whatever lies between two moments that can be written. */
#define THRESHOLD_MIN (-4000000)
#define THRESHOLD_MAX 4000000

const char *ecert_channel_word(enum ecert_channel channel)
{
    switch (channel) {
#define ECERT_CHANNEL_WORD(value, word) \
    case value:                         \
        return word;
        ECERT_CHANNEL_LIST(ECERT_CHANNEL_WORD)
#undef ECERT_CHANNEL_WORD
    case ECERT_CHANNEL_COUNT:
        break;
    }
    return "?";
}

void ecert_owed_free(struct ecert_owed *owed, size_t n)
{
    for (size_t i = 0; owed != NULL && i < n; i++) {
        free(owed[i].to);
        free(owed[i].last_error);
    }
    free(owed);
}

void ecert_reminder_clear(struct ecert_reminder *reminder)
{
    free(reminder->key);
    ecert_finding_clear(&reminder->finding);
    ecert_owed_free(reminder->owed, reminder->n_owed);
    *reminder = (struct ecert_reminder){0};
}

void ecert_reminder_list_clear(struct ecert_reminder_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        ecert_reminder_clear(&list->items[i]);
    free(list->items);
    *list = (struct ecert_reminder_list){0};
}

/* ---- places ---- */

enum ecert_status ecert_reminders_folder(const struct ecert_config *config, const char *folder,
                                         char **ret, struct ecert_error *err)
{
    return ecert_text_format(ret, err, "%s/reminders/%s", config->state_dir, folder);
}

enum ecert_status ecert_reminders_path(const struct ecert_config *config, const char *folder,
                                       const char *name, char **ret, struct ecert_error *err)
{
    return ecert_text_format(ret, err, "%s/reminders/%s/%s.json", config->state_dir, folder, name);
}

enum ecert_status ecert_reminders_make_folder(const struct ecert_config *config, const char *folder,
                                              struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *reminders = NULL;
    ECERT_AUTO(ecert_auto_free) char *path = NULL;

    ECERT_TRY(ecert_text_format(&reminders, err, "%s/reminders", config->state_dir));
    ECERT_TRY(ecert_reminders_folder(config, folder, &path, err));
    if (ecert_fs_exists(path))
        return ECERT_OK;
    ECERT_TRY(ecert_fs_make_directories(path, 0700, err));
    ECERT_TRY(ecert_fs_sync_directory(reminders, err));
    return ecert_fs_sync_directory(config->state_dir, err);
}

enum ecert_status ecert_reminders_list(const struct ecert_config *config, const char *folder,
                                       struct ecert_strings *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *path = NULL;

    ECERT_TRY(ecert_reminders_folder(config, folder, &path, err));
    const enum ecert_status status = ecert_fs_list(path, ret, err);
    return status == ECERT_E_NOT_FOUND ? ECERT_OK : status;
}

enum ecert_status ecert_reminders_remove_temporaries(const struct ecert_config *config,
                                                     const char *folder, struct ecert_error *err)
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

enum ecert_status ecert_reminders_remove(const struct ecert_config *config, const char *folder,
                                         const char *key, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *path = NULL;

    ECERT_TRY(ecert_reminders_path(config, folder, key, &path, err));
    /* not synced: what a power cut brings back is removed by the next check again */
    if (unlink(path) != 0 && errno != ENOENT)
        return ecert_error_errno(err, ECERT_E_IO, "remove '%s'", path);
    return ECERT_OK;
}

enum ecert_status ecert_reminders_set_aside(const char *path, struct ecert_strings *notes,
                                            struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *aside = NULL;

    ECERT_TRY(ecert_text_format(&aside, err, "%s.damaged", path));
    if (rename(path, aside) != 0 && errno != ENOENT)
        return ecert_error_errno(err, ECERT_E_IO, "rename the damaged '%s' to '%s'", path, aside);
    if (notes == NULL)
        return ECERT_OK;
    return ecert_strings_printf(notes, err,
                                "'%s' was damaged and is '%s.damaged' now; reminders go on "
                                "without it",
                                path, ecert_path_base(path));
}

/* ---- writing ---- */

static json_t *finding_json(const struct ecert_finding *finding)
{
    return json_pack(
        "{s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:i}", "watched",
        ecert_watched_word(finding->watched), "condition", ecert_condition_word(finding->condition),
        "urgency", ecert_urgency_word(finding->urgency), "name",
        ecert_store_json_string(finding->name), "where", ecert_store_json_string(finding->where),
        "title", ecert_store_json_string(finding->title), "detail",
        ecert_store_json_string(finding->detail), "serial",
        ecert_store_json_string(finding->serial), "sha256",
        ecert_store_json_string(finding->sha256), "not_before", (json_int_t)finding->not_before,
        "not_after", (json_int_t)finding->not_after, "threshold", finding->threshold);
}

static json_t *owed_json(const struct ecert_owed *owed)
{
    return json_pack("{s:s, s:o, s:b, s:I, s:I, s:I, s:o}", "channel",
                     ecert_channel_word(owed->channel), "to", ecert_store_json_string(owed->to),
                     "told", (int)owed->told, "told_at", (json_int_t)owed->told_at, "tries",
                     (json_int_t)owed->tries, "next_try", (json_int_t)owed->next_try, "last_error",
                     ecert_store_json_string(owed->last_error));
}

static json_t *reminder_json(const struct ecert_reminder *reminder)
{
    json_t *list = json_array();

    for (size_t i = 0; i < reminder->n_owed; i++)
        if (json_array_append_new(list, owed_json(&reminder->owed[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    return json_pack("{s:i, s:s, s:I, s:I, s:b, s:o, s:o}", "format", FORMAT, "key", reminder->key,
                     "created", (json_int_t)reminder->created, "since", (json_int_t)reminder->since,
                     "escalated", (int)reminder->escalated, "finding",
                     finding_json(&reminder->finding), "owed", list);
}

enum ecert_status ecert_reminder_write(const struct ecert_config *config,
                                       const struct ecert_reminder *reminder,
                                       struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *path = NULL;

    ECERT_TRY(ecert_reminders_path(config, ECERT_FOLDER_OWED, reminder->key, &path, err));
    ECERT_TRY(ecert_reminders_make_folder(config, ECERT_FOLDER_OWED, err));
    return ecert_store_write_json(path, reminder_json(reminder), err);
}

/* ---- reading ---- */

struct word {
    int value;
    const char *word;
};

static const struct word watched_words[] = {
#define WORD(value, word) {value, word},
    ECERT_WATCHED_LIST(WORD)};
static const struct word channel_words[] = {ECERT_CHANNEL_LIST(WORD)};
#undef WORD
static const struct word condition_words[] = {
#define WORD(value, word, urgency) {value, word},
    ECERT_CONDITION_LIST(WORD)
#undef WORD
};
static const struct word urgency_words[] = {{ECERT_URGENCY_FINE, "fine"},
                                            {ECERT_URGENCY_DUE, "due"},
                                            {ECERT_URGENCY_CRITICAL, "critical"},
                                            {ECERT_URGENCY_UNKNOWN, "unknown"}};

static enum ecert_status damaged(const char *path, const char *key, struct ecert_error *err)
{
    return ecert_error_set(err, ECERT_E_REFUSED, "'%s' is damaged: \"%s\" is not what it can be",
                           path, key);
}

static enum ecert_status get_word(const char *path, const json_t *object, const char *key,
                                  const struct word *words, size_t n, int *ret,
                                  struct ecert_error *err)
{
    const char *text = json_string_value(json_object_get(object, key));

    for (size_t i = 0; text != NULL && i < n; i++)
        if (strcmp(words[i].word, text) == 0) {
            *ret = words[i].value;
            return ECERT_OK;
        }
    return damaged(path, key, err);
}

static enum ecert_status get_in(const char *path, const json_t *object, const char *key,
                                int64_t min, int64_t max, int64_t *ret, struct ecert_error *err)
{
    int64_t value = 0;

    ECERT_TRY(ecert_store_get_number(path, object, key, INT64_MAX, &value, err));
    if (value < min || value > max)
        return damaged(path, key, err);
    *ret = value;
    return ECERT_OK;
}

static enum ecert_status get_time(const char *path, const json_t *object, const char *key,
                                  int64_t *ret, struct ecert_error *err)
{
    return get_in(path, object, key, TIME_MIN, TIME_MAX, ret, err);
}

static enum ecert_status get_bool(const char *path, const json_t *object, const char *key,
                                  bool *ret, struct ecert_error *err)
{
    const json_t *value = json_object_get(object, key);

    if (!json_is_boolean(value))
        return damaged(path, key, err);
    *ret = json_is_true(value);
    return ECERT_OK;
}

static enum ecert_status read_kind(const char *path, const json_t *json, struct ecert_finding *ret,
                                   struct ecert_error *err)
{
    int watched = 0, condition = 0, urgency = 0;

    ECERT_TRY(
        get_word(path, json, "watched", watched_words, ARRAY_SIZE(watched_words), &watched, err));
    ECERT_TRY(get_word(path, json, "condition", condition_words, ARRAY_SIZE(condition_words),
                       &condition, err));
    ECERT_TRY(
        get_word(path, json, "urgency", urgency_words, ARRAY_SIZE(urgency_words), &urgency, err));
    ret->watched = (enum ecert_watched)watched;
    ret->condition = (enum ecert_condition)condition;
    ret->urgency = (enum ecert_urgency)urgency;
    return ECERT_OK;
}

static enum ecert_status read_finding(const char *path, const json_t *json,
                                      struct ecert_finding *ret, struct ecert_error *err)
{
    int64_t threshold = 0;

    ECERT_TRY(read_kind(path, json, ret, err));
    ECERT_TRY(ecert_store_get_text(path, json, "name", false, &ret->name, err));
    ECERT_TRY(ecert_store_get_text(path, json, "where", true, &ret->where, err));
    ECERT_TRY(ecert_store_get_text(path, json, "title", true, &ret->title, err));
    ECERT_TRY(ecert_store_get_text(path, json, "detail", true, &ret->detail, err));
    ECERT_TRY(ecert_store_get_into(path, json, "serial", ret->serial, sizeof ret->serial, err));
    ECERT_TRY(ecert_store_get_into(path, json, "sha256", ret->sha256, sizeof ret->sha256, err));
    ECERT_TRY(get_time(path, json, "not_before", &ret->not_before, err));
    ECERT_TRY(get_time(path, json, "not_after", &ret->not_after, err));
    ECERT_TRY(get_in(path, json, "threshold", THRESHOLD_MIN, THRESHOLD_MAX, &threshold, err));
    ret->threshold = (int)threshold;
    return ECERT_OK;
}

static enum ecert_status read_owed(const char *path, const json_t *json, struct ecert_owed *ret,
                                   struct ecert_error *err)
{
    int channel = 0;

    ECERT_TRY(
        get_word(path, json, "channel", channel_words, ARRAY_SIZE(channel_words), &channel, err));
    ret->channel = (enum ecert_channel)channel;
    ECERT_TRY(
        ecert_store_get_text(path, json, "to", ret->channel != ECERT_CHANNEL_EMAIL, &ret->to, err));
    ECERT_TRY(get_bool(path, json, "told", &ret->told, err));
    ECERT_TRY(get_time(path, json, "told_at", &ret->told_at, err));
    ECERT_TRY(ecert_store_get_unsigned(path, json, "tries", &ret->tries, err));
    ECERT_TRY(get_time(path, json, "next_try", &ret->next_try, err));
    return ecert_store_get_text(path, json, "last_error", true, &ret->last_error, err);
}

static enum ecert_status read_owed_list(const char *path, const json_t *json,
                                        struct ecert_reminder *ret, struct ecert_error *err)
{
    const json_t *list = json_object_get(json, "owed");
    const size_t n = json_array_size(list);

    if (n == 0 || n > OWED_MAX) /* no array has no members */
        return damaged(path, "owed", err);
    ret->owed = calloc(n, sizeof *ret->owed);
    if (ret->owed == NULL)
        return ecert_error_nomem(err);
    ret->n_owed = n;
    for (size_t i = 0; i < n; i++)
        ECERT_TRY(read_owed(path, json_array_get(list, i), &ret->owed[i], err));
    return ECERT_OK;
}

enum ecert_status ecert_reminder_read(const char *path, const char *key, struct ecert_reminder *ret,
                                      struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_json) json_t *json = NULL;
    ECERT_AUTO(ecert_reminder_clear) struct ecert_reminder reminder = {0};
    int64_t format = 0;

    ECERT_TRY(ecert_store_read_json(path, &json, err));
    ECERT_TRY(get_in(path, json, "format", FORMAT, FORMAT, &format, err));
    ECERT_TRY(ecert_store_get_text(path, json, "key", false, &reminder.key, err));
    if (strcmp(reminder.key, key) != 0)
        return damaged(path, "key", err);
    ECERT_TRY(get_time(path, json, "created", &reminder.created, err));
    ECERT_TRY(get_time(path, json, "since", &reminder.since, err));
    ECERT_TRY(get_bool(path, json, "escalated", &reminder.escalated, err));
    ECERT_TRY(read_finding(path, json_object_get(json, "finding"), &reminder.finding, err));
    ECERT_TRY(read_owed_list(path, json, &reminder, err));
    *ret = reminder;
    reminder = (struct ecert_reminder){0};
    return ECERT_OK;
}
