#include "core/flow/decode_forms.h"

#include <openssl/err.h>
#include <openssl/pkcs12.h>
#include <openssl/pkcs7.h>

#include "core/flow/certificate.h"

/* ---- found ---- */

static void add_bytes(struct ecert_decoding *decoding, enum ecert_decode_message kind,
                      const unsigned char *ptr, int len)
{
    struct ecert_message message = {.kind = kind};

    ecert_message_add(&message, (struct ecert_view){ptr, (size_t)len});
    ecert_message_encode(&message, &decoding->answer);
}

enum ecert_status ecert_decode_found_certificate(struct ecert_decoding *decoding,
                                                 const X509 *certificate, struct ecert_error *err)
{
    unsigned char *der = NULL;
    ECERT_AUTO(ecert_auto_x509) X509 *copy = NULL;

    if (decoding->wanted != ECERT_DECODE_WANT_CERTIFICATES)
        return ECERT_OK;
    for (int i = 0; i < sk_X509_num(decoding->certificates); i++)
        if (ecert_certificate_equal(sk_X509_value(decoding->certificates, i), certificate))
            return ECERT_OK;
    if (sk_X509_num(decoding->certificates) >= ECERT_DECODE_MAX_CERTIFICATES)
        return ecert_error_set(err, ECERT_E_REFUSED, "the file holds more than %d certificates",
                               ECERT_DECODE_MAX_CERTIFICATES);
    const int len = i2d_X509(certificate, &der);
    if (len <= 0)
        return ecert_error_openssl(err, ECERT_E_CRYPTO, "encode a certificate");
    add_bytes(decoding, ECERT_DECODE_CERTIFICATE, der, len);
    OPENSSL_free(der);
    copy = X509_dup(certificate);
    if (copy == NULL || sk_X509_push(decoding->certificates, copy) <= 0)
        return ecert_error_nomem(err);
    copy = NULL;
    return ECERT_OK;
}

enum ecert_status ecert_decode_found_key(struct ecert_decoding *decoding, const EVP_PKEY *key,
                                         struct ecert_error *err)
{
    unsigned char *der = NULL;
    PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key);
    const int len = info == NULL ? -1 : i2d_PKCS8_PRIV_KEY_INFO(info, &der);

    PKCS8_PRIV_KEY_INFO_free(info); /* wipes the key inside */
    if (len <= 0)
        return ecert_error_openssl(err, ECERT_E_CRYPTO, "encode a private key");
    add_bytes(decoding, ECERT_DECODE_KEY, der, len);
    OPENSSL_clear_free(der, (size_t)len);
    decoding->n_keys++;
    return ECERT_OK;
}

enum ecert_status ecert_decode_locked(const struct ecert_decoding *decoding, const char *what,
                                      struct ecert_error *err)
{
    const char *keys = decoding->wanted == ECERT_DECODE_WANT_KEY
                           ? "`passphrase_file` or `passphrase_command` of the key"
                           : "`password_file` of the source or watch, or --password-file";

    ERR_clear_error();
    if (decoding->passphrase.len == 0)
        return ecert_error_set(err, ECERT_E_CRYPTO,
                               "%s is encrypted and no passphrase is given; set %s", what, keys);
    return ecert_error_set(err, ECERT_E_CRYPTO,
                           "%s cannot be opened: the passphrase is wrong (or the content is "
                           "damaged); see %s",
                           what, keys);
}

/* ---- DER of one kind ---- */

static void auto_pkcs7(PKCS7 **pkcs7)
{
    PKCS7_free(*pkcs7);
}

static void auto_key(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

static enum ecert_status damaged(const char *what, const char *kind, struct ecert_error *err)
{
    return ecert_error_openssl(err, ECERT_E_CRYPTO, "%s is no readable %s", what, kind);
}

static enum ecert_status check_end(const unsigned char *p, struct ecert_view der, const char *what,
                                   struct ecert_error *err)
{
    if (p == der.ptr + der.len)
        return ECERT_OK;
    return ecert_error_set(err, ECERT_E_CRYPTO, "%s has %zu bytes behind its end", what,
                           (size_t)(der.ptr + der.len - p));
}

/* Certificates of a PKCS#7 that is no X.509: nothing is added unless it is one. */
static PKCS7 *pkcs7_of(struct ecert_view der, const unsigned char **p)
{
    *p = der.ptr;
    PKCS7 *pkcs7 = d2i_PKCS7(NULL, p, (long)der.len);
    ERR_clear_error();
    return pkcs7;
}

enum ecert_status ecert_decode_certificate_der(struct ecert_decoding *decoding,
                                               struct ecert_view der, bool trusted,
                                               const char *what, struct ecert_error *err)
{
    const unsigned char *p = der.ptr;
    ECERT_AUTO(ecert_auto_x509)
    X509 *certificate =
        trusted ? d2i_X509_AUX(NULL, &p, (long)der.len) : d2i_X509(NULL, &p, (long)der.len);

    if (certificate == NULL) {
        /* Windows tools write PKCS#7 between the same BEGIN and END lines */
        const unsigned long why = ERR_peek_last_error();
        const unsigned char *end = NULL;
        ECERT_AUTO(auto_pkcs7) PKCS7 *pkcs7 = pkcs7_of(der, &end);
        if (pkcs7 != NULL && PKCS7_type_is_signed(pkcs7))
            return ecert_decode_pkcs7_der(decoding, der, what, err);
        ERR_put_error(ERR_GET_LIB(why), 0, ERR_GET_REASON(why), __FILE__, __LINE__);
        return damaged(what, "certificate", err);
    }
    ECERT_TRY(check_end(p, der, what, err));
    return ecert_decode_found_certificate(decoding, certificate, err);
}

enum ecert_status ecert_decode_pkcs7_der(struct ecert_decoding *decoding, struct ecert_view der,
                                         const char *what, struct ecert_error *err)
{
    const unsigned char *p = der.ptr;
    ECERT_AUTO(auto_pkcs7) PKCS7 *pkcs7 = d2i_PKCS7(NULL, &p, (long)der.len);
    STACK_OF(X509) *certificates;

    if (pkcs7 == NULL)
        return damaged(what, "PKCS#7", err);
    ECERT_TRY(check_end(p, der, what, err));
    if (!PKCS7_type_is_signed(pkcs7) || pkcs7->d.sign == NULL)
        return ecert_error_set(err, ECERT_E_CRYPTO,
                               "%s is a PKCS#7 that holds no certificates (it is not SignedData)",
                               what);
    certificates = pkcs7->d.sign->cert;
    if (sk_X509_num(certificates) <= 0)
        return ecert_error_set(err, ECERT_E_CRYPTO, "%s is a PKCS#7 without certificates", what);
    for (int i = 0; i < sk_X509_num(certificates); i++)
        ECERT_TRY(ecert_decode_found_certificate(decoding, sk_X509_value(certificates, i), err));
    return ECERT_OK;
}

/* ENCRYPTED PRIVATE KEY: PBES2 or the older PKCS#5/12 schemes. */
static enum ecert_status open_pkcs8(struct ecert_decoding *decoding, X509_SIG *sealed,
                                    const char *what, struct ecert_error *err)
{
    PKCS8_PRIV_KEY_INFO *info;

    if (decoding->passphrase.len == 0)
        return ecert_decode_locked(decoding, what, err);
    info = PKCS8_decrypt(sealed, (const char *)decoding->passphrase.ptr,
                         (int)decoding->passphrase.len);
    if (info == NULL && ERR_GET_REASON(ERR_peek_error()) == ERR_R_UNSUPPORTED)
        return ecert_error_openssl(err, ECERT_E_CRYPTO,
                                   "%s is encrypted in a way that is not supported; encrypt it "
                                   "again with AES or 3DES",
                                   what);
    if (info == NULL)
        return ecert_decode_locked(decoding, what, err);
    ECERT_AUTO(auto_key) EVP_PKEY *key = EVP_PKCS82PKEY(info);
    PKCS8_PRIV_KEY_INFO_free(info);
    if (key == NULL)
        return damaged(what, "private key", err);
    return ecert_decode_found_key(decoding, key, err);
}

enum ecert_status ecert_decode_key_der(struct ecert_decoding *decoding, struct ecert_view der,
                                       const char *what, struct ecert_error *err)
{
    const unsigned char *p = der.ptr;
    X509_SIG *sealed = d2i_X509_SIG(NULL, &p, (long)der.len);

    if (sealed != NULL && p == der.ptr + der.len) {
        ERR_clear_error();
        const enum ecert_status status = open_pkcs8(decoding, sealed, what, err);
        X509_SIG_free(sealed);
        return status;
    }
    X509_SIG_free(sealed);
    ERR_clear_error();
    p = der.ptr;
    ECERT_AUTO(auto_key) EVP_PKEY *key = d2i_AutoPrivateKey(NULL, &p, (long)der.len);
    if (key == NULL)
        return damaged(what, "private key", err);
    ECERT_TRY(check_end(p, der, what, err));
    return ecert_decode_found_key(decoding, key, err);
}

enum ecert_status ecert_decode_crl_der(struct ecert_decoding *decoding, struct ecert_view der,
                                       const char *what, struct ecert_error *err)
{
    const unsigned char *p = der.ptr;
    ECERT_AUTO(ecert_auto_crl) X509_CRL *crl = d2i_X509_CRL(NULL, &p, (long)der.len);

    if (crl == NULL)
        return damaged(what, "CRL", err);
    ECERT_TRY(check_end(p, der, what, err));
    if (decoding->n_crls++ > 0)
        return ecert_error_set(err, ECERT_E_CRYPTO, "the file holds more than one CRL");
    add_bytes(decoding, ECERT_DECODE_CRL, der.ptr, (int)der.len);
    return ECERT_OK;
}

/* ---- a whole file ---- */

/* Does the outermost length say what the file has?  0x80 (length to be found out) is BER. */
static enum ecert_status check_length(struct ecert_view der, struct ecert_error *err)
{
    size_t header = 2, length = 0;

    if (der.len > 1 && der.ptr[1] == 0x80)
        return ECERT_OK;
    if (der.len > 1 && (der.ptr[1] & 0x80) == 0)
        length = der.ptr[1];
    else if (der.len > 1)
        header += der.ptr[1] & 0x7F;
    if (der.len < header || header > 6)
        return ecert_error_set(err, ECERT_E_CRYPTO,
                               "the file is damaged: it begins like DER, but "
                               "its first length cannot be read");
    for (size_t i = 2; i < header; i++)
        length = length << 8 | der.ptr[i];
    if (length > der.len - header)
        return ecert_error_set(err, ECERT_E_CRYPTO,
                               "the file is truncated: it says that it has %zu bytes, and has %zu; "
                               "get it again",
                               header + length, der.len);
    if (length < der.len - header)
        return ecert_error_set(err, ECERT_E_CRYPTO,
                               "the file has %zu bytes behind the end of its content (at byte "
                               "%zu); one certificate in DER, and nothing else, is wanted",
                               der.len - header - length, header + length);
    return ECERT_OK;
}

static bool is_certificate(struct ecert_view der)
{
    const unsigned char *p = der.ptr;
    X509 *certificate = d2i_X509(NULL, &p, (long)der.len);
    const bool good = certificate != NULL;

    X509_free(certificate);
    ERR_clear_error();
    return good;
}

static bool is_crl(struct ecert_view der)
{
    const unsigned char *p = der.ptr;
    X509_CRL *crl = d2i_X509_CRL(NULL, &p, (long)der.len);
    const bool good = crl != NULL;

    X509_CRL_free(crl);
    ERR_clear_error();
    return good;
}

static bool is_request(struct ecert_view der)
{
    const unsigned char *p = der.ptr;
    X509_REQ *request = d2i_X509_REQ(NULL, &p, (long)der.len);
    const bool good = request != NULL;

    X509_REQ_free(request);
    ERR_clear_error();
    return good;
}

static bool is_pkcs7(struct ecert_view der)
{
    const unsigned char *p = NULL;
    ECERT_AUTO(auto_pkcs7) PKCS7 *pkcs7 = pkcs7_of(der, &p);

    return pkcs7 != NULL;
}

static bool is_public_key(struct ecert_view der)
{
    const unsigned char *p = der.ptr;
    X509_PUBKEY *key = d2i_X509_PUBKEY(NULL, &p, (long)der.len);
    const bool good = key != NULL;

    X509_PUBKEY_free(key);
    ERR_clear_error();
    return good;
}

static enum ecert_status instead(struct ecert_decoding *decoding, const char *what)
{
    decoding->instead = what;
    return ECERT_OK;
}

static enum ecert_status whole_key(struct ecert_decoding *decoding, struct ecert_view der,
                                   struct ecert_error *err)
{
    struct ecert_error why = {0};

    decoding->form = "DER";
    if (ecert_decode_key_der(decoding, der, "the file", &why) == ECERT_OK)
        return instead(decoding, "a private key");
    const unsigned char *p = der.ptr;
    X509_SIG *sealed = d2i_X509_SIG(NULL, &p, (long)der.len);
    const bool is_key = sealed != NULL;
    X509_SIG_free(sealed);
    ERR_clear_error();
    if (is_key) {
        *err = why;
        return why.status;
    }
    return ecert_error_set(err, ECERT_E_CRYPTO,
                           "the file looks like DER, but is no readable certificate, key, PKCS#7, "
                           "PKCS#12 or CRL; it may be damaged");
}

enum ecert_status ecert_decode_der(struct ecert_decoding *decoding, struct ecert_view der,
                                   struct ecert_error *err)
{
    ECERT_TRY(check_length(der, err));
    if (is_certificate(der)) {
        decoding->form = "DER";
        (void)instead(decoding, "a certificate");
        return ecert_decode_certificate_der(decoding, der, false, "the file", err);
    }
    if (ecert_decode_is_pkcs12(der)) {
        decoding->form = "PKCS#12";
        (void)instead(decoding, "what a PKCS#12 without it holds");
        return ecert_decode_pkcs12_der(decoding, der, err);
    }
    if (is_pkcs7(der)) {
        decoding->form = "PKCS#7";
        (void)instead(decoding, "certificates (PKCS#7)");
        return ecert_decode_pkcs7_der(decoding, der, "the file", err);
    }
    if (is_crl(der)) {
        decoding->form = "DER";
        (void)instead(decoding, "a certificate revocation list (CRL)");
        return decoding->wanted == ECERT_DECODE_WANT_CRL
                   ? ecert_decode_crl_der(decoding, der, "the file", err)
                   : ECERT_OK;
    }
    if (is_request(der))
        return instead(decoding, "a certificate request (CSR), which is what the CA gets; the "
                                 "issued certificate is wanted");
    if (is_public_key(der))
        return instead(decoding, "a public key");
    return whole_key(decoding, der, err);
}
