/*
 * Requests: a private key and its CSR, waiting for the CA.
 *
 *   STATE/certificates/FOLDER/requests/ID/{privkey.pem,request.csr,request.json}
 *
 * ID is the moment it was made, 20261121T084200Z, with -2, -3 ... where that is there already: they
 * sort by age.  Key and CSR are immutable; request.json is replaced as the request goes on.  A
 * request is never overwritten by a newer one and never deleted: whatever the CA sends, however
 * late, its key is here.  Several of one name may be open at the same time; what comes back is
 * matched by public key.
 *
 * Everything is 0700/0600.  A folder appears whole (built under a temporary name, synced, renamed).
 */
#ifndef ECERT_FLOW_REQUESTS_H
#define ECERT_FLOW_REQUESTS_H

#include "core/flow/config.h"

/* X(value, word) */
#define ECERT_REQUEST_STATE_LIST(X)                                                    \
    X(ECERT_REQUEST_MADE, "made")           /* key and CSR are there, no backup yet */ \
    X(ECERT_REQUEST_OPEN, "open")           /* the CSR was shown: the CA's turn */     \
    X(ECERT_REQUEST_ISSUED, "issued")       /* a certificate for its key was taken */  \
    X(ECERT_REQUEST_CANCELLED, "cancelled") /* by `ecert request --cancel` */

enum ecert_request_state {
#define ECERT_REQUEST_STATE_ENUM(value, word) value,
    ECERT_REQUEST_STATE_LIST(ECERT_REQUEST_STATE_ENUM)
#undef ECERT_REQUEST_STATE_ENUM
};
const char *ecert_request_state_word(enum ecert_request_state state);

/*
 * What it is for.  Each has its own steps (authority.h) and dates: the first certificate of a
 * subscription, a re-issue within it (the certificate ends before the subscription does), the
 * renewal of the subscription.
 * X(value, word)
 */
#define ECERT_REQUEST_KIND_LIST(X)      \
    X(ECERT_REQUEST_FIRST, "first")     \
    X(ECERT_REQUEST_REISSUE, "reissue") \
    X(ECERT_REQUEST_RENEWAL, "renewal")

enum ecert_request_kind {
#define ECERT_REQUEST_KIND_ENUM(value, word) value,
    ECERT_REQUEST_KIND_LIST(ECERT_REQUEST_KIND_ENUM)
#undef ECERT_REQUEST_KIND_ENUM
};
const char *ecert_request_kind_word(enum ecert_request_kind kind);

#define ECERT_BACKUP_UNDER_LEN 50

/* One copy of the key somewhere else. */
struct ecert_request_backup {
    char *path;
    char sha256[ECERT_SHA256_HEX_LEN]; /* of the whole file as it was written */
    int64_t written;                   /* seconds */
    int64_t opened;                    /* when it was last proved that it opens; 0: never */
    char
        under[ECERT_BACKUP_UNDER_LEN]; /* to know its passphrase again (core/issue/backup_former.c);
                                          "": it has none, or that is not known */
};

/* A certificate for its key came back, and was not taken. */
struct ecert_request_refusal {
    int64_t when; /* seconds; 0: none */
    char *why, *file;
};

/* request.json; texts are UTF-8. */
struct ecert_request {
    char *id;
    char *name; /* of the certificate */
    enum ecert_request_state state;
    enum ecert_request_kind kind;
    char *reason; /* of an emergency, as it was given; NULL: none */
    char *batch;  /* id that all requests of one `ecert request --all` share; NULL: none */
    int64_t created, shown, closed; /* seconds; 0: not yet */
    char *authority;
    struct ecert_strings names;                /* that were asked for, A-labels, the CN first */
    char *organization, *chinese_organization; /* NULL: none was asked for */
    enum ecert_validation validation;
    char *key_words;                       /* "RSA 2048", "EC P-256" */
    bool reused;                           /* the key of an earlier certificate */
    uint8_t key_id[ECERT_SHA256_LEN];      /* of its SubjectPublicKeyInfo */
    char csr_sha256[ECERT_SHA256_HEX_LEN]; /* of the CSR's DER */
    struct ecert_request_backup *backups;
    size_t n_backups;
    bool without_backup;                  /* the operator said so */
    unsigned generation;                  /* that came of it; 0: none */
    struct ecert_request_refusal refused; /* the last one (refused.h) */
    char *problem; /* its folder is damaged: what and which file; NULL: it is whole */
};
void ecert_request_clear(struct ecert_request *request);

struct ecert_requests {
    struct ecert_request *items;
    size_t n;
};
void ecert_requests_clear(struct ecert_requests *requests);

/*
 * Every request of a certificate, oldest first; none is no error.  One whose folder cannot be read
 * or is damaged is among them with `problem` (and id, name, what else could be read; a key_id of
 * zeros is not known): it never hides the others.
 * ECERT_E_IO: the folder of requests itself; ECERT_E_NOMEM.
 */
ECERT_MUST_CHECK enum ecert_status ecert_requests_load(const char *state_dir, const char *name,
                                                       struct ecert_requests *ret,
                                                       struct ecert_error *err);

/*
 * Keep a new request: key (PEM as it shall lie on disk, encrypted or not) and CSR (PEM) are synced
 * when this returns.  request->id is set, from request->created (0: now, and set too); one that is
 * set already is kept (a backup that is put back).  The caller holds the lock.  ECERT_E_IO;
 * ECERT_E_REFUSED: there is a request with this id.
 */
ECERT_MUST_CHECK enum ecert_status ecert_requests_add(const char *state_dir,
                                                      struct ecert_request *request,
                                                      struct ecert_view key_pem,
                                                      struct ecert_view csr_pem,
                                                      struct ecert_error *err);

/* Replace its request.json.  The caller holds the lock.  ECERT_E_IO; ECERT_E_REFUSED: it is
 * damaged.
 */
ECERT_MUST_CHECK enum ecert_status ecert_requests_save(const char *state_dir,
                                                       const struct ecert_request *request,
                                                       struct ecert_error *err);

/*
 * Its private key as PKCS#8 PEM without encryption, opened with the passphrase of the certificate's
 * configuration where it is encrypted.  ECERT_E_NOT_FOUND, ECERT_E_REFUSED (others may touch it),
 * ECERT_E_CRYPTO, ECERT_E_COMMAND; ECERT_E_CHANGED: it is not the key of this request.
 */
ECERT_MUST_CHECK enum ecert_status ecert_requests_key(const char *state_dir,
                                                      const struct ecert_request *request,
                                                      const struct ecert_key_config *config,
                                                      struct ecert_secret *ret,
                                                      struct ecert_error *err);

/* The stored bytes of its key, as they are: for backups.  The same errors but for the passphrase.
 */
ECERT_MUST_CHECK enum ecert_status ecert_requests_key_file(const char *state_dir,
                                                           const struct ecert_request *request,
                                                           struct ecert_secret *ret,
                                                           struct ecert_error *err);

/*
 * Its CSR, PEM as from OpenSSL ("BEGIN CERTIFICATE REQUEST").  ECERT_E_NOT_FOUND, ECERT_E_IO;
 * ECERT_E_CHANGED: what is there has another SHA-256 than request->csr_sha256.
 */
ECERT_MUST_CHECK enum ecert_status ecert_requests_csr(const char *state_dir,
                                                      const struct ecert_request *request,
                                                      struct ecert_bytes *ret,
                                                      struct ecert_error *err);

/* The one with this key that is first in: open, made, issued, cancelled; then the newest; or NULL.
 */
const struct ecert_request *ecert_requests_of_key(const struct ecert_requests *requests,
                                                  const uint8_t key_id[ECERT_SHA256_LEN]);

/* Is it waited for: open or made?  One whose request.json is damaged may be, and counts as such. */
bool ecert_request_is_pending(const struct ecert_request *request);

/* How many are. */
size_t ecert_requests_pending(const struct ecert_requests *requests);

/*
 * Is it damaged and waited for?  What became of one that is issued or cancelled is told, but nobody
 * need mend it: a generation has the key, or nobody waits for a certificate.
 */
bool ecert_request_needs_repair(const struct ecert_request *request);

#endif
