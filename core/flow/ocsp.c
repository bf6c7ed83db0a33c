#include "core/flow/ocsp.h"

#include <openssl/ocsp.h>
#include <openssl/x509v3.h>
#include <time.h>

#include "core/base/clock.h"
#include "core/base/message.h"
#include "core/base/process.h"

#define TIMEOUT_MS 10000u
#define ANSWER_MAX ((size_t)64 << 10) /* one status and the certificates of a responder */
#define SKEW       ((int64_t)5 * 60)

struct question {
    OCSP_REQUEST *request;
    OCSP_CERTID *id; /* what it asks for; owned by the request */
    unsigned char *der;
    int der_len;
};

static void question_clear(struct question *question)
{
    OCSP_REQUEST_free(question->request);
    OPENSSL_free(question->der);
    *question = (struct question){0};
}

static void auto_response(OCSP_RESPONSE **response)
{
    OCSP_RESPONSE_free(*response);
}

static void auto_basic(OCSP_BASICRESP **basic)
{
    OCSP_BASICRESP_free(*basic);
}

static void auto_store(X509_STORE **store)
{
    X509_STORE_free(*store);
}

static void auto_borrowed(STACK_OF(X509) **certificates)
{
    sk_X509_free(*certificates);
}

/* ---- the question ---- */

/* SHA-1 only names the issuer here; responders of RFC 5019 know no other. */
static enum ecert_status ask_for(X509 *leaf, X509 *issuer, struct question *question,
                                 struct ecert_error *err)
{
    if (X509_check_issued(issuer, leaf) != X509_V_OK)
        return ecert_error_set(err, ECERT_E_CRYPTO,
                               "the issuer at hand is not that of the certificate");
    OCSP_CERTID *id = OCSP_cert_to_id(EVP_sha1(), leaf, issuer);
    question->request = OCSP_REQUEST_new();
    if (id == NULL || question->request == NULL ||
        OCSP_request_add0_id(question->request, id) == NULL) {
        OCSP_CERTID_free(id);
        return ecert_error_openssl(err, ECERT_E_CRYPTO, "make an OCSP request");
    }
    question->id = id;
    if (OCSP_request_add1_nonce(question->request, NULL, -1) != 1)
        return ecert_error_openssl(err, ECERT_E_CRYPTO, "make a nonce");
    question->der_len = i2d_OCSP_REQUEST(question->request, &question->der);
    if (question->der_len <= 0)
        return ecert_error_openssl(err, ECERT_E_CRYPTO, "encode an OCSP request");
    return ECERT_OK;
}

/* ---- decoding ---- */

static OCSP_RESPONSE *parse(struct ecert_view der)
{
    const unsigned char *at = der.ptr;

    return der.len > ANSWER_MAX ? NULL : d2i_OCSP_RESPONSE(NULL, &at, (long)der.len);
}

/* Everything that the parent will decode once more, the keys of the certificates included. */
static int decode_in_child(void *context, int fd)
{
    const struct ecert_view *der = context;
    ECERT_AUTO(auto_response) OCSP_RESPONSE *response = parse(*der);
    ECERT_AUTO(auto_basic)
    OCSP_BASICRESP *basic = response == NULL ? NULL : OCSP_response_get1_basic(response);
    const STACK_OF(X509) *certificates = basic == NULL ? NULL : OCSP_resp_get0_certs(basic);
    struct ecert_error err = {0};
    unsigned char *again = NULL;

    for (int i = 0; i < sk_X509_num(certificates); i++)
        (void)X509_get0_pubkey(sk_X509_value(certificates, i));
    const int len = response == NULL ? 0 : i2d_OCSP_RESPONSE(response, &again);
    const enum ecert_status status =
        len <= 0 ? ECERT_OK /* nothing is the answer: it is no OCSP response */
                 : ecert_write_all(fd, (struct ecert_view){again, (size_t)len}, &err);
    OPENSSL_free(again);
    return status == ECERT_OK ? 0 : 1;
}

static enum ecert_status decode(struct ecert_view der, OCSP_RESPONSE **ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes again = {0};
    /* no limit on memory: what so few bytes decode to is small */
    const struct ecert_child_limits limits = {.timeout_ms = 10000,
                                              .cpu_seconds = 5,
                                              .max_output = 2 * ANSWER_MAX,
                                              .may_fork = false,
                                              .drop_root = true};

    /* before OpenSSL is used for the first time: a configuration may load foreign code */
    if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1)
        return ecert_error_openssl(err, ECERT_E_CRYPTO, "start OpenSSL");
    if (der.len > ANSWER_MAX)
        return ecert_error_set(err, ECERT_E_REFUSED, "the answer is larger than %zu bytes",
                               ANSWER_MAX);
    if (ecert_child_run(decode_in_child, &der, &limits, &again, err) != ECERT_OK) {
        if (err->status == ECERT_E_TIMEOUT)
            err->status = ECERT_E_REFUSED;
        return ecert_error_wrap(err, "the process that decodes the answer");
    }
    *ret = again.len == 0 ? NULL : parse(ecert_bytes_view(&again));
    if (*ret == NULL)
        return ecert_error_set(err, ECERT_E_CRYPTO, "the answer is not an OCSP response");
    return ECERT_OK;
}

/* ---- believing ---- */

static enum ecert_status check_signature(OCSP_BASICRESP *basic, X509 *issuer,
                                         struct ecert_error *err)
{
    ECERT_AUTO(auto_store) X509_STORE *store = X509_STORE_new();
    ECERT_AUTO(auto_borrowed) STACK_OF(X509) *signers = sk_X509_new_null();

    if (store == NULL || signers == NULL || sk_X509_push(signers, issuer) <= 0 ||
        X509_STORE_add_cert(store, issuer) != 1 ||
        X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN) != 1)
        return ecert_error_nomem(err);
    X509_VERIFY_PARAM_set_time(X509_STORE_get0_param(store), (time_t)ecert_clock_now());
    /* NOEXPLICIT: nobody is a responder but the issuer and whom it named, whatever is trusted */
    if (OCSP_basic_verify(basic, signers, store, OCSP_NOEXPLICIT) != 1)
        return ecert_error_openssl(err, ECERT_E_CRYPTO,
                                   "the answer is not signed by the issuer or its responder");
    return ECERT_OK;
}

static bool seconds_of(const ASN1_GENERALIZEDTIME *when, int64_t *ret)
{
    struct tm tm = {0};

    if (when == NULL || ASN1_TIME_to_tm(when, &tm) != 1)
        return false;
    *ret = (int64_t)timegm(&tm);
    return true;
}

static enum ecert_status check_dates(const struct ecert_ocsp_answer *answer,
                                     struct ecert_error *err)
{
    const int64_t now = ecert_clock_now();
    const int64_t until = answer->next_update == 0 ? answer->this_update : answer->next_update;
    char from_text[ECERT_TIME_TEXT_LEN], until_text[ECERT_TIME_TEXT_LEN];

    if (answer->this_update <= now + SKEW && until >= now - SKEW && until >= answer->this_update)
        return ECERT_OK;
    ecert_clock_text(answer->this_update, from_text);
    ecert_clock_text(until, until_text);
    return ecert_error_set(err, ECERT_E_REFUSED,
                           "the answer is out of date: it counts from %s to %s", from_text,
                           until_text);
}

static enum ecert_status read_status(OCSP_BASICRESP *basic, OCSP_CERTID *id,
                                     struct ecert_ocsp_answer *ret, struct ecert_error *err)
{
    ASN1_GENERALIZEDTIME *revoked = NULL, *this_update = NULL, *next_update = NULL;
    int status = -1, reason = -1;

    if (OCSP_resp_find_status(basic, id, &status, &reason, &revoked, &this_update, &next_update) !=
        1)
        return ecert_error_set(err, ECERT_E_CRYPTO, "the answer is about another certificate");
    if (!seconds_of(this_update, &ret->this_update) ||
        (next_update != NULL && !seconds_of(next_update, &ret->next_update)))
        return ecert_error_set(err, ECERT_E_CRYPTO, "the answer has no readable dates");
    ECERT_TRY(check_dates(ret, err));
    if (status == V_OCSP_CERTSTATUS_GOOD) {
        ret->revoked = ECERT_REVOKED_NO;
        return ECERT_OK;
    }
    if (status != V_OCSP_CERTSTATUS_REVOKED) {
        ret->revoked = ECERT_REVOKED_UNKNOWN;
        return ECERT_OK;
    }
    ret->revoked = ECERT_REVOKED_YES;
    if (!seconds_of(revoked, &ret->revoked_at))
        return ecert_error_set(err, ECERT_E_CRYPTO, "the answer has no readable dates");
    ret->reason = reason < 0 ? NULL : OCSP_crl_reason_str(reason);
    return ECERT_OK;
}

static enum ecert_status believe(OCSP_RESPONSE *response, const struct question *question,
                                 X509 *issuer, struct ecert_ocsp_answer *ret,
                                 struct ecert_error *err)
{
    const int outcome = OCSP_response_status(response);

    if (outcome != OCSP_RESPONSE_STATUS_SUCCESSFUL)
        return ecert_error_set(err, ECERT_E_NETWORK, "the responder says '%s'",
                               OCSP_response_status_str(outcome));
    ECERT_AUTO(auto_basic) OCSP_BASICRESP *basic = OCSP_response_get1_basic(response);
    if (basic == NULL)
        return ecert_error_openssl(err, ECERT_E_CRYPTO, "the answer is not a basic OCSP response");
    ECERT_TRY(check_signature(basic, issuer, err));
    if (OCSP_check_nonce(question->request, basic) == 0)
        return ecert_error_set(err, ECERT_E_CRYPTO, "the answer has another question's nonce");
    return read_status(basic, question->id, ret, err);
}

/* ---- asking ---- */

static enum ecert_status ask_one(const struct ecert_authority *authority,
                                 struct ecert_network *network, const char *url,
                                 const struct question *question, X509 *issuer,
                                 struct ecert_ocsp_answer *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes body = {0};
    ECERT_AUTO(auto_response) OCSP_RESPONSE *response = NULL;
    struct ecert_ocsp_answer answer = {0};
    const struct ecert_post post = {.url = url,
                                    .content_type = "application/ocsp-request",
                                    .body = {question->der, (size_t)question->der_len},
                                    .max_len = ANSWER_MAX + 1, /* one more tells */
                                    .show_url = true,
                                    .any_http = true,
                                    .timeout_ms = TIMEOUT_MS};

    if (!ecert_authority_lists_host(authority, url))
        return ecert_error_set(err, ECERT_E_REFUSED,
                               "'%s' is not an http address of one of the authority's 'hosts'",
                               url);
    ECERT_TRY(ecert_network_post(network, &post, &body, err));
    if (decode(ecert_bytes_view(&body), &response, err) != ECERT_OK ||
        believe(response, question, issuer, &answer, err) != ECERT_OK)
        return ecert_error_wrap(err, "'%s'", url);
    *ret = answer;
    return ECERT_OK;
}

enum ecert_status ecert_ocsp_ask(const struct ecert_authority *authority,
                                 struct ecert_network *network, X509 *leaf, X509 *issuer,
                                 struct ecert_ocsp_answer *ret, struct ecert_error *err)
{
    ECERT_AUTO(question_clear) struct question question = {0};
    struct ecert_error why = {0};

    if (authority->ocsp.len == 0)
        return ecert_error_set(err, ECERT_E_NOT_FOUND,
                               "the profile of authority '%s' names no OCSP responder",
                               authority->id);
    ECERT_TRY(ask_for(leaf, issuer, &question, err));
    for (size_t i = 0; i < authority->ocsp.len; i++) {
        why = (struct ecert_error){0};
        if (ask_one(authority, network, authority->ocsp.items[i], &question, issuer, ret, &why) ==
            ECERT_OK)
            return ECERT_OK;
        if (why.status == ECERT_E_NOMEM)
            break;
    }
    *err = why;
    return why.status;
}
