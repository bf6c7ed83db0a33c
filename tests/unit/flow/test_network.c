/* Probes and the co-process: through the real ecert-net (ECERT_NET_PROGRAM), against real servers
 * (net_server.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/flow/certificate.h"
#include "core/flow/network.h"
#include "tests/unit/flow/net_server.h"

static struct net_site site;
static struct ecert_network network;

/* ---- probing ---- */

static enum ecert_status probe_one(unsigned port, const char *server_name, const char *starttls,
                                   const char *key_type, struct ecert_seen *ret,
                                   struct ecert_error *err)
{
    char address[] = "127.0.0.1";
    struct ecert_probe probe = {.address = address,
                                .port = (uint16_t)port,
                                .server_name = (char *)(uintptr_t)server_name,
                                .starttls = (char *)(uintptr_t)starttls};

    return ecert_network_probe(&network, &probe, 1, key_type, 1000, ret, err);
}

static void expect_leaf(const struct ecert_seen *seen, X509 *leaf)
{
    if (!seen->answered)
        fail_msg("no answer: %s", seen->why_not);
    assert_null(seen->why_not);
    assert_int_equal(sk_X509_num(seen->certificates), 2);
    assert_int_equal(X509_cmp(sk_X509_value(seen->certificates, 0), leaf), 0);
    assert_int_equal(X509_cmp(sk_X509_value(seen->certificates, 1), site.sub), 0);
}

static void a_probe_sees_leaf_and_chain(void **state)
{
    ECERT_AUTO(ecert_seen_clear) struct ecert_seen seen = {0};
    struct ecert_error err = {0};

    (void)state;
    assert_int_equal(probe_one(site.https, "a.example", NULL, NULL, &seen, &err), ECERT_OK);
    expect_leaf(&seen, site.a);
}

static void sni_selects(void **state)
{
    ECERT_AUTO(ecert_seen_clear) struct ecert_seen named = {0};
    ECERT_AUTO(ecert_seen_clear) struct ecert_seen unnamed = {0};
    struct ecert_error err = {0};

    (void)state;
    assert_int_equal(probe_one(site.https, "b.example", NULL, NULL, &named, &err), ECERT_OK);
    expect_leaf(&named, site.b);
    assert_int_equal(probe_one(site.https, NULL, NULL, NULL, &unnamed, &err), ECERT_OK);
    expect_leaf(&unnamed, site.a); /* the default server */
}

static void the_key_type_selects(void **state)
{
    ECERT_AUTO(ecert_seen_clear) struct ecert_seen rsa = {0};
    ECERT_AUTO(ecert_seen_clear) struct ecert_seen ec = {0};
    ECERT_AUTO(ecert_seen_clear) struct ecert_seen neither = {0};
    struct ecert_error err = {0};

    (void)state;
    assert_int_equal(probe_one(site.https, "dual.example", NULL, "rsa", &rsa, &err), ECERT_OK);
    expect_leaf(&rsa, site.dual_rsa);
    assert_int_equal(probe_one(site.https, "dual.example", NULL, "ec", &ec, &err), ECERT_OK);
    expect_leaf(&ec, site.dual_ec);
    assert_int_equal(probe_one(site.https, "a.example", NULL, "ec", &neither, &err), ECERT_OK);
    assert_false(neither.answered);
    assert_non_null(strstr(neither.why_not, "alert: handshake failure"));
}

static void expect_silence(unsigned port, const char *server_name, const char *starttls,
                           const char *words)
{
    ECERT_AUTO(ecert_seen_clear) struct ecert_seen seen = {0};
    struct ecert_error err = {0};

    assert_int_equal(probe_one(port, server_name, starttls, NULL, &seen, &err), ECERT_OK);
    assert_false(seen.answered);
    assert_null(seen.certificates);
    assert_string_equal(seen.why_not, words);
}

static void no_answer_has_a_reason(void **state)
{
    (void)state;
    expect_silence(site.closed, "a.example", NULL, "connection refused");
    expect_silence(site.http, "a.example", NULL, "no TLS is spoken there");
    expect_silence(site.silent, "a.example", NULL, "timed out in the handshake");
    expect_silence(site.https, "refused.example", NULL,
                   "the server refused the handshake (alert: unrecognized name)");
    expect_silence(site.silent, "a.example", "smtp", "timed out");
}

static void starttls(void **state)
{
    ECERT_AUTO(ecert_seen_clear) struct ecert_seen seen = {0};
    struct ecert_error err = {0};
    struct net_starttls server;

    net_starttls_start(&server, &site, *state);
    const enum ecert_status status = probe_one(server.port, "a.example", *state, NULL, &seen, &err);
    net_starttls_end(&server);
    assert_int_equal(status, ECERT_OK);
    expect_leaf(&seen, site.a);
}

static void starttls_that_is_not_offered(void **state)
{
    struct net_starttls server;

    (void)state;
    net_starttls_start(&server, &site, "smtp without STARTTLS");
    expect_silence(server.port, "a.example", "smtp", "the server does not offer STARTTLS");
    net_starttls_end(&server);
    net_starttls_start(&server, &site, "smtp that is not ready");
    expect_silence(server.port, "a.example", "smtp", "not the greeting of a ready smtp server");
    net_starttls_end(&server);
}

static void many_at_once(void **state)
{
    enum { N = 900 }; /* more than two rounds */
    static struct ecert_probe probes[N];
    static struct ecert_seen seen[N];
    char address[] = "127.0.0.1", a[] = "a.example", b[] = "b.example";
    struct ecert_error err = {0};

    (void)state;
    for (size_t i = 0; i < N; i++)
        probes[i] = (struct ecert_probe){.address = address,
                                         .port = (uint16_t)(i % 50 == 7 ? site.closed : site.https),
                                         .server_name = i % 2 == 0 ? a : b};
    if (ecert_network_probe(&network, probes, N, NULL, 10000, seen, &err) != ECERT_OK)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < N; i++) {
        if (i % 50 == 7)
            assert_string_equal(seen[i].why_not, "connection refused");
        else
            expect_leaf(&seen[i], i % 2 == 0 ? site.a : site.b);
        ecert_seen_clear(&seen[i]);
    }
}

/* Children that were reaped leave their page faults in the account of their parent. */
static long children_seen(void)
{
    struct rusage usage;

    assert_int_equal(getrusage(RUSAGE_CHILDREN, &usage), 0);
    return usage.ru_minflt;
}

/* A limited child decodes what a server sends; the same bytes are decoded by one once only. */
static void what_is_known_needs_no_child(void **state)
{
    ECERT_AUTO(ecert_seen_clear) struct ecert_seen first = {0};
    ECERT_AUTO(ecert_seen_clear) struct ecert_seen again = {0};
    ECERT_AUTO(ecert_seen_clear) struct ecert_seen told = {0};
    ECERT_AUTO(ecert_network_clear) struct ecert_network fresh = {.fd = -1};
    struct ecert_error err = {0};
    char address[] = "127.0.0.1", name[] = "b.example";
    const struct ecert_probe probe = {
        .address = address, .port = (uint16_t)site.https, .server_name = name};

    (void)state;
    assert_int_equal(ecert_network_init(&fresh, ECERT_NET_PROGRAM, NULL, &err), ECERT_OK);
    const long start = children_seen();
    assert_int_equal(ecert_network_probe(&fresh, &probe, 1, NULL, 1000, &first, &err), ECERT_OK);
    expect_leaf(&first, site.b);
    const long decoded = children_seen();
    assert_true(decoded > start);
    assert_int_equal(ecert_network_probe(&fresh, &probe, 1, NULL, 1000, &again, &err), ECERT_OK);
    expect_leaf(&again, site.b);
    assert_int_equal(children_seen(), decoded);
    ecert_network_clear(&fresh);
    assert_int_equal(ecert_network_init(&fresh, ECERT_NET_PROGRAM, NULL, &err), ECERT_OK);
    for (int i = 0; i < sk_X509_num(first.certificates); i++)
        ecert_network_knows(&fresh, sk_X509_value(first.certificates, i));
    const long before = children_seen(); /* the co-process of before is in the account now */
    assert_int_equal(ecert_network_probe(&fresh, &probe, 1, NULL, 1000, &told, &err), ECERT_OK);
    assert_int_equal(children_seen(), before);
    expect_leaf(&told, site.b);
}

/* One that was released ends; the next request starts another. */
static void a_released_one_is_started_again(void **state)
{
    ECERT_AUTO(ecert_seen_clear) struct ecert_seen seen = {0};
    struct ecert_error err = {0};

    (void)state;
    assert_int_equal(ecert_network_start(&network, &err), ECERT_OK);
    const int pid = network.pid;
    ecert_network_release(&network);
    ecert_network_release(&network);
    assert_int_equal(probe_one(site.https, "a.example", NULL, NULL, &seen, &err), ECERT_OK);
    expect_leaf(&seen, site.a);
    assert_int_not_equal(network.pid, pid);
}

static void silent_ones_are_waited_for_together(void **state)
{
    enum { N = 50 };
    struct ecert_probe probes[N];
    struct ecert_seen seen[N];
    char address[] = "127.0.0.1";
    struct ecert_error err = {0};

    (void)state;
    for (size_t i = 0; i < N; i++)
        probes[i] = (struct ecert_probe){.address = address, .port = (uint16_t)site.silent};
    const int64_t start = ecert_clock_monotonic_ms();
    assert_int_equal(ecert_network_probe(&network, probes, N, NULL, 500, seen, &err), ECERT_OK);
    assert_true(ecert_clock_monotonic_ms() - start < 3000);
    for (size_t i = 0; i < N; i++) {
        assert_false(seen[i].answered);
        ecert_seen_clear(&seen[i]);
    }
}

static void what_is_no_endpoint_is_refused(void **state)
{
    static const char *const names[] = {"a.example/../x", "a@b", "a b", "a:1"};
    ECERT_AUTO(ecert_seen_clear) struct ecert_seen seen = {0};
    struct ecert_error err = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        assert_int_equal(probe_one(site.https, names[i], NULL, NULL, &seen, &err), ECERT_E_REFUSED);
    assert_int_equal(probe_one(site.https, "a.example", "gopher", NULL, &seen, &err),
                     ECERT_E_REFUSED);
    assert_int_equal(probe_one(site.https, "a.example", NULL, "dsa", &seen, &err), ECERT_E_REFUSED);
    assert_int_equal(probe_one(site.https, "a.example", NULL, NULL, &seen, &err), ECERT_OK);
    expect_leaf(&seen, site.a); /* and it goes on */
}

/* ---- the co-process ---- */

static void it_runs_without_root(void **state)
{
    char path[64], line[256];
    int fields[4] = {-1, -1, -1, -1};
    struct ecert_error err = {0};
    bool filtered = false, no_new_privileges = false;
    ECERT_AUTO(ecert_fetched_clear) struct ecert_fetched fetched = {0};

    (void)state;
    assert_int_equal(net_site_fetch(&site, &network, "file", NULL, NULL, &fetched, &err), ECERT_OK);
    (void)snprintf(path, sizeof path, "/proc/%d/status", network.pid);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL) {
        (void)sscanf(line, "Uid: %d %d %d %d", &fields[0], &fields[1], &fields[2], &fields[3]);
        filtered = filtered || strcmp(line, "Seccomp:\t2\n") == 0;
        no_new_privileges = no_new_privileges || strcmp(line, "NoNewPrivs:\t1\n") == 0;
    }
    (void)fclose(file);
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
        assert_int_not_equal(fields[i], 0);
    assert_true(filtered);
    assert_true(no_new_privileges);
    assert_int_equal(getpgid(network.pid), network.pid);
}

static void it_is_started_again_after_its_end(void **state)
{
    ECERT_AUTO(ecert_fetched_clear) struct ecert_fetched fetched = {0};
    struct ecert_error err = {0};

    (void)state;
    assert_int_equal(ecert_network_start(&network, &err), ECERT_OK);
    const int pid = network.pid;
    assert_int_equal(kill(pid, SIGKILL), 0);
    ecert_clock_sleep_ms(100);
    assert_int_equal(net_site_fetch(&site, &network, "file", NULL, NULL, &fetched, &err), ECERT_OK);
    assert_int_not_equal(network.pid, pid);
}

static void it_ends_when_the_socket_closes(void **state)
{
    ECERT_AUTO(ecert_network_clear) struct ecert_network own = {.fd = -1};
    ECERT_AUTO(ecert_fetched_clear) struct ecert_fetched fetched = {0};
    struct ecert_error err = {0};
    int status = -1;

    (void)state;
    assert_int_equal(ecert_network_init(&own, ECERT_NET_PROGRAM, NULL, &err), ECERT_OK);
    assert_int_equal(net_site_fetch(&site, &own, "file", NULL, NULL, &fetched, &err), ECERT_OK);
    (void)close(own.fd);
    own.fd = -1;
    assert_int_equal(waitpid(own.pid, &status, 0), own.pid);
    own.pid = 0;
    assert_true(WIFEXITED(status));
#ifndef __SANITIZE_ADDRESS__ /* in the jail its search for leaks fails, and with it the exit */
    assert_int_equal(WEXITSTATUS(status), 0);
#endif
}

/* The middle process starts ecert-net, sends it into a slow transfer, and is killed. */
static void it_ends_when_its_parent_is_killed(void **state)
{
    int ends[2], pid = 0, status;

    (void)state;
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0); /* so that we may wait for it */
    assert_int_equal(pipe(ends), 0);
    const pid_t middle = fork();
    if (middle == 0) {
        ECERT_AUTO(ecert_fetched_clear) struct ecert_fetched fetched = {0};
        struct ecert_network own = {.fd = -1};
        struct ecert_error err = {0};

        if (ecert_network_init(&own, ECERT_NET_PROGRAM, NULL, &err) != ECERT_OK ||
            net_site_fetch(&site, &own, "file", NULL, NULL, &fetched, &err) != ECERT_OK ||
            write(ends[1], &own.pid, sizeof own.pid) != sizeof own.pid)
            _exit(1);
        (void)net_site_fetch(&site, &own, "slow", NULL, NULL, &fetched, &err);
        _exit(1);
    }
    assert_int_equal(read(ends[0], &pid, sizeof pid), sizeof pid);
    ecert_clock_sleep_ms(200);
    assert_int_equal(kill(pid, 0), 0);
    assert_int_equal(kill(middle, SIGKILL), 0);
    assert_int_equal(waitpid(middle, &status, 0), middle);
    const int64_t until = ecert_clock_monotonic_ms() + 2000;
    while (waitpid(pid, &status, WNOHANG) == 0 && ecert_clock_monotonic_ms() < until)
        ecert_clock_sleep_ms(10);
    assert_int_equal(kill(pid, 0), -1);
    assert_int_equal(errno, ESRCH);
    (void)prctl(PR_SET_CHILD_SUBREAPER, 0);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

static void an_untrusted_program_is_refused(void **state)
{
    struct ecert_network own = {.fd = -1};
    struct ecert_error err = {0};
    const char *path = net_site_write(&site, "ecert-net", "#!", 2, 0777);

    (void)state;
    assert_int_equal(ecert_network_init(&own, path, NULL, &err), ECERT_E_REFUSED);
    assert_non_null(strstr(err.text, "can be written by others"));
    assert_null(own.program);
}

static void a_program_that_cannot_run_is_an_error(void **state)
{
    ECERT_AUTO(ecert_network_clear) struct ecert_network own = {.fd = -1};
    ECERT_AUTO(ecert_fetched_clear) struct ecert_fetched fetched = {0};
    struct ecert_error err = {0};
    const char *path = net_site_write(&site, "ecert-net", "x", 1, 0755);

    (void)state;
    assert_int_equal(ecert_network_init(&own, path, NULL, &err), ECERT_OK);
    assert_int_equal(net_site_fetch(&site, &own, "file", NULL, NULL, &fetched, &err), ECERT_E_IO);
    assert_non_null(strstr(err.text, "cannot be run"));
}

/* A program of our own in ecert-net's place answers nonsense: nothing of it is believed. */
static void nonsense_is_not_believed(void **state)
{
    static const char *const answers[] = {
        "\\377\\377\\377\\377",                     /* a message of 4 GiB */
        "\\004\\000\\000\\000\\011\\000\\000\\000", /* an unknown kind */
        "\\004\\000\\000\\000\\002\\000\\000\\000", /* FETCHED without fields */
        "\\004\\000\\000\\000\\006\\000\\000\\000", /* FAILED without a status */
        "\\014\\000\\000\\000\\002\\000\\000\\000\\377\\377\\377\\177AAAA"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
        ECERT_AUTO(ecert_network_clear) struct ecert_network own = {.fd = -1};
        ECERT_AUTO(ecert_fetched_clear) struct ecert_fetched fetched = {0};
        struct ecert_error err = {0};
        char script[256];

        (void)snprintf(script, sizeof script, "#!/bin/sh\nprintf '%s' >&0\nsleep 5\n", answers[i]);
        const char *path = net_site_write(&site, "ecert-net", script, strlen(script), 0755);
        assert_int_equal(ecert_network_init(&own, path, NULL, &err), ECERT_OK);
        assert_int_not_equal(net_site_fetch(&site, &own, "file", NULL, NULL, &fetched, &err),
                             ECERT_OK);
        assert_int_equal(own.pid, 0); /* and it is not asked again */
    }
}

/* ---- all of it ---- */

static int start_all(void **state)
{

    (void)state;
    const int outcome = net_begin(&site, &network, ECERT_NET_PROGRAM);
    net_site_publish(&site);
    return outcome;
}

static int end_all(void **state)
{
    (void)state;
    return net_end(&site, &network);
}

int main(void)
{
    static char smtp[] = "smtp", imap[] = "imap", pop3[] = "pop3", ftp[] = "ftp";
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_probe_sees_leaf_and_chain),
        cmocka_unit_test(sni_selects),
        cmocka_unit_test(the_key_type_selects),
        cmocka_unit_test(no_answer_has_a_reason),
        cmocka_unit_test_prestate(starttls, smtp),
        cmocka_unit_test_prestate(starttls, imap),
        cmocka_unit_test_prestate(starttls, pop3),
        cmocka_unit_test_prestate(starttls, ftp),
        cmocka_unit_test(starttls_that_is_not_offered),
        cmocka_unit_test(many_at_once),
        cmocka_unit_test(what_is_known_needs_no_child),
        cmocka_unit_test(a_released_one_is_started_again),
        cmocka_unit_test(silent_ones_are_waited_for_together),
        cmocka_unit_test(what_is_no_endpoint_is_refused),
        cmocka_unit_test(it_runs_without_root),
        cmocka_unit_test(it_is_started_again_after_its_end),
        cmocka_unit_test(it_ends_when_the_socket_closes),
        cmocka_unit_test(it_ends_when_its_parent_is_killed),
        cmocka_unit_test(an_untrusted_program_is_refused),
        cmocka_unit_test(a_program_that_cannot_run_is_an_error),
        cmocka_unit_test(nonsense_is_not_believed),
    };
    return cmocka_run_group_tests(tests, start_all, end_all);
}
