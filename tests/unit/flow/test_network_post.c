/* POST: through the real ecert-net (ECERT_NET_PROGRAM), to receivers with https (mail_server.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/flow/network.h"
#include "tests/support/test_rows.h"
#include "tests/unit/flow/mail_server.h"
#include "tests/unit/flow/net_server.h"

static struct net_site site;
static struct receivers receivers;
static struct ecert_network network;

static const struct post_row {
    const char *name;
    const char *server; /* of receivers.py; NULL: `url` is whole */
    const char *url;    /* or the path */
    const char *host;   /* NULL: 127.0.0.1 */
    bool show_url, system_anchors, public_only, any_http;
    size_t max_len;
    const char *answer; /* NULL: an error is wanted */
    enum ecert_status status;
    const char *words;
} post_rows[] = {
    {.name = "https", .server = "https", .url = "/x?hidden", .max_len = 100, .answer = "ok"},
    {.name = "http to loopback", .server = "http", .url = "/x", .max_len = 100, .answer = "ok"},
    {.name = "http to a name of loopback",
     .server = "http",
     .host = "localhost",
     .url = "/x",
     .max_len = 100,
     .answer = "ok"},
    {.name = "no answer is wanted", .server = "https", .url = "/x", .answer = ""},
    {.name = "204", .server = "https", .url = "/empty", .max_len = 100, .answer = ""},
    {.name = "too long an answer is cut off",
     .server = "https",
     .url = "/long",
     .max_len = 5,
     .answer = "xxxxx"},
    {.name = "a 202 whose answer stalls",
     .server = "https",
     .url = "/stalls",
     .max_len = 100,
     .answer = "half"},
    {.name = "trouble once",
     .server = "https",
     .url = "/twice?hidden",
     .status = ECERT_E_NETWORK,
     .words = "the webhook: HTTP status 500"},
    {.name = "trouble twice",
     .server = "https",
     .url = "/twice?hidden",
     .show_url = true,
     .status = ECERT_E_NETWORK,
     .words = "/twice': HTTP status 500"},
    {.name = "and then none", .server = "https", .url = "/twice", .max_len = 100, .answer = "ok"},
    {.name = "301",
     .server = "https",
     .url = "/moved",
     .status = ECERT_E_NETWORK,
     .words = "HTTP status 301, a redirect, which is not followed"},
    {.name = "404 in a page that repeats the address",
     .server = "https",
     .url = "/refused/hidden",
     .status = ECERT_E_NETWORK,
     .words = "the webhook: HTTP status 404"},
    {.name = "slow",
     .server = "https",
     .url = "/slow/hidden",
     .status = ECERT_E_TIMEOUT,
     .words = "the webhook did not answer within 1.5 seconds"},
    {.name = "http to another machine",
     .url = "http://192.0.2.1/hidden",
     .status = ECERT_E_REFUSED,
     .words = "http without TLS is sent to a loopback address only"},
    {.name = "http to another machine, shown",
     .url = "http://192.0.2.1/x",
     .show_url = true,
     .status = ECERT_E_REFUSED,
     .words = "its host has 192.0.2.1; use https"},
    /* Linux takes 0.0.0.0 for this machine, and it is no loopback address */
    {.name = "http to another address",
     .server = "http",
     .host = "0.0.0.0",
     .url = "/x",
     .status = ECERT_E_REFUSED,
     .words = "http without TLS is sent to a loopback address only"},
    {.name = "http to another address, when what goes out is no secret",
     .server = "http",
     .host = "0.0.0.0",
     .url = "/x",
     .max_len = 100,
     .any_http = true,
     .answer = "ok"},
    {.name = "public_only and loopback",
     .server = "https",
     .url = "/hidden",
     .public_only = true,
     .status = ECERT_E_REFUSED,
     .words = "only public addresses are wanted"},
    {.name = "a host that does not exist",
     .url = "https://hidden.invalid/hidden",
     .status = ECERT_E_NETWORK,
     .words = "the webhook: couldn't resolve host name"},
    {.name = "a certificate that does not verify",
     .server = "https",
     .url = "/hidden",
     .system_anchors = true,
     .status = ECERT_E_NETWORK,
     .words = "the webhook: unable to get local issuer certificate"},
    {.name = "a certificate of another name",
     .server = "https",
     .host = "localhost",
     .url = "/hidden",
     .status = ECERT_E_NETWORK,
     .words = "the webhook: its certificate is not one for that host"},
    {.name = "another scheme",
     .url = "ftp://hidden/hidden",
     .status = ECERT_E_REFUSED,
     .words = "its address is not one of the form https://HOST/"},
    {.name = "a file",
     .url = "file:///hidden",
     .status = ECERT_E_REFUSED,
     .words = "must begin with https://"},
    {.name = "no URL at all",
     .url = "https://u:hidden@:::",
     .status = ECERT_E_REFUSED,
     .words = "its address is not one of the form https://HOST/"},
    {.name = "a password without https",
     .url = "http://u:hidden@127.0.0.1/",
     .status = ECERT_E_REFUSED,
     .words = "its address is not one of the form https://HOST/"},
};

static enum ecert_status post_to(struct ecert_network *by, const struct post_row *row,
                                 struct ecert_view body, const char *signature,
                                 struct ecert_bytes *ret, struct ecert_error *err)
{
    char url[300];

    if (row->server == NULL)
        (void)snprintf(url, sizeof url, "%s", row->url);
    else
        (void)snprintf(url, sizeof url, "%s://%s:%u%s", row->server,
                       row->host == NULL ? "127.0.0.1" : row->host,
                       receivers_port(&receivers, row->server), row->url);
    const struct ecert_post post = {.url = url,
                                    .content_type = "application/json",
                                    .signature = signature,
                                    .ca_file = row->system_anchors ? NULL : site.ca_file,
                                    .body = body,
                                    .max_len = row->max_len,
                                    .show_url = row->show_url,
                                    .public_only = row->public_only,
                                    .any_http = row->any_http,
                                    .timeout_ms = 1500};
    return ecert_network_post(by, &post, ret, err);
}

static void check_post(void **state)
{
    const struct post_row *row = *state;
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes answer = {0};
    struct ecert_error err = {0};
    const enum ecert_status status =
        post_to(&network, row, ecert_view_of("{}"), NULL, &answer, &err);

    assert_null(strstr(err.text, "hidden"));
    if (!row->show_url)
        assert_null(strstr(err.text, "127.0.0.1:"));
    if (row->answer != NULL) {
        assert_string_equal(err.text, "");
        assert_int_equal(status, ECERT_OK);
        assert_int_equal(answer.len, strlen(row->answer));
        assert_string_equal((const char *)answer.ptr, row->answer);
        return;
    }
    if (strstr(err.text, row->words) == NULL)
        fail_msg("'%s' is not in: %s", row->words, err.text);
    assert_int_equal(status, row->status);
    assert_null(answer.ptr);
}

static void signature_and_body_arrive(void **state)
{
    static const struct post_row row = {.server = "https", .url = "/x", .max_len = 10};
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes answer = {0};
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes headers = {0};
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes body = {0};
    const size_t len = (size_t)3 << 20;
    struct ecert_error err = {0};
    uint8_t *sent = malloc(len);

    (void)state;
    assert_non_null(sent);
    for (size_t i = 0; i < len; i++)
        sent[i] = (uint8_t)(i * 7 + i / 251); /* with every byte, NUL too */
    assert_int_equal(
        post_to(&network, &row, (struct ecert_view){sent, len}, "sha256=AB12", &answer, &err),
        ECERT_OK);
    receivers_read(&receivers, "headers", &headers);
    receivers_read(&receivers, "body", &body);
    assert_non_null(strstr((const char *)headers.ptr, "X-Ecert-Signature: sha256=AB12\n"));
    assert_non_null(strstr((const char *)headers.ptr, "Content-Type: application/json\n"));
    assert_non_null(strstr((const char *)headers.ptr, "User-Agent: ecert/" ECERT_VERSION "\n"));
    assert_null(strstr((const char *)headers.ptr, "Expect"));
    assert_int_equal(body.len, len);
    assert_memory_equal(body.ptr, sent, len);
    free(sent);
}

static void a_signature_cannot_add_a_header(void **state)
{
    static const struct post_row row = {.server = "https", .url = "/x"};
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes answer = {0};
    struct ecert_error err = {0};

    (void)state;
    assert_int_equal(post_to(&network, &row, ecert_view_of("{}"), "x\r\nCookie: y", &answer, &err),
                     ECERT_E_REFUSED);
    assert_non_null(strstr(err.text, "not printable"));
}

static void the_configured_proxy_is_used(void **state)
{
    static const struct post_row https = {.server = "https", .url = "/x", .max_len = 10};
    static const struct post_row http = {.server = "http", .url = "/x", .max_len = 10};
    ECERT_AUTO(ecert_network_clear) struct ecert_network own = {.fd = -1};
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes answer = {0};
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes direct = {0};
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes proxied = {0};
    struct ecert_error err = {0};
    char proxy[64], wanted[64];

    (void)state;
    (void)snprintf(proxy, sizeof proxy, "http://127.0.0.1:%u", receivers_port(&receivers, "http"));
    (void)snprintf(wanted, sizeof wanted, "127.0.0.1:%u", receivers_port(&receivers, "https"));
    assert_int_equal(ecert_network_init(&own, ECERT_NET_PROGRAM, proxy, &err), ECERT_OK);
    assert_int_equal(post_to(&own, &https, ecert_view_of("{}"), NULL, &answer, &err), ECERT_OK);
    receivers_read(&receivers, "proxied", &proxied);
    assert_string_equal((const char *)proxied.ptr, wanted);
    /* what goes to this machine in the clear goes there directly */
    assert_int_equal(post_to(&own, &http, ecert_view_of("{}"), NULL, &direct, &err), ECERT_OK);
}

/* ---- all of it ---- */

static int start_all(void **state)
{
    char pem[300];

    (void)state;
    const int outcome = net_begin(&site, &network, ECERT_NET_PROGRAM);
    (void)snprintf(pem, sizeof pem, "%s/a.pem", site.folder);
    receivers_start(&receivers, site.folder, pem);
    return outcome;
}

static int end_all(void **state)
{
    (void)state;
    receivers_end(&receivers);
    return net_end(&site, &network);
}

int main(void)
{
    static const struct CMUnitTest others[] = {
        cmocka_unit_test(signature_and_body_arrive),
        cmocka_unit_test(a_signature_cannot_add_a_header),
        cmocka_unit_test(the_configured_proxy_is_used),
    };
    struct CMUnitTest tests[ARRAY_SIZE(post_rows) + ARRAY_SIZE(others)] = {0};
    size_t n = 0;

    n += TEST_ADD_ROWS(tests + n, check_post, post_rows);
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        tests[n++] = others[i];
    return cmocka_run_group_tests(tests, start_all, end_all);
}
