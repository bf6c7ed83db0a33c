#include "core/base/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/fs.h"

/*
 * "1234        !": the process (0: nobody), and whether the one before it crashed.  Of one length
 * and written in place, so that a full disk stops nobody.  The lock is the flock, not these words.
 */
#define WORDS_LEN 14
#define CRASHED   '!'

static bool write_words(int fd, pid_t pid, bool crashed)
{
    char words[WORDS_LEN + 1];

    (void)snprintf(words, sizeof words, "%-12ld%c\n", (long)pid, crashed ? CRASHED : ' ');
    return pwrite(fd, words, WORDS_LEN, 0) == WORDS_LEN;
}

static bool names_process(int fd)
{
    char first = '\0';

    return pread(fd, &first, 1, 0) == 1 && first >= '1' && first <= '9';
}

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
    if (fd < 0 && errno == EROFS) /* one that is there can be locked all the same */
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    const int64_t until = ecert_clock_monotonic_ms() + wait_ms;

    if (fd < 0)
        return ecert_error_errno(err, ECERT_E_IO, "open '%s'", path);
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return ecert_error_errno(err, ECERT_E_IO, "lock '%s'", path);
        if (ecert_clock_monotonic_ms() >= until)
            return busy(fd, path, err);
        ecert_clock_sleep_ms(50);
    }
    (void)write_words(fd, getpid(), names_process(fd)); /* a full disk: the flock is enough */
    *ret_fd = ecert_fd_take(&fd);
    return ECERT_OK;
}

bool ecert_lock_is_after_crash(int fd)
{
    char words[WORDS_LEN];

    return pread(fd, words, sizeof words, 0) == WORDS_LEN && words[WORDS_LEN - 2] == CRASHED;
}

void ecert_lock_release(int *fd)
{
    if (*fd >= 0)
        (void)write_words(*fd, 0, false); /* a failure looks like a crash, which does no harm */
    ecert_auto_close(fd);
}
