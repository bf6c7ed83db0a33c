/*
 * The channels and the sending.  In the place of the network, of what notices look like and of the
 * books stand functions of this file (the linker's --wrap, see tests/unit/CMakeLists.txt); the
 * command and the files are real.
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
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/monitor/channel_internal.h"

#define NOW 1795000000 /* 2026-11-18 */

/* ---- what stands in the place of others ---- */

/* HMAC-SHA256 with the key "key" of this text is well known (Wikipedia, "HMAC", examples). */
#define BODY      "The quick brown fox jumps over the lazy dog"
#define SIGNATURE "sha256=f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8"

static struct sent {
    char log[4096]; /* one line per message: who, in which language, what */
    unsigned n;
    const char *refuses;      /* this recipient, or "*" */
    enum ecert_status answer; /* with this */
    char from[64], user[64], password[64], url[64], signature[128], body[512];
    char keys[16][40];
    bool require_tls, show_url;
} sent;

static void log_notice(const char *channel, const struct ecert_notice *notice)
{
    const size_t used = strlen(sent.log);
    char names[512] = "";

    for (size_t i = 0; i < notice->n; i++) {
        (void)strcat(names, i == 0 ? " " : ",");
        (void)strcat(names, notice->findings[i]->name);
        if (notice->findings[i]->settings != NULL && notice->findings[i]->settings->note != NULL)
            (void)strcat(names, "+note");
    }
    (void)snprintf(sent.log + used, sizeof sent.log - used, "%s %s(%s) %s kind %d:%s\n", channel,
                   notice->to == NULL ? "-" : notice->to,
                   notice->to_name == NULL ? "" : notice->to_name, notice->language,
                   (int)notice->kind, names);
    if (sent.n < ARRAY_SIZE(sent.keys))
        (void)snprintf(sent.keys[sent.n], sizeof sent.keys[0], "%s", notice->key);
    sent.n++;
}

static void keep(char *to, size_t size, struct ecert_view view)
{
    (void)snprintf(to, size, "%.*s", (int)view.len, view.ptr == NULL ? "" : (const char *)view.ptr);
}

/* What --wrap calls in the place of `name`; declared, so that no warning is needed off. */
#define WRAP(type, name, ...)        \
    type __wrap_##name(__VA_ARGS__); \
    type __wrap_##name(__VA_ARGS__)

WRAP(enum ecert_status, ecert_notice_mail, const struct ecert_notice *notice,
     struct ecert_bytes *ret, struct ecert_error *err)
{
    log_notice("mail", notice);
    assert_string_equal(notice->from, "Certificates <ecert@myserver.com>");
    return ecert_bytes_copy(ecert_view_of("Subject: x\r\n\r\ny\r\n"), ret, err);
}

WRAP(enum ecert_status, ecert_notice_json, const struct ecert_notice *notice,
     const char *template_name, struct ecert_bytes *ret, struct ecert_error *err)
{
    log_notice(template_name, notice);
    return ecert_bytes_copy(ecert_view_of(BODY), ret, err);
}

static enum ecert_status answer(const char *to, struct ecert_error *err)
{
    if (sent.refuses != NULL && (strcmp(sent.refuses, "*") == 0 || strcmp(sent.refuses, to) == 0))
        return ecert_error_set(err, sent.answer, "550 not here");
    return ECERT_OK;
}

WRAP(enum ecert_status, ecert_network_mail, struct ecert_network *network,
     const struct ecert_mail *mail, struct ecert_error *err)
{
    (void)network;
    assert_string_equal(mail->server, "smtp://mail.myserver.com");
    assert_true(mail->timeout_ms > 0);
    assert_string_equal((const char *)mail->message.ptr, "Subject: x\r\n\r\ny\r\n");
    keep(sent.from, sizeof sent.from, ecert_view_of(mail->from));
    keep(sent.user, sizeof sent.user, ecert_view_of(mail->user));
    keep(sent.password, sizeof sent.password, mail->password);
    sent.require_tls = mail->require_tls;
    return answer(mail->to, err);
}

WRAP(enum ecert_status, ecert_network_post, struct ecert_network *network,
     const struct ecert_post *post, struct ecert_bytes *ret_answer, struct ecert_error *err)
{
    (void)network;
    assert_non_null(ret_answer);
    assert_string_equal(post->content_type, "application/json");
    keep(sent.url, sizeof sent.url, ecert_view_of(post->url));
    keep(sent.signature, sizeof sent.signature, ecert_view_of(post->signature));
    keep(sent.body, sizeof sent.body, post->body);
    sent.show_url = post->show_url;
    return answer("webhook", err);
}

/* The books: who is owed, and what was written down. */
static struct ecert_reminder *books;
static size_t n_books;
static char written[4096];
static bool digest_was_sent, disk_is_full;

WRAP(enum ecert_status, ecert_reminders_owed, const struct ecert_config *config,
     struct ecert_reminder_list *ret, struct ecert_strings *ret_notes, struct ecert_error *err)
{
    (void)config, (void)ret_notes, (void)err;
    *ret = (struct ecert_reminder_list){books, n_books};
    books = NULL;
    n_books = 0;
    return ECERT_OK;
}

WRAP(enum ecert_status, ecert_reminder_told, const struct ecert_config *config,
     struct ecert_reminder *reminder, size_t which, int64_t now, const struct ecert_error *outcome,
     struct ecert_error *err)
{
    const size_t used = strlen(written);

    (void)config;
    assert_int_equal(now, NOW);
    if (disk_is_full)
        return ecert_error_set(err, ECERT_E_IO, "no space left");
    (void)snprintf(written + used, sizeof written - used, "%s[%zu]=%d ", reminder->key, which,
                   (int)outcome->status);
    reminder->owed[which].told = outcome->status == ECERT_OK;
    return ECERT_OK;
}

WRAP(enum ecert_status, ecert_digest_sent, const struct ecert_config *config, int64_t now,
     struct ecert_error *err)
{
    (void)config, (void)now, (void)err;
    digest_was_sent = true;
    return ECERT_OK;
}

/* ---- a scene ---- */

static char folder[64];
static struct ecert_config config;
static struct ecert_context context;

static char *path_of(const char *name)
{
    static char paths[8][128];
    static unsigned next;
    char *path = paths[next++ % ARRAY_SIZE(paths)];

    (void)snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static char *write_file(const char *name, const char *text, mode_t mode)
{
    char *path = path_of(name);
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(close(fd), 0);
    assert_int_equal(chmod(path, mode), 0);
    return path;
}

static char server[] = "smtp://mail.myserver.com", english[] = "en";
static char from[] = "Certificates <ecert@myserver.com>";
static char *one_address[] = {(char[]){"fallback@myserver.com"}, NULL};
static char *bosses[] = {(char[]){"boss@myserver.com"}, (char[]){"fallback@MYSERVER.com"}, NULL};
static char *own_contacts[] = {(char[]){"chan@myserver.com"}, NULL};
static struct ecert_contact_config contacts[] = {
    {.email = (char[]){"chan@myserver.com"},
     .name = (char[]){"陳大文"},
     .language = (char[]){"zh_HK"}},
    {.email = (char[]){"else@myserver.com"}},
};
static struct ecert_certificate_config certificates[] = {
    {.name = (char[]){"www.myserver.com"},
     .settings = {.contacts = {own_contacts, 1}, .note = (char[]){"the shop"}}},
};
static struct ecert_watch_config watches[] = {
    {.name = (char[]){"gate"}, .settings = {.escalation = {bosses, 1}}}};

static int set_scene(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "/tmp/ecert-test-channel-XXXXXX");
    assert_non_null(mkdtemp(folder));
    memset(&sent, 0, sizeof sent);
    written[0] = '\0';
    digest_was_sent = disk_is_full = false;
    config = (struct ecert_config){
        .state_dir = folder,
        .certificates = certificates,
        .n_certificates = ARRAY_SIZE(certificates),
        .watches = watches,
        .n_watches = ARRAY_SIZE(watches),
        .contacts = contacts,
        .n_contacts = ARRAY_SIZE(contacts),
        .reminders = {.has_email = true,
                      .email = {.server = server, .from = from, .to = {one_address, 1}},
                      .escalation = {bosses, 2},
                      .language = english}};
    context = (struct ecert_context){.config = &config, .network = {.fd = -1}};
    return 0;
}

static int clear_scene(void **state)
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

/* `to`: "email:a@b" or a channel's word; it is owed from `next_try` on. */
static void owe(const char *key, const char *name, int days, const char *const to[][1], size_t n,
                int64_t next_try)
{
    books = realloc(books, (n_books + 1) * sizeof *books);
    assert_non_null(books);
    struct ecert_reminder *reminder = &books[n_books++];
    *reminder = (struct ecert_reminder){.key = strdup(key),
                                        .finding = finding_of(name, ECERT_CONDITION_EXPIRES, days)};
    reminder->owed = calloc(n, sizeof *reminder->owed);
    reminder->n_owed = n;
    for (size_t i = 0; i < n; i++) {
        const char *colon = strchr(to[i][0], ':');
        reminder->owed[i] = (struct ecert_owed){.next_try = next_try};
        for (enum ecert_channel c = 0; c < ECERT_CHANNEL_COUNT; c++)
            if (strncmp(to[i][0], ecert_channel_word(c), strlen(ecert_channel_word(c))) == 0)
                reminder->owed[i].channel = c;
        if (colon != NULL)
            reminder->owed[i].to = strdup(colon + 1);
    }
}

#define OWE(key, name, days, next_try, ...)                   \
    do {                                                      \
        static const char *const to_[][1] = __VA_ARGS__;      \
        owe(key, name, days, to_, ARRAY_SIZE(to_), next_try); \
    } while (0)

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
    assert_true(sent.show_url);
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
    assert_int_equal(tell(ECERT_CHANNEL_COMMAND, NULL, &err), ECERT_E_IO);
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
    assert_string_equal(written, "k1[1]=0 k2[1]=0 k1[0]=0 k1[2]=0 k2[0]=0 ");
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

/* A server that hangs is waited for once, not once per recipient. */
static void test_hanging(void **state)
{
    (void)state;
    sent.refuses = "*";
    sent.answer = ECERT_E_TIMEOUT;
    OWE("k1", "gate", 12, 0, {{"email:a@x.hk"}, {"email:b@x.hk"}, {"email:c@x.hk"}});
    struct ecert_telling telling = send_all(false);
    assert_int_equal(sent.n, 1);
    assert_int_equal(telling.failed, 3);
    assert_string_equal(written, "k1[0]=8 k1[1]=8 k1[2]=8 ");
    ecert_telling_clear(&telling);
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

/* ---- digest and test ---- */

static void test_digest(void **state)
{
    struct ecert_finding finding = finding_of("gate", ECERT_CONDITION_EXPIRES, 12);
    const struct ecert_finding *list[] = {&finding};
    struct ecert_telling telling = {0};
    struct ecert_error err = {0};

    (void)state;
    static char url[] = "https://hooks.example/1";
    config.reminders.has_webhook = true;
    config.reminders.webhook.url = url;
    config.reminders.journal = true; /* which would take it, and again with each further try */
    sent.refuses = "webhook";
    sent.answer = ECERT_E_NETWORK;
    assert_int_equal(ecert_digest_send(&context, list, 1, 5, NOW, &telling, &err), ECERT_OK);
    assert_string_equal(sent.log, "mail fallback@myserver.com() en kind 1: gate\n"
                                  "json -() en kind 1: gate\n");
    assert_int_equal(telling.told, 1);
    assert_int_equal(telling.failed, 1);
    assert_false(digest_was_sent); /* a channel that took it for nobody: once more next time */
    ecert_telling_clear(&telling);
    config.reminders.journal = false;
    sent.refuses = NULL;
    assert_int_equal(ecert_digest_send(&context, NULL, 0, 5, NOW, &telling, &err), ECERT_OK);
    assert_true(digest_was_sent);
    ecert_telling_clear(&telling);
    ecert_finding_clear(&finding);
}

static void test_test(void **state)
{
    struct ecert_telling telling = {0};
    struct ecert_error err = {0};

    (void)state;
    sent.refuses = "boss@myserver.com";
    sent.answer = ECERT_E_NETWORK;
    assert_int_equal(ecert_channels_test(&context, NOW, &telling, &err), ECERT_OK);
    /* everybody whom the configuration names, each once */
    assert_string_equal(sent.log, "mail fallback@myserver.com() en kind 2:\n"
                                  "mail boss@myserver.com() en kind 2:\n"
                                  "mail chan@myserver.com(陳大文) zh_HK kind 2:\n"
                                  "mail else@myserver.com() en kind 2:\n");
    assert_int_equal(telling.told, 3);
    assert_int_equal(telling.failed, 1);
    ecert_telling_clear(&telling);
}

int main(void)
{
#define WITH_SCENE(test) cmocka_unit_test_setup_teardown(test, set_scene, clear_scene)
    const struct CMUnitTest tests[] = {
        WITH_SCENE(test_email),     WITH_SCENE(test_email_fails), WITH_SCENE(test_webhook),
        WITH_SCENE(test_command),   WITH_SCENE(test_addresses),   WITH_SCENE(test_grouped),
        WITH_SCENE(test_again),     WITH_SCENE(test_refused),     WITH_SCENE(test_hanging),
        WITH_SCENE(test_full_disk), WITH_SCENE(test_digest),      WITH_SCENE(test_test),
    };

    return cmocka_run_group_tests_name("channel", tests, NULL, NULL);
}
