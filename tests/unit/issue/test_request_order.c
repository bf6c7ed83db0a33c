/* Requests that were pending when an emergency came. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "tests/unit/issue/request_fixture.h"

static int make_two(void **state)
{
    static struct request_fixture f;

    request_fixture_make(&f, 2);
    *state = &f;
    return 0;
}

static int clear(void **state)
{
    request_fixture_clear(*state);
    return 0;
}

/* ---- an emergency ---- */

static void check_joined(const struct ecert_request *request)
{
    assert_int_equal(request->state, ECERT_REQUEST_OPEN);
    assert_non_null(request->reason);
    assert_string_equal(request->reason, "the CA revokes everything");
    assert_non_null(request->batch);
    assert_string_equal(request->batch, "20261121T094200Z");
}

/* Asked for one by one, or with all others but for no emergency. */
static void test_pending_joins(void **state)
{
    struct request_fixture *f = *state;

    for (int all = 0; all < 2; all++) {
        f->wish.reason = NULL;
        f->wish.now = REQUEST_NOW;
        f->wish.another = all != 0;
        assert_int_equal(all ? request_go(f) : request_go_for(f, "w0.myserver.com"), ECERT_OK);
        request_check_ok(f);
        f->wish.another = false;
        f->wish.now += 3600;
        f->wish.reason = "the CA revokes everything";
        assert_int_equal(request_go(f), ECERT_OK);
        request_check_ok(f);
        for (size_t i = 0; i < 2; i++) {
            struct ecert_requests stored = request_stored(f, i);

            check_joined(&f->outcomes.items[i].request);
            check_joined(&stored.items[stored.n - 1]);
            ecert_requests_clear(&stored);
        }
        assert_true(f->outcomes.items[0].again);
    }
}

static void test_first_emergency_stays(void **state)
{
    struct request_fixture *f = *state;

    f->wish.reason = "the CA revokes everything";
    assert_int_equal(request_go(f), ECERT_OK);
    f->wish.now += 2 * REQUEST_DAY;
    f->wish.reason = "another thing";
    assert_int_equal(request_go(f), ECERT_OK);
    request_check_ok(f);
    assert_string_equal(f->outcomes.items[0].request.reason, "the CA revokes everything");
    assert_string_equal(f->outcomes.items[0].request.batch, "20261121T084200Z");
}

int main(void)
{
#define TWO(test) cmocka_unit_test_setup_teardown(test, make_two, clear)
    const struct CMUnitTest tests[] = {
        TWO(test_pending_joins),
        TWO(test_first_emergency_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
