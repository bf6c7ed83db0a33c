/* The record of one virtual host, as discover() and plan() emit it. */
#ifndef ECERT_APACHE_SITE_H
#define ECERT_APACHE_SITE_H

#include "plugins/apache/choose.h"
#include "plugins/shared/names.h"

/*
 * Files are the host's own, else those of the server level; a certificate without a key file of its
 * own holds the key itself, as the server takes it.  `verdict` is NULL in discover().  `unread`:
 * the server does not read the file.  A host whose names are none that a client could ask for is
 * counted and gets no record.  ECERT_E_NOMEM, or what the host says.
 */
ECERT_MUST_CHECK enum ecert_status ecert_apache_site_emit(
    struct ecert_apache_scan *scan, struct ecert_apache_block *block,
    const struct ecert_apache_verdict *verdict, bool unread, struct ecert_left_out *left_out,
    struct ecert_error *err);

/*
 * The server outside of its virtual hosts, where it speaks TLS and some Listen is not taken by
 * them; otherwise nothing.  It is never edited.
 */
ECERT_MUST_CHECK enum ecert_status ecert_apache_main_emit(struct ecert_apache_scan *scan,
                                                          bool in_plan, struct ecert_error *err);

#endif
