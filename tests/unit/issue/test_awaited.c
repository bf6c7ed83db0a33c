/* What a request waits for, from whom, and what to do next. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/base/words.h"
#include "core/issue/awaited.h"

static char ca[] = "The CA", person[] = "the Officer", person_zh[] = "\xE4\xB8\xBB\xE4\xBB\xBB",
            words[] = "T", id[] = "20261121T084200Z", name[] = "www.x.test", profile[] = "myca",
            problem[] = "request.json is damaged";

static struct ecert_authority_step steps[] = {
    {.text = words},
    {.who = person, .who_zh = person_zh, .text = words},
};

static bool several; /* others of its name are pending too */

static struct ecert_awaited of(enum ecert_request_state state, const char *trouble, size_t n_steps,
                               bool readable)
{
    const struct ecert_authority authority = {.name = ca,
                                              .request = {.steps = steps, .n_steps = n_steps}};
    struct ecert_request request = {.id = id, .name = name, .state = state, .authority = profile};
    struct ecert_awaited awaited = {0};
    struct ecert_error err = {0};

    if (trouble != NULL)
        request.problem = problem;
    assert_int_equal(
        ecert_awaited_of(&request, several, readable ? &authority : NULL, "/in", &awaited, &err),
        ECERT_OK);
    return awaited;
}

static void check(struct ecert_awaited awaited, const char *what, const char *from,
                  const char *next)
{
    assert_string_equal(awaited.what, what);
    assert_string_equal(awaited.from, from);
    if (strstr(awaited.next, next) == NULL)
        fail_msg("'%s' lacks '%s'", awaited.next, next);
    ecert_awaited_clear(&awaited);
    assert_null(awaited.next);
}

static void the_certificate_is_awaited_from_the_ca(void **state)
{
    (void)state;
    check(of(ECERT_REQUEST_OPEN, NULL, 2, true), "the certificate", "The CA",
          "the Officer hands the request to the CA (`ecert request www.x.test` shows");
    check(of(ECERT_REQUEST_OPEN, NULL, 2, true), "the certificate", "The CA",
          "put what comes back into /in");
}

static void of_several_the_command_has_the_id(void **state)
{
    (void)state;
    several = true;
    check(of(ECERT_REQUEST_OPEN, NULL, 2, true), "the certificate", "The CA",
          "(`ecert request www.x.test --id 20261121T084200Z` shows");
    several = false;
}

static void who_is_not_named_is_the_administrator(void **state)
{
    (void)state;
    check(of(ECERT_REQUEST_OPEN, NULL, 1, true), "the certificate", "The CA",
          "the server's administrator hands");
    check(of(ECERT_REQUEST_OPEN, NULL, 0, false), "the certificate", "myca",
          "the server's administrator hands");
}

static void a_backup_is_awaited_from_us(void **state)
{
    (void)state;
    check(of(ECERT_REQUEST_MADE, NULL, 2, true), "the backup of its key",
          "the server's administrator", "run `ecert request www.x.test` again");
}

static void damage_comes_first(void **state)
{
    (void)state;
    check(of(ECERT_REQUEST_OPEN, problem, 2, true), "its repair", "the server's administrator",
          problem);
}

static void nothing_is_awaited_of_what_is_closed(void **state)
{
    static const enum ecert_request_state closed[] = {ECERT_REQUEST_ISSUED,
                                                      ECERT_REQUEST_CANCELLED};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(closed); i++) {
        struct ecert_awaited awaited = of(closed[i], NULL, 2, true);
        assert_null(awaited.what);
        assert_null(awaited.from);
        assert_null(awaited.next);
    }
}

static void in_chinese(void **state)
{
    const char *before = ecert_words_use("zh_HK");
    struct ecert_awaited awaited = of(ECERT_REQUEST_OPEN, NULL, 2, true);

    (void)state;
    (void)ecert_words_use(before);
    assert_string_equal(awaited.what, "\xE8\xAD\x89\xE6\x9B\xB8");
    assert_non_null(strstr(awaited.next, person_zh));
    assert_null(strstr(awaited.next, "hands"));
    ecert_awaited_clear(&awaited);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_certificate_is_awaited_from_the_ca),
        cmocka_unit_test(of_several_the_command_has_the_id),
        cmocka_unit_test(who_is_not_named_is_the_administrator),
        cmocka_unit_test(a_backup_is_awaited_from_us),
        cmocka_unit_test(damage_comes_first),
        cmocka_unit_test(nothing_is_awaited_of_what_is_closed),
        cmocka_unit_test(in_chinese),
    };

    ecert_words_directory(TEST_LOCALE_DIR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
