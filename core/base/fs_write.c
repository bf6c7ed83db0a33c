/* The writing half of fs.h. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/message.h"

struct ecert_fs_owner ecert_fs_own(mode_t mode)
{
    return (struct ecert_fs_owner){geteuid(), getegid(), mode};
}

enum ecert_status ecert_fs_temporary_name(const char *name, char ret[ECERT_FS_TEMPORARY_MAX],
                                          struct ecert_error *err)
{
    uint8_t random[8];
    char hex[2 * sizeof random + 1];

    if (RAND_bytes(random, sizeof random) != 1)
        return ecert_error_openssl(err, ECERT_E_IO, "no random bytes for a temporary name");
    ecert_hex((struct ecert_view){random, sizeof random}, hex);
    /* the leading dot keeps it out of a server's include of "conf.d" while it is staged; a long
     * name is cut */
    (void)snprintf(ret, ECERT_FS_TEMPORARY_MAX, ".%.200s.ecert-%s", name, hex);
    return ECERT_OK;
}

/* ACLs and labels travel with the content; a file system without them has none to lose. */
static enum ecert_status copy_labels(int from, int to, struct ecert_error *err)
{
    char names[4096], value[65536];
    const ssize_t len = flistxattr(from, names, sizeof names);

    for (ssize_t at = 0; at < len; at += (ssize_t)strlen(names + at) + 1) {
        const char *name = names + at;
        if (strcmp(name, "system.posix_acl_access") != 0 && strcmp(name, "security.selinux") != 0)
            continue;
        const ssize_t n = fgetxattr(from, name, value, sizeof value);
        if (n < 0 || fsetxattr(to, name, value, (size_t)n, 0) != 0)
            return ecert_error_errno(err, ECERT_E_IO, "copy '%s'", name);
    }
    return ECERT_OK;
}

/*
 * space → labels → content → owner → mode → fsync: the rename then publishes a finished file.
 * An ACL brings the old file's mode along, so it comes before the content, and 0600 follows it.
 */
static enum ecert_status fill(int fd, struct ecert_view content, const struct ecert_fs_owner *owner,
                              int labels_from, struct ecert_error *err)
{
    if (content.len > 0 && fallocate(fd, 0, 0, (off_t)content.len) != 0 && errno != EOPNOTSUPP &&
        errno != ENOSYS)
        return ecert_error_errno(err, ECERT_E_IO, "reserve %zu bytes", content.len);
    if (labels_from >= 0) {
        ECERT_TRY(copy_labels(labels_from, fd, err));
        if (fchmod(fd, 0600) != 0)
            return ecert_error_errno(err, ECERT_E_IO, "chmod");
    }
    ECERT_TRY(ecert_write_all(fd, content, err));
    if (fchown(fd, owner->uid, owner->gid) != 0)
        return ecert_error_errno(err, ECERT_E_IO, "chown to %u:%u", (unsigned)owner->uid,
                                 (unsigned)owner->gid);
    if (fchmod(fd, owner->mode) != 0)
        return ecert_error_errno(err, ECERT_E_IO, "chmod");
    return ECERT_OK;
}

/* *ret_again: only the fsync failed, so that a new file may be tried once. */
static enum ecert_status stage_once(int dir_fd, const char *tmp, struct ecert_view content,
                                    const struct ecert_fs_owner *owner, int labels_from,
                                    bool *ret_again, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_close)
    int fd = openat(dir_fd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

    *ret_again = false;
    if (fd < 0)
        return ecert_error_errno(err, ECERT_E_IO, "create '%s'", tmp);
    if (fill(fd, content, owner, labels_from, err) != ECERT_OK)
        goto undo;
    if (fsync(fd) != 0) {
        (void)ecert_error_errno(err, ECERT_E_IO, "fsync");
        *ret_again = true;
        goto undo;
    }
    return ECERT_OK;

undo:
    (void)unlinkat(dir_fd, tmp, 0);
    return ecert_error_wrap(err, "write '%s'", tmp);
}

enum ecert_status ecert_fs_stage(int dir_fd, const char *tmp, struct ecert_view content,
                                 const struct ecert_fs_owner *owner, int labels_from,
                                 struct ecert_error *err)
{
    bool again = false;

    if (stage_once(dir_fd, tmp, content, owner, labels_from, &again, err) == ECERT_OK)
        return ECERT_OK;
    if (!again)
        return err->status;
    return stage_once(dir_fd, tmp, content, owner, labels_from, &again, err);
}

enum ecert_status ecert_fs_publish(int dir_fd, const char *tmp, const char *name, bool *ret_durable,
                                   struct ecert_error *err)
{
    if (renameat(dir_fd, tmp, dir_fd, name) != 0)
        return ecert_error_errno(err, ECERT_E_IO, "rename '%s' to '%s'", tmp, name);
    *ret_durable = fsync(dir_fd) == 0;
    return ECERT_OK;
}

static enum ecert_status open_parent(const char *path, int *ret_fd, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *directory = NULL;
    const char *base = ecert_path_base(path);

    ECERT_TRY(ecert_text_copy(
        (struct ecert_view){(const uint8_t *)path, base == path ? 0 : (size_t)(base - path)},
        &directory, err));
    *ret_fd = open(directory[0] == '\0' ? "." : directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*ret_fd < 0)
        return ecert_error_errno(err, ECERT_E_IO, "open the directory of '%s'", path);
    return ECERT_OK;
}

enum ecert_status ecert_fs_replace(const char *path, struct ecert_view content,
                                   const struct ecert_fs_owner *owner, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_close) int dir_fd = -1;
    const char *name = ecert_path_base(path);
    char tmp[ECERT_FS_TEMPORARY_MAX];
    bool durable = false;

    ECERT_TRY(open_parent(path, &dir_fd, err));
    ECERT_TRY(ecert_fs_temporary_name(name, tmp, err));
    if (ecert_fs_stage(dir_fd, tmp, content, owner, -1, err) != ECERT_OK)
        return ecert_error_wrap(err, "replace '%s'", path);
    if (ecert_fs_publish(dir_fd, tmp, name, &durable, err) != ECERT_OK) {
        (void)unlinkat(dir_fd, tmp, 0);
        return ecert_error_wrap(err, "replace '%s'", path);
    }
    if (!durable)
        return ecert_error_errno(err, ECERT_E_IO,
                                 "'%s' is in place, but its directory could not be synced", path);
    return ECERT_OK;
}

enum ecert_status ecert_fs_create(const char *path, struct ecert_view content,
                                  const struct ecert_fs_owner *owner, struct ecert_error *err)
{
    char tmp[ECERT_FS_TEMPORARY_MAX];
    ECERT_AUTO(ecert_auto_close) int dir_fd = -1;
    const char *name = ecert_path_base(path);

    ECERT_TRY(open_parent(path, &dir_fd, err));
    ECERT_TRY(ecert_fs_temporary_name(name, tmp, err));
    if (ecert_fs_stage(dir_fd, tmp, content, owner, -1, err) != ECERT_OK)
        return ecert_error_wrap(err, "write '%s'", path);
    if (linkat(dir_fd, tmp, dir_fd, name, 0) != 0) { /* unlike rename(), it never replaces */
        (void)ecert_error_errno(err, errno == EEXIST ? ECERT_E_REFUSED : ECERT_E_IO, "write '%s'",
                                path);
        (void)unlinkat(dir_fd, tmp, 0);
        return err->status;
    }
    (void)unlinkat(dir_fd, tmp, 0);
    if (fsync(dir_fd) != 0)
        return ecert_error_errno(err, ECERT_E_IO,
                                 "'%s' is in place, but its directory could not be synced", path);
    return ECERT_OK;
}

enum ecert_status ecert_fs_replace_link(int dir_fd, const char *value, const char *name,
                                        struct ecert_error *err)
{
    char tmp[ECERT_FS_TEMPORARY_MAX];

    ECERT_TRY(ecert_fs_temporary_name(name, tmp, err));
    if (symlinkat(value, dir_fd, tmp) != 0)
        return ecert_error_errno(err, ECERT_E_IO, "make the link '%s'", tmp);
    if (renameat(dir_fd, tmp, dir_fd, name) != 0) {
        (void)ecert_error_errno(err, ECERT_E_IO, "rename '%s' to '%s'", tmp, name);
        (void)unlinkat(dir_fd, tmp, 0);
        return err->status;
    }
    if (fsync(dir_fd) != 0)
        return ecert_error_errno(err, ECERT_E_IO,
                                 "the link '%s' is in place, but its directory could not be synced",
                                 name);
    return ECERT_OK;
}

enum ecert_status ecert_fs_make_directories(const char *path, mode_t mode, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *part = NULL;

    ECERT_TRY(ecert_text_copy(ecert_view_of(path), &part, err));
    for (size_t i = 1; part[0] != '\0'; i++) {
        const char c = part[i];

        if (c != '/' && c != '\0')
            continue;
        part[i] = '\0';
        if (mkdir(part, mode) != 0 && errno != EEXIST)
            return ecert_error_errno(err, ECERT_E_IO, "make the directory '%s'", part);
        part[i] = c;
        if (c == '\0')
            break;
    }
    return ECERT_OK;
}

enum ecert_status ecert_fs_sync_directory(const char *path, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_close) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || fsync(fd) != 0)
        return ecert_error_errno(err, ECERT_E_IO, "fsync the directory '%s'", path);
    return ECERT_OK;
}

static void auto_closedir(DIR **dir)
{
    if (*dir != NULL)
        (void)closedir(*dir);
}

enum ecert_status ecert_fs_remove_tree(int dir_fd, const char *name, struct ecert_error *err)
{
    if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
        return ECERT_OK;
    if (errno != EISDIR && errno != EPERM) /* unlink of a directory: EISDIR on Linux */
        return ecert_error_errno(err, ECERT_E_IO, "remove '%s'", name);

    ECERT_AUTO(ecert_auto_close)
    int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return ecert_error_errno(err, ECERT_E_IO, "open '%s'", name);
    ECERT_AUTO(auto_closedir) DIR *dir = fdopendir(fd);
    if (dir == NULL)
        return ecert_error_errno(err, ECERT_E_IO, "open '%s'", name);
    const int inside = ecert_fd_take(&fd); /* dir owns it now */
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            ECERT_TRY(ecert_fs_remove_tree(inside, entry->d_name, err));
    if (unlinkat(dir_fd, name, AT_REMOVEDIR) != 0)
        return ecert_error_errno(err, ECERT_E_IO, "remove '%s'", name);
    return ECERT_OK;
}

static enum ecert_status stage_all(int fd, const char *what, const struct ecert_fs_file *files,
                                   size_t n, struct ecert_error *err)
{
    const struct ecert_fs_owner owner = ecert_fs_own(0600);

    for (size_t i = 0; i < n; i++)
        ECERT_TRY(ecert_fs_stage(fd, files[i].name, files[i].content, &owner, -1, err));
    if (fsync(fd) != 0)
        return ecert_error_errno(err, ECERT_E_IO, "fsync the new %s", what);
    return ECERT_OK;
}

/* files → fsync of the folder → rename → fsync of the parent: the name appears when all is there */
enum ecert_status ecert_fs_add_folder(int dir_fd, const char *name, const char *what,
                                      const struct ecert_fs_file *files, size_t n,
                                      struct ecert_error *err)
{
    char tmp[ECERT_FS_TEMPORARY_MAX];
    struct ecert_error undo = {0};

    ECERT_TRY(ecert_fs_temporary_name(name, tmp, err));
    if (mkdirat(dir_fd, tmp, 0700) != 0)
        return ecert_error_errno(err, ECERT_E_IO, "make the directory '%s'", tmp);
    ECERT_AUTO(ecert_auto_close)
    int fd = openat(dir_fd, tmp, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        (void)ecert_error_errno(err, ECERT_E_IO, "open '%s'", tmp);
        goto undo;
    }
    if (stage_all(fd, what, files, n, err) != ECERT_OK)
        goto undo;
    if (renameat2(dir_fd, tmp, dir_fd, name, RENAME_NOREPLACE) != 0) {
        (void)ecert_error_errno(err, errno == EEXIST ? ECERT_E_REFUSED : ECERT_E_IO,
                                "rename '%s' to '%s'", tmp, name);
        goto undo;
    }
    if (fsync(dir_fd) != 0)
        return ecert_error_errno(err, ECERT_E_IO,
                                 "%s %s is in place, but its directory could not be synced", what,
                                 name);
    return ECERT_OK;

undo:
    if (ecert_fs_remove_tree(dir_fd, tmp, &undo) != ECERT_OK)
        return ecert_error_wrap(err, "%s %s (and '%s' could not be removed)", what, name, tmp);
    return ecert_error_wrap(err, "%s %s", what, name);
}
