/*
 * STARTTLS of LDAP (RFC 4511, section 4.14): through the real ecert-net against a real slapd, and
 * against servers that refuse, hang, leave or talk nonsense.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "tests/support/test_rows.h"
#include "tests/unit/flow/net_server.h"

#define SLAPD "/usr/sbin/slapd"

static struct net_site site;
static struct ecert_network network;

static void probe_one(unsigned port, const char *server_name, const char *key_type,
                      struct ecert_seen *ret)
{
    char address[] = "127.0.0.1", ldap[] = "ldap";
    struct ecert_error err = {0};
    const struct ecert_probe probe = {.address = address,
                                      .port = (uint16_t)port,
                                      .server_name = (char *)(uintptr_t)server_name,
                                      .starttls = ldap};

    if (ecert_network_probe(&network, &probe, 1, key_type, 700, ret, &err) != ECERT_OK)
        fail_msg("%s", err.text);
}

static void expect_leaf(const struct ecert_seen *seen, X509 *leaf)
{
    if (!seen->answered)
        fail_msg("no answer: %s", seen->why_not);
    assert_int_equal(sk_X509_num(seen->certificates), 2);
    assert_int_equal(X509_cmp(sk_X509_value(seen->certificates, 0), leaf), 0);
    assert_int_equal(X509_cmp(sk_X509_value(seen->certificates, 1), site.sub), 0);
}

static void expect_silence(unsigned port, const char *key_type, const char *words)
{
    ECERT_AUTO(ecert_seen_clear) struct ecert_seen seen = {0};

    probe_one(port, NULL, key_type, &seen);
    assert_false(seen.answered);
    assert_null(seen.certificates);
    assert_string_equal(seen.why_not, words);
}

/* ---- slapd ---- */

struct slapd {
    pid_t pid;
    unsigned port;
};

static void slapd_start(struct slapd *slapd, const char *settings)
{
    char url[64], text[2000];

    slapd->port = net_free_port();
    (void)snprintf(url, sizeof url, "ldap://127.0.0.1:%u", slapd->port);
    (void)snprintf(text, sizeof text, "pidfile %s/slapd.pid\n%s", site.folder, settings);
    char *const file = strdup(net_site_write(&site, "slapd.conf", text, strlen(text), 0644));
    slapd->pid = fork();
    if (slapd->pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)execl(SLAPD, "slapd", "-d", "0", "-h", url, "-f", file, (char *)NULL);
        _exit(127);
    }
    free(file);
    for (int i = 0; i < 500 && !net_can_connect(slapd->port); i++) {
        if (waitpid(slapd->pid, NULL, WNOHANG) != 0)
            fail_msg("slapd ended");
        ecert_clock_sleep_ms(10);
    }
}

static void slapd_end(struct slapd *slapd)
{
    (void)kill(slapd->pid, SIGTERM);
    (void)waitpid(slapd->pid, NULL, 0);
}

static void slapd_with_tls_start(struct slapd *slapd)
{
    char settings[1000];

    if (access(SLAPD, X_OK) != 0)
        skip(); /* Debian: slapd */
    (void)snprintf(settings, sizeof settings,
                   "TLSCertificateFile %s/a.pem\nTLSCertificateKeyFile %s/a.pem\n", site.folder,
                   site.folder);
    slapd_start(slapd, settings);
}

static void slapd_is_seen(void **state)
{
    ECERT_AUTO(ecert_seen_clear) struct ecert_seen seen = {0};
    struct slapd slapd;

    (void)state;
    slapd_with_tls_start(&slapd);
    probe_one(slapd.port, "a.example", "rsa", &seen);
    slapd_end(&slapd);
    expect_leaf(&seen, site.a);
}

static void slapd_without_tls_is_told(void **state)
{
    ECERT_AUTO(ecert_seen_clear) struct ecert_seen seen = {0};
    struct slapd slapd;

    (void)state;
    if (access(SLAPD, X_OK) != 0)
        skip();
    slapd_start(&slapd, "");
    probe_one(slapd.port, "a.example", NULL, &seen);
    slapd_end(&slapd);
    assert_false(seen.answered);
    /* slapd knows the operation, and has nothing to do it with */
    assert_string_equal(seen.why_not, "the server does not offer STARTTLS");
}

/* Many conversations of LDAP in one loop, among others that libcurl holds. */
static void many_of_both_kinds(void **state)
{
    enum { N = 500 };
    static struct ecert_probe probes[N];
    static struct ecert_seen seen[N];
    char address[] = "127.0.0.1", name[] = "a.example", ldap[] = "ldap";
    struct ecert_error err = {0};
    struct slapd slapd;

    (void)state;
    slapd_with_tls_start(&slapd);
    for (size_t i = 0; i < N; i++) {
        const unsigned port = i % 3 == 0 ? site.https : i % 50 == 7 ? site.closed : slapd.port;

        probes[i] = (struct ecert_probe){.address = address,
                                         .port = (uint16_t)port,
                                         .server_name = name,
                                         .starttls = i % 3 == 0 ? NULL : ldap};
    }
    const enum ecert_status status =
        ecert_network_probe(&network, probes, N, NULL, 15000, seen, &err);
    slapd_end(&slapd);
    if (status != ECERT_OK)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < N; i++) {
        if (i % 3 != 0 && i % 50 == 7)
            assert_string_equal(seen[i].why_not, "connection refused");
        else
            expect_leaf(&seen[i], site.a);
        ecert_seen_clear(&seen[i]);
    }
}

/* ---- servers of our own ---- */

enum then { LEAVES, HANGS, SHAKES_HANDS };

static const struct server {
    const char *name, *answer;
    size_t len;
    enum then then;
    bool piecemeal;    /* a byte at a time */
    bool at_once;      /* without having been asked */
    const char *words; /* NULL: the leaf is seen */
} servers[] = {
#define BYTES(text) text, sizeof(text) - 1
#define AGREED      "\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00"
    {.name = "agrees", BYTES(AGREED), SHAKES_HANDS},
    {.name = "agrees a byte at a time", BYTES(AGREED), SHAKES_HANDS, .piecemeal = true},
    {.name = "agrees with long lengths, as Active Directory, and names the operation",
     BYTES("\x30\x84\x00\x00\x00\x28\x02\x01\x01\x78\x84\x00\x00\x00\x1f\x0a\x01\x00\x04\x00"
           "\x04\x00\x8a\x16"
           "1.3.6.1.4.1.1466.20037"),
     SHAKES_HANDS},
    {.name = "does not know the operation",
     BYTES("\x30\x0f\x02\x01\x01\x78\x0a\x0a\x01\x02\x04\x00\x04\x03no!"),
     HANGS,
     .words = "the server does not offer STARTTLS"},
    {.name = "has no TLS now",
     BYTES("\x30\x10\x02\x01\x01\x78\x0b\x0a\x01\x34\x04\x00\x04\x04none"),
     HANGS,
     .words = "the server refused STARTTLS: unavailable (52), none"},
    {.name = "refuses without words",
     BYTES("\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x35\x04\x00\x04\x00"),
     HANGS,
     .words = "the server refused STARTTLS: unwillingToPerform (53)"},
    {.name = "refuses with a number that nobody knows, and words for the terminal",
     BYTES("\x30\x10\x02\x01\x01\x78\x0b\x0a\x01\x7b\x04\x00\x04\x04\x1b[2J"),
     HANGS,
     .words = "the server refused STARTTLS: an error (123), \\x1B[2J"},
    {.name = "says that it disconnects",
     BYTES("\x30\x24\x02\x01\x00\x78\x1f\x0a\x01\x34\x04\x00\x04\x00\x8a\x16"
           "1.3.6.1.4.1.1466.20036"),
     LEAVES,
     .words = "the server refused STARTTLS: unavailable (52)"},
    {.name = "hangs", BYTES(""), HANGS, .words = "timed out"},
    {.name = "hangs in its answer", BYTES("\x30\x0c\x02\x01"), HANGS, .words = "timed out"},
    {.name = "leaves", BYTES(""), LEAVES, .words = "the server closed the connection before TLS"},
    {.name = "leaves in its answer",
     BYTES("\x30\x0c\x02\x01"),
     LEAVES,
     .words = "the server closed the connection before TLS"},
    {.name = "agrees and hangs", BYTES(AGREED), HANGS, .words = "timed out in the handshake"},
    {.name = "agrees and leaves",
     BYTES(AGREED),
     LEAVES,
     .words = "the server closed the connection during the handshake"},
    {.name = "is a mail server",
     BYTES("220 mx.example ESMTP\r\n"),
     HANGS,
     .at_once = true,
     .words = "not the answer of an LDAP server"},
    {.name = "is a web server",
     BYTES("HTTP/1.1 400 Bad Request\r\n\r\n"),
     LEAVES,
     .words = "not the answer of an LDAP server"},
    {.name = "speaks TLS at once",
     BYTES("\x15\x03\x01\x00\x02\x02\x46"),
     LEAVES,
     .words = "not the answer of an LDAP server"},
    {.name = "sends an indefinite length",
     BYTES("\x30\x80\x02\x01\x01\x78\x80"),
     HANGS,
     .words = "not the answer of an LDAP server"},
    {.name = "sends a length of 32 octets",
     BYTES("\x30\xa0\x02\x01\x01\x78\x80"),
     HANGS,
     .words = "not the answer of an LDAP server"},
    {.name = "announces 4 GiB",
     BYTES("\x30\x84\xff\xff\xff\xff\x02\x01\x01"),
     HANGS,
     .words = "timed out"},
    {.name = "sends an element that is longer than its whole",
     BYTES("\x30\x0c\x02\x01\x01\x78\x7f\x0a\x01\x00\x04\x00\x04\x00"),
     HANGS,
     .words = "not the answer of an LDAP server"},
    {.name = "sends a text that is longer than its whole",
     BYTES("\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x34\x04\x00\x04\x7f"),
     HANGS,
     .words = "not the answer of an LDAP server"},
    {.name = "sends a text of 4 GiB",
     BYTES("\x30\x10\x02\x01\x01\x78\x0b\x0a\x01\x34\x04\x00\x04\x84\xff\xff\xff\xff"),
     HANGS,
     .words = "not the answer of an LDAP server"},
    {.name = "sends an empty message",
     BYTES("\x30\x00"),
     HANGS,
     .words = "not the answer of an LDAP server"},
    {.name = "sends an empty answer",
     BYTES("\x30\x05\x02\x01\x01\x78\x00"),
     HANGS,
     .words = "not the answer of an LDAP server"},
    {.name = "sends an empty result",
     BYTES("\x30\x0b\x02\x01\x01\x78\x06\x0a\x00\x04\x00\x04\x00"),
     HANGS,
     .words = "not the answer of an LDAP server"},
    {.name = "answers another question",
     BYTES("\x30\x0c\x02\x01\x02\x78\x07\x0a\x01\x00\x04\x00\x04\x00"),
     SHAKES_HANDS,
     .words = "not the answer of an LDAP server"},
    {.name = "answers a bind",
     BYTES("\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00"),
     SHAKES_HANDS,
     .words = "not the answer of an LDAP server"},
    {.name = "agrees in a notice that it disconnects",
     BYTES("\x30\x0c\x02\x01\x00\x78\x07\x0a\x01\x00\x04\x00\x04\x00"),
     SHAKES_HANDS,
     .words = "not the answer of an LDAP server"},
    {.name = "agrees and has more to say in the clear",
     BYTES(AGREED AGREED),
     SHAKES_HANDS,
     .words = "not the answer of an LDAP server"},
};

/* RFC 4511, 4.14.1, octet by octet: a message with the id 1, an extended request, its name. */
static const char starttls_request[] = "\x30\x1d\x02\x01\x01\x77\x18\x80\x16"
                                       "1.3.6.1.4.1.1466.20037";

static void send_pieces(int fd, const struct server *server)
{
    const size_t piece = server->piecemeal ? 1 : server->len;

    for (size_t i = 0; i < server->len; i += piece) {
        (void)!write(fd, server->answer + i, piece);
        if (server->piecemeal)
            ecert_clock_sleep_ms(5);
    }
}

static void serve(int fd, const void *context)
{
    const struct server *server = context;
    char asked[64];

    if (server->at_once)
        send_pieces(fd, server);
    const ssize_t n = recv(fd, asked, sizeof starttls_request - 1, MSG_WAITALL);
    if (n != sizeof starttls_request - 1 || memcmp(asked, starttls_request, (size_t)n) != 0)
        return;
    if (!server->at_once)
        send_pieces(fd, server);
    if (server->then == SHAKES_HANDS)
        net_serve_tls(fd, &site, "a.pem");
    while (server->then == HANGS && read(fd, asked, sizeof asked) > 0)
        continue;
}

static void one_server(void **state)
{
    const struct server *server = *state;
    struct net_starttls running;
    struct ecert_seen all[5] = {{0}}; /* of what arrives when, nothing may depend on it */

    net_server_start(&running, "127.0.0.1", serve, server);
    const size_t n = server->at_once ? ARRAY_SIZE(all) : 1;
    for (size_t i = 0; i < n; i++)
        probe_one(running.port, "a.example", NULL, &all[i]);
    net_starttls_end(&running);
    for (size_t i = 0; i < n; i++) {
        if (server->words == NULL)
            expect_leaf(&all[i], site.a);
        else if (all[i].answered)
            fail_msg("it was seen");
        else
            assert_string_equal(all[i].why_not, server->words);
        ecert_seen_clear(&all[i]);
    }
}

static void nobody_listens(void **state)
{
    (void)state;
    expect_silence(site.closed, NULL, "connection refused");
    expect_silence(site.silent, NULL, "timed out");
    expect_silence(site.http, NULL, "not the answer of an LDAP server");
    expect_silence(site.https, NULL, "not the answer of an LDAP server");
}

static void name_and_key_type_are_sent(void **state)
{
    ECERT_AUTO(ecert_seen_clear) struct ecert_seen named = {0};
    ECERT_AUTO(ecert_seen_clear) struct ecert_seen unnamed = {0};
    struct net_starttls running;

    (void)state;
    net_server_start(&running, "127.0.0.1", serve, &servers[0]);
    probe_one(running.port, "b.example", NULL, &named);
    probe_one(running.port, NULL, NULL, &unnamed);
    expect_silence(running.port, "ec",
                   "the server refused the handshake (alert: handshake failure)");
    net_starttls_end(&running);
    expect_leaf(&named, site.b);
    expect_leaf(&unnamed, site.a);
}

/* A slow byte now and then does not move the limit. */
static void the_time_limit_is_of_the_whole(void **state)
{
    static const struct server slow = {
        .name = "slow",
        BYTES("\x30\x82\x03\xe8" /* and a thousand that come slowly */
              "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
              "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
              "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
              "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
        HANGS,
        .piecemeal = true};
    struct net_starttls running;

    (void)state;
    net_server_start(&running, "127.0.0.1", serve, &slow);
    const int64_t start = ecert_clock_monotonic_ms();
    expect_silence(running.port, NULL, "timed out");
    const int64_t took = ecert_clock_monotonic_ms() - start;
    net_starttls_end(&running);
    assert_true(took >= 600 && took < 1200);
}

/* ---- all of it ---- */

static int start_all(void **state)
{

    (void)state;
    return net_begin(&site, &network, ECERT_NET_PROGRAM);
}

static int end_all(void **state)
{
    (void)state;
    return net_end(&site, &network);
}

int main(void)
{
    static const struct CMUnitTest others[] = {
        cmocka_unit_test(slapd_is_seen),
        cmocka_unit_test(slapd_without_tls_is_told),
        cmocka_unit_test(many_of_both_kinds),
        cmocka_unit_test(nobody_listens),
        cmocka_unit_test(name_and_key_type_are_sent),
        cmocka_unit_test(the_time_limit_is_of_the_whole),
    };
    struct CMUnitTest tests[ARRAY_SIZE(others) + ARRAY_SIZE(servers)];

    memcpy(tests, others, sizeof others);
    (void)TEST_ADD_ROWS(tests + ARRAY_SIZE(others), one_server, servers);
    return cmocka_run_group_tests(tests, start_all, end_all);
}
