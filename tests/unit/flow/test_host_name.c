#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/flow/host_name.h"

#define TEN     "abcdefghij"
#define LABEL63 TEN TEN TEN TEN TEN TEN "abc"

struct row {
    const char *title;
    const char *given;
    const char *want;      /* NULL: refused */
    const char *want_text; /* of the refusal */
};

static const struct row rows[] = {
    {"plain", "www.myserver.com", "www.myserver.com", NULL},
    {"upper case", "WWW.MyServer.COM", "www.myserver.com", NULL},
    {"final dot", "www.myserver.com.", "www.myserver.com", NULL},
    {"the CA's own example", "www.我的伺服器.com", "www.xn--3pqw8o2pk43espw.com", NULL},
    {"it as A-labels", "www.xn--3pqw8o2pk43espw.com", "www.xn--3pqw8o2pk43espw.com", NULL},
    {"it in capitals", "WWW.XN--3PQW8O2PK43ESPW.COM", "www.xn--3pqw8o2pk43espw.com", NULL},
    {"Chinese top-level domain", "www.我的伺服器.香港", "www.xn--3pqw8o2pk43espw.xn--j6w193g",
     NULL},
    {"ideographic full stop", "www。我的伺服器。香港", "www.xn--3pqw8o2pk43espw.xn--j6w193g", NULL},
    {"full-width letters", "ｗｗｗ.myserver.com", "www.myserver.com", NULL},
    {"sharp s stays (not transitional)", "faß.de", "xn--fa-hia.de", NULL},
    {"capitals outside of ASCII", "BÜCHER.de", "xn--bcher-kva.de", NULL},
    {"wildcard", "*.myserver.com", "*.myserver.com", NULL},
    {"Chinese wildcard", "*.我的伺服器.com", "*.xn--3pqw8o2pk43espw.com", NULL},
    {"63 bytes", LABEL63 ".com", LABEL63 ".com", NULL},
    {"right to left", "אבג.com", "xn--4dbcd.com", NULL},
    {"nothing", "", NULL, "is empty"},
    {"only a dot", ".", NULL, "a label is empty"},
    {"only a star", "*", NULL, "'*' may stand as the whole left-most label only"},
    {"star and dot", "*.", NULL, "a label is empty"},
    {"star at the end", "www.*", NULL, "'*' may stand as the whole left-most label only"},
    {"star in the middle", "www.*.com", NULL, "'*' may stand as the whole left-most label only"},
    {"star in a label", "w*.myserver.com", NULL, "left-most label only"},
    {"two stars", "*.*.com", NULL, "left-most label only"},
    {"star of a Chinese name", "w*.我的伺服器.com", NULL, "left-most label only"},
    {"full-width star", "ｗ＊.我的伺服器.com", NULL, "left-most label only"},
    {"space in Chinese", "我 的.com", NULL, "only letters"},
    {"full-width slash", "a／b.com", NULL, "only letters"},
    {"star and one label", "*.com", NULL, "it has no dot"},
    {"no dot", "myserver", NULL, "it has no dot"},
    {"no dot in Chinese", "我的伺服器", NULL, "it has no dot"},
    {"64 bytes", LABEL63 "d.com", NULL, "longer than 63 bytes"},
    {"64 bytes as A-label", "我" LABEL63 ".com", NULL, "longer than 63 bytes"},
    {"254 bytes", LABEL63 "." LABEL63 "." LABEL63 "." TEN TEN TEN TEN TEN TEN "ab", NULL,
     "longer than 253"},
    {"253 bytes and a star", "*." LABEL63 "." LABEL63 "." LABEL63 "." TEN TEN TEN TEN TEN TEN "a",
     NULL, "longer than 253"},
    {"emoji", "😀.com", NULL, "IDNA2008 does not permit"},
    {"a symbol", "☃.net", NULL, "IDNA2008 does not permit"},
    {"directions mixed", "אa1ב.אבגa.com", NULL, "directions"},
    {"underscore", "my_server.com", NULL, "it holds '_'"},
    {"underscore beside Chinese", "my_伺服器.com", NULL, "it holds '_'"},
    {"full-width underscore", "my＿伺服器.com", NULL, "it holds '_'"},
    {"space", "my server.com", NULL, "only letters"},
    {"address", "https://www.myserver.com/", NULL, "only letters"},
    {"e-mail address", "a@myserver.com", NULL, "only letters"},
    {"hyphen in front", "-a.com", NULL, "begins or ends with '-'"},
    {"hyphen behind", "a-.com", NULL, "begins or ends with '-'"},
    {"two dots", "www..com", NULL, "a label is empty"},
    {"two final dots", "www.com..", NULL, "a label is empty"},
    {"IPv4", "192.0.2.1", NULL, "it is an address"},
    {"IPv4 with a star", "*.0.2.1", NULL, "it is an address"},
    {"IPv4 of full-width digits", "１９２.0.2.１", NULL, "it is an address"},
    {"IPv6", "2001:db8::1", NULL, "it is an address"},
    {"number", "www.1", NULL, "it is an address"},
    {"A-label of nothing", "www.xn--a.com", NULL, "stands for nothing"},
    {"A-label of ASCII", "xn--abc-.com", NULL, "is not a host name"},
    {"A-label of an emoji", "xn--e28h.com", NULL, "stands for nothing"},
    {"A-label that is empty", "xn--.com", NULL, "is not a host name"},
    {"not UTF-8", "\xff\xfe.com", NULL, "not UTF-8"},
    {"cut UTF-8", "\xe6\x88.com", NULL, "not UTF-8"},
    {"zero-width joiner", "my\xe2\x80\x8dserver.com", NULL, "is not a host name"},
    {"line feed", "a\n.com", NULL, "only letters"},
};

static void check_row(void **state)
{
    const struct row *row = *state;
    struct ecert_error err = {0};
    char *ascii = NULL;
    const enum ecert_status status = ecert_host_name_to_ascii(row->given, &ascii, &err);

    if (row->want != NULL) {
        if (status != ECERT_OK)
            print_error("%s\n", err.text);
        assert_int_equal(status, ECERT_OK);
        assert_string_equal(ascii, row->want);
    } else {
        assert_int_equal(status, ECERT_E_CONFIG);
        if (strstr(err.text, row->want_text) == NULL)
            print_error("wanted '%s', got '%s'\n", row->want_text, err.text);
        assert_non_null(strstr(err.text, row->want_text));
        assert_null(ascii);
    }
    free(ascii);
}

static void test_very_long(void **state)
{
    char name[100001];
    char *ascii = NULL;
    struct ecert_error err = {0};

    (void)state;
    memset(name, 'a', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_int_equal(ecert_host_name_to_ascii(name, &ascii, &err), ECERT_E_CONFIG);
    assert_non_null(strstr(err.text, "too long"));
}

static void check_shown(const char *ascii, const char *want)
{
    struct ecert_error err = {0};
    char *shown = NULL;

    assert_int_equal(ecert_host_name_shown(ascii, &shown, &err), ECERT_OK);
    assert_string_equal(shown, want);
    free(shown);
}

static void test_shown(void **state)
{
    (void)state;
    check_shown("www.myserver.com", "www.myserver.com");
    check_shown("*.myserver.com", "*.myserver.com");
    check_shown("www.xn--3pqw8o2pk43espw.com", "www.我的伺服器.com (www.xn--3pqw8o2pk43espw.com)");
    check_shown("*.xn--3pqw8o2pk43espw.com", "*.我的伺服器.com (*.xn--3pqw8o2pk43espw.com)");
    check_shown("localhost", "localhost");
    /* what cannot be shown stays as it is: nothing may look like another name */
    check_shown("www.xn--a.com", "www.xn--a.com");
    check_shown("xn--e28h.com", "xn--e28h.com");
    check_shown("", "");
}

static void check_unicode(const char *ascii, const char *want)
{
    struct ecert_error err = {0};
    char *unicode = NULL;

    assert_int_equal(ecert_host_name_unicode(ascii, &unicode, &err), ECERT_OK);
    if (want == NULL)
        assert_null(unicode);
    else
        assert_string_equal(unicode, want);
    free(unicode);
}

static void test_unicode(void **state)
{
    (void)state;
    check_unicode("www.xn--3pqw8o2pk43espw.com", "www.我的伺服器.com");
    check_unicode("*.xn--3pqw8o2pk43espw.com", "*.我的伺服器.com");
    check_unicode("www.myserver.com", NULL);
    check_unicode("xn--e28h.com", NULL);            /* an emoji: does not lead back */
    check_unicode("xn--www-xk0a.com", NULL);        /* what stands for nothing */
    check_unicode("xn--abc-in0a.com", NULL);        /* a, LRM, b, c */
    check_unicode("xn--googlecom-lh0e.com", NULL);  /* a right-to-left override */
    check_unicode("XN--3PQW8O2PK43ESPW.com", NULL); /* not as names are kept */
    check_unicode("www.xn--3pqw8o2pk43espw.com\033", NULL);
}

int main(void)
{
    struct CMUnitTest tests[ARRAY_SIZE(rows) + 3] = {cmocka_unit_test(test_very_long),
                                                     cmocka_unit_test(test_shown),
                                                     cmocka_unit_test(test_unicode)};

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        tests[i + 3] = (struct CMUnitTest){.name = rows[i].title,
                                           .test_func = check_row,
                                           .initial_state = (void *)(uintptr_t)&rows[i]};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
