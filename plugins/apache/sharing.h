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

/* Mark the virtual hosts that are not chosen, and the files that they read, or the server level. */
void ecert_apache_find_shared(struct ecert_apache_scan *scan, const bool *chosen);

/* Is the file of this node marked, by any path to it? */
bool ecert_apache_is_shared(struct ecert_apache_scan *scan, size_t node);

/* Does the server read the file of this node more than once, by whatever path? */
bool ecert_apache_is_read_again(const struct ecert_apache_scan *scan, size_t node);

/*
 * Another virtual host that the lines of this one make, and that is not chosen: the server reads
 * the file by another path too, with other variables.  NULL: none.
 */
const struct ecert_apache_block *ecert_apache_find_twin(const struct ecert_apache_scan *scan,
                                                        const struct ecert_apache_block *block);

#endif
