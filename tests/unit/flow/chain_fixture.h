/*
 * A CA like Hongkong Post's in memory: two roots, a sub CA of 2025 and its revoked twin of 2017
 * with the same name and key, a cross-certificate, a leaf, the root's CRL, and a profile for them
 * that can be bent before use.  The addresses are those of the fake network.
 */
#ifndef ECERT_UNIT_CHAIN_FIXTURE_H
#define ECERT_UNIT_CHAIN_FIXTURE_H

#include "core/flow/chain.h"
#include "tests/support/test_pki.h"

#define FIXTURE_SUB_URL     "http://www1.test/root/sub.crt"
#define FIXTURE_CROSS_URL   "http://www1.test/root/cross.crt"
#define FIXTURE_ROOT_CRL    "http://crl1.test/root.crl"
#define FIXTURE_SUB_CRL     "http://crl1.test/sub.crl"
#define FIXTURE_ISSUERS_URL "http://WWW1.test/root/aia.crt"
#define FIXTURE_SERIAL_NEW  "2025"
#define FIXTURE_SERIAL_OLD  "2017"
#define FIXTURE_SUB_NAME    "Test e-Cert SSL CA 3 - 17"

struct fixture {
    EVP_PKEY *root_key, *other_key, *sub_key, *leaf_key;
    X509 *root, *other, *sub, *sub_revoked, *cross, *leaf;
    X509_CRL *root_crl;
    char *state_dir;
    struct ecert_authority authority; /* pins, revoked list, cross, crls, hosts, policies */
    struct ecert_chain_sources sources;
    struct ecert_network network;
    struct ecert_strings silent;
};

struct fixture *fixture_make(void); /* pages: sub, cross, root CRL (no sub CRL) */
void fixture_free(struct fixture *fixture);

/* Replace a text of the profile; NULL removes it. */
void fixture_set(char **member, const char *text);
void fixture_empty(struct ecert_strings *strings);
void fixture_add(struct ecert_strings *strings, const char *text);

/* A stack that owns references; ends with NULL. */
STACK_OF(X509) *fixture_stack(X509 *first, ...);

/* Does one of the sentences contain the text? */
bool fixture_says(const struct ecert_strings *sentences, const char *text);

/* ---- chains ---- */

/* One chain as it came out. */
struct built {
    enum ecert_status status;
    STACK_OF(X509) *chain;
    X509 *anchor;
    struct ecert_strings notes;
    struct ecert_error err;
};

/*
 * Get the CRLs, then build.  Takes over both stacks.  The short form is for the fixture's leaf,
 * without the cross-certificate.
 */
struct built fixture_build_for(struct fixture *fixture, X509 *leaf, STACK_OF(X509) *offered,
                               STACK_OF(X509) *operator_file, bool cross);
struct built fixture_build(struct fixture *fixture, STACK_OF(X509) *offered,
                           STACK_OF(X509) *operator_file);
void built_clear(struct built *built);

/* The chain is exactly these, NULL-ended. */
void built_expect(const struct built *built, const X509 *anchor, ...);
/* It failed, nothing was handed out, and the sentence has both texts in it. */
void built_expect_failure(const struct built *built, enum ecert_status status, const char *a,
                          const char *b);
/* One of the notes has both texts in it. */
void built_expect_note(const struct built *built, const char *a, const char *b);

#endif
