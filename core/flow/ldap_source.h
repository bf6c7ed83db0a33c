/* The LDAP half of source.h. */
#ifndef ECERT_FLOW_LDAP_SOURCE_H
#define ECERT_FLOW_LDAP_SOURCE_H

#include "core/flow/source.h"

/*
 * The filter of a source with the server name in it, its special characters escaped (RFC 4515,
 * section 3); `filter` NULL: "(cn=%s)".
 */
ECERT_MUST_CHECK enum ecert_status ecert_ldap_filter(const char *filter, const char *name,
                                                     char **ret, struct ecert_error *err);

/*
 * Search the certificate's directory.  Whoever may write there may write anything, and old entries
 * stay for years: of all values that are a certificate, the newest (notBefore) that is for a key of
 * ours (match.h) is taken, one that is valid already before one that is not yet.  One that the
 * intake does not take (forged for our public key, revoked) hides nothing: the next older one is
 * tried, until it is the newest generation; older ones are nothing new.  It is a failure, the first
 * one's, if none was taken and none is known.  What was passed over (no certificate, expired, for
 * another key, refused) is in the notes, and so are referrals.  One arrival.
 */
ECERT_MUST_CHECK enum ecert_status ecert_ldap_take(struct ecert_context *context,
                                                   const struct ecert_certificate_config *entry,
                                                   struct ecert_arrivals *arrivals,
                                                   struct ecert_error *err);

#endif
