/*
 * An authority: a CA as the operator's profile describes it (AUTHORITIES_DIR/ID.conf), or "system".
 *
 * Believing: anchors are local files (optionally pinned by SHA-256).  An intermediate is believed
 * by its pin, or by its signature up to an anchor of the profile plus the CRLs.  Addresses in the
 * profile are fetched over plain HTTP without being trusted for it.
 */
#ifndef ECERT_FLOW_AUTHORITY_H
#define ECERT_FLOW_AUTHORITY_H

#include <openssl/x509.h>

#include "core/base/bytes.h"

struct ecert_authority_intermediate {
    char *subject;                /* CN, for sentences and for choosing by the leaf's issuer */
    char *url;                    /* NULL: nowhere to fetch it from */
    char *sha256;                 /* pin, upper-case hexadecimal; NULL: none */
    char *serial;                 /* of the pinned one, for sentences; NULL: not given */
    struct ecert_strings revoked; /* SHA-256 of twins that are known to be revoked */
    char *validation;             /* "ov", "ev" or NULL */
};

/*
 * One step of a person on the way from a CSR to the certificate, as the CA wants it; shown in the
 * order of the profile.  "%NAME%", "%ORGANIZATION%", "%VALIDATION%", "%INBOX%", "%CSR%" (the file),
 * "%NAMES%" stand for the request's own.
 */
struct ecert_authority_step {
    struct ecert_strings kinds; /* of requests (requests.h) it belongs to; empty: all */
    char *who;                  /* "the Authorised Representative"; NULL: whoever runs ecert */
    char *who_zh;               /* the same in Traditional Chinese; NULL: the English one */
    char *text;                 /* one or a few sentences, English */
    char *text_zh;              /* the same in Traditional Chinese; NULL: the English one */
};

/* What the CA wants of a CSR: the group `request` of the profile. */
struct ecert_authority_request {
    bool known;                       /* the group is there */
    char *country, *state, *locality; /* must be these; NULL: whatever applies */
    struct ecert_strings keys; /* "rsa-2048", "ec-p256" ...: what it accepts; empty: not said */
    bool names_in_request;     /* the CSR carries all names as SAN; false: the CN only */
    unsigned max_names;        /* of one certificate; 0: not said */
    bool wildcard_among_names; /* may a wildcard be one of several names? */
    struct ecert_authority_step *steps;
    size_t n_steps;
};

struct ecert_authority {
    char *id;
    char *name;
    char *file; /* the profile; NULL for "system" */
    STACK_OF(X509) *anchors;
    struct ecert_authority_intermediate *intermediates;
    size_t n_intermediates;
    struct ecert_authority_intermediate *cross_certificates; /* url and sha256 only */
    size_t n_cross_certificates;
    struct ecert_strings crls;     /* addresses */
    struct ecert_strings ocsp;     /* addresses of responders; their hosts are among `hosts` */
    struct ecert_strings hosts;    /* the only hosts that addresses inside certificates may name */
    struct ecert_strings policies; /* arcs: one of them must prefix a policy of the leaf */
    struct ecert_strings caa;      /* issuer domain names that CAA records know it by (RFC 8659) */
    struct ecert_authority_request request;
};

/*
 * Load a profile by id.  "system": anchors are /etc/ssl/certs/ca-certificates.crt, nothing else.
 * An anchor's file may hold several certificates: with `sha256` the one that matches it is the
 * anchor, without it all of them are.
 *
 * ECERT_E_CONFIG: unknown keys, wrong types (all mistakes in ret_mistakes, as in config.h), an
 * anchor whose file is missing, not trusted or does not hold its pin; ECERT_E_NOT_FOUND: no such
 * profile (the text lists those which are there); ECERT_E_REFUSED: not trusted.
 */
ECERT_MUST_CHECK enum ecert_status ecert_authority_load(const char *authorities_dir, const char *id,
                                                        struct ecert_authority *ret,
                                                        struct ecert_strings *ret_mistakes,
                                                        struct ecert_error *err);
void ecert_authority_clear(struct ecert_authority *authority);

/* The entry that lists this certificate as revoked, or NULL. */
const struct ecert_authority_intermediate *ecert_authority_known_revoked(
    const struct ecert_authority *authority, const X509 *certificate);

/*
 * Is this an http address whose host is one of the authority's hosts?  Anything unusual in front of
 * the path (user names, brackets, escapes) is no host of a CA: two readers of such an address may
 * disagree on where it leads.
 */
bool ecert_authority_lists_host(const struct ecert_authority *authority, const char *url);

/* The keys of a profile, as text for people (part of `ecert config --reference`). */
void ecert_authority_reference(struct ecert_buffer *out);

#endif
