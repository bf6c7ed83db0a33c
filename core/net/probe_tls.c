#include "core/net/probe_attempt.h"

#include <string.h>

/* The attempt of an SSL_CTX, for OpenSSL's information callback, which has no argument. */
static int attempt_index = -1;

/* In place of verification, with what the server sent, in its order. */
static int keep_certificates(X509_STORE_CTX *store, void *context)
{
    struct ecert_attempt *attempt = context;
    STACK_OF(X509) *sent = X509_STORE_CTX_get0_untrusted(store);

    for (int i = 0; i < sk_X509_num(sent); i++) {
        unsigned char *der = NULL;

        if (attempt->n_certificates == ECERT_NET_MAX_CERTIFICATES)
            return 1; /* more says nothing: such a chain is wrong already */
        const int len = i2d_X509(sk_X509_value(sent, i), &der);
        if (len < 0)
            return 0;
        attempt->certificates[attempt->n_certificates++] =
            (struct ecert_bytes){der, (size_t)len}; /* OpenSSL's allocator is malloc */
    }
    return 1;
}

static void watch_handshake(const SSL *ssl, int where, int value)
{
    struct ecert_attempt *attempt = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), attempt_index);

    if (attempt == NULL)
        return;
    if ((where & SSL_CB_HANDSHAKE_START) != 0)
        attempt->begun = true;
    if ((where & SSL_CB_HANDSHAKE_DONE) != 0)
        attempt->completed = true;
    if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT && value >> 8 == SSL3_AL_FATAL)
        attempt->alert = value;
}

/* Offer only what a key of this kind can sign: the server has to choose its other certificate. */
static bool ask_for_key_type(SSL_CTX *ctx, const char *key_type)
{
    static const struct {
        const char *key_type, *ciphers, *signatures;
    } kinds[] = {
        {"", "ALL:@SECLEVEL=0", NULL},
        {"rsa", "aRSA:@SECLEVEL=0",
         "rsa_pss_rsae_sha256:rsa_pss_rsae_sha384:rsa_pss_rsae_sha512:rsa_pss_pss_sha256:"
         "rsa_pss_pss_sha384:rsa_pss_pss_sha512:RSA+SHA256:RSA+SHA384:RSA+SHA512:RSA+SHA1"},
        {"ec", "aECDSA:@SECLEVEL=0",
         "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:ed25519:ed448:ECDSA+SHA1"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (strcmp(kinds[i].key_type, key_type) == 0)
            return SSL_CTX_set_cipher_list(ctx, kinds[i].ciphers) == 1 &&
                   (kinds[i].signatures == NULL ||
                    SSL_CTX_ctrl(ctx, SSL_CTRL_SET_SIGALGS_LIST, 0,
                                 (void *)(uintptr_t)kinds[i].signatures) ==
                        1); /* SSL_CTX_set1_sigalgs_list() casts const away */
    return false;
}

bool ecert_attempt_prepare_tls(struct ecert_attempt *attempt, SSL_CTX *ctx)
{
    SSL_CTX_set_security_level(ctx, 0);
    SSL_CTX_set_cert_verify_callback(ctx, keep_certificates, attempt);
    SSL_CTX_set_info_callback(ctx, watch_handshake);
    return SSL_CTX_set_ex_data(ctx, attempt_index, attempt) == 1 &&
           ask_for_key_type(ctx, attempt->key_type);
}

enum ecert_status ecert_attempt_init_tls(struct ecert_error *err)
{
    if (attempt_index < 0)
        attempt_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    return attempt_index < 0 ? ecert_error_nomem(err) : ECERT_OK;
}
