/* How the server is tested, reloaded and looked at: the records that follow the files. */
#ifndef ECERT_APACHE_SERVICE_H
#define ECERT_APACHE_SERVICE_H

#include "plugins/apache/scan.h"

/* The command of the target with further words; NULL: no memory.  In the arena. */
const char *const *ecert_apache_command(struct ecert_arena *arena, const char *const *command,
                                        const char *const *more);

/* The test and activate records. */
ECERT_MUST_CHECK enum ecert_status ecert_apache_emit_service(struct ecert_apache_scan *scan,
                                                             struct ecert_error *err);

/*
 * Probe records of one block, for each of its addresses; without a `name` none.  Where a virtual
 * host before it that is not changed answers to that name, by another of its names, or with a note.
 *
 * A wildcard address is looked at where the server listens: at the first Listen for that port with
 * an address, else on 127.0.0.1 (for "::", ::1).  An address with port 80 is passed over where
 * there are others.  Of all blocks' the first ECERT_APACHE_MAX_PROBES are emitted; scan->n_probes
 * counts all.
 */
#define ECERT_APACHE_MAX_PROBES ((size_t)8000) /* a plan takes no more than 8192 */
ECERT_MUST_CHECK enum ecert_status ecert_apache_emit_probes(struct ecert_apache_scan *scan,
                                                            const struct ecert_apache_block *block,
                                                            const char *name,
                                                            struct ecert_error *err);

/*
 * One of them, of address `i` of the host, without a server name.  False: it is passed over, or it
 * is none to connect to.
 */
bool ecert_apache_probe_of(struct ecert_apache_scan *scan, const struct ecert_apache_host *host,
                           size_t i, struct ecert_probe_record *ret);

/*
 * The address of a Listen as it stands there ("" for all), and where this machine reaches it; NULL:
 * it is none.
 */
const char *ecert_apache_listen_of(const struct ecert_apache_scan *scan, const char *value,
                                   const char **ret_local, uint16_t *ret_port);

/* Does the host have this name, also by a wild alias? */
bool ecert_apache_answers_to(const struct ecert_apache_host *host, const char *name);

#endif
