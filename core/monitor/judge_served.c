#include "core/monitor/judge_served.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_SHOWN 3

/* OpenSSL fills in its cache of extensions on first use: the object is not const for it. */
static X509 *opened(const X509 *certificate)
{
    return (X509 *)(uintptr_t)certificate;
}

void ecert_served_problems_clear(struct ecert_served_problems *problems)
{
    for (size_t i = 0; i < problems->n; i++)
        free(problems->items[i].detail);
    free(problems->items);
    *problems = (struct ecert_served_problems){0};
}

/* ---- words ---- */

static enum ecert_status first_words(const X509 *certificate, char **ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings names = {0};
    struct ecert_error ignored = {0};

    /* a common name that cannot be shown is as good as absent */
    const enum ecert_status status = ecert_certificate_common_name(certificate, ret, &ignored);
    if (status == ECERT_E_NOMEM)
        return ecert_error_nomem(err);
    if (status == ECERT_OK && (*ret)[0] != '\0')
        return ECERT_OK;
    if (status == ECERT_OK) {
        free(*ret);
        *ret = NULL;
    }
    ECERT_TRY(ecert_certificate_names(certificate, &names, err));
    return ecert_text_copy(ecert_view_of(names.len > 0 ? names.items[0] : ""), ret, err);
}

enum ecert_status ecert_served_title(const X509 *certificate, char **ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *plain = NULL;
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer title = {0};

    ECERT_TRY(first_words(certificate, &plain, err));
    ecert_finding_add_text(&title, plain, ECERT_TITLE_MAX, 0);
    if (title.failed)
        return ecert_error_nomem(err);
    return ecert_text_copy(ecert_buffer_view(&title), ret, err);
}

/* "'Test CA' with serial 2017" */
static enum ecert_status name_it(const X509 *certificate, char **ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *title = NULL;
    char serial[ECERT_SERIAL_HEX_LEN];

    ECERT_TRY(ecert_served_title(certificate, &title, err));
    ecert_certificate_serial(certificate, serial);
    return ecert_text_format(ret, err, "'%s' with serial %s", title, serial);
}

/* The words are taken over. */
static enum ecert_status add(struct ecert_served_problems *problems, enum ecert_condition condition,
                             char **words, struct ecert_error *err)
{
    struct ecert_served_problem *more =
        reallocarray(problems->items, problems->n + 1, sizeof *more);

    if (more == NULL)
        return ecert_error_nomem(err);
    problems->items = more;
    more[problems->n++] = (struct ecert_served_problem){condition, *words};
    *words = NULL;
    return ECERT_OK;
}

/* ---- the leaf ---- */

static enum ecert_status judge_leaf(const struct ecert_served_question *question, const X509 *leaf,
                                    struct ecert_served_problems *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *words = NULL;
    char sha256[ECERT_SHA256_HEX_LEN], serial[ECERT_SERIAL_HEX_LEN];

    if (question->deployed_sha256 == NULL)
        return ECERT_OK;
    ecert_certificate_sha256(leaf, sha256);
    if (strcmp(sha256, question->deployed_sha256) == 0)
        return ECERT_OK;
    ecert_certificate_serial(leaf, serial);
    const char *deployed = question->deployed_serial;
    ECERT_TRY(ecert_text_format(
        &words, err, "it serves serial %s; generation %u, which was deployed, has %s%s", serial,
        question->generation, deployed != NULL ? "serial " : "the SHA-256 ",
        deployed != NULL ? deployed : question->deployed_sha256));
    return add(ret, ECERT_CONDITION_OTHER_LEAF, &words, err);
}

bool ecert_served_is_address(const char *host)
{
    unsigned char address[16];

    return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

static bool covers(const X509 *leaf, const char *host)
{
    if (!ecert_served_is_address(host))
        return ecert_certificate_covers(leaf, host);
    const bool covered = X509_check_ip_asc(opened(leaf), host, 0) == 1;
    ERR_clear_error();
    return covered;
}

static enum ecert_status judge_name(const struct ecert_served_question *question, const X509 *leaf,
                                    struct ecert_served_problems *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings names = {0};
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer list = {0};
    ECERT_AUTO(ecert_auto_free) char *words = NULL;

    if (question->host == NULL || covers(leaf, question->host))
        return ECERT_OK;
    ECERT_TRY(ecert_certificate_names(leaf, &names, err));
    for (size_t i = 0; i < names.len && i < NAMES_SHOWN; i++) {
        ecert_buffer_add_text(&list, i > 0 ? ", '" : "'");
        ecert_finding_add_text(&list, names.items[i], ECERT_TITLE_MAX, 0);
        ecert_buffer_add_text(&list, "'");
    }
    if (names.len > NAMES_SHOWN)
        ecert_buffer_printf(&list, " and %zu more", names.len - NAMES_SHOWN);
    if (list.failed)
        return ecert_error_nomem(err);
    ECERT_TRY(ecert_text_format(&words, err, "it does not cover '%s'; it is for %s", question->host,
                                list.len > 0 ? (const char *)list.ptr : "no host name"));
    return add(ret, ECERT_CONDITION_WRONG_NAME, &words, err);
}

/* ---- the chain ---- */

/* What must stand behind this leaf; NULL where another leaf is served, or nothing is known. */
static STACK_OF(X509) *wanted_chain(const struct ecert_served_question *question)
{
    char sha256[ECERT_SHA256_HEX_LEN];

    if (question->deployed_chain == NULL || question->deployed_sha256 == NULL)
        return NULL;
    ecert_certificate_sha256(sk_X509_value(question->seen->certificates, 0), sha256);
    return strcmp(sha256, question->deployed_sha256) == 0 ? question->deployed_chain : NULL;
}

/* What is sent behind the leaf is the deployed chain, or the lower part of it. */
static bool begins_chain(STACK_OF(X509) *deployed, STACK_OF(X509) *sent)
{
    if (sk_X509_num(sent) > sk_X509_num(deployed) + 1)
        return false;
    for (int i = 1; i < sk_X509_num(sent); i++)
        if (!ecert_certificate_equal(sk_X509_value(sent, i), sk_X509_value(deployed, i - 1)))
            return false;
    return true;
}

static bool is_chain(STACK_OF(X509) *deployed, STACK_OF(X509) *sent)
{
    return deployed != NULL && sk_X509_num(sent) == sk_X509_num(deployed) + 1 &&
           begins_chain(deployed, sent);
}

unsigned ecert_served_doubt(const struct ecert_served_question *question)
{
    char sha256[ECERT_SHA256_HEX_LEN];

    if (question->deployed_sha256 == NULL)
        return 0;
    ecert_certificate_sha256(sk_X509_value(question->seen->certificates, 0), sha256);
    if (strcmp(sha256, question->deployed_sha256) != 0)
        return 2;
    return question->deployed_chain != NULL &&
                   !is_chain(question->deployed_chain, question->seen->certificates)
               ? 1
               : 0;
}

static bool is_below_known_root(const struct ecert_served_question *question, X509 *certificate)
{
    for (size_t k = 0; k < question->n_known; k++) {
        STACK_OF(X509) *anchors = question->known[k].authority->anchors;

        for (int i = 0; i < sk_X509_num(anchors); i++)
            if (ecert_chain_is_issuer(sk_X509_value(anchors, i), certificate))
                return true;
    }
    return false;
}

static X509 *find_issuer(STACK_OF(X509) *sent, X509 *current)
{
    for (int i = 1; i < sk_X509_num(sent); i++) {
        X509 *candidate = sk_X509_value(sent, i);

        if (candidate != current && ecert_chain_is_issuer(candidate, current))
            return candidate;
    }
    return NULL;
}

/* In whatever order they stand: how far up do they lead?  NULL: to an end; else whose issuer is
 * missing. */
static X509 *find_gap(const struct ecert_served_question *question)
{
    STACK_OF(X509) *sent = question->seen->certificates;
    X509 *current = sk_X509_value(sent, 0);

    /* each step goes up one certificate: more steps than certificates go in a circle */
    for (int steps = 0; steps < sk_X509_num(sent); steps++) {
        X509 *issuer = NULL;

        if (ecert_certificate_is_self_signed(current) || is_below_known_root(question, current))
            return NULL;
        issuer = find_issuer(sent, current);
        if (issuer == NULL)
            return current;
        current = issuer;
    }
    return current;
}

static bool issued_any(STACK_OF(X509) *sent, int index)
{
    X509 *certificate = sk_X509_value(sent, index);

    for (int i = 0; i < sk_X509_num(sent); i++) {
        X509 *other = sk_X509_value(sent, i);

        if (i == index)
            continue;
        if (ecert_chain_is_issuer(certificate, other) || /* or it stands twice */
            (i < index && ecert_certificate_equal(certificate, other)))
            return true;
    }
    return false;
}

/* Behind the leaf stands one that issued none of the others: what it issued was left out. */
static bool has_gap_in_the_middle(STACK_OF(X509) *sent)
{
    for (int i = 1; i < sk_X509_num(sent); i++)
        if (!issued_any(sent, i))
            return true;
    return false;
}

/* Is the issuer one that a profile knows, so that leaving it out cannot be right? */
static bool has_known_issuer(const struct ecert_served_question *question, const X509 *certificate)
{
    char name[256] = "";

    (void)X509_NAME_get_text_by_NID(X509_get_issuer_name(certificate), NID_commonName, name,
                                    sizeof name);
    for (size_t k = 0; k < question->n_known; k++) {
        const struct ecert_authority *authority = question->known[k].authority;

        for (size_t i = 0; i < authority->n_intermediates; i++)
            if (authority->intermediates[i].subject != NULL &&
                strcmp(authority->intermediates[i].subject, name) == 0)
                return true;
    }
    return false;
}

static enum ecert_status judge_order(const struct ecert_served_question *question,
                                     STACK_OF(X509) *wanted, struct ecert_served_problems *ret,
                                     struct ecert_error *err)
{
    STACK_OF(X509) *sent = question->seen->certificates;
    ECERT_AUTO(ecert_auto_free) char *title = NULL;
    ECERT_AUTO(ecert_auto_free) char *before = NULL;
    ECERT_AUTO(ecert_auto_free) char *words = NULL;

    for (int i = 1; i < sk_X509_num(sent); i++) {
        X509 *certificate = sk_X509_value(sent, i);
        int twin = 0;

        while (twin < i && !ecert_certificate_equal(sk_X509_value(sent, twin), certificate))
            twin++;
        if (twin == i && ecert_chain_is_issuer(certificate, sk_X509_value(sent, i - 1)))
            continue;
        ECERT_TRY(ecert_served_title(certificate, &title, err));
        ECERT_TRY(ecert_served_title(sk_X509_value(sent, i - 1), &before, err));
        if (twin < i)
            ECERT_TRY(ecert_text_format(&words, err, "'%s' stands twice in the chain", title));
        else
            ECERT_TRY(ecert_text_format(&words, err, "'%s' stands behind '%s' and did not issue it",
                                        title, before));
        return add(ret, ECERT_CONDITION_WRONG_CHAIN, &words, err);
    }
    if (wanted == NULL || begins_chain(wanted, sent))
        return ECERT_OK;
    if (sk_X509_num(sent) == 2)
        ECERT_TRY(ecert_text_format(&words, err,
                                    "the chain is good, but not the one of generation %u: 1 "
                                    "certificate behind the leaf instead of %d, or another one",
                                    question->generation, sk_X509_num(wanted)));
    else
        ECERT_TRY(ecert_text_format(&words, err,
                                    "the chain is good, but not the one of generation %u: %d "
                                    "certificates behind the leaf instead of %d, or other ones",
                                    question->generation, sk_X509_num(sent) - 1,
                                    sk_X509_num(wanted)));
    return add(ret, ECERT_CONDITION_WRONG_CHAIN, &words, err);
}

static enum ecert_status judge_chain(const struct ecert_served_question *question,
                                     struct ecert_served_problems *ret, struct ecert_error *err)
{
    STACK_OF(X509) *sent = question->seen->certificates;
    STACK_OF(X509) *wanted = wanted_chain(question);
    ECERT_AUTO(ecert_auto_free) char *title = NULL;
    ECERT_AUTO(ecert_auto_free) char *words = NULL;

    if (is_chain(wanted, sent))
        return ECERT_OK;
    X509 *gap = find_gap(question);
    const bool private_root = gap != NULL && gap != sk_X509_value(sent, 0) && wanted == NULL &&
                              !has_known_issuer(question, gap) && !has_gap_in_the_middle(sent);
    if (gap == NULL || private_root)
        return judge_order(question, wanted, ret, err);
    ECERT_TRY(ecert_served_title(gap, &title, err));
    ECERT_TRY(ecert_text_format(&words, err, "the issuer of '%s' is missing", title));
    return add(ret, ECERT_CONDITION_INCOMPLETE_CHAIN, &words, err);
}

/* ---- revocation ---- */

bool ecert_crls_may_list(const struct ecert_crls *crls, const ASN1_INTEGER *serial,
                         const X509_NAME *issuer)
{
    for (int i = 0; crls != NULL && i < sk_X509_CRL_num(crls->crls); i++) {
        X509_CRL *crl = sk_X509_CRL_value(crls->crls, i);
        X509_REVOKED *entry = NULL;

        if (X509_NAME_cmp(X509_CRL_get_issuer(crl), issuer) == 0 &&
            X509_CRL_get0_by_serial(crl, &entry, serial) != 0) /* 2: taken off again, by a delta */
            return true;
    }
    return false;
}

static bool is_revoked_by(const struct ecert_crls *crls, X509 *certificate, X509 *issuer)
{
    return X509_check_issued(issuer, certificate) == X509_V_OK &&
           ecert_crls_look_up(crls, certificate, issuer) == ECERT_REVOKED_YES;
}

/* By a CRL whose signature one of the issuers that were sent, or a root, made. */
static bool is_on_crl(const struct ecert_known_authority *known, STACK_OF(X509) *sent,
                      X509 *certificate)
{
    STACK_OF(X509) *anchors = known->authority->anchors;
    bool revoked = false;

    if (!ecert_crls_may_list(known->crls, X509_get0_serialNumber(certificate),
                             X509_get_issuer_name(certificate)))
        return false;
    for (int i = 0; !revoked && i < sk_X509_num(sent); i++)
        revoked = is_revoked_by(known->crls, certificate, sk_X509_value(sent, i));
    for (int i = 0; !revoked && i < sk_X509_num(anchors); i++)
        revoked = is_revoked_by(known->crls, certificate, sk_X509_value(anchors, i));
    ERR_clear_error(); /* "no" is an answer here, not an error */
    return revoked;
}

enum ecert_status ecert_judge_issuer(const struct ecert_known_authority *known,
                                     STACK_OF(X509) *certificates, int index, char **ret,
                                     struct ecert_error *err)
{
    X509 *certificate = sk_X509_value(certificates, index);
    const struct ecert_authority_intermediate *entry =
        ecert_authority_known_revoked(known->authority, certificate);
    ECERT_AUTO(ecert_auto_free) char *name = NULL;

    *ret = NULL;
    if (entry == NULL && !is_on_crl(known, certificates, certificate))
        return ECERT_OK;
    ECERT_TRY(name_it(certificate, &name, err));
    if (entry == NULL)
        return ecert_text_format(ret, err, "%s is on the CRL of its issuer", name);
    return ecert_text_format(ret, err, "%s is known to be revoked; the current one has %s %s", name,
                             entry->serial != NULL ? "serial" : "SHA-256",
                             entry->serial != NULL   ? entry->serial
                             : entry->sha256 != NULL ? entry->sha256
                                                     : "unknown");
}

/* The first sentence that an authority has about it is enough. */
static enum ecert_status judge_revoked(const struct ecert_served_question *question, int index,
                                       struct ecert_served_problems *ret, struct ecert_error *err)
{
    STACK_OF(X509) *sent = question->seen->certificates;
    ECERT_AUTO(ecert_auto_free) char *words = NULL;

    for (size_t k = 0; k < question->n_known && words == NULL; k++)
        ECERT_TRY(ecert_judge_issuer(&question->known[k], sent, index, &words, err));
    if (words == NULL)
        return ECERT_OK;
    return add(ret, index == 0 ? ECERT_CONDITION_REVOKED : ECERT_CONDITION_REVOKED_ISSUER, &words,
               err);
}

/* ---- all of it ---- */

static bool is_name_of(const X509_NAME *name, const struct ecert_authority *authority)
{
    char common_name[256] = "";

    for (int i = 0; i < sk_X509_num(authority->anchors); i++)
        if (X509_NAME_cmp(X509_get_subject_name(sk_X509_value(authority->anchors, i)), name) == 0)
            return true;
    (void)X509_NAME_get_text_by_NID(name, NID_commonName, common_name, sizeof common_name);
    for (size_t i = 0; i < authority->n_intermediates; i++)
        if (authority->intermediates[i].subject != NULL &&
            strcmp(authority->intermediates[i].subject, common_name) == 0)
            return true;
    return false;
}

bool ecert_served_concerns(const struct ecert_authority *authority, const struct ecert_seen *seen)
{
    for (int i = 0; i < sk_X509_num(seen->certificates); i++)
        if (is_name_of(X509_get_issuer_name(sk_X509_value(seen->certificates, i)), authority))
            return true;
    return false;
}

static enum ecert_status judge(const struct ecert_served_question *question,
                               struct ecert_served_problems *ret, struct ecert_error *err)
{
    const struct ecert_seen *seen = question->seen;
    ECERT_AUTO(ecert_auto_free) char *words = NULL;

    if (!seen->answered || sk_X509_num(seen->certificates) < 1) {
        ECERT_TRY(ecert_text_copy(
            ecert_view_of(seen->why_not == NULL ? "no certificate was sent" : seen->why_not),
            &words, err));
        return add(ret, ECERT_CONDITION_NO_ANSWER, &words, err);
    }
    const X509 *leaf = sk_X509_value(seen->certificates, 0);
    ECERT_TRY(judge_leaf(question, leaf, ret, err));
    ECERT_TRY(judge_name(question, leaf, ret, err));
    ECERT_TRY(judge_revoked(question, 0, ret, err));
    ECERT_TRY(judge_chain(question, ret, err));
    for (int i = 1; i < sk_X509_num(seen->certificates); i++)
        ECERT_TRY(judge_revoked(question, i, ret, err));
    return ECERT_OK;
}

enum ecert_status ecert_judge_served(const struct ecert_served_question *question,
                                     struct ecert_served_problems *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_served_problems_clear) struct ecert_served_problems problems = {0};

    ECERT_TRY(judge(question, &problems, err));
    *ret = problems;
    problems = (struct ecert_served_problems){0};
    return ECERT_OK;
}
