#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/objects.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "core/flow/certificate.h"
#include "core/flow/decode.h"
#include "tests/support/test_pki.h"

/* What every test takes its files from. */
static struct {
    EVP_PKEY *rsa, *ec;
    X509 *root, *sub, *leaf;
    X509_CRL *crl;
    struct ecert_bytes sub_pem, leaf_pem, leaf_der, key_pem, crl_pem, crl_der;
} pki;

static int make_pki(void **state)
{
    static const char *const revoked[] = {"10", NULL};

    (void)state;
    pki.rsa = test_key_rsa(2048);
    pki.ec = test_key_ec("P-256");
    pki.root = test_root_make("Test Root", pki.rsa);
    pki.sub = test_sub_ca_make("Test Sub CA", pki.rsa, "10", pki.root, pki.rsa);
    pki.leaf = test_leaf_make("www.example.com", pki.ec, pki.sub, pki.rsa);
    pki.crl = test_crl_make(pki.root, pki.rsa, revoked, 0, 0);
    pki.sub_pem = test_certificate_pem(pki.sub);
    pki.leaf_pem = test_certificate_pem(pki.leaf);
    pki.leaf_der = test_certificate_der(pki.leaf);
    pki.key_pem = test_key_pem(pki.ec, NULL, NULL);
    pki.crl_pem = test_crl_pem(pki.crl);
    pki.crl_der = test_crl_der(pki.crl);
    return 0;
}

static int clear_pki(void **state)
{
    struct ecert_bytes *const texts[] = {&pki.sub_pem, &pki.leaf_pem, &pki.leaf_der,
                                         &pki.key_pem, &pki.crl_pem,  &pki.crl_der};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        ecert_bytes_clear(texts[i]);
    X509_CRL_free(pki.crl);
    X509_free(pki.leaf);
    X509_free(pki.sub);
    X509_free(pki.root);
    EVP_PKEY_free(pki.ec);
    EVP_PKEY_free(pki.rsa);
    return 0;
}

/* ---- making files ---- */

static struct ecert_bytes join(const struct ecert_bytes *a, const struct ecert_bytes *b)
{
    return test_join(ecert_bytes_view(a), ecert_bytes_view(b));
}

static struct ecert_bytes taken(struct ecert_buffer *buffer)
{
    struct ecert_bytes bytes = {0};
    struct ecert_error err = {0};

    assert_int_equal(ecert_buffer_take(buffer, &bytes, &err), ECERT_OK);
    return bytes;
}

/* Every line end replaced. */
static struct ecert_bytes with_ends(const struct ecert_bytes *text, const char *end)
{
    struct ecert_buffer out = {0};

    for (size_t i = 0; i < text->len; i++)
        if (text->ptr[i] == '\n')
            ecert_buffer_add_text(&out, end);
        else
            ecert_buffer_add(&out, (struct ecert_view){text->ptr + i, 1});
    return taken(&out);
}

static struct ecert_bytes utf16(const struct ecert_bytes *text, bool big, bool mark)
{
    struct ecert_buffer out = {0};

    if (mark)
        ecert_buffer_add(&out,
                         (struct ecert_view){
                             big ? (const uint8_t *)"\xFE\xFF" : (const uint8_t *)"\xFF\xFE", 2});
    for (size_t i = 0; i < text->len; i++) {
        const uint8_t pair[2] = {big ? 0 : text->ptr[i], big ? text->ptr[i] : 0};
        ecert_buffer_add(&out, (struct ecert_view){pair, 2});
    }
    return taken(&out);
}

/* The byte at this place of the base64 of the last block becomes another. */
static struct ecert_bytes damaged(const struct ecert_bytes *text, char by)
{
    struct ecert_bytes copy = test_join(ecert_bytes_view(text), (struct ecert_view){0});

    copy.ptr[copy.len - 100] = (uint8_t)by;
    return copy;
}

/* ---- checking ---- */

static void check_good(struct ecert_bytes file, const char *passphrase, const char *form,
                       X509 *const *want, size_t n_keys)
{
    struct ecert_decoded got = {0};
    struct ecert_error err = {0};
    const enum ecert_status status =
        ecert_decode_certificates(ecert_bytes_view(&file), ecert_view_of(passphrase), &got, &err);

    if (status != ECERT_OK)
        print_error("%s\n", err.text);
    assert_int_equal(status, ECERT_OK);
    assert_string_equal(got.form, form);
    size_t n = 0;
    for (; want[n] != NULL; n++) {
        assert_true((int)n < sk_X509_num(got.certificates));
        assert_true(ecert_certificate_equal(sk_X509_value(got.certificates, (int)n), want[n]));
    }
    assert_int_equal(sk_X509_num(got.certificates), n);
    assert_int_equal(got.n_keys, n_keys);
    if (n_keys > 0) { /* the leaf's, in all of these files */
        uint8_t id[ECERT_SHA256_LEN];
        assert_int_equal(ecert_certificate_key_id(pki.leaf, id, &err), ECERT_OK);
        assert_memory_equal(got.key_ids[0], id, sizeof id);
        assert_non_null(strstr((const char *)got.keys[0].ptr, "-----BEGIN PRIVATE KEY-----"));
    }
    ecert_decoded_clear(&got);
    assert_null(got.keys);
    ecert_bytes_clear(&file);
}

static void check_bad_with(struct ecert_bytes file, const char *passphrase,
                           enum ecert_status want_status, const char *want_text)
{
    struct ecert_decoded got = {0};
    struct ecert_error err = {0};
    const enum ecert_status status =
        ecert_decode_certificates(ecert_bytes_view(&file), ecert_view_of(passphrase), &got, &err);

    if (status == ECERT_OK || strstr(err.text, want_text) == NULL)
        print_error("wanted '%s', got '%s'\n", want_text, err.text);
    assert_int_equal(status, want_status);
    assert_non_null(strstr(err.text, want_text));
    assert_null(got.certificates);
    ecert_bytes_clear(&file);
}

static void check_bad(struct ecert_bytes file, const char *want_text)
{
    check_bad_with(file, NULL, ECERT_E_CRYPTO, want_text);
}

static struct ecert_bytes bytes_of(const char *text)
{
    return test_join(ecert_view_of(text), (struct ecert_view){0});
}

#define BYTES_OF(literal)                                                           \
    test_join((struct ecert_view){(const uint8_t *)(literal), sizeof(literal) - 1}, \
              (struct ecert_view){0})

static X509 **of(X509 *a, X509 *b, X509 *c)
{
    static X509 *list[4];

    list[0] = a;
    list[1] = b;
    list[2] = c;
    list[3] = NULL;
    return list;
}

static struct ecert_bytes copy_of(const struct ecert_bytes *bytes)
{
    return test_join(ecert_bytes_view(bytes), (struct ecert_view){0});
}

/* ---- good files ---- */

static void test_pem(void **state)
{
    (void)state;
    check_good(copy_of(&pki.leaf_pem), NULL, "PEM", of(pki.leaf, NULL, NULL), 0);
    check_good(join(&pki.sub_pem, &pki.leaf_pem), NULL, "PEM", of(pki.sub, pki.leaf, NULL), 0);
    check_good(join(&pki.leaf_pem, &pki.leaf_pem), NULL, "PEM", of(pki.leaf, NULL, NULL), 0);
    check_good(join(&pki.key_pem, &pki.leaf_pem), NULL, "PEM", of(pki.leaf, NULL, NULL), 1);
    check_good(join(&pki.leaf_pem, &pki.key_pem), NULL, "PEM", of(pki.leaf, NULL, NULL), 1);
    check_good(with_ends(&pki.leaf_pem, "\r\n"), NULL, "PEM", of(pki.leaf, NULL, NULL), 0);
    check_good(with_ends(&pki.leaf_pem, "\r"), NULL, "PEM", of(pki.leaf, NULL, NULL), 0);
    check_good(with_ends(&pki.leaf_pem, " \n\n  "), NULL, "PEM", of(pki.leaf, NULL, NULL), 0);
}

static void test_pem_text_around(void **state)
{
    const struct ecert_bytes before = {(uint8_t *)(uintptr_t) "0 Bag Attributes\nsubject=x\n\n",
                                       28};
    const struct ecert_bytes mark = {(uint8_t *)(uintptr_t) "\xEF\xBB\xBF", 3};
    struct ecert_bytes request = test_csr_pem(pki.ec, "www.example.com");
    struct ecert_bytes unended = test_join(
        (struct ecert_view){pki.leaf_pem.ptr, pki.leaf_pem.len - 1}, (struct ecert_view){0});

    (void)state;
    check_good(join(&before, &pki.leaf_pem), NULL, "PEM", of(pki.leaf, NULL, NULL), 0);
    check_good(join(&mark, &pki.leaf_pem), NULL, "PEM", of(pki.leaf, NULL, NULL), 0);
    check_good(join(&request, &pki.leaf_pem), NULL, "PEM", of(pki.leaf, NULL, NULL), 0);
    check_good(unended, NULL, "PEM", of(pki.leaf, NULL, NULL), 0);
    ecert_bytes_clear(&request);
}

static void test_utf16(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++)
        check_good(utf16(&pki.leaf_pem, i & 1, i & 2), NULL, "PEM", of(pki.leaf, NULL, NULL), 0);
}

static void test_trusted_and_x509_labels(void **state)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;

    (void)state;
    assert_int_equal(PEM_write_bio_X509_AUX(bio, pki.leaf), 1);
    const long n = BIO_get_mem_data(bio, &text);
    check_good(test_join((struct ecert_view){(uint8_t *)text, (size_t)n}, (struct ecert_view){0}),
               NULL, "PEM", of(pki.leaf, NULL, NULL), 0);
    (void)BIO_reset(bio);
    assert_true(
        PEM_write_bio(bio, "X509 CERTIFICATE", "", pki.leaf_der.ptr, (long)pki.leaf_der.len) > 0);
    const long m = BIO_get_mem_data(bio, &text);
    check_good(test_join((struct ecert_view){(uint8_t *)text, (size_t)m}, (struct ecert_view){0}),
               NULL, "PEM", of(pki.leaf, NULL, NULL), 0);
    BIO_free(bio);
}

static void test_der_and_pkcs7(void **state)
{
    X509 *const both[] = {pki.leaf, pki.sub, NULL};
    struct ecert_bytes p7 = test_pkcs7_der(both);
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;

    (void)state;
    check_good(copy_of(&pki.leaf_der), NULL, "DER", of(pki.leaf, NULL, NULL), 0);
    check_good(copy_of(&p7), NULL, "PKCS#7", of(pki.leaf, pki.sub, NULL), 0);
    check_good(test_pkcs7_pem(both), NULL, "PKCS#7", of(pki.leaf, pki.sub, NULL), 0);
    /* Windows: a PKCS#7 between the lines of a certificate */
    assert_true(PEM_write_bio(bio, "CERTIFICATE", "", p7.ptr, (long)p7.len) > 0);
    const long n = BIO_get_mem_data(bio, &text);
    check_good(test_join((struct ecert_view){(uint8_t *)text, (size_t)n}, (struct ecert_view){0}),
               NULL, "PEM", of(pki.leaf, pki.sub, NULL), 0);
    BIO_free(bio);
    ecert_bytes_clear(&p7);
}

static void test_pkcs12_forms(void **state)
{
    static const int ciphers[] = {NID_aes_256_cbc, NID_pbe_WithSHA1And3_Key_TripleDES_CBC, -1};
    X509 *const chain[] = {pki.sub, NULL};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(ciphers); i++)
        check_good(test_pkcs12("pässword", pki.ec, pki.leaf, chain, ciphers[i], ciphers[i]),
                   "pässword", "PKCS#12", of(pki.leaf, pki.sub, NULL), 1);
    check_good(test_pkcs12("", pki.ec, pki.leaf, chain, 0, 0), NULL, "PKCS#12",
               of(pki.leaf, pki.sub, NULL), 1);
    check_good(test_pkcs12("x", NULL, pki.leaf, chain, 0, 0), "x", "PKCS#12",
               of(pki.leaf, pki.sub, NULL), 0);
}

/* ---- bad files ---- */

static void test_pkcs12_refused(void **state)
{
    (void)state;
    check_bad(test_pkcs12("x", pki.ec, pki.leaf, NULL, 0, 0), "no passphrase is given");
    check_bad_with(test_pkcs12("x", pki.ec, pki.leaf, NULL, 0, 0), "y", ECERT_E_CRYPTO,
                   "the passphrase is wrong");
    struct ecert_bytes p12 = test_pkcs12("x", pki.ec, pki.leaf, NULL, 0, 0);
    p12.ptr[p12.len / 2] ^= 1;
    check_bad_with(p12, "x", ECERT_E_CRYPTO, "the PKCS#12");
}

/* The name of the cipher is enough: RC2 is told before anything is decrypted. */
static void test_rc2(void **state)
{
    static const uint8_t triple_des[] = {0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x0C, 0x01, 3};
    static const struct {
        uint8_t last;
        const char *text;
    } ciphers[] = {
        {5, "the PKCS#12 uses RC2-128, export it again with AES or 3DES"},
        {6, "the PKCS#12 uses RC2-40, export it again with AES or 3DES"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(ciphers); i++) {
        struct ecert_bytes p12 =
            test_pkcs12_without_mac("x", pki.ec, pki.leaf, NID_pbe_WithSHA1And3_Key_TripleDES_CBC);
        uint8_t *at = memmem(p12.ptr, p12.len, triple_des, sizeof triple_des);
        assert_non_null(at);
        at[sizeof triple_des - 1] = ciphers[i].last;
        check_bad_with(p12, "x", ECERT_E_CRYPTO, ciphers[i].text);
    }
}

static void test_damaged_pem(void **state)
{
    struct ecert_bytes cut = test_join((struct ecert_view){pki.leaf_pem.ptr, pki.leaf_pem.len - 60},
                                       (struct ecert_view){0});
    struct ecert_bytes headless = test_join(
        (struct ecert_view){pki.leaf_pem.ptr + 28, pki.leaf_pem.len - 28}, (struct ecert_view){0});
    struct ecert_bytes sick = damaged(&pki.leaf_pem, '!');
    struct ecert_bytes sly = damaged(&pki.leaf_pem, '=');
    struct ecert_bytes dashes = bytes_of("-----BEGIN CERTIFICATE----\nAAAA\n");

    (void)state;
    check_bad(join(&pki.sub_pem, &cut), "PEM block 2 (CERTIFICATE, line");
    check_bad(join(&pki.sub_pem, &cut), "no END line");
    check_bad(join(&cut, &pki.sub_pem), "PEM block 1 (CERTIFICATE, line 1) is truncated");
    check_bad(join(&pki.sub_pem, &headless), "has no BEGIN line");
    /* one damaged block spoils the file, in whatever place */
    check_bad(join(&sick, &pki.sub_pem), "PEM block 1 (CERTIFICATE, line 1) is damaged");
    check_bad(join(&pki.sub_pem, &sick), "PEM block 2");
    check_bad(join(&pki.sub_pem, &sly), "is damaged");
    check_bad(join(&pki.sub_pem, &dashes), "BEGIN line in line");
    check_bad(bytes_of("-----BEGIN CERTIFICATE-----\nAAAA\n-----END PRIVATE KEY-----\n"),
              "it ends as 'PRIVATE KEY'");
    check_bad(bytes_of("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"), "is damaged");
    check_bad(bytes_of("-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n"),
              "PEM block 1 (CERTIFICATE, line 1) is no readable certificate");
    ecert_bytes_clear(&dashes);
    ecert_bytes_clear(&sly);
    ecert_bytes_clear(&sick);
    ecert_bytes_clear(&headless);
    ecert_bytes_clear(&cut);
}

static void test_damaged_der(void **state)
{
    struct ecert_bytes cut = copy_of(&pki.leaf_der);
    struct ecert_bytes sick = copy_of(&pki.leaf_der);

    (void)state;
    cut.len -= 7;
    check_bad(cut, "the file is truncated: it says that it has");
    check_bad(test_join(ecert_bytes_view(&pki.leaf_der), ecert_view_of("\n")),
              "1 bytes behind the end");
    sick.ptr[5] ^= 0x40;
    check_bad(sick, "may be damaged");
    check_bad(BYTES_OF("\x30\x89\x00\x00"), "cannot be read");
    check_bad(BYTES_OF("\x30\x80\x00\x00"), "may be damaged");
}

static void test_other_blocks(void **state)
{
    (void)state;
    check_bad(test_csr_pem(pki.ec, "www.example.com"), "certificate request (CSR)");
    check_bad(copy_of(&pki.crl_pem), "certificate revocation list (CRL)");
    check_bad(copy_of(&pki.crl_der), "certificate revocation list (CRL)");
    check_bad(test_public_key_pem(pki.ec), "only a public key");
    check_bad(copy_of(&pki.key_pem), "only a private key");
    check_bad(test_key_pkcs8_der(pki.ec), "only a private key");
    struct ecert_bytes locked = test_key_pem(pki.ec, "AES-256-CBC", "x");
    check_bad(join(&pki.leaf_pem, &locked), "PEM block 2 (ENCRYPTED PRIVATE KEY");
    ecert_bytes_clear(&locked);
}

static void test_foreign(void **state)
{
    (void)state;
    check_bad(bytes_of(""), "the file is empty");
    check_bad(bytes_of(" \r\n\t\n"), "nothing but blanks");
    check_bad(bytes_of("\n<!DOCTYPE html><title>Log in</title>"), "an HTML page");
    check_bad(bytes_of("<?xml version='1.0'?>\n<html>"), "an HTML page");
    check_bad(BYTES_OF("PK\x03\x04\x14\x00\x00\x00"), "ZIP archive; unpack it");
    check_bad(BYTES_OF("PK\x03\x04\x14\x00\x00\x00word/document.xml"), "Word document (.docx)");
    check_bad(BYTES_OF("\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1\x00"), "old Office document");
    check_bad(BYTES_OF("\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1W\0o\0r\0d\0D\0o\0c\0"),
              "old Word document (.doc)");
    check_bad(BYTES_OF("\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1_\0_\0s\0u\0b\0s\0t\0g\0\x31\0"),
              "Outlook message (.msg); open it and save");
    check_bad(bytes_of("%PDF-1.7\n"), "PDF");
    check_bad(bytes_of("From: ca@example.com\nSubject: e-Cert\n\nDear Sir\n"),
              "a mail message that holds no certificate");
    check_bad(bytes_of("MIIB8TCCAZegAwIBAgIU"), "base64 without its BEGIN and END lines");
    check_bad(BYTES_OF("\x1F\x8B\x08\x00"), "compressed");
    check_bad(bytes_of("0123 is no DER"),
              "the file is in no form that is known (PEM, DER, PKCS#7, PKCS#12)");
    check_bad(BYTES_OF("\x00\x00\x00\x00"), "in no form that is known");
}

/* It may be a file with a passphrase or a PIN, given by mistake. */
static void test_no_byte_of_a_stranger_is_shown(void **state)
{
    struct ecert_bytes file = bytes_of("1234567890123456\n");
    struct ecert_decoded got = {0};
    struct ecert_error err = {0};

    (void)state;
    assert_int_equal(
        ecert_decode_certificates(ecert_bytes_view(&file), ecert_view_of(NULL), &got, &err),
        ECERT_E_CRYPTO);
    assert_string_equal(err.text,
                        "the file is in no form that is known (PEM, DER, PKCS#7, PKCS#12)");
    ecert_bytes_clear(&file);
}

static void test_too_large(void **state)
{
    struct ecert_bytes large = {calloc(1, ECERT_DECODE_MAX_INPUT + 2), ECERT_DECODE_MAX_INPUT + 1};

    (void)state;
    assert_non_null(large.ptr);
    check_bad_with(large, NULL, ECERT_E_REFUSED, "more than 4194304 are not looked at");
}

/* A stranger's words do not reach the terminal as they are. */
static void test_hostile_label(void **state)
{
    (void)state;
    check_bad(bytes_of("-----BEGIN \033[2J-----\nAAAA\n-----END \033[2J-----\n"), "BEGIN line");
    check_bad(bytes_of("-----BEGIN CERTIFICATE-----\nAA\033A\n-----END CERTIFICATE-----\n"),
              "(0x1B)");
}

/* No prefix of a good file crashes anything, and none but the whole is believed. */
static void test_every_prefix(void **state)
{
    (void)state;
    for (size_t n = 1; n < pki.leaf_der.len; n += 23) {
        struct ecert_decoded got = {0};
        struct ecert_error err = {0};
        assert_int_not_equal(ecert_decode_certificates((struct ecert_view){pki.leaf_der.ptr, n},
                                                       (struct ecert_view){0}, &got, &err),
                             ECERT_OK);
        assert_int_equal(err.status, ECERT_E_CRYPTO);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pem),
        cmocka_unit_test(test_pem_text_around),
        cmocka_unit_test(test_utf16),
        cmocka_unit_test(test_trusted_and_x509_labels),
        cmocka_unit_test(test_der_and_pkcs7),
        cmocka_unit_test(test_pkcs12_forms),
        cmocka_unit_test(test_pkcs12_refused),
        cmocka_unit_test(test_rc2),
        cmocka_unit_test(test_damaged_pem),
        cmocka_unit_test(test_damaged_der),
        cmocka_unit_test(test_other_blocks),
        cmocka_unit_test(test_foreign),
        cmocka_unit_test(test_no_byte_of_a_stranger_is_shown),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_hostile_label),
        cmocka_unit_test(test_every_prefix),
    };

    return cmocka_run_group_tests(tests, make_pki, clear_pki);
}
