/* The weekly digest and the test of the channels, in the scene of channel_fixture.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/monitor/channel_fixture.h"

static void test_digest(void **state)
{
    struct ecert_finding finding = finding_of("gate", ECERT_CONDITION_EXPIRES, 12);
    const struct ecert_finding *list[] = {&finding};
    struct ecert_telling telling = {0};
    struct ecert_error err = {0};

    (void)state;
    static char url[] = "https://hooks.example/1", weekday[] = "monday";
    config.reminders.has_webhook = true;
    config.reminders.webhook.url = url;
    config.reminders.digest = weekday;
    sent.refuses = "webhook";
    sent.answer = ECERT_E_NETWORK;
    assert_int_equal(ecert_digest_send(&context, list, 1, 5, NOW, &telling, &err), ECERT_OK);
    assert_string_equal(sent.log, "mail fallback@myserver.com() en kind 1: gate\n"
                                  "json -() en kind 1: gate\n");
    assert_int_equal(telling.told, 1);
    assert_int_equal(telling.failed, 1);
    assert_false(digest_was_sent); /* once more next time */
    ecert_telling_clear(&telling);
    /* who has it is not told daily because of the other */
    sent.log[0] = '\0';
    assert_int_equal(ecert_digest_send(&context, NULL, 0, 5, NOW + 86400, &telling, &err),
                     ECERT_OK);
    assert_string_equal(sent.log, "json -() en kind 1:\n");
    assert_false(digest_was_sent);
    ecert_telling_clear(&telling);
    /* but the next week */
    sent.log[0] = '\0';
    assert_int_equal(ecert_digest_send(&context, NULL, 0, 5, NOW + 7 * 86400, &telling, &err),
                     ECERT_OK);
    assert_int_equal(telling.told, 1);
    ecert_telling_clear(&telling);
    sent.refuses = NULL;
    assert_int_equal(ecert_digest_send(&context, NULL, 0, 5, NOW + 8 * 86400, &telling, &err),
                     ECERT_OK);
    assert_true(digest_was_sent);
    assert_int_equal(telling.told, 1);
    ecert_telling_clear(&telling);
    assert_int_equal(ecert_digest_send(&context, NULL, 0, 5, NOW + 9 * 86400, &telling, &err),
                     ECERT_OK);
    assert_int_equal(telling.told, 2); /* a new one */
    ecert_telling_clear(&telling);
    ecert_finding_clear(&finding);
}

/* One address of two refuses: it is tried until it takes it or the next one is due. */
static void test_digest_refused_by_one(void **state)
{
    char first[] = "a@x.hk", second[] = "b@x.hk";
    char *two[] = {first, second, NULL};
    static char weekday[] = "monday"; /* NOW is a Wednesday */
    static const struct {
        int day;
        const char *refuses, *log;
        bool is_sent;
    } rows[] = {
        {0, "b@x.hk", "mail a@x.hk() en kind 1:\nmail b@x.hk() en kind 1:\n", false},
        {1, "b@x.hk", "mail b@x.hk() en kind 1:\n", false},
        {4, "b@x.hk", "mail b@x.hk() en kind 1:\n", false},
        {5, "b@x.hk", "mail a@x.hk() en kind 1:\nmail b@x.hk() en kind 1:\n", false},
        {6, NULL, "mail b@x.hk() en kind 1:\n", true},
    };

    (void)state;
    config.reminders.digest = weekday;
    config.reminders.email.to = (struct ecert_strings){two, 2};
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct ecert_telling telling = {0};
        struct ecert_error err = {0};

        sent.log[0] = '\0';
        sent.refuses = rows[i].refuses;
        sent.answer = ECERT_E_NETWORK;
        assert_int_equal(
            ecert_digest_send(&context, NULL, 0, 5, NOW + rows[i].day * 86400, &telling, &err),
            ECERT_OK);
        assert_string_equal(sent.log, rows[i].log);
        assert_int_equal(digest_was_sent, rows[i].is_sent);
        ecert_telling_clear(&telling);
    }
}

/* It has the pauses of a reminder, also where nobody at all took it. */
static void test_digest_waits(void **state)
{
    static char weekday[] = "monday";
    static const int64_t tries[] = {0, 300, 300 + 900, 300 + 900 + 3600, 300 + 900 + 3600 + 14400};
    static const int64_t pauses[] = {300, 900, 3600, 14400, 14400};
    struct ecert_error err = {0};
    bool is_time = true;

    (void)state;
    config.reminders.digest = weekday;
    assert_false(ecert_digest_is_owed(&config, NOW, &is_time)); /* not begun */
    sent.answer = ECERT_E_NETWORK;
    sent.refuses = "fallback@myserver.com";
    for (size_t i = 0; i < ARRAY_SIZE(tries); i++) {
        struct ecert_telling telling = {0};
        const int64_t now = NOW + tries[i];

        assert_int_equal(ecert_digest_send(&context, NULL, 0, 5, now, &telling, &err), ECERT_OK);
        assert_int_equal(telling.failed, 1);
        ecert_telling_clear(&telling);
        assert_true(ecert_digest_is_owed(&config, now + pauses[i] - 1, &is_time));
        assert_false(is_time);
        assert_true(ecert_digest_is_owed(&config, now + pauses[i], &is_time));
        assert_true(is_time);
    }
    assert_true(ecert_digest_is_owed(&config, NOW - 86400, &is_time));
    assert_true(is_time); /* the clock was put back */
    assert_false(ecert_digest_is_owed(&config, NOW + 7 * 86400, &is_time)); /* a new one */
    sent.refuses = NULL;
    struct ecert_telling telling = {0};
    assert_int_equal(ecert_digest_send(&context, NULL, 0, 5, NOW + 86400, &telling, &err),
                     ECERT_OK);
    ecert_telling_clear(&telling);
    assert_false(ecert_digest_is_owed(&config, NOW + 86400, &is_time));
}

static void test_test(void **state)
{
    struct ecert_telling telling = {0};
    struct ecert_error err = {0};

    (void)state;
    sent.refuses = "boss@myserver.com";
    sent.answer = ECERT_E_NETWORK;
    assert_int_equal(ecert_channels_test(&context, NOW, &telling, &err), ECERT_OK);
    /* everybody whom the configuration names, each once */
    assert_string_equal(sent.log, "mail fallback@myserver.com() en kind 2:\n"
                                  "mail boss@myserver.com() en kind 2:\n"
                                  "mail chan@myserver.com(陳大文) zh_HK kind 2:\n"
                                  "mail else@myserver.com() en kind 2:\n");
    assert_int_equal(telling.told, 3);
    assert_int_equal(telling.failed, 1);
    ecert_telling_clear(&telling);
}

int main(void)
{
#define WITH_SCENE(test) cmocka_unit_test_setup_teardown(test, set_scene, clear_scene)
    const struct CMUnitTest tests[] = {
        WITH_SCENE(test_digest),
        WITH_SCENE(test_digest_refused_by_one),
        WITH_SCENE(test_digest_waits),
        WITH_SCENE(test_test),
    };

    return cmocka_run_group_tests_name("channel_digest", tests, NULL, NULL);
}
