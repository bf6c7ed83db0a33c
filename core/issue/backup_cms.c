/* Backups as CMS: sealing them, and what can be said of one without opening it. */

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <stdlib.h>

#include "core/flow/certificate.h"
#include "core/issue/backup_parts.h"

/*
 * PBKDF2 (with SHA-1: what OpenSSL's CMS writes, and reads).  In an emergency a thousand backups
 * are made and opened again in one go, so this is some 30 ms each; the strength is the
 * passphrase's own, which a file holds and nobody has to type.
 */
#define ROUNDS    20480
#define RSA_LEAST 2048

void ecert_auto_bio(BIO **bio)
{
    (void)BIO_free(*bio);
    *bio = NULL;
}

void ecert_auto_cms(CMS_ContentInfo **cms)
{
    CMS_ContentInfo_free(*cms);
    *cms = NULL;
}

/* ---- recipients ---- */

enum ecert_status ecert_backup_check_recipient(const X509 *recipient, struct ecert_error *err)
{
    EVP_PKEY *key = X509_get0_pubkey(recipient);
    X509 *certificate = (X509 *)(uintptr_t)recipient; /* it only caches its extensions */

    if (key == NULL || (!EVP_PKEY_is_a(key, "RSA") && !EVP_PKEY_is_a(key, "EC"))) {
        ERR_clear_error();
        return ecert_error_set(err, ECERT_E_CONFIG,
                               "its key is neither RSA nor EC; nothing can be encrypted to it");
    }
    if (EVP_PKEY_is_a(key, "RSA") && EVP_PKEY_get_bits(key) < RSA_LEAST)
        return ecert_error_set(err, ECERT_E_CONFIG,
                               "its RSA key has %d bits; at least %d are wanted",
                               EVP_PKEY_get_bits(key), RSA_LEAST);
    /* UINT32_MAX: the certificate has no keyUsage, everything is permitted */
    const uint32_t usage = X509_get_key_usage(certificate);
    const bool rsa = EVP_PKEY_is_a(key, "RSA");
    if ((usage & (rsa ? KU_KEY_ENCIPHERMENT : KU_KEY_AGREEMENT)) == 0)
        return ecert_error_set(err, ECERT_E_CONFIG,
                               "its key usage does not permit %s: nothing can be encrypted to it",
                               rsa ? "key encipherment" : "key agreement");
    return ECERT_OK;
}

/* OAEP: PKCS#1 v1.5 padding tells who may ask an oracle too much */
static int use_oaep(EVP_PKEY_CTX *context)
{
    return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_OAEP_PADDING) > 0 &&
           EVP_PKEY_CTX_set_rsa_oaep_md(context, EVP_sha256()) > 0 &&
           EVP_PKEY_CTX_set_rsa_mgf1_md(context, EVP_sha256()) > 0;
}

static int add_recipient(CMS_ContentInfo *cms, X509 *recipient)
{
    CMS_RecipientInfo *info = CMS_add1_recipient_cert(cms, recipient, CMS_KEY_PARAM);
    EVP_PKEY_CTX *context = info == NULL ? NULL : CMS_RecipientInfo_get0_pkey_ctx(info);

    if (context == NULL)
        return 0;
    if (CMS_RecipientInfo_type(info) == CMS_RECIPINFO_TRANS)
        return use_oaep(context);
    /* RFC 5753, 7.1.4: dhSinglePass-stdDH-sha256kdf-scheme; OpenSSL's own choice is SHA-1 */
    return EVP_PKEY_CTX_set_ecdh_kdf_md(context, EVP_sha256()) > 0;
}

/* ---- sealing ---- */

static int add_passphrase(CMS_ContentInfo *cms, struct ecert_view passphrase)
{
    /* taken over and not wiped by OpenSSL: it clears its own copy of a password */
    unsigned char *copy = OPENSSL_memdup(passphrase.ptr, passphrase.len);

    if (copy == NULL)
        return 0;
    if (CMS_add0_recipient_password(cms, ROUNDS, NID_id_alg_PWRI_KEK, NID_id_pbkdf2, copy,
                                    (ossl_ssize_t)passphrase.len, NULL) != NULL)
        return 1;
    OPENSSL_clear_free(copy, passphrase.len);
    return 0;
}

enum ecert_status ecert_backup_seal(const STACK_OF(X509) *recipients, struct ecert_view passphrase,
                                    struct ecert_view content, struct ecert_bytes *ret,
                                    struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_bio) BIO *in = BIO_new_mem_buf(content.ptr, (int)content.len);
    ECERT_AUTO(ecert_auto_cms)
    CMS_ContentInfo *cms = CMS_encrypt(NULL, NULL, EVP_aes_256_cbc(), CMS_PARTIAL | CMS_BINARY);
    unsigned char *der = NULL;

    if (cms == NULL || in == NULL)
        return ecert_error_openssl(err, ECERT_E_CRYPTO, "begin a backup");
    for (int i = 0; i < sk_X509_num(recipients); i++)
        if (!add_recipient(cms, sk_X509_value(recipients, i)))
            return ecert_error_openssl(err, ECERT_E_CRYPTO, "encrypt a backup to its recipient %d",
                                       i + 1);
    if (passphrase.len > 0 && !add_passphrase(cms, passphrase))
        return ecert_error_openssl(err, ECERT_E_CRYPTO, "encrypt a backup under the passphrase");
    if (CMS_final(cms, in, NULL, CMS_BINARY) != 1)
        return ecert_error_openssl(err, ECERT_E_CRYPTO, "encrypt a backup");
    const int len = i2d_CMS_ContentInfo(cms, &der);
    if (len <= 0)
        return ecert_error_openssl(err, ECERT_E_CRYPTO, "encode a backup");
    const enum ecert_status status =
        ecert_bytes_copy((struct ecert_view){der, (size_t)len}, ret, err);
    OPENSSL_free(der);
    return status;
}

/* ---- looking at one ---- */

enum ecert_status ecert_backup_parse(struct ecert_view file, CMS_ContentInfo **ret,
                                     struct ecert_error *err)
{
    const unsigned char *p = file.ptr;
    ECERT_AUTO(ecert_auto_cms)
    CMS_ContentInfo *cms = file.len == 0 ? NULL : d2i_CMS_ContentInfo(NULL, &p, (long)file.len);

    if (cms == NULL || OBJ_obj2nid(CMS_get0_type(cms)) != NID_pkcs7_enveloped) {
        ERR_clear_error();
        return ecert_error_set(err, ECERT_E_CRYPTO,
                               "it is not a backup of ecert (CMS EnvelopedData in DER), or it is "
                               "cut off or damaged");
    }
    if (p != file.ptr + file.len)
        return ecert_error_set(err, ECERT_E_CRYPTO, "it is damaged: %zu bytes follow its end",
                               file.len - (size_t)(p - file.ptr));
    *ret = cms;
    cms = NULL;
    return ECERT_OK;
}

static void say_name(X509_NAME *issuer, const ASN1_INTEGER *serial, struct ecert_buffer *out)
{
    char *name = X509_NAME_oneline(issuer, NULL, 0);
    BIGNUM *number = serial == NULL ? NULL : ASN1_INTEGER_to_BN(serial, NULL);
    char *hex = number == NULL ? NULL : BN_bn2hex(number);

    ecert_buffer_printf(out, "%sserial %s of '%s'", out->len > 0 ? "; " : "",
                        hex == NULL ? "?" : hex, name == NULL ? "?" : name);
    OPENSSL_free(name);
    OPENSSL_free(hex);
    BN_free(number);
}

static void say_agreeing(CMS_RecipientInfo *info, struct ecert_buffer *out)
{
    const STACK_OF(CMS_RecipientEncryptedKey) *keys = CMS_RecipientInfo_kari_get0_reks(info);

    for (int i = 0; i < sk_CMS_RecipientEncryptedKey_num(keys); i++) {
        X509_NAME *issuer = NULL;
        ASN1_INTEGER *serial = NULL;

        if (CMS_RecipientEncryptedKey_get0_id(sk_CMS_RecipientEncryptedKey_value(keys, i), NULL,
                                              NULL, NULL, &issuer, &serial) == 1 &&
            issuer != NULL)
            say_name(issuer, serial, out);
    }
}

void ecert_backup_say_who(CMS_ContentInfo *cms, struct ecert_buffer *out)
{
    const STACK_OF(CMS_RecipientInfo) *infos = CMS_get0_RecipientInfos(cms);

    for (int i = 0; i < sk_CMS_RecipientInfo_num(infos); i++) {
        CMS_RecipientInfo *info = sk_CMS_RecipientInfo_value(infos, i);
        X509_NAME *issuer = NULL;
        ASN1_INTEGER *serial = NULL;
        const int type = CMS_RecipientInfo_type(info);

        if (type == CMS_RECIPINFO_PASS)
            ecert_buffer_printf(out, "%sa passphrase", out->len > 0 ? "; " : "");
        else if (type == CMS_RECIPINFO_AGREE)
            say_agreeing(info, out);
        else if (type == CMS_RECIPINFO_TRANS &&
                 CMS_RecipientInfo_ktri_get0_signer_id(info, NULL, &issuer, &serial) == 1 &&
                 issuer != NULL)
            say_name(issuer, serial, out);
    }
    ERR_clear_error();
}

static bool is_for(CMS_RecipientInfo *info, X509 *certificate)
{
    if (CMS_RecipientInfo_type(info) == CMS_RECIPINFO_TRANS)
        return CMS_RecipientInfo_ktri_cert_cmp(info, certificate) == 0;
    if (CMS_RecipientInfo_type(info) != CMS_RECIPINFO_AGREE)
        return false;
    const STACK_OF(CMS_RecipientEncryptedKey) *keys = CMS_RecipientInfo_kari_get0_reks(info);
    for (int i = 0; i < sk_CMS_RecipientEncryptedKey_num(keys); i++)
        if (CMS_RecipientEncryptedKey_cert_cmp(sk_CMS_RecipientEncryptedKey_value(keys, i),
                                               certificate) == 0)
            return true;
    return false;
}

static bool has(const STACK_OF(CMS_RecipientInfo) *infos, X509 *certificate)
{
    for (int i = 0; i < sk_CMS_RecipientInfo_num(infos); i++) {
        CMS_RecipientInfo *info = sk_CMS_RecipientInfo_value(infos, i);

        if (certificate == NULL ? CMS_RecipientInfo_type(info) == CMS_RECIPINFO_PASS
                                : is_for(info, certificate))
            return true;
    }
    return false;
}

enum ecert_status ecert_backup_names_all(struct ecert_view file, const STACK_OF(X509) *recipients,
                                         bool passphrase, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_cms) CMS_ContentInfo *cms = NULL;

    ECERT_TRY(ecert_backup_parse(file, &cms, err));
    const STACK_OF(CMS_RecipientInfo) *infos = CMS_get0_RecipientInfos(cms);
    for (int i = 0; i < sk_X509_num(recipients); i++) {
        if (!has(infos, sk_X509_value(recipients, i)))
            return ecert_error_set(err, ECERT_E_CRYPTO, "it does not name recipient %d", i + 1);
    }
    if (passphrase && !has(infos, NULL))
        return ecert_error_set(err, ECERT_E_CRYPTO, "no passphrase opens it");
    return ECERT_OK;
}
