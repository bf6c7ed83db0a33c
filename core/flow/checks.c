#include "core/flow/checks.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/flow/certificate.h"
#include "core/flow/checks_rows.h"

/*
 * The severity: fatal is what would break clients, hand out a certificate that is not meant for
 * this server, or rest on something revoked.  The rest is reported and deployed.
 */
static const struct row {
    const char *id;
    const char *sentence;
    bool fatal;
    ecert_check_fn *check;
} rows[] = {
    /* clang-format off */
    /* fatal: a server with a mismatched pair does not start again */
    {"key-match", "the certificate belongs to the configured key", true, ecert_check_key_match},
    /* fatal: every client refuses a name that is not covered */
    {"names", "the certificate covers every configured name", true, ecert_check_names},
    /* fatal: it was issued for somebody else, or the order was mixed up; clients would show it */
    {"organization", "the certificate names the organisation that it was ordered for", true, ecert_check_organization},
    /* fatal: it is not what was paid for */
    {"validation", "the organisation was validated as ordered (OV, EV)", true, ecert_check_validation},
    /* fatal: every client refuses it until then */
    {"not-before", "the certificate is valid already", true, ecert_check_not_before},
    /* fatal: every client refuses it */
    {"not-after", "the certificate has not expired", true, ecert_check_not_after},
    /* fatal: last year's file found again in a mailbox must not replace this year's */
    {"newer", "the certificate is not older than the newest one that was taken", true, ecert_check_newer},
    /* fatal: clients refuse a CA or a certificate for e-mail as a server's */
    {"leaf-is-server", "the certificate is a TLS server's, not a CA's", true, ecert_check_leaf_is_server},
    /* fatal: browsers refuse them, and the key could be computed */
    {"key-strength", "keys are RSA of 2048 bits or more, or EC on P-256, P-384 or P-521", true, ecert_check_key_strength},
    /* fatal: MD5 and SHA-1 signatures can be forged, and clients refuse them */
    {"signature-strength", "certificate and chain are signed with SHA-256, SHA-384 or SHA-512", true, ecert_check_signature_strength},
    /* fatal: clients that do not fetch issuers by themselves fail */
    {"chain-complete", "the chain leads from the certificate to an anchor", true, ecert_check_chain_complete},
    /* fatal: TLS 1.2 (RFC 5246, 7.4.2) asks for the order, and some clients insist on it */
    {"chain-order", "each certificate of the chain issued the one before it, none stands there twice", true, ecert_check_chain_order},
    /* not fatal: the root is a waste of bytes on every connection, and harms nobody */
    {"chain-no-root", "the chain holds no root certificate", false, ecert_check_chain_no_root},
    /* fatal: an expired intermediate breaks every client that takes this path */
    {"chain-dates", "every certificate of the chain and its anchor are valid now", true, ecert_check_chain_dates},
    /* fatal: this is the verification that a client will make */
    {"chain-anchor", "the certificate verifies as a TLS server's up to an anchor of the authority", true, ecert_check_chain_anchor},
    /* fatal: the revoked sub CA of 2017 verifies in every other respect */
    {"chain-revoked", "no certificate of the chain is on a CRL", true, ecert_check_chain_revoked},
    /* fatal: the same, where no CRL is to be had */
    {"chain-known-bad", "no certificate of the chain is known to be revoked", true, ecert_check_chain_known_bad},
    /* fatal: the CA will not take it off the list again; ask for a new one */
    {"leaf-revoked", "the certificate is not on a CRL", true, ecert_check_leaf_revoked},
    /* fatal: the anchor of a cross-certificate has other customers too, this tells them apart */
    {"policy", "the certificate was issued under a policy of the authority", true, ecert_check_policy},
    /* not fatal: the CA broke the rule, not the operator, and which clients mind is not known */
    {"lifetime", "the certificate lives no longer than the Baseline Requirements permit", false, ecert_check_lifetime},
    /* clang-format on */
};

enum ecert_check_outcome ecert_check_say(struct ecert_check_result *result,
                                         enum ecert_check_outcome outcome, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    const int n = vsnprintf(result->why, sizeof result->why, fmt, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof result->why)
        memcpy(result->why + sizeof result->why - 4, "...", 4);
    return outcome;
}

void ecert_check_title(const X509 *certificate, char ret[ECERT_CHECK_TITLE_LEN])
{
    struct ecert_error ignored = {0};
    char *title = NULL;

    if (ecert_certificate_title(certificate, &title, &ignored) != ECERT_OK)
        ecert_certificate_serial(certificate, ret);
    else
        (void)snprintf(ret, ECERT_CHECK_TITLE_LEN, "%s", title);
    free(title);
}

static_assert(ECERT_SERIAL_HEX_LEN <= ECERT_CHECK_TITLE_LEN, "a serial is the title at need");

size_t ecert_checks_count(void)
{
    return ARRAY_SIZE(rows);
}

void ecert_checks_describe(size_t i, struct ecert_check_result *ret)
{
    *ret = (struct ecert_check_result){
        .id = rows[i].id, .sentence = rows[i].sentence, .fatal = rows[i].fatal};
}

bool ecert_check_exists(const char *id)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (strcmp(rows[i].id, id) == 0)
            return true;
    }
    return false;
}

static bool is_allowed(const struct ecert_check_input *input, const char *id)
{
    for (size_t i = 0; input->allow != NULL && input->allow[i] != NULL; i++) {
        if (strcmp(input->allow[i], id) == 0)
            return true;
    }
    return false;
}

void ecert_checks_run(const struct ecert_check_input *input, struct ecert_check_result *results)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        ecert_checks_describe(i, &results[i]);
        results[i].allowed = is_allowed(input, rows[i].id);
        results[i].outcome = rows[i].check(input, &results[i]);
    }
}

static enum ecert_status add_note(const struct ecert_check_result *result,
                                  struct ecert_strings *notes, struct ecert_error *err)
{
    if (result->outcome == ECERT_CHECK_PASSED)
        return ecert_strings_add(notes, result->why, err);
    if (result->outcome == ECERT_CHECK_UNKNOWN)
        return ecert_strings_printf(notes, err, "check '%s' could not tell: %s", result->id,
                                    result->why);
    return ecert_strings_printf(notes, err, "check '%s' failed%s: %s", result->id,
                                result->allowed ? ", which the configuration allows" : "",
                                result->why);
}

enum ecert_status ecert_checks_verdict(const struct ecert_check_result *results, size_t n,
                                       struct ecert_strings *ret_notes, struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer reasons = {0};

    for (size_t i = 0; i < n; i++) {
        const bool failed = results[i].outcome == ECERT_CHECK_FAILED;

        if (failed && results[i].fatal && !results[i].allowed)
            ecert_buffer_printf(&reasons, "%s%s: %s", reasons.len > 0 ? "; " : "", results[i].id,
                                results[i].why);
        else if (failed || results[i].outcome == ECERT_CHECK_UNKNOWN || results[i].said)
            ECERT_TRY(add_note(&results[i], ret_notes, err));
    }
    if (reasons.failed)
        return ecert_error_nomem(err);
    if (reasons.len == 0)
        return ECERT_OK;
    return ecert_error_set(err, ECERT_E_REFUSED, "%s", (const char *)reasons.ptr);
}
