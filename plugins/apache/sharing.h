/*
 * Which files are read by somebody who is not changed, so that an edit in them would change another
 * site too.
 *
 * Two paths can lead to one file (a symbolic link, /etc/httpd and its software collection), and the
 * server tells the path that was written.  Files of the same bytes are therefore compared as files,
 * with test(1): "-ef" is true for one device and inode.  Where it cannot be run they count as one.
 */
#ifndef ECERT_APACHE_SHARING_H
#define ECERT_APACHE_SHARING_H

#include "plugins/apache/scan.h"

/* Mark the files that a virtual host which is not chosen reads, or the server level. */
void ecert_apache_find_shared(struct ecert_apache_scan *scan, const bool *chosen);

/* Is the file of this node marked, by any path to it? */
bool ecert_apache_is_shared(struct ecert_apache_scan *scan, size_t node);

#endif
