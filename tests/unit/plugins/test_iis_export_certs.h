/*
 * Certificates for the tests of iis-export, made at run time: a root, a sub CA, a leaf of it for
 * www.example.test that ends on 2027-06-30, the leaf's key, and another key.
 */
#ifndef ECERT_TESTS_UNIT_PLUGINS_TEST_IIS_EXPORT_CERTS_H
#define ECERT_TESTS_UNIT_PLUGINS_TEST_IIS_EXPORT_CERTS_H

#include <ecert/plugin.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#define TEST_NOT_AFTER ((int64_t)1814399999) /* 2027-06-30 23:59:59 UTC */

struct test_certs {
    EVP_PKEY *root_key, *ca_key, *leaf_key, *other_key;
    X509 *root, *ca, *leaf, *next_leaf; /* next_leaf: renewed, same key, one second longer */
    char *leaf_pem, *next_leaf_pem, *ca_pem, *root_pem, *key_pem, *other_key_pem;
    char sha1[41], next_sha1[41];
};

static inline void test_need(bool good)
{
    if (!good)
        abort();
}

static inline struct ecert_view test_view(const char *text)
{
    return (struct ecert_view){(const uint8_t *)text, strlen(text)};
}

static inline void test_extension(X509 *certificate, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

    test_need(extension != NULL && X509_add_ext(certificate, extension, -1) == 1);
    X509_EXTENSION_free(extension);
}

static inline X509 *test_certificate(const char *name, EVP_PKEY *key, X509 *issuer,
                                     EVP_PKEY *issuer_key, int64_t not_after)
{
    static long serial;
    X509 *certificate = X509_new();
    X509_NAME *subject = X509_get_subject_name(certificate);

    test_need(certificate != NULL && X509_set_version(certificate, 2) == 1);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial);
    ASN1_TIME_set(X509_getm_notBefore(certificate), 1700000000);
    ASN1_TIME_set(X509_getm_notAfter(certificate), (time_t)not_after);
    test_need(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)name,
                                         -1, -1, 0) == 1);
    X509_set_issuer_name(certificate, issuer == NULL ? subject : X509_get_subject_name(issuer));
    X509_set_pubkey(certificate, key);
    if (issuer_key == NULL || strncmp(name, "www", 3) != 0)
        test_extension(certificate, NID_basic_constraints, "critical,CA:TRUE");
    else
        test_extension(certificate, NID_subject_alt_name, "DNS:www.example.test");
    test_need(X509_sign(certificate, issuer_key == NULL ? key : issuer_key, EVP_sha256()) > 0);
    return certificate;
}

static inline char *test_pem(X509 *certificate, EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *bytes = NULL;

    if (certificate != NULL)
        test_need(PEM_write_bio_X509(bio, certificate) == 1);
    else
        test_need(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1);
    const long len = BIO_get_mem_data(bio, &bytes);
    char *text = strndup(bytes, (size_t)len);
    test_need(text != NULL);
    BIO_free(bio);
    return text;
}

static inline void test_thumbprint(X509 *certificate, char *ret)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    test_need(X509_digest(certificate, EVP_sha1(), digest, &len) == 1);
    for (unsigned i = 0; i < len; i++)
        (void)snprintf(ret + 2 * (size_t)i, 3, "%02X", digest[i]);
}

static inline void test_certs_make(struct test_certs *c)
{
    c->root_key = EVP_RSA_gen(2048);
    c->ca_key = EVP_RSA_gen(2048);
    c->leaf_key = EVP_RSA_gen(2048);
    c->other_key = EVP_EC_gen("P-256");
    test_need(c->root_key != NULL && c->ca_key != NULL && c->leaf_key != NULL &&
              c->other_key != NULL);
    c->root = test_certificate("Test Root CA", c->root_key, NULL, NULL, 2222222222);
    c->ca = test_certificate("Test e-Cert SSL CA", c->ca_key, c->root, c->root_key, 2222222222);
    c->leaf = test_certificate("www.example.test", c->leaf_key, c->ca, c->ca_key, TEST_NOT_AFTER);
    c->next_leaf =
        test_certificate("www.example.test", c->leaf_key, c->ca, c->ca_key, TEST_NOT_AFTER + 1);
    c->leaf_pem = test_pem(c->leaf, NULL);
    c->next_leaf_pem = test_pem(c->next_leaf, NULL);
    c->ca_pem = test_pem(c->ca, NULL);
    c->root_pem = test_pem(c->root, NULL);
    c->key_pem = test_pem(NULL, c->leaf_key);
    c->other_key_pem = test_pem(NULL, c->other_key);
    test_thumbprint(c->leaf, c->sha1);
    test_thumbprint(c->next_leaf, c->next_sha1);
}

static inline void test_certs_clear(struct test_certs *c)
{
    EVP_PKEY_free(c->root_key);
    EVP_PKEY_free(c->ca_key);
    EVP_PKEY_free(c->leaf_key);
    EVP_PKEY_free(c->other_key);
    X509_free(c->root);
    X509_free(c->ca);
    X509_free(c->leaf);
    X509_free(c->next_leaf);
    free(c->leaf_pem);
    free(c->next_leaf_pem);
    free(c->ca_pem);
    free(c->root_pem);
    free(c->key_pem);
    free(c->other_key_pem);
    *c = (struct test_certs){0};
}

#endif
