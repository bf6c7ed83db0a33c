/*
 * PKCS#12 (RFC 7292), bag by bag: PKCS12_parse() would give one key and lose a second one without
 * a word.
 */
#include <openssl/err.h>
#include <openssl/pkcs12.h>

#include "core/flow/certificate.h"
#include "core/flow/decode_forms.h"

/* The passphrase as PKCS#12 functions take it; NULL and "" are different passwords there. */
struct password {
    const char *text;
    int len;
};

static void auto_pkcs12(PKCS12 **p12)
{
    PKCS12_free(*p12);
}

static void auto_safes(STACK_OF(PKCS7) **safes)
{
    sk_PKCS7_pop_free(*safes, PKCS7_free);
}

static void auto_bags(STACK_OF(PKCS12_SAFEBAG) **bags)
{
    sk_PKCS12_SAFEBAG_pop_free(*bags, PKCS12_SAFEBAG_free);
}

static void auto_key(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

bool ecert_decode_is_pkcs12(struct ecert_view der)
{
    const unsigned char *p = der.ptr;
    PKCS12 *p12 = d2i_PKCS12(NULL, &p, (long)der.len);
    const bool good = p12 != NULL;

    PKCS12_free(p12);
    ERR_clear_error();
    return good;
}

/*
 * RC2 is what Windows and old OpenSSL encrypted the certificates with; it needs OpenSSL's "legacy"
 * provider, which is not loaded: 40 bits protect nothing.
 */
static enum ecert_status check_algorithm(const X509_ALGOR *algorithm, struct ecert_error *err)
{
    const ASN1_OBJECT *object = NULL;

    X509_ALGOR_get0(&object, NULL, NULL, algorithm);
    const int nid = OBJ_obj2nid(object);
    const char *name = nid == NID_pbe_WithSHA1And40BitRC2_CBC    ? "RC2-40"
                       : nid == NID_pbe_WithSHA1And128BitRC2_CBC ? "RC2-128"
                       : nid == NID_pbe_WithSHA1And40BitRC4      ? "RC4-40"
                       : nid == NID_pbe_WithSHA1And128BitRC4     ? "RC4-128"
                                                                 : NULL;
    if (name == NULL)
        return ECERT_OK;
    return ecert_error_set(err, ECERT_E_CRYPTO,
                           "the PKCS#12 uses %s, export it again with AES or 3DES", name);
}

static enum ecert_status use_bags(struct ecert_decoding *decoding,
                                  const STACK_OF(PKCS12_SAFEBAG) *bags,
                                  const struct password *password, unsigned depth,
                                  struct ecert_error *err);

static enum ecert_status use_key(struct ecert_decoding *decoding, const PKCS8_PRIV_KEY_INFO *info,
                                 struct ecert_error *err)
{
    ECERT_AUTO(auto_key) EVP_PKEY *key = info == NULL ? NULL : EVP_PKCS82PKEY(info);

    if (key == NULL)
        return ecert_error_openssl(err, ECERT_E_CRYPTO,
                                   "the private key in the PKCS#12 is not readable");
    return ecert_decode_found_key(decoding, key, err);
}

static enum ecert_status use_sealed_key(struct ecert_decoding *decoding, const PKCS12_SAFEBAG *bag,
                                        const struct password *password, struct ecert_error *err)
{
    const X509_ALGOR *algorithm = NULL;

    X509_SIG_get0(PKCS12_SAFEBAG_get0_pkcs8(bag), &algorithm, NULL);
    ECERT_TRY(check_algorithm(algorithm, err));
    PKCS8_PRIV_KEY_INFO *info = PKCS12_decrypt_skey(bag, password->text, password->len);
    if (info == NULL)
        return ecert_decode_locked(decoding, "the private key in the PKCS#12", err);
    const enum ecert_status status = use_key(decoding, info, err);
    PKCS8_PRIV_KEY_INFO_free(info);
    return status;
}

static enum ecert_status use_certificate(struct ecert_decoding *decoding, const PKCS12_SAFEBAG *bag,
                                         struct ecert_error *err)
{
    if (PKCS12_SAFEBAG_get_bag_nid(bag) != NID_x509Certificate)
        return ECERT_OK; /* an SDSI certificate: nobody's */
    ECERT_AUTO(ecert_auto_x509) X509 *certificate = PKCS12_SAFEBAG_get1_cert(bag);
    if (certificate == NULL)
        return ecert_error_openssl(err, ECERT_E_CRYPTO,
                                   "a certificate in the PKCS#12 is not readable");
    return ecert_decode_found_certificate(decoding, certificate, err);
}

static enum ecert_status use_bag(struct ecert_decoding *decoding, const PKCS12_SAFEBAG *bag,
                                 const struct password *password, unsigned depth,
                                 struct ecert_error *err)
{
    switch (PKCS12_SAFEBAG_get_nid(bag)) {
    case NID_keyBag:
        return use_key(decoding, PKCS12_SAFEBAG_get0_p8inf(bag), err);
    case NID_pkcs8ShroudedKeyBag:
        return use_sealed_key(decoding, bag, password, err);
    case NID_certBag:
        return use_certificate(decoding, bag, err);
    case NID_safeContentsBag:
        if (depth >= 4)
            return ecert_error_set(err, ECERT_E_REFUSED, "the PKCS#12 is nested too deeply");
        return use_bags(decoding, PKCS12_SAFEBAG_get0_safes(bag), password, depth + 1, err);
    default:
        return ECERT_OK; /* CRLs and secrets */
    }
}

static enum ecert_status use_bags(struct ecert_decoding *decoding,
                                  const STACK_OF(PKCS12_SAFEBAG) *bags,
                                  const struct password *password, unsigned depth,
                                  struct ecert_error *err)
{
    for (int i = 0; i < sk_PKCS12_SAFEBAG_num(bags); i++)
        ECERT_TRY(use_bag(decoding, sk_PKCS12_SAFEBAG_value(bags, i), password, depth, err));
    return ECERT_OK;
}

static enum ecert_status use_safe(struct ecert_decoding *decoding, PKCS7 *safe,
                                  const struct password *password, struct ecert_error *err)
{
    ECERT_AUTO(auto_bags) STACK_OF(PKCS12_SAFEBAG) *bags = NULL;

    if (PKCS7_type_is_data(safe)) {
        bags = PKCS12_unpack_p7data(safe);
        if (bags == NULL)
            return ecert_error_openssl(err, ECERT_E_CRYPTO, "a part of the PKCS#12 is damaged");
    } else if (PKCS7_type_is_encrypted(safe) && safe->d.encrypted != NULL &&
               safe->d.encrypted->enc_data != NULL) {
        ECERT_TRY(check_algorithm(safe->d.encrypted->enc_data->algorithm, err));
        bags = PKCS12_unpack_p7encdata(safe, password->text, password->len);
        if (bags == NULL)
            return ecert_decode_locked(decoding, "the PKCS#12", err);
    } else {
        return ecert_error_set(err, ECERT_E_CRYPTO,
                               "the PKCS#12 is encrypted with a public key; export it again with "
                               "a password");
    }
    return use_bags(decoding, bags, password, 0, err);
}

/* The passphrase, or of the two empty ones that which fits. */
static bool find_password(PKCS12 *p12, struct ecert_view passphrase, struct password *ret)
{
    const struct password tries[] = {
        {(const char *)passphrase.ptr, (int)passphrase.len}, {NULL, 0}, {"", 0}};

    for (size_t i = passphrase.len > 0 ? 0 : 1; i < (passphrase.len > 0 ? 1 : ARRAY_SIZE(tries));
         i++) {
        *ret = tries[i];
        if (!PKCS12_mac_present(p12) || PKCS12_verify_mac(p12, ret->text, ret->len) == 1)
            return true;
    }
    return false;
}

enum ecert_status ecert_decode_pkcs12_der(struct ecert_decoding *decoding, struct ecert_view der,
                                          struct ecert_error *err)
{
    const unsigned char *p = der.ptr;
    ECERT_AUTO(auto_pkcs12) PKCS12 *p12 = d2i_PKCS12(NULL, &p, (long)der.len);
    struct password password = {0};

    if (p12 == NULL)
        return ecert_error_openssl(err, ECERT_E_CRYPTO, "the file is no readable PKCS#12");
    if (!find_password(p12, decoding->passphrase, &password))
        return ecert_decode_locked(decoding, "the PKCS#12", err);
    ECERT_AUTO(auto_safes) STACK_OF(PKCS7) *safes = PKCS12_unpack_authsafes(p12);
    if (safes == NULL)
        return ecert_error_openssl(err, ECERT_E_CRYPTO, "the PKCS#12 is damaged");
    for (int i = 0; i < sk_PKCS7_num(safes); i++)
        ECERT_TRY(use_safe(decoding, sk_PKCS7_value(safes, i), &password, err));
    return ECERT_OK;
}
