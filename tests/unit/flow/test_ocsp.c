#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/ocsp.h>
#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/flow/ocsp.h"
#include "tests/support/test_pki.h"
#include "tests/support/test_rows.h"

#define URL    "http://OCSP.test/ask"
#define SECOND "http://ocsp.test:8080/"
#define DAY    86400
#define NONE   INT32_MIN /* no nextUpdate */

/* ---- the responder: a real one, made of OpenSSL, that can be wrong in many ways ---- */

enum signer {
    BY_ISSUER,
    BY_DELEGATE,       /* the issuer's, with OCSPSigning */
    BY_PLAIN,          /* the issuer's, without */
    BY_EXPIRED,        /* the issuer's, with OCSPSigning, last year's */
    BY_ROOTS_DELEGATE, /* of the issuer's issuer */
    BY_FOREIGN,        /* another CA's, with OCSPSigning */
    BY_NAMESAKE,       /* a CA with the issuer's name, and its own key */
    BY_ROOT,
    N_SIGNERS
};

enum nonce { NONCE_COPIED, NONCE_LEFT_OUT, NONCE_OTHER };

enum form {
    FORM_RIGHT,
    FORM_GARBAGE,
    FORM_EMPTY,
    FORM_CUT,
    FORM_TAMPERED, /* one byte of the signature */
    FORM_LATER,    /* "trylater" */
    FORM_OTHER_ID, /* about another serial number */
    FORM_DOWN,     /* does not answer */
    FORM_LARGE,
};

struct behaviour {
    enum signer signer;
    enum form form;
    enum nonce nonce;
    int status;          /* V_OCSP_CERTSTATUS_... */
    int reason;          /* OCSP_REVOKED_STATUS_...; of revoked */
    int32_t from, until; /* seconds from now */
};

static struct world {
    EVP_PKEY *root_key, *issuer_key, *keys[N_SIGNERS];
    X509 *root, *issuer, *leaf, *other_leaf, *signers[N_SIGNERS];
    struct ecert_authority authority;
} world;

static struct {
    struct behaviour first, second; /* of URL and of SECOND */
    unsigned calls;
    struct ecert_post last;
    char last_url[64];
} responder;

static ASN1_GENERALIZEDTIME *at(int64_t seconds)
{
    return ASN1_GENERALIZEDTIME_set(NULL, (time_t)(ecert_clock_now() + seconds));
}

static OCSP_CERTID *other_id(void)
{
    return OCSP_cert_to_id(EVP_sha1(), world.other_leaf, world.issuer);
}

static OCSP_BASICRESP *make_basic(OCSP_REQUEST *request, const struct behaviour *how)
{
    OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
    OCSP_CERTID *asked = OCSP_onereq_get0_id(OCSP_request_onereq_get0(request, 0));
    OCSP_CERTID *id = how->form == FORM_OTHER_ID ? other_id() : OCSP_CERTID_dup(asked);
    ASN1_GENERALIZEDTIME *from = at(how->from);
    ASN1_GENERALIZEDTIME *until = how->until == NONE ? NULL : at(how->until);
    const bool revoked = how->status == V_OCSP_CERTSTATUS_REVOKED;
    ASN1_GENERALIZEDTIME *when = revoked ? at(-3 * DAY) : NULL;

    assert_non_null(OCSP_basic_add1_status(basic, id, how->status, how->reason, when, from, until));
    if (how->nonce == NONCE_COPIED)
        assert_int_equal(OCSP_copy_nonce(basic, request), 1);
    if (how->nonce == NONCE_OTHER)
        assert_int_equal(OCSP_basic_add1_nonce(basic, NULL, -1), 1);
    assert_int_equal(OCSP_basic_sign(basic, world.signers[how->signer], world.keys[how->signer],
                                     EVP_sha256(), NULL, 0),
                     1);
    OCSP_CERTID_free(id);
    ASN1_GENERALIZEDTIME_free(from);
    ASN1_GENERALIZEDTIME_free(until);
    ASN1_GENERALIZEDTIME_free(when);
    return basic;
}

static void bend(enum form form, const OCSP_BASICRESP *basic, struct ecert_bytes *answer)
{
    const ASN1_OCTET_STRING *signature = OCSP_resp_get0_signature(basic);
    const size_t len = (size_t)ASN1_STRING_length(signature);
    uint8_t *place = memmem(answer->ptr, answer->len, ASN1_STRING_get0_data(signature), len);

    if (form == FORM_CUT)
        answer->len /= 2;
    if (form == FORM_TAMPERED)
        place[len - 1] ^= 1;
}

static struct ecert_bytes answer_of(OCSP_REQUEST *request, const struct behaviour *how)
{
    OCSP_BASICRESP *basic = make_basic(request, how);
    OCSP_RESPONSE *response = how->form == FORM_LATER
                                  ? OCSP_response_create(OCSP_RESPONSE_STATUS_TRYLATER, NULL)
                                  : OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
    struct ecert_bytes answer = {0};
    struct ecert_error err = {0};
    unsigned char *der = NULL;
    const int len = i2d_OCSP_RESPONSE(response, &der);

    assert_true(len > 0);
    assert_int_equal(ecert_bytes_copy((struct ecert_view){der, (size_t)len}, &answer, &err),
                     ECERT_OK);
    OPENSSL_free(der);
    OCSP_RESPONSE_free(response);
    bend(how->form, basic, &answer);
    OCSP_BASICRESP_free(basic);
    return answer;
}

/* In the place of the real one at link time. */
enum ecert_status ecert_network_post(struct ecert_network *network, const struct ecert_post *post,
                                     struct ecert_bytes *ret_answer, struct ecert_error *err)
{
    static uint8_t much[1 << 20];
    const struct behaviour *how =
        strcmp(post->url, URL) == 0 ? &responder.first : &responder.second;
    const unsigned char *p = post->body.ptr;

    (void)network;
    responder.calls++;
    responder.last = *post;
    (void)snprintf(responder.last_url, sizeof responder.last_url, "%s", post->url);
    OCSP_REQUEST *request = d2i_OCSP_REQUEST(NULL, &p, (long)post->body.len);
    assert_non_null(request);
    assert_int_equal(OCSP_request_onereq_count(request), 1);
    struct ecert_bytes answer = {0};
    if (how->form == FORM_GARBAGE)
        assert_int_equal(ecert_bytes_copy(ecert_view_of("<html>"), &answer, err), ECERT_OK);
    else if (how->form == FORM_LARGE)
        assert_int_equal(ecert_bytes_copy((struct ecert_view){much, post->max_len}, &answer, err),
                         ECERT_OK);
    else if (how->form != FORM_EMPTY && how->form != FORM_DOWN)
        answer = answer_of(request, how);
    OCSP_REQUEST_free(request);
    if (how->form == FORM_DOWN)
        return ecert_error_set(err, ECERT_E_TIMEOUT, "'%s': timed out", post->url);
    *ret_answer = answer;
    return ECERT_OK;
}

/* ---- rows ---- */

#define GOOD    .status = V_OCSP_CERTSTATUS_GOOD
#define REVOKED .status = V_OCSP_CERTSTATUS_REVOKED
#define UNKNOWN .status = V_OCSP_CERTSTATUS_UNKNOWN
#define TODAY   .from = -3600, .until = DAY

static const struct row {
    const char *name;
    struct behaviour how;
    enum ecert_status want;
    enum ecert_revocation revoked;
    const char *text; /* of an error; of YES the reason, NULL: none */
} rows[] = {
    /* clang-format off */
    {"good, signed by the issuer", {BY_ISSUER, GOOD, TODAY}, ECERT_OK, ECERT_REVOKED_NO, NULL},
    {"good, signed by its responder", {BY_DELEGATE, GOOD, TODAY}, ECERT_OK, ECERT_REVOKED_NO, NULL},
    {"revoked, with a reason", {BY_DELEGATE, REVOKED, TODAY, .reason = OCSP_REVOKED_STATUS_KEYCOMPROMISE}, ECERT_OK, ECERT_REVOKED_YES, "keyCompromise"},
    {"revoked, without a reason", {BY_ISSUER, REVOKED, TODAY, .reason = OCSP_REVOKED_STATUS_NOSTATUS}, ECERT_OK, ECERT_REVOKED_YES, NULL},
    {"unknown", {BY_ISSUER, UNKNOWN, TODAY}, ECERT_OK, ECERT_REVOKED_UNKNOWN, NULL},
    {"without a nonce", {BY_ISSUER, GOOD, TODAY, .nonce = NONCE_LEFT_OUT}, ECERT_OK, ECERT_REVOKED_NO, NULL},
    {"with another nonce", {BY_ISSUER, GOOD, TODAY, .nonce = NONCE_OTHER}, ECERT_E_CRYPTO, 0, "the answer has another question's nonce"},
    {"a clock four minutes ahead", {BY_ISSUER, GOOD, .from = 240, .until = DAY}, ECERT_OK, ECERT_REVOKED_NO, NULL},
    {"a clock six minutes ahead", {BY_ISSUER, GOOD, .from = 360, .until = DAY}, ECERT_E_REFUSED, 0, "the answer is out of date: it counts from "},
    {"nextUpdate four minutes ago", {BY_ISSUER, GOOD, .from = -DAY, .until = -240}, ECERT_OK, ECERT_REVOKED_NO, NULL},
    {"nextUpdate six minutes ago", {BY_ISSUER, GOOD, .from = -DAY, .until = -360}, ECERT_E_REFUSED, 0, "the answer is out of date"},
    {"revoked, out of date", {BY_ISSUER, REVOKED, .from = -DAY, .until = -360}, ECERT_E_REFUSED, 0, "the answer is out of date"},
    {"nextUpdate before thisUpdate", {BY_ISSUER, GOOD, .from = 100, .until = 50}, ECERT_E_REFUSED, 0, "the answer is out of date"},
    {"no nextUpdate, of now", {BY_ISSUER, GOOD, .from = 0, .until = NONE}, ECERT_OK, ECERT_REVOKED_NO, NULL},
    {"no nextUpdate, of an hour ago", {BY_ISSUER, GOOD, .from = -3600, .until = NONE}, ECERT_E_REFUSED, 0, "the answer is out of date"},
    {"a certificate without OCSPSigning", {BY_PLAIN, GOOD, TODAY}, ECERT_E_CRYPTO, 0, "the answer is not signed by the issuer or its responder: "},
    {"an expired responder", {BY_EXPIRED, GOOD, TODAY}, ECERT_E_CRYPTO, 0, "the answer is not signed by the issuer or its responder: "},
    {"a responder of the root", {BY_ROOTS_DELEGATE, GOOD, TODAY}, ECERT_E_CRYPTO, 0, "the answer is not signed by the issuer or its responder: "},
    {"a responder of another CA", {BY_FOREIGN, GOOD, TODAY}, ECERT_E_CRYPTO, 0, "the answer is not signed by the issuer or its responder: "},
    {"a CA of the same name", {BY_NAMESAKE, GOOD, TODAY}, ECERT_E_CRYPTO, 0, "the answer is not signed by the issuer or its responder: "},
    {"the root itself", {BY_ROOT, GOOD, TODAY}, ECERT_E_CRYPTO, 0, "the answer is not signed by the issuer or its responder: "},
    {"a changed signature", {BY_ISSUER, FORM_TAMPERED, GOOD, TODAY}, ECERT_E_CRYPTO, 0, "the answer is not signed by the issuer or its responder: "},
    {"about another certificate", {BY_ISSUER, FORM_OTHER_ID, GOOD, TODAY}, ECERT_E_CRYPTO, 0, "the answer is about another certificate"},
    {"no OCSP response", {BY_ISSUER, FORM_GARBAGE, GOOD, TODAY}, ECERT_E_CRYPTO, 0, "the answer is not an OCSP response"},
    {"nothing", {BY_ISSUER, FORM_EMPTY, GOOD, TODAY}, ECERT_E_CRYPTO, 0, "the answer is not an OCSP response"},
    {"half of it", {BY_ISSUER, FORM_CUT, GOOD, TODAY}, ECERT_E_CRYPTO, 0, "the answer is not an OCSP response"},
    {"much too much", {BY_ISSUER, FORM_LARGE, GOOD, TODAY}, ECERT_E_REFUSED, 0, "the answer is larger than 65536 bytes"},
    {"later", {BY_ISSUER, FORM_LATER, GOOD, TODAY}, ECERT_E_NETWORK, 0, "the responder says 'trylater'"},
    {"no answer", {BY_ISSUER, FORM_DOWN, GOOD, TODAY}, ECERT_E_TIMEOUT, 0, "timed out"},
    /* clang-format on */
};

static void check_row(void **state)
{
    const struct row *row = *state;
    struct ecert_ocsp_answer answer = {.reason = "untouched"};
    struct ecert_error err = {0};
    char want[256];

    responder.first = responder.second = row->how;
    const int64_t now = ecert_clock_now();
    const enum ecert_status status =
        ecert_ocsp_ask(&world.authority, NULL, world.leaf, world.issuer, &answer, &err);
    if (status != row->want)
        fail_msg("%d: %s", status, err.text);
    if (row->want != ECERT_OK) {
        (void)snprintf(want, sizeof want, "'%s': %s", URL, row->text);
        assert_memory_equal(err.text, want, strlen(want));
        assert_string_equal(answer.reason, "untouched");
        return;
    }
    assert_int_equal(answer.revoked, row->revoked);
    assert_in_range(answer.this_update - now - row->how.from, 0, 5);
    if (row->how.until == NONE)
        assert_int_equal(answer.next_update, 0);
    else
        assert_in_range(answer.next_update - now - row->how.until, 0, 5);
    if (row->revoked == ECERT_REVOKED_YES)
        assert_in_range(answer.revoked_at - now + 3 * DAY, 0, 5);
    else
        assert_int_equal(answer.revoked_at, 0);
    if (row->text == NULL)
        assert_null(answer.reason);
    else
        assert_string_equal(answer.reason, row->text);
}

/* ---- whom it asks ---- */

static void set_addresses(const char *first, const char *second)
{
    struct ecert_error err = {0};

    ecert_strings_clear(&world.authority.ocsp);
    if (first != NULL)
        assert_int_equal(ecert_strings_add(&world.authority.ocsp, first, &err), ECERT_OK);
    if (second != NULL)
        assert_int_equal(ecert_strings_add(&world.authority.ocsp, second, &err), ECERT_OK);
    responder.first = responder.second = (struct behaviour){BY_ISSUER, GOOD, TODAY};
    responder.calls = 0;
}

static enum ecert_status ask(struct ecert_ocsp_answer *answer, struct ecert_error *err)
{
    return ecert_ocsp_ask(&world.authority, NULL, world.leaf, world.issuer, answer, err);
}

static void a_profile_without_responders_is_not_asked(void **state)
{
    struct ecert_ocsp_answer answer = {0};
    struct ecert_error err = {0};

    (void)state;
    set_addresses(NULL, NULL);
    assert_int_equal(ask(&answer, &err), ECERT_E_NOT_FOUND);
    assert_string_equal(err.text, "the profile of authority 'testpost' names no OCSP responder");
    assert_int_equal(responder.calls, 0);
    set_addresses(URL, NULL);
}

static void only_listed_hosts_are_asked(void **state)
{
    static const char *const urls[] = {
        "http://ocsp.other/",        "http://ocsp.test.other/", "http://xocsp.test/",
        "http://ocsp.test@other/",   "https://ocsp.test/",      "file:///ocsp.test",
        "http://ocsp.test:80@other", "http://ocsp.test?x",      "http://",
    };
    struct ecert_ocsp_answer answer = {0};
    struct ecert_error err = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(urls); i++) {
        set_addresses(urls[i], NULL);
        assert_int_equal(ask(&answer, &err), ECERT_E_REFUSED);
        assert_non_null(strstr(err.text, urls[i]));
        assert_int_equal(responder.calls, 0);
    }
    set_addresses(URL, NULL);
}

static void the_next_address_is_asked_when_one_fails(void **state)
{
    static const enum form forms[] = {FORM_DOWN, FORM_LATER, FORM_GARBAGE, FORM_TAMPERED};
    struct ecert_ocsp_answer answer = {0};
    struct ecert_error err = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
        set_addresses(URL, SECOND);
        responder.first.form = forms[i];
        assert_int_equal(ask(&answer, &err), ECERT_OK);
        assert_int_equal(answer.revoked, ECERT_REVOKED_NO);
        assert_int_equal(responder.calls, 2);
        assert_string_equal(responder.last_url, SECOND);
    }
    set_addresses(URL, SECOND); /* one that answers is enough */
    assert_int_equal(ask(&answer, &err), ECERT_OK);
    assert_int_equal(responder.calls, 1);
    set_addresses(URL, SECOND);
    responder.first.form = responder.second.form = FORM_DOWN;
    assert_int_equal(ask(&answer, &err), ECERT_E_TIMEOUT);
    assert_non_null(strstr(err.text, SECOND));
    set_addresses(URL, NULL);
}

static void the_question_is_as_the_standard_has_it(void **state)
{
    struct ecert_ocsp_answer answer = {0};
    struct ecert_error err = {0};

    (void)state;
    set_addresses(URL, NULL);
    assert_int_equal(ask(&answer, &err), ECERT_OK);
    assert_string_equal(responder.last.content_type, "application/ocsp-request");
    assert_true(responder.last.any_http);
    assert_true(responder.last.show_url);
    assert_null(responder.last.signature);
    assert_true(responder.last.max_len >= 4096 && responder.last.timeout_ms > 0);
}

static void a_wrong_issuer_asks_nothing(void **state)
{
    struct ecert_ocsp_answer answer = {0};
    struct ecert_error err = {0};

    (void)state;
    set_addresses(URL, NULL);
    assert_int_equal(ecert_ocsp_ask(&world.authority, NULL, world.leaf, world.root, &answer, &err),
                     ECERT_E_CRYPTO);
    assert_int_equal(responder.calls, 0);
}

/* The certificate's end and the clock of the machine are not mixed up: all ask the same clock. */
static void the_replaced_clock_counts(void **state)
{
    struct ecert_ocsp_answer answer = {0};
    struct ecert_error err = {0};
    const int64_t now = ecert_clock_now();

    (void)state;
    set_addresses(URL, NULL);
    responder.first.signer = BY_DELEGATE;
    ecert_clock_pretend(now + 100 * DAY); /* the answer is made for that day too */
    assert_int_equal(ask(&answer, &err), ECERT_OK);
    ecert_clock_pretend(now + 400 * DAY); /* the responder's certificate has ended by then */
    assert_int_equal(ask(&answer, &err), ECERT_E_CRYPTO);
    ecert_clock_pretend(0);
}

/* ---- the world ---- */

static X509 *responder_certificate(enum signer signer, const X509 *issuer, EVP_PKEY *issuer_key,
                                   const char *eku, int64_t not_before)
{
    return test_certificate_make(&(struct test_certificate){.key = world.keys[signer],
                                                            .common_name = "Responder",
                                                            .serial = "77",
                                                            .issuer = issuer,
                                                            .issuer_key = issuer_key,
                                                            .eku = eku,
                                                            .leaf_constraints = true,
                                                            .not_before = not_before});
}

static int make_world(void **state)
{
    static char id[] = "testpost";
    struct ecert_error err = {0};
    const char *eku = "OCSPSigning";

    (void)state;
    world.authority.id = id;
    for (size_t i = 0; i < N_SIGNERS; i++)
        world.keys[i] = test_key_ec("P-256");
    world.root_key = world.keys[BY_ROOT];
    world.issuer_key = world.keys[BY_ISSUER];
    world.root = test_root_make("Root", world.root_key);
    world.issuer = test_sub_ca_make("Sub CA", world.issuer_key, "2025", world.root, world.root_key);
    world.leaf = test_leaf_make("a.test", world.keys[BY_PLAIN], world.issuer, world.issuer_key);
    world.other_leaf =
        test_certificate_make(&(struct test_certificate){.key = world.root_key,
                                                         .serial = "1002",
                                                         .issuer = world.issuer,
                                                         .issuer_key = world.issuer_key});
    world.signers[BY_ISSUER] = world.issuer;
    world.signers[BY_ROOT] = world.root;
    world.signers[BY_NAMESAKE] = test_root_make("Sub CA", world.keys[BY_NAMESAKE]);
    world.signers[BY_DELEGATE] =
        responder_certificate(BY_DELEGATE, world.issuer, world.issuer_key, eku, 0);
    world.signers[BY_PLAIN] =
        responder_certificate(BY_PLAIN, world.issuer, world.issuer_key, "serverAuth", 0);
    world.signers[BY_EXPIRED] = responder_certificate(BY_EXPIRED, world.issuer, world.issuer_key,
                                                      eku, ecert_clock_now() - 400 * (int64_t)DAY);
    world.signers[BY_ROOTS_DELEGATE] =
        responder_certificate(BY_ROOTS_DELEGATE, world.root, world.root_key, eku, 0);
    world.signers[BY_FOREIGN] = responder_certificate(BY_FOREIGN, world.signers[BY_NAMESAKE],
                                                      world.keys[BY_NAMESAKE], eku, 0);
    set_addresses(URL, NULL);
    return ecert_strings_add(&world.authority.hosts, "ocsp.test", &err) == ECERT_OK ? 0 : -1;
}

static int free_world(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_SIGNERS; i++) {
        X509_free(world.signers[i]);
        EVP_PKEY_free(world.keys[i]);
    }
    X509_free(world.leaf);
    X509_free(world.other_leaf);
    ecert_strings_clear(&world.authority.ocsp);
    ecert_strings_clear(&world.authority.hosts);
    return 0;
}

int main(void)
{
    static const struct CMUnitTest fixed[] = {
        cmocka_unit_test(a_profile_without_responders_is_not_asked),
        cmocka_unit_test(only_listed_hosts_are_asked),
        cmocka_unit_test(the_next_address_is_asked_when_one_fails),
        cmocka_unit_test(the_question_is_as_the_standard_has_it),
        cmocka_unit_test(a_wrong_issuer_asks_nothing),
        cmocka_unit_test(the_replaced_clock_counts),
    };
    struct CMUnitTest tests[ARRAY_SIZE(fixed) + ARRAY_SIZE(rows)];
    size_t n = ARRAY_SIZE(fixed);

    memcpy(tests, fixed, sizeof fixed);
    n += TEST_ADD_ROWS(tests + n, check_row, rows);
    return cmocka_run_group_tests(tests, make_world, free_world);
}
