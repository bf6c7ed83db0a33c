/* The URL half of source.h. */
#ifndef ECERT_FLOW_URL_SOURCE_H
#define ECERT_FLOW_URL_SOURCE_H

#include "core/flow/source.h"

/*
 * Ask the certificate's URL, conditionally: what was taken last time is remembered by its ETag and
 * Last-Modified in STATE/fetched/, so that an unchanged file costs a 304.  One arrival.
 */
ECERT_MUST_CHECK enum ecert_status ecert_url_take(struct ecert_context *context,
                                                  const struct ecert_certificate_config *entry,
                                                  struct ecert_arrivals *arrivals,
                                                  struct ecert_error *err);

#endif
