#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fs.h"
#include "core/base/process.h"
#include "core/issue/csr.h"
#include "core/issue/csr_subject.h"
#include "core/issue/new_key.h"
#include "tests/support/test_pki.h"
#include "tests/support/test_rows.h"

/* The CA's profile, as far as CSRs are concerned. */
static struct ecert_authority hongkong = {
    .id = (char[]){"hongkongpost"},
    .name = (char[]){"Hongkong Post"},
    .request = {.known = true,
                .country = (char[]){"HK"},
                .state = (char[]){"Hong Kong"},
                .locality = (char[]){"Hong Kong"},
                .max_names = 50},
};
static struct ecert_authority own = {.id = (char[]){"own"}};

static struct ecert_organization_config ours = {
    .country = (char[]){"HK"},
    .state = (char[]){"Hong Kong"},
    .locality = (char[]){"Hong Kong"},
    .name = (char[]){"My Organisation Limited"},
};

static const struct ecert_key_config rsa = {.bits = 2048};
static const char *const one_name[] = {"www.myserver.com", NULL};

/* ---- what may be asked for ---- */

static void check_order(const struct ecert_csr_order *order, const struct ecert_key_config *key,
                        const char *want_mistake, const char *want_note)
{
    struct ecert_strings mistakes = {0}, notes = {0};
    struct ecert_error err = {0};
    const enum ecert_status status = ecert_csr_check(order, key, &mistakes, &notes, &err);

    for (size_t i = 0; i < mistakes.len; i++)
        if (want_mistake == NULL || strstr(mistakes.items[i], want_mistake) == NULL)
            print_error("unexpected: %s\n", mistakes.items[i]);
    assert_int_equal(mistakes.len, want_mistake == NULL ? 0 : 1);
    assert_int_equal(status, want_mistake == NULL ? ECERT_OK : ECERT_E_CONFIG);
    if (want_mistake != NULL) {
        assert_non_null(strstr(mistakes.items[0], want_mistake));
        assert_string_equal(err.text, mistakes.items[0]);
    }
    assert_int_equal(notes.len, want_note == NULL ? 0 : 1);
    if (want_note != NULL)
        assert_non_null(strstr(notes.items[0], want_note));
    ecert_strings_clear(&mistakes);
    ecert_strings_clear(&notes);
}

struct row {
    const char *title;
    const char *names[4];
    const char *mistake; /* NULL: fine */
    const char *note;
};

#define LABEL60 "abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghij"

static const struct row rows[] = {
    {"one name", {"www.myserver.com"}, NULL, NULL},
    {"several names", {"www.myserver.com", "myserver.com", "shop.myserver.com"}, NULL, NULL},
    {"wildcard", {"*.myserver.com"}, NULL, NULL},
    {"A-label", {"www.xn--3pqw8o2pk43espw.com"}, NULL, NULL},
    {"wildcard and its bare name",
     {"*.myserver.com", "myserver.com"},
     NULL,
     "'myserver.com' is not asked for: it comes with '*.myserver.com'"},
    {"no name", {NULL}, "no name is asked for", NULL},
    {"not a name", {"my_server.com"}, "it holds '_'", NULL},
    {"not as A-labels", {"www.我的伺服器.com"}, "'www.xn--3pqw8o2pk43espw.com'", NULL},
    {"address", {"192.0.2.1"}, "it is an address", NULL},
    {"no dot", {"intranet"}, "it has no dot", NULL},
    {"internal", {"www.myserver.local"}, "'.local' is not in the public DNS", NULL},
    {"internal of two labels", {"nas.home.arpa"}, "'.home.arpa' is not in the public DNS", NULL},
    {"like an internal one", {"www.mylocal.com", "local.com"}, NULL, NULL},
    {"twice", {"www.myserver.com", "a.myserver.com", "a.myserver.com"}, "asked for twice", NULL},
    {"wildcard first of several",
     {"*.myserver.com", "www.other.com"},
     "'*.myserver.com' is a wildcard among several names",
     NULL},
    {"wildcard second of several",
     {"www.other.com", "*.myserver.com"},
     "'*.myserver.com' is a wildcard among several names",
     NULL},
    {"wildcard, its bare name and one more",
     {"*.myserver.com", "myserver.com", "www.other.com"},
     "wildcard among several names",
     NULL},
    {"CN of 64", {LABEL60 ".com"}, NULL, NULL},
    {"CN of 65", {LABEL60 ".asia"}, "holds 64 at most", NULL},
    {"a long name that is not the CN", {"a.com", LABEL60 ".asia"}, NULL, NULL},
};

static void check_row(void **state)
{
    const struct row *row = *state;
    const struct ecert_csr_order order = {&ours, row->names, &hongkong};

    check_order(&order, &rsa, row->mistake, row->note);
}

static void check_applicant(char *country, char *state, char *locality, char *name,
                            const struct ecert_authority *authority, const char *mistake)
{
    const struct ecert_organization_config applicant = {
        .country = country, .state = state, .locality = locality, .name = name};
    const struct ecert_csr_order order = {&applicant, one_name, authority};

    check_order(&order, &rsa, mistake, NULL);
}

static void test_applicant(void **state)
{
    char hk[] = "HK", cn[] = "CN", place[] = "Hong Kong", other[] = "Kowloon", o[] = "My Ltd";
    char blank[] = " ";

    (void)state;
    check_applicant(hk, place, place, o, &hongkong, NULL);
    check_applicant(cn, place, place, o, &hongkong,
                    "'organization.country' is \"CN\"; Hongkong Post wants C = \"HK\"");
    check_applicant(hk, other, place, o, &hongkong, "'organization.state' is \"Kowloon\"");
    check_applicant(hk, place, other, o, &hongkong, "'organization.locality' is \"Kowloon\"");
    check_applicant(hk, place, place, NULL, &hongkong, "'organization.name' is missing");
    check_applicant(hk, place, place, blank, &hongkong, "'organization.name' is missing");
    /* what the CA prescribes need not be written */
    check_applicant(NULL, NULL, NULL, o, &hongkong, NULL);
    check_applicant(NULL, NULL, NULL, o, &own, "'organization.country' is missing");
    check_applicant(cn, other, NULL, o, &own, NULL);
}

/* A CA of one's own, whose profile says nothing of requests. */
static void test_own_authority(void **state)
{
    const char *const names[] = {"www.corp.internal", "*.corp.internal", NULL};
    const struct ecert_csr_order order = {&ours, names, &own};

    (void)state;
    check_order(&order, &rsa, NULL, NULL);
}

static void test_too_many(void **state)
{
    char texts[51][16];
    const char *names[52] = {NULL};
    const struct ecert_csr_order order = {&ours, names, &hongkong};

    (void)state;
    for (size_t i = 0; i < 50; i++) {
        (void)snprintf(texts[i], sizeof texts[i], "w%zu.hk.com", i);
        names[i] = texts[i];
    }
    check_order(&order, &rsa, NULL, NULL);
    names[50] = "w50.hk.com";
    check_order(&order, &rsa, "51 names are asked for; Hongkong Post puts 50 at most", NULL);
}

static void test_every_mistake(void **state)
{
    char cn[] = "CN";
    const struct ecert_organization_config applicant = {.country = cn};
    const char *const names[] = {"*.myserver.com", "www.myserver.local", NULL};
    const struct ecert_csr_order order = {&applicant, names, &hongkong};
    struct ecert_strings mistakes = {0}, notes = {0};
    struct ecert_error err = {0};

    (void)state;
    assert_int_equal(ecert_csr_check(&order, &rsa, &mistakes, &notes, &err), ECERT_E_CONFIG);
    assert_int_equal(mistakes.len, 4);
    assert_non_null(strstr(err.text, "(and more)"));
    ecert_strings_clear(&mistakes);
}

static void test_keys(void **state)
{
    const struct ecert_key_config large = {.bits = 4096};
    const struct ecert_key_config ec = {.type = ECERT_KEY_TYPE_EC, .curve = ECERT_KEY_CURVE_P384};
    struct ecert_authority authority = hongkong;
    const struct ecert_csr_order order = {&ours, one_name, &authority};
    struct ecert_error err = {0};

    (void)state;
    authority.request.keys = (struct ecert_strings){0};
    assert_int_equal(ecert_strings_add(&authority.request.keys, "rsa-2048", &err), ECERT_OK);
    check_order(&order, &rsa, NULL, NULL);
    check_order(&order, &large, NULL, "the key is rsa-4096; Hongkong Post is known to accept");
    check_order(&order, &ec, NULL, "the key is ec-p384");
    ecert_strings_clear(&authority.request.keys);
}

/* ---- what is made ---- */

struct made {
    char *folder;
    char *csr_file, *key_file;
    struct ecert_bytes pem;
    char sha256[ECERT_SHA256_HEX_LEN];
};

static void made_clear(struct made *made)
{
    free(made->csr_file);
    free(made->key_file);
    ecert_bytes_clear(&made->pem);
    test_folder_remove(made->folder);
}

static struct made make(const struct ecert_csr_order *order, const struct ecert_key_config *config)
{
    struct made made = {.folder = test_folder_make()};
    struct ecert_error err = {0};
    EVP_PKEY *key = NULL;

    assert_int_equal(ecert_new_key(config, &key, &err), ECERT_OK);
    if (ecert_csr_make(order, key, &made.pem, made.sha256, &err) != ECERT_OK)
        fail_msg("%s", err.text);
    struct ecert_bytes key_pem = test_key_pem(key, NULL, NULL);
    made.csr_file = test_file_write(made.folder, "csr.pem", ecert_bytes_view(&made.pem), 0600);
    made.key_file = test_file_write(made.folder, "key.pem", ecert_bytes_view(&key_pem), 0600);
    ecert_bytes_clear(&key_pem);
    EVP_PKEY_free(key);
    return made;
}

/* Run a program that must succeed; what it printed, both streams. */
static char *run(const char *const *argv)
{
    const struct ecert_run_spec spec = {.argv = argv, .timeout_ms = 20000, .max_output = 1 << 20};
    struct ecert_run_result result = {0};
    struct ecert_error err = {0};
    char *text = NULL;

    assert_int_equal(ecert_run(&spec, &result, &err), ECERT_OK);
    assert_int_equal(ecert_text_format(&text, &err, "%s%s",
                                       result.out.ptr == NULL ? "" : (const char *)result.out.ptr,
                                       result.err.ptr == NULL ? "" : (const char *)result.err.ptr),
                     ECERT_OK);
    if (result.exit_code != 0)
        fail_msg("%s: exit code %d: %s", argv[0], result.exit_code, text);
    ecert_run_result_clear(&result);
    return text;
}

/* The subject's DER. */
static struct ecert_bytes subject_of(const char *file)
{
    FILE *stream = fopen(file, "re");
    assert_non_null(stream);
    X509_REQ *request = PEM_read_X509_REQ(stream, NULL, NULL, NULL);
    unsigned char *der = NULL;
    struct ecert_bytes copy = {0};
    struct ecert_error err = {0};

    assert_non_null(request);
    (void)fclose(stream);
    const int len = i2d_X509_NAME(X509_REQ_get_subject_name(request), &der);
    assert_true(len > 0);
    assert_int_equal(ecert_bytes_copy((struct ecert_view){der, (size_t)len}, &copy, &err),
                     ECERT_OK);
    OPENSSL_free(der);
    X509_REQ_free(request);
    return copy;
}

/* What `openssl req` makes with the guide's answers, with the same key. */
static void check_like_openssl(const struct made *made, const char *subject)
{
    char theirs[4096];
    (void)snprintf(theirs, sizeof theirs, "%s/theirs.pem", made->folder);
    const char *const argv[] = {"/usr/bin/openssl", "req",  "-new", "-sha256", "-utf8", "-key",
                                made->key_file,     "-out", theirs, "-subj",   subject, NULL};

    free(run(argv));
    struct ecert_bytes a = subject_of(made->csr_file), b = subject_of(theirs);
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.ptr, b.ptr, a.len);
    ecert_bytes_clear(&a);
    ecert_bytes_clear(&b);
}

/* Two programs that are not ours read it and agree. */
static void check_by_others(const struct made *made)
{
    const char *const openssl[] = {"/usr/bin/openssl", "req",     "-in",   made->csr_file,
                                   "-noout",           "-verify", "-text", NULL};
    const char *const certtool[] = {"/usr/bin/certtool", "--crq-info", "--infile", made->csr_file,
                                    NULL};
    char *text = run(openssl);

    assert_non_null(strstr(text, "verify OK"));
    assert_non_null(strstr(text, "Version: 1 (0x0)"));
    assert_true(strstr(text, "sha256WithRSAEncryption") != NULL ||
                strstr(text, "ecdsa-with-SHA256") != NULL);
    assert_null(strstr(text, "OU ="));
    assert_null(strstr(text, "emailAddress"));
    assert_null(strstr(text, "challengePassword"));
    assert_null(strstr(text, "unstructuredName"));
    free(text);
    text = run(certtool);
    assert_non_null(strstr(text, "Self signature: verified"));
    free(text);
}

static void check_digest(const struct made *made)
{
    char der[4096];
    (void)snprintf(der, sizeof der, "%s/csr.der", made->folder);
    const char *const argv[] = {
        "/usr/bin/openssl", "req", "-in", made->csr_file, "-outform", "DER", "-out", der, NULL};
    struct ecert_bytes bytes = {0};
    struct ecert_error err = {0};
    char want[ECERT_SHA256_HEX_LEN];

    free(run(argv));
    assert_int_equal(ecert_fs_read(der, 100000, &bytes, &err), ECERT_OK);
    ecert_sha256_hex(ecert_bytes_view(&bytes), want);
    assert_string_equal(made->sha256, want);
    ecert_bytes_clear(&bytes);
}

static void test_made(void **state)
{
    static const struct ecert_key_config configs[] = {
        {.bits = 2048},
        {.bits = 3072},
        {.type = ECERT_KEY_TYPE_EC, .curve = ECERT_KEY_CURVE_P256},
        {.type = ECERT_KEY_TYPE_EC, .curve = ECERT_KEY_CURVE_P384},
    };
    const struct ecert_csr_order order = {&ours, one_name, &hongkong};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(configs); i++) {
        struct made made = make(&order, &configs[i]);

        check_by_others(&made);
        check_digest(&made);
        check_like_openssl(&made, "/C=HK/ST=Hong Kong/L=Hong Kong/O=My Organisation Limited/"
                                  "CN=www.myserver.com");
        made_clear(&made);
    }
}

static void test_made_chinese(void **state)
{
    struct ecert_organization_config applicant = ours;
    const char *const names[] = {"*.xn--3pqw8o2pk43espw.com", NULL};
    const struct ecert_csr_order order = {&applicant, names, &hongkong};
    char name[] = "我的機構有限公司";
    struct made made;

    (void)state;
    applicant.name = name;
    applicant.state = NULL; /* prescribed */
    made = make(&order, &rsa);
    check_by_others(&made);
    check_like_openssl(&made, "/C=HK/ST=Hong Kong/L=Hong Kong/O=我的機構有限公司/"
                              "CN=*.xn--3pqw8o2pk43espw.com");
    made_clear(&made);
}

static void test_made_with_names(void **state)
{
    const char *const names[] = {"www.myserver.com", "shop.myserver.com", NULL};
    struct ecert_authority authority = hongkong;
    const struct ecert_csr_order order = {&ours, names, &authority};
    struct made made = make(&order, &rsa);
    const char *argv[] = {"/usr/bin/openssl", "req", "-in", made.csr_file, "-noout", "-text", NULL};
    char *text = run(argv);

    (void)state;
    assert_null(strstr(text, "shop.myserver.com")); /* the CA adds it */
    assert_null(strstr(text, "Alternative Name"));
    free(text);
    made_clear(&made);
    authority.request.names_in_request = true;
    made = make(&order, &rsa);
    argv[3] = made.csr_file;
    text = run(argv);
    assert_non_null(strstr(text, "DNS:www.myserver.com, DNS:shop.myserver.com"));
    free(text);
    check_by_others(&made);
    made_clear(&made);
}

/* ---- the other header ---- */

static void test_new_header(void **state)
{
    const struct ecert_csr_order order = {&ours, one_name, &hongkong};
    struct made made = make(&order, &rsa);
    struct ecert_bytes other = {0};
    struct ecert_error err = {0};

    (void)state;
    assert_int_equal(ecert_csr_new_header(ecert_bytes_view(&made.pem), &other, &err), ECERT_OK);
    const char *text = (const char *)other.ptr;
    assert_ptr_equal(strstr(text, "-----BEGIN NEW CERTIFICATE REQUEST-----\nMII"), text);
    assert_non_null(strstr(text, "\n-----END NEW CERTIFICATE REQUEST-----\n"));
    assert_null(strstr(text, "BEGIN CERTIFICATE"));
    assert_null(strstr(text, "END CERTIFICATE"));
    free(made.csr_file);
    made.csr_file = test_file_write(made.folder, "new.pem", ecert_bytes_view(&other), 0600);
    check_by_others(&made);
    ecert_bytes_clear(&other);

    static const char *const wrong[] = {
        "",
        "-----BEGIN CERTIFICATE REQUEST-----\n-----END CERTIFICATE REQUEST-----\n",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE REQUEST-----\nMIIB\n-----END CERTIFICATE REQUEST-----",
        "-----BEGIN NEW CERTIFICATE REQUEST-----\nMIIB\n-----END NEW CERTIFICATE REQUEST-----\n",
    };
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        assert_int_equal(ecert_csr_new_header(ecert_view_of(wrong[i]), &other, &err),
                         ECERT_E_CRYPTO);
        assert_null(other.ptr);
    }
    made_clear(&made);
}

int main(void)
{
    const struct CMUnitTest others[] = {
        cmocka_unit_test(test_applicant),    cmocka_unit_test(test_own_authority),
        cmocka_unit_test(test_too_many),     cmocka_unit_test(test_every_mistake),
        cmocka_unit_test(test_keys),         cmocka_unit_test(test_made),
        cmocka_unit_test(test_made_chinese), cmocka_unit_test(test_made_with_names),
        cmocka_unit_test(test_new_header),
    };
    struct CMUnitTest tests[ARRAY_SIZE(rows) + ARRAY_SIZE(others)];

    (void)TEST_ADD_ROWS(tests, check_row, rows);
    memcpy(tests + ARRAY_SIZE(rows), others, sizeof others);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
