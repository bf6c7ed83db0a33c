#include "core/flow/decode.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/process.h"
#include "core/flow/certificate.h"
#include "core/flow/decode_forms.h"

void ecert_decoded_clear(struct ecert_decoded *decoded)
{
    sk_X509_pop_free(decoded->certificates, X509_free);
    for (size_t i = 0; i < decoded->n_keys; i++)
        ecert_secret_clear(&decoded->keys[i]);
    free(decoded->keys);
    free(decoded->key_ids);
    *decoded = (struct ecert_decoded){0};
}

/* ---- the child ---- */

struct work {
    enum ecert_decode_wanted wanted;
    struct ecert_view file, passphrase;
};

static enum ecert_status look_at(struct ecert_decoding *decoding, struct ecert_view file,
                                 struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer storage = {0};
    struct ecert_view text = {0};

    ECERT_TRY(ecert_decode_plain_text(file, &storage, &text, err));
    if (decoding->wanted == ECERT_DECODE_WANT_CERTIFICATES && ecert_decode_is_mail(text))
        return ecert_decode_mail(decoding, text, err);
    /* a NUL is in every DER certificate and in no text: it tells "0" (0x30) from a SEQUENCE */
    const bool binary = text.len > 0 && memchr(text.ptr, 0, text.len) != NULL;
    if (!binary && ecert_decode_has_pem(text))
        return ecert_decode_pem(decoding, text, err);
    if (file.len > 1 && file.ptr[0] == 0x30 && (binary || (file.ptr[1] & 0x80) != 0))
        return ecert_decode_der(decoding, file, err);
    return ecert_decode_foreign(text, err);
}

/* Something was found, but is it what was asked for? */
static enum ecert_status check_found(const struct ecert_decoding *decoding, struct ecert_error *err)
{
    static const char *const wanted[] = {"certificate", "private key", "CRL"};
    const bool found = decoding->wanted == ECERT_DECODE_WANT_CERTIFICATES
                           ? sk_X509_num(decoding->certificates) > 0
                       : decoding->wanted == ECERT_DECODE_WANT_KEY ? decoding->n_keys > 0
                                                                   : decoding->n_crls > 0;

    if (found && decoding->wanted == ECERT_DECODE_WANT_KEY && decoding->n_keys > 1)
        return ecert_error_set(err, ECERT_E_CRYPTO,
                               "the file holds %zu private keys; one is wanted", decoding->n_keys);
    if (found)
        return ECERT_OK;
    return ecert_error_set(err, ECERT_E_CRYPTO, "the file holds no %s, only %s",
                           wanted[decoding->wanted],
                           decoding->instead == NULL ? "things of no use here" : decoding->instead);
}

static void add_message(struct ecert_buffer *answer, enum ecert_decode_message kind,
                        const char *text)
{
    struct ecert_message message = {.kind = kind};

    ecert_message_add_text(&message, text);
    ecert_message_encode(&message, answer);
}

static void add_error(struct ecert_buffer *answer, const struct ecert_error *err)
{
    struct ecert_message message = {.kind = ECERT_DECODE_ERROR};
    uint8_t storage[8];

    ecert_message_add_number(&message, err->status, storage);
    ecert_message_add_text(&message, err->text);
    ecert_message_encode(&message, answer);
}

static int child(void *context, int fd)
{
    const struct work *work = context;
    struct ecert_decoding decoding = {
        .wanted = work->wanted, .passphrase = work->passphrase, .certificates = sk_X509_new_null()};
    struct ecert_error err = {0};

    if (decoding.certificates == NULL)
        return 1;
    if (look_at(&decoding, work->file, &err) == ECERT_OK &&
        check_found(&decoding, &err) == ECERT_OK)
        add_message(&decoding.answer, ECERT_DECODE_FORM,
                    decoding.form == NULL ? "" : decoding.form);
    else {
        ecert_buffer_clear(&decoding.answer); /* all or nothing: what came before does not count */
        add_error(&decoding.answer, &err);
    }
    const bool written = !decoding.answer.failed &&
                         ecert_write_all(fd, ecert_buffer_view(&decoding.answer), &err) == ECERT_OK;
    ecert_buffer_clear(&decoding.answer);
    sk_X509_pop_free(decoding.certificates, X509_free);
    return written ? 0 : 1;
}

/* ---- the parent ---- */

static void wipe_bytes(struct ecert_bytes *bytes)
{
    if (bytes->ptr != NULL)
        OPENSSL_cleanse(bytes->ptr, bytes->len);
    ecert_bytes_clear(bytes);
}

static enum ecert_status run_child(struct work *work, size_t max_len, struct ecert_bytes *ret,
                                   struct ecert_error *err)
{
    /* a parsed CRL takes some seven times its size */
    const size_t memory =
        ((size_t)256 << 20) + (work->wanted == ECERT_DECODE_WANT_CRL ? 16 * work->file.len : 0);
    const struct ecert_child_limits limits = {.timeout_ms = 10000,
                                              .cpu_seconds = 5,
                                              .address_space = memory,
                                              .max_output = 2 * max_len,
                                              .may_fork = false,
                                              .drop_root = true};

    if (work->file.len > max_len)
        return ecert_error_set(err, ECERT_E_REFUSED,
                               "the file has %zu bytes; more than %zu are not looked at",
                               work->file.len, max_len);
    /* before OpenSSL is used for the first time: a configuration may load foreign code */
    if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1)
        return ecert_error_openssl(err, ECERT_E_CRYPTO, "start OpenSSL");
    if (ecert_child_run(child, work, &limits, ret, err) == ECERT_OK)
        return ECERT_OK;
    if (err->status == ECERT_E_TIMEOUT)
        err->status = ECERT_E_REFUSED;
    return ecert_error_wrap(err, "the process that decodes the file");
}

static enum ecert_status error_of(const struct ecert_message *message, struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer text = {0};
    int64_t status = 0;

    ECERT_TRY(ecert_message_number(message, 0, &status, err));
    if (message->n > 1) /* the child has read strangers' bytes: its words are strangers' words */
        ecert_buffer_add_escaped(&text, message->fields[1], false);
    return ecert_error_set(err,
                           status == ECERT_E_REFUSED ? ECERT_E_REFUSED
                           : status == ECERT_E_NOMEM ? ECERT_E_NOMEM
                                                     : ECERT_E_CRYPTO,
                           "%s", text.len > 0 ? (const char *)text.ptr : "the file is not usable");
}

/* The next message of the answer; *ret_end when there is none left. */
static enum ecert_status next(struct ecert_view *answer, struct ecert_message *ret, bool *ret_end,
                              struct ecert_error *err)
{
    *ret_end = answer->len == 0;
    if (*ret_end)
        return ECERT_OK;
    if (ecert_message_decode(answer, answer->len, ret, err) != ECERT_OK) {
        err->status = ECERT_E_REFUSED;
        return ecert_error_wrap(err, "the answer of the process that decodes the file");
    }
    if (ret->kind == ECERT_DECODE_ERROR)
        return error_of(ret, err);
    if (ret->n != 1)
        return ecert_error_set(err, ECERT_E_REFUSED,
                               "the process that decodes the file gave a wrong answer");
    return ECERT_OK;
}

static const char *form_of(struct ecert_view name)
{
    static const char *const forms[] = {"PEM", "DER", "PKCS#7", "PKCS#12", "mail"};

    for (size_t i = 0; i < ARRAY_SIZE(forms); i++)
        if (ecert_view_equal(name, ecert_view_of(forms[i])))
            return forms[i];
    return "";
}

static void auto_key(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

static void auto_bio(BIO **bio)
{
    (void)BIO_free(*bio);
}

static enum ecert_status key_id_of(const EVP_PKEY *key, uint8_t ret[ECERT_SHA256_LEN],
                                   struct ecert_error *err)
{
    unsigned char *der = NULL;
    const int len = i2d_PUBKEY(key, &der);

    if (len <= 0)
        return ecert_error_openssl(err, ECERT_E_CRYPTO, "encode the public half of a key");
    ecert_sha256((struct ecert_view){der, (size_t)len}, ret);
    OPENSSL_free(der);
    return ECERT_OK;
}

static enum ecert_status key_of(struct ecert_view der, struct ecert_secret *ret_pem,
                                uint8_t ret_key_id[ECERT_SHA256_LEN], struct ecert_error *err)
{
    const unsigned char *p = der.ptr;
    char *text = NULL;

    PKCS8_PRIV_KEY_INFO *info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &p, (long)der.len);
    ECERT_AUTO(auto_key) EVP_PKEY *key = info == NULL ? NULL : EVP_PKCS82PKEY(info);
    PKCS8_PRIV_KEY_INFO_free(info);
    /* "secmem": its memory is wiped when it grows and when it is freed */
    ECERT_AUTO(auto_bio) BIO *bio = BIO_new(BIO_s_secmem());
    if (key == NULL || bio == NULL ||
        PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) != 1)
        return ecert_error_openssl(err, ECERT_E_CRYPTO, "the private key is not usable");
    uint8_t id[ECERT_SHA256_LEN];
    ECERT_TRY(key_id_of(key, id, err));
    const long n = BIO_get_mem_data(bio, &text);
    ECERT_TRY(ecert_secret_copy((struct ecert_view){(const uint8_t *)text, n > 0 ? (size_t)n : 0},
                                ret_pem, err));
    memcpy(ret_key_id, id, sizeof id);
    return ECERT_OK;
}

static enum ecert_status take_key(struct ecert_decoded *decoded, struct ecert_view der,
                                  struct ecert_error *err)
{
    const size_t n = decoded->n_keys + 1;
    struct ecert_secret *keys = reallocarray(decoded->keys, n, sizeof *keys);

    if (keys == NULL)
        return ecert_error_nomem(err);
    decoded->keys = keys;
    uint8_t(*ids)[ECERT_SHA256_LEN] = reallocarray(decoded->key_ids, n, sizeof *ids);
    if (ids == NULL)
        return ecert_error_nomem(err);
    decoded->key_ids = ids;
    keys[n - 1] = (struct ecert_secret){0};
    ECERT_TRY(key_of(der, &keys[n - 1], ids[n - 1], err));
    decoded->n_keys = n;
    return ECERT_OK;
}

static enum ecert_status take_certificate(struct ecert_decoded *decoded, struct ecert_view der,
                                          struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_x509) X509 *certificate = NULL;

    ECERT_TRY(ecert_certificate_parse(der, &certificate, err));
    if (sk_X509_push(decoded->certificates, certificate) <= 0)
        return ecert_error_nomem(err);
    certificate = NULL;
    return ECERT_OK;
}

static enum ecert_status take_all(struct ecert_view answer, struct ecert_decoded *decoded,
                                  struct ecert_error *err)
{
    decoded->certificates = sk_X509_new_null();
    if (decoded->certificates == NULL)
        return ecert_error_nomem(err);
    decoded->form = "";
    for (;;) {
        struct ecert_message message;
        bool end = false;

        ECERT_TRY(next(&answer, &message, &end, err));
        if (end)
            return ECERT_OK;
        if (message.kind == ECERT_DECODE_CERTIFICATE)
            ECERT_TRY(take_certificate(decoded, message.fields[0], err));
        else if (message.kind == ECERT_DECODE_KEY)
            ECERT_TRY(take_key(decoded, message.fields[0], err));
        else if (message.kind == ECERT_DECODE_FORM)
            decoded->form = form_of(message.fields[0]);
    }
}

enum ecert_status ecert_decode_certificates(struct ecert_view file, struct ecert_view passphrase,
                                            struct ecert_decoded *ret, struct ecert_error *err)
{
    struct work work = {ECERT_DECODE_WANT_CERTIFICATES, file, passphrase};
    ECERT_AUTO(wipe_bytes) struct ecert_bytes answer = {0};
    ECERT_AUTO(ecert_decoded_clear) struct ecert_decoded decoded = {0};

    ECERT_TRY(run_child(&work, ECERT_DECODE_MAX_INPUT, &answer, err));
    ECERT_TRY(take_all(ecert_bytes_view(&answer), &decoded, err));
    if (sk_X509_num(decoded.certificates) == 0)
        return ecert_error_set(err, ECERT_E_REFUSED,
                               "the process that decodes the file gave no certificate");
    *ret = decoded;
    decoded = (struct ecert_decoded){0};
    return ECERT_OK;
}

enum ecert_status ecert_decode_key(struct ecert_view file, struct ecert_view passphrase,
                                   struct ecert_secret *ret_pem,
                                   uint8_t ret_key_id[ECERT_SHA256_LEN], struct ecert_error *err)
{
    struct work work = {ECERT_DECODE_WANT_KEY, file, passphrase};
    ECERT_AUTO(wipe_bytes) struct ecert_bytes answer = {0};
    ECERT_AUTO(ecert_decoded_clear) struct ecert_decoded decoded = {0};

    ECERT_TRY(run_child(&work, ECERT_DECODE_MAX_INPUT, &answer, err));
    ECERT_TRY(take_all(ecert_bytes_view(&answer), &decoded, err));
    if (decoded.n_keys != 1)
        return ecert_error_set(err, ECERT_E_REFUSED,
                               "the process that decodes the file gave no key");
    memcpy(ret_key_id, decoded.key_ids[0], ECERT_SHA256_LEN);
    *ret_pem = decoded.keys[0];
    decoded.keys[0] = (struct ecert_secret){0};
    return ECERT_OK;
}

enum ecert_status ecert_decode_crl(struct ecert_view file, X509_CRL **ret, struct ecert_error *err)
{
    struct work work = {ECERT_DECODE_WANT_CRL, file, {0}};
    ECERT_AUTO(wipe_bytes) struct ecert_bytes answer = {0};
    ECERT_AUTO(ecert_auto_crl) X509_CRL *crl = NULL;

    ECERT_TRY(run_child(&work, ECERT_DECODE_MAX_CRL, &answer, err));
    struct ecert_view rest = ecert_bytes_view(&answer);
    for (;;) {
        struct ecert_message message;
        bool end = false;

        ECERT_TRY(next(&rest, &message, &end, err));
        if (end)
            break;
        if (message.kind != ECERT_DECODE_CRL || crl != NULL)
            continue;
        const unsigned char *p = message.fields[0].ptr;
        crl = d2i_X509_CRL(NULL, &p, (long)message.fields[0].len);
        if (crl == NULL)
            return ecert_error_openssl(err, ECERT_E_CRYPTO, "not a CRL");
    }
    if (crl == NULL)
        return ecert_error_set(err, ECERT_E_REFUSED,
                               "the process that decodes the file gave no CRL");
    *ret = crl;
    crl = NULL;
    return ECERT_OK;
}
