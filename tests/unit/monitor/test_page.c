/* The page as bytes; what a browser makes of it is tests/system/report.bats. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/monitor/page.h"
#include "core/monitor/page_timeline.h"
#include "core/monitor/words.h"

#define DAY 86400
#define NOW 1795262400 /* 2026-11-21 12:00 UTC */

static char evil[] = "<script>alert('x')</script> & \"y\"";
static char plain[] = "www.example.hk";
static char where[] = "generation 3";

static struct ecert_finding expiring(char *name, int days)
{
    return (struct ecert_finding){.watched = ECERT_WATCHED_CERTIFICATE,
                                  .condition =
                                      days < 30 ? ECERT_CONDITION_EXPIRES : ECERT_CONDITION_FINE,
                                  .urgency = days < 30 ? ECERT_URGENCY_DUE : ECERT_URGENCY_FINE,
                                  .name = name,
                                  .where = where,
                                  .not_before = NOW + (int64_t)(days - 199) * DAY,
                                  .not_after = NOW + (int64_t)days * DAY + 60,
                                  .threshold = ECERT_NO_THRESHOLD};
}

static char *render(const struct ecert_finding *findings, size_t n, const char *language)
{
    static const struct ecert_reminders_config reminders;
    const struct ecert_page page = {findings, n, &reminders, "host<1>", language, NOW};
    struct ecert_bytes bytes = {0};
    struct ecert_error err = {0};

    assert_int_equal(ecert_page_html(&page, &bytes, &err), ECERT_OK);
    return (char *)bytes.ptr;
}

static size_t count(const char *text, const char *what)
{
    size_t n = 0;

    for (const char *p = text; (p = strstr(p, what)) != NULL; p += strlen(what))
        n++;
    return n;
}

static void nothing_of_a_certificate_becomes_markup(void **state)
{
    struct ecert_finding finding = expiring(evil, 3);
    (void)state;

    finding.title = finding.where = finding.detail = evil;
    char *html = render(&finding, 1, "en");
    assert_null(strstr(html, "<script"));
    assert_null(strstr(html, "host<1>"));
    assert_non_null(strstr(html, "host&lt;1&gt;"));
    assert_non_null(
        strstr(html, "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &quot;y&quot;"));
    free(html);
}

static void only_what_is_urgent_needs_action(void **state)
{
    struct ecert_finding findings[] = {expiring(plain, 150), expiring(plain, 3)};
    (void)state;

    char *html = render(findings, 2, "en");
    const char *action = strstr(html, "id=\"action\"");
    const char *timeline = strstr(html, "id=\"timeline\"");
    assert_non_null(action);
    assert_non_null(timeline);
    assert_true(action < timeline); /* what needs action comes first */
    char *table = strndup(action, (size_t)(timeline - action));
    assert_int_equal(count(table, "<th scope=\"row\">"), 1);
    assert_int_equal(count(timeline, "<svg role=\"img\""), 2);
    free(table);
    free(html);
    html = render(findings, 1, "en");
    assert_non_null(strstr(html, "Nothing: everything that is watched is fine."));
    free(html);
}

/* 150 days left of 199: reminders 30, 14, 7, 3 and 1 days before, each in words and as a circle. */
static void reminders_stand_on_the_line(void **state)
{
    const struct ecert_finding finding = expiring(plain, 150);
    (void)state;

    char *html = render(&finding, 1, "en");
    assert_int_equal(count(html, "<circle class=\"reminder\""), 5);
    assert_non_null(strstr(html, "2027-03-21")); /* 30 days before 2027-04-20 */
    free(html);
}

static void what_ends_later_is_counted(void **state)
{
    struct ecert_finding findings[3] = {expiring(plain, 401), expiring(plain, 3000),
                                        expiring(plain, 399)};
    (void)state;

    char *html = render(findings, 3, "en");
    assert_int_equal(count(html, "<svg role=\"img\""), 1);
    assert_non_null(strstr(html, "2 more end later."));
    free(html);
}

/* By its mark `ecert report` knows a page again, and a reader knows what the moment is. */
static void a_page_says_what_it_is_and_of_when(void **state)
{
    const struct ecert_finding finding = expiring(plain, 3);
    (void)state;

    char *html = render(&finding, 1, "en");
    const char *mark = strstr(html, ECERT_PAGE_MARK);
    assert_non_null(mark);
    assert_in_range(mark - html, 0, 400 - strlen(ECERT_PAGE_MARK));
    assert_non_null(strstr(html, "<p>as of <time datetime=\"2026-11-21T12:00:00Z\">"));
    free(html);
}

static void in_chinese(void **state)
{
    static char place[] = "/etc/a.pem, certificate 2", detail[] = "connection refused";
    struct ecert_finding finding = expiring(plain, 3);
    (void)state;

    finding.where = place;
    finding.detail = detail;

    ecert_words_directory(TEST_LOCALE_DIR);
    char *html = render(&finding, 1, "zh_HK");
    assert_non_null(strstr(html, "<html lang=\"zh-Hant-HK\">"));
    assert_non_null(strstr(html, "證書"));
    assert_non_null(strstr(html, "/etc/a.pem，第 2 張證書"));
    assert_non_null(strstr(html, "連線被拒絕"));
    assert_null(strstr(html, "Needs action"));
    free(html);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_of_a_certificate_becomes_markup),
        cmocka_unit_test(only_what_is_urgent_needs_action),
        cmocka_unit_test(reminders_stand_on_the_line),
        cmocka_unit_test(what_ends_later_is_counted),
        cmocka_unit_test(a_page_says_what_it_is_and_of_when),
        cmocka_unit_test(in_chinese),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
