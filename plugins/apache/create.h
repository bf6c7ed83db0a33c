/*
 * The virtual host for port 443 that is missing beside one for port 80: `create = true`.
 *
 * One is added for each virtual host with port 80 that speaks no TLS and has one of the target's
 * names which no TLS virtual host answers to.  It stands right behind the one for port 80, in the
 * same file, and is a copy of its bytes but for what copy.h lists (docs/decisions/0018).  Its
 * addresses are those with port 80, with port 443.  Where the server does not listen there yet, a
 * Listen is added behind the one for port 80.
 *
 * No other site may change by it.  It is refused where it would become the default server of an
 * address at which others answer already, would hide others (a numeric address goes before "*"), or
 * would be hidden by them; where several virtual hosts for port 80 have the name, or where a macro
 * or a module makes the one; where its file is read more than once; where what it serves is not to
 * be told from it.
 */
#ifndef ECERT_APACHE_CREATE_H
#define ECERT_APACHE_CREATE_H

#include "plugins/apache/change.h"
#include "plugins/apache/scan.h"

/* One virtual host that is added. */
struct ecert_apache_creation {
    const struct ecert_apache_block *beside; /* for port 80 */
    struct ecert_apache_host host;           /* as the server will tell of it; no line */
    const char *name;                        /* of the target's names: the one to ask it for */
    const char *why;                         /* one clause */
};

struct ecert_apache_creations {
    struct ecert_apache_creation *list;
    size_t n;
    size_t n_listens;                        /* before any was added */
    const struct ecert_apache_creation **of; /* by the block that it stands beside; NULL: none */
};

/*
 * After the scan: what is added for these names (NULL-ended), with its edits.  Nothing where the
 * server has no mod_ssl.  The added Listen directives are uses of the server's scope afterwards.
 *
 * ECERT_E_CONFIG: refused; the text names the place, why, and what to write.
 */
ECERT_MUST_CHECK enum ecert_status ecert_apache_create(struct ecert_apache_changes *changes,
                                                       const char *const *names,
                                                       struct ecert_apache_creations *ret,
                                                       struct ecert_error *err);

/* Say why no virtual host is added beside this one, and what to write.  Returns ECERT_E_CONFIG. */
ECERT_MUST_CHECK enum ecert_status ecert_apache_create_refuse(
    const struct ecert_apache_changes *changes, const struct ecert_apache_block *beside,
    const char *why, struct ecert_error *err);

/* The Listen that the addresses need, as edits; the first `n` of the scope are the server's own. */
ECERT_MUST_CHECK enum ecert_status ecert_apache_create_listens(
    struct ecert_apache_changes *changes, const struct ecert_apache_creation *creation, size_t n,
    struct ecert_error *err);

/* "*", "_default_", "0.0.0.0", "::", or "" as a Listen has it: every address. */
bool ecert_apache_is_any(const char *address);

#endif
