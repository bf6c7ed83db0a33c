#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/clock.h"
#include "tests/unit/flow/checks_bench.h"

/* ---- the cases: each bends one thing ---- */

static void no_key(struct bench *b)
{
    b->input.key_id = NULL;
}

static void no_names(struct bench *b)
{
    b->input.names = NULL;
}

static void valid_in_a_second(struct bench *b)
{
    b->input.now = b->what.not_before - 1;
}

static void first_second(struct bench *b)
{
    b->input.now = b->what.not_before;
}

static void last_second(struct bench *b)
{
    b->input.now = b->what.not_after;
}

static void expired(struct bench *b)
{
    b->input.now = b->what.not_after + 1;
}

static void newest_like(struct bench *b, int64_t from, int64_t until)
{
    struct test_certificate what = b->what;

    what.not_before += from;
    what.not_after += until;
    what.serial = "1000";
    b->newest = test_certificate_make(&what);
    b->input.newest = b->newest;
}

static void same_is_newest(struct bench *b)
{
    b->input.newest = b->leaf;
}

static void newest_is_newer(struct bench *b)
{
    newest_like(b, 1, 1);
}

static void newest_is_older_and_ends_later(struct bench *b)
{
    newest_like(b, -DAY, DAY);
}

static void newest_began_with_it_and_ends_later(struct bench *b)
{
    newest_like(b, 0, 1);
}

static void without_usage(struct bench *b)
{
    b->what.eku = NULL;
    bench_reissue(b);
}

static void a_ca(struct bench *b)
{
    b->what.leaf_constraints = false;
    b->what.ca = true;
    bench_reissue(b);
}

static void leaf_on_the_crl(struct bench *b)
{
    static const char *const serials[] = {"1001", NULL};
    X509_CRL *crl = test_crl_make(b->f->sub, b->f->sub_key, serials, 0, 0);

    assert_true(sk_X509_CRL_push(b->crls.crls, crl) > 0);
}

static void policy_beside_the_arc(struct bench *b)
{
    b->what.policies = NO_POLICY ",2.23.140.1.2.2";
    bench_reissue(b);
}

static void policy_second(struct bench *b)
{
    b->what.policies = "2.23.140.1.2.2," P_ALL;
    bench_reissue(b);
}

static void without_policies(struct bench *b)
{
    b->what.policies = NULL;
    bench_reissue(b);
}

static void profile_without_policies(struct bench *b)
{
    fixture_empty(&b->f->authority.policies);
    without_policies(b);
}

/* Issued at the first second of a phase, for so many days exactly. */
static void lives(struct bench *b, int64_t from, int64_t seconds)
{
    b->what.not_before = from;
    b->what.not_after = from + seconds - 1; /* both ends count */
    bench_reissue(b);
}

static void lives_398(struct bench *b)
{
    lives(b, 1773532799, 398 * DAY); /* 2026-03-14T23:59:59Z */
}

static void lives_399(struct bench *b)
{
    lives(b, 1773532799, 398 * DAY + 1);
}

static void lives_200(struct bench *b)
{
    lives(b, 1773532800, 200 * DAY); /* 2026-03-15 */
}

static void lives_201(struct bench *b)
{
    lives(b, 1773532800, 200 * DAY + 1);
}

static void lives_101(struct bench *b)
{
    lives(b, 1805068800, 100 * DAY + 1); /* 2027-03-15 */
}

static void lives_47(struct bench *b)
{
    lives(b, 1868227200, 47 * DAY); /* 2029-03-15 */
}

static void lives_48(struct bench *b)
{
    lives(b, 1868227200, 47 * DAY + 1);
}

static void private_and_long(struct bench *b)
{
    fixture_empty(&b->f->authority.policies);
    lives_201(b);
}

static void system_and_long(struct bench *b)
{
    private_and_long(b);
    fixture_set(&b->f->authority.id, "system");
}

static const struct check_case cases[] = {
    {"key-match: good", bench_good, "key-match", OK, NULL},
    {"key-match: no key here", no_key, "key-match", SKIP, "not on this host"},
    {"key-match: another key", bench_other_key, "key-match", BAD, "another key"},
    {"names: good", bench_good, "names", OK, NULL},
    {"names: one is not covered", bench_name_not_covered, "names", BAD, "'shop.test.hk'"},
    {"names: none asked for", no_names, "names", SKIP, NULL},
    {"not-before: the first second counts", first_second, "not-before", OK, NULL},
    {"not-before: a second early", valid_in_a_second, "not-before", BAD, "valid from"},
    {"not-after: the last second counts", last_second, "not-after", OK, NULL},
    {"not-after: a second late", expired, "not-after", BAD, "expired at"},
    {"not-after: yesterday", bench_expired_yesterday, "not-after", BAD, "expired at"},
    {"newer: none taken", bench_good, "newer", SKIP, NULL},
    {"newer: the same leaf", same_is_newest, "newer", OK, NULL},
    {"newer: the one taken is newer", newest_is_newer, "newer", BAD, "before the newest one taken"},
    {"newer: emergency replacement", newest_is_older_and_ends_later, "newer", OK, "ends earlier"},
    {"newer: same start, earlier end", newest_began_with_it_and_ends_later, "newer", BAD,
     "ends at"},
    {"leaf-is-server: good", bench_good, "leaf-is-server", OK, NULL},
    {"leaf-is-server: for clients", bench_for_clients, "leaf-is-server", BAD, "serverAuth"},
    {"leaf-is-server: no usage rules nothing out", without_usage, "leaf-is-server", OK, NULL},
    {"leaf-is-server: a CA", a_ca, "leaf-is-server", BAD, "a CA's"},
    {"leaf-revoked: good", bench_good, "leaf-revoked", OK, NULL},
    {"leaf-revoked: listed", leaf_on_the_crl, "leaf-revoked", BAD, "serial 1001"},
    {"leaf-revoked: no CRLs", bench_no_crls, "leaf-revoked", UNK, "no CRL in date"},
    {"leaf-revoked: none in the profile", bench_profile_without_crls, "leaf-revoked", SKIP, NULL},
    {"policy: good", bench_good, "policy", OK, NULL},
    {"policy: as the second", policy_second, "policy", OK, NULL},
    {"policy: 70 is not below 7", policy_beside_the_arc, "policy", BAD, "16030.1.7"},
    {"policy: none", without_policies, "policy", BAD, "16030.1.7"},
    {"policy: profile without", profile_without_policies, "policy", SKIP, NULL},
    {"lifetime: good", bench_good, "lifetime", OK, NULL},
    {"lifetime: 398 days before 2026-03-15", lives_398, "lifetime", OK, NULL},
    {"lifetime: a second more", lives_399, "lifetime", BAD, "399 days"},
    {"lifetime: 200 days from 2026-03-15", lives_200, "lifetime", OK, NULL},
    {"lifetime: a second more than 200 days", lives_201, "lifetime", BAD, "201 days"},
    {"lifetime: 101 days from 2027-03-15", lives_101, "lifetime", BAD, "101 days"},
    {"lifetime: 47 days from 2029-03-15", lives_47, "lifetime", OK, NULL},
    {"lifetime: 48 days from 2029-03-15", lives_48, "lifetime", BAD, "48 days"},
    {"lifetime: a private CA", private_and_long, "lifetime", SKIP, NULL},
    {"lifetime: the system's CAs", system_and_long, "lifetime", BAD, "201 days"},
};

int main(void)
{
    struct CMUnitTest tests[ARRAY_SIZE(cases)] = {{0}};

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        tests[i] = (struct CMUnitTest){.name = cases[i].name,
                                       .test_func = check_case_run,
                                       .initial_state = (void *)(uintptr_t)&cases[i]};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
