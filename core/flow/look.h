/*
 * Looking at the live servers: one handshake with every endpoint before the commit, then again and
 * again after the activation until each serves the new leaf with its chain, or the time is over.
 *
 * nginx serves a new certificate some 20 to 60 ms after a good reload, so the first look comes soon
 * and the pauses grow.  All endpoints of a round are asked at the same time.
 */
#ifndef ECERT_FLOW_LOOK_H
#define ECERT_FLOW_LOOK_H

#include "core/flow/service.h"
#include "core/flow/transaction_internal.h"

/* Make the observations of every waiting member and fill in what is served before. */
ECERT_MUST_CHECK enum ecert_status ecert_look_before(const struct ecert_transaction_env *env,
                                                     struct ecert_member *members, size_t n,
                                                     struct ecert_error *err);

/* Is anything to be looked at, for one member or for all that wait? */
bool ecert_look_is_wanted(const struct ecert_member *member);

/* Did every endpoint of the member serve the new leaf and chain at the last look? */
bool ecert_look_is_good(const struct ecert_member *member);

/* Did it do so even before the commit? */
bool ecert_look_was_good(const struct ecert_member *member);

/*
 * Look until all is good, or for at most timeout_ms.  `service` may be NULL; *ret_died: it ran and
 * is gone.  What was seen is in the observations; that it is not good is no error.
 */
ECERT_MUST_CHECK enum ecert_status ecert_look_after(const struct ecert_transaction_env *env,
                                                    struct ecert_member *members, size_t n,
                                                    const struct ecert_service *service,
                                                    unsigned timeout_ms, bool *ret_died,
                                                    struct ecert_error *err);

/*
 * After an undo: wait until every endpoint that answered before serves what it served then, and
 * nothing else for 200 ms: a worker that is on its way out could be taken for a success later.  The
 * observations keep what was seen before the undo.  ECERT_E_TIMEOUT names the first that does not;
 * anything else: nobody could look.
 */
ECERT_MUST_CHECK enum ecert_status ecert_look_restored(const struct ecert_transaction_env *env,
                                                       struct ecert_member *members, size_t n,
                                                       unsigned timeout_ms,
                                                       struct ecert_error *err);

/* The first problem of a member as an error: ECERT_E_NETWORK. */
enum ecert_status ecert_look_problem(const struct ecert_member *member, struct ecert_error *err);

/* ---- look_verdict.c: parts of the same ---- */

/* On the way back: the SHA-256 that the probe of this number must see again; "" if none. */
const char *ecert_look_wanted(const struct ecert_change *change, size_t number);

/* "127.0.0.1:443 (www.myserver.com)", appended. */
void ecert_look_add_place(struct ecert_buffer *out, const struct ecert_probe *probe);

/* A note for each address that is FOREIGN and does not serve what it served before ecert. */
void ecert_look_tell_foreign(struct ecert_member *member);

#endif
