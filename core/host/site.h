/*
 * The sites that a server has: what a plugin's discover() found, or its plan() looked at (plan.h),
 * as data, made in the worker process, decoded and validated again by the core, like a plan.
 *
 * Invariants of what ecert_discovery_decode() and ecert_plan_decode() returned: texts hold no
 * control bytes and are UTF-8, paths are absolute, every address is numeric and no wildcard, and no
 * list is longer than its limit.
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
    bool tls; /* at least `enabled` */
    bool taken;
    bool refused; /* never with `taken` */
    char *why;
};

struct ecert_discovery {
    struct ecert_site *sites;
    size_t n_sites;
    struct ecert_strings notes;
};

void ecert_site_clear(struct ecert_site *site);
void ecert_discovery_clear(struct ecert_discovery *discovery);

/*
 * Append a copy to an array that grew by this function alone.  A record of the first version is
 * taken too: its site speaks TLS if it is enabled.  ECERT_E_PLUGIN: the record breaks an invariant,
 * or there are ECERT_SITES_MAX; the text has the value.
 */
ECERT_MUST_CHECK enum ecert_status ecert_sites_add(struct ecert_site **sites, size_t *n,
                                                   const struct ecert_site_record *record,
                                                   struct ecert_error *err);

/*
 * The same for what came straight from a server's configuration, which may hold bytes that a
 * terminal could obey or that are not UTF-8: names, `file` and `why` are escaped; of certificate,
 * key and chain one with such bytes counts as none, because escaped it would lead elsewhere.  One
 * odd site of thousands must not stop the rest.
 */
ECERT_MUST_CHECK enum ecert_status ecert_sites_add_escaped(struct ecert_site **sites, size_t *n,
                                                           const struct ecert_site_record *record,
                                                           struct ecert_error *err);

/* One more address of a site, by the rules of a plan's probes; ECERT_SITE_ADDRESSES_MAX. */
ECERT_MUST_CHECK enum ecert_status ecert_site_add_address(struct ecert_site *site,
                                                          const struct ecert_probe_record *record,
                                                          struct ecert_error *err);

/*
 * The least that a record needs, for a site that nobody wants to see: it is as large as the
 * contract says and has a kind.  ECERT_E_PLUGIN.
 */
ECERT_MUST_CHECK enum ecert_status ecert_site_check(const struct ecert_site_record *record,
                                                    struct ecert_error *err);

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
