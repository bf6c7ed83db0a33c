#include "core/issue/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/fs.h"
#include "core/issue/backup_parts.h"

#define MOST_FILES 1000 /* FOLDER-ID.p7m, FOLDER-ID-2.p7m, ... */

/* ---- one file ---- */

/*
 * Give the staged file its name, which nothing has.  *ret_taken: something has it now.  Without
 * RENAME_NOREPLACE (NFS) there is a moment between look and rename; whoever else writes here must
 * use the same name within the same second for it to matter.
 */
static enum ecert_status give_name(const struct ecert_backup_place *place, const char *tmp,
                                   const char *name, bool *ret_taken, struct ecert_error *err)
{
    struct stat st;

    *ret_taken = false;
    if (renameat2(place->fd, tmp, place->fd, name, RENAME_NOREPLACE) == 0)
        return ECERT_OK;
    if (errno == EINVAL || errno == ENOSYS) {
        if (fstatat(place->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
            errno = EEXIST;
        else if (errno == ENOENT && renameat(place->fd, tmp, place->fd, name) == 0)
            return ECERT_OK;
    }
    *ret_taken = errno == EEXIST;
    if (*ret_taken)
        return ECERT_OK;
    return ecert_error_errno(err, ECERT_E_IO, "rename '%s' to '%s'", tmp, name);
}

/*
 * The first free name gets the file; one that is there may be ours from a run that was killed
 * before it could note it, and stays as it is.
 */
static enum ecert_status publish(const struct ecert_backup_place *place,
                                 const struct ecert_request *request, const char *tmp,
                                 char **ret_name, struct ecert_error *err)
{
    for (unsigned i = 1; i < MOST_FILES; i++) {
        ECERT_AUTO(ecert_auto_free) char *name = NULL;
        bool taken = false;

        ECERT_TRY(ecert_backup_file_name(request, i, &name, err));
        ECERT_TRY(give_name(place, tmp, name, &taken, err));
        if (taken)
            continue;
        *ret_name = name;
        name = NULL;
        return ECERT_OK;
    }
    return ecert_error_set(err, ECERT_E_REFUSED, "there are %d backups of '%s', %s already",
                           MOST_FILES - 1, request->name, request->id);
}

/* Read back by name: what a share says that it wrote is not always what it has. */
static enum ecert_status read_back(const struct ecert_backup_place *place, const char *name,
                                   const struct ecert_backup_sealed *sealed,
                                   struct ecert_error *err)
{
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes file = {0};

    ECERT_TRY(ecert_fs_read_at(place->fd, name, ECERT_BACKUP_FILE_MAX, &file, err));
    if (!ecert_view_equal(ecert_bytes_view(&file), ecert_bytes_view(&sealed->file)))
        return ecert_error_set(err, ECERT_E_IO, "'%s' reads back otherwise than it was written",
                               name);
    return ECERT_OK;
}

static enum ecert_status write_file(const struct ecert_backup_place *place,
                                    const struct ecert_request *request,
                                    const struct ecert_backup_sealed *sealed, char **ret_path,
                                    struct ecert_error *err)
{
    const struct ecert_fs_owner owner = ecert_fs_own(0600);
    ECERT_AUTO(ecert_auto_free) char *name = NULL;
    char tmp[ECERT_FS_TEMPORARY_MAX];

    ECERT_TRY(ecert_fs_temporary_name("backup", tmp, err));
    ECERT_TRY(ecert_fs_stage(place->fd, tmp, ecert_bytes_view(&sealed->file), &owner, -1, err));
    if (publish(place, request, tmp, &name, err) != ECERT_OK) {
        (void)unlinkat(place->fd, tmp, 0);
        return err->status;
    }
    if (fsync(place->fd) != 0)
        return ecert_error_errno(err, ECERT_E_IO, "fsync the directory of '%s'", name);
    ECERT_TRY(read_back(place, name, sealed, err));
    return ecert_text_format(ret_path, err, "%s/%s", place->path, name);
}

/* ---- one place ---- */

static bool is_whole(const struct ecert_request_backup *backup)
{
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes file = {0};
    struct ecert_error ignored = {0};
    char sha256[ECERT_SHA256_HEX_LEN];

    if (ecert_fs_read(backup->path, ECERT_BACKUP_FILE_MAX, &file, &ignored) != ECERT_OK)
        return false;
    ecert_sha256_hex(ecert_bytes_view(&file), sha256);
    return strcmp(sha256, backup->sha256) == 0;
}

/*
 * Is it for others than those who are configured now?  Of one that was written before passphrases
 * were noted it is tried, once for all places that have the same bytes.
 */
static bool is_former(const struct ecert_backup_kit *kit, struct ecert_request_backup *there,
                      struct ecert_backup_sealed *sealed)
{
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes file = {0};
    struct ecert_error ignored = {0};

    if (ecert_backup_is_former(kit, there))
        return true;
    if (kit->passphrase.len == 0 || there->under[0] != '\0')
        return false;
    if (strcmp(sealed->tried, there->sha256) != 0) {
        if (ecert_fs_read(there->path, ECERT_BACKUP_FILE_MAX, &file, &ignored) != ECERT_OK)
            return false;
        sealed->shut =
            ecert_backup_is_shut_to(ecert_bytes_view(&file), ecert_secret_view(&kit->passphrase));
        memcpy(sealed->tried, there->sha256, sizeof sealed->tried);
    }
    if (!sealed->shut)
        memcpy(there->under, kit->under, sizeof there->under);
    return sealed->shut;
}

/* `path` is taken over. */
static enum ecert_status note(const struct ecert_backup_kit *kit, struct ecert_request *request,
                              const char *directory, char **path,
                              const struct ecert_backup_sealed *sealed, struct ecert_error *err)
{
    struct ecert_request_backup *entry = ecert_backup_in(request, directory);

    if (entry == NULL) {
        struct ecert_request_backup *more =
            reallocarray(request->backups, request->n_backups + 1, sizeof *more);
        if (more == NULL)
            return ecert_error_nomem(err);
        request->backups = more;
        entry = &more[request->n_backups++];
        *entry = (struct ecert_request_backup){0};
    }
    free(entry->path);
    entry->path = *path;
    *path = NULL;
    memcpy(entry->sha256, sealed->sha256, sizeof entry->sha256);
    entry->written = ecert_clock_now();
    entry->opened = sealed->opened;
    memcpy(entry->under, kit->under, sizeof entry->under);
    return ECERT_OK;
}

/* A file that another run wrote: it is opened like every outside file. */
static enum ecert_status prove(const struct ecert_backup_kit *kit,
                               const struct ecert_request *request,
                               struct ecert_backup_sealed *sealed, struct ecert_error *err)
{
    ECERT_AUTO(ecert_backup_content_clear) struct ecert_backup_content content = {0};
    const struct ecert_backup_opener opener = {.passphrase = ecert_secret_view(&kit->passphrase)};
    const struct ecert_view file = ecert_bytes_view(&sealed->file);

    ECERT_TRY(ecert_backup_names_all(file, kit->recipients, true, err));
    ECERT_TRY(ecert_backup_read(file, &opener, &content, err));
    if (memcmp(content.key_id, request->key_id, sizeof content.key_id) != 0)
        return ecert_error_set(err, ECERT_E_CRYPTO, "it holds another key");
    sealed->opened = ecert_clock_now();
    return ECERT_OK;
}

/*
 * A run that was killed before it could note its file, or a request that was restored, has a backup
 * here that nobody knows of, or that has another sum than is noted.  It is taken if it is proved as
 * a new one would be; recipients alone cannot prove it.
 */
static bool find_unknown(const struct ecert_backup_kit *kit, const struct ecert_backup_place *place,
                         const struct ecert_request *request, struct ecert_backup_sealed *found,
                         char **ret_path)
{
    ECERT_AUTO(ecert_auto_free) char *name = NULL;
    struct ecert_error ignored = {0};

    if (kit->passphrase.len == 0 ||
        ecert_backup_file_name(request, 1, &name, &ignored) != ECERT_OK ||
        ecert_fs_read_at(place->fd, name, ECERT_BACKUP_FILE_MAX, &found->file, &ignored) !=
            ECERT_OK ||
        prove(kit, request, found, &ignored) != ECERT_OK)
        return false;
    ecert_sha256_hex(ecert_bytes_view(&found->file), found->sha256);
    return ecert_text_format(ret_path, &ignored, "%s/%s", place->path, name) == ECERT_OK;
}

static enum ecert_status write_to(struct ecert_backup_kit *kit,
                                  const struct ecert_backup_place *place,
                                  const struct ecert_config *config, struct ecert_request *request,
                                  struct ecert_backup_sealed *sealed, struct ecert_error *err)
{
    struct ecert_request_backup *there = ecert_backup_in(request, place->path);
    ECERT_AUTO(ecert_auto_free) char *path = NULL;
    ECERT_AUTO(ecert_backup_sealed_clear) struct ecert_backup_sealed found = {0};

    const bool whole = there != NULL && is_whole(there);
    const bool former = whole && is_former(kit, there, sealed);
    if (whole && !former)
        return ECERT_OK;
    if (!former && find_unknown(kit, place, request, &found, &path))
        return note(kit, request, place->path, &path, &found, err);
    ECERT_TRY(ecert_backup_seal_once(kit, config, request, sealed, err));
    ECERT_TRY(write_file(place, request, sealed, &path, err));
    kit->renewed += former;
    return note(kit, request, place->path, &path, sealed, err);
}

enum ecert_status ecert_backup_write(struct ecert_backup_kit *kit,
                                     const struct ecert_config *config,
                                     struct ecert_request *request, struct ecert_error *err)
{
    ECERT_AUTO(ecert_backup_sealed_clear) struct ecert_backup_sealed sealed = {0};
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer failed = {0};

    for (size_t i = 0; i < kit->n_places; i++) {
        struct ecert_error one = {0};

        if (write_to(kit, &kit->places[i], config, request, &sealed, &one) == ECERT_OK)
            continue;
        if (sealed.file.ptr == NULL) { /* the key, not a place: each would say the same */
            *err = one;
            return err->status;
        }
        ecert_buffer_printf(&failed, "%s'%s' has none: %s", failed.len > 0 ? "; " : "",
                            kit->places[i].path, one.text);
    }
    if (failed.len == 0)
        return ECERT_OK;
    return ecert_error_set(err, ECERT_E_IO, "backup of %s%s of '%s': %s",
                           ecert_backup_is_of_key(request) ? "" : "request ", request->id,
                           request->name, (const char *)failed.ptr);
}
