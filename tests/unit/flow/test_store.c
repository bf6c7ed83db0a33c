#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/flow/certificate.h"
#include "core/flow/store.h"
#include "tests/support/test_pki.h"
#include "tests/support/test_state.h"

#define NAME "www.example.com"

struct fixture {
    EVP_PKEY *key;
    X509 *root, *sub, *leaf, *renewed;
    struct ecert_bytes key_pem;
};

static struct fixture pki;

static int make_pki(void **state)
{
    (void)state;
    pki.key = test_key_ec("P-256");
    pki.root = test_root_make("Test Root", pki.key);
    pki.sub = test_sub_ca_make("Test Sub CA", pki.key, "10", pki.root, pki.key);
    pki.leaf = test_leaf_make(NAME, pki.key, pki.sub, pki.key);
    pki.renewed = test_certificate_make(&(struct test_certificate){.key = pki.key,
                                                                   .common_name = NAME,
                                                                   .serial = "1002",
                                                                   .issuer = pki.sub,
                                                                   .issuer_key = pki.key});
    pki.key_pem = test_key_pem(pki.key, NULL, NULL);
    return 0;
}

static int clear_pki(void **state)
{
    (void)state;
    ecert_bytes_clear(&pki.key_pem);
    X509_free(pki.renewed);
    X509_free(pki.leaf);
    X509_free(pki.sub);
    X509_free(pki.root);
    EVP_PKEY_free(pki.key);
    return 0;
}

static struct ecert_bundle bundle_of(X509 *leaf, bool with_key)
{
    struct ecert_bundle bundle = {.leaf = leaf, .chain = sk_X509_new_null()};
    struct ecert_error err = {0};

    assert_true(X509_up_ref(leaf) == 1 && X509_up_ref(pki.sub) == 1);
    assert_true(sk_X509_push(bundle.chain, pki.sub) > 0);
    if (with_key)
        assert_int_equal(ecert_secret_copy(ecert_bytes_view(&pki.key_pem), &bundle.key_pem, &err),
                         ECERT_OK);
    return bundle;
}

static bool add(const char *state_dir, X509 *leaf, bool with_key, unsigned want_number)
{
    struct ecert_bundle bundle = bundle_of(leaf, with_key);
    struct ecert_generation_facts facts = {.imported = 1700000000};
    struct ecert_error err = {0};
    bool added = false;

    assert_int_equal(ecert_text_format(&facts.origin, &err, "inbox: \"a\xFF.cer\""), ECERT_OK);
    assert_int_equal(ecert_strings_add(&facts.notes, "the revoked sub CA was replaced", &err),
                     ECERT_OK);
    const enum ecert_status status =
        ecert_store_add(state_dir, NAME, &bundle, &facts, &added, &err);
    if (status != ECERT_OK)
        print_error("%s\n", err.text);
    assert_int_equal(status, ECERT_OK);
    assert_int_equal(facts.number, want_number);
    ecert_generation_facts_clear(&facts);
    ecert_bundle_clear(&bundle);
    return added;
}

static char *path_of(const char *state_dir, const char *sub)
{
    struct ecert_error err = {0};
    char *path = NULL;

    assert_int_equal(ecert_text_format(&path, &err, "%s/%s", state_dir, sub), ECERT_OK);
    return path;
}

static unsigned mode_of(const char *state_dir, const char *sub)
{
    char *path = path_of(state_dir, sub);
    struct stat st;

    assert_int_equal(lstat(path, &st), 0);
    free(path);
    return (unsigned)(st.st_mode & 07777);
}

static void overwrite(const char *state_dir, const char *sub, const char *text)
{
    free(test_file_write(state_dir, sub, ecert_view_of(text), 0600));
}

/* ---- the directory ---- */

static void test_prepare(void **state)
{
    static const char *const folders[] = {"inbox",        "inbox/rejected", "inbox/taken",
                                          "certificates", "transactions",   "chains",
                                          "crls",         "fetched"};
    struct ecert_error err = {0};

    for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
        assert_int_equal(mode_of(*state, folders[i]), 0700);
    assert_int_equal(ecert_store_prepare(*state, &err), ECERT_OK); /* again */

    char *deep = path_of(*state, "a/b");
    assert_int_equal(ecert_store_prepare(deep, &err), ECERT_OK);
    assert_int_equal(mode_of(*state, "a/b"), 0700);
    free(deep);
}

static void test_prepare_refuses(void **state)
{
    struct ecert_error err = {0};
    char *file = path_of(*state, "file");
    char *chains = path_of(*state, "chains");

    overwrite(*state, "file", "");
    assert_int_equal(ecert_store_prepare(file, &err), ECERT_E_REFUSED);
    assert_non_null(strstr(err.text, "not a directory"));
    assert_int_equal(chmod(*state, 0770), 0);
    assert_int_equal(ecert_store_prepare(*state, &err), ECERT_E_REFUSED);
    assert_non_null(strstr(err.text, "can be written by others (mode 0770)"));
    assert_int_equal(chmod(*state, 0700), 0);
    /* a folder inside that is a link leads elsewhere */
    assert_int_equal(rmdir(chains), 0);
    assert_int_equal(symlink("/tmp", chains), 0);
    assert_int_equal(ecert_store_prepare(*state, &err), ECERT_E_REFUSED);
    assert_non_null(strstr(err.text, "chains' is not a directory"));
    if (geteuid() == 0) {
        assert_int_equal(chown(*state, 65534, 65534), 0);
        assert_int_equal(ecert_store_prepare(*state, &err), ECERT_E_REFUSED);
        assert_non_null(strstr(err.text, "belongs to user 65534, and ecert runs as user 0"));
    }
    free(chains);
    free(file);
}

static void test_names(void **state)
{
    static const char *const bad[] = {"", ".", "..", "../x", "a/b", "a b", ".hidden"};
    struct ecert_error err = {0};
    char folder[300], *path = NULL;

    ecert_store_folder("*.example.com", folder, sizeof folder);
    assert_string_equal(folder, "_wildcard.example.com");
    ecert_store_folder("www.example.com", folder, sizeof folder);
    assert_string_equal(folder, "www.example.com");
    assert_int_equal(ecert_store_path("/s", "*.example.com", "live/nginx", &path, &err), ECERT_OK);
    assert_string_equal(path, "/s/certificates/_wildcard.example.com/live/nginx");
    free(path);
    path = NULL;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_int_equal(ecert_store_path("/s", bad[i], NULL, &path, &err), ECERT_E_REFUSED);
        assert_null(path);
    }
    assert_int_equal(ecert_store_path("/s", NAME, "live/../../x", &path, &err), ECERT_E_REFUSED);
    assert_int_equal(ecert_store_path("/s", NAME, "", &path, &err), ECERT_E_REFUSED);
    unsigned live = 7;
    assert_int_equal(ecert_store_live(*state, NAME, "../x", &live, &err), ECERT_E_REFUSED);
    assert_int_equal(live, 7);
}

/* ---- generations ---- */

static void test_add(void **state)
{
    unsigned newest = 9;
    struct ecert_error err = {0};

    assert_int_equal(ecert_store_newest(*state, NAME, &newest, &err), ECERT_OK);
    assert_int_equal(newest, 0);
    assert_true(add(*state, pki.leaf, true, 1));
    assert_false(add(*state, pki.leaf, true, 1)); /* the same again */
    assert_true(add(*state, pki.renewed, true, 2));
    assert_true(add(*state, pki.renewed, false, 3)); /* without the key: another */
    assert_true(add(*state, pki.leaf, true, 4));     /* back: not the newest */
    assert_int_equal(ecert_store_newest(*state, NAME, &newest, &err), ECERT_OK);
    assert_int_equal(newest, 4);

    assert_int_equal(mode_of(*state, "certificates/" NAME "/generations/0001"), 0700);
    assert_int_equal(mode_of(*state, "certificates/" NAME "/generations/0001/privkey.pem"), 0600);
    assert_int_equal(mode_of(*state, "certificates/" NAME "/generations/0001/fullchain.pem"), 0600);
    char *key = path_of(*state, "certificates/" NAME "/generations/0003/privkey.pem");
    assert_false(ecert_fs_exists(key));
    free(key);
}

/* An interrupted call left half a generation; a damaged newest is not "the same". */
static void test_add_after_a_crash(void **state)
{
    struct ecert_error err = {0};
    struct ecert_strings names = {0};
    char *generations = path_of(*state, "certificates/" NAME "/generations");

    assert_true(add(*state, pki.leaf, true, 1));
    char *half = path_of(generations, ".0002.ecert-0123456789ABCDEF");
    assert_int_equal(mkdir(half, 0700), 0);
    free(test_file_write(half, "privkey.pem", ecert_view_of("half a k"), 0600));
    overwrite(generations, "0001/chain.pem", "");
    assert_true(add(*state, pki.leaf, true, 2));
    assert_false(ecert_fs_exists(half));
    assert_int_equal(ecert_fs_list(generations, &names, &err), ECERT_OK);
    assert_int_equal(names.len, 2); /* no temporary name is left */
    ecert_strings_clear(&names);
    free(half);
    free(generations);
}

static void test_add_fails_whole(void **state)
{
    struct ecert_error err = {0};
    struct ecert_strings names = {0};
    struct ecert_bundle bundle = bundle_of(pki.renewed, true);
    struct ecert_generation_facts facts = {0};
    bool added = false;
    char *generations = path_of(*state, "certificates/" NAME "/generations");

    assert_true(add(*state, pki.leaf, true, 1));
    /* a directory that others may write is no place for a key */
    assert_int_equal(chmod(generations, 0777), 0);
    assert_int_equal(ecert_store_add(*state, NAME, &bundle, &facts, &added, &err), ECERT_E_REFUSED);
    assert_non_null(strstr(err.text, "generations' can be written by others"));
    assert_int_equal(ecert_fs_list(generations, &names, &err), ECERT_OK);
    assert_int_equal(names.len, 1);
    ecert_strings_clear(&names);
    ecert_bundle_clear(&bundle);
    free(generations);
}

static void test_facts_and_load(void **state)
{
    struct ecert_generation_facts facts = {0};
    struct ecert_bundle bundle = {0};
    struct ecert_error err = {0};
    char sha256[ECERT_SHA256_HEX_LEN];

    assert_true(add(*state, pki.leaf, true, 1));
    assert_int_equal(ecert_store_facts(*state, NAME, 1, &facts, &err), ECERT_OK);
    ecert_certificate_sha256(pki.leaf, sha256);
    assert_string_equal(facts.sha256, sha256);
    assert_string_equal(facts.serial, "1001");
    assert_string_equal(facts.origin, "inbox: \"a\\xFF.cer\"");
    assert_null(facts.authority);
    assert_int_equal(facts.imported, 1700000000);
    assert_int_equal(facts.not_after, ecert_certificate_not_after(pki.leaf));
    assert_int_equal(facts.notes.len, 1);
    ecert_generation_facts_clear(&facts);

    assert_int_equal(ecert_store_load(*state, NAME, 1, &bundle, &err), ECERT_OK);
    assert_true(ecert_certificate_equal(bundle.leaf, pki.leaf));
    assert_int_equal(sk_X509_num(bundle.chain), 1);
    assert_null(bundle.key_pem.ptr);
    ecert_bundle_clear(&bundle);

    assert_int_equal(ecert_store_load(*state, NAME, 3, &bundle, &err), ECERT_E_NOT_FOUND);
    assert_non_null(strstr(err.text, "no generation 3; there are: 1"));
    assert_int_equal(ecert_store_facts(*state, NAME, 0, &facts, &err), ECERT_E_NOT_FOUND);
    assert_int_equal(ecert_store_facts(*state, "b.example.com", 1, &facts, &err),
                     ECERT_E_NOT_FOUND);
    assert_non_null(strstr(err.text, "has no generation yet"));
}

static void test_damaged_generation(void **state)
{
    static const char *const texts[] = {
        "",         "{",   "[]", "{}", "{\"number\": \"1\"}", "{\"number\": 99999999999}",
        "\xFF\xFE", "null"};
    struct ecert_generation_facts facts = {0};
    struct ecert_bundle bundle = {0};
    struct ecert_error err = {0};

    assert_true(add(*state, pki.leaf, true, 1));
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        overwrite(*state, "certificates/" NAME "/generations/0001/generation.json", texts[i]);
        assert_int_equal(ecert_store_facts(*state, NAME, 1, &facts, &err), ECERT_E_REFUSED);
        assert_non_null(strstr(err.text, "generation.json' is damaged"));
        assert_null(facts.origin);
    }
    overwrite(*state, "certificates/" NAME "/generations/0001/cert.pem", "-----BEGIN CERT");
    assert_int_equal(ecert_store_load(*state, NAME, 1, &bundle, &err), ECERT_E_REFUSED);
    assert_non_null(strstr(err.text, "cert.pem' is damaged"));
    overwrite(*state, "certificates/" NAME "/generations/0001/cert.pem", "");
    assert_int_equal(ecert_store_load(*state, NAME, 1, &bundle, &err), ECERT_E_REFUSED);
    assert_non_null(strstr(err.text, "holds 0 certificates"));
    assert_null(bundle.leaf);
}

/* ---- targets ---- */

static void test_live(void **state)
{
    struct ecert_error err = {0};
    unsigned live = 9;

    assert_int_equal(ecert_store_live(*state, NAME, "nginx", &live, &err), ECERT_OK);
    assert_int_equal(live, 0);
    char *folder = path_of(*state, "certificates/" NAME "/live");
    assert_int_equal(ecert_fs_make_directories(folder, 0700, &err), ECERT_OK);
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(ecert_fs_replace_link(fd, "../generations/0012", "nginx", &err), ECERT_OK);
    assert_int_equal(ecert_store_live(*state, NAME, "nginx", &live, &err), ECERT_OK);
    assert_int_equal(live, 12);
    assert_int_equal(ecert_fs_replace_link(fd, "/etc/passwd", "nginx", &err), ECERT_OK);
    assert_int_equal(ecert_store_live(*state, NAME, "nginx", &live, &err), ECERT_E_REFUSED);
    assert_non_null(strstr(err.text, "no generation"));
    close(fd);
    free(folder);
}

static void test_target_round_trip(void **state)
{
    struct ecert_error err = {0};
    struct ecert_target_state got = {0};
    char address[] = "127.0.0.1", sni[] = NAME, error[] = "nginx: \"no\" \xFF", word[] = "undone";
    struct ecert_probe probes[] = {{.address = address, .port = 65535, .server_name = sni},
                                   {.address = address, .port = 25, .starttls = word}};
    const struct ecert_target_state put = {.desired = 2,
                                           .held_at = 3,
                                           .actual = 1,
                                           .actual_sha256 = "AB",
                                           .actual_sha1 = "CD",
                                           .actual_settings = "EF",
                                           .tried_settings = "01",
                                           .deployed = 1700000000,
                                           .failures = 4,
                                           .last_try = 1700000001,
                                           .next_try = 1700000002,
                                           .last_error = error,
                                           .outcome = word,
                                           .probes = probes,
                                           .n_probes = 2};

    assert_int_equal(ecert_store_load_target(*state, NAME, "nginx", &got, &err), ECERT_OK);
    assert_int_equal(got.actual, 0); /* never seen */
    assert_int_equal(ecert_store_save_target(*state, NAME, "nginx", &put, &err), ECERT_OK);
    assert_int_equal(mode_of(*state, "certificates/" NAME "/targets/nginx.json"), 0600);
    assert_int_equal(ecert_store_load_target(*state, NAME, "nginx", &got, &err), ECERT_OK);
    assert_int_equal(got.desired, 2);
    assert_int_equal(got.held_at, 3);
    assert_int_equal(got.actual, 1);
    assert_string_equal(got.actual_sha256, "AB");
    assert_string_equal(got.actual_settings, "EF");
    assert_string_equal(got.tried_settings, "01");
    assert_string_equal(got.actual_sha1, "CD");
    assert_int_equal(got.deployed, 1700000000);
    assert_int_equal(got.failures, 4);
    assert_int_equal(got.last_try, 1700000001);
    assert_int_equal(got.next_try, 1700000002);
    assert_string_equal(got.last_error, "nginx: \"no\" \\xFF");
    assert_string_equal(got.outcome, "undone");
    assert_int_equal(got.n_probes, 2);
    assert_string_equal(got.probes[0].address, "127.0.0.1");
    assert_int_equal(got.probes[0].port, 65535);
    assert_string_equal(got.probes[0].server_name, NAME);
    assert_null(got.probes[0].starttls);
    assert_string_equal(got.probes[1].starttls, "undone");
    ecert_target_state_clear(&got);
    /* another target of the same certificate knows nothing of it */
    assert_int_equal(ecert_store_load_target(*state, NAME, "apache", &got, &err), ECERT_OK);
    assert_int_equal(got.n_probes, 0);
}

/* A file of before there were fingerprints is good, and knows none. */
static void test_target_without_settings(void **state)
{
    static const char old[] =
        "{\"desired\": 0, \"held_at\": 0, \"actual\": 3, \"actual_sha256\": \"AB\", "
        "\"actual_sha1\": \"CD\", \"deployed\": 1, \"failures\": 0, \"tried_generation\": 3, "
        "\"last_try\": 1, \"next_try\": 0, \"last_error\": null, \"outcome\": \"deployed\", "
        "\"probes\": []}";
    const struct ecert_target_state put = {.actual = 1, .actual_settings = "EF"};
    struct ecert_target_state got = {0};
    struct ecert_error err = {0};

    assert_int_equal(ecert_store_save_target(*state, NAME, "nginx", &put, &err), ECERT_OK);
    free(test_file_write(*state, "certificates/" NAME "/targets/nginx.json", ecert_view_of(old),
                         0600));
    assert_int_equal(ecert_store_load_target(*state, NAME, "nginx", &got, &err), ECERT_OK);
    assert_int_equal(got.actual, 3);
    assert_string_equal(got.actual_settings, "");
    assert_string_equal(got.tried_settings, "");
    ecert_target_state_clear(&got);
}

static void test_damaged_target(void **state)
{
    const struct ecert_target_state put = {.actual = 1};
    struct ecert_target_state got = {0};
    struct ecert_bytes text = {0};
    struct ecert_error err = {0};
    char *path = path_of(*state, "certificates/" NAME "/targets/nginx.json");

    assert_int_equal(ecert_store_save_target(*state, NAME, "nginx", &put, &err), ECERT_OK);
    assert_int_equal(ecert_fs_read(path, 1 << 20, &text, &err), ECERT_OK);
    for (size_t n = 0; n + 2 < text.len; n++) { /* every way to cut it short */
        free(test_file_write(*state, "certificates/" NAME "/targets/nginx.json",
                             (struct ecert_view){text.ptr, n}, 0600));
        assert_int_equal(ecert_store_load_target(*state, NAME, "nginx", &got, &err),
                         ECERT_E_REFUSED);
        assert_non_null(strstr(err.text, "nginx.json' is damaged"));
        assert_null(got.probes);
    }
    ecert_bytes_clear(&text);
    free(path);
}

static void test_record(void **state)
{
    static const char *const names[] = {"20261121T084200Z-nginx-2.json",
                                        "20261121T084200Z-nginx-3.json",
                                        "20261121T084200Z-nginx.json"};
    struct ecert_strings got = {0};
    struct ecert_error err = {0};
    char *folder = path_of(*state, "certificates/" NAME "/deployments");

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        assert_int_equal(
            ecert_store_record(*state, NAME, "nginx", 1795250520, ecert_view_of("{}\n"), &err),
            ECERT_OK);
    assert_int_equal(ecert_fs_list(folder, &got, &err), ECERT_OK);
    assert_int_equal(got.len, ARRAY_SIZE(names));
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        assert_string_equal(got.items[i], names[i]);
    assert_int_equal(ecert_store_record(*state, NAME, "../x", 1, ecert_view_of("{}"), &err),
                     ECERT_E_REFUSED);
    ecert_strings_clear(&got);
    free(folder);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, test_state_make, test_state_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_prepare),
        TEST(test_prepare_refuses),
        TEST(test_names),
        TEST(test_add),
        TEST(test_add_after_a_crash),
        TEST(test_add_fails_whole),
        TEST(test_facts_and_load),
        TEST(test_damaged_generation),
        TEST(test_live),
        TEST(test_target_round_trip),
        TEST(test_target_without_settings),
        TEST(test_damaged_target),
        TEST(test_record),
    };

    return cmocka_run_group_tests(tests, make_pki, clear_pki);
}
