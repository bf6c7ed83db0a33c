/* Opening a backup: the file is foreign until it is open, so a limited child does it. */

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/message.h"
#include "core/base/process.h"
#include "core/flow/certificate.h"
#include "core/flow/decode.h"
#include "core/flow/key.h"
#include "core/flow/requests_json.h"
#include "core/issue/backup_parts.h"
#include "core/issue/new_key.h"

#define ANSWER_MAX (4 * ECERT_BACKUP_FILE_MAX)

enum message_kind {
    OPENED = 1,     /* key as PKCS#8 DER, CSR as DER, request.json */
    FAILED = 2,     /* status, sentence */
    OPENED_KEY = 3, /* key as PKCS#8 DER, certificate as DER, its JSON */
};

void ecert_backup_content_clear(struct ecert_backup_content *content)
{
    ecert_secret_clear(&content->key_pem);
    ecert_bytes_clear(&content->csr_pem);
    ecert_request_clear(&content->request);
    *content = (struct ecert_backup_content){0};
}

/* ---- the child ---- */

struct job {
    struct ecert_view file, passphrase, key_pem;
};

/* What a backup's text is made of; {0} is empty. */
struct parts {
    struct ecert_secret key;
    struct ecert_bytes csr, request;
    bool of_key; /* `csr` is a certificate */
    bool mixed;  /* some of it is of a request, and some is not */
};

static void parts_clear(struct parts *parts)
{
    ecert_secret_clear(&parts->key);
    ecert_bytes_clear(&parts->csr);
    ecert_bytes_clear(&parts->request);
}

static void auto_request(X509_REQ **request)
{
    X509_REQ_free(*request);
}

static EVP_PKEY *key_of_der(struct ecert_view der)
{
    const unsigned char *p = der.ptr;
    PKCS8_PRIV_KEY_INFO *info =
        der.len == 0 ? NULL : d2i_PKCS8_PRIV_KEY_INFO(NULL, &p, (long)der.len);
    EVP_PKEY *key = info == NULL ? NULL : EVP_PKCS82PKEY(info);

    PKCS8_PRIV_KEY_INFO_free(info);
    return key;
}

static int no_passphrase(char *ret, int size, int writing, void *context)
{
    (void)ret, (void)size, (void)writing, (void)context;
    return -1;
}

/* Open with one of the two; each try begins with a file parsed anew, because OpenSSL keeps a key
 * that was tried. */
static bool decrypt(const struct job *job, bool with_key, BIO *out)
{
    struct ecert_error ignored = {0};
    ECERT_AUTO(ecert_auto_cms) CMS_ContentInfo *cms = NULL;
    unsigned char *copy = NULL;
    bool set = false;

    if (ecert_backup_parse(job->file, &cms, &ignored) != ECERT_OK)
        return false;
    if (with_key) {
        ECERT_AUTO(ecert_auto_bio)
        BIO *bio = BIO_new_mem_buf(job->key_pem.ptr, (int)job->key_pem.len);
        ECERT_AUTO(ecert_auto_pkey)
        EVP_PKEY *key =
            bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
        set = key != NULL && CMS_decrypt_set1_pkey(cms, key, NULL) == 1;
    } else {
        copy = OPENSSL_memdup(job->passphrase.ptr, job->passphrase.len);
        set = copy != NULL &&
              CMS_decrypt_set1_password(cms, copy, (ossl_ssize_t)job->passphrase.len) == 1;
    }
    const bool opened = set && CMS_decrypt(cms, NULL, NULL, NULL, out, CMS_BINARY) == 1;
    OPENSSL_clear_free(copy, copy == NULL ? 0 : job->passphrase.len);
    ERR_clear_error();
    return opened;
}

/* Of a request or of a key: what came before says which. */
static bool is_block(struct parts *parts, const char *name, const char *of_request,
                     const char *of_key)
{
    const bool key = strcmp(name, of_key) == 0;
    const bool first = parts->csr.ptr == NULL && parts->request.ptr == NULL;

    if (!key && strcmp(name, of_request) != 0)
        return false;
    parts->mixed = parts->mixed || (!first && parts->of_key != key);
    parts->of_key = key;
    return true;
}

/* Each block once, each that is known. */
static enum ecert_status take_block(struct parts *parts, const char *name, struct ecert_view der,
                                    struct ecert_error *err)
{
    if (strcmp(name, ECERT_BACKUP_BLOCK_KEY) == 0 && parts->key.ptr == NULL)
        return ecert_secret_copy(der, &parts->key, err);
    if (parts->csr.ptr == NULL &&
        is_block(parts, name, ECERT_BACKUP_BLOCK_CSR, ECERT_BACKUP_BLOCK_CERTIFICATE))
        return ecert_bytes_copy(der, &parts->csr, err);
    if (parts->request.ptr == NULL &&
        is_block(parts, name, ECERT_BACKUP_BLOCK_REQUEST, ECERT_BACKUP_BLOCK_ECERT_KEY))
        return ecert_bytes_copy(der, &parts->request, err);
    return ecert_error_set(err, ECERT_E_CRYPTO, "it holds a block '%s' that does not belong there",
                           name);
}

static enum ecert_status split(BIO *text, struct parts *parts, struct ecert_error *err)
{
    for (enum ecert_status status = ECERT_OK;;) {
        char *name = NULL, *header = NULL;
        unsigned char *der = NULL;
        long len = 0;

        if (PEM_read_bio(text, &name, &header, &der, &len) != 1)
            break;
        status = take_block(parts, name, (struct ecert_view){der, (size_t)len}, err);
        OPENSSL_free(name);
        OPENSSL_free(header);
        OPENSSL_clear_free(der, (size_t)len);
        ECERT_TRY(status);
    }
    ERR_clear_error();
    if (parts->key.ptr == NULL || parts->csr.ptr == NULL || parts->request.ptr == NULL ||
        parts->mixed)
        return ecert_error_set(err, ECERT_E_CRYPTO,
                               "it opens, but key, CSR and request are not all in it: it is not a "
                               "backup of ecert, or it is damaged");
    return ECERT_OK;
}

static enum ecert_status check_certificate(const struct parts *parts, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_pkey) EVP_PKEY *key = key_of_der(ecert_secret_view(&parts->key));
    ECERT_AUTO(ecert_auto_x509) X509 *certificate = NULL;

    if (key == NULL)
        return ecert_error_openssl(err, ECERT_E_CRYPTO, "the key in it is not usable");
    if (ecert_certificate_parse(ecert_bytes_view(&parts->csr), &certificate, err) != ECERT_OK) {
        err->status = err->status == ECERT_E_NOMEM ? ECERT_E_NOMEM : ECERT_E_CRYPTO;
        return ecert_error_wrap(err, "the certificate in it");
    }
    const EVP_PKEY *public_key = X509_get0_pubkey(certificate);
    const bool belong = public_key != NULL && EVP_PKEY_eq(public_key, key) == 1;
    ERR_clear_error();
    return belong ? ECERT_OK
                  : ecert_error_set(err, ECERT_E_CRYPTO,
                                    "the key and the certificate in it do not belong together");
}

static enum ecert_status check_parts(const struct parts *parts, struct ecert_error *err)
{
    if (parts->of_key)
        return check_certificate(parts, err);
    const unsigned char *p = parts->csr.ptr;
    ECERT_AUTO(ecert_auto_pkey) EVP_PKEY *key = key_of_der(ecert_secret_view(&parts->key));
    ECERT_AUTO(auto_request)
    X509_REQ *request = d2i_X509_REQ(NULL, &p, (long)parts->csr.len);

    if (key == NULL)
        return ecert_error_openssl(err, ECERT_E_CRYPTO, "the key in it is not usable");
    if (request == NULL || p != parts->csr.ptr + parts->csr.len)
        return ecert_error_openssl(err, ECERT_E_CRYPTO, "the CSR in it is not usable");
    if (EVP_PKEY_eq(X509_REQ_get0_pubkey(request), key) != 1) {
        ERR_clear_error();
        return ecert_error_set(err, ECERT_E_CRYPTO,
                               "the key and the CSR in it do not belong together");
    }
    if (X509_REQ_verify(request, key) != 1)
        return ecert_error_openssl(err, ECERT_E_CRYPTO, "the CSR in it is not signed by its key");
    return ECERT_OK;
}

static enum ecert_status made_for_others(CMS_ContentInfo *cms, const struct job *job,
                                         struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer who = {0};
    const bool key = job->key_pem.len > 0, passphrase = job->passphrase.len > 0;

    ecert_backup_say_who(cms, &who);
    return ecert_error_set(err, ECERT_E_CRYPTO, "%s; who can open it: %s",
                           key && passphrase ? "neither this key nor this passphrase opens it"
                           : key             ? "this key does not open it"
                           : passphrase      ? "this passphrase does not open it"
                                             : "there is nothing to open it with",
                           who.len > 0 ? (const char *)who.ptr : "nobody");
}

static enum ecert_status open_it(const struct job *job, struct parts *parts,
                                 struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_cms) CMS_ContentInfo *cms = NULL;

    ECERT_TRY(ecert_backup_parse(job->file, &cms, err));
    for (int with_key = 1; with_key >= 0; with_key--) {
        ECERT_AUTO(ecert_auto_bio) BIO *text = BIO_new(BIO_s_secmem());

        if (text == NULL)
            return ecert_error_nomem(err);
        if ((with_key ? job->key_pem : job->passphrase).len == 0 || !decrypt(job, with_key, text))
            continue;
        ECERT_TRY(split(text, parts, err));
        return check_parts(parts, err);
    }
    return made_for_others(cms, job, err);
}

static int child(void *context, int fd)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer answer = {0};
    ECERT_AUTO(parts_clear) struct parts parts = {0};
    struct ecert_message message = {.kind = OPENED};
    struct ecert_error err = {0};
    uint8_t storage[8];

    if (open_it(context, &parts, &err) == ECERT_OK) {
        message.kind = parts.of_key ? OPENED_KEY : OPENED;
        ecert_message_add(&message, ecert_secret_view(&parts.key));
        ecert_message_add(&message, ecert_bytes_view(&parts.csr));
        ecert_message_add(&message, ecert_bytes_view(&parts.request));
    } else {
        message.kind = FAILED;
        ecert_message_add_number(&message, err.status, storage);
        ecert_message_add_text(&message, err.text);
    }
    ecert_message_encode(&message, &answer);
    return answer.failed || ecert_write_all(fd, ecert_buffer_view(&answer), &err) != ECERT_OK;
}

/* ---- the parent ---- */

static void wipe_bytes(struct ecert_bytes *bytes)
{
    if (bytes->ptr != NULL)
        OPENSSL_cleanse(bytes->ptr, bytes->len);
    ecert_bytes_clear(bytes);
}

/* The child has read strangers' bytes: its words are strangers' words. */
static enum ecert_status error_of(const struct ecert_message *message, struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer text = {0};
    int64_t status = 0;

    ECERT_TRY(ecert_message_number(message, 0, &status, err));
    if (message->n > 1)
        ecert_buffer_add_escaped(&text, message->fields[1], false);
    return ecert_error_set(err, status == ECERT_E_NOMEM ? ECERT_E_NOMEM : ECERT_E_CRYPTO, "%s",
                           text.len > 0 ? (const char *)text.ptr : "it is not usable");
}

static enum ecert_status csr_pem_of(struct ecert_view der, bool of_key, struct ecert_bytes *ret,
                                    struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_bio) BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;

    if (bio == NULL ||
        PEM_write_bio(bio, of_key ? ECERT_BACKUP_BLOCK_CERTIFICATE : ECERT_BACKUP_BLOCK_CSR, "",
                      der.ptr, (long)der.len) <= 0)
        return ecert_error_openssl(err, ECERT_E_CRYPTO, "write a CSR as PEM");
    const long n = BIO_get_mem_data(bio, &text);
    return ecert_bytes_copy((struct ecert_view){(const uint8_t *)text, n > 0 ? (size_t)n : 0}, ret,
                            err);
}

static enum ecert_status take_key(struct ecert_view der, struct ecert_backup_content *content,
                                  struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_pkey) EVP_PKEY *key = key_of_der(der);
    unsigned char *spki = NULL;

    if (key == NULL)
        return ecert_error_openssl(err, ECERT_E_CRYPTO, "the key in it is not usable");
    ECERT_TRY(ecert_key_pem(key, (struct ecert_view){0}, &content->key_pem, err));
    const int len = i2d_PUBKEY(key, &spki);
    if (len <= 0)
        return ecert_error_openssl(err, ECERT_E_CRYPTO, "encode the public half of a key");
    ecert_sha256((struct ecert_view){spki, (size_t)len}, content->key_id);
    OPENSSL_free(spki);
    return ECERT_OK;
}

static enum ecert_status take_request(struct ecert_view text, struct ecert_view csr_der,
                                      bool of_key, struct ecert_backup_content *content,
                                      struct ecert_error *err)
{
    char csr_sha256[ECERT_SHA256_HEX_LEN];

    if (ecert_request_from_json(text, "the request.json in it", &content->request, err) !=
        ECERT_OK) {
        err->status = err->status == ECERT_E_NOMEM ? ECERT_E_NOMEM : ECERT_E_CRYPTO;
        return err->status;
    }
    ecert_sha256_hex(csr_der, csr_sha256);
    if (of_key != ecert_backup_is_of_key(&content->request) ||
        memcmp(content->request.key_id, content->key_id, sizeof content->key_id) != 0 ||
        strcmp(content->request.csr_sha256, csr_sha256) != 0)
        return ecert_error_set(err, ECERT_E_CRYPTO,
                               "the request.json in it is of another key or CSR");
    return ECERT_OK;
}

static enum ecert_status read_answer(struct ecert_view answer, struct ecert_backup_content *content,
                                     struct ecert_error *err)
{
    struct ecert_message message = {0};

    ECERT_TRY(ecert_message_decode(&answer, answer.len, &message, err));
    if (message.kind == FAILED)
        return error_of(&message, err);
    const bool of_key = message.kind == OPENED_KEY;
    if ((message.kind != OPENED && !of_key) || message.n != 3)
        return ecert_error_set(err, ECERT_E_REFUSED,
                               "the process that opens the backup gave a wrong answer");
    ECERT_TRY(take_key(message.fields[0], content, err));
    ECERT_TRY(csr_pem_of(message.fields[1], of_key, &content->csr_pem, err));
    return take_request(message.fields[2], message.fields[1], of_key, content, err);
}

static enum ecert_status run(struct job *job, struct ecert_backup_content *content,
                             struct ecert_error *err)
{
    const struct ecert_child_limits limits = {.timeout_ms = 30000,
                                              .cpu_seconds = 20, /* PBKDF2 of a foreign file */
                                              .address_space = (size_t)256 << 20,
                                              .max_output = ANSWER_MAX,
                                              .may_fork = false,
                                              .drop_root = true};
    ECERT_AUTO(wipe_bytes) struct ecert_bytes answer = {0};

    if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1)
        return ecert_error_openssl(err, ECERT_E_CRYPTO, "start OpenSSL");
    if (ecert_child_run(child, job, &limits, &answer, err) != ECERT_OK) {
        if (err->status == ECERT_E_TIMEOUT)
            err->status = ECERT_E_REFUSED;
        return ecert_error_wrap(err, "the process that opens the backup");
    }
    return read_answer(ecert_bytes_view(&answer), content, err);
}

/* ---- what this process has made itself: no child ---- */

static enum ecert_status take_parts(const struct parts *parts, struct ecert_backup_content *content,
                                    struct ecert_error *err)
{
    ECERT_TRY(take_key(ecert_secret_view(&parts->key), content, err));
    ECERT_TRY(csr_pem_of(ecert_bytes_view(&parts->csr), parts->of_key, &content->csr_pem, err));
    return take_request(ecert_bytes_view(&parts->request), ecert_bytes_view(&parts->csr),
                        parts->of_key, content, err);
}

enum ecert_status ecert_backup_check_text(struct ecert_view text, struct ecert_error *err)
{
    ECERT_AUTO(ecert_backup_content_clear) struct ecert_backup_content content = {0};
    ECERT_AUTO(parts_clear) struct parts parts = {0};
    ECERT_AUTO(ecert_auto_bio) BIO *bio = BIO_new_mem_buf(text.ptr, (int)text.len);

    if (bio == NULL)
        return ecert_error_nomem(err);
    ECERT_TRY(split(bio, &parts, err));
    ECERT_TRY(check_parts(&parts, err));
    return take_parts(&parts, &content, err);
}

bool ecert_backup_is_shut_to(struct ecert_view file, struct ecert_view passphrase)
{
    const struct job job = {.file = file, .passphrase = passphrase};
    ECERT_AUTO(ecert_auto_bio) BIO *opened = BIO_new(BIO_s_secmem());

    return opened != NULL && !decrypt(&job, false, opened);
}

enum ecert_status ecert_backup_opens_to(struct ecert_view file, struct ecert_view passphrase,
                                        struct ecert_view text, struct ecert_error *err)
{
    const struct job job = {.file = file, .passphrase = passphrase};
    ECERT_AUTO(ecert_auto_bio) BIO *opened = BIO_new(BIO_s_secmem());
    char *bytes = NULL;

    if (opened == NULL)
        return ecert_error_nomem(err);
    if (!decrypt(&job, false, opened))
        return ecert_error_set(err, ECERT_E_CRYPTO, "the passphrase does not open it again");
    const long n = BIO_get_mem_data(opened, &bytes);
    if (n < 0 || !ecert_view_equal((struct ecert_view){(const uint8_t *)bytes, (size_t)n}, text))
        return ecert_error_set(err, ECERT_E_CRYPTO, "it opens, and other bytes are in it");
    return ECERT_OK;
}

/* ---- all of it ---- */

enum ecert_status ecert_backup_read(struct ecert_view file,
                                    const struct ecert_backup_opener *opener,
                                    struct ecert_backup_content *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_backup_content_clear) struct ecert_backup_content content = {0};
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret key = {0};
    uint8_t ignored[ECERT_SHA256_LEN];

    if (file.len > ECERT_BACKUP_FILE_MAX)
        return ecert_error_set(err, ECERT_E_CRYPTO, "it has %zu bytes: no backup is so large",
                               file.len);
    if (opener->recipient_key.len > 0 &&
        ecert_decode_key(opener->recipient_key, opener->recipient_key_passphrase, &key, ignored,
                         err) != ECERT_OK)
        return ecert_error_wrap(err, "the key to open it with");
    struct job job = {file, opener->passphrase, ecert_secret_view(&key)};
    ECERT_TRY(run(&job, &content, err));
    *ret = content;
    content = (struct ecert_backup_content){0};
    return ECERT_OK;
}
