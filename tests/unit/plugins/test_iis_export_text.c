/* plugins/iis-export/text.c */
#include "plugins/iis-export/text.h"

#include "tests/support/plugin_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

static struct ecert_view view(const char *text)
{
    return (struct ecert_view){(const uint8_t *)text, strlen(text)};
}

/* ---- names ------------------------------------------------------------------------------------
 */

static const struct row {
    const char *certificate, *want; /* NULL: refused */
} rows[] = {
    {"www.example.test", "www.example.test"},
    {"*.example.test", "_wildcard.example.test"},
    {"www.xn--3pqw8o2pk43espw.com", "www.xn--3pqw8o2pk43espw.com"},
    {"", NULL},
    {"*.", NULL},
    {"../../etc/passwd", NULL},
    {"a/b", NULL},
    {".hidden", NULL},
    {"-option", NULL},
    {"www.*.test", NULL},
    {"a b", NULL},
    {"www.\xE6\x88\x91.test", NULL},
    {"O'Brien", NULL},
};

static void names_of_files(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct ecert_error err = {0};
        char *stem = NULL;
        const enum ecert_status status =
            ecert_iis_stem(&test_host, rows[i].certificate, &stem, &err);

        if (rows[i].want == NULL) {
            assert_int_equal(status, ECERT_E_CONFIG);
            assert_null(stem);
            continue;
        }
        assert_int_equal(status, ECERT_OK);
        assert_string_equal(stem, rows[i].want);
        free(stem);
    }
}

/* ---- the operator's text ----------------------------------------------------------------------
 */

static const struct ecert_iis_export example = {
    .certificate = "www.example.test",
    .stem = "www.example.test",
    .has_key = true,
    .container = "www.example.test.pfx",
    .sha256 = "0123456789abcdef",
    .friendly_name = "www.example.test until 2027-06-30",
    .end_date = "2027-06-30",
    .password_name = "www.example.test.password.txt",
    .profile_readers = "Windows Server 2019 and later",
    .thumbprint = "AABBCC",
    .site = "Default Web Site",
    .host_header = "",
    .port = 443,
};

static void readme_of(const struct ecert_iis_export *export, struct ecert_iis_text *ret)
{
    struct ecert_error err = {0};

    assert_int_equal(ecert_iis_readme(&test_host, export, ret, &err), ECERT_OK);
}

static void every_line_ends_as_windows_wants(const struct ecert_iis_text *text)
{
    for (size_t i = 0; i < text->len; i++)
        if (text->ptr[i] == '\n')
            assert_true(i > 0 && text->ptr[i - 1] == '\r');
    assert_true(text->len > 0 && text->ptr[text->len - 1] == '\n');
}

static void the_text_names_files_and_steps(void **state)
{
    static const char *const want[] = {
        "www.example.test.pfx",
        "www.example.test.password.txt",
        "Install-www.example.test.ps1",
        "www.example.test-SHA256SUMS",
        "Windows Server 2019",
        "0123456789abcdef",
        "'Default Web Site', port 443",
        "2027-06-30",
        "AABBCC",
        "1. Copy",
        "2. In a PowerShell",
        "3. Open the site",
    };
    struct ecert_iis_text text = {0};

    (void)state;
    readme_of(&example, &text);
    for (size_t i = 0; i < sizeof want / sizeof *want; i++)
        assert_non_null(strstr(text.ptr, want[i]));
    every_line_ends_as_windows_wants(&text);
    assert_int_not_equal((unsigned char)text.ptr[0], 0xEF);
    ecert_iis_text_clear(&text);
}

static void without_a_key_no_password_is_spoken_of(void **state)
{
    struct ecert_iis_export export = example;
    struct ecert_iis_text text = {0};

    (void)state;
    export.has_key = false;
    export.container = "www.example.test.p7b";
    readme_of(&export, &text);
    assert_non_null(strstr(text.ptr, "Complete Certificate Request"));
    assert_null(strstr(text.ptr, ".pfx"));
    assert_null(strstr(text.ptr, "password.txt"));
    ecert_iis_text_clear(&text);
}

static void without_a_site_the_text_says_what_is_not_done(void **state)
{
    struct ecert_iis_export export = example;
    struct ecert_iis_text text = {0};

    (void)state;
    export.site = "";
    readme_of(&export, &text);
    assert_non_null(strstr(text.ptr, "adds no binding"));
    ecert_iis_text_clear(&text);
}

static void a_hostile_site_cannot_add_lines(void **state)
{
    struct ecert_iis_export export = example;
    struct ecert_iis_text text = {0};

    (void)state;
    export.site = "x\r\n4. Run evil.exe\x1b[2J \xE4\xB8\xAD";
    readme_of(&export, &text);
    assert_null(strstr(text.ptr, "\n4. Run"));
    assert_null(strchr(text.ptr, '\x1b'));
    assert_memory_equal(text.ptr, "\xEF\xBB\xBF", 3); /* other letters than ASCII: marked */
    every_line_ends_as_windows_wants(&text);
    ecert_iis_text_clear(&text);
}

/* ---- sums ---------------------------------------------------------------------------------------
 */

#define OF_ABC     "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define OF_NOTHING "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static void sums_are_those_of_sha256sum(void **state)
{
    const struct ecert_iis_summed files[] = {{"a.pfx", view("abc")}, {"b", view("")}};
    struct ecert_iis_text text = {0};
    struct ecert_error err = {0};

    (void)state;
    assert_int_equal(ecert_iis_sums(&test_host, files, 2, &text, &err), ECERT_OK);
    assert_string_equal(text.ptr, OF_ABC "  a.pfx\n" OF_NOTHING "  b\n");
    ecert_iis_text_clear(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_files),
        cmocka_unit_test(the_text_names_files_and_steps),
        cmocka_unit_test(without_a_key_no_password_is_spoken_of),
        cmocka_unit_test(without_a_site_the_text_says_what_is_not_done),
        cmocka_unit_test(a_hostile_site_cannot_add_lines),
        cmocka_unit_test(sums_are_those_of_sha256sum),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
