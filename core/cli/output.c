#include "core/cli/output.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The first bytes of the file; not blocked by what only looks like one. */
static enum ecert_status read_front(const char *path, char front[ECERT_OUTPUT_FRONT],
                                    size_t *ret_len, struct ecert_error *err)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    enum ecert_status status = ECERT_OK;
    struct stat st;
    ssize_t n = 0;

    if (fd < 0)
        return ecert_error_errno(err, errno == ENOENT ? ECERT_E_NOT_FOUND : ECERT_E_IO,
                                 "read '%s', which is there already", path);
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        status =
            ecert_error_set(err, ECERT_E_REFUSED,
                            "'%s' is not a regular file and is not replaced; name a file", path);
    else if ((n = pread(fd, front, ECERT_OUTPUT_FRONT, 0)) < 0)
        status = ecert_error_errno(err, ECERT_E_IO, "read '%s'", path);
    (void)close(fd);
    if (status != ECERT_OK)
        return status;
    *ret_len = (size_t)n;
    return ECERT_OK;
}

enum ecert_status ecert_output_check(const char *path, const char *mark, size_t furthest,
                                     struct ecert_error *err)
{
    struct ecert_error why = {0};
    char front[ECERT_OUTPUT_FRONT];
    size_t len = 0;

    const enum ecert_status status = read_front(path, front, &len, &why);
    if (status == ECERT_E_NOT_FOUND || (status == ECERT_OK && len == 0))
        return ECERT_OK;
    if (status != ECERT_OK) {
        *err = why;
        return status;
    }
    const char *at = memmem(front, len, mark, strlen(mark));
    if (at != NULL && (size_t)(at - front) <= furthest)
        return ECERT_OK;
    return ecert_error_set(err, ECERT_E_REFUSED,
                           "'%s' exists and was not written by this command, so that it is not "
                           "replaced; name another file, or remove it",
                           path);
}
