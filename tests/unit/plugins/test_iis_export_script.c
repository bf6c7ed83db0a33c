/*
 * plugins/iis-export/script.c: the script as text.  A small lexer of PowerShell, enough for what
 * the script uses (comments, both kinds of strings, brackets), proves that nothing of the
 * configuration can leave its quotes.
 */
#include "plugins/iis-export/script.h"

#include "tests/support/plugin_host.h"
#include "tests/unit/plugins/test_iis_export_certs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define OLD_A "1111111111111111111111111111111111111111"
#define OLD_B "222222222222222222222222222222222222222B"
#define NEW   "ABCDEFABCDEFABCDEFABCDEFABCDEFABCDEFABCD"

static struct test_certs certs;

static int make_certs(void **state)
{
    (void)state;
    test_certs_make(&certs);
    return 0;
}

static int clear_certs(void **state)
{
    (void)state;
    test_certs_clear(&certs);
    return 0;
}

/* ---- a lexer ------------------------------------------------------------------------------------
 */

/* The script without its comments and strings; NULL: a quote or a bracket is not closed. */
static char *bare(const char *script)
{
    char *code = malloc(strlen(script) + 1);
    char open[256];
    size_t n = 0, depth = 0;

    for (const char *c = script; *c != '\0'; c++) {
        if (*c == '#' && (c == script || strchr(" \n", c[-1]) != NULL)) {
            c = strchr(c, '\n');
            test_need(c != NULL);
        } else if (*c == '\'' || *c == '"') {
            const char quote = *c;

            for (c++; *c != quote || c[1] == quote; c++) {
                if (*c == quote)
                    c++; /* doubled: stands for itself */
                if (*c == '\0' || *c == '\n') {
                    free(code);
                    return NULL;
                }
            }
            continue;
        }
        if (strchr("([{", *c) != NULL && depth < sizeof open)
            open[depth++] = *c == '(' ? ')' : *c == '[' ? ']' : '}';
        if (strchr(")]}", *c) != NULL && (depth == 0 || open[--depth] != *c)) {
            free(code);
            return NULL;
        }
        code[n++] = *c;
    }
    code[n] = '\0';
    if (depth != 0) {
        free(code);
        return NULL;
    }
    return code;
}

static void script_with(const char *site, const char *host_header, const char *profile_key,
                        struct ecert_iis_text *ret)
{
    static const char *const names[] = {"www.example.test", "*.example.test", NULL};
    struct ecert_iis_old old = {{OLD_A, OLD_B}, 2};
    struct ecert_error err = {0};
    STACK_OF(X509) *chain = sk_X509_new_null();
    const bool has_key = strcmp(profile_key, "key") == 0;
    const struct ecert_iis_export export = {
        .certificate = "www.example.test",
        .stem = "www.example.test",
        .has_key = has_key,
        .container = has_key ? "www.example.test.pfx" : "www.example.test.p7b",
        .sha256 = "00ff",
        .friendly_name = "www.example.test until 2027-06-30",
        .end_date = "2027-06-30",
        .password_name = "it's.password.txt",
        .profile_readers = "all",
        .thumbprint = NEW,
        .dns_names = names,
        .old = &old,
        .intermediates = chain,
        .site = site,
        .host_header = host_header,
        .port = 8443,
    };

    test_need(sk_X509_push(chain, certs.ca) > 0);
    assert_int_equal(ecert_iis_script(&test_host, &export, ret, &err), ECERT_OK);
    sk_X509_free(chain);
}

static void has(const struct ecert_iis_text *text, const char *want)
{
    if (strstr(text->ptr, want) == NULL)
        fail_msg("the script has no: %s", want);
}

/* ---- tests --------------------------------------------------------------------------------------
 */

static void values_are_in_the_script(void **state)
{
    struct ecert_iis_text text = {0};

    (void)state;
    script_with("Default Web Site", "www.example.test", "key", &text);
    has(&text, "$ContainerFile = ('www.example.test.pfx')\r\n");
    has(&text, "$ContainerSha256 = ('00ff')\r\n");
    has(&text, "$NewThumbprint = '" NEW "'\r\n");
    has(&text, "$OldThumbprints = @('" OLD_A "', '" OLD_B "')\r\n");
    has(&text, "$Names = @(('www.example.test'), ('*.example.test'))\r\n");
    has(&text, "$SiteName = ('Default Web Site')\r\n");
    has(&text, "$HostHeader = ('www.example.test')\r\n");
    has(&text, "$DefaultPasswordFile = ('it''s.password.txt')\r\n");
    has(&text, "$Port = 8443\r\n");
    has(&text, "$HasKey = $true\r\n");
    ecert_iis_text_clear(&text);
    script_with("", "", "no key", &text);
    has(&text, "$HasKey = $false\r\n");
    has(&text, "certreq");
    ecert_iis_text_clear(&text);
}

static void it_is_ascii_with_windows_line_endings(void **state)
{
    struct ecert_iis_text text = {0};

    (void)state;
    script_with("\xE7\xB6\xB2\xE7\xAB\x99 \xF0\x9F\x98\x80\x7f\x01", "", "key", &text);
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\n')
            assert_true(i > 0 && text.ptr[i - 1] == '\r');
        else if (text.ptr[i] != '\r')
            assert_in_range(text.ptr[i], 0x20, 0x7e);
    }
    has(&text, "[char]0x7DB2 + '' + [char]0x7AD9 + ' ' + [char]0xD83D + '' + [char]0xDE00 + '' + "
               "[char]0x007F + '' + [char]0x0001");
    ecert_iis_text_clear(&text);
}

/* Whatever the site is called, the code around the strings is the same but for [char]. */
static void no_name_leaves_its_quotes(void **state)
{
    static const char *const hostile[] = {
        "O'Brien'; Remove-Item C:\\ -Recurse #",
        "'; Remove-Item x; '",
        "\\'; Remove-Item x",
        "`'; Remove-Item x",
        "$(Remove-Item x)",
        "x\r\nRemove-Item x\r\n",
        "\xE2\x80\x99; Remove-Item x; \xE2\x80\x98",
        "\xE2\x80\x9A; Remove-Item x; \xE2\x80\x9B",
        "#> Remove-Item x",
        "@'\r\n'@; Remove-Item x",
    };
    struct ecert_iis_text text = {0};

    (void)state;
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
        script_with(hostile[i], hostile[i], "key", &text);
        char *code = bare(text.ptr);
        assert_non_null(code);
        assert_null(strstr(code, "Remove-Item"));
        free(code);
        ecert_iis_text_clear(&text);
    }
    script_with("O'Brien'; Remove-Item", "", "key", &text);
    has(&text, "$SiteName = ('O''Brien''; Remove-Item')\r\n");
    ecert_iis_text_clear(&text);
}

/* The lexer would see it: the same name in the script without escaping. */
static void the_lexer_sees_a_name_that_is_out(void **state)
{
    char *code = bare("$SiteName = 'x'; Remove-Item C:\\ #'\n");

    (void)state;
    assert_non_null(code);
    assert_non_null(strstr(code, "Remove-Item"));
    free(code);
    assert_null(bare("$SiteName = 'O'Brien'\n"));
    assert_null(bare("if ($x) { 'y'\n"));
}

static void what_is_not_utf8_is_refused(void **state)
{
    static const char *const wrong[] = {"\xff",         "\xc0\x80",         "\xe4\xb8",
                                        "\xed\xa0\x80", "\xf4\x90\x80\x80", "a\x80"};
    char *text = NULL;
    size_t len = 0;

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        FILE *out = open_memstream(&text, &len);

        assert_false(ecert_iis_script_quote(out, wrong[i]));
        fclose(out);
        free(text);
    }
}

static void it_removes_nothing_and_never_touches_root(void **state)
{
    static const char *const never[] = {"Remove-Item",   "certutil -del",     "-Exportable ",
                                        "'Root'",        "Invoke-Expression", "iex ",
                                        "Remove-Website"};
    struct ecert_iis_text text = {0};

    (void)state;
    script_with("Default Web Site", "", "key", &text);
    for (size_t i = 0; i < sizeof never / sizeof *never; i++)
        if (strstr(text.ptr, never[i]) != NULL)
            fail_msg("the script has: %s", never[i]);
    /* the one removal is of the binding that this very run added, in the undo */
    const char *removal = strstr(text.ptr, "Remove-WebBinding");
    assert_true(removal > strstr(text.ptr, "function Undo-Changes"));
    assert_true(removal < strstr(text.ptr, "function Test-Chain"));
    assert_null(strstr(removal + 1, "Remove-WebBinding"));
    ecert_iis_text_clear(&text);
}

/* First the hash, then the import, then the intermediates, then the bindings, then the check. */
static void the_steps_are_in_order(void **state)
{
    static const char *const order[] = {"# ---- the steps",   "Get-Website",
                                        "Import-Container",   "Add-Intermediates",
                                        "Update-OldBindings", "Update-SiteBinding",
                                        "Update-HttpSys",     "Test-Bindings",
                                        "Undo-Changes",       "throw",
                                        "may be removed"};
    struct ecert_iis_text text = {0};

    (void)state;
    script_with("Default Web Site", "", "key", &text);
    const char *at = text.ptr;
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        at = strstr(at, order[i]);
        if (at == NULL)
            fail_msg("not in order: %s", order[i]);
    }
    assert_true(strstr(text.ptr, "Get-FileHash") < strstr(text.ptr, "Import-PfxCertificate"));
    ecert_iis_text_clear(&text);
}

/* Every function that is called is there, and every one that is there is called. */
static void every_function_is_used(void **state)
{
    struct ecert_iis_text text = {0};

    (void)state;
    script_with("Default Web Site", "", "key", &text);
    for (const char *at = strstr(text.ptr, "function "); at != NULL;
         at = strstr(at + 1, "function ")) {
        char name[64];
        unsigned uses = 0;

        test_need(sscanf(at, "function %63[A-Za-z-]", name) == 1);
        for (const char *use = strstr(text.ptr, name); use != NULL; use = strstr(use + 1, name))
            uses++;
        if (uses < 2)
            fail_msg("%s is not used", name);
    }
    ecert_iis_text_clear(&text);
}

/* The Base64 of the script is the intermediate, byte for byte. */
static void intermediates_are_embedded(void **state)
{
    struct ecert_iis_text text = {0};
    char base64[8192];
    unsigned char der[6144], *want = NULL;
    size_t n = 0;

    (void)state;
    script_with("", "", "key", &text);
    const char *at = strstr(text.ptr, "$Intermediates = @(");
    assert_non_null(at);
    const char *end = strstr(at, "-join");
    while ((at = strchr(at, '\'')) != NULL && at < end) {
        const char *close = strchr(at + 1, '\'');

        memcpy(base64 + n, at + 1, (size_t)(close - at - 1));
        n += (size_t)(close - at - 1);
        at = close + 1;
    }
    const int len = EVP_DecodeBlock(der, (unsigned char *)base64, (int)n);
    const int want_len = i2d_X509(certs.ca, &want);
    assert_in_range(len, want_len, want_len + 2); /* EVP_DecodeBlock counts the padding */
    assert_memory_equal(der, want, (size_t)want_len);
    OPENSSL_free(want);
    ecert_iis_text_clear(&text);
}

static void old_of(const char *present, const char *replaced, struct ecert_iis_old *ret)
{
    ecert_iis_script_old(test_view(present), replaced, NEW, ret);
}

static void old_certificates_are_carried_over(void **state)
{
    struct ecert_iis_old old = {0};
    struct ecert_iis_text text = {0};

    (void)state;
    old_of("", NULL, &old);
    assert_int_equal(old.count, 0);
    old_of("", OLD_A, &old);
    assert_int_equal(old.count, 1);
    assert_string_equal(old.thumbprints[0], OLD_A);

    /* the script that nobody ran was for B and had to replace A; now both are old */
    old_of("$NewThumbprint = '" OLD_B "'\r\n$OldThumbprints = @('" OLD_A "')\r\n", OLD_B, &old);
    assert_int_equal(old.count, 2);
    assert_string_equal(old.thumbprints[0], OLD_A);
    assert_string_equal(old.thumbprints[1], OLD_B);

    /* the new one is never old, and a second run changes nothing */
    script_with("", "", "key", &text);
    old_of(text.ptr, NEW, &old);
    assert_int_equal(old.count, 2);
    ecert_iis_text_clear(&text);

    old_of("$OldThumbprints = @('zzzz', '; evil', '1234')\r\n$NewThumbprint = '", "short", &old);
    assert_int_equal(old.count, 0);
}

static void the_oldest_goes_when_there_are_too_many(void **state)
{
    struct ecert_iis_old old = {0};
    char line[2048] = "$OldThumbprints = @(";
    size_t n = strlen(line);

    (void)state;
    for (unsigned i = 0; i < ECERT_IIS_OLD_MAX + 3; i++)
        n += (size_t)snprintf(line + n, sizeof line - n, "'%040X', ", i);
    (void)snprintf(line + n, sizeof line - n, ")\r\n");
    old_of(line, NULL, &old);
    assert_int_equal(old.count, ECERT_IIS_OLD_MAX);
    assert_string_equal(old.thumbprints[0], "0000000000000000000000000000000000000003");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_in_the_script),
        cmocka_unit_test(it_is_ascii_with_windows_line_endings),
        cmocka_unit_test(no_name_leaves_its_quotes),
        cmocka_unit_test(the_lexer_sees_a_name_that_is_out),
        cmocka_unit_test(what_is_not_utf8_is_refused),
        cmocka_unit_test(it_removes_nothing_and_never_touches_root),
        cmocka_unit_test(the_steps_are_in_order),
        cmocka_unit_test(every_function_is_used),
        cmocka_unit_test(intermediates_are_embedded),
        cmocka_unit_test(old_certificates_are_carried_over),
        cmocka_unit_test(the_oldest_goes_when_there_are_too_many),
    };

    return cmocka_run_group_tests(tests, make_certs, clear_certs);
}
