#include "core/flow/holds.h"

#include <string.h>

#include "core/base/fs.h"
#include "core/flow/certificate.h"
#include "core/flow/decode.h"
#include "core/flow/key.h"

static enum ecert_status open_key(const struct ecert_key_config *config, const char *path,
                                  uint8_t ret_id[ECERT_SHA256_LEN], bool *ret_encrypted,
                                  struct ecert_error *err)
{
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret file = {0};
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret pem = {0};

    ECERT_TRY(ecert_fs_read_secret(path, ECERT_DECODE_MAX_INPUT, &file, err));
    *ret_encrypted = ecert_key_is_encrypted(ecert_secret_view(&file));
    return ecert_key_open(config, ecert_secret_view(&file), &pem, ret_id, err);
}

static bool holds_key(const struct ecert_key_config *config, const char *kept, const char *path)
{
    uint8_t ours[ECERT_SHA256_LEN], theirs[ECERT_SHA256_LEN];
    bool ours_encrypted = false, theirs_encrypted = false;
    struct ecert_error ignored = {0};

    return open_key(config, kept, ours, &ours_encrypted, &ignored) == ECERT_OK &&
           open_key(config, path, theirs, &theirs_encrypted, &ignored) == ECERT_OK &&
           memcmp(ours, theirs, sizeof ours) == 0 && ours_encrypted == theirs_encrypted;
}

static bool is_among(const X509 *certificate, STACK_OF(X509) *certificates)
{
    for (int i = 0; i < sk_X509_num(certificates); i++)
        if (ecert_certificate_equal(sk_X509_value(certificates, i), certificate))
            return true;
    return false;
}

static bool holds_certificates(const struct ecert_bundle *bundle, enum ecert_material which,
                               STACK_OF(X509) *there)
{
    const bool with_chain = which != ECERT_MATERIAL_CERTIFICATE;

    if (which != ECERT_MATERIAL_CHAIN &&
        !ecert_certificate_equal(sk_X509_value(there, 0), bundle->leaf))
        return false;
    for (int i = 0; with_chain && i < sk_X509_num(bundle->chain); i++)
        if (!is_among(sk_X509_value(bundle->chain, i), there))
            return false;
    return true;
}

bool ecert_holds(const struct ecert_bundle *bundle, const struct ecert_key_config *key,
                 enum ecert_material which, const char *kept, const char *path)
{
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret file = {0}; /* a key may be in it */
    ECERT_AUTO(ecert_decoded_clear) struct ecert_decoded there = {0};
    struct ecert_error ignored = {0};

    if (which == ECERT_MATERIAL_KEY)
        return holds_key(key, kept, path);
    return ecert_fs_read_secret(path, ECERT_DECODE_MAX_INPUT, &file, &ignored) == ECERT_OK &&
           ecert_decode_certificates(ecert_secret_view(&file), (struct ecert_view){0}, &there,
                                     &ignored) == ECERT_OK &&
           holds_certificates(bundle, which, there.certificates);
}
