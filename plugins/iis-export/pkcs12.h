/*
 * The containers that Windows imports: PKCS#12 (leaf, key, chain) and PKCS#7 (certificates only).
 *
 * Everything here works on bytes; nothing touches a file.  Whatever is built is parsed again and
 * compared with what went in before it is handed out.
 */
#ifndef ECERT_PLUGINS_IIS_EXPORT_PKCS12_H
#define ECERT_PLUGINS_IIS_EXPORT_PKCS12_H

#include <ecert/plugin.h>

#include <openssl/types.h>
#include <openssl/x509.h>

/* How the PKCS#12 is encrypted: `key` and certificates alike. */
struct ecert_iis_profile {
    const char *name;
    const char *readers; /* for sentences: who can read it */
    int pbe_nid;         /* a cipher (PBES2 with PBKDF2-HMAC-SHA256) or a PKCS#12 PBE */
    int mac_nid;         /* digest of the MAC */
    int mac_salt_len;
    int iterations; /* of the encryption and of the MAC */
};

/* The profile "modern" or "windows-2016"; NULL for any other name. */
const struct ecert_iis_profile *ecert_iis_profile_find(const char *name);

/*
 * What is exported.  `key` is NULL where it was made in IIS.  {0} is empty; it owns what it
 * points to.  Once ecert_iis_identity_parse() returned ECERT_OK, `leaf` is set, `chain` is set
 * (perhaps of length 0), and the key, if any, belongs to the leaf.
 */
struct ecert_iis_identity {
    X509 *leaf;
    STACK_OF(X509) *chain;
    EVP_PKEY *key;
};

/*
 * Parse the PEM texts; key.ptr may be NULL.  ECERT_E_CRYPTO: one of them is not PEM, is
 * encrypted, or the key is not the leaf's.  ECERT_E_REFUSED: the chain contains a self-signed
 * certificate: a root never travels in an export, so that no import can trust it.
 */
ECERT_MUST_CHECK enum ecert_status ecert_iis_identity_parse(
    const struct ecert_host *host, struct ecert_view key, struct ecert_view leaf,
    struct ecert_view chain, struct ecert_iis_identity *ret, struct ecert_error *err);

/* Release; the key is wiped.  Does nothing to an empty one. */
void ecert_iis_identity_clear(struct ecert_iis_identity *identity);

/* DER made here.  {0} is empty; clearing wipes the bytes. */
struct ecert_iis_der {
    unsigned char *ptr;
    size_t len;
};

void ecert_iis_der_clear(struct ecert_iis_der *der);

/*
 * Build a PKCS#12 and read it back with ecert_iis_pkcs12_check().  The salts are random: no two
 * builds have the same bytes.  ECERT_E_CRYPTO: it cannot be built or did not read back.
 */
ECERT_MUST_CHECK enum ecert_status ecert_iis_pkcs12_build(
    const struct ecert_host *host, const struct ecert_iis_identity *identity,
    const struct ecert_iis_profile *profile, const char *password, const char *friendly_name,
    struct ecert_iis_der *ret, struct ecert_error *err);

/*
 * Do these bytes open with this password and hold exactly this leaf, key, chain and friendly name
 * in exactly this profile?  NULL: yes.  Else the first difference, in words, a static string.
 */
const char *ecert_iis_pkcs12_check(struct ecert_view der, const struct ecert_iis_identity *identity,
                                   const struct ecert_iis_profile *profile, const char *password,
                                   const char *friendly_name);

/*
 * Build a PKCS#7 of leaf and chain, without signature, as "Complete Certificate Request" takes
 * it, and read it back.  The same certificates give the same bytes.
 */
ECERT_MUST_CHECK enum ecert_status ecert_iis_pkcs7_build(const struct ecert_host *host,
                                                         const struct ecert_iis_identity *identity,
                                                         struct ecert_iis_der *ret,
                                                         struct ecert_error *err);

#endif
