#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fs.h"
#include "core/monitor/finding.h"

static void every_value_has_its_word(void **state)
{
    (void)state;
    assert_string_equal(ecert_watched_word(ECERT_WATCHED_CERTIFICATE), "certificate");
    assert_string_equal(ecert_watched_word(ECERT_WATCHED_UNIT), "unit");
    assert_string_equal(ecert_condition_word(ECERT_CONDITION_NOT_YET_VALID), "not-yet-valid");
    assert_string_equal(ecert_condition_word(ECERT_CONDITION_FAILED), "failed");
    assert_string_equal(ecert_urgency_word(ECERT_URGENCY_FINE), "fine");
    assert_string_equal(ecert_urgency_word(ECERT_URGENCY_DUE), "due");
    assert_string_equal(ecert_urgency_word(ECERT_URGENCY_CRITICAL), "critical");
    assert_string_equal(ecert_urgency_word(ECERT_URGENCY_UNKNOWN), "unknown");
    assert_int_equal(ecert_condition_urgency(ECERT_CONDITION_FINE), ECERT_URGENCY_FINE);
    assert_int_equal(ecert_condition_urgency(ECERT_CONDITION_EXPIRED), ECERT_URGENCY_CRITICAL);
    assert_int_equal(ecert_condition_urgency(ECERT_CONDITION_NO_ANSWER), ECERT_URGENCY_UNKNOWN);
    assert_int_equal(ecert_condition_urgency(ECERT_CONDITION_WAITING), ECERT_URGENCY_DUE);
    assert_int_equal(ecert_watched_urgency(ECERT_WATCHED_REQUEST, ECERT_CONDITION_MISSING),
                     ECERT_URGENCY_CRITICAL);
    assert_int_equal(ecert_watched_urgency(ECERT_WATCHED_CERTIFICATE, ECERT_CONDITION_UNDECODABLE),
                     ECERT_URGENCY_CRITICAL);
    assert_int_equal(ecert_watched_urgency(ECERT_WATCHED_CERTIFICATE, ECERT_CONDITION_UNREADABLE),
                     ECERT_URGENCY_UNKNOWN);
    assert_int_equal(ecert_watched_urgency(ECERT_WATCHED_BACKUP, ECERT_CONDITION_MISSING),
                     ECERT_URGENCY_DUE);
    assert_int_equal(ecert_watched_urgency(ECERT_WATCHED_CHANNEL, ECERT_CONDITION_UNREADABLE),
                     ECERT_URGENCY_DUE);
    assert_int_equal(ecert_watched_urgency(ECERT_WATCHED_FILE, ECERT_CONDITION_MISSING),
                     ECERT_URGENCY_UNKNOWN);
}

/* The row of docs/reminders.md about a key of a finding has each of its words. */
static void check_documented(const char *document, const char *key, const char *const *words,
                             size_t n)
{
    char begin[64], quoted[64];

    (void)snprintf(begin, sizeof begin, "\n| `%s` | ", key);
    const char *row = strstr(document, begin);
    if (row == NULL)
        fail_msg("docs/reminders.md has no row of `%s`", key);
    const char *end = strchr(row + 1, '\n');
    assert_non_null(end);
    for (size_t i = 0; i < n; i++) {
        (void)snprintf(quoted, sizeof quoted, "`%s`", words[i]);
        const char *found = strstr(row, quoted);
        if (found == NULL || found > end)
            fail_msg("docs/reminders.md does not tell of the word '%s' of `%s`", words[i], key);
    }
}

#define WORD_OF_WATCHED(value, word)            word,
#define WORD_OF_CONDITION(value, word, urgency) word,

static void every_word_is_documented(void **state)
{
    (void)state;
    static const char *const watched[] = {ECERT_WATCHED_LIST(WORD_OF_WATCHED)};
    static const char *const conditions[] = {ECERT_CONDITION_LIST(WORD_OF_CONDITION)};
    static const char *const urgencies[] = {"fine", "due", "critical", "unknown"};
    struct ecert_bytes document = {0};
    struct ecert_error err = {0};

    assert_int_equal(ecert_fs_read(TEST_DOCUMENT, (size_t)1 << 20, &document, &err), ECERT_OK);
    const char *text = (const char *)document.ptr;
    check_documented(text, "watched", watched, ARRAY_SIZE(watched));
    check_documented(text, "condition", conditions, ARRAY_SIZE(conditions));
    check_documented(text, "urgency", urgencies, ARRAY_SIZE(urgencies));
    ecert_bytes_clear(&document);
}

static void urgencies_have_an_order_of_their_own(void **state)
{
    (void)state;
    const enum ecert_urgency falling[] = {ECERT_URGENCY_CRITICAL, ECERT_URGENCY_DUE,
                                          ECERT_URGENCY_UNKNOWN, ECERT_URGENCY_FINE};

    for (size_t i = 0; i < ARRAY_SIZE(falling); i++)
        for (size_t k = 0; k < ARRAY_SIZE(falling); k++) {
            const int order = ecert_urgency_compare(falling[i], falling[k]);
            assert_true(i < k ? order > 0 : i > k ? order < 0 : order == 0);
        }
}

static void a_stranger_s_text_is_cut(void **state)
{
    (void)state;
    static const struct {
        const char *text, *wanted;
        size_t max, tail;
    } rows[] = {
        {"", "", 5, 0},
        {"www.a", "www.a", 5, 0},
        {"www.ab", "www.…", 5, 0},
        {"香港郵政", "香港郵政", 4, 0},
        {"香港郵政局", "香港郵…", 4, 0},
        {"a\nb\nc", "a\\x0Ab\\x0Ac", 5, 0},
        {"a\nb\ncd", "a\\x0Ab…", 4, 0}, /* an escape is one character */
        {"/srv/香港/certificate 2", "/srv/…te 2", 10, 4},
        {"/srv/港/é", "/…/é", 4, 2},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer out = {0};

        ecert_buffer_add_text(&out, "=");
        ecert_finding_add_text(&out, rows[i].text, rows[i].max, rows[i].tail);
        assert_false(out.failed);
        assert_string_equal((const char *)out.ptr + 1, rows[i].wanted);
    }
}

static void days_are_rounded_down(void **state)
{
    (void)state;
    static const struct {
        int64_t left;
        int days;
    } rows[] = {
        {86400 * 30, 30}, {86400 * 30 - 1, 29}, {86400, 1},   {86399, 0},       {1, 0},
        {0, 0}, /* notAfter itself is still valid */
        {-1, -1},         {-86400, -1},         {-86401, -2}, {-86400 * 7, -7},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct ecert_finding finding = {.not_after = 2000000000};
        assert_int_equal(ecert_finding_days(&finding, 2000000000 - rows[i].left), rows[i].days);
    }
}

static void a_copy_owns_its_texts(void **state)
{
    (void)state;
    const struct ecert_watch_settings settings = {0};
    char name[] = "www", where[] = "generation 3", detail[] = "refused";
    const struct ecert_finding from = {.watched = ECERT_WATCHED_ENDPOINT,
                                       .condition = ECERT_CONDITION_NO_ANSWER,
                                       .urgency = ECERT_URGENCY_UNKNOWN,
                                       .name = name,
                                       .where = where,
                                       .detail = detail,
                                       .serial = "0A",
                                       .sha256 = "FF",
                                       .not_before = 1,
                                       .not_after = 2,
                                       .threshold = 14,
                                       .settings = &settings};
    struct ecert_finding copy = {0};
    struct ecert_error err = {0};

    assert_int_equal(ecert_finding_copy(&from, &copy, &err), ECERT_OK);
    name[0] = where[0] = detail[0] = '?';
    assert_string_equal(copy.name, "www");
    assert_string_equal(copy.where, "generation 3");
    assert_string_equal(copy.detail, "refused");
    assert_null(copy.title);
    assert_string_equal(copy.serial, "0A");
    assert_string_equal(copy.sha256, "FF");
    assert_int_equal(copy.watched, from.watched);
    assert_int_equal(copy.threshold, 14);
    assert_ptr_equal(copy.settings, &settings);
    ecert_finding_clear(&copy);
    assert_null(copy.name);
    ecert_finding_clear(&copy); /* an empty one too */
}

static void the_worst_comes_first(void **state)
{
    (void)state;
    char a[] = "a", b[] = "b", c[] = "c", x[] = "x", y[] = "y";
    struct ecert_finding list[] = {
        {.name = a, .urgency = ECERT_URGENCY_FINE, .not_after = 5},
        {.name = a, .urgency = ECERT_URGENCY_DUE, .not_after = 0},
        {.name = a, .urgency = ECERT_URGENCY_UNKNOWN},
        {.name = c, .urgency = ECERT_URGENCY_DUE, .not_after = 9, .where = x},
        {.name = b, .urgency = ECERT_URGENCY_DUE, .not_after = 9, .where = y},
        {.name = b, .urgency = ECERT_URGENCY_DUE, .not_after = 9, .where = x},
        {.name = c, .urgency = ECERT_URGENCY_DUE, .not_after = 8},
        {.name = c, .urgency = ECERT_URGENCY_CRITICAL, .not_after = 100},
    };
    static const size_t wanted[] = {7, 6, 5, 4, 3, 1, 2, 0};
    struct ecert_finding before[ARRAY_SIZE(list)];

    memcpy(before, list, sizeof list);
    qsort(list, ARRAY_SIZE(list), sizeof list[0], ecert_finding_compare);
    for (size_t i = 0; i < ARRAY_SIZE(list); i++)
        assert_memory_equal(&list[i], &before[wanted[i]], sizeof list[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_value_has_its_word),
        cmocka_unit_test(every_word_is_documented),
        cmocka_unit_test(urgencies_have_an_order_of_their_own),
        cmocka_unit_test(a_stranger_s_text_is_cut),
        cmocka_unit_test(days_are_rounded_down),
        cmocka_unit_test(a_copy_owns_its_texts),
        cmocka_unit_test(the_worst_comes_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
