/*
 * Backups of keys: a request whose key is lost brings a certificate that nobody can use (CA guide).
 *
 * One file per key and place: PLACE/FOLDER-ID.p7m, a CMS EnvelopedData (RFC 5652) in DER, AES-256,
 * for every recipient's certificate and, where there is a passphrase, for that too
 * (PasswordRecipientInfo, RFC 3211).  `openssl cms -decrypt` opens it without us:
 *
 *   openssl cms -decrypt -inform DER -in FILE -inkey officer.key -recip officer.cer
 *   openssl cms -decrypt -inform DER -in FILE -pwri_password ...
 *
 * What is in it is text: the key as PEM (not encrypted, so that one secret opens the backup), the
 * CSR as PEM, and request.json between BEGIN/END ECERT REQUEST lines as base64.  Of a key that no
 * request made: the key, the certificate that it is used with, and what is known of it between
 * BEGIN/END ECERT KEY lines.  All functions here take such a key as an ecert_request, see
 * ecert_backup_keys().
 *
 * A file is written like all others (new, synced, 0600), read back, and compared; one that is there
 * already is never replaced by another content.
 */
#ifndef ECERT_ISSUE_BACKUP_H
#define ECERT_ISSUE_BACKUP_H

#include "core/flow/context.h"
#include "core/flow/requests.h"

/*
 * The fewest characters (of UTF-8) of a passphrase that is written under.  There is no limit to
 * trying where somebody has the file, and 20,480 rounds of PBKDF2 are no great hindrance; sixteen
 * random characters of base64 are 96 bits.
 */
#define ECERT_BACKUP_PASSPHRASE_MIN 16

/* What opens and closes the backups of one run, read and checked once. */
struct ecert_backup_kit;

/*
 * Read recipients' certificates and the passphrase, make sure that each place is a directory that
 * can be written; what a run that was killed left in one more than an hour ago is removed.
 * ECERT_E_CONFIG: a recipient that is no certificate, is expired, or has a key
 * that cannot be encrypted to, a passphrase that is too short, or two places that are one
 * directory; ECERT_E_NOT_FOUND / ECERT_E_REFUSED: a place that is missing (a share that is not
 * mounted: said so) or not trusted; each with its path.
 */
ECERT_MUST_CHECK enum ecert_status ecert_backup_kit_open(const struct ecert_config *config,
                                                         struct ecert_backup_kit **ret,
                                                         struct ecert_error *err);
void ecert_backup_kit_close(struct ecert_backup_kit **kit); /* wipes */

/* The same without the places, and with any passphrase: to judge by it, not to write. */
ECERT_MUST_CHECK enum ecert_status ecert_backup_kit_read(const struct ecert_config *config,
                                                         struct ecert_backup_kit **ret,
                                                         struct ecert_error *err);

/* How many copies ecert_backup_write() found to be former ones, and wrote a new one beside. */
size_t ecert_backup_kit_renewed(const struct ecert_backup_kit *kit);

/*
 * Is it whole, and can some of those who are configured now not open it: it names not every
 * recipient, has no passphrase where there is one now, or is known to be under another one?  One
 * of whose passphrase nothing is known is not said to be.
 */
bool ecert_backup_is_former(const struct ecert_backup_kit *kit,
                            const struct ecert_request_backup *backup);

/*
 * Write what is missing of the backups of this request: every place has one afterwards, or
 * ECERT_E_IO and the sentence says which place has none.  Only what could be restored is sealed:
 * key, CSR and request.json are looked at before (ECERT_E_CRYPTO).  With a passphrase each is
 * opened again before it counts; with recipients alone that its structure names every recipient. A
 * file that is there and not known, from a run that was killed, counts if the passphrase proves it.
 * One that is for former recipients or under a former passphrase stays, and another is written
 * beside it.
 * request->backups is filled in (the caller saves it), also for those places that went well.
 */
ECERT_MUST_CHECK enum ecert_status ecert_backup_write(struct ecert_backup_kit *kit,
                                                      const struct ecert_config *config,
                                                      struct ecert_request *request,
                                                      struct ecert_error *err);

/*
 * Seal the copies of these side by side on every processor, for ecert_backup_write() of each, which
 * is given the same pointers, before anything else is changed in them: it then only writes.  One
 * that could not be sealed is sealed again there, and told.  What was sealed before and not written
 * is forgotten.
 */
void ecert_backup_seal_ahead(struct ecert_backup_kit *kit, const struct ecert_config *config,
                             const struct ecert_request *const *requests, size_t n);

/* ---- keys that no request made ---- */

/*
 * The keys of the newest generation of a certificate and of those that its targets have, without
 * those that one of its `requests` has: they came from key.file, in an issued file, or from a
 * server that was adopted.  Each is told as an issued request is: `id` is "key-" and 16 digits of
 * the SHA-256 of its public key, so that a renewed certificate with the same key is no other one;
 * csr_sha256 is the SHA-256 of the certificate; backups are read from
 * STATE/certificates/FOLDER/keys/ID.json.  None where no backups are configured or the key is on
 * another host.  ECERT_E_IO; ECERT_E_REFUSED: that file is damaged (what to do is said).
 */
ECERT_MUST_CHECK enum ecert_status ecert_backup_keys(const struct ecert_config *config,
                                                     const struct ecert_certificate_config *entry,
                                                     const struct ecert_requests *requests,
                                                     struct ecert_requests *ret,
                                                     struct ecert_error *err);

/* Is it one of these, and no request? */
bool ecert_backup_is_of_key(const struct ecert_request *request);

/* Replace request.json, or the file of such a key.  The caller holds the lock.  ECERT_E_IO. */
ECERT_MUST_CHECK enum ecert_status ecert_backup_save(const char *state_dir,
                                                     const struct ecert_request *request,
                                                     struct ecert_error *err);

/*
 * Back up those keys of one certificate that have no copy in a place, where backups are configured.
 * What ecert_backup_kit_open() and ecert_backup_write() say.  The caller holds the lock.
 */
ECERT_MUST_CHECK enum ecert_status ecert_backup_new_keys(
    const struct ecert_config *config, const struct ecert_certificate_config *entry,
    struct ecert_error *err);

/* ---- places ---- */

/*
 * The configured places in the words of request->backups: resolved; one that is not there (a share
 * that is not mounted) as it is written.  None where no backups are configured.  ECERT_E_CONFIG:
 * two are one directory.
 */
ECERT_MUST_CHECK enum ecert_status ecert_backup_places(const struct ecert_config *config,
                                                       struct ecert_strings *ret,
                                                       struct ecert_error *err);

/* What a request has in one of them, or NULL. */
struct ecert_request_backup *ecert_backup_in(const struct ecert_request *request,
                                             const char *place);

/*
 * Is it in one of these places?  One that is not was written under another configuration: nobody
 * counts on it, and it may be gone.  Where there are no places at all, each is.
 */
bool ecert_backup_is_placed(const struct ecert_request_backup *backup,
                            const struct ecert_strings *places);

/* Where `ecert backup` would write that of a place that has none. */
ECERT_MUST_CHECK enum ecert_status ecert_backup_path(const struct ecert_request *request,
                                                     const char *place, char **ret,
                                                     struct ecert_error *err);

/* ---- opening ---- */

/* How to open; borrowed.  A recipient's key or a passphrase; both may be empty with a kit's own. */
struct ecert_backup_opener {
    struct ecert_view passphrase;
    struct ecert_view recipient_key; /* PEM or DER */
    struct ecert_view recipient_key_passphrase;
};

/* What was in it. */
struct ecert_backup_content {
    struct ecert_secret key_pem;
    uint8_t key_id[ECERT_SHA256_LEN];
    struct ecert_bytes csr_pem; /* of a key that no request made: its certificate */
    struct ecert_request request;
};
void ecert_backup_content_clear(struct ecert_backup_content *content);

/*
 * Open one, in a limited child like every outside file.  ECERT_E_CRYPTO: not a backup, damaged, or
 * made for others (the recipients are named: issuer and serial); key and CSR that do not belong
 * together.
 */
ECERT_MUST_CHECK enum ecert_status ecert_backup_read(struct ecert_view file,
                                                     const struct ecert_backup_opener *opener,
                                                     struct ecert_backup_content *ret,
                                                     struct ecert_error *err);

/* What is wrong with a backup. */
enum ecert_backup_state {
    ECERT_BACKUP_OPENS,     /* it was opened just now */
    ECERT_BACKUP_UNCHANGED, /* the bytes that were written; nothing here can open it */
    ECERT_BACKUP_MISSING,
    ECERT_BACKUP_CHANGED, /* other bytes than were written */
    ECERT_BACKUP_SHUT,    /* the right bytes, and what is configured does not open it */
    ECERT_BACKUP_UNREADABLE,
};

/*
 * Look at one backup of a request: its bytes against what was written (all that is done with
 * `opener` NULL), and, with a passphrase (opener, else the configuration's) or a recipient's key,
 * that it opens and holds this request's key.  `why` is a sentence where it is not OPENS or
 * UNCHANGED.
 */
ECERT_MUST_CHECK enum ecert_status ecert_backup_check(const struct ecert_config *config,
                                                      const struct ecert_request *request,
                                                      const struct ecert_request_backup *backup,
                                                      const struct ecert_backup_opener *opener,
                                                      enum ecert_backup_state *ret, char **ret_why,
                                                      struct ecert_error *err);

/*
 * Put a request back from a backup: the whole folder where it is missing, the key where only that
 * is lost or damaged; a file that is there and differs is kept beside it, never overwritten, and
 * keeps its name if the new one cannot be written.
 * A request.json that is put back tells of today: with a generation of its key the request is
 * issued, else one that was not shown yet when it was backed up is open, shown when it was made.
 * *ret_restored: false if everything was there already.  ECERT_E_NOT_FOUND: no certificate of the
 * configuration has its name (the text says what to write there).  The caller holds the lock.
 */
ECERT_MUST_CHECK enum ecert_status ecert_backup_restore(const struct ecert_config *config,
                                                        const struct ecert_backup_content *content,
                                                        bool *ret_restored,
                                                        struct ecert_error *err);

/* A generation whose key was not in order. */
struct ecert_backup_generation {
    unsigned number;
    char *left; /* why nothing was changed: what is there is encrypted, and whether it is good
                   cannot be said without its passphrase; NULL: the key is back */
    struct ecert_strings live; /* ids of the targets whose live link points at it */
    bool to_deploy;            /* a target that shall have it has it not */
};

struct ecert_backup_generations {
    struct ecert_backup_generation *items;
    size_t n;
    size_t of_key; /* how many generations have this key in their certificate, in order or not */
};
void ecert_backup_generations_clear(struct ecert_backup_generations *generations);

/*
 * Put the key back into every generation of its certificate whose leaf has this public key and
 * whose privkey.pem is missing, damaged or another key; in the form that the configuration wants
 * (encrypted or not).  What was there is kept beside it; a key that is good is never touched.
 * *ret has those that were not in order, also what was done before a failure (the caller clears
 * it).  ECERT_E_NOT_FOUND as above; ECERT_E_IO; what ecert_key_for_disk() says.  The caller holds
 * the lock.
 */
ECERT_MUST_CHECK enum ecert_status ecert_backup_restore_generations(
    const struct ecert_config *config, const struct ecert_backup_content *content,
    struct ecert_backup_generations *ret, struct ecert_error *err);

#endif
