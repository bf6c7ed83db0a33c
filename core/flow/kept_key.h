/*
 * A generation's key as it is kept: PKCS#8 PEM, encrypted where `key.encrypted` says so
 * (docs/decisions/0014).
 */
#ifndef ECERT_FLOW_KEPT_KEY_H
#define ECERT_FLOW_KEPT_KEY_H

#include "core/flow/config.h"

/*
 * Turn our own PEM into what the next generation keeps.  If the newest generation keeps this key
 * already, in the way that is wanted and under today's passphrase, it becomes those very bytes:
 * encrypted twice, a key differs, and the same certificate taken again would be another generation.
 * ECERT_E_CONFIG, ECERT_E_CRYPTO, or what the passphrase command said.
 */
ECERT_MUST_CHECK enum ecert_status ecert_kept_key_make(
    const char *state_dir, const struct ecert_certificate_config *certificate,
    const uint8_t key_id[ECERT_SHA256_LEN], struct ecert_secret *pem, struct ecert_error *err);

/*
 * The key of the newest generation whose leaf has this public key, as our own PEM without
 * encryption, and that generation's number.  ECERT_E_NOT_FOUND: none has it, or its key cannot be
 * opened today.
 */
ECERT_MUST_CHECK enum ecert_status ecert_kept_key_find(
    const char *state_dir, const struct ecert_certificate_config *certificate,
    const uint8_t key_id[ECERT_SHA256_LEN], struct ecert_secret *ret, unsigned *ret_number,
    struct ecert_error *err);

#endif
