#include "core/flow/preload.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <string.h>

#include "core/base/fs.h"
#include "core/base/message.h"
#include "core/base/process.h"
#include "core/flow/key.h"

#define FILE_MAX   (1u << 20)
#define ANSWER_MAX 4096 /* of one pair */

struct job {
    const struct ecert_pair *pairs;
    size_t n;
};

static void auto_bio(BIO **bio)
{
    BIO_free(*bio);
}

static void auto_context(SSL_CTX **context)
{
    SSL_CTX_free(*context);
}

static void auto_certificate(X509 **certificate)
{
    X509_free(*certificate);
}

/* How many PEM blocks begin in this text. */
static size_t count_blocks(struct ecert_view text)
{
    static const char begin[] = "-----BEGIN ";
    size_t n = 0;

    for (const uint8_t *p = text.ptr; text.len > 0;) {
        const size_t left = text.len - (size_t)(p - text.ptr);
        const uint8_t *hit = memmem(p, left, begin, sizeof begin - 1);

        if (hit == NULL)
            break;
        n++;
        p = hit + 1;
    }
    return n;
}

/* Every block is a certificate, whole, and the first is the one that we mean. */
static enum ecert_status check_blocks(const struct ecert_pair *pair, struct ecert_error *err)
{
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes text = {0};

    ECERT_TRY(ecert_fs_read(pair->fullchain_file, FILE_MAX, &text, err));
    const size_t n = count_blocks(ecert_bytes_view(&text));
    ECERT_AUTO(auto_bio) BIO *bio = BIO_new_mem_buf(text.ptr, (int)text.len);
    if (bio == NULL)
        return ecert_error_nomem(err);
    if (n == 0)
        return ecert_error_set(err, ECERT_E_CRYPTO, "'%s' holds no PEM certificate",
                               pair->fullchain_file);
    for (size_t i = 0; i < n; i++) {
        ECERT_AUTO(auto_certificate) X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);

        if (certificate == NULL)
            return ecert_error_openssl(err, ECERT_E_CRYPTO,
                                       "block %zu of %zu of '%s' is not a whole certificate", i + 1,
                                       n, pair->fullchain_file);
        if (i == 0 && pair->leaf != NULL && X509_cmp(certificate, pair->leaf) != 0)
            return ecert_error_set(err, ECERT_E_CRYPTO,
                                   "'%s' does not begin with the certificate to deploy",
                                   pair->fullchain_file);
    }
    return ECERT_OK;
}

/* The pair's passphrase; the terminal is never asked. */
static int give_passphrase(char *buffer, int size, int writing, void *context)
{
    const struct ecert_view *passphrase = context;

    (void)writing;
    if (size < 0 || passphrase->len > (size_t)size)
        return 0;
    if (passphrase->len > 0)
        memcpy(buffer, passphrase->ptr, passphrase->len);
    return (int)passphrase->len;
}

/* Does the passphrase open it?  What else is wrong with it OpenSSL has said already. */
static bool opens(const struct ecert_pair *pair)
{
    struct ecert_view passphrase = pair->passphrase;
    ECERT_AUTO(auto_bio) BIO *bio = BIO_new_file(pair->key_file, "r");
    EVP_PKEY *key =
        bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, give_passphrase, &passphrase);

    EVP_PKEY_free(key);
    return key != NULL;
}

static enum ecert_status check_key(SSL_CTX *context, const struct ecert_pair *pair,
                                   struct ecert_error *err)
{
    if (SSL_CTX_use_PrivateKey_file(context, pair->key_file, SSL_FILETYPE_PEM) == 1)
        return ECERT_OK;
    (void)ecert_error_openssl(err, ECERT_E_CRYPTO,
                              "a server cannot load the key '%s' with the certificate '%s'",
                              pair->key_file, pair->fullchain_file);
    if (pair->passphrase.len == 0 || opens(pair))
        return err->status;
    const struct ecert_error why = *err;
    return ecert_error_set(err, why.status, "%s%s", why.text, ECERT_KEY_KEPT_BEFORE);
}

static enum ecert_status check_pair(const struct ecert_pair *pair, struct ecert_error *err)
{
    ECERT_TRY(check_blocks(pair, err));
    ECERT_AUTO(auto_context) SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (context == NULL)
        return ecert_error_openssl(err, ECERT_E_CRYPTO, "make a TLS context");
    struct ecert_view passphrase = pair->passphrase;
    SSL_CTX_set_default_passwd_cb(context, give_passphrase);
    SSL_CTX_set_default_passwd_cb_userdata(context, &passphrase);
    if (SSL_CTX_use_certificate_chain_file(context, pair->fullchain_file) != 1)
        return ecert_error_openssl(err, ECERT_E_CRYPTO, "a server cannot load '%s'",
                                   pair->fullchain_file);
    if (pair->key_file == NULL)
        return ECERT_OK;
    ECERT_TRY(check_key(context, pair, err));
    if (SSL_CTX_check_private_key(context) != 1)
        return ecert_error_openssl(err, ECERT_E_CRYPTO, "'%s' is not the key of '%s'",
                                   pair->key_file, pair->fullchain_file);
    return ECERT_OK;
}

/* In the child: one message per pair, its text empty when the pair is good. */
static int answer(void *context, int fd)
{
    const struct job *job = context;

    for (size_t i = 0; i < job->n; i++) {
        ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer buffer = {0};
        struct ecert_message message = {.kind = (uint32_t)i};
        struct ecert_error result = {0}, ignored = {0};

        (void)check_pair(&job->pairs[i], &result);
        ecert_message_add_text(&message, result.text);
        ecert_message_encode(&message, &buffer);
        if (buffer.failed || ecert_write_all(fd, ecert_buffer_view(&buffer), &ignored) != ECERT_OK)
            return 1;
    }
    return 0;
}

static enum ecert_status read_answers(struct ecert_view stream, size_t n,
                                      struct ecert_error *results, struct ecert_error *err)
{
    for (size_t i = 0; i < n; i++) {
        ECERT_AUTO(ecert_auto_free) char *text = NULL;
        struct ecert_message message = {0};

        ECERT_TRY(ecert_message_decode(&stream, ANSWER_MAX, &message, err));
        ECERT_TRY(ecert_message_text(&message, 0, &text, err));
        if (text[0] != '\0')
            (void)ecert_error_set(&results[i], ECERT_E_CRYPTO, "%s", text);
    }
    return ECERT_OK;
}

static enum ecert_status ask(const struct ecert_pair *pairs, size_t n, struct ecert_error *results,
                             struct ecert_error *err)
{
    const struct ecert_child_limits limits = {
        .timeout_ms = 60000, .max_output = n * ANSWER_MAX, .cpu_seconds = 30};
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes answers = {0};
    struct job job = {pairs, n};

    ECERT_TRY(ecert_child_run(answer, &job, &limits, &answers, err));
    return read_answers(ecert_bytes_view(&answers), n, results, err);
}

enum ecert_status ecert_preload(const struct ecert_pair *pairs, size_t n,
                                struct ecert_error *results, struct ecert_error *err)
{
    memset(results, 0, n * sizeof *results);
    if (n == 0 || ask(pairs, n, results, err) == ECERT_OK)
        return ECERT_OK;
    if (err->status == ECERT_E_IO)
        return err->status;
    memset(results, 0, n * sizeof *results);
    for (size_t i = 0; i < n; i++) {
        struct ecert_error one = {0};

        if (ask(&pairs[i], 1, &results[i], &one) != ECERT_OK)
            (void)ecert_error_set(&results[i], ECERT_E_CRYPTO, "loading '%s' as a server would: %s",
                                  pairs[i].fullchain_file, one.text);
    }
    *err = (struct ecert_error){0};
    return ECERT_OK;
}
