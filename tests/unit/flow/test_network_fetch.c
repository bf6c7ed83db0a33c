/* Fetching: through the real ecert-net (ECERT_NET_PROGRAM), against real servers (net_server.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/flow/network.h"
#include "tests/support/test_rows.h"
#include "tests/unit/flow/net_server.h"

static struct net_site site;
static struct ecert_network network;

/* ---- fetching ---- */

/* "%h", "%s", "%c": ports; "%d": the folder of the site; other percent signs stay. */
static void fill_in(const char *pattern, char *ret, size_t size)
{
    size_t n = 0;

    for (const char *p = pattern; *p != '\0' && n + 300 < size; p++) {
        const char *letter = *p == '%' && p[1] != '\0' ? strchr("hscd", p[1]) : NULL;

        if (letter == NULL) {
            ret[n++] = *p;
            continue;
        }
        const unsigned port = *letter == 'h'   ? site.http
                              : *letter == 's' ? site.https
                                               : site.closed;
        n += (size_t)(*letter == 'd' ? snprintf(ret + n, size - n, "%s", site.folder)
                                     : snprintf(ret + n, size - n, "%u", port));
        p++;
    }
    ret[n] = '\0';
}

static const struct fetch_row {
    const char *name, *url;
    const char *body; /* NULL: an error is wanted */
    enum ecert_status status;
    const char *words[2]; /* the sentence holds these */
    bool system_anchors;
    bool public_only;
    size_t max_len;
    unsigned timeout_ms;
} fetch_rows[] = {
    {.name = "http", .url = "http://127.0.0.1:%h/file", .body = "content\n"},
    {.name = "https", .url = "https://127.0.0.1:%s/file", .body = "content\n"},
    {.name = "https with a user", .url = "https://u:hidden@127.0.0.1:%s/file", .body = "content\n"},
    {.name = "file", .url = "file://%d/www/file", .body = "content\n"},
    {.name = "file, with an escaped letter", .url = "file://%d/www/f%69le", .body = "content\n"},
    {.name = "an empty file", .url = "http://127.0.0.1:%h/empty", .body = ""},
    {.name = "the user agent", .url = "http://127.0.0.1:%h/agent", .body = "ecert/" ECERT_VERSION},
    {.name = "no cookie, no authorization", .url = "http://127.0.0.1:%h/headers", .body = ""},
    {.name = "exactly as large as allowed",
     .url = "http://127.0.0.1:%h/file",
     .max_len = 8,
     .body = "content\n"},
    {.name = "one byte too large",
     .url = "http://127.0.0.1:%h/file",
     .max_len = 7,
     .status = ECERT_E_REFUSED,
     .words = {"/file' is larger than 7 bytes"}},
    {.name = "a file one byte too large",
     .url = "file://%d/www/file",
     .max_len = 7,
     .status = ECERT_E_REFUSED,
     .words = {"/file' is larger than 7 bytes"}},
    {.name = "a device without an end",
     .url = "file:///dev/zero",
     .status = ECERT_E_NETWORK,
     .words = {"not a regular file"}},
    {.name = "a pipe that nobody writes",
     .url = "file://%d/pipe",
     .status = ECERT_E_NETWORK,
     .words = {"not a regular file"}},
    {.name = "a file that is not there",
     .url = "file://%d/absent",
     .status = ECERT_E_NETWORK,
     .words = {"absent': No such file or directory"}},
    {.name = "a body that comes too slowly",
     .url = "http://127.0.0.1:%h/slow",
     .timeout_ms = 600,
     .status = ECERT_E_TIMEOUT,
     .words = {"not fetched within 0.6 seconds"}},
    {.name = "404",
     .url = "http://127.0.0.1:%h/absent?token=hidden",
     .status = ECERT_E_NETWORK,
     .words = {"/absent': HTTP status 404"}},
    {.name = "500",
     .url = "http://127.0.0.1:%h/broken",
     .status = ECERT_E_NETWORK,
     .words = {"HTTP status 500"}},
    {.name = "404 in a page larger than allowed",
     .url = "http://127.0.0.1:%h/absent",
     .max_len = 10,
     .status = ECERT_E_NETWORK,
     .words = {"HTTP status 404"}},
    {.name = "a redirect to the same host", .url = "http://127.0.0.1:%h/same", .body = "content\n"},
    {.name = "a redirect in a page larger than allowed",
     .url = "http://127.0.0.1:%h/same",
     .max_len = 8,
     .body = "content\n"},
    {.name = "two redirects", .url = "http://127.0.0.1:%h/chain", .body = "content\n"},
    {.name = "redirects without end",
     .url = "http://127.0.0.1:%h/loop",
     .status = ECERT_E_NETWORK,
     .words = {"more than 3 redirects"}},
    {.name = "a redirect elsewhere",
     .url = "http://127.0.0.1:%h/elsewhere",
     .status = ECERT_E_NETWORK,
     .words = {"redirects to another host, 'http://localhost:"}},
    {.name = "a redirect from https to http",
     .url = "https://127.0.0.1:%s/down",
     .status = ECERT_E_NETWORK,
     .words = {"redirects from https to 'http://127.0.0.1/file'"}},
    {.name = "a redirect to another scheme",
     .url = "http://127.0.0.1:%h/other-scheme",
     .status = ECERT_E_REFUSED,
     .words = {"redirects to an address that is not fetched", "scheme 'ftp'"}},
    {.name = "a redirect that would send a password in the clear",
     .url = "http://127.0.0.1:%h/secret",
     .status = ECERT_E_REFUSED,
     .words = {"only sent with https"}},
    {.name = "a password without https",
     .url = "http://u:hidden@127.0.0.1:%h/file",
     .status = ECERT_E_REFUSED,
     .words = {"only sent with https"}},
    {.name = "another scheme",
     .url = "ftp://127.0.0.1/x",
     .status = ECERT_E_REFUSED,
     .words = {"the scheme 'ftp' is not allowed"}},
    {.name = "no URL at all",
     .url = "http://u:hidden@:::",
     .status = ECERT_E_REFUSED,
     .words = {"not a URL"}},
    {.name = "a port where nobody is",
     .url = "http://127.0.0.1:%c/file",
     .status = ECERT_E_NETWORK,
     .words = {"connect: Connection refused"}},
    {.name = "a name that does not exist",
     .url = "http://nowhere.invalid/",
     .status = ECERT_E_NETWORK,
     .words = {"'http://nowhere.invalid/'", "resolve host"}},
    {.name = "a server that no anchor vouches for",
     .url = "https://u:hidden@127.0.0.1:%s/file",
     .system_anchors = true,
     .status = ECERT_E_NETWORK,
     .words = {"'https://127.0.0.1:", "SSL certificate problem"}},
    {.name = "TLS asked of a plain server",
     .url = "https://127.0.0.1:%h/file",
     .status = ECERT_E_NETWORK,
     .words = {"wrong version number"}},
    {.name = "public_only and loopback",
     .url = "http://127.0.0.1:%h/file",
     .public_only = true,
     .status = ECERT_E_REFUSED,
     .words = {"private address 127.0.0.1"}},
    {.name = "public_only and a name of loopback",
     .url = "http://localhost:%h/file",
     .public_only = true,
     .status = ECERT_E_REFUSED,
     .words = {"private address"}},
    {.name = "public_only and IPv4-mapped IPv6",
     .url = "http://[::ffff:127.0.0.1]:%h/file",
     .public_only = true,
     .status = ECERT_E_REFUSED,
     .words = {"private address ::ffff:127.0.0.1"}},
    {.name = "public_only and an address in disguise",
     .url = "http://0x7f000001:%h/file",
     .public_only = true,
     .status = ECERT_E_REFUSED,
     .words = {"private address 127.0.0.1"}},
    {.name = "public_only and a file",
     .url = "file://%d/www/file",
     .public_only = true,
     .status = ECERT_E_REFUSED,
     .words = {"must be http or https"}},
};

static void check_fetch(void **state)
{
    const struct fetch_row *row = *state;
    ECERT_AUTO(ecert_fetched_clear) struct ecert_fetched fetched = {0};
    struct ecert_error err = {0};
    char url[1024];
    const struct ecert_fetch fetch = {.url = url,
                                      .max_len = row->max_len > 0 ? row->max_len : 1000000,
                                      .timeout_ms = row->timeout_ms > 0 ? row->timeout_ms : 10000,
                                      .ca_file = row->system_anchors ? NULL : site.ca_file,
                                      .public_only = row->public_only};

    fill_in(row->url, url, sizeof url);
    const enum ecert_status status = ecert_network_fetch(&network, &fetch, &fetched, &err);
    assert_null(strstr(err.text, "hidden"));
    if (row->body != NULL) {
        assert_string_equal(err.text, "");
        assert_int_equal(status, ECERT_OK);
        assert_false(fetched.unchanged);
        assert_string_equal((const char *)fetched.body.ptr, row->body);
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(row->words) && row->words[i] != NULL; i++)
        if (strstr(err.text, row->words[i]) == NULL)
            fail_msg("'%s' is not in: %s", row->words[i], err.text);
    assert_int_equal(status, row->status);
    assert_null(fetched.body.ptr);
}

static void an_unchanged_file_costs_a_304(void **state)
{
    ECERT_AUTO(ecert_fetched_clear) struct ecert_fetched first = {0};
    ECERT_AUTO(ecert_fetched_clear) struct ecert_fetched by_etag = {0};
    ECERT_AUTO(ecert_fetched_clear) struct ecert_fetched by_date = {0};
    ECERT_AUTO(ecert_fetched_clear) struct ecert_fetched other = {0};
    struct ecert_error err = {0};

    (void)state;
    assert_int_equal(net_site_fetch(&site, &network, "file", NULL, NULL, &first, &err), ECERT_OK);
    assert_non_null(first.etag);
    assert_non_null(first.modified);
    assert_int_equal(net_site_fetch(&site, &network, "file", first.etag, NULL, &by_etag, &err),
                     ECERT_OK);
    assert_true(by_etag.unchanged);
    assert_int_equal(by_etag.body.len, 0);
    assert_string_equal(by_etag.etag, first.etag);
    assert_int_equal(net_site_fetch(&site, &network, "file", NULL, first.modified, &by_date, &err),
                     ECERT_OK);
    assert_true(by_date.unchanged);
    assert_int_equal(net_site_fetch(&site, &network, "file", "\"other\"", NULL, &other, &err),
                     ECERT_OK);
    assert_false(other.unchanged);
    assert_string_equal((const char *)other.body.ptr, "content\n");
}

static void a_validator_cannot_add_a_header(void **state)
{
    ECERT_AUTO(ecert_fetched_clear) struct ecert_fetched fetched = {0};
    struct ecert_error err = {0};

    (void)state;
    assert_int_equal(
        net_site_fetch(&site, &network, "headers", "x\r\nCookie: y", NULL, &fetched, &err),
        ECERT_E_REFUSED);
    assert_non_null(strstr(err.text, "not printable"));
}

static void a_file_of_root_is_refused(void **state)
{
    ECERT_AUTO(ecert_fetched_clear) struct ecert_fetched fetched = {0};
    struct ecert_error err = {0};
    char url[600];
    const struct ecert_fetch fetch = {.url = url, .max_len = 1000, .timeout_ms = 1000};
    const char *path = net_site_write(&site, "key", "key", 3, 0600);

    (void)state;
    if (geteuid() != 0)
        skip();
    (void)snprintf(url, sizeof url, "file://%s", path);
    assert_int_equal(ecert_network_fetch(&network, &fetch, &fetched, &err), ECERT_E_NETWORK);
    assert_non_null(strstr(err.text, "without root (as user"));
    assert_non_null(strstr(err.text, "Permission denied"));
}

static void anchors_of_root_are_refused(void **state)
{
    ECERT_AUTO(ecert_fetched_clear) struct ecert_fetched fetched = {0};
    struct ecert_error err = {0};
    char url[600];
    const struct ecert_fetch fetch = {.url = url,
                                      .max_len = 1000,
                                      .timeout_ms = 1000,
                                      .ca_file = net_site_write(&site, "anchors", "x", 1, 0600)};

    (void)state;
    if (geteuid() != 0)
        skip();
    (void)snprintf(url, sizeof url, "https://127.0.0.1:%u/file", site.https);
    assert_int_equal(ecert_network_fetch(&network, &fetch, &fetched, &err), ECERT_E_NETWORK);
    assert_non_null(strstr(err.text, "cannot read"));
}

static void the_environment_chooses_no_proxy(void **state)
{
    ECERT_AUTO(ecert_network_clear) struct ecert_network own = {.fd = -1};
    ECERT_AUTO(ecert_fetched_clear) struct ecert_fetched fetched = {0};
    struct ecert_error err = {0};
    char proxy[64];

    (void)state;
    (void)snprintf(proxy, sizeof proxy, "http://127.0.0.1:%u", site.proxy);
    (void)setenv("http_proxy", proxy, 1);
    (void)setenv("ALL_PROXY", proxy, 1);
    assert_int_equal(ecert_network_init(&own, ECERT_NET_PROGRAM, NULL, &err), ECERT_OK);
    assert_int_equal(net_site_fetch(&site, &own, "file", NULL, NULL, &fetched, &err), ECERT_OK);
    (void)unsetenv("http_proxy");
    (void)unsetenv("ALL_PROXY");
    assert_string_equal((const char *)fetched.body.ptr, "content\n");
}

static void the_configured_proxy_is_used(void **state)
{
    ECERT_AUTO(ecert_network_clear) struct ecert_network own = {.fd = -1};
    ECERT_AUTO(ecert_fetched_clear) struct ecert_fetched fetched = {0};
    ECERT_AUTO(ecert_fetched_clear) struct ecert_fetched direct = {0};
    struct ecert_error err = {0};
    char proxy[64];
    struct ecert_fetch fetch = {
        .url = "http://nowhere.invalid/x", .max_len = 1000, .timeout_ms = 5000};

    (void)state;
    (void)snprintf(proxy, sizeof proxy, "http://127.0.0.1:%u", site.proxy);
    assert_int_equal(ecert_network_init(&own, ECERT_NET_PROGRAM, proxy, &err), ECERT_OK);
    assert_int_equal(ecert_network_fetch(&own, &fetch, &fetched, &err), ECERT_OK);
    assert_string_equal((const char *)fetched.body.ptr,
                        "proxied GET http://nowhere.invalid/x HTTP/1.1");
    fetch.public_only = true; /* then the proxy would decide what is private */
    assert_int_equal(ecert_network_fetch(&own, &fetch, &direct, &err), ECERT_E_NETWORK);
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
    static const struct CMUnitTest others[] = {
        cmocka_unit_test(an_unchanged_file_costs_a_304),
        cmocka_unit_test(a_validator_cannot_add_a_header),
        cmocka_unit_test(a_file_of_root_is_refused),
        cmocka_unit_test(anchors_of_root_are_refused),
        cmocka_unit_test(the_environment_chooses_no_proxy),
        cmocka_unit_test(the_configured_proxy_is_used),
    };
    struct CMUnitTest tests[ARRAY_SIZE(fetch_rows) + ARRAY_SIZE(others)] = {0};

    memcpy(tests + TEST_ADD_ROWS(tests, check_fetch, fetch_rows), others, sizeof others);
    return cmocka_run_group_tests(tests, start_all, end_all);
}
