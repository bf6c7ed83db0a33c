/*
 * Which certificate of a directory is taken: the directory, the matching and the intake are the
 * test's own (see tests/system/ldap.bats for the real ones).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/flow/certificate.h"
#include "core/flow/ldap_source.h"
#include "core/flow/match.h"
#include "core/flow/store.h"
#include "tests/support/test_pki.h"

#define DAY ((int64_t)86400)

/* One value of the directory. */
enum what {
    NONE,
    OURS,
    FOREIGN,
    UNREADABLE,
    GARBAGE,
    PEM,
    FORGED,  /* ours, and refused by the intake */
    ADOPTED, /* likewise, and as a generation it is unfit */
};

struct value {
    enum what what;
    int from, until; /* days from now */
};

#define VALUES 5

static const struct row {
    const char *name;
    struct value values[VALUES]; /* NONE ends them */
    int newest;                  /* index of the one that is the newest generation; -1: none */
    enum ecert_arrival_kind kind;
    int taken;        /* index; -1: none */
    const char *note; /* in the notes or the error; NULL: no notes */
} rows[] = {
    {"nothing at all", {{0}}, -1, ECERT_ARRIVAL_UNCHANGED, -1, NULL},
    {"one", {{OURS, -1, 9}}, -1, ECERT_ARRIVAL_TAKEN, 0, NULL},
    {"the newest, not the longest",
     {{OURS, -9, 90}, {OURS, -2, 9}, {OURS, -5, 99}},
     -1,
     ECERT_ARRIVAL_TAKEN,
     1,
     NULL},
    {"not the expired one, though it is the newest",
     {{OURS, -9, 90}, {OURS, -2, -1}},
     -1,
     ECERT_ARRIVAL_TAKEN,
     0,
     "1 expired, serial "},
    {"not the one for another key",
     {{FOREIGN, -1, 90}, {OURS, -2, 9}},
     -1,
     ECERT_ARRIVAL_TAKEN,
     1,
     "1 for another key, serial "},
    {"what is no certificate hides nothing",
     {{GARBAGE, 0, 0}, {OURS, -2, 9}, {PEM, -1, 9}},
     -1,
     ECERT_ARRIVAL_TAKEN,
     1,
     "2 not a certificate, at cn=0, cn=2"},
    {"only garbage", {{GARBAGE, 0, 0}}, -1, ECERT_ARRIVAL_UNCHANGED, -1, "1 not a certificate"},
    {"the newest generation already", {{OURS, -2, 9}}, 0, ECERT_ARRIVAL_UNCHANGED, -1, NULL},
    {"the same twice",
     {{OURS, -2, 9}, {OURS, -9, 9}},
     0,
     ECERT_ARRIVAL_UNCHANGED,
     -1,
     "1 older than the newest one taken"},
    {"newer than the newest generation",
     {{OURS, -3, 9}, {OURS, -2, 9}},
     0,
     ECERT_ARRIVAL_TAKEN,
     1,
     NULL},
    {"today's before tomorrow's", {{OURS, 1, 9}, {OURS, -2, 9}}, -1, ECERT_ARRIVAL_TAKEN, 1, NULL},
    {"tomorrow's where today's is there",
     {{OURS, 1, 9}, {OURS, -2, 9}},
     1,
     ECERT_ARRIVAL_EARLY,
     0,
     NULL},
    {"a forged one does not hide the one beside it",
     {{FORGED, -1, 90}, {OURS, -3, 9}, {FORGED, -2, 9}},
     -1,
     ECERT_ARRIVAL_TAKEN,
     1,
     "2 refused, serial "},
    {"a forged one beside what is known",
     {{FORGED, -1, 90}, {OURS, -2, 9}, {FORGED, -3, 9}},
     1,
     ECERT_ARRIVAL_UNCHANGED,
     -1,
     "1 older than the newest one taken"},
    {"a forged one of tomorrow beside a real one of tomorrow",
     {{OURS, -2, 9}, {FORGED, 2, 9}, {OURS, 1, 9}},
     0,
     ECERT_ARRIVAL_EARLY,
     2,
     "1 refused, serial "},
    {"older than an adopted one that is not the authority's",
     {{OURS, -3, 90}, {ADOPTED, -1, 90}},
     1,
     ECERT_ARRIVAL_TAKEN,
     0,
     NULL},
    {"nothing but an adopted one that is not the authority's",
     {{ADOPTED, -1, 90}},
     0,
     ECERT_ARRIVAL_UNCHANGED,
     -1,
     NULL},
    {"only forged ones",
     {{FORGED, -1, 90}, {FORGED, -2, 9}, {FORGED, -3, 9}},
     2,
     ECERT_ARRIVAL_UNCHANGED,
     -1,
     "2 refused, serial "},
    {"only forged ones, and nothing that is known",
     {{FORGED, -3, 90}, {FORGED, -2, 9}, {FORGED, 1, 9}},
     -1,
     ECERT_ARRIVAL_FAILED,
     -1,
     "x.test: cn=1: not by the CA; 2 more of the directory were refused"},
    {"a key that cannot be read",
     {{UNREADABLE, -1, 9}},
     -1,
     ECERT_ARRIVAL_FAILED,
     -1,
     "x.test: the key is ill"},
    {"a key that cannot be read beside one that can",
     {{UNREADABLE, -1, 9}, {OURS, -2, 9}},
     -1,
     ECERT_ARRIVAL_TAKEN,
     1,
     "1 for another key"},
};

static const struct row *row; /* the one that runs */
static struct ecert_bytes ders[VALUES];
static int taken;
static EVP_PKEY *keys[UNREADABLE + 1], *ca_key;
static X509 *ca;

/* ---- in the place of the network, the matching, the store and the intake ---- */

enum ecert_status __wrap_ecert_network_search(struct ecert_network *network,
                                              const struct ecert_search *search,
                                              struct ecert_found *ret,
                                              struct ecert_strings *ret_notes,
                                              struct ecert_error *err);
enum ecert_status __wrap_ecert_match_find(struct ecert_context *context,
                                          const struct ecert_candidate *candidate, const char *only,
                                          struct ecert_match *ret, struct ecert_strings *ret_notes,
                                          struct ecert_error *err);
enum ecert_status __wrap_ecert_intake(struct ecert_context *context,
                                      const struct ecert_intake_file *file,
                                      struct ecert_intake_result *ret, struct ecert_error *err);
enum ecert_status __wrap_ecert_store_newest(const char *state_dir, const char *name, unsigned *ret,
                                            struct ecert_error *err);
enum ecert_status __wrap_ecert_store_load(const char *state_dir, const char *name, unsigned number,
                                          struct ecert_bundle *ret, struct ecert_error *err);
enum ecert_status __wrap_ecert_store_facts(const char *state_dir, const char *name, unsigned number,
                                           struct ecert_generation_facts *ret,
                                           struct ecert_error *err);

/* Each value twice: a directory may hold a certificate in two entries. */
enum ecert_status __wrap_ecert_network_search(struct ecert_network *network,
                                              const struct ecert_search *search,
                                              struct ecert_found *ret,
                                              struct ecert_strings *ret_notes,
                                              struct ecert_error *err)
{
    (void)network;
    (void)ret_notes;
    assert_string_equal(search->filter, "(cn=x.test)");
    assert_int_equal(search->password.len, 0);
    ret->items = calloc((size_t)2 * VALUES, sizeof *ret->items);
    ret->entries = calloc((size_t)2 * VALUES, sizeof *ret->entries);
    for (size_t i = 0; i < (size_t)2 * VALUES; i++) {
        if (row->values[i % VALUES].what == NONE)
            continue;
        assert_int_equal(
            ecert_bytes_copy(ecert_bytes_view(&ders[i % VALUES]), &ret->items[ret->n], err),
            ECERT_OK);
        assert_int_equal(ecert_text_format(&ret->entries[ret->n], err, "cn=%zu", i), ECERT_OK);
        ret->n++;
    }
    return ECERT_OK;
}

enum ecert_status __wrap_ecert_match_find(struct ecert_context *context,
                                          const struct ecert_candidate *candidate, const char *only,
                                          struct ecert_match *ret, struct ecert_strings *ret_notes,
                                          struct ecert_error *err)
{
    (void)context;
    (void)ret;
    (void)ret_notes;
    assert_string_equal(only, "x.test");
    EVP_PKEY *const key = X509_get0_pubkey(candidate->leaf);
    if (EVP_PKEY_eq(key, keys[OURS]) == 1)
        return ECERT_OK;
    if (EVP_PKEY_eq(key, keys[UNREADABLE]) == 1)
        return ecert_error_set(err, ECERT_E_CONFIG, "the key is ill");
    return ecert_error_set(err, ECERT_E_NOT_FOUND, "nobody's");
}

enum ecert_status __wrap_ecert_intake(struct ecert_context *context,
                                      const struct ecert_intake_file *file,
                                      struct ecert_intake_result *ret, struct ecert_error *err)
{
    int is = -1;

    (void)context;
    assert_string_equal(file->only, "x.test");
    for (int i = 0; i < VALUES; i++)
        if (ecert_view_equal(file->bytes, ecert_bytes_view(&ders[i])))
            is = i;
    assert_true(is >= 0);
    if (row->values[is].what >= FORGED)
        return ecert_error_set(err, ECERT_E_REFUSED, "not by the CA");
    taken = is;
    ret->added = true;
    ret->early = row->values[taken].from > 0;
    return ECERT_OK;
}

enum ecert_status __wrap_ecert_store_newest(const char *state_dir, const char *name, unsigned *ret,
                                            struct ecert_error *err)
{
    (void)state_dir;
    (void)name;
    (void)err;
    *ret = row->newest < 0 ? 0 : 7;
    return ECERT_OK;
}

enum ecert_status __wrap_ecert_store_load(const char *state_dir, const char *name, unsigned number,
                                          struct ecert_bundle *ret, struct ecert_error *err)
{
    (void)state_dir;
    (void)name;
    assert_int_equal(number, 7);
    return ecert_certificate_parse(ecert_bytes_view(&ders[row->newest]), &ret->leaf, err);
}

enum ecert_status __wrap_ecert_store_facts(const char *state_dir, const char *name, unsigned number,
                                           struct ecert_generation_facts *ret,
                                           struct ecert_error *err)
{
    (void)state_dir;
    (void)name;
    assert_int_equal(number, 7);
    return row->values[row->newest].what == ADOPTED
               ? ecert_text_copy(ecert_view_of("leaf-is-server"), &ret->unfit, err)
               : ECERT_OK;
}

/* ---- the rows ---- */

static struct ecert_bytes make(const struct value *value)
{
    static const char garbage[] = "0\x03zzz";
    struct ecert_bytes made = {0};
    struct ecert_error err = {0};
    const struct test_certificate what = {
        .common_name = "x.test",
        .key = keys[value->what > UNREADABLE ? OURS : value->what],
        .issuer = ca,
        .issuer_key = ca_key,
        .not_before = ecert_clock_now() + value->from * DAY,
        .not_after = ecert_clock_now() + value->until * DAY,
    };

    if (value->what == NONE)
        return made;
    if (value->what == GARBAGE) {
        assert_int_equal(ecert_bytes_copy(ecert_view_of(garbage), &made, &err), ECERT_OK);
        return made;
    }
    X509 *certificate = test_certificate_make(&what);
    made =
        value->what == PEM ? test_certificate_pem(certificate) : test_certificate_der(certificate);
    X509_free(certificate);
    return made;
}

static void one_row(void **state)
{
    ECERT_AUTO(ecert_arrivals_clear) struct ecert_arrivals arrivals = {0};
    char name[] = "x.test", url[] = "ldap://127.0.0.1", base[] = "o=x", state_dir[] = "/nowhere";
    const struct ecert_certificate_config entry = {
        .name = name, .source = {.type = ECERT_SOURCE_LDAP, .url = url, .base = base}};
    const struct ecert_config config = {.state_dir = state_dir};
    struct ecert_context context = {.config = &config};
    struct ecert_error err = {0};

    row = *state;
    taken = -1;
    for (size_t i = 0; i < VALUES; i++)
        ders[i] = make(&row->values[i]);
    assert_int_equal(ecert_ldap_take(&context, &entry, &arrivals, &err), ECERT_OK);
    for (size_t i = 0; i < VALUES; i++)
        ecert_bytes_clear(&ders[i]);
    assert_int_equal(arrivals.n, 1);
    const struct ecert_arrival *arrival = &arrivals.items[0];
    const char *note =
        arrival->result.notes.len > 0 ? arrival->result.notes.items[0] : arrival->error.text;
    if (arrival->kind != row->kind || taken != row->taken ||
        (row->note == NULL) != (note[0] == '\0') ||
        (row->note != NULL && strstr(note, row->note) == NULL))
        fail_msg("%s, value %d was taken: %s", ecert_arrival_word(arrival->kind), taken, note);
    if (row->kind == ECERT_ARRIVAL_UNCHANGED)
        assert_int_equal(arrival->result.generation, row->newest < 0 ? 0 : 7);
}

static int start(void **state)
{
    (void)state;
    for (size_t i = OURS; i < ARRAY_SIZE(keys); i++)
        keys[i] = test_key_ec("P-256");
    ca_key = test_key_ec("P-256");
    ca = test_root_make("Test CA", ca_key);
    return 0;
}

static int end(void **state)
{
    (void)state;
    for (size_t i = OURS; i < ARRAY_SIZE(keys); i++)
        EVP_PKEY_free(keys[i]);
    EVP_PKEY_free(ca_key);
    X509_free(ca);
    return 0;
}

int main(void)
{
    struct CMUnitTest tests[ARRAY_SIZE(rows)];

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        tests[i] = (struct CMUnitTest){.name = rows[i].name,
                                       .test_func = one_row,
                                       .initial_state = (void *)(uintptr_t)&rows[i]};
    return cmocka_run_group_tests(tests, start, end);
}
