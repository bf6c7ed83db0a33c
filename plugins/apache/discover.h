/* Which virtual hosts there are, and which pair each of them has at present. */
#ifndef ECERT_APACHE_DISCOVER_H
#define ECERT_APACHE_DISCOVER_H

#include "plugins/apache/scan.h"

/*
 * After the scan: emits a site for each virtual host, one for the main server if it speaks TLS, and
 * one for each <VirtualHost> of sites-available, beside the main file, that no file of the server's
 * leads to (Debian's layout).  A link and the file behind it hold the same bytes: that is how it is
 * seen, so that a file of the same bytes as an enabled one is not told a second time.
 */
ECERT_MUST_CHECK enum ecert_status ecert_apache_discover(struct ecert_apache_scan *scan,
                                                         struct ecert_error *err);

#endif
