/* plugins/iis-export/pkcs12.c, with OpenSSL, NSS, GnuTLS and Java as second opinions. */
#include "plugins/iis-export/pkcs12.h"

#include "tests/support/plugin_host.h"
#include "tests/unit/plugins/test_iis_export_certs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PASSWORD "correct horse battery"
#define FRIENDLY "www.example.test until 2027-06-30"

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

/* key may be NULL. */
static void identity_of(const char *key, const char *leaf, const char *chain,
                        struct ecert_iis_identity *ret)
{
    struct ecert_error err = {0};
    const struct ecert_view none = {0};

    assert_int_equal(ecert_iis_identity_parse(&test_host, key == NULL ? none : test_view(key),
                                              test_view(leaf), test_view(chain), ret, &err),
                     ECERT_OK);
}

static void build(const char *profile, struct ecert_iis_identity *identity,
                  struct ecert_iis_der *ret)
{
    struct ecert_error err = {0};

    identity_of(certs.key_pem, certs.leaf_pem, certs.ca_pem, identity);
    assert_int_equal(ecert_iis_pkcs12_build(&test_host, identity, ecert_iis_profile_find(profile),
                                            PASSWORD, FRIENDLY, ret, &err),
                     ECERT_OK);
}

/* ---- parsing ------------------------------------------------------------------------------- */

static void refused(const char *key, const char *leaf, const char *chain, enum ecert_status status,
                    const char *words)
{
    struct ecert_iis_identity identity = {0};
    struct ecert_error err = {0};

    assert_int_equal(ecert_iis_identity_parse(&test_host, test_view(key), test_view(leaf),
                                              test_view(chain), &identity, &err),
                     status);
    assert_non_null(strstr(err.text, words));
    assert_null(identity.leaf);
    assert_null(identity.key);
}

static void another_key_is_refused(void **state)
{
    (void)state;
    refused(certs.other_key_pem, certs.leaf_pem, certs.ca_pem, ECERT_E_CRYPTO, "does not belong");
}

static void a_root_is_never_exported(void **state)
{
    char *chain = NULL;

    (void)state;
    test_need(asprintf(&chain, "%s%s", certs.ca_pem, certs.root_pem) > 0);
    refused(certs.key_pem, certs.leaf_pem, chain, ECERT_E_REFUSED, "self-signed");
    free(chain);
}

static void what_is_no_pem_is_refused(void **state)
{
    char *cut = strndup(certs.ca_pem, strlen(certs.ca_pem) / 2);

    (void)state;
    refused("no key", certs.leaf_pem, certs.ca_pem, ECERT_E_CRYPTO, "private key cannot be read");
    refused(certs.key_pem, "", certs.ca_pem, ECERT_E_CRYPTO, "no certificate");
    refused(certs.key_pem, certs.leaf_pem, cut, ECERT_E_CRYPTO, "the chain cannot be read");
    free(cut);
}

static void an_encrypted_key_is_refused_without_asking(void **state)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *bytes = NULL;
    char password[] = "secret";

    (void)state;
    test_need(PEM_write_bio_PKCS8PrivateKey(bio, certs.leaf_key, EVP_aes_256_cbc(), password,
                                            (int)strlen(password), NULL, NULL) == 1);
    const long len = BIO_get_mem_data(bio, &bytes);
    char *pem = strndup(bytes, (size_t)len);
    refused(pem, certs.leaf_pem, certs.ca_pem, ECERT_E_CRYPTO, "private key cannot be read");
    free(pem);
    BIO_free(bio);
}

/* ---- PKCS#12 --------------------------------------------------------------------------------- */

static void profiles_are_known_by_name(void **state)
{
    (void)state;
    assert_string_equal(ecert_iis_profile_find("modern")->name, "modern");
    assert_string_equal(ecert_iis_profile_find("windows-2016")->name, "windows-2016");
    assert_null(ecert_iis_profile_find("Modern"));
    assert_null(ecert_iis_profile_find(""));
}

static void reads_back_exactly(void **state)
{
    const char *profile = *state;
    const struct ecert_iis_profile *mine = ecert_iis_profile_find(profile);
    const struct ecert_iis_profile *other =
        ecert_iis_profile_find(mine->mac_nid == NID_sha1 ? "modern" : "windows-2016");
    struct ecert_iis_identity identity = {0}, renewed = {0}, bare = {0};
    struct ecert_iis_der der = {0};

    build(profile, &identity, &der);
    identity_of(certs.key_pem, certs.next_leaf_pem, certs.ca_pem, &renewed);
    identity_of(certs.key_pem, certs.leaf_pem, "", &bare);

    const struct ecert_view view = {der.ptr, der.len};
    const struct {
        const struct ecert_iis_identity *identity;
        const struct ecert_iis_profile *profile;
        const char *password, *friendly, *want;
    } rows[] = {
        {&identity, mine, PASSWORD, FRIENDLY, NULL},
        {&identity, mine, "wrong", FRIENDLY, "it does not open with the password"},
        {&identity, other, PASSWORD, FRIENDLY, "its MAC is not the profile's"},
        {&renewed, mine, PASSWORD, FRIENDLY, "it holds another certificate"},
        {&bare, mine, PASSWORD, FRIENDLY, "it holds another chain"},
        {&identity, mine, PASSWORD, "another name", "it has another friendly name"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *got = ecert_iis_pkcs12_check(view, rows[i].identity, rows[i].profile,
                                                 rows[i].password, rows[i].friendly);

        if (rows[i].want == NULL)
            assert_null(got);
        else
            assert_string_equal(got, rows[i].want);
    }
    ecert_iis_identity_clear(&identity);
    ecert_iis_identity_clear(&renewed);
    ecert_iis_identity_clear(&bare);
    ecert_iis_der_clear(&der);
}

static void another_key_inside_is_seen(void **state)
{
    struct ecert_iis_identity identity = {0};
    struct ecert_iis_der der = {0};
    const struct ecert_iis_profile *profile = ecert_iis_profile_find("modern");

    (void)state;
    build("modern", &identity, &der);
    EVP_PKEY *kept = identity.key;
    identity.key = certs.other_key;
    assert_string_equal(ecert_iis_pkcs12_check((struct ecert_view){der.ptr, der.len}, &identity,
                                               profile, PASSWORD, FRIENDLY),
                        "it holds another private key");
    identity.key = kept;
    ecert_iis_identity_clear(&identity);
    ecert_iis_der_clear(&der);
}

/* A MAC as the profile wants it does not make up for another encryption. */
static void another_encryption_is_seen(void **state)
{
    struct ecert_iis_identity identity = {0};
    unsigned char *der = NULL;
    static const struct {
        int key_nid, cert_nid, iterations;
    } rows[] = {
        {NID_pbe_WithSHA1And3_Key_TripleDES_CBC, NID_aes_256_cbc, 100000},
        {NID_aes_256_cbc, NID_pbe_WithSHA1And3_Key_TripleDES_CBC, 100000},
        {NID_aes_128_cbc, NID_aes_256_cbc, 100000},
        {NID_aes_256_cbc, NID_aes_256_cbc, 2048},
        {NID_aes_256_cbc, -1, 100000},
    };

    (void)state;
    identity_of(certs.key_pem, certs.leaf_pem, certs.ca_pem, &identity);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        PKCS12 *p12 = PKCS12_create(PASSWORD, FRIENDLY, identity.key, identity.leaf, identity.chain,
                                    rows[i].key_nid, rows[i].cert_nid, rows[i].iterations, -1, 0);

        test_need(p12 != NULL);
        test_need(PKCS12_set_mac(p12, PASSWORD, -1, NULL, 16, 100000, EVP_sha256()) == 1);
        der = NULL;
        const int len = i2d_PKCS12(p12, &der);
        assert_string_equal(ecert_iis_pkcs12_check((struct ecert_view){der, (size_t)len}, &identity,
                                                   ecert_iis_profile_find("modern"), PASSWORD,
                                                   FRIENDLY),
                            "its encryption is not the profile's");
        OPENSSL_free(der);
        PKCS12_free(p12);
    }
    ecert_iis_identity_clear(&identity);
}

/* Damage anywhere is a difference, never a crash. */
static void damage_is_seen(void **state)
{
    const struct ecert_iis_profile *profile = ecert_iis_profile_find("windows-2016");
    struct ecert_iis_identity identity = {0};
    struct ecert_iis_der der = {0};

    (void)state;
    build("windows-2016", &identity, &der);
    for (size_t cut = 0; cut < der.len; cut += 97)
        assert_non_null(ecert_iis_pkcs12_check((struct ecert_view){der.ptr, cut}, &identity,
                                               profile, PASSWORD, FRIENDLY));
    for (size_t at = 0; at < der.len; at += 61) {
        der.ptr[at] ^= 0x55;
        assert_non_null(ecert_iis_pkcs12_check((struct ecert_view){der.ptr, der.len}, &identity,
                                               profile, PASSWORD, FRIENDLY));
        der.ptr[at] ^= 0x55;
    }
    ecert_iis_identity_clear(&identity);
    ecert_iis_der_clear(&der);
}

static void a_pkcs7_is_always_the_same(void **state)
{
    struct ecert_iis_identity identity = {0};
    struct ecert_iis_der a = {0}, b = {0};
    struct ecert_error err = {0};

    (void)state;
    identity_of(NULL, certs.leaf_pem, certs.ca_pem, &identity);
    assert_int_equal(ecert_iis_pkcs7_build(&test_host, &identity, &a, &err), ECERT_OK);
    assert_int_equal(ecert_iis_pkcs7_build(&test_host, &identity, &b, &err), ECERT_OK);
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.ptr, b.ptr, a.len);
    ecert_iis_identity_clear(&identity);
    ecert_iis_der_clear(&a);
    ecert_iis_der_clear(&b);
}

/* ---- second opinions ------------------------------------------------------------------------- */

static char folder[64];

/* Run one command; its exit code, what it printed in `ret`. */
static int said(const char *command, char *ret, size_t size)
{
    FILE *pipe = popen(command, "r");

    test_need(pipe != NULL);
    const size_t n = fread(ret, 1, size - 1, pipe);
    ret[n] = '\0';
    while (fgetc(pipe) != EOF)
        ;
    const int status = pclose(pipe);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Write the file of a profile (or "p7b") into a new folder. */
static void write_for(const char *kind)
{
    struct ecert_iis_identity identity = {0};
    struct ecert_iis_der der = {0};
    struct ecert_error err = {0};
    const char *base = getenv("TMPDIR");
    char path[128];

    (void)snprintf(folder, sizeof folder, "%.40s/iis.XXXXXX", base == NULL ? "/tmp" : base);
    assert_non_null(mkdtemp(folder));
    if (strcmp(kind, "p7b") == 0) {
        identity_of(NULL, certs.leaf_pem, certs.ca_pem, &identity);
        assert_int_equal(ecert_iis_pkcs7_build(&test_host, &identity, &der, &err), ECERT_OK);
    } else {
        build(kind, &identity, &der);
    }
    (void)snprintf(path, sizeof path, "%s/file", folder);
    FILE *out = fopen(path, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(der.ptr, 1, der.len, out), der.len);
    assert_int_equal(fclose(out), 0);
    ecert_iis_identity_clear(&identity);
    ecert_iis_der_clear(&der);
}

static void remove_folder(void)
{
    char command[128], out[16];

    (void)snprintf(command, sizeof command, "rm -r '%s'", folder);
    assert_int_equal(said(command, out, sizeof out), 0);
}

/* One other program's look at one file: every word of `want` must be in what it prints. */
static const struct opinion {
    const char *name, *tool, *kind;
    const char *command; /* %1$s: the folder */
    const char *want[6];
} opinions[] = {
    {"openssl reads modern",
     "openssl",
     "modern",
     "openssl pkcs12 -in %1$s/file -info -noenc -passin 'pass:" PASSWORD "' 2>&1",
     {"MAC: sha256, Iteration 100000",
      "PBES2, PBKDF2, AES-256-CBC, Iteration 100000, PRF "
      "hmacWithSHA256",
      "friendlyName: " FRIENDLY, "CN = Test e-Cert SSL CA", "BEGIN PRIVATE KEY"}},
    {"openssl reads windows-2016",
     "openssl",
     "windows-2016",
     "openssl pkcs12 -in %1$s/file -info -noenc -passin 'pass:" PASSWORD "' 2>&1",
     {"MAC: sha1, Iteration 2048", "pbeWithSHA1And3-KeyTripleDES-CBC, Iteration 2048",
      "friendlyName: " FRIENDLY, "CN = Test e-Cert SSL CA", "BEGIN PRIVATE KEY"}},
    {"openssl refuses a wrong password",
     "openssl",
     "modern",
     "! openssl pkcs12 -in %1$s/file -noenc -passin pass:wrong 2>&1",
     {"invalid password"}},
    {"NSS imports modern",
     "pk12util",
     "modern",
     "certutil -N -d sql:%1$s --empty-password 2>&1 && "
     "pk12util -i %1$s/file -d sql:%1$s -W '" PASSWORD "' -K '' 2>&1 && "
     "certutil -L -d sql:%1$s 2>&1 && certutil -K -d sql:%1$s 2>&1",
     {"IMPORT SUCCESSFUL", FRIENDLY, "u,u,u", "Test e-Cert SSL CA", "rsa "}},
    {"NSS imports windows-2016",
     "pk12util",
     "windows-2016",
     "certutil -N -d sql:%1$s --empty-password 2>&1 && "
     "pk12util -i %1$s/file -d sql:%1$s -W '" PASSWORD "' -K '' 2>&1 && "
     "certutil -L -d sql:%1$s 2>&1 && certutil -K -d sql:%1$s 2>&1",
     {"IMPORT SUCCESSFUL", FRIENDLY, "u,u,u", "Test e-Cert SSL CA", "rsa "}},
    {"GnuTLS reads modern",
     "certtool",
     "modern",
     "certtool --p12-info --inder --infile %1$s/file --password '" PASSWORD "' 2>&1",
     {"SHA256", "AES-256-CBC", "BEGIN ENCRYPTED PRIVATE KEY", "Friendly name: " FRIENDLY}},
    {"GnuTLS reads windows-2016",
     "certtool",
     "windows-2016",
     "certtool --p12-info --inder --infile %1$s/file --password '" PASSWORD "' 2>&1",
     {"SHA1", "3DES", "BEGIN ENCRYPTED PRIVATE KEY", "Friendly name: " FRIENDLY}},
    {"Java reads modern",
     "keytool",
     "modern",
     "keytool -list -v -storetype PKCS12 -keystore %1$s/file -storepass '" PASSWORD "' 2>&1",
     {"PrivateKeyEntry", "Certificate chain length: 2", FRIENDLY}},
    {"Java reads windows-2016",
     "keytool",
     "windows-2016",
     "keytool -list -v -storetype PKCS12 -keystore %1$s/file -storepass '" PASSWORD "' 2>&1",
     {"PrivateKeyEntry", "Certificate chain length: 2", FRIENDLY}},
    {"openssl reads the PKCS#7",
     "openssl",
     "p7b",
     "openssl pkcs7 -inform DER -in %1$s/file -print_certs 2>&1",
     {"CN = www.example.test", "CN = Test e-Cert SSL CA"}},
    {"GnuTLS reads the PKCS#7",
     "certtool",
     "p7b",
     "certtool --p7-info --inder --infile %1$s/file 2>&1",
     {"Number of certificates: 2"}},
};

static void another_program_agrees(void **state)
{
    const struct opinion *row = *state;
    char command[1024], out[65536];

    (void)snprintf(command, sizeof command, "command -v %s", row->tool);
    if (said(command, out, sizeof out) != 0) {
        print_message("SKIPPED: %s: '%s' is not installed\n", row->name, row->tool);
        skip();
    }
    write_for(row->kind);
    /* %1$s of the row, by hand: a format that is not a literal would not be checked */
    size_t n = 0;
    for (const char *c = row->command; *c != '\0' && n + sizeof folder < sizeof command;) {
        if (strncmp(c, "%1$s", 4) == 0) {
            n += strlen(strcpy(command + n, folder));
            c += 4;
        } else {
            command[n++] = *c++;
        }
    }
    command[n] = '\0';
    const int code = said(command, out, sizeof out);
    remove_folder();
    if (code != 0)
        fail_msg("%s: exit %d: %s", row->name, code, out);
    for (size_t i = 0; i < sizeof row->want / sizeof *row->want && row->want[i] != NULL; i++)
        if (strcasestr(out, row->want[i]) == NULL)
            fail_msg("%s: no '%s' in: %s", row->name, row->want[i], out);
}

#define N_OPINIONS (sizeof opinions / sizeof *opinions)

int main(void)
{
    static const char modern[] = "modern", windows[] = "windows-2016";
    const struct CMUnitTest fixed[] = {
        cmocka_unit_test(another_key_is_refused),
        cmocka_unit_test(a_root_is_never_exported),
        cmocka_unit_test(what_is_no_pem_is_refused),
        cmocka_unit_test(an_encrypted_key_is_refused_without_asking),
        cmocka_unit_test(profiles_are_known_by_name),
        {"modern reads back exactly", reads_back_exactly, NULL, NULL, (void *)(uintptr_t)modern},
        {"windows-2016 reads back exactly", reads_back_exactly, NULL, NULL,
         (void *)(uintptr_t)windows},
        cmocka_unit_test(another_key_inside_is_seen),
        cmocka_unit_test(another_encryption_is_seen),
        cmocka_unit_test(damage_is_seen),
        cmocka_unit_test(a_pkcs7_is_always_the_same),
    };
    struct CMUnitTest tests[sizeof fixed / sizeof *fixed + N_OPINIONS] = {0};

    memcpy(tests, fixed, sizeof fixed);
    for (size_t i = 0; i < N_OPINIONS; i++)
        tests[sizeof fixed / sizeof *fixed + i] =
            (struct CMUnitTest){.name = opinions[i].name,
                                .test_func = another_program_agrees,
                                .initial_state = (void *)(uintptr_t)&opinions[i]};
    return cmocka_run_group_tests(tests, make_certs, clear_certs);
}
