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
#include "core/monitor/monitor.h"
#include "tests/unit/monitor/monitor_site.h"

/* ---- watches ---- */

static void watched_endpoint(void **state)
{
    struct site *s = *state;
    struct ecert_watch_config *watch = site_add_watch(s, "mail");

    watch->endpoint = strdup("[2001:db8::1]:993");
    watch->server_name = strdup("mail.test.hk");
    site_serve(s, "2001:db8::1", NULL, s->f->leaf, s->f->sub_revoked);
    site_run(s, false);
    const struct ecert_finding *finding =
        site_only(s, ECERT_WATCHED_ENDPOINT, ECERT_CONDITION_WRONG_NAME);
    site_says(finding, "[2001:db8::1]:993 (mail.test.hk)", "does not cover 'mail.test.hk'");
    assert_string_equal(finding->name, "mail");
    assert_string_equal(finding->title, "www.test.hk");
    /* by a profile that no certificate uses */
    assert_non_null(site_only(s, ECERT_WATCHED_ENDPOINT, ECERT_CONDITION_REVOKED_ISSUER));
    assert_int_equal(site_count(s, ECERT_WATCHED_ENDPOINT, ECERT_CONDITION_FINE), 0);
}

/* Its list is needed for what is served, whoever else relies on it. */
static void list_of_a_stranger_fails(void **state)
{
    struct site *s = *state;
    struct ecert_watch_config *watch = site_add_watch(s, "www");
    X509_CRL *crl = test_crl_make(s->f->sub, s->f->sub_key, NULL, ecert_clock_now() - 9 * DAY,
                                  ecert_clock_now() - 2 * DAY);

    watch->endpoint = strdup("www.test.hk:443");
    site_serve(s, "www.test.hk", NULL, s->f->leaf, s->f->sub);
    (void)fake_network_serve(FIXTURE_SUB_CRL, test_crl_der(crl));
    site_run(s, false);
    assert_int_equal(s->n - site_count(s, ECERT_WATCHED_ENDPOINT, ECERT_CONDITION_FINE), 1);
    assert_int_equal(s->found[0].watched, ECERT_WATCHED_CRL);
    X509_CRL_free(crl);
}

static void list_of_endpoints(void **state)
{
    struct site *s = *state;
    struct ecert_watch_config *watch = site_add_watch(s, "many");
    char *where = NULL;

    watch->endpoints_file = site_text("%s/list", s->folder);
    site_write_text(s, "list",
                    "# our servers\n"
                    "\n"
                    "WWW.Test.hk:443   # the first\r\n"
                    "192.0.2.7:25 test.hk smtp\n"
                    "192.0.2.8\n"
                    "192.0.2.9:443 a b c\n"
                    "192.0.2.9:443 test.hk pop4");
    site_serve(s, "www.test.hk", NULL, s->f->leaf, s->f->sub);
    site_run(s, false);
    site_says(site_only(s, ECERT_WATCHED_ENDPOINT, ECERT_CONDITION_FINE), "www.test.hk:443", NULL);
    site_says(site_only(s, ECERT_WATCHED_ENDPOINT, ECERT_CONDITION_NO_ANSWER),
              "192.0.2.7:25 (test.hk, smtp)", "connection refused");
    assert_int_equal(site_count(s, ECERT_WATCHED_ENDPOINT, ECERT_CONDITION_UNDECODABLE), 3);
    where = site_text("%s/list:5", s->folder);
    site_says(&s->found[0], where, "list:5: '192.0.2.8' is not host:port");
    free(where);
    where = site_text("%s/list:6", s->folder);
    site_says(&s->found[1], where, "more than three words");
    free(where);
    where = site_text("%s/list:7", s->folder);
    site_says(&s->found[2], where, "'pop4'");
    free(where);
    assert_int_equal(s->n_looks, 1);
    assert_int_equal(s->n_probed, 2);
    site_write_text(s, "list", "# nobody\n");
    site_run(s, false);
    assert_non_null(site_only(s, ECERT_WATCHED_ENDPOINT, ECERT_CONDITION_MISSING));
    free(watch->endpoints_file);
    watch->endpoints_file = site_text("%s/no-list", s->folder);
    site_run(s, false);
    site_says(site_only(s, ECERT_WATCHED_ENDPOINT, ECERT_CONDITION_MISSING), watch->endpoints_file,
              "no-list");
}

static void chain_of_a_stranger(void **state)
{
    struct site *s = *state;
    X509 *sub = test_certificate_make(
        &(struct test_certificate){.key = s->f->sub_key,
                                   .common_name = "Old Sub",
                                   .issuer = s->f->other,
                                   .issuer_key = s->f->other_key,
                                   .not_before = ecert_clock_now() - 900 * DAY,
                                   .not_after = ecert_clock_now() - 3 * DAY,
                                   .ca = true});
    X509 *leaf = test_leaf_make("x.test", s->f->leaf_key, sub, s->f->sub_key);

    site_add_watch(s, "x")->endpoint = strdup("x.test:443");
    site_serve(s, "x.test", NULL, leaf, sub);
    site_run(s, false);
    const struct ecert_finding *old = site_only(s, ECERT_WATCHED_ENDPOINT, ECERT_CONDITION_EXPIRED);
    site_says(old, "x.test:443", "'Old Sub' of the chain");
    assert_non_null(site_only(s, ECERT_WATCHED_ENDPOINT, ECERT_CONDITION_FINE));
    X509_free(leaf);
    X509_free(sub);
}

static void watched_files(void **state)
{
    struct site *s = *state;
    struct ecert_watch_config *watch = site_add_watch(s, "office");
    char *where = NULL;
    struct ecert_bytes leaf = test_certificate_pem(s->f->leaf);
    struct ecert_bytes sub = test_certificate_pem(s->f->sub);
    struct ecert_bytes both = test_join(ecert_bytes_view(&leaf), ecert_bytes_view(&sub));

    watch->file = test_file_write(s->folder, "office.pem", ecert_bytes_view(&both), 0600);
    watch->use = ECERT_WATCH_ORGANISATIONAL;
    site_add_watch(s, "gone")->file = site_text("%s/gone.pem", s->folder);
    site_add_watch(s, "none")->glob = site_text("%s/*.nothing", s->folder);
    site_run(s, false);
    where = site_text("%s, certificate 1", watch->file);
    const struct ecert_finding *office =
        site_only(s, ECERT_WATCHED_ORGANISATIONAL, ECERT_CONDITION_FINE);
    site_says(office, where, NULL);
    assert_string_equal(office->title, "www.test.hk");
    free(where);
    where = site_text("%s, certificate 2", watch->file); /* its CA is a certificate like others */
    site_says(site_only(s, ECERT_WATCHED_FILE, ECERT_CONDITION_FINE), where, NULL);
    free(where);
    assert_int_equal(site_count(s, ECERT_WATCHED_FILE, ECERT_CONDITION_MISSING), 2);
    ecert_bytes_clear(&leaf);
    ecert_bytes_clear(&sub);
    ecert_bytes_clear(&both);
}

static void inbox(void **state)
{
    struct site *s = *state;
    char *where = site_text("%s/inbox/new.cer", s->config.state_dir);

    site_write_pem(s, "state/inbox/new.cer", s->f->leaf);
    site_run(s, false);
    site_says(site_only(s, ECERT_WATCHED_INBOX, ECERT_CONDITION_WAITING), where, NULL);
    ecert_clock_pretend(ecert_clock_now() - 30 * DAY);
    site_run(s, false);
    ecert_clock_pretend(0);
    site_says(site_only(s, ECERT_WATCHED_INBOX, ECERT_CONDITION_WAITING), where,
              "`ecert run` takes it then");
    free(where);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, site_setup, site_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(watched_endpoint),  TEST(list_of_a_stranger_fails),
        TEST(list_of_endpoints), TEST(chain_of_a_stranger),
        TEST(watched_files),     TEST(inbox),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
