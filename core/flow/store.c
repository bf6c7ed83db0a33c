#include "core/flow/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/fs.h"

/* ---- names ---- */

void ecert_store_folder(const char *name, char *ret, size_t size)
{
    const bool wildcard = strncmp(name, "*.", 2) == 0;

    (void)snprintf(ret, size, "%s%s", wildcard ? "_wildcard." : "", name + (wildcard ? 2 : 0));
}

/* One part of a path below the state directory. */
static bool is_part(const char *part, size_t len)
{
    if (len == 0 || len > 240 || part[0] == '.')
        return false;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)part[i] <= 0x20 || part[i] == 0x7F || part[i] == '/')
            return false;
    return true;
}

static bool is_relative_path(const char *path)
{
    for (;;) {
        const size_t n = strcspn(path, "/");
        if (!is_part(path, n))
            return false;
        if (path[n] == '\0')
            return true;
        path += n + 1;
    }
}

enum ecert_status ecert_store_path(const char *state_dir, const char *name, const char *sub,
                                   char **ret, struct ecert_error *err)
{
    char folder[320];

    ecert_store_folder(name, folder, sizeof folder);
    if (strlen(name) > 253 || !is_part(folder, strlen(folder)))
        return ecert_error_set(err, ECERT_E_REFUSED, "'%s' cannot be the name of a certificate",
                               name);
    if (sub != NULL && !is_relative_path(sub))
        return ecert_error_set(err, ECERT_E_REFUSED, "'%s' cannot be a name in the state directory",
                               sub);
    return ecert_text_format(ret, err, "%s/certificates/%s%s%s", state_dir, folder,
                             sub == NULL ? "" : "/", sub == NULL ? "" : sub);
}

enum ecert_status ecert_store_make_folder(const char *state_dir, const char *name, const char *path,
                                          struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *folder = NULL;
    ECERT_AUTO(ecert_auto_free) char *certificates = NULL;

    if (ecert_fs_exists(path))
        return ECERT_OK;
    ECERT_TRY(ecert_store_path(state_dir, name, NULL, &folder, err));
    ECERT_TRY(ecert_text_format(&certificates, err, "%s/certificates", state_dir));
    ECERT_TRY(ecert_fs_make_directories(path, 0700, err));
    ECERT_TRY(ecert_fs_sync_directory(folder, err));
    return ecert_fs_sync_directory(certificates, err);
}

/* ---- the directory itself ---- */

static enum ecert_status check_private(const struct stat *st, const char *path, bool may_be_written,
                                       struct ecert_error *err)
{
    if (!S_ISDIR(st->st_mode))
        return ecert_error_set(err, ECERT_E_REFUSED, "'%s' is not a directory", path);
    if (st->st_uid != geteuid())
        return ecert_error_set(err, ECERT_E_REFUSED,
                               "'%s' belongs to user %u, and ecert runs as user %u; run it as that "
                               "user, or set another `state_dir`",
                               path, (unsigned)st->st_uid, (unsigned)geteuid());
    if (!may_be_written && (st->st_mode & 022) != 0)
        return ecert_error_set(err, ECERT_E_REFUSED,
                               "'%s' can be written by others (mode %04o); chmod 0700 '%s'", path,
                               (unsigned)(st->st_mode & 07777), path);
    return ECERT_OK;
}

/* Files may be dropped into the inbox by whomever the operator lets; nowhere else. */
static const struct folder {
    const char *name;
    bool may_be_written;
} folders[] = {
    {"inbox", true},         {"inbox/rejected", false}, {"inbox/taken", false},
    {"certificates", false}, {"transactions", false},   {"chains", false},
    {"crls", false},         {"fetched", false},
};

static enum ecert_status prepare_folder(int state_fd, const char *state_dir,
                                        const struct folder *folder, bool *made,
                                        struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *path = NULL;
    struct stat st;

    ECERT_TRY(ecert_text_format(&path, err, "%s/%s", state_dir, folder->name));
    if (mkdirat(state_fd, folder->name, 0700) == 0)
        *made = true;
    else if (errno != EEXIST)
        return ecert_error_errno(err, ECERT_E_IO, "make the directory '%s'", path);
    if (fstatat(state_fd, folder->name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return ecert_error_errno(err, ECERT_E_IO, "stat '%s'", path);
    return check_private(&st, path, folder->may_be_written, err);
}

enum ecert_status ecert_store_prepare(const char *state_dir, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *resolved = NULL;
    ECERT_AUTO(ecert_auto_close) int fd = -1;
    struct stat st;
    bool made = false;

    if (!ecert_fs_exists(state_dir))
        ECERT_TRY(ecert_fs_make_directories(state_dir, 0700, err));
    ECERT_TRY(ecert_fs_resolve(state_dir, &resolved, err));
    if (stat(resolved, &st) != 0)
        return ecert_error_errno(err, ECERT_E_IO, "stat '%s'", resolved);
    ECERT_TRY(check_private(&st, resolved, false, err));
    ECERT_TRY(ecert_fs_open_trusted_directory(resolved, &fd, err));
    for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
        ECERT_TRY(prepare_folder(fd, resolved, &folders[i], &made, err));
    if (made && fsync(fd) != 0)
        return ecert_error_errno(err, ECERT_E_IO, "fsync the directory '%s'", resolved);
    return ECERT_OK;
}

/* ---- after a crash ---- */

/* ".NAME.ecert-0123456789ABCDEF", as ecert_fs_temporary_name() makes them. */
static bool is_temporary(const char *name)
{
    const char *mark = strstr(name, ".ecert-");

    return name[0] == '.' && mark != NULL && strlen(mark) == strlen(".ecert-") + 16;
}

static enum ecert_status tidy_folder(const char *path, struct ecert_error *err)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings names = {0};
    ECERT_AUTO(ecert_auto_close) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return errno == ENOENT ? ECERT_OK : ecert_error_errno(err, ECERT_E_IO, "open '%s'", path);
    ECERT_TRY(ecert_fs_list(path, &names, err));
    for (size_t i = 0; i < names.len; i++)
        if (is_temporary(names.items[i]))
            ECERT_TRY(ecert_fs_remove_tree(fd, names.items[i], err));
    return ECERT_OK;
}

/*
 * The folder of a request or generation appears whole, but a request.json is replaced in it, and a
 * key that was lost is put back.
 */
static enum ecert_status tidy_below(const char *certificate, const char *sub,
                                    struct ecert_error *err)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings names = {0};
    ECERT_AUTO(ecert_auto_free) char *parent = NULL;

    ECERT_TRY(ecert_text_format(&parent, err, "%s/%s", certificate, sub));
    if (!ecert_fs_exists(parent))
        return ECERT_OK;
    ECERT_TRY(tidy_folder(parent, err));
    ECERT_TRY(ecert_fs_list(parent, &names, err));
    for (size_t i = 0; i < names.len; i++) {
        ECERT_AUTO(ecert_auto_free) char *path = NULL;
        struct stat st;

        ECERT_TRY(ecert_text_format(&path, err, "%s/%s", parent, names.items[i]));
        if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode))
            ECERT_TRY(tidy_folder(path, err));
    }
    return ECERT_OK;
}

enum ecert_status ecert_store_tidy(const char *state_dir, struct ecert_error *err)
{
    /* not live/: its temporaries are a transaction's */
    static const char *const written[] = {"before", "generations", "targets", "deployments",
                                          "keys"};
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings names = {0};
    ECERT_AUTO(ecert_auto_free) char *certificates = NULL;
    ECERT_AUTO(ecert_auto_free) char *rejected = NULL;

    ECERT_TRY(ecert_text_format(&rejected, err, "%s/inbox/rejected", state_dir));
    ECERT_TRY(tidy_folder(rejected, err));
    ECERT_TRY(ecert_text_format(&certificates, err, "%s/certificates", state_dir));
    ECERT_TRY(ecert_fs_list(certificates, &names, err));
    for (size_t i = 0; i < names.len; i++) {
        ECERT_AUTO(ecert_auto_free) char *certificate = NULL;

        ECERT_TRY(ecert_text_format(&certificate, err, "%s/%s", certificates, names.items[i]));
        for (size_t k = 0; k < ARRAY_SIZE(written); k++) {
            ECERT_AUTO(ecert_auto_free) char *path = NULL;

            ECERT_TRY(ecert_text_format(&path, err, "%s/%s", certificate, written[k]));
            ECERT_TRY(tidy_folder(path, err));
        }
        ECERT_TRY(tidy_below(certificate, "requests", err));
        ECERT_TRY(tidy_below(certificate, "generations", err));
    }
    return ECERT_OK;
}
