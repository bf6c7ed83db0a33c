#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/fs.h"
#include "core/monitor/scan.h"
#include "core/monitor/scan_parts.h"
#include "tests/unit/monitor/scan_fixture.h"

static char *write_file(const char *name, struct ecert_bytes content)
{
    return test_file_write(scan_pki.folder, name, ecert_bytes_view(&content), 0600);
}

/* What was told is what OpenSSL's own decoder says. */
static void check_same(const struct scan_said *told, const X509 *want)
{
    char serial[ECERT_SERIAL_HEX_LEN], sha256[ECERT_SHA256_HEX_LEN];

    if (told->scanned.status != ECERT_OK)
        print_error("%s\n", told->error);
    assert_int_equal(told->scanned.status, ECERT_OK);
    assert_string_equal(told->error, "");
    ecert_certificate_serial(want, serial);
    ecert_certificate_sha256(want, sha256);
    assert_string_equal(told->scanned.serial, serial);
    assert_string_equal(told->scanned.sha256, sha256);
    assert_int_equal(told->scanned.not_before, ecert_certificate_not_before(want));
    assert_int_equal(told->scanned.not_after, ecert_certificate_not_after(want));
    assert_int_equal(told->scanned.is_ca, ecert_certificate_is_ca(want));
    assert_int_equal(told->scanned.is_self_issued,
                     X509_NAME_cmp(X509_get_subject_name(want), X509_get_issuer_name(want)) == 0);
}

/* One file with these certificates (a NULL-ended list of places in pki), or with an error. */
static void check_file(const char *name, struct ecert_bytes content, const int *want, size_t n,
                       const char *error)
{
    ECERT_AUTO(ecert_auto_free) char *file = write_file(name, content);

    scan_one_file(file, NULL);
    if (error != NULL) {
        assert_int_equal(scan_told.n, 1);
        assert_int_equal(scan_told.items[0].scanned.status, ECERT_E_CRYPTO);
        assert_int_equal(scan_told.items[0].scanned.n, 0);
        if (strstr(scan_told.items[0].error, error) == NULL ||
            strstr(scan_told.items[0].error, file) == NULL)
            print_error("%s: '%s'\n", name, scan_told.items[0].error);
        assert_non_null(strstr(scan_told.items[0].error, file));
        assert_non_null(strstr(scan_told.items[0].error, error));
        return;
    }
    assert_int_equal(scan_told.n, n);
    for (size_t i = 0; i < n; i++) {
        assert_string_equal(scan_told.items[i].file, file);
        assert_int_equal(scan_told.items[i].scanned.index, i);
        assert_int_equal(scan_told.items[i].scanned.n, n);
        check_same(&scan_told.items[i], scan_pki.certificates[want[i]]);
    }
}

static struct ecert_bytes text_of(const char *text)
{
    return test_join(ecert_view_of(text), (struct ecert_view){0});
}

static struct ecert_bytes joined(struct ecert_bytes a, struct ecert_bytes b)
{
    return test_join(ecert_bytes_view(&a), ecert_bytes_view(&b));
}

/* ---- forms ---- */

static void test_each_key_type(void **state)
{
    static const char *const titles[] = {"Test Root",         "rsa.example.com",
                                         "ec.example.com",    "ed.example.com",
                                         "first.example.com", "\xE8\xAD\x89\xE6\x9B\xB8 \\x1B[31m"};

    (void)state;
    for (int i = 0; i < N_CERTIFICATES; i++) {
        check_file("one.pem", scan_pki.pem[i], &i, 1, NULL);
        assert_string_equal(scan_told.items[0].title, titles[i]);
        check_file("one.der", scan_pki.der[i], &i, 1, NULL);
        assert_string_equal(scan_told.items[0].title, titles[i]);
    }
}

static struct ecert_bytes with_crlf(struct ecert_bytes text)
{
    struct ecert_buffer out = {0};
    struct ecert_bytes bytes = {0};
    struct ecert_error err = {0};

    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] == '\n')
            ecert_buffer_add_text(&out, "\r\n");
        else
            ecert_buffer_add(&out, (struct ecert_view){text.ptr + i, 1});
    assert_int_equal(ecert_buffer_take(&out, &bytes, &err), ECERT_OK);
    return bytes;
}

static void test_pem_forms(void **state)
{
    static const int both[] = {RSA_LEAF, EC_LEAF};
    struct ecert_bytes two = joined(scan_pki.pem[RSA_LEAF], scan_pki.pem[EC_LEAF]);
    struct ecert_bytes crlf = with_crlf(two);
    struct ecert_bytes comment = text_of("subject=CN = x\n-- a comment --\n");
    struct ecert_bytes with_comment = joined(comment, two);
    struct ecert_bytes key_first = joined(scan_pki.key, two);
    struct ecert_bytes key_last = joined(two, scan_pki.key);
    struct ecert_bytes mark = text_of("\xEF\xBB\xBF");
    struct ecert_bytes marked = joined(mark, two);

    (void)state;
    check_file("two.pem", two, both, 2, NULL);
    check_file("crlf.pem", crlf, both, 2, NULL);
    check_file("comment.pem", with_comment, both, 2, NULL);
    check_file("key-first.pem", key_first, both, 2, NULL);
    check_file("key-last.pem", key_last, both, 2, NULL);
    check_file("marked.pem", marked, both, 2, NULL);
    struct ecert_bytes *const used[] = {&two,       &crlf,     &comment, &with_comment,
                                        &key_first, &key_last, &mark,    &marked};
    for (size_t i = 0; i < ARRAY_SIZE(used); i++)
        ecert_bytes_clear(used[i]);
}

static void test_rare_forms(void **state)
{
    static const int both[] = {RSA_LEAF, EC_LEAF};
    X509 *const list[] = {scan_pki.certificates[RSA_LEAF], scan_pki.certificates[EC_LEAF], NULL};
    struct ecert_bytes der = test_pkcs7_der(list), pem = test_pkcs7_pem(list);

    (void)state;
    check_file("both.p7b", der, both, 2, NULL);
    check_file("both.p7.pem", pem, both, 2, NULL);
    ecert_bytes_clear(&der);
    ecert_bytes_clear(&pem);
}

static void test_password(void **state)
{
    static const int leaf[] = {EC_LEAF};
    struct ecert_bytes p12 =
        test_pkcs12("secret", scan_pki.ec, scan_pki.certificates[EC_LEAF], NULL, 0, 0);
    ECERT_AUTO(ecert_auto_free) char *file = write_file("site.p12", p12);
    ECERT_AUTO(ecert_auto_free)
    char *password = test_file_write(scan_pki.folder, "password", ecert_view_of("secret\n"), 0600);
    ECERT_AUTO(ecert_auto_free)
    char *wrong = test_file_write(scan_pki.folder, "wrong", ecert_view_of("guess\n"), 0600);

    (void)state;
    scan_one_file(file, password);
    assert_int_equal(scan_told.n, 1);
    check_same(&scan_told.items[0], scan_pki.certificates[EC_LEAF]);
    check_file("site.p12", p12, leaf, 1, "no passphrase is given");
    scan_one_file(file, wrong);
    assert_int_equal(scan_told.items[0].scanned.status, ECERT_E_CRYPTO);
    assert_non_null(strstr(scan_told.items[0].error, "the passphrase is wrong"));
    scan_one_file(file, "/nonexistent/password");
    assert_int_equal(scan_told.items[0].scanned.status, ECERT_E_CRYPTO);
    assert_non_null(strstr(scan_told.items[0].error, "/nonexistent/password"));
    ecert_bytes_clear(&p12);
}

static void test_damaged(void **state)
{
    struct ecert_bytes pem = scan_pki.pem[RSA_LEAF], der = scan_pki.der[RSA_LEAF];
    struct ecert_bytes bad = joined(scan_pki.pem[EC_LEAF], scan_pki.pem[RSA_LEAF]);
    struct ecert_bytes html = text_of("<html><body>Sign in</body></html>");
    const size_t end_line = strlen("-----END CERTIFICATE-----\n");
    char *middle = (char *)bad.ptr + bad.len - 200;

    (void)state;
    *middle = '!';
    check_file("cut.pem", (struct ecert_bytes){pem.ptr, pem.len / 2}, NULL, 0, "truncated");
    check_file("no-end.pem", (struct ecert_bytes){pem.ptr, pem.len - end_line}, NULL, 0,
               "truncated");
    check_file("no-begin.pem", (struct ecert_bytes){pem.ptr + 40, pem.len - 40}, NULL, 0,
               "no BEGIN line");
    check_file("cut.der", (struct ecert_bytes){der.ptr, der.len - 1}, NULL, 0, "");
    check_file("second.pem", bad, NULL, 0, "PEM block 2");
    check_file("empty.pem", (struct ecert_bytes){0}, NULL, 0, "empty");
    check_file("page.pem", html, NULL, 0, "HTML");
    check_file("key.pem", scan_pki.key, NULL, 0, "");
    ecert_bytes_clear(&bad);
    ecert_bytes_clear(&html);
}

/* Every prefix and a changed byte at every place: an answer or an error, never a wrong reader. */
static void test_every_cut(void **state)
{
    struct scan_decoder decoder;
    struct scan_record records[4];
    struct ecert_bytes der = scan_pki.der[EC_LEAF];
    size_t n = 0;

    (void)state;
    assert_true(scan_decoder_init(&decoder));
    for (size_t i = 0; i < der.len; i++) {
        uint8_t *copy = malloc(i == 0 ? 1 : i); /* so that AddressSanitizer sees its end */
        memcpy(copy, der.ptr, i);
        assert_int_not_equal(
            scan_decode_file(&decoder, (struct ecert_view){copy, i}, records, 4, &n),
            SCAN_CERTIFICATES);
        free(copy);
    }
    for (size_t i = 0; i < der.len; i++) {
        der.ptr[i] ^= 0x81;
        (void)scan_decode_file(&decoder, ecert_bytes_view(&der), records, 4, &n);
        der.ptr[i] ^= 0x81;
    }
    for (size_t i = 0; i < scan_pki.pem[EC_LEAF].len; i++) {
        uint8_t *copy = malloc(i == 0 ? 1 : i);
        memcpy(copy, scan_pki.pem[EC_LEAF].ptr, i);
        (void)scan_decode_file(&decoder, (struct ecert_view){copy, i}, records, 4, &n);
        free(copy);
    }
    scan_decoder_clear(&decoder);
}

/* ---- files that cannot be read ---- */

static void check_unreadable(const char *file, enum ecert_status status, const char *error)
{
    scan_one_file(file, NULL);
    assert_int_equal(scan_told.n, 1);
    assert_int_equal(scan_told.items[0].scanned.status, status);
    assert_non_null(strstr(scan_told.items[0].error, error));
    assert_non_null(strstr(scan_told.items[0].error, file));
}

static void test_unreadable(void **state)
{
    ECERT_AUTO(ecert_auto_free) char *large = write_file("large.pem", scan_pki.pem[RSA_LEAF]);
    char fifo[512];

    (void)state;
    (void)snprintf(fifo, sizeof fifo, "%s/fifo.pem", scan_pki.folder);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(truncate(large, (16 << 20) + 1), 0);
    check_unreadable("/nonexistent/a.pem", ECERT_E_NOT_FOUND, "No such file");
    check_unreadable(scan_pki.folder, ECERT_E_IO, "is a directory");
    check_unreadable(fifo, ECERT_E_IO, "is not a regular file");
    check_unreadable("/dev/null", ECERT_E_IO, "is not a regular file");
    check_unreadable(large, ECERT_E_IO, "larger than 16 MiB");
    if (geteuid() != 0) { /* root reads everything */
        assert_int_equal(chmod(large, 0), 0);
        check_unreadable(large, ECERT_E_IO, "Permission denied");
    }
    assert_int_equal(truncate(large, 16 << 20), 0); /* one PEM and zeros: just within */
    scan_one_file(large, NULL);
    assert_int_equal(scan_told.n, 1);
    check_same(&scan_told.items[0], scan_pki.certificates[RSA_LEAF]);
    (void)unlink(fifo);
    (void)unlink(large);
}

/* ---- a decoder that ends ---- */

static void crash_or_hang(struct ecert_view file)
{
    if (file.len == 5 && memcmp(file.ptr, "crash", 5) == 0)
        (void)raise(SIGKILL); /* not SIGSEGV: AddressSanitizer would catch that */
    while (file.len == 4 && memcmp(file.ptr, "hang", 4) == 0)
        (void)pause();
}

static void test_decoder_ends(void **state)
{
    ECERT_AUTO(ecert_auto_free) char *good = write_file("good.pem", scan_pki.pem[RSA_LEAF]);
    ECERT_AUTO(ecert_auto_free) char *other = write_file("other.pem", scan_pki.pem[EC_LEAF]);
    ECERT_AUTO(ecert_auto_free)
    char *crash = test_file_write(scan_pki.folder, "crash.pem", ecert_view_of("crash"), 0600);
    ECERT_AUTO(ecert_auto_free)
    char *hang = test_file_write(scan_pki.folder, "hang.pem", ecert_view_of("hang"), 0600);
    const char *const files[] = {good, crash, crash, other, hang, good, other, crash};
    const unsigned patience = scan_patience_ms;

    (void)state;
    scan_before_file = crash_or_hang;
    scan_patience_ms = 300;
    struct ecert_scan *scan = scan_opened(NULL);
    for (size_t round = 0; round < 3; round++)
        for (size_t i = 0; i < ARRAY_SIZE(files); i++)
            scan_add_file(scan, files[i]);
    scan_done(scan);
    scan_before_file = NULL;
    scan_patience_ms = patience;

    assert_int_equal(scan_told.n, 3 * ARRAY_SIZE(files));
    for (size_t i = 0; i < scan_told.n; i++) {
        const char *file = files[i % ARRAY_SIZE(files)];
        assert_string_equal(scan_told.items[i].file, file);
        if (file == good || file == other) {
            check_same(&scan_told.items[i],
                       scan_pki.certificates[file == good ? RSA_LEAF : EC_LEAF]);
            continue;
        }
        assert_int_equal(scan_told.items[i].scanned.status, ECERT_E_CRYPTO);
        assert_non_null(strstr(scan_told.items[i].error, file));
        assert_non_null(
            strstr(scan_told.items[i].error, file == crash ? "crashed" : "within 0.3 seconds"));
    }
}

/* ---- many ---- */

static void test_order_of_many(void **state)
{
    const size_t life = scan_child_life;
    char name[32];

    (void)state;
    scan_child_life = 100000; /* some changes of the child, too */
    struct ecert_scan *scan = scan_opened(NULL);
    for (size_t i = 0; i < 1100; i++) {
        (void)snprintf(name, sizeof name, "many-%zu.pem", i);
        ECERT_AUTO(ecert_auto_free) char *file = write_file(name, scan_pki.pem[i % N_CERTIFICATES]);
        scan_add_file(scan, file);
        (void)unlink(file); /* it was read */
    }
    scan_done(scan);
    scan_child_life = life;
    assert_int_equal(scan_told.n, 1100);
    for (size_t i = 0; i < scan_told.n; i++) {
        (void)snprintf(name, sizeof name, "/many-%zu.pem", i);
        assert_string_equal(strrchr(scan_told.items[i].file, '/'), name);
        check_same(&scan_told.items[i], scan_pki.certificates[i % N_CERTIFICATES]);
    }
}

static void test_call_ends_scan(void **state)
{
    ECERT_AUTO(ecert_auto_free) char *good = write_file("good.pem", scan_pki.pem[RSA_LEAF]);
    struct ecert_scan *scan = scan_opened(NULL);
    struct ecert_error err = {0};

    (void)state;
    scan_told.end_after = 1;
    scan_add_file(scan, good);
    scan_add_file(scan, good);
    assert_int_equal(ecert_scan_finish(scan, &err), ECERT_E_REFUSED);
    assert_string_equal(err.text, "enough");
    assert_int_equal(ecert_scan_add(scan, good, &err), ECERT_E_REFUSED);
    ecert_scan_free(&scan);
    assert_int_equal(scan_told.n, 1);
}

/* ---- directories and patterns ---- */

static void link_to(const char *value, const char *folder, const char *name)
{
    char path[512];

    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(symlink(value, path), 0);
}

static void test_directory_and_glob(void **state)
{
    static const char *const want[] = {"/a.pem",        "/b/c.pem",    "/cut.pem",
                                       "/dangling.pem", "/link-1.pem", "/z.der"};
    char *folder = test_folder_make();
    char path[600];
    size_t matches = 99;
    struct ecert_error err = {0};

    (void)state;
    (void)snprintf(path, sizeof path, "%s/b", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    ECERT_AUTO(ecert_auto_free) char *outside = write_file("outside.pem", scan_pki.pem[ED_LEAF]);
    free(test_file_write(folder, "z.der", ecert_bytes_view(&scan_pki.der[EC_LEAF]), 0600));
    free(test_file_write(folder, "a.pem", ecert_bytes_view(&scan_pki.pem[RSA_LEAF]), 0600));
    free(test_file_write(folder, "b/c.pem", ecert_bytes_view(&scan_pki.pem[RSA_LEAF]), 0600));
    free(test_file_write(folder, "cut.pem", (struct ecert_view){scan_pki.pem[RSA_LEAF].ptr, 300},
                         0600));
    free(test_file_write(folder, ".hidden.pem", ecert_bytes_view(&scan_pki.pem[RSA_LEAF]), 0600));
    free(test_file_write(folder, "site.key", ecert_bytes_view(&scan_pki.key), 0600));
    free(test_file_write(folder, "README", ecert_view_of("text\n"), 0600));
    free(test_file_write(folder, "empty", (struct ecert_view){0}, 0600));
    link_to(outside, folder, "link-1.pem");
    link_to(outside, folder, "link-2.pem"); /* leads where the first does */
    link_to("nowhere", folder, "dangling.pem");
    link_to("..", folder, "b/loop");

    struct ecert_scan *scan = scan_opened(NULL);
    assert_int_equal(ecert_scan_add_directory(scan, folder, &err), ECERT_OK);
    scan_done(scan);
    assert_int_equal(scan_told.n, ARRAY_SIZE(want));
    for (size_t i = 0; i < scan_told.n; i++) {
        assert_string_equal(scan_told.items[i].file + strlen(folder), want[i]);
        const enum ecert_status status = scan_told.items[i].scanned.status;
        assert_int_equal(status, i == 2 ? ECERT_E_CRYPTO : i == 3 ? ECERT_E_NOT_FOUND : ECERT_OK);
    }
    check_same(&scan_told.items[4], scan_pki.certificates[ED_LEAF]);

    scan = scan_opened(NULL);
    (void)snprintf(path, sizeof path, "%s/[a-e]*", folder);
    assert_int_equal(ecert_scan_add_glob(scan, path, &matches, &err), ECERT_OK);
    scan_done(scan);
    assert_int_equal(matches, 5); /* a.pem, b, cut.pem, dangling.pem, empty */
    assert_int_equal(scan_told.n, 3);
    check_same(&scan_told.items[0], scan_pki.certificates[RSA_LEAF]);

    scan = scan_opened(NULL);
    (void)snprintf(path, sizeof path, "%s/*.none", folder);
    assert_int_equal(ecert_scan_add_glob(scan, path, &matches, &err), ECERT_OK);
    assert_int_equal(matches, 0);
    assert_int_equal(ecert_scan_add_directory(scan, "/nonexistent/certificates", &err), ECERT_OK);
    scan_done(scan);
    assert_int_equal(scan_told.n, 1);
    assert_int_equal(scan_told.items[0].scanned.status, ECERT_E_NOT_FOUND);
    assert_non_null(strstr(scan_told.items[0].error, "'/nonexistent/certificates'"));
    test_folder_remove(folder);
}

/* ---- the CA's real ones ---- */

static void test_real_certificates(void **state)
{
    const char *folder = getenv("ECERT_REAL_CERTIFICATES");
    struct ecert_error err = {0};

    (void)state;
    if (folder == NULL) {
        print_message("skipped: ECERT_REAL_CERTIFICATES is not set\n");
        skip();
    }
    struct ecert_scan *scan = scan_opened(NULL);
    assert_int_equal(ecert_scan_add_directory(scan, folder, &err), ECERT_OK);
    scan_done(scan);
    assert_true(scan_told.n > 10);
    for (size_t i = 0; i < scan_told.n; i++) {
        ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes bytes = {0};
        assert_int_equal(ecert_fs_read(scan_told.items[i].file, 1 << 20, &bytes, &err), ECERT_OK);
        BIO *bio = BIO_new_mem_buf(bytes.ptr, (int)bytes.len);
        ECERT_AUTO(ecert_auto_x509)
        X509 *want = bytes.ptr[0] == 0x30 ? d2i_X509_bio(bio, NULL)
                                          : PEM_read_bio_X509(bio, NULL, NULL, NULL);
        (void)BIO_free(bio);
        assert_non_null(want);
        check_same(&scan_told.items[i], want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_key_type),
        cmocka_unit_test(test_pem_forms),
        cmocka_unit_test(test_rare_forms),
        cmocka_unit_test(test_password),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_every_cut),
        cmocka_unit_test(test_unreadable),
        cmocka_unit_test(test_decoder_ends),
        cmocka_unit_test(test_order_of_many),
        cmocka_unit_test(test_call_ends_scan),
        cmocka_unit_test(test_directory_and_glob),
        cmocka_unit_test(test_real_certificates),
    };
    const int failed = cmocka_run_group_tests(tests, scan_fixture_make, scan_fixture_clear);

    scan_told_clear();
    return failed;
}
