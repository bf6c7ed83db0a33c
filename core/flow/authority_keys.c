#include "core/flow/authority_keys.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/fs.h"
#include "core/flow/requests.h"

/* clang-format off */
static const struct ecert_authority_key anchor_keys[] = {
    {"file", ECERT_PROFILE_PATH, true, offsetof(struct ecert_authority_anchor, file), NULL,
     "the root certificate, PEM or DER; may be a bundle if sha256 is given"},
    {"sha256", ECERT_PROFILE_SHA256, false, offsetof(struct ecert_authority_anchor, sha256), NULL,
     "pin: the SHA-256 fingerprint of the root in that file"},
};

static const struct ecert_authority_key intermediate_keys[] = {
    {"subject", ECERT_PROFILE_TEXT, true, offsetof(struct ecert_authority_intermediate, subject),
     NULL, "the common name (CN) of the sub CA; it is chosen by the issuer that the leaf names"},
    {"url", ECERT_PROFILE_URL, false, offsetof(struct ecert_authority_intermediate, url), NULL,
     "where the CA offers it; not trusted for coming from there"},
    {"sha256", ECERT_PROFILE_SHA256, false, offsetof(struct ecert_authority_intermediate, sha256),
     NULL, "pin: the SHA-256 fingerprint of the current certificate"},
    {"serial", ECERT_PROFILE_SERIAL, false, offsetof(struct ecert_authority_intermediate, serial),
     NULL, "serial number of the current certificate, for messages"},
    {"revoked", ECERT_PROFILE_SHA256S, false,
     offsetof(struct ecert_authority_intermediate, revoked), NULL,
     "SHA-256 fingerprints of revoked certificates of the same name and key"},
    {"validation", ECERT_PROFILE_VALIDATION, false,
     offsetof(struct ecert_authority_intermediate, validation), NULL,
     "what this sub CA issues: \"ov\" or \"ev\""},
};

static const struct ecert_authority_key cross_certificate_keys[] = {
    {"url", ECERT_PROFILE_URL, true, offsetof(struct ecert_authority_intermediate, url), NULL,
     "where the CA offers the cross-certificate of its root"},
    {"sha256", ECERT_PROFILE_SHA256, false, offsetof(struct ecert_authority_intermediate, sha256),
     NULL, "pin; without it an anchor of this profile must have signed the cross-certificate"},
};

static const struct ecert_authority_key step_keys[] = {
    {"kinds", ECERT_PROFILE_KINDS, false, offsetof(struct ecert_authority_step, kinds), NULL,
     "requests it belongs to: \"first\", \"reissue\", \"renewal\"; without it, all"},
    {"who", ECERT_PROFILE_TEXT, false, offsetof(struct ecert_authority_step, who), NULL,
     "who does it; without it, whoever runs ecert"},
    {"who_zh", ECERT_PROFILE_TEXT, false, offsetof(struct ecert_authority_step, who_zh), NULL,
     "the same in Traditional Chinese"},
    {"text", ECERT_PROFILE_STEP_TEXT, true, offsetof(struct ecert_authority_step, text), NULL,
     "what to do; %NAME%, %NAMES%, %ORGANIZATION%, %VALIDATION%, %CSR% and %INBOX% stand for the request's own"},
    {"text_zh", ECERT_PROFILE_STEP_TEXT, false, offsetof(struct ecert_authority_step, text_zh),
     NULL, "the same in Traditional Chinese"},
};

static const struct ecert_authority_group steps = {ECERT_PROFILE_STEP, step_keys,
                                                   ARRAY_SIZE(step_keys)};

static const struct ecert_authority_key request_keys[] = {
    {"country", ECERT_PROFILE_COUNTRY, false, offsetof(struct ecert_authority_request, country),
     NULL, "C of every request must be this one"},
    {"state", ECERT_PROFILE_TEXT, false, offsetof(struct ecert_authority_request, state), NULL,
     "ST of every request must be this one"},
    {"locality", ECERT_PROFILE_TEXT, false, offsetof(struct ecert_authority_request, locality),
     NULL, "L of every request must be this one"},
    {"keys", ECERT_PROFILE_KEY_TYPES, false, offsetof(struct ecert_authority_request, keys), NULL,
     "the kinds of key that the CA is known to accept; another one is noted, not refused"},
    {"names_in_request", ECERT_PROFILE_BOOL, false,
     offsetof(struct ecert_authority_request, names_in_request), NULL,
     "true: the request carries all names; false: the first one only, as its common name"},
    {"max_names", ECERT_PROFILE_COUNT, false, offsetof(struct ecert_authority_request, max_names),
     NULL, "names of one certificate at most"},
    {"wildcard_among_names", ECERT_PROFILE_BOOL, false,
     offsetof(struct ecert_authority_request, wildcard_among_names), NULL,
     "may a wildcard be one of several names?"},
    {"steps", ECERT_PROFILE_GROUPS, false, 0, &steps,
     "what people do from the request to the certificate, in this order"},
};

static const struct ecert_authority_group request = {ECERT_PROFILE_REQUEST, request_keys,
                                                     ARRAY_SIZE(request_keys)};

static const struct ecert_authority_group anchors = {
    ECERT_PROFILE_ANCHOR, anchor_keys, ARRAY_SIZE(anchor_keys)};
static const struct ecert_authority_group intermediates = {
    ECERT_PROFILE_INTERMEDIATE, intermediate_keys, ARRAY_SIZE(intermediate_keys)};
static const struct ecert_authority_group cross_certificates = {
    ECERT_PROFILE_CROSS_CERTIFICATE, cross_certificate_keys, ARRAY_SIZE(cross_certificate_keys)};

static const struct ecert_authority_key top_keys[] = {
    {"name", ECERT_PROFILE_TEXT, true, offsetof(struct ecert_authority, name), NULL,
     "what people call this CA"},
    {"anchors", ECERT_PROFILE_GROUPS, true, 0, &anchors,
     "the roots that everything must lead to; the system's own store is not consulted"},
    {"intermediates", ECERT_PROFILE_GROUPS, false, 0, &intermediates,
     "the sub CAs, where they are to be had and how they are recognised"},
    {"cross_certificates", ECERT_PROFILE_GROUPS, false, 0, &cross_certificates,
     "certificates of the root by another root, for old clients; the first valid one is sent"},
    {"crls", ECERT_PROFILE_URLS, false, offsetof(struct ecert_authority, crls), NULL,
     "certificate revocation lists of the roots and of the sub CAs"},
    {"ocsp", ECERT_PROFILE_URLS, false, offsetof(struct ecert_authority, ocsp), NULL,
     "OCSP responders, http; the first that answers is believed; without it OCSP is not asked"},
    {"hosts", ECERT_PROFILE_HOSTS, false, offsetof(struct ecert_authority, hosts), NULL,
     "the only hosts that addresses inside certificates may name"},
    {"policies", ECERT_PROFILE_OIDS, false, offsetof(struct ecert_authority, policies), NULL,
     "policy arcs of a publicly trusted CA: one of them must prefix a policy of the leaf"},
    {"caa", ECERT_PROFILE_HOSTS, false, offsetof(struct ecert_authority, caa), NULL,
     "domain names by which CAA records know this CA; looked at before a request"},
    {"request", ECERT_PROFILE_GROUP, false, 0, &request,
     "what the CA wants of a certificate signing request, and the steps around it"},
};
/* clang-format on */

const struct ecert_authority_group ecert_authority_top = {ECERT_PROFILE_TOP, top_keys,
                                                          ARRAY_SIZE(top_keys)};

const char *ecert_authority_key_type_words(enum ecert_authority_key_type type)
{
    switch (type) {
    case ECERT_PROFILE_TEXT:
        return "text";
    case ECERT_PROFILE_URL:
        return "address";
    case ECERT_PROFILE_SHA256:
        return "SHA-256 in hexadecimal";
    case ECERT_PROFILE_SERIAL:
        return "serial number in hexadecimal";
    case ECERT_PROFILE_PATH:
        return "absolute path";
    case ECERT_PROFILE_VALIDATION:
        return "\"ov\" or \"ev\"";
    case ECERT_PROFILE_COUNTRY:
        return "country of two capital letters";
    case ECERT_PROFILE_STEP_TEXT:
        return "text";
    case ECERT_PROFILE_URLS:
        return "list of addresses";
    case ECERT_PROFILE_SHA256S:
        return "list of SHA-256 in hexadecimal";
    case ECERT_PROFILE_HOSTS:
        return "list of host names";
    case ECERT_PROFILE_OIDS:
        return "list of object identifiers";
    case ECERT_PROFILE_KEY_TYPES:
        return "list of kinds of keys";
    case ECERT_PROFILE_KINDS:
        return "list of kinds of requests";
    case ECERT_PROFILE_GROUPS:
        return "list of groups";
    case ECERT_PROFILE_GROUP:
        return "group";
    case ECERT_PROFILE_BOOL:
        return "true or false";
    case ECERT_PROFILE_COUNT:
        return "number from 1 to 1000";
    }
    return "unknown type";
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_text(const char *text)
{
    if (*text == '\0')
        return false;
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return false;
    }
    return true;
}

static bool is_url(const char *text)
{
    static const char *const prefixes[] = {"http://", "https://", "file:///"};

    for (const char *c = text; *c != '\0'; c++) {
        if (*c <= ' ' || *c >= 0x7f) /* an address is ASCII without blanks (RFC 3986) */
            return false;
    }
    for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
        const size_t len = strlen(prefixes[i]);
        if (strncmp(text, prefixes[i], len) == 0)
            return text[len] != '\0' && (i == 2 || (text[len] != '/' && text[len] != ':'));
    }
    return false;
}

static bool is_host(const char *text)
{
    if (*text == '\0' || *text == '.' || *text == '-')
        return false;
    for (; *text != '\0'; text++) {
        if (!is_digit(*text) && !is_letter(*text) && *text != '.' && *text != '-')
            return false;
    }
    return true;
}

static bool is_oid(const char *text)
{
    bool dot = true; /* a number must follow */

    for (; *text != '\0'; text++) {
        if (*text == '.' && dot)
            return false;
        if (*text != '.' && !is_digit(*text))
            return false;
        dot = *text == '.';
    }
    return !dot;
}

static bool is_country(const char *text)
{
    return strlen(text) == 2 && text[0] >= 'A' && text[0] <= 'Z' && text[1] >= 'A' &&
           text[1] <= 'Z';
}

static bool is_one_of(const char *text, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(text, words[i]) == 0)
            return true;
    }
    return false;
}

static bool is_key_type(const char *text)
{
    static const char *const types[] = {"rsa-2048", "rsa-3072", "rsa-4096", "ec-p256", "ec-p384"};

    return is_one_of(text, types, ARRAY_SIZE(types));
}

static bool is_kind(const char *text)
{
    static const char *const kinds[] = {
#define KIND_WORD(value, word) word,
        ECERT_REQUEST_KIND_LIST(KIND_WORD)
#undef KIND_WORD
    };

    return is_one_of(text, kinds, ARRAY_SIZE(kinds));
}

/* A placeholder that nobody fills in would be printed to a person as it stands. */
static bool is_step_text(const char *text)
{
    static const char *const words[] = {"NAME",       "NAMES", "ORGANIZATION",
                                        "VALIDATION", "CSR",   "INBOX"};

    if (!is_text(text))
        return false;
    for (const char *at = strchr(text, '%'); at != NULL; at = strchr(at + 1, '%')) {
        const size_t len = strspn(at + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
        bool known = false;

        if (len == 0 || at[1 + len] != '%')
            continue; /* "100 %" */
        for (size_t i = 0; i < ARRAY_SIZE(words); i++)
            known = known || (strlen(words[i]) == len && memcmp(words[i], at + 1, len) == 0);
        if (!known)
            return false;
        at += len + 1;
    }
    return true;
}

/* Drops colons, as in the fingerprints that openssl prints, and makes digits upper case. */
static bool hex_normalize(char *text)
{
    char *to = text;

    for (const char *from = text; *from != '\0'; from++) {
        if (*from == ':')
            continue;
        if (is_digit(*from) || (*from >= 'A' && *from <= 'F'))
            *to++ = *from;
        else if (*from >= 'a' && *from <= 'f')
            *to++ = (char)(*from - 'a' + 'A');
        else
            return false;
    }
    *to = '\0';
    return to != text;
}

static void lower_case(char *text)
{
    for (; *text != '\0'; text++) {
        if (*text >= 'A' && *text <= 'Z')
            *text = (char)(*text - 'A' + 'a');
    }
}

/* Fit for the type?  Brings `text` into the form in which it is kept. */
static bool accept(enum ecert_authority_key_type type, char *text)
{
    switch (type) {
    case ECERT_PROFILE_TEXT:
        return is_text(text);
    case ECERT_PROFILE_URL:
    case ECERT_PROFILE_URLS:
        return is_url(text);
    case ECERT_PROFILE_SHA256:
    case ECERT_PROFILE_SHA256S:
        return hex_normalize(text) && strlen(text) == ECERT_SHA256_HEX_LEN - 1;
    case ECERT_PROFILE_SERIAL:
        return hex_normalize(text);
    case ECERT_PROFILE_PATH:
        return ecert_path_is_plain(text);
    case ECERT_PROFILE_VALIDATION:
        return strcmp(text, "ov") == 0 || strcmp(text, "ev") == 0;
    case ECERT_PROFILE_HOSTS:
        lower_case(text);
        return is_host(text);
    case ECERT_PROFILE_OIDS:
        return is_oid(text);
    case ECERT_PROFILE_COUNTRY:
        return is_country(text);
    case ECERT_PROFILE_STEP_TEXT:
        return is_step_text(text);
    case ECERT_PROFILE_KEY_TYPES:
        return is_key_type(text);
    case ECERT_PROFILE_KINDS:
        return is_kind(text);
    case ECERT_PROFILE_GROUPS:
    case ECERT_PROFILE_GROUP:
    case ECERT_PROFILE_BOOL:
    case ECERT_PROFILE_COUNT:
        break;
    }
    return false;
}

static const char *expected(enum ecert_authority_key_type type)
{
    switch (type) {
    case ECERT_PROFILE_TEXT:
        return "a text that is not empty and has no control bytes";
    case ECERT_PROFILE_URL:
    case ECERT_PROFILE_URLS:
        return "an address that begins with http://, https:// or file:///";
    case ECERT_PROFILE_SHA256:
    case ECERT_PROFILE_SHA256S:
        return "a SHA-256 fingerprint: 64 hexadecimal digits";
    case ECERT_PROFILE_SERIAL:
        return "a serial number in hexadecimal digits";
    case ECERT_PROFILE_PATH:
        return "an absolute path without '.' and '..' parts";
    case ECERT_PROFILE_VALIDATION:
        return "\"ov\" or \"ev\"";
    case ECERT_PROFILE_HOSTS:
        return "a host name without scheme, port and path";
    case ECERT_PROFILE_OIDS:
        return "an object identifier such as 1.3.6.1.4.1.16030.1.7";
    case ECERT_PROFILE_COUNTRY:
        return "a country of ISO 3166, two capital letters such as \"HK\"";
    case ECERT_PROFILE_STEP_TEXT:
        return "a text without control bytes whose placeholders are %NAME%, %NAMES%, "
               "%ORGANIZATION%, %VALIDATION%, %CSR% and %INBOX%";
    case ECERT_PROFILE_KEY_TYPES:
        return "\"rsa-2048\", \"rsa-3072\", \"rsa-4096\", \"ec-p256\" or \"ec-p384\"";
    case ECERT_PROFILE_KINDS:
        return "\"first\", \"reissue\" or \"renewal\"";
    case ECERT_PROFILE_GROUPS:
    case ECERT_PROFILE_GROUP:
    case ECERT_PROFILE_BOOL:
    case ECERT_PROFILE_COUNT:
        break;
    }
    return "a list of groups ( { ... }, ... )";
}

enum ecert_status ecert_authority_value(enum ecert_authority_key_type type, const char *text,
                                        char **ret, struct ecert_error *err)
{
    char *copy = strdup(text);

    if (copy == NULL)
        return ecert_error_nomem(err);
    if (!accept(type, copy)) {
        free(copy);
        return ecert_error_set(err, ECERT_E_CONFIG, "'%s' is not %s", text, expected(type));
    }
    *ret = copy;
    return ECERT_OK;
}

static void group_reference(const struct ecert_authority_group *group, int indent,
                            struct ecert_buffer *out)
{
    for (size_t i = 0; i < group->n_keys; i++) {
        const struct ecert_authority_key *key = &group->keys[i];

        ecert_buffer_printf(out, "%*s%s (%s%s)\n%*s    %s\n", indent, "", key->name,
                            ecert_authority_key_type_words(key->type),
                            key->required ? ", required" : "", indent, "", key->help);
        if (key->groups != NULL)
            group_reference(key->groups, indent + 4, out);
    }
}

void ecert_authority_reference(struct ecert_buffer *out)
{
    ecert_buffer_add_text(out, "Authority profiles, AUTHORITIES_DIR/ID.conf:\n");
    group_reference(&ecert_authority_top, 4, out);
}
