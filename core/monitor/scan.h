/*
 * Reading the dates of many certificate files, fast and without trusting one of them.
 *
 * The files are read here, by path; their bytes are decoded in a limited child
 * (core/base/process.h: no root, no descriptors, CPU and memory limits), because certificates have
 * hung and crashed parsers before anybody looked at a signature.  Both work at the same time over
 * shared memory: while the child decodes one batch, the next is read.  A file that ends the child
 * is told as undecodable and another child goes on behind it.
 *
 * Serial, dates and names are decoded by OpenSSL's own ASN.1 templates; the public key stays
 * opaque: d2i_X509() decodes every key through the providers, which costs ten times as much as the
 * rest. PEM and DER go this way; other forms, and all sentences about damaged files, are the full
 * decoder's (core/flow/decode.h, which stops at 4 MiB), in a child of its own per file.
 *
 * Memory does not grow with the number of files; the names of one directory, or the matches of one
 * pattern, are held while it is walked.
 */
#ifndef ECERT_MONITOR_SCAN_H
#define ECERT_MONITOR_SCAN_H

#include "core/flow/certificate.h"

/* What is known of one certificate of a file; valid during the call. */
struct ecert_scanned {
    const char *file;
    size_t index, n;   /* this one (from 0) of how many in the file; n 0: there is an error */
    const char *title; /* common name, else the first DNS name, else ""; escaped */
    char serial[ECERT_SERIAL_HEX_LEN];
    char sha256[ECERT_SHA256_HEX_LEN];
    int64_t not_before, not_after;
    bool is_ca;               /* basicConstraints */
    bool is_self_issued;      /* subject equals issuer */
    enum ecert_status status; /* ECERT_OK; NOT_FOUND: no such file; IO: it cannot be read; CRYPTO:
                                 no certificate in it, truncated, wrong password */
    const char *error;        /* a sentence that names the file; "" */
};

/* Anything but ECERT_OK ends the scan with that status.  Must not add to the scan. */
typedef enum ecert_status ecert_scanned_fn(void *context, const struct ecert_scanned *scanned,
                                           struct ecert_error *err);

struct ecert_scan;

/* `password_file`: for PKCS#12 files; NULL: none (then one says that it needs a password). */
ECERT_MUST_CHECK enum ecert_status ecert_scan_open(const char *password_file,
                                                   ecert_scanned_fn *call, void *context,
                                                   struct ecert_scan **ret,
                                                   struct ecert_error *err);

/*
 * Add one file: PEM with all its certificates (keys and other blocks are passed over), DER, PKCS#7,
 * PKCS#12; told apart by content.  A file over 16 MiB, a directory, a device: an error of that
 * file.  The calls come later, in the order of the files.
 */
ECERT_MUST_CHECK enum ecert_status ecert_scan_add(struct ecert_scan *scan, const char *file,
                                                  struct ecert_error *err);

/* Wait for everything that was added; more may be added afterwards. */
ECERT_MUST_CHECK enum ecert_status ecert_scan_finish(struct ecert_scan *scan,
                                                     struct ecert_error *err);
void ecert_scan_free(struct ecert_scan **scan);

/*
 * Every regular file below a directory (recursively; links to directories are not followed, those
 * to files are, each file under the first link that leads there), or every match of a glob(7)
 * pattern, in sorted order.  What holds no certificate is passed over without a word: hidden files,
 * directories that match, keys, requests, CRLs, and whatever is not called .crt, .cer, .pem, .der,
 * .p12, .pfx or .p7b: what is called so and holds nothing of all that (a text, an empty file, a
 * FIFO, a device) is an error.  A damaged certificate, a PKCS#12
 * that cannot be opened, an unreadable file and a dangling link are told as errors, and so is a
 * directory that cannot be listed.  *ret_matches counts all matches, whatever they are.
 */
ECERT_MUST_CHECK enum ecert_status ecert_scan_add_directory(struct ecert_scan *scan,
                                                            const char *directory,
                                                            struct ecert_error *err);
ECERT_MUST_CHECK enum ecert_status ecert_scan_add_glob(struct ecert_scan *scan, const char *pattern,
                                                       size_t *ret_matches,
                                                       struct ecert_error *err);

#endif
