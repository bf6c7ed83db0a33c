#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/flow/certificate.h"
#include "core/flow/endpoints.h"
#include "core/monitor/monitor_parts.h"
#include "tests/unit/monitor/monitor_site.h"

/* ---- certificates ---- */

static void nothing_issued(void **state)
{
    struct site *s = *state;

    (void)site_add_certificate(s, NAME);
    site_run(s, false);
    site_says(site_only(s, ECERT_WATCHED_CERTIFICATE, ECERT_CONDITION_NOT_ISSUED), "no generation",
              "its key is made in IIS"); /* those of this site are */
    assert_int_equal(site_count(s, ECERT_WATCHED_ANCHOR, ECERT_CONDITION_FINE), 1);
    assert_int_equal(site_count(s, ECERT_WATCHED_CRL, ECERT_CONDITION_FINE), 2);
    assert_int_equal(s->n, 4);
    assert_int_equal(s->n_looks, 0);
}

static void all_is_well(void **state)
{
    struct site *s = *state;

    (void)site_add_certificate(s, NAME);
    site_deploy(s, site_issue(s, NAME, s->f->leaf, s->f->sub), s->f->leaf, "192.0.2.1");
    site_serve(s, "192.0.2.1", NULL, s->f->leaf, s->f->sub);
    site_run(s, false);
    const struct ecert_finding *leaf =
        site_only(s, ECERT_WATCHED_CERTIFICATE, ECERT_CONDITION_FINE);
    site_says(leaf, "generation 1", NULL);
    assert_string_equal(leaf->serial, "1001");
    assert_int_equal(leaf->not_after, ecert_certificate_not_after(s->f->leaf));
    assert_int_equal(leaf->threshold, ECERT_NO_THRESHOLD);
    const struct ecert_finding *target = site_only(s, ECERT_WATCHED_TARGET, ECERT_CONDITION_FINE);
    site_says(target, "target web, 192.0.2.1:443 (www.test.hk)", NULL);
    assert_string_equal(target->sha256, leaf->sha256);
    site_says(site_only(s, ECERT_WATCHED_CHAIN, ECERT_CONDITION_FINE), "chain of www.test.hk",
              NULL);
    assert_int_equal(s->n, 6);
    assert_int_equal(s->progress_of, 1);
}

/* Nothing is asked, and what was written down is told. */
static void offline(void **state)
{
    struct site *s = *state;

    (void)site_add_certificate(s, NAME);
    site_deploy(s, site_issue(s, NAME, s->f->leaf, s->f->sub), s->f->leaf, "192.0.2.1");
    site_run(s, true);
    site_says(site_only(s, ECERT_WATCHED_TARGET, ECERT_CONDITION_FINE), "target web", NULL);
    assert_int_equal(s->n_looks, 0);
    assert_int_equal(fake_network_calls(), 0);
    /* there was never a network: the CRLs are not known, for all certificates once */
    assert_int_equal(site_count(s, ECERT_WATCHED_CRL, ECERT_CONDITION_REVOCATION_UNKNOWN), 3);
    assert_int_equal(site_count(s, ECERT_WATCHED_CERTIFICATE, ECERT_CONDITION_FINE), 1);
}

static void expires(void **state)
{
    struct site *s = *state;
    X509 *leaf = site_make_leaf(s, s->f->leaf_key, "77", 12);

    site_add_certificate(s, NAME)->subscription_ends = strdup("2020-02-29");
    (void)site_issue(s, NAME, leaf, s->f->sub);
    site_run(s, false);
    const struct ecert_finding *finding =
        site_only(s, ECERT_WATCHED_CERTIFICATE, ECERT_CONDITION_EXPIRES);
    assert_int_equal(finding->threshold, 14);
    const struct ecert_finding *subscription =
        site_only(s, ECERT_WATCHED_SUBSCRIPTION, ECERT_CONDITION_EXPIRED);
    site_says(subscription, "/etc/ecert/ecert.conf:10", "its key is made in IIS");
    assert_int_equal(subscription->not_after, 1583020799); /* 2020-02-29T23:59:59Z */
    X509_free(leaf);
}

static void revoked(void **state)
{
    struct site *s = *state;
    static const char *const serials[] = {"0077", NULL};
    X509 *leaf = site_make_leaf(s, s->f->leaf_key, "77", 200);

    (void)site_add_certificate(s, "a.test.hk");
    (void)site_add_certificate(s, "b.test.hk"); /* after one that is not, and before another */
    (void)site_add_certificate(s, "c.test.hk");
    (void)site_issue(s, "a.test.hk", s->f->leaf, s->f->sub);
    (void)site_issue(s, "b.test.hk", leaf, s->f->sub);
    (void)site_issue(s, "c.test.hk", s->f->leaf, s->f->sub);
    site_serve_sub_crl(s, serials);
    site_run(s, false);
    assert_string_equal(site_only(s, ECERT_WATCHED_CERTIFICATE, ECERT_CONDITION_REVOKED)->name,
                        "b.test.hk");
    assert_int_equal(site_count(s, ECERT_WATCHED_CERTIFICATE, ECERT_CONDITION_FINE), 2);
    assert_int_equal(site_count(s, ECERT_WATCHED_CRL, ECERT_CONDITION_REVOCATION_UNKNOWN), 0);
    X509_free(leaf);
}

static void revoked_intermediate(void **state)
{
    struct site *s = *state;

    (void)site_add_certificate(s, NAME);
    (void)site_issue(s, NAME, s->f->leaf, s->f->sub_revoked);
    site_run(s, false);
    site_says(site_only(s, ECERT_WATCHED_CHAIN, ECERT_CONDITION_REVOKED), "chain of www.test.hk",
              "serial 2017 is known to be revoked; the current one has serial 2025");
}

static void nobody_speaks_of_it(void **state)
{
    struct site *s = *state;

    fake_network_reset();
    (void)site_add_certificate(s, "a.test.hk");
    (void)site_add_certificate(s, "b.test.hk");
    (void)site_issue(s, "a.test.hk", s->f->leaf, s->f->sub);
    (void)site_issue(s, "b.test.hk", s->f->leaf, s->f->sub);
    site_run(s, false);
    assert_int_equal(site_count(s, ECERT_WATCHED_CRL, ECERT_CONDITION_REVOCATION_UNKNOWN), 3);
    site_says(&s->found[s->n - 1], "of the issuer '" FIXTURE_SUB_NAME "'",
              "speaks of 'a.test.hk' and 1 more");
}

static void out_of_date_list(void **state)
{
    struct site *s = *state;
    const int64_t now = ecert_clock_now();
    X509_CRL *crl = test_crl_make(s->f->sub, s->f->sub_key, NULL, now - 9 * DAY, now - 2 * DAY);

    (void)fake_network_serve(FIXTURE_SUB_CRL, test_crl_der(crl));
    (void)site_add_certificate(s, NAME);
    (void)site_issue(s, NAME, s->f->leaf, s->f->sub);
    site_run(s, false);
    site_says(site_only(s, ECERT_WATCHED_CRL, ECERT_CONDITION_EXPIRED), FIXTURE_SUB_CRL,
              "out of date");
    assert_int_equal(site_count(s, ECERT_WATCHED_CRL, ECERT_CONDITION_REVOCATION_UNKNOWN), 1);
    X509_CRL_free(crl);
}

/* Dates are told from what was written down; that the files are others, too. */
static void changed_on_disk(void **state)
{
    struct site *s = *state;
    char *file = NULL;

    (void)site_add_certificate(s, NAME);
    (void)site_issue(s, NAME, s->f->leaf, s->f->sub);
    (void)site_issue(s, NAME, s->f->leaf, s->f->sub_revoked);
    file =
        site_text("%s/certificates/" NAME "/generations/0002/fullchain.pem", s->config.state_dir);
    assert_int_equal(unlink(file), 0);
    site_run(s, false);
    assert_non_null(site_only(s, ECERT_WATCHED_CERTIFICATE, ECERT_CONDITION_MISSING));
    assert_non_null(site_only(s, ECERT_WATCHED_CERTIFICATE, ECERT_CONDITION_FINE));
    free(file);
    site_write_pem(s, "state/certificates/" NAME "/generations/0002/fullchain.pem", s->f->sub);
    site_run(s, false);
    const struct ecert_finding *finding =
        site_only(s, ECERT_WATCHED_CERTIFICATE, ECERT_CONDITION_UNDECODABLE);
    site_says(finding, "generation 2", "was changed");
    site_write_text(s, "state/certificates/" NAME "/generations/0002/generation.json", "{");
    site_run(s, false);
    assert_non_null(site_only(s, ECERT_WATCHED_CERTIFICATE, ECERT_CONDITION_UNREADABLE));
    assert_int_equal(site_count(s, ECERT_WATCHED_CERTIFICATE, ECERT_CONDITION_FINE), 0);
}

/* A thousand certificates of one CA have one chain; whoever is told of it is told once. */
static void one_chain_for_all(void **state)
{
    struct site *s = *state;

    (void)site_add_certificate(s, "a.test.hk");
    (void)site_add_certificate(s, "b.test.hk");
    fixture_add(&site_add_certificate(s, "c.test.hk")->settings.contacts, "c@test.hk");
    (void)site_issue(s, "a.test.hk", s->f->leaf, s->f->sub);
    (void)site_issue(s, "b.test.hk", s->f->leaf, s->f->sub);
    (void)site_issue(s, "c.test.hk", s->f->leaf, s->f->sub);
    site_run(s, false);
    assert_int_equal(site_count(s, ECERT_WATCHED_CHAIN, ECERT_CONDITION_FINE), 2);
    for (size_t i = 0, seen = 0; i < s->n; i++)
        if (s->found[i].watched == ECERT_WATCHED_CHAIN)
            assert_string_equal(s->found[i].where, seen++ == 0 ? "chain of a.test.hk and 1 more"
                                                               : "chain of c.test.hk");
}

/* ---- OCSP ---- */

static void ask_responder(struct site *s)
{
    site_write_profile(s, "ocsp = [ \"http://crl1.test\" ];\n");
    (void)site_add_certificate(s, "a.test.hk");
    (void)site_add_certificate(s, "b.test.hk");
    (void)site_issue(s, "a.test.hk", s->f->leaf, s->f->sub);
    (void)site_issue(s, "b.test.hk", s->f->leaf, s->f->sub);
}

static void responder_says_revoked(void **state)
{
    struct site *s = *state;

    ask_responder(s);
    s->ocsp = ECERT_REVOKED_YES;
    site_run(s, false);
    assert_int_equal(site_count(s, ECERT_WATCHED_CERTIFICATE, ECERT_CONDITION_REVOKED), 2);
    assert_int_equal(s->n_ocsp, 2);
    site_run(s, true);
    assert_int_equal(site_count(s, ECERT_WATCHED_CERTIFICATE, ECERT_CONDITION_REVOKED), 0);
    assert_int_equal(s->n_ocsp, 2);
}

/* What one of the two knows is known. */
static void responder_in_the_place_of_crls(void **state)
{
    struct site *s = *state;

    ask_responder(s);
    fake_network_reset();
    s->ocsp = ECERT_REVOKED_NO;
    site_run(s, false);
    assert_int_equal(site_count(s, ECERT_WATCHED_CERTIFICATE, ECERT_CONDITION_FINE), 2);
    /* the two lists that are not to be had, and nothing of the certificates */
    assert_int_equal(site_count(s, ECERT_WATCHED_CRL, ECERT_CONDITION_REVOCATION_UNKNOWN), 2);
    s->ocsp = ECERT_REVOKED_UNKNOWN;
    site_run(s, false);
    assert_int_equal(site_count(s, ECERT_WATCHED_CRL, ECERT_CONDITION_REVOCATION_UNKNOWN), 3);
}

static void silent_responder(void **state)
{
    struct site *s = *state;

    ask_responder(s);
    s->ocsp_status = ECERT_E_TIMEOUT;
    site_run(s, false);
    site_says(site_only(s, ECERT_WATCHED_CRL, ECERT_CONDITION_NO_ANSWER), "OCSP",
              "a.test.hk: 'http://crl1.test' declined");
    assert_int_equal(s->n_ocsp, 1); /* nobody waits for each of a thousand */
    assert_int_equal(site_count(s, ECERT_WATCHED_CERTIFICATE, ECERT_CONDITION_FINE), 2);
    s->ocsp_status = ECERT_E_CRYPTO;
    site_run(s, false);
    assert_int_equal(s->n_ocsp, 3);
    site_says(site_only(s, ECERT_WATCHED_CRL, ECERT_CONDITION_REVOCATION_UNKNOWN), "OCSP",
              "declined");
}

/* The first leaf that an issuer's CRLs are asked about cannot be read: that is its fault only. */
static void one_leaf_lost(void **state)
{
    struct site *s = *state;
    char *file =
        site_text("%s/certificates/a.test.hk/generations/0001/cert.pem", s->config.state_dir);

    ask_responder(s);
    s->ocsp = ECERT_REVOKED_UNKNOWN;
    assert_int_equal(unlink(file), 0);
    site_run(s, false);
    site_says(site_only(s, ECERT_WATCHED_CRL, ECERT_CONDITION_REVOCATION_UNKNOWN),
              "of the issuer '" FIXTURE_SUB_NAME "'", "speaks of 'a.test.hk'");
    free(file);
}

static void broken_profile(void **state)
{
    struct site *s = *state;

    site_write_text(s, "authorities/test.conf", "nonsense = 1;");
    (void)site_add_certificate(s, NAME);
    (void)site_issue(s, NAME, s->f->leaf, s->f->sub);
    site_run(s, false);
    site_says(site_only(s, ECERT_WATCHED_ANCHOR, ECERT_CONDITION_UNREADABLE), "authority 'test'",
              "nonsense");
    assert_int_equal(site_count(s, ECERT_WATCHED_CERTIFICATE, ECERT_CONDITION_FINE), 1);
}

/* ---- targets ---- */

static void drift(void **state)
{
    struct site *s = *state;
    X509 *other = site_make_leaf(s, s->f->leaf_key, "77", 200);

    (void)site_add_certificate(s, NAME);
    site_deploy(s, site_issue(s, NAME, s->f->leaf, s->f->sub), s->f->leaf, "192.0.2.1");
    site_serve(s, "192.0.2.1", NULL, other, s->f->sub);
    site_run(s, false);
    site_says(site_only(s, ECERT_WATCHED_TARGET, ECERT_CONDITION_OTHER_LEAF),
              "target web, 192.0.2.1:443 (www.test.hk)",
              "serial 77; generation 1, which was deployed, has serial 1001");
    assert_int_equal(site_count(s, ECERT_WATCHED_TARGET, ECERT_CONDITION_FINE), 0);
    X509_free(other);
}

/* An old worker answers for a moment after a reload. */
static void old_worker(void **state)
{
    struct site *s = *state;

    s->old_leaf = site_make_leaf(s, s->f->leaf_key, "77", 200);
    (void)site_add_certificate(s, NAME);
    site_deploy(s, site_issue(s, NAME, s->f->leaf, s->f->sub), s->f->leaf, "192.0.2.1");
    site_serve(s, "192.0.2.1", NULL, s->f->leaf, s->f->sub);
    for (s->n_old_looks = 0; s->n_old_looks <= 2; s->n_old_looks++) {
        s->n_looks = 0;
        site_run(s, false);
        assert_non_null(site_only(s, ECERT_WATCHED_TARGET, ECERT_CONDITION_FINE));
        assert_int_equal(site_count(s, ECERT_WATCHED_TARGET, ECERT_CONDITION_OTHER_LEAF), 0);
        assert_int_equal(s->n_looks, s->n_old_looks + 1);
    }
    s->n_looks = 0; /* three old answers are no moment any more */
    site_run(s, false);
    assert_non_null(site_only(s, ECERT_WATCHED_TARGET, ECERT_CONDITION_OTHER_LEAF));
    assert_int_equal(s->n_looks, 3);
    X509_free(s->old_leaf);
}

static void key_is_gone(void **state)
{
    struct site *s = *state;

    site_add_certificate(s, NAME)->key.place = ECERT_KEY_FILE;
    (void)site_issue(s, NAME, s->f->leaf, s->f->sub); /* without one */
    site_run(s, true);
    site_says(site_only(s, ECERT_WATCHED_CERTIFICATE, ECERT_CONDITION_MISSING), "generation 1",
              "privkey.pem");
}

static void drift_that_expires(void **state)
{
    struct site *s = *state;
    X509 *other = site_make_leaf(s, s->f->leaf_key, "77", 2);

    (void)site_add_certificate(s, NAME);
    site_deploy(s, site_issue(s, NAME, s->f->leaf, s->f->sub), s->f->leaf, "192.0.2.1");
    site_serve(s, "192.0.2.1", NULL, other, NULL);
    site_run(s, false);
    assert_non_null(site_only(s, ECERT_WATCHED_TARGET, ECERT_CONDITION_OTHER_LEAF));
    assert_non_null(site_only(s, ECERT_WATCHED_TARGET, ECERT_CONDITION_INCOMPLETE_CHAIN));
    assert_int_equal(site_only(s, ECERT_WATCHED_TARGET, ECERT_CONDITION_EXPIRES)->threshold, 3);
    X509_free(other);
}

/* A server with certificates of both kinds shows the one that it is asked for. */
static void other_kind_of_key(void **state)
{
    struct site *s = *state;
    EVP_PKEY *key = test_key_rsa(2048);
    X509 *other = site_make_leaf(s, key, "77", 200);

    (void)site_add_certificate(s, NAME);
    site_deploy(s, site_issue(s, NAME, s->f->leaf, s->f->sub), s->f->leaf, "192.0.2.1");
    site_serve(s, "192.0.2.1", "rsa", other, s->f->sub);
    site_serve(s, "192.0.2.1", "ec", s->f->leaf, s->f->sub);
    site_run(s, false);
    assert_non_null(site_only(s, ECERT_WATCHED_TARGET, ECERT_CONDITION_FINE));
    assert_int_equal(site_count(s, ECERT_WATCHED_TARGET, ECERT_CONDITION_OTHER_LEAF), 0);
    assert_int_equal(s->n_looks, 2);
    s->n_servers = 1; /* it has no other one */
    site_run(s, false);
    assert_non_null(site_only(s, ECERT_WATCHED_TARGET, ECERT_CONDITION_OTHER_LEAF));
    X509_free(other);
    EVP_PKEY_free(key);
}

static void lags_behind(void **state)
{
    struct site *s = *state;
    X509 *newer = site_make_leaf(s, s->f->leaf_key, "77", 200);

    (void)site_add_certificate(s, NAME);
    site_deploy(s, site_issue(s, NAME, s->f->leaf, s->f->sub), s->f->leaf, "192.0.2.1");
    (void)site_issue(s, NAME, newer, s->f->sub);
    site_serve(s, "192.0.2.1", NULL, s->f->leaf, s->f->sub);
    site_run(s, false);
    const struct ecert_finding *owed =
        site_only(s, ECERT_WATCHED_TARGET, ECERT_CONDITION_NOT_DEPLOYED);
    site_says(owed, "target web", "it has generation 1, and 2 is owed");
    assert_string_equal(owed->serial, "1001");
    /* it serves what it was given: no drift */
    assert_non_null(site_only(s, ECERT_WATCHED_TARGET, ECERT_CONDITION_FINE));
    X509_free(newer);
}

static void silent_server(void **state)
{
    struct site *s = *state;

    (void)site_add_certificate(s, NAME);
    site_deploy(s, site_issue(s, NAME, s->f->leaf, s->f->sub), s->f->leaf, "192.0.2.1");
    site_run(s, false);
    site_says(site_only(s, ECERT_WATCHED_TARGET, ECERT_CONDITION_NO_ANSWER),
              "target web, 192.0.2.1:443 (www.test.hk)", "connection refused");
    s->network_is_broken = true;
    site_run(s, false);
    site_says(site_only(s, ECERT_WATCHED_TARGET, ECERT_CONDITION_NO_ANSWER),
              "target web, 192.0.2.1:443 (www.test.hk)", "ecert-net cannot be started");
    assert_non_null(site_only(s, ECERT_WATCHED_CERTIFICATE, ECERT_CONDITION_FINE));
}

static void damaged_target(void **state)
{
    struct site *s = *state;

    (void)site_add_certificate(s, NAME);
    site_deploy(s, site_issue(s, NAME, s->f->leaf, s->f->sub), s->f->leaf, "192.0.2.1");
    site_write_text(s, "state/certificates/" NAME "/targets/web.json", "[]");
    site_run(s, false);
    site_says(site_only(s, ECERT_WATCHED_TARGET, ECERT_CONDITION_UNREADABLE), "target web",
              "is damaged");
}

/* ---- places ---- */

static void places(void **state)
{
    static const struct {
        struct ecert_probe probe;
        const char *place;
    } rows[] = {
        {{(char *)(uintptr_t) "192.0.2.1", 443, NULL, NULL}, "192.0.2.1:443"},
        {{(char *)(uintptr_t) "::1", 25, (char *)(uintptr_t) "mail", (char *)(uintptr_t) "smtp"},
         "[::1]:25 (mail, smtp)"},
        {{(char *)(uintptr_t) "a.hk", 443, (char *)(uintptr_t) "a.hk", NULL}, "a.hk:443"},
        {{(char *)(uintptr_t) "a.hk", 389, (char *)(uintptr_t) "a.hk", (char *)(uintptr_t) "ldap"},
         "a.hk:389 (ldap)"},
        {{(char *)(uintptr_t) "a.hk", 443, (char *)(uintptr_t) "b.hk", NULL}, "a.hk:443 (b.hk)"},
    };
    struct ecert_error err = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char *place = NULL;

        assert_int_equal(monitor_place(&rows[i].probe, &place, &err), ECERT_OK);
        assert_string_equal(place, rows[i].place);
        free(place);
    }
}

/* ---- names ---- */

static void names(void **state)
{
    struct site *s = *state;
    static const char *const typo[] = {"offise", NULL}, *const watch[] = {"office", NULL};
    static const char *const certificate[] = {NAME, NULL};

    (void)site_add_certificate(s, NAME);
    (void)site_add_certificate(s, "b.test.hk");
    site_add_watch(s, "office")->file = site_text("%s/gone.pem", s->folder);
    site_write_pem(s, "state/inbox/new.cer", s->f->leaf);
    assert_int_equal(site_run_with(s, false, typo), ECERT_E_CONFIG);
    assert_non_null(strstr(s->err.text, "(did you mean 'office'?)"));
    assert_int_equal(s->n, 0);
    assert_int_equal(site_run_with(s, false, watch), ECERT_OK);
    assert_non_null(site_only(s, ECERT_WATCHED_FILE, ECERT_CONDITION_MISSING));
    assert_int_equal(s->n, 1);
    assert_int_equal(site_run_with(s, false, certificate), ECERT_OK);
    assert_non_null(site_only(s, ECERT_WATCHED_CERTIFICATE, ECERT_CONDITION_NOT_ISSUED));
    assert_int_equal(site_count(s, ECERT_WATCHED_FILE, ECERT_CONDITION_MISSING), 0);
    assert_int_equal(site_count(s, ECERT_WATCHED_INBOX, ECERT_CONDITION_WAITING), 0);
}

static enum ecert_status refuse(void *context, const struct ecert_finding *finding,
                                struct ecert_error *err)
{
    (void)context;
    return ecert_error_set(err, ECERT_E_BUSY, "not %s", finding->name);
}

static void whoever_is_told_may_end_it(void **state)
{
    struct site *s = *state;
    const struct ecert_monitor_options options = {.offline = true};
    struct ecert_context context = site_context(s);

    (void)site_add_certificate(s, NAME);
    assert_int_equal(ecert_monitor_run(&context, &options, refuse, NULL, &s->err), ECERT_E_BUSY);
    ecert_context_clear(&context);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, site_setup, site_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_issued),
        TEST(all_is_well),
        TEST(offline),
        TEST(expires),
        TEST(revoked),
        TEST(revoked_intermediate),
        TEST(nobody_speaks_of_it),
        TEST(out_of_date_list),
        TEST(changed_on_disk),
        TEST(one_chain_for_all),
        TEST(responder_says_revoked),
        TEST(responder_in_the_place_of_crls),
        TEST(silent_responder),
        TEST(one_leaf_lost),
        TEST(broken_profile),
        TEST(drift),
        TEST(old_worker),
        TEST(key_is_gone),
        TEST(drift_that_expires),
        TEST(other_kind_of_key),
        TEST(lags_behind),
        TEST(silent_server),
        TEST(damaged_target),
        TEST(places),
        TEST(names),
        TEST(whoever_is_told_may_end_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
