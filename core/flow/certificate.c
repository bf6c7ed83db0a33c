#include "core/flow/certificate.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* A certificate is not changed by what is asked of it, only OpenSSL's signatures say otherwise. */
static X509 *unconst(const X509 *certificate)
{
    return (X509 *)(uintptr_t)certificate;
}

void ecert_auto_x509(X509 **certificate)
{
    X509_free(*certificate);
    *certificate = NULL;
}

void ecert_auto_x509_stack(STACK_OF(X509) **certificates)
{
    sk_X509_pop_free(*certificates, X509_free);
    *certificates = NULL;
}

void ecert_auto_crl(X509_CRL **crl)
{
    X509_CRL_free(*crl);
    *crl = NULL;
}

/* ---- numbers ---- */

static void fingerprint(const X509 *certificate, const EVP_MD *digest, char *ret)
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    if (X509_digest(certificate, digest, hash, &len) != 1)
        len = 0; /* out of memory: an empty fingerprint equals no other */
    ecert_hex((struct ecert_view){hash, len}, ret);
}

void ecert_certificate_sha256(const X509 *certificate, char ret[ECERT_SHA256_HEX_LEN])
{
    fingerprint(certificate, EVP_sha256(), ret);
}

void ecert_certificate_sha1(const X509 *certificate, char ret[41])
{
    fingerprint(certificate, EVP_sha1(), ret);
}

void ecert_certificate_serial(const X509 *certificate, char ret[ECERT_SERIAL_HEX_LEN])
{
    /* RFC 5280 allows 20 bytes; what a stranger writes beyond is cut, and seen to be cut */
    enum { MOST = 20 };
    const ASN1_INTEGER *serial = X509_get0_serialNumber(certificate);
    const int len = ASN1_STRING_length(serial);
    const size_t n = len < 0 ? 0 : len > MOST ? MOST : (size_t)len;

    if (ASN1_STRING_type(serial) == V_ASN1_NEG_INTEGER)
        *ret++ = '-';
    if (n == 0) {
        memcpy(ret, "00", 3);
        return;
    }
    ecert_hex((struct ecert_view){ASN1_STRING_get0_data(serial), n}, ret);
    if (len > MOST)
        memcpy(ret + 2 * n, "...", 4);
}

static int64_t seconds_of(const ASN1_TIME *t)
{
    struct tm tm = {0};

    /* a time that cannot be read is long past, so that nothing is believed because of it */
    if (t == NULL || ASN1_TIME_to_tm(t, &tm) != 1)
        return 0;
    const int64_t seconds = (int64_t)timegm(&tm);
    return seconds == 0 ? 1 : seconds; /* 0 says that it cannot be read */
}

int64_t ecert_certificate_not_before(const X509 *certificate)
{
    return seconds_of(X509_get0_notBefore(certificate));
}

int64_t ecert_certificate_not_after(const X509 *certificate)
{
    return seconds_of(X509_get0_notAfter(certificate));
}

/* ---- names ---- */

/* The last, most specific value of this kind in the subject, as UTF-8; len 0 if there is none. */
static enum ecert_status subject_entry(const X509 *certificate, int nid, struct ecert_bytes *ret,
                                       struct ecert_error *err)
{
    const X509_NAME *name = X509_get_subject_name(certificate);
    unsigned char *text = NULL;
    int at = -1;

    for (int i = -1; (i = X509_NAME_get_index_by_NID(name, nid, i)) >= 0;)
        at = i;
    if (at < 0)
        return ecert_bytes_copy((struct ecert_view){0}, ret, err);
    const int n =
        ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
    if (n < 0) /* not the text that its type promises: as if it were not there */
        return ecert_bytes_copy((struct ecert_view){0}, ret, err);
    const enum ecert_status status =
        ecert_bytes_copy((struct ecert_view){text, (size_t)n}, ret, err);
    OPENSSL_free(text);
    return status;
}

enum ecert_status ecert_certificate_common_name(const X509 *certificate, char **ret,
                                                struct ecert_error *err)
{
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes value = {0};

    ECERT_TRY(subject_entry(certificate, NID_commonName, &value, err));
    if (memchr(value.ptr, 0, value.len + 1) != value.ptr + value.len)
        return ecert_error_set(err, ECERT_E_CRYPTO,
                               "the common name of the certificate holds a NUL byte");
    *ret = (char *)value.ptr;
    value = (struct ecert_bytes){0};
    return ECERT_OK;
}

static enum ecert_status whole_subject(const X509 *certificate, struct ecert_buffer *out,
                                       struct ecert_error *err)
{
    char *text = NULL;
    BIO *bio = BIO_new(BIO_s_mem());

    if (bio == NULL)
        return ecert_error_nomem(err);
    (void)X509_NAME_print_ex(bio, X509_get_subject_name(certificate), 0,
                             XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB);
    const long n = BIO_get_mem_data(bio, &text);
    if (n > 0)
        ecert_buffer_add_escaped(out, (struct ecert_view){(const uint8_t *)text, (size_t)n}, false);
    else
        ecert_buffer_add_text(out, "a certificate without a subject");
    (void)BIO_free(bio);
    return ECERT_OK;
}

enum ecert_status ecert_certificate_title(const X509 *certificate, char **ret,
                                          struct ecert_error *err)
{
    static const int kinds[] = {NID_commonName, NID_organizationName};
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer out = {0};
    struct ecert_bytes title = {0};

    for (size_t i = 0; i < ARRAY_SIZE(kinds) && out.len == 0; i++) {
        ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes value = {0};
        ECERT_TRY(subject_entry(certificate, kinds[i], &value, err));
        ecert_buffer_add_escaped(&out, ecert_bytes_view(&value), false);
    }
    if (out.len == 0)
        ECERT_TRY(whole_subject(certificate, &out, err));
    ECERT_TRY(ecert_buffer_take(&out, &title, err));
    *ret = (char *)title.ptr;
    return ECERT_OK;
}

/* Letters, digits, "-" and "_" in labels, "*" only as the whole first one; lower case already. */
static bool is_host_name(const char *name, size_t len)
{
    const char *rest = len > 2 && name[0] == '*' && name[1] == '.' ? name + 2 : name;
    const char *end = name + len;

    if (len == 0 || len > 253)
        return false;
    for (const char *p = rest; p < end; p++) {
        if (*p == '.' && (p == rest || p[-1] == '.'))
            return false;
        if (!(*p >= 'a' && *p <= 'z') && !(*p >= '0' && *p <= '9') && *p != '-' && *p != '_' &&
            *p != '.')
            return false;
    }
    return true;
}

static enum ecert_status add_name(const ASN1_IA5STRING *from, struct ecert_strings *names,
                                  struct ecert_error *err)
{
    const int len = ASN1_STRING_length(from);
    char name[256];

    if (len <= 0 || (size_t)len >= sizeof name)
        return ECERT_OK;
    memcpy(name, ASN1_STRING_get0_data(from), (size_t)len);
    for (int i = 0; i < len; i++)
        if (name[i] >= 'A' && name[i] <= 'Z') /* not tolower(): the locale has no say in DNS */
            name[i] = (char)(name[i] - 'A' + 'a');
    name[len] = '\0';
    return is_host_name(name, (size_t)len) ? ecert_strings_add(names, name, err) : ECERT_OK;
}

static void auto_general_names(GENERAL_NAMES **names)
{
    GENERAL_NAMES_free(*names);
}

enum ecert_status ecert_certificate_names(const X509 *certificate, struct ecert_strings *ret,
                                          struct ecert_error *err)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings names = {0};
    ECERT_AUTO(auto_general_names)
    GENERAL_NAMES *all = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);

    for (int i = 0; i < sk_GENERAL_NAME_num(all); i++) {
        int type = 0;
        const void *value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(all, i), &type);
        if (type == GEN_DNS)
            ECERT_TRY(add_name(value, &names, err));
    }
    *ret = names;
    names = (struct ecert_strings){0};
    return ECERT_OK;
}

static bool is_address(const char *host)
{
    struct in_addr v4;

    return strchr(host, ':') != NULL || inet_pton(AF_INET, host, &v4) == 1;
}

/* The length without one trailing dot, which means the same name (RFC 9525 names have none). */
static size_t name_length(const char *name)
{
    const size_t n = strlen(name);

    return n > 1 && name[n - 1] == '.' ? n - 1 : n;
}

/* RFC 9525 section 6.3: "*" is the complete left-most label and stands for exactly one. */
static bool one_covers(const char *pattern, const char *host)
{
    const size_t pattern_len = name_length(pattern);
    const size_t host_len = name_length(host);

    if (pattern_len == host_len && strncasecmp(pattern, host, host_len) == 0)
        return true;
    if (pattern_len < 3 || pattern[0] != '*' || pattern[1] != '.' || host[0] == '*')
        return false;
    const size_t label = strcspn(host, ".");
    return label > 0 && host_len > label && pattern_len - 1 == host_len - label &&
           strncasecmp(pattern + 1, host + label, pattern_len - 1) == 0;
}

bool ecert_names_cover(const char *const *dns_names, const char *host_name)
{
    if (host_name[0] == '\0' || is_address(host_name))
        return false;
    for (size_t i = 0; dns_names != NULL && dns_names[i] != NULL; i++)
        if (one_covers(dns_names[i], host_name))
            return true;
    return false;
}

bool ecert_certificate_covers(const X509 *certificate, const char *host_name)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings names = {0};
    struct ecert_error err = {0};

    if (ecert_certificate_names(certificate, &names, &err) != ECERT_OK)
        return false; /* out of memory: not known to cover */
    return ecert_names_cover(ecert_strings_array(&names), host_name);
}

/* ---- what it is ---- */

bool ecert_certificate_is_ca(const X509 *certificate)
{
    BASIC_CONSTRAINTS *constraints =
        X509_get_ext_d2i(certificate, NID_basic_constraints, NULL, NULL);
    const bool ca = constraints != NULL && constraints->ca != 0;

    BASIC_CONSTRAINTS_free(constraints);
    return ca;
}

bool ecert_certificate_is_self_signed(const X509 *certificate)
{
    EVP_PKEY *key;

    if (X509_NAME_cmp(X509_get_subject_name(certificate), X509_get_issuer_name(certificate)) != 0)
        return false;
    key = X509_get0_pubkey(certificate);
    const bool verified = key != NULL && X509_verify(unconst(certificate), key) == 1;
    ERR_clear_error();
    return verified;
}

bool ecert_certificate_equal(const X509 *a, const X509 *b)
{
    unsigned char *der_a = NULL, *der_b = NULL;
    const int len_a = i2d_X509(a, &der_a);
    const int len_b = i2d_X509(b, &der_b);
    const bool equal = len_a > 0 && len_a == len_b && memcmp(der_a, der_b, (size_t)len_a) == 0;

    OPENSSL_free(der_a);
    OPENSSL_free(der_b);
    return equal;
}

const char *ecert_certificate_key_type(const X509 *certificate)
{
    ASN1_OBJECT *algorithm = NULL;

    if (X509_PUBKEY_get0_param(&algorithm, NULL, NULL, NULL, X509_get_X509_PUBKEY(certificate)) !=
        1)
        return "other";
    switch (OBJ_obj2nid(algorithm)) {
    case NID_rsaEncryption:
        return "rsa";
    case NID_X9_62_id_ecPublicKey:
        return "ec";
    default:
        return "other";
    }
}

/* ---- its bytes ---- */

enum ecert_status ecert_certificate_key_id(const X509 *certificate, uint8_t ret[ECERT_SHA256_LEN],
                                           struct ecert_error *err)
{
    unsigned char *der = NULL;
    const int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);

    if (len <= 0)
        return ecert_error_openssl(err, ECERT_E_CRYPTO, "encode the certificate's public key");
    ecert_sha256((struct ecert_view){der, (size_t)len}, ret);
    OPENSSL_free(der);
    return ECERT_OK;
}

enum ecert_status ecert_certificate_pem(const X509 *certificate, struct ecert_buffer *buffer,
                                        struct ecert_error *err)
{
    char *text = NULL;
    BIO *bio = BIO_new(BIO_s_mem());

    if (bio == NULL || PEM_write_bio_X509(bio, certificate) != 1) {
        (void)BIO_free(bio);
        return ecert_error_openssl(err, ECERT_E_CRYPTO, "encode a certificate");
    }
    const long n = BIO_get_mem_data(bio, &text);
    ecert_buffer_add(buffer, (struct ecert_view){(const uint8_t *)text, n > 0 ? (size_t)n : 0});
    (void)BIO_free(bio);
    return buffer->failed ? ecert_error_nomem(err) : ECERT_OK;
}

enum ecert_status ecert_certificate_parse(struct ecert_view der, X509 **ret,
                                          struct ecert_error *err)
{
    const unsigned char *p = der.ptr;

    if (der.len == 0 || der.len > INT32_MAX)
        return ecert_error_set(err, ECERT_E_CRYPTO, "%zu bytes are no certificate", der.len);
    ECERT_AUTO(ecert_auto_x509) X509 *certificate = d2i_X509(NULL, &p, (long)der.len);
    if (certificate == NULL)
        return ecert_error_openssl(err, ECERT_E_CRYPTO, "not a certificate");
    if (p != der.ptr + der.len)
        return ecert_error_set(err, ECERT_E_CRYPTO, "%zu bytes follow the end of the certificate",
                               (size_t)(der.ptr + der.len - p));
    *ret = certificate;
    certificate = NULL;
    return ECERT_OK;
}
