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
#include "core/flow/silent.h"
#include "core/flow/store.h"

#define TIMEOUT_MS     30000u
#define TRYING_MS      120000 /* of those that may be taken */
#define SHOWN          3      /* of those that were passed over */
#define DEFAULT_FILTER "(cn=%s)"

/* Certificates that were passed over for one reason. */
struct passed {
    size_t n;
    struct ecert_buffer first; /* their serials or entries */
};

/* A value that may be taken. */
struct choice {
    size_t i; /* of the value */
    int64_t from;
    bool is_early; /* not valid yet */
    bool is_known; /* it is the newest generation */
    char serial[ECERT_SERIAL_HEX_LEN];
};

/* What the values of a directory came to. */
struct sifting {
    struct ecert_context *context;
    const struct ecert_certificate_config *entry;
    const struct ecert_found *found;
    int64_t now;
    const struct ecert_bundle *newest; /* generation; leaf NULL: there is none */
    bool sets_limit;                   /* to the age of what may be taken: it is not unfit */
    struct passed broken, expired, foreign, older, refused;
    struct ecert_strings notes;
    struct choice *choices; /* room for all */
    size_t n_choices;
    struct ecert_error
        problem; /* the newest one's that was refused, or of a key that cannot be read */
};

static void sifting_clear(struct sifting *sifting)
{
    ecert_buffer_clear(&sifting->broken.first);
    ecert_buffer_clear(&sifting->expired.first);
    ecert_buffer_clear(&sifting->foreign.first);
    ecert_buffer_clear(&sifting->older.first);
    ecert_buffer_clear(&sifting->refused.first);
    free(sifting->choices);
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

static void consider(struct sifting *sifting, size_t i, X509 *leaf)
{
    X509 *const newest = sifting->newest->leaf;
    struct choice choice = {
        .i = i,
        .from = ecert_certificate_not_before(leaf),
        .is_known = newest != NULL && ecert_certificate_equal(leaf, newest),
    };

    choice.is_early = choice.from > sifting->now;
    ecert_certificate_serial(leaf, choice.serial);
    if (sifting->sets_limit && !choice.is_known &&
        choice.from < ecert_certificate_not_before(newest))
        pass_over(&sifting->older, choice.serial);
    else
        sifting->choices[sifting->n_choices++] = choice;
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
        consider(sifting, i, candidate.leaf);
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

    sifting->choices = calloc(found->n + 1, sizeof *sifting->choices);
    if (sifting->choices == NULL)
        return ecert_error_nomem(err);
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
                        struct ecert_bundle *ret, unsigned *ret_number, bool *ret_sets_limit)
{
    ECERT_AUTO(ecert_generation_facts_clear) struct ecert_generation_facts facts = {0};
    struct ecert_error ignored = {0};
    const char *state_dir = context->config->state_dir;

    if (ecert_store_newest(state_dir, entry->name, ret_number, &ignored) != ECERT_OK ||
        *ret_number == 0 ||
        ecert_store_facts(state_dir, entry->name, *ret_number, &facts, &ignored) != ECERT_OK ||
        ecert_store_load(state_dir, entry->name, *ret_number, ret, &ignored) != ECERT_OK)
        *ret_number = 0;
    *ret_sets_limit = *ret_number > 0 && facts.unfit == NULL;
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
    ECERT_TRY(ecert_silent_check(&context->silent, question.url, err));
    if (ecert_network_search(&context->network, &question, found, notes, err) != ECERT_OK)
        return ecert_silent_note(&context->silent, question.url, err);
    return ECERT_OK;
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

/* Valid ones first, the newest of them first. */
static int by_preference(const void *left, const void *right)
{
    const struct choice *a = left, *b = right;

    if (a->is_early != b->is_early)
        return a->is_early ? 1 : -1;
    if (a->from != b->from)
        return a->from > b->from ? -1 : 1;
    return a->i < b->i ? -1 : 1;
}

static void note_refused(struct sifting *sifting, const struct choice *choice,
                         const struct ecert_error *why)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer words = {0};

    if (sifting->refused.n == 0)
        sifting->problem = *why;
    ecert_buffer_printf(&words, "%s (%s)", choice->serial, why->text);
    ecert_buffer_add(&words, (struct ecert_view){(const uint8_t *)"", 1});
    pass_over(&sifting->refused, words.failed ? choice->serial : (const char *)words.ptr);
}

/*
 * Try one after the other until the intake takes one, or until it is what we have: a forged or a
 * revoked one with our public key hides nothing that stands beside it.  *ret: it is decided.
 */
static enum ecert_status try_all(struct sifting *sifting, struct ecert_arrival *arrival, bool *ret,
                                 struct ecert_error *err)
{
    const int64_t until = ecert_clock_monotonic_ms() + TRYING_MS;
    bool known = false;

    *ret = true;
    for (size_t k = 0; k < sifting->n_choices; k++) {
        const struct choice *choice = &sifting->choices[k];
        struct ecert_error why = {0};

        if (choice->is_known && !sifting->sets_limit)
            continue;
        known = known || choice->is_known;
        if (known && !choice->is_early) /* the rest is older, but for what is not valid yet */
            continue;
        if (ecert_clock_monotonic_ms() > until)
            (void)ecert_error_set(&why, ECERT_E_TIMEOUT,
                                  "not tried, those before it took too long");
        else if (take_in(sifting, choice->i, arrival, &why) == ECERT_OK)
            return ECERT_OK;
        if (why.status == ECERT_E_NOMEM)
            return ecert_error_nomem(err);
        note_refused(sifting, choice, &why);
    }
    *ret = false;
    return ECERT_OK;
}

static enum ecert_status fail(const struct sifting *sifting, struct ecert_error *err)
{
    *err = sifting->problem;
    if (sifting->refused.n > 1)
        return ecert_error_set(err, sifting->problem.status,
                               "%s; %zu more of the directory were refused", sifting->problem.text,
                               sifting->refused.n - 1);
    return err->status;
}

static enum ecert_status decide(struct sifting *sifting, unsigned newest,
                                struct ecert_arrival *arrival, struct ecert_error *err)
{
    bool done = false, known = false;

    qsort(sifting->choices, sifting->n_choices, sizeof *sifting->choices, by_preference);
    ECERT_TRY(try_all(sifting, arrival, &done, err));
    ECERT_TRY(note(sifting, &sifting->refused, "refused, serial", err));
    if (done)
        return ECERT_OK;
    for (size_t k = 0; k < sifting->n_choices; k++)
        known = known || sifting->choices[k].is_known;
    if (!known && sifting->problem.status != ECERT_OK)
        return fail(sifting, err);
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
                              .newest = &newest};
    unsigned number = 0;

    load_newest(context, entry, &newest, &number, &sifting.sets_limit);
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
