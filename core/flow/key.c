#include "core/flow/key.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/fs.h"
#include "core/base/process.h"
#include "core/flow/decode.h"

#define PASSWORD_FILE_MAX  65536
#define PASSPHRASE_WAIT_MS 30000
#define PASSPHRASE_MAX     65536

/* The first line without its end (LF or CR LF). */
static struct ecert_view first_line(struct ecert_view text)
{
    const uint8_t *end = text.len == 0 ? NULL : memchr(text.ptr, '\n', text.len);

    if (end != NULL)
        text.len = (size_t)(end - text.ptr);
    if (text.len > 0 && text.ptr[text.len - 1] == '\r')
        text.len--;
    return text;
}

enum ecert_status ecert_password_read(const char *path, struct ecert_secret *ret,
                                      struct ecert_error *err)
{
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret content = {0};
    struct stat st;

    ECERT_TRY(ecert_fs_check_trusted(path, err));
    ECERT_TRY(ecert_fs_read_secret_stat(path, PASSWORD_FILE_MAX, &content, &st, err));
    if ((st.st_mode & S_IROTH) != 0)
        return ecert_error_set(err, ECERT_E_REFUSED,
                               "'%s' holds a password and everybody can read it (mode %04o); "
                               "chmod o-r '%s'",
                               path, (unsigned)(st.st_mode & 07777), path);
    const struct ecert_view line = first_line(ecert_secret_view(&content));
    if (line.len == 0)
        return ecert_error_set(err, ECERT_E_REFUSED,
                               "'%s' must hold the password in its first line, which is empty",
                               path);
    return ecert_secret_copy(line, ret, err);
}

static void wipe_result(struct ecert_run_result *result)
{
    if (result->out.ptr != NULL)
        OPENSSL_cleanse(result->out.ptr, result->out.len);
    ecert_run_result_clear(result);
}

/* Why the command failed, from its standard error only: standard output may be the passphrase. */
static enum ecert_status command_failed(const struct ecert_run_result *result, const char *command,
                                        struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer words = {0};
    const struct ecert_run_result quiet = {.exit_code = result->exit_code, .err = result->err};

    ecert_run_last_words(&quiet, &words);
    return ecert_error_set(err, ECERT_E_COMMAND, "passphrase_command '%s' failed: %s", command,
                           words.len > 0 ? (const char *)words.ptr : "it said nothing");
}

static enum ecert_status run_passphrase_command(const char *const *argv, struct ecert_secret *ret,
                                                struct ecert_error *err)
{
    ECERT_AUTO(wipe_result) struct ecert_run_result result = {0};
    const struct ecert_run_spec spec = {
        .argv = argv, .timeout_ms = PASSPHRASE_WAIT_MS, .max_output = PASSPHRASE_MAX};

    if (ecert_fs_check_trusted(argv[0], err) != ECERT_OK ||
        ecert_run(&spec, &result, err) != ECERT_OK)
        return ecert_error_wrap(err, "passphrase_command");
    if (result.exit_code != 0)
        return command_failed(&result, argv[0], err);
    const struct ecert_view line = first_line(ecert_bytes_view(&result.out));
    if (line.len == 0)
        return ecert_error_set(err, ECERT_E_COMMAND,
                               "passphrase_command '%s' must print the passphrase as its first "
                               "line, and printed none",
                               argv[0]);
    return ecert_secret_copy(line, ret, err);
}

/*
 * What commands said in this run, by their argv.  One thread; main() forgets it at the end, so that
 * passphrases are wiped.
 */
static struct said {
    struct ecert_strings command;
    struct ecert_secret passphrase;
} * known;
static size_t n_known;

void ecert_passphrases_forget(void)
{
    for (size_t i = 0; i < n_known; i++) {
        ecert_strings_clear(&known[i].command);
        ecert_secret_clear(&known[i].passphrase);
    }
    free(known);
    known = NULL;
    n_known = 0;
}

static enum ecert_status remember(const struct ecert_strings *command,
                                  const struct ecert_secret *passphrase, struct ecert_error *err)
{
    struct said one = {0}, *more = reallocarray(known, n_known + 1, sizeof *known);

    if (more == NULL)
        return ecert_error_nomem(err);
    known = more;
    if (ecert_strings_add_all(&one.command, ecert_strings_array(command), err) != ECERT_OK ||
        ecert_secret_copy(ecert_secret_view(passphrase), &one.passphrase, err) != ECERT_OK) {
        ecert_strings_clear(&one.command);
        return err->status;
    }
    known[n_known++] = one;
    return ECERT_OK;
}

static enum ecert_status ask_command(const struct ecert_strings *command, struct ecert_secret *ret,
                                     struct ecert_error *err)
{
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret passphrase = {0};

    for (size_t i = 0; i < n_known; i++)
        if (ecert_strings_equal(&known[i].command, command))
            return ecert_secret_copy(ecert_secret_view(&known[i].passphrase), ret, err);
    ECERT_TRY(run_passphrase_command(ecert_strings_array(command), &passphrase, err));
    ECERT_TRY(remember(command, &passphrase, err));
    *ret = passphrase;
    passphrase = (struct ecert_secret){0};
    return ECERT_OK;
}

enum ecert_status ecert_passphrase_find(const char *file, const struct ecert_strings *command,
                                        struct ecert_secret *ret, struct ecert_error *err)
{
    if (file != NULL)
        return ecert_password_read(file, ret, err);
    if (command->len > 0)
        return ask_command(command, ret, err);
    return ECERT_OK; /* none: the key may need none */
}

enum ecert_status ecert_key_passphrase(const struct ecert_key_config *config,
                                       struct ecert_secret *ret, struct ecert_error *err)
{
    return ecert_passphrase_find(config->passphrase_file, &config->passphrase_command, ret, err);
}

/* Who else may touch the key: writing is refused, reading is reported. */
static enum ecert_status check_mode(const char *path, mode_t mode, struct ecert_strings *notes,
                                    struct ecert_error *err)
{
    if ((mode & 022) != 0)
        return ecert_error_set(err, ECERT_E_REFUSED,
                               "the private key '%s' can be written by others (mode %04o); chmod "
                               "go-w '%s'",
                               path, (unsigned)(mode & 07777), path);
    if ((mode & S_IROTH) != 0)
        return ecert_strings_printf(notes, err,
                                    "the private key '%s' can be read by everybody (mode %04o); "
                                    "chmod o-r '%s'",
                                    path, (unsigned)(mode & 07777), path);
    return ECERT_OK;
}

enum ecert_status ecert_key_load(const struct ecert_key_config *config,
                                 struct ecert_secret *ret_pem, uint8_t ret_key_id[ECERT_SHA256_LEN],
                                 struct ecert_strings *ret_notes, struct ecert_error *err)
{
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret file = {0};
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret passphrase = {0};
    struct stat st;

    if (config->place != ECERT_KEY_FILE || config->file == NULL)
        return ecert_error_set(err, ECERT_E_NOT_FOUND, "the key has no file on this host");
    ECERT_TRY(ecert_fs_read_secret_stat(config->file, ECERT_DECODE_MAX_INPUT, &file, &st, err));
    ECERT_TRY(check_mode(config->file, st.st_mode, ret_notes, err));
    if (ecert_key_passphrase(config, &passphrase, err) != ECERT_OK ||
        ecert_decode_key(ecert_secret_view(&file), ecert_secret_view(&passphrase), ret_pem,
                         ret_key_id, err) != ECERT_OK)
        return ecert_error_wrap(err, "private key '%s'", config->file);
    return ECERT_OK;
}
