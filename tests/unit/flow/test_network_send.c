/* Mail: through the real ecert-net (ECERT_NET_PROGRAM), to a real mail server and to receivers
 * that misbehave (mail_server.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/flow/network.h"
#include "tests/support/test_rows.h"
#include "tests/unit/flow/mail_server.h"
#include "tests/unit/flow/net_server.h"

static struct net_site site;
static struct mail_server exim;
static struct receivers receivers;
static struct ecert_network network;

/* ---- mail ---- */

static const char letter[] = "From: <ecert@a.example>\r\nSubject: =?UTF-8?B?6K2J5pu4?=\r\n\r\n"
                             "\xe8\xad\x89\xe6\x9b\xb8\r\n.\r\n..two dots\r\nend\r\n";

enum server {
    STARTTLS,
    SMTPS,
    PLAIN,
    CLOSED,
    SILENT,
    REFUSES,
    HANGS,
    HALF,
    STAYS,
    NO_TLS,
    NOT_NOW,
    ECHO
};

static unsigned port_of(enum server server)
{
    static const char *const names[] = {
        [REFUSES] = "refuses", [HANGS] = "hangs",         [HALF] = "half", [STAYS] = "stays",
        [NO_TLS] = "no-tls",   [NOT_NOW] = "tls-not-now", [ECHO] = "echo"};

    switch (server) {
    case STARTTLS:
        return exim.starttls;
    case SMTPS:
        return exim.smtps;
    case PLAIN:
        return exim.plain;
    case CLOSED:
        return site.closed;
    case SILENT:
        return site.silent;
    case REFUSES:
    case HANGS:
    case HALF:
    case STAYS:
    case NO_TLS:
    case NOT_NOW:
    case ECHO:
        break;
    }
    return receivers_port(&receivers, names[server]);
}

static const struct mail_row {
    const char *name;
    enum server server;
    const char *scheme, *host; /* NULL: smtp, 127.0.0.1 */
    const char *user, *password;
    const char *from, *to; /* NULL: from@a.example, to@b.example */
    bool opportunistic, system_anchors;
    unsigned timeout_ms;
    const char *delivered; /* what the head of the delivered mail holds; NULL: none is */
    enum ecert_status status;
    const char *words[2];
} mail_rows[] = {
    {.name = "STARTTLS and AUTH",
     .server = STARTTLS,
     .user = MAIL_SERVER_USER,
     .password = MAIL_SERVER_PASSWORD,
     .delivered = "with esmtpsa"},
    {.name = "STARTTLS without a user", .server = STARTTLS, .delivered = "with esmtps "},
    {.name = "STARTTLS that is offered is used",
     .server = STARTTLS,
     .opportunistic = true,
     .delivered = "with esmtps "},
    {.name = "smtps and AUTH",
     .server = SMTPS,
     .scheme = "smtps",
     .user = MAIL_SERVER_USER,
     .password = MAIL_SERVER_PASSWORD,
     .delivered = "with esmtpsa"},
    {.name = "no STARTTLS, opportunistic",
     .server = PLAIN,
     .opportunistic = true,
     .delivered = "with esmtp "},
    {.name = "no STARTTLS, required",
     .server = PLAIN,
     .status = ECERT_E_NETWORK,
     .words = {"does not offer TLS (STARTTLS), which is required"}},
    {.name = "a user without TLS",
     .server = NO_TLS,
     .user = "somebody",
     .password = "hidden",
     .opportunistic = true,
     .status = ECERT_E_REFUSED,
     .words = {"only sent under TLS"}},
    {.name = "STARTTLS that is not ready, required",
     .server = NOT_NOW,
     .status = ECERT_E_NETWORK,
     .words = {"which is required: 454 not now"}},
    {.name = "STARTTLS that is not ready, opportunistic", .server = NOT_NOW, .opportunistic = true},
    {.name = "a wrong password",
     .server = STARTTLS,
     .user = MAIL_SERVER_USER,
     .password = "hidden too",
     .status = ECERT_E_NETWORK,
     .words = {"refuses the user '" MAIL_SERVER_USER "': 535"}},
    {.name = "a server that repeats the password",
     .server = ECHO,
     .scheme = "smtps",
     .user = "somebody",
     .password = "hidden",
     .status = ECERT_E_NETWORK,
     .words = {"refuses the user 'somebody': 535 (its words are left out"}},
    {.name = "a recipient that is refused",
     .server = STARTTLS,
     .to = "nobody@b.example",
     .status = ECERT_E_NETWORK,
     .words = {"refuses the mail to 'nobody@b.example': 550 no such user here"}},
    {.name = "a refusal of two lines",
     .server = REFUSES,
     .opportunistic = true,
     .status = ECERT_E_NETWORK,
     .words = {": 550 5.1.1 nobody of that 5.1.1 name here"}},
    {.name = "a certificate that does not verify",
     .server = STARTTLS,
     .system_anchors = true,
     .status = ECERT_E_NETWORK,
     .words = {"SSL certificate problem"}},
    {.name = "a certificate that does not verify, opportunistic",
     .server = STARTTLS,
     .opportunistic = true,
     .system_anchors = true,
     .status = ECERT_E_NETWORK,
     .words = {"SSL certificate problem"}},
    {.name = "a certificate of another name",
     .server = STARTTLS,
     .host = "localhost",
     .status = ECERT_E_NETWORK,
     .words = {"'localhost'"}},
    {.name = "a server that says nothing",
     .server = SILENT,
     .timeout_ms = 600,
     .status = ECERT_E_TIMEOUT,
     .words = {"did not accept the mail to 'to@b.example' within 0.6 seconds"}},
    {.name = "a server that hangs after the mail",
     .server = HANGS,
     .opportunistic = true,
     .timeout_ms = 600,
     .status = ECERT_E_TIMEOUT,
     .words = {"within 0.6 seconds"}},
    {.name = "a server that never says good-bye",
     .server = STAYS,
     .opportunistic = true,
     .timeout_ms = 600},
    {.name = "nobody there",
     .server = CLOSED,
     .status = ECERT_E_NETWORK,
     .words = {"connect: Connection refused"}},
    {.name = "a host that does not exist",
     .server = PLAIN,
     .host = "nowhere.invalid",
     .status = ECERT_E_NETWORK,
     .words = {"resolve host"}},
    {.name = "another scheme",
     .server = PLAIN,
     .scheme = "http",
     .status = ECERT_E_REFUSED,
     .words = {"the scheme 'http' is not allowed (smtp and smtps are)"}},
    {.name = "a password in the address",
     .server = PLAIN,
     .host = "u:hidden@127.0.0.1",
     .status = ECERT_E_REFUSED,
     .words = {"nothing but the host and the port"}},
    {.name = "a recipient that would add a command",
     .server = PLAIN,
     .to = "x@y>\r\nRCPT TO:<z@y",
     .status = ECERT_E_REFUSED,
     .words = {"not two plain e-mail addresses"}},
};

static enum ecert_status mail_to(const struct mail_row *row, struct ecert_view message,
                                 struct ecert_error *err)
{
    char server[200];

    (void)snprintf(server, sizeof server, "%s://%s:%u", row->scheme == NULL ? "smtp" : row->scheme,
                   row->host == NULL ? "127.0.0.1" : row->host, port_of(row->server));
    const struct ecert_mail mail = {.server = server,
                                    .require_tls = !row->opportunistic,
                                    .user = row->user,
                                    .password = ecert_view_of(row->password),
                                    .ca_file = row->system_anchors ? NULL : site.ca_file,
                                    .from = row->from == NULL ? "from@a.example" : row->from,
                                    .to = row->to == NULL ? "to@b.example" : row->to,
                                    .message = message,
                                    .timeout_ms = row->timeout_ms > 0 ? row->timeout_ms : 10000};
    return ecert_network_mail(&network, &mail, err);
}

/* The mail is there, byte by byte, below the server's own head. */
static void expect_delivered(const char *head, struct ecert_view message)
{
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes mail = {0};
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer lines = {0};

    for (size_t i = 0; i < message.len; i++)
        if (message.ptr[i] != '\r') /* a maildir has the line ends of the machine */
            ecert_buffer_add(&lines, (struct ecert_view){message.ptr + i, 1});
    mail_server_take(&exim, &mail);
    assert_true(mail.len > lines.len);
    assert_memory_equal(mail.ptr + mail.len - lines.len, lines.ptr, lines.len);
    mail.ptr[mail.len - lines.len] = '\0';
    assert_non_null(strstr((const char *)mail.ptr, head));
    assert_non_null(strstr((const char *)mail.ptr, "Return-path: <from@a.example>\n"));
    assert_non_null(strstr((const char *)mail.ptr, "Envelope-to: to@b.example\n"));
}

static void check_mail(void **state)
{
    const struct mail_row *row = *state;
    struct ecert_error err = {0};
    const enum ecert_status status = mail_to(row, ecert_view_of(letter), &err);

    assert_null(strstr(err.text, "hidden"));
    for (size_t i = 0; i < ARRAY_SIZE(row->words) && row->words[i] != NULL; i++)
        if (strstr(err.text, row->words[i]) == NULL)
            fail_msg("'%s' is not in: %s", row->words[i], err.text);
    if (row->status == ECERT_OK)
        assert_string_equal(err.text, "");
    assert_int_equal(status, row->status);
    if (row->delivered != NULL)
        expect_delivered(row->delivered, ecert_view_of(letter));
}

static void no_password_goes_without_tls(void **state)
{
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes lines = {0};

    (void)state; /* after the row "a user without TLS" */
    receivers_read(&receivers, "no-tls.lines", &lines);
    assert_non_null(strstr((const char *)lines.ptr, "EHLO"));
    assert_null(strstr((const char *)lines.ptr, "AUTH"));
    assert_null(strstr((const char *)lines.ptr, "MAIL"));
}

/* A sanitizer's shadow is larger. */
#define MAX_MAPPING (256UL << 20)

/* Is this text in what the process can write to? */
static bool holds(int pid, const char *text)
{
    char path[64], line[600];
    bool found = false;

    (void)snprintf(path, sizeof path, "/proc/%d/maps", pid);
    FILE *maps = fopen(path, "re");
    (void)snprintf(path, sizeof path, "/proc/%d/mem", pid);
    FILE *memory = fopen(path, "re");
    while (maps != NULL && memory != NULL && fgets(line, sizeof line, maps) != NULL) {
        unsigned long from, to;
        char mode[8];

        if (sscanf(line, "%lx-%lx %7s", &from, &to, mode) != 3 || mode[1] != 'w' ||
            to - from > MAX_MAPPING)
            continue;
        char *bytes = calloc(1, to - from);
        assert_non_null(bytes);
        if (fseek(memory, (long)from, SEEK_SET) == 0 &&
            fread(bytes, 1, to - from, memory) == to - from)
            found |= memmem(bytes, to - from, text, strlen(text)) != NULL;
        free(bytes);
    }
    if (maps != NULL)
        (void)fclose(maps);
    if (memory != NULL)
        (void)fclose(memory);
    return found;
}

static void no_password_stays_in_memory(void **state)
{
    const struct mail_row row = {
        .server = STARTTLS, .user = MAIL_SERVER_USER, .password = MAIL_SERVER_PASSWORD};
    struct ecert_error err = {0};

    (void)state;
    assert_int_equal(mail_to(&row, ecert_view_of(letter), &err), ECERT_OK);
    expect_delivered("with esmtpsa", ecert_view_of(letter));
    ecert_clock_sleep_ms(100);           /* its answer is here before it waits again */
    if (!holds(network.pid, "LC_ALL=C")) /* of its environment: it may not be looked at */
        skip();
    assert_false(holds(network.pid, MAIL_SERVER_PASSWORD));
}

static void fill_lines(char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        text[i] = (char)(i % 76 == 74 ? '\r' : i % 76 == 75 ? '\n' : 'a' + (int)(i / 76 % 26));
}

static void a_large_mail_arrives(void **state)
{
    const size_t len = 76 * 70000; /* 5 MiB */
    struct ecert_error err = {0};
    char *text = malloc(len);

    (void)state;
    assert_non_null(text);
    fill_lines(text, len);
    memcpy(text, "Subject: large\r\n\r\n", 18);
    const struct ecert_view message = {(const uint8_t *)text, len};
    const struct mail_row row = {.server = SMTPS, .scheme = "smtps", .timeout_ms = 60000};
    assert_int_equal(mail_to(&row, message, &err), ECERT_OK);
    expect_delivered("with esmtps ", message);
    free(text);
}

static void half_a_mail_is_none(void **state)
{
    const struct mail_row row = {.server = HALF, .opportunistic = true};
    const size_t len = (size_t)76 << 16;
    struct ecert_error err = {0};
    char *text = malloc(len);

    (void)state;
    assert_non_null(text);
    fill_lines(text, len);
    assert_int_equal(mail_to(&row, (struct ecert_view){(const uint8_t *)text, len}, &err),
                     ECERT_E_NETWORK);
    if (strstr(err.text, "did not accept the mail to 'to@b.example': ") == NULL)
        fail_msg("%s", err.text);
    free(text);
}

static void too_large_is_refused_and_the_next_one_is_sent(void **state)
{
    const struct mail_row row = {.server = STARTTLS};
    const size_t len = ((size_t)16 << 20) + 1;
    struct ecert_error err = {0};
    uint8_t *bytes = calloc(1, len);

    (void)state;
    assert_non_null(bytes);
    assert_int_equal(mail_to(&row, (struct ecert_view){bytes, len}, &err), ECERT_E_REFUSED);
    assert_non_null(strstr(err.text, "limit 16777216"));
    free(bytes);
    assert_int_equal(mail_to(&row, ecert_view_of(letter), &err), ECERT_OK);
    expect_delivered("with esmtps ", ecert_view_of(letter));
}

/* ---- all of it ---- */

static int start_all(void **state)
{
    char pem[300];

    (void)state;
    const int outcome = net_begin(&site, &network, ECERT_NET_PROGRAM);
    (void)snprintf(pem, sizeof pem, "%s/a.pem", site.folder);
    mail_server_start(&exim, site.folder, pem);
    receivers_start(&receivers, site.folder, pem);
    return outcome;
}

static int end_all(void **state)
{
    (void)state;
    receivers_end(&receivers);
    mail_server_end(&exim);
    return net_end(&site, &network);
}

int main(void)
{
    static const struct CMUnitTest others[] = {
        cmocka_unit_test(no_password_goes_without_tls),
        cmocka_unit_test(no_password_stays_in_memory),
        cmocka_unit_test(a_large_mail_arrives),
        cmocka_unit_test(half_a_mail_is_none),
        cmocka_unit_test(too_large_is_refused_and_the_next_one_is_sent),
    };
    struct CMUnitTest tests[ARRAY_SIZE(mail_rows) + ARRAY_SIZE(others)] = {0};
    size_t n = 0;

    n += TEST_ADD_ROWS(tests + n, check_mail, mail_rows);
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        tests[n++] = others[i];
    return cmocka_run_group_tests(tests, start_all, end_all);
}
