/* Which virtual hosts there are, and which pair each of them has at present. */
#ifndef ECERT_APACHE_DISCOVER_H
#define ECERT_APACHE_DISCOVER_H

#include "plugins/apache/scan.h"

/*
 * After a scan of every host: emits a site for each whose block was found.  Its files are its own,
 * else those of the server level; a certificate without a key file of its own holds the key itself,
 * as the server takes it.  ECERT_E_NOMEM.
 */
ECERT_MUST_CHECK enum ecert_status ecert_apache_discover(struct ecert_apache_scan *scan,
                                                         struct ecert_error *err);

#endif
