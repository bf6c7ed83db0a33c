/*
 * Sources: where issued certificates come from.
 *
 * The inbox is one folder for all certificates: each file is read once, matched by public key, and
 * then moved to inbox/taken/ or, with the reason beside it, to inbox/rejected/.  A file whose
 * failure is not its own (the network is down, a key cannot be read) stays for the next run, and so
 * does one that is not valid yet.  Folders and hidden names are left alone, and told.
 * One that does not decode may still be being copied: it is waited for until it has not changed for
 * two seconds.
 * A URL belongs to one certificate and is asked with a conditional request.  So does a directory,
 * in which it is searched.  A server that did not answer in time is not asked again (silent.h).
 */
#ifndef ECERT_FLOW_SOURCE_H
#define ECERT_FLOW_SOURCE_H

#include "core/flow/intake.h"

/* X(value, word) */
#define ECERT_ARRIVAL_LIST(X)                                                                   \
    X(ECERT_ARRIVAL_TAKEN, "taken")         /* a new generation */                              \
    X(ECERT_ARRIVAL_KNOWN, "known")         /* it was taken before */                           \
    X(ECERT_ARRIVAL_UNCHANGED, "unchanged") /* the source has nothing new */                    \
    X(ECERT_ARRIVAL_EARLY, "early")         /* not valid yet: it stays until then */            \
    X(ECERT_ARRIVAL_FOLDER, "folder")       /* in the inbox, which is not looked into */        \
    X(ECERT_ARRIVAL_HIDDEN, "hidden")       /* in the inbox, its name begins with a dot */      \
    X(ECERT_ARRIVAL_REJECTED, "rejected")   /* the file is not usable, and is out of the way */ \
    X(ECERT_ARRIVAL_FAILED, "failed")       /* not now: it stays where it is */

enum ecert_arrival_kind {
#define ECERT_ARRIVAL_ENUM(value, word) value,
    ECERT_ARRIVAL_LIST(ECERT_ARRIVAL_ENUM)
#undef ECERT_ARRIVAL_ENUM
};
const char *ecert_arrival_word(enum ecert_arrival_kind kind);

struct ecert_arrival {
    enum ecert_arrival_kind kind;
    char *origin;   /* "inbox: NAME" or the URL */
    char *moved_to; /* where an inbox file went; NULL: it stayed */
    struct ecert_intake_result result;
    struct ecert_error error; /* REJECTED and FAILED */
};

struct ecert_arrivals {
    struct ecert_arrival *items;
    size_t n;
};
void ecert_arrivals_clear(struct ecert_arrivals *arrivals);

/*
 * Ask the inbox and the URL or directory of every certificate (or of those named; the inbox
 * always).  One bad source or file never hides another: each is an arrival.  The caller holds the
 * lock.  ECERT_E_IO, ECERT_E_NOMEM: the inbox itself cannot be read.
 */
ECERT_MUST_CHECK enum ecert_status ecert_source_fetch(struct ecert_context *context,
                                                      const char *const *names,
                                                      struct ecert_arrivals *ret,
                                                      struct ecert_error *err);

/* Which arrival is what one takes in: TAKEN, or KNOWN, or EARLY. */
enum ecert_arrival_kind ecert_arrival_of(const struct ecert_intake_result *result);

/* Is there anything in the inbox?  For `ecert status`. */
ECERT_MUST_CHECK enum ecert_status ecert_source_waiting(const char *state_dir,
                                                        struct ecert_strings *ret,
                                                        struct ecert_error *err);

/*
 * From when on the certificate in this file of the inbox is valid.  Fails as
 * ecert_decode_certificates() does, so also where a passphrase is needed; ECERT_E_IO.
 */
ECERT_MUST_CHECK enum ecert_status ecert_source_valid_from(const char *state_dir, const char *name,
                                                           int64_t *ret, struct ecert_error *err);

#endif
