/* What --key and --password-file give to open backups with. */
#ifndef ECERT_CLI_OPENING_H
#define ECERT_CLI_OPENING_H

#include "core/cli/app.h"
#include "core/issue/backup.h"

/* One owner; `opener` borrows from the others. */
struct ecert_opening {
    struct ecert_secret key, password;
    struct ecert_backup_opener opener;
};
void ecert_opening_clear(struct ecert_opening *opening); /* wipes */

/*
 * With --key the password is the key's; without, it is the passphrase of the backups.  `opening`
 * is {0} before, and cleared by the caller whatever happens.  ECERT_E_CONFIG: a key that is none,
 * or that its password does not open; ECERT_E_NOT_FOUND, ECERT_E_REFUSED, ECERT_E_IO: the files.
 */
ECERT_MUST_CHECK enum ecert_status ecert_opening_read(const struct ecert_options *options,
                                                      struct ecert_opening *opening,
                                                      struct ecert_error *err);

#endif
