/*
 * The CAA records (RFC 8659) of one name, inside the jail.  See core/flow/network.h for what the
 * root side promises.
 *
 * The C library's resolver can ask for any type, but neither ends in time nor wakes when the parent
 * leaves; c-ares does both.  It retries over TCP what was cut, and asks the next resolver of
 * /etc/resolv.conf when one fails.  Records are handed on as they were sent: the root side reads
 * them.
 */
#ifndef ECERT_NET_CAA_H
#define ECERT_NET_CAA_H

#include "core/base/bytes.h"
#include "core/base/message.h"

/*
 * Carry out an ECERT_NET_CAA and append the ECERT_NET_RECORDS to `answer`.  Errors as
 * ecert_network_caa() tells them, and ECERT_E_REFUSED: not a valid request; ECERT_E_IO: the parent
 * spoke or went away meanwhile.
 */
ECERT_MUST_CHECK enum ecert_status ecert_net_caa(const struct ecert_message *request,
                                                 struct ecert_buffer *answer,
                                                 struct ecert_error *err);

#endif
