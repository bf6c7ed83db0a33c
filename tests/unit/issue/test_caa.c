/*
 * CAA: through the real ecert-net against a real name server (nsd) of our own on 127.0.0.1, and
 * against one that says nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/fs.h"
#include "core/issue/caa.h"

#define NSD   "/usr/sbin/nsd"
#define LARGE 40 /* records of large.test: far more than a datagram of 512 bytes holds */

static char folder[256];
static char resolver[64], silent[64];
static int silent_fd = -1;
static pid_t nsd;
static struct ecert_network network;
static struct ecert_authority authority;

/* ---- the server ---- */

static const char zone[] = "$ORIGIN test.\n$TTL 60\n"
                           "@ SOA ns.test. root.test. 1 60 60 60 60\n"
                           "@ NS ns\n"
                           "ns A 127.0.0.1\n"
                           "none A 127.0.0.1\n"
                           "allowed CAA 0 issue \"letsencrypt.org\"\n"
                           "allowed CAA 0 issue \"ECERT.gov.HK\"\n"
                           "a.allowed A 127.0.0.1\n"
                           "second CAA 0 issue \"hongkongpost.gov.hk\"\n"
                           "forbidden CAA 0 issue \"letsencrypt.org\"\n"
                           "own.forbidden CAA 0 issue \" ecert.gov.hk \"\n"
                           "nobody CAA 0 issue \";\"\n"
                           "empty CAA 0 issue \"\"\n"
                           "parameters CAA 0 issue \"ecert.gov.hk; account=1 ; x-y=a/b\"\n"
                           "semicolon CAA 0 issue \"ecert.gov.hk;\"\n"
                           "malformed CAA 0 issue \"ecert.gov.hk account=1\"\n"
                           "badparameter CAA 0 issue \"ecert.gov.hk; account\"\n"
                           "dot CAA 0 issue \"ecert.gov.hk.\"\n"
                           "longer CAA 0 issue \"ecert.gov.hk.evil.example\"\n"
                           "shorter CAA 0 issue \"gov.hk\"\n"
                           "zero CAA 0 issue \"ecert.gov.hk\\000\"\n"
                           "wild CAA 0 issue \"letsencrypt.org\"\n"
                           "wild CAA 0 issuewild \"ecert.gov.hk\"\n"
                           "tame CAA 0 issue \"ecert.gov.hk\"\n"
                           "tame CAA 0 issuewild \";\"\n"
                           "onlywild CAA 0 issuewild \";\"\n"
                           "upper TYPE257 \\# 22 0005 4953535545 6c657473656e63727970742e6f7267\n"
                           "critical CAA 128 tbs \"unknown\"\n"
                           "critical CAA 0 issue \"ecert.gov.hk\"\n"
                           "uncritical CAA 1 tbs \"unknown\"\n"
                           "knowncritical CAA 128 issue \"ecert.gov.hk\"\n"
                           "iodef CAA 0 iodef \"mailto:a@example.com\"\n"
                           "alias CNAME forbidden\n"
                           "bare CNAME none\n"
                           "dangling CNAME missing\n";

static void write_file(const char *name, const char *text)
{
    struct ecert_error err = {0};
    const struct ecert_fs_owner owner = ecert_fs_own(0644);
    char path[400];

    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    if (ecert_fs_replace(path, ecert_view_of(text), &owner, &err) != ECERT_OK)
        fail_msg("%s", err.text);
}

static void write_zone(void)
{
    static char text[sizeof zone + (size_t)LARGE * 100];
    size_t used = sizeof zone - 1;

    memcpy(text, zone, used);
    for (int i = 0; i < LARGE; i++)
        used +=
            (size_t)snprintf(text + used, sizeof text - used,
                             "large CAA 0 issue \"ca%02d-with-a-longer-name.example.com\"\n", i);
    write_file("test.zone", text);
}

static int bind_socket(int type, struct sockaddr_in *address)
{
    socklen_t size = sizeof *address;
    const int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    *address = (struct sockaddr_in){.sin_family = AF_INET};
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (const struct sockaddr *)address, sizeof *address), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)address, &size), 0);
    return fd;
}

static unsigned free_port(void)
{
    struct sockaddr_in address;

    (void)close(bind_socket(SOCK_STREAM, &address));
    return ntohs(address.sin_port);
}

static void wait_for_answers(void)
{
    for (int i = 0; i < 200; i++) {
        ECERT_AUTO(ecert_caa_records_clear) struct ecert_caa_records records = {0};
        struct ecert_error err = {0};

        if (ecert_network_caa(&network, resolver, "none.test", 500, &records, &err) == ECERT_OK)
            return;
        assert_int_equal(waitpid(nsd, NULL, WNOHANG), 0);
        ecert_clock_sleep_ms(20);
    }
    fail_msg("nsd does not answer");
}

static void start_nsd(void)
{
    char text[2500], path[400];
    const unsigned port = free_port();

    /* broken.: a zone whose file is missing, for SERVFAIL */
    (void)snprintf(text, sizeof text,
                   "server:\n ip-address: 127.0.0.1@%u\n server-count: 1\n username: \"\"\n"
                   " zonesdir: \"%s\"\n pidfile: \"%s/nsd.pid\"\n logfile: \"%s/nsd.log\"\n"
                   " xfrdfile: \"\"\n xfrdir: \"%s\"\n zonelistfile: \"%s/zone.list\"\n"
                   " database: \"\"\n"
                   "remote-control:\n control-enable: no\n"
                   "zone:\n name: test\n zonefile: test.zone\n"
                   "zone:\n name: broken\n zonefile: missing.zone\n",
                   port, folder, folder, folder, folder, folder);
    write_file("nsd.conf", text);
    (void)snprintf(path, sizeof path, "%s/nsd.conf", folder);
    (void)snprintf(resolver, sizeof resolver, "127.0.0.1:%u", port);
    nsd = fork();
    if (nsd == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
        (void)execl(NSD, "nsd", "-d", "-c", path, (char *)NULL);
        _exit(127);
    }
    wait_for_answers();
}

static int start(void **state)
{
    struct ecert_error err = {0};
    struct sockaddr_in address;
    const char *tmp = getenv("TMPDIR");

    (void)state;
    if (access(NSD, X_OK) != 0)
        return 0; /* every test is skipped */
    (void)snprintf(folder, sizeof folder, "%s/ecert-caa-XXXXXX", tmp == NULL ? "/tmp" : tmp);
    assert_non_null(mkdtemp(folder));
    if (ecert_network_init(&network, ECERT_NET_PROGRAM, NULL, &err) != ECERT_OK ||
        ecert_text_copy(ecert_view_of("Test CA"), &authority.name, &err) != ECERT_OK ||
        ecert_strings_add(&authority.caa, "eCert.gov.hk", &err) != ECERT_OK ||
        ecert_strings_add(&authority.caa, "hongkongpost.gov.hk", &err) != ECERT_OK)
        fail_msg("%s", err.text);
    silent_fd = bind_socket(SOCK_DGRAM, &address);
    (void)snprintf(silent, sizeof silent, "127.0.0.1:%u", ntohs(address.sin_port));
    write_zone();
    start_nsd();
    return 0;
}

static int end(void **state)
{
    struct ecert_error err = {0};

    (void)state;
    if (nsd > 0) {
        (void)kill(nsd, SIGTERM); /* it ends its children */
        (void)waitpid(nsd, NULL, 0);
        (void)close(silent_fd);
        assert_int_equal(ecert_fs_remove_tree(AT_FDCWD, folder, &err), ECERT_OK);
    }
    ecert_network_clear(&network);
    ecert_authority_clear(&authority);
    return 0;
}

static void need_nsd(void)
{
    if (nsd <= 0)
        skip(); /* Debian: nsd */
}

/* ---- verdicts ---- */

#define LETS_FORBIDDEN(name, at)                                                              \
    "'" name "': the CAA records of '" at "' (issue \"letsencrypt.org\") do not let Test CA " \
    "issue; have the record '" at ". CAA 0 issue \"eCert.gov.hk\"' added"

static const struct row {
    const char *name;
    enum ecert_caa_verdict verdict;
    const char *note; /* NULL: none; else what stands in it */
} rows[] = {
    {"none.test", ECERT_CAA_NONE, NULL},
    {"missing.test", ECERT_CAA_NONE, NULL},
    {"a.b.c.none.test", ECERT_CAA_NONE, NULL},
    {"allowed.test", ECERT_CAA_ALLOWED, NULL},
    {"a.allowed.test", ECERT_CAA_ALLOWED, NULL},
    {"ALLOWED.test", ECERT_CAA_ALLOWED, NULL},
    {"second.test", ECERT_CAA_ALLOWED, NULL},
    {"forbidden.test", ECERT_CAA_FORBIDDEN, LETS_FORBIDDEN("forbidden.test", "forbidden.test")},
    {"a.b.forbidden.test", ECERT_CAA_FORBIDDEN,
     LETS_FORBIDDEN("a.b.forbidden.test", "forbidden.test")},
    {"*.forbidden.test", ECERT_CAA_FORBIDDEN, LETS_FORBIDDEN("*.forbidden.test", "forbidden.test")},
    {"own.forbidden.test", ECERT_CAA_ALLOWED, NULL},
    {"x.own.forbidden.test", ECERT_CAA_ALLOWED, NULL},
    {"nobody.test", ECERT_CAA_FORBIDDEN, "(issue \";\")"},
    {"empty.test", ECERT_CAA_FORBIDDEN, "(issue \"\")"},
    {"parameters.test", ECERT_CAA_ALLOWED, NULL},
    {"semicolon.test", ECERT_CAA_ALLOWED, NULL},
    {"malformed.test", ECERT_CAA_FORBIDDEN, "(issue \"ecert.gov.hk account=1\")"},
    {"badparameter.test", ECERT_CAA_FORBIDDEN, "(issue \"ecert.gov.hk; account\")"},
    {"dot.test", ECERT_CAA_FORBIDDEN, "(issue \"ecert.gov.hk.\")"},
    {"longer.test", ECERT_CAA_FORBIDDEN, "ecert.gov.hk.evil.example"},
    {"shorter.test", ECERT_CAA_FORBIDDEN, "(issue \"gov.hk\")"},
    {"zero.test", ECERT_CAA_FORBIDDEN, "(issue \"ecert.gov.hk?\")"},
    {"wild.test", ECERT_CAA_FORBIDDEN, "(issue \"letsencrypt.org\")"},
    {"*.wild.test", ECERT_CAA_ALLOWED, NULL},
    {"tame.test", ECERT_CAA_ALLOWED, NULL},
    {"*.tame.test", ECERT_CAA_FORBIDDEN,
     "(issuewild \";\") do not let Test CA issue; have the record 'tame.test. CAA 0 issuewild"},
    {"onlywild.test", ECERT_CAA_ALLOWED, NULL},
    {"*.onlywild.test", ECERT_CAA_FORBIDDEN, "(issuewild \";\")"},
    {"upper.test", ECERT_CAA_FORBIDDEN, "(issue \"letsencrypt.org\")"},
    {"critical.test", ECERT_CAA_FORBIDDEN, "the critical CAA record 'tbs' of 'critical.test'"},
    {"uncritical.test", ECERT_CAA_ALLOWED, NULL},
    {"knowncritical.test", ECERT_CAA_ALLOWED, NULL},
    {"iodef.test", ECERT_CAA_ALLOWED, NULL},
    {"alias.test", ECERT_CAA_FORBIDDEN, LETS_FORBIDDEN("alias.test", "alias.test")},
    {"bare.test", ECERT_CAA_NONE, NULL},
    {"dangling.test", ECERT_CAA_NONE, NULL},
    {"large.test", ECERT_CAA_FORBIDDEN, "ca39-with-a-longer-name.example.com"},
    {"www.broken", ECERT_CAA_UNKNOWN,
     "CAA records of 'www.broken': the resolver answered SERVFAIL"},
    {"www.elsewhere.example", ECERT_CAA_UNKNOWN, "the resolver answered REFUSED"},
};

static void check(const char *by, const char *const *names, enum ecert_caa_verdict *verdicts,
                  struct ecert_strings *notes)
{
    struct ecert_error err = {0};

    if (ecert_caa_check(&network, by, names, &authority, verdicts, notes, &err) != ECERT_OK)
        fail_msg("%s", err.text);
}

static void verdicts_are_those_of_the_records(void **state)
{
    bool failed = false;

    (void)state;
    need_nsd();
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        ECERT_AUTO(ecert_strings_clear) struct ecert_strings notes = {0};
        const char *const names[] = {rows[i].name, NULL};
        enum ecert_caa_verdict verdict = ECERT_CAA_UNKNOWN;

        check(resolver, names, &verdict, &notes);
        const char *note = notes.len > 0 ? notes.items[0] : "";
        if (verdict != rows[i].verdict || notes.len != (rows[i].note != NULL) ||
            (rows[i].note != NULL && strstr(note, rows[i].note) == NULL)) {
            print_error("%s: verdict %d, %zu notes, %s\n", rows[i].name, (int)verdict, notes.len,
                        note);
            failed = true;
        }
    }
    assert_false(failed);
}

static void all_names_at_once(void **state)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings notes = {0};
    const char *const names[] = {"a.forbidden.test", "none.test", "b.forbidden.test", "a.broken",
                                 NULL};
    enum ecert_caa_verdict verdicts[4];

    (void)state;
    need_nsd();
    check(resolver, names, verdicts, &notes);
    assert_int_equal(verdicts[0], ECERT_CAA_FORBIDDEN);
    assert_int_equal(verdicts[1], ECERT_CAA_NONE);
    assert_int_equal(verdicts[2], ECERT_CAA_FORBIDDEN);
    assert_int_equal(verdicts[3], ECERT_CAA_UNKNOWN);
    assert_int_equal(notes.len, 3);
    assert_string_equal(notes.items[1], LETS_FORBIDDEN("b.forbidden.test", "forbidden.test"));
}

static void large_answers_come_whole(void **state)
{
    ECERT_AUTO(ecert_caa_records_clear) struct ecert_caa_records records = {0};
    struct ecert_error err = {0};

    (void)state;
    need_nsd();
    if (ecert_network_caa(&network, resolver, "large.test", 2000, &records, &err) != ECERT_OK)
        fail_msg("%s", err.text);
    assert_int_equal(records.n, LARGE);
    assert_string_equal(records.items[0].tag, "issue");
    assert_false(records.items[0].critical);
}

/* Nobody waits for one name after the other: the third is not asked. */
static void silence_is_not_waited_for_again_and_again(void **state)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings notes = {0};
    const char *const names[] = {"a.test", "b.test", "c.test", "d.test", NULL};
    enum ecert_caa_verdict verdicts[4];
    const int64_t before = ecert_clock_monotonic_ms();

    (void)state;
    need_nsd();
    check(silent, names, verdicts, &notes);
    assert_in_range(ecert_clock_monotonic_ms() - before, 5000, 14000);
    for (size_t i = 0; i < ARRAY_SIZE(verdicts); i++)
        assert_int_equal(verdicts[i], ECERT_CAA_UNKNOWN);
    assert_int_equal(notes.len, 4);
    assert_non_null(strstr(notes.items[0], "did not answer within 5.0 seconds"));
    assert_non_null(strstr(notes.items[3], "not asked, because the resolver did not answer"));
}

static void failures_are_told(void **state)
{
    static const struct {
        const char *by, *name;
        enum ecert_status status;
        const char *words;
    } wrong[] = {
        {silent, "a.test", ECERT_E_TIMEOUT, "did not answer within 0.3 seconds"},
        {"127.0.0.1:1", "a.test", ECERT_E_NETWORK, "the resolver cannot be reached"},
        {"somewhere", "a.test", ECERT_E_REFUSED, "'somewhere' is not the address of a resolver"},
        {resolver, "", ECERT_E_REFUSED, "a name that no record can have"},
        {resolver, "a..test", ECERT_E_NETWORK, "no name can be like that"},
        {resolver, "a\nb.test", ECERT_E_REFUSED, "a name that no record can have"},
    };

    (void)state;
    need_nsd();
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        struct ecert_caa_records records = {0};
        struct ecert_error err = {0};

        assert_int_equal(
            ecert_network_caa(&network, wrong[i].by, wrong[i].name, 300, &records, &err),
            wrong[i].status);
        if (strstr(err.text, wrong[i].words) == NULL)
            fail_msg("%s", err.text);
        assert_int_equal(records.n, 0);
    }
}

static void without_names_of_the_ca_nobody_asks(void **state)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings notes = {0};
    const char *const names[] = {"forbidden.test", NULL};
    const struct ecert_authority unknown = {0};
    enum ecert_caa_verdict verdict = ECERT_CAA_UNKNOWN;
    struct ecert_error err = {0};

    (void)state;
    assert_int_equal(ecert_caa_check(NULL, NULL, names, &unknown, &verdict, &notes, &err),
                     ECERT_OK);
    assert_int_equal(verdict, ECERT_CAA_NONE);
    assert_int_equal(notes.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdicts_are_those_of_the_records),
        cmocka_unit_test(all_names_at_once),
        cmocka_unit_test(large_answers_come_whole),
        cmocka_unit_test(silence_is_not_waited_for_again_and_again),
        cmocka_unit_test(failures_are_told),
        cmocka_unit_test(without_names_of_the_ca_nobody_asks),
    };

    return cmocka_run_group_tests(tests, start, end);
}
