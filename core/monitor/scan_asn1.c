/*
 * The dates and names of a certificate (RFC 5280 section 4.1).  Nothing is decoded but what is
 * asked for: ASN1_get_object() finds the way, and OpenSSL's templates decode the serial, the dates,
 * one name and one extension.  d2i_X509() makes objects of everything, and decodes the key.
 */
#include <openssl/asn1t.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/monitor/scan_parts.h"

/* ---- templates ---- */

typedef struct {
    ASN1_TIME *not_before, *not_after;
} validity; /* typedefs, because the macros paste the name of the type */

/* clang-format off */
ASN1_SEQUENCE(validity) = {
    ASN1_SIMPLE(validity, not_before, ASN1_TIME),
    ASN1_SIMPLE(validity, not_after, ASN1_TIME),
} static_ASN1_SEQUENCE_END(validity)

static void auto_validity(validity **dates)
{
    ASN1_item_free((ASN1_VALUE *)*dates, ASN1_ITEM_rptr(validity));
}
/* clang-format on */

static void auto_integer(ASN1_INTEGER **integer)
{
    ASN1_INTEGER_free(*integer);
}

/* ---- finding the way ---- */

#define CONTEXT 1000

struct element {
    int tag; /* CONTEXT + n: "[n]"; -1: of yet another class */
    struct ecert_view whole, content;
};

static int tag_of(int class, int tag)
{
    if (class == V_ASN1_UNIVERSAL)
        return tag;
    return class == V_ASN1_CONTEXT_SPECIFIC && tag < CONTEXT ? CONTEXT + tag : -1;
}

static bool next_element(struct ecert_view *rest, struct element *ret)
{
    const unsigned char *p = rest->ptr;
    long len = 0;
    int tag = 0, class = 0;

    if (rest->len == 0)
        return false;
    /* 0x80: an error; 1: of indefinite length, which no certificate has */
    if ((ASN1_get_object(&p, &len, &tag, &class, (long)rest->len) & 0x81) != 0)
        return false;
    const size_t head = (size_t)(p - rest->ptr);
    *ret = (struct element){.tag = tag_of(class, tag),
                            .whole = {rest->ptr, head + (size_t)len},
                            .content = {p, (size_t)len}};
    rest->ptr += ret->whole.len;
    rest->len -= ret->whole.len;
    return true;
}

static bool next_of(struct ecert_view *rest, int tag, struct element *ret)
{
    return next_element(rest, ret) && ret->tag == tag;
}

/* The next one if it has this tag. */
static bool skip_optional(struct ecert_view *rest, int tag, struct element *ret)
{
    struct ecert_view ahead = *rest;

    if (!next_of(&ahead, tag, ret))
        return false;
    *rest = ahead;
    return true;
}

struct parts {
    struct element serial, issuer, validity, subject;
    struct element extensions; /* tag 0: none */
};

/* TBSCertificate; every element is looked at, in its order. */
static bool find_signed_parts(struct ecert_view rest, struct parts *ret)
{
    struct element passed;

    (void)skip_optional(&rest, CONTEXT + 0, &passed);
    if (!next_of(&rest, V_ASN1_INTEGER, &ret->serial) ||
        !next_of(&rest, V_ASN1_SEQUENCE, &passed) || /* the algorithm */
        !next_of(&rest, V_ASN1_SEQUENCE, &ret->issuer) ||
        !next_of(&rest, V_ASN1_SEQUENCE, &ret->validity) ||
        !next_of(&rest, V_ASN1_SEQUENCE, &ret->subject) ||
        !next_of(&rest, V_ASN1_SEQUENCE, &passed)) /* the key */
        return false;
    (void)skip_optional(&rest, CONTEXT + 1, &passed);
    (void)skip_optional(&rest, CONTEXT + 2, &passed);
    if (skip_optional(&rest, CONTEXT + 3, &passed) &&
        (!next_of(&passed.content, V_ASN1_SEQUENCE, &ret->extensions) || passed.content.len > 0))
        return false;
    return rest.len == 0;
}

static bool find_parts(struct ecert_view der, struct parts *ret)
{
    struct element whole, to_be_signed, passed;

    *ret = (struct parts){0};
    return next_of(&der, V_ASN1_SEQUENCE, &whole) && der.len == 0 &&
           next_of(&whole.content, V_ASN1_SEQUENCE, &to_be_signed) &&
           next_of(&whole.content, V_ASN1_SEQUENCE, &passed) &&
           next_of(&whole.content, V_ASN1_BIT_STRING, &passed) && whole.content.len == 0 &&
           find_signed_parts(to_be_signed.content, ret);
}

static bool is_oid(const struct element *element, const char oid[3])
{
    return element->content.len == 3 && memcmp(element->content.ptr, oid, 3) == 0;
}

#define OID_COMMON_NAME       "\x55\x04\x03" /* 2.5.4.3 */
#define OID_SUBJECT_ALT_NAME  "\x55\x1D\x11" /* 2.5.29.17 */
#define OID_BASIC_CONSTRAINTS "\x55\x1D\x13" /* 2.5.29.19 */

/* The last, most specific common name, whole; len 0: none.  False: the name is damaged. */
static bool find_common_name(struct ecert_view name, struct ecert_view *ret)
{
    struct element set, entry, type;

    while (name.len > 0) {
        if (!next_of(&name, V_ASN1_SET, &set))
            return false;
        while (set.content.len > 0) {
            if (!next_of(&set.content, V_ASN1_SEQUENCE, &entry) ||
                !next_of(&entry.content, V_ASN1_OBJECT, &type))
                return false;
            if (is_oid(&type, OID_COMMON_NAME))
                *ret = entry.content;
        }
    }
    return true;
}

struct wanted_extensions {
    struct ecert_view names, constraints; /* their values; len 0: none */
};

static bool find_extensions(struct ecert_view all, struct wanted_extensions *ret)
{
    struct element extension, type, value;

    while (all.len > 0) {
        if (!next_of(&all, V_ASN1_SEQUENCE, &extension) ||
            !next_of(&extension.content, V_ASN1_OBJECT, &type) ||
            !next_element(&extension.content, &value))
            return false;
        if (value.tag == V_ASN1_BOOLEAN && !next_element(&extension.content, &value))
            return false;
        if (value.tag != V_ASN1_OCTET_STRING)
            return false;
        if (is_oid(&type, OID_BASIC_CONSTRAINTS))
            ret->constraints = value.content;
        else if (is_oid(&type, OID_SUBJECT_ALT_NAME))
            ret->names = value.content;
    }
    return true;
}

/* ---- what is told of it ---- */

static void set_title(struct scan_record *record, const unsigned char *text, size_t len)
{
    if (len > SCAN_TITLE_MAX) {
        len = SCAN_TITLE_MAX;
        while (len > 0 && (text[len] & 0xC0) == 0x80) /* not within a character */
            len--;
    }
    if (len > 0)
        memcpy(record->title, text, len);
    record->title_len = (uint16_t)len;
}

static void set_title_from_common_name(struct scan_record *record, struct ecert_view value)
{
    const unsigned char *p = value.ptr;
    unsigned char *text = NULL;
    struct ecert_view rest = value;
    struct element element;

    if (next_element(&rest, &element) && rest.len == 0 &&
        (element.tag == V_ASN1_UTF8STRING ||
         element.tag == V_ASN1_PRINTABLESTRING)) { /* is UTF-8 already, as in nearly all */
        set_title(record, element.content.ptr, element.content.len);
        return;
    }
    ASN1_STRING *string = d2i_ASN1_PRINTABLE(NULL, &p, (long)value.len);
    const int n = string == NULL ? -1 : ASN1_STRING_to_UTF8(&text, string);

    if (n > 0)
        set_title(record, text, (size_t)n);
    if (n >= 0)
        OPENSSL_free(text);
    ASN1_STRING_free(string);
}

static void set_title_from_names(struct scan_record *record, struct ecert_view names)
{
    const unsigned char *p = names.ptr;
    GENERAL_NAMES *all = d2i_GENERAL_NAMES(NULL, &p, (long)names.len);

    for (int i = 0; i < sk_GENERAL_NAME_num(all) && record->title_len == 0; i++) {
        int type = 0;
        const ASN1_STRING *value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(all, i), &type);
        if (type == GEN_DNS)
            set_title(record, ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value));
    }
    GENERAL_NAMES_free(all);
}

static bool is_ca(struct ecert_view value)
{
    const unsigned char *p = value.ptr;

    if (value.len == 2 && memcmp(value.ptr, "\x30\x00", 2) == 0)
        return false; /* as most leafs have it */
    BASIC_CONSTRAINTS *constraints = d2i_BASIC_CONSTRAINTS(NULL, &p, (long)value.len);
    const bool ca = constraints != NULL && constraints->ca != 0;

    BASIC_CONSTRAINTS_free(constraints);
    return ca;
}

/* The same name in other letters or string types: for CAs, whose chains are built by this. */
static bool is_same_name(struct ecert_view a, struct ecert_view b)
{
    const unsigned char *p[] = {a.ptr, b.ptr};
    X509_NAME *names[] = {d2i_X509_NAME(NULL, &p[0], (long)a.len),
                          d2i_X509_NAME(NULL, &p[1], (long)b.len)};
    const bool same =
        names[0] != NULL && names[1] != NULL && X509_NAME_cmp(names[0], names[1]) == 0;

    X509_NAME_free(names[0]);
    X509_NAME_free(names[1]);
    return same;
}

/* As ecert_certificate_serial() has it. */
static void serial_text(const ASN1_INTEGER *serial, char ret[ECERT_SERIAL_HEX_LEN])
{
    enum { MOST = 20 };
    const struct ecert_view bytes = {ASN1_STRING_get0_data(serial),
                                     (size_t)ASN1_STRING_length(serial)};
    const size_t n = bytes.len > MOST ? MOST : bytes.len;

    if (ASN1_STRING_type(serial) == V_ASN1_NEG_INTEGER)
        *ret++ = '-';
    if (n == 0) {
        memcpy(ret, "00", 3);
        return;
    }
    ecert_hex((struct ecert_view){bytes.ptr, n}, ret);
    if (bytes.len > MOST)
        memcpy(ret + 2 * n, "...", 4);
}

/* As ecert_certificate_not_after(): 0 if it cannot be read, and never else. */
static int64_t seconds_of(const ASN1_TIME *t)
{
    struct tm tm = {0};

    if (ASN1_TIME_to_tm(t, &tm) != 1)
        return 0;
    const int64_t seconds = (int64_t)timegm(&tm);
    return seconds == 0 ? 1 : seconds;
}

/* Exactly these bytes as an INTEGER and as two times. */
static bool set_numbers(const struct parts *parts, struct scan_record *record)
{
    const unsigned char *p = parts->serial.whole.ptr;
    const unsigned char *q = parts->validity.whole.ptr;
    ECERT_AUTO(auto_integer)
    ASN1_INTEGER *serial = d2i_ASN1_INTEGER(NULL, &p, (long)parts->serial.whole.len);
    ECERT_AUTO(auto_validity)
    validity *dates = (validity *)ASN1_item_d2i(NULL, &q, (long)parts->validity.whole.len,
                                                ASN1_ITEM_rptr(validity));

    if (serial == NULL || dates == NULL)
        return false;
    serial_text(serial, record->serial);
    record->not_before = seconds_of(dates->not_before);
    record->not_after = seconds_of(dates->not_after);
    return true;
}

static bool describe(const struct parts *parts, struct scan_record *record)
{
    const struct ecert_view subject = parts->subject.whole, issuer = parts->issuer.whole;
    struct wanted_extensions wanted = {0};
    struct ecert_view common_name = {0}, passed = {0};

    if (!find_common_name(parts->subject.content, &common_name) ||
        !find_common_name(parts->issuer.content, &passed) ||
        !find_extensions(parts->extensions.content, &wanted) || !set_numbers(parts, record))
        return false;
    record->is_ca = wanted.constraints.len > 0 && is_ca(wanted.constraints);
    record->is_self_issued =
        ecert_view_equal(subject, issuer) || (record->is_ca && is_same_name(subject, issuer));
    if (common_name.len > 0)
        set_title_from_common_name(record, common_name);
    if (record->title_len == 0 && wanted.names.len > 0)
        set_title_from_names(record, wanted.names);
    return true;
}

bool scan_decode_der(struct scan_decoder *decoder, struct ecert_view der, struct scan_record *ret)
{
    struct scan_record record = {0};
    struct parts parts;

    const bool good = der.len <= INT32_MAX && find_parts(der, &parts) &&
                      describe(&parts, &record) &&
                      EVP_DigestInit_ex(decoder->hash, decoder->sha256, NULL) == 1 &&
                      EVP_DigestUpdate(decoder->hash, der.ptr, der.len) == 1 &&
                      EVP_DigestFinal_ex(decoder->hash, record.sha256, NULL) == 1;
    if (good)
        *ret = record;
    else
        ERR_clear_error();
    return good;
}

bool scan_decoder_init(struct scan_decoder *ret)
{
    *ret = (struct scan_decoder){.sha256 = EVP_MD_fetch(NULL, "SHA256", NULL),
                                 .hash = EVP_MD_CTX_new()};
    if (ret->sha256 != NULL && ret->hash != NULL)
        return true;
    scan_decoder_clear(ret);
    return false;
}

void scan_decoder_clear(struct scan_decoder *decoder)
{
    EVP_MD_CTX_free(decoder->hash);
    EVP_MD_free(decoder->sha256);
    free(decoder->der); /* certificates: nothing to wipe */
    *decoder = (struct scan_decoder){0};
}
