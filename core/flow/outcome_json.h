/* An outcome as JSON: the same object in a deployment's record and in `ecert deploy --json`. */
#ifndef ECERT_FLOW_OUTCOME_JSON_H
#define ECERT_FLOW_OUTCOME_JSON_H

#include <jansson.h>

#include "core/flow/transaction.h"

/*
 * {"proved": bool, "activated": bool, "files": [{path, before, after}], "seen": [{address, port,
 * server_name, before, after, problem, ...}], "notes": [...]}.  A new reference; NULL: no memory.
 */
json_t *ecert_outcome_json(const struct ecert_outcome *outcome);

/* A list of texts.  Texts that are not UTF-8 (from a server's mouth) are escaped. */
json_t *ecert_strings_json(const struct ecert_strings *strings);
json_t *ecert_text_json(const char *text); /* NULL: JSON null */

#endif
