#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/fs.h"
#include "core/flow/authority.h"
#include "core/flow/certificate.h"
#include "tests/support/test_pki.h"

/* A folder with two roots and a leaf; profiles are written into it. */
struct place {
    char *folder;
    EVP_PKEY *key;
    X509 *root, *other, *leaf;
    char root_sha256[ECERT_SHA256_HEX_LEN];
};

static void write_pem(const struct place *place, const char *name, const X509 *a, const X509 *b)
{
    struct ecert_bytes one = test_certificate_pem(a);
    struct ecert_bytes two = b == NULL ? (struct ecert_bytes){0} : test_certificate_pem(b);
    struct ecert_bytes both = test_join(ecert_bytes_view(&one), ecert_bytes_view(&two));

    free(test_file_write(place->folder, name, ecert_bytes_view(&both), 0644));
    ecert_bytes_clear(&one);
    ecert_bytes_clear(&two);
    ecert_bytes_clear(&both);
}

static int setup(void **state)
{
    struct place *place = calloc(1, sizeof *place);

    assert_non_null(place);
    place->folder = test_folder_make();
    place->key = test_key_ec("P-256");
    place->root = test_root_make("Root", place->key);
    place->other = test_root_make("Other", place->key);
    place->leaf = test_leaf_make("a.test", place->key, place->root, place->key);
    ecert_certificate_sha256(place->root, place->root_sha256);
    write_pem(place, "root.pem", place->root, NULL);
    write_pem(place, "both.pem", place->other, place->root);
    write_pem(place, "leaf.pem", place->leaf, NULL);
    *state = place;
    return 0;
}

static int teardown(void **state)
{
    struct place *place = *state;

    X509_free(place->leaf);
    X509_free(place->other);
    X509_free(place->root);
    EVP_PKEY_free(place->key);
    test_folder_remove(place->folder);
    free(place);
    return 0;
}

/* Write FOLDER/NAME with %F for the folder and %R for the root's SHA-256. */
static char *write_profile(const struct place *place, const char *name, const char *text)
{
    struct ecert_buffer buffer = {0};

    for (; *text != '\0'; text++) {
        if (text[0] == '%' && (text[1] == 'F' || text[1] == 'R'))
            ecert_buffer_add_text(&buffer, *++text == 'F' ? place->folder : place->root_sha256);
        else
            ecert_buffer_add(&buffer, (struct ecert_view){(const uint8_t *)text, 1});
    }
    char *path = test_file_write(place->folder, name, ecert_buffer_view(&buffer), 0600);
    ecert_buffer_clear(&buffer);
    return path;
}

struct loaded {
    enum ecert_status status;
    struct ecert_authority authority;
    struct ecert_strings mistakes;
    struct ecert_error err;
};

static struct loaded load(const struct place *place, const char *id)
{
    struct loaded loaded = {0};

    loaded.status =
        ecert_authority_load(place->folder, id, &loaded.authority, &loaded.mistakes, &loaded.err);
    return loaded;
}

static void loaded_clear(struct loaded *loaded)
{
    ecert_authority_clear(&loaded->authority);
    ecert_strings_clear(&loaded->mistakes);
}

#define NAME   "name = \"T\";\n"
#define ANCHOR "anchors = ( { file = \"%F/root.pem\"; } );\n"
#define SHA    "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static const struct row {
    const char *name, *profile;
    const char *want[3]; /* one per mistake, with its line */
} rows[] = {
    {"an unknown key has a nearest one",
     NAME ANCHOR "polices = [ \"1.2\" ];\n",
     {":3: unknown key 'polices'; did you mean 'policies'?"}},
    {"a key that is near none lists them",
     NAME ANCHOR "colour = 1;\n",
     {":3: unknown key 'colour'; known here: name, anchors, "}},
    {"in a group, with its own keys",
     NAME ANCHOR "intermediates = (\n { subject = \"S\"; sha265 = \"" SHA "\"; } );\n",
     {":4: unknown key 'sha265'; did you mean 'sha256'?"}},
    {"every mistake at once, in order",
     "nmae = \"T\";\n" ANCHOR "hosts = \"a.test\";\n",
     {":1: unknown key 'nmae'; did you mean 'name'?", ":3: 'hosts' must be a list of host names",
      "'name' is missing"}},
    {"a number for a text", "name = 3;\n" ANCHOR, {":1: 'name' must be a text in quotes"}},
    {"an empty text", "name = \"\";\n" ANCHOR, {":1: 'name': '' is not a text"}},
    {"a fingerprint that is too short",
     NAME "anchors = ( { file = \"%F/root.pem\"; sha256 = \"12:34\"; } );\n",
     {":2: 'sha256': '12:34' is not a SHA-256 fingerprint: 64 hexadecimal digits"}},
    {"a fingerprint with another letter",
     NAME ANCHOR "cross_certificates = ( { url = \"http://a.test/x\";\nsha256 = "
                 "\"g0112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\"; } );\n",
     {":4: 'sha256': 'g011"}},
    {"an address of another kind",
     NAME ANCHOR "crls = [ \"ftp://a.test/x\" ];\n",
     {":3: 'crls': 'ftp://a.test/x' is not an address"}},
    {"an address without a host",
     NAME ANCHOR "crls = [ \"http:///x\" ];\n",
     {":3: 'crls': 'http:///x' is not an address"}},
    {"a host with a path",
     NAME ANCHOR "hosts = [ \"a.test/x\" ];\n",
     {":3: 'hosts': 'a.test/x' is not a host name"}},
    {"a responder whose host is not listed",
     NAME ANCHOR "hosts = [ \"a.test\" ];\nocsp = [ \"http://A.test/x\", \"http://b.test/\" ];\n",
     {":4: 'ocsp': 'http://b.test/' is not an http address of one of the 'hosts'; add its host"}},
    {"a responder by https",
     NAME ANCHOR "hosts = [ \"a.test\" ];\nocsp = [ \"https://a.test/\" ];\n",
     {":4: 'ocsp': 'https://a.test/' is not an http address of one of the 'hosts'"}},
    {"a policy that is no number",
     NAME ANCHOR "policies = [ \"1..2\" ];\n",
     {":3: 'policies': '1..2' is not an object identifier"}},
    {"a validation that does not exist",
     NAME ANCHOR "intermediates = ( { subject = \"S\"; validation = \"dv\"; } );\n",
     {":3: 'validation': 'dv' is not \"ov\" or \"ev\""}},
    {"a relative path",
     NAME "anchors = ( { file = \"root.pem\"; } );\n",
     {":2: 'file': 'root.pem' is not an absolute path"}},
    {"a group for a list",
     NAME "anchors = { file = \"%F/root.pem\"; };\n",
     {":2: 'anchors' must be a list of groups"}},
    {"a text in a list of groups",
     NAME "anchors = ( \"%F/root.pem\" );\n",
     {":2: entry 1 of 'anchors' must be a group"}},
    {"no anchors", NAME, {"'anchors' is missing"}},
    {"a list of no anchors", NAME "anchors = ();\n", {"'anchors' is empty"}},
    {"an anchor that is not there",
     NAME "anchors = ( { file = \"%F/absent.pem\"; } );\n",
     {"absent.pem' does not exist; correct the path"}},
    {"an anchor of a package that is not installed",
     NAME "anchors = ( { file = \"/etc/ssl/certs/absent-root.pem\"; } );\n",
     {":2: anchor: '/etc/ssl/certs/absent-root.pem' does not exist; install the package "
      "ca-certificates"}},
    {"an anchor with another fingerprint",
     NAME "anchors = ( { file = \"%F/root.pem\"; sha256 = \"" SHA "\"; } );\n",
     {":2: anchor: '"}},
    {"a leaf as anchor",
     NAME "anchors = ( { file = \"%F/leaf.pem\"; } );\n",
     {"holds no CA certificate"}},
    {"a pin that is revoked",
     NAME ANCHOR "intermediates = ( { subject = \"S\"; sha256 = \"" SHA "\";\nrevoked = [ \"" SHA
                 "\" ]; } );\n",
     {":3: the pin '00112233"}},
    {"a country that is none",
     NAME ANCHOR "request = { country = \"Hong Kong\"; };\n",
     {":3: 'country': 'Hong Kong' is not a country of ISO 3166, two capital letters"}},
    {"a kind of key that does not exist",
     NAME ANCHOR "request = { keys = [ \"rsa-2048\", \"rsa-1024\" ]; };\n",
     {":3: 'keys': 'rsa-1024' is not \"rsa-2048\""}},
    {"a text for true",
     NAME ANCHOR "request = { names_in_request = \"no\"; };\n",
     {":3: 'names_in_request' must be true or false, without quotes"}},
    {"no names at all",
     NAME ANCHOR "request = { max_names = 0; };\n",
     {":3: 'max_names' must be a number from 1 to 1000"}},
    {"a number of names in quotes",
     NAME ANCHOR "request = { max_names = \"50\"; };\n",
     {":3: 'max_names' must be a number from 1 to 1000"}},
    {"a list for the request",
     NAME ANCHOR "request = ( { max_names = 50; } );\n",
     {":3: 'request' must be a group: { key = value; ... }"}},
    {"a key of the request that is unknown",
     NAME ANCHOR "request = {\n contry = \"HK\"; };\n",
     {":4: unknown key 'contry'; did you mean 'country'?"}},
    {"a step without a text",
     NAME ANCHOR "request = { steps = (\n { who = \"A\"; } ); };\n",
     {":4: 'text' is missing"}},
    {"a step of a kind that does not exist",
     NAME ANCHOR "request = { steps = ( { kinds = [ \"renew\" ]; text = \"T\"; } ); };\n",
     {":3: 'kinds': 'renew' is not \"first\", \"reissue\" or \"renewal\""}},
    {"a placeholder that nobody fills in",
     NAME ANCHOR "request = { steps = ( { text = \"100 % of %NAME% and %PIN%\"; } ); };\n",
     {":3: 'text': '100 % of %NAME% and %PIN%' is not a text"}},
    {"an address among the CAA names",
     NAME ANCHOR "caa = [ \"http://ca.test\" ];\n",
     {":3: 'caa': 'http://ca.test' is not a host name"}},
    {"a syntax error", NAME "anchors = (\n", {": syntax error"}},
    {"an include",
     NAME "  @include \"/etc/passwd\"\n" ANCHOR,
     {":2: a profile cannot include other files"}},
};

static void check_row(void **state)
{
    const struct row *row = *state;
    void *made = NULL;

    (void)setup(&made);
    struct place *place = made;
    char *path = write_profile(place, "t.conf", row->profile);
    struct loaded loaded = load(place, "t");
    size_t n = 0;

    assert_int_equal(loaded.status, ECERT_E_CONFIG);
    for (; n < ARRAY_SIZE(row->want) && row->want[n] != NULL; n++) {
        assert_true(n < loaded.mistakes.len);
        const char *mistake = loaded.mistakes.items[n];
        if (strncmp(mistake, path, strlen(path)) != 0 || strstr(mistake, row->want[n]) == NULL)
            fail_msg("'%s' lacks '%s'", mistake, row->want[n]);
    }
    assert_int_equal(loaded.mistakes.len, n);
    assert_null(loaded.authority.id);
    loaded_clear(&loaded);
    free(path);
    (void)teardown(&made);
}

static void everything_is_read(void **state)
{
    struct place *place = *state;
    char *path = write_profile(
        place, "my_ca-1.conf",
        NAME "anchors = ( { file = \"%F/both.pem\"; sha256 = \"%R\"; } );\n"
             "intermediates = ( { subject = \"S\"; url = \"http://A.test/x\"; serial = \"0a:bC\";\n"
             "  sha256 = \"00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff:00:11:22:33:44:55:66:77"
             ":88:99:aa:bb:cc:dd:ee:ff\"; revoked = [ \"%R\" ]; validation = \"ev\"; } );\n"
             "cross_certificates = ( { url = \"file:///x\"; } );\n"
             "crls = [ \"https://a.test/c\" ]; hosts = [ \"WWW.Test\" ]; policies = ( \"1.2.3\" "
             ");\nocsp = [ \"http://www.test:80/o\" ];\n");
    struct loaded loaded = load(place, "my_ca-1");
    const struct ecert_authority *a = &loaded.authority;

    if (loaded.mistakes.len > 0)
        print_error("%s\n", loaded.mistakes.items[0]);
    assert_int_equal(loaded.status, ECERT_OK);
    assert_string_equal(a->id, "my_ca-1");
    assert_string_equal(a->name, "T");
    assert_string_equal(a->file, path);
    assert_int_equal(sk_X509_num(a->anchors), 1);
    assert_true(ecert_certificate_equal(sk_X509_value(a->anchors, 0), place->root));
    assert_int_equal(a->n_intermediates, 1);
    assert_string_equal(a->intermediates[0].sha256,
                        "00112233445566778899AABBCCDDEEFF00112233445566778899AABBCCDDEEFF");
    assert_string_equal(a->intermediates[0].serial, "0ABC");
    assert_string_equal(a->intermediates[0].url, "http://A.test/x");
    assert_string_equal(a->intermediates[0].validation, "ev");
    assert_int_equal(a->n_cross_certificates, 1);
    assert_string_equal(a->cross_certificates[0].url, "file:///x");
    assert_string_equal(a->crls.items[0], "https://a.test/c");
    assert_string_equal(a->hosts.items[0], "www.test");
    assert_string_equal(a->ocsp.items[0], "http://www.test:80/o");
    assert_string_equal(a->policies.items[0], "1.2.3");
    assert_ptr_equal(ecert_authority_known_revoked(a, place->root), &a->intermediates[0]);
    assert_null(ecert_authority_known_revoked(a, place->other));
    loaded_clear(&loaded);
    free(path);
}

static void requests_are_read(void **state)
{
    struct place *place = *state;

    free(write_profile(
        place, "r.conf",
        NAME ANCHOR "caa = [ \"CA.Test\", \"b.test\" ];\n"
                    "request = { country = \"HK\"; state = \"S\"; locality = \"L\";\n"
                    "keys = [ \"rsa-2048\", \"ec-p384\" ]; names_in_request = true;\n"
                    "max_names = 50; wildcard_among_names = true; steps = (\n"
                    "{ kinds = [ \"first\", \"renewal\" ]; who = \"W\"; text = \"50 % %NAME%\";\n"
                    "  text_zh = \"\xE4\xB8\xAD %INBOX%\"; who_zh = \"\xE4\xBA\xBA\"; },\n"
                    "{ text = \"%CSR% %NAMES% %ORGANIZATION%%\"; } ); };\n"));
    struct loaded loaded = load(place, "r");
    const struct ecert_authority_request *r = &loaded.authority.request;

    if (loaded.mistakes.len > 0)
        print_error("%s\n", loaded.mistakes.items[0]);
    assert_int_equal(loaded.status, ECERT_OK);
    assert_int_equal(loaded.authority.caa.len, 2);
    assert_string_equal(loaded.authority.caa.items[0], "ca.test");
    assert_true(r->known);
    assert_string_equal(r->country, "HK");
    assert_string_equal(r->state, "S");
    assert_string_equal(r->locality, "L");
    assert_int_equal(r->keys.len, 2);
    assert_string_equal(r->keys.items[1], "ec-p384");
    assert_true(r->names_in_request);
    assert_int_equal(r->max_names, 50);
    assert_true(r->wildcard_among_names);
    assert_int_equal(r->n_steps, 2);
    assert_true(ecert_strings_contain(&r->steps[0].kinds, "renewal"));
    assert_string_equal(r->steps[0].who, "W");
    assert_string_equal(r->steps[0].who_zh, "\xE4\xBA\xBA");
    assert_string_equal(r->steps[0].text, "50 % %NAME%");
    assert_string_equal(r->steps[0].text_zh, "\xE4\xB8\xAD %INBOX%");
    assert_null(r->steps[1].who);
    assert_null(r->steps[1].text_zh);
    assert_int_equal(r->steps[1].kinds.len, 0);
    loaded_clear(&loaded);
    free(write_profile(place, "n.conf", NAME ANCHOR));
    loaded = load(place, "n");
    assert_int_equal(loaded.status, ECERT_OK);
    assert_false(loaded.authority.request.known);
    loaded_clear(&loaded);
}

/* The profile that is installed, as it stands. */
static void profile_of_hongkongpost(void **state)
{
    struct ecert_authority authority = {0};
    struct ecert_strings mistakes = {0};
    struct ecert_error err = {0};
    const struct ecert_authority_request *r = &authority.request;

    (void)state;
    if (ecert_authority_load(TEST_AUTHORITIES_DIR, "hongkongpost", &authority, &mistakes, &err) !=
        ECERT_OK) {
        for (size_t i = 0; i < mistakes.len; i++)
            print_message("%s\n", mistakes.items[i]);
        print_message("skipped: %s\n", err.text);
        /* the roots' package, or a checkout that others may write: nothing of ours */
        for (size_t i = 0; i < mistakes.len; i++)
            assert_non_null(strstr(mistakes.items[i], "anchor: "));
        ecert_strings_clear(&mistakes);
        skip();
    }
    assert_true(ecert_strings_contain(&authority.caa, "ecert.gov.hk"));
    assert_true(r->known);
    assert_string_equal(r->country, "HK");
    assert_false(r->names_in_request);
    assert_int_equal(r->max_names, 50);
    assert_true(r->n_steps > 5);
    for (size_t i = 0; i < r->n_steps; i++) {
        assert_non_null(r->steps[i].text_zh);
        assert_true((r->steps[i].who == NULL) == (r->steps[i].who_zh == NULL));
    }
    ecert_authority_clear(&authority);
}

static void bundle_without_pin(void **state)
{
    struct place *place = *state;

    free(write_profile(place, "b.conf", NAME "anchors = ( { file = \"%F/both.pem\"; } );\n"));
    struct loaded loaded = load(place, "b");
    assert_int_equal(loaded.status, ECERT_OK);
    assert_int_equal(sk_X509_num(loaded.authority.anchors), 2);
    loaded_clear(&loaded);
}

static void not_there(void **state)
{
    struct place *place = *state;

    free(write_profile(place, "alpha.conf", NAME ANCHOR));
    struct loaded loaded = load(place, "beta");
    assert_int_equal(loaded.status, ECERT_E_NOT_FOUND);
    assert_non_null(strstr(loaded.err.text, "no authority 'beta'"));
    assert_non_null(strstr(loaded.err.text, "system, alpha"));
    loaded_clear(&loaded);
}

static void names_that_are_paths(void **state)
{
    static const char *const ids[] = {"../x", "/etc/x", "", "a.b", "-x", "a b"};

    for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
        struct loaded loaded = load(*state, ids[i]);
        assert_int_equal(loaded.status, ECERT_E_CONFIG);
        loaded_clear(&loaded);
    }
}

static void written_by_others(void **state)
{
    struct place *place = *state;
    char *path = write_profile(place, "open.conf", NAME ANCHOR);

    assert_int_equal(chmod(path, 0666), 0);
    struct loaded loaded = load(place, "open");
    assert_int_equal(loaded.status, ECERT_E_REFUSED);
    assert_non_null(strstr(loaded.err.text, path));
    loaded_clear(&loaded);
    free(path);
}

static void anchor_written_by_others(void **state)
{
    struct place *place = *state;
    char *root = NULL;
    struct ecert_error err = {0};

    free(write_profile(place, "t.conf", NAME ANCHOR));
    assert_int_equal(ecert_text_format(&root, &err, "%s/root.pem", place->folder), ECERT_OK);
    assert_int_equal(chmod(root, 0666), 0);
    struct loaded loaded = load(place, "t");
    assert_int_equal(loaded.status, ECERT_E_CONFIG);
    assert_int_equal(loaded.mistakes.len, 1);
    assert_non_null(strstr(loaded.mistakes.items[0], root));
    loaded_clear(&loaded);
    free(root);
}

static void system_anchors(void **state)
{
    if (!ecert_fs_exists("/etc/ssl/certs/ca-certificates.crt")) {
        print_message("skipped: the package ca-certificates is not installed\n");
        skip();
    }
    struct loaded loaded = load(*state, "system");
    assert_int_equal(loaded.status, ECERT_OK);
    assert_true(sk_X509_num(loaded.authority.anchors) > 50);
    assert_null(loaded.authority.file);
    loaded_clear(&loaded);
}

static void reference_names_every_key(void **state)
{
    static const char *const keys[] = {"name",    "anchors", "intermediates", "cross_certificates",
                                       "crls",    "hosts",   "policies",      "sha256",
                                       "subject", "revoked", "serial",        "validation",
                                       "caa",     "request", "steps",         "names_in_request"};
    struct ecert_buffer out = {0};

    (void)state;
    ecert_authority_reference(&out);
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        assert_non_null(strstr((const char *)out.ptr, keys[i]));
    ecert_buffer_clear(&out);
}

#define PLAIN(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest plain[] = {
        PLAIN(everything_is_read), PLAIN(bundle_without_pin),
        PLAIN(requests_are_read),  cmocka_unit_test(profile_of_hongkongpost),
        PLAIN(not_there),          PLAIN(names_that_are_paths),
        PLAIN(written_by_others),  PLAIN(anchor_written_by_others),
        PLAIN(system_anchors),     cmocka_unit_test(reference_names_every_key),
    };
    struct CMUnitTest tests[ARRAY_SIZE(rows) + ARRAY_SIZE(plain)] = {{0}};

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        tests[i] = (struct CMUnitTest){.name = rows[i].name,
                                       .test_func = check_row,
                                       .initial_state = (void *)(uintptr_t)&rows[i]};
    memcpy(tests + ARRAY_SIZE(rows), plain, sizeof plain);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
