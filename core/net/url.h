/*
 * The addresses that we fetch from and send to: http, https and file, or smtp and smtps, told apart
 * once.
 *
 * `shown` is the address for sentences: without user, password, query and fragment, any of which
 * may be a secret.  An address that cannot be parsed is never shown: nobody could take its password
 * out.
 */
#ifndef ECERT_NET_URL_H
#define ECERT_NET_URL_H

#include "core/base/bytes.h"

enum ecert_url_kind {
    ECERT_URL_HTTP,
    ECERT_URL_HTTPS,
    ECERT_URL_FILE,
    ECERT_URL_SMTP,
    ECERT_URL_SMTPS
};

struct ecert_url {
    enum ecert_url_kind kind;
    char *text;
    char *shown;
    char *host; /* NULL for a file */
    char *path; /* of a file: decoded; NULL otherwise */
};
void ecert_url_clear(struct ecert_url *url);

/*
 * ECERT_E_REFUSED: not a URL, another scheme, no host, or a user or password without https (they
 * would be sent in the clear).
 */
ECERT_MUST_CHECK enum ecert_status ecert_url_parse(const char *text, struct ecert_url *ret,
                                                   struct ecert_error *err);

/*
 * A mail server: smtp or smtps.  A path is the name for EHLO.  ECERT_E_REFUSED: not such a URL, or
 * more in it (a user, a password, a query): those would be shown.
 */
ECERT_MUST_CHECK enum ecert_status ecert_url_parse_mail(const char *text, struct ecert_url *ret,
                                                        struct ecert_error *err);

/*
 * Where a redirect leads: `location` may be relative.  Followed are those to the same host (without
 * case), by http or https, never from https to http.  ECERT_E_NETWORK tells where it leads;
 * ECERT_E_REFUSED as ecert_url_parse().
 */
ECERT_MUST_CHECK enum ecert_status ecert_url_redirect(const struct ecert_url *from,
                                                      const char *location, struct ecert_url *ret,
                                                      struct ecert_error *err);

#endif
