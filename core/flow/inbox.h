/* The inbox half of source.h. */
#ifndef ECERT_FLOW_INBOX_H
#define ECERT_FLOW_INBOX_H

#include "core/flow/source.h"

/* Append a zeroed arrival; *ret is valid until the next one is added. */
ECERT_MUST_CHECK enum ecert_status ecert_arrivals_add(struct ecert_arrivals *arrivals,
                                                      const char *origin,
                                                      struct ecert_arrival **ret,
                                                      struct ecert_error *err);

/* Take every file of the inbox; each is one arrival. */
ECERT_MUST_CHECK enum ecert_status ecert_inbox_take(struct ecert_context *context,
                                                    struct ecert_arrivals *arrivals,
                                                    struct ecert_error *err);

#endif
