#include "core/flow/intake.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/fs.h"
#include "core/flow/certificate.h"
#include "core/flow/compare.h"
#include "core/flow/earlier.h"
#include "core/flow/intake_key.h"
#include "core/flow/kept_key.h"
#include "core/flow/match.h"
#include "core/flow/outdated.h"
#include "core/flow/refused.h"
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
 * rollback or a failure may have left behind.  Empty if there is none, or an adopted one that is
 * not the authority's: whatever comes from there may follow it.
 */
static void load_newest(struct ecert_context *context, const struct ecert_certificate_config *entry,
                        struct ecert_bundle *ret)
{
    ECERT_AUTO(ecert_generation_facts_clear) struct ecert_generation_facts facts = {0};
    struct ecert_error ignored = {0};
    unsigned newest = 0;

    if (ecert_store_newest(context->config->state_dir, entry->name, &newest, &ignored) ==
            ECERT_OK &&
        newest > 0 &&
        ecert_store_facts(context->config->state_dir, entry->name, newest, &facts, &ignored) ==
            ECERT_OK &&
        facts.unfit == NULL)
        (void)(ecert_store_load(context->config->state_dir, entry->name, newest, ret, &ignored) ==
               ECERT_OK);
}

/* What the checks look at, kept together because their input borrows it. */
struct examined {
    STACK_OF(X509) *chain;
    X509 *anchor;
    struct ecert_bundle newest;
    struct ecert_strings names;
    struct ecert_order order; /* borrows from request, configuration and `earlier` */
    char *earlier;
};

static void examined_clear(struct examined *examined)
{
    ecert_auto_x509_stack(&examined->chain);
    ecert_auto_x509(&examined->anchor);
    ecert_bundle_clear(&examined->newest);
    ecert_strings_clear(&examined->names);
    free(examined->earlier);
}

static enum ecert_status build_chain(struct ecert_context *context,
                                     const struct ecert_candidate *candidate,
                                     const struct ecert_certificate_config *entry,
                                     const struct ecert_authority *authority,
                                     const struct ecert_crls *crls, struct examined *examined,
                                     struct ecert_strings *notes, struct ecert_error *err)
{
    ECERT_AUTO(ecert_decoded_clear) struct ecert_decoded operator_file = {0};
    const struct ecert_chain_sources sources = {context->config->state_dir, &context->network,
                                                &context->silent};

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

/* Everything that was asked for: by the request, and by the configuration. */
static enum ecert_status collect_names(const struct ecert_match *match, struct ecert_strings *names,
                                       struct ecert_error *err)
{
    const struct ecert_certificate_config *entry = match->certificate;

    ECERT_TRY(ecert_strings_add(names, entry->name, err));
    ECERT_TRY(ecert_strings_add_all(names, ecert_strings_array(&entry->names), err));
    for (size_t i = 0; match->answers && i < match->request->names.len; i++)
        if (!ecert_strings_contain(names, match->request->names.items[i]))
            ECERT_TRY(ecert_strings_add(names, match->request->names.items[i], err));
    return ECERT_OK;
}

/* What was asked for at that time counts; a request that cannot be read says nothing. */
static struct ecert_order order_of(const struct ecert_config *config,
                                   const struct ecert_match *match)
{
    const struct ecert_request *request = match->request;

    if (match->answers && request->authority != NULL)
        return (struct ecert_order){.organization = request->organization,
                                    .chinese_organization = request->chinese_organization,
                                    .validation = request->validation,
                                    .configured_chinese = config->organization.chinese_name};
    return (struct ecert_order){.organization = config->organization.name,
                                .chinese_organization = config->organization.chinese_name,
                                .validation = match->certificate->validation};
}

/* The public key that it must have; NULL: not known on this host. */
static enum ecert_status expected_key(struct ecert_context *context,
                                      const struct ecert_candidate *candidate,
                                      const struct ecert_match *match, const uint8_t **ret,
                                      struct ecert_strings *notes, struct ecert_error *err)
{
    const struct ecert_certificate_config *entry = match->certificate;
    const int carried = ecert_candidate_carried_key(candidate);

    if (match->request != NULL)
        *ret = match->request->key_id;
    else if (entry->key.place == ECERT_KEY_FILE)
        return ecert_context_key_id(context, entry, ret, notes, err);
    else if (entry->key.place == ECERT_KEY_OURS && carried >= 0)
        *ret = candidate->decoded->key_ids[carried];
    return ECERT_OK;
}

static enum ecert_status examine(struct ecert_context *context,
                                 const struct ecert_candidate *candidate,
                                 const struct ecert_match *match, const char *authority_id,
                                 bool chain_may_fail, struct ecert_check_result *results,
                                 struct examined *examined, struct ecert_strings *notes,
                                 struct ecert_error *err)
{
    const struct ecert_authority *authority = NULL;
    const struct ecert_crls *crls = NULL;
    const struct ecert_certificate_config *entry = match->certificate;
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
        ECERT_TRY(collect_names(match, &examined->names, err));
        ECERT_TRY(expected_key(context, candidate, match, &key_id, notes, err));
        examined->order = order_of(context->config, match);
        ECERT_TRY(ecert_earlier_organization(context->config->state_dir, entry->name,
                                             candidate->leaf, &examined->earlier, err));
        examined->order.earlier = examined->earlier;
    }
    const struct ecert_check_input input = {
        .authority = authority,
        .leaf = candidate->leaf,
        .chain = examined->chain,
        .anchor = examined->anchor,
        .key_id = key_id,
        .names = ecert_strings_array(&examined->names),
        .requested = match->answers,
        .order = &examined->order,
        .newest = examined->newest.leaf,
        .crls = crls,
        .allow = entry == NULL ? NULL : ecert_strings_array(&entry->allow),
        .now = ecert_clock_now(),
    };
    ecert_checks_run(&input, results);
    return ECERT_OK;
}

static enum ecert_status open_file(struct ecert_context *context,
                                   const struct ecert_intake_file *file,
                                   struct ecert_decoded *decoded, struct ecert_candidate *ret,
                                   struct ecert_error *err)
{
    struct ecert_candidate candidate = {.decoded = decoded};

    if (ecert_decode_certificates(file->bytes, file->passphrase, decoded, err) != ECERT_OK) {
        if (err->status == ECERT_E_CRYPTO)
            ECERT_TRY(ecert_match_csr(context, file->bytes, err));
        return err->status;
    }
    ECERT_TRY(ecert_bundle_find_leaf(decoded->certificates, &candidate.leaf, err));
    ECERT_TRY(ecert_certificate_key_id(candidate.leaf, candidate.key_id, err));
    *ret = candidate;
    return ECERT_OK;
}

/* ---- storing ---- */

/*
 * The request is answered.  A run that ends before this finds the same leaf at its next try, as the
 * newest generation, and comes here again.
 */
static enum ecert_status mark_issued(const struct ecert_config *config,
                                     struct ecert_request *request,
                                     struct ecert_intake_result *result, struct ecert_error *err)
{
    if (request->state == ECERT_REQUEST_ISSUED && request->generation == result->generation)
        return ECERT_OK;
    if (request->authority == NULL) /* its request.json is damaged: told, and left alone */
        return ecert_strings_printf(&result->notes, err,
                                    "request %s cannot be marked as issued: %s", request->id,
                                    request->problem);
    struct ecert_request answered = *request; /* borrows what it does not change */
    answered.state = ECERT_REQUEST_ISSUED;
    answered.closed = ecert_clock_now();
    answered.generation = result->generation;
    ECERT_TRY(ecert_requests_save(config->state_dir, &answered, err));
    *request = answered;
    return ECERT_OK;
}

static enum ecert_status store(struct ecert_context *context, const struct ecert_intake_file *file,
                               const struct ecert_candidate *candidate,
                               const struct ecert_match *match, struct examined *examined,
                               struct ecert_intake_result *result, struct ecert_error *err)
{
    const struct ecert_certificate_config *entry = match->certificate;
    ECERT_AUTO(ecert_bundle_clear) struct ecert_bundle bundle = {0};
    ECERT_AUTO(ecert_generation_facts_clear) struct ecert_generation_facts facts = {0};
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings seen_before = {0};

    if (X509_up_ref(candidate->leaf) != 1)
        return ecert_error_openssl(err, ECERT_E_NOMEM, "keep the leaf");
    bundle.leaf = candidate->leaf;
    bundle.chain = examined->chain;
    examined->chain = NULL;
    /* its notes were made when the key was matched */
    ECERT_TRY(intake_key(context->config, match, candidate, &bundle.key_pem, &seen_before, err));
    ECERT_TRY(ecert_kept_key_make(context->config->state_dir, entry, candidate->key_id,
                                  &bundle.key_pem, err));

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
    return match->answers ? mark_issued(context->config, match->request, result, err) : ECERT_OK;
}

/* All of them: the sentence of the check shows a few. */
static void list_missing(const struct ecert_intake_file *file, const X509 *leaf,
                         const struct ecert_strings *names)
{
    struct ecert_error ignored = {0};

    for (size_t i = 0; file->missing != NULL && i < names->len; i++)
        if (!ecert_certificate_covers(leaf, names->items[i]))
            (void)!ecert_strings_add(file->missing, names->items[i], &ignored);
}

/* Who waits for it shall see that it came; that this cannot be written changes nothing. */
static void remember(const struct ecert_config *config, const struct ecert_intake_file *file,
                     const struct ecert_match *match, const struct ecert_error *why)
{
    struct ecert_error ignored = {0};

    if (match->answers && ecert_request_is_pending(match->request) &&
        match->request->authority != NULL)
        (void)!ecert_refused_remember(config->state_dir, match->request, file->origin, why->text,
                                      &ignored);
}

/* Does nothing stand against it but this check? */
static bool failed_only(const struct ecert_check_result *results, const char *id)
{
    bool failed = false;

    for (size_t i = 0; i < ecert_checks_count(); i++) {
        if (results[i].outcome != ECERT_CHECK_FAILED || !results[i].fatal || results[i].allowed)
            continue;
        if (strcmp(results[i].id, id) != 0)
            return false;
        failed = true;
    }
    return failed;
}

static enum ecert_status take(struct ecert_context *context, const struct ecert_intake_file *file,
                              struct ecert_check_result *results,
                              struct ecert_intake_result *result, struct ecert_error *err)
{
    ECERT_AUTO(ecert_decoded_clear) struct ecert_decoded decoded = {0};
    ECERT_AUTO(examined_clear) struct examined examined = {0};
    struct ecert_candidate candidate = {0};
    struct ecert_match match = {0};

    ECERT_TRY(open_file(context, file, &decoded, &candidate, err));
    ECERT_TRY(ecert_match_find(context, &candidate, file->only, &match, &result->notes, err));
    result->certificate = match.certificate;
    if (intake_check_request(context->config, &match, &candidate, &result->notes, err) !=
        ECERT_OK) {
        (void)not_to_blame(ECERT_E_CONFIG, err);
        return ecert_error_wrap(err, "%s", result->certificate->name);
    }
    if (examine(context, &candidate, &match, match.certificate->authority, false, results,
                &examined, &result->notes, err) != ECERT_OK)
        return ecert_error_wrap(err, "%s", result->certificate->name);
    if (ecert_checks_verdict(results, ecert_checks_count(), &result->notes, err) != ECERT_OK) {
        struct ecert_error why = {0};
        bool older = false;

        if (failed_only(results, "newer") &&
            ecert_outdated_take(context->config, candidate.leaf, &match, result, &older, &why) !=
                ECERT_OK) {
            *err = why;
            return not_to_blame(ECERT_E_IO, err);
        }
        if (older) {
            *err = (struct ecert_error){0};
            return ECERT_OK;
        }
        if (!failed_only(results, "not-before")) {
            list_missing(file, candidate.leaf, &examined.names);
            remember(context->config, file, &match, err);
            return ecert_error_wrap(err, "%s", result->certificate->name);
        }
        *err = (struct ecert_error){0}; /* a wrong clock, or tomorrow's certificate */
        result->early = ecert_certificate_not_before(candidate.leaf);
        result->not_after = ecert_certificate_not_after(candidate.leaf);
        ecert_certificate_sha256(candidate.leaf, result->sha256);
        return ECERT_OK;
    }
    bool known = false;
    if (ecert_outdated_take_tied(context->config, candidate.leaf, &match, result, &known, err) !=
        ECERT_OK)
        return not_to_blame(ECERT_E_IO, err);
    if (known)
        return ECERT_OK;
    if (store(context, file, &candidate, &match, &examined, result, err) != ECERT_OK)
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
    struct ecert_candidate candidate = {0};
    struct ecert_match match = {0};

    ECERT_TRY(open_file(context, file, &decoded, &candidate, err));
    if (ecert_match_find(context, &candidate, file->only, &match, ret_notes, err) != ECERT_OK ||
        intake_check_request(context->config, &match, &candidate, ret_notes, err) != ECERT_OK)
        ECERT_TRY(ecert_strings_add(ret_notes, err->text, err));
    if (authority == NULL)
        authority = match.certificate != NULL ? match.certificate->authority : "system";
    ECERT_TRY(
        examine(context, &candidate, &match, authority, true, results, &examined, ret_notes, err));
    *ret_certificate = match.certificate;
    return ECERT_OK;
}
