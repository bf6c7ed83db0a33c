/* The functions behind the rows of the table of checks; checks.c alone calls them. */
#ifndef ECERT_FLOW_CHECKS_ROWS_H
#define ECERT_FLOW_CHECKS_ROWS_H

#include "core/flow/checks.h"

/* Sets nothing but the reason; returns its outcome, so that `return ecert_check_say(...)` reads
 * well.  Too long a text is cut. */
enum ecert_check_outcome ecert_check_say(struct ecert_check_result *result,
                                         enum ecert_check_outcome outcome, const char *fmt, ...)
    ECERT_PRINTF(3, 4);

/* A person's name for a certificate, cut to fit: "Hongkong Post e-Cert SSL CA 3 - 17". */
#define ECERT_CHECK_TITLE_LEN 96
void ecert_check_title(const X509 *certificate, char ret[ECERT_CHECK_TITLE_LEN]);

typedef enum ecert_check_outcome ecert_check_fn(const struct ecert_check_input *input,
                                                struct ecert_check_result *result);

/* checks_order.c */
ecert_check_fn ecert_check_names;
ecert_check_fn ecert_check_organization;
ecert_check_fn ecert_check_validation;

/* checks_leaf.c */
ecert_check_fn ecert_check_key_match;
ecert_check_fn ecert_check_not_before;
ecert_check_fn ecert_check_not_after;
ecert_check_fn ecert_check_newer;
ecert_check_fn ecert_check_leaf_is_server;
ecert_check_fn ecert_check_leaf_revoked;
ecert_check_fn ecert_check_policy;
ecert_check_fn ecert_check_lifetime;

/* checks_chain.c */
ecert_check_fn ecert_check_key_strength;
ecert_check_fn ecert_check_signature_strength;
ecert_check_fn ecert_check_chain_complete;
ecert_check_fn ecert_check_chain_order;
ecert_check_fn ecert_check_chain_no_root;
ecert_check_fn ecert_check_chain_dates;
ecert_check_fn ecert_check_chain_anchor;
ecert_check_fn ecert_check_chain_revoked;
ecert_check_fn ecert_check_chain_known_bad;

#endif
