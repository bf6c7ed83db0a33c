/* The trust half of fs.h: who may have written what we are about to believe or write into. */

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/fs.h"

static bool owner_is_trusted(const struct stat *st)
{
    return st->st_uid == 0 || st->st_uid == geteuid();
}

/* `name` is what the sentence shows; `above`: a directory further up, where sticky is enough. */
static enum ecert_status check_one(const struct stat *st, const char *name, bool above,
                                   struct ecert_error *err)
{
    if (!owner_is_trusted(st))
        return ecert_error_set(err, ECERT_E_REFUSED,
                               "'%s' belongs to user %u; it must belong to root or to the user "
                               "who runs ecert (chown root '%s')",
                               name, (unsigned)st->st_uid, name);
    if ((st->st_mode & 022) == 0 || (above && (st->st_mode & S_ISVTX) != 0))
        return ECERT_OK;
    return ecert_error_set(err, ECERT_E_REFUSED,
                           "'%s' can be written by others (mode %04o); chmod go-w '%s'", name,
                           (unsigned)(st->st_mode & 07777), name);
}

/* Every directory from "/" down to `path`; `path` itself counts as `above` or not. */
static enum ecert_status check_directories(const char *path, bool last_is_above,
                                           struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *part = NULL;
    struct stat st;

    if (lstat("/", &st) != 0)
        return ecert_error_errno(err, ECERT_E_IO, "stat '/'");
    ECERT_TRY(check_one(&st, "/", path[1] != '\0' || last_is_above, err));
    ECERT_TRY(ecert_text_copy(ecert_view_of(path), &part, err));
    for (size_t i = 1; part[0] != '\0' && part[i] != '\0'; i++) {
        const char after = part[i + 1];

        if (after != '/' && after != '\0')
            continue;
        part[i + 1] = '\0';
        if (lstat(part, &st) != 0)
            return ecert_error_errno(err, ECERT_E_IO, "stat '%s'", part);
        ECERT_TRY(check_one(&st, part, after != '\0' || last_is_above, err));
        part[i + 1] = after;
    }
    return ECERT_OK;
}

#define MOST_LINKS 40 /* as the kernel */

static enum ecert_status check_links(const char *path, unsigned followed, struct ecert_error *err);

/* `path` up to `end` is a link: what it names, with the rest of the path behind it. */
static enum ecert_status check_behind(const char *path, size_t end, unsigned followed,
                                      struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *link = NULL;
    ECERT_AUTO(ecert_auto_free) char *value = NULL;
    ECERT_AUTO(ecert_auto_free) char *behind = NULL;

    if (followed == MOST_LINKS)
        return ecert_error_set(err, ECERT_E_IO, "'%s' goes through too many links", path);
    ECERT_TRY(ecert_text_copy((struct ecert_view){(const uint8_t *)path, end}, &link, err));
    ECERT_TRY(ecert_fs_read_link(AT_FDCWD, link, &value, err));
    const int parent = value[0] == '/' ? 0 : (int)(ecert_path_base(link) - link);
    ECERT_TRY(ecert_text_format(&behind, err, "%.*s%s%s", parent, link, value, path + end));
    return check_links(behind, followed + 1, err);
}

static enum ecert_status check_links(const char *path, unsigned followed, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *part = NULL;
    struct stat st;

    ECERT_TRY(ecert_text_copy(ecert_view_of(path), &part, err));
    for (size_t end = 1; part[0] != '\0' && part[end - 1] != '\0'; end++) {
        const char after = part[end];

        if (after != '/' && after != '\0')
            continue;
        part[end] = '\0';
        if (lstat(part, &st) != 0) /* the rest is still to be made, or is not for us to see */
            return errno == ENOENT || errno == ENOTDIR
                       ? ECERT_OK
                       : ecert_error_errno(err, ECERT_E_IO, "stat '%s'", part);
        if (S_ISLNK(st.st_mode) && !owner_is_trusted(&st))
            return ecert_error_set(err, ECERT_E_REFUSED,
                                   "the link '%s' belongs to user %u; it must belong to root or to "
                                   "the user who runs ecert",
                                   part, (unsigned)st.st_uid);
        if (S_ISLNK(st.st_mode))
            return check_behind(path, end, followed, err);
        if (S_ISDIR(st.st_mode))
            ECERT_TRY(check_one(&st, part, true, err));
        part[end] = after;
    }
    return ECERT_OK;
}

enum ecert_status ecert_fs_check_links(const char *path, struct ecert_error *err)
{
    return check_links(path, 0, err);
}

enum ecert_status ecert_fs_check_trusted(const char *path, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *resolved = NULL;
    struct stat st;

    ECERT_TRY(ecert_fs_resolve(path, &resolved, err));
    if (strcmp(path, resolved) != 0)
        ECERT_TRY(ecert_fs_check_links(path, err));
    if (lstat(resolved, &st) != 0)
        return ecert_error_errno(err, ECERT_E_IO, "stat '%s'", resolved);
    if (!S_ISREG(st.st_mode))
        return ecert_error_set(err, ECERT_E_REFUSED, "'%s' is not a regular file", path);
    ECERT_TRY(check_one(&st, resolved, false, err));

    char *slash = strrchr(resolved, '/');
    *slash = '\0';
    return check_directories(slash == resolved ? "/" : resolved, false, err);
}

enum ecert_status ecert_fs_open_trusted_directory(const char *path, int *ret_fd,
                                                  struct ecert_error *err)
{
    const struct open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
                                 .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
    struct stat named, opened;

    ECERT_AUTO(ecert_auto_close)
    int fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
    /* before Linux 5.6, or filtered in an old container: the checks below still hold */
    if (fd < 0 && (errno == ENOSYS || errno == EPERM))
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return ecert_error_errno(err, errno == ENOENT ? ECERT_E_NOT_FOUND : ECERT_E_IO,
                                 "open the directory '%s'", path);
    ECERT_TRY(check_directories(path, false, err));
    /* what was checked by name is what was opened: its parents let nobody else swap it */
    if (fstat(fd, &opened) != 0 || lstat(path, &named) != 0)
        return ecert_error_errno(err, ECERT_E_IO, "stat '%s'", path);
    if (opened.st_dev != named.st_dev || opened.st_ino != named.st_ino)
        return ecert_error_set(err, ECERT_E_CHANGED, "'%s' was replaced while it was opened", path);
    *ret_fd = ecert_fd_take(&fd);
    return ECERT_OK;
}
