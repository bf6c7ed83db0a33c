/* The key of a request and its CSR, on disk. */
#include "core/issue/request_parts.h"

#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>

#include "core/base/fs.h"
#include "core/flow/decode.h"
#include "core/flow/key.h"
#include "core/flow/store.h"
#include "core/issue/csr.h"
#include "core/issue/new_key.h"

static void auto_bio(BIO **bio)
{
    BIO_free(*bio);
    *bio = NULL;
}

/* ---- the present one ---- */

/* It is ours, not encrypted, and was decoded in a child already. */
static enum ecert_status parse(const struct ecert_secret *pem, EVP_PKEY **ret,
                               struct ecert_error *err)
{
    ECERT_AUTO(auto_bio) BIO *bio = BIO_new_mem_buf(pem->ptr, (int)pem->len);
    EVP_PKEY *key = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);

    if (key == NULL)
        return ecert_error_openssl(err, ECERT_E_CRYPTO, "read the present key");
    *ret = key;
    return ECERT_OK;
}

static enum ecert_status generation_key(struct ecert_context *context,
                                        const struct ecert_certificate_config *certificate,
                                        unsigned generation, struct ecert_secret *ret,
                                        struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *path = NULL;
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret file = {0};
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret passphrase = {0};
    uint8_t key_id[ECERT_SHA256_LEN];
    char sub[64];

    (void)snprintf(sub, sizeof sub, "generations/%04u/privkey.pem", generation);
    ECERT_TRY(ecert_store_path(context->config->state_dir, certificate->name, sub, &path, err));
    ECERT_TRY(ecert_fs_read_secret(path, ECERT_DECODE_MAX_INPUT, &file, err));
    if ((memmem(file.ptr, file.len, "ENCRYPTED", 9) != NULL &&
         ecert_key_passphrase(&certificate->key, &passphrase, err) != ECERT_OK) ||
        ecert_decode_key(ecert_secret_view(&file), ecert_secret_view(&passphrase), ret, key_id,
                         err) != ECERT_OK)
        return ecert_error_wrap(err, "'%s'", path);
    return ECERT_OK;
}

enum ecert_status request_present_key(struct ecert_context *context,
                                      const struct ecert_certificate_config *certificate,
                                      EVP_PKEY **ret, struct ecert_strings *notes,
                                      struct ecert_error *err)
{
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret pem = {0};
    uint8_t key_id[ECERT_SHA256_LEN];
    unsigned newest = 0;

    ECERT_TRY(ecert_store_newest(context->config->state_dir, certificate->name, &newest, err));
    if (newest > 0)
        ECERT_TRY(generation_key(context, certificate, newest, &pem, err));
    else if (certificate->key.place == ECERT_KEY_FILE)
        ECERT_TRY(ecert_key_load(&certificate->key, &pem, key_id, notes, err));
    return pem.len == 0 ? ECERT_OK : parse(&pem, ret, err);
}

/* ---- keeping ---- */

static enum ecert_status pem_for_disk(const struct ecert_key_config *config, EVP_PKEY *key,
                                      struct ecert_secret *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret passphrase = {0};

    if (config->encrypted)
        ECERT_TRY(ecert_key_passphrase(config, &passphrase, err));
    return ecert_new_key_pem(key, ecert_secret_view(&passphrase), ret, err);
}

enum ecert_status request_keep(struct request_run *run, struct request_work *work, EVP_PKEY *key,
                               bool reused, struct ecert_error *err)
{
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret key_pem = {0};
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes csr_pem = {0};
    const struct ecert_config *config = run->context->config;
    const struct ecert_certificate_config *certificate = work->outcome->certificate;
    struct ecert_request *request = &work->outcome->request;
    const struct ecert_authority *authority = NULL;

    ECERT_TRY(ecert_context_authority(run->context, certificate->authority, &authority, err));
    const struct ecert_csr_order order = {.organization = &config->organization,
                                          .names = ecert_strings_array(&request->names),
                                          .authority = authority};
    ECERT_TRY(ecert_csr_make(&order, key, &csr_pem, request->csr_sha256, err));
    ECERT_TRY(ecert_new_key_describe(key, &request->key_words, request->key_id, err));
    ECERT_TRY(pem_for_disk(&certificate->key, key, &key_pem, err));
    request->reused = reused;
    return ecert_requests_add(config->state_dir, request, ecert_secret_view(&key_pem),
                              ecert_bytes_view(&csr_pem), err);
}
