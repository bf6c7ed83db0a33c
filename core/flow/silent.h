/*
 * Servers that did not answer in time, for one run: a directory that is gone, asked anew for each
 * of three hundred certificates, would hold up everything behind it for hours.  So would a CA's
 * server of CRLs and issuers.  After the first time limit whatever else is wanted from it fails at
 * once, and is tried again by the next run.
 *
 * A server is the scheme, host and port of a URL (RFC 3986, 3.2), without case; the scheme's usual
 * port where none is given.  A file: URL has none, and is never silent.
 */
#ifndef ECERT_FLOW_SILENT_H
#define ECERT_FLOW_SILENT_H

#include "core/flow/network.h"

/* ECERT_E_TIMEOUT: the server of `url` is one of those, and is not to be asked. */
ECERT_MUST_CHECK enum ecert_status ecert_silent_check(const struct ecert_strings *silent,
                                                      const char *url, struct ecert_error *err);

/*
 * After a request to `url` failed with *err: if that was the time limit, its server becomes one of
 * them.  Returns err->status; ECERT_E_NOMEM (*err is that then).
 */
enum ecert_status ecert_silent_note(struct ecert_strings *silent, const char *url,
                                    struct ecert_error *err);

/* ecert_network_fetch() between the two: for whatever is fetched by URL. */
ECERT_MUST_CHECK enum ecert_status ecert_silent_fetch(struct ecert_strings *silent,
                                                      struct ecert_network *network,
                                                      const struct ecert_fetch *fetch,
                                                      struct ecert_fetched *ret,
                                                      struct ecert_error *err);

#endif
