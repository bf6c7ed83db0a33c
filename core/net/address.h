/*
 * Is an IP address one of the public internet?
 *
 * "Private" is everything that IANA's special-purpose registries (RFC 6890) do not make globally
 * reachable: this host, RFC 1918, link-local, shared (RFC 6598), documentation, benchmarking,
 * multicast, reserved, unique-local.  An IPv6 address that carries an IPv4 address is judged by
 * that one (NAT64, 6to4), and refused where no honest server is found (IPv4-mapped, Teredo).
 */
#ifndef ECERT_NET_ADDRESS_H
#define ECERT_NET_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

/* Other families than IPv4 and IPv6 are not public. */
bool ecert_address_is_public(const struct sockaddr *address);

/* 127.0.0.0/8 and ::1, and nothing else: what is sent there does not leave the machine. */
bool ecert_address_is_loopback(const struct sockaddr *address);

#define ECERT_ADDRESS_TEXT_LEN 46

/* "192.0.2.1", "2001:db8::1"; "an address that is not IP" for other families. */
void ecert_address_text(const struct sockaddr *address, char ret[ECERT_ADDRESS_TEXT_LEN]);

#endif
