/* What earlier generations of a certificate vouch for. */
#ifndef ECERT_FLOW_EARLIER_H
#define ECERT_FLOW_EARLIER_H

#include <openssl/x509.h>

#include "core/flow/store.h"

/*
 * Names a generation of this certificate, adopted or issued, the same organisation as the leaf?
 * Then *ret is that name, owned; else it stays NULL.  A generation that cannot be read vouches for
 * nothing.  ECERT_E_CRYPTO, ECERT_E_NOMEM.
 */
ECERT_MUST_CHECK enum ecert_status ecert_earlier_organization(const char *state_dir,
                                                              const char *name, const X509 *leaf,
                                                              char **ret, struct ecert_error *err);

#endif
