/*
 * The PowerShell script that an operator runs on the Windows server.
 *
 * It checks the SHA-256 of the container, imports it (or completes the request made in IIS), puts
 * the intermediates into LocalMachine\CA and never anything into Root, replaces every binding of
 * an old certificate, adds the site's binding, and reads all of them back; when anything fails
 * it puts the old bindings back.  It removes no certificate.
 *
 * For Windows Server 2012 R2 and later (PowerShell 4, WebAdministration).  ASCII and CRLF: what
 * PowerShell reads the same way under every code page.
 */
#ifndef ECERT_PLUGINS_IIS_EXPORT_SCRIPT_H
#define ECERT_PLUGINS_IIS_EXPORT_SCRIPT_H

#include "plugins/iis-export/text.h"

#include <stdio.h>

/* ECERT_E_CONFIG: a value is not UTF-8.  ECERT_E_CRYPTO: an intermediate cannot be encoded. */
ECERT_MUST_CHECK enum ecert_status ecert_iis_script(const struct ecert_host *host,
                                                    const struct ecert_iis_export *export,
                                                    struct ecert_iis_text *ret,
                                                    struct ecert_error *err);

/*
 * Write `value` as a PowerShell expression that is this string and nothing else: in single
 * quotes, each quote doubled, everything that is not printable ASCII as [char] (PowerShell takes
 * the typographic quotes U+2018 to U+201B for quotes too).  false: not UTF-8.
 */
ECERT_MUST_CHECK bool ecert_iis_script_quote(FILE *out, const char *value);

/*
 * The certificates that the next script has to replace: those of the script that is there now
 * (an operator may have skipped it), the certificate that one was for, and `replaced` (may be
 * NULL); without `current`.  A text that is no such script counts as no script.
 */
void ecert_iis_script_old(struct ecert_view present, const char *replaced, const char *current,
                          struct ecert_iis_old *ret);

#endif
