/*
 * Requests that the configuration has left behind: their certificate was taken out of it, or was
 * renamed.  The folder stays, with a key that a person at the CA may be working for, and nothing
 * that goes through the configuration's entries comes to it.
 */
#ifndef ECERT_FLOW_REQUESTS_LEFT_H
#define ECERT_FLOW_REQUESTS_LEFT_H

#include "core/flow/requests.h"

/*
 * Every request, in whatever state, of a folder of STATE/certificates that is no entry's: by name,
 * then oldest first.  Damaged ones as in ecert_requests_load().  No state directory is no error.
 * ECERT_E_IO, ECERT_E_NOMEM.
 */
ECERT_MUST_CHECK enum ecert_status ecert_requests_left(const struct ecert_config *config,
                                                       struct ecert_requests *ret,
                                                       struct ecert_error *err);

/* The same of one certificate; none where it has an entry. */
ECERT_MUST_CHECK enum ecert_status ecert_requests_left_of(const struct ecert_config *config,
                                                          const char *name,
                                                          struct ecert_requests *ret,
                                                          struct ecert_error *err);

#endif
