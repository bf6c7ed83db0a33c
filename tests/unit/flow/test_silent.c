/* A server that let one source wait until the time was over is not asked for the next one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/flow/ldap_source.h"
#include "core/flow/silent.h"
#include "core/flow/url_source.h"

enum ecert_status __wrap_ecert_network_fetch(struct ecert_network *network,
                                             const struct ecert_fetch *fetch,
                                             struct ecert_fetched *ret, struct ecert_error *err);
enum ecert_status __wrap_ecert_network_search(struct ecert_network *network,
                                              const struct ecert_search *search,
                                              struct ecert_found *ret,
                                              struct ecert_strings *ret_notes,
                                              struct ecert_error *err);

static unsigned asked;
static enum ecert_status answer;

enum ecert_status __wrap_ecert_network_fetch(struct ecert_network *network,
                                             const struct ecert_fetch *fetch,
                                             struct ecert_fetched *ret, struct ecert_error *err)
{
    (void)network;
    (void)ret;
    asked++;
    return ecert_error_set(err, answer, "'%s': ill", fetch->url);
}

enum ecert_status __wrap_ecert_network_search(struct ecert_network *network,
                                              const struct ecert_search *search,
                                              struct ecert_found *ret,
                                              struct ecert_strings *ret_notes,
                                              struct ecert_error *err)
{
    (void)network;
    (void)ret;
    (void)ret_notes;
    asked++;
    return ecert_error_set(err, answer, "'%s': ill", search->url);
}

/* ---- which URLs are of one server ---- */

static void servers_are_told_apart(void **state)
{
    static const struct {
        const char *silent, *url;
        bool same;
    } rows[] = {
        {"ldap://a.example", "ldap://a.example:389", true},
        {"ldap://a.example", "ldap://A.EXAMPLE/", true},
        {"ldap://a.example", "ldap://a.example:1389", false},
        {"ldap://a.example", "ldaps://a.example", false},
        {"ldaps://a.example", "ldaps://a.example:636", true},
        {"http://a.example/one.cer", "HTTP://a.example:80/two.cer?x=:81", true},
        {"http://a.example/one.cer", "http://a.example.org/one.cer", false},
        {"https://a.example:443/one.cer", "https://a.example#x", true},
        {"http://[2001:db8::1]/", "http://[2001:db8::1]:80/", true},
        {"http://[2001:db8::1]/", "http://[2001:db8::2]/", false},
        {"file:///srv/one.cer", "file:///srv/one.cer", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        ECERT_AUTO(ecert_strings_clear) struct ecert_strings silent = {0};
        struct ecert_error err = {.status = ECERT_E_TIMEOUT}, found = {0};

        assert_int_equal(ecert_silent_note(&silent, rows[i].silent, &err), ECERT_E_TIMEOUT);
        const enum ecert_status status = ecert_silent_check(&silent, rows[i].url, &found);
        if (status != (rows[i].same ? ECERT_E_TIMEOUT : ECERT_OK))
            fail_msg("'%s' after '%s': %d", rows[i].url, rows[i].silent, (int)status);
    }
}

/* ---- the sources ---- */

static void take(struct ecert_context *context, char *url, struct ecert_arrivals *arrivals)
{
    char name[] = "x.test", base[] = "o=x";
    struct ecert_error err = {0};
    const struct ecert_certificate_config entry = {.name = name,
                                                   .source = {.url = url, .base = base}};

    assert_int_equal(strncmp(url, "ldap", 4) == 0 ? ecert_ldap_take(context, &entry, arrivals, &err)
                                                  : ecert_url_take(context, &entry, arrivals, &err),
                     ECERT_OK);
    assert_int_equal(arrivals->items[arrivals->n - 1].kind, ECERT_ARRIVAL_FAILED);
}

static void take_three(enum ecert_status with, unsigned want, const char *words)
{
    char state_dir[] = "/nowhere";
    char ldap[] = "ldap://a.example", other[] = "ldap://b.example", url[] = "http://a.example/x";
    const struct ecert_config config = {.state_dir = state_dir};
    char *const urls[] = {ldap, url, other};

    for (size_t i = 0; i < ARRAY_SIZE(urls); i++) {
        ECERT_AUTO(ecert_arrivals_clear) struct ecert_arrivals arrivals = {0};
        struct ecert_context context = {.config = &config};

        asked = 0;
        answer = with;
        for (size_t k = 0; k < 3; k++)
            take(&context, urls[i], &arrivals);
        assert_int_equal(asked, want);
        assert_non_null(strstr(arrivals.items[0].error.text, "ill"));
        assert_non_null(strstr(arrivals.items[2].error.text, words));
        take(&context, urls[(i + 1) % ARRAY_SIZE(urls)], &arrivals); /* another server */
        assert_int_equal(asked, want + 1);
        ecert_strings_clear(&context.silent);
    }
}

static void a_silent_server_is_asked_once(void **state)
{
    (void)state;
    take_three(ECERT_E_TIMEOUT, 1, "not asked: ");
}

/* It costs a moment only, and may be the certificate's own trouble: no such file, no such name. */
static void one_that_answers_is_asked_again(void **state)
{
    (void)state;
    take_three(ECERT_E_NETWORK, 3, "ill");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(servers_are_told_apart),
        cmocka_unit_test(a_silent_server_is_asked_once),
        cmocka_unit_test(one_that_answers_is_asked_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
