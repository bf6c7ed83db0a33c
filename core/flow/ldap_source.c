#include "core/flow/ldap_source.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/fs.h"
#include "core/flow/bundle.h"
#include "core/flow/certificate.h"
#include "core/flow/decode.h"
#include "core/flow/inbox.h"
#include "core/flow/key.h"
#include "core/flow/match.h"
#include "core/flow/store.h"

#define TIMEOUT_MS     30000u
#define MAX_VALUES     500 /* each is decoded in a child of its own */
#define SHOWN          3   /* of those that were passed over */
#define DEFAULT_FILTER "(cn=%s)"

/* Certificates that were passed over for one reason. */
struct passed {
    size_t n;
    struct ecert_buffer first; /* their serials or entries */
};

/* What the values of a directory came to. */
struct sifting {
    struct ecert_context *context;
    const struct ecert_certificate_config *entry;
    const struct ecert_found *found;
    int64_t now;
    const struct ecert_bundle *newest; /* generation; leaf NULL: there is none */
    struct passed broken, expired, foreign, older;
    struct ecert_strings notes;
    ssize_t best, early; /* index of the newest that is valid, that is not yet; -1: none */
    int64_t best_from, early_from;
    bool best_known;            /* it is the newest generation */
    struct ecert_error problem; /* a key could not be read that may be the one */
};

static void sifting_clear(struct sifting *sifting)
{
    ecert_buffer_clear(&sifting->broken.first);
    ecert_buffer_clear(&sifting->expired.first);
    ecert_buffer_clear(&sifting->foreign.first);
    ecert_buffer_clear(&sifting->older.first);
    ecert_strings_clear(&sifting->notes);
}

/* ---- the filter ---- */

static void add_escaped(struct ecert_buffer *filter, const char *value)
{
    for (; *value != '\0'; value++) {
        const unsigned char c = (unsigned char)*value;

        if (c < 0x20 || c > 0x7e || strchr("*()\\", c) != NULL)
            ecert_buffer_printf(filter, "\\%02x", c);
        else
            ecert_buffer_printf(filter, "%c", c);
    }
}

enum ecert_status ecert_ldap_filter(const char *filter, const char *name, char **ret,
                                    struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer made = {0};
    const char *rest = filter == NULL ? DEFAULT_FILTER : filter;

    for (const char *mark; (mark = strstr(rest, "%s")) != NULL; rest = mark + 2) {
        ecert_buffer_add(&made, (struct ecert_view){(const uint8_t *)rest, (size_t)(mark - rest)});
        add_escaped(&made, name);
    }
    ecert_buffer_add_text(&made, rest);
    if (made.failed)
        return ecert_error_nomem(err);
    return ecert_text_copy(ecert_buffer_view(&made), ret, err);
}

/* ---- one value ---- */

static void pass_over(struct passed *passed, const char *what)
{
    if (passed->n++ < SHOWN)
        ecert_buffer_printf(&passed->first, "%s%s", passed->n > 1 ? ", " : "", what);
}

static bool is_repeated(const struct ecert_found *found, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (ecert_view_equal(ecert_bytes_view(&found->items[i]),
                             ecert_bytes_view(&found->items[k])))
            return true;
    return false;
}

/* Is it for a key of ours?  A key that cannot be read may be the one: that is told, if none is. */
static enum ecert_status is_ours(struct sifting *sifting, const struct ecert_candidate *candidate,
                                 bool *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings ignored = {0}; /* the intake says them */
    struct ecert_match match = {0};
    struct ecert_error why = {0};

    const enum ecert_status status =
        ecert_match_find(sifting->context, candidate, sifting->entry->name, &match, &ignored, &why);
    *ret = status == ECERT_OK;
    if (status == ECERT_E_NOMEM) {
        *err = why;
        return status;
    }
    if (status != ECERT_OK && status != ECERT_E_NOT_FOUND && sifting->problem.status == ECERT_OK)
        sifting->problem = why;
    return ECERT_OK;
}

static void compare(struct sifting *sifting, size_t i, X509 *leaf)
{
    const int64_t from = ecert_certificate_not_before(leaf);
    X509 *const newest = sifting->newest->leaf;
    const bool known = newest != NULL && ecert_certificate_equal(leaf, newest);

    if (from > sifting->now) {
        if (sifting->early < 0 || from > sifting->early_from) {
            sifting->early = (ssize_t)i;
            sifting->early_from = from;
        }
        return;
    }
    if (newest != NULL && !known && from < ecert_certificate_not_before(newest)) {
        char serial[ECERT_SERIAL_HEX_LEN];

        ecert_certificate_serial(leaf, serial);
        pass_over(&sifting->older, serial);
        return;
    }
    if (sifting->best < 0 || from > sifting->best_from) {
        sifting->best = (ssize_t)i;
        sifting->best_from = from;
        sifting->best_known = known;
    }
}

static enum ecert_status sift_one(struct sifting *sifting, size_t i, struct ecert_error *err)
{
    ECERT_AUTO(ecert_decoded_clear) struct ecert_decoded decoded = {0};
    char serial[ECERT_SERIAL_HEX_LEN];
    struct ecert_error why = {0};
    bool ours = false;

    if (ecert_decode_certificates(ecert_bytes_view(&sifting->found->items[i]),
                                  (struct ecert_view){0}, &decoded, &why) != ECERT_OK ||
        strcmp(decoded.form, "DER") != 0) {
        pass_over(&sifting->broken, sifting->found->entries[i]);
        return why.status == ECERT_E_NOMEM ? ecert_error_nomem(err) : ECERT_OK;
    }
    struct ecert_candidate candidate = {.decoded = &decoded,
                                        .leaf = sk_X509_value(decoded.certificates, 0)};
    ecert_certificate_serial(candidate.leaf, serial);
    if (ecert_certificate_not_after(candidate.leaf) < sifting->now) {
        pass_over(&sifting->expired, serial);
        return ECERT_OK;
    }
    ECERT_TRY(ecert_certificate_key_id(candidate.leaf, candidate.key_id, err));
    ECERT_TRY(is_ours(sifting, &candidate, &ours, err));
    if (ours)
        compare(sifting, i, candidate.leaf);
    else
        pass_over(&sifting->foreign, serial);
    return ECERT_OK;
}

/* ---- all of them ---- */

static enum ecert_status note(struct sifting *sifting, const struct passed *passed,
                              const char *words, struct ecert_error *err)
{
    if (passed->first.failed)
        return ecert_error_nomem(err);
    if (passed->n == 0)
        return ECERT_OK;
    return ecert_strings_printf(&sifting->notes, err, "passed over in the directory: %zu %s %.*s%s",
                                passed->n, words, (int)passed->first.len,
                                (const char *)passed->first.ptr, passed->n > SHOWN ? ", ..." : "");
}

static enum ecert_status sift(struct sifting *sifting, struct ecert_error *err)
{
    const struct ecert_found *found = sifting->found;

    if (found->n > MAX_VALUES)
        return ecert_error_set(err, ECERT_E_REFUSED,
                               "'%s' has %zu certificates for '%s' (limit %d); narrow 'base' or "
                               "'filter'",
                               sifting->entry->source.url, found->n, sifting->entry->name,
                               MAX_VALUES);
    for (size_t i = 0; i < found->n; i++)
        if (!is_repeated(found, i))
            ECERT_TRY(sift_one(sifting, i, err));
    ECERT_TRY(note(sifting, &sifting->broken, "not a certificate, at", err));
    ECERT_TRY(note(sifting, &sifting->expired, "expired, serial", err));
    ECERT_TRY(note(sifting, &sifting->older, "older than the newest one taken, serial", err));
    return note(sifting, &sifting->foreign, "for another key, serial", err);
}

/* The newest generation; empty if there is none, or none that can be read: the intake will say. */
static void load_newest(struct ecert_context *context, const struct ecert_certificate_config *entry,
                        struct ecert_bundle *ret, unsigned *ret_number)
{
    struct ecert_error ignored = {0};
    const char *state_dir = context->config->state_dir;

    if (ecert_store_newest(state_dir, entry->name, ret_number, &ignored) != ECERT_OK ||
        *ret_number == 0 ||
        ecert_store_load(state_dir, entry->name, *ret_number, ret, &ignored) != ECERT_OK)
        *ret_number = 0;
}

static enum ecert_status search(struct ecert_context *context,
                                const struct ecert_certificate_config *entry,
                                struct ecert_found *found, struct ecert_strings *notes,
                                struct ecert_error *err)
{
    const struct ecert_source_config *source = &entry->source;
    ECERT_AUTO(ecert_auto_free) char *filter = NULL;
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret password = {0};

    ECERT_TRY(ecert_ldap_filter(source->filter, entry->name, &filter, err));
    if (source->ca_file != NULL) /* it may have been absent when the configuration was read */
        ECERT_TRY(ecert_fs_check_trusted(source->ca_file, err));
    if (source->bind_password_file != NULL)
        ECERT_TRY(ecert_password_read(source->bind_password_file, &password, err));
    const struct ecert_search question = {
        .url = source->url,
        .base = source->base,
        .filter = filter,
        .bind_dn = source->bind_dn,
        .password = ecert_secret_view(&password),
        .ca_file = source->ca_file,
        .max_len = ECERT_DECODE_MAX_INPUT,
        .timeout_ms = TIMEOUT_MS,
    };
    return ecert_network_search(&context->network, &question, found, notes, err);
}

static enum ecert_status take_in(struct sifting *sifting, size_t i, struct ecert_arrival *arrival,
                                 struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *origin = NULL;

    ECERT_TRY(
        ecert_text_format(&origin, err, "%s: %s", arrival->origin, sifting->found->entries[i]));
    const struct ecert_intake_file file = {
        .bytes = ecert_bytes_view(&sifting->found->items[i]),
        .origin = origin,
        .only = sifting->entry->name,
    };
    if (ecert_intake(sifting->context, &file, &arrival->result, err) != ECERT_OK)
        return ecert_error_wrap(err, "%s", sifting->found->entries[i]);
    arrival->kind = ecert_arrival_of(&arrival->result);
    return ECERT_OK;
}

static enum ecert_status decide(struct sifting *sifting, unsigned newest,
                                struct ecert_arrival *arrival, struct ecert_error *err)
{
    if (sifting->best >= 0 && !sifting->best_known)
        return take_in(sifting, (size_t)sifting->best, arrival, err);
    if (sifting->early >= 0)
        return take_in(sifting, (size_t)sifting->early, arrival, err);
    if (sifting->best < 0 && sifting->problem.status != ECERT_OK) {
        *err = sifting->problem;
        return err->status;
    }
    arrival->kind = ECERT_ARRIVAL_UNCHANGED;
    arrival->result.certificate = sifting->entry;
    arrival->result.generation = newest;
    if (sifting->newest->leaf != NULL) {
        ecert_certificate_sha256(sifting->newest->leaf, arrival->result.sha256);
        arrival->result.not_after = ecert_certificate_not_after(sifting->newest->leaf);
    }
    return ECERT_OK;
}

static enum ecert_status take(struct ecert_context *context,
                              const struct ecert_certificate_config *entry,
                              struct ecert_arrival *arrival, struct ecert_error *err)
{
    ECERT_AUTO(ecert_found_clear) struct ecert_found found = {0};
    ECERT_AUTO(ecert_bundle_clear) struct ecert_bundle newest = {0};
    ECERT_AUTO(sifting_clear)
    struct sifting sifting = {.context = context,
                              .entry = entry,
                              .found = &found,
                              .now = ecert_clock_now(),
                              .newest = &newest,
                              .best = -1,
                              .early = -1};
    unsigned number = 0;

    load_newest(context, entry, &newest, &number);
    ECERT_TRY(search(context, entry, &found, &sifting.notes, err));
    ECERT_TRY(sift(&sifting, err));
    ECERT_TRY(decide(&sifting, number, arrival, err));
    return ecert_strings_add_all(&arrival->result.notes, ecert_strings_array(&sifting.notes), err);
}

enum ecert_status ecert_ldap_take(struct ecert_context *context,
                                  const struct ecert_certificate_config *entry,
                                  struct ecert_arrivals *arrivals, struct ecert_error *err)
{
    struct ecert_arrival *arrival = NULL;

    ECERT_TRY(ecert_arrivals_add(arrivals, entry->source.url, &arrival, err));
    if (take(context, entry, arrival, &arrival->error) != ECERT_OK) {
        arrival->kind = ECERT_ARRIVAL_FAILED;
        (void)ecert_error_wrap(&arrival->error, "%s", entry->name);
    }
    return ECERT_OK;
}
