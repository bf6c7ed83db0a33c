/*
 * A finding: one thing whose expiry is followed, and how it stands.
 *
 * Everything that `ecert check` looks at gives at least one finding, a fine one too; an input that
 * is missing, unreadable or no certificate is a finding like any other, never silence.  What is
 * said about it (what, why it matters, what to do) is made from `kind` and `condition` in the
 * reader's language (words.h); `detail` adds what only the moment knows.
 */
#ifndef ECERT_MONITOR_FINDING_H
#define ECERT_MONITOR_FINDING_H

#include "core/flow/certificate.h"
#include "core/flow/config.h"

/* What it is.  X(value, word): the words are for programs and stable. */
#define ECERT_WATCHED_LIST(X)                                                                  \
    X(ECERT_WATCHED_CERTIFICATE, "certificate")       /* managed: the newest generation */     \
    X(ECERT_WATCHED_TARGET, "target")                 /* what a target's live server serves */ \
    X(ECERT_WATCHED_FILE, "file")                     /* a certificate in a watched file */    \
    X(ECERT_WATCHED_ENDPOINT, "endpoint")             /* what a watched address serves */      \
    X(ECERT_WATCHED_CHAIN, "chain")                   /* an issuer that a generation serves */ \
    X(ECERT_WATCHED_ANCHOR, "anchor")                 /* a root that an authority relies on */ \
    X(ECERT_WATCHED_CRL, "crl")                       /* a list that an authority relies on */ \
    X(ECERT_WATCHED_SUBSCRIPTION, "subscription")     /* paid for until this day */            \
    X(ECERT_WATCHED_ORGANISATIONAL, "organisational") /* opens the CA's on-line renewal */     \
    X(ECERT_WATCHED_REQUEST, "request")               /* a key that waits for the CA */        \
    X(ECERT_WATCHED_BACKUP, "backup")                 /* the copy of a key */                  \
    X(ECERT_WATCHED_INBOX, "inbox")                   /* an issued file that is not taken */   \
    X(ECERT_WATCHED_CHANNEL, "channel")               /* what a channel of reminders needs */  \
    X(ECERT_WATCHED_UNIT, "unit")                     /* a unit of systemd: remind --failed */

enum ecert_watched {
#define ECERT_WATCHED_ENUM(value, word) value,
    ECERT_WATCHED_LIST(ECERT_WATCHED_ENUM)
#undef ECERT_WATCHED_ENUM
};
const char *ecert_watched_word(enum ecert_watched watched);

/* How urgent; the values are the exit codes of monitoring plugins, and larger is not worse. */
enum ecert_urgency {
    ECERT_URGENCY_FINE = 0,
    ECERT_URGENCY_DUE = 1,
    ECERT_URGENCY_CRITICAL = 2,
    ECERT_URGENCY_UNKNOWN = 3, /* could not tell */
};
const char *ecert_urgency_word(
    enum ecert_urgency urgency); /* "fine", "due", "critical", "unknown" */

/* CRITICAL > DUE > UNKNOWN > FINE: positive if a is worse than b. */
int ecert_urgency_compare(enum ecert_urgency a, enum ecert_urgency b);

/* X(value, word, urgency); EXPIRES is judged by its threshold, see thresholds.h;
 * of some kinds others hold: ecert_watched_urgency(). */
#define ECERT_CONDITION_LIST(X)                                                                   \
    X(ECERT_CONDITION_FINE, "fine", ECERT_URGENCY_FINE)                                           \
    X(ECERT_CONDITION_EXPIRES, "expires", ECERT_URGENCY_DUE)                                      \
    X(ECERT_CONDITION_EXPIRED, "expired", ECERT_URGENCY_CRITICAL)                                 \
    X(ECERT_CONDITION_NOT_YET_VALID, "not-yet-valid", ECERT_URGENCY_DUE)                          \
    X(ECERT_CONDITION_MISSING, "missing", ECERT_URGENCY_UNKNOWN)       /* no such file */         \
    X(ECERT_CONDITION_UNREADABLE, "unreadable", ECERT_URGENCY_UNKNOWN) /* cannot be opened */     \
    X(ECERT_CONDITION_UNDECODABLE, "undecodable", ECERT_URGENCY_UNKNOWN)                          \
    X(ECERT_CONDITION_NO_ANSWER, "no-answer", ECERT_URGENCY_UNKNOWN)                              \
    X(ECERT_CONDITION_OTHER_LEAF, "other-leaf", ECERT_URGENCY_CRITICAL) /* drift */               \
    X(ECERT_CONDITION_INCOMPLETE_CHAIN, "incomplete-chain", ECERT_URGENCY_CRITICAL)               \
    X(ECERT_CONDITION_WRONG_CHAIN, "wrong-chain", ECERT_URGENCY_DUE) /* order, extra */           \
    X(ECERT_CONDITION_REVOKED_ISSUER, "revoked-issuer", ECERT_URGENCY_CRITICAL)                   \
    X(ECERT_CONDITION_WRONG_NAME, "wrong-name", ECERT_URGENCY_CRITICAL)                           \
    X(ECERT_CONDITION_REVOKED, "revoked", ECERT_URGENCY_CRITICAL)                                 \
    X(ECERT_CONDITION_REVOCATION_UNKNOWN, "revocation-unknown", ECERT_URGENCY_UNKNOWN)            \
    X(ECERT_CONDITION_NOT_ISSUED, "not-issued", ECERT_URGENCY_DUE)                                \
    X(ECERT_CONDITION_PENDING, "pending", ECERT_URGENCY_DUE)                                      \
    X(ECERT_CONDITION_NOT_BACKED_UP, "not-backed-up", ECERT_URGENCY_DUE)                          \
    X(ECERT_CONDITION_NOT_DEPLOYED, "not-deployed", ECERT_URGENCY_DUE)                            \
    X(ECERT_CONDITION_WAITING, "waiting", ECERT_URGENCY_DUE)                                      \
    X(ECERT_CONDITION_UNFIT, "unfit", ECERT_URGENCY_DUE) /* not as the configuration orders it */ \
    X(ECERT_CONDITION_REFUSED, "refused", ECERT_URGENCY_DUE)                                      \
    X(ECERT_CONDITION_FAILED, "failed", ECERT_URGENCY_CRITICAL) /* of a unit: see its journal */

enum ecert_condition {
#define ECERT_CONDITION_ENUM(value, word, urgency) value,
    ECERT_CONDITION_LIST(ECERT_CONDITION_ENUM)
#undef ECERT_CONDITION_ENUM
};
const char *ecert_condition_word(enum ecert_condition condition);
enum ecert_urgency ecert_condition_urgency(enum ecert_condition condition);

/*
 * Of a thing of this kind: as its condition says, but what was taken and is gone or damaged, or the
 * key of a request, is lost as long as nobody acts (critical), and a copy of a key that is not good
 * is one to be made again (due), where of a watched file it could only not be told.  A channel of
 * reminders that cannot be used is to be mended (due).
 */
enum ecert_urgency ecert_watched_urgency(enum ecert_watched watched,
                                         enum ecert_condition condition);

struct ecert_finding {
    enum ecert_watched watched;
    enum ecert_condition condition;
    enum ecert_urgency urgency;
    char *name; /* what a person calls it, and `ecert ack` takes: a certificate's or watch's name */
    char *where;  /* "/etc/ssl/x.pem, certificate 2", "10.0.0.1:443 (www.x.hk)", "generation 3" */
    char *title;  /* common name or first name of the leaf, escaped; NULL: not known */
    char *detail; /* "connection refused"; NULL: nothing to add */
    char serial[ECERT_SERIAL_HEX_LEN]; /* "": none */
    char sha256[ECERT_SHA256_HEX_LEN]; /* "": none */
    int64_t not_before, not_after;     /* seconds; not_after 0: it has no end */
    int threshold;                     /* days: the one that was crossed; ECERT_NO_THRESHOLD */
    const struct ecert_watch_settings *settings; /* borrowed from the configuration; may be NULL */
};

#define ECERT_NO_THRESHOLD (-1)

/*
 * Characters of a title, and of a place or a detail.  A certificate that a stranger's server shows
 * may have a name of any length; what is told of 500 of them has to fit a mail.  A path and our
 * own sentences are shorter, but for the odd one.
 */
#define ECERT_TITLE_MAX    200
#define ECERT_SENTENCE_MAX 1000

/*
 * Append a text from outside, escaped, at most `max` characters of it: where it is longer, "…"
 * stands before its last `tail` characters.  No character and no escape of one is cut in two.
 */
void ecert_finding_add_text(struct ecert_buffer *out, const char *text, size_t max, size_t tail);

void ecert_finding_clear(struct ecert_finding *finding);
ECERT_MUST_CHECK enum ecert_status ecert_finding_copy(const struct ecert_finding *from,
                                                      struct ecert_finding *ret,
                                                      struct ecert_error *err);

/*
 * Whole days that are left, rounded down: 0 is the last day, -1 the first one past it.
 * Only where not_after is not 0.
 */
int ecert_finding_days(const struct ecert_finding *finding, int64_t now);

/*
 * Sort order of lists for people: worse first, then the earlier end (no end last), then by name and
 * place.  For qsort() of an array of struct ecert_finding.
 */
int ecert_finding_compare(const void *a, const void *b);

#endif
