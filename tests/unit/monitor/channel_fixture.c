#include "tests/unit/monitor/channel_fixture.h"

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

/* ---- what stands in the place of others ---- */

struct sent sent;

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
    if (sent.refuses != NULL && sent.n > sent.refuses_after &&
        (strcmp(sent.refuses, "*") == 0 || strcmp(sent.refuses, to) == 0))
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
struct ecert_reminder *books;
size_t n_books;
char written[4096];
bool digest_was_sent, disk_is_full;

WRAP(enum ecert_status, ecert_reminders_settle, const struct ecert_config *of,
     struct ecert_reminder_list *ret, struct ecert_strings *ret_notes, struct ecert_error *err)
{
    (void)of, (void)ret_notes, (void)err;
    *ret = (struct ecert_reminder_list){.items = books, .n = n_books};
    books = NULL;
    n_books = 0;
    return ECERT_OK;
}

WRAP(enum ecert_status, ecert_reminder_told, const struct ecert_config *of,
     struct ecert_reminder *reminder, size_t which, int64_t now, const struct ecert_error *outcome,
     struct ecert_error *err)
{
    const size_t used = strlen(written);

    (void)of;
    assert_int_equal(now, NOW);
    if (disk_is_full)
        return ecert_error_set(err, ECERT_E_IO, "no space left");
    (void)snprintf(written + used, sizeof written - used, "%s[%zu]=%d ", reminder->key, which,
                   (int)outcome->status);
    reminder->owed[which].told = outcome->status == ECERT_OK;
    return ECERT_OK;
}

WRAP(enum ecert_status, ecert_digest_sent, const struct ecert_config *of, int64_t now,
     struct ecert_error *err)
{
    (void)of, (void)now, (void)err;
    digest_was_sent = true;
    return ECERT_OK;
}

/* ---- a scene ---- */

char folder[64];
struct ecert_config config;
struct ecert_context context;

char *path_of(const char *name)
{
    static char paths[8][128];
    static unsigned next;
    char *path = paths[next++ % ARRAY_SIZE(paths)];

    (void)snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

char *write_file(const char *name, const char *text, mode_t mode)
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

int set_scene(void **state)
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

int clear_scene(void **state)
{
    struct ecert_error err = {0};

    (void)state;
    return ecert_fs_remove_tree(AT_FDCWD, folder, &err) == ECERT_OK ? 0 : -1;
}

struct ecert_finding finding_of(const char *name, enum ecert_condition condition, int days)
{
    return (struct ecert_finding){.name = strdup(name),
                                  .where = strdup("generation 1"),
                                  .condition = condition,
                                  .urgency = ecert_condition_urgency(condition),
                                  .not_after = NOW + (int64_t)days * 86400 + 3600,
                                  .threshold = ECERT_NO_THRESHOLD};
}

/* `to`: "email:a@b" or a channel's word; it is owed from `next_try` on. */
void owe(const char *key, const char *name, int days, const char *const to[][1], size_t n,
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
