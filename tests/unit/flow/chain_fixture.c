#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/flow/certificate.h"
#include "tests/unit/flow/chain_fixture.h"
#include "tests/unit/flow/fake_network.h"

static void must(bool good)
{
    if (!good)
        abort();
}

void fixture_set(char **member, const char *text)
{
    free(*member);
    *member = text == NULL ? NULL : strdup(text);
    must(text == NULL || *member != NULL);
}

void fixture_empty(struct ecert_strings *strings)
{
    ecert_strings_clear(strings);
}

void fixture_add(struct ecert_strings *strings, const char *text)
{
    struct ecert_error err = {0};

    must(ecert_strings_add(strings, text, &err) == ECERT_OK);
}

STACK_OF(X509) *fixture_stack(X509 *first, ...)
{
    STACK_OF(X509) *stack = sk_X509_new_null();
    va_list args;

    va_start(args, first);
    for (X509 *next = first; next != NULL; next = va_arg(args, X509 *)) {
        must(sk_X509_push(stack, next) > 0);
        (void)X509_up_ref(next);
    }
    va_end(args);
    return stack;
}

bool fixture_says(const struct ecert_strings *sentences, const char *text)
{
    for (size_t i = 0; i < sentences->len; i++) {
        if (strstr(sentences->items[i], text) != NULL)
            return true;
    }
    return false;
}

static X509 *make_sub(const struct fixture *fixture, const char *serial, int64_t not_before)
{
    return test_certificate_make(
        &(struct test_certificate){.key = fixture->sub_key,
                                   .common_name = FIXTURE_SUB_NAME,
                                   .issuer = fixture->root,
                                   .issuer_key = fixture->root_key,
                                   .serial = serial,
                                   .not_before = not_before,
                                   .not_after = ecert_clock_now() + 3000 * (int64_t)86400,
                                   .eku = "serverAuth",
                                   .ca = true});
}

static void make_certificates(struct fixture *fixture)
{
    const int64_t year = 365 * (int64_t)86400, now = ecert_clock_now();
    static const char *const names[] = {"www.test.hk", "test.hk", NULL};

    fixture->root = test_root_make("Test Root CA 3", fixture->root_key);
    fixture->other = test_root_make("Other Root R3", fixture->other_key);
    fixture->sub = make_sub(fixture, FIXTURE_SERIAL_NEW, now - year);
    fixture->sub_revoked = make_sub(fixture, FIXTURE_SERIAL_OLD, now - 9 * year);
    fixture->cross = test_sub_ca_make("Test Root CA 3", fixture->root_key, "C0", fixture->other,
                                      fixture->other_key);
    fixture->leaf =
        test_certificate_make(&(struct test_certificate){.key = fixture->leaf_key,
                                                         .common_name = "www.test.hk",
                                                         .names = names,
                                                         .issuer = fixture->sub,
                                                         .issuer_key = fixture->sub_key,
                                                         .serial = "1001",
                                                         .not_before = now - 3600,
                                                         .not_after = now - 3600 + 199 * 86400 - 1,
                                                         .eku = "serverAuth",
                                                         .policies = "1.3.6.1.4.1.16030.1.7.16",
                                                         .issuers_url = FIXTURE_ISSUERS_URL,
                                                         .leaf_constraints = true});
}

static void make_authority(struct fixture *fixture)
{
    struct ecert_authority *authority = &fixture->authority;
    char hash[ECERT_SHA256_HEX_LEN];

    fixture_set(&authority->id, "test");
    fixture_set(&authority->name, "Test");
    authority->anchors = fixture_stack(fixture->root, fixture->other, NULL);
    authority->intermediates = calloc(1, sizeof *authority->intermediates);
    authority->cross_certificates = calloc(1, sizeof *authority->cross_certificates);
    must(authority->intermediates != NULL && authority->cross_certificates != NULL);
    authority->n_intermediates = authority->n_cross_certificates = 1;
    ecert_certificate_sha256(fixture->sub, hash);
    fixture_set(&authority->intermediates[0].sha256, hash);
    fixture_set(&authority->intermediates[0].serial, FIXTURE_SERIAL_NEW);
    fixture_set(&authority->intermediates[0].subject, FIXTURE_SUB_NAME);
    fixture_set(&authority->intermediates[0].url, FIXTURE_SUB_URL);
    ecert_certificate_sha256(fixture->sub_revoked, hash);
    fixture_add(&authority->intermediates[0].revoked, hash);
    ecert_certificate_sha256(fixture->cross, hash);
    fixture_set(&authority->cross_certificates[0].sha256, hash);
    fixture_set(&authority->cross_certificates[0].url, FIXTURE_CROSS_URL);
    fixture_add(&authority->crls, FIXTURE_ROOT_CRL);
    fixture_add(&authority->hosts, "www1.test");
    fixture_add(&authority->policies, "1.3.6.1.4.1.16030.1.7");
}

struct fixture *fixture_make(void)
{
    static const char *const revoked[] = {FIXTURE_SERIAL_OLD, NULL};
    struct fixture *fixture = calloc(1, sizeof *fixture);

    must(fixture != NULL);
    fixture->root_key = test_key_ec("P-256");
    fixture->other_key = test_key_ec("P-256");
    fixture->sub_key = test_key_ec("P-256");
    fixture->leaf_key = test_key_ec("P-256");
    make_certificates(fixture);
    fixture->root_crl = test_crl_make(fixture->root, fixture->root_key, revoked, 0, 0);
    make_authority(fixture);
    fixture->state_dir = test_folder_make();
    fixture->sources =
        (struct ecert_chain_sources){fixture->state_dir, &fixture->network, &fixture->silent};
    fake_network_reset();
    (void)fake_network_serve(FIXTURE_SUB_URL, test_certificate_pem(fixture->sub));
    (void)fake_network_serve(FIXTURE_CROSS_URL, test_certificate_der(fixture->cross));
    (void)fake_network_serve(FIXTURE_ROOT_CRL, test_crl_der(fixture->root_crl));
    return fixture;
}

void fixture_free(struct fixture *fixture)
{
    ecert_clock_pretend(0);
    fake_network_reset();
    test_folder_remove(fixture->state_dir);
    ecert_authority_clear(&fixture->authority);
    ecert_strings_clear(&fixture->silent);
    X509_CRL_free(fixture->root_crl);
    X509_free(fixture->leaf);
    X509_free(fixture->cross);
    X509_free(fixture->sub_revoked);
    X509_free(fixture->sub);
    X509_free(fixture->other);
    X509_free(fixture->root);
    EVP_PKEY_free(fixture->leaf_key);
    EVP_PKEY_free(fixture->sub_key);
    EVP_PKEY_free(fixture->other_key);
    EVP_PKEY_free(fixture->root_key);
    free(fixture);
}

/* ---- chains ---- */

struct built fixture_build_for(struct fixture *fixture, X509 *leaf, STACK_OF(X509) *offered,
                               STACK_OF(X509) *operator_file, bool cross)
{
    struct built built = {0};
    struct ecert_crls crls = {0};
    struct ecert_error err = {0};

    assert_int_equal(
        ecert_crls_get(&fixture->authority, &fixture->sources, ECERT_CRL_AGE_KEPT, &crls, &err),
        ECERT_OK);
    const struct ecert_chain_request request = {.authority = &fixture->authority,
                                                .leaf = leaf,
                                                .offered = offered,
                                                .operator_file = operator_file,
                                                .cross_certificate = cross,
                                                .crls = &crls};
    built.status = ecert_chain_build(&request, &fixture->sources, &built.chain, &built.anchor,
                                     &built.notes, &built.err);
    ecert_crls_clear(&crls);
    sk_X509_pop_free(offered, X509_free);
    sk_X509_pop_free(operator_file, X509_free);
    return built;
}

struct built fixture_build(struct fixture *fixture, STACK_OF(X509) *offered,
                           STACK_OF(X509) *operator_file)
{
    return fixture_build_for(fixture, fixture->leaf, offered, operator_file, false);
}

void built_clear(struct built *built)
{
    sk_X509_pop_free(built->chain, X509_free);
    X509_free(built->anchor);
    ecert_strings_clear(&built->notes);
}

void built_expect(const struct built *built, const X509 *anchor, ...)
{
    va_list args;
    int n = 0;

    if (built->status != ECERT_OK)
        print_error("%s\n", built->err.text);
    assert_int_equal(built->status, ECERT_OK);
    va_start(args, anchor);
    for (const X509 *next = va_arg(args, const X509 *); next != NULL;
         next = va_arg(args, const X509 *), n++) {
        assert_true(n < sk_X509_num(built->chain));
        assert_true(ecert_certificate_equal(sk_X509_value(built->chain, n), next));
    }
    va_end(args);
    assert_int_equal(sk_X509_num(built->chain), n);
    assert_true(ecert_certificate_equal(built->anchor, anchor));
}

void built_expect_failure(const struct built *built, enum ecert_status status, const char *a,
                          const char *b)
{
    assert_int_equal(built->status, status);
    assert_null(built->chain);
    assert_null(built->anchor);
    if (strstr(built->err.text, a) == NULL || strstr(built->err.text, b) == NULL)
        fail_msg("'%s' lacks '%s' or '%s'", built->err.text, a, b);
}

void built_expect_note(const struct built *built, const char *a, const char *b)
{
    for (size_t i = 0; i < built->notes.len; i++) {
        if (strstr(built->notes.items[i], a) != NULL && strstr(built->notes.items[i], b) != NULL)
            return;
    }
    for (size_t i = 0; i < built->notes.len; i++)
        print_error("note: %s\n", built->notes.items[i]);
    fail_msg("no note with '%s' and '%s'", a, b);
}
