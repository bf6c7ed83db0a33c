#include "plugins/shared/pem.h"

#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#define PEM_MAX_LEN ((size_t)1 << 20)
#define N_BUCKETS   4096u /* a host has some tens of thousands of certificate files at most */

struct ecert_pem_entry {
    struct ecert_pem_entry *next; /* of the same bucket */
    const char *path;
    struct ecert_pem pem;
};

/* ---- one file -------------------------------------------------------------------------------- */

/* The first certificate decides for which clients the server uses the file. */
static const char *type_of(const X509 *certificate)
{
    const EVP_PKEY *key = X509_get0_pubkey(certificate);
    const int id = key != NULL ? EVP_PKEY_get_base_id(key) : EVP_PKEY_NONE;

    if (id == EVP_PKEY_RSA || id == EVP_PKEY_RSA_PSS)
        return "rsa";
    return id == EVP_PKEY_EC ? "ec" : NULL;
}

static bool read_thumbprint(const X509 *certificate, char *ret)
{
    static const char digits[] = "0123456789ABCDEF";
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    if (X509_digest(certificate, EVP_sha1(), hash, &len) != 1 ||
        2 * (size_t)len + 1 != ECERT_PEM_SHA1_HEX_LEN)
        return false;
    for (unsigned i = 0; i < len; i++) {
        ret[2 * i] = digits[hash[i] >> 4];
        ret[2 * i + 1] = digits[hash[i] & 0xf];
    }
    ret[2 * len] = '\0';
    return true;
}

/* False: it is no certificate, whatever its PEM header says. */
static bool read_first(const unsigned char *der, long len, bool trusted, struct ecert_pem *ret)
{
    X509 *certificate = trusted ? d2i_X509_AUX(NULL, &der, len) : d2i_X509(NULL, &der, len);
    const bool read = certificate != NULL && read_thumbprint(certificate, ret->sha1);

    if (read)
        ret->key_type = type_of(certificate);
    X509_free(certificate);
    return read;
}

/* Only the first certificate is decoded: of the others their number is wanted. */
static void read_blocks(BIO *bio, struct ecert_pem *ret)
{
    char *name = NULL, *header = NULL;
    unsigned char *der = NULL;
    long len = 0;
    bool go_on = true;

    while (go_on && PEM_read_bio(bio, &name, &header, &der, &len) == 1) {
        const bool trusted = strcmp(name, PEM_STRING_X509_TRUSTED) == 0;

        if (trusted || strcmp(name, PEM_STRING_X509) == 0 ||
            strcmp(name, PEM_STRING_X509_OLD) == 0) {
            go_on = ret->n_certificates > 0 || read_first(der, len, trusted, ret);
            ret->n_certificates += go_on;
        }
        OPENSSL_free(name);
        OPENSSL_free(header);
        OPENSSL_clear_free(der, (size_t)len); /* it may be the key, in one file with the rest */
    }
    ERR_clear_error(); /* the end of the file is an error to OpenSSL */
}

static void read_pem(const struct ecert_host *host, struct ecert_job *job, const char *path,
                     struct ecert_pem *ret)
{
    struct ecert_view text = {0};
    struct ecert_error ignored = {0};

    if (host->read_file(job, path, PEM_MAX_LEN, &text, &ignored) != ECERT_OK || text.len == 0)
        return;
    BIO *bio = BIO_new_mem_buf(text.ptr, (int)text.len);
    if (bio != NULL)
        read_blocks(bio, ret);
    BIO_free(bio);
}

/* ---- the shelf ------------------------------------------------------------------------------- */

static uint32_t bucket_of(const char *path)
{
    uint32_t hash = 2166136261u; /* FNV-1a */

    for (; *path != '\0'; path++)
        hash = (hash ^ (unsigned char)*path) * 16777619u;
    return hash % N_BUCKETS;
}

const struct ecert_pem *ecert_pem_look(struct ecert_pem_shelf *shelf, struct ecert_arena *arena,
                                       const struct ecert_host *host, struct ecert_job *job,
                                       const char *path)
{
    static const struct ecert_pem nothing = {0};

    if (path == NULL || path[0] != '/')
        return &nothing;
    if (shelf->buckets == NULL)
        shelf->buckets = ecert_arena_alloc(arena, N_BUCKETS * sizeof(struct ecert_pem_entry *));
    if (shelf->buckets == NULL)
        return NULL;
    struct ecert_pem_entry **bucket = &shelf->buckets[bucket_of(path)];
    for (const struct ecert_pem_entry *entry = *bucket; entry != NULL; entry = entry->next)
        if (strcmp(entry->path, path) == 0)
            return &entry->pem;

    struct ecert_pem_entry *entry = ecert_arena_alloc(arena, sizeof *entry);
    const char *copy = ecert_arena_copy(arena, path, strlen(path));
    if (entry == NULL || copy == NULL)
        return NULL;
    entry->path = copy;
    read_pem(host, job, copy, &entry->pem);
    entry->next = *bucket;
    *bucket = entry;
    return &entry->pem;
}
