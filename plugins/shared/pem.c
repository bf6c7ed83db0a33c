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

/* ---- base64, quickly ------------------------------------------------------------------------- */

#define MAX_QUICK_LEN 8192u /* of a certificate; OpenSSL decodes larger ones */

#define NO_DIGIT 64 /* of base64 */

/* By a table: what comes next in base64 cannot be guessed, by a processor neither. */
static void make_table(uint8_t table[256])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    memset(table, NO_DIGIT, 256);
    for (uint8_t i = 0; i < NO_DIGIT; i++)
        table[(uint8_t)digits[i]] = i;
}

/* As many groups of four digits as there are without a line end; how many. */
static size_t decode_fours(const uint8_t table[256], const char *text, const char *end,
                           unsigned char *out, size_t *n)
{
    size_t fours = 0;

    for (; end - text >= 4 && *n + 3 <= MAX_QUICK_LEN; text += 4, fours++) {
        const uint8_t a = table[(uint8_t)text[0]], b = table[(uint8_t)text[1]];
        const uint8_t c = table[(uint8_t)text[2]], d = table[(uint8_t)text[3]];

        if (((a | b | c | d) & NO_DIGIT) != 0)
            break;
        out[(*n)++] = (unsigned char)(a << 2 | b >> 4);
        out[(*n)++] = (unsigned char)(b << 4 | c >> 2);
        out[(*n)++] = (unsigned char)(c << 6 | d);
    }
    return fours;
}

/* Lines of base64 (RFC 7468) into `out`; 0: something else stands there too, or too much. */
static size_t decode(const char *text, const char *end, unsigned char *out)
{
    uint8_t table[256];
    uint32_t bits = 0;
    size_t n = 0, n_chars = 0, n_pads = 0;

    make_table(table);
    for (; text < end; text++) {
        if (n_chars % 4 == 0 && n_pads == 0)
            text += 4 * decode_fours(table, text, end, out, &n);
        if (text == end)
            break;
        const uint8_t c = (uint8_t)*text;
        const uint8_t digit = table[c];

        if (c == '\n' || c == '\r')
            continue;
        if ((digit == NO_DIGIT && c != '=') || (digit != NO_DIGIT && n_pads > 0))
            return 0;
        n_pads += digit == NO_DIGIT;
        bits = bits << 6 | (digit & 0x3Fu);
        if (++n_chars % 4 != 0)
            continue;
        if (n + 3 > MAX_QUICK_LEN)
            return 0;
        out[n++] = (unsigned char)(bits >> 16);
        out[n++] = (unsigned char)(bits >> 8);
        out[n++] = (unsigned char)bits;
    }
    return n_chars % 4 != 0 || n_pads > 2 ? 0 : n - n_pads;
}

static size_t count_headings(const char *text, const char *end)
{
    static const char heading[] = "\n-----BEGIN CERTIFICATE-----";
    size_t n = 0;

    while ((text = memmem(text, (size_t)(end - text), heading, sizeof heading - 1)) != NULL) {
        text += sizeof heading - 1;
        n++;
    }
    return n;
}

/*
 * What nearly every file is: it begins with a certificate in its plainest form.  The leaf alone is
 * decoded.  False: it is something else, which OpenSSL shall look at.
 */
static bool read_quickly(struct ecert_view file, struct ecert_pem *ret)
{
    static const char heading[] = "-----BEGIN CERTIFICATE-----\n";
    static const char ending[] = "\n-----END CERTIFICATE-----\n";
    unsigned char der[MAX_QUICK_LEN];
    struct ecert_pem read = {0};
    const char *text = (const char *)file.ptr;
    const char *const end = text + file.len;

    if (file.len < sizeof heading || memcmp(text, heading, sizeof heading - 1) != 0 ||
        memchr(text, '\0', file.len) != NULL)
        return false;
    text += sizeof heading - 1;
    const char *stop = memmem(text, (size_t)(end - text), ending, sizeof ending - 1);
    const size_t len = stop == NULL ? 0 : decode(text, stop, der);
    if (len == 0 || !read_first(der, (long)len, false, &read))
        return false;
    read.n_certificates = 1 + count_headings(stop, end);
    *ret = read;
    return true;
}

/* ---- by OpenSSL ------------------------------------------------------------------------------ */

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
    if (!read_quickly(text, ret)) {
        BIO *bio = BIO_new_mem_buf(text.ptr, (int)text.len);
        if (bio != NULL)
            read_blocks(bio, ret);
        BIO_free(bio);
    }
    if (ECERT_HOST_HAS(host, forget))
        host->forget(job, text);
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
