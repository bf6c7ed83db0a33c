/*
 * Whose turn it is: at most ECERT_NET_AT_ONCE_PLACE handshakes at a time with one place, which is
 * an address (as it is written) and a port; the others wait their turn, and those at other places
 * do not wait for them.  A server with 300 names is not asked for all of them at once: that would
 * look like an attack, and what a small server cannot take it would answer with silence.
 *
 * A place that let as many wait until their time was over, and answered none in between, is asked
 * no more: 300 names of a host that is switched off cost one time limit and not forty.
 */
#ifndef ECERT_NET_PROBE_TURNS_H
#define ECERT_NET_PROBE_TURNS_H

#include "core/net/probe.h"

struct ecert_turns;

/* `probe` must outlive it.  ECERT_E_NOMEM. */
ECERT_MUST_CHECK enum ecert_status ecert_turns_new(const struct ecert_net_probe *probe,
                                                   struct ecert_turns **ret,
                                                   struct ecert_error *err);
void ecert_turns_free(struct ecert_turns *turns);

/*
 * Which endpoint is next; false: none now.  In order, but for those that had to wait for another at
 * their place.  It stays next until ecert_turns_begin(), and is at its place from then on until
 * ecert_turns_end().
 */
bool ecert_turns_next(struct ecert_turns *turns, size_t *ret_index);
void ecert_turns_begin(struct ecert_turns *turns);

/* `answered`: it did not just let us wait. */
void ecert_turns_end(struct ecert_turns *turns, size_t index, bool answered);

/* Its place is asked no more. */
bool ecert_turns_is_silent(const struct ecert_turns *turns, size_t index);

#endif
