/*
 * What one certificate says: names, times, numbers, as the rest of the program wants them.
 * Hexadecimal is upper case without separators.  Texts are UTF-8.
 */
#ifndef ECERT_FLOW_CERTIFICATE_H
#define ECERT_FLOW_CERTIFICATE_H

#include <openssl/x509.h>

#include "core/base/bytes.h"

/* ECERT_AUTO destructors for OpenSSL objects */
void ecert_auto_x509(X509 **certificate);
void ecert_auto_x509_stack(STACK_OF(X509) **certificates); /* and what is in it */
void ecert_auto_crl(X509_CRL **crl);

void ecert_certificate_sha256(const X509 *certificate, char ret[ECERT_SHA256_HEX_LEN]);
void ecert_certificate_sha1(const X509 *certificate, char ret[41]);

#define ECERT_SERIAL_HEX_LEN 48
void ecert_certificate_serial(const X509 *certificate, char ret[ECERT_SERIAL_HEX_LEN]);

int64_t ecert_certificate_not_before(const X509 *certificate);
int64_t ecert_certificate_not_after(const X509 *certificate);

/* Subject CN, "" if absent; and the last word of a person's "who is this": CN, else O, else DN. */
ECERT_MUST_CHECK enum ecert_status ecert_certificate_common_name(const X509 *certificate,
                                                                 char **ret,
                                                                 struct ecert_error *err);
ECERT_MUST_CHECK enum ecert_status ecert_certificate_title(const X509 *certificate, char **ret,
                                                           struct ecert_error *err);

/* Every dNSName, lower case; names with bytes outside a host name are left out. */
ECERT_MUST_CHECK enum ecert_status ecert_certificate_names(const X509 *certificate,
                                                           struct ecert_strings *ret,
                                                           struct ecert_error *err);

/* Does one of the dNSNames cover this host name (RFC 9525)?  "*.x" as host covers only "*.x". */
bool ecert_certificate_covers(const X509 *certificate, const char *host_name);
bool ecert_names_cover(const char *const *dns_names, const char *host_name);

/* Is it a CA (basicConstraints)?  Is it self-issued and self-signed? */
bool ecert_certificate_is_ca(const X509 *certificate);
bool ecert_certificate_is_self_signed(const X509 *certificate);

bool ecert_certificate_equal(const X509 *a, const X509 *b); /* the same bytes */

/* "rsa", "ec" or "other", without decoding the key. */
const char *ecert_certificate_key_type(const X509 *certificate);

/* SHA-256 of the SubjectPublicKeyInfo: what keys and certificates are matched by. */
ECERT_MUST_CHECK enum ecert_status ecert_certificate_key_id(const X509 *certificate,
                                                            uint8_t ret[ECERT_SHA256_LEN],
                                                            struct ecert_error *err);

/* Append the certificate's PEM. */
ECERT_MUST_CHECK enum ecert_status ecert_certificate_pem(const X509 *certificate,
                                                         struct ecert_buffer *buffer,
                                                         struct ecert_error *err);

/* Parse one DER certificate that a decode child has passed already. */
ECERT_MUST_CHECK enum ecert_status ecert_certificate_parse(struct ecert_view der, X509 **ret,
                                                           struct ecert_error *err);

#endif
