#include "core/issue/new_key.h"

#include <openssl/ec.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <string.h>

void ecert_auto_pkey(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
    *key = NULL;
}

static void auto_pkey_context(EVP_PKEY_CTX **context)
{
    EVP_PKEY_CTX_free(*context);
    *context = NULL;
}

/* ---- making one ---- */

static const char *curve_name(enum ecert_key_curve curve)
{
    switch (curve) {
    case ECERT_KEY_CURVE_P256:
        return "P-256";
    case ECERT_KEY_CURVE_P384:
        return "P-384";
    }
    return "P-256"; /* no default above: a new curve without a name is a warning */
}

static bool set_what(const struct ecert_key_config *config, EVP_PKEY_CTX *context)
{
    if (config->type == ECERT_KEY_TYPE_EC)
        return EVP_PKEY_CTX_set_group_name(context, curve_name(config->curve)) > 0;
    return EVP_PKEY_CTX_set_rsa_keygen_bits(context, (int)config->bits) > 0;
}

enum ecert_status ecert_new_key(const struct ecert_key_config *config, EVP_PKEY **ret,
                                struct ecert_error *err)
{
    const char *type = config->type == ECERT_KEY_TYPE_EC ? "EC" : "RSA";
    ECERT_AUTO(auto_pkey_context)
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    EVP_PKEY *key = NULL;

    if (context == NULL || EVP_PKEY_keygen_init(context) <= 0 || !set_what(config, context) ||
        EVP_PKEY_generate(context, &key) <= 0)
        return ecert_error_openssl(err, ECERT_E_CRYPTO, "make a new %s key", type);
    *ret = key;
    return ECERT_OK;
}

/* ---- what it is ---- */

static enum ecert_status describe_ec(const EVP_PKEY *key, char **ret_words, struct ecert_error *err)
{
    char group[64];
    size_t len = 0;

    if (EVP_PKEY_get_group_name(key, group, sizeof group, &len) <= 0)
        return ecert_error_openssl(err, ECERT_E_CRYPTO, "an EC key without a named curve");
    const char *nist = EC_curve_nid2nist(OBJ_sn2nid(group));
    return ecert_text_format(ret_words, err, "EC %s", nist != NULL ? nist : group);
}

static enum ecert_status public_id(EVP_PKEY *key, uint8_t ret[ECERT_SHA256_LEN],
                                   struct ecert_error *err)
{
    unsigned char *der = NULL;
    const int len = i2d_PUBKEY(key, &der);

    if (len <= 0)
        return ecert_error_openssl(err, ECERT_E_CRYPTO, "encode a public key");
    ecert_sha256((struct ecert_view){der, (size_t)len}, ret);
    OPENSSL_free(der);
    return ECERT_OK;
}

enum ecert_status ecert_new_key_describe(EVP_PKEY *key, char **ret_words,
                                         uint8_t ret_id[ECERT_SHA256_LEN], struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *words = NULL;

    if (EVP_PKEY_is_a(key, "EC"))
        ECERT_TRY(describe_ec(key, &words, err));
    else
        ECERT_TRY(ecert_text_format(&words, err, "%s %d", EVP_PKEY_get0_type_name(key),
                                    EVP_PKEY_get_bits(key)));
    ECERT_TRY(public_id(key, ret_id, err));
    *ret_words = words;
    words = NULL;
    return ECERT_OK;
}
