/*
 * Host names as people write them and as certificates carry them (RFC 5890, IDNA2008).
 *
 * Inside the program a name is always the A-label form, lower case ("www.xn--3pqw8o2pk43espw.com");
 * Chinese appears where a person reads or types.  A "*" is accepted as the whole left-most label.
 */
#ifndef ECERT_FLOW_HOST_NAME_H
#define ECERT_FLOW_HOST_NAME_H

#include "core/base/bytes.h"

/*
 * A name in UTF-8 or A-labels to A-labels, lower case, without a final dot.  ECERT_E_CONFIG: not a
 * host name that may stand in a certificate, with the rule that it breaks (a label of more than 63
 * bytes, a character that IDNA2008 does not permit, "*" elsewhere than as the left-most label, an
 * IP address, an underscore, no dot, an A-label that stands for nothing).
 */
ECERT_MUST_CHECK enum ecert_status ecert_host_name_to_ascii(const char *name, char **ret,
                                                            struct ecert_error *err);

/*
 * The rule that a name in ASCII, without a "*." in front, breaks as a host name, in words; NULL:
 * none.  A label alone is right here, and an address is not looked for.
 */
const char *ecert_host_name_rule(const char *ascii);

/*
 * What an A-label name stands for, "www.我的伺服器.com"; *ret (owned) stays NULL where it has no
 * A-label, where that does not lead back to the very name, or where a terminal would act upon a
 * character of it (ecert_buffer_add_escaped()).
 */
ECERT_MUST_CHECK enum ecert_status ecert_host_name_unicode(const char *ascii, char **ret,
                                                           struct ecert_error *err);

/*
 * For people: "www.我的伺服器.com (www.xn--3pqw8o2pk43espw.com)", or the name alone where both are
 * the same or it cannot be shown.
 */
ECERT_MUST_CHECK enum ecert_status ecert_host_name_shown(const char *ascii, char **ret,
                                                         struct ecert_error *err);

#endif
