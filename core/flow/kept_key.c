#include "core/flow/kept_key.h"

#include <string.h>

#include "core/flow/certificate.h"
#include "core/flow/key.h"
#include "core/flow/store.h"

/* The newest generation's bytes, if they are this key and today's passphrase opens them. */
static bool find_kept(const char *state_dir, const struct ecert_certificate_config *certificate,
                      const uint8_t key_id[ECERT_SHA256_LEN], struct ecert_secret *ret)
{
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret kept = {0};
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret opened = {0};
    uint8_t kept_id[ECERT_SHA256_LEN];
    struct ecert_error ignored = {0};
    unsigned newest = 0;

    if (ecert_store_newest(state_dir, certificate->name, &newest, &ignored) != ECERT_OK ||
        newest == 0 ||
        ecert_store_key(state_dir, certificate->name, newest, &kept, &ignored) != ECERT_OK ||
        !ecert_key_is_encrypted(ecert_secret_view(&kept)) ||
        ecert_key_open(&certificate->key, ecert_secret_view(&kept), &opened, kept_id, &ignored) !=
            ECERT_OK ||
        memcmp(kept_id, key_id, sizeof kept_id) != 0)
        return false;
    *ret = kept;
    kept = (struct ecert_secret){0};
    return true;
}

enum ecert_status ecert_kept_key_make(const char *state_dir,
                                      const struct ecert_certificate_config *certificate,
                                      const uint8_t key_id[ECERT_SHA256_LEN],
                                      struct ecert_secret *pem, struct ecert_error *err)
{
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret made = {0};

    if (!certificate->key.encrypted || pem->len == 0)
        return ECERT_OK;
    if (!find_kept(state_dir, certificate, key_id, &made))
        ECERT_TRY(ecert_key_for_disk(&certificate->key, ecert_secret_view(pem), &made, err));
    ecert_secret_clear(pem);
    *pem = made;
    made = (struct ecert_secret){0};
    return ECERT_OK;
}

/* The leaf says whose key it is: to open one costs much more where it is encrypted. */
static bool has_leaf_of(const char *state_dir, const char *name, unsigned number,
                        const uint8_t key_id[ECERT_SHA256_LEN])
{
    ECERT_AUTO(ecert_bundle_clear) struct ecert_bundle bundle = {0};
    struct ecert_error ignored = {0};
    uint8_t id[ECERT_SHA256_LEN];

    return ecert_store_load(state_dir, name, number, &bundle, &ignored) == ECERT_OK &&
           ecert_certificate_key_id(bundle.leaf, id, &ignored) == ECERT_OK &&
           memcmp(id, key_id, sizeof id) == 0;
}

enum ecert_status ecert_kept_key_find(const char *state_dir,
                                      const struct ecert_certificate_config *certificate,
                                      const uint8_t key_id[ECERT_SHA256_LEN],
                                      struct ecert_secret *ret, unsigned *ret_number,
                                      struct ecert_error *err)
{
    struct ecert_error ignored = {0};
    unsigned newest = 0;

    ECERT_TRY(ecert_store_newest(state_dir, certificate->name, &newest, err));
    for (unsigned number = newest; number > 0; number--) {
        ECERT_AUTO(ecert_secret_clear) struct ecert_secret kept = {0};
        ECERT_AUTO(ecert_secret_clear) struct ecert_secret opened = {0};
        uint8_t id[ECERT_SHA256_LEN];

        if (!has_leaf_of(state_dir, certificate->name, number, key_id) ||
            ecert_store_key(state_dir, certificate->name, number, &kept, &ignored) != ECERT_OK ||
            ecert_key_open(&certificate->key, ecert_secret_view(&kept), &opened, id, &ignored) !=
                ECERT_OK ||
            memcmp(id, key_id, sizeof id) != 0)
            continue;
        *ret = opened;
        opened = (struct ecert_secret){0};
        *ret_number = number;
        return ECERT_OK;
    }
    return ecert_error_set(err, ECERT_E_NOT_FOUND, "no generation of '%s' has this private key",
                           certificate->name);
}
