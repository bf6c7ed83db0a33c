/*
 * Proving: the server's own test judges the new configuration before anything has changed.
 *
 * Targets of one server all name the same test: each distinct command runs once, with everybody's
 * scratch files.  When it says no, the guilty are found by halves, in views that hold the changes
 * of some members only, so that one bad target does not stop its neighbours.
 */
#ifndef ECERT_FLOW_PROVE_H
#define ECERT_FLOW_PROVE_H

#include "core/base/process.h"
#include "core/flow/items.h"

enum ecert_prove_where {
    ECERT_PROVE_IN_VIEW = 0, /* with `items` in place in a private view */
    ECERT_PROVE_LIVE = 1,    /* on the live files as they stand */
};

/*
 * Run the tests of the waiting members.  *ret_tested: there was one at all.  `meanwhile` (NULL:
 * nothing) is done while the first one runs; it is not called where none is started.
 * ECERT_E_COMMAND: one said no, and the text is its words; ECERT_E_UNSUPPORTED: there is no private
 * view here, and why; ECERT_E_TIMEOUT, ECERT_E_IO.
 */
ECERT_MUST_CHECK enum ecert_status ecert_prove(const struct ecert_transaction_env *env,
                                               const struct ecert_member *members, size_t n,
                                               const struct ecert_items *items,
                                               const char *workspace, enum ecert_prove_where where,
                                               const struct ecert_meanwhile *meanwhile,
                                               bool *ret_tested, struct ecert_error *err);

/*
 * The test said no (`words`) to all together: find who is to blame and give them their verdict,
 * REFUSED.  At least one member gets one.  Nothing may be staged beside the files any more.
 */
void ecert_prove_blame(const struct ecert_transaction_env *env, struct ecert_member *members,
                       size_t n, const char *workspace, const struct ecert_error *words);

#endif
