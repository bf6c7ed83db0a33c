/*
 * What `ecert request` will refuse, said before somebody asks: the configuration is right as such,
 * and the next request fails all the same.
 */
#ifndef ECERT_ISSUE_FORESEE_H
#define ECERT_ISSUE_FORESEE_H

#include "core/flow/context.h"

/*
 * Sentences for every certificate whose key is made here (no key.file, not in IIS) and whose
 * authority's profile says what it wants of a CSR: the rules of ecert_csr_check(), each once with
 * the first certificate that breaks it; and what is wrong with the group 'backup', if it is there
 * or somebody applies ('organization').  Nothing is made, but each place is written to and cleaned
 * as before a request (backup.h).  Profiles that cannot be read are passed over.
 */
ECERT_MUST_CHECK enum ecert_status ecert_foresee_refusals(struct ecert_context *context,
                                                          struct ecert_strings *ret,
                                                          struct ecert_error *err);

/*
 * Why `ecert request` makes none for this one: its key is made in IIS, or the rules it breaks,
 * joined.  *ret stays NULL where it would make one, and where nothing is known of what the CA
 * wants.
 */
ECERT_MUST_CHECK enum ecert_status ecert_foresee_refusal(
    struct ecert_context *context, const struct ecert_certificate_config *certificate, char **ret,
    struct ecert_error *err);

#endif
