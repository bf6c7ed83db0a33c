#include "core/flow/compare.h"

#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

/* CA/Browser Forum, Baseline Requirements for TLS server certificates, section 7.1.6.1. */
#define POLICY_EV "2.23.140.1.1"
#define POLICY_OV "2.23.140.1.2.2"

void ecert_subject_clear(struct ecert_subject *subject)
{
    free(subject->country);
    free(subject->state);
    free(subject->locality);
    free(subject->organization);
    *subject = (struct ecert_subject){0};
}

/* The last, most specific value of this kind; NULL if there is none. */
static enum ecert_status part_of(const X509_NAME *name, int nid, char **ret,
                                 struct ecert_error *err)
{
    unsigned char *text = NULL;
    int at = -1;

    for (int i = -1; (i = X509_NAME_get_index_by_NID(name, nid, i)) >= 0;)
        at = i;
    if (at < 0)
        return ECERT_OK;
    const int n =
        ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
    if (n < 0)
        return ecert_error_openssl(err, ECERT_E_CRYPTO,
                                   "the subject of the certificate holds a text that is none");
    const enum ecert_status status =
        ecert_text_copy((struct ecert_view){text, (size_t)n}, ret, err);
    OPENSSL_free(text);
    return status == ECERT_OK ? ECERT_OK : ecert_error_wrap(err, "the subject of the certificate");
}

enum ecert_status ecert_subject_of(const X509 *leaf, struct ecert_subject *ret,
                                   struct ecert_error *err)
{
    ECERT_AUTO(ecert_subject_clear) struct ecert_subject subject = {0};
    const X509_NAME *name = X509_get_subject_name(leaf);

    ECERT_TRY(part_of(name, NID_countryName, &subject.country, err));
    ECERT_TRY(part_of(name, NID_stateOrProvinceName, &subject.state, err));
    ECERT_TRY(part_of(name, NID_localityName, &subject.locality, err));
    ECERT_TRY(part_of(name, NID_organizationName, &subject.organization, err));
    *ret = subject;
    subject = (struct ecert_subject){0};
    return ECERT_OK;
}

/* ---- organisation ---- */

/* The length of the blank that `text` begins with (U+3000 too, from Chinese input); 0: none. */
static size_t blank(const char *text)
{
    if (*text == ' ' || *text == '\t')
        return 1;
    return strncmp(text, "\xE3\x80\x80", 3) == 0 ? 3 : 0;
}

static const char *skip_blanks(const char *text)
{
    for (size_t n = 0; (n = blank(text)) > 0;)
        text += n;
    return text;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Alike but for the case of ASCII letters, and blanks: "My  Company LIMITED ". */
static bool is_alike(const char *a, const char *b)
{
    for (a = skip_blanks(a), b = skip_blanks(b); *a != '\0' && *b != '\0';) {
        const bool parted = blank(a) > 0;

        if (parted != (blank(b) > 0)) /* "My Co" is not "Myco"; only at an end it is nothing */
            break;
        if (!parted && lower(*a++) != lower(*b++))
            return false;
        if (parted) {
            a = skip_blanks(a);
            b = skip_blanks(b);
        }
    }
    return *skip_blanks(a) == '\0' && *skip_blanks(b) == '\0';
}

static bool has_latin_letter(const char *text)
{
    for (; *text != '\0'; text++)
        if (lower(*text) >= 'a' && lower(*text) <= 'z')
            return true;
    return false;
}

/* A text from a certificate or the configuration, as it may be shown. */
static const char *shown(const char *text, struct ecert_buffer *storage)
{
    ecert_buffer_add_escaped(storage, ecert_view_of(text), false);
    return storage->len == 0 || storage->failed ? "" : (const char *)storage->ptr;
}

/* One that cannot be compared: whoever knows that it is right writes it down. */
static enum ecert_status is_unknown(const char *theirs, const char *ours, const char *key,
                                    const char *language, struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer is = {0};
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer ordered = {0};
    const char *text = shown(theirs, &is);

    return ecert_error_set(err, ECERT_E_REFUSED,
                           "the certificate names the organisation '%s', which cannot be compared "
                           "with '%s': its %s name is not configured; if it is right, write "
                           "organization.%s = \"%s\" into the configuration, exactly so, and take "
                           "the file again",
                           text, shown(ours, &ordered), language, key, text);
}

/* Is there an O of this value, beside the last one? */
static bool has_organization(const X509 *leaf, const char *value)
{
    const X509_NAME *name = X509_get_subject_name(leaf);

    for (int i = -1; (i = X509_NAME_get_index_by_NID(name, NID_organizationName, i)) >= 0;) {
        unsigned char *text = NULL;
        const int n =
            ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, i)));
        const bool same =
            n >= 0 && strlen(value) == (size_t)n && memcmp(text, value, (size_t)n) == 0;

        OPENSSL_free(text);
        if (same)
            return true;
    }
    return false;
}

/* Is this Chinese name known to be ours? */
static bool is_known_chinese(const X509 *leaf, const char *theirs, const struct ecert_order *order)
{
    const char *chinese = order->chinese_organization;

    if (chinese != NULL && is_alike(theirs, chinese))
        return true;
    if (order->configured_chinese != NULL && is_alike(theirs, order->configured_chinese))
        return true;
    if (has_latin_letter(theirs) || order->organization == NULL)
        return false;
    return (order->earlier != NULL && strcmp(theirs, order->earlier) == 0) ||
           has_organization(leaf, order->organization);
}

static enum ecert_status is_another(const char *organization, const struct ecert_order *order,
                                    struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer theirs = {0};
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer ours = {0};
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer chinese = {0};
    const bool both = order->organization != NULL && order->chinese_organization != NULL;

    if (both)
        (void)shown(order->chinese_organization, &chinese);
    return ecert_error_set(
        err, ECERT_E_REFUSED,
        "the certificate is of another organisation: it says '%s', ordered for '%s'%s%s%s",
        shown(organization, &theirs),
        shown(order->organization != NULL ? order->organization : order->chinese_organization,
              &ours),
        both ? " or '" : "", both ? (const char *)chinese.ptr : "", both ? "'" : "");
}

static enum ecert_status names_none(const struct ecert_order *order, struct ecert_strings *notes,
                                    struct ecert_error *err)
{
    if (order->validation == ECERT_VALIDATION_ANY)
        return ecert_strings_add(notes, "the certificate names no organisation", err);
    return ecert_error_set(err, ECERT_E_REFUSED,
                           "the certificate names no organisation, and one was ordered");
}

enum ecert_status ecert_compare_organization(const X509 *leaf, const struct ecert_order *order,
                                             struct ecert_strings *ret_notes,
                                             struct ecert_error *err)
{
    ECERT_AUTO(ecert_subject_clear) struct ecert_subject subject = {0};
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer text = {0};
    const char *ours = order->organization;
    const char *chinese = order->chinese_organization != NULL ? order->chinese_organization
                                                              : order->configured_chinese;

    if (ours == NULL && chinese == NULL)
        return ECERT_OK;
    ECERT_TRY(ecert_subject_of(leaf, &subject, err));
    const char *theirs = subject.organization;
    if (theirs == NULL)
        return names_none(order, ret_notes, err);
    if (ours != NULL && strcmp(theirs, ours) == 0)
        return ECERT_OK;
    if (is_known_chinese(leaf, theirs, order))
        return ecert_strings_printf(ret_notes, err,
                                    "the certificate names the organisation in Chinese: '%s'",
                                    shown(theirs, &text));
    if (ours != NULL && is_alike(theirs, ours))
        return ecert_strings_printf(ret_notes, err,
                                    "the certificate writes the organisation with another case or "
                                    "other blanks: '%s'",
                                    shown(theirs, &text));
    if (chinese == NULL && !has_latin_letter(theirs) && has_latin_letter(ours))
        return is_unknown(theirs, ours, "chinese_name", "Chinese", err);
    if (ours == NULL && has_latin_letter(theirs) && !has_latin_letter(chinese))
        return is_unknown(theirs, chinese, "name", "English", err);
    return is_another(theirs, order, err);
}

/* ---- validation ---- */

static bool has_policy(const X509 *leaf, const char *wanted)
{
    CERTIFICATEPOLICIES *policies = X509_get_ext_d2i(leaf, NID_certificate_policies, NULL, NULL);
    bool found = false;

    for (int i = 0; !found && i < sk_POLICYINFO_num(policies); i++) {
        char oid[128];
        const int len = OBJ_obj2txt(oid, sizeof oid, sk_POLICYINFO_value(policies, i)->policyid, 1);
        found = len > 0 && (size_t)len < sizeof oid && strcmp(oid, wanted) == 0;
    }
    CERTIFICATEPOLICIES_free(policies);
    return found;
}

enum ecert_status ecert_compare_validation(const X509 *leaf, const struct ecert_order *order,
                                           struct ecert_strings *ret_notes, struct ecert_error *err)
{
    if (order->validation == ECERT_VALIDATION_ANY)
        return ECERT_OK;
    const bool ev = has_policy(leaf, POLICY_EV);
    if (order->validation == ECERT_VALIDATION_EV && !ev)
        return ecert_error_set(
            err, ECERT_E_REFUSED,
            "EV was ordered, and the certificate is %s (its policies lack " POLICY_EV
            "); ask the CA",
            has_policy(leaf, POLICY_OV) ? "OV" : "not EV");
    if (order->validation == ECERT_VALIDATION_OV && ev)
        return ecert_strings_add(ret_notes,
                                 "the certificate is EV, which is more than ordered (OV)", err);
    if (order->validation == ECERT_VALIDATION_OV && !has_policy(leaf, POLICY_OV))
        return ecert_error_set(
            err, ECERT_E_REFUSED,
            "OV was ordered, and the certificate is not (its policies lack " POLICY_OV
            "); ask the CA");
    return ECERT_OK;
}
