/*
 * The journal: its entries, its socket (a real one of the test), and what happens without it.  How
 * a finding reads in one line is written by this file (the linker's --wrap).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/monitor/channel_internal.h"

#define NOW 1795000000 /* 2026-11-18 */

/* What --wrap calls in the place of `name`; declared, so that no warning is needed off. */
#define WRAP(type, name, ...)        \
    type __wrap_##name(__VA_ARGS__); \
    type __wrap_##name(__VA_ARGS__)

WRAP(void, ecert_notice_line, struct ecert_buffer *out, const struct ecert_finding *finding,
     int64_t now)
{
    ecert_buffer_printf(out, "line of %s at %lld", finding->name, (long long)now);
}

static char folder[64];

static const char *path_of(const char *name)
{
    static char paths[4][128];
    static unsigned next;
    char *path = paths[next++ % ARRAY_SIZE(paths)];

    (void)snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static int make_folder(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "/tmp/ecert-test-journal-XXXXXX");
    return mkdtemp(folder) == NULL ? -1 : 0;
}

static int remove_folder(void **state)
{
    struct ecert_error err = {0};

    (void)state;
    return ecert_fs_remove_tree(AT_FDCWD, folder, &err) == ECERT_OK ? 0 : -1;
}

static struct ecert_finding finding_of(const char *name, enum ecert_condition condition, int days)
{
    return (struct ecert_finding){.name = strdup(name),
                                  .where = strdup("generation 1"),
                                  .condition = condition,
                                  .urgency = ecert_condition_urgency(condition),
                                  .not_after = NOW + (int64_t)days * 86400 + 3600,
                                  .threshold = ECERT_NO_THRESHOLD};
}

static void test_journal_entry(void **state)
{
    struct ecert_finding finding = finding_of("gate", ECERT_CONDITION_OTHER_LEAF, 12);
    const struct ecert_notice notice = {
        .kind = ECERT_NOTICE_REMINDER, .key = "K", .now = NOW, .language = "en"};
    struct ecert_buffer out = {0};

    (void)state;
    finding.watched = ECERT_WATCHED_ENDPOINT;
    finding.threshold = 14;
    finding.detail = strdup("two\nlines");
    (void)strcpy(finding.serial, "0A");
    ecert_journal_entry(&notice, &finding, &out);
    static const char want[] = "MESSAGE=line of gate at 1795000000\n"
                               "PRIORITY=2\n"
                               "SYSLOG_IDENTIFIER=ecert\n"
                               "MESSAGE_ID=" ECERT_JOURNAL_MESSAGE_ID "\n"
                               "ECERT_KIND=reminder\n"
                               "ECERT_KEY=K\n"
                               "ECERT_NAME=gate\n"
                               "ECERT_WATCHED=endpoint\n"
                               "ECERT_CONDITION=other-leaf\n"
                               "ECERT_URGENCY=critical\n"
                               "ECERT_WHERE=generation 1\n"
                               "ECERT_DETAIL\n\x09\0\0\0\0\0\0\0two\nlines\n"
                               "ECERT_SERIAL=0A\n"
                               "ECERT_NOT_AFTER=2026-11-30T12:06:40Z\n"
                               "ECERT_DAYS=12\n"
                               "ECERT_THRESHOLD=14\n";
    assert_int_equal(out.len, sizeof want - 1);
    assert_memory_equal(out.ptr, want, out.len);
    ecert_buffer_clear(&out);
    ecert_finding_clear(&finding);
}

static int listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void expect_datagram(int fd, const char *begin)
{
    char entry[4096] = "";
    const ssize_t n = recv(fd, entry, sizeof entry - 1, 0);

    assert_true(n > 0);
    assert_int_equal(strncmp(entry, begin, strlen(begin)), 0);
}

static void test_journal(void **state)
{
    struct ecert_finding finding = finding_of("gate", ECERT_CONDITION_EXPIRES, 12);
    const struct ecert_finding *list[] = {&finding};
    struct ecert_notice notice = {.kind = ECERT_NOTICE_DIGEST,
                                  .findings = list,
                                  .n = 1,
                                  .fine = 7,
                                  .key = "K",
                                  .now = NOW,
                                  .language = "en"};
    struct ecert_error err = {0};
    const char *socket_path = path_of("journal");
    const int fd = listen_at(socket_path);
    char nothing[8];

    (void)state;
    assert_int_equal(ecert_journal_tell(socket_path, "/nonexistent", &notice, &err), ECERT_OK);
    expect_datagram(fd, "MESSAGE=the week's digest: 1 to be looked at, 7 fine\nPRIORITY=6\n");
    expect_datagram(fd, "MESSAGE=line of gate at 1795000000\nPRIORITY=4\n");
    notice = (struct ecert_notice){.kind = ECERT_NOTICE_TEST, .language = "en", .now = NOW};
    assert_int_equal(ecert_journal_tell(socket_path, "/nonexistent", &notice, &err), ECERT_OK);
    expect_datagram(fd, "MESSAGE=a test of the reminders: nothing is wrong\nPRIORITY=6\n");
    assert_int_equal(recv(fd, nothing, sizeof nothing, 0), -1);
    assert_int_equal(close(fd), 0);
    ecert_finding_clear(&finding);
}

/* Nobody listens: syslog(3), and with nobody there either, it was not accepted. */
static void test_no_journal(void **state)
{
    const struct ecert_notice notice = {.kind = ECERT_NOTICE_TEST, .language = "en", .now = NOW};
    struct ecert_error err = {0};

    (void)state;
    assert_int_equal(close(listen_at(path_of("dead"))),
                     0); /* the socket stays, its owner is gone */
    assert_int_equal(ecert_journal_tell(path_of("absent"), path_of("absent"), &notice, &err),
                     ECERT_E_IO);
    assert_int_equal(ecert_journal_tell(path_of("dead"), path_of("absent"), &notice, &err),
                     ECERT_E_IO);
    assert_non_null(strstr(err.text, "neither a journal nor"));
}

static void test_is_here(void **state)
{
    const char *link = path_of("log");

    (void)state;
    assert_false(ecert_journal_is_here("/nonexistent", path_of("absent")));
    assert_true(ecert_journal_is_here("/", path_of("absent")));
    assert_int_equal(symlink("/nonexistent/dev-log", link), 0); /* as systemd leaves it */
    assert_true(ecert_journal_is_here("/nonexistent", link));
    assert_int_equal(unlink(link), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_journal_entry),
        cmocka_unit_test(test_journal),
        cmocka_unit_test(test_no_journal),
        cmocka_unit_test(test_is_here),
    };

    return cmocka_run_group_tests_name("channel_journal", tests, make_folder, remove_folder);
}
