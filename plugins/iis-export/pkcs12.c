#include "plugins/iis-export/pkcs12.h"

#include <limits.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/pkcs7.h>

/*
 * 100,000 iterations: a guess of a person's password costs an attacker some 50 times what it cost
 * with the customary 2,048, an import some tenths of a second.  (For a generated password the
 * count does not matter: it has more than 140 bits.)
 *
 * windows-2016 keeps the customary count, because it exists for old readers only.
 */
static const struct ecert_iis_profile profiles[] = {
    {"modern", "Windows Server 2019 and later", NID_aes_256_cbc, NID_sha256, 16, 100000},
    {"windows-2016", "Windows Server 2016 and earlier too", NID_pbe_WithSHA1And3_Key_TripleDES_CBC,
     NID_sha1, 8, 2048},
};

const struct ecert_iis_profile *ecert_iis_profile_find(const char *name)
{
    for (size_t i = 0; i < sizeof profiles / sizeof *profiles; i++)
        if (strcmp(profiles[i].name, name) == 0)
            return &profiles[i];
    return NULL;
}

/* OpenSSL's own words for its last error; its queue is empty afterwards. */
static const char *openssl_reason(void)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());

    ERR_clear_error();
    return reason == NULL ? "no reason given" : reason;
}

void ecert_iis_der_clear(struct ecert_iis_der *der)
{
    OPENSSL_clear_free(der->ptr, der->len);
    *der = (struct ecert_iis_der){0};
}

/* ---- the identity ------------------------------------------------------------------------ */

/* Refuses, so that OpenSSL never asks a terminal for the passphrase of an encrypted key. */
static int no_passphrase(char *buf, int size, int rwflag, void *arg)
{
    (void)buf;
    (void)size;
    (void)rwflag;
    (void)arg;
    return -1;
}

/* A BIO that reads these bytes; NULL: too long or out of memory. */
static BIO *bio_over(struct ecert_view text)
{
    return text.len > INT_MAX ? NULL : BIO_new_mem_buf(text.ptr, (int)text.len);
}

static EVP_PKEY *parse_key(struct ecert_view pem)
{
    BIO *bio = bio_over(pem);
    EVP_PKEY *key = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);

    BIO_free(bio);
    return key;
}

/* Every certificate of a PEM text, in order; NULL if one of them cannot be read. */
static STACK_OF(X509) *parse_certificates(struct ecert_view pem)
{
    STACK_OF(X509) *all = sk_X509_new_null();
    BIO *bio = bio_over(pem);
    X509 *one = NULL;
    bool complete = false;

    ERR_clear_error();
    while (all != NULL && bio != NULL &&
           (one = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)) != NULL) {
        if (sk_X509_push(all, one) <= 0) {
            X509_free(one);
            break;
        }
    }
    /* Only "no further PEM block" is a good end; a damaged block is another error. */
    if (all != NULL && bio != NULL && one == NULL)
        complete = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    BIO_free(bio);
    if (complete) {
        ERR_clear_error();
        return all;
    }
    sk_X509_pop_free(all, X509_free);
    return NULL;
}

static bool contains_self_signed(const STACK_OF(X509) *chain)
{
    for (int i = 0; i < sk_X509_num(chain); i++)
        if (X509_self_signed(sk_X509_value(chain, i), 0) == 1)
            return true;
    return false;
}

void ecert_iis_identity_clear(struct ecert_iis_identity *identity)
{
    X509_free(identity->leaf);
    sk_X509_pop_free(identity->chain, X509_free);
    EVP_PKEY_free(identity->key);
    *identity = (struct ecert_iis_identity){0};
}

static enum ecert_status fill_identity(const struct ecert_host *host, struct ecert_view key,
                                       struct ecert_view leaf, struct ecert_view chain,
                                       struct ecert_iis_identity *identity, struct ecert_error *err)
{
    STACK_OF(X509) *leaves = parse_certificates(leaf);

    if (leaves == NULL)
        return host->fail(err, ECERT_E_CRYPTO, "the certificate cannot be read: %s",
                          openssl_reason());
    identity->leaf = sk_X509_shift(leaves);
    sk_X509_pop_free(leaves, X509_free);
    if (identity->leaf == NULL)
        return host->fail(err, ECERT_E_CRYPTO, "there is no certificate to export");

    identity->chain = parse_certificates(chain);
    if (identity->chain == NULL)
        return host->fail(err, ECERT_E_CRYPTO, "the chain cannot be read: %s", openssl_reason());
    if (contains_self_signed(identity->chain))
        return host->fail(err, ECERT_E_REFUSED,
                          "the chain contains a self-signed certificate; a root is never exported");
    if (key.ptr == NULL)
        return ECERT_OK;

    identity->key = parse_key(key);
    if (identity->key == NULL)
        return host->fail(err, ECERT_E_CRYPTO, "the private key cannot be read: %s",
                          openssl_reason());
    if (X509_check_private_key(identity->leaf, identity->key) != 1)
        return host->fail(err, ECERT_E_CRYPTO,
                          "the private key does not belong to the certificate: %s",
                          openssl_reason());
    return ECERT_OK;
}

enum ecert_status ecert_iis_identity_parse(const struct ecert_host *host, struct ecert_view key,
                                           struct ecert_view leaf, struct ecert_view chain,
                                           struct ecert_iis_identity *ret, struct ecert_error *err)
{
    struct ecert_iis_identity identity = {0};
    const enum ecert_status status = fill_identity(host, key, leaf, chain, &identity, err);

    if (status != ECERT_OK) {
        ecert_iis_identity_clear(&identity);
        return status;
    }
    *ret = identity;
    return ECERT_OK;
}

/* ---- reading a PKCS#12 back ---------------------------------------------------------------- */

/* Same certificates, in any order: PKCS#12 and PKCS#7 hold sets, and Windows builds the chain. */
static bool same_certificates(const STACK_OF(X509) *a, const STACK_OF(X509) *b)
{
    /* An absent stack counts as an empty one: PKCS12_parse gives NULL for no further certificate */
    const int n = a == NULL ? 0 : sk_X509_num(a);

    if (n != (b == NULL ? 0 : sk_X509_num(b)))
        return false;
    for (int i = 0; i < n; i++) {
        bool found = false;

        for (int j = 0; j < n && !found; j++)
            found = X509_cmp(sk_X509_value(a, i), sk_X509_value(b, j)) == 0;
        if (!found)
            return false;
    }
    return true;
}

static bool is_pbes2(const X509_ALGOR *algor, const struct ecert_iis_profile *profile)
{
    const void *parameters = NULL;
    int type = 0;
    PBE2PARAM *pbe2 = NULL;
    PBKDF2PARAM *kdf = NULL;
    bool good = false;

    X509_ALGOR_get0(NULL, &type, &parameters, algor);
    if (type == V_ASN1_SEQUENCE)
        pbe2 = ASN1_item_unpack(parameters, ASN1_ITEM_rptr(PBE2PARAM));
    if (pbe2 != NULL && OBJ_obj2nid(pbe2->encryption->algorithm) == profile->pbe_nid &&
        OBJ_obj2nid(pbe2->keyfunc->algorithm) == NID_id_pbkdf2) {
        X509_ALGOR_get0(NULL, &type, &parameters, pbe2->keyfunc);
        if (type == V_ASN1_SEQUENCE)
            kdf = ASN1_item_unpack(parameters, ASN1_ITEM_rptr(PBKDF2PARAM));
    }
    if (kdf != NULL)
        good = kdf->prf != NULL && OBJ_obj2nid(kdf->prf->algorithm) == NID_hmacWithSHA256 &&
               ASN1_INTEGER_get(kdf->iter) == profile->iterations;
    PBKDF2PARAM_free(kdf);
    PBE2PARAM_free(pbe2);
    return good;
}

static bool is_pkcs12_pbe(const X509_ALGOR *algor, const struct ecert_iis_profile *profile)
{
    const void *parameters = NULL;
    int type = 0;
    PBEPARAM *pbe = NULL;
    bool good = false;

    X509_ALGOR_get0(NULL, &type, &parameters, algor);
    if (type == V_ASN1_SEQUENCE)
        pbe = ASN1_item_unpack(parameters, ASN1_ITEM_rptr(PBEPARAM));
    if (pbe != NULL)
        good = ASN1_INTEGER_get(pbe->iter) == profile->iterations;
    PBEPARAM_free(pbe);
    return good;
}

/* Is this the encryption that the profile asks for? */
static bool encrypted_as(const X509_ALGOR *algor, const struct ecert_iis_profile *profile)
{
    const ASN1_OBJECT *object = NULL;

    X509_ALGOR_get0(&object, NULL, NULL, algor);
    if (OBJ_obj2nid(object) == NID_pbes2)
        return is_pbes2(algor, profile);
    return OBJ_obj2nid(object) == profile->pbe_nid && is_pkcs12_pbe(algor, profile);
}

/* Every bag of an unencrypted part is a key, encrypted as the profile says. */
static bool keys_encrypted_as(PKCS7 *part, const struct ecert_iis_profile *profile)
{
    STACK_OF(PKCS12_SAFEBAG) *bags = PKCS12_unpack_p7data(part);
    bool good = bags != NULL;

    for (int i = 0; good && i < sk_PKCS12_SAFEBAG_num(bags); i++) {
        const PKCS12_SAFEBAG *bag = sk_PKCS12_SAFEBAG_value(bags, i);
        const X509_ALGOR *algor = NULL;

        good = PKCS12_SAFEBAG_get_nid(bag) == NID_pkcs8ShroudedKeyBag;
        if (good) {
            X509_SIG_get0(PKCS12_SAFEBAG_get0_pkcs8(bag), &algor, NULL);
            good = encrypted_as(algor, profile);
        }
    }
    sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
    return good;
}

static bool part_encrypted_as(PKCS7 *part, const struct ecert_iis_profile *profile)
{
    if (PKCS7_type_is_data(part))
        return keys_encrypted_as(part, profile);
    return PKCS7_type_is_encrypted(part) && part->d.encrypted != NULL &&
           encrypted_as(part->d.encrypted->enc_data->algorithm, profile);
}

static const char *check_algorithms(const PKCS12 *p12, const struct ecert_iis_profile *profile)
{
    const X509_ALGOR *mac = NULL;
    const ASN1_OBJECT *digest = NULL;
    const ASN1_INTEGER *iterations = NULL;
    STACK_OF(PKCS7) *parts = NULL;
    bool good = false;

    PKCS12_get0_mac(NULL, &mac, NULL, &iterations, p12);
    if (mac == NULL)
        return "it has no MAC";
    X509_ALGOR_get0(&digest, NULL, NULL, mac);
    if (OBJ_obj2nid(digest) != profile->mac_nid || iterations == NULL ||
        ASN1_INTEGER_get(iterations) != profile->iterations)
        return "its MAC is not the profile's";

    parts = PKCS12_unpack_authsafes(p12);
    good = parts != NULL;
    for (int i = 0; good && i < sk_PKCS7_num(parts); i++)
        good = part_encrypted_as(sk_PKCS7_value(parts, i), profile);
    sk_PKCS7_pop_free(parts, PKCS7_free);
    return good ? NULL : "its encryption is not the profile's";
}

static bool has_friendly_name(X509 *leaf, const char *want)
{
    int len = 0;
    const unsigned char *name = X509_alias_get0(leaf, &len);

    return name != NULL && len >= 0 && (size_t)len == strlen(want) &&
           memcmp(name, want, (size_t)len) == 0;
}

static const char *check_contents(PKCS12 *p12, const struct ecert_iis_identity *want,
                                  const char *password, const char *friendly_name)
{
    struct ecert_iis_identity got = {0};
    const char *difference = NULL;

    if (PKCS12_parse(p12, password, &got.key, &got.leaf, &got.chain) != 1)
        return "it does not open with the password";
    if (got.key == NULL || EVP_PKEY_eq(got.key, want->key) != 1)
        difference = "it holds another private key";
    else if (got.leaf == NULL || X509_cmp(got.leaf, want->leaf) != 0)
        difference = "it holds another certificate";
    else if (!same_certificates(got.chain, want->chain))
        difference = "it holds another chain";
    else if (!has_friendly_name(got.leaf, friendly_name))
        difference = "it has another friendly name";
    ecert_iis_identity_clear(&got);
    return difference;
}

const char *ecert_iis_pkcs12_check(struct ecert_view der, const struct ecert_iis_identity *identity,
                                   const struct ecert_iis_profile *profile, const char *password,
                                   const char *friendly_name)
{
    const unsigned char *at = der.ptr;
    PKCS12 *p12 = der.len > LONG_MAX ? NULL : d2i_PKCS12(NULL, &at, (long)der.len);
    const char *difference = NULL;

    if (p12 == NULL || at != der.ptr + der.len)
        difference = "it is not a PKCS#12 file";
    /* algorithms first: they bound the work that opening a strange file may cost */
    if (difference == NULL)
        difference = check_algorithms(p12, profile);
    if (difference == NULL)
        difference = check_contents(p12, identity, password, friendly_name);
    PKCS12_free(p12);
    ERR_clear_error();
    return difference;
}

/* ---- building -------------------------------------------------------------------------------- */

static PKCS12 *create(const struct ecert_iis_identity *identity,
                      const struct ecert_iis_profile *profile, const char *password,
                      const char *friendly_name)
{
    const EVP_MD *digest = EVP_get_digestbynid(profile->mac_nid);
    /* mac_iter -1: no MAC yet, because the digest cannot be chosen in this call */
    PKCS12 *p12 =
        PKCS12_create(password, friendly_name, identity->key, identity->leaf, identity->chain,
                      profile->pbe_nid, profile->pbe_nid, profile->iterations, -1, 0);

    if (p12 == NULL || PKCS12_set_mac(p12, password, -1, NULL, profile->mac_salt_len,
                                      profile->iterations, digest) != 1) {
        PKCS12_free(p12);
        return NULL;
    }
    return p12;
}

enum ecert_status ecert_iis_pkcs12_build(const struct ecert_host *host,
                                         const struct ecert_iis_identity *identity,
                                         const struct ecert_iis_profile *profile,
                                         const char *password, const char *friendly_name,
                                         struct ecert_iis_der *ret, struct ecert_error *err)
{
    struct ecert_iis_der der = {0};
    PKCS12 *p12 = create(identity, profile, password, friendly_name);
    const int len = p12 == NULL ? -1 : i2d_PKCS12(p12, &der.ptr);
    const char *difference = NULL;

    PKCS12_free(p12);
    if (len <= 0)
        return host->fail(err, ECERT_E_CRYPTO, "the PKCS#12 file cannot be made: %s",
                          openssl_reason());
    der.len = (size_t)len;
    difference = ecert_iis_pkcs12_check((struct ecert_view){der.ptr, der.len}, identity, profile,
                                        password, friendly_name);
    if (difference != NULL) {
        ecert_iis_der_clear(&der);
        return host->fail(err, ECERT_E_CRYPTO,
                          "the PKCS#12 file was made but does not read back: %s", difference);
    }
    *ret = der;
    return ECERT_OK;
}

/* A PKCS#7 of these certificates and no signature (RFC 2315, section 9.1, "degenerate"). */
static PKCS7 *create_pkcs7(const struct ecert_iis_identity *identity)
{
    PKCS7 *p7 = PKCS7_new();
    bool good = p7 != NULL && PKCS7_set_type(p7, NID_pkcs7_signed) == 1 &&
                PKCS7_content_new(p7, NID_pkcs7_data) == 1 && PKCS7_set_detached(p7, 1) == 1 &&
                PKCS7_add_certificate(p7, identity->leaf) == 1;

    for (int i = 0; good && i < sk_X509_num(identity->chain); i++)
        good = PKCS7_add_certificate(p7, sk_X509_value(identity->chain, i)) == 1;
    if (!good) {
        PKCS7_free(p7);
        return NULL;
    }
    return p7;
}

static bool pkcs7_reads_back(const struct ecert_iis_der *der,
                             const struct ecert_iis_identity *identity)
{
    const unsigned char *at = der->ptr;
    PKCS7 *p7 = d2i_PKCS7(NULL, &at, (long)der->len);
    STACK_OF(X509) *want = sk_X509_dup(identity->chain);
    const bool good = p7 != NULL && want != NULL && sk_X509_push(want, identity->leaf) > 0 &&
                      PKCS7_type_is_signed(p7) && same_certificates(p7->d.sign->cert, want);

    sk_X509_free(want);
    PKCS7_free(p7);
    return good;
}

enum ecert_status ecert_iis_pkcs7_build(const struct ecert_host *host,
                                        const struct ecert_iis_identity *identity,
                                        struct ecert_iis_der *ret, struct ecert_error *err)
{
    struct ecert_iis_der der = {0};
    PKCS7 *p7 = create_pkcs7(identity);
    const int len = p7 == NULL ? -1 : i2d_PKCS7(p7, &der.ptr);

    PKCS7_free(p7);
    if (len <= 0)
        return host->fail(err, ECERT_E_CRYPTO, "the PKCS#7 file cannot be made: %s",
                          openssl_reason());
    der.len = (size_t)len;
    if (!pkcs7_reads_back(&der, identity)) {
        ecert_iis_der_clear(&der);
        return host->fail(err, ECERT_E_CRYPTO,
                          "the PKCS#7 file was made but does not read back: %s", openssl_reason());
    }
    *ret = der;
    return ECERT_OK;
}
