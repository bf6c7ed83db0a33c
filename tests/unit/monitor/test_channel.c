/* The channels and the sending, in the scene of channel_fixture.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "tests/unit/monitor/channel_fixture.h"

/* ---- one notice over one channel ---- */

static enum ecert_status tell(enum ecert_channel channel, const char *to, struct ecert_error *err)
{
    struct ecert_notice notice = {.kind = ECERT_NOTICE_TEST, .host = "h", .key = "k", .now = NOW};

    ecert_notice_address(&notice, &config, channel, to);
    return ecert_channel_tell(&context, channel, &notice, err);
}

static void test_email(void **state)
{
    struct ecert_error err = {0};

    (void)state;
    config.reminders.email.starttls = ECERT_STARTTLS_OPPORTUNISTIC;
    assert_int_equal(tell(ECERT_CHANNEL_EMAIL, "chan@myserver.com", &err), ECERT_OK);
    assert_string_equal(sent.log, "mail chan@myserver.com(陳大文) zh_HK kind 2:\n");
    assert_string_equal(sent.from, "ecert@myserver.com");
    assert_string_equal(sent.user, "");
    assert_false(sent.require_tls);
    static char user[] = "ecert";
    config.reminders.email.user = user;
    config.reminders.email.password_file = write_file("password", "s3cret\n", 0600);
    assert_int_equal(tell(ECERT_CHANNEL_EMAIL, "x@y", &err), ECERT_OK);
    assert_string_equal(sent.password, "s3cret");
    assert_true(sent.require_tls); /* a password never goes without TLS */
}

static void test_email_fails(void **state)
{
    struct ecert_error err = {0};

    (void)state;
    sent.refuses = "*";
    sent.answer = ECERT_E_NETWORK;
    assert_int_equal(tell(ECERT_CHANNEL_EMAIL, "x@y", &err), ECERT_E_NETWORK);
    assert_string_equal(err.text, "550 not here");
    config.reminders.email.password_file = path_of("absent");
    sent.n = 0;
    assert_int_equal(tell(ECERT_CHANNEL_EMAIL, "x@y", &err), ECERT_E_NOT_FOUND);
    assert_int_equal(sent.n, 0);
    config.reminders.email.password_file = write_file("open", "s3cret\n", 0644);
    assert_int_equal(tell(ECERT_CHANNEL_EMAIL, "x@y", &err), ECERT_E_REFUSED);
    assert_null(strstr(err.text, "s3cret"));
    config.reminders.has_email = false;
    assert_int_equal(tell(ECERT_CHANNEL_EMAIL, "x@y", &err), ECERT_E_CONFIG);
    assert_non_null(strstr(err.text, "not configured"));
}

static void test_webhook(void **state)
{
    struct ecert_error err = {0};

    (void)state;
    static char url[] = "https://hooks.example/1", slack[] = "slack";
    config.reminders.has_webhook = true;
    config.reminders.webhook.url = url;
    assert_int_equal(tell(ECERT_CHANNEL_WEBHOOK, NULL, &err), ECERT_OK);
    assert_string_equal(sent.log, "json -() en kind 2:\n");
    assert_string_equal(sent.url, "https://hooks.example/1");
    assert_false(sent.show_url);
    static char chat[] = "https://user:pw@hooks.example:8443/services/T0/s3cret?x=1";
    config.reminders.webhook.url = chat;
    sent.refuses = "webhook";
    sent.answer = ECERT_E_NETWORK;
    assert_int_equal(tell(ECERT_CHANNEL_WEBHOOK, NULL, &err), ECERT_E_NETWORK);
    assert_string_equal(err.text, "https://hooks.example:8443: 550 not here");
    sent.refuses = NULL;
    assert_string_equal(sent.signature, "");
    assert_string_equal(sent.body, BODY);
    config.reminders.webhook.url = NULL;
    config.reminders.webhook.url_file = write_file("url", "https://hooks.example/s3cret\n", 0600);
    config.reminders.webhook.secret_file = write_file("secret", "key\n", 0600);
    config.reminders.webhook.template_name = slack;
    assert_int_equal(tell(ECERT_CHANNEL_WEBHOOK, NULL, &err), ECERT_OK);
    assert_string_equal(sent.url, "https://hooks.example/s3cret");
    assert_false(sent.show_url);
    assert_string_equal(sent.signature, SIGNATURE);
    assert_non_null(strstr(sent.log, "slack -()"));
}

static void test_command(void **state)
{
    static char *argv[2];
    struct ecert_bytes got = {0};
    struct ecert_error err = {0};
    char script[256];

    (void)state;
    (void)snprintf(script, sizeof script, "#!/bin/sh\ncat >%s\n", path_of("got"));
    argv[0] = write_file("page", script, 0700);
    config.reminders.command = (struct ecert_strings){argv, 1};
    assert_int_equal(tell(ECERT_CHANNEL_COMMAND, NULL, &err), ECERT_OK);
    assert_int_equal(ecert_fs_read(path_of("got"), 1000, &got, &err), ECERT_OK);
    assert_string_equal((const char *)got.ptr, BODY);
    ecert_bytes_clear(&got);
    argv[0] = write_file("no", "#!/bin/sh\necho 'nobody is on call' >&2\nexit 3\n", 0700);
    assert_int_equal(tell(ECERT_CHANNEL_COMMAND, NULL, &err), ECERT_E_COMMAND);
    assert_non_null(strstr(err.text, "/no' left with exit code 3: nobody is on call"));
    argv[0] = path_of("absent");
    assert_int_equal(tell(ECERT_CHANNEL_COMMAND, NULL, &err), ECERT_E_NOT_FOUND);
    assert_non_null(strstr(err.text, "/absent' cannot be found"));
    /* it was absent when the configuration was read, and came from anybody */
    argv[0] = write_file("everybody's", "#!/bin/sh\nexit 0\n", 0777);
    assert_int_equal(tell(ECERT_CHANNEL_COMMAND, NULL, &err), ECERT_E_REFUSED);
}

static const struct address {
    const char *text, *bare; /* NULL: refused */
} addresses[] = {
    {"a@b", "a@b"},
    {"Name <a@b>", "a@b"},
    {"<a@b>", "a@b"},
    {"陳 <a@b.hk>", "a@b.hk"},
    {"", NULL},
    {"a", NULL},
    {"Name <a>", NULL},
    {"Name <a@b", NULL},
    {"Name <a@b> x", NULL},
    {"a@b c", NULL},
    {"a@b\r\nTo: x", NULL},
    {"a@b>", NULL},
};

static void test_addresses(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
        struct ecert_error err = {0};
        char *bare = NULL;
        const enum ecert_status status = ecert_bare_address(addresses[i].text, &bare, &err);
        assert_int_equal(status, addresses[i].bare == NULL ? ECERT_E_CONFIG : ECERT_OK);
        if (bare != NULL)
            assert_string_equal(bare, addresses[i].bare);
        free(bare);
    }
    assert_int_equal(ecert_address_compare("a@X.hk", "a@x.HK"), 0);
    assert_int_not_equal(ecert_address_compare("A@x.hk", "a@x.hk"), 0);
    assert_int_not_equal(ecert_address_compare("a@x.hk", "ab@x.hk"), 0);
}

/* ---- sending what is owed ---- */

static struct ecert_telling send_all(bool force)
{
    struct ecert_telling telling = {0};
    struct ecert_error err = {0};

    assert_int_equal(ecert_reminders_send(&context, NOW, force, &telling, &err), ECERT_OK);
    return telling;
}

static void test_grouped(void **state)
{
    (void)state;
    static char url[] = "https://hooks.example/1";
    config.reminders.has_webhook = true;
    config.reminders.webhook.url = url;
    OWE("k1", "www.myserver.com", 12, 0,
        {{"email:chan@myserver.com"}, {"email:boss@myserver.com"}, {"webhook"}});
    OWE("k2", "gate", 3, NOW - 1, {{"webhook"}, {"email:boss@MYSERVER.com"}});
    OWE("k3", "other", 30, NOW + 60, {{"email:late@myserver.com"}});
    struct ecert_telling telling = send_all(false);
    /* one message each; the sooner end first; the note of the configuration; his language */
    assert_string_equal(sent.log, "mail boss@myserver.com() en kind 0: gate,www.myserver.com+note\n"
                                  "mail chan@myserver.com(陳大文) zh_HK kind 0: "
                                  "www.myserver.com+note\n"
                                  "json -() en kind 0: gate,www.myserver.com+note\n");
    assert_string_equal(written, "k2[1]=0 k1[1]=0 k1[0]=0 k2[0]=0 k1[2]=0 ");
    assert_int_equal(telling.told, 3);
    assert_int_equal(telling.failed, 0);
    assert_int_equal(telling.waiting, 1);
    assert_int_equal(telling.accepted.len, 3);
    assert_string_equal(telling.accepted.items[0], "email to boss@myserver.com");
    assert_string_equal(telling.accepted.items[2], "webhook");
    assert_string_not_equal(sent.keys[0], sent.keys[1]);
    ecert_telling_clear(&telling);
}

/* A retry carries the key of the first try; who waits is told when he is told anything at all. */
static void test_again(void **state)
{
    char key[40];

    (void)state;
    OWE("k1", "www.myserver.com", 12, 0, {{"email:a@x.hk"}});
    struct ecert_telling telling = send_all(false);
    (void)snprintf(key, sizeof key, "%s", sent.keys[0]);
    ecert_telling_clear(&telling);
    OWE("k1", "www.myserver.com", 12, NOW + 1, {{"email:a@x.hk"}});
    telling = send_all(false);
    assert_int_equal(telling.waiting, 1);
    assert_int_equal(sent.n, 1);
    ecert_telling_clear(&telling);
    OWE("k1", "www.myserver.com", 12, NOW + 1, {{"email:a@x.hk"}});
    telling = send_all(true);
    assert_int_equal(telling.told, 1);
    assert_string_equal(sent.keys[1], key);
    assert_int_equal(strlen(key), 32);
    ecert_telling_clear(&telling);
    OWE("k1", "www.myserver.com", 12, NOW + 1, {{"email:a@x.hk"}});
    OWE("k2", "gate", 12, NOW, {{"email:a@x.hk"}});
    telling = send_all(false);
    assert_int_equal(telling.waiting, 0);
    assert_non_null(strstr(sent.log, "gate,www.myserver.com+note"));
    assert_string_not_equal(sent.keys[2], key);
    ecert_telling_clear(&telling);
}

static void test_refused(void **state)
{
    (void)state;
    sent.refuses = "b@x.hk";
    sent.answer = ECERT_E_NETWORK;
    OWE("k1", "gate", 12, 0, {{"email:a@x.hk"}, {"email:b@x.hk"}, {"email:c@x.hk"}, {"command"}});
    struct ecert_telling telling = send_all(false);
    assert_int_equal(telling.told, 2);
    assert_int_equal(telling.failed, 2);
    assert_string_equal(written, "k1[0]=0 k1[1]=7 k1[2]=0 k1[3]=3 ");
    assert_int_equal(telling.errors.len, 2);
    assert_string_equal(telling.errors.items[0], "email to b@x.hk: 550 not here");
    assert_int_equal(strncmp(telling.errors.items[1], "command: it is not configured", 29), 0);
    ecert_telling_clear(&telling);
}

/* A server that hangs is waited for twice, not once per recipient; who was not asked is no try. */
static void test_hanging(void **state)
{
    (void)state;
    sent.refuses = "*";
    sent.answer = ECERT_E_TIMEOUT;
    OWE("k1", "gate", 12, 0, {{"email:a@x.hk"}, {"email:b@x.hk"}, {"email:c@x.hk"}});
    struct ecert_telling telling = send_all(false);
    assert_int_equal(sent.n, 2);
    assert_int_equal(telling.failed, 3);
    assert_string_equal(written, "k1[0]=8 k1[1]=8 ");
    assert_string_equal(telling.errors.items[2],
                        "email to c@x.hk: not asked now: 2 recipients before it let us wait for 0 "
                        "s; it is asked first next time");
    ecert_telling_clear(&telling);
}

/* One recipient for whom the server hangs starves nobody: who has fewer tries comes before him. */
static void test_hanging_for_one(void **state)
{
    (void)state;
    sent.refuses = "a@x.hk";
    sent.answer = ECERT_E_TIMEOUT;
    OWE("k1", "gate", 12, 0, {{"email:a@x.hk"}, {"email:b@x.hk"}, {"email:c@x.hk"}});
    struct ecert_telling telling = send_all(false);
    assert_int_equal(telling.told, 2);
    assert_string_equal(written, "k1[0]=8 k1[1]=0 k1[2]=0 ");
    ecert_telling_clear(&telling);
    written[0] = '\0';
    sent.refuses = "*";
    OWE("k1", "gate", 12, 0, {{"email:a@x.hk"}, {"email:b@x.hk"}, {"email:c@x.hk"}});
    books[0].owed[0].tries = books[0].owed[1].tries = 1;
    telling = send_all(false);
    assert_string_equal(written, "k1[2]=8 k1[0]=8 ");
    ecert_telling_clear(&telling);
}

/* The same problem months later has its key again, and is another message. */
static void test_news(void **state)
{
    (void)state;
    OWE("k1", "gate", 12, 0, {{"email:a@x.hk"}});
    struct ecert_telling telling = send_all(false);
    ecert_telling_clear(&telling);
    OWE("k1", "gate", 12, 0, {{"email:a@x.hk"}});
    books[0].created = 90 * 86400;
    telling = send_all(false);
    ecert_telling_clear(&telling);
    assert_int_equal(sent.n, 2);
    assert_string_not_equal(sent.keys[0], sent.keys[1]);
}

/* What has no books is told, and nothing is written down. */
static void test_unspooled(void **state)
{
    struct ecert_findings findings = {0};
    struct ecert_finding finding = finding_of("www.myserver.com", ECERT_CONDITION_EXPIRES, 12);
    struct ecert_telling telling = {0};
    struct ecert_error err = {0};

    (void)state;
    assert_int_equal(ecert_findings_add(&findings, &finding, &err), ECERT_OK);
    assert_int_equal(ecert_findings_tell(&context, &findings, NOW, &telling, &err), ECERT_OK);
    assert_string_equal(sent.log,
                        "mail chan@myserver.com(陳大文) zh_HK kind 0: www.myserver.com+note\n");
    assert_int_equal(telling.told, 1);
    assert_string_equal(written, "");
    ecert_telling_clear(&telling);
    ecert_findings_clear(&findings);
    ecert_finding_clear(&finding);
}

/* What cannot be written down keeps nobody from being told. */
static void test_full_disk(void **state)
{
    struct ecert_telling telling = {0};
    struct ecert_error err = {0};

    (void)state;
    disk_is_full = true;
    OWE("k1", "gate", 12, 0, {{"email:a@x.hk"}, {"email:b@x.hk"}});
    assert_int_equal(ecert_reminders_send(&context, NOW, false, &telling, &err), ECERT_E_IO);
    assert_string_equal(err.text, "no space left");
    assert_int_equal(sent.n, 2);
    assert_int_equal(telling.told, 2);
    ecert_telling_clear(&telling);
}

/* ---- more than one message holds ---- */

#define MANY 60 /* a chat message holds some forty of these */

static void owe_many(void)
{
    static char url[] = "https://hooks.example/1", slack[] = "slack";

    config.reminders.has_webhook = true;
    config.reminders.webhook.url = url;
    config.reminders.webhook.template_name = slack;
    for (int i = 0; i < MANY; i++) {
        char key[8], name[8];

        (void)snprintf(key, sizeof key, "k%02d.", i);
        (void)snprintf(name, sizeof name, "w%02d", i);
        OWE(key, name, 12, 0, {{"webhook"}});
    }
}

static size_t how_often(const char *text, const char *word)
{
    size_t n = 0;

    for (const char *at = text; (at = strstr(at, word)) != NULL; at++)
        n++;
    return n;
}

static void test_split(void **state)
{
    (void)state;
    owe_many();
    struct ecert_telling telling = send_all(false);
    assert_in_range(sent.n, 2, 4);
    for (int i = 0; i < MANY; i++) {
        char key[16], name[8];

        (void)snprintf(key, sizeof key, "k%02d.[0]=0 ", i);
        (void)snprintf(name, sizeof name, "w%02d", i);
        assert_int_equal(how_often(written, key), 1);
        assert_int_equal(how_often(sent.log, name), 1);
    }
    assert_string_not_equal(sent.keys[0], sent.keys[1]);
    assert_int_equal(telling.told, 1); /* one recipient */
    assert_int_equal(telling.accepted.len, 1);
    ecert_telling_clear(&telling);
}

/* Of two messages one is accepted: what was in the other is still owed, with the error. */
static void test_split_and_refused(void **state)
{
    (void)state;
    owe_many();
    sent.refuses = "webhook";
    sent.refuses_after = 1;
    sent.answer = ECERT_E_NETWORK;
    struct ecert_telling telling = send_all(false);
    assert_int_equal(sent.n, 2);
    const size_t told = how_often(written, "[0]=0 "), owed = how_often(written, "[0]=7 ");
    assert_in_range(told, 10, MANY - 10);
    assert_int_equal(told + owed, MANY);
    const char *second = strchr(sent.log, '\n') + 1;
    for (int i = 0; i < MANY; i++) {
        char key[16], name[8];

        (void)snprintf(key, sizeof key, "k%02d.[0]=0 ", i);
        (void)snprintf(name, sizeof name, "w%02d", i);
        assert_int_equal(how_often(written, key), how_often(second, name) == 0);
    }
    assert_int_equal(telling.told, 0);
    assert_int_equal(telling.failed, 1);
    assert_string_equal(telling.errors.items[0], "webhook: after 1 message that was accepted: "
                                                 "https://hooks.example: 550 not here");
    ecert_telling_clear(&telling);
}

int main(void)
{
#define WITH_SCENE(test) cmocka_unit_test_setup_teardown(test, set_scene, clear_scene)
    const struct CMUnitTest tests[] = {
        WITH_SCENE(test_email),
        WITH_SCENE(test_email_fails),
        WITH_SCENE(test_webhook),
        WITH_SCENE(test_command),
        WITH_SCENE(test_addresses),
        WITH_SCENE(test_grouped),
        WITH_SCENE(test_again),
        WITH_SCENE(test_refused),
        WITH_SCENE(test_hanging),
        WITH_SCENE(test_full_disk),
        WITH_SCENE(test_hanging_for_one),
        WITH_SCENE(test_news),
        WITH_SCENE(test_unspooled),
        WITH_SCENE(test_split),
        WITH_SCENE(test_split_and_refused),
    };

    (void)signal(SIGPIPE,
                 SIG_IGN); /* as the program does: a command may end before it has read all */
    return cmocka_run_group_tests_name("channel", tests, NULL, NULL);
}
