/* What the parts of network.h share: one request to ecert-net and the way back to its answer. */
#ifndef ECERT_FLOW_NETWORK_INTERNAL_H
#define ECERT_FLOW_NETWORK_INTERNAL_H

#include "core/base/message.h"
#include "core/flow/network.h"

/* ecert-net keeps the time limits; this much later we stop believing that it will. */
#define ECERT_TALK_GRACE_MS 5000

/* The answer to one request as it comes in. */
struct ecert_talk {
    struct ecert_network *network; /* started */
    int64_t until;                 /* monotonic ms */
    size_t max_len;                /* of one message */
    struct ecert_buffer in;
    size_t taken;
    bool told; /* it answered FAILED: both sides know that the answer is over */
};
void ecert_talk_clear(struct ecert_talk *talk);

/*
 * Send the request.  ECERT_E_TIMEOUT, ECERT_E_IO.  That ecert-net has ended is not an error here:
 * it may have said why.
 */
ECERT_MUST_CHECK enum ecert_status ecert_talk_send(struct ecert_talk *talk, struct ecert_view bytes,
                                                   struct ecert_error *err);

/*
 * The next message of the answer, valid until the next call.  The error that a FAILED tells;
 * ECERT_E_NETWORK: ecert-net ended, or answered something else than `kind`; ECERT_E_TIMEOUT.
 */
ECERT_MUST_CHECK enum ecert_status ecert_talk_receive(struct ecert_talk *talk, uint32_t kind,
                                                      struct ecert_message *ret,
                                                      struct ecert_error *err);

/* End the co-process; the next request starts another.  Returns how it ended (wait status). */
int ecert_network_stop(struct ecert_network *network);

#endif
