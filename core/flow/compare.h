/*
 * What came back against what was asked for.
 *
 * The CA adds names (those of a multi-domain certificate are not in the CSR; a wildcard brings its
 * bare name) and may write the organisation in Chinese where the applicant chose so: that is fine
 * where it is known to be ours, and said.  What is missing, or another's, is refused.
 */
#ifndef ECERT_FLOW_COMPARE_H
#define ECERT_FLOW_COMPARE_H

#include <openssl/x509.h>

#include "core/flow/requests.h"

/* What a leaf says of its subject; owned. */
struct ecert_subject {
    char *country, *state, *locality, *organization; /* UTF-8; NULL: absent */
};
void ecert_subject_clear(struct ecert_subject *subject);
ECERT_MUST_CHECK enum ecert_status ecert_subject_of(const X509 *leaf, struct ecert_subject *ret,
                                                    struct ecert_error *err);

/* What was ordered, borrowed: from a request, or from the configuration where there is none. */
struct ecert_order {
    const char *organization, *chinese_organization; /* NULL: not known */
    enum ecert_validation validation;
    const char *configured_chinese; /* that of today, where the order is a request's; NULL: none */
    const char
        *earlier; /* what an earlier generation of this certificate names; NULL: none (earlier.h) */
};

/*
 * ECERT_E_REFUSED: the leaf is of another organisation (both are shown), or was validated less than
 * ordered (CA/Browser Forum policies 2.23.140.1.1 EV, 2.23.140.1.2.2 OV).  More than ordered, a
 * Chinese organisation where it is ours, and case or blanks that differ go to ret_notes.
 * A name in Chinese is ours where it is the one that was ordered or is configured, where an earlier
 * generation has it, or where the subject has the English one beside it.  Without any of these
 * nobody can tell: refused, with the line for the configuration; so is an English one where only
 * the Chinese one is known.  A leaf without O is refused only where OV or EV was ordered.  Nothing
 * known is ECERT_OK. ECERT_E_CRYPTO: a subject that cannot be read.
 */
ECERT_MUST_CHECK enum ecert_status ecert_compare_organization(const X509 *leaf,
                                                              const struct ecert_order *order,
                                                              struct ecert_strings *ret_notes,
                                                              struct ecert_error *err);
ECERT_MUST_CHECK enum ecert_status ecert_compare_validation(const X509 *leaf,
                                                            const struct ecert_order *order,
                                                            struct ecert_strings *ret_notes,
                                                            struct ecert_error *err);

#endif
