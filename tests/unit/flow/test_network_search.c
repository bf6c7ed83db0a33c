/*
 * Certificates in a directory: through the real ecert-net against a real slapd, with and without
 * TLS, and against servers that hang, leave or talk nonsense.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <openssl/evp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/flow/ldap_source.h"
#include "tests/support/test_pki.h"
#include "tests/unit/flow/net_server.h"

#define SLAPD    "/usr/sbin/slapd"
#define SLAPADD  "/usr/sbin/slapadd"
#define BASE     "o=Example,c=HK"
#define READER   "cn=reader," BASE
#define PASSWORD "open sesame"
#define ODD      "a(b)*c\\d"

static struct net_site site;
static struct ecert_network network;
static pid_t slapd;
static char ldap_url[64], ldaps_url[64];

/* ---- slapd ---- */

static void add_certificate(struct ecert_buffer *ldif, const X509 *certificate)
{
    struct ecert_bytes der = test_certificate_der(certificate);
    unsigned char *text = malloc(der.len * 2 + 8);

    assert_non_null(text);
    (void)EVP_EncodeBlock(text, der.ptr, (int)der.len);
    ecert_buffer_printf(ldif, "userCertificate;binary:: %s\n", text);
    free(text);
    ecert_bytes_clear(&der);
}

static void add_person(struct ecert_buffer *ldif, const char *dn, const char *name)
{
    ecert_buffer_printf(ldif, "\ndn: %s\nobjectClass: inetOrgPerson\ncn: %s\nsn: x\n", dn, name);
}

static char *make_ldif(void)
{
    struct ecert_buffer ldif = {0};
    struct ecert_error err = {0};
    char *text = NULL;

    ecert_buffer_add_text(&ldif, "dn: " BASE "\nobjectClass: organization\no: Example\n");
    add_person(&ldif, "cn=one," BASE, "a.example");
    add_certificate(&ldif, site.a);
    add_certificate(&ldif, site.b);
    add_person(&ldif, "cn=two," BASE, "a.example");
    add_certificate(&ldif, site.dual_rsa);
    add_person(&ldif, "cn=three," BASE, "empty.example");
    add_person(&ldif, "cn=four," BASE, ODD);
    add_certificate(&ldif, site.b);
    add_person(&ldif, "cn=five," BASE, "axbxcxd");
    add_certificate(&ldif, site.a);
    ecert_buffer_add_text(&ldif, "\ndn: ou=moved," BASE
                                 "\nobjectClass: referral\nobjectClass: extensibleObject\n"
                                 "ou: moved\nref: ldap://elsewhere.example/ou=moved," BASE "\n");
    assert_int_equal(ecert_text_copy(ecert_buffer_view(&ldif), &text, &err), ECERT_OK);
    ecert_buffer_clear(&ldif);
    return text;
}

static pid_t run(const char *program, const char *const *argv)
{
    const pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)execv(program, (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    return pid;
}

static void start_slapd(void)
{
    char text[2500], urls[160], data[300];
    const unsigned plain = net_free_port(), tls = net_free_port();
    char *const ldif = make_ldif();
    int status = 0;

    (void)snprintf(data, sizeof data, "%s/data", site.folder);
    assert_int_equal(mkdir(data, 0700), 0);
    (void)snprintf(text, sizeof text,
                   "include /etc/ldap/schema/core.schema\ninclude /etc/ldap/schema/cosine.schema\n"
                   "include /etc/ldap/schema/inetorgperson.schema\npidfile %s/slapd.pid\n"
                   "TLSCertificateFile %s/a.pem\nTLSCertificateKeyFile %s/a.pem\n"
                   "database ldif\nsuffix \"" BASE "\"\ndirectory %s\n"
                   "rootdn \"" READER "\"\nrootpw \"" PASSWORD "\"\n",
                   site.folder, site.folder, site.folder, data);
    char *const file = strdup(net_site_write(&site, "slapd.conf", text, strlen(text), 0644));
    char *const content = strdup(net_site_write(&site, "slapd.ldif", ldif, strlen(ldif), 0644));
    const pid_t adding =
        run(SLAPADD, (const char *const[]){"slapadd", "-f", file, "-l", content, NULL});
    assert_int_equal(waitpid(adding, &status, 0), adding);
    assert_int_equal(status, 0);
    (void)snprintf(ldap_url, sizeof ldap_url, "ldap://127.0.0.1:%u", plain);
    (void)snprintf(ldaps_url, sizeof ldaps_url, "ldaps://127.0.0.1:%u", tls);
    (void)snprintf(urls, sizeof urls, "%s %s", ldap_url, ldaps_url);
    slapd = run(SLAPD, (const char *const[]){"slapd", "-d", "0", "-h", urls, "-f", file, NULL});
    for (int i = 0; i < 500 && !(net_can_connect(plain) && net_can_connect(tls)); i++) {
        assert_int_equal(waitpid(slapd, NULL, WNOHANG), 0);
        ecert_clock_sleep_ms(10);
    }
    free(ldif);
    free(file);
    free(content);
}

static int start(void **state)
{
    struct ecert_error err = {0};

    (void)state;
    net_site_start(&site);
    if (ecert_network_init(&network, ECERT_NET_PROGRAM, NULL, &err) != ECERT_OK)
        fail_msg("%s", err.text);
    if (access(SLAPD, X_OK) == 0)
        start_slapd();
    return 0;
}

static int end(void **state)
{
    (void)state;
    if (slapd > 0) {
        (void)kill(slapd, SIGKILL);
        (void)waitpid(slapd, NULL, 0);
    }
    ecert_network_clear(&network);
    net_site_end(&site);
    return 0;
}

static void need_slapd(void)
{
    if (slapd <= 0)
        skip(); /* Debian: slapd */
}

/* ---- asking ---- */

static struct ecert_search question(const char *url, const char *filter)
{
    return (struct ecert_search){.url = url,
                                 .base = BASE,
                                 .filter = filter,
                                 .ca_file = site.ca_file,
                                 .max_len = 1 << 20,
                                 .timeout_ms = 5000};
}

static void find(const struct ecert_search *search, struct ecert_found *found,
                 struct ecert_strings *notes)
{
    struct ecert_error err = {0};

    if (ecert_network_search(&network, search, found, notes, &err) != ECERT_OK)
        fail_msg("%s", err.text);
}

static void expect_failure(const struct ecert_search *search, enum ecert_status status,
                           const char *words)
{
    ECERT_AUTO(ecert_found_clear) struct ecert_found found = {0};
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings notes = {0};
    struct ecert_error err = {0};

    const enum ecert_status got = ecert_network_search(&network, search, &found, &notes, &err);
    if (got != status || strstr(err.text, words) == NULL || strstr(err.text, PASSWORD) != NULL)
        fail_msg("status %d, not %d: '%s' lacks '%s'", (int)got, (int)status, err.text, words);
    assert_int_equal(found.n, 0);
}

static bool is(const struct ecert_found *found, const char *entry, const X509 *certificate)
{
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes der = test_certificate_der(certificate);

    for (size_t i = 0; i < found->n; i++)
        if (strcmp(found->entries[i], entry) == 0 &&
            ecert_view_equal(ecert_bytes_view(&found->items[i]), ecert_bytes_view(&der)))
            return true;
    return false;
}

static void every_value_of_every_entry(const char *url)
{
    ECERT_AUTO(ecert_found_clear) struct ecert_found found = {0};
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings notes = {0};
    const struct ecert_search search = question(url, "(cn=a.example)");

    find(&search, &found, &notes);
    assert_int_equal(found.n, 3);
    assert_true(is(&found, "cn=one," BASE, site.a));
    assert_true(is(&found, "cn=one," BASE, site.b));
    assert_true(is(&found, "cn=two," BASE, site.dual_rsa));
    assert_int_equal(notes.len, 1);
    assert_string_equal(notes.items[0],
                        "the directory refers to "
                        "'ldap://elsewhere.example/ou=moved," BASE "??sub', which is not followed");
}

static void every_value_is_found(void **state)
{
    (void)state;
    need_slapd();
    every_value_of_every_entry(ldap_url);
}

static void every_value_is_found_by_tls(void **state)
{
    (void)state;
    need_slapd();
    every_value_of_every_entry(ldaps_url);
}

static void nothing_found_is_no_failure(void **state)
{
    ECERT_AUTO(ecert_found_clear) struct ecert_found found = {0};
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings notes = {0};
    const struct ecert_search search = question(ldap_url, "(|(cn=empty.example)(cn=none))");

    (void)state;
    need_slapd();
    find(&search, &found, &notes);
    assert_int_equal(found.n, 0);
}

/* With the name's own characters as they are, the filter would be another one. */
static void odd_names_are_escaped(void **state)
{
    ECERT_AUTO(ecert_found_clear) struct ecert_found found = {0};
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings notes = {0};
    ECERT_AUTO(ecert_auto_free) char *filter = NULL;
    struct ecert_error err = {0};

    (void)state;
    need_slapd();
    assert_int_equal(ecert_ldap_filter("(&(cn=%s)(!(sn=%s)))", ODD, &filter, &err), ECERT_OK);
    assert_string_equal(filter, "(&(cn=a\\28b\\29\\2ac\\5cd)(!(sn=a\\28b\\29\\2ac\\5cd)))");
    const struct ecert_search search = question(ldap_url, filter);
    find(&search, &found, &notes);
    assert_int_equal(found.n, 1);
    assert_true(is(&found, "cn=four," BASE, site.b));
}

static void the_base_may_be_elsewhere(void **state)
{
    ECERT_AUTO(ecert_found_clear) struct ecert_found found = {0};
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings notes = {0};
    struct ecert_search search = question(ldap_url, "(cn=a.example)");

    (void)state;
    need_slapd();
    search.base = "ou=moved," BASE;
    find(&search, &found, &notes);
    assert_int_equal(found.n, 0);
    assert_int_equal(notes.len, 1);
    assert_non_null(strstr(notes.items[0], "ldap://elsewhere.example"));
}

static void a_password_opens(void **state)
{
    ECERT_AUTO(ecert_found_clear) struct ecert_found found = {0};
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings notes = {0};
    struct ecert_search search = question(ldaps_url, "(cn=a.example)");

    (void)state;
    need_slapd();
    search.bind_dn = READER;
    search.password = ecert_view_of(PASSWORD);
    find(&search, &found, &notes);
    assert_int_equal(found.n, 3);
    ecert_found_clear(&found);
    search.url = ldap_url; /* loopback */
    find(&search, &found, &notes);
    assert_int_equal(found.n, 3);
}

static void failures_are_told(void **state)
{
    struct ecert_search search = question(ldap_url, "(cn=a.example)");
    char url[64];

    (void)state;
    need_slapd();
    search.base = "o=Nobody,c=HK";
    expect_failure(&search, ECERT_E_NETWORK, "search in 'o=Nobody,c=HK': ");
    search.base = "no name";
    expect_failure(&search, ECERT_E_NETWORK, "Invalid DN syntax (34)");
    search = question(ldap_url, "(cn=a.example");
    expect_failure(&search, ECERT_E_REFUSED, "'(cn=a.example' is not a filter (RFC 4515)");
    search = question(ldap_url, "(cn=a.example)");
    search.max_len = 700;
    expect_failure(&search, ECERT_E_REFUSED, "the answer is larger than 700 bytes");
    search = question("ldap://127.0.0.1/o=x", "(cn=a)");
    expect_failure(&search, ECERT_E_REFUSED, "is not the address of a directory");
    search = question("http://127.0.0.1/", "(cn=a)");
    expect_failure(&search, ECERT_E_REFUSED, "is not the address of a directory");
    search = question("ldap://no-such-host.invalid", "(cn=a)");
    expect_failure(&search, ECERT_E_NETWORK, "resolve 'no-such-host.invalid'");
    (void)snprintf(url, sizeof url, "ldap://127.0.0.1:%u", site.closed);
    search = question(url, "(cn=a)");
    expect_failure(&search, ECERT_E_NETWORK, "connect: Connection refused");
}

static void passwords_are_kept(void **state)
{
    struct ecert_search search = question(ldaps_url, "(cn=a.example)");

    (void)state;
    need_slapd();
    search.bind_dn = READER;
    expect_failure(&search, ECERT_E_REFUSED, "without a password");
    search.password = ecert_view_of(PASSWORD "?");
    expect_failure(&search, ECERT_E_NETWORK, "bind as '" READER "': Invalid credentials (49)");
}

/* An address of ours that is not loopback; NULL: there is none. */
static const char *outer_address(char text[INET_ADDRSTRLEN])
{
    const char *found = NULL;
    struct ifaddrs *all = NULL;

    assert_int_equal(getifaddrs(&all), 0);
    for (const struct ifaddrs *one = all; one != NULL && found == NULL; one = one->ifa_next) {
        struct sockaddr_in v4;

        if (one->ifa_addr == NULL || one->ifa_addr->sa_family != AF_INET)
            continue;
        memcpy(&v4, one->ifa_addr, sizeof v4);
        if (ntohl(v4.sin_addr.s_addr) >> 24 != 127)
            found = inet_ntop(AF_INET, &v4.sin_addr, text, INET_ADDRSTRLEN);
    }
    freeifaddrs(all);
    return found;
}

/* Whoever hears anything at all writes it down. */
static void overhear(int fd, const void *context)
{
    char heard[200];

    (void)context;
    const ssize_t n = read(fd, heard, sizeof heard);
    if (n > 0)
        (void)net_site_write(&site, "heard", heard, (size_t)n, 0600);
}

static void no_password_in_the_clear(void **state)
{
    char address[INET_ADDRSTRLEN], url[64], path[300];
    struct net_starttls server;
    struct ecert_search search;

    (void)state;
    if (outer_address(address) == NULL)
        skip();
    net_server_start(&server, address, overhear, NULL);
    (void)snprintf(url, sizeof url, "ldap://%s:%u", address, server.port);
    search = question(url, "(cn=a.example)");
    search.bind_dn = READER;
    search.password = ecert_view_of(PASSWORD);
    expect_failure(&search, ECERT_E_REFUSED, "a password is sent without TLS to a loopback");
    ecert_clock_sleep_ms(100);
    net_starttls_end(&server);
    (void)snprintf(path, sizeof path, "%s/heard", site.folder);
    assert_int_not_equal(access(path, F_OK), 0);
}

static void strangers_are_not_believed(void **state)
{
    struct ecert_search search = question(ldaps_url, "(cn=a.example)");
    char url[64];

    (void)state;
    need_slapd();
    search.ca_file = NULL; /* the system's, which do not know ours */
    expect_failure(&search, ECERT_E_NETWORK,
                   "its certificate is not believed: unable to get local issuer");
    search.ca_file = "/nowhere/ca.pem";
    expect_failure(&search, ECERT_E_NETWORK, "/nowhere/ca.pem");
    /* the same server by a name that its certificate does not have */
    (void)snprintf(url, sizeof url, "ldaps://localhost:%s", strrchr(ldaps_url, ':') + 1);
    search = question(url, "(cn=a.example)");
    expect_failure(&search, ECERT_E_NETWORK, "its certificate is not believed: hostname mismatch");
}

static void silence_ends_in_time(void **state)
{
    struct ecert_search search = question(ldap_url, "(cn=a.example)");
    char url[64];
    int status = 0;

    (void)state;
    need_slapd();
    search.timeout_ms = 700;
    assert_int_equal(kill(slapd, SIGSTOP), 0);
    assert_int_equal(waitpid(slapd, &status, WUNTRACED), slapd); /* all of its threads stand */
    assert_true(WIFSTOPPED(status));
    const int64_t before = ecert_clock_monotonic_ms();
    expect_failure(&search, ECERT_E_TIMEOUT, "did not answer within 0.7 seconds");
    search.url = ldaps_url;
    expect_failure(&search, ECERT_E_TIMEOUT, "did not answer within 0.7 seconds");
    assert_true(ecert_clock_monotonic_ms() - before >= 1400);
    assert_int_equal(kill(slapd, SIGCONT), 0);
    (void)snprintf(url, sizeof url, "ldap://127.0.0.1:%u", site.silent);
    search.url = url;
    expect_failure(&search, ECERT_E_TIMEOUT, "did not answer within 0.7 seconds");
    every_value_of_every_entry(ldap_url); /* and the next one is served */
}

/* ---- servers of our own ---- */

struct saying {
    const char *bytes;
    size_t len;
    bool stays;
};

static void say(int fd, const void *context)
{
    const struct saying *saying = context;
    char asked[1000];

    if (read(fd, asked, sizeof asked) <= 0 ||
        write(fd, saying->bytes, saying->len) != (ssize_t)saying->len)
        return;
    while (saying->stays && read(fd, asked, sizeof asked) > 0)
        continue;
}

static void nonsense_is_refused(void **state)
{
#define SAYING(bytes, stays)            \
    {                                   \
        bytes, sizeof(bytes) - 1, stays \
    }
    static const struct {
        struct saying saying;
        enum ecert_status status;
        const char *words;
    } rows[] = {
        {SAYING("HTTP/1.0 400 Bad Request\r\nContent-Type: text/html\r\nContent-Length: 0\r\n"
                "Connection: close\r\n\r\n",
                true),
         ECERT_E_NETWORK, "not LDAP"},
        {SAYING("", false), ECERT_E_NETWORK, "the connection was lost"},
        {SAYING("\x30\x84\x7f\xff\xff\xff\x02\x01\x01", true), ECERT_E_NETWORK, "larger than"},
        /* half a message: no end of waiting but ours */
        {SAYING("\x30\x0c\x02\x01", true), ECERT_E_TIMEOUT, "did not answer"},
        {SAYING("\x30\x0c\x02\x01\x01\x65\x07\x0a\x01\x35\x04\x00\x04\x00", true), ECERT_E_NETWORK,
         "Server is unwilling to perform (53)"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct net_starttls server;
        char url[64];

        net_server_start(&server, "127.0.0.1", say, &rows[i].saying);
        (void)snprintf(url, sizeof url, "ldap://127.0.0.1:%u", server.port);
        struct ecert_search search = question(url, "(cn=a.example)");
        search.timeout_ms = 700;
        expect_failure(&search, rows[i].status, rows[i].words);
        net_starttls_end(&server);
    }
}

static void filters_hold_the_name(void **state)
{
    static const struct {
        const char *filter, *name, *want;
    } rows[] = {
        {NULL, "www.example.com", "(cn=www.example.com)"},
        {"(|(cn=%s)(uid=%s))", "a", "(|(cn=a)(uid=a))"},
        {"(cn=%s)", "*.example.com", "(cn=\\2a.example.com)"},
        {"(cn=%s)", "a)(cn=*", "(cn=a\\29\\28cn=\\2a)"},
        {"(cn=%s)", "\xe9\xa6\x99\x01", "(cn=\\e9\\a6\\99\\01)"},
        {"(cn=%s)", "%s", "(cn=%s)"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        ECERT_AUTO(ecert_auto_free) char *filter = NULL;
        struct ecert_error err = {0};

        assert_int_equal(ecert_ldap_filter(rows[i].filter, rows[i].name, &filter, &err), ECERT_OK);
        assert_string_equal(filter, rows[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_value_is_found),
        cmocka_unit_test(every_value_is_found_by_tls),
        cmocka_unit_test(nothing_found_is_no_failure),
        cmocka_unit_test(odd_names_are_escaped),
        cmocka_unit_test(the_base_may_be_elsewhere),
        cmocka_unit_test(a_password_opens),
        cmocka_unit_test(failures_are_told),
        cmocka_unit_test(passwords_are_kept),
        cmocka_unit_test(no_password_in_the_clear),
        cmocka_unit_test(strangers_are_not_believed),
        cmocka_unit_test(silence_ends_in_time),
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(filters_hold_the_name),
    };

    return cmocka_run_group_tests(tests, start, end);
}
