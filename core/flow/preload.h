/*
 * The pre-load: key and certificates are loaded as a server would load them, before anything is
 * staged.  (Apache 2.4 accepts a mismatched pair and a truncated PEM in its configtest, and dies at
 * the graceful restart.)
 *
 * It is done in a limited child; root is kept there, because keys are root's.
 */
#ifndef ECERT_FLOW_PRELOAD_H
#define ECERT_FLOW_PRELOAD_H

#include <openssl/x509.h>

#include "core/base/bytes.h"

struct ecert_pair {
    const char *key_file;         /* NULL: no key on this host */
    const char *fullchain_file;   /* leaf first */
    const X509 *leaf;             /* what must stand first in fullchain_file; NULL: anything */
    struct ecert_view passphrase; /* of the key; empty: it has none */
};

/*
 * results[i] tells of pairs[i]: {0} if it is good, else ECERT_E_CRYPTO with a sentence that names
 * the file.  A child that fails as a whole is asked again with each pair alone, so that one pair
 * cannot harm another.  ECERT_E_IO: no child could be started.
 */
ECERT_MUST_CHECK enum ecert_status ecert_preload(const struct ecert_pair *pairs, size_t n,
                                                 struct ecert_error *results,
                                                 struct ecert_error *err);

#endif
