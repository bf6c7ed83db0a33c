#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "core/flow/ocsp.h"
#include "core/monitor/monitor_parts.h"

static enum ecert_status load_leaf(const struct monitor *monitor, const struct monitor_leaf *leaf,
                                   struct ecert_bundle *ret, struct ecert_error *err)
{
    return ecert_store_load(monitor->config->state_dir, leaf->certificate->name,
                            leaf->facts->number, ret, err);
}

/* Borrowed; NULL: it is not at hand. */
static X509 *issuer_of(const struct monitor *monitor, const struct monitor_leaf *leaf,
                       const struct ecert_authority *profile)
{
    ECERT_AUTO(ecert_bundle_clear) struct ecert_bundle bundle = {0};
    struct ecert_error ignored = {0};

    if (sk_X509_num(leaf->chain->members) > 0)
        return sk_X509_value(leaf->chain->members, 0);
    if (load_leaf(monitor, leaf, &bundle, &ignored) != ECERT_OK)
        return NULL;
    for (int i = 0; i < sk_X509_num(profile->anchors); i++)
        if (ecert_chain_is_issuer(sk_X509_value(profile->anchors, i), bundle.leaf))
            return sk_X509_value(profile->anchors, i);
    return NULL;
}

/* NULL: the serial was cut because it is longer than any may be. */
static ASN1_INTEGER *serial_of(const char *hex)
{
    BIGNUM *number = NULL;
    ASN1_INTEGER *serial = NULL;

    if (BN_hex2bn(&number, hex) == (int)strlen(hex))
        serial = BN_to_ASN1_INTEGER(number, NULL);
    BN_free(number);
    ERR_clear_error();
    return serial;
}

static bool may_be_listed(const struct monitor_authority *authority, const char *hex,
                          const X509 *issuer)
{
    ASN1_INTEGER *serial = serial_of(hex);
    const bool may = serial == NULL ||
                     ecert_crls_may_list(&authority->crls, serial, X509_get_subject_name(issuer));

    ASN1_INTEGER_free(serial);
    return may;
}

static struct monitor_issuer *find_issuer(const struct monitor_authority *authority,
                                          const X509 *certificate)
{
    for (size_t i = 0; i < authority->n_issuers; i++)
        if (authority->issuers[i].certificate == certificate ||
            ecert_certificate_equal(authority->issuers[i].certificate, certificate))
            return &authority->issuers[i];
    return NULL;
}

static struct monitor_issuer *have_issuer(struct monitor_authority *authority, X509 *certificate)
{
    struct monitor_issuer *known = find_issuer(authority, certificate);

    if (known != NULL)
        return known;
    struct monitor_issuer *more =
        reallocarray(authority->issuers, authority->n_issuers + 1, sizeof *more);

    if (more == NULL || X509_up_ref(certificate) != 1)
        return NULL;
    authority->issuers = more;
    more[authority->n_issuers] = (struct monitor_issuer){.certificate = certificate};
    return &more[authority->n_issuers++];
}

/* With the leaf decoded. */
static enum ecert_revocation look_up(const struct monitor_authority *authority, const X509 *leaf,
                                     X509 *issuer)
{
    const enum ecert_revocation answer = ecert_crls_look_up(&authority->crls, leaf, issuer);

    ERR_clear_error(); /* "no" is an answer here, not an error */
    return answer;
}

/* What an issuer's CRLs say of a leaf that they do not list; found out with the first one. */
static enum ecert_status find_unlisted(struct monitor_authority *authority, const X509 *leaf,
                                       X509 *certificate, struct monitor_issuer **ret,
                                       struct ecert_error *err)
{
    *ret = have_issuer(authority, certificate);
    if (*ret == NULL)
        return ecert_error_nomem(err);
    if (!(*ret)->asked)
        (*ret)->unlisted = look_up(authority, leaf, certificate);
    (*ret)->asked = true;
    return ECERT_OK;
}

static enum ecert_status by_crls(const struct monitor *monitor, struct monitor_authority *authority,
                                 const struct monitor_leaf *leaf, X509 *certificate,
                                 enum ecert_revocation *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_bundle_clear) struct ecert_bundle bundle = {0};
    struct monitor_issuer *issuer = find_issuer(authority, certificate);
    const bool asked = issuer != NULL && issuer->asked;
    const bool listed = may_be_listed(authority, leaf->facts->serial, certificate);
    struct ecert_error ignored = {0};

    *ret = ECERT_REVOKED_UNKNOWN;
    if (!asked || listed) {
        if (load_leaf(monitor, leaf, &bundle, &ignored) != ECERT_OK) /* its own fault only */
            return ECERT_OK;
        if (listed)
            *ret = look_up(authority, bundle.leaf, certificate);
    }
    if (*ret == ECERT_REVOKED_YES)
        return ECERT_OK;
    ECERT_TRY(find_unlisted(authority, bundle.leaf, certificate, &issuer, err));
    if (!listed)
        *ret = issuer->unlisted;
    return ECERT_OK;
}

/* ---- OCSP ---- */

/*
 * Each leaf is a question of its own.  A responder that was not reached is not asked again, or a
 * thousand certificates would wait a thousand times.
 */
static enum ecert_status by_ocsp(const struct monitor *monitor, struct monitor_authority *authority,
                                 const struct ecert_authority *profile,
                                 const struct monitor_leaf *leaf, X509 *issuer,
                                 enum ecert_revocation *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_bundle_clear) struct ecert_bundle bundle = {0};
    struct ecert_ocsp_answer answer = {0};
    struct ecert_error why = {0};

    *ret = ECERT_REVOKED_UNKNOWN;
    if (monitor->options->offline || profile->ocsp.len == 0 || authority->ocsp_is_silent ||
        load_leaf(monitor, leaf, &bundle, &why) != ECERT_OK)
        return ECERT_OK;
    const enum ecert_status status =
        ecert_ocsp_ask(profile, &monitor->context->network, bundle.leaf, issuer, &answer, &why);
    if (status == ECERT_OK) {
        *ret = answer.revoked;
        return ECERT_OK;
    }
    if (status == ECERT_E_NOMEM)
        return ecert_error_nomem(err);
    authority->ocsp_is_silent = status == ECERT_E_NETWORK || status == ECERT_E_TIMEOUT;
    if (authority->ocsp_problem != NULL)
        return ECERT_OK;
    return ecert_text_format(&authority->ocsp_problem, err, "%s: %s", leaf->certificate->name,
                             why.text);
}

/* ---- both ---- */

/* For the finding that tells it once for all. */
static enum ecert_status note_unknown(struct monitor_authority *authority,
                                      const struct monitor_leaf *leaf, X509 *certificate,
                                      struct ecert_error *err)
{
    struct monitor_issuer *issuer = have_issuer(authority, certificate);

    if (issuer == NULL)
        return ecert_error_nomem(err);
    if (issuer->unknown++ > 0)
        return ECERT_OK;
    return ecert_text_copy(ecert_view_of(leaf->certificate->name), &issuer->first, err);
}

enum ecert_status monitor_revocation(struct monitor *monitor, const struct monitor_leaf *leaf,
                                     enum ecert_revocation *ret, struct ecert_error *err)
{
    struct monitor_authority *authority =
        monitor_authority_of(monitor, leaf->certificate->authority);
    const struct ecert_authority *profile = NULL;
    enum ecert_revocation ocsp = ECERT_REVOKED_UNKNOWN;

    *ret = ECERT_REVOKED_UNKNOWN;
    if (authority == NULL) /* told already */
        return ECERT_OK;
    ECERT_TRY(ecert_context_authority(monitor->context, authority->id, &profile, err));
    if (profile->crls.len == 0 && profile->ocsp.len == 0) /* nobody promised to say */
        return ECERT_OK;
    X509 *issuer = issuer_of(monitor, leaf, profile);
    if (issuer == NULL)
        return ECERT_OK;
    ECERT_TRY(by_crls(monitor, authority, leaf, issuer, ret, err));
    if (*ret == ECERT_REVOKED_YES)
        return ECERT_OK;
    ECERT_TRY(by_ocsp(monitor, authority, profile, leaf, issuer, &ocsp, err));
    if (ocsp != ECERT_REVOKED_UNKNOWN)
        *ret = ocsp;
    return *ret == ECERT_REVOKED_UNKNOWN ? note_unknown(authority, leaf, issuer, err) : ECERT_OK;
}

/* ---- telling ---- */

static enum ecert_status tell_ocsp(const struct monitor *monitor,
                                   const struct monitor_authority *authority,
                                   struct ecert_error *err)
{
    ECERT_AUTO(ecert_finding_clear) struct ecert_finding finding = {0};

    if (authority->ocsp_problem == NULL)
        return ECERT_OK;
    ECERT_TRY(monitor_begin(ECERT_WATCHED_CRL, authority->id, NULL, &finding, err, "OCSP"));
    finding.condition =
        authority->ocsp_is_silent ? ECERT_CONDITION_NO_ANSWER : ECERT_CONDITION_REVOCATION_UNKNOWN;
    ECERT_TRY(monitor_detail(&finding, err, "%s", authority->ocsp_problem));
    return monitor_tell(monitor, &finding, err);
}

static enum ecert_status tell_issuer(const struct monitor *monitor, const char *id,
                                     const struct monitor_issuer *issuer, struct ecert_error *err)
{
    ECERT_AUTO(ecert_finding_clear) struct ecert_finding finding = {0};
    ECERT_AUTO(ecert_auto_free) char *title = NULL;

    ECERT_TRY(ecert_served_title(issuer->certificate, &title, err));
    ECERT_TRY(
        monitor_begin(ECERT_WATCHED_CRL, id, NULL, &finding, err, "of the issuer '%s'", title));
    finding.condition = ECERT_CONDITION_REVOCATION_UNKNOWN;
    if (issuer->unknown == 1)
        ECERT_TRY(monitor_detail(
            &finding, err, "no CRL in date with a good signature speaks of '%s'", issuer->first));
    else
        ECERT_TRY(monitor_detail(&finding, err,
                                 "no CRL in date with a good signature speaks of '%s' and %zu more",
                                 issuer->first, issuer->unknown - 1));
    return monitor_tell(monitor, &finding, err);
}

enum ecert_status monitor_tell_unknown(const struct monitor *monitor, struct ecert_error *err)
{
    for (size_t i = 0; i < monitor->n_authorities; i++) {
        const struct monitor_authority *authority = &monitor->authorities[i];

        ECERT_TRY(tell_ocsp(monitor, authority, err));
        for (size_t k = 0; k < authority->n_issuers; k++)
            if (authority->issuers[k].unknown > 0)
                ECERT_TRY(tell_issuer(monitor, authority->id, &authority->issuers[k], err));
    }
    return ECERT_OK;
}
