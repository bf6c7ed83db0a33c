/* The private keys that the configuration names. */
#ifndef ECERT_FLOW_KEY_H
#define ECERT_FLOW_KEY_H

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
 * The passphrase of the configuration (passphrase_file, passphrase_command); empty where none is
 * configured.  ECERT_E_REFUSED, ECERT_E_NOT_FOUND, ECERT_E_COMMAND.
 */
ECERT_MUST_CHECK enum ecert_status ecert_key_passphrase(const struct ecert_key_config *config,
                                                        struct ecert_secret *ret,
                                                        struct ecert_error *err);

/*
 * A password from a trusted file: its first line, without the line end.  ECERT_E_REFUSED: readable
 * by others, empty.
 */
ECERT_MUST_CHECK enum ecert_status ecert_password_read(const char *path, struct ecert_secret *ret,
                                                       struct ecert_error *err);

#endif
