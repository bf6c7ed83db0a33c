#include "core/flow/url_source.h"

#include <jansson.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fs.h"
#include "core/flow/decode.h"
#include "core/flow/inbox.h"
#include "core/flow/key.h"
#include "core/flow/silent.h"

#define TIMEOUT_MS 30000u
#define MEMO_MAX   ((size_t)64 << 10)

/* What is remembered of a URL whose content was taken. */
struct memo {
    char *path;
    char *etag, *modified;
};

static void memo_clear(struct memo *memo)
{
    free(memo->path);
    free(memo->etag);
    free(memo->modified);
}

static char *text_of(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));

    return value == NULL ? NULL : strdup(value);
}

static void auto_json(json_t **json)
{
    json_decref(*json);
}

/* A memo that is missing or damaged costs one unconditional request, nothing else. */
static enum ecert_status memo_load(struct ecert_context *context,
                                   const struct ecert_certificate_config *entry, struct memo *memo,
                                   struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *key = NULL;
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes bytes = {0};
    struct ecert_error ignored = {0};
    char hash[ECERT_SHA256_HEX_LEN];

    /* by certificate and URL: the same URL for another key is another question */
    ECERT_TRY(ecert_text_format(&key, err, "%s %s", entry->name, entry->source.url));
    ecert_sha256_hex(ecert_view_of(key), hash);
    ECERT_TRY(ecert_text_format(&memo->path, err, "%s/fetched/%s.json", context->config->state_dir,
                                hash));
    if (ecert_fs_read(memo->path, MEMO_MAX, &bytes, &ignored) != ECERT_OK)
        return ECERT_OK;
    ECERT_AUTO(auto_json) json_t *json = json_loadb((const char *)bytes.ptr, bytes.len, 0, NULL);
    memo->etag = text_of(json, "etag");
    memo->modified = text_of(json, "modified");
    return ECERT_OK;
}

static enum ecert_status memo_save(const struct memo *memo, const char *url,
                                   const struct ecert_fetched *fetched, struct ecert_error *err)
{
    const struct ecert_fs_owner owner = ecert_fs_own(0600);
    ECERT_AUTO(auto_json) json_t *json = json_object();
    ECERT_AUTO(ecert_auto_free) char *text = NULL;

    if (json_object_set_new(json, "url", json_string(url)) != 0 ||
        (fetched->etag != NULL &&
         json_object_set_new(json, "etag", json_string(fetched->etag)) != 0) ||
        (fetched->modified != NULL &&
         json_object_set_new(json, "modified", json_string(fetched->modified)) != 0) ||
        (text = json_dumps(json, JSON_INDENT(2))) == NULL)
        return ecert_error_nomem(err);
    return ecert_fs_replace(memo->path, ecert_view_of(text), &owner, err);
}

/* It may hold a private key. */
static void wipe_fetched(struct ecert_fetched *fetched)
{
    if (fetched->body.ptr != NULL)
        OPENSSL_cleanse(fetched->body.ptr, fetched->body.len);
    ecert_fetched_clear(fetched);
}

static enum ecert_status take(struct ecert_context *context,
                              const struct ecert_certificate_config *entry, struct memo *memo,
                              struct ecert_arrival *arrival, struct ecert_error *err)
{
    ECERT_AUTO(wipe_fetched) struct ecert_fetched fetched = {0};
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret password = {0};
    const struct ecert_fetch fetch = {
        .url = entry->source.url,
        .max_len = ECERT_DECODE_MAX_INPUT,
        .timeout_ms = TIMEOUT_MS,
        .ca_file = entry->source.ca_file,
        .etag = memo->etag,
        .modified = memo->modified,
    };

    if (fetch.ca_file != NULL) /* it may have been absent when the configuration was read */
        ECERT_TRY(ecert_fs_check_trusted(fetch.ca_file, err));
    ECERT_TRY(ecert_silent_fetch(&context->silent, &context->network, &fetch, &fetched, err));
    if (fetched.unchanged) {
        arrival->kind = ECERT_ARRIVAL_UNCHANGED;
        return ECERT_OK;
    }
    if (entry->source.password_file != NULL)
        ECERT_TRY(ecert_password_read(entry->source.password_file, &password, err));
    const struct ecert_intake_file file = {
        .bytes = ecert_bytes_view(&fetched.body),
        .passphrase = ecert_secret_view(&password),
        .origin = arrival->origin,
        .only = entry->name,
    };
    ECERT_TRY(ecert_intake(context, &file, &arrival->result, err));
    arrival->kind = ecert_arrival_of(&arrival->result);
    if (arrival->kind == ECERT_ARRIVAL_EARLY)
        return ECERT_OK;
    /* only now: a file that was not taken is asked for again in full */
    return memo_save(memo, entry->source.url, &fetched, err);
}

enum ecert_status ecert_url_take(struct ecert_context *context,
                                 const struct ecert_certificate_config *entry,
                                 struct ecert_arrivals *arrivals, struct ecert_error *err)
{
    ECERT_AUTO(memo_clear) struct memo memo = {0};
    struct ecert_arrival *arrival = NULL;

    ECERT_TRY(memo_load(context, entry, &memo, err));
    ECERT_TRY(ecert_arrivals_add(arrivals, entry->source.url, &arrival, err));
    if (take(context, entry, &memo, arrival, &arrival->error) != ECERT_OK) {
        arrival->kind = ECERT_ARRIVAL_FAILED;
        (void)ecert_error_wrap(&arrival->error, "%s", entry->name);
    }
    return ECERT_OK;
}
