/* Requests whose order was changed while they waited, and those of a key that is there already. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "tests/support/test_pki.h"
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

/* ---- what the configuration says now ---- */

static void set_text(char **text, const char *value)
{
    free(*text);
    *text = value == NULL ? NULL : strdup(value);
}

static void locality(struct request_fixture *f)
{
    set_text(&f->config.organization.locality, "Kowloon");
}

static void letter_case(struct request_fixture *f)
{
    set_text(&f->config.organization.state, "HONG KONG");
}

static void key_kind(struct request_fixture *f)
{
    f->config.certificates[0].key.curve = ECERT_KEY_CURVE_P384;
}

static void validation(struct request_fixture *f)
{
    f->config.certificates[0].validation = ECERT_VALIDATION_EV;
}

static void chinese_name(struct request_fixture *f)
{
    set_text(&f->config.organization.chinese_name, "我們的新名稱有限公司");
}

static void new_name(struct request_fixture *f)
{
    assert_int_equal(
        ecert_strings_add(&f->config.certificates[0].names, "shop.myserver.com", &f->err),
        ECERT_OK);
}

static const struct {
    const char *name;
    void (*change)(struct request_fixture *f);
    const char *words;
} changes[] = {
    {"locality", locality, "another country, state or locality"},
    {"letter case", letter_case, "another country, state or locality"},
    {"key", key_kind, "another kind of key"},
    {"validation", validation, "another validation"},
    {"Chinese name", chinese_name, "another Chinese name"},
    {"names", new_name, "other names"},
};

/* Nobody has seen it, and the CA would issue what is not wanted any more. */
static void test_made_for_another_order(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
        struct request_fixture f;

        request_fixture_make(&f, 1);
        set_text(&f.config.organization.state, "Hong Kong");
        request_backups.fail_at = 1;
        assert_int_equal(request_go(&f), ECERT_OK);
        request_failed(&f, 0, ECERT_E_IO, "its CSR is not shown yet");
        changes[i].change(&f);
        assert_int_equal(request_go(&f), ECERT_OK);
        request_check_ok(&f);
        if (f.outcomes.items[0].again)
            fail_msg("%s: the old CSR is shown", changes[i].name);
        struct ecert_requests stored = request_stored(&f, 0);
        assert_int_equal(stored.n, 2);
        assert_int_equal(stored.items[0].state, ECERT_REQUEST_CANCELLED);
        assert_int_equal(stored.items[1].state, ECERT_REQUEST_OPEN);
        ecert_requests_clear(&stored);
        request_fixture_clear(&f);
    }
}

static void test_open_for_another_order(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
        struct request_fixture f;

        request_fixture_make(&f, 1);
        set_text(&f.config.organization.state, "Hong Kong");
        assert_int_equal(request_go(&f), ECERT_OK);
        assert_int_equal(request_go(&f), ECERT_OK);
        assert_false(request_notes(&f, 0, "--another")); /* nothing was changed */
        changes[i].change(&f);
        assert_int_equal(request_go(&f), ECERT_OK);
        request_check_ok(&f);
        assert_true(f.outcomes.items[0].again);
        if (!request_notes(&f, 0, changes[i].words) || !request_notes(&f, 0, "--another"))
            fail_msg("%s: nothing is said", changes[i].name);
        request_check_stored(&f, 0, 1);
        request_fixture_clear(&f);
    }
}

static void write_profile(const struct request_fixture *f, const char *more)
{
    struct ecert_buffer text = {0};

    ecert_buffer_printf(&text,
                        "name = \"Hongkong Post\";\nanchors = ( { file = \"%s/root.pem\"; } );\n"
                        "caa = [ \"ecert.gov.hk\" ];\nrequest = { country = \"HK\"; %s };\n",
                        f->folder, more);
    free(test_file_write(f->folder, "hk.conf", ecert_buffer_view(&text), 0600));
    ecert_buffer_clear(&text);
}

/* The CA's profile was changed before the request was seen: it is not shown against its rules. */
static void test_made_and_against_the_rules(void **state)
{
    struct request_fixture *f = *state;

    new_name(f);
    request_backups.fail_at = 1;
    assert_int_equal(request_go_for(f, "w0.myserver.com"), ECERT_OK);
    request_failed(f, 0, ECERT_E_IO, "its CSR is not shown yet");
    write_profile(f, "max_names = 1;");
    ecert_context_clear(&f->context);
    f->context = (struct ecert_context){.config = &f->config};
    assert_int_equal(request_go_for(f, "w0.myserver.com"), ECERT_OK);
    request_failed(f, 0, ECERT_E_CONFIG, "2 names are asked for");
    struct ecert_requests stored = request_stored(f, 0);
    assert_int_equal(stored.items[0].state, ECERT_REQUEST_MADE);
    ecert_requests_clear(&stored);
}

/* ---- the key that is there ---- */

static void give_key(struct request_fixture *f, EVP_PKEY *key)
{
    struct ecert_key_config *config = &f->config.certificates[0].key;
    struct ecert_bytes pem = test_key_pem(key, NULL, NULL);

    config->policy = ECERT_KEY_POLICY_REUSE;
    config->place = ECERT_KEY_FILE;
    config->file = test_file_write(f->folder, "old.key", ecert_bytes_view(&pem), 0600);
    ecert_bytes_clear(&pem);
    EVP_PKEY_free(key);
}

static void test_present_key_is_too_small(void **state)
{
    struct request_fixture *f = *state;

    give_key(f, test_key_rsa(1024));
    assert_int_equal(request_go_for(f, "w0.myserver.com"), ECERT_OK);
    request_failed(f, 0, ECERT_E_CONFIG, "the present key is RSA 1024");
    request_failed(f, 0, ECERT_E_CONFIG, "6.1.5");
    request_check_stored(f, 0, 0);
}

static void test_present_key_is_none_of_the_profile(void **state)
{
    struct request_fixture *f = *state;

    write_profile(f, "keys = [ \"rsa-2048\" ];");
    give_key(f, test_key_ec("P-384"));
    assert_int_equal(request_go_for(f, "w0.myserver.com"), ECERT_OK);
    request_check_ok(f);
    assert_true(request_notes(f, 0, "the key is ec-p384; Hongkong Post is known to accept"));
}

/* It is the present one that counts, and not what would be made if there were none. */
static void test_present_key_is_one_of_the_profile(void **state)
{
    struct request_fixture *f = *state;

    write_profile(f, "keys = [ \"rsa-2048\" ];");
    give_key(f, test_key_rsa(2048));
    assert_int_equal(request_go_for(f, "w0.myserver.com"), ECERT_OK);
    request_check_ok(f);
    assert_false(request_notes(f, 0, "is known to accept"));
}

static void test_another_of_the_same_key(void **state)
{
    struct request_fixture *f = *state;

    give_key(f, test_key_ec("P-256"));
    assert_int_equal(request_go_for(f, "w0.myserver.com"), ECERT_OK);
    request_check_ok(f);
    f->wish.another = true;
    f->wish.now += 60;
    assert_int_equal(request_go_for(f, "w0.myserver.com"), ECERT_OK);
    request_check_ok(f);
    assert_true(f->outcomes.items[0].again);
    assert_string_equal(f->outcomes.items[0].request.id, "20261121T084200Z");
    assert_true(request_notes(f, 0, "key.policy = \"new\""));
    request_check_stored(f, 0, 1);
    new_name(f); /* another CSR: now there is something to ask for */
    assert_int_equal(request_go_for(f, "w0.myserver.com"), ECERT_OK);
    request_check_ok(f);
    assert_false(f->outcomes.items[0].again);
    request_check_stored(f, 0, 2);
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

/* The day after the certificate came nobody is asked whether another one is meant. */
static void test_answered_just_now(void **state)
{
    struct request_fixture *f = *state;
    struct ecert_error err = {0};

    assert_int_equal(request_go_for(f, "w0.myserver.com"), ECERT_OK);
    struct ecert_requests stored = request_stored(f, 0);
    stored.items[0].state = ECERT_REQUEST_ISSUED;
    stored.items[0].generation = 1;
    stored.items[0].closed = f->wish.now;
    assert_int_equal(ecert_requests_save(f->config.state_dir, &stored.items[0], &err), ECERT_OK);
    f->wish.now += REQUEST_DAY - 1;
    assert_int_equal(request_go_for(f, "w0.myserver.com"), ECERT_OK);
    assert_int_equal(f->outcomes.items[0].error.status, ECERT_OK);
    assert_int_equal(f->outcomes.items[0].request.state, ECERT_REQUEST_ISSUED);
    assert_string_equal(f->outcomes.items[0].request.id, stored.items[0].id);
    request_check_stored(f, 0, 1);
    f->wish.now++;
    assert_int_equal(request_go_for(f, "w0.myserver.com"), ECERT_OK);
    assert_int_equal(f->outcomes.items[0].request.state, ECERT_REQUEST_OPEN);
    request_check_stored(f, 0, 2);
    ecert_requests_clear(&stored);
}

int main(void)
{
#define TWO(test) cmocka_unit_test_setup_teardown(test, make_two, clear)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_made_for_another_order),
        cmocka_unit_test(test_open_for_another_order),
        TWO(test_made_and_against_the_rules),
        TWO(test_present_key_is_too_small),
        TWO(test_present_key_is_none_of_the_profile),
        TWO(test_present_key_is_one_of_the_profile),
        TWO(test_another_of_the_same_key),
        TWO(test_pending_joins),
        TWO(test_first_emergency_stays),
        TWO(test_answered_just_now),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
