/*
 * Sites on the wire, for the streams that have some: a discovery's (site_wire.c) and a plan's
 * (plan_wire.c).  A site is one record and one more for each of its addresses, behind it; which
 * kinds the two are, each stream says.
 */
#ifndef ECERT_HOST_SITE_WIRE_H
#define ECERT_HOST_SITE_WIRE_H

#include "core/host/site.h"
#include "core/host/wire.h"

#define ECERT_SITE_FIELDS         12
#define ECERT_SITE_ADDRESS_FIELDS 4

void ecert_sites_encode(const struct ecert_site *sites, size_t n, uint32_t kind,
                        uint32_t address_kind, struct ecert_buffer *buffer);

/* How many records that makes. */
size_t ecert_sites_count(const struct ecert_site *sites, size_t n);

/* A site's record, validated and appended; errors as for ecert_sites_add(). */
ECERT_MUST_CHECK enum ecert_status ecert_sites_take(struct ecert_site **sites, size_t *n,
                                                    const struct ecert_message *message,
                                                    struct ecert_error *err);

/* An address of the last site; ECERT_E_PLUGIN: there is none, or the address is not valid. */
ECERT_MUST_CHECK enum ecert_status ecert_sites_take_address(struct ecert_site *sites, size_t n,
                                                            const struct ecert_message *message,
                                                            struct ecert_error *err);

#endif
