/* When each copy of a key was last opened by a run that looks at them: STATE/copies.json. */
#include <string.h>

#include "core/flow/store_json.h"
#include "core/monitor/monitor_parts.h"

#define DAY 86400

static void key_of(const char *path, char ret[ECERT_SHA256_HEX_LEN])
{
    ecert_sha256_hex(ecert_view_of(path), ret);
}

static enum ecert_status path_of(const struct monitor *monitor, char **ret, struct ecert_error *err)
{
    return ecert_text_format(ret, err, "%s/copies.json", monitor->config->state_dir);
}

/* A file that is not there or damaged is made anew: it only says whose turn it is. */
void monitor_opened_load(const struct monitor *monitor, struct monitor_opened *ret)
{
    ECERT_AUTO(ecert_auto_json) json_t *json = NULL;
    ECERT_AUTO(ecert_auto_free) char *path = NULL;
    struct ecert_error ignored = {0};

    if (path_of(monitor, &path, &ignored) != ECERT_OK ||
        ecert_store_read_json(path, &json, &ignored) != ECERT_OK ||
        !json_is_object(json_object_get(json, "opened")) ||
        ecert_store_get_into(path, json, "last", ret->last, sizeof ret->last, &ignored) != ECERT_OK)
        return;
    ret->before = json_incref(json_object_get(json, "opened"));
}

void monitor_opened_clear(struct monitor_opened *opened)
{
    json_decref(opened->before);
    json_decref(opened->now);
    *opened = (struct monitor_opened){0};
}

/* What lies in the future is by a clock that was wrong, and not known. */
static int64_t not_later(int64_t when, int64_t now)
{
    return when > now ? 0 : when;
}

void monitor_opened_consider(const struct monitor *monitor, struct monitor_opened *opened,
                             const struct ecert_request_backup *backup)
{
    char key[ECERT_SHA256_HEX_LEN];

    key_of(backup->path, key);
    const int64_t by_check =
        not_later(json_integer_value(json_object_get(opened->before, key)), monitor->now);
    const int64_t otherwise = not_later(backup->opened, monitor->now);
    const int64_t when = by_check > otherwise ? by_check : otherwise;

    opened->n++;
    if (opened->now == NULL)
        opened->now = json_object();
    if (by_check > 0)
        (void)json_object_set_new(opened->now, key, json_integer((json_int_t)by_check));
    const bool today =
        by_check > 0 && strcmp(key, opened->last) == 0 && by_check / DAY == monitor->now / DAY;
    if (opened->settled || (!today && opened->n > 1 && when >= opened->chosen_when))
        return;
    memcpy(opened->chosen, key, sizeof opened->chosen);
    opened->chosen_when = when;
    opened->settled = today;
}

bool monitor_opened_is_chosen(const struct monitor_opened *opened,
                              const struct ecert_request_backup *backup)
{
    char key[ECERT_SHA256_HEX_LEN];

    key_of(backup->path, key);
    return strcmp(key, opened->chosen) == 0;
}

void monitor_opened_note(const struct monitor *monitor, struct monitor_opened *opened)
{
    ECERT_AUTO(ecert_auto_free) char *path = NULL;
    struct ecert_error ignored = {0};
    const char *const *names = monitor->options == NULL ? NULL : monitor->options->names;
    json_t *all = opened->now;

    if (opened->settled || all == NULL || path_of(monitor, &path, &ignored) != ECERT_OK)
        return;
    if (names != NULL && names[0] != NULL && opened->before != NULL)
        (void)json_object_update_missing(all, opened->before); /* of those that were left out */
    (void)json_object_set_new(all, opened->chosen, json_integer((json_int_t)monitor->now));
    (void)!ecert_store_write_json(
        path, json_pack("{s:s, s:O}", "last", opened->chosen, "opened", all), &ignored);
}
