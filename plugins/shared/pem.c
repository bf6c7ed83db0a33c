#include "plugins/shared/pem.h"

#include <string.h>

#include <openssl/asn1.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/sha.h>

#define PEM_MAX_LEN ((size_t)1 << 20)
#define N_BUCKETS   4096u /* a host has some tens of thousands of certificate files at most */

struct ecert_pem_entry {
    struct ecert_pem_entry *next; /* of the same bucket */
    const char *path;
    struct ecert_pem pem;
};

/* ---- one file -------------------------------------------------------------------------------- */

/* A part of a DER structure: [at, end). */
struct der {
    const unsigned char *at, *end;
};

/* Steps over the next element; *ret_inside, which may be NULL, is what it holds. */
static bool step(struct der *der, int wanted_tag, struct der *ret_inside)
{
    const unsigned char *at = der->at;
    long len = 0;
    int tag = 0, class = 0;

    if (at >= der->end)
        return false;
    const int flags = ASN1_get_object(&at, &len, &tag, &class, der->end - at);
    if ((flags & 0x80) != 0 || (flags & 1) != 0 || (wanted_tag >= 0 && tag != wanted_tag) ||
        len > der->end - at)
        return false;
    if (ret_inside != NULL)
        *ret_inside = (struct der){at, at + len};
    der->at = at + len;
    return true;
}

/* The object identifier of the subject's key (RFC 5280, section 4.1). */
static bool find_key_algorithm(struct der certificate, struct der *ret)
{
    struct der tbs = {0}, key = {0}, algorithm = {0};

    if (!step(&certificate, V_ASN1_SEQUENCE, &tbs))
        return false;
    if (tbs.at < tbs.end && *tbs.at == 0xA0 && !step(&tbs, 0, NULL)) /* the version */
        return false;
    return step(&tbs, V_ASN1_INTEGER, NULL) && step(&tbs, V_ASN1_SEQUENCE, NULL) &&  /* signature */
           step(&tbs, V_ASN1_SEQUENCE, NULL) && step(&tbs, V_ASN1_SEQUENCE, NULL) && /* validity */
           step(&tbs, V_ASN1_SEQUENCE, NULL) && step(&tbs, V_ASN1_SEQUENCE, &key) &&
           step(&key, V_ASN1_SEQUENCE, &algorithm) && step(&algorithm, V_ASN1_OBJECT, ret);
}

/* The first certificate decides for which clients the server uses the file. */
static const char *type_of(struct der algorithm)
{
    static const unsigned char pkcs1[] = {0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01};
    static const unsigned char ec[] = {0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01}; /* RFC 5480 */
    const size_t len = (size_t)(algorithm.end - algorithm.at);

    if (len == sizeof pkcs1 + 1 && memcmp(algorithm.at, pkcs1, sizeof pkcs1) == 0 &&
        (algorithm.at[len - 1] == 1 || algorithm.at[len - 1] == 10)) /* RSA and RSA-PSS, RFC 8017 */
        return "rsa";
    return len == sizeof ec && memcmp(algorithm.at, ec, len) == 0 ? "ec" : NULL;
}

static bool read_thumbprint(struct der certificate, char *ret)
{
    static const char digits[] = "0123456789ABCDEF";
    unsigned char hash[SHA_DIGEST_LENGTH];

    if (EVP_Q_digest(NULL, "SHA1", NULL, certificate.at, (size_t)(certificate.end - certificate.at),
                     hash, NULL) != 1)
        return false;
    for (unsigned i = 0; i < sizeof hash; i++) {
        ret[2 * i] = digits[hash[i] >> 4];
        ret[2 * i + 1] = digits[hash[i] & 0xf];
    }
    ret[2 * sizeof hash] = '\0';
    return true;
}

/*
 * False: it is no certificate, whatever its PEM header says.  Not by d2i_X509(), which decodes and
 * checks the key too: of thousands of files that would be seconds.
 */
static bool read_first(const unsigned char *der, long len, bool trusted, struct ecert_pem *ret)
{
    struct der whole = {der, der + len}, inside = {0}, algorithm = {0};

    if (!step(&whole, V_ASN1_SEQUENCE, &inside) || (!trusted && whole.at != whole.end) ||
        !find_key_algorithm(inside, &algorithm))
        return false;
    const struct der certificate = {der, whole.at}; /* behind a trusted one stands what it is for */
    if (!read_thumbprint(certificate, ret->sha1))
        return false;
    ret->key_type = type_of(algorithm);
    return true;
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
