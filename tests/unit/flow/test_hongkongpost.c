/*
 * The profile that is delivered, etc/authorities/hongkongpost.conf, against the CA's real
 * certificates.  Those are not part of this tree: the folder that holds them is named by the
 * environment variable ECERT_REAL_CERTIFICATES; without it these tests are skipped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/fs.h"
#include "core/flow/certificate.h"
#include "core/flow/checks.h"
#include "core/flow/decode.h"
#include "tests/support/test_pki.h"
#include "tests/unit/flow/fake_network.h"

#define OV_NAME      "Hongkong Post e-Cert SSL CA 3 - 17"
#define CROSS_URL    "http://www1.ecert.gov.hk/root/root_ca_3_x_gsca_r3_pem.crt"
#define IN_2026      ((int64_t)1795219200) /* 2026-11-21 */
#define CROSS_ENDS   ((int64_t)1868486400) /* 2029-03-18, the first second of that day */
#define OV_CURRENT   "ecert-ssl-ca-3-17_2025-CURRENT"
#define OV_REVOKED   "ecert-ssl-ca-3-17_2017-REVOKED"
#define EV_CURRENT   "ecert-ev-ssl-ca-3-17_2025-CURRENT"
#define EV_REVOKED   "ecert-ev-ssl-ca-3-17_2017-REVOKED"
#define CROSS        "root-ca-3_x_globalsign-r3_2022-CURRENT"
#define ANCHOR_FILES "/etc/ssl/certs/Hongkong_Post_Root_CA_3.pem"

struct place {
    char *folder;
    struct ecert_authority authority;
    struct ecert_network network;
};

static const char *real_folder(void)
{
    const char *folder = getenv("ECERT_REAL_CERTIFICATES");

    if (folder == NULL || *folder == '\0') {
        print_message("skipped: ECERT_REAL_CERTIFICATES does not name the folder of the CA's "
                      "certificates\n");
        skip();
    }
    return folder;
}

/* The profile is copied: the source tree may belong to somebody whom it must not trust. */
static int setup(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    struct ecert_bytes text = {0};
    struct ecert_strings mistakes = {0};
    struct ecert_error err = {0};

    assert_non_null(place);
    place->folder = test_folder_make();
    assert_int_equal(ecert_fs_read(TEST_AUTHORITIES_DIR "/hongkongpost.conf", 1 << 20, &text, &err),
                     ECERT_OK);
    free(test_file_write(place->folder, "hongkongpost.conf", ecert_bytes_view(&text), 0600));
    ecert_bytes_clear(&text);
    if (ecert_fs_exists(ANCHOR_FILES)) {
        const enum ecert_status status =
            ecert_authority_load(place->folder, "hongkongpost", &place->authority, &mistakes, &err);
        for (size_t i = 0; i < mistakes.len; i++)
            print_error("%s\n", mistakes.items[i]);
        assert_int_equal(status, ECERT_OK);
    }
    ecert_strings_clear(&mistakes);
    ecert_clock_pretend(IN_2026);
    fake_network_reset();
    *state = place;
    return 0;
}

static int teardown(void **state)
{
    struct place *place = *state;

    ecert_clock_pretend(0);
    fake_network_reset();
    ecert_authority_clear(&place->authority);
    test_folder_remove(place->folder);
    free(place);
    return 0;
}

static struct ecert_authority *authority_of(struct place *place)
{
    if (place->authority.id == NULL) {
        print_message("skipped: '" ANCHOR_FILES "' is not there (package ca-certificates)\n");
        skip();
    }
    return &place->authority;
}

static struct ecert_bytes real_file(const char *name, const char *suffix)
{
    struct ecert_bytes bytes = {0};
    struct ecert_error err = {0};
    char *path = NULL;

    assert_int_equal(ecert_text_format(&path, &err, "%s/%s%s", real_folder(), name, suffix),
                     ECERT_OK);
    if (ecert_fs_read(path, 1 << 20, &bytes, &err) != ECERT_OK)
        fail_msg("%s", err.text);
    free(path);
    return bytes;
}

static X509 *real_certificate(const char *name, const char *suffix)
{
    struct ecert_bytes bytes = real_file(name, suffix);
    struct ecert_decoded decoded = {0};
    struct ecert_error err = {0};

    if (ecert_decode_certificates(ecert_bytes_view(&bytes), (struct ecert_view){0}, &decoded,
                                  &err) != ECERT_OK)
        fail_msg("%s", err.text);
    assert_int_equal(sk_X509_num(decoded.certificates), 1);
    X509 *certificate = sk_X509_shift(decoded.certificates);
    ecert_decoded_clear(&decoded);
    ecert_bytes_clear(&bytes);
    return certificate;
}

static void profile_loads(void **state)
{
    const struct ecert_authority *authority = authority_of(*state);

    assert_int_equal(sk_X509_num(authority->anchors), 2);
    assert_int_equal(authority->n_intermediates, 2);
    assert_string_equal(authority->intermediates[0].subject, OV_NAME);
    assert_int_equal(authority->n_cross_certificates, 1);
    assert_int_equal(authority->crls.len, 3);
    assert_int_equal(authority->ocsp.len, 1);
}

static void expect_entry(const struct ecert_authority_intermediate *entry, const char *current,
                         const char *revoked, const struct ecert_authority *authority)
{
    char sha256[ECERT_SHA256_HEX_LEN], serial[ECERT_SERIAL_HEX_LEN];
    X509 *pem = real_certificate(current, ".pem");
    X509 *der = real_certificate(current, ".der");
    X509 *twin = real_certificate(revoked, ".pem");
    char *name = NULL;
    struct ecert_error err = {0};

    assert_true(ecert_certificate_equal(pem, der));
    ecert_certificate_sha256(pem, sha256);
    ecert_certificate_serial(pem, serial);
    assert_string_equal(entry->sha256, sha256);
    assert_string_equal(entry->serial, serial);
    assert_int_equal(ecert_certificate_common_name(twin, &name, &err), ECERT_OK);
    assert_string_equal(entry->subject, name);
    free(name);
    assert_int_equal(X509_NAME_cmp(X509_get_subject_name(pem), X509_get_subject_name(twin)), 0);
    assert_int_equal(EVP_PKEY_eq(X509_get0_pubkey(pem), X509_get0_pubkey(twin)), 1);
    assert_ptr_equal(ecert_authority_known_revoked(authority, twin), entry);
    assert_null(ecert_authority_known_revoked(authority, pem));
    X509_free(twin);
    X509_free(der);
    X509_free(pem);
}

static void pins_are_those_of_the_real_ones(void **state)
{
    (void)real_folder(); /* first: leaving a test early must leave nothing behind */
    const struct ecert_authority *authority = authority_of(*state);
    X509 *root = real_certificate("root-ca-3", ".pem");
    X509 *other = real_certificate("globalsign-root-r3", ".pem");

    expect_entry(&authority->intermediates[0], OV_CURRENT, OV_REVOKED, authority);
    expect_entry(&authority->intermediates[1], EV_CURRENT, EV_REVOKED, authority);
    assert_true(ecert_certificate_equal(sk_X509_value(authority->anchors, 0), root));
    assert_true(ecert_certificate_equal(sk_X509_value(authority->anchors, 1), other));
    X509_free(root);
    X509_free(other);
}

/* The last certificate of the chain above a real sub CA, with `page` at the CA's address. */
static X509 *cross_with(struct place *place, const char *page, struct ecert_strings *notes)
{
    const struct ecert_authority *authority = authority_of(place);
    X509 *sub = real_certificate(OV_CURRENT, ".der");
    const struct ecert_chain_request request = {
        .authority = authority, .leaf = sub, .cross_certificate = true};
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings silent = {0};
    const struct ecert_chain_sources sources = {place->folder, &place->network, &silent};
    STACK_OF(X509) *chain = NULL;
    X509 *anchor = NULL, *cross = NULL;
    struct ecert_error err = {0};

    (void)fake_network_serve(CROSS_URL, real_file(page, ".pem"));
    if (ecert_chain_build(&request, &sources, &chain, &anchor, notes, &err) != ECERT_OK)
        fail_msg("%s", err.text);
    assert_true(ecert_certificate_equal(anchor, sk_X509_value(authority->anchors, 0)));
    assert_true(sk_X509_num(chain) <= 1);
    cross = sk_X509_pop(chain);
    sk_X509_pop_free(chain, X509_free);
    X509_free(anchor);
    X509_free(sub);
    return cross;
}

static void cross_by_pin_and_by_globalsign(void **state)
{
    (void)real_folder(); /* first: leaving a test early must leave nothing behind */
    struct place *place = *state;
    struct ecert_authority *authority = authority_of(place);
    X509 *want = real_certificate(CROSS, ".pem");

    for (int by_pin = 1; by_pin >= 0; by_pin--) {
        struct ecert_strings notes = {0};
        if (!by_pin) {
            free(authority->cross_certificates[0].sha256);
            authority->cross_certificates[0].sha256 = NULL;
        }
        X509 *cross = cross_with(place, CROSS, &notes);
        assert_non_null(cross);
        assert_true(ecert_certificate_equal(cross, want));
        assert_int_equal(notes.len, 0);
        X509_free(cross);
        ecert_strings_clear(&notes);
    }
    X509_free(want);
}

static void cross_ends_in_2029(void **state)
{
    (void)real_folder(); /* first: leaving a test early must leave nothing behind */
    struct place *place = *state;
    struct ecert_strings notes = {0};

    (void)authority_of(place);
    ecert_clock_pretend(CROSS_ENDS + 2 * 86400);
    X509 *cross = cross_with(place, CROSS, &notes);
    assert_null(cross);
    assert_int_equal(notes.len, 1);
    assert_non_null(strstr(notes.items[0], "7D877BD11424C2260C702C5DEB33AB17"));
    ecert_strings_clear(&notes);
}

/* The dead cross-certificates by Root CA 1: same name and key as the living one. */
static void other_crosses_are_left_out(void **state)
{
    (void)real_folder(); /* first: leaving a test early must leave nothing behind */
    static const char *const names[] = {
        "root-ca-3_x_root-ca-1_2017-EXPIRED", "root-ca-3_x_root-ca-1_2017a-REVOKED",
        "root-ca-3_x_root-ca-1_2022-REVOKED", "root-ca-3_x_root-ca-1_2022-to-2029-UNUSED"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        struct ecert_strings notes = {0};
        X509 *cross = cross_with(*state, names[i], &notes);
        assert_null(cross);
        assert_int_equal(notes.len, 1);
        ecert_strings_clear(&notes);
    }
}

/* Whatever else a chain with the revoked one passes, this row it does not. */
static void revoked_ones_are_named(void **state)
{
    (void)real_folder(); /* first: leaving a test early must leave nothing behind */
    static const struct {
        const char *file, *bad, *good;
    } twins[] = {
        {OV_REVOKED, "63FE03BD8BBB9512A4091ED93C5FED14C0E181D5",
         "3DB180EF6FF85F7A895D16445B9FC9FC3DEFBBC7"},
        {EV_REVOKED, "68ED49DDA3792592578C325120DA22E9F1E10BD4",
         "4E92FC39E5BDFDA37B7078B86A5E007CD0E1F752"},
    };
    const struct ecert_authority *authority = authority_of(*state);
    EVP_PKEY *key = test_key_ec("P-256");

    for (size_t i = 0; i < ARRAY_SIZE(twins); i++) {
        X509 *twin = real_certificate(twins[i].file, ".pem");
        X509 *leaf = test_leaf_make("www.test.hk", key, twin, key);
        struct ecert_check_result *results = calloc(ecert_checks_count(), sizeof *results);
        struct ecert_check_input input = {
            .authority = authority, .leaf = leaf, .chain = sk_X509_new_null(), .now = IN_2026};

        assert_non_null(results);
        assert_true(sk_X509_push(input.chain, twin) > 0);
        ecert_checks_run(&input, results);
        for (size_t k = 0; k < ecert_checks_count(); k++) {
            if (strcmp(results[k].id, "chain-known-bad") != 0)
                continue;
            assert_int_equal(results[k].outcome, ECERT_CHECK_FAILED);
            assert_non_null(strstr(results[k].why, twins[i].bad));
            assert_non_null(strstr(results[k].why, twins[i].good));
        }
        sk_X509_free(input.chain);
        free(results);
        X509_free(leaf);
        X509_free(twin);
    }
    EVP_PKEY_free(key);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(profile_loads),
        TEST(pins_are_those_of_the_real_ones),
        TEST(cross_by_pin_and_by_globalsign),
        TEST(cross_ends_in_2029),
        TEST(other_crosses_are_left_out),
        TEST(revoked_ones_are_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
