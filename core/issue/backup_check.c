/* Is a backup still what was written, and does it open? */

#include <stdlib.h>
#include <string.h>

#include "core/base/fs.h"
#include "core/flow/key.h"
#include "core/issue/backup_parts.h"

/* What is found, and why. */
struct verdict {
    enum ecert_backup_state state;
    char *why;
};

static enum ecert_status say(struct verdict *verdict, enum ecert_backup_state state,
                             const char *why, struct ecert_error *err)
{
    verdict->state = state;
    return ecert_text_copy(ecert_view_of(why), &verdict->why, err);
}

static enum ecert_status could_not_read(const struct ecert_request_backup *backup,
                                        const struct ecert_error *why, struct verdict *verdict,
                                        struct ecert_error *err)
{
    if (why->status != ECERT_E_NOT_FOUND)
        return say(verdict, ECERT_BACKUP_UNREADABLE, why->text, err);
    verdict->state = ECERT_BACKUP_MISSING;
    return ecert_text_format(&verdict->why, err,
                             "'%s' is not there; is the share mounted? If it is lost, 'ecert "
                             "backup' writes it again",
                             backup->path);
}

/* The right bytes: do they open? */
static enum ecert_status try_to_open(struct ecert_view file, const struct ecert_request *request,
                                     const struct ecert_backup_opener *opener,
                                     struct verdict *verdict, struct ecert_error *err)
{
    ECERT_AUTO(ecert_backup_content_clear) struct ecert_backup_content content = {0};
    struct ecert_error why = {0};

    if (opener->passphrase.len == 0 && opener->recipient_key.len == 0) {
        verdict->state = ECERT_BACKUP_UNCHANGED;
        return ECERT_OK;
    }
    const enum ecert_status status = ecert_backup_read(file, opener, &content, &why);
    if (status == ECERT_E_CRYPTO)
        return say(verdict, ECERT_BACKUP_SHUT, why.text, err);
    if (status == ECERT_E_REFUSED)
        return say(verdict, ECERT_BACKUP_UNREADABLE, why.text, err);
    if (status != ECERT_OK) {
        *err = why;
        return status;
    }
    if (memcmp(content.key_id, request->key_id, sizeof content.key_id) != 0)
        return say(verdict, ECERT_BACKUP_CHANGED, "it opens, and holds the key of another request",
                   err);
    verdict->state = ECERT_BACKUP_OPENS;
    return ECERT_OK;
}

static enum ecert_status look(const struct ecert_config *config,
                              const struct ecert_request *request,
                              const struct ecert_request_backup *backup,
                              const struct ecert_backup_opener *given, struct verdict *verdict,
                              struct ecert_error *err)
{
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes file = {0};
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret passphrase = {0};
    struct ecert_backup_opener opener = *given;
    struct ecert_error why = {0};
    char sha256[ECERT_SHA256_HEX_LEN];

    if (ecert_fs_read(backup->path, ECERT_BACKUP_FILE_MAX, &file, &why) != ECERT_OK)
        return could_not_read(backup, &why, verdict, err);
    ecert_sha256_hex(ecert_bytes_view(&file), sha256);
    if (strcmp(sha256, backup->sha256) != 0)
        return say(verdict, ECERT_BACKUP_CHANGED,
                   "these are not the bytes that were written; 'ecert backup' writes another one "
                   "beside it",
                   err);
    if (given->passphrase.len == 0 && given->recipient_key.len == 0) {
        if (ecert_passphrase_find(config->backup.passphrase_file,
                                  &config->backup.passphrase_command, &passphrase, err) != ECERT_OK)
            return ecert_error_wrap(err, "passphrase of backups");
        opener.passphrase = ecert_secret_view(&passphrase);
    }
    return try_to_open(ecert_bytes_view(&file), request, &opener, verdict, err);
}

enum ecert_status ecert_backup_check(const struct ecert_config *config,
                                     const struct ecert_request *request,
                                     const struct ecert_request_backup *backup,
                                     const struct ecert_backup_opener *opener,
                                     enum ecert_backup_state *ret, char **ret_why,
                                     struct ecert_error *err)
{
    struct verdict verdict = {0};

    if (look(config, request, backup, opener, &verdict, err) != ECERT_OK) {
        free(verdict.why);
        return err->status;
    }
    *ret = verdict.state;
    *ret_why = verdict.why;
    return ECERT_OK;
}
