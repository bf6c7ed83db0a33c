/*
 * What the certificate files hold that a server uses at present: enough to tell which pair of
 * several is for which key type, and which sites use one and the same certificate.
 *
 * Each file is read once for a plan, however many sites name it.
 */
#ifndef ECERT_PLUGINS_PEM_H
#define ECERT_PLUGINS_PEM_H

#include "plugins/shared/arena.h"

#include <ecert/plugin.h>

#define ECERT_PEM_SHA1_HEX_LEN 41

struct ecert_pem {
    const char *key_type; /* "rsa" or "ec", of the first certificate; NULL: neither, or no PEM */
    size_t n_certificates;
    char sha1[ECERT_PEM_SHA1_HEX_LEN]; /* of the first one, as leaf()->sha1; "": none */
};

/* The files that were read; {0} is the empty one.  Everything lives in the arena. */
struct ecert_pem_shelf {
    struct ecert_pem_entry **buckets;
};

/*
 * A file that cannot be read or holds no certificate gives {0}, as does NULL or a path that is not
 * absolute.  Never NULL but when there is no memory.
 */
const struct ecert_pem *ecert_pem_look(struct ecert_pem_shelf *shelf, struct ecert_arena *arena,
                                       const struct ecert_host *host, struct ecert_job *job,
                                       const char *path);

#endif
