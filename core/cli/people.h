/*
 * Is there somebody who is told?  A configuration that reminds nobody is no mistake, but it is said
 * where people look: `ecert config` names each address that nothing is sent to, `ecert check`,
 * `ecert run` and `ecert remind` say in one sentence what is amiss when there was something to
 * tell.
 */
#ifndef ECERT_CLI_PEOPLE_H
#define ECERT_CLI_PEOPLE_H

#include "core/cli/app.h"

/* Each address of the configuration that cannot be told, once: addresses are told by mail only. */
ECERT_MUST_CHECK enum ecert_status ecert_people_untold(const struct ecert_config *config,
                                                       struct ecert_strings *ret,
                                                       struct ecert_error *err);

/* A remark (ecert_remark()) where some of them, or nobody at all, is told; else nothing. */
void ecert_people_remark(struct ecert_app *app);

#endif
