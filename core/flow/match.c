#include "core/flow/match.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/flow/certificate.h"
#include "core/flow/decode_forms.h"
#include "core/flow/requests_left.h"
#include "core/flow/store.h"

#define NAMES_SHOWN    5
#define REQUESTS_SHOWN 3

/* A CA may date a certificate back a little, and the two clocks need not agree. */
#define BACKDATED_MAX ((int64_t)2 * 86400)

int ecert_candidate_carried_key(const struct ecert_candidate *candidate)
{
    for (size_t i = 0; i < candidate->decoded->n_keys; i++)
        if (memcmp(candidate->decoded->key_ids[i], candidate->key_id, ECERT_SHA256_LEN) == 0)
            return (int)i;
    return -1;
}

static bool is_left_out(const char *only, const struct ecert_certificate_config *entry)
{
    return only != NULL && strcmp(only, entry->name) != 0;
}

static enum ecert_status is_shared(const struct ecert_certificate_config *a,
                                   const struct ecert_certificate_config *b,
                                   struct ecert_error *err)
{
    return ecert_error_set(err, ECERT_E_REFUSED,
                           "belongs to two certificates of the configuration, '%s' and '%s', which "
                           "share a key; import it for one of them with --name",
                           a->name, b->name);
}

/* ---- requests ---- */

/* A request whose files are damaged so that nobody knows whose key it has may be the one. */
static enum ecert_status note_unknown(const struct ecert_requests *requests,
                                      struct ecert_strings *problems, struct ecert_error *err)
{
    static const uint8_t unknown[ECERT_SHA256_LEN];

    for (size_t i = 0; i < requests->n; i++)
        if (memcmp(requests->items[i].key_id, unknown, sizeof unknown) == 0)
            ECERT_TRY(ecert_strings_printf(problems, err, "%s: request %s: %s",
                                           requests->items[i].name, requests->items[i].id,
                                           requests->items[i].problem));
    return ECERT_OK;
}

/* The requests with this key: the one that comes first, and the entry of another as good as it. */
struct found_request {
    struct ecert_match match;
    const struct ecert_certificate_config *as_good;
    bool covered; /* the leaf carries the entry's name */
};

static enum ecert_status find_request(struct ecert_context *context,
                                      const struct ecert_candidate *candidate, const char *only,
                                      struct found_request *ret, struct ecert_strings *problems,
                                      struct ecert_error *err)
{
    const struct ecert_config *config = context->config;
    unsigned best = 0;

    for (size_t i = 0; i < config->n_certificates; i++) {
        const struct ecert_certificate_config *entry = &config->certificates[i];
        struct ecert_requests *requests = NULL;
        struct ecert_error why = {0};

        if (is_left_out(only, entry) || entry->key.place == ECERT_KEY_IIS)
            continue;
        if (ecert_context_requests(context, entry, &requests, &why) != ECERT_OK) {
            ECERT_TRY(ecert_strings_printf(problems, err, "%s: %s", entry->name, why.text));
            continue;
        }
        ECERT_TRY(note_unknown(requests, problems, err));
        const struct ecert_request *request = ecert_requests_of_key(requests, candidate->key_id);
        if (request == NULL)
            continue;
        const bool covered = ecert_certificate_covers(candidate->leaf, entry->name);
        const unsigned rank =
            1u + (covered ? 4u : 0) + (ecert_request_is_pending(request) ? 2u : 0);
        if (rank == best)
            ret->as_good = entry;
        if (rank <= best)
            continue;
        best = rank;
        *ret = (struct found_request){
            .match = {.certificate = entry, .request = &requests->items[request - requests->items]},
            .covered = covered};
    }
    return ECERT_OK;
}

/* When this leaf came first, in whatever generation: a later one may have another chain. */
static bool came_before(const struct ecert_config *config, const char *name, const X509 *leaf,
                        int64_t moment)
{
    struct ecert_error ignored = {0};
    char sha256[ECERT_SHA256_HEX_LEN];
    unsigned newest = 0;

    ecert_certificate_sha256(leaf, sha256);
    if (ecert_store_newest(config->state_dir, name, &newest, &ignored) != ECERT_OK)
        return false;
    for (unsigned number = 1; number <= newest; number++) {
        ECERT_AUTO(ecert_generation_facts_clear) struct ecert_generation_facts facts = {0};

        if (ecert_store_facts(config->state_dir, name, number, &facts, &ignored) == ECERT_OK &&
            strcmp(facts.sha256, sha256) == 0 && facts.imported <= moment)
            return true;
    }
    return false;
}

/*
 * With `policy = "reuse"` a key has several certificates: an earlier one, which a source hands out
 * at every run or which was never taken here, does not answer a request that was made after it.
 */
static bool is_earlier(const struct ecert_config *config, const struct ecert_match *match,
                       const struct ecert_candidate *candidate)
{
    const struct ecert_request *request = match->request;

    return request->reused &&
           (ecert_certificate_not_before(candidate->leaf) < request->created - BACKDATED_MAX ||
            came_before(config, match->certificate->name, candidate->leaf, request->created));
}

/* ---- configured keys ---- */

/* *ret: this leaf belongs to this entry.  A key that cannot be read is a problem, not an end. */
static enum ecert_status belongs(struct ecert_context *context,
                                 const struct ecert_candidate *candidate,
                                 const struct ecert_certificate_config *entry, bool *ret,
                                 struct ecert_strings *notes, struct ecert_error *err)
{
    const uint8_t *id = NULL;

    *ret = false;
    switch (entry->key.place) {
    case ECERT_KEY_OURS:
        *ret = ecert_candidate_carried_key(candidate) >= 0 &&
               ecert_certificate_covers(candidate->leaf, entry->name);
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

/*
 * Entries are tried in two rounds: those whose name the leaf carries, then the others.
 * `with_key`: a name alone is not enough.
 */
static enum ecert_status look_through(struct ecert_context *context,
                                      const struct ecert_candidate *candidate, const char *only,
                                      bool named_round, bool with_key,
                                      const struct ecert_certificate_config **found,
                                      struct ecert_strings *problems, struct ecert_strings *notes,
                                      struct ecert_error *err)
{
    const struct ecert_config *config = context->config;

    for (size_t i = 0; i < config->n_certificates; i++) {
        const struct ecert_certificate_config *entry = &config->certificates[i];
        struct ecert_error why = {0};
        bool yes = false;

        if (is_left_out(only, entry) || (with_key && entry->key.place == ECERT_KEY_IIS))
            continue;
        if (ecert_certificate_covers(candidate->leaf, entry->name) != named_round)
            continue;
        if (belongs(context, candidate, entry, &yes, notes, &why) != ECERT_OK) {
            ECERT_TRY(ecert_strings_printf(problems, err, "%s: %s", entry->name, why.text));
            continue;
        }
        if (yes && *found != NULL)
            return is_shared(*found, entry, err);
        if (yes)
            *found = entry;
    }
    return ECERT_OK;
}

/* ---- nobody's ---- */

/*
 * Requests that wait for a certificate of these names: it was issued for another key than theirs.
 * Where none waits, the one that it belongs to may have been lost with its folder.
 */
static void say_waiting(struct ecert_context *context, const struct ecert_candidate *candidate,
                        const char *only, struct ecert_buffer *text)
{
    const struct ecert_config *config = context->config;
    bool is_ours = false;
    size_t n = 0;

    for (size_t i = 0; i < config->n_certificates; i++) {
        const struct ecert_certificate_config *entry = &config->certificates[i];
        struct ecert_requests *requests = NULL;
        struct ecert_error ignored = {0};

        if (is_left_out(only, entry) || !ecert_certificate_covers(candidate->leaf, entry->name))
            continue;
        is_ours = true;
        if (ecert_context_requests(context, entry, &requests, &ignored) != ECERT_OK)
            continue;
        for (size_t k = 0; k < requests->n; k++) {
            const struct ecert_request *request = &requests->items[k];
            if (!ecert_request_is_pending(request) || n++ >= REQUESTS_SHOWN)
                continue;
            ecert_buffer_printf(text, "%s %s of '%s'",
                                n == 1 ? "; it was issued for another key than that of request"
                                       : ",",
                                request->id, request->name);
        }
    }
    if (n > REQUESTS_SHOWN)
        ecert_buffer_printf(text, " and %zu more", n - REQUESTS_SHOWN);
    if (n > 0)
        ecert_buffer_add_text(text, "; if its key is in a backup, put it back with 'ecert "
                                    "restore', else give the CA the CSR of the request");
    else if (is_ours && config->backup.wanted)
        ecert_buffer_add_text(text, "; if its request was lost, put it back from the backup with "
                                    "'ecert restore' and drop the file again");
}

/*
 * The request of a certificate that has no entry any more.  While it is waited for the file may be
 * taken as soon as the entry is back, and is worth another try.
 */
static enum ecert_status find_left(struct ecert_context *context,
                                   const struct ecert_candidate *candidate, struct ecert_error *err)
{
    ECERT_AUTO(ecert_requests_clear) struct ecert_requests left = {0};
    ECERT_AUTO(ecert_auto_free) char *sub = NULL;
    ECERT_AUTO(ecert_auto_free) char *folder = NULL;
    const struct ecert_config *config = context->config;
    struct ecert_error ignored = {0};

    if (ecert_requests_left(config, &left, &ignored) != ECERT_OK)
        return ignored.status == ECERT_E_NOMEM ? ecert_error_nomem(err) : ECERT_OK;
    const struct ecert_request *request = ecert_requests_of_key(&left, candidate->key_id);
    if (request == NULL)
        return ECERT_OK;
    ECERT_TRY(ecert_text_format(&sub, err, "requests/%s", request->id));
    ECERT_TRY(ecert_store_path(config->state_dir, request->name, sub, &folder, err));
    return ecert_error_set(
        err, ecert_request_is_pending(request) ? ECERT_E_CONFIG : ECERT_E_NOT_FOUND,
        "answers request %s of '%s' ('%s'), which has no entry in the configuration any more: "
        "write "
        "its entry (name = \"%s\") into '%s' again, and the certificate is taken",
        request->id, request->name, folder, request->name, config->file);
}

static enum ecert_status matches_none(struct ecert_context *context,
                                      const struct ecert_candidate *candidate, const char *only,
                                      const struct ecert_strings *problems, struct ecert_error *err)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings names = {0};
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer text = {0};
    char serial[ECERT_SERIAL_HEX_LEN];

    ECERT_TRY(ecert_certificate_names(candidate->leaf, &names, err));
    ecert_certificate_serial(candidate->leaf, serial);
    if (names.len == 0)
        ecert_buffer_add_text(&text, "none");
    for (size_t i = 0; i < names.len && i < NAMES_SHOWN; i++)
        ecert_buffer_printf(&text, "%s%s", i > 0 ? ", " : "", names.items[i]);
    if (names.len > NAMES_SHOWN)
        ecert_buffer_printf(&text, ", and %zu more", names.len - NAMES_SHOWN);
    say_waiting(context, candidate, only, &text);
    for (size_t i = 0; i < problems->len; i++)
        ecert_buffer_printf(&text, "; a key could not be read: %s", problems->items[i]);
    if (text.failed)
        return ecert_error_nomem(err);
    /* a key that could not be read may be the one: worth another try */
    return ecert_error_set(
        err, problems->len > 0 ? ECERT_E_CONFIG : ECERT_E_NOT_FOUND,
        "matches no configured key: this certificate (serial %s) was issued for another key than "
        "those of the configuration and its requests; its names: %s",
        serial, (const char *)text.ptr);
}

enum ecert_status ecert_match_find(struct ecert_context *context,
                                   const struct ecert_candidate *candidate, const char *only,
                                   struct ecert_match *ret, struct ecert_strings *ret_notes,
                                   struct ecert_error *err)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings problems = {0};
    struct found_request found = {0};
    struct ecert_match match = {0};

    ECERT_TRY(find_request(context, candidate, only, &found, &problems, err));
    if (!found.covered)
        ECERT_TRY(look_through(context, candidate, only, true, found.match.request != NULL,
                               &match.certificate, &problems, ret_notes, err));
    if (match.certificate == NULL)
        match = found.match;
    if (match.request != NULL && found.as_good != NULL)
        return is_shared(match.certificate, found.as_good, err);
    if (match.certificate == NULL)
        ECERT_TRY(look_through(context, candidate, only, false, false, &match.certificate,
                               &problems, ret_notes, err));
    if (match.certificate == NULL)
        ECERT_TRY(find_left(context, candidate, err));
    if (match.certificate == NULL)
        return matches_none(context, candidate, only, &problems, err);
    match.answers = match.request != NULL && !is_earlier(context->config, &match, candidate);
    *ret = match;
    return ECERT_OK;
}

/* ---- the CSR itself ---- */

/* What stands between the lines of the first CSR of a text; len 0: there is none. */
static struct ecert_view csr_block(struct ecert_view text)
{
    static const char head[] = "CERTIFICATE REQUEST-----";
    static const char tail[] = "-----END ";
    const uint8_t *begin = memmem(text.ptr, text.len, head, sizeof head - 1);

    if (begin == NULL)
        return (struct ecert_view){0};
    begin += sizeof head - 1;
    const size_t left = (size_t)(text.ptr + text.len - begin);
    const uint8_t *end = memmem(begin, left, tail, sizeof tail - 1);
    return (struct ecert_view){begin, end == NULL ? left : (size_t)(end - begin)};
}

static void auto_encode_context(EVP_ENCODE_CTX **context)
{
    EVP_ENCODE_CTX_free(*context);
}

/* SHA-256 of the DER, without looking into it: it is a stranger's until it is known. */
static bool digest_of_csr(struct ecert_view file, char ret[ECERT_SHA256_HEX_LEN])
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer storage = {0};
    ECERT_AUTO(ecert_auto_free) unsigned char *der = NULL;
    ECERT_AUTO(auto_encode_context) EVP_ENCODE_CTX *context = NULL;
    struct ecert_error ignored = {0};
    struct ecert_view text = {0};
    int n = 0, rest = 0;

    if (file.len > ECERT_DECODE_MAX_INPUT ||
        ecert_decode_plain_text(file, &storage, &text, &ignored) != ECERT_OK || text.len == 0)
        return false;
    const struct ecert_view block = csr_block(text);
    if (block.len == 0) {
        ecert_sha256_hex(file, ret);
        return true;
    }
    context = EVP_ENCODE_CTX_new();
    der = malloc(block.len + 1);
    if (context == NULL || der == NULL)
        return false;
    EVP_DecodeInit(context);
    if (EVP_DecodeUpdate(context, der, &n, block.ptr, (int)block.len) < 0 ||
        EVP_DecodeFinal(context, der + n, &rest) < 0)
        return false;
    ecert_sha256_hex((struct ecert_view){der, (size_t)(n + rest)}, ret);
    return true;
}

/* The one with this digest: what has become of it is what the sentence says. */
static enum ecert_status is_csr_of(const struct ecert_requests *requests, const char *digest,
                                   struct ecert_error *err)
{
    char day[ECERT_TIME_TEXT_LEN];

    for (size_t i = 0; i < requests->n; i++) {
        const struct ecert_request *request = &requests->items[i];

        if (strcmp(request->csr_sha256, digest) != 0)
            continue;
        ecert_clock_date(request->closed, day);
        if (request->state == ECERT_REQUEST_ISSUED)
            return ecert_error_set(err, ECERT_E_REFUSED,
                                   "this is the request %s of '%s' itself (a CSR), and its "
                                   "certificate came back on %s (generation %u): nothing is to be "
                                   "done with it",
                                   request->id, request->name, day, request->generation);
        if (request->state == ECERT_REQUEST_CANCELLED)
            return ecert_error_set(err, ECERT_E_REFUSED,
                                   "this is the request %s of '%s' itself (a CSR), which was given "
                                   "up on %s: nothing is to be done with it",
                                   request->id, request->name, day);
        return ecert_error_set(err, ECERT_E_REFUSED,
                               "this is the request %s of '%s' itself (a CSR): paste it on the "
                               "CA's page; the certificate comes back from there",
                               request->id, request->name);
    }
    return ECERT_OK;
}

enum ecert_status ecert_match_csr(struct ecert_context *context, struct ecert_view file,
                                  struct ecert_error *err)
{
    ECERT_AUTO(ecert_requests_clear) struct ecert_requests left = {0};
    const struct ecert_config *config = context->config;
    struct ecert_error ignored = {0};
    char digest[ECERT_SHA256_HEX_LEN];

    if (!digest_of_csr(file, digest))
        return ECERT_OK;
    for (size_t i = 0; i < config->n_certificates; i++) {
        struct ecert_requests *requests = NULL;

        if (ecert_context_requests(context, &config->certificates[i], &requests, &ignored) ==
            ECERT_OK)
            ECERT_TRY(is_csr_of(requests, digest, err));
    }
    if (ecert_requests_left(config, &left, &ignored) != ECERT_OK)
        return ECERT_OK;
    return is_csr_of(&left, digest, err);
}
