/*
 * request.json: what a request remembers (requests.h), as text.  The same text is kept in backups.
 *
 * Times are seconds, digests upper-case hexadecimal, what is not known is null or 0.  Members that
 * this version does not know are passed over.
 */
#ifndef ECERT_FLOW_REQUESTS_JSON_H
#define ECERT_FLOW_REQUESTS_JSON_H

#include "core/flow/requests.h"

ECERT_MUST_CHECK enum ecert_status ecert_request_to_json(const struct ecert_request *request,
                                                         struct ecert_bytes *ret,
                                                         struct ecert_error *err);

/* `path` is where the text came from, for sentences.  ECERT_E_REFUSED: damaged, and where. */
ECERT_MUST_CHECK enum ecert_status ecert_request_from_json(struct ecert_view text, const char *path,
                                                           struct ecert_request *ret,
                                                           struct ecert_error *err);

#endif
