/* The second half of test_pki.h: the forms that files have, folders and files. */

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/message.h"
#include "tests/support/test_pki.h"

static void must(bool good, const char *what)
{
    if (good)
        return;
    (void)fprintf(stderr, "test_pki: cannot make %s: %s\n", what, strerror(errno));
    ERR_print_errors_fp(stderr);
    abort();
}

static BIO *memory(void)
{
    BIO *bio = BIO_new(BIO_s_mem());

    must(bio != NULL, "a buffer");
    return bio;
}

static struct ecert_bytes copy(struct ecert_view view)
{
    struct ecert_bytes bytes = {0};
    struct ecert_error err = {0};

    must(ecert_bytes_copy(view, &bytes, &err) == ECERT_OK, "a copy");
    return bytes;
}

/* What was written, and the end of the buffer. */
static struct ecert_bytes taken(BIO *bio, bool good, const char *what)
{
    char *ptr = NULL;

    must(good, what);
    const long len = BIO_get_mem_data(bio, &ptr);
    const struct ecert_bytes bytes =
        copy((struct ecert_view){(const uint8_t *)ptr, len < 0 ? 0 : (size_t)len});
    BIO_free(bio);
    return bytes;
}

struct ecert_bytes test_certificate_pem(const X509 *certificate)
{
    BIO *bio = memory();

    return taken(bio, PEM_write_bio_X509(bio, certificate) == 1, "PEM");
}

struct ecert_bytes test_certificate_der(const X509 *certificate)
{
    BIO *bio = memory();

    return taken(bio, i2d_X509_bio(bio, certificate) == 1, "DER");
}

struct ecert_bytes test_crl_pem(const X509_CRL *crl)
{
    BIO *bio = memory();

    return taken(bio, PEM_write_bio_X509_CRL(bio, crl) == 1, "PEM");
}

struct ecert_bytes test_crl_der(const X509_CRL *crl)
{
    BIO *bio = memory();

    return taken(bio, i2d_X509_CRL_bio(bio, crl) == 1, "DER");
}

struct ecert_bytes test_csr_pem(EVP_PKEY *key, const char *common_name)
{
    BIO *bio = memory();
    X509_REQ *request = X509_REQ_new();
    X509_NAME *name = X509_NAME_new();

    must(request != NULL && name != NULL, "a request");
    must(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)common_name,
                                    -1, -1, 0) == 1 &&
             X509_REQ_set_subject_name(request, name) == 1 &&
             X509_REQ_set_pubkey(request, key) == 1 &&
             X509_REQ_sign(request, key, EVP_sha256()) > 0,
         "a request");
    const struct ecert_bytes bytes = taken(bio, PEM_write_bio_X509_REQ(bio, request) == 1, "PEM");
    X509_NAME_free(name);
    X509_REQ_free(request);
    return bytes;
}

struct ecert_bytes test_public_key_pem(const EVP_PKEY *key)
{
    BIO *bio = memory();

    return taken(bio, PEM_write_bio_PUBKEY(bio, key) == 1, "PEM");
}

void test_public_key_id(const EVP_PKEY *key, uint8_t ret[ECERT_SHA256_LEN])
{
    unsigned char *der = NULL;
    const int len = i2d_PUBKEY(key, &der);

    must(len > 0 && EVP_Digest(der, (size_t)len, ret, NULL, EVP_sha256(), NULL) == 1, "a key id");
    OPENSSL_free(der);
}

static const EVP_CIPHER *cipher_of(const char *name)
{
    const EVP_CIPHER *cipher = name == NULL ? NULL : EVP_get_cipherbyname(name);

    must(name == NULL || cipher != NULL, "a cipher");
    return cipher;
}

struct ecert_bytes test_key_pem(const EVP_PKEY *key, const char *cipher, const char *passphrase)
{
    BIO *bio = memory();
    const int len = passphrase == NULL ? 0 : (int)strlen(passphrase);

    return taken(bio,
                 PEM_write_bio_PKCS8PrivateKey(bio, key, cipher_of(cipher), passphrase, len, NULL,
                                               NULL) == 1,
                 "PEM");
}

struct ecert_bytes test_key_traditional_pem(const EVP_PKEY *key, const char *cipher,
                                            const char *passphrase)
{
    BIO *bio = memory();
    const int len = passphrase == NULL ? 0 : (int)strlen(passphrase);

    return taken(bio,
                 PEM_write_bio_PrivateKey_traditional(
                     bio, (EVP_PKEY *)(uintptr_t)key, cipher_of(cipher),
                     (unsigned char *)(uintptr_t)passphrase, len, NULL, NULL) == 1,
                 "PEM");
}

struct ecert_bytes test_key_pkcs8_der(const EVP_PKEY *key)
{
    BIO *bio = memory();

    return taken(bio, i2d_PKCS8PrivateKeyInfo_bio(bio, key) == 1, "DER");
}

struct ecert_bytes test_key_traditional_der(const EVP_PKEY *key)
{
    BIO *bio = memory();

    return taken(bio, i2d_PrivateKey_bio(bio, key) == 1, "DER");
}

static PKCS7 *pkcs7_of(X509 *const *certificates)
{
    PKCS7 *pkcs7 = PKCS7_new();

    must(pkcs7 != NULL && PKCS7_set_type(pkcs7, NID_pkcs7_signed) == 1 &&
             PKCS7_content_new(pkcs7, NID_pkcs7_data) == 1,
         "a PKCS#7");
    /* "certificates only": no content, no signer */
    must(PKCS7_set_detached(pkcs7, 1) == 1, "a PKCS#7");
    for (size_t i = 0; certificates[i] != NULL; i++)
        must(PKCS7_add_certificate(pkcs7, certificates[i]) == 1, "a PKCS#7");
    return pkcs7;
}

struct ecert_bytes test_pkcs7_der(X509 *const *certificates)
{
    BIO *bio = memory();
    PKCS7 *pkcs7 = pkcs7_of(certificates);
    const struct ecert_bytes bytes = taken(bio, i2d_PKCS7_bio(bio, pkcs7) == 1, "DER");

    PKCS7_free(pkcs7);
    return bytes;
}

struct ecert_bytes test_pkcs7_pem(X509 *const *certificates)
{
    BIO *bio = memory();
    PKCS7 *pkcs7 = pkcs7_of(certificates);
    const struct ecert_bytes bytes = taken(bio, PEM_write_bio_PKCS7(bio, pkcs7) == 1, "PEM");

    PKCS7_free(pkcs7);
    return bytes;
}

struct ecert_bytes test_pkcs12(const char *password, EVP_PKEY *key, X509 *leaf, X509 *const *chain,
                               int nid_key, int nid_certificate)
{
    BIO *bio = memory();
    STACK_OF(X509) *others = sk_X509_new_null();

    must(others != NULL, "a PKCS#12");
    for (size_t i = 0; chain != NULL && chain[i] != NULL; i++)
        must(sk_X509_push(others, chain[i]) > 0, "a PKCS#12");
    PKCS12 *p12 =
        PKCS12_create(password, "test", key, leaf, others, nid_key == 0 ? NID_aes_256_cbc : nid_key,
                      nid_certificate == 0 ? NID_aes_256_cbc : nid_certificate, 2048, 2048, 0);
    must(p12 != NULL, "a PKCS#12");
    const struct ecert_bytes bytes = taken(bio, i2d_PKCS12_bio(bio, p12) == 1, "DER");
    PKCS12_free(p12);
    sk_X509_free(others);
    return bytes;
}

struct ecert_bytes test_pkcs12_without_mac(const char *password, EVP_PKEY *key, X509 *leaf, int nid)
{
    BIO *bio = memory();
    PKCS12 *p12 = PKCS12_create(password, "test", key, leaf, NULL, nid, nid, 2048, -1, 0);

    must(p12 != NULL, "a PKCS#12");
    const struct ecert_bytes bytes = taken(bio, i2d_PKCS12_bio(bio, p12) == 1, "DER");
    PKCS12_free(p12);
    return bytes;
}

struct ecert_bytes test_join(struct ecert_view a, struct ecert_view b)
{
    struct ecert_buffer buffer = {0};
    struct ecert_bytes bytes = {0};
    struct ecert_error err = {0};

    ecert_buffer_add(&buffer, a);
    ecert_buffer_add(&buffer, b);
    must(ecert_buffer_take(&buffer, &bytes, &err) == ECERT_OK, "a copy");
    return bytes;
}

/* ---- folders and files ---- */

char *test_folder_make(void)
{
    const char *base = getenv("TMPDIR");
    char path[512];

    must(snprintf(path, sizeof path, "%s/ecert-test-XXXXXX",
                  base == NULL || base[0] != '/' ? "/tmp" : base) < (int)sizeof path,
         "a folder");
    must(mkdtemp(path) != NULL, "a folder");
    char *resolved = realpath(path, NULL);
    must(resolved != NULL, "a folder");
    return resolved;
}

void test_folder_remove(char *folder)
{
    struct ecert_error err = {0};

    if (folder != NULL && ecert_fs_remove_tree(AT_FDCWD, folder, &err) != ECERT_OK)
        (void)fprintf(stderr, "test_pki: %s\n", err.text);
    free(folder);
}

char *test_file_write(const char *folder, const char *name, struct ecert_view content,
                      unsigned mode)
{
    struct ecert_error err = {0};
    char *path = NULL;

    must(ecert_text_format(&path, &err, "%s/%s", folder, name) == ECERT_OK, "a path");
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    must(fd >= 0 && ecert_write_all(fd, content, &err) == ECERT_OK, path);
    must(fchmod(fd, (mode_t)mode) == 0 && close(fd) == 0, path);
    return path;
}
