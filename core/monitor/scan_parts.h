/*
 * The inside of scan.h.  One file per question:
 *   scan.c         the files' bytes into shared memory, batch by batch
 *   scan_child.c   starting, feeding and replacing the child; what runs in it
 *   scan_pem.c     (in the child) which certificates are in these bytes?
 *   scan_asn1.c    what does one certificate say?
 *   scan_tell.c    what the child found, checked and told; the rare forms
 *   scan_walk.c    directories and patterns
 *
 * The parent and the child share the slots.  A slot holds one batch: the parent writes `n`, `first`
 * and the places of the files and then counts `submitted` up; the child writes `at` and the
 * findings and then one byte into its pipe.  What the parent needs again it keeps for itself, and
 * what the child wrote is copied out once and checked: it has read strangers' bytes.
 */
#ifndef ECERT_MONITOR_SCAN_PARTS_H
#define ECERT_MONITOR_SCAN_PARTS_H

#include <openssl/evp.h>
#include <stdalign.h>
#include <stdatomic.h>

#include "core/base/process.h"
#include "core/monitor/scan.h"

#define SCAN_SLOTS       4
#define SCAN_BATCH_FILES 256
#define SCAN_BATCH_BYTES                                                     \
    ((size_t)128 << 10) /* a batch is full with this; the last may go beyond \
                         */
#define SCAN_FILE_MAX    ((size_t)16 << 20)
#define SCAN_INPUT_SIZE  (SCAN_BATCH_BYTES + SCAN_FILE_MAX)
#define SCAN_RECORDS_MAX 16384 /* certificates of one batch; 16 MiB of usual ones are 12,000 */
#define SCAN_TITLE_MAX   256

/* ---- what the child finds ---- */

enum scan_verdict {
    SCAN_UNDECODED,    /* the child did not come so far */
    SCAN_CERTIFICATES, /* n_records of them, from first_record on */
    SCAN_NOTHING,      /* neither a certificate nor a damaged one */
    SCAN_RARE,         /* another form or damaged: the decoder of core/flow is to say */
    SCAN_PKCS12,       /* the same, and it may need the password */
    SCAN_TOO_MANY,
};

struct scan_record {
    int64_t not_before, not_after;
    uint8_t sha256[ECERT_SHA256_LEN];
    char serial[ECERT_SERIAL_HEX_LEN];
    uint8_t is_ca, is_self_issued;
    uint16_t title_len;
    char title[SCAN_TITLE_MAX]; /* as it is in the certificate, UTF-8, cut */
};

/* ---- shared memory: only addresses, until they are used ---- */

struct scan_place {
    uint32_t offset, len;                      /* the parent's */
    uint32_t verdict, first_record, n_records; /* the child's */
};

#define SCAN_PAGE 65536 /* a whole number of pages, whatever the machine calls a page */

struct scan_slot {
    uint32_t n, first;   /* decode files first..n - 1 */
    _Atomic uint32_t at; /* the file that is being decoded */
    struct scan_place files[SCAN_BATCH_FILES];
    alignas(SCAN_PAGE) struct scan_record records[SCAN_RECORDS_MAX];
    alignas(SCAN_PAGE) uint8_t input[SCAN_INPUT_SIZE];
};

struct scan_shared {
    _Atomic uint32_t submitted; /* batches; a futex that the child sleeps on */
    struct scan_slot slots[SCAN_SLOTS];
};

/* ---- the parent's own ---- */

struct scan_item {
    char *path;
    bool quiet; /* a file without certificate is no error */
    uint32_t offset, len;
    enum ecert_status status; /* of reading it, and of the child that it ended */
    char *error;              /* NULL: none */
};

struct scan_batch {
    struct scan_item items[SCAN_BATCH_FILES];
    uint32_t n, first; /* as in the slot */
    size_t bytes;
};

struct ecert_scan {
    char *password_file; /* NULL: none */
    ecert_scanned_fn *call;
    void *context;
    struct scan_shared *shared;
    struct scan_batch batches[SCAN_SLOTS];
    uint32_t submitted, answered, delivered; /* batches; the one to fill has number `submitted` */
    struct ecert_child child;
    size_t child_bytes;       /* that this child was given */
    struct ecert_error ended; /* status ECERT_OK: the scan goes on */
};

/* ---- scan.c ---- */

/*
 * Put a file (or a thing that cannot be read, with its error) at the end of the queue.  `why` NULL:
 * read it.  `quiet`: see ecert_scan_add_directory().
 */
ECERT_MUST_CHECK enum ecert_status scan_enqueue(struct ecert_scan *scan, const char *path,
                                                bool quiet, const struct ecert_error *why,
                                                struct ecert_error *err);

/* Does the name say that a certificate is in it (".crt", ".pem", ".p12" ...)? */
bool scan_is_named_certificate(const char *path);

/* ---- scan_child.c ---- */

/* Start the child, if there is none. */
ECERT_MUST_CHECK enum ecert_status scan_child_start(struct ecert_scan *scan,
                                                    struct ecert_error *err);

/* Hand the batch that was filled to the child. */
ECERT_MUST_CHECK enum ecert_status scan_child_submit(struct ecert_scan *scan,
                                                     struct ecert_error *err);

/*
 * Wait until the oldest batch is decoded.  A child that crashes or hangs is replaced by one that
 * goes on behind the file that it was at; that file's item gets status and error.
 */
ECERT_MUST_CHECK enum ecert_status scan_child_wait(struct ecert_scan *scan,
                                                   struct ecert_error *err);

/* How long one file may take; how much a child decodes in its life.  Changed by tests. */
extern unsigned scan_patience_ms;
extern size_t scan_child_life;

/* Called in the child before each file, if set: tests make it crash there. */
extern void (*scan_before_file)(struct ecert_view file);

/* ---- scan_pem.c, scan_asn1.c ---- */

/* What is kept from one certificate to the next, because making it takes longer than using it. */
struct scan_decoder {
    EVP_MD *sha256;
    EVP_MD_CTX *hash;
    uint8_t *der; /* of the PEM block in hand */
    size_t room;
};

/* False: out of memory, or OpenSSL has no SHA-256. */
ECERT_MUST_CHECK bool scan_decoder_init(struct scan_decoder *ret);
void scan_decoder_clear(struct scan_decoder *decoder);

/* One certificate in DER, nothing behind it. */
bool scan_decode_der(struct scan_decoder *decoder, struct ecert_view der, struct scan_record *ret);

/* The certificates of a file, at most `max`; *ret_n is set with SCAN_CERTIFICATES only. */
enum scan_verdict scan_decode_file(struct scan_decoder *decoder, struct ecert_view file,
                                   struct scan_record *records, size_t max, size_t *ret_n);

/* ---- scan_tell.c ---- */

/* Append "'PATH'" with what a terminal could obey escaped: others name files, too. */
void scan_add_path(struct ecert_buffer *buffer, const char *path);

/* Call for everything in the oldest batch, in order, and make its slot free. */
ECERT_MUST_CHECK enum ecert_status scan_tell(struct ecert_scan *scan, struct ecert_error *err);

void scan_batch_clear(struct scan_batch *batch);

#endif
