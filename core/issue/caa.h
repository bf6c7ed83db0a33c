/*
 * CAA records (RFC 8659): may this CA issue for the name?  The CA looks at every issuance; we look
 * before, so that a person does not wait three weeks for a refusal.
 *
 * The records of the name itself, else of its parent, up to the top-level domain.  For a wildcard
 * "issuewild" counts where there is one.  An unknown tag with the critical bit forbids.
 */
#ifndef ECERT_ISSUE_CAA_H
#define ECERT_ISSUE_CAA_H

#include "core/flow/authority.h"
#include "core/flow/network.h"

enum ecert_caa_verdict {
    ECERT_CAA_NONE, /* no records anywhere: every CA may */
    ECERT_CAA_ALLOWED,
    ECERT_CAA_FORBIDDEN, /* the sentence says where, what stands there, what to add */
    ECERT_CAA_UNKNOWN,   /* no answer: a warning, never a failure */
};

/*
 * Look each name up (names under one parent ask for it once).  `verdicts` has room for one per
 * name; sentences of FORBIDDEN and UNKNOWN go to ret_notes, each with its name.  An authority
 * without `caa` in its profile is not judged: all NONE.  ECERT_E_NOMEM.
 */
ECERT_MUST_CHECK enum ecert_status ecert_caa_check(struct ecert_network *network,
                                                   const char *resolver, const char *const *names,
                                                   const struct ecert_authority *authority,
                                                   enum ecert_caa_verdict *verdicts,
                                                   struct ecert_strings *ret_notes,
                                                   struct ecert_error *err);

#endif
