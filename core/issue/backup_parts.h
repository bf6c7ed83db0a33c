/*
 * The inside of backup.h:
 *   backup.c          writing: one file in every place
 *   backup_seal.c     what is in it, and sealing several side by side
 *   backup_kit.c      recipients, passphrase and places, checked once
 *   backup_places.c   where they lie
 *   backup_cms.c      sealing, and what can be said of a file without opening it
 *   backup_open.c     opening, in a limited child
 *   backup_check.c    is it still what was written, and does it open?
 *   backup_restore.c  a request comes back
 *   backup_former.c   is it for those who are configured now?
 *   backup_keys.c     keys that no request made
 *   backup_generation.c  the key of a generation does
 */
#ifndef ECERT_ISSUE_BACKUP_PARTS_H
#define ECERT_ISSUE_BACKUP_PARTS_H

#include <openssl/bio.h>
#include <openssl/cms.h>
#include <openssl/x509.h>

#include "core/issue/backup.h"

#define ECERT_BACKUP_FILE_MAX ((size_t)1 << 20)

/* The blocks of the text in a backup, in this order. */
#define ECERT_BACKUP_BLOCK_KEY     "PRIVATE KEY"
#define ECERT_BACKUP_BLOCK_CSR     "CERTIFICATE REQUEST"
#define ECERT_BACKUP_BLOCK_REQUEST "ECERT REQUEST"

/* Of a key that no request made: these in the place of the last two. */
#define ECERT_BACKUP_BLOCK_CERTIFICATE "CERTIFICATE"
#define ECERT_BACKUP_BLOCK_ECERT_KEY   "ECERT KEY"

struct ecert_backup_place {
    char *path; /* resolved */
    int fd;
};

struct ecert_backup_kit {
    STACK_OF(X509) *recipients;
    struct ecert_secret passphrase;
    struct ecert_backup_place *places;
    size_t n_places;
    char under[ECERT_BACKUP_UNDER_LEN]; /* what is noted with copies under this passphrase */
    struct ecert_backup_ahead *ahead;   /* sealed by ecert_backup_seal_ahead() */
    size_t n_ahead;
    size_t renewed; /* copies that were for others, and have a new one beside them */
};

/* What was made for a request in this run: the same bytes go to every place. */
struct ecert_backup_sealed {
    struct ecert_bytes file;
    char sha256[ECERT_SHA256_HEX_LEN];
    int64_t opened;
    char tried[ECERT_SHA256_HEX_LEN]; /* a copy of before that was tried with the passphrase */
    bool shut;                        /* and what came of it */
};
void ecert_backup_sealed_clear(struct ecert_backup_sealed *sealed);

/* One key, before its file is written: the text in the clear, and the file that is made of it. */
struct ecert_backup_ahead {
    const struct ecert_request *request; /* borrowed: the caller of ecert_backup_seal_ahead() */
    struct ecert_buffer content;
    struct ecert_backup_sealed sealed; /* empty: it could not be made, or was taken */
};

void ecert_auto_bio(BIO **bio);
void ecert_auto_cms(CMS_ContentInfo **cms);

/* ---- backup_places.c ---- */

/* FOLDER-ID.p7m, and from the second on FOLDER-ID-2.p7m. */
ECERT_MUST_CHECK enum ecert_status ecert_backup_file_name(const struct ecert_request *request,
                                                          unsigned i, char **ret,
                                                          struct ecert_error *err);

/* ---- backup_seal.c ---- */

/* Fill it in unless it is: from what was sealed ahead, or sealed now.  What ecert_backup_write()
 * says. */
ECERT_MUST_CHECK enum ecert_status ecert_backup_seal_once(struct ecert_backup_kit *kit,
                                                          const struct ecert_config *config,
                                                          const struct ecert_request *request,
                                                          struct ecert_backup_sealed *sealed,
                                                          struct ecert_error *err);

void ecert_backup_ahead_clear(struct ecert_backup_kit *kit); /* forgets and wipes */

/* ---- backup_cms.c ---- */

/*
 * The file for these recipients (may be none) and this passphrase (may be empty).  ECERT_E_CRYPTO.
 */
ECERT_MUST_CHECK enum ecert_status ecert_backup_seal(const STACK_OF(X509) *recipients,
                                                     struct ecert_view passphrase,
                                                     struct ecert_view content,
                                                     struct ecert_bytes *ret,
                                                     struct ecert_error *err);

/* Parse one.  ECERT_E_CRYPTO: no backup, or cut off, or something behind it. */
ECERT_MUST_CHECK enum ecert_status ecert_backup_parse(struct ecert_view file, CMS_ContentInfo **ret,
                                                      struct ecert_error *err);

/* Is every one of them among those who can open it, and with `passphrase` one who knows one? */
ECERT_MUST_CHECK enum ecert_status ecert_backup_names_all(struct ecert_view file,
                                                          const STACK_OF(X509) *recipients,
                                                          bool passphrase, struct ecert_error *err);

/* Who can open it, as a sentence's end: "serial 0A1B of 'CN=...' ; a passphrase". */
void ecert_backup_say_who(CMS_ContentInfo *cms, struct ecert_buffer *out);

/* A key that can be encrypted to?  ECERT_E_CONFIG: what is wrong with it. */
ECERT_MUST_CHECK enum ecert_status ecert_backup_check_recipient(const X509 *recipient,
                                                                struct ecert_error *err);

/* ---- backup_former.c ---- */

/* Fill in kit->under.  ECERT_E_CRYPTO. */
ECERT_MUST_CHECK enum ecert_status ecert_backup_note_passphrase(const struct ecert_config *config,
                                                                struct ecert_backup_kit *kit,
                                                                struct ecert_error *err);

/* ecert_backup_is_former() of a file that was read, and is the one that was written. */
bool ecert_backup_is_for_others(const struct ecert_backup_kit *kit, struct ecert_view file,
                                const struct ecert_request_backup *backup);

/* ---- backup_open.c: is this passphrase of no use for the file? ---- */
bool ecert_backup_is_shut_to(struct ecert_view file, struct ecert_view passphrase);

/* ---- backup_restore.c ---- */

/*
 * Put this file into the folder: 0600, synced before what has its name now goes to NAME.kept-N.
 * *restored becomes true.  ECERT_E_IO: nothing was changed, or the text says that it is in place.
 */
ECERT_MUST_CHECK enum ecert_status ecert_backup_put_back(const char *folder, const char *name,
                                                         struct ecert_view bytes, bool *restored,
                                                         struct ecert_error *err);

/* ECERT_E_NOT_FOUND, and what to write into the configuration. */
enum ecert_status ecert_backup_no_certificate(const char *name, struct ecert_error *err);

/* ---- backup_open.c: for bytes that this process has made itself; a stranger's go to a child ----
 */

/*
 * Could this text be restored: key, CSR and request.json are whole and belong together?
 * ECERT_E_CRYPTO: which is not.
 */
ECERT_MUST_CHECK enum ecert_status ecert_backup_check_text(struct ecert_view text,
                                                           struct ecert_error *err);

/* Does this passphrase open the file, and is this text in it?  ECERT_E_CRYPTO. */
ECERT_MUST_CHECK enum ecert_status ecert_backup_opens_to(struct ecert_view file,
                                                         struct ecert_view passphrase,
                                                         struct ecert_view text,
                                                         struct ecert_error *err);

#endif
