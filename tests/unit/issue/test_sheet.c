/* Steps and page of requests, in both languages; a browser sees it in tests/system/sheet.bats. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/base/html.h"
#include "core/base/words.h"
#include "core/issue/sheet.h"

#define INBOX   "/var/lib/ecert/inbox"
#define CSR     "-----BEGIN CERTIFICATE REQUEST-----\nMIIB\n-----END CERTIFICATE REQUEST-----\n"
#define NOW     INT64_C(1795219200)
#define NOW_UTC "2026-11-21T00:00:00Z"
#define NOW_HKT "2026-11-21 08:00 HKT (+08:00)"
#define NOW_IST "2026-11-21 05:30 +05:30"
#define PEOPLE  "\xE4\xBA\xBA"

static char *names[] = {(char[]){"www.x.test"}, (char[]){"b.x.test"}, NULL};
static char *first_only[] = {(char[]){"first"}, NULL};
static char *renewal_only[] = {(char[]){"renewal"}, NULL};

static struct ecert_authority_step steps[] = {
    {.kinds = {first_only, 1}, .who = (char[]){"A"}, .text = (char[]){"only first"}},
    {.kinds = {renewal_only, 1}, .who = (char[]){"A"}, .text = (char[]){"only renewal"}},
    {.who = (char[]){"A"},
     .who_zh = (char[]){PEOPLE},
     .text = (char[]){"%NAME% of %NAMES%, %ORGANIZATION%, 100 % and %PIN%"},
     .text_zh = (char[]){"\xE4\xB8\xAD %NAME%"}},
    {.text = (char[]){"%CSR% to %INBOX%"}},
};

/* What a request and its authority say. */
static char id[] = "20261121T084200Z", name[] = "www.x.test", organization[] = "M&S \"Ltd\"",
            key[] = "RSA 2048", reason[] = "<script>alert(1)</script>\x1b[31m", ca[] = "CA & <Co>";

static struct ecert_authority with_steps(size_t n)
{
    return (struct ecert_authority){.name = ca,
                                    .request = {.known = true, .steps = steps, .n_steps = n}};
}

static struct ecert_request a_request(void)
{
    return (struct ecert_request){.id = id,
                                  .name = name,
                                  .state = ECERT_REQUEST_OPEN,
                                  .kind = ECERT_REQUEST_FIRST,
                                  .reason = reason,
                                  .created = NOW,
                                  .names = {names, 2},
                                  .organization = organization,
                                  .validation = ECERT_VALIDATION_EV,
                                  .key_words = key,
                                  .csr_sha256 = "ABCDEF"};
}

static struct ecert_sheet_entry an_entry(const struct ecert_request *request,
                                         const struct ecert_authority *authority)
{
    return (struct ecert_sheet_entry){.request = request,
                                      .authority = authority,
                                      .csr_pem = ecert_view_of(CSR),
                                      .csr_file = "/s/request.csr",
                                      .kind_why = "because <so>"};
}

static void check_steps(const struct ecert_request *request, size_t n_steps, const char *language,
                        const char *const *want)
{
    const struct ecert_authority authority = with_steps(n_steps);
    const struct ecert_sheet_entry entry = an_entry(request, &authority);
    struct ecert_strings got = {0};
    struct ecert_error err = {0};

    assert_int_equal(ecert_sheet_steps(&entry, language, INBOX, &got, &err), ECERT_OK);
    for (size_t i = 0; want[i] != NULL; i++) {
        assert_true(i < got.len);
        assert_string_equal(got.items[i], want[i]);
        assert_null(want[i + 1] == NULL && got.len != i + 1 ? got.items[i + 1] : NULL);
    }
    ecert_strings_clear(&got);
}

static void steps_of_a_first_request(void **state)
{
    const struct ecert_request request = a_request();

    (void)state;
    check_steps(&request, 4, "en",
                (const char *[]){
                    "A: only first",
                    "A: www.x.test of www.x.test, b.x.test, M&S \"Ltd\", 100 % and %PIN%",
                    "the server's administrator: /s/request.csr to /var/lib/ecert/inbox", NULL});
}

static void steps_of_a_renewal_in_chinese(void **state)
{
    struct ecert_request request = a_request();

    (void)state;
    request.kind = ECERT_REQUEST_RENEWAL;
    check_steps(&request, 4, "zh_HK",
                (const char *[]){"A\xEF\xBC\x9Aonly renewal",
                                 PEOPLE "\xEF\xBC\x9A\xE4\xB8\xAD www.x.test",
                                 "\xE4\xBC\xBA\xE6\x9C\x8D\xE5\x99\xA8\xE7\xAE\xA1\xE7\x90\x86\xE5"
                                 "\x93\xA1\xEF\xBC\x9A/s/request.csr to /var/lib/ecert/inbox",
                                 NULL});
    assert_string_equal(ecert_words_tag(), "en"); /* the language is given back */
}

static void a_profile_without_steps(void **state)
{
    struct ecert_request request = a_request();

    (void)state;
    request.organization = NULL;
    check_steps(&request, 0, "en",
                (const char *[]){"the server's administrator: Hand the request to the CA, whole, "
                                 "with its first and last line: the file /s/request.csr.",
                                 "the server's administrator: Put the certificate that comes back "
                                 "into /var/lib/ecert/inbox. The next `ecert run` checks it "
                                 "against this request and deploys it.",
                                 NULL});
}

static char *page_with(const struct ecert_sheet_entry *entries, size_t n,
                       const struct ecert_sheet_failure *failures, size_t n_failures,
                       const char *language)
{
    const struct ecert_sheet sheet = {.entries = entries,
                                      .n = n,
                                      .failures = failures,
                                      .n_failures = n_failures,
                                      .language = language,
                                      .inbox = INBOX,
                                      .now = NOW};
    struct ecert_bytes html = {0};
    struct ecert_error err = {0};

    assert_int_equal(ecert_sheet_page(&sheet, &html, &err), ECERT_OK);
    assert_int_equal(strlen((const char *)html.ptr), html.len);
    return (char *)html.ptr;
}

static char *page_of(const struct ecert_sheet_entry *entries, size_t n, const char *language)
{
    return page_with(entries, n, NULL, 0, language);
}

static void has(const char *html, const char *text)
{
    if (strstr(html, text) == NULL)
        fail_msg("the page lacks '%s'", text);
}

static void lacks(const char *html, const char *text)
{
    if (strstr(html, text) != NULL)
        fail_msg("the page has '%s'", text);
}

static void page_of_one(void **state)
{
    const struct ecert_authority authority = with_steps(4);
    const struct ecert_request request = a_request();
    const struct ecert_sheet_entry entry = an_entry(&request, &authority);
    char *html = page_of(&entry, 1, "en");

    (void)state;
    assert_memory_equal(html, "<!DOCTYPE html>\n<html lang=\"en\">", 30);
    assert_true(strstr(html, ECERT_SHEET_MARK) - html < 400);
    has(html, "aria-label=\"The request, to be pasted whole\">" CSR "</pre>");
    has(html, "<dd>www.x.test<br>b.x.test</dd>");
    has(html, "<dd>M&amp;S &quot;Ltd&quot;</dd>");
    has(html, "<dt>Validation</dt><dd>EV</dd>");
    has(html, "<dd>CA &amp; &lt;Co&gt;</dd>");
    has(html, "<dd>because &lt;so&gt;</dd>");
    has(html, "<dd>&lt;script&gt;alert(1)&lt;/script&gt;\\x1B[31m</dd>");
    has(html, "<dd>ABCDEF</dd>");
    has(html, "<dd>RSA 2048</dd>");
    has(html, "<li>A: only first</li>");
    lacks(html, "only renewal");
    lacks(html, "type=\"checkbox\""); /* one needs no table of all */
    lacks(html, "No request could be made");
    free(html);
}

static void page_in_the_time_of_the_host(void **state)
{
    const struct ecert_authority authority = with_steps(0);
    const struct ecert_request request = a_request();
    const struct ecert_sheet_entry entry = an_entry(&request, &authority);

    (void)state;
    assert_int_equal(setenv("TZ", "HKT-8", 1), 0);
    char *html = page_of(&entry, 1, "en");
    has(html, "<dt>Made on</dt><dd><time datetime=\"" NOW_UTC "\">" NOW_HKT "</time></dd>");
    has(html, "as of <time datetime=\"" NOW_UTC "\">" NOW_HKT "</time>");
    free(html);
    assert_int_equal(setenv("TZ", "<+0530>-5:30", 1), 0);
    html = page_of(&entry, 1, "en");
    has(html, NOW_IST);
    assert_int_equal(unsetenv("TZ"), 0);
    free(html);
}

static void page_with_those_that_failed(void **state)
{
    const struct ecert_authority authority = with_steps(0);
    const struct ecert_request request = a_request();
    const struct ecert_sheet_entry entry = an_entry(&request, &authority);
    const struct ecert_sheet_failure failures[] = {{"www.xn--3pqw8o2pk43espw.com", "no <rule>"},
                                                   {"b.test", "disk full"}};
    char *html = page_with(&entry, 1, failures, 2, "en");

    (void)state;
    has(html, "No request could be made for these names</h2>");
    has(html, "<dt>www.\xE6\x88\x91\xE7\x9A\x84\xE4\xBC\xBA\xE6\x9C\x8D\xE5\x99\xA8.com "
              "(www.xn--3pqw8o2pk43espw.com)</dt><dd lang=\"en\">no &lt;rule&gt;</dd>");
    has(html, "<dt>b.test</dt><dd lang=\"en\">disk full</dd>");
    assert_true(strstr(html, "disk full") < strstr(html, "<dd>ABCDEF</dd>"));
    free(html);
}

static void page_of_several_in_chinese(void **state)
{
    const struct ecert_authority authority = with_steps(4);
    struct ecert_request back = a_request(), open = a_request();

    (void)state;
    back.state = ECERT_REQUEST_ISSUED;
    const struct ecert_sheet_entry entries[] = {an_entry(&back, &authority),
                                                an_entry(&open, &authority)};
    char *html = page_of(entries, 2, "zh_HK");

    has(html, "<html lang=\"zh-Hant-HK\">");
    has(html, "aria-label=\"www.x.test\" checked>");
    has(html, "aria-label=\"www.x.test\">");
    has(html, "<a href=\"#r2\">www.x.test</a>");
    has(html, "\xE8\xAD\x89\xE6\x9B\xB8\xE5\xB7\xB2\xE5\x8F\x96\xE5\x9B\x9E"); /* is back */
    has(html, "<dd>because &lt;so&gt;</dd>");
    lacks(html, "Steps");
    free(html);
}

static void html_text_is_text(void **state)
{
    struct ecert_buffer out = {0};

    (void)state;
    ecert_html_text(&out, NULL);
    ecert_html_text(&out, "a<b>&\"'\xE4\xB8\xAD");
    ecert_buffer_add(&out, (struct ecert_view){(const uint8_t *)"", 1});
    assert_string_equal((const char *)out.ptr, "a&lt;b&gt;&amp;&quot;&#39;\xE4\xB8\xAD");
    ecert_buffer_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_of_a_first_request),
        cmocka_unit_test(steps_of_a_renewal_in_chinese),
        cmocka_unit_test(a_profile_without_steps),
        cmocka_unit_test(page_of_one),
        cmocka_unit_test(page_in_the_time_of_the_host),
        cmocka_unit_test(page_with_those_that_failed),
        cmocka_unit_test(page_of_several_in_chinese),
        cmocka_unit_test(html_text_is_text),
    };

    ecert_words_directory(TEST_LOCALE_DIR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
