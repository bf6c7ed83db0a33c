/* Requests of a whole organisation: more than are made at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/issue/request_fixture.h"

#define MANY 70

static int make_many(void **state)
{
    static struct request_fixture f;

    request_fixture_make(&f, MANY);
    *state = &f;
    return 0;
}

static int clear(void **state)
{
    request_fixture_clear(*state);
    return 0;
}

struct steps {
    size_t done, calls;
};

static void count(void *context, size_t done, size_t n)
{
    struct steps *steps = context;

    assert_int_equal(n, MANY);
    assert_int_equal(done, steps->done + 1);
    steps->done = done;
    steps->calls++;
}

static void test_many(void **state)
{
    struct request_fixture *f = *state;
    struct steps steps = {0};

    f->wish.reason = "the CA revokes everything";
    f->wish.progress = count;
    f->wish.progress_context = &steps;
    f->config.certificates[66].key.place = ECERT_KEY_OURS;
    free(f->config.certificates[66].name);
    f->config.certificates[66].name = strdup("my_server.com"); /* one that is wrong */
    assert_int_equal(request_go(f), ECERT_OK);
    assert_int_equal(f->outcomes.n, MANY);
    assert_int_equal(steps.calls, MANY);
    assert_int_equal(request_backups.calls, MANY - 1);
    request_failed(f, 66, ECERT_E_CONFIG, "it holds '_'");
    for (size_t i = 0; i < MANY; i++) {
        if (i == 66)
            continue;
        const struct ecert_request_outcome *outcome = &f->outcomes.items[i];
        assert_int_equal(outcome->error.status, ECERT_OK);
        assert_ptr_equal(outcome->certificate, &f->config.certificates[i]);
        assert_string_equal(outcome->request.name, f->config.certificates[i].name);
        assert_string_equal(outcome->request.reason, "the CA revokes everything");
        assert_string_equal(outcome->request.batch, "20261121T084200Z");
        assert_int_equal(outcome->request.state, ECERT_REQUEST_OPEN);
        for (size_t k = 0; k < i; k++)
            assert_memory_not_equal(outcome->request.key_id, f->outcomes.items[k].request.key_id,
                                    ECERT_SHA256_LEN);
    }
    request_check_pair(f, MANY - 1);
}

/* Killed between key and backup of one in the middle: the same command goes on. */
static void test_killed(void **state)
{
    struct request_fixture *f = *state;
    int status = 0;
    const pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        request_backups.die_at = 10;
        (void)!request_go(f);
        _exit(1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 9);
    f->wish.now += 600;
    assert_int_equal(request_go(f), ECERT_OK);
    request_check_ok(f);
    for (size_t i = 0; i < MANY; i++) {
        const struct ecert_request_outcome *outcome = &f->outcomes.items[i];

        assert_int_equal(outcome->again, i < 64); /* so many had keys */
        assert_int_equal(outcome->request.state, ECERT_REQUEST_OPEN);
        assert_int_equal(outcome->request.n_backups, 2);
        assert_string_equal(outcome->request.batch, "20261121T084200Z"); /* still the same */
        request_check_stored(f, i, 1);
    }
    /* those that were finished were not touched again */
    assert_int_equal(request_backups.calls, MANY - 9);
}

/* Where nobody answers, many names must not wait for it one after the other. */
static void test_caa_silent(void **state)
{
    struct request_fixture *f = *state;

    request_caa.verdict = ECERT_CAA_UNKNOWN;
    assert_int_equal(request_go(f), ECERT_OK);
    request_check_ok(f);
    assert_int_equal(request_caa.calls, 3);
    assert_true(request_notes(f, 2, "CAA of 'w2.myserver.com'"));
    assert_true(request_notes(f, 3, "were not looked up"));
}

/* A place is full in the middle: the others are asked for all the same. */
static void test_one_fails(void **state)
{
    struct request_fixture *f = *state;

    request_backups.fail_at = 10;
    assert_int_equal(request_go(f), ECERT_OK);
    for (size_t i = 0; i < MANY; i++)
        assert_int_equal(f->outcomes.items[i].error.status, i == 9 ? ECERT_E_IO : ECERT_OK);
}

int main(void)
{
#define ALL(test) cmocka_unit_test_setup_teardown(test, make_many, clear)
    const struct CMUnitTest tests[] = {
        ALL(test_many),
        ALL(test_killed),
        ALL(test_caa_silent),
        ALL(test_one_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
