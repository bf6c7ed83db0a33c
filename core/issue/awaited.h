/*
 * What a request waits for: said the same way by `ecert request --list`, `ecert status` and whoever
 * reminds people of it.
 */
#ifndef ECERT_ISSUE_AWAITED_H
#define ECERT_ISSUE_AWAITED_H

#include "core/flow/authority.h"
#include "core/flow/requests.h"

/* Owned texts, in the language that is in use (core/base/words.h). */
struct ecert_awaited {
    char *what; /* "the certificate" */
    char *from; /* "Hongkong Post e-Cert (Server)" */
    char *next; /* what a person does next, a sentence */
};
void ecert_awaited_clear(struct ecert_awaited *awaited);

/*
 * Of a pending request; of any other all three are NULL.  `several`: others of its name are pending
 * too, and commands need its id.  `authority` NULL: its profile cannot be
 * read.  ECERT_E_NOMEM.
 */
ECERT_MUST_CHECK enum ecert_status ecert_awaited_of(const struct ecert_request *request,
                                                    bool several,
                                                    const struct ecert_authority *authority,
                                                    const char *inbox, struct ecert_awaited *ret,
                                                    struct ecert_error *err);

/* The same of one whose certificate has no entry in the configuration any more: what is awaited is
 * that.  ECERT_E_NOMEM. */
ECERT_MUST_CHECK enum ecert_status ecert_awaited_of_left(const struct ecert_request *request,
                                                         struct ecert_awaited *ret,
                                                         struct ecert_error *err);

#endif
