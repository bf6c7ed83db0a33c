#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/flow/certificate.h"
#include "core/flow/checks_rows.h"

#define RSA_BITS_MIN 2048

/* OpenSSL fills in its cache of extensions on first use: the object is not const for it. */
static X509 *opened(const X509 *certificate)
{
    return (X509 *)(uintptr_t)certificate;
}

/* The leaf is number 0, its chain follows; NULL behind the end. */
static X509 *member(const struct ecert_check_input *input, int i)
{
    if (i == 0)
        return opened(input->leaf);
    return i <= sk_X509_num(input->chain) ? sk_X509_value(input->chain, i - 1) : NULL;
}

/* ---- strength ---- */

static bool is_strong_curve(const EVP_PKEY *key)
{
    static const char *const names[] = {"prime256v1", "P-256",     "secp384r1",
                                        "P-384",      "secp521r1", "P-521"};
    char name[64];
    size_t len = 0;

    if (EVP_PKEY_get_group_name(key, name, sizeof name, &len) != 1)
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (strcmp(names[i], name) == 0)
            return true;
    }
    return false;
}

static bool is_strong_key(const EVP_PKEY *key)
{
    if (key == NULL)
        return false;
    if (EVP_PKEY_is_a(key, "RSA") || EVP_PKEY_is_a(key, "RSA-PSS"))
        return EVP_PKEY_get_bits(key) >= RSA_BITS_MIN;
    return EVP_PKEY_is_a(key, "EC") && is_strong_curve(key);
}

enum ecert_check_outcome ecert_check_key_strength(const struct ecert_check_input *input,
                                                  struct ecert_check_result *result)
{
    char title[ECERT_CHECK_TITLE_LEN];
    X509 *certificate = NULL;

    for (int i = 0; (certificate = member(input, i)) != NULL; i++) {
        const EVP_PKEY *key = X509_get0_pubkey(certificate);
        if (is_strong_key(key))
            continue;
        ecert_check_title(certificate, title);
        ERR_clear_error();
        return ecert_check_say(
            result, ECERT_CHECK_FAILED,
            "the key of '%s' (%s, %d bits) is too weak or of a kind that clients "
            "do not know; use RSA of %d bits or EC on P-256",
            title, key == NULL ? "unreadable" : EVP_PKEY_get0_type_name(key),
            key == NULL ? 0 : EVP_PKEY_get_bits(key), RSA_BITS_MIN);
    }
    return ECERT_CHECK_PASSED;
}

static bool is_strong_digest(int nid)
{
    return nid == NID_sha256 || nid == NID_sha384 || nid == NID_sha512;
}

enum ecert_check_outcome ecert_check_signature_strength(const struct ecert_check_input *input,
                                                        struct ecert_check_result *result)
{
    char title[ECERT_CHECK_TITLE_LEN];
    X509 *certificate = NULL;

    for (int i = 0; (certificate = member(input, i)) != NULL; i++) {
        int digest = NID_undef;

        if (ecert_certificate_is_self_signed(certificate)) /* a root is not believed by it */
            continue;
        /* for RSA-PSS the digest is among the parameters: this call knows */
        (void)X509_get_signature_info(certificate, &digest, NULL, NULL, NULL);
        if (is_strong_digest(digest))
            continue;
        ecert_check_title(certificate, title);
        return ecert_check_say(result, ECERT_CHECK_FAILED,
                               "'%s' is signed with %s; SHA-256, SHA-384 and SHA-512 are good",
                               title,
                               digest == NID_undef ? "an unknown digest" : OBJ_nid2ln(digest));
    }
    return ECERT_CHECK_PASSED;
}

/* ---- shape ---- */

static enum ecert_check_outcome say_missing(struct ecert_check_result *result,
                                            const X509 *certificate)
{
    char title[ECERT_CHECK_TITLE_LEN];

    ecert_check_title(certificate, title);
    return ecert_check_say(result, ECERT_CHECK_FAILED, "the issuer of '%s' is missing", title);
}

/* In whatever order the certificates stand: order is a row of its own. */
enum ecert_check_outcome ecert_check_chain_complete(const struct ecert_check_input *input,
                                                    struct ecert_check_result *result)
{
    X509 *current = opened(input->leaf);

    if (input->anchor == NULL)
        return ecert_check_say(result, ECERT_CHECK_FAILED,
                               "the chain does not lead to an anchor of the authority '%s'",
                               input->authority->id);
    /* each step goes up one certificate: more steps than certificates go in a circle */
    for (int steps = 0; steps <= sk_X509_num(input->chain); steps++) {
        X509 *issuer = NULL;

        if (ecert_chain_is_issuer(input->anchor, current))
            return ECERT_CHECK_PASSED;
        for (int i = 0; i < sk_X509_num(input->chain) && issuer == NULL; i++) {
            X509 *candidate = sk_X509_value(input->chain, i);
            if (candidate != current && ecert_chain_is_issuer(candidate, current))
                issuer = candidate;
        }
        if (issuer == NULL)
            break;
        current = issuer;
    }
    return say_missing(result, current);
}

enum ecert_check_outcome ecert_check_chain_order(const struct ecert_check_input *input,
                                                 struct ecert_check_result *result)
{
    char title[ECERT_CHECK_TITLE_LEN], before[ECERT_CHECK_TITLE_LEN];
    X509 *certificate = NULL;

    for (int i = 1; (certificate = member(input, i)) != NULL; i++) {
        ecert_check_title(certificate, title);
        for (int k = 0; k < i; k++) {
            if (ecert_certificate_equal(member(input, k), certificate))
                return ecert_check_say(result, ECERT_CHECK_FAILED, "'%s' stands twice in the chain",
                                       title);
        }
        if (ecert_chain_is_issuer(certificate, member(input, i - 1)))
            continue;
        ecert_check_title(member(input, i - 1), before);
        return ecert_check_say(result, ECERT_CHECK_FAILED,
                               "'%s' stands behind '%s' and did not issue it", title, before);
    }
    return ECERT_CHECK_PASSED;
}

enum ecert_check_outcome ecert_check_chain_no_root(const struct ecert_check_input *input,
                                                   struct ecert_check_result *result)
{
    char title[ECERT_CHECK_TITLE_LEN];

    for (int i = 0; i < sk_X509_num(input->chain); i++) {
        if (!ecert_certificate_is_self_signed(sk_X509_value(input->chain, i)))
            continue;
        ecert_check_title(sk_X509_value(input->chain, i), title);
        return ecert_check_say(result, ECERT_CHECK_FAILED,
                               "the chain holds the root '%s'; clients have it already", title);
    }
    return ECERT_CHECK_PASSED;
}

static enum ecert_check_outcome judge_dates(const struct ecert_check_input *input,
                                            const X509 *certificate,
                                            struct ecert_check_result *result)
{
    char title[ECERT_CHECK_TITLE_LEN];
    char from[ECERT_TIME_TEXT_LEN], until[ECERT_TIME_TEXT_LEN];

    if (ecert_chain_in_date(certificate, input->now))
        return ECERT_CHECK_PASSED;
    ecert_check_title(certificate, title);
    ecert_clock_text(ecert_certificate_not_before(certificate), from);
    ecert_clock_text(ecert_certificate_not_after(certificate), until);
    return ecert_check_say(result, ECERT_CHECK_FAILED, "'%s' is valid from %s to %s only", title,
                           from, until);
}

enum ecert_check_outcome ecert_check_chain_dates(const struct ecert_check_input *input,
                                                 struct ecert_check_result *result)
{
    for (int i = 0; i < sk_X509_num(input->chain); i++) {
        if (judge_dates(input, sk_X509_value(input->chain, i), result) != ECERT_CHECK_PASSED)
            return ECERT_CHECK_FAILED;
    }
    return input->anchor == NULL ? ECERT_CHECK_PASSED : judge_dates(input, input->anchor, result);
}

/* ---- verification ---- */

/*
 * A store of our own, with the authority's anchors and nothing else: OpenSSL's default paths would
 * let any CA of the system vouch.  An anchor need not be self-signed.  Dates have rows of their
 * own, so that allowing one of them does not fail here again.
 */
static X509_STORE *make_store(const struct ecert_authority *authority)
{
    X509_STORE *store = X509_STORE_new();
    bool good = store != NULL;

    for (int i = 0; good && i < sk_X509_num(authority->anchors); i++)
        good = X509_STORE_add_cert(store, sk_X509_value(authority->anchors, i)) == 1;
    if (good)
        good = X509_STORE_set_purpose(store, X509_PURPOSE_SSL_SERVER) == 1 &&
               X509_STORE_set_trust(store, X509_TRUST_SSL_SERVER) == 1 &&
               X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_NO_CHECK_TIME |
                                               X509_V_FLAG_TRUSTED_FIRST |
                                               X509_V_FLAG_CHECK_SS_SIGNATURE) == 1;
    if (good)
        return store;
    X509_STORE_free(store);
    return NULL;
}

static enum ecert_check_outcome say_verification(const X509_STORE_CTX *context,
                                                 struct ecert_check_result *result)
{
    const int code = X509_STORE_CTX_get_error(context);
    const X509 *at = X509_STORE_CTX_get_current_cert(context);
    char title[ECERT_CHECK_TITLE_LEN] = "the certificate";

    if (at != NULL)
        ecert_check_title(at, title);
    return ecert_check_say(result, ECERT_CHECK_FAILED, "verification stopped at '%s': %s", title,
                           X509_verify_cert_error_string(code));
}

enum ecert_check_outcome ecert_check_chain_anchor(const struct ecert_check_input *input,
                                                  struct ecert_check_result *result)
{
    enum ecert_check_outcome outcome = ECERT_CHECK_FAILED;
    X509_STORE *store = make_store(input->authority);
    X509_STORE_CTX *context = X509_STORE_CTX_new();

    if (store == NULL || context == NULL ||
        X509_STORE_CTX_init(context, store, opened(input->leaf), input->chain) != 1)
        (void)ecert_check_say(result, outcome, "the verification could not be begun");
    else if (X509_verify_cert(context) == 1)
        outcome = ECERT_CHECK_PASSED;
    else
        (void)say_verification(context, result);
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
    ERR_clear_error();
    return outcome;
}

/* ---- revocation ---- */

static X509 *anchor_that_issued(const struct ecert_authority *authority, X509 *certificate)
{
    for (int i = 0; i < sk_X509_num(authority->anchors); i++) {
        if (ecert_chain_is_issuer(sk_X509_value(authority->anchors, i), certificate))
            return sk_X509_value(authority->anchors, i);
    }
    return NULL;
}

/*
 * Of chain member `i`.  A cross-certificate is issued by another anchor, whose CRLs a profile need
 * not name: there, silence is no warning.
 */
static enum ecert_revocation look_up(const struct ecert_check_input *input, int i)
{
    X509 *certificate = sk_X509_value(input->chain, i);
    X509 *next = i + 1 < sk_X509_num(input->chain) ? sk_X509_value(input->chain, i + 1) : NULL;
    X509 *anchor = anchor_that_issued(input->authority, certificate);

    if (anchor == NULL && next != NULL && ecert_chain_is_issuer(next, certificate))
        return ecert_crls_look_up(input->crls, certificate, next);
    if (anchor == NULL)
        return ECERT_REVOKED_UNKNOWN;
    const enum ecert_revocation answer = ecert_crls_look_up(input->crls, certificate, anchor);
    if (answer == ECERT_REVOKED_UNKNOWN && input->anchor != NULL &&
        !ecert_certificate_equal(anchor, input->anchor))
        return ECERT_REVOKED_NO;
    return answer;
}

enum ecert_check_outcome ecert_check_chain_revoked(const struct ecert_check_input *input,
                                                   struct ecert_check_result *result)
{
    enum ecert_check_outcome outcome = ECERT_CHECK_PASSED;
    char title[ECERT_CHECK_TITLE_LEN], serial[ECERT_SERIAL_HEX_LEN];

    if (input->authority->crls.len == 0)
        return ecert_check_say(result, ECERT_CHECK_SKIPPED,
                               "the profile of the authority names no CRL");
    for (int i = 0; i < sk_X509_num(input->chain); i++) {
        const enum ecert_revocation answer = look_up(input, i);

        if (answer == ECERT_REVOKED_NO)
            continue;
        ecert_check_title(sk_X509_value(input->chain, i), title);
        ecert_certificate_serial(sk_X509_value(input->chain, i), serial);
        if (answer == ECERT_REVOKED_YES)
            return ecert_check_say(result, ECERT_CHECK_FAILED,
                                   "'%s' with serial %s is on the CRL of its issuer", title,
                                   serial);
        outcome = ecert_check_say(result, ECERT_CHECK_UNKNOWN,
                                  "no CRL in date with a good signature speaks of '%s' with serial "
                                  "%s",
                                  title, serial);
    }
    return outcome;
}

enum ecert_check_outcome ecert_check_chain_known_bad(const struct ecert_check_input *input,
                                                     struct ecert_check_result *result)
{
    char title[ECERT_CHECK_TITLE_LEN], serial[ECERT_SERIAL_HEX_LEN];
    X509 *certificate = NULL;

    for (int i = 0; (certificate = member(input, i)) != NULL; i++) {
        const struct ecert_authority_intermediate *entry =
            ecert_authority_known_revoked(input->authority, certificate);
        if (entry == NULL)
            continue;
        ecert_check_title(certificate, title);
        ecert_certificate_serial(certificate, serial);
        return ecert_check_say(result, ECERT_CHECK_FAILED,
                               "'%s' with serial %s is known to be revoked; the current one has "
                               "%s %s",
                               title, serial, entry->serial != NULL ? "serial" : "SHA-256",
                               entry->serial != NULL   ? entry->serial
                               : entry->sha256 != NULL ? entry->sha256
                                                       : "unknown");
    }
    return ECERT_CHECK_PASSED;
}
