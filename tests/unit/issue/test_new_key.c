#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/issue/new_key.h"
#include "tests/support/test_rows.h"

#define RSA(n)                                \
    {                                         \
        .type = ECERT_KEY_TYPE_RSA, .bits = n \
    }
#define EC(c)                                 \
    {                                         \
        .type = ECERT_KEY_TYPE_EC, .curve = c \
    }
#define P256_KEY EC(ECERT_KEY_CURVE_P256)

struct row {
    const char *title;
    struct ecert_key_config config;
    const char *words;
};

static const struct row rows[] = {
    {"RSA 2048", RSA(2048), "RSA 2048"},
    {"RSA 3072", RSA(3072), "RSA 3072"},
    {"RSA 4096", RSA(4096), "RSA 4096"},
    {"P-256", P256_KEY, "EC P-256"},
    {"P-384", EC(ECERT_KEY_CURVE_P384), "EC P-384"},
};

static void check_row(void **state)
{
    const struct row *row = *state;
    struct ecert_error err = {0};
    EVP_PKEY *one = NULL, *other = NULL;
    char *words = NULL, *again = NULL;
    uint8_t id[ECERT_SHA256_LEN], other_id[ECERT_SHA256_LEN];

    assert_int_equal(ecert_new_key(&row->config, &one, &err), ECERT_OK);
    assert_int_equal(ecert_new_key(&row->config, &other, &err), ECERT_OK);
    assert_int_equal(ecert_new_key_describe(one, &words, id, &err), ECERT_OK);
    assert_int_equal(ecert_new_key_describe(other, &again, other_id, &err), ECERT_OK);
    assert_string_equal(words, row->words);
    assert_string_equal(again, row->words);
    assert_memory_not_equal(id, other_id, sizeof id);
    free(words);
    free(again);
    ecert_auto_pkey(&one);
    ecert_auto_pkey(&other);
    assert_null(one);
}

static void test_impossible(void **state)
{
    const struct ecert_key_config config = RSA(64);
    struct ecert_error err = {0};
    EVP_PKEY *key = NULL;

    (void)state;
    assert_int_equal(ecert_new_key(&config, &key, &err), ECERT_E_CRYPTO);
    assert_null(key);
    assert_non_null(strstr(err.text, "make a new RSA key"));
}

/* A key that is re-used may be of a kind that is never made. */
static void test_describe_others(void **state)
{
    struct ecert_error err = {0};
    uint8_t id[ECERT_SHA256_LEN];
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    char *words = NULL;

    (void)state;
    assert_int_equal(ecert_new_key_describe(key, &words, id, &err), ECERT_OK);
    assert_string_equal(words, "ED25519 256");
    free(words);
    ecert_auto_pkey(&key);
    key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "secp256k1");
    assert_int_equal(ecert_new_key_describe(key, &words, id, &err), ECERT_OK);
    assert_string_equal(words, "EC secp256k1");
    free(words);
    ecert_auto_pkey(&key);
}

/* ---- many ---- */

#define MANY 500

struct taken {
    pthread_t thread;
    size_t n;
    size_t fail_at;
    size_t without; /* every so many has none; 0: each has one */
    uint8_t ids[MANY][ECERT_SHA256_LEN];
};

static enum ecert_status take(void *context, size_t i, EVP_PKEY *key, struct ecert_error *err)
{
    struct taken *taken = context;
    char *words = NULL;

    assert_true(pthread_equal(taken->thread, pthread_self()));
    assert_int_equal(i, taken->n);
    taken->n++;
    if (taken->fail_at == i + 1)
        return ecert_error_set(err, ECERT_E_IO, "the disk is full");
    if (taken->without != 0 && i % taken->without == 0) {
        assert_null(key);
        return ECERT_OK;
    }
    assert_non_null(key);
    assert_int_equal(ecert_new_key_describe(key, &words, taken->ids[i], err), ECERT_OK);
    free(words);
    for (size_t k = 0; k < i; k++)
        assert_memory_not_equal(taken->ids[k], taken->ids[i], ECERT_SHA256_LEN);
    return ECERT_OK;
}

static struct taken *taken_new(void)
{
    struct taken *taken = calloc(1, sizeof *taken);

    assert_non_null(taken);
    taken->thread = pthread_self();
    return taken;
}

static void fill(const struct ecert_key_config *config, const struct ecert_key_config **configs)
{
    for (size_t i = 0; i < MANY; i++)
        configs[i] = config;
}

static void test_many(void **state)
{
    const struct ecert_key_config config = P256_KEY;
    const struct ecert_key_config *configs[MANY];
    struct taken *taken = taken_new();
    struct ecert_error err = {0};

    (void)state;
    fill(&config, configs);
    assert_int_equal(ecert_new_keys(configs, MANY, take, taken, &err), ECERT_OK);
    assert_int_equal(taken->n, MANY);
    free(taken);
}

static void test_none_wanted(void **state)
{
    const struct ecert_key_config config = P256_KEY;
    const struct ecert_key_config *configs[MANY];
    struct taken *taken = taken_new();
    struct ecert_error err = {0};

    (void)state;
    fill(&config, configs);
    for (size_t i = 0; i < MANY; i += 3)
        configs[i] = NULL;
    taken->without = 3;
    assert_int_equal(ecert_new_keys(configs, MANY, take, taken, &err), ECERT_OK);
    assert_int_equal(taken->n, MANY);
    assert_int_equal(ecert_new_keys(configs, 0, take, taken, &err), ECERT_OK);
    assert_int_equal(taken->n, MANY);
    free(taken);
}

/* The threads end, and what they made is released (the leak checker looks). */
static void test_taking_fails(void **state)
{
    const struct ecert_key_config config = P256_KEY;
    const struct ecert_key_config *configs[MANY];
    struct taken *taken = taken_new();
    struct ecert_error err = {0};

    (void)state;
    fill(&config, configs);
    taken->fail_at = 3;
    assert_int_equal(ecert_new_keys(configs, MANY, take, taken, &err), ECERT_E_IO);
    assert_string_equal(err.text, "the disk is full");
    assert_int_equal(taken->n, 3);
    free(taken);
}

static void test_making_fails(void **state)
{
    const struct ecert_key_config config = P256_KEY, wrong = RSA(64);
    const struct ecert_key_config *configs[MANY];
    struct taken *taken = taken_new();
    struct ecert_error err = {0};

    (void)state;
    fill(&config, configs);
    configs[7] = &wrong;
    assert_int_equal(ecert_new_keys(configs, MANY, take, taken, &err), ECERT_E_CRYPTO);
    assert_int_equal(taken->n, 7);
    free(taken);
}

/* A signal to the process is handled in its own thread, as before. */
static pthread_t handled_in;
static volatile sig_atomic_t handled;

static void on_signal(int signal)
{
    (void)signal;
    handled_in = pthread_self();
    handled = 1;
}

static enum ecert_status take_and_kill(void *context, size_t i, EVP_PKEY *key,
                                       struct ecert_error *err)
{
    (void)i;
    (void)key;
    (void)err;
    (void)kill(*(pid_t *)context, SIGUSR1);
    return ECERT_OK;
}

static void test_signals(void **state)
{
    const struct ecert_key_config config = P256_KEY;
    const struct ecert_key_config *configs[MANY];
    struct ecert_error err = {0};
    pid_t self = getpid();

    (void)state;
    fill(&config, configs);
    assert_true(signal(SIGUSR1, on_signal) != SIG_ERR);
    assert_int_equal(ecert_new_keys(configs, MANY, take_and_kill, &self, &err), ECERT_OK);
    assert_true(handled);
    assert_true(pthread_equal(handled_in, pthread_self()));
}

int main(void)
{
    const struct CMUnitTest others[] = {
        cmocka_unit_test(test_impossible),   cmocka_unit_test(test_describe_others),
        cmocka_unit_test(test_many),         cmocka_unit_test(test_none_wanted),
        cmocka_unit_test(test_taking_fails), cmocka_unit_test(test_making_fails),
        cmocka_unit_test(test_signals),
    };
    struct CMUnitTest tests[ARRAY_SIZE(rows) + ARRAY_SIZE(others)];

    (void)TEST_ADD_ROWS(tests, check_row, rows);
    memcpy(tests + ARRAY_SIZE(rows), others, sizeof others);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
