/*
 * A small maker of keys, certificates and CRLs for unit tests: everything is made at run time, and
 * a wrong certificate is as easy to make as a right one.
 *
 * Nothing here reports an error: what cannot be made stops the test program with a sentence.
 * What is returned belongs to the caller, who frees it with OpenSSL's own functions (or with the
 * destructors of core/flow/certificate.h); texts and bytes are ecert_bytes.
 */
#ifndef ECERT_SUPPORT_TEST_PKI_H
#define ECERT_SUPPORT_TEST_PKI_H

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "core/base/bytes.h"

/* A new key.  2048 bits take some 100 ms, an EC key less than one; `curve` as "P-256". */
EVP_PKEY *test_key_rsa(unsigned bits);
EVP_PKEY *test_key_ec(const char *curve);

/*
 * What a certificate shall say.  {0} with `key` set is a self-signed leaf without names, serial 1,
 * valid from a day ago for 300 days, SHA-256, and no extensions but the key identifiers.
 */
struct test_certificate {
    EVP_PKEY *key;             /* the subject's; required (only its public half is used) */
    const X509 *issuer;        /* NULL: self-issued */
    EVP_PKEY *issuer_key;      /* NULL: self-signed */
    const char *common_name;   /* NULL: none */
    const char *organization;  /* NULL: none; C=HK goes before it */
    const char *const *names;  /* dNSNames, NULL-ended; NULL: no subjectAltName of this kind */
    const char *const *others; /* further ones: "IP:127.0.0.1", "email:a@b.c" */
    bool ca;                   /* basicConstraints CA:TRUE, keyCertSign, cRLSign */
    bool leaf_constraints;     /* basicConstraints CA:FALSE, keyUsage digitalSignature */
    const char *serial;        /* hexadecimal; NULL: 1 */
    int64_t not_before;        /* seconds; 0: a day before ecert_clock_now() */
    int64_t not_after;         /* seconds; 0: 300 days after not_before */
    const char *eku;           /* "serverAuth,clientAuth"; NULL: none */
    const char *policies;      /* "1.3.6.1.4.1.16030.1.7.16,2.23.140.1.2.2"; NULL: none */
    const char *crl_url;       /* a distribution point; NULL: none */
    const char *issuers_url;   /* caIssuers of the authorityInfoAccess; NULL: none */
    const char *digest;        /* "SHA256"; NULL: that */
    bool no_key_identifiers;   /* leave subject and authority key identifier out */
};

X509 *test_certificate_make(const struct test_certificate *what);

/* The three usual ones. */
X509 *test_root_make(const char *common_name, EVP_PKEY *key);
X509 *test_sub_ca_make(const char *common_name, EVP_PKEY *key, const char *serial,
                       const X509 *issuer, EVP_PKEY *issuer_key);
X509 *test_leaf_make(const char *name, EVP_PKEY *key, const X509 *issuer, EVP_PKEY *issuer_key);

/*
 * A CRL of `issuer` that lists these serials (hexadecimal, NULL-ended; NULL: none).  Times in
 * seconds; 0: an hour ago, and in seven days.
 */
X509_CRL *test_crl_make(const X509 *issuer, EVP_PKEY *issuer_key, const char *const *serials,
                        int64_t this_update, int64_t next_update);

/* ---- in the forms that files have ---- */

struct ecert_bytes test_certificate_pem(const X509 *certificate);
struct ecert_bytes test_certificate_der(const X509 *certificate);
struct ecert_bytes test_crl_pem(const X509_CRL *crl);
struct ecert_bytes test_crl_der(const X509_CRL *crl);
struct ecert_bytes test_csr_pem(EVP_PKEY *key, const char *common_name);
struct ecert_bytes test_public_key_pem(const EVP_PKEY *key);
/* The SHA-256 of its SubjectPublicKeyInfo, by which the program knows a key. */
void test_public_key_id(const EVP_PKEY *key, uint8_t ret[ECERT_SHA256_LEN]);

/* PKCS#8 PEM; with a cipher ("AES-256-CBC", "DES-EDE3-CBC") and a passphrase encrypted. */
struct ecert_bytes test_key_pem(const EVP_PKEY *key, const char *cipher, const char *passphrase);
/* "RSA PRIVATE KEY" or "EC PRIVATE KEY", with cipher encrypted (DEK-Info). */
struct ecert_bytes test_key_traditional_pem(const EVP_PKEY *key, const char *cipher,
                                            const char *passphrase);
struct ecert_bytes test_key_pkcs8_der(const EVP_PKEY *key);
struct ecert_bytes test_key_traditional_der(const EVP_PKEY *key);

/* A PKCS#7 with these certificates, signed by nobody; NULL-ended. */
struct ecert_bytes test_pkcs7_der(X509 *const *certificates);
struct ecert_bytes test_pkcs7_pem(X509 *const *certificates);

/*
 * A PKCS#12 with leaf, key (may be NULL) and further certificates.  `nid_key` and `nid_certificate`
 * are the encryptions of the two bags, e.g. NID_aes_256_cbc,
 * NID_pbe_WithSHA1And3_Key_TripleDES_CBC; 0: NID_aes_256_cbc, -1: none.
 */
struct ecert_bytes test_pkcs12(const char *password, EVP_PKEY *key, X509 *leaf, X509 *const *chain,
                               int nid_key, int nid_certificate);

/* The same without MAC, so that a changed byte is not noticed at once; both bags as `nid`. */
struct ecert_bytes test_pkcs12_without_mac(const char *password, EVP_PKEY *key, X509 *leaf,
                                           int nid);

/* A then B, as one; b may be the empty view. */
struct ecert_bytes test_join(struct ecert_view a, struct ecert_view b);

/* ---- folders and files ---- */

/* A new folder (0700) below $TMPDIR or /tmp, links resolved; remove it with test_folder_remove().
 */
char *test_folder_make(void);
void test_folder_remove(char *folder); /* and frees */

/* Write FOLDER/NAME with this mode; the path is returned (the caller frees). */
char *test_file_write(const char *folder, const char *name, struct ecert_view content,
                      unsigned mode);

#endif
