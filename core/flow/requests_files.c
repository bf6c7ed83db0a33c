/* The files of one request: where they are, and whether they are still what was made. */

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/flow/decode.h"
#include "core/flow/key.h"
#include "core/flow/requests_parts.h"
#include "core/flow/store.h"

/* ---- where ---- */

/* The number behind the moment, 1 where there is none; 0: this is no id. */
unsigned request_id_number(const char *id)
{
    static const char shape[] = "00000000T000000Z";

    if (strlen(id) < REQUEST_MOMENT)
        return 0;
    for (size_t i = 0; i < REQUEST_MOMENT; i++)
        if (shape[i] == '0' ? id[i] < '0' || id[i] > '9' : id[i] != shape[i])
            return 0;
    const char *rest = id + REQUEST_MOMENT;
    if (rest[0] == '\0')
        return 1;
    if (rest[0] != '-' || rest[1] < '1' || rest[1] > '9' || strlen(rest) > 6 ||
        rest[1 + strspn(rest + 1, "0123456789")] != '\0')
        return 0;
    const unsigned number = (unsigned)strtoul(rest + 1, NULL, 10);
    return number > 1 ? number : 0;
}

/* STATE/certificates/FOLDER/requests/ID[/FILE] */
enum ecert_status request_path(const char *state_dir, const struct ecert_request *request,
                               const char *file, char **ret, struct ecert_error *err)
{
    char sub[64];

    if (request->id == NULL || request_id_number(request->id) == 0)
        return ecert_error_set(err, ECERT_E_REFUSED, "'%s' cannot be the id of a request",
                               request->id == NULL ? "" : request->id);
    (void)snprintf(sub, sizeof sub, "requests/%s%s%s", request->id, file == NULL ? "" : "/",
                   file == NULL ? "" : file);
    return ecert_store_path(state_dir, request->name, sub, ret, err);
}

/* ---- keys ---- */

/*
 * Is the key there, and ours alone?  Only its owner could have changed the mode, so that this is a
 * copy that was put back with care for nothing; a key that others could read is not to be used.
 */
static enum ecert_status check_key(const char *path, const struct stat *st, struct ecert_error *err)
{
    if (!S_ISREG(st->st_mode))
        return ecert_error_set(err, ECERT_E_REFUSED, "the private key '%s' is no regular file",
                               path);
    if (st->st_uid != geteuid())
        return ecert_error_set(err, ECERT_E_REFUSED,
                               "the private key '%s' belongs to user %u, and ecert runs as user "
                               "%u; chown it",
                               path, (unsigned)st->st_uid, (unsigned)geteuid());
    if ((st->st_mode & 077) != 0)
        return ecert_error_set(err, ECERT_E_REFUSED,
                               "the private key '%s' may be touched by others (mode %04o); chmod "
                               "0600 '%s' if nobody did, else ask for another certificate",
                               path, (unsigned)(st->st_mode & 07777), path);
    return ECERT_OK;
}

static enum ecert_status key_is_lost(const char *path, const struct ecert_request *request,
                                     struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer backups = {0};

    for (size_t i = 0; i < request->n_backups; i++)
        ecert_buffer_printf(&backups, "%s'%s'", i == 0 ? " FILE', of " : " or ",
                            request->backups[i].path);
    if (backups.failed)
        return ecert_error_nomem(err);
    return ecert_error_set(err, ECERT_E_NOT_FOUND,
                           "the private key '%s' is lost; put it back from a backup with 'ecert "
                           "restore%s",
                           path, backups.len == 0 ? "'" : (const char *)backups.ptr);
}

enum ecert_status request_key_is_there(const char *state_dir, const struct ecert_request *request,
                                       struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *path = NULL;
    struct stat st;

    ECERT_TRY(request_path(state_dir, request, REQUEST_KEY_NAME, &path, err));
    if (lstat(path, &st) == 0)
        return check_key(path, &st, err);
    return errno == ENOENT ? key_is_lost(path, request, err)
                           : ecert_error_errno(err, ECERT_E_IO, "stat '%s'", path);
}

enum ecert_status ecert_requests_key_file(const char *state_dir,
                                          const struct ecert_request *request,
                                          struct ecert_secret *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret file = {0};
    ECERT_AUTO(ecert_auto_free) char *path = NULL;
    struct stat st;

    ECERT_TRY(request_path(state_dir, request, REQUEST_KEY_NAME, &path, err));
    const enum ecert_status status =
        ecert_fs_read_secret_stat(path, ECERT_DECODE_MAX_INPUT, &file, &st, err);
    if (status == ECERT_E_NOT_FOUND)
        return key_is_lost(path, request, err);
    ECERT_TRY(status);
    ECERT_TRY(check_key(path, &st, err));
    *ret = file;
    file = (struct ecert_secret){0};
    return ECERT_OK;
}

/* PKCS#8, or the traditional form with its DEK-Info: keys of `policy = "reuse"` may have that. */
static bool is_encrypted(const struct ecert_secret *pem)
{
    return memmem(pem->ptr, pem->len, "ENCRYPTED", strlen("ENCRYPTED")) != NULL;
}

enum ecert_status ecert_requests_key(const char *state_dir, const struct ecert_request *request,
                                     const struct ecert_key_config *config,
                                     struct ecert_secret *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret file = {0};
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret passphrase = {0};
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret pem = {0};
    uint8_t key_id[ECERT_SHA256_LEN];

    ECERT_TRY(ecert_requests_key_file(state_dir, request, &file, err));
    if ((is_encrypted(&file) && ecert_key_passphrase(config, &passphrase, err) != ECERT_OK) ||
        ecert_decode_key(ecert_secret_view(&file), ecert_secret_view(&passphrase), &pem, key_id,
                         err) != ECERT_OK)
        return ecert_error_wrap(err, "the private key of request %s", request->id);
    if (memcmp(key_id, request->key_id, sizeof key_id) != 0)
        return ecert_error_set(err, ECERT_E_CHANGED,
                               "the private key of request %s is another one than the CSR was made "
                               "with; put the right one back with 'ecert restore'",
                               request->id);
    *ret = pem;
    pem = (struct ecert_secret){0};
    return ECERT_OK;
}

/* ---- CSRs ---- */

static void auto_bio(BIO **bio)
{
    (void)BIO_free(*bio);
}

/* Is this the CSR that was made, and that the backups have: our own PEM, and its DER's digest? */
static bool is_csr_of(const struct ecert_request *request, struct ecert_view pem)
{
    ECERT_AUTO(auto_bio) BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    char digest[ECERT_SHA256_HEX_LEN] = "";
    char *name = NULL, *header = NULL;
    unsigned char *der = NULL;
    long len = 0;

    if (bio != NULL && PEM_read_bio(bio, &name, &header, &der, &len) == 1) {
        if (strcmp(name, PEM_STRING_X509_REQ) == 0)
            ecert_sha256_hex((struct ecert_view){der, (size_t)len}, digest);
        OPENSSL_free(name);
        OPENSSL_free(header);
        OPENSSL_free(der);
    }
    ERR_clear_error(); /* what is no PEM is told in our own words */
    return digest[0] != '\0' && strcmp(digest, request->csr_sha256) == 0;
}

enum ecert_status ecert_requests_csr(const char *state_dir, const struct ecert_request *request,
                                     struct ecert_bytes *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *path = NULL;
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes pem = {0};

    ECERT_TRY(request_path(state_dir, request, REQUEST_CSR_NAME, &path, err));
    const enum ecert_status status = ecert_fs_read(path, REQUEST_CSR_MAX, &pem, err);
    if (status == ECERT_E_NOT_FOUND)
        return ecert_error_set(err, status,
                               "the CSR '%s' is lost; put it back with 'ecert restore'", path);
    ECERT_TRY(status);
    if (!is_csr_of(request, ecert_bytes_view(&pem)))
        return ecert_error_set(err, ECERT_E_CHANGED,
                               "the CSR '%s' is not the one that was made for request %s; put it "
                               "back with 'ecert restore'",
                               path, request->id);
    *ret = pem;
    pem = (struct ecert_bytes){0};
    return ECERT_OK;
}
