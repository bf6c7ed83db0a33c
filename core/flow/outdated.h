/*
 * A good certificate that was issued before the newest generation.  Of two requests the one that
 * was answered first may come back last, and a file may be dropped again when its successor is in
 * use: nothing goes back to it, and nobody waits for it any more.
 */
#ifndef ECERT_FLOW_OUTDATED_H
#define ECERT_FLOW_OUTDATED_H

#include "core/flow/intake.h"
#include "core/flow/match.h"

/*
 * *ret: it is an older generation, which is known, or the answer to a request that was waited for
 * (which is marked as issued, and stays so); `result` says which.  Otherwise it is refused like
 * anything that is older.  The caller holds the lock.  ECERT_E_IO, ECERT_E_NOMEM, and as
 * ecert_requests_save().
 */
ECERT_MUST_CHECK enum ecert_status ecert_outdated_take(const struct ecert_config *config,
                                                       const X509 *leaf,
                                                       const struct ecert_match *match,
                                                       struct ecert_intake_result *result,
                                                       bool *ret, struct ecert_error *err);

/*
 * The same for a leaf that was issued in the same second as the newest generation's, where neither
 * is the newer one: *ret if it is an older generation.  A file that is dropped again must not
 * take the place of its successor.
 */
ECERT_MUST_CHECK enum ecert_status ecert_outdated_take_tied(const struct ecert_config *config,
                                                            const X509 *leaf,
                                                            const struct ecert_match *match,
                                                            struct ecert_intake_result *result,
                                                            bool *ret, struct ecert_error *err);

#endif
