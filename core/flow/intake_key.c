#include "core/flow/intake_key.h"

#include <string.h>

#include "core/flow/kept_key.h"
#include "core/flow/key.h"

/* Where else the key of a request may be: the way out for one that is lost. */
static enum ecert_status no_key_of(const struct ecert_request *request, struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer backups = {0};

    for (size_t i = 0; i < request->n_backups; i++)
        ecert_buffer_printf(&backups, "%s'%s'", i > 0 ? ", " : "", request->backups[i].path);
    const struct ecert_error why = *err;
    return ecert_error_set(err, why.status, "it was issued for request %s: %s%s%s", request->id,
                           why.text, backups.len > 0 ? "; its backups: " : "; it has no backup",
                           backups.len > 0 ? (const char *)backups.ptr : "");
}

/* The key of an entry's key.file, if it is this one. */
static bool is_in_key_file(const struct ecert_certificate_config *entry,
                           const uint8_t key_id[ECERT_SHA256_LEN], struct ecert_secret *ret,
                           struct ecert_strings *notes)
{
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret key = {0};
    struct ecert_error ignored = {0};
    uint8_t id[ECERT_SHA256_LEN];

    if (entry->key.place != ECERT_KEY_FILE ||
        ecert_key_load(&entry->key, &key, id, notes, &ignored) != ECERT_OK ||
        memcmp(id, key_id, sizeof id) != 0)
        return false;
    *ret = key;
    key = (struct ecert_secret){0};
    return true;
}

/*
 * The very key of a request from elsewhere: the file itself carries it, key.file has it, or a
 * generation does (the same certificate once more).  *words says where; NULL: it is nowhere.
 */
static enum ecert_status key_elsewhere(const struct ecert_config *config,
                                       const struct ecert_match *match,
                                       const struct ecert_candidate *candidate,
                                       struct ecert_secret *ret, char **words,
                                       struct ecert_strings *notes, struct ecert_error *err)
{
    const struct ecert_certificate_config *entry = match->certificate;
    const int carried = ecert_candidate_carried_key(candidate);
    struct ecert_error none = {0};
    unsigned number = 0;

    if (carried >= 0) {
        ECERT_TRY(
            ecert_secret_copy(ecert_secret_view(&candidate->decoded->keys[carried]), ret, err));
        return ecert_text_format(words, err, "that in the issued file");
    }
    if (is_in_key_file(entry, candidate->key_id, ret, notes))
        return ecert_text_format(words, err, "that in '%s'", entry->key.file);
    if (ecert_kept_key_find(config->state_dir, entry, candidate->key_id, ret, &number, &none) ==
        ECERT_OK)
        return ecert_text_format(words, err, "that of generation %u", number);
    return ECERT_OK;
}

/*
 * The key for a request that has it no more: lost, another one, or damaged.  A key that others may
 * touch is not one of these: it is not to be used, wherever it comes from.
 */
static enum ecert_status replace_key(const struct ecert_config *config,
                                     const struct ecert_match *match,
                                     const struct ecert_candidate *candidate,
                                     struct ecert_secret *ret, struct ecert_strings *notes,
                                     struct ecert_error *err)
{
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret key = {0};
    ECERT_AUTO(ecert_auto_free) char *where = NULL;
    struct ecert_error other = {0};

    if (err->status != ECERT_E_NOT_FOUND && err->status != ECERT_E_CHANGED &&
        err->status != ECERT_E_CRYPTO)
        return no_key_of(match->request, err);
    if (key_elsewhere(config, match, candidate, &key, &where, notes, &other) != ECERT_OK ||
        where == NULL)
        return no_key_of(match->request, err);
    ECERT_TRY(
        ecert_strings_printf(notes, err,
                             "the private key of request %s cannot be used any more (%s); %s, "
                             "which is the same, is used",
                             match->request->id, err->text, where));
    *ret = key;
    key = (struct ecert_secret){0};
    *err = (struct ecert_error){0};
    return ECERT_OK;
}

/* Before anything is fetched and checked: what cannot be had makes the rest useless. */
enum ecert_status intake_check_request(const struct ecert_config *config,
                                       const struct ecert_match *match,
                                       const struct ecert_candidate *candidate,
                                       struct ecert_strings *notes, struct ecert_error *err)
{
    const struct ecert_request *request = match->request;
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret key = {0};

    if (request == NULL)
        return ECERT_OK;
    if (ecert_requests_key_file(config->state_dir, request, &key, err) != ECERT_OK)
        ECERT_TRY(replace_key(config, match, candidate, &key, notes, err));
    if (!match->answers)
        return ECERT_OK;
    return ecert_strings_printf(notes, err, "it was issued for request %s%s", request->id,
                                request->state == ECERT_REQUEST_CANCELLED
                                    ? ", which was cancelled; it is taken nevertheless"
                                    : "");
}

enum ecert_status intake_key(const struct ecert_config *config, const struct ecert_match *match,
                             const struct ecert_candidate *candidate, struct ecert_secret *ret,
                             struct ecert_strings *notes, struct ecert_error *err)
{
    const struct ecert_certificate_config *entry = match->certificate;
    uint8_t id[ECERT_SHA256_LEN];

    if (match->request != NULL) {
        if (ecert_requests_key(config->state_dir, match->request, &entry->key, ret, err) ==
            ECERT_OK)
            return ECERT_OK;
        return replace_key(config, match, candidate, ret, notes, err);
    }
    switch (entry->key.place) {
    case ECERT_KEY_FILE:
        ECERT_TRY(ecert_key_load(&entry->key, ret, id, notes, err));
        if (memcmp(id, candidate->key_id, sizeof id) == 0)
            return ECERT_OK;
        return ecert_error_set(err, ECERT_E_CHANGED,
                               "the private key '%s' was replaced while the certificate was looked "
                               "at; run the command again",
                               entry->key.file);
    case ECERT_KEY_OURS:
        return ecert_secret_copy(
            ecert_secret_view(&candidate->decoded->keys[ecert_candidate_carried_key(candidate)]),
            ret, err);
    case ECERT_KEY_IIS:
        break;
    }
    return ECERT_OK;
}
