/* Whose turn it is, without a connection. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/net/probe_turns.h"
#include "core/net/protocol.h"

enum { N = 40 };

static char here[] = "host.test", HERE[] = "HOST.test", there[] = "192.0.2.1";
static struct ecert_net_endpoint endpoints[N];
static const struct ecert_net_probe probe = {.endpoints = endpoints, .n = N};

static struct ecert_turns *new_turns(void)
{
    struct ecert_turns *turns = NULL;
    struct ecert_error err = {0};

    assert_int_equal(ecert_turns_new(&probe, &turns, &err), ECERT_OK);
    return turns;
}

static size_t next(struct ecert_turns *turns)
{
    size_t index = 0, again = 0;

    assert_true(ecert_turns_next(turns, &index));
    assert_true(ecert_turns_next(turns, &again)); /* it stays so */
    assert_int_equal(index, again);
    ecert_turns_begin(turns);
    return index;
}

static void nobody_is_next(struct ecert_turns *turns)
{
    size_t index;

    assert_false(ecert_turns_next(turns, &index));
}

static void fill(char *address)
{
    for (size_t i = 0; i < N; i++)
        endpoints[i] = (struct ecert_net_endpoint){.address = address, .port = 443};
}

static void one_place_is_asked_a_few_at_a_time_in_order(void **state)
{
    struct ecert_turns *turns;

    (void)state;
    fill(here);
    endpoints[3].address = HERE; /* the same */
    turns = new_turns();
    for (size_t i = 0; i < ECERT_NET_AT_ONCE_PLACE; i++)
        assert_int_equal(next(turns), i);
    nobody_is_next(turns);
    for (size_t i = 0; i < N; i++) {
        ecert_turns_end(turns, i, true);
        if (i + ECERT_NET_AT_ONCE_PLACE < N)
            assert_int_equal(next(turns), i + ECERT_NET_AT_ONCE_PLACE);
        nobody_is_next(turns);
    }
    ecert_turns_free(turns);
}

static void other_places_do_not_wait(void **state)
{
    struct ecert_turns *turns;

    (void)state;
    fill(here);
    endpoints[N - 2].address = there;
    endpoints[N - 1].port = 636;
    turns = new_turns();
    for (size_t i = 0; i < ECERT_NET_AT_ONCE_PLACE; i++)
        assert_int_equal(next(turns), i);
    assert_int_equal(next(turns), N - 2);
    assert_int_equal(next(turns), N - 1);
    nobody_is_next(turns);
    ecert_turns_end(turns, N - 1, true); /* nobody waits for that one */
    nobody_is_next(turns);
    ecert_turns_end(turns, 5, true);
    assert_int_equal(next(turns), ECERT_NET_AT_ONCE_PLACE);
    nobody_is_next(turns);
    ecert_turns_free(turns);
}

static void a_place_that_lets_all_wait_is_silent(void **state)
{
    struct ecert_turns *turns;

    (void)state;
    fill(here);
    endpoints[N - 1].address = there;
    turns = new_turns();
    for (size_t i = 0; i < ECERT_NET_AT_ONCE_PLACE; i++)
        (void)next(turns);
    for (size_t i = 0; i + 1 < ECERT_NET_AT_ONCE_PLACE; i++)
        ecert_turns_end(turns, i, false);
    assert_false(ecert_turns_is_silent(turns, N - 2));
    ecert_turns_end(turns, ECERT_NET_AT_ONCE_PLACE - 1, false);
    assert_true(ecert_turns_is_silent(turns, N - 2));
    assert_false(ecert_turns_is_silent(turns, N - 1));
    ecert_turns_end(turns, next(turns), true);
    assert_false(ecert_turns_is_silent(turns, N - 2));
    ecert_turns_free(turns);
}

static void nothing_to_ask(void **state)
{
    static const struct ecert_net_probe none = {0};
    struct ecert_turns *turns = NULL;
    struct ecert_error err = {0};

    (void)state;
    assert_int_equal(ecert_turns_new(&none, &turns, &err), ECERT_OK);
    nobody_is_next(turns);
    ecert_turns_free(turns);
    ecert_turns_free(NULL);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_place_is_asked_a_few_at_a_time_in_order),
        cmocka_unit_test(other_places_do_not_wait),
        cmocka_unit_test(a_place_that_lets_all_wait_is_silent),
        cmocka_unit_test(nothing_to_ask),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
