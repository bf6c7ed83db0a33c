#include "core/base/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/fs.h"

static enum ecert_status busy(int fd, const char *path, struct ecert_error *err)
{
    char pid[32] = {0};
    const ssize_t n = pread(fd, pid, sizeof pid - 1, 0);

    pid[strspn(pid, "0123456789")] = '\0';
    return ecert_error_set(err, ECERT_E_BUSY,
                           "another run holds '%s' (process %s); try again when it has ended", path,
                           n > 0 && pid[0] != '\0' ? pid : "unknown");
}

enum ecert_status ecert_lock_take(const char *path, unsigned wait_ms, int *ret_fd,
                                  struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_close)
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    const int64_t until = ecert_clock_monotonic_ms() + wait_ms;
    char pid[32];

    if (fd < 0)
        return ecert_error_errno(err, ECERT_E_IO, "open '%s'", path);
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return ecert_error_errno(err, ECERT_E_IO, "lock '%s'", path);
        if (ecert_clock_monotonic_ms() >= until)
            return busy(fd, path, err);
        ecert_clock_sleep_ms(50);
    }
    /* for the sentence of the next one only; the lock is the flock, not the content */
    const int n = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, pid, (size_t)n, 0) != n)
        return ecert_error_errno(err, ECERT_E_IO, "write '%s'", path);
    *ret_fd = ecert_fd_take(&fd);
    return ECERT_OK;
}
