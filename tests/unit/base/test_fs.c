#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "tests/support/test_pki.h"

static int make_folder(void **state)
{
    *state = test_folder_make();
    return 0;
}

static int remove_folder(void **state)
{
    test_folder_remove(*state);
    return 0;
}

static char *path_of(const char *folder, const char *name)
{
    struct ecert_error err = {0};
    char *path = NULL;

    assert_int_equal(ecert_text_format(&path, &err, "%s/%s", folder, name), ECERT_OK);
    return path;
}

static size_t count_in(const char *folder)
{
    struct ecert_strings names = {0};
    struct ecert_error err = {0};

    assert_int_equal(ecert_fs_list(folder, &names, &err), ECERT_OK);
    const size_t n = names.len;
    ecert_strings_clear(&names);
    return n;
}

static int open_folder(const char *folder)
{
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    assert_true(fd >= 0);
    return fd;
}

/* ---- names ---- */

static const struct plain {
    const char *title, *path;
    bool plain;
} plains[] = {
    {"a file", "/etc/ssl/x.pem", true},
    {"three dots", "/...", true},
    {"a hidden file", "/.hidden", true},
    {"two dots inside a name", "/a..b/c", true},
    {"nothing", "", false},
    {"the root", "/", false},
    {"relative", "etc", false},
    {"a trailing slash", "/etc/", false},
    {"two slashes at the start", "//etc", false},
    {"two slashes inside", "/a//b", false},
    {"a dot", "/./a", false},
    {"a dot at the end", "/a/.", false},
    {"two dots", "/a/../b", false},
    {"two dots at the end", "/a/..", false},
    {"a line feed", "/a\nb", false},
    {"DEL", "/a\x7F", false},
};

static void check_plain(void **state)
{
    const struct plain *row = *state;

    assert_int_equal(ecert_path_is_plain(row->path), row->plain);
}

static void test_below(void **state)
{
    (void)state;
    assert_true(ecert_path_is_below("/a/b", "/a/b"));
    assert_true(ecert_path_is_below("/a/b/c", "/a/b"));
    assert_false(ecert_path_is_below("/a/bc", "/a/b"));
    assert_false(ecert_path_is_below("/a", "/a/b"));
    assert_string_equal(ecert_path_base("/a/b"), "b");
    assert_string_equal(ecert_path_base("b"), "b");
}

static void check_resolve_new(const char *path, const char *want)
{
    struct ecert_error err = {0};
    char *got = NULL;

    assert_int_equal(ecert_fs_resolve_new(path, &got, &err), ECERT_OK);
    assert_string_equal(got, want);
    free(got);
}

static void test_resolve(void **state)
{
    struct ecert_error err = {0};
    char *real = path_of(*state, "real"), *link = path_of(*state, "link");
    char *dangling = path_of(*state, "dangling"), *loop = path_of(*state, "loop");
    char *file = path_of(*state, "real/new"), *via = path_of(*state, "link/new");
    char *deep = path_of(*state, "absent/new"), *got = NULL;

    assert_int_equal(mkdir(real, 0700), 0);
    assert_int_equal(symlink("real", link), 0);
    assert_int_equal(symlink("link/new", dangling), 0);
    assert_int_equal(symlink("loop", loop), 0);
    check_resolve_new(via, file);
    check_resolve_new(dangling, file);
    check_resolve_new(link, real);
    check_resolve_new("/ecert-test-absent", "/ecert-test-absent");
    assert_int_equal(ecert_fs_resolve_new(deep, &got, &err), ECERT_E_NOT_FOUND);
    assert_int_equal(ecert_fs_resolve_new(loop, &got, &err), ECERT_E_IO);
    assert_int_equal(ecert_fs_resolve(via, &got, &err), ECERT_E_NOT_FOUND);
    assert_null(got);
    free(deep);
    free(via);
    free(file);
    free(loop);
    free(dangling);
    free(link);
    free(real);
}

/* ---- reading ---- */

static void test_read(void **state)
{
    char *file = test_file_write(*state, "file", ecert_view_of("four"), 0600);
    char *fifo = path_of(*state, "fifo"), *link = path_of(*state, "link");
    struct ecert_bytes bytes = {0};
    struct ecert_secret secret = {0};
    struct ecert_error err = {0};
    const int fd = open_folder(*state);

    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(symlink("file", link), 0);
    assert_int_equal(ecert_fs_read(link, 4, &bytes, &err), ECERT_OK);
    assert_string_equal((const char *)bytes.ptr, "four");
    ecert_bytes_clear(&bytes);
    assert_int_equal(ecert_fs_read_secret(file, 4, &secret, &err), ECERT_OK);
    assert_int_equal(secret.len, 4);
    ecert_secret_clear(&secret);
    assert_int_equal(ecert_fs_read(file, 3, &bytes, &err), ECERT_E_REFUSED);
    assert_non_null(strstr(err.text, "larger than 3 bytes"));
    assert_int_equal(ecert_fs_read(fifo, 100, &bytes, &err), ECERT_E_REFUSED); /* at once */
    assert_int_equal(ecert_fs_read(*state, 100, &bytes, &err), ECERT_E_REFUSED);
    assert_int_equal(ecert_fs_read("/nonexistent/x", 100, &bytes, &err), ECERT_E_NOT_FOUND);
    assert_int_equal(ecert_fs_read_at(fd, "file", 4, &bytes, &err), ECERT_OK);
    ecert_bytes_clear(&bytes);
    assert_int_equal(ecert_fs_read_at(fd, "link", 4, &bytes, &err), ECERT_E_REFUSED);
    assert_non_null(strstr(err.text, "'link' is a symbolic link"));
    assert_int_equal(ecert_fs_read_at(fd, "fifo", 4, &bytes, &err), ECERT_E_REFUSED);
    assert_null(bytes.ptr);
    close(fd);
    free(link);
    free(fifo);
    free(file);
}

/* ---- trust ---- */

/* Who may replace a link chooses what is read after the check. */
static void test_trust_of_links(void **state)
{
    char *theirs = path_of(*state, "theirs"), *link = path_of(*state, "theirs/link");
    char *through = path_of(*state, "theirs/link/below"), *near = path_of(*state, "near");
    char *file = test_file_write(*state, "file", ecert_view_of(""), 0644);
    struct ecert_error err = {0};

    assert_int_equal(mkdir(theirs, 0755), 0);
    assert_int_equal(symlink("../file", link), 0);
    assert_int_equal(symlink("theirs/link", near), 0);
    assert_int_equal(ecert_fs_check_trusted(near, &err), ECERT_OK);
    assert_int_equal(chmod(theirs, 0777), 0);
    assert_int_equal(ecert_fs_check_trusted(link, &err), ECERT_E_REFUSED);
    assert_non_null(strstr(err.text, "theirs' can be written by others"));
    assert_int_equal(ecert_fs_check_trusted(near, &err), ECERT_E_REFUSED);
    assert_int_equal(ecert_fs_check_trusted(file, &err), ECERT_OK);
    assert_int_equal(chmod(theirs, 01777), 0);
    assert_int_equal(ecert_fs_check_links(link, &err), ECERT_OK);
    if (geteuid() == 0) { /* in a sticky folder a link is its owner's */
        assert_int_equal(lchown(link, 65534, 65534), 0);
        assert_int_equal(ecert_fs_check_trusted(near, &err), ECERT_E_REFUSED);
        assert_non_null(strstr(err.text, "the link '"));
        assert_int_equal(ecert_fs_check_links(through, &err), ECERT_E_REFUSED);
    }
    assert_int_equal(unlink(link), 0);
    assert_int_equal(ecert_fs_check_links(link, &err), ECERT_OK); /* still to be made */
    assert_int_equal(symlink("link", link), 0);
    assert_int_equal(ecert_fs_check_links(link, &err), ECERT_E_IO); /* a circle */
    free(file);
    free(near);
    free(through);
    free(link);
    free(theirs);
}

static void test_trust(void **state)
{
    char *folder = path_of(*state, "folder"), *link = path_of(*state, "link");
    struct ecert_error err = {0};
    int fd = -1;

    assert_int_equal(mkdir(folder, 0755), 0);
    char *file = test_file_write(folder, "file", ecert_view_of(""), 0644);
    assert_int_equal(symlink(file, link), 0);
    assert_int_equal(ecert_fs_check_trusted(file, &err), ECERT_OK);
    assert_int_equal(ecert_fs_check_trusted(link, &err), ECERT_OK);
    assert_int_equal(chmod(file, 0664), 0);
    assert_int_equal(ecert_fs_check_trusted(link, &err), ECERT_E_REFUSED);
    assert_non_null(strstr(err.text, "folder/file' can be written by others (mode 0664)"));
    assert_int_equal(chmod(file, 0644), 0);
    assert_int_equal(chmod(folder, 01777), 0); /* sticky is enough above, not around it */
    assert_int_equal(ecert_fs_check_trusted(file, &err), ECERT_E_REFUSED);
    assert_int_equal(ecert_fs_open_trusted_directory(folder, &fd, &err), ECERT_E_REFUSED);
    assert_int_equal(chmod(folder, 0755), 0);
    assert_int_equal(chmod(*state, 0777), 0); /* further up, not sticky */
    assert_int_equal(ecert_fs_check_trusted(file, &err), ECERT_E_REFUSED);
    assert_int_equal(chmod(*state, 01777), 0);
    assert_int_equal(ecert_fs_check_trusted(file, &err), ECERT_OK);
    if (geteuid() == 0) {
        assert_int_equal(chown(file, 65534, 0), 0);
        assert_int_equal(ecert_fs_check_trusted(file, &err), ECERT_E_REFUSED);
        assert_non_null(strstr(err.text, "belongs to user 65534"));
    }
    assert_int_equal(ecert_fs_check_trusted(folder, &err), ECERT_E_REFUSED);
    assert_int_equal(ecert_fs_check_trusted("/nonexistent", &err), ECERT_E_NOT_FOUND);
    assert_int_equal(ecert_fs_open_trusted_directory(folder, &fd, &err), ECERT_OK);
    ecert_auto_close(&fd);
    assert_int_equal(unlink(link), 0);
    assert_int_equal(symlink(folder, link), 0);
    assert_int_equal(ecert_fs_open_trusted_directory(link, &fd, &err), ECERT_E_IO);
    assert_int_equal(fd, -1);
    free(link);
    free(file);
    free(folder);
}

/* ---- writing ---- */

static void test_replace(void **state)
{
    char *file = test_file_write(*state, "file", ecert_view_of("old"), 0600);
    const struct ecert_fs_owner owner = ecert_fs_own(0640);
    struct ecert_bytes bytes = {0};
    struct ecert_error err = {0};
    struct stat before, after;

    assert_int_equal(lstat(file, &before), 0);
    assert_int_equal(ecert_fs_replace(file, ecert_view_of("new"), &owner, &err), ECERT_OK);
    assert_int_equal(lstat(file, &after), 0);
    assert_int_not_equal(before.st_ino, after.st_ino); /* never in place */
    assert_int_equal(after.st_mode & 07777, 0640);
    assert_int_equal(ecert_fs_read(file, 100, &bytes, &err), ECERT_OK);
    assert_string_equal((const char *)bytes.ptr, "new");
    assert_int_equal(ecert_fs_replace(file, (struct ecert_view){0}, &owner, &err), ECERT_OK);
    assert_int_equal(count_in(*state), 1);
    assert_int_equal(ecert_fs_replace("/nonexistent/x", ecert_view_of(""), &owner, &err),
                     ECERT_E_IO);
    ecert_bytes_clear(&bytes);
    free(file);
}

static void test_create(void **state)
{
    char *file = test_file_write(*state, "there", ecert_view_of("old"), 0600);
    const struct ecert_fs_owner owner = ecert_fs_own(0644);
    struct ecert_bytes bytes = {0};
    struct ecert_error err = {0};
    struct stat st;

    assert_int_equal(ecert_fs_create(file, ecert_view_of("new"), &owner, &err), ECERT_E_REFUSED);
    assert_int_equal(ecert_fs_read(file, 100, &bytes, &err), ECERT_OK);
    assert_string_equal((const char *)bytes.ptr, "old");
    ecert_bytes_clear(&bytes);
    assert_int_equal(unlink(file), 0);
    assert_int_equal(symlink("/nonexistent", file), 0); /* a link is there, too */
    assert_int_equal(ecert_fs_create(file, ecert_view_of("new"), &owner, &err), ECERT_E_REFUSED);
    assert_int_equal(unlink(file), 0);
    assert_int_equal(ecert_fs_create(file, ecert_view_of("new"), &owner, &err), ECERT_OK);
    assert_int_equal(lstat(file, &st), 0);
    assert_int_equal(st.st_mode, S_IFREG | 0644);
    assert_int_equal(st.st_nlink, 1);
    assert_int_equal(count_in(*state), 1); /* no temporary file is left */
    assert_int_equal(ecert_fs_create("/nonexistent/x", ecert_view_of(""), &owner, &err),
                     ECERT_E_IO);
    free(file);
}

static void test_stage_and_publish(void **state)
{
    char tmp[ECERT_FS_TEMPORARY_MAX], other[ECERT_FS_TEMPORARY_MAX];
    const struct ecert_fs_owner owner = ecert_fs_own(0600);
    struct ecert_error err = {0};
    const int fd = open_folder(*state);
    bool durable = false;

    assert_int_equal(ecert_fs_temporary_name("a.pem", tmp, &err), ECERT_OK);
    assert_int_equal(ecert_fs_temporary_name("a.pem", other, &err), ECERT_OK);
    assert_string_not_equal(tmp, other);
    assert_int_equal(strncmp(tmp, ".a.pem.ecert-", 13), 0);
    assert_int_equal(ecert_fs_stage(fd, tmp, ecert_view_of("x"), &owner, -1, &err), ECERT_OK);
    /* a name that exists is not touched, a link not followed */
    assert_int_equal(ecert_fs_stage(fd, tmp, ecert_view_of("y"), &owner, -1, &err), ECERT_E_IO);
    assert_int_equal(err.sys_errno, EEXIST);
    assert_int_equal(symlinkat("elsewhere", fd, other), 0);
    assert_int_equal(ecert_fs_stage(fd, other, ecert_view_of("y"), &owner, -1, &err), ECERT_E_IO);
    assert_int_equal(unlinkat(fd, other, 0), 0);
    assert_int_equal(ecert_fs_publish(fd, tmp, "a.pem", &durable, &err), ECERT_OK);
    assert_true(durable);
    assert_int_equal(ecert_fs_publish(fd, tmp, "a.pem", &durable, &err), ECERT_E_IO);
    assert_int_equal(count_in(*state), 1);
    close(fd);
}

/* The disk cannot hold it (a size limit stands in for it): what was there stays, nothing else. */
static void test_no_room(void **state)
{
    char *file = test_file_write(*state, "file", ecert_view_of("old"), 0600);
    struct ecert_bytes bytes = {0};
    struct ecert_error err = {0};
    int status = 0;
    const pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        static const uint8_t large[65536];
        const struct rlimit limit = {4096, 4096};
        const struct ecert_fs_owner owner = ecert_fs_own(0600);
        (void)signal(SIGXFSZ, SIG_IGN);
        if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
            _exit(1);
        const enum ecert_status got =
            ecert_fs_replace(file, (struct ecert_view){large, sizeof large}, &owner, &err);
        _exit(got == ECERT_E_IO && err.sys_errno == EFBIG ? 0 : 2);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(ecert_fs_read(file, 100, &bytes, &err), ECERT_OK);
    assert_string_equal((const char *)bytes.ptr, "old");
    assert_int_equal(count_in(*state), 1);
    ecert_bytes_clear(&bytes);
    free(file);
}

static void test_links(void **state)
{
    struct ecert_error err = {0};
    const int fd = open_folder(*state);
    char *value = NULL;

    free(test_file_write(*state, "file", ecert_view_of(""), 0600));
    assert_int_equal(ecert_fs_read_link(fd, "live", &value, &err), ECERT_E_NOT_FOUND);
    assert_int_equal(ecert_fs_replace_link(fd, "../1", "live", &err), ECERT_OK);
    assert_int_equal(ecert_fs_replace_link(fd, "../2", "live", &err), ECERT_OK);
    assert_int_equal(ecert_fs_read_link(fd, "live", &value, &err), ECERT_OK);
    assert_string_equal(value, "../2");
    free(value);
    assert_int_equal(ecert_fs_read_link(fd, "file", &value, &err), ECERT_E_REFUSED);
    assert_int_equal(mkdirat(fd, "folder", 0700), 0);
    assert_int_equal(ecert_fs_replace_link(fd, "../2", "folder", &err), ECERT_E_IO);
    assert_int_equal(count_in(*state), 3); /* no temporary link is left */
    close(fd);
}

static void test_folders(void **state)
{
    struct ecert_error err = {0};
    char *deep = path_of(*state, "a/b/c"), *outside = path_of(*state, "outside");
    char *file = path_of(*state, "outside/file"), *under_file = path_of(*state, "outside/file/x");
    const int fd = open_folder(*state);
    struct stat st;

    assert_int_equal(ecert_fs_make_directories(deep, 0700, &err), ECERT_OK);
    assert_int_equal(ecert_fs_make_directories(deep, 0700, &err), ECERT_OK);
    assert_int_equal(stat(deep, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_int_equal(ecert_fs_sync_directory(deep, &err), ECERT_OK);
    assert_int_equal(mkdir(outside, 0700), 0);
    free(test_file_write(outside, "file", ecert_view_of("keep"), 0600));
    assert_int_equal(ecert_fs_make_directories(under_file, 0700, &err), ECERT_E_IO);
    free(test_file_write(deep, "x", ecert_view_of(""), 0600));
    assert_int_equal(symlinkat(outside, fd, "a/link"), 0);
    assert_int_equal(ecert_fs_remove_tree(fd, "a", &err), ECERT_OK);
    assert_int_equal(ecert_fs_remove_tree(fd, "a", &err), ECERT_OK); /* absent is fine */
    assert_false(ecert_fs_exists(deep));
    assert_true(ecert_fs_exists(file)); /* the link was removed, not followed */
    assert_int_equal(ecert_fs_sync_directory(deep, &err), ECERT_E_IO);
    close(fd);
    free(under_file);
    free(file);
    free(outside);
    free(deep);
}

static void test_add_folder(void **state)
{
    const struct ecert_fs_file files[] = {{"a", ecert_view_of("1")}, {"b", ecert_view_of("22")}};
    const struct ecert_fs_file bad[] = {{"a", ecert_view_of("1")}, {"no/b", ecert_view_of("2")}};
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings names = {0};
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes bytes = {0};
    struct ecert_error err = {0};
    char *folder = path_of(*state, "0001"), *file = path_of(*state, "0001/b");
    const int fd = open_folder(*state);
    struct stat st;

    assert_int_equal(ecert_fs_add_folder(fd, "0001", "box", files, 2, &err), ECERT_OK);
    assert_int_equal(stat(folder, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(ecert_fs_read(file, 99, &bytes, &err), ECERT_OK);
    assert_true(ecert_view_equal(ecert_bytes_view(&bytes), ecert_view_of("22")));

    /* of what fails nothing is left, and what was there stays */
    assert_int_equal(ecert_fs_add_folder(fd, "0001", "box", files, 1, &err), ECERT_E_REFUSED);
    assert_int_equal(strncmp(err.text, "box 0001: rename '.0001.ecert-", 30), 0);
    assert_true(ecert_fs_exists(file));
    assert_int_equal(ecert_fs_add_folder(fd, "0002", "box", bad, 2, &err), ECERT_E_IO);
    assert_int_equal(strncmp(err.text, "box 0002: ", 10), 0);
    assert_int_equal(ecert_fs_list(*state, &names, &err), ECERT_OK);
    assert_int_equal(names.len, 1);
    close(fd);
    free(file);
    free(folder);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make_folder, remove_folder)

int main(void)
{
    struct CMUnitTest rows[ARRAY_SIZE(plains)] = {0};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_below),
        TEST(test_resolve),
        TEST(test_read),
        TEST(test_trust),
        TEST(test_trust_of_links),
        TEST(test_replace),
        TEST(test_create),
        TEST(test_stage_and_publish),
        TEST(test_no_room),
        TEST(test_links),
        TEST(test_folders),
        TEST(test_add_folder),
    };

    for (size_t i = 0; i < ARRAY_SIZE(plains); i++)
        rows[i] = (struct CMUnitTest){.name = plains[i].title,
                                      .test_func = check_plain,
                                      .initial_state = (void *)(uintptr_t)&plains[i]};
    return cmocka_run_group_tests_name("plain paths", rows, NULL, NULL) +
           cmocka_run_group_tests_name("files", tests, NULL, NULL);
}
