#include <openssl/x509v3.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/flow/certificate.h"
#include "core/flow/checks_rows.h"

#define ONE_DAY ((int64_t)24 * 60 * 60)

enum ecert_check_outcome ecert_check_key_match(const struct ecert_check_input *input,
                                               struct ecert_check_result *result)
{
    uint8_t id[ECERT_SHA256_LEN];
    struct ecert_error why = {0};

    if (input->key_id == NULL)
        return ecert_check_say(result, ECERT_CHECK_SKIPPED, "the key is not on this host");
    if (ecert_certificate_key_id(input->leaf, id, &why) != ECERT_OK)
        return ecert_check_say(result, ECERT_CHECK_FAILED, "%s", why.text);
    if (memcmp(id, input->key_id, sizeof id) != 0)
        return ecert_check_say(result, ECERT_CHECK_FAILED,
                               "the certificate was issued for another key than the configured "
                               "one; use the key that its request was made with");
    return ECERT_CHECK_PASSED;
}

/* Both ends belong to the validity (RFC 5280, 4.1.2.5). */
enum ecert_check_outcome ecert_check_not_before(const struct ecert_check_input *input,
                                                struct ecert_check_result *result)
{
    const int64_t from = ecert_certificate_not_before(input->leaf);
    char text[ECERT_TIME_TEXT_LEN];

    if (input->now >= from)
        return ECERT_CHECK_PASSED;
    ecert_clock_text(from, text);
    return ecert_check_say(result, ECERT_CHECK_FAILED,
                           "the certificate is valid from %s only; wait, or set the clock right",
                           text);
}

enum ecert_check_outcome ecert_check_not_after(const struct ecert_check_input *input,
                                               struct ecert_check_result *result)
{
    const int64_t until = ecert_certificate_not_after(input->leaf);
    char text[ECERT_TIME_TEXT_LEN];

    if (input->now <= until)
        return ECERT_CHECK_PASSED;
    ecert_clock_text(until, text);
    return ecert_check_say(result, ECERT_CHECK_FAILED,
                           "the certificate expired at %s; ask the CA for a new one", text);
}

/*
 * Issued later is newer.  The end alone proves nothing: the permitted lifetime shrinks, and a
 * replacement within a subscription ends with it, so an emergency replacement may well end before
 * what it replaces.
 */
enum ecert_check_outcome ecert_check_newer(const struct ecert_check_input *input,
                                           struct ecert_check_result *result)
{
    char ours[ECERT_TIME_TEXT_LEN], theirs[ECERT_TIME_TEXT_LEN];

    if (input->newest == NULL)
        return ecert_check_say(result, ECERT_CHECK_SKIPPED, "none has been taken yet");
    if (ecert_certificate_equal(input->leaf, input->newest))
        return ecert_check_say(result, ECERT_CHECK_PASSED, "it is the newest one that was taken");
    const int64_t from = ecert_certificate_not_before(input->leaf);
    const int64_t newest_from = ecert_certificate_not_before(input->newest);
    const int64_t until = ecert_certificate_not_after(input->leaf);
    const int64_t newest_until = ecert_certificate_not_after(input->newest);
    if (from < newest_from) {
        ecert_clock_text(from, ours);
        ecert_clock_text(newest_from, theirs);
        return ecert_check_say(result, ECERT_CHECK_FAILED,
                               "the certificate was issued at %s, before the newest one taken (%s)",
                               ours, theirs);
    }
    if (until >= newest_until)
        return ECERT_CHECK_PASSED;
    ecert_clock_text(until, ours);
    ecert_clock_text(newest_until, theirs);
    if (from > newest_from)
        return ecert_check_say(result, ECERT_CHECK_PASSED,
                               "issued later than the newest one taken, though it ends earlier: at "
                               "%s, not at %s",
                               ours, theirs);
    return ecert_check_say(result, ECERT_CHECK_FAILED,
                           "the certificate ends at %s, before the newest one taken (%s)", ours,
                           theirs);
}

/* OpenSSL fills in its cache of extensions on first use: the object is not const for it. */
static X509 *opened(const X509 *certificate)
{
    return (X509 *)(uintptr_t)certificate;
}

enum ecert_check_outcome ecert_check_leaf_is_server(const struct ecert_check_input *input,
                                                    struct ecert_check_result *result)
{
    X509 *leaf = opened(input->leaf);

    if (ecert_certificate_is_ca(leaf))
        return ecert_check_say(result, ECERT_CHECK_FAILED,
                               "the certificate is a CA's, not a server's");
    /* UINT32_MAX where the extension is absent: then nothing is ruled out (RFC 5280, 4.2.1.12) */
    if ((X509_get_extended_key_usage(leaf) & XKU_SSL_SERVER) == 0)
        return ecert_check_say(result, ECERT_CHECK_FAILED,
                               "the extended key usage of the certificate has no serverAuth: it is "
                               "not for TLS servers");
    if ((X509_get_key_usage(leaf) & (KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT)) == 0)
        return ecert_check_say(result, ECERT_CHECK_FAILED,
                               "the key usage of the certificate has neither digitalSignature nor "
                               "keyEncipherment: TLS cannot use it");
    return ECERT_CHECK_PASSED;
}

enum ecert_check_outcome ecert_check_leaf_revoked(const struct ecert_check_input *input,
                                                  struct ecert_check_result *result)
{
    X509 *issuer = sk_X509_num(input->chain) > 0 ? sk_X509_value(input->chain, 0) : input->anchor;
    char title[ECERT_CHECK_TITLE_LEN], serial[ECERT_SERIAL_HEX_LEN];

    if (input->authority->crls.len == 0)
        return ecert_check_say(result, ECERT_CHECK_SKIPPED,
                               "the profile of the authority names no CRL");
    if (issuer == NULL)
        return ecert_check_say(result, ECERT_CHECK_UNKNOWN, "there is no issuer");
    ecert_check_title(issuer, title);
    switch (ecert_crls_look_up(input->crls, input->leaf, issuer)) {
    case ECERT_REVOKED_NO:
        return ECERT_CHECK_PASSED;
    case ECERT_REVOKED_UNKNOWN:
        return ecert_check_say(result, ECERT_CHECK_UNKNOWN,
                               "no CRL in date with a good signature of '%s' is to be had", title);
    case ECERT_REVOKED_YES:
        break;
    }
    ecert_certificate_serial(input->leaf, serial);
    return ecert_check_say(result, ECERT_CHECK_FAILED,
                           "the certificate with serial %s is on the CRL of '%s'; ask the CA for a "
                           "new one",
                           serial, title);
}

/* ---- policies ---- */

/* `arc` itself, or something below it: "1.2" is above "1.2.3", not above "1.20". */
static bool is_below(const char *oid, const char *arc)
{
    const size_t len = strlen(arc);

    return strncmp(oid, arc, len) == 0 && (oid[len] == '\0' || oid[len] == '.');
}

static bool has_policy(const CERTIFICATEPOLICIES *policies, const struct ecert_strings *arcs)
{
    for (int i = 0; i < sk_POLICYINFO_num(policies); i++) {
        char oid[128];
        const int len = OBJ_obj2txt(oid, sizeof oid, sk_POLICYINFO_value(policies, i)->policyid, 1);

        if (len <= 0 || (size_t)len >= sizeof oid)
            continue;
        for (size_t k = 0; k < arcs->len; k++) {
            if (is_below(oid, arcs->items[k]))
                return true;
        }
    }
    return false;
}

enum ecert_check_outcome ecert_check_policy(const struct ecert_check_input *input,
                                            struct ecert_check_result *result)
{
    const struct ecert_strings *arcs = &input->authority->policies;

    if (arcs->len == 0)
        return ecert_check_say(result, ECERT_CHECK_SKIPPED,
                               "the profile of the authority names no policies");
    CERTIFICATEPOLICIES *policies =
        X509_get_ext_d2i(input->leaf, NID_certificate_policies, NULL, NULL);
    const bool good = has_policy(policies, arcs);
    CERTIFICATEPOLICIES_free(policies);
    if (good)
        return ECERT_CHECK_PASSED;
    return ecert_check_say(result, ECERT_CHECK_FAILED,
                           "no policy of the certificate is below '%s', as those of '%s' are",
                           arcs->items[0], input->authority->id);
}

/* ---- lifetime ---- */

/* CA/Browser Forum, Baseline Requirements for TLS server certificates, section 6.3.2. */
static const struct limit {
    int64_t issued_from; /* seconds */
    const char *date;
    int64_t days;
} limits[] = {
    {1598918400, "2020-09-01", 398},
    {1773532800, "2026-03-15", 200},
    {1805068800, "2027-03-15", 100},
    {1868227200, "2029-03-15", 47},
};

enum ecert_check_outcome ecert_check_lifetime(const struct ecert_check_input *input,
                                              struct ecert_check_result *result)
{
    const int64_t from = ecert_certificate_not_before(input->leaf);
    /* both ends count, and a begun day is a day (Baseline Requirements, 6.3.2) */
    const int64_t seconds = ecert_certificate_not_after(input->leaf) - from + 1;
    const int64_t days = (seconds + ONE_DAY - 1) / ONE_DAY;
    const struct limit *limit = NULL;

    if (input->authority->policies.len == 0 && strcmp(input->authority->id, "system") != 0)
        return ecert_check_say(result, ECERT_CHECK_SKIPPED, "a private CA sets its own limits");
    for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
        if (from >= limits[i].issued_from)
            limit = &limits[i];
    }
    if (limit == NULL)
        return ecert_check_say(result, ECERT_CHECK_SKIPPED, "issued before %s", limits[0].date);
    if (days <= limit->days)
        return ECERT_CHECK_PASSED;
    return ecert_check_say(result, ECERT_CHECK_FAILED,
                           "the certificate is valid for %lld days; issued from %s on, %lld are "
                           "permitted, and clients may refuse it",
                           (long long)days, limit->date, (long long)limit->days);
}
