/*
 * The password of the PKCS#12 file: one line of printable ASCII, read from a file or made here.
 *
 * Only printable ASCII, because PKCS#12 turns the password into UTF-16 and the readers disagree
 * about everything else.  Never logged, never in an error text, wiped by the caller.
 */
#ifndef ECERT_PLUGINS_IIS_EXPORT_PASSWORD_H
#define ECERT_PLUGINS_IIS_EXPORT_PASSWORD_H

#include <ecert/plugin.h>

#define ECERT_IIS_PASSWORD_MIN       12u
#define ECERT_IIS_PASSWORD_MAX       127u
#define ECERT_IIS_PASSWORD_GENERATED 28u

/* {0} is "no password".  `text` ends with NUL. */
struct ecert_iis_password {
    char text[ECERT_IIS_PASSWORD_MAX + 1];
};

void ecert_iis_password_clear(struct ecert_iis_password *password);

/*
 * The first line of a password file's bytes, without its line ending and a byte order mark
 * before it.  `path` is for the sentence.  ECERT_E_REFUSED: empty, shorter than
 * ECERT_IIS_PASSWORD_MIN, longer than ECERT_IIS_PASSWORD_MAX, or not printable ASCII.
 */
ECERT_MUST_CHECK enum ecert_status ecert_iis_password_parse(const struct ecert_host *host,
                                                            struct ecert_view file,
                                                            const char *path,
                                                            struct ecert_iis_password *ret,
                                                            struct ecert_error *err);

/*
 * A new one of ECERT_IIS_PASSWORD_GENERATED characters, each drawn evenly from letters and digits
 * that nobody mistakes for one another.  ECERT_E_CRYPTO: no random bytes.
 */
ECERT_MUST_CHECK enum ecert_status ecert_iis_password_generate(const struct ecert_host *host,
                                                               struct ecert_iis_password *ret,
                                                               struct ecert_error *err);

#endif
