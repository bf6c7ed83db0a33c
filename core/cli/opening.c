#include "core/cli/opening.h"

#include "core/base/fs.h"
#include "core/flow/decode.h"
#include "core/flow/key.h"

#define FILE_MAX ((size_t)1 << 20) /* of a private key */

void ecert_opening_clear(struct ecert_opening *opening)
{
    ecert_secret_clear(&opening->key);
    ecert_secret_clear(&opening->password);
}

/* A key that opens nothing is a mistake of the command line, and says nothing of the backups. */
static enum ecert_status check_key(const struct ecert_options *options,
                                   const struct ecert_opening *opening, struct ecert_error *err)
{
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret ignored = {0};
    const struct ecert_view file = ecert_secret_view(&opening->key);
    struct ecert_error why = {0};
    uint8_t key_id[ECERT_SHA256_LEN];

    if (ecert_decode_key(file, ecert_secret_view(&opening->password), &ignored, key_id, &why) ==
        ECERT_OK)
        return ECERT_OK;
    if (why.status == ECERT_E_CRYPTO && ecert_key_is_encrypted(file))
        return options->password_file == NULL
                   ? ecert_error_set(err, ECERT_E_CONFIG,
                                     "the key '%s' is encrypted; name the file with its password "
                                     "with --password-file FILE",
                                     options->key)
                   : ecert_error_set(err, ECERT_E_CONFIG,
                                     "the password of --password-file '%s' does not open the key "
                                     "'%s'",
                                     options->password_file, options->key);
    return ecert_error_set(err, why.status == ECERT_E_CRYPTO ? ECERT_E_CONFIG : why.status,
                           "--key '%s' is no private key: %s", options->key, why.text);
}

enum ecert_status ecert_opening_read(const struct ecert_options *options,
                                     struct ecert_opening *opening, struct ecert_error *err)
{
    if (options->key != NULL)
        ECERT_TRY(ecert_fs_read_secret(options->key, FILE_MAX, &opening->key, err));
    if (options->password_file != NULL)
        ECERT_TRY(ecert_password_read(options->password_file, &opening->password, err));
    if (options->key != NULL) {
        ECERT_TRY(check_key(options, opening, err));
        opening->opener.recipient_key = ecert_secret_view(&opening->key);
        opening->opener.recipient_key_passphrase = ecert_secret_view(&opening->password);
    } else {
        opening->opener.passphrase = ecert_secret_view(&opening->password);
    }
    return ECERT_OK;
}
