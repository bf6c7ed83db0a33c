/* The keys that are in use and that no request made: what is to be backed up of them. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/fs.h"
#include "core/flow/certificate.h"
#include "core/flow/requests_json.h"
#include "core/flow/store.h"
#include "core/issue/backup_parts.h"

#define BEGIN      "key-"
#define DIGITS     16 /* of 64: among the keys of one certificate */
#define RECORD_MAX ((size_t)1 << 20)

bool ecert_backup_is_of_key(const struct ecert_request *request)
{
    return request->id != NULL && strncmp(request->id, BEGIN, strlen(BEGIN)) == 0;
}

static enum ecert_status record_path(const char *state_dir, const struct ecert_request *key,
                                     char **ret, struct ecert_error *err)
{
    char sub[64];

    (void)snprintf(sub, sizeof sub, "keys/%.40s.json", key->id);
    return ecert_store_path(state_dir, key->name, sub, ret, err);
}

/* ---- one key ---- */

static enum ecert_status fill(const struct ecert_certificate_config *entry, unsigned number,
                              const X509 *leaf, const uint8_t key_id[ECERT_SHA256_LEN],
                              struct ecert_request *ret, struct ecert_error *err)
{
    char hex[ECERT_SHA256_HEX_LEN];

    ecert_hex((struct ecert_view){key_id, ECERT_SHA256_LEN}, hex);
    hex[DIGITS] = '\0';
    ECERT_TRY(ecert_text_format(&ret->id, err, BEGIN "%s", hex));
    ECERT_TRY(ecert_text_copy(ecert_view_of(entry->name), &ret->name, err));
    ECERT_TRY(ecert_text_copy(ecert_view_of(entry->authority), &ret->authority, err));
    ECERT_TRY(ecert_strings_add(&ret->names, entry->name, err));
    memcpy(ret->key_id, key_id, sizeof ret->key_id);
    ecert_certificate_sha256(leaf, ret->csr_sha256);
    ret->state = ECERT_REQUEST_ISSUED;
    ret->created = ecert_clock_now();
    ret->generation = number;
    return ECERT_OK;
}

/* What is written of its copies: nothing if it was never backed up. */
static enum ecert_status read_copies(const char *state_dir, struct ecert_request *key,
                                     struct ecert_error *err)
{
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes text = {0};
    ECERT_AUTO(ecert_request_clear) struct ecert_request record = {0};
    ECERT_AUTO(ecert_auto_free) char *path = NULL;

    ECERT_TRY(record_path(state_dir, key, &path, err));
    const enum ecert_status status = ecert_fs_read(path, RECORD_MAX, &text, err);
    if (status == ECERT_E_NOT_FOUND) {
        *err = (struct ecert_error){0};
        return ECERT_OK;
    }
    ECERT_TRY(status);
    if (ecert_request_from_json(ecert_bytes_view(&text), path, &record, err) != ECERT_OK)
        return ecert_error_wrap(err, "move it away, and 'ecert backup' writes it again");
    if (memcmp(record.key_id, key->key_id, sizeof record.key_id) != 0)
        return ecert_error_set(err, ECERT_E_REFUSED,
                               "'%s' is of another key; move it away, and 'ecert backup' writes it "
                               "again",
                               path);
    key->created = record.created;
    key->backups = record.backups;
    key->n_backups = record.n_backups;
    record.backups = NULL;
    record.n_backups = 0;
    return ECERT_OK;
}

/* ---- those of a certificate ---- */

struct search {
    const struct ecert_config *config;
    const struct ecert_certificate_config *entry;
    const struct ecert_requests *requests;
    struct ecert_requests found;
};

/* One that cannot be read is told as such by `ecert check`, and has no key that can be named. */
static enum ecert_status look_at(struct search *search, unsigned number, struct ecert_error *err)
{
    const char *state_dir = search->config->state_dir, *name = search->entry->name;
    ECERT_AUTO(ecert_bundle_clear) struct ecert_bundle bundle = {0};
    ECERT_AUTO(ecert_request_clear) struct ecert_request key = {0};
    uint8_t key_id[ECERT_SHA256_LEN];
    struct ecert_error why = {0};

    if (number == 0)
        return ECERT_OK;
    if (ecert_store_load(state_dir, name, number, &bundle, &why) != ECERT_OK ||
        ecert_certificate_key_id(bundle.leaf, key_id, &why) != ECERT_OK)
        return why.status == ECERT_E_NOMEM ? ecert_error_nomem(err) : ECERT_OK;
    if (ecert_requests_of_key(search->requests, key_id) != NULL ||
        ecert_requests_of_key(&search->found, key_id) != NULL)
        return ECERT_OK;
    ECERT_TRY(fill(search->entry, number, bundle.leaf, key_id, &key, err));
    ECERT_TRY(read_copies(state_dir, &key, err));
    struct ecert_request *more =
        reallocarray(search->found.items, search->found.n + 1, sizeof *more);
    if (more == NULL)
        return ecert_error_nomem(err);
    search->found.items = more;
    more[search->found.n++] = key;
    key = (struct ecert_request){0};
    return ECERT_OK;
}

static enum ecert_status look_at_all(struct search *search, struct ecert_error *err)
{
    const char *state_dir = search->config->state_dir, *name = search->entry->name;
    unsigned newest = 0;

    ECERT_TRY(ecert_store_newest(state_dir, name, &newest, err));
    ECERT_TRY(look_at(search, newest, err));
    for (size_t i = 0; newest > 0 && i < search->entry->n_targets; i++) {
        ECERT_AUTO(ecert_target_state_clear) struct ecert_target_state state = {0};
        struct ecert_error ignored = {0}; /* told by `ecert status` */

        if (ecert_store_load_target(state_dir, name, search->entry->targets[i].id, &state,
                                    &ignored) == ECERT_OK &&
            state.actual != newest)
            ECERT_TRY(look_at(search, state.actual, err));
    }
    return ECERT_OK;
}

enum ecert_status ecert_backup_keys(const struct ecert_config *config,
                                    const struct ecert_certificate_config *entry,
                                    const struct ecert_requests *requests,
                                    struct ecert_requests *ret, struct ecert_error *err)
{
    struct search search = {.config = config, .entry = entry, .requests = requests};

    if (config->backup.wanted && entry->key.place != ECERT_KEY_IIS &&
        look_at_all(&search, err) != ECERT_OK) {
        ecert_requests_clear(&search.found);
        return err->status;
    }
    *ret = search.found;
    return ECERT_OK;
}

enum ecert_status ecert_backup_save(const char *state_dir, const struct ecert_request *request,
                                    struct ecert_error *err)
{
    const struct ecert_fs_owner owner = ecert_fs_own(0600);
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes json = {0};
    ECERT_AUTO(ecert_auto_free) char *folder = NULL;
    ECERT_AUTO(ecert_auto_free) char *path = NULL;

    if (!ecert_backup_is_of_key(request))
        return ecert_requests_save(state_dir, request, err);
    ECERT_TRY(ecert_store_path(state_dir, request->name, "keys", &folder, err));
    ECERT_TRY(ecert_store_make_folder(state_dir, request->name, folder, err));
    ECERT_TRY(record_path(state_dir, request, &path, err));
    ECERT_TRY(ecert_request_to_json(request, &json, err));
    return ecert_fs_replace(path, ecert_bytes_view(&json), &owner, err);
}

/* ---- at once ---- */

static enum ecert_status back_up(struct ecert_backup_kit *kit, const struct ecert_config *config,
                                 struct ecert_request *key, struct ecert_error *err)
{
    struct ecert_error saving = {0};
    const enum ecert_status status = ecert_backup_write(kit, config, key, err);

    if (key->n_backups > 0 && ecert_backup_save(config->state_dir, key, &saving) != ECERT_OK &&
        status == ECERT_OK) {
        *err = saving;
        return saving.status;
    }
    return status;
}

/* Has every place its copy?  Then nothing is opened that might not be there today. */
static bool has_all(const struct ecert_request *key, const struct ecert_strings *places)
{
    for (size_t i = 0; i < places->len; i++)
        if (ecert_backup_in(key, places->items[i]) == NULL)
            return false;
    return true;
}

enum ecert_status ecert_backup_new_keys(const struct ecert_config *config,
                                        const struct ecert_certificate_config *entry,
                                        struct ecert_error *err)
{
    ECERT_AUTO(ecert_requests_clear) struct ecert_requests requests = {0};
    ECERT_AUTO(ecert_requests_clear) struct ecert_requests keys = {0};
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings places = {0};
    ECERT_AUTO(ecert_backup_kit_close) struct ecert_backup_kit *kit = NULL;

    if (!config->backup.wanted)
        return ECERT_OK;
    ECERT_TRY(ecert_requests_load(config->state_dir, entry->name, &requests, err));
    ECERT_TRY(ecert_backup_keys(config, entry, &requests, &keys, err));
    ECERT_TRY(ecert_backup_places(config, &places, err));
    for (size_t i = 0; i < keys.n; i++) {
        if (has_all(&keys.items[i], &places))
            continue;
        if (kit == NULL)
            ECERT_TRY(ecert_backup_kit_open(config, &kit, err));
        ECERT_TRY(back_up(kit, config, &keys.items[i], err));
    }
    return ECERT_OK;
}
