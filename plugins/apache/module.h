/* mod_ssl is not loaded: what to do about it, in the layout at hand. */
#ifndef ECERT_APACHE_MODULE_H
#define ECERT_APACHE_MODULE_H

#include "plugins/apache/dump.h"

#include <ecert/plugin.h>

/*
 * What to do, to follow "mod_ssl is not loaded: ": the command of Debian and its kin, the package
 * of RHEL and Alpine, the line of the main file that is commented out, or the line to write.
 * `main_file` is the server's, "" if it is not known.  NULL: no memory.
 */
const char *ecert_apache_ssl_advice(const struct ecert_host *host, struct ecert_job *job,
                                    struct ecert_arena *arena, const char *main_file);

/* The main file of a server that could not say it: the one of "-f", else where it usually is. */
const char *ecert_apache_guess_main_file(const struct ecert_host *host, struct ecert_job *job);

#endif
