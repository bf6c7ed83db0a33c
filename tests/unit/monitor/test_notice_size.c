/* How large a mail becomes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/monitor/notice.h"

static char *repeated(const char *text, size_t n)
{
    struct ecert_buffer out = {0};

    for (size_t i = 0; i < n; i++)
        ecert_buffer_add_text(&out, text);
    char *copy = strdup((const char *)out.ptr);
    ecert_buffer_clear(&out);
    return copy;
}

/* No server takes a mail of 18 MB, and tomorrow it would be as large. */
static void a_mail_takes_only_so_much(void **state)
{
    enum { MANY = 400 };
    char *long_text = repeated("香港<", 3000);
    char name[] = "www.example.hk";
    struct ecert_finding finding = {.watched = ECERT_WATCHED_ENDPOINT,
                                    .condition = ECERT_CONDITION_OTHER_LEAF,
                                    .urgency = ECERT_URGENCY_CRITICAL,
                                    .name = name,
                                    .where = name,
                                    .threshold = ECERT_NO_THRESHOLD};
    const struct ecert_finding *list[MANY];
    struct ecert_bytes bytes = {0};
    struct ecert_error err = {0};
    (void)state;

    finding.detail = long_text;
    for (int i = 0; i < MANY; i++)
        list[i] = &finding;
    struct ecert_notice notice = {.kind = ECERT_NOTICE_REMINDER,
                                  .findings = list,
                                  .n = MANY,
                                  .host = "web1.example.hk",
                                  .key = "9f2c41d07be84a6f",
                                  .now = INT64_C(1795219200),
                                  .language = "en",
                                  .to = "admin@example.hk",
                                  .from = "ecert@example.hk"};
    const size_t fits = ecert_notice_fits(&notice, NULL);
    assert_in_range(fits, 10, 40);
    notice.n = fits; /* as many as fit leave none out */
    assert_int_equal(ecert_notice_fits(&notice, NULL), fits);
    assert_int_equal(ecert_notice_mail(&notice, &bytes, &err), ECERT_OK);
    assert_in_range(bytes.len, ECERT_NOTICE_MAIL_MAX * 8 / 10, ECERT_NOTICE_MAIL_MAX);
    assert_null(strstr((const char *)bytes.ptr, "more are not shown"));
    ecert_bytes_clear(&bytes);

    notice.n = MANY; /* of an overview they are counted */
    notice.kind = ECERT_NOTICE_DIGEST;
    assert_int_equal(ecert_notice_mail(&notice, &bytes, &err), ECERT_OK);
    assert_in_range(bytes.len, ECERT_NOTICE_MAIL_MAX * 8 / 10, ECERT_NOTICE_MAIL_MAX);
    assert_non_null(strstr((const char *)bytes.ptr, "more are not shown"));
    ecert_bytes_clear(&bytes);

    char *longest = repeated("w", (size_t)3 << 20); /* one is told, whatever it is */
    finding.detail = longest;
    notice.kind = ECERT_NOTICE_REMINDER;
    assert_int_equal(ecert_notice_fits(&notice, NULL), 1);
    free(longest);
    free(long_text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mail_takes_only_so_much),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
