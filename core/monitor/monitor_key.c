#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/fs.h"
#include "core/flow/key.h"
#include "core/monitor/monitor_parts.h"

#define KEY_MAX ((size_t)64 << 10)

/* The files of a generation are written within one moment and never again. */
#define SAME_MOMENT 60

static void auto_key(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

static void auto_bio(BIO **bio)
{
    (void)BIO_free(*bio);
}

static enum ecert_status path_of(const char *state_dir, const char *name, unsigned number,
                                 const char *file, char **ret, struct ecert_error *err)
{
    char sub[64];

    (void)snprintf(sub, sizeof sub, "generations/%04u/%s", number, file);
    return ecert_store_path(state_dir, name, sub, ret, err);
}

static enum ecert_status look_at(const char *path, struct stat *ret, struct ecert_error *err)
{
    if (lstat(path, ret) != 0)
        return ecert_error_errno(err, errno == ENOENT ? ECERT_E_NOT_FOUND : ECERT_E_IO,
                                 "the private key '%s'", path);
    if (!S_ISREG(ret->st_mode) || ret->st_size == 0)
        return ecert_error_set(err, ECERT_E_CRYPTO,
                               "the private key '%s' is %s; put the one that belongs to the "
                               "certificate back",
                               path, S_ISREG(ret->st_mode) ? "empty" : "not a regular file");
    if ((ret->st_mode & 077) != 0)
        return ecert_error_set(err, ECERT_E_REFUSED,
                               "the private key '%s' can be used by others: its mode is %04o "
                               "instead of 0600",
                               path, (unsigned)ret->st_mode & 07777);
    return ECERT_OK;
}

/* Decoded, and compared with the leaf. */
static enum ecert_status compare(const char *state_dir,
                                 const struct ecert_certificate_config *entry, unsigned number,
                                 const char *path, struct ecert_error *err)
{
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret passphrase = {0};
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret pem = {0};
    ECERT_AUTO(ecert_bundle_clear) struct ecert_bundle bundle = {0};
    struct ecert_view text;

    ECERT_TRY(ecert_store_load(state_dir, entry->name, number, &bundle, err));
    ECERT_TRY(ecert_fs_read_secret(path, KEY_MAX, &pem, err));
    text = ecert_secret_view(&pem);
    if (ecert_key_is_encrypted(text) &&
        ecert_key_passphrase(&entry->key, &passphrase, err) != ECERT_OK)
        return ecert_error_wrap(err, "'%s'", path);
    ECERT_AUTO(auto_bio) BIO *bio = BIO_new_mem_buf(text.ptr, (int)text.len);
    if (bio == NULL)
        return ecert_error_nomem(err);
    ECERT_AUTO(auto_key)
    EVP_PKEY *key = PEM_read_bio_PrivateKey(
        bio, NULL, NULL, passphrase.ptr != NULL ? (void *)passphrase.ptr : (void *)(uintptr_t) "");
    const EVP_PKEY *of_leaf = X509_get0_pubkey(bundle.leaf);
    const bool good = key != NULL && of_leaf != NULL && EVP_PKEY_eq(of_leaf, key) == 1;
    ERR_clear_error();
    if (good)
        return ECERT_OK;
    return ecert_error_set(err, ECERT_E_CRYPTO,
                           "'%s' is not the private key of the certificate beside it; put the one "
                           "that belongs to it back",
                           path);
}

/*
 * To decode a thousand keys takes seconds.  The store writes all files of a generation in one
 * moment: a key that is as old as what stands beside it is the one that was checked then.
 */
enum ecert_status monitor_check_key(const struct monitor *monitor,
                                    const struct ecert_certificate_config *entry, unsigned number,
                                    struct ecert_error *err)
{
    const char *state_dir = monitor->config->state_dir;
    ECERT_AUTO(ecert_auto_free) char *path = NULL;
    ECERT_AUTO(ecert_auto_free) char *beside = NULL;
    struct stat key, facts;

    ECERT_TRY(path_of(state_dir, entry->name, number, "privkey.pem", &path, err));
    ECERT_TRY(path_of(state_dir, entry->name, number, "generation.json", &beside, err));
    if (entry->key.place == ECERT_KEY_IIS && !ecert_fs_exists(path))
        return ECERT_OK; /* the key is not on this host */
    ECERT_TRY(look_at(path, &key, err));
    if (stat(beside, &facts) == 0 &&
        llabs((long long)key.st_mtime - (long long)facts.st_mtime) < SAME_MOMENT &&
        llabs((long long)key.st_ctime - (long long)facts.st_ctime) < SAME_MOMENT)
        return ECERT_OK;
    return compare(state_dir, entry, number, path, err);
}
