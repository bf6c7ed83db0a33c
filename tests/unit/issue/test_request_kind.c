#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "tests/unit/issue/request_fixture.h"

/* ---- kinds ---- */

struct row {
    const char *title;
    int ends;                 /* of the newest generation, days from 2026-11-21; 0: none */
    const char *subscription; /* NULL: not configured */
    enum ecert_request_kind want;
    const char *words;
};

static const struct row rows[] = {
    {"none yet", 0, "2027-06-30", ECERT_REQUEST_FIRST, "no certificate of this name yet"},
    {"none yet, nothing configured", 0, NULL, ECERT_REQUEST_FIRST, "no certificate"},
    {"the certificate ends long before", 39, "2027-06-30", ECERT_REQUEST_REISSUE,
     "goes on until 2027-06-30, and the present certificate ends on 2026-12-30"},
    {"both end together", 30, "2026-12-21", ECERT_REQUEST_RENEWAL,
     "ends on 2026-12-21, within 60 days of the present certificate's end on 2026-12-21"},
    {"60 days later", 30, "2027-02-19", ECERT_REQUEST_RENEWAL, "within 60 days"},
    {"61 days later", 30, "2027-02-20", ECERT_REQUEST_REISSUE, "goes on until 2027-02-20"},
    {"over", -10, "2026-11-20", ECERT_REQUEST_FIRST,
     "the subscription ended on 2026-11-20, which makes it a new application"},
    {"the certificate is over, the subscription is not", -10, "2027-06-30", ECERT_REQUEST_REISSUE,
     "goes on until 2027-06-30"},
    {"the certificate is over, the subscription ends tomorrow", -1, "2026-11-22",
     ECERT_REQUEST_FIRST, "does not renew an expired one: it is a new application"},
    {"the certificate is over, the subscription ends in 60 days", -10, "2027-01-19",
     ECERT_REQUEST_FIRST, "although the subscription goes on until 2027-01-19"},
    {"over, nothing configured", -10, NULL, ECERT_REQUEST_FIRST, "else a new application"},
    {"its last day", 0 + 1, "2026-11-21", ECERT_REQUEST_RENEWAL, "ends on 2026-11-21"},
    {"an emergency in the middle", 150, "2027-04-30", ECERT_REQUEST_REISSUE,
     "it is replaced before its time"},
    {"not configured, ends soon", 39, NULL, ECERT_REQUEST_RENEWAL,
     "'subscription_ends' is not configured"},
    {"not configured, an emergency", 150, NULL, ECERT_REQUEST_REISSUE,
     "and its subscription at least as long"},
};

static void check_row(void **state)
{
    const struct row *row = *state;
    struct request_fixture f;
    enum ecert_request_kind kind = ECERT_REQUEST_FIRST;
    struct ecert_error err = {0};
    char *why = NULL;

    request_fixture_make(&f, 1);
    if (row->ends != 0)
        request_add_generation(&f, 0, REQUEST_NOW + row->ends * REQUEST_DAY, NULL);
    if (row->subscription != NULL)
        f.config.certificates[0].subscription_ends = strdup(row->subscription);
    if (ecert_request_kind_of(&f.context, &f.config.certificates[0], REQUEST_NOW, &kind, &why,
                              &err) != ECERT_OK)
        fail_msg("%s", err.text);
    if (strstr(why, row->words) == NULL)
        print_error("wanted '%s', got '%s'\n", row->words, why);
    assert_int_equal(kind, row->want);
    assert_non_null(strstr(why, row->words));
    free(why);
    request_fixture_clear(&f);
}

/* ---- cancelling ---- */

static void check_cancel(struct request_fixture *f, const char *id, enum ecert_status want,
                         const char *words)
{
    struct ecert_request request = {0};
    struct ecert_error err = {0};

    (void)!ecert_request_cancel(&f->context, f->config.certificates[0].name, id,
                                REQUEST_NOW + REQUEST_DAY, &request, &err);
    if (err.status != want || strstr(err.text, words) == NULL)
        print_error("wanted '%s', got %d '%s'\n", words, err.status, err.text);
    assert_int_equal(err.status, want);
    assert_non_null(strstr(err.text, words));
    if (want == ECERT_OK)
        assert_int_equal(request.state, ECERT_REQUEST_CANCELLED);
    ecert_request_clear(&request);
}

static void test_cancel(void **state)
{
    struct request_fixture f;

    (void)state;
    request_fixture_make(&f, 1);
    f.wish.without_backup = f.wish.skip_caa = f.wish.another = true;
    check_cancel(&f, NULL, ECERT_E_NOT_FOUND, "has no pending request");
    check_cancel(&f, "20261121T084200Z", ECERT_E_NOT_FOUND, "there is none");
    for (int i = 0; i < 3; i++)
        assert_int_equal(request_go(&f), ECERT_OK);
    check_cancel(&f, NULL, ECERT_E_REFUSED,
                 "3 pending requests: 20261121T084200Z (open), 20261121T084200Z-2 (open), ");
    check_cancel(&f, "20261121T084200Z-2", ECERT_OK, "");
    check_cancel(&f, "20261121T084200Z-2", ECERT_OK, "");
    check_cancel(&f, "20261121T084200Z-9", ECERT_E_NOT_FOUND, "20261121T084200Z-2 (cancelled)");
    check_cancel(&f, "20261121T084200Z", ECERT_OK, "");

    struct ecert_requests stored = request_stored(&f, 0);
    assert_int_equal(stored.n, 3);
    assert_int_equal(stored.items[0].state, ECERT_REQUEST_CANCELLED);
    assert_int_equal(stored.items[0].closed, REQUEST_NOW + REQUEST_DAY);
    assert_null(stored.items[0].problem); /* key and CSR are still there */
    stored.items[2].state = ECERT_REQUEST_ISSUED;
    stored.items[2].generation = 1;
    assert_int_equal(ecert_requests_save(f.config.state_dir, &stored.items[2], &f.err), ECERT_OK);
    ecert_requests_clear(&stored);
    check_cancel(&f, "20261121T084200Z-3", ECERT_E_REFUSED, "its certificate is there");
    check_cancel(&f, NULL, ECERT_E_NOT_FOUND, "has no pending request");
    request_fixture_clear(&f);
}

int main(void)
{
    struct CMUnitTest tests[ARRAY_SIZE(rows) + 1] = {cmocka_unit_test(test_cancel)};

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        tests[i + 1] = (struct CMUnitTest){.name = rows[i].title,
                                           .test_func = check_row,
                                           .initial_state = (void *)(uintptr_t)&rows[i]};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
