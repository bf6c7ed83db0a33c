/* What a certificate file that the server uses now holds. */
#ifndef ECERT_APACHE_PEM_H
#define ECERT_APACHE_PEM_H

#include <ecert/plugin.h>

struct ecert_apache_pem {
    const char *key_type; /* "rsa" or "ec", of the first certificate; NULL: neither, or no PEM */
    size_t n_certificates;
};

/* A file that cannot be read or holds no certificate gives {0}. */
struct ecert_apache_pem ecert_apache_pem_look(const struct ecert_host *host, struct ecert_job *job,
                                              const char *path);

#endif
