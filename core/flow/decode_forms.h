/*
 * The inside of decode.h: what runs in the child process.  One file per question:
 *   decode.c            the parent: start the child, parse its answer again
 *   decode_text.c       is it text (UTF-16, byte order mark), and what else does it look like
 *   decode_pem.c        the blocks of a PEM text
 *   decode_forms.c      DER: certificate, PKCS#7, key, CRL
 *   decode_pkcs12.c     PKCS#12
 *   decode_mail.c       the parts of a mail message
 *   decode_parameter.c  a parameter of a Content-Type
 *
 * Everything found is added to `answer` as messages at once.  Sentences start with "the file" or
 * with the block, because the caller puts the file's name in front.
 */
#ifndef ECERT_FLOW_DECODE_FORMS_H
#define ECERT_FLOW_DECODE_FORMS_H

#include <openssl/x509.h>

#include "core/base/bytes.h"
#include "core/base/message.h"

/* Kinds of messages from the child, and their fields. */
enum ecert_decode_message {
    ECERT_DECODE_FORM = 1,        /* name of the form */
    ECERT_DECODE_CERTIFICATE = 2, /* DER */
    ECERT_DECODE_KEY = 3,         /* PKCS#8 DER */
    ECERT_DECODE_CRL = 4,         /* DER */
    ECERT_DECODE_ERROR = 5,       /* status, sentence */
};

enum ecert_decode_wanted {
    ECERT_DECODE_WANT_CERTIFICATES, /* and the keys among them */
    ECERT_DECODE_WANT_KEY,          /* certificates are passed over */
    ECERT_DECODE_WANT_CRL,
};

#define ECERT_DECODE_MAX_CERTIFICATES 1000

struct ecert_decoding {
    enum ecert_decode_wanted wanted;
    struct ecert_view passphrase; /* borrowed; may be empty */
    const char *form;
    struct ecert_buffer answer;   /* holds keys: wiped by its clear */
    STACK_OF(X509) *certificates; /* those in the answer, to see repetitions */
    size_t n_keys, n_crls;
    const char *instead; /* what the file held that is not wanted: "a certificate request (CSR)" */
};

/* ---- decode_forms.c ---- */

/* Add what was found to the answer, if it is wanted. */
enum ecert_status ecert_decode_found_certificate(struct ecert_decoding *decoding,
                                                 const X509 *certificate, struct ecert_error *err);
enum ecert_status ecert_decode_found_key(struct ecert_decoding *decoding, const EVP_PKEY *key,
                                         struct ecert_error *err);

/* `what` starts the sentences: "the file", or "PEM block 2 (CERTIFICATE, line 31)". */
enum ecert_status ecert_decode_certificate_der(struct ecert_decoding *decoding,
                                               struct ecert_view der, bool trusted,
                                               const char *what, struct ecert_error *err);
enum ecert_status ecert_decode_pkcs7_der(struct ecert_decoding *decoding, struct ecert_view der,
                                         const char *what, struct ecert_error *err);
enum ecert_status ecert_decode_key_der(struct ecert_decoding *decoding, struct ecert_view der,
                                       const char *what, struct ecert_error *err);
enum ecert_status ecert_decode_crl_der(struct ecert_decoding *decoding, struct ecert_view der,
                                       const char *what, struct ecert_error *err);

/* A whole file that begins like DER. */
enum ecert_status ecert_decode_der(struct ecert_decoding *decoding, struct ecert_view der,
                                   struct ecert_error *err);

/* The sentence for an encrypted thing without passphrase, or with a wrong one. */
enum ecert_status ecert_decode_locked(const struct ecert_decoding *decoding, const char *what,
                                      struct ecert_error *err);

/* ---- decode_pkcs12.c ---- */

/* Is it a PKCS#12 at all?  Nothing is opened. */
bool ecert_decode_is_pkcs12(struct ecert_view der);
enum ecert_status ecert_decode_pkcs12_der(struct ecert_decoding *decoding, struct ecert_view der,
                                          struct ecert_error *err);

/* ---- decode_pem.c ---- */

/* Is there a line that begins a PEM block? */
bool ecert_decode_has_pem(struct ecert_view text);
enum ecert_status ecert_decode_pem(struct ecert_decoding *decoding, struct ecert_view text,
                                   struct ecert_error *err);

/* ---- decode_mail.c ---- */

/*
 * The CA's mail as it was saved (.eml, RFC 5322): its attachments, in base64, quoted-printable or
 * as they are, certificates in its texts, and mails in it.  What belongs to an S/MIME signature is
 * passed over.  By hand, because every library for it (GMime) would bring GLib into a process that
 * starts as root; what is needed of MIME here fits into one file.
 */

/* Does the text begin with the fields of a mail, and with nothing else? */
bool ecert_decode_is_mail(struct ecert_view text);

/*
 * A part that cannot be read (a damaged attachment, a text that only talks of certificates) is as
 * if it were not there; what is wrong with it is told if no certificate is found.
 */
enum ecert_status ecert_decode_mail(struct ecert_decoding *decoding, struct ecert_view text,
                                    struct ecert_error *err);

/* ---- decode_parameter.c ---- */

#define ECERT_DECODE_PARAMETER_SIZE 200 /* a boundary has 70 bytes at most (RFC 2046, 5.1.1) */

/*
 * "=_x" for "boundary" of `multipart/mixed; boundary="=_x"` (RFC 2045, 5.1; line ends are blanks
 * already), also where it is in pieces or encoded (RFC 2231, 3 and 4: its bytes, whatever their
 * character set).  "" if there is none; cut off where it is longer.
 */
void ecert_decode_parameter(const char *type, const char *name,
                            char ret[ECERT_DECODE_PARAMETER_SIZE]);

/* ---- decode_text.c ---- */

/*
 * The file as bytes to look at: without byte order mark, UTF-16 turned into bytes (what is not
 * ASCII becomes "?"; PEM is ASCII).  *ret points into `file` or into `storage`.
 */
enum ecert_status ecert_decode_plain_text(struct ecert_view file, struct ecert_buffer *storage,
                                          struct ecert_view *ret, struct ecert_error *err);

/* Always an error: says what a file that holds nothing of ours looks like. */
enum ecert_status ecert_decode_foreign(struct ecert_view file, struct ecert_error *err);

#endif
