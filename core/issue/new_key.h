/*
 * New private keys.  A key is a secret from its first byte: it leaves here as PEM in a secret, and
 * OpenSSL's own copy is wiped with it.
 */
#ifndef ECERT_ISSUE_NEW_KEY_H
#define ECERT_ISSUE_NEW_KEY_H

#include <openssl/evp.h>

#include "core/flow/config.h"

void ecert_auto_pkey(EVP_PKEY **key);

/* Make one.  ECERT_E_CRYPTO. */
ECERT_MUST_CHECK enum ecert_status ecert_new_key(const struct ecert_key_config *config,
                                                 EVP_PKEY **ret, struct ecert_error *err);

/*
 * Called in the caller's thread as key `i` is there, in the order of i (NULL where none is wanted);
 * stops at an error.  It must not fork a child that goes on without exec: threads of OpenSSL run
 * beside it, and a lock that one of them holds would stay locked in the child.  The key is released
 * behind it.
 */
typedef enum ecert_status ecert_new_keys_fn(void *context, size_t i, EVP_PKEY *key,
                                            struct ecert_error *err);

/*
 * Make n keys, configs[i] each (NULL: none is wanted for it), on as many threads as there are
 * processors; at most 64 wait for `take` at a time, so that memory does not grow with n.
 */
ECERT_MUST_CHECK enum ecert_status ecert_new_keys(const struct ecert_key_config *const *configs,
                                                  size_t n, ecert_new_keys_fn *take, void *context,
                                                  struct ecert_error *err);

/* PKCS#8 PEM; encrypted (PBES2, AES-256-CBC, PBKDF2 with SHA-256) with a passphrase that is not
 * empty. */
ECERT_MUST_CHECK enum ecert_status ecert_new_key_pem(EVP_PKEY *key, struct ecert_view passphrase,
                                                     struct ecert_secret *ret,
                                                     struct ecert_error *err);

/* "RSA 2048", "EC P-256"; SHA-256 of its SubjectPublicKeyInfo. */
ECERT_MUST_CHECK enum ecert_status ecert_new_key_describe(EVP_PKEY *key, char **ret_words,
                                                          uint8_t ret_id[ECERT_SHA256_LEN],
                                                          struct ecert_error *err);

#endif
