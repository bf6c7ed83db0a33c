/* The private keys that the configuration names. */
#ifndef ECERT_FLOW_KEY_H
#define ECERT_FLOW_KEY_H

#include <openssl/evp.h>

#include "core/flow/config.h"

/*
 * Read key.file, opened with its passphrase, as PKCS#8 PEM without encryption.  The file must be
 * regular and neither group- nor world-writable; one that others can read is reported in
 * ret_notes.  What is judged is the very file that was read.  ECERT_E_NOT_FOUND, ECERT_E_REFUSED,
 * ECERT_E_CRYPTO (with the file's name), or what the passphrase command said (ECERT_E_COMMAND).
 */
ECERT_MUST_CHECK enum ecert_status ecert_key_load(const struct ecert_key_config *config,
                                                  struct ecert_secret *ret_pem,
                                                  uint8_t ret_key_id[ECERT_SHA256_LEN],
                                                  struct ecert_strings *ret_notes,
                                                  struct ecert_error *err);

/*
 * The passphrase that `file` holds or `command` prints (its first line); both may be absent, which
 * is the empty passphrase.  A command is run once: what it said is remembered for the rest of the
 * run, because it may ask a vault, a card or a person.  ECERT_E_REFUSED, ECERT_E_NOT_FOUND,
 * ECERT_E_COMMAND.
 */
ECERT_MUST_CHECK enum ecert_status ecert_passphrase_find(const char *file,
                                                         const struct ecert_strings *command,
                                                         struct ecert_secret *ret,
                                                         struct ecert_error *err);

/* Wipe what commands said; the next one is run again. */
void ecert_passphrases_forget(void);

/* The same of a key's configuration. */
ECERT_MUST_CHECK enum ecert_status ecert_key_passphrase(const struct ecert_key_config *config,
                                                        struct ecert_secret *ret,
                                                        struct ecert_error *err);

/*
 * A key as it lies on disk: PKCS#8 PEM; with a passphrase that is not empty encrypted (PBES2,
 * AES-256-CBC, PBKDF2 with SHA-256).  ECERT_E_CRYPTO.
 */
ECERT_MUST_CHECK enum ecert_status ecert_key_pem(const EVP_PKEY *key, struct ecert_view passphrase,
                                                 struct ecert_secret *ret, struct ecert_error *err);

/* The same from our own PEM without encryption, where the configuration wants it encrypted: else a
 * copy.  ECERT_E_CONFIG: it wants encryption and names no passphrase. */
ECERT_MUST_CHECK enum ecert_status ecert_key_for_disk(const struct ecert_key_config *config,
                                                      struct ecert_view pem,
                                                      struct ecert_secret *ret,
                                                      struct ecert_error *err);

/* Does this PEM need a passphrase? */
bool ecert_key_is_encrypted(struct ecert_view pem);

/* What is said of a kept key that today's passphrase does not open. */
#define ECERT_KEY_KEPT_BEFORE                                                             \
    "; was it kept under an earlier passphrase? put that one back, or import the newest " \
    "certificate again"

/* The passphrase of a kept key that is encrypted: as ecert_key_passphrase(), and ECERT_E_CONFIG:
 * the configuration names none. */
ECERT_MUST_CHECK enum ecert_status ecert_key_kept_passphrase(const struct ecert_key_config *config,
                                                             struct ecert_secret *ret,
                                                             struct ecert_error *err);

/*
 * What is kept on disk, opened: our own PEM without encryption.  ECERT_E_CONFIG: it is encrypted,
 * and the configuration names no passphrase; otherwise as ecert_key_load().
 */
ECERT_MUST_CHECK enum ecert_status ecert_key_open(const struct ecert_key_config *config,
                                                  struct ecert_view kept,
                                                  struct ecert_secret *ret_pem,
                                                  uint8_t ret_key_id[ECERT_SHA256_LEN],
                                                  struct ecert_error *err);

/*
 * A password from a trusted file: its first line, without the line end.  ECERT_E_REFUSED: readable
 * by others, empty.
 */
ECERT_MUST_CHECK enum ecert_status ecert_password_read(const char *path, struct ecert_secret *ret,
                                                       struct ecert_error *err);

#endif
