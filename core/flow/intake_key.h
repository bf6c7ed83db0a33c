/*
 * The private key that a certificate is stored with: that of its request, else that of the
 * configuration.  Where the request has its key no more, the very same is taken from the issued
 * file, from key.file or from a generation: a certificate that is here already must not be refused
 * at every run because of a request that nobody waits for.
 */
#ifndef ECERT_FLOW_INTAKE_KEY_H
#define ECERT_FLOW_INTAKE_KEY_H

#include "core/flow/match.h"

/*
 * Before anything is fetched and checked: is there a key for the request, if it is one's?  What it
 * answers, and which key replaces a lost one, go to `notes`.  The errors of
 * ecert_requests_key_file(), with the request's backups.
 */
ECERT_MUST_CHECK enum ecert_status intake_check_request(const struct ecert_config *config,
                                                        const struct ecert_match *match,
                                                        const struct ecert_candidate *candidate,
                                                        struct ecert_strings *notes,
                                                        struct ecert_error *err);

/*
 * The key as our own PEM without encryption; nothing for one that never leaves its Windows host.
 * The errors of ecert_requests_key() and ecert_key_load().
 */
ECERT_MUST_CHECK enum ecert_status intake_key(const struct ecert_config *config,
                                              const struct ecert_match *match,
                                              const struct ecert_candidate *candidate,
                                              struct ecert_secret *ret, struct ecert_strings *notes,
                                              struct ecert_error *err);

#endif
