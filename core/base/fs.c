#include "core/base/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void ecert_auto_close(int *fd)
{
    if (*fd < 0)
        return;
    const int saved = errno; /* releasing must not hide why we are leaving */
    (void)close(*fd);        /* never retried: on Linux the fd is gone even after EINTR */
    errno = saved;
    *fd = -1;
}

int ecert_fd_take(int *fd)
{
    const int taken = *fd;

    *fd = -1;
    return taken;
}

bool ecert_path_is_plain(const char *path)
{
    if (path[0] != '/' || path[1] == '\0')
        return false;
    for (const char *p = path; *p != '\0';) {
        const size_t n = strcspn(p + 1, "/");

        if (n == 0 || (n == 1 && p[1] == '.') || (n == 2 && p[1] == '.' && p[2] == '.'))
            return false;
        for (size_t i = 1; i <= n; i++)
            if ((unsigned char)p[i] < 0x20 || p[i] == 0x7F)
                return false;
        p += 1 + n;
    }
    return true;
}

bool ecert_path_is_below(const char *path, const char *directory)
{
    const size_t n = strlen(directory);

    return strncmp(path, directory, n) == 0 && (path[n] == '\0' || path[n] == '/');
}

const char *ecert_path_base(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash == NULL ? path : slash + 1;
}

static enum ecert_status absent_or_io(struct ecert_error *err, const char *path, const char *what)
{
    const bool absent = errno == ENOENT || errno == ENOTDIR;

    return ecert_error_errno(err, absent ? ECERT_E_NOT_FOUND : ECERT_E_IO, "'%s' %s", path, what);
}

enum ecert_status ecert_fs_resolve(const char *path, char **ret, struct ecert_error *err)
{
    char *resolved = realpath(path, NULL);

    if (resolved == NULL)
        return absent_or_io(err, path, "cannot be found");
    *ret = resolved;
    return ECERT_OK;
}

#define MOST_LINKS 40 /* as the kernel */

static enum ecert_status resolve_new(const char *path, unsigned links, char **ret,
                                     struct ecert_error *err);

/* A link that dangles: what it names is the file that is to be made. */
static enum ecert_status resolve_dangling(const char *path, unsigned links, char **ret,
                                          struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *value = NULL;
    ECERT_AUTO(ecert_auto_free) char *named = NULL;

    if (links >= MOST_LINKS) {
        errno = ELOOP;
        return ecert_error_errno(err, ECERT_E_IO, "'%s' cannot be found", path);
    }
    ECERT_TRY(ecert_fs_read_link(AT_FDCWD, path, &value, err));
    if (value[0] == '/')
        return resolve_new(value, links + 1, ret, err);
    ECERT_TRY(
        ecert_text_format(&named, err, "%.*s%s", (int)(ecert_path_base(path) - path), path, value));
    return resolve_new(named, links + 1, ret, err);
}

static enum ecert_status resolve_new(const char *path, unsigned links, char **ret,
                                     struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *directory = NULL;
    ECERT_AUTO(ecert_auto_free) char *resolved = NULL;
    const char *base = ecert_path_base(path);
    struct stat st;

    if (lstat(path, &st) == 0) {
        const enum ecert_status status = ecert_fs_resolve(path, ret, err);
        return status == ECERT_E_NOT_FOUND && S_ISLNK(st.st_mode)
                   ? resolve_dangling(path, links, ret, err)
                   : status;
    }
    if (errno != ENOENT)
        return absent_or_io(err, path, "cannot be found");
    ECERT_TRY(ecert_text_copy(
        (struct ecert_view){(const uint8_t *)path, base == path ? 0 : (size_t)(base - path)},
        &directory, err));
    ECERT_TRY(ecert_fs_resolve(directory[0] == '\0' ? "." : directory, &resolved, err));
    return ecert_text_format(ret, err, "%s/%s", strcmp(resolved, "/") == 0 ? "" : resolved, base);
}

enum ecert_status ecert_fs_resolve_new(const char *path, char **ret, struct ecert_error *err)
{
    return resolve_new(path, 0, ret, err);
}

/* ---- reading ---- */

/* Read what fstat promised, or what is left of a file that became shorter meanwhile. */
static enum ecert_status read_whole(int fd, const char *name, size_t max_len, uint8_t **ret,
                                    size_t *ret_len, struct stat *ret_st, struct ecert_error *err)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return ecert_error_errno(err, ECERT_E_IO, "stat '%s'", name);
    if (!S_ISREG(st.st_mode))
        return ecert_error_set(err, ECERT_E_REFUSED, "'%s' is not a regular file", name);
    if (st.st_size < 0 || (uintmax_t)st.st_size > max_len)
        return ecert_error_set(err, ECERT_E_REFUSED, "'%s' is larger than %zu bytes", name,
                               max_len);

    const size_t len = (size_t)st.st_size;
    size_t have = 0;
    uint8_t *ptr = malloc(len + 1);
    if (ptr == NULL)
        return ecert_error_nomem(err);
    while (have < len) {
        const ssize_t n = read(fd, ptr + have, len - have);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            (void)ecert_error_errno(err, ECERT_E_IO, "read '%s'", name);
            explicit_bzero(ptr, have); /* it may be a key */
            free(ptr);
            return err->status;
        }
        if (n == 0)
            break;
        have += (size_t)n;
    }
    ptr[have] = 0;
    *ret = ptr;
    *ret_len = have;
    *ret_st = st;
    return ECERT_OK;
}

static enum ecert_status read_path(int dir_fd, const char *name, int flags, size_t max_len,
                                   uint8_t **ret, size_t *ret_len, struct stat *ret_st,
                                   struct ecert_error *err)
{
    /* O_NONBLOCK: a FIFO put there by a stranger must not stop us */
    ECERT_AUTO(ecert_auto_close)
    int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | flags);

    if (fd < 0 && errno == ELOOP)
        return ecert_error_set(err, ECERT_E_REFUSED, "'%s' is a symbolic link", name);
    if (fd < 0)
        return absent_or_io(err, name, "cannot be opened");
    return read_whole(fd, name, max_len, ret, ret_len, ret_st, err);
}

enum ecert_status ecert_fs_read(const char *path, size_t max_len, struct ecert_bytes *ret,
                                struct ecert_error *err)
{
    struct ecert_bytes bytes = {0};
    struct stat st;

    ECERT_TRY(read_path(AT_FDCWD, path, 0, max_len, &bytes.ptr, &bytes.len, &st, err));
    *ret = bytes;
    return ECERT_OK;
}

enum ecert_status ecert_fs_read_secret(const char *path, size_t max_len, struct ecert_secret *ret,
                                       struct ecert_error *err)
{
    struct stat st;

    return ecert_fs_read_secret_stat(path, max_len, ret, &st, err);
}

enum ecert_status ecert_fs_read_secret_stat(const char *path, size_t max_len,
                                            struct ecert_secret *ret, struct stat *ret_st,
                                            struct ecert_error *err)
{
    struct ecert_secret secret = {0};

    ECERT_TRY(read_path(AT_FDCWD, path, 0, max_len, &secret.ptr, &secret.len, ret_st, err));
    *ret = secret;
    return ECERT_OK;
}

enum ecert_status ecert_fs_read_at(int dir_fd, const char *name, size_t max_len,
                                   struct ecert_bytes *ret, struct ecert_error *err)
{
    struct ecert_bytes bytes = {0};
    struct stat st;

    ECERT_TRY(read_path(dir_fd, name, O_NOFOLLOW, max_len, &bytes.ptr, &bytes.len, &st, err));
    *ret = bytes;
    return ECERT_OK;
}

enum ecert_status ecert_fs_read_proc(const char *path, struct ecert_bytes *ret,
                                     struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer buffer = {0};
    ECERT_AUTO(ecert_auto_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    uint8_t chunk[4096];
    ssize_t n = 0;

    if (fd < 0)
        return absent_or_io(err, path, "cannot be opened");
    while (buffer.len < (size_t)1 << 20 && (n = read(fd, chunk, sizeof chunk)) > 0)
        ecert_buffer_add(&buffer, (struct ecert_view){chunk, (size_t)n});
    if (n < 0)
        return ecert_error_errno(err, ECERT_E_IO, "read '%s'", path);
    return ecert_buffer_take(&buffer, ret, err);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void auto_closedir(DIR **dir)
{
    if (*dir != NULL)
        (void)closedir(*dir);
}

enum ecert_status ecert_fs_list(const char *path, struct ecert_strings *ret,
                                struct ecert_error *err)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings names = {0};
    ECERT_AUTO(auto_closedir) DIR *dir = opendir(path);

    if (dir == NULL)
        return absent_or_io(err, path, "cannot be opened");
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (entry == NULL && errno != 0)
            return ecert_error_errno(err, ECERT_E_IO, "read '%s'", path);
        if (entry == NULL)
            break;
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            ECERT_TRY(ecert_strings_add(&names, entry->d_name, err));
    }
    if (names.len > 1)
        qsort(names.items, names.len, sizeof *names.items, by_name);
    *ret = names;
    names = (struct ecert_strings){0};
    return ECERT_OK;
}

bool ecert_fs_exists(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0;
}

enum ecert_status ecert_fs_read_link(int dir_fd, const char *name, char **ret,
                                     struct ecert_error *err)
{
    char value[PATH_MAX];
    const ssize_t n = readlinkat(dir_fd, name, value, sizeof value - 1);

    if (n < 0 && errno == EINVAL)
        return ecert_error_set(err, ECERT_E_REFUSED, "'%s' is not a symbolic link", name);
    if (n < 0)
        return absent_or_io(err, name, "cannot be read as a link");
    value[n] = '\0';
    return ecert_text_copy(ecert_view_of(value), ret, err);
}
