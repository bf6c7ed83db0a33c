/*
 * Which virtual hosts a target is for.
 *
 * A virtual host is taken when it is a TLS host, the leaf covers all its names, and
 *   (1) its ServerName or one of its aliases is one of the target's names (as text, without case;
 *       wild ones too); or, with everywhere_it_was,
 *   (2) the certificate file that it uses now is the target's own path,
 *   (3) the leaf in that file is the one that is replaced, or
 *   (4) where nothing is known to be replaced: it has the leaf of a host that (1) took.
 * A name for which a virtual host is added (create.h) is found as well.
 *
 * What it uses may be its own or the server level's; of several pairs it is the one whose leaf
 * is replaced, else the one of our key type.
 *
 * All names of a host must be covered.  Addresses are nobody's, because no client asks for one by
 * SNI (RFC 6066, section 3), and names without a dot, which no e-Cert has ("localhost"), do not
 * count beside one that is covered.
 *
 * A TLS host has SSLEngine on, in the block or from the server level; or it says nothing of it, no
 * address of it has port 80, and it is at port 443 or has an SSLCertificateFile.
 */
#ifndef ECERT_APACHE_CHOOSE_H
#define ECERT_APACHE_CHOOSE_H

#include "plugins/apache/change.h"
#include "plugins/apache/scan.h"

struct ecert_apache_creations;

struct ecert_apache_names {
    const char *const *list;                        /* NULL-ended */
    bool is_explicit;                               /* all of them must be found */
    bool everywhere;                                /* everywhere_it_was */
    const struct ecert_apache_creations *creations; /* what is added; NULL: `create` is not set */
};

struct ecert_apache_verdict {
    bool taken;
    bool refused;     /* because of it there is no plan */
    const char *name; /* of a taken host: the one to ask it for; NULL: it has none but addresses */
    const char *why;  /* one clause */
};

/*
 * After the scan: `ret_verdicts` has a row for each block (in the arena).
 *
 * ECERT_E_CONFIG: mod_ssl is not loaded; nothing is taken and nothing added; with explicit names,
 * one of them is not found, or a virtual host of theirs has names that the leaf does not cover; a
 * host found by (2) to (4) has such names: each of these says so in its row.  The rows are
 * complete also then, but where there is no memory.
 */
ECERT_MUST_CHECK enum ecert_status ecert_apache_choose(struct ecert_apache_scan *scan,
                                                       const struct ecert_apache_names *names,
                                                       const struct ecert_apache_wish *wish,
                                                       struct ecert_apache_verdict **ret_verdicts,
                                                       struct ecert_error *err);

/* After the scan: why this is no TLS host, as a clause; NULL: it is one. */
const char *ecert_apache_why_plain(const struct ecert_apache_scan *scan,
                                   const struct ecert_apache_block *block);

/* The pair that a host uses now; a member is NULL where there is none, or it is not known. */
struct ecert_apache_pair {
    const struct ecert_apache_use *certificate, *key, *chain;
};

/*
 * Its own, else the server level's; of several the one of our key type, else the first.  A block of
 * NULL is the main server.  False: no memory.
 */
ECERT_MUST_CHECK bool ecert_apache_pair_of(struct ecert_apache_scan *scan,
                                           const struct ecert_apache_block *block,
                                           struct ecert_apache_pair *ret);

#endif
