/*
 * Taking an issued file: from bytes of any form to a new generation of the certificate that it
 * belongs to.
 *
 * decode → find the leaf → match it to a request or a configured key by public key (match.h) →
 * build the chain → run the checks → store → mark the request as issued.  Nothing is stored unless
 * every step went well, and one file never touches what another one brought.
 */
#ifndef ECERT_FLOW_INTAKE_H
#define ECERT_FLOW_INTAKE_H

#include "core/flow/checks.h"
#include "core/flow/context.h"

/* An issued file, borrowed. */
struct ecert_intake_file {
    struct ecert_view bytes;
    struct ecert_view passphrase;  /* of a PKCS#12 or an encrypted key in it; may be empty */
    const char *origin;            /* "inbox: cert0000812104.cer", a URL, ...: kept and shown */
    const char *only;              /* must belong to this certificate; NULL: any */
    struct ecert_strings *missing; /* set where it is refused, too: each name that was asked for
                                      and that it does not cover; NULL: not wanted */
};

/* What became of it. */
struct ecert_intake_result {
    const struct ecert_certificate_config *certificate; /* NULL: it matched none */
    unsigned generation;
    bool added;    /* false: this leaf, chain and key are a generation already, or `outdated` */
    bool outdated; /* issued before `generation`, the newest, and kept out of use */
    char sha256[ECERT_SHA256_HEX_LEN];
    int64_t not_after;
    int64_t early; /* not 0: nothing was stored, it is valid from this moment on only */
    struct ecert_strings notes;
};
void ecert_intake_result_clear(struct ecert_intake_result *result);

/*
 * Take one file.  ECERT_E_CRYPTO, ECERT_E_REFUSED, ECERT_E_NOT_FOUND (matches no configured key):
 * the file itself is the reason, it will not do tomorrow either.  ECERT_E_NETWORK, ECERT_E_TIMEOUT,
 * ECERT_E_IO, ECERT_E_NOMEM, ECERT_E_CONFIG (also a request whose key is lost): try again when that
 * is mended.  ECERT_E_CHANGED: try again, the key was replaced meanwhile.  A file against which
 * nothing stands but that it was issued before the newest generation is no failure where it is an
 * older generation (which is `generation` then), or the answer to a request, which is closed
 * (`outdated`).  One against which nothing stands but that its time has not come (tomorrow's
 * certificate, or a wrong clock) is no failure: ECERT_OK, and `early` is set.
 */
ECERT_MUST_CHECK enum ecert_status ecert_intake(struct ecert_context *context,
                                                const struct ecert_intake_file *file,
                                                struct ecert_intake_result *ret,
                                                struct ecert_error *err);

/* Is this a failure of the file itself, as above? */
bool ecert_intake_is_final(enum ecert_status status);

/*
 * The same steps without storing anything, for `ecert verify`: `results` (room for
 * ecert_checks_count()) tells of every row.  The certificate that it matched is in
 * *ret_certificate, NULL if none; then `authority` is used ("system" if NULL) and no key is
 * expected.
 */
ECERT_MUST_CHECK enum ecert_status ecert_intake_verify(
    struct ecert_context *context, const struct ecert_intake_file *file, const char *authority,
    struct ecert_check_result *results, const struct ecert_certificate_config **ret_certificate,
    struct ecert_strings *ret_notes, struct ecert_error *err);

#endif
