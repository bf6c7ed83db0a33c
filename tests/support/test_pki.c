#include "tests/support/test_pki.h"

#include <openssl/bn.h>
#include <openssl/conf.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"

static void must(bool good, const char *what)
{
    if (good)
        return;
    (void)fprintf(stderr, "test_pki: cannot make %s\n", what);
    ERR_print_errors_fp(stderr);
    abort();
}

EVP_PKEY *test_key_rsa(unsigned bits)
{
    EVP_PKEY *key = EVP_RSA_gen(bits);

    must(key != NULL, "an RSA key");
    return key;
}

EVP_PKEY *test_key_ec(const char *curve)
{
    EVP_PKEY *key = EVP_EC_gen(curve);

    must(key != NULL, "an EC key");
    return key;
}

/* ---- certificates ---- */

static void add_name(X509_NAME *name, const char *field, const char *value)
{
    if (value != NULL)
        must(X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8, (const unsigned char *)value,
                                        -1, -1, 0) == 1,
             "a name");
}

static X509_NAME *subject_of(const struct test_certificate *what)
{
    X509_NAME *name = X509_NAME_new();

    must(name != NULL, "a name");
    if (what->organization != NULL)
        add_name(name, "C", "HK");
    add_name(name, "O", what->organization);
    add_name(name, "CN", what->common_name);
    return name;
}

static ASN1_INTEGER *serial_of(const char *hex)
{
    BIGNUM *number = NULL;

    must(BN_hex2bn(&number, hex == NULL ? "1" : hex) > 0, "a serial number");
    ASN1_INTEGER *serial = BN_to_ASN1_INTEGER(number, NULL);
    must(serial != NULL, "a serial number");
    BN_free(number);
    return serial;
}

static ASN1_TIME *time_of(int64_t seconds)
{
    ASN1_TIME *t = ASN1_TIME_set(NULL, (time_t)seconds);

    must(t != NULL, "a time");
    return t;
}

static void add_extension(X509 *certificate, X509V3_CTX *context, int nid, const char *value)
{
    CONF *nothing = NCONF_new(NULL); /* policies ask for one, though they take nothing from it */

    must(nothing != NULL, value);
    X509V3_set_nconf(context, nothing);
    X509_EXTENSION *extension = X509V3_EXT_nconf_nid(nothing, context, nid, value);
    NCONF_free(nothing);
    must(extension != NULL && X509_add_ext(certificate, extension, -1) == 1, value);
    X509_EXTENSION_free(extension);
}

/* Built by hand: a text list could not hold a name with a comma, a blank or a NUL in it. */
static void add_alternative_names(X509 *certificate, const struct test_certificate *what)
{
    GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();

    must(names != NULL, "names");
    for (size_t i = 0; what->names != NULL && what->names[i] != NULL; i++) {
        GENERAL_NAME *name = GENERAL_NAME_new();
        ASN1_IA5STRING *text = ASN1_IA5STRING_new();
        must(name != NULL && text != NULL && ASN1_STRING_set(text, what->names[i], -1) == 1,
             "a name");
        GENERAL_NAME_set0_value(name, GEN_DNS, text);
        must(sk_GENERAL_NAME_push(names, name) > 0, "a name");
    }
    for (size_t i = 0; what->others != NULL && what->others[i] != NULL; i++) {
        const bool address = strncmp(what->others[i], "IP:", 3) == 0;
        must(address || strncmp(what->others[i], "email:", 6) == 0, what->others[i]);
        char *value = (char *)(uintptr_t)what->others[i] + (address ? 3 : 6);
        GENERAL_NAME *name =
            a2i_GENERAL_NAME(NULL, NULL, NULL, address ? GEN_IPADD : GEN_EMAIL, value, 0);
        must(name != NULL && sk_GENERAL_NAME_push(names, name) > 0, what->others[i]);
    }
    if (sk_GENERAL_NAME_num(names) > 0)
        must(X509_add1_ext_i2d(certificate, NID_subject_alt_name, names, 0, 0) == 1, "names");
    GENERAL_NAMES_free(names);
}

static void add_address(X509 *certificate, X509V3_CTX *context, int nid, const char *prefix,
                        const char *url)
{
    char value[1024];

    if (url == NULL)
        return;
    must(snprintf(value, sizeof value, "%s%s", prefix, url) < (int)sizeof value, "an address");
    add_extension(certificate, context, nid, value);
}

static void add_extensions(X509 *certificate, const X509 *issuer,
                           const struct test_certificate *what)
{
    X509V3_CTX context;

    X509V3_set_ctx(&context, (X509 *)(uintptr_t)issuer, certificate, NULL, NULL, 0);
    if (what->ca) {
        add_extension(certificate, &context, NID_basic_constraints, "critical,CA:TRUE");
        add_extension(certificate, &context, NID_key_usage, "critical,keyCertSign,cRLSign");
    } else if (what->leaf_constraints) {
        add_extension(certificate, &context, NID_basic_constraints, "critical,CA:FALSE");
        add_extension(certificate, &context, NID_key_usage, "critical,digitalSignature");
    }
    if (!what->no_key_identifiers) {
        add_extension(certificate, &context, NID_subject_key_identifier, "hash");
        /* of a self-signed one it repeats its own, which is there by now */
        add_extension(certificate, &context, NID_authority_key_identifier, "keyid");
    }
    if (what->eku != NULL)
        add_extension(certificate, &context, NID_ext_key_usage, what->eku);
    if (what->policies != NULL)
        add_extension(certificate, &context, NID_certificate_policies, what->policies);
    add_address(certificate, &context, NID_crl_distribution_points, "URI:", what->crl_url);
    add_address(certificate, &context, NID_info_access, "caIssuers;URI:", what->issuers_url);
    add_alternative_names(certificate, what);
}

X509 *test_certificate_make(const struct test_certificate *what)
{
    X509 *certificate = X509_new();
    X509_NAME *subject = subject_of(what);
    ASN1_INTEGER *serial = serial_of(what->serial);
    const int64_t from = what->not_before != 0 ? what->not_before : ecert_clock_now() - 86400;
    const int64_t until = what->not_after != 0 ? what->not_after : from + 300 * (int64_t)86400;
    ASN1_TIME *not_before = time_of(from);
    ASN1_TIME *not_after = time_of(until);
    const EVP_MD *digest = EVP_get_digestbyname(what->digest == NULL ? "SHA256" : what->digest);

    must(certificate != NULL && digest != NULL, "a certificate");
    must(X509_set_version(certificate, X509_VERSION_3) == 1 &&
             X509_set_serialNumber(certificate, serial) == 1 &&
             X509_set_subject_name(certificate, subject) == 1 &&
             X509_set_issuer_name(certificate, what->issuer == NULL
                                                   ? subject
                                                   : X509_get_subject_name(what->issuer)) == 1 &&
             X509_set1_notBefore(certificate, not_before) == 1 &&
             X509_set1_notAfter(certificate, not_after) == 1 &&
             X509_set_pubkey(certificate, what->key) == 1,
         "a certificate");
    add_extensions(certificate, what->issuer == NULL ? certificate : what->issuer, what);
    must(X509_sign(certificate, what->issuer_key == NULL ? what->key : what->issuer_key, digest) >
             0,
         "a signature");
    ASN1_TIME_free(not_after);
    ASN1_TIME_free(not_before);
    ASN1_INTEGER_free(serial);
    X509_NAME_free(subject);
    return certificate;
}

X509 *test_root_make(const char *common_name, EVP_PKEY *key)
{
    return test_certificate_make(
        &(struct test_certificate){.key = key, .common_name = common_name, .ca = true});
}

X509 *test_sub_ca_make(const char *common_name, EVP_PKEY *key, const char *serial,
                       const X509 *issuer, EVP_PKEY *issuer_key)
{
    return test_certificate_make(&(struct test_certificate){.key = key,
                                                            .common_name = common_name,
                                                            .serial = serial,
                                                            .issuer = issuer,
                                                            .issuer_key = issuer_key,
                                                            .ca = true});
}

X509 *test_leaf_make(const char *name, EVP_PKEY *key, const X509 *issuer, EVP_PKEY *issuer_key)
{
    const char *const names[] = {name, NULL};

    return test_certificate_make(&(struct test_certificate){.key = key,
                                                            .common_name = name,
                                                            .names = names,
                                                            .issuer = issuer,
                                                            .issuer_key = issuer_key,
                                                            .serial = "1001",
                                                            .eku = "serverAuth",
                                                            .leaf_constraints = true});
}

X509_CRL *test_crl_make(const X509 *issuer, EVP_PKEY *issuer_key, const char *const *serials,
                        int64_t this_update, int64_t next_update)
{
    const int64_t now = ecert_clock_now();
    ASN1_TIME *from = time_of(this_update != 0 ? this_update : now - 3600);
    ASN1_TIME *until = time_of(next_update != 0 ? next_update : now + 7 * (int64_t)86400);
    X509_CRL *crl = X509_CRL_new();

    must(crl != NULL && X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1 &&
             X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer)) == 1 &&
             X509_CRL_set1_lastUpdate(crl, from) == 1 && X509_CRL_set1_nextUpdate(crl, until) == 1,
         "a CRL");
    for (size_t i = 0; serials != NULL && serials[i] != NULL; i++) {
        ASN1_INTEGER *serial = serial_of(serials[i]);
        X509_REVOKED *revoked = X509_REVOKED_new();
        must(revoked != NULL && X509_REVOKED_set_serialNumber(revoked, serial) == 1 &&
                 X509_REVOKED_set_revocationDate(revoked, from) == 1 &&
                 X509_CRL_add0_revoked(crl, revoked) == 1,
             "an entry of a CRL");
        ASN1_INTEGER_free(serial);
    }
    must(X509_CRL_sort(crl) == 1 && X509_CRL_sign(crl, issuer_key, EVP_sha256()) > 0, "a CRL");
    ASN1_TIME_free(until);
    ASN1_TIME_free(from);
    return crl;
}
