/*
 * What came back and was not taken: the files of inbox/rejected/, each with its reason beside it,
 * and the request that such a file was meant for.
 */
#ifndef ECERT_FLOW_REFUSED_H
#define ECERT_FLOW_REFUSED_H

#include <openssl/x509.h>

#include "core/flow/requests.h"

struct ecert_refused_file {
    char *name;   /* in inbox/rejected/ */
    char *why;    /* the first sentence of its reason */
    int64_t when; /* seconds */
};

struct ecert_refused_files {
    struct ecert_refused_file *items;
    size_t n;
};
void ecert_refused_files_clear(struct ecert_refused_files *files);

/*
 * Those that were refused at `since` or later and lie there still, by name; no folder is none.
 * ECERT_E_IO, ECERT_E_NOMEM.
 */
ECERT_MUST_CHECK enum ecert_status ecert_refused_list(const char *state_dir, int64_t since,
                                                      struct ecert_refused_files *ret,
                                                      struct ecert_error *err);

/*
 * The leaf in one of them.  Fails as ecert_decode_certificates() does, so for everything that was
 * refused because it is no certificate; ECERT_E_IO.
 */
ECERT_MUST_CHECK enum ecert_status ecert_refused_leaf(const char *state_dir, const char *name,
                                                      X509 **ret, struct ecert_error *err);

/*
 * Remember in request.json that a certificate for its key came and was refused; the same once more
 * writes nothing.  The caller holds the lock.  ECERT_E_IO, ECERT_E_NOMEM; as
 * ecert_requests_save().
 */
ECERT_MUST_CHECK enum ecert_status ecert_refused_remember(const char *state_dir,
                                                          struct ecert_request *request,
                                                          const char *file, const char *why,
                                                          struct ecert_error *err);

#endif
