/*
 * Outside files become certificates and keys here, in a child process with limits (10 s, 5 s CPU,
 * 256 MiB, no files, no root): certificates have hung and crashed parsers before their signature
 * was checked.  The parent parses again what comes back, which is DER only.
 *
 * The form is told by content, never by a suffix: PEM (any order, text around it, CRLF, BOM,
 * several certificates, keys among them, "TRUSTED" and "X509" headers), DER certificate, PKCS#7
 * (PEM or DER), PKCS#12, and a mail message (.eml) with one of these attached or in its text.
 * UTF-16 text (a file saved by a Windows editor) is read as the text it is.
 */
#ifndef ECERT_FLOW_DECODE_H
#define ECERT_FLOW_DECODE_H

#include <openssl/x509.h>

#include "core/base/bytes.h"

#define ECERT_DECODE_MAX_INPUT ((size_t)4 << 20)

struct ecert_decoded {
    const char *form;                     /* "PEM", "DER", "PKCS#7", "PKCS#12", "mail" */
    STACK_OF(X509) *certificates;         /* in the order of the file, without repetitions */
    struct ecert_secret *keys;            /* PKCS#8 PEM, not encrypted */
    uint8_t (*key_ids)[ECERT_SHA256_LEN]; /* SHA-256 of each key's SubjectPublicKeyInfo */
    size_t n_keys;
};

void ecert_decoded_clear(struct ecert_decoded *decoded); /* wipes */

/*
 * Certificates (and keys) of a file.  `passphrase` (may be empty) opens a PKCS#12 or encrypted
 * keys.  ECERT_E_CRYPTO: not a certificate in any known form (the text says what it looks like: a
 * CSR, an empty file, HTML, a Word document, a truncated PEM block and its number), a wrong or
 * missing passphrase, no certificate in it.  ECERT_E_REFUSED: too large, or the child was stopped.
 */
ECERT_MUST_CHECK enum ecert_status ecert_decode_certificates(struct ecert_view file,
                                                             struct ecert_view passphrase,
                                                             struct ecert_decoded *ret,
                                                             struct ecert_error *err);

/* One private key in PEM or DER, PKCS#8 or traditional, encrypted or not; certificates ignored. */
ECERT_MUST_CHECK enum ecert_status ecert_decode_key(struct ecert_view file,
                                                    struct ecert_view passphrase,
                                                    struct ecert_secret *ret_pem,
                                                    uint8_t ret_key_id[ECERT_SHA256_LEN],
                                                    struct ecert_error *err);

#define ECERT_DECODE_MAX_CRL ((size_t)32 << 20)

/* A CRL in PEM or DER. */
ECERT_MUST_CHECK enum ecert_status ecert_decode_crl(struct ecert_view file, X509_CRL **ret,
                                                    struct ecert_error *err);

#endif
