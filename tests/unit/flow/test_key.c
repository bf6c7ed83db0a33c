#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/flow/key.h"
#include "tests/support/test_pki.h"

struct fixture {
    char *folder;
    EVP_PKEY *key;
    char *plain, *locked; /* files */
};

static int make_fixture(void **state)
{
    static struct fixture f;

    f.folder = test_folder_make();
    f.key = test_key_ec("P-256");
    struct ecert_bytes plain = test_key_pem(f.key, NULL, NULL);
    struct ecert_bytes locked = test_key_pem(f.key, "AES-256-CBC", "open sesame");
    f.plain = test_file_write(f.folder, "plain.pem", ecert_bytes_view(&plain), 0600);
    f.locked = test_file_write(f.folder, "locked.pem", ecert_bytes_view(&locked), 0600);
    ecert_bytes_clear(&plain);
    ecert_bytes_clear(&locked);
    *state = &f;
    return 0;
}

static int clear_fixture(void **state)
{
    struct fixture *f = *state;

    free(f->plain);
    free(f->locked);
    EVP_PKEY_free(f->key);
    test_folder_remove(f->folder);
    return 0;
}

/* Load, and expect this status and these words in the error (or, on success, in the notes). */
static void check_load(const struct ecert_key_config *config, enum ecert_status want_status,
                       const char *want_text)
{
    struct ecert_secret pem = {0};
    struct ecert_strings notes = {0};
    struct ecert_error err = {0};
    uint8_t id[ECERT_SHA256_LEN] = {0};
    const enum ecert_status status = ecert_key_load(config, &pem, id, &notes, &err);
    const char *text = status != ECERT_OK ? err.text : notes.len > 0 ? notes.items[0] : "";

    if (status != want_status || strstr(text, want_text) == NULL)
        print_error("wanted '%s', got '%s'\n", want_text, text);
    assert_int_equal(status, want_status);
    assert_non_null(strstr(text, want_text));
    if (status == ECERT_OK)
        assert_non_null(strstr((const char *)pem.ptr, "BEGIN PRIVATE KEY"));
    else
        assert_null(pem.ptr);
    assert_int_equal(notes.len, status == ECERT_OK && want_text[0] != '\0' ? 1 : 0);
    assert_null(strstr(err.text, "sesame")); /* no secret in a sentence */
    ecert_secret_clear(&pem);
    ecert_strings_clear(&notes);
}

static void test_plain(void **state)
{
    struct fixture *f = *state;
    const struct ecert_key_config config = {.file = f->plain};
    char absent[] = "/nonexistent/key.pem";

    check_load(&config, ECERT_OK, "");
    assert_int_equal(chmod(f->plain, 0640), 0);
    check_load(&config, ECERT_OK, "");
    assert_int_equal(chmod(f->plain, 0644), 0);
    check_load(&config, ECERT_OK, "can be read by everybody (mode 0644)");
    assert_int_equal(chmod(f->plain, 0620), 0);
    check_load(&config, ECERT_E_REFUSED, "can be written by others (mode 0620)");
    assert_int_equal(chmod(f->plain, 0600), 0);
    check_load(&(struct ecert_key_config){.file = f->folder}, ECERT_E_REFUSED,
               "not a regular file");
    check_load(&(struct ecert_key_config){.file = absent}, ECERT_E_NOT_FOUND, "'/nonexistent/key");
    check_load(&(struct ecert_key_config){.place = ECERT_KEY_IIS}, ECERT_E_NOT_FOUND, "no file");
}

/* Let `name` lead to one, the other, the one ... until it is killed. */
static pid_t swap_for_ever(const char *name, const char *one, const char *other)
{
    const pid_t child = fork();

    assert_true(child >= 0);
    if (child > 0)
        return child;
    for (bool odd = false;; odd = !odd) {
        char next[4096];

        (void)snprintf(next, sizeof next, "%s.next", name);
        if (symlink(odd ? one : other, next) != 0 || rename(next, name) != 0)
            _exit(1);
    }
}

/* A bad file may take the good one's name at any moment: its mode is never that of the good one. */
static void test_swapped(void **state)
{
    struct fixture *f = *state;
    EVP_PKEY *foreign = test_key_ec("P-256");
    struct ecert_bytes pem = test_key_pem(foreign, NULL, NULL);
    char *open = test_file_write(f->folder, "open.pem", ecert_bytes_view(&pem), 0600);
    char *name = test_file_write(f->folder, "name.pem", ecert_bytes_view(&pem), 0600);
    const struct ecert_key_config good = {.file = f->plain}, config = {.file = name};
    uint8_t want[ECERT_SHA256_LEN] = {0}, id[ECERT_SHA256_LEN] = {0};
    struct ecert_strings notes = {0};
    struct ecert_secret key = {0};
    struct ecert_error err = {0};
    int status = 0;

    assert_int_equal(chmod(open, 0666), 0);
    assert_int_equal(unlink(name), 0);
    assert_int_equal(symlink(f->plain, name), 0);
    assert_int_equal(ecert_key_load(&good, &key, want, &notes, &err), ECERT_OK);
    ecert_secret_clear(&key);
    const pid_t child = swap_for_ever(name, f->plain, open);
    for (int i = 0, refused = 0; i < 100000 && (i < 6000 || refused < 500); i++) {
        const enum ecert_status loaded = ecert_key_load(&config, &key, id, &notes, &err);

        ecert_secret_clear(&key);
        if (loaded == ECERT_OK ? memcmp(id, want, sizeof id) != 0
                               : strstr(err.text, "can be written by others") == NULL) {
            status = 1;
            break;
        }
        refused += loaded != ECERT_OK;
    }
    (void)kill(child, SIGKILL);
    (void)waitpid(child, NULL, 0);
    assert_int_equal(status, 0);
    ecert_strings_clear(&notes);
    ecert_bytes_clear(&pem);
    EVP_PKEY_free(foreign);
    free(name);
    free(open);
}

static void test_passphrase_file(void **state)
{
    struct fixture *f = *state;
    char *good =
        test_file_write(f->folder, "good", ecert_view_of("open sesame\r\nnot this\n"), 0600);
    char *bad = test_file_write(f->folder, "bad", ecert_view_of("wrong sesame"), 0600);
    char *empty = test_file_write(f->folder, "empty", ecert_view_of("\nopen sesame\n"), 0600);

    check_load(&(struct ecert_key_config){.file = f->locked}, ECERT_E_CRYPTO,
               "`passphrase_file` or `passphrase_command`");
    check_load(&(struct ecert_key_config){.file = f->locked, .passphrase_file = good}, ECERT_OK,
               "");
    check_load(&(struct ecert_key_config){.file = f->locked, .passphrase_file = bad},
               ECERT_E_CRYPTO, "the passphrase is wrong");
    check_load(&(struct ecert_key_config){.file = f->locked, .passphrase_file = empty},
               ECERT_E_REFUSED, "first line, which is empty");
    assert_int_equal(chmod(good, 0644), 0);
    check_load(&(struct ecert_key_config){.file = f->locked, .passphrase_file = good},
               ECERT_E_REFUSED, "everybody can read it (mode 0644)");
    assert_int_equal(chmod(good, 0622), 0);
    check_load(&(struct ecert_key_config){.file = f->locked, .passphrase_file = good},
               ECERT_E_REFUSED, "can be written by others");
    free(empty);
    free(bad);
    free(good);
}

static void check_command(char *const *argv, char *file, enum ecert_status want_status,
                          const char *want_text)
{
    struct ecert_key_config config = {.file = file};
    struct ecert_error err = {0};

    for (size_t i = 0; argv[i] != NULL; i++)
        assert_int_equal(ecert_strings_add(&config.passphrase_command, argv[i], &err), ECERT_OK);
    check_load(&config, want_status, want_text);
    ecert_strings_clear(&config.passphrase_command);
}

static char *script(const struct fixture *f, const char *name, const char *text, unsigned mode)
{
    return test_file_write(f->folder, name, ecert_view_of(text), mode);
}

static void test_passphrase_command(void **state)
{
    struct fixture *f = *state;
    char *good = script(f, "good.sh", "#!/bin/sh\necho 'open sesame'\necho more\n", 0700);
    char *said =
        script(f, "said.sh", "#!/bin/sh\necho 'open sesame'; echo no token >&2; exit 3\n", 0700);
    char *leak = script(f, "leak.sh", "#!/bin/sh\necho 'open sesame'; exit 3\n", 0700);
    char *mute = script(f, "mute.sh", "#!/bin/sh\n", 0700);
    char *open = script(f, "open.sh", "#!/bin/sh\necho 'open sesame'\n", 0777);
    char echo[] = "/bin/echo", words[] = "open sesame", absent[] = "/nonexistent/x";

    check_command((char *const[]){good, NULL}, f->locked, ECERT_OK, "");
    check_command((char *const[]){echo, words, NULL}, f->locked, ECERT_OK, "");
    check_command((char *const[]){said, NULL}, f->locked, ECERT_E_COMMAND, "failed: no token");
    check_command((char *const[]){leak, NULL}, f->locked, ECERT_E_COMMAND, "exit code 3");
    check_command((char *const[]){mute, NULL}, f->locked, ECERT_E_COMMAND, "printed none");
    check_command((char *const[]){open, NULL}, f->locked, ECERT_E_REFUSED,
                  "can be written by others");
    check_command((char *const[]){absent, NULL}, f->locked, ECERT_E_NOT_FOUND,
                  "passphrase_command");
    free(open);
    free(mute);
    free(leak);
    free(said);
    free(good);
}

/* A command may ask a card or a person: it is run once, and again only after forgetting. */
static void test_command_runs_once(void **state)
{
    struct fixture *f = *state;
    struct ecert_key_config config = {0};
    struct ecert_error err = {0};
    char *counter = NULL, *script = NULL;

    assert_true(asprintf(&counter, "%s/counter", f->folder) > 0);
    char text[512];
    (void)snprintf(text, sizeof text, "#!/bin/sh\necho x >> %s\necho sesame\n", counter);
    script = test_file_write(f->folder, "once", ecert_view_of(text), 0700);
    assert_int_equal(ecert_strings_add(&config.passphrase_command, script, &err), ECERT_OK);
    for (int i = 0; i < 4; i++) {
        ECERT_AUTO(ecert_secret_clear) struct ecert_secret passphrase = {0};

        if (i == 3)
            ecert_passphrases_forget();
        assert_int_equal(ecert_key_passphrase(&config, &passphrase, &err), ECERT_OK);
        assert_string_equal((const char *)passphrase.ptr, "sesame");
    }
    struct stat st;
    assert_int_equal(stat(counter, &st), 0);
    assert_int_equal(st.st_size, 4); /* two lines "x" */
    ecert_passphrases_forget();
    ecert_strings_clear(&config.passphrase_command);
    free(counter);
    free(script);
}

static void test_for_disk(void **state)
{
    struct fixture *f = *state;
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret plain = {0};
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret kept = {0};
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret opened = {0};
    struct ecert_strings notes = {0};
    struct ecert_error err = {0};
    uint8_t id[ECERT_SHA256_LEN], again[ECERT_SHA256_LEN];
    struct ecert_key_config config = {.file = f->plain};

    assert_int_equal(ecert_key_load(&config, &plain, id, &notes, &err), ECERT_OK);
    assert_int_equal(ecert_key_for_disk(&config, ecert_secret_view(&plain), &kept, &err), ECERT_OK);
    assert_true(ecert_view_equal(ecert_secret_view(&plain), ecert_secret_view(&kept)));
    ecert_secret_clear(&kept);
    config.encrypted = true;
    assert_int_equal(ecert_key_for_disk(&config, ecert_secret_view(&plain), &kept, &err),
                     ECERT_E_CONFIG);
    config.passphrase_file = test_file_write(f->folder, "p", ecert_view_of("tiger\n"), 0600);
    assert_int_equal(ecert_key_for_disk(&config, ecert_secret_view(&plain), &kept, &err), ECERT_OK);
    assert_non_null(strstr((const char *)kept.ptr, "BEGIN ENCRYPTED PRIVATE KEY"));
    config.file = test_file_write(f->folder, "kept.pem", ecert_secret_view(&kept), 0600);
    assert_int_equal(ecert_key_load(&config, &opened, again, &notes, &err), ECERT_OK);
    assert_memory_equal(id, again, sizeof id);
    assert_true(ecert_view_equal(ecert_secret_view(&plain), ecert_secret_view(&opened)));
    free(config.passphrase_file);
    free(config.file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),           cmocka_unit_test(test_command_runs_once),
        cmocka_unit_test(test_for_disk),        cmocka_unit_test(test_swapped),
        cmocka_unit_test(test_passphrase_file), cmocka_unit_test(test_passphrase_command),
    };

    return cmocka_run_group_tests(tests, make_fixture, clear_fixture);
}
