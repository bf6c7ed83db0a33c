/*
 * What the person does next: the steps of the authority's profile, as text and as a page.
 *
 * The page is one HTML file that needs nothing but itself: for each request the names, the CSR
 * ready to copy (a button, and it is selected by a click), its SHA-256, the steps, and a table of
 * all of them with a box to tick.  Readable in print (one request per sheet) and by screen readers.
 * It holds no secret: no key, no PIN, no place of backups.
 */
#ifndef ECERT_ISSUE_SHEET_H
#define ECERT_ISSUE_SHEET_H

#include "core/flow/authority.h"
#include "core/flow/requests.h"

/* Stands near the top of every page: by it a page is known again before it is replaced. */
#define ECERT_SHEET_MARK "<meta name=\"generator\" content=\"ecert request\">"

/* One request with what is needed to show it; borrowed. */
struct ecert_sheet_entry {
    const struct ecert_request *request;
    const struct ecert_authority *authority;
    struct ecert_view csr_pem;
    const char *csr_file; /* where it lies */
    const char *kind_why; /* of ecert_request_kind_of(), in the page's language; NULL: not known */
};

/*
 * The steps of this request, placeholders filled in, one per item; "who: text".  Where the profile
 * has no steps for its kind: hand the request over, drop what comes back.
 */
ECERT_MUST_CHECK enum ecert_status ecert_sheet_steps(const struct ecert_sheet_entry *entry,
                                                     const char *language, const char *inbox,
                                                     struct ecert_strings *ret,
                                                     struct ecert_error *err);

/* A name that was to be on it, and has no request; borrowed. */
struct ecert_sheet_failure {
    const char *name; /* A-labels */
    const char *why;  /* a sentence in English */
};

/* What a page shows; borrowed. */
struct ecert_sheet {
    const struct ecert_sheet_entry *entries;
    size_t n;
    const struct ecert_sheet_failure *failures;
    size_t n_failures;
    const char *language; /* "en" or "zh_HK" (core/base/words.h) */
    const char *inbox;
    int64_t now;
};

/* The page.  Times are those of this host, with their zone. */
ECERT_MUST_CHECK enum ecert_status ecert_sheet_page(const struct ecert_sheet *sheet,
                                                    struct ecert_bytes *ret,
                                                    struct ecert_error *err);

/* "renewal of the subscription"; "waiting for the CA"; in the language that is in use. */
const char *ecert_sheet_kind(enum ecert_request_kind kind);
const char *ecert_sheet_state(enum ecert_request_state state);

/* "OV", "EV", or words for what was not said. */
const char *ecert_sheet_validation(enum ecert_validation validation);

#endif
