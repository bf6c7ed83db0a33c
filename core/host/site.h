/*
 * What a plugin's discover() found: sites as data, made in the worker process, decoded and
 * validated again by the core, like a plan (plan.h).
 *
 * Invariants of what ecert_discovery_decode() returned: texts hold no control bytes and are UTF-8,
 * paths are absolute, every address is numeric and no wildcard, and no list is longer than its
 * limit.
 */
#ifndef ECERT_HOST_SITE_H
#define ECERT_HOST_SITE_H

#include "core/host/plan.h"

#define ECERT_SITES_MAX          65536
#define ECERT_SITE_ADDRESSES_MAX 256

/* One struct ecert_site_record; NULL where the record has NULL. */
struct ecert_site {
    char *kind;
    struct ecert_strings names;
    char *file;
    uint32_t line;
    struct ecert_probe *addresses;
    size_t n_addresses;
    char *certificate, *key, *chain;
    bool enabled;
};

struct ecert_discovery {
    struct ecert_site *sites;
    size_t n_sites;
    struct ecert_strings notes;
};

void ecert_site_clear(struct ecert_site *site);
void ecert_discovery_clear(struct ecert_discovery *discovery);

/* Append copies.  ECERT_E_PLUGIN: the record breaks an invariant; the text has the value. */
ECERT_MUST_CHECK enum ecert_status ecert_discovery_add_site(struct ecert_discovery *discovery,
                                                            const struct ecert_site_record *record,
                                                            struct ecert_error *err);
ECERT_MUST_CHECK enum ecert_status ecert_discovery_add_note(struct ecert_discovery *discovery,
                                                            const char *text,
                                                            struct ecert_error *err);

/* One message per site, address and note, and an end record that counts them, appended. */
void ecert_discovery_encode(const struct ecert_discovery *discovery, struct ecert_buffer *buffer);

/* Read the records back and validate each; ECERT_E_PLUGIN as ecert_plan_decode(). */
ECERT_MUST_CHECK enum ecert_status ecert_discovery_decode(struct ecert_view stream,
                                                          struct ecert_discovery *ret,
                                                          struct ecert_error *err);

#endif
