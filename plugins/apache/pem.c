#include "plugins/apache/pem.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#define PEM_MAX_LEN ((size_t)1 << 20)

/* The first certificate decides for which clients the server uses the file. */
static const char *type_of(const X509 *certificate)
{
    const EVP_PKEY *key = X509_get0_pubkey(certificate);
    const int id = key != NULL ? EVP_PKEY_get_base_id(key) : EVP_PKEY_NONE;

    if (id == EVP_PKEY_RSA || id == EVP_PKEY_RSA_PSS)
        return "rsa";
    return id == EVP_PKEY_EC ? "ec" : NULL;
}

struct ecert_apache_pem ecert_apache_pem_look(const struct ecert_host *host, struct ecert_job *job,
                                              const char *path)
{
    struct ecert_apache_pem pem = {0};
    struct ecert_view text = {0};
    struct ecert_error ignored = {0};

    if (host->read_file(job, path, PEM_MAX_LEN, &text, &ignored) != ECERT_OK || text.len == 0)
        return pem;
    BIO *bio = BIO_new_mem_buf(text.ptr, (int)text.len);
    for (X509 *x = NULL; bio != NULL; X509_free(x)) {
        x = PEM_read_bio_X509(bio, NULL, NULL, NULL);
        if (x == NULL)
            break;
        if (pem.n_certificates++ == 0)
            pem.key_type = type_of(x);
    }
    BIO_free(bio);
    ERR_clear_error(); /* the end of the file is an error to OpenSSL */
    return pem;
}
