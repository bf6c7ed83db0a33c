#include "core/issue/csr.h"

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "core/issue/csr_subject.h"

static void auto_request(X509_REQ **request)
{
    X509_REQ_free(*request);
    *request = NULL;
}

static void auto_bio(BIO **bio)
{
    BIO_free(*bio);
    *bio = NULL;
}

static void auto_names(GENERAL_NAMES **names)
{
    GENERAL_NAMES_free(*names);
    *names = NULL;
}

static void auto_extensions(STACK_OF(X509_EXTENSION) **extensions)
{
    sk_X509_EXTENSION_pop_free(*extensions, X509_EXTENSION_free);
    *extensions = NULL;
}

/* ---- subject ---- */

/*
 * OpenSSL's table of attributes chooses the type of string, as for `openssl req`: PrintableString
 * for C, UTF8String for the others.
 */
static enum ecert_status add_attribute(X509_NAME *subject, int nid, const char *value,
                                       struct ecert_error *err)
{
    if (value == NULL)
        return ECERT_OK;
    if (X509_NAME_add_entry_by_NID(subject, nid, MBSTRING_UTF8, (const unsigned char *)value, -1,
                                   -1, 0) != 1)
        return ecert_error_openssl(err, ECERT_E_CRYPTO, "put '%s' as %s into the CSR", value,
                                   OBJ_nid2sn(nid));
    return ECERT_OK;
}

static enum ecert_status set_subject(const struct ecert_csr_order *order, X509_REQ *request,
                                     struct ecert_error *err)
{
    const struct ecert_csr_subject values = ecert_csr_subject_of(order);
    X509_NAME *subject = X509_REQ_get_subject_name(request);

    /* the order of the CA's guide */
    ECERT_TRY(add_attribute(subject, NID_countryName, values.country, err));
    ECERT_TRY(add_attribute(subject, NID_stateOrProvinceName, values.state, err));
    ECERT_TRY(add_attribute(subject, NID_localityName, values.locality, err));
    ECERT_TRY(add_attribute(subject, NID_organizationName, values.organization, err));
    return add_attribute(subject, NID_commonName, values.common_name, err);
}

/* ---- names ---- */

static bool add_name(GENERAL_NAMES *names, const char *text)
{
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_IA5STRING *value = ASN1_IA5STRING_new();

    if (name == NULL || value == NULL || ASN1_STRING_set(value, text, -1) != 1) {
        ASN1_IA5STRING_free(value);
        GENERAL_NAME_free(name);
        return false;
    }
    GENERAL_NAME_set0_value(name, GEN_DNS, value);
    if (sk_GENERAL_NAME_push(names, name) > 0)
        return true;
    GENERAL_NAME_free(name);
    return false;
}

static enum ecert_status set_names(const struct ecert_csr_order *order, X509_REQ *request,
                                   struct ecert_error *err)
{
    ECERT_AUTO(auto_names) GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
    ECERT_AUTO(auto_extensions) STACK_OF(X509_EXTENSION) *extensions = NULL;
    bool good = names != NULL;

    for (size_t i = 0; good && order->names[i] != NULL; i++)
        good = add_name(names, order->names[i]);
    if (!good ||
        X509V3_add1_i2d(&extensions, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT) != 1 ||
        X509_REQ_add_extensions(request, extensions) != 1)
        return ecert_error_openssl(err, ECERT_E_CRYPTO, "put the names into the CSR");
    return ECERT_OK;
}

/* ---- the whole ---- */

/* What is asked for besides the key. */
static enum ecert_status set_order(const struct ecert_csr_order *order, X509_REQ *request,
                                   struct ecert_error *err)
{
    ECERT_TRY(set_subject(order, request, err));
    return order->authority->request.names_in_request ? set_names(order, request, err) : ECERT_OK;
}

static enum ecert_status build(const struct ecert_csr_order *order, EVP_PKEY *key,
                               X509_REQ *request, struct ecert_error *err)
{
    if (X509_REQ_set_version(request, X509_REQ_VERSION_1) != 1 ||
        X509_REQ_set_pubkey(request, key) != 1)
        return ecert_error_openssl(err, ECERT_E_CRYPTO, "put the public key into the CSR");
    ECERT_TRY(set_order(order, request, err));
    if (X509_REQ_sign(request, key, EVP_sha256()) <= 0)
        return ecert_error_openssl(err, ECERT_E_CRYPTO, "sign the CSR");
    /* RFC 2986: the signature proves that we have the key; a CSR without that is worth nothing */
    if (X509_REQ_verify(request, key) != 1)
        return ecert_error_openssl(err, ECERT_E_CRYPTO, "the signature of the new CSR is wrong");
    return ECERT_OK;
}

static enum ecert_status sha256_of(X509_REQ *request, char ret[ECERT_SHA256_HEX_LEN],
                                   struct ecert_error *err)
{
    unsigned char *der = NULL;
    const int len = i2d_X509_REQ(request, &der);

    if (len <= 0)
        return ecert_error_openssl(err, ECERT_E_CRYPTO, "encode the CSR");
    ecert_sha256_hex((struct ecert_view){der, (size_t)len}, ret);
    OPENSSL_free(der);
    return ECERT_OK;
}

static enum ecert_status pem_of(X509_REQ *request, struct ecert_bytes *ret, struct ecert_error *err)
{
    ECERT_AUTO(auto_bio) BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;

    if (bio == NULL || PEM_write_bio_X509_REQ(bio, request) != 1)
        return ecert_error_openssl(err, ECERT_E_CRYPTO, "write the CSR as PEM");
    const long len = BIO_get_mem_data(bio, &text);
    return ecert_bytes_copy((struct ecert_view){(const uint8_t *)text, (size_t)len}, ret, err);
}

enum ecert_status ecert_csr_make(const struct ecert_csr_order *order, EVP_PKEY *key,
                                 struct ecert_bytes *ret_pem, char ret_sha256[ECERT_SHA256_HEX_LEN],
                                 struct ecert_error *err)
{
    ECERT_AUTO(auto_request) X509_REQ *request = X509_REQ_new();
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes pem = {0};

    if (request == NULL)
        return ecert_error_nomem(err);
    ECERT_TRY(build(order, key, request, err));
    ECERT_TRY(pem_of(request, &pem, err));
    ECERT_TRY(sha256_of(request, ret_sha256, err));
    *ret_pem = pem;
    pem = (struct ecert_bytes){0};
    return ECERT_OK;
}

/* ---- the other header ---- */

#define BEGIN_LINE "-----BEGIN CERTIFICATE REQUEST-----\n"
#define END_LINE   "-----END CERTIFICATE REQUEST-----\n"

static bool same_subject(const X509_REQ *a, const X509_REQ *b)
{
    const unsigned char *one = NULL, *other = NULL;
    size_t n = 0, m = 0;

    /* not X509_NAME_cmp(), to which upper and lower case are the same */
    return X509_NAME_get0_der(X509_REQ_get_subject_name(a), &one, &n) == 1 &&
           X509_NAME_get0_der(X509_REQ_get_subject_name(b), &other, &m) == 1 && n == m &&
           memcmp(one, other, n) == 0;
}

static bool same_extensions(X509_REQ *a, X509_REQ *b)
{
    unsigned char *one = NULL, *other = NULL;
    ECERT_AUTO(auto_extensions) STACK_OF(X509_EXTENSION) *first = X509_REQ_get_extensions(a);
    ECERT_AUTO(auto_extensions) STACK_OF(X509_EXTENSION) *second = X509_REQ_get_extensions(b);
    const int n = first == NULL ? 0 : i2d_X509_EXTENSIONS(first, &one);
    const int m = second == NULL ? 0 : i2d_X509_EXTENSIONS(second, &other);
    const bool same = n >= 0 && n == m && (n == 0 || memcmp(one, other, (size_t)n) == 0);

    OPENSSL_free(one);
    OPENSSL_free(other);
    return same;
}

enum ecert_status ecert_csr_asks_for(const struct ecert_csr_order *order, struct ecert_view pem,
                                     bool *ret, struct ecert_error *err)
{
    ECERT_AUTO(auto_bio) BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    ECERT_AUTO(auto_request) X509_REQ *wanted = X509_REQ_new();

    if (bio == NULL || wanted == NULL)
        return ecert_error_nomem(err);
    ECERT_AUTO(auto_request) X509_REQ *made = PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL);
    if (made == NULL)
        return ecert_error_openssl(err, ECERT_E_CRYPTO, "read the CSR");
    ECERT_TRY(set_order(order, wanted, err));
    *ret = same_subject(made, wanted) && same_extensions(made, wanted);
    return ECERT_OK;
}

enum ecert_status ecert_csr_new_header(struct ecert_view pem, struct ecert_bytes *ret,
                                       struct ecert_error *err)
{
    const size_t begin = strlen(BEGIN_LINE), end = strlen(END_LINE);
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer buffer = {0};

    if (pem.len <= begin + end || memcmp(pem.ptr, BEGIN_LINE, begin) != 0 ||
        memcmp(pem.ptr + pem.len - end, END_LINE, end) != 0)
        return ecert_error_set(err, ECERT_E_CRYPTO,
                               "this is not one CSR between BEGIN and END CERTIFICATE REQUEST");
    ecert_buffer_add_text(&buffer, "-----BEGIN NEW CERTIFICATE REQUEST-----\n");
    ecert_buffer_add(&buffer, (struct ecert_view){pem.ptr + begin, pem.len - begin - end});
    ecert_buffer_add_text(&buffer, "-----END NEW CERTIFICATE REQUEST-----\n");
    return ecert_buffer_take(&buffer, ret, err);
}
