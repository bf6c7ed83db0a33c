/* The targets of store.h: live links, desired and actual state, deployment records. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/flow/store.h"
#include "core/flow/store_json.h"

#define MOST_PROBES 8192

void ecert_target_state_clear(struct ecert_target_state *state)
{
    free(state->last_error);
    free(state->outcome);
    for (size_t i = 0; i < state->n_probes; i++)
        ecert_probe_clear(&state->probes[i]);
    free(state->probes);
    *state = (struct ecert_target_state){0};
}

/* SUB/TARGETSUFFIX below the certificate's folder */
static enum ecert_status path_of(const char *state_dir, const char *name, const char *sub,
                                 const char *target, const char *suffix, char **ret,
                                 struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *below = NULL;

    if (target[0] == '\0' || strchr(target, '/') != NULL)
        return ecert_error_set(err, ECERT_E_REFUSED, "'%s' cannot be the id of a target", target);
    ECERT_TRY(ecert_text_format(&below, err, "%s/%s%s", sub, target, suffix));
    return ecert_store_path(state_dir, name, below, ret, err);
}

/* The folder that `path` is in, made if it is missing, with its name synced. */
static enum ecert_status make_parent(const char *path, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *folder = NULL;

    ECERT_TRY(ecert_text_copy(ecert_view_of(path), &folder, err));
    *strrchr(folder, '/') = '\0';
    if (ecert_fs_exists(folder))
        return ECERT_OK;
    ECERT_TRY(ecert_fs_make_directories(folder, 0700, err));
    *strrchr(folder, '/') = '\0';
    return ecert_fs_sync_directory(folder, err);
}

/* ---- the live link ---- */

enum ecert_status ecert_store_live(const char *state_dir, const char *name, const char *target,
                                   unsigned *ret, struct ecert_error *err)
{
    static const char prefix[] = "../generations/";
    ECERT_AUTO(ecert_auto_free) char *path = NULL;
    ECERT_AUTO(ecert_auto_free) char *value = NULL;

    ECERT_TRY(path_of(state_dir, name, "live", target, "", &path, err));
    const enum ecert_status status = ecert_fs_read_link(AT_FDCWD, path, &value, err);
    if (status == ECERT_E_NOT_FOUND) {
        *ret = 0;
        return ECERT_OK;
    }
    ECERT_TRY(status);
    const char *digits = value + sizeof prefix - 1;
    if (strncmp(value, prefix, sizeof prefix - 1) != 0 || strlen(digits) < 4 ||
        strlen(digits) > 9 || digits[strspn(digits, "0123456789")] != '\0' ||
        strtoul(digits, NULL, 10) == 0)
        return ecert_error_set(err, ECERT_E_REFUSED,
                               "the link '%s' points at '%s', which is no generation", path, value);
    *ret = (unsigned)strtoul(digits, NULL, 10);
    return ECERT_OK;
}

/* ---- reading ---- */

static enum ecert_status read_probe(const char *path, const json_t *json, struct ecert_probe *probe,
                                    struct ecert_error *err)
{
    int64_t port = 0;

    ECERT_TRY(ecert_store_get_text(path, json, "address", false, &probe->address, err));
    ECERT_TRY(ecert_store_get_number(path, json, "port", UINT16_MAX, &port, err));
    probe->port = (uint16_t)port;
    ECERT_TRY(ecert_store_get_text(path, json, "server_name", true, &probe->server_name, err));
    return ecert_store_get_text(path, json, "starttls", true, &probe->starttls, err);
}

static enum ecert_status read_probes(const char *path, const json_t *json,
                                     struct ecert_target_state *state, struct ecert_error *err)
{
    const json_t *array = json_object_get(json, "probes");
    const size_t n = json_array_size(array);

    if (!json_is_array(array) || n > MOST_PROBES)
        return ecert_error_set(err, ECERT_E_REFUSED, "'%s' is damaged: \"probes\" is not a list",
                               path);
    if (n == 0)
        return ECERT_OK;
    state->probes = calloc(n, sizeof *state->probes);
    if (state->probes == NULL)
        return ecert_error_nomem(err);
    state->n_probes = n;
    for (size_t i = 0; i < n; i++)
        ECERT_TRY(read_probe(path, json_array_get(array, i), &state->probes[i], err));
    return ECERT_OK;
}

/* A fingerprint; one that is absent is not known. */
static enum ecert_status read_settings(const char *path, const json_t *json, const char *key,
                                       char ret[ECERT_SHA256_HEX_LEN], struct ecert_error *err)
{
    return json_object_get(json, key) == NULL
               ? ECERT_OK
               : ecert_store_get_into(path, json, key, ret, ECERT_SHA256_HEX_LEN, err);
}

static enum ecert_status read_state(const char *path, const json_t *json,
                                    struct ecert_target_state *state, struct ecert_error *err)
{
    ECERT_TRY(ecert_store_get_unsigned(path, json, "desired", &state->desired, err));
    state->nothing = json_is_true(json_object_get(json, "nothing")); /* absent: an older version */
    ECERT_TRY(ecert_store_get_unsigned(path, json, "held_at", &state->held_at, err));
    ECERT_TRY(ecert_store_get_unsigned(path, json, "actual", &state->actual, err));
    ECERT_TRY(ecert_store_get_into(path, json, "actual_sha256", state->actual_sha256,
                                   sizeof state->actual_sha256, err));
    ECERT_TRY(ecert_store_get_into(path, json, "actual_sha1", state->actual_sha1,
                                   sizeof state->actual_sha1, err));
    ECERT_TRY(read_settings(path, json, "actual_settings", state->actual_settings, err));
    ECERT_TRY(read_settings(path, json, "tried_settings", state->tried_settings, err));
    ECERT_TRY(ecert_store_get_number(path, json, "deployed", INT64_MAX, &state->deployed, err));
    ECERT_TRY(ecert_store_get_unsigned(path, json, "failures", &state->failures, err));
    ECERT_TRY(
        ecert_store_get_unsigned(path, json, "tried_generation", &state->tried_generation, err));
    ECERT_TRY(ecert_store_get_number(path, json, "last_try", INT64_MAX, &state->last_try, err));
    ECERT_TRY(ecert_store_get_number(path, json, "next_try", INT64_MAX, &state->next_try, err));
    ECERT_TRY(ecert_store_get_text(path, json, "last_error", true, &state->last_error, err));
    ECERT_TRY(ecert_store_get_text(path, json, "outcome", true, &state->outcome, err));
    return read_probes(path, json, state, err);
}

enum ecert_status ecert_store_load_target(const char *state_dir, const char *name,
                                          const char *target, struct ecert_target_state *ret,
                                          struct ecert_error *err)
{
    ECERT_AUTO(ecert_target_state_clear) struct ecert_target_state state = {0};
    ECERT_AUTO(ecert_auto_free) char *path = NULL;
    ECERT_AUTO(ecert_auto_json) json_t *json = NULL;

    ECERT_TRY(path_of(state_dir, name, "targets", target, ".json", &path, err));
    const enum ecert_status status = ecert_store_read_json(path, &json, err);
    if (status == ECERT_E_NOT_FOUND) {
        *ret = (struct ecert_target_state){0};
        return ECERT_OK;
    }
    ECERT_TRY(status);
    ECERT_TRY(read_state(path, json, &state, err));
    *ret = state;
    state = (struct ecert_target_state){0};
    return ECERT_OK;
}

/* ---- writing ---- */

static json_t *probes_json(const struct ecert_target_state *state)
{
    json_t *array = json_array();

    for (size_t i = 0; array != NULL && i < state->n_probes; i++) {
        const struct ecert_probe *probe = &state->probes[i];
        json_t *one = json_pack("{s:o, s:i, s:o, s:o}", "address",
                                ecert_store_json_string(probe->address), "port", (int)probe->port,
                                "server_name", ecert_store_json_string(probe->server_name),
                                "starttls", ecert_store_json_string(probe->starttls));
        if (json_array_append_new(array, one) != 0) { /* NULL is refused there */
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

enum ecert_status ecert_store_save_target(const char *state_dir, const char *name,
                                          const char *target,
                                          const struct ecert_target_state *state,
                                          struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *path = NULL;

    ECERT_TRY(path_of(state_dir, name, "targets", target, ".json", &path, err));
    ECERT_TRY(make_parent(path, err));
    return ecert_store_write_json(
        path,
        json_pack(
            "{s:I, s:b, s:I, s:I, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o}",
            "desired", (json_int_t)state->desired, "nothing", state->nothing, "held_at",
            (json_int_t)state->held_at, "actual", (json_int_t)state->actual, "actual_sha256",
            state->actual_sha256, "actual_sha1", state->actual_sha1, "actual_settings",
            state->actual_settings, "tried_settings", state->tried_settings, "deployed",
            (json_int_t)state->deployed, "failures", (json_int_t)state->failures,
            "tried_generation", (json_int_t)state->tried_generation, "last_try",
            (json_int_t)state->last_try, "next_try", (json_int_t)state->next_try, "last_error",
            ecert_store_json_string(state->last_error), "outcome",
            ecert_store_json_string(state->outcome), "probes", probes_json(state)),
        err);
}

/* ---- records ---- */

enum ecert_status ecert_store_record(const char *state_dir, const char *name, const char *target,
                                     int64_t when, struct ecert_view json, struct ecert_error *err)
{
    const struct ecert_fs_owner owner = ecert_fs_own(0600);
    const time_t t = (time_t)when;
    char moment[32];
    struct tm tm;

    if (gmtime_r(&t, &tm) == NULL || strftime(moment, sizeof moment, "%Y%m%dT%H%M%SZ-", &tm) == 0)
        return ecert_error_set(err, ECERT_E_REFUSED, "%lld is no time", (long long)when);
    for (unsigned i = 1; i < 10000; i++) {
        ECERT_AUTO(ecert_auto_free) char *path = NULL;
        ECERT_AUTO(ecert_auto_free) char *sub = NULL;
        char suffix[32] = ".json";

        if (i > 1)
            (void)snprintf(suffix, sizeof suffix, "-%u.json", i);
        ECERT_TRY(ecert_text_format(&sub, err, "%s%s", moment, target));
        ECERT_TRY(path_of(state_dir, name, "deployments", sub, suffix, &path, err));
        if (ecert_fs_exists(path))
            continue;
        ECERT_TRY(make_parent(path, err));
        return ecert_fs_replace(path, json, &owner, err);
    }
    return ecert_error_set(err, ECERT_E_REFUSED,
                           "there are 9999 records of '%s' for the same second already", target);
}
