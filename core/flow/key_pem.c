/* Keys as PEM, for the disk: the writing half of key.h. */

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h> /* PKCS8_encrypt */
#include <openssl/x509.h>

#include <string.h>

#include "core/flow/decode.h"
#include "core/flow/key.h"

static void auto_key(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

static void auto_bio(BIO **bio)
{
    (void)BIO_free(*bio);
}

/* Our own PEM is not encrypted; one that is must never be asked about on the terminal. */
static int no_passphrase(char *ret, int size, int writing, void *context)
{
    (void)ret, (void)size, (void)writing, (void)context;
    return -1;
}

/*
 * How often PBKDF2 repeats: ten times OpenSSL's own 2048.  A server opens every key at each start
 * and reload; with 1,000 of them this is some seconds, and a million rounds would be an hour.
 */
#define ROUNDS 20480

static int write_encrypted(BIO *bio, const EVP_PKEY *key, struct ecert_view passphrase)
{
    PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key);
    X509_SIG *sealed = info == NULL
                           ? NULL
                           : PKCS8_encrypt(-1, EVP_aes_256_cbc(), (const char *)passphrase.ptr,
                                           (int)passphrase.len, NULL, 0, ROUNDS, info);
    const int written = sealed == NULL ? 0 : PEM_write_bio_PKCS8(bio, sealed);

    PKCS8_PRIV_KEY_INFO_free(info); /* wipes */
    X509_SIG_free(sealed);
    return written;
}

enum ecert_status ecert_key_pem(const EVP_PKEY *key, struct ecert_view passphrase,
                                struct ecert_secret *ret, struct ecert_error *err)
{
    char *text = NULL;

    if (passphrase.len > INT_MAX)
        return ecert_error_set(err, ECERT_E_CRYPTO, "the passphrase is too long");
    /* "secmem": its memory is wiped when it grows and when it is freed */
    ECERT_AUTO(auto_bio) BIO *bio = BIO_new(BIO_s_secmem());
    const int written = bio == NULL ? 0
                        : passphrase.len == 0
                            ? PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL)
                            : write_encrypted(bio, key, passphrase);
    if (written != 1)
        return ecert_error_openssl(err, ECERT_E_CRYPTO, "write a private key as PEM");
    const long n = BIO_get_mem_data(bio, &text);
    return ecert_secret_copy((struct ecert_view){(const uint8_t *)text, n > 0 ? (size_t)n : 0}, ret,
                             err);
}

enum ecert_status ecert_key_for_disk(const struct ecert_key_config *config, struct ecert_view pem,
                                     struct ecert_secret *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret passphrase = {0};

    if (!config->encrypted)
        return ecert_secret_copy(pem, ret, err);
    ECERT_TRY(ecert_key_passphrase(config, &passphrase, err));
    if (passphrase.len == 0)
        return ecert_error_set(err, ECERT_E_CONFIG,
                               "key.encrypted needs key.passphrase_file or "
                               "key.passphrase_command");
    ECERT_AUTO(auto_bio) BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    if (bio == NULL)
        return ecert_error_nomem(err);
    ECERT_AUTO(auto_key) EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    if (key == NULL)
        return ecert_error_openssl(err, ECERT_E_CRYPTO, "read a private key again");
    return ecert_key_pem(key, ecert_secret_view(&passphrase), ret, err);
}

bool ecert_key_is_encrypted(struct ecert_view pem)
{
    static const char word[] = "ENCRYPTED"; /* PKCS#8's label, and the Proc-Type of older forms */

    return pem.len > 0 && memmem(pem.ptr, pem.len, word, sizeof word - 1) != NULL;
}

enum ecert_status ecert_key_kept_passphrase(const struct ecert_key_config *config,
                                            struct ecert_secret *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret passphrase = {0};

    ECERT_TRY(ecert_key_passphrase(config, &passphrase, err));
    if (passphrase.len == 0)
        return ecert_error_set(err, ECERT_E_CONFIG,
                               "the key is encrypted, and the configuration names neither "
                               "key.passphrase_file nor key.passphrase_command");
    *ret = passphrase;
    passphrase = (struct ecert_secret){0};
    return ECERT_OK;
}

enum ecert_status ecert_key_open(const struct ecert_key_config *config, struct ecert_view kept,
                                 struct ecert_secret *ret_pem, uint8_t ret_key_id[ECERT_SHA256_LEN],
                                 struct ecert_error *err)
{
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret passphrase = {0};
    const bool encrypted = ecert_key_is_encrypted(kept);
    struct ecert_error why = {0};

    if (encrypted)
        ECERT_TRY(ecert_key_kept_passphrase(config, &passphrase, err));
    if (ecert_decode_key(kept, ecert_secret_view(&passphrase), ret_pem, ret_key_id, &why) ==
        ECERT_OK)
        return ECERT_OK;
    return ecert_error_set(err, why.status, "%s%s", why.text,
                           encrypted && why.status == ECERT_E_CRYPTO ? ECERT_KEY_KEPT_BEFORE : "");
}
