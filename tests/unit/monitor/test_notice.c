/*
 * Notices as whoever gets them reads them: the mail and its calendar by Python's email package and
 * a strict reader (tests/support/read_mail.py), the JSON by jansson.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/process.h"
#include "core/monitor/notice.h"
#include "core/monitor/notice_mime.h"
#include "core/monitor/notice_parts.h"
#include "core/monitor/words.h"

#define DAY 86400
#define NOW 1795262400 /* 2026-11-21 12:00 UTC */

static char name_a[] = "www.example.hk", name_b[] = "shop.example.hk", where[] = "generation 3";
static char where_probe[] = "192.0.2.7:443 (shop.example.hk)", title[] = "shop.example.hk";
static char detail[] = "serves serial 0BAD", note_text[] = "the shop; 電話 2921 2222";
static const struct ecert_watch_settings with_note = {.note = note_text};

static const struct ecert_finding expiring = {.watched = ECERT_WATCHED_CERTIFICATE,
                                              .condition = ECERT_CONDITION_EXPIRES,
                                              .urgency = ECERT_URGENCY_DUE,
                                              .name = name_a,
                                              .where = where,
                                              .serial = "0123ABCD",
                                              .sha256 = "00FF",
                                              .not_before = NOW - 187 * (int64_t)DAY,
                                              .not_after = NOW + 12 * DAY + 60,
                                              .threshold = 14};
static const struct ecert_finding drift = {.watched = ECERT_WATCHED_TARGET,
                                           .condition = ECERT_CONDITION_OTHER_LEAF,
                                           .urgency = ECERT_URGENCY_CRITICAL,
                                           .name = name_b,
                                           .where = where_probe,
                                           .title = title,
                                           .detail = detail,
                                           .threshold = ECERT_NO_THRESHOLD,
                                           .settings = &with_note};
static const struct ecert_finding *const two[] = {&drift, &expiring};

static struct ecert_notice notice_of(const struct ecert_finding *const *findings, size_t n,
                                     const char *language)
{
    return (struct ecert_notice){.kind = ECERT_NOTICE_REMINDER,
                                 .findings = findings,
                                 .n = n,
                                 .host = "web1.example.hk",
                                 .key = "0123456789abcdef0123456789abcdef",
                                 .now = NOW,
                                 .language = language,
                                 .to = "admin@example.hk",
                                 .from = "ecert@example.hk"};
}

/* ---- reading ---- */

static json_t *read_mail(const struct ecert_notice *notice)
{
    static const char *const argv[] = {"/usr/bin/python3", TEST_READ_MAIL, NULL};
    struct ecert_run_result result = {0};
    struct ecert_bytes mail = {0};
    struct ecert_error err = {0};
    json_error_t where_not;

    assert_int_equal(ecert_notice_mail(notice, &mail, &err), ECERT_OK);
    const struct ecert_run_spec spec = {.argv = argv,
                                        .timeout_ms = 60000,
                                        .max_output = 8u << 20,
                                        .input = ecert_bytes_view(&mail)};
    assert_int_equal(ecert_run(&spec, &result, &err), ECERT_OK);
    if (result.exit_code != 0)
        print_error("%s%s\n", (const char *)result.err.ptr, (const char *)mail.ptr);
    assert_int_equal(result.exit_code, 0);
    json_t *json = json_loads((const char *)result.out.ptr, 0, &where_not);
    assert_non_null(json);
    ecert_run_result_clear(&result);
    ecert_bytes_clear(&mail);
    return json;
}

/* "from.name": the text there. */
static const char *text_of(const json_t *json, const char *path)
{
    ECERT_AUTO(ecert_auto_free) char *copy = strdup(path);
    char *rest = NULL;

    assert_non_null(copy);
    for (char *word = strtok_r(copy, ".", &rest); word != NULL; word = strtok_r(NULL, ".", &rest))
        json = json_object_get(json, word);
    if (!json_is_string(json))
        print_error("no text at %s\n", path);
    assert_true(json_is_string(json));
    return json_string_value(json);
}

static void check_text(const json_t *json, const char *path, const char *want)
{
    assert_string_equal(text_of(json, path), want);
}

static void check_has(const char *text, const char *what)
{
    if (strstr(text, what) == NULL)
        print_error("no '%s' in: %s\n", what, text);
    assert_non_null(strstr(text, what));
}

static size_t count(const char *text, const char *what)
{
    size_t n = 0;

    for (const char *p = text; (p = strstr(p, what)) != NULL; p += strlen(what))
        n++;
    return n;
}

static json_t *read_json(const struct ecert_notice *notice, const char *template_name,
                         size_t *ret_len)
{
    struct ecert_bytes bytes = {0};
    struct ecert_error err = {0};
    json_error_t where_not;

    assert_int_equal(ecert_notice_json(notice, template_name, &bytes, &err), ECERT_OK);
    json_t *json =
        json_loadb((const char *)bytes.ptr, bytes.len, JSON_REJECT_DUPLICATES, &where_not);
    assert_non_null(json);
    if (ret_len != NULL)
        *ret_len = bytes.len;
    ecert_bytes_clear(&bytes);
    return json;
}

/* ---- mails ---- */

static void a_mail_tells_everything(void **state)
{
    const struct ecert_notice notice = notice_of(two, 2, "en");
    (void)state;

    json_t *mail = read_mail(&notice);
    check_text(mail, "subject",
               "[critical] shop.example.hk: serves another certificate than the deployed one, and "
               "1 more");
    check_text(mail, "from.address", "ecert@example.hk");
    check_text(mail, "to.address", "admin@example.hk");
    check_text(mail, "date", "2026-11-21T12:00:00+00:00");
    check_text(mail, "language", "en");
    check_text(mail, "message_id", "<0123456789abcdef0123456789abcdef@web1.example.hk>");
    const char *text = text_of(mail, "text"), *html = text_of(mail, "html.text");
    for (int i = 0; i < 2; i++) {
        const char *part = i == 0 ? text : html;
        check_has(part, "shop.example.hk");
        check_has(part, "192.0.2.7:443 (shop.example.hk)");
        check_has(part, "serves serial 0BAD");
        check_has(part, "the shop; 電話 2921 2222");
        check_has(part, "expires in 12 days (2026-12-03)");
        check_has(part, "0123ABCD");
        check_has(part, "`ecert deploy shop.example.hk` puts it right");
        check_has(part, "ecert import FILE");
        check_has(part, "ecert ack NAME --until YYYY-MM-DD");
    }
    assert_true(strstr(text, "shop.example.hk") < strstr(text, "www.example.hk"));
    check_has(text_of(mail, "html.source"), "color-scheme");
    json_decref(mail);
}

static void a_mail_in_chinese(void **state)
{
    struct ecert_notice notice = notice_of(two, 2, "zh_HK");
    (void)state;

    notice.to_name = "陳大文";
    notice.from = "電子證書提示 <ecert@example.hk>";
    json_t *mail = read_mail(&notice);
    check_text(mail, "subject", "[緊急] shop.example.hk：所提供的並非已部署的證書，另有 1 項");
    check_text(mail, "to.name", "陳大文");
    check_text(mail, "from.name", "電子證書提示");
    check_text(mail, "language", "zh-Hant-HK");
    check_has(text_of(mail, "text"), "尚餘 12 日到期（2026-12-03）");
    check_has(text_of(mail, "html.text"), "如何處理");
    check_has(text_of(mail, "text"), "第 3 代"); /* where it is, which is English in the finding */
    check_has(text_of(mail, "html.text"), "第 3 代");
    check_has(text_of(mail, "text"), "192.0.2.7:443 (shop.example.hk)");
    check_has(text_of(mail, "html.source"), "<html lang=\"zh-Hant-HK\">");
    json_decref(mail);
    assert_string_equal(ecert_words_use("en"), "en"); /* the language before is given back */
}

static void the_calendar_has_what_ends(void **state)
{
    const struct ecert_notice notice = notice_of(two, 2, "en");
    struct ecert_notice later = notice;
    (void)state;

    json_t *mail = read_mail(&notice);
    const json_t *events = json_object_get(mail, "events");
    assert_int_equal(json_array_size(events), 1); /* drift has no end */
    const json_t *event = json_array_get(events, 0);
    check_text(event, "day", "2026-12-03");
    check_text(event, "summary", "www.example.hk: expires (certificate)");
    check_text(event, "alarm", "-P7D");
    check_has(text_of(event, "description"), "Get the next certificate");

    later.now += 7 * DAY;
    later.key = "another";
    json_t *second = read_mail(&later);
    const json_t *again = json_array_get(json_object_get(second, "events"), 0);
    check_text(again, "uid", text_of(event, "uid")); /* one entry of a calendar */
    check_text(again, "alarm", "-P1D");
    json_decref(second);

    later.now = NOW + 20 * (int64_t)DAY;
    second = read_mail(&later);
    again = json_array_get(json_object_get(second, "events"), 0);
    assert_true(json_is_null(json_object_get(again, "alarm"))); /* past */
    json_decref(second);
    json_decref(mail);
}

static void a_test_and_a_quiet_week(void **state)
{
    struct ecert_notice notice = notice_of(NULL, 0, "en");
    (void)state;

    notice.kind = ECERT_NOTICE_TEST;
    json_t *mail = read_mail(&notice);
    check_text(mail, "subject", "Test of the reminders of web1.example.hk: nothing is wrong");
    assert_int_equal(json_array_size(json_object_get(mail, "events")), 0);
    json_decref(mail);

    notice.kind = ECERT_NOTICE_DIGEST;
    notice.fine = 41;
    mail = read_mail(&notice);
    check_text(mail, "subject", "Weekly overview of web1.example.hk: all is well (41 watched)");
    check_has(text_of(mail, "text"), "if it stays away");
    json_decref(mail);

    notice.findings = two;
    notice.n = 2;
    mail = read_mail(&notice);
    check_text(mail, "subject", "Weekly overview of web1.example.hk: 2 to look at, 41 fine");
    json_decref(mail);
}

static void three_hundred_on_one_day_are_one_mail(void **state)
{
    enum { MANY = 300, TOO_MANY = 1000 };
    struct ecert_finding *all = calloc(TOO_MANY, sizeof *all);
    const struct ecert_finding **list = calloc(TOO_MANY, sizeof *list);
    (void)state;

    assert_non_null(all);
    assert_non_null(list);
    for (int i = 0; i < TOO_MANY; i++) {
        all[i] = expiring;
        assert_true(asprintf(&all[i].name, "host%d.example.hk", i) > 0);
        list[i] = &all[i];
    }
    struct ecert_notice notice = notice_of(list, MANY, "zh_HK");
    json_t *mail = read_mail(&notice);
    check_text(mail, "subject",
               "[須跟進] host0.example.hk：尚餘 12 日到期（2026-12-03），另有 299 項");
    const char *text = text_of(mail, "text");
    assert_int_equal(count(text, "尚餘 12 日到期"), MANY);
    assert_int_equal(count(text, "如何處理"), 1); /* explained once */
    check_has(text, "host4.example.hk，另有 295 項");
    assert_int_equal(json_integer_value(json_object_get(json_object_get(mail, "html"), "rows")),
                     MANY + 1);
    assert_int_equal(json_array_size(json_object_get(mail, "events")), MANY);
    json_decref(mail);

    notice.n = TOO_MANY;
    mail = read_mail(&notice);
    check_has(text_of(mail, "text"), "另有 500 項未有列出");
    json_decref(mail);
    for (int i = 0; i < TOO_MANY; i++)
        free(all[i].name);
    free(all);
    free(list);
}

/* ---- names from outside ---- */

static char *repeated(const char *text, size_t n)
{
    struct ecert_buffer out = {0};

    for (size_t i = 0; i < n; i++)
        ecert_buffer_add_text(&out, text);
    char *copy = strdup((const char *)out.ptr);
    ecert_buffer_clear(&out);
    return copy;
}

static const struct evil_row {
    const char *name, *text;
    size_t times;     /* so often in a row */
    const char *seen; /* how it comes out, as a mailbox's name; NULL: as it stands */
} evil_rows[] = {
    {"a header in a name", "x\r\nBcc: thief@example.com", 1, "x\\x0D\\x0ABcc: thief@example.com"},
    {"a bare LF", "x\nSubject: y", 1, "x\\x0ASubject: y"},
    {"a body in a name", "x\r\n\r\n<script>alert(1)</script>", 1,
     "x\\x0D\\x0A\\x0D\\x0A<script>alert(1)</script>"},
    {"a boundary", "\r\n--=_ecert_mixed--\r\n", 1, "\\x0D\\x0A--=_ecert_mixed--\\x0D\\x0A"},
    {"quotes and backslashes", "a \"b\" \\ c\\", 1, NULL},
    {"another mailbox", "a\" <thief@example.com>, \"b", 1, NULL},
    {"an encoded word", "=?UTF-8?Q?=0D=0ABcc:_thief?=", 1, NULL},
    {"markup", "<b>&amp;\"'</b>", 1, NULL},
    {"Chinese", "香港郵政核證機關", 1, NULL},
    {"long Chinese", "香港郵政", 500, NULL},
    {"long without a blank", "abcdefghij", 500, NULL},
    {"long with blanks", "word ", 300, ""},
    {"not UTF-8", "a\xFF\xC3(b", 1, "a\\xFF\\xC3(b"},
    {"bidirectional", "a\xE2\x80\xAEgnp.exe", 1, "a\\xE2\\x80\\xAEgnp.exe"},
    {"calendar", "a;b,c\\n:d", 1, NULL},
    {"commas", "Chan, Tai Man (IT)", 1, NULL},
};

static void names_stay_names(void **state)
{
    const struct evil_row *row = *state;
    char *evil = repeated(row->text, row->times);
    struct ecert_finding finding = expiring;
    const struct ecert_finding *const list[] = {&finding};
    ECERT_AUTO(ecert_auto_free) char *from = NULL;

    assert_true(asprintf(&from, "%s <ecert@example.hk>", evil) > 0);
    finding.name = finding.where = finding.title = finding.detail = evil;
    for (int i = 0; i < 2; i++) {
        struct ecert_notice notice = notice_of(list, 1, i == 0 ? "en" : "zh_HK");
        notice.to_name = evil;
        notice.from = strpbrk(evil, "\"") == NULL ? from : "ecert@example.hk";
        notice.host = evil;
        notice.key = evil;
        json_t *mail = read_mail(&notice);
        check_text(mail, "to.address", "admin@example.hk");
        check_text(mail, "from.address", "ecert@example.hk");
        if (row->seen == NULL || row->seen[0] != '\0')
            check_text(mail, "to.name", row->seen == NULL ? evil : row->seen);
        if (row->seen == NULL)
            check_has(text_of(mail, "html.text"), evil);
        json_decref(mail);
        json_decref(read_json(&notice, "json", NULL));
        json_decref(read_json(&notice, "slack", NULL));
        json_decref(read_json(&notice, "teams", NULL));
    }
    free(evil);
}

static void addresses_are_looked_at_again(void **state)
{
    static const char *const wrong[] = {"",
                                        "admin",
                                        "admin@example.hk\r\nBcc: thief@example.com",
                                        "admin@example.hk, thief@example.com",
                                        "a@b@c",
                                        "@example.hk",
                                        "admin@",
                                        "<admin@example.hk>",
                                        "ad min@example.hk",
                                        "管理@example.hk"};
    (void)state;

    for (size_t i = 0; i < 2 * ARRAY_SIZE(wrong); i++) {
        struct ecert_notice notice = notice_of(two, 2, "en");
        struct ecert_bytes mail = {0};
        struct ecert_error err = {0};
        ECERT_AUTO(ecert_auto_free) char *from = NULL;

        assert_true(asprintf(&from, "Name <%s>", wrong[i / 2]) > 0);
        if (i % 2 == 0)
            notice.to = wrong[i / 2];
        else
            notice.from = strcmp(wrong[i / 2], "<admin@example.hk>") == 0 ? "Name <a@b" : from;
        assert_int_equal(ecert_notice_mail(&notice, &mail, &err), ECERT_E_CONFIG);
        assert_null(mail.ptr);
    }
}

/* ---- JSON ---- */

static void check_keys(const json_t *object, const char *const *keys, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (json_object_get(object, keys[i]) == NULL)
            print_error("no key %s\n", keys[i]);
        assert_non_null(json_object_get(object, keys[i]));
    }
    assert_int_equal(json_object_size(object), n);
}

/* docs/reminders.md promises these. */
static void json_has_the_documented_keys(void **state)
{
    static const char *const top[] = {"version",  "id",      "kind", "host",    "time",
                                      "language", "subject", "fine", "findings"};
    static const char *const one[] = {
        "name",      "watched", "condition", "urgency",    "where",     "title",
        "detail",    "serial",  "sha256",    "not_before", "not_after", "days",
        "threshold", "note",    "state",     "why",        "what_to_do"};
    struct ecert_notice notice = notice_of(two, 2, "zh_HK");
    (void)state;

    json_t *json = read_json(&notice, "json", NULL);
    check_keys(json, top, ARRAY_SIZE(top));
    assert_int_equal(json_integer_value(json_object_get(json, "version")), 1);
    check_text(json, "id", "0123456789abcdef0123456789abcdef");
    check_text(json, "kind", "reminder");
    check_text(json, "time", "2026-11-21T12:00:00Z");
    check_text(json, "language", "zh_HK");
    assert_true(json_is_null(json_object_get(json, "fine")));
    const json_t *first = json_array_get(json_object_get(json, "findings"), 0);
    const json_t *second = json_array_get(json_object_get(json, "findings"), 1);
    check_keys(first, one, ARRAY_SIZE(one));
    check_keys(second, one, ARRAY_SIZE(one));
    check_text(first, "watched", "target");
    check_text(first, "condition", "other-leaf");
    check_text(first, "urgency", "critical");
    check_text(first, "note", note_text);
    check_text(first, "state", "所提供的並非已部署的證書");
    assert_true(json_is_null(json_object_get(first, "not_after")));
    assert_true(json_is_null(json_object_get(first, "days")));
    assert_true(json_is_null(json_object_get(first, "threshold")));
    assert_true(json_is_null(json_object_get(first, "serial")));
    check_text(second, "not_after", "2026-12-03T12:01:00Z");
    assert_int_equal(json_integer_value(json_object_get(second, "days")), 12);
    assert_int_equal(json_integer_value(json_object_get(second, "threshold")), 14);
    assert_true(json_is_null(json_object_get(second, "detail")));
    json_decref(json);

    notice.kind = ECERT_NOTICE_DIGEST;
    notice.fine = 7;
    json = read_json(&notice, "json", NULL);
    check_text(json, "kind", "digest");
    assert_int_equal(json_integer_value(json_object_get(json, "fine")), 7);
    json_decref(json);
}

static void chats_get_text_alone(void **state)
{
    static char mention[] = "<!channel> <https://evil.example|click> & co";
    struct ecert_finding finding = drift;
    const struct ecert_finding *const list[] = {&finding};
    const struct ecert_notice notice = notice_of(list, 1, "en");
    (void)state;

    finding.detail = mention;
    json_t *json = read_json(&notice, "slack", NULL);
    assert_int_equal(json_object_size(json), 1);
    const char *text = text_of(json, "text");
    assert_null(strchr(text, '<'));
    check_has(text, "&lt;!channel&gt; &lt;https://evil.example|click&gt; &amp; co");
    check_has(text, "\nNote: the shop; 電話 2921 2222\nWhat to do: `ecert plan shop.example.hk`");
    json_decref(json);

    json = read_json(&notice, "teams", NULL);
    check_text(json, "type", "message");
    const json_t *card = json_array_get(json_object_get(json, "attachments"), 0);
    check_text(card, "contentType", "application/vnd.microsoft.card.adaptive");
    check_text(card, "content.type", "AdaptiveCard");
    const json_t *body = json_object_get(json_object_get(card, "content"), "body");
    assert_int_equal(json_array_size(body), 4);
    check_text(json_array_get(json_object_get(json_array_get(body, 2), "inlines"), 0), "text",
               "Note: the shop; 電話 2921 2222");
    for (size_t i = 0; i < json_array_size(body); i++)
        check_text(json_array_get(body, i), "type", "RichTextBlock"); /* no Markdown in it */
    json_decref(json);
}

static void chats_take_only_so_much(void **state)
{
    enum { MANY = 1000 };
    char *long_name = repeated("香港", 2000);
    struct ecert_finding finding = expiring;
    const struct ecert_finding **list = calloc(MANY, sizeof *list);
    size_t len = 0;
    (void)state;

    assert_non_null(list);
    finding.detail = long_name;
    for (int i = 0; i < MANY; i++)
        list[i] = &finding;
    for (int i = 0; i < 2; i++) {
        const struct ecert_notice notice = notice_of(list, MANY, i == 0 ? "en" : "zh_HK");
        json_t *json = read_json(&notice, "slack", &len);
        assert_in_range(len, 5000, 20000);
        check_has(text_of(json, "text"), "`ecert check --verbose`");
        json_decref(json);
        json_decref(read_json(&notice, "teams", &len));
        assert_in_range(len, 5000, 24000);
        /* as many as fit leave none out, one more does */
        for (int k = 0; k < 4; k++) {
            struct ecert_notice part = notice;
            struct ecert_bytes bytes = {0};
            struct ecert_error err = {0};
            const char *name = k < 2 ? "slack" : "teams";

            part.n = ecert_notice_fits(&notice, name) + (size_t)(k % 2);
            assert_in_range(part.n, 5, 100);
            assert_int_equal(ecert_notice_json(&part, name, &bytes, &err), ECERT_OK);
            assert_int_equal(strstr((const char *)bytes.ptr, "ecert check --verbose") != NULL,
                             k % 2);
            ecert_bytes_clear(&bytes);
        }
    }
    const struct ecert_notice all = notice_of(list, MANY, "en");
    finding.detail = NULL;
    assert_int_equal(ecert_notice_fits(&all, NULL), ECERT_NOTICE_ROWS_MAX);
    assert_int_equal(ecert_notice_fits(&all, "json"), MANY);
    free(list);
    free(long_name);
}

static void another_template_is_refused(void **state)
{
    const struct ecert_notice notice = notice_of(two, 2, "en");
    struct ecert_bytes bytes = {0};
    struct ecert_error err = {0};
    (void)state;

    assert_int_equal(ecert_notice_json(&notice, "discord", &bytes, &err), ECERT_E_UNSUPPORTED);
    assert_null(bytes.ptr);
}

static void a_line_for_a_log(void **state)
{
    struct ecert_buffer out = {0};
    (void)state;

    ecert_notice_line(&out, &expiring, NOW);
    assert_string_equal((const char *)out.ptr,
                        "www.example.hk: expires in 12 days (2026-12-03): generation 3");
    ecert_buffer_clear(&out);
    ecert_notice_line(&out, &drift, NOW);
    assert_string_equal((const char *)out.ptr,
                        "shop.example.hk: serves another certificate than the deployed one: "
                        "192.0.2.7:443 (shop.example.hk): serves serial 0BAD");
    ecert_buffer_clear(&out);
}

/* The pieces by themselves: nothing becomes a line of its own, nothing is cut in half. */
static void pieces_keep_to_their_line(void **state)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer out = {0};

    (void)state;
    ecert_mime_text(&out, "Subject", "one\r\nBcc: x@y.example");
    ecert_buffer_add(&out, (struct ecert_view){(const uint8_t *)"", 1});
    assert_false(out.failed);
    assert_null(strstr((const char *)out.ptr, "\nBcc"));
    ecert_buffer_clear(&out);
    ecert_notice_add_cut(&out, "\xE8\xAD\x89\xE6\x9B\xB8", 4);
    ecert_buffer_add(&out, (struct ecert_view){(const uint8_t *)"", 1});
    assert_false(out.failed);
    assert_int_equal(strncmp((const char *)out.ptr, "\xE8\xAD\x89", 3), 0);
    assert_null(strstr((const char *)out.ptr, "\xE6"));
}

int main(void)
{
    const struct CMUnitTest single[] = {
        cmocka_unit_test(pieces_keep_to_their_line),
        cmocka_unit_test(a_mail_tells_everything),
        cmocka_unit_test(a_mail_in_chinese),
        cmocka_unit_test(the_calendar_has_what_ends),
        cmocka_unit_test(a_test_and_a_quiet_week),
        cmocka_unit_test(three_hundred_on_one_day_are_one_mail),
        cmocka_unit_test(addresses_are_looked_at_again),
        cmocka_unit_test(json_has_the_documented_keys),
        cmocka_unit_test(chats_get_text_alone),
        cmocka_unit_test(chats_take_only_so_much),
        cmocka_unit_test(another_template_is_refused),
        cmocka_unit_test(a_line_for_a_log),
    };
    struct CMUnitTest evil[ARRAY_SIZE(evil_rows)] = {0};

    ecert_words_directory(TEST_LOCALE_DIR);
    for (size_t i = 0; i < ARRAY_SIZE(evil_rows); i++)
        evil[i] = (struct CMUnitTest){.name = evil_rows[i].name,
                                      .test_func = names_stay_names,
                                      .initial_state = (void *)(uintptr_t)&evil_rows[i]};
    return cmocka_run_group_tests(evil, NULL, NULL) + cmocka_run_group_tests(single, NULL, NULL);
}
