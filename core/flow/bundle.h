/*
 * A bundle is what is deployed: one leaf, its chain, its key.
 *
 * Invariants: `leaf` is set; `chain` runs from the leaf's issuer upwards, without the root, a
 * cross-certificate last; `key_pem` belongs to the leaf, or is empty where the key lives elsewhere.
 * A bundle holds a private key: it is never logged, and clearing it wipes the key.
 */
#ifndef ECERT_FLOW_BUNDLE_H
#define ECERT_FLOW_BUNDLE_H

#include <ecert/plugin.h>
#include <openssl/x509.h>

#include "core/base/bytes.h"

struct ecert_bundle {
    X509 *leaf;
    STACK_OF(X509) *chain;
    struct ecert_secret key_pem;
};

void ecert_bundle_clear(struct ecert_bundle *bundle);

/*
 * Which of the certificates of a file is the leaf: the only one that is no CA.  ECERT_E_CRYPTO:
 * none
 * ("holds CA certificates only"), or two (both are named).  *ret is borrowed.
 */
ECERT_MUST_CHECK enum ecert_status ecert_bundle_find_leaf(STACK_OF(X509) *certificates, X509 **ret,
                                                          struct ecert_error *err);

/* The PEM text of a material; the key has no such function (see key_pem). */
ECERT_MUST_CHECK enum ecert_status ecert_bundle_pem(const struct ecert_bundle *bundle,
                                                    enum ecert_material which,
                                                    struct ecert_bytes *ret,
                                                    struct ecert_error *err);

#endif
