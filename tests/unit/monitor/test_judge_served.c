#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/flow/certificate.h"
#include "core/monitor/judge_served.h"
#include "tests/unit/flow/chain_fixture.h"
#include "tests/unit/flow/fake_network.h"

struct stage {
    struct fixture *f;
    struct ecert_crls crls;
    X509 *private_root, *private_sub, *private_leaf, *direct_leaf, *address_leaf, *self_signed;
    char leaf_sha256[ECERT_SHA256_HEX_LEN], leaf_serial[ECERT_SERIAL_HEX_LEN];
};

static void make_private(struct stage *s)
{
    static const char *const names[] = {"intern.test", NULL};
    static const char *const addresses[] = {"IP:127.0.0.1", NULL};
    EVP_PKEY *root = test_key_ec("P-256"), *sub = test_key_ec("P-256");

    s->private_root = test_root_make("Private Root", root);
    s->private_sub = test_sub_ca_make("Private Sub", sub, "55", s->private_root, root);
    s->private_leaf = test_leaf_make("intern.test", s->f->leaf_key, s->private_sub, sub);
    s->direct_leaf = test_leaf_make("intern.test", s->f->leaf_key, s->private_root, root);
    s->self_signed = test_certificate_make(&(struct test_certificate){
        .key = s->f->leaf_key, .common_name = "intern.test", .names = names});
    s->address_leaf = test_certificate_make(&(struct test_certificate){
        .key = s->f->leaf_key, .common_name = "127.0.0.1", .others = addresses});
    EVP_PKEY_free(root);
    EVP_PKEY_free(sub);
}

static int setup(void **state)
{
    struct stage *s = calloc(1, sizeof *s);
    struct ecert_error err = {0};

    assert_non_null(s);
    s->f = fixture_make();
    assert_int_equal(
        ecert_crls_get(&s->f->authority, &s->f->sources, ECERT_CRL_AGE_KEPT, &s->crls, &err),
        ECERT_OK);
    ecert_certificate_sha256(s->f->leaf, s->leaf_sha256);
    ecert_certificate_serial(s->f->leaf, s->leaf_serial);
    make_private(s);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct stage *s = *state;

    X509_free(s->private_root);
    X509_free(s->private_sub);
    X509_free(s->private_leaf);
    X509_free(s->direct_leaf);
    X509_free(s->self_signed);
    X509_free(s->address_leaf);
    ecert_crls_clear(&s->crls);
    fixture_free(s->f);
    free(s);
    return 0;
}

/* What is expected, in order, each condition with a part of its sentence; ends with a NULL. */
struct expected {
    enum ecert_condition condition;
    const char *part;
};

/* Takes over the stack. */
static void judge_with(const struct stage *s, const char *host, STACK_OF(X509) *sent,
                       STACK_OF(X509) *deployed, const struct expected *expected)
{
    const struct ecert_known_authority known = {&s->f->authority, &s->crls};
    struct ecert_seen seen = {.answered = true, .certificates = sent};
    const struct ecert_served_question question = {.seen = &seen,
                                                   .host = host,
                                                   .known = &known,
                                                   .n_known = 1,
                                                   .deployed_sha256 =
                                                       deployed == NULL ? NULL : s->leaf_sha256,
                                                   .deployed_serial = s->leaf_serial,
                                                   .generation = 4,
                                                   .deployed_chain = deployed};
    struct ecert_served_problems problems = {0};
    struct ecert_error err = {0};
    size_t i = 0;

    assert_int_equal(ecert_judge_served(&question, &problems, &err), ECERT_OK);
    for (; expected[i].part != NULL; i++) {
        if (i >= problems.n)
            fail_msg("nothing said of '%s'", expected[i].part);
        if (problems.items[i].condition != expected[i].condition ||
            strstr(problems.items[i].detail, expected[i].part) == NULL)
            fail_msg("%s: '%s' instead of %s: '%s'",
                     ecert_condition_word(problems.items[i].condition), problems.items[i].detail,
                     ecert_condition_word(expected[i].condition), expected[i].part);
    }
    if (i < problems.n)
        fail_msg("%s: '%s' is too much", ecert_condition_word(problems.items[i].condition),
                 problems.items[i].detail);
    ecert_served_problems_clear(&problems);
    ecert_auto_x509_stack(&sent);
    ecert_auto_x509_stack(&deployed);
}

#define EXPECT(...) ((const struct expected[]){__VA_ARGS__{ECERT_CONDITION_FINE, NULL}})
#define FINE        EXPECT()

/* ---- where something was deployed ---- */

static void deployed_and_served(void **state)
{
    const struct stage *s = *state;

    judge_with(s, NULL, fixture_stack(s->f->leaf, s->f->sub, NULL), fixture_stack(s->f->sub, NULL),
               FINE);
    judge_with(s, NULL, fixture_stack(s->f->leaf, s->f->sub, s->f->cross, NULL),
               fixture_stack(s->f->sub, s->f->cross, NULL), FINE);
}

static void another_leaf(void **state)
{
    const struct stage *s = *state;
    X509 *other = test_certificate_make(&(struct test_certificate){.key = s->f->leaf_key,
                                                                   .common_name = "www.test.hk",
                                                                   .issuer = s->f->sub,
                                                                   .issuer_key = s->f->sub_key,
                                                                   .serial = "0999",
                                                                   .leaf_constraints = true});

    judge_with(s, NULL, fixture_stack(other, s->f->sub, NULL),
               fixture_stack(s->f->sub, s->f->cross, NULL),
               EXPECT({ECERT_CONDITION_OTHER_LEAF,
                       "serial 0999; generation 4, which was deployed, has serial 1001"}, ));
    X509_free(other);
}

static void chain_left_out(void **state)
{
    const struct stage *s = *state;

    judge_with(s, NULL, fixture_stack(s->f->leaf, NULL), fixture_stack(s->f->sub, NULL),
               EXPECT({ECERT_CONDITION_INCOMPLETE_CHAIN, "issuer of 'www.test.hk' is missing"}, ));
}

static void cross_certificate_left_out(void **state)
{
    const struct stage *s = *state;

    judge_with(s, NULL, fixture_stack(s->f->leaf, s->f->sub, NULL),
               fixture_stack(s->f->sub, s->f->cross, NULL), FINE);
    judge_with(s, NULL, fixture_stack(s->f->leaf, NULL),
               fixture_stack(s->f->sub, s->f->cross, NULL),
               EXPECT({ECERT_CONDITION_INCOMPLETE_CHAIN, "issuer of 'www.test.hk' is missing"}, ));
}

static void another_chain(void **state)
{
    const struct stage *s = *state;

    judge_with(s, NULL, fixture_stack(s->f->leaf, s->f->sub, s->f->cross, NULL),
               fixture_stack(s->f->sub, NULL),
               EXPECT({ECERT_CONDITION_WRONG_CHAIN,
                       "generation 4: 2 certificates behind the leaf instead of 1"}, ));
    judge_with(s, NULL, fixture_stack(s->f->leaf, s->f->sub, NULL),
               fixture_stack(s->f->sub_revoked, NULL),
               EXPECT({ECERT_CONDITION_WRONG_CHAIN,
                       "generation 4: 1 certificate behind the leaf instead of 1"}, ));
}

/* ---- watched ---- */

static void wrong_order(void **state)
{
    const struct stage *s = *state;

    judge_with(s, NULL, fixture_stack(s->f->leaf, s->f->cross, s->f->sub, NULL), NULL,
               EXPECT({ECERT_CONDITION_WRONG_CHAIN,
                       "'Test Root CA 3' stands behind 'www.test.hk' and did not issue it"}, ));
    judge_with(s, NULL, fixture_stack(s->f->leaf, s->f->sub, s->f->sub, NULL), NULL,
               EXPECT({ECERT_CONDITION_WRONG_CHAIN, "stands twice"}, ));
    judge_with(s, NULL, fixture_stack(s->f->leaf, s->f->sub, s->private_sub, NULL), NULL,
               EXPECT({ECERT_CONDITION_WRONG_CHAIN, "'Private Sub' stands behind"}, ));
}

static void wrong_issuer_only(void **state)
{
    const struct stage *s = *state;

    judge_with(s, NULL, fixture_stack(s->f->leaf, s->private_sub, NULL), NULL,
               EXPECT({ECERT_CONDITION_INCOMPLETE_CHAIN, "issuer of 'www.test.hk'"}, ));
}

static void root_sent_along(void **state)
{
    const struct stage *s = *state;

    judge_with(s, NULL, fixture_stack(s->f->leaf, s->f->sub, s->f->root, NULL), NULL, FINE);
}

static void revoked_twin(void **state)
{
    const struct stage *s = *state;

    judge_with(s, NULL, fixture_stack(s->f->leaf, s->f->sub_revoked, NULL), NULL,
               EXPECT({ECERT_CONDITION_REVOKED_ISSUER,
                       "serial 2017 is known to be revoked; the current one has serial 2025"}, ));
}

static void revoked_twin_deployed(void **state)
{
    const struct stage *s = *state;

    judge_with(s, NULL, fixture_stack(s->f->leaf, s->f->sub_revoked, NULL),
               fixture_stack(s->f->sub_revoked, NULL),
               EXPECT({ECERT_CONDITION_REVOKED_ISSUER, "serial 2017"}, ));
}

static void revoked_by_the_crl_alone(void **state)
{
    const struct stage *s = *state;

    fixture_empty(&s->f->authority.intermediates[0].revoked);
    judge_with(s, NULL, fixture_stack(s->f->leaf, s->f->sub_revoked, NULL), NULL,
               EXPECT({ECERT_CONDITION_REVOKED_ISSUER, "serial 2017 is on the CRL"}, ));
}

/*
 * The CRL of one root says nothing of a certificate of another, whatever serial that has; also
 * where somebody forged a CRL with that other one's name.
 */
static void same_serial_of_another_issuer(void **state)
{
    struct stage *s = *state;
    static const char *const serials[] = {FIXTURE_SERIAL_OLD, NULL};
    X509_CRL *forged = test_crl_make(s->f->other, s->f->leaf_key, serials, 0, 0);
    EVP_PKEY *key = test_key_ec("P-256");
    X509 *sub =
        test_sub_ca_make("Other Sub", key, FIXTURE_SERIAL_OLD, s->f->other, s->f->other_key);
    X509 *leaf = test_leaf_make("www.test.hk", s->f->leaf_key, sub, key);

    judge_with(s, NULL, fixture_stack(leaf, sub, NULL), NULL, FINE);
    assert_true(sk_X509_CRL_push(s->crls.crls, forged) > 0);
    judge_with(s, NULL, fixture_stack(leaf, sub, NULL), NULL, FINE);
    X509_free(leaf);
    X509_free(sub);
    EVP_PKEY_free(key);
}

static void revoked_leaf(void **state)
{
    struct stage *s = *state;
    static const char *const serials[] = {"1001", NULL};
    X509_CRL *crl = test_crl_make(s->f->sub, s->f->sub_key, serials, 0, 0);

    assert_true(sk_X509_CRL_push(s->crls.crls, crl) > 0);
    judge_with(s, NULL, fixture_stack(s->f->leaf, s->f->sub, NULL), NULL,
               EXPECT({ECERT_CONDITION_REVOKED, "serial 1001 is on the CRL"}, ));
}

/* Bears the issuer's name, but not its signature. */
static void forged_crl(void **state)
{
    struct stage *s = *state;
    static const char *const serials[] = {"1001", NULL};
    X509_CRL *crl = test_crl_make(s->f->sub, s->f->other_key, serials, 0, 0);

    assert_true(sk_X509_CRL_push(s->crls.crls, crl) > 0);
    judge_with(s, NULL, fixture_stack(s->f->leaf, s->f->sub, NULL), NULL, FINE);
}

static void names(void **state)
{
    const struct stage *s = *state;

    judge_with(s, "www.test.hk", fixture_stack(s->f->leaf, s->f->sub, NULL), NULL, FINE);
    judge_with(s, "mail.test.hk", fixture_stack(s->f->leaf, s->f->sub, NULL), NULL,
               EXPECT({ECERT_CONDITION_WRONG_NAME,
                       "does not cover 'mail.test.hk'; it is for 'www.test.hk', 'test.hk'"}, ));
    judge_with(s, "127.0.0.1", fixture_stack(s->address_leaf, NULL), NULL, FINE);
    judge_with(s, "127.0.0.2", fixture_stack(s->address_leaf, NULL), NULL,
               EXPECT({ECERT_CONDITION_WRONG_NAME, "it is for no host name"}, ));
}

static void private_authorities(void **state)
{
    const struct stage *s = *state;

    judge_with(s, "intern.test", fixture_stack(s->self_signed, NULL), NULL, FINE);
    judge_with(s, "intern.test", fixture_stack(s->private_leaf, s->private_sub, NULL), NULL, FINE);
    judge_with(s, "intern.test", fixture_stack(s->private_leaf, NULL), NULL,
               EXPECT({ECERT_CONDITION_INCOMPLETE_CHAIN, "issuer of 'intern.test'"}, ));
    judge_with(s, "intern.test", fixture_stack(s->direct_leaf, NULL), NULL,
               EXPECT({ECERT_CONDITION_INCOMPLETE_CHAIN, "issuer of 'intern.test'"}, ));
    assert_true(sk_X509_push(s->f->authority.anchors, s->private_root) > 0);
    (void)X509_up_ref(s->private_root);
    judge_with(s, "intern.test", fixture_stack(s->direct_leaf, NULL), NULL, FINE);
}

/* Root and profile are not known: yet who issued whom can be seen in what is sent. */
static void gap_in_the_middle(void **state)
{
    const struct stage *s = *state;
    EVP_PKEY *root_key = test_key_ec("P-256"), *upper_key = test_key_ec("P-256");
    EVP_PKEY *lower_key = test_key_ec("P-256");
    X509 *root = test_root_make("Far Root", root_key);
    X509 *upper = test_sub_ca_make("Far Upper", upper_key, "71", root, root_key);
    X509 *lower = test_sub_ca_make("Far Lower", lower_key, "72", upper, upper_key);
    X509 *cross = test_sub_ca_make("Far Lower", lower_key, "73", s->f->other, s->f->other_key);
    X509 *leaf = test_leaf_make("far.test", s->f->leaf_key, lower, lower_key);
    const struct {
        STACK_OF(X509) *sent;
        enum ecert_condition condition;
        const char *part;
    } rows[] = {
        {fixture_stack(leaf, lower, upper, root, NULL), ECERT_CONDITION_FINE, NULL},
        {fixture_stack(leaf, lower, upper, NULL), ECERT_CONDITION_FINE, NULL},
        {fixture_stack(leaf, lower, NULL), ECERT_CONDITION_FINE, NULL},
        {fixture_stack(leaf, lower, root, NULL), ECERT_CONDITION_INCOMPLETE_CHAIN,
         "issuer of 'Far Lower' is missing"},
        {fixture_stack(leaf, lower, s->private_sub, s->private_root, NULL),
         ECERT_CONDITION_INCOMPLETE_CHAIN, "issuer of 'Far Lower' is missing"},
        {fixture_stack(leaf, upper, NULL), ECERT_CONDITION_INCOMPLETE_CHAIN,
         "issuer of 'far.test' is missing"},
        {fixture_stack(leaf, lower, upper, upper, NULL), ECERT_CONDITION_WRONG_CHAIN,
         "'Far Upper' stands twice"},
        {fixture_stack(leaf, upper, lower, NULL), ECERT_CONDITION_WRONG_CHAIN,
         "'Far Upper' stands behind 'far.test' and did not issue it"},
        {fixture_stack(leaf, lower, cross, NULL), ECERT_CONDITION_WRONG_CHAIN,
         "'Far Lower' stands behind 'Far Lower'"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        judge_with(s, NULL, rows[i].sent, NULL,
                   (const struct expected[]){{rows[i].condition, rows[i].part},
                                             {ECERT_CONDITION_FINE, NULL}});
    X509_free(leaf);
    X509_free(cross);
    X509_free(lower);
    X509_free(upper);
    X509_free(root);
    EVP_PKEY_free(lower_key);
    EVP_PKEY_free(upper_key);
    EVP_PKEY_free(root_key);
}

/* Several faults at once hide none of each other. */
static void everything_at_once(void **state)
{
    const struct stage *s = *state;

    judge_with(s, "mail.test.hk", fixture_stack(s->private_leaf, s->f->sub_revoked, NULL),
               fixture_stack(s->f->sub, NULL),
               EXPECT({ECERT_CONDITION_OTHER_LEAF, "has serial 1001"},
                      {ECERT_CONDITION_WRONG_NAME, "'intern.test'"},
                      {ECERT_CONDITION_INCOMPLETE_CHAIN, "issuer of 'intern.test'"},
                      {ECERT_CONDITION_REVOKED_ISSUER, "serial 2017"}, ));
}

static void no_answer(void **state)
{
    struct ecert_seen seen = {.why_not = strdup("connection refused")};
    const struct ecert_served_question question = {.seen = &seen, .host = "www.test.hk"};
    struct ecert_served_problems problems = {0};
    struct ecert_error err = {0};

    (void)state;
    assert_int_equal(ecert_judge_served(&question, &problems, &err), ECERT_OK);
    assert_int_equal(problems.n, 1);
    assert_int_equal(problems.items[0].condition, ECERT_CONDITION_NO_ANSWER);
    assert_string_equal(problems.items[0].detail, "connection refused");
    ecert_served_problems_clear(&problems);
    free(seen.why_not);
}

/* Whoever makes his own certificate gives himself a name of any length. */
static void titles_are_cut(void **state)
{
    static uint8_t name[80000];
    struct ecert_error err = {0};
    X509 *leaf = X509_new();
    char *title = NULL;

    (void)state;
    assert_non_null(leaf);
    memset(name, 'w', sizeof name);
    assert_int_equal(X509_NAME_add_entry_by_NID(X509_get_subject_name(leaf), NID_commonName,
                                                V_ASN1_UTF8STRING, name, sizeof name, -1, 0),
                     1);
    assert_int_equal(ecert_served_title(leaf, &title, &err), ECERT_OK);
    assert_int_equal(strlen(title), ECERT_TITLE_MAX - 1 + strlen("…"));
    assert_int_equal(memcmp(title, name, ECERT_TITLE_MAX - 1), 0);
    free(title);
    X509_free(leaf);
}

static void concerns(void **state)
{
    const struct stage *s = *state;
    struct ecert_seen ours = {true, NULL, fixture_stack(s->f->leaf, NULL)};
    struct ecert_seen theirs = {true, NULL, fixture_stack(s->private_leaf, s->private_sub, NULL)};
    const struct ecert_seen silent = {0};

    assert_true(ecert_served_concerns(&s->f->authority, &ours));
    assert_false(ecert_served_concerns(&s->f->authority, &theirs));
    assert_false(ecert_served_concerns(&s->f->authority, &silent));
    ecert_auto_x509_stack(&ours.certificates);
    ecert_auto_x509_stack(&theirs.certificates);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(deployed_and_served),
        TEST(another_leaf),
        TEST(chain_left_out),
        TEST(cross_certificate_left_out),
        TEST(another_chain),
        TEST(wrong_order),
        TEST(wrong_issuer_only),
        TEST(root_sent_along),
        TEST(revoked_twin),
        TEST(revoked_twin_deployed),
        TEST(revoked_by_the_crl_alone),
        TEST(same_serial_of_another_issuer),
        TEST(revoked_leaf),
        TEST(forged_crl),
        TEST(names),
        TEST(private_authorities),
        TEST(gap_in_the_middle),
        TEST(everything_at_once),
        TEST(no_answer),
        TEST(titles_are_cut),
        TEST(concerns),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
