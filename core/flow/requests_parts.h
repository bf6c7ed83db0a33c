/* What requests.c and requests_files.c share. */
#ifndef ECERT_FLOW_REQUESTS_PARTS_H
#define ECERT_FLOW_REQUESTS_PARTS_H

#include "core/flow/requests.h"

#define REQUEST_KEY_NAME  "privkey.pem"
#define REQUEST_CSR_NAME  "request.csr"
#define REQUEST_JSON_NAME "request.json"
#define REQUEST_CSR_MAX   ((size_t)1 << 20)
#define REQUEST_MOMENT    16 /* how long "20261121T084200Z" is */

/* The number behind the moment of an id, 1 where there is none; 0: this is no id. */
unsigned request_id_number(const char *id);

/* STATE/certificates/FOLDER/requests/ID/FILE; without a `file` the folder.  ECERT_E_REFUSED: a name
 * or an id that leads elsewhere. */
ECERT_MUST_CHECK enum ecert_status request_path(const char *state_dir,
                                                const struct ecert_request *request,
                                                const char *file, char **ret,
                                                struct ecert_error *err);

/* Is its key there, a regular file, and ours alone?  ECERT_E_NOT_FOUND, ECERT_E_REFUSED,
 * ECERT_E_IO. */
ECERT_MUST_CHECK enum ecert_status request_key_is_there(const char *state_dir,
                                                        const struct ecert_request *request,
                                                        struct ecert_error *err);

#endif
