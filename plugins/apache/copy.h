/*
 * The bytes of a virtual host for port 443, made from those of the one for port 80.
 *
 * Every byte is copied, sections and comments too, but for these (docs/decisions/0018 says why):
 *   - the head has the addresses for port 443;
 *   - ServerName is without a port or scheme, and a ServerAlias without the names that the new
 *     virtual host does not get;
 *   - Redirect, RedirectMatch, RedirectPermanent, RedirectTemp and RewriteRule (with its
 *     RewriteCond) to https:// of one of its own names, or of a name that is known only when the
 *     request comes, are left out: they would lead to themselves;
 *   - RequestHeader X-Forwarded-Proto (-Scheme, -Port) tells of https (443);
 *   - WSGIDaemonProcess, FastCgiServer and FastCgiExternalServer are left out: a name may be
 *     defined once, and the virtual host of the same ServerName uses the one that is there;
 *   - SSLEngine and the three directives of certificates are left out, and end it anew.
 */
#ifndef ECERT_APACHE_COPY_H
#define ECERT_APACHE_COPY_H

#include "plugins/apache/create.h"

/*
 * The text to insert at `*ret_at` of the file, with an empty line before it.  What was left out is
 * told by notes.  ECERT_E_CONFIG: what the block has cannot be copied without guessing.
 */
ECERT_MUST_CHECK enum ecert_status ecert_apache_copy(const struct ecert_apache_changes *changes,
                                                     const struct ecert_apache_creation *creation,
                                                     const char **ret, size_t *ret_at,
                                                     struct ecert_error *err);

#endif
