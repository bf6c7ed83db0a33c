/*
 * One search in a directory, inside the jail.  See core/flow/network.h for what the root side
 * promises.
 *
 * With libldap, not with libcurl's LDAP: that hands out lines of text in which a name or a value
 * could pretend to be another line, follows no time limit inside a message, and passes over
 * referrals without a word.  libldap is loaded anyway, by libcurl.  It gets a connection that is
 * made here, TLS by OpenSSL.  Neither ldap.conf nor the environment takes part.
 *
 * A password goes over TLS or to a loopback address, looked at after the name was resolved: a name
 * that changes its answer gains nothing.  It is in no sentence: a server that repeats it loses its
 * words.
 */
#ifndef ECERT_NET_SEARCH_H
#define ECERT_NET_SEARCH_H

#include "core/base/bytes.h"
#include "core/base/message.h"

/* Before anything uses libldap, and there is one thread.  ECERT_E_NOMEM. */
ECERT_MUST_CHECK enum ecert_status ecert_net_search_init(struct ecert_error *err);

/*
 * Carry out an ECERT_NET_SEARCH and append the answer.  Errors as ecert_network_search() tells
 * them, and ECERT_E_REFUSED: not a valid request; ECERT_E_IO: the parent spoke or went away
 * meanwhile.
 */
ECERT_MUST_CHECK enum ecert_status ecert_net_search(const struct ecert_message *request,
                                                    struct ecert_buffer *answer,
                                                    struct ecert_error *err);

#endif
