/*
 * Which virtual hosts a target is for.
 *
 * A virtual host is chosen when its ServerName or one of its aliases is one of the target's names
 * (as text, without case; wild ones too), it is a TLS host, and the leaf covers all its names.  A
 * TLS host has SSLEngine on, in the block or from the server level; or it says nothing of it, no
 * address of it has port 80, and it is at port 443 or has an SSLCertificateFile.
 */
#ifndef ECERT_APACHE_CHOOSE_H
#define ECERT_APACHE_CHOOSE_H

#include "plugins/apache/scan.h"

struct ecert_apache_names {
    const char *const *list; /* NULL-ended */
    bool is_explicit;        /* all of them must be found */
};

/* The name of the host that the target is for; NULL: none. */
const char *ecert_apache_wanted_name(const struct ecert_apache_names *names,
                                     const struct ecert_apache_host *host);

/*
 * The hosts that may be chosen, by the dump alone, as blocks of the scan; every host if `names` is
 * NULL.  False: no memory.
 */
ECERT_MUST_CHECK bool ecert_apache_candidates(struct ecert_apache_scan *scan,
                                              const struct ecert_apache_names *names);

/*
 * After the scan: `ret_chosen` has a row for each block (in the arena).  What is left alone gets a
 * note.
 *
 * ECERT_E_CONFIG: nothing is chosen; or with explicit names, one of them is not found, or a virtual
 * host of theirs has names that the leaf does not cover.
 */
ECERT_MUST_CHECK enum ecert_status ecert_apache_choose(struct ecert_apache_scan *scan,
                                                       const struct ecert_apache_names *names,
                                                       bool **ret_chosen, struct ecert_error *err);

/* After the scan: read the aliases that the server did not list.  False: no memory. */
ECERT_MUST_CHECK bool ecert_apache_complete_names(struct ecert_apache_scan *scan,
                                                  struct ecert_apache_block *block);

/* After the scan: why this is no TLS host, as a sentence; NULL: it is one. */
const char *ecert_apache_why_plain(const struct ecert_apache_scan *scan,
                                   const struct ecert_apache_block *block);

#endif
