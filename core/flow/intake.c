#include "core/flow/intake.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/fs.h"
#include "core/flow/certificate.h"
#include "core/flow/decode.h"
#include "core/flow/key.h"
#include "core/flow/store.h"

void ecert_intake_result_clear(struct ecert_intake_result *result)
{
    ecert_strings_clear(&result->notes);
    *result = (struct ecert_intake_result){0};
}

bool ecert_intake_is_final(enum ecert_status status)
{
    return status == ECERT_E_CRYPTO || status == ECERT_E_REFUSED || status == ECERT_E_NOT_FOUND;
}

/* ---- matching ---- */

/* What is looked for, gathered once per file. */
struct candidate {
    const struct ecert_decoded *decoded;
    X509 *leaf; /* borrowed from decoded */
    uint8_t key_id[ECERT_SHA256_LEN];
};

/* Does the file carry the leaf's key?  Its index, or -1. */
static int carried_key(const struct candidate *candidate)
{
    for (size_t i = 0; i < candidate->decoded->n_keys; i++)
        if (memcmp(candidate->decoded->key_ids[i], candidate->key_id, ECERT_SHA256_LEN) == 0)
            return (int)i;
    return -1;
}

/* *ret: this leaf belongs to this entry.  A key that cannot be read is a problem, not an end. */
static enum ecert_status belongs(struct ecert_context *context, const struct candidate *candidate,
                                 const struct ecert_certificate_config *entry, bool *ret,
                                 struct ecert_strings *notes, struct ecert_error *err)
{
    const uint8_t *id = NULL;

    *ret = false;
    switch (entry->key.place) {
    case ECERT_KEY_OURS:
        *ret =
            carried_key(candidate) >= 0 && ecert_certificate_covers(candidate->leaf, entry->name);
        return ECERT_OK;
    case ECERT_KEY_IIS: /* no key here to compare with: the name decides */
        *ret = ecert_certificate_covers(candidate->leaf, entry->name);
        return ECERT_OK;
    case ECERT_KEY_FILE:
        break;
    }
    ECERT_TRY(ecert_context_key_id(context, entry, &id, notes, err));
    *ret = memcmp(id, candidate->key_id, ECERT_SHA256_LEN) == 0;
    return ECERT_OK;
}

/* Entries are tried in two rounds: those whose name the leaf carries, then the others. */
static enum ecert_status look_through(struct ecert_context *context,
                                      const struct candidate *candidate, const char *only,
                                      bool named_round,
                                      const struct ecert_certificate_config **found,
                                      struct ecert_strings *problems, struct ecert_strings *notes,
                                      struct ecert_error *err)
{
    const struct ecert_config *config = context->config;

    for (size_t i = 0; i < config->n_certificates; i++) {
        const struct ecert_certificate_config *entry = &config->certificates[i];
        struct ecert_error why = {0};
        bool yes = false;

        if (only != NULL && strcmp(only, entry->name) != 0)
            continue;
        if (ecert_certificate_covers(candidate->leaf, entry->name) != named_round)
            continue;
        if (belongs(context, candidate, entry, &yes, notes, &why) != ECERT_OK) {
            ECERT_TRY(ecert_strings_printf(problems, err, "%s: %s", entry->name, why.text));
            continue;
        }
        if (yes && *found != NULL)
            return ecert_error_set(
                err, ECERT_E_REFUSED,
                "belongs to two certificates of the configuration, '%s' and '%s', which share a "
                "key; import it for one of them with --name",
                (*found)->name, entry->name);
        if (yes)
            *found = entry;
    }
    return ECERT_OK;
}

static enum ecert_status matches_none(const struct candidate *candidate,
                                      const struct ecert_strings *problems, struct ecert_error *err)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings names = {0};
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer text = {0};
    char serial[ECERT_SERIAL_HEX_LEN];

    ECERT_TRY(ecert_certificate_names(candidate->leaf, &names, err));
    ecert_certificate_serial(candidate->leaf, serial);
    for (size_t i = 0; i < names.len && i < 5; i++)
        ecert_buffer_printf(&text, "%s%s", i > 0 ? ", " : "", names.items[i]);
    if (names.len > 5)
        ecert_buffer_printf(&text, ", and %zu more", names.len - 5);
    for (size_t i = 0; i < problems->len; i++)
        ecert_buffer_printf(&text, "; a key could not be read: %s", problems->items[i]);
    /* a key that could not be read may be the one: worth another try */
    return ecert_error_set(
        err, problems->len > 0 ? ECERT_E_CONFIG : ECERT_E_NOT_FOUND,
        "matches no configured key: this certificate (serial %s) was issued for another key than "
        "those of the configuration; its names: %s",
        serial, text.ptr == NULL ? "none" : (const char *)text.ptr);
}

static enum ecert_status match(struct ecert_context *context, const struct candidate *candidate,
                               const char *only, const struct ecert_certificate_config **ret,
                               struct ecert_strings *notes, struct ecert_error *err)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings problems = {0};
    const struct ecert_certificate_config *found = NULL;

    ECERT_TRY(look_through(context, candidate, only, true, &found, &problems, notes, err));
    if (found == NULL)
        ECERT_TRY(look_through(context, candidate, only, false, &found, &problems, notes, err));
    if (found == NULL)
        return matches_none(candidate, &problems, err);
    *ret = found;
    return ECERT_OK;
}

/* ---- chain and checks ---- */

static enum ecert_status read_chain_file(const char *path, struct ecert_decoded *ret,
                                         struct ecert_error *err)
{
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes bytes = {0};

    if (ecert_fs_read(path, ECERT_DECODE_MAX_INPUT, &bytes, err) != ECERT_OK ||
        ecert_decode_certificates(ecert_bytes_view(&bytes), (struct ecert_view){0}, ret, err) !=
            ECERT_OK) {
        err->status = ECERT_E_CONFIG; /* the issued file is not to blame: it may be tried again */
        return ecert_error_wrap(err, "chain_file '%s'", path);
    }
    return ECERT_OK;
}

/*
 * The newest generation, for the check against going back; it need not be the deployed one, which a
 * rollback or a failure may have left behind.  Empty if there is none.
 */
static void load_newest(struct ecert_context *context, const struct ecert_certificate_config *entry,
                        struct ecert_bundle *ret)
{
    struct ecert_error ignored = {0};
    unsigned newest = 0;

    if (ecert_store_newest(context->config->state_dir, entry->name, &newest, &ignored) ==
            ECERT_OK &&
        newest > 0)
        (void)(ecert_store_load(context->config->state_dir, entry->name, newest, ret, &ignored) ==
               ECERT_OK);
}

/* What the checks look at, kept together because their input borrows it. */
struct examined {
    STACK_OF(X509) *chain;
    X509 *anchor;
    struct ecert_bundle newest;
    struct ecert_strings names;
};

static void examined_clear(struct examined *examined)
{
    ecert_auto_x509_stack(&examined->chain);
    ecert_auto_x509(&examined->anchor);
    ecert_bundle_clear(&examined->newest);
    ecert_strings_clear(&examined->names);
}

static enum ecert_status build_chain(struct ecert_context *context,
                                     const struct candidate *candidate,
                                     const struct ecert_certificate_config *entry,
                                     const struct ecert_authority *authority,
                                     const struct ecert_crls *crls, struct examined *examined,
                                     struct ecert_strings *notes, struct ecert_error *err)
{
    ECERT_AUTO(ecert_decoded_clear) struct ecert_decoded operator_file = {0};
    const struct ecert_chain_sources sources = {context->config->state_dir, &context->network};

    if (entry != NULL && entry->chain_file != NULL)
        ECERT_TRY(read_chain_file(entry->chain_file, &operator_file, err));
    const struct ecert_chain_request request = {
        .authority = authority,
        .leaf = candidate->leaf,
        .offered = candidate->decoded->certificates,
        .operator_file = operator_file.certificates,
        .cross_certificate = entry == NULL || entry->cross_certificate,
        .crls = crls,
    };
    const enum ecert_status status =
        ecert_chain_build(&request, &sources, &examined->chain, &examined->anchor, notes, err);
    if (status != ECERT_E_REFUSED)
        return status;
    /* only a revoked issuer is to be had: not the leaf's fault, and it may be mended tomorrow */
    err->status = ECERT_E_NETWORK;
    return err->status;
}

/* The issued file has nothing to do with this failure, so that it must not be a final one. */
static enum ecert_status not_to_blame(enum ecert_status instead, struct ecert_error *err)
{
    if (ecert_intake_is_final(err->status))
        err->status = instead;
    return err->status;
}

static enum ecert_status examine(struct ecert_context *context, const struct candidate *candidate,
                                 const struct ecert_certificate_config *entry,
                                 const char *authority_id, bool chain_may_fail,
                                 struct ecert_check_result *results, struct examined *examined,
                                 struct ecert_strings *notes, struct ecert_error *err)
{
    const struct ecert_authority *authority = NULL;
    const struct ecert_crls *crls = NULL;
    const uint8_t *key_id = NULL;

    if (entry != NULL)
        load_newest(context, entry, &examined->newest);
    /* a source that hands out the same file at every run must not make us ask at every run */
    const bool known =
        examined->newest.leaf != NULL && X509_cmp(examined->newest.leaf, candidate->leaf) == 0;
    if (ecert_context_authority(context, authority_id, &authority, err) != ECERT_OK ||
        ecert_context_crls(context, authority_id, known ? ECERT_CRL_AGE_KEPT : ECERT_CRL_AGE_NEW,
                           &crls, err) != ECERT_OK)
        return not_to_blame(ECERT_E_CONFIG, err);
    if (build_chain(context, candidate, entry, authority, crls, examined, notes, err) != ECERT_OK) {
        if (!chain_may_fail)
            return err->status;
        ECERT_TRY(ecert_strings_add(notes, err->text, err));
    }
    if (entry != NULL) {
        ECERT_TRY(ecert_strings_add(&examined->names, entry->name, err));
        ECERT_TRY(ecert_strings_add_all(&examined->names, ecert_strings_array(&entry->names), err));
        if (entry->key.place == ECERT_KEY_FILE)
            ECERT_TRY(ecert_context_key_id(context, entry, &key_id, notes, err));
        else if (entry->key.place == ECERT_KEY_OURS && carried_key(candidate) >= 0)
            key_id = candidate->decoded->key_ids[carried_key(candidate)];
    }
    const struct ecert_check_input input = {
        .authority = authority,
        .leaf = candidate->leaf,
        .chain = examined->chain,
        .anchor = examined->anchor,
        .key_id = key_id,
        .names = ecert_strings_array(&examined->names),
        .newest = examined->newest.leaf,
        .crls = crls,
        .allow = entry == NULL ? NULL : ecert_strings_array(&entry->allow),
        .now = ecert_clock_now(),
    };
    ecert_checks_run(&input, results);
    return ECERT_OK;
}

static enum ecert_status open_file(const struct ecert_intake_file *file,
                                   struct ecert_decoded *decoded, struct candidate *ret,
                                   struct ecert_error *err)
{
    struct candidate candidate = {.decoded = decoded};

    ECERT_TRY(ecert_decode_certificates(file->bytes, file->passphrase, decoded, err));
    ECERT_TRY(ecert_bundle_find_leaf(decoded->certificates, &candidate.leaf, err));
    ECERT_TRY(ecert_certificate_key_id(candidate.leaf, candidate.key_id, err));
    *ret = candidate;
    return ECERT_OK;
}

/* ---- storing ---- */

static enum ecert_status key_for(const struct ecert_certificate_config *entry,
                                 const struct candidate *candidate, struct ecert_secret *ret,
                                 struct ecert_strings *notes, struct ecert_error *err)
{
    uint8_t id[ECERT_SHA256_LEN];

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
            ecert_secret_view(&candidate->decoded->keys[carried_key(candidate)]), ret, err);
    case ECERT_KEY_IIS:
        break;
    }
    return ECERT_OK;
}

static enum ecert_status store(struct ecert_context *context, const struct ecert_intake_file *file,
                               const struct candidate *candidate, struct examined *examined,
                               struct ecert_intake_result *result, struct ecert_error *err)
{
    const struct ecert_certificate_config *entry = result->certificate;
    ECERT_AUTO(ecert_bundle_clear) struct ecert_bundle bundle = {0};
    ECERT_AUTO(ecert_generation_facts_clear) struct ecert_generation_facts facts = {0};
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings seen_before = {0};

    if (X509_up_ref(candidate->leaf) != 1)
        return ecert_error_openssl(err, ECERT_E_NOMEM, "keep the leaf");
    bundle.leaf = candidate->leaf;
    bundle.chain = examined->chain;
    examined->chain = NULL;
    /* its notes were made when the key was matched */
    ECERT_TRY(key_for(entry, candidate, &bundle.key_pem, &seen_before, err));

    ECERT_TRY(ecert_text_copy(ecert_view_of(file->origin), &facts.origin, err));
    ECERT_TRY(ecert_text_copy(ecert_view_of(entry->authority), &facts.authority, err));
    facts.imported = ecert_clock_now();
    ecert_certificate_sha256(bundle.leaf, facts.sha256);
    ecert_certificate_serial(bundle.leaf, facts.serial);
    facts.not_before = ecert_certificate_not_before(bundle.leaf);
    facts.not_after = ecert_certificate_not_after(bundle.leaf);
    ECERT_TRY(ecert_strings_add_all(&facts.notes, ecert_strings_array(&result->notes), err));
    ECERT_TRY(ecert_store_add(context->config->state_dir, entry->name, &bundle, &facts,
                              &result->added, err));
    result->generation = facts.number;
    result->not_after = facts.not_after;
    memcpy(result->sha256, facts.sha256, sizeof result->sha256);
    return ECERT_OK;
}

/* Does nothing stand against it but that its time has not come? */
static bool is_only_early(const struct ecert_check_result *results)
{
    bool early = false;

    for (size_t i = 0; i < ecert_checks_count(); i++) {
        if (results[i].outcome != ECERT_CHECK_FAILED || !results[i].fatal || results[i].allowed)
            continue;
        if (strcmp(results[i].id, "not-before") != 0)
            return false;
        early = true;
    }
    return early;
}

static enum ecert_status take(struct ecert_context *context, const struct ecert_intake_file *file,
                              struct ecert_check_result *results,
                              struct ecert_intake_result *result, struct ecert_error *err)
{
    ECERT_AUTO(ecert_decoded_clear) struct ecert_decoded decoded = {0};
    ECERT_AUTO(examined_clear) struct examined examined = {0};
    struct candidate candidate = {0};

    ECERT_TRY(open_file(file, &decoded, &candidate, err));
    ECERT_TRY(match(context, &candidate, file->only, &result->certificate, &result->notes, err));
    if (examine(context, &candidate, result->certificate, result->certificate->authority, false,
                results, &examined, &result->notes, err) != ECERT_OK)
        return ecert_error_wrap(err, "%s", result->certificate->name);
    if (ecert_checks_verdict(results, ecert_checks_count(), &result->notes, err) != ECERT_OK) {
        if (!is_only_early(results))
            return ecert_error_wrap(err, "%s", result->certificate->name);
        *err = (struct ecert_error){0}; /* a wrong clock, or tomorrow's certificate */
        result->early = ecert_certificate_not_before(candidate.leaf);
        result->not_after = ecert_certificate_not_after(candidate.leaf);
        ecert_certificate_sha256(candidate.leaf, result->sha256);
        return ECERT_OK;
    }
    if (store(context, file, &candidate, &examined, result, err) != ECERT_OK)
        return not_to_blame(ECERT_E_IO, err); /* the key file or our own store is the trouble */
    return ECERT_OK;
}

static void auto_results(struct ecert_check_result **results)
{
    ecert_auto_free(results);
}

enum ecert_status ecert_intake(struct ecert_context *context, const struct ecert_intake_file *file,
                               struct ecert_intake_result *ret, struct ecert_error *err)
{
    ECERT_AUTO(auto_results)
    struct ecert_check_result *results = calloc(ecert_checks_count(), sizeof *results);
    struct ecert_intake_result result = {0};

    if (results == NULL)
        return ecert_error_nomem(err);
    if (take(context, file, results, &result, err) != ECERT_OK) {
        ecert_intake_result_clear(&result);
        return err->status;
    }
    *ret = result;
    return ECERT_OK;
}

enum ecert_status ecert_intake_verify(struct ecert_context *context,
                                      const struct ecert_intake_file *file, const char *authority,
                                      struct ecert_check_result *results,
                                      const struct ecert_certificate_config **ret_certificate,
                                      struct ecert_strings *ret_notes, struct ecert_error *err)
{
    ECERT_AUTO(ecert_decoded_clear) struct ecert_decoded decoded = {0};
    ECERT_AUTO(examined_clear) struct examined examined = {0};
    const struct ecert_certificate_config *entry = NULL;
    struct candidate candidate = {0};

    ECERT_TRY(open_file(file, &decoded, &candidate, err));
    if (match(context, &candidate, file->only, &entry, ret_notes, err) != ECERT_OK)
        ECERT_TRY(ecert_strings_add(ret_notes, err->text, err));
    if (authority == NULL)
        authority = entry != NULL ? entry->authority : "system";
    ECERT_TRY(
        examine(context, &candidate, entry, authority, true, results, &examined, ret_notes, err));
    *ret_certificate = entry;
    return ECERT_OK;
}
