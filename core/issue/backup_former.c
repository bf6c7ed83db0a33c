/* Copies that those who are configured now cannot open. */

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/issue/backup_parts.h"

/*
 * What stands beside a copy to know its passphrase again: SALT:PBKDF2-HMAC-SHA256.  To try
 * passphrases on it costs no less than on the copy itself.
 */
#define ROUNDS 20480
#define SALT   16 /* hexadecimal digits */
#define HASH   16 /* bytes */

/* The same for all that this host writes, so that one derivation is enough for a run. */
static void make_salt(const struct ecert_config *config, char ret[SALT + 1])
{
    char host[256] = "", hex[ECERT_SHA256_HEX_LEN], text[4096];

    (void)gethostname(host, sizeof host - 1);
    (void)snprintf(text, sizeof text, "ecert backup\n%s\n%s", host, config->state_dir);
    ecert_sha256_hex(ecert_view_of(text), hex);
    (void)snprintf(ret, SALT + 1, "%.*s", SALT, hex);
}

static enum ecert_status derive(const struct ecert_backup_kit *kit, const char *salt,
                                char ret[ECERT_BACKUP_UNDER_LEN], struct ecert_error *err)
{
    uint8_t hash[HASH], whole[ECERT_SHA256_LEN];
    char hex[ECERT_SHA256_HEX_LEN];

    if (PKCS5_PBKDF2_HMAC((const char *)kit->passphrase.ptr, (int)kit->passphrase.len,
                          (const unsigned char *)salt, SALT, ROUNDS, EVP_sha256(), sizeof hash,
                          hash) != 1)
        return ecert_error_openssl(err, ECERT_E_CRYPTO, "derive a hash of the passphrase");
    memset(whole, 0, sizeof whole);
    memcpy(whole, hash, sizeof hash);
    ecert_hex((struct ecert_view){whole, sizeof whole}, hex);
    (void)snprintf(ret, ECERT_BACKUP_UNDER_LEN, "%.*s:%.*s", SALT, salt, 2 * HASH, hex);
    return ECERT_OK;
}

enum ecert_status ecert_backup_note_passphrase(const struct ecert_config *config,
                                               struct ecert_backup_kit *kit,
                                               struct ecert_error *err)
{
    char salt[SALT + 1];

    if (kit->passphrase.len == 0)
        return ECERT_OK;
    make_salt(config, salt);
    return derive(kit, salt, kit->under, err);
}

/* One that came from another host has another salt. */
static bool is_under_another(const struct ecert_backup_kit *kit, const char *under)
{
    char again[ECERT_BACKUP_UNDER_LEN];
    struct ecert_error ignored = {0};

    if (kit->passphrase.len == 0 || strlen(under) != ECERT_BACKUP_UNDER_LEN - 1 ||
        strcmp(under, kit->under) == 0)
        return false;
    if (strncmp(under, kit->under, SALT) == 0)
        return true;
    return derive(kit, under, again, &ignored) == ECERT_OK && strcmp(under, again) != 0;
}

bool ecert_backup_is_for_others(const struct ecert_backup_kit *kit, struct ecert_view file,
                                const struct ecert_request_backup *backup)
{
    struct ecert_error why = {0};

    return is_under_another(kit, backup->under) ||
           (ecert_backup_names_all(file, kit->recipients, kit->passphrase.len > 0, &why) !=
                ECERT_OK &&
            why.status == ECERT_E_CRYPTO);
}

bool ecert_backup_is_former(const struct ecert_backup_kit *kit,
                            const struct ecert_request_backup *backup)
{
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes file = {0};
    struct ecert_error ignored = {0};
    char sha256[ECERT_SHA256_HEX_LEN];

    if (ecert_fs_read(backup->path, ECERT_BACKUP_FILE_MAX, &file, &ignored) != ECERT_OK)
        return false;
    ecert_sha256_hex(ecert_bytes_view(&file), sha256);
    return strcmp(sha256, backup->sha256) == 0 &&
           ecert_backup_is_for_others(kit, ecert_bytes_view(&file), backup);
}
