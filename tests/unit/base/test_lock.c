#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/fs.h"
#include "core/base/lock.h"
#include "tests/support/test_pki.h"

static void test_one_at_a_time(void **state)
{
    char *folder = test_folder_make();
    char *path = test_file_write(folder, "lock", ecert_view_of("9999999 and more"), 0600);
    struct ecert_error err = {0};
    char pid[32];
    int first = -1, second = -1;

    (void)state;
    assert_int_equal(ecert_lock_take(path, 0, &first, &err), ECERT_OK);
    assert_int_equal(ecert_lock_take(path, 0, &second, &err), ECERT_E_BUSY);
    (void)snprintf(pid, sizeof pid, "(process %ld)", (long)getpid());
    assert_non_null(strstr(err.text, pid));
    assert_int_equal(second, -1);
    const int64_t before = ecert_clock_monotonic_ms();
    assert_int_equal(ecert_lock_take(path, 200, &second, &err), ECERT_E_BUSY);
    assert_true(ecert_clock_monotonic_ms() - before >= 200);
    ecert_auto_close(&first);
    assert_int_equal(ecert_lock_take(path, 0, &second, &err), ECERT_OK);
    ecert_auto_close(&second);
    free(path);
    test_folder_remove(folder);
}

/* The lock goes with the process that held it, however it ended. */
static void test_released_by_death(void **state)
{
    char *folder = test_folder_make();
    char *path = NULL;
    struct ecert_error err = {0};
    int fd = -1, status = 0;

    (void)state;
    assert_int_equal(ecert_text_format(&path, &err, "%s/lock", folder), ECERT_OK);
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(ecert_lock_take(path, 0, &fd, &err) == ECERT_OK ? 7 : 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), 7);
    assert_int_equal(ecert_lock_take(path, 0, &fd, &err), ECERT_OK);
    assert_true(ecert_lock_is_after_crash(fd));
    ecert_lock_release(&fd);
    assert_int_equal(fd, -1);
    assert_int_equal(ecert_lock_take(path, 0, &fd, &err), ECERT_OK);
    assert_false(ecert_lock_is_after_crash(fd));
    ecert_lock_release(&fd);
    ecert_lock_release(&fd); /* none is fine */
    free(path);
    test_folder_remove(folder);
}

static void test_refuses_a_link(void **state)
{
    char *folder = test_folder_make();
    char *path = NULL;
    struct ecert_error err = {0};
    int fd = -1;

    (void)state;
    assert_int_equal(ecert_text_format(&path, &err, "%s/lock", folder), ECERT_OK);
    assert_int_equal(symlink("elsewhere", path), 0);
    assert_int_equal(ecert_lock_take(path, 0, &fd, &err), ECERT_E_IO);
    assert_int_equal(fd, -1);
    free(path);
    test_folder_remove(folder);
}

/* The flock is the lock: that the process cannot be written into the file stops nobody. */
static void test_full_disk(void **state)
{
    struct ecert_error err = {0};
    int fd = -1;

    (void)state;
    assert_int_equal(ecert_lock_take("/dev/full", 0, &fd, &err), ECERT_OK);
    ecert_lock_release(&fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_one_at_a_time),
        cmocka_unit_test(test_released_by_death),
        cmocka_unit_test(test_refuses_a_link),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
