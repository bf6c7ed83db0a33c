/*
 * More of probes than test_network.c: names, both families of addresses, what is handed out and
 * how the caller learns how far it is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/net/protocol.h"
#include "tests/unit/flow/net_server.h"

static struct net_site site;
static struct ecert_network network;
static bool own_names; /* the resolver's files are ours */
static int dead_resolver = -1;

#define DEAD_RESOLVER "127.9.9.9" /* takes questions and answers none */
#define LONG_LABEL    "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggggggggg"

static void probe_one(const char *address, unsigned port, const char *server_name,
                      struct ecert_seen *ret)
{
    struct ecert_error err = {0};
    const struct ecert_probe probe = {.address = (char *)(uintptr_t)address,
                                      .port = (uint16_t)port,
                                      .server_name = (char *)(uintptr_t)server_name};

    if (ecert_network_probe(&network, &probe, 1, NULL, 1000, ret, &err) != ECERT_OK)
        fail_msg("%s", err.text);
}

static void expect_leaf(const struct ecert_seen *seen, X509 *leaf)
{
    if (!seen->answered)
        fail_msg("no answer: %s", seen->why_not);
    assert_int_equal(sk_X509_num(seen->certificates), 2);
    assert_int_equal(X509_cmp(sk_X509_value(seen->certificates, 0), leaf), 0);
}

static void serve(int fd, const void *pair)
{
    net_serve_tls(fd, &site, pair);
}

/* ---- names ---- */

static void need_own_names(void)
{
    if (!own_names)
        skip(); /* needs root, and a mount namespace */
}

static void a_name_is_resolved(void **state)
{
    ECERT_AUTO(ecert_seen_clear) struct ecert_seen seen = {0};

    (void)state;
    need_own_names();
    probe_one("v4.test", site.https, "b.example", &seen);
    expect_leaf(&seen, site.b);
}

static void a_name_is_not_the_server_name(void **state)
{
    ECERT_AUTO(ecert_seen_clear) struct ecert_seen seen = {0};

    (void)state;
    need_own_names();
    probe_one("b.example", site.https, NULL, &seen); /* 127.0.0.1, and nothing is asked for */
    expect_leaf(&seen, site.a);
}

static void a_name_of_ipv6_only(void **state)
{
    ECERT_AUTO(ecert_seen_clear) struct ecert_seen seen = {0};
    struct net_starttls server;

    (void)state;
    need_own_names();
    if (!net_has_address("::1"))
        skip();
    net_server_start(&server, "::1", serve, "a.pem");
    probe_one("v6.test", server.port, NULL, &seen);
    net_starttls_end(&server);
    expect_leaf(&seen, site.a);
}

/* Of its two addresses one refuses. */
static void a_name_of_both_families(void **state)
{
    static const char *const addresses[] = {"127.0.0.1", "::1"};

    (void)state;
    need_own_names();
    if (!net_has_address("::1"))
        skip();
    for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
        ECERT_AUTO(ecert_seen_clear) struct ecert_seen seen = {0};
        struct net_starttls server;

        net_server_start(&server, addresses[i], serve, "a.pem");
        probe_one("both.test", server.port, NULL, &seen);
        net_starttls_end(&server);
        expect_leaf(&seen, site.a);
    }
}

static void a_name_that_does_not_resolve(void **state)
{
    /* longer than a label can be: no resolver asks anybody for it */
    static const char *const names[] = {LONG_LABEL ".test", LONG_LABEL};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        ECERT_AUTO(ecert_seen_clear) struct ecert_seen seen = {0};

        probe_one(names[i], site.https, "a.example", &seen);
        assert_false(seen.answered);
        assert_string_equal(seen.why_not, "the name does not resolve");
    }
}

static void a_name_at_a_closed_port(void **state)
{
    ECERT_AUTO(ecert_seen_clear) struct ecert_seen seen = {0};

    (void)state;
    need_own_names();
    probe_one("v4.test", site.closed, NULL, &seen);
    assert_false(seen.answered);
    assert_string_equal(seen.why_not, "connection refused");
}

/*
 * A resolver that does not answer costs nobody else anything, and leaves descriptors for them; more
 * names than it can hang with are not even asked for.
 */
static void a_dead_resolver(void **state)
{
    enum { N = 501 };
    static struct ecert_probe probes[N];
    static struct ecert_seen seen[N];
    ECERT_AUTO(ecert_seen_clear) struct ecert_seen after = {0};
    static char names[N][32];
    char address[] = "127.0.0.1";
    struct ecert_error err = {0};
    size_t asked = 0;

    (void)state;
    need_own_names();
    if (dead_resolver < 0)
        skip();
    for (size_t i = 0; i < N; i++) {
        (void)snprintf(names[i], sizeof names[i], "unknown%zu.test", i);
        probes[i] = (struct ecert_probe){.address = i % 2 == 0 ? names[i] : address,
                                         .port = (uint16_t)site.https};
    }
    const int64_t start = ecert_clock_monotonic_ms();
    if (ecert_network_probe(&network, probes, N, NULL, 2500, seen, &err) != ECERT_OK)
        fail_msg("%s", err.text);
    assert_true(ecert_clock_monotonic_ms() - start < 60000);
    for (size_t i = 0; i < N; i++) {
        if (i % 2 == 1) {
            expect_leaf(&seen[i], site.a);
        } else if (strcmp(seen[i].why_not, "the name was not resolved in time") == 0) {
            asked++;
        } else {
            assert_string_equal(seen[i].why_not,
                                "the name was not resolved: the resolver does not answer");
        }
        ecert_seen_clear(&seen[i]);
    }
    assert_true(asked > 0 && asked < N / 2);
    probe_one(address, site.https, NULL, &after); /* it goes on */
    expect_leaf(&after, site.a);
}

static void what_is_no_address_is_refused(void **state)
{
    static const char *const addresses[] = {"",    "a b",   "a@b",       "a/b",
                                            "a:1", "[::1]", "-a.test",   ".a.test",
                                            "a%b", "a\nb",  "h\xc3\xa4", "::1%lo"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
        struct ecert_seen seen = {0};
        struct ecert_error err = {0};
        const struct ecert_probe probe = {.address = (char *)(uintptr_t)addresses[i],
                                          .port = (uint16_t)site.https};

        assert_int_equal(ecert_network_probe(&network, &probe, 1, NULL, 1000, &seen, &err),
                         ECERT_E_REFUSED);
        assert_non_null(strstr(err.text, "not an endpoint"));
    }
}

/* ---- many names at one place ---- */

/* What the processes of a server share. */
struct load {
    atomic_int now, most, all;
};

struct counting {
    struct load *load;
    bool silent;
};

/* Each connection in a process of its own.  Counted are those whose handshake has not begun: the
 * other has surely not closed them. */
static void count_and_serve(int fd, const void *context)
{
    const struct counting *counting = context;

    (void)signal(SIGCHLD, SIG_IGN);
    const int now = atomic_fetch_add(&counting->load->now, 1) + 1;
    if (now > atomic_load(&counting->load->most)) /* only this process accepts */
        atomic_store(&counting->load->most, now);
    (void)atomic_fetch_add(&counting->load->all, 1);
    if (fork() != 0)
        return;
    ecert_clock_sleep_ms(counting->silent ? 30000 : 50);
    (void)atomic_fetch_sub(&counting->load->now, 1);
    net_serve_tls(fd, &site, "a.pem");
    _exit(0);
}

enum { MANY = 100 };

/* MANY names of one server, and one of another; *ret_load is what the former saw. */
static void probe_many(bool silent, struct load *ret_load, struct ecert_seen seen[MANY + 1])
{
    static char names[MANY][32];
    struct ecert_probe probes[MANY + 1];
    char address[] = "127.0.0.1";
    struct ecert_error err = {0};
    struct net_starttls server;
    struct load *load =
        mmap(NULL, sizeof *load, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    const struct counting counting = {load, silent};

    assert_true(load != MAP_FAILED);
    net_server_start(&server, address, count_and_serve, &counting);
    for (size_t i = 0; i < MANY; i++) {
        (void)snprintf(names[i], sizeof names[i], "name%zu.example", i);
        probes[i] = (struct ecert_probe){
            .address = address, .port = (uint16_t)server.port, .server_name = names[i]};
    }
    probes[MANY] = (struct ecert_probe){.address = address, .port = (uint16_t)site.https};
    if (ecert_network_probe(&network, probes, MANY + 1, NULL, 1500, seen, &err) != ECERT_OK)
        fail_msg("%s", err.text);
    net_starttls_end(&server);
    *ret_load = *load;
    (void)munmap(load, sizeof *load);
}

static void a_server_of_many_names_is_asked_a_few_at_a_time(void **state)
{
    static struct ecert_seen seen[MANY + 1];
    struct load load;

    (void)state;
    probe_many(false, &load, seen);
    for (size_t i = 0; i <= MANY; i++) {
        expect_leaf(&seen[i], site.a);
        ecert_seen_clear(&seen[i]);
    }
    assert_int_equal(load.all, MANY);
    if (load.most > ECERT_NET_AT_ONCE_PLACE || load.most < 2)
        fail_msg("%d connections at a time", load.most);
}

/* Those that would wait behind others for nothing are not asked: one time limit, not thirteen. */
static void a_silent_server_of_many_names_costs_one_time_limit(void **state)
{
    static struct ecert_seen seen[MANY + 1];
    struct load load;

    (void)state;
    probe_many(true, &load, seen);
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(strncmp(seen[i].why_not, "timed out", 9), 0);
        ecert_seen_clear(&seen[i]);
    }
    expect_leaf(&seen[MANY], site.a);
    ecert_seen_clear(&seen[MANY]);
    /* on a busy machine the limits of the first ones do not end at the same moment */
    if (load.all > 2 * ECERT_NET_AT_ONCE_PLACE)
        fail_msg("%d of %d were asked", load.all, MANY);
}

/* ---- addresses of IPv6 ---- */

static void an_address_of_ipv6(void **state)
{
    ECERT_AUTO(ecert_seen_clear) struct ecert_seen seen = {0};
    ECERT_AUTO(ecert_seen_clear) struct ecert_seen named = {0};
    struct net_starttls server;

    (void)state;
    if (!net_has_address("::1"))
        skip();
    net_server_start(&server, "::1", serve, "a.pem");
    probe_one("::1", server.port, NULL, &seen);
    probe_one("0:0::1", server.port, "b.example", &named);
    net_starttls_end(&server);
    expect_leaf(&seen, site.a);
    expect_leaf(&named, site.b);
}

/* ---- what is handed out ---- */

static void the_order_is_the_servers(void **state)
{
    ECERT_AUTO(ecert_seen_clear) struct ecert_seen seen = {0};
    struct net_starttls server;

    (void)state;
    net_server_start(&server, "127.0.0.1", serve, "disorder.pem");
    probe_one("127.0.0.1", server.port, NULL, &seen);
    net_starttls_end(&server);
    assert_true(seen.answered);
    assert_int_equal(sk_X509_num(seen.certificates), 3);
    assert_int_equal(X509_cmp(sk_X509_value(seen.certificates, 0), site.a), 0);
    assert_int_equal(X509_cmp(sk_X509_value(seen.certificates, 1), site.root), 0);
    assert_int_equal(X509_cmp(sk_X509_value(seen.certificates, 2), site.sub), 0);
}

/* ecert-net hands on what is no certificate: that endpoint has none, the other is not touched. */
static void what_cannot_be_decoded_hides_no_other(void **state)
{
    static const char script[] = "#!/bin/sh\n"
                                 "n() { printf '\\'$1'\\000\\000\\000\\000\\000\\000\\000'; }\n"
                                 "l() { printf '\\'$1'\\000\\000\\000'; }\n"
                                 "{ l 034; l 005; l 010; n 000; l 000; l 004; printf xxxx; } >&0\n"
                                 "{ l 030; l 005; l 010; n 001; l 004; printf gone; } >&0\n"
                                 "sleep 5\n";
    ECERT_AUTO(ecert_network_clear) struct ecert_network own = {.fd = -1};
    struct ecert_seen seen[2] = {{0}};
    struct ecert_error err = {0};
    char address[] = "127.0.0.1";
    const struct ecert_probe probes[2] = {{.address = address, .port = 1},
                                          {.address = address, .port = 2}};

    (void)state;
    const char *path = net_site_write(&site, "ecert-net", script, strlen(script), 0755);
    assert_int_equal(ecert_network_init(&own, path, NULL, &err), ECERT_OK);
    if (ecert_network_probe(&own, probes, 2, NULL, 2000, seen, &err) != ECERT_OK)
        fail_msg("%s", err.text);
    assert_string_equal(seen[0].why_not, "certificate 1 that the server sent cannot be decoded");
    assert_string_equal(seen[1].why_not, "gone");
    ecert_seen_clear(&seen[0]);
    ecert_seen_clear(&seen[1]);
}

/* ---- how far it is ---- */

struct heard {
    size_t calls, n;
    bool in_order;
    int64_t first;
};

static void hear(void *context, size_t done, size_t n)
{
    struct heard *heard = context;

    if (heard->calls == 0)
        heard->first = ecert_clock_monotonic_ms();
    heard->in_order = heard->in_order && done == heard->calls + 1;
    heard->calls++;
    heard->n = n;
}

static void progress_is_told_as_answers_arrive(void **state)
{
    enum { N = 20 };
    struct ecert_probe probes[N];
    struct ecert_seen seen[N];
    struct heard heard = {.in_order = true};
    char address[] = "127.0.0.1";
    struct ecert_error err = {0};

    (void)state;
    for (size_t i = 0; i < N; i++)
        probes[i] = (struct ecert_probe){.address = address,
                                         .port = (uint16_t)(i == 0 ? site.silent : site.https)};
    assert_int_equal(
        ecert_network_probe_all(&network, probes, N, NULL, 1000, hear, &heard, seen, &err),
        ECERT_OK);
    const int64_t end = ecert_clock_monotonic_ms();
    assert_int_equal(heard.calls, N);
    assert_int_equal(heard.n, N);
    assert_true(heard.in_order);
    assert_true(end - heard.first > 500); /* not all of them at the end */
    assert_string_equal(seen[0].why_not, "timed out in the handshake");
    for (size_t i = 0; i < N; i++)
        ecert_seen_clear(&seen[i]);
    assert_int_equal(
        ecert_network_probe_all(&network, probes, 0, NULL, 1000, hear, &heard, seen, &err),
        ECERT_OK);
    assert_int_equal(heard.calls, N);
}

/* ---- all of it ---- */

static bool put_in_place(const char *name, const char *text)
{
    char path[64];

    (void)snprintf(path, sizeof path, "/etc/%s", name);
    return mount(net_site_write(&site, name, text, strlen(text), 0644), path, NULL, MS_BIND,
                 NULL) == 0;
}

/* In a mount namespace of this test: what the resolver of ecert-net reads is ours. */
static bool have_own_names(void)
{
    return geteuid() == 0 && unshare(CLONE_NEWNS) == 0 &&
           mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           put_in_place("hosts",
                        "127.0.0.1 v4.test b.example both.test\n::1 v6.test both.test\n") &&
           put_in_place("nsswitch.conf", "hosts: files dns\n") &&
           put_in_place("resolv.conf", "nameserver " DEAD_RESOLVER "\n");
}

static int open_dead_resolver(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(53)};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    (void)inet_pton(AF_INET, DEAD_RESOLVER, &address.sin_addr);
    if (bind(fd, (const struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    (void)close(fd);
    return -1;
}

static int start_all(void **state)
{
    struct ecert_error err = {0};

    (void)state;
    net_site_start(&site);
    own_names = have_own_names();
    dead_resolver = open_dead_resolver();
    return ecert_network_init(&network, ECERT_NET_PROGRAM, NULL, &err) == ECERT_OK ? 0 : -1;
}

static int end_all(void **state)
{
    (void)state;
    ecert_network_clear(&network);
    if (dead_resolver >= 0)
        (void)close(dead_resolver);
    if (own_names) {
        (void)umount("/etc/hosts");
        (void)umount("/etc/nsswitch.conf");
        (void)umount("/etc/resolv.conf");
    }
    net_site_end(&site);
    return 0;
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_is_resolved),
        cmocka_unit_test(a_name_is_not_the_server_name),
        cmocka_unit_test(a_name_of_ipv6_only),
        cmocka_unit_test(a_name_of_both_families),
        cmocka_unit_test(a_name_that_does_not_resolve),
        cmocka_unit_test(a_name_at_a_closed_port),
        cmocka_unit_test(a_dead_resolver),
        cmocka_unit_test(what_is_no_address_is_refused),
        cmocka_unit_test(a_server_of_many_names_is_asked_a_few_at_a_time),
        cmocka_unit_test(a_silent_server_of_many_names_costs_one_time_limit),
        cmocka_unit_test(an_address_of_ipv6),
        cmocka_unit_test(the_order_is_the_servers),
        cmocka_unit_test(what_cannot_be_decoded_hides_no_other),
        cmocka_unit_test(progress_is_told_as_answers_arrive),
    };
    return cmocka_run_group_tests(tests, start_all, end_all);
}
