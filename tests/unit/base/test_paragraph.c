/* Columns on a screen, and lines that fit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "core/base/paragraph.h"

static void columns_are_counted(void **state)
{
    static const struct {
        const char *text;
        size_t want;
    } rows[] = {
        {"", 0},
        {"www.example.hk", 14},
        {"我的伺服器", 10},
        {"www.我的伺服器.com", 18},
        {"，。（）", 8}, /* full-width punctuation */
        {"ﾊﾝ", 2},       /* half-width */
        {"한글", 4},
        {"𠮷", 2},        /* beyond the first plane */
        {"e\xCC\x81", 1}, /* a combining accent */
        {"naïve “x” …", 11},
        {"\xE6\x88", 2}, /* half a character: its bytes */
        {"\xFF", 1},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (ecert_columns(rows[i].text) != rows[i].want)
            fail_msg("'%s': %zu", rows[i].text, ecert_columns(rows[i].text));
}

static const char *const whole[] = {"/srv/證書 檔案/要求.csr", "/srv/證書", "www.我的伺服器.com",
                                    NULL};

static const struct row {
    const char *name, *first, *text;
    size_t width;
    const char *want;
} rows[] = {
    {"nothing", "1. ", "", 10, "1. \n"},
    {"one line", "1. ", "a b c", 10, "1. a b c\n"},
    {"just fits", "1. ", "abc def", 10, "1. abc def\n"},
    {"one too many", "1. ", "abc defg", 10, "1. abc\n   defg\n"},
    {"spaces and line ends", "1. ", "  a \n\t b ", 10, "1. a b\n"},
    {"a long word", "1. ", "ab https://www.example.hk/a-b?c=d ef", 12,
     "1. ab\n   https://www.example.hk/a-b?c=d\n   ef\n"},
    {"a long word first", "1. ", "/var/lib/ecert/inbox a", 8, "1. /var/lib/ecert/inbox\n   a\n"},
    {"narrower than its indentation", "123456. ", "a b", 4, "123456. a\n        b\n"},
    {"Chinese has no spaces", "1. ", "把證書放進收件匣", 11, "1. 把證書放\n   進收件匣\n"},
    {"half a column is none", "1. ", "把證書放進收件匣", 12, "1. 把證書放\n   進收件匣\n"},
    {"no comma begins a line", "1. ", "把證書，放", 9, "1. 把證\n   書，放\n"},
    {"no bracket ends a line", "1. ", "把證（書）", 9, "1. 把證\n   （書）\n"},
    {"a word among Chinese", "1. ", "執行ecert再看", 9, "1. 執行\n   ecert\n   再看\n"},
    {"a path among Chinese", "1. ", "檔案/srv/x.csr，交給", 10,
     "1. 檔\n   案/srv/x.csr，\n   交給\n"},
    {"a file in Chinese with a space", "1. ", "交 /srv/證書 檔案/要求.csr 去", 12,
     "1. 交\n   /srv/證書 檔案/要求.csr\n   去\n"},
    {"the longest counts", "1. ", "a /srv/證書 b", 9, "1. a\n   /srv/證書\n   b\n"},
    {"a host in Chinese", "1. ", "為 www.我的伺服器.com (www.xn--a.com) 申請", 14,
     "1. 為\n   www.我的伺服器.com\n   (www.xn--a.com)\n   申請\n"},
    {"an indentation in Chinese", "一. ", "a b", 5, "一. a\n    b\n"},
    {"no UTF-8", "1. ", "\xE6\x88 \xFF", 5, "1. \xE6\x88\n   \xFF\n"},
};

static void check_row(void **state)
{
    const struct row *row = *state;
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer out = {0};

    ecert_paragraph(&out, row->first, row->text, whole, row->width);
    ecert_buffer_add(&out, (struct ecert_view){(const uint8_t *)"", 1});
    assert_false(out.failed);
    assert_string_equal((const char *)out.ptr, row->want);
}

int main(void)
{
    struct CMUnitTest tests[ARRAY_SIZE(rows) + 1] = {cmocka_unit_test(columns_are_counted)};

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        tests[i + 1] = (struct CMUnitTest){.name = rows[i].name,
                                           .test_func = check_row,
                                           .initial_state = (void *)(uintptr_t)&rows[i]};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
