#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/clock.h"
#include "core/base/fs.h"
#include "core/issue/foresee.h"
#include "core/monitor/monitor_parts.h"
#include "core/monitor/thresholds.h"

#define TEXT_MAX ((size_t)4 << 20)
#define LEAF_MAX ((size_t)64 << 10) /* DER; one certificate of a server is below 4 KiB */

#define PEM_BEGIN "-----BEGIN CERTIFICATE-----\n"
#define PEM_END   "-----END CERTIFICATE-----\n"

/*
 * A chain certificate that newest generations serve.  Each is told once for all certificates whose
 * people and thresholds are the same: a thousand certificates of one CA have one chain.
 */
struct monitor_shown {
    const X509 *certificate;                   /* of a monitor_chain */
    const struct ecert_certificate_config *of; /* the first that serves it */
    size_t others;
    const struct monitor_chain *chain;
    int index;
    char *revoked; /* why; NULL: nothing is known against it */
};

static void chain_free(struct monitor_chain *chain)
{
    ecert_bytes_clear(&chain->text);
    ecert_auto_x509_stack(&chain->members);
    free(chain);
}

void monitor_certificates_clear(struct monitor *monitor)
{
    for (size_t i = 0; i < monitor->n_shown; i++)
        free(monitor->shown[i].revoked);
    free(monitor->shown);
    for (size_t i = 0; monitor->certificates != NULL && i < monitor->config->n_certificates; i++)
        ecert_generation_facts_clear(&monitor->certificates[i].newest);
    free(monitor->certificates);
    for (size_t i = 0; i < monitor->n_chains; i++)
        chain_free(monitor->chains[i]);
    free(monitor->chains);
}

/* ---- the files of a generation ---- */

/*
 * Is the first PEM block of `text` the leaf with this SHA-256?  *ret_rest is what stands behind it.
 * The store wrote the text: anything that does not look like its hand was changed.  Decoding the
 * certificate would take ten times as long, and say no more.
 */
static bool is_leaf(struct ecert_view text, const char *sha256, struct ecert_view *ret_rest)
{
    const size_t n_begin = strlen(PEM_BEGIN), n_end = strlen(PEM_END);
    const uint8_t *end = memmem(text.ptr, text.len, PEM_END, n_end);
    char is[ECERT_SHA256_HEX_LEN];
    uint8_t der[LEAF_MAX];
    int n = 0, rest = 0;

    if (end == NULL || text.len < n_begin || memcmp(text.ptr, PEM_BEGIN, n_begin) != 0 ||
        end < text.ptr + n_begin)
        return false;
    const size_t len = (size_t)(end - text.ptr) - n_begin;
    EVP_ENCODE_CTX *decoder = EVP_ENCODE_CTX_new();
    if (decoder == NULL || len > sizeof der)
        n = -1;
    if (n == 0) {
        EVP_DecodeInit(decoder);
        if (EVP_DecodeUpdate(decoder, der, &n, text.ptr + n_begin, (int)len) < 0 ||
            EVP_DecodeFinal(decoder, der + n, &rest) < 0)
            n = -1;
    }
    EVP_ENCODE_CTX_free(decoder);
    if (n <= 0)
        return false;
    ecert_sha256_hex((struct ecert_view){der, (size_t)(n + rest)}, is);
    ret_rest->ptr = end + n_end;
    ret_rest->len = text.len - (size_t)(ret_rest->ptr - text.ptr);
    return strcmp(is, sha256) == 0;
}

/* NULL: something in it is no certificate. */
static STACK_OF(X509) *decode(struct ecert_view text)
{
    ECERT_AUTO(ecert_auto_x509_stack) STACK_OF(X509) *members = sk_X509_new_null();
    BIO *bio = BIO_new_mem_buf(text.ptr, (int)text.len);
    X509 *certificate = NULL;
    bool good = members != NULL && bio != NULL;

    while (good && (certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
        good = sk_X509_push(members, certificate) > 0;
        if (!good)
            X509_free(certificate);
    }
    good = good && (text.len == 0 || ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE);
    ERR_clear_error();
    (void)BIO_free(bio);
    STACK_OF(X509) *ret = good ? members : NULL;
    if (good)
        members = NULL;
    return ret;
}

/* Those of neighbours in the configuration are mostly the same: the latest first. */
static const struct monitor_chain *find_chain(const struct monitor *monitor, struct ecert_view text)
{
    for (size_t i = monitor->n_chains; i > 0; i--)
        if (ecert_view_equal(ecert_bytes_view(&monitor->chains[i - 1]->text), text))
            return monitor->chains[i - 1];
    return NULL;
}

static enum ecert_status add_chain(struct monitor *monitor, struct monitor_chain *chain,
                                   struct ecert_error *err)
{
    struct monitor_chain **more =
        reallocarray(monitor->chains, monitor->n_chains + 1, sizeof *more);

    if (more == NULL)
        return ecert_error_nomem(err);
    monitor->chains = more;
    more[monitor->n_chains++] = chain;
    return ECERT_OK;
}

/* The chain that this text is; decoded if it is a new one. */
static enum ecert_status take_chain(struct monitor *monitor, struct ecert_view text,
                                    const struct monitor_chain **ret, struct ecert_error *err)
{
    const struct monitor_chain *known = find_chain(monitor, text);
    STACK_OF(X509) *members = known == NULL ? decode(text) : NULL;

    *ret = known;
    if (known != NULL)
        return ECERT_OK;
    if (members == NULL)
        return ecert_error_set(err, ECERT_E_CRYPTO, "its chain cannot be decoded");
    struct monitor_chain *chain = calloc(1, sizeof *chain);
    if (chain == NULL) {
        ecert_auto_x509_stack(&members);
        return ecert_error_nomem(err);
    }
    chain->members = members;
    if (ecert_bytes_copy(text, &chain->text, err) != ECERT_OK ||
        add_chain(monitor, chain, err) != ECERT_OK) {
        chain_free(chain);
        return err->status;
    }
    *ret = chain;
    return ECERT_OK;
}

enum ecert_status monitor_read_chain(struct monitor *monitor, const char *name,
                                     const struct ecert_generation_facts *facts,
                                     const struct monitor_chain **ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *path = NULL;
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes text = {0};
    struct ecert_view rest = {0};
    char sub[64];

    (void)snprintf(sub, sizeof sub, "generations/%04u/fullchain.pem", facts->number);
    ECERT_TRY(ecert_store_path(monitor->config->state_dir, name, sub, &path, err));
    ECERT_TRY(ecert_fs_read(path, TEXT_MAX, &text, err));
    if (!is_leaf(ecert_bytes_view(&text), facts->sha256, &rest))
        return ecert_error_set(err, ECERT_E_CRYPTO,
                               "'%s' was changed: it does not begin with the certificate that was "
                               "taken, whose SHA-256 is %s",
                               path, facts->sha256);
    if (take_chain(monitor, rest, ret, err) != ECERT_OK)
        return ecert_error_wrap(err, "'%s'", path);
    return ECERT_OK;
}

/* ---- chains ---- */

static bool same_settings(const struct ecert_watch_settings *a,
                          const struct ecert_watch_settings *b)
{
    return ecert_strings_equal(&a->contacts, &b->contacts) &&
           ecert_strings_equal(&a->escalation, &b->escalation) &&
           a->thresholds.n == b->thresholds.n &&
           (a->thresholds.n == 0 || memcmp(a->thresholds.items, b->thresholds.items,
                                           a->thresholds.n * sizeof *a->thresholds.items) == 0);
}

/* What the profile and the CRLs say against a chain certificate; NULL: nothing. */
static enum ecert_status find_against(const struct monitor *monitor, const char *authority_id,
                                      const struct monitor_chain *chain, int index, char **ret,
                                      struct ecert_error *err)
{
    const struct monitor_authority *authority = monitor_authority_of(monitor, authority_id);
    const struct ecert_authority *profile = NULL;

    if (authority == NULL) /* told already */
        return ECERT_OK;
    ECERT_TRY(ecert_context_authority(monitor->context, authority_id, &profile, err));
    const struct ecert_known_authority known = {profile, &authority->crls};
    return ecert_judge_issuer(&known, chain->members, index, ret, err);
}

static enum ecert_status show(struct monitor *monitor, const struct ecert_certificate_config *entry,
                              const struct monitor_chain *chain, int index, struct ecert_error *err)
{
    const X509 *certificate = sk_X509_value(chain->members, index);
    ECERT_AUTO(ecert_auto_free) char *revoked = NULL;

    for (size_t i = 0; i < monitor->n_shown; i++) {
        struct monitor_shown *shown = &monitor->shown[i];

        /* the same bytes in another chain are another object */
        if ((shown->certificate == certificate ||
             ecert_certificate_equal(shown->certificate, certificate)) &&
            strcmp(shown->of->authority, entry->authority) == 0 &&
            same_settings(&shown->of->settings, &entry->settings)) {
            shown->others++;
            return ECERT_OK;
        }
    }
    ECERT_TRY(find_against(monitor, entry->authority, chain, index, &revoked, err));
    struct monitor_shown *more = reallocarray(monitor->shown, monitor->n_shown + 1, sizeof *more);
    if (more == NULL)
        return ecert_error_nomem(err);
    monitor->shown = more;
    more[monitor->n_shown++] = (struct monitor_shown){.certificate = certificate,
                                                      .of = entry,
                                                      .chain = chain,
                                                      .index = index,
                                                      .revoked = revoked};
    revoked = NULL;
    return ECERT_OK;
}

enum ecert_status monitor_tell_chains(const struct monitor *monitor, struct ecert_error *err)
{
    for (size_t i = 0; i < monitor->n_shown; i++) {
        const struct monitor_shown *shown = &monitor->shown[i];
        ECERT_AUTO(ecert_finding_clear) struct ecert_finding finding = {0};

        if (shown->others == 0)
            ECERT_TRY(monitor_begin(ECERT_WATCHED_CHAIN, shown->of->name, &shown->of->settings,
                                    &finding, err, "chain of %s", shown->of->name));
        else
            ECERT_TRY(monitor_begin(ECERT_WATCHED_CHAIN, shown->of->name, &shown->of->settings,
                                    &finding, err, "chain of %s and %zu more", shown->of->name,
                                    shown->others));
        ECERT_TRY(monitor_describe(&finding, shown->certificate, err));
        if (shown->revoked != NULL) {
            finding.condition = ECERT_CONDITION_REVOKED;
            ECERT_TRY(monitor_detail(&finding, err, "%s", shown->revoked));
        }
        ECERT_TRY(monitor_tell(monitor, &finding, err));
    }
    return ECERT_OK;
}

/* ---- certificates ---- */

/* Its title is its name: that is what it was applied for, and what the leaf was checked for. */
static enum ecert_status begin(const struct ecert_certificate_config *entry, unsigned number,
                               struct ecert_finding *ret, struct ecert_error *err)
{
    if (number == 0)
        return monitor_begin(ECERT_WATCHED_CERTIFICATE, entry->name, &entry->settings, ret, err,
                             "no generation");
    return monitor_begin(ECERT_WATCHED_CERTIFICATE, entry->name, &entry->settings, ret, err,
                         "generation %u", number);
}

static enum ecert_status tell_broken(const struct monitor *monitor,
                                     const struct ecert_certificate_config *entry, unsigned number,
                                     const struct ecert_error *why, struct ecert_error *err)
{
    ECERT_AUTO(ecert_finding_clear) struct ecert_finding finding = {0};

    if (why->status == ECERT_E_NOMEM)
        return ecert_error_nomem(err);
    ECERT_TRY(begin(entry, number, &finding, err));
    finding.condition = monitor_condition_of(why->status);
    ECERT_TRY(monitor_detail(&finding, err, "%s", why->text));
    return monitor_tell(monitor, &finding, err);
}

/* The newest request that is pending; NULL: none.  Where that cannot be told, it is said by
 * monitor_requests(). */
static const struct ecert_request *find_pending(const struct monitor *monitor,
                                                const struct ecert_certificate_config *entry)
{
    struct ecert_requests *requests = NULL;
    struct ecert_error told_later = {0};

    if (ecert_context_requests(monitor->context, entry, &requests, &told_later) != ECERT_OK)
        return NULL;
    for (size_t i = requests->n; i-- > 0;)
        if (ecert_request_is_pending(&requests->items[i]))
            return &requests->items[i];
    return NULL;
}

/* Where `ecert request` makes none, nobody shall be told to run it. */
static enum ecert_status say_refusal(const struct monitor *monitor,
                                     const struct ecert_certificate_config *entry,
                                     struct ecert_finding *finding, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *refusal = NULL;

    /* who has not said who applies gets certificates in another way, and need not be told of rules
     */
    if (entry->key.place != ECERT_KEY_IIS && monitor->config->organization.name == NULL)
        return ECERT_OK;
    ECERT_TRY(ecert_foresee_refusal(monitor->context, entry, &refusal, err));
    if (refusal == NULL)
        return ECERT_OK;
    return monitor_detail(
        finding, err, "%s%s",
        entry->key.place == ECERT_KEY_IIS ? "" : "`ecert request` will refuse: ", refusal);
}

/* Of one that ends: the next may be asked for already. */
static enum ecert_status say_pending(const struct monitor *monitor,
                                     const struct ecert_certificate_config *entry,
                                     struct ecert_finding *finding, struct ecert_error *err)
{
    struct ecert_finding judged = *finding; /* borrowed texts, of which nothing is kept */
    const struct ecert_request *request = find_pending(monitor, entry);
    char date[ECERT_TIME_TEXT_LEN];

    ecert_finding_judge_dates(&judged, &monitor->config->reminders, monitor->now);
    if (finding->detail != NULL || (judged.condition != ECERT_CONDITION_EXPIRES &&
                                    judged.condition != ECERT_CONDITION_EXPIRED))
        return ECERT_OK;
    if (request == NULL)
        return say_refusal(monitor, entry, finding, err);
    ecert_clock_date(request->created, date);
    return monitor_detail(finding, err, "request %s is pending since %s", request->id, date);
}

static enum ecert_status tell_certificate(struct monitor *monitor,
                                          const struct ecert_certificate_config *entry,
                                          const struct monitor_certificate *certificate,
                                          struct ecert_error *err)
{
    const struct ecert_generation_facts *facts = &certificate->newest;
    const struct monitor_leaf leaf = {entry, facts, certificate->chain};
    ECERT_AUTO(ecert_finding_clear) struct ecert_finding finding = {0};
    enum ecert_revocation revoked = ECERT_REVOKED_NO;

    ECERT_TRY(begin(entry, facts->number, &finding, err));
    (void)snprintf(finding.serial, sizeof finding.serial, "%.*s", (int)sizeof finding.serial - 1,
                   facts->serial);
    memcpy(finding.sha256, facts->sha256, sizeof finding.sha256);
    finding.not_before = facts->not_before;
    finding.not_after = facts->not_after;
    if (certificate->chain != NULL)
        ECERT_TRY(monitor_revocation(monitor, &leaf, &revoked, err));
    if (revoked == ECERT_REVOKED_YES)
        finding.condition = ECERT_CONDITION_REVOKED;
    if (facts->unfit != NULL && revoked != ECERT_REVOKED_YES)
        ECERT_TRY(monitor_judge_adopted(monitor, entry, facts, &finding, err));
    ECERT_TRY(monitor_check_dates(&finding, err));
    ECERT_TRY(say_pending(monitor, entry, &finding, err));
    return monitor_tell(monitor, &finding, err);
}

/* What is on disk of the newest generation; what is not as it should be is told. */
static enum ecert_status look_at(struct monitor *monitor,
                                 const struct ecert_certificate_config *entry,
                                 struct monitor_certificate *certificate, struct ecert_error *err)
{
    const char *state_dir = monitor->config->state_dir;
    ECERT_AUTO(ecert_finding_clear) struct ecert_finding finding = {0};
    struct ecert_error why = {0}, why_key = {0};
    unsigned number = certificate->number; /* known already where there is a target */

    if (number == 0 && ecert_store_newest(state_dir, entry->name, &number, &why) != ECERT_OK)
        return tell_broken(monitor, entry, 0, &why, err);
    if (number == 0 && find_pending(monitor, entry) != NULL)
        return ECERT_OK; /* the request is told */
    if (number == 0) {
        ECERT_TRY(begin(entry, 0, &finding, err));
        finding.condition = ECERT_CONDITION_NOT_ISSUED;
        ECERT_TRY(say_refusal(monitor, entry, &finding, err));
        return monitor_tell(monitor, &finding, err);
    }
    if (ecert_store_facts(state_dir, entry->name, number, &certificate->newest, &why) != ECERT_OK)
        return tell_broken(monitor, entry, number, &why, err);
    if (monitor_read_chain(monitor, entry->name, &certificate->newest, &certificate->chain, &why) !=
        ECERT_OK)
        ECERT_TRY(tell_broken(monitor, entry, number, &why, err));
    if (monitor_check_key(monitor, entry, number, &why_key) != ECERT_OK)
        ECERT_TRY(tell_broken(monitor, entry, number, &why_key, err));
    ECERT_TRY(tell_certificate(monitor, entry, certificate, err));
    for (int i = 0; certificate->chain != NULL && i < sk_X509_num(certificate->chain->members); i++)
        ECERT_TRY(show(monitor, entry, certificate->chain, i, err));
    return ECERT_OK;
}

/* ---- subscriptions ---- */

/* "2027-06-30": until the end of that day. */
static bool read_day(const char *text, int64_t *ret)
{
    struct tm tm = {0};
    const char *end = strptime(text, "%Y-%m-%d", &tm);

    if (end == NULL || *end != '\0')
        return false;
    *ret = (int64_t)timegm(&tm) + 86399;
    return true;
}

static enum ecert_status tell_subscription(const struct monitor *monitor,
                                           const struct ecert_certificate_config *entry,
                                           struct ecert_error *err)
{
    ECERT_AUTO(ecert_finding_clear) struct ecert_finding finding = {0};

    if (entry->subscription_ends == NULL)
        return ECERT_OK;
    ECERT_TRY(monitor_begin(ECERT_WATCHED_SUBSCRIPTION, entry->name, &entry->settings, &finding,
                            err, "%s:%u", entry->file, entry->line));
    if (!read_day(entry->subscription_ends, &finding.not_after)) {
        finding.condition = ECERT_CONDITION_UNDECODABLE;
        ECERT_TRY(monitor_detail(&finding, err, "'%s' is no day", entry->subscription_ends));
    } else if (entry->key.place == ECERT_KEY_IIS) {
        ECERT_TRY(monitor_detail(&finding, err, "its key is made in IIS"));
    }
    return monitor_tell(monitor, &finding, err);
}

enum ecert_status monitor_choose(struct monitor *monitor, struct ecert_error *err)
{
    const struct ecert_config *config = monitor->config;

    monitor->certificates = calloc(config->n_certificates + 1, sizeof *monitor->certificates);
    if (monitor->certificates == NULL)
        return ecert_error_nomem(err);
    for (size_t i = 0; i < config->n_certificates; i++)
        monitor->certificates[i].wanted = monitor_wants(monitor, config->certificates[i].name);
    return ECERT_OK;
}

enum ecert_status monitor_certificates(struct monitor *monitor, struct ecert_error *err)
{
    const struct ecert_config *config = monitor->config;

    for (size_t i = 0; i < config->n_certificates; i++) {
        if (!monitor->certificates[i].wanted)
            continue;
        ECERT_TRY(look_at(monitor, &config->certificates[i], &monitor->certificates[i], err));
        ECERT_TRY(tell_subscription(monitor, &config->certificates[i], err));
    }
    return ECERT_OK;
}
