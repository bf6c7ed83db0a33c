#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/pkcs7.h>
#include <stdlib.h>
#include <string.h>

#include "core/flow/certificate.h"
#include "core/flow/decode.h"
#include "tests/support/test_pki.h"

/* The mail as a CA's would be: who, what, and then the parts. */
#define HEAD                                                                      \
    "Return-Path: <ca@example.com>\nReceived: from a\n\tby b; Sat, 21 Nov 2026\n" \
    "From: =?utf-8?B?6K2J5pu4?= <ca@example.com>\nSubject: e-Cert\nMIME-Version: 1.0\n"
#define MIXED HEAD "Content-Type: multipart/mixed;\n\tcharset=utf-8;\n boundary=\"=_a b\"\n\n"
#define HELLO                                                                 \
    "--=_a b\nContent-Type: text/plain\n\nDear subscriber, paste the lines\n" \
    "-----BEGIN CERTIFICATE-----\nand so on.\n"
#define END "--=_a b--\n"

static struct fixture {
    EVP_PKEY *key;
    X509 *root, *leaf;
    struct ecert_bytes leaf_pem, leaf_der, root_pem;
} pki;

static int make_pki(void **state)
{
    (void)state;
    pki.key = test_key_ec("P-256");
    pki.root = test_root_make("Test Root", pki.key);
    pki.leaf = test_leaf_make("www.example.com", pki.key, pki.root, pki.key);
    pki.leaf_pem = test_certificate_pem(pki.leaf);
    pki.leaf_der = test_certificate_der(pki.leaf);
    pki.root_pem = test_certificate_pem(pki.root);
    return 0;
}

static int clear_pki(void **state)
{
    (void)state;
    ecert_bytes_clear(&pki.leaf_pem);
    ecert_bytes_clear(&pki.leaf_der);
    ecert_bytes_clear(&pki.root_pem);
    X509_free(pki.leaf);
    X509_free(pki.root);
    EVP_PKEY_free(pki.key);
    return 0;
}

/* ---- building ---- */

static void add_base64(struct ecert_buffer *out, struct ecert_view bytes, const char *end)
{
    ECERT_AUTO(ecert_auto_free) unsigned char *text = malloc(bytes.len * 2 + 8);

    assert_non_null(text);
    const int n = EVP_EncodeBlock(text, bytes.ptr, (int)bytes.len);
    for (int i = 0; i < n; i += 76) {
        ecert_buffer_add(out, (struct ecert_view){text + i, (size_t)(n - i < 76 ? n - i : 76)});
        ecert_buffer_add_text(out, end);
    }
}

/* As cautious programs do it: "=" of the base64, and every 60th byte's place, encoded. */
static void add_quoted(struct ecert_buffer *out, struct ecert_view bytes)
{
    unsigned column = 0;

    for (size_t i = 0; i < bytes.len; i++) {
        if (bytes.ptr[i] == '\n') {
            ecert_buffer_add_text(out, " \n"); /* a blank that was added on the way */
            column = 0;
            continue;
        }
        if (column++ == 50)
            ecert_buffer_add_text(out, "=\n");
        if (bytes.ptr[i] == '=' || i % 7 == 0)
            ecert_buffer_printf(out, i % 2 == 0 ? "=%02X" : "=%02x", bytes.ptr[i]);
        else
            ecert_buffer_add(out, (struct ecert_view){bytes.ptr + i, 1});
    }
    ecert_buffer_add_text(out, "=\n");
}

static void add_part(struct ecert_buffer *out, const char *header, struct ecert_view body)
{
    ecert_buffer_printf(out, "--=_a b\n%s\n", header);
    ecert_buffer_add(out, body);
    ecert_buffer_add_text(out, "\n");
}

static void add_der_part(struct ecert_buffer *out, const char *type)
{
    ecert_buffer_printf(out,
                        "--=_a b\nContent-Type: %s; name*=UTF-8''%%E8.cer\n"
                        "Content-Transfer-Encoding: BASE64\nContent-Disposition: attachment\n\n",
                        type);
    add_base64(out, ecert_bytes_view(&pki.leaf_der), "\n");
}

/* ---- checking ---- */

static void check_good(struct ecert_buffer *mail, int want)
{
    ECERT_AUTO(ecert_decoded_clear) struct ecert_decoded got = {0};
    struct ecert_error err = {0};

    if (ecert_decode_certificates(ecert_buffer_view(mail), (struct ecert_view){0}, &got, &err) !=
        ECERT_OK)
        fail_msg("%s", err.text);
    assert_string_equal(got.form, "mail");
    assert_int_equal(sk_X509_num(got.certificates), want);
    assert_true(ecert_certificate_equal(sk_X509_value(got.certificates, 0), pki.leaf));
    ecert_buffer_clear(mail);
}

static void check_bad(struct ecert_buffer *mail, const char *want)
{
    ECERT_AUTO(ecert_decoded_clear) struct ecert_decoded got = {0};
    struct ecert_error err = {0};
    const enum ecert_status status =
        ecert_decode_certificates(ecert_buffer_view(mail), (struct ecert_view){0}, &got, &err);

    if (status == ECERT_OK || strstr(err.text, want) == NULL)
        fail_msg("status %d: '%s' instead of '%s'", (int)status, err.text, want);
    ecert_buffer_clear(mail);
}

/* ---- forms ---- */

static void test_attachment_in_base64(void **state)
{
    struct ecert_buffer mail = {0};

    (void)state;
    ecert_buffer_add_text(&mail, MIXED HELLO);
    add_der_part(&mail, "application/x-x509-ca-cert");
    ecert_buffer_add_text(&mail, END);
    check_good(&mail, 1);
}

static void test_pem_in_base64(void **state)
{
    struct ecert_buffer mail = {0};

    (void)state;
    ecert_buffer_add_text(&mail, "\nFrom ca@example.com Sat Nov 21 08:42:00 2026\n" MIXED HELLO
                                 "--=_a b\nContent-Type: application/octet-stream\n"
                                 "Content-Transfer-Encoding: base64\n\n");
    add_base64(&mail, ecert_bytes_view(&pki.leaf_pem), "\r\n");
    ecert_buffer_add_text(&mail, END);
    check_good(&mail, 1);
}

static void test_quoted_printable(void **state)
{
    struct ecert_buffer mail = {0};

    (void)state;
    ecert_buffer_add_text(&mail, MIXED "--=_a b\nContent-Type: application/x-pem-file\n"
                                       "Content-Transfer-Encoding: quoted-printable\n\n");
    add_quoted(&mail, ecert_bytes_view(&pki.leaf_pem));
    ecert_buffer_add_text(&mail, END);
    check_good(&mail, 1);
}

/* DER as it is: with line ends and NUL bytes in it, and one at its end. */
static void test_eight_bit(void **state)
{
    struct ecert_buffer mail = {0};

    (void)state;
    ecert_buffer_add_text(&mail, MIXED HELLO);
    add_part(&mail, "Content-Type: application/pkix-cert\nContent-Transfer-Encoding: 8bit\n",
             ecert_bytes_view(&pki.leaf_der));
    ecert_buffer_add_text(&mail, END);
    check_good(&mail, 1);
}

static void test_pasted(void **state)
{
    struct ecert_buffer mail = {0};

    (void)state;
    ecert_buffer_add_text(&mail, HEAD "\nDear subscriber,\n\n");
    ecert_buffer_add(&mail, ecert_bytes_view(&pki.leaf_pem));
    ecert_buffer_add_text(&mail, "\n-- \nThe CA\n");
    check_good(&mail, 1);
    /* a part without any fields is text too */
    ecert_buffer_add_text(&mail, MIXED);
    add_part(&mail, "", ecert_bytes_view(&pki.leaf_pem));
    ecert_buffer_add_text(&mail, END);
    check_good(&mail, 1);
}

/* Somebody forwards it: as a mail in a mail, whose own parts have another boundary. */
static void test_forwarded(void **state)
{
    struct ecert_buffer mail = {0};

    (void)state;
    ecert_buffer_add_text(&mail, HEAD "Content-Type: multipart/mixed; boundary=outer\n\n"
                                      "--outer\n\nLook at this\n--outer\n"
                                      "Content-Type: message/rfc822\n\n" MIXED HELLO);
    add_der_part(&mail, "application/octet-stream");
    ecert_buffer_add_text(&mail, END "--outer--\n");
    check_good(&mail, 1);
}

static void test_several(void **state)
{
    struct ecert_buffer mail = {0};

    (void)state;
    ecert_buffer_add_text(&mail, MIXED HELLO);
    add_der_part(&mail, "application/pkix-cert");
    add_part(&mail, "Content-Type: application/x-pem-file\n", ecert_bytes_view(&pki.root_pem));
    add_part(&mail, "Content-Type: image/png\n", ecert_view_of("\x89PNG\r\n"));
    ecert_buffer_add_text(&mail, END);
    check_good(&mail, 2);
}

/* The certificate of whoever signed the mail is not what was sent. */
static void test_signature(void **state)
{
    static const char *const types[] = {"application/pkcs7-signature",
                                        "application/x-pkcs7-signature"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        struct ecert_buffer mail = {0};

        ecert_buffer_add_text(&mail, MIXED "--=_a b\nContent-Type: text/plain\n\nhello\n");
        add_der_part(&mail, types[i]);
        ecert_buffer_add_text(&mail, END);
        check_bad(&mail, "a mail message that holds no certificate");
    }
}

/* Signed as a whole: the mail is inside of the PKCS#7, with the signer's certificate beside it. */
static void test_opaque(void **state)
{
    struct ecert_buffer mail = {0}, inner = {0};
    unsigned char *der = NULL;

    (void)state;
    ecert_buffer_add_text(&inner, "Content-Type: multipart/mixed; boundary=\"=_a b\"\n\n" HELLO);
    add_der_part(&inner, "application/pkix-cert");
    ecert_buffer_add_text(&inner, END);
    BIO *bio = BIO_new_mem_buf(inner.ptr, (int)inner.len);
    PKCS7 *pkcs7 = PKCS7_sign(pki.root, pki.key, NULL, bio, PKCS7_BINARY);
    assert_non_null(pkcs7);
    const int n = i2d_PKCS7(pkcs7, &der);
    ecert_buffer_add_text(&mail, HEAD "Content-Type: application/pkcs7-mime; "
                                      "smime-type=signed-data\n"
                                      "Content-Transfer-Encoding: base64\n\n");
    add_base64(&mail, (struct ecert_view){der, (size_t)n}, "\n");
    check_good(&mail, 1);
    OPENSSL_free(der);
    PKCS7_free(pkcs7);
    BIO_free(bio);
    ecert_buffer_clear(&inner);
}

/* ---- what is no use ---- */

static void test_nothing_in_it(void **state)
{
    struct ecert_buffer mail = {0};
    ECERT_AUTO(ecert_bytes_clear)
    struct ecert_bytes csr = test_csr_pem(pki.key, "www.example.com");

    (void)state;
    ecert_buffer_add_text(&mail, HEAD "\nDear subscriber, your e-Cert is ready.\n");
    check_bad(&mail, "a mail message that holds no certificate; save");
    ecert_buffer_add_text(&mail, MIXED HELLO END);
    check_bad(&mail, "the mail message holds no certificate: PEM block 1");
    ecert_buffer_add_text(&mail, MIXED);
    add_part(&mail, "", ecert_bytes_view(&csr));
    ecert_buffer_add_text(&mail, END);
    check_bad(&mail, "only a certificate request (CSR)");
    ecert_buffer_add_text(&mail, MIXED);
    add_part(&mail, "Content-Type: application/zip\n", ecert_view_of("PK\x03\x04 cert.cer"));
    ecert_buffer_add_text(&mail, END);
    check_bad(&mail, "the mail message holds no certificate: the file is a ZIP archive");
}

static void test_damaged(void **state)
{
    struct ecert_buffer mail = {0};

    (void)state;
    ecert_buffer_add_text(&mail, HEAD "Content-Type: multipart/mixed\n\n--x\n");
    check_bad(&mail, "no boundary");
    /* cut off in the middle of the attachment */
    ecert_buffer_add_text(&mail, MIXED HELLO);
    add_der_part(&mail, "application/pkix-cert");
    mail.len -= 100;
    check_bad(&mail, "in the mail message: the file is truncated");
    ecert_buffer_add_text(&mail, MIXED);
    add_part(&mail, "Content-Type: application/x-pem-file\n",
             ecert_view_of("-----BEGIN CERTIFICATE-----\nAAAA\n"));
    ecert_buffer_add_text(&mail, END);
    check_bad(&mail, "in the mail message: PEM block 1 (CERTIFICATE, line 1) is truncated");
}

/* What cannot be read hides nothing that stands before or behind it. */
static void test_odd_parts(void **state)
{
    struct ecert_buffer mail = {0}, half = {0};

    (void)state;
    ecert_buffer_add(&half, ecert_bytes_view(&pki.root_pem));
    ecert_buffer_add_text(&half, "-----BEGIN CERTIFICATE-----\nAAAA\n");
    for (unsigned before = 0; before < 2; before++) {
        ecert_buffer_add_text(&mail, MIXED);
        if (before)
            add_der_part(&mail, "application/pkix-cert");
        add_part(&mail, "Content-Type: application/x-pem-file\n", ecert_buffer_view(&half));
        add_part(&mail, "Content-Type: application/octet-stream\n",
                 (struct ecert_view){(const uint8_t *)"\x30\x82\x01\x00zz", 6});
        add_part(&mail, "Content-Type: multipart/mixed\n", ecert_view_of("no boundary"));
        if (!before)
            add_der_part(&mail, "application/pkix-cert");
        ecert_buffer_add_text(&mail, before ? END : "\n" END);
        check_good(&mail, 1); /* without what a damaged part brought before its damage */
    }
    ecert_buffer_clear(&half);
}

/* How a boundary may be written. */
static void test_boundaries(void **state)
{
    static const char *const types[] = {
        "multipart/mixed; boundary=x1",
        "multipart/mixed;boundary = \"x1\" ; charset=utf-8",
        "multipart/mixed; type=\"a; boundary=no\"; boundary=x1",
        "multipart/mixed; type=\"a\\\"; boundary=no\"; boundary=\"x\\1\"",
        "multipart/mixed; xboundary=no; boundary=x1; boundary=no",
        "multipart/mixed; boundary*0=\"x\"; boundary*1=\"1\"",
        "multipart/mixed;\n boundary*1=1;\n BOUNDARY*0=x",
        "multipart/mixed; boundary*0*=us-ascii'en'%781",
        "multipart/mixed; boundary*0*=''%78; boundary*1*=%31",
        "multipart/mixed; boundary*=utf-8''x%31",
    };
    struct ecert_buffer mail = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        ecert_buffer_printf(&mail, HEAD "Content-Type: %s\n\n--x1\n\n", types[i]);
        ecert_buffer_add(&mail, ecert_bytes_view(&pki.leaf_pem));
        ecert_buffer_add_text(&mail, "--x1--\n");
        check_good(&mail, 1);
    }
}

static void test_too_much(void **state)
{
    struct ecert_buffer mail = {0};

    (void)state;
    ecert_buffer_add_text(&mail, MIXED);
    for (unsigned i = 0; i < 300; i++)
        ecert_buffer_add_text(&mail, "--=_a b\n\nx\n");
    check_bad(&mail, "more than 200 parts");
    ecert_buffer_add_text(&mail, HEAD);
    for (unsigned i = 0; i < 30; i++)
        ecert_buffer_printf(&mail, "Content-Type: message/rfc822\n\nFrom: a\n");
    check_bad(&mail, "nested deeper than 8");
}

/* No beginning of a mail crashes anything. */
static void test_prefixes(void **state)
{
    struct ecert_buffer mail = {0};

    (void)state;
    ecert_buffer_add_text(&mail, MIXED HELLO);
    add_der_part(&mail, "application/pkix-cert");
    ecert_buffer_add_text(&mail,
                          "--=_a b\nContent-Transfer-Encoding: quoted-printable\n\na=3D=\n=");
    for (size_t n = 1; n < mail.len; n += 13) {
        ECERT_AUTO(ecert_decoded_clear) struct ecert_decoded got = {0};
        ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes copy = {0};
        struct ecert_error err = {0};

        assert_int_equal(ecert_bytes_copy((struct ecert_view){mail.ptr, n}, &copy, &err), ECERT_OK);
        const enum ecert_status status =
            ecert_decode_certificates(ecert_bytes_view(&copy), (struct ecert_view){0}, &got, &err);
        assert_true(status == ECERT_OK || status == ECERT_E_CRYPTO);
        assert_null(strstr(err.text, "the process"));
    }
    ecert_buffer_clear(&mail);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attachment_in_base64),
        cmocka_unit_test(test_pem_in_base64),
        cmocka_unit_test(test_quoted_printable),
        cmocka_unit_test(test_eight_bit),
        cmocka_unit_test(test_pasted),
        cmocka_unit_test(test_forwarded),
        cmocka_unit_test(test_several),
        cmocka_unit_test(test_signature),
        cmocka_unit_test(test_opaque),
        cmocka_unit_test(test_nothing_in_it),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_odd_parts),
        cmocka_unit_test(test_boundaries),
        cmocka_unit_test(test_too_much),
        cmocka_unit_test(test_prefixes),
    };

    return cmocka_run_group_tests(tests, make_pki, clear_pki);
}
