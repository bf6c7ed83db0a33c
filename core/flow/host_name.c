#include "core/flow/host_name.h"

#include <arpa/inet.h>
#include <idn2.h>
#include <netinet/in.h>
#include <string.h>

#define NAME_MAX_LEN  253 /* RFC 1035, 2.3.4, without the final dot */
#define LABEL_MAX_LEN 63
#define INPUT_MAX     1024 /* bytes of what a person wrote: four for each byte of a name */

/*
 * Upper case and full-width letters are mapped (UTS 46); a sharp s stays one: non-transitional.
 * Not IDN2_USE_STD3_ASCII_RULES: with it libidn2 2.3 takes '_' and '*' out of a label without a
 * word, and another name is left.  wrong_with_label() keeps these rules (STD 3 is RFC 1123).
 */
#define FLAGS (IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL)

#define NAME_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-."

static void auto_idn(char **text)
{
    idn2_free(*text);
    *text = NULL;
}

static enum ecert_status refuse(const char *name, const char *why, struct ecert_error *err)
{
    return ecert_error_set(err, ECERT_E_CONFIG, "'%s' is not a host name: %s", name, why);
}

/* libidn2's words are for programmers; these name the rule. */
static const char *rule_of(int code)
{
    switch (code) {
    case IDN2_TOO_BIG_DOMAIN:
        return "it is longer than 253 bytes as A-labels";
    case IDN2_TOO_BIG_LABEL:
    case IDN2_PUNYCODE_BIG_OUTPUT:
        return "a label is longer than 63 bytes as A-label";
    case IDN2_DISALLOWED:
    case IDN2_UNASSIGNED:
    case IDN2_CONTEXTO:
    case IDN2_CONTEXTO_NO_RULE:
    case IDN2_CONTEXTJ:
    case IDN2_CONTEXTJ_NO_RULE:
        return "it holds a character that IDNA2008 does not permit there (RFC 5892)";
    case IDN2_BIDI:
        return "a label mixes directions of writing (RFC 5893)";
    case IDN2_LEADING_COMBINING:
        return "a label begins with a combining character";
    case IDN2_HYPHEN_STARTEND:
    case IDN2_2HYPHEN:
        return "a label begins or ends with '-', or has '--' in third place and is no A-label";
    case IDN2_NFC:
    case IDN2_NOT_NFC:
    case IDN2_ENCODING_ERROR:
        return "it is not UTF-8 in its normal form (NFC)";
    case IDN2_ALABEL_ROUNDTRIP_FAILED:
    case IDN2_INVALID_ALABEL:
    case IDN2_PUNYCODE_BAD_INPUT:
    case IDN2_PUNYCODE_OVERFLOW:
        return "an A-label \"xn--...\" stands for nothing";
    default:
        return idn2_strerror(code);
    }
}

/* ---- labels ---- */

/* What is ASCII in a name that is not converted yet.  NULL: it is right. */
static const char *wrong_with_ascii(const char *host)
{
    if (strchr(host, '_') != NULL)
        return "it holds '_', which no certificate may name (Baseline Requirements)";
    if (strchr(host, '*') != NULL)
        return "'*' may stand as the whole left-most label only";
    for (const char *p = host; *p != '\0'; p++)
        if ((unsigned char)*p < 0x80 && strchr(NAME_CHARACTERS, *p) == NULL)
            return "only letters, digits, '-' and '.' may stand in it";
    return NULL;
}

/* One label: letters, digits, hyphens inside (RFC 1123, 2.1).  NULL: it is right. */
static const char *wrong_with_label(const char *label, size_t n)
{
    if (n == 0)
        return "a label is empty";
    if (label[0] == '-' || label[n - 1] == '-')
        return "a label begins or ends with '-'";
    if (n > LABEL_MAX_LEN)
        return "a label is longer than 63 bytes";
    return NULL;
}

static bool is_address(const char *name)
{
    const char *last = strrchr(name, '.');
    struct in6_addr six;

    last = last == NULL ? name : last + 1;
    /* a last label of digits alone is how an IPv4 address is told from a name (RFC 3696, 2) */
    return inet_pton(AF_INET6, name, &six) == 1 ||
           (last[0] != '\0' && strspn(last, "0123456789") == strlen(last));
}

const char *ecert_host_name_rule(const char *ascii)
{
    const char *wrong_character = wrong_with_ascii(ascii);

    if (wrong_character != NULL)
        return wrong_character;
    if (strlen(ascii) > NAME_MAX_LEN)
        return "it is longer than 253 bytes";
    for (const char *label = ascii;;) {
        const size_t n = strcspn(label, ".");
        const char *wrong = wrong_with_label(label, n);

        if (wrong != NULL)
            return wrong;
        if (label[n] == '\0')
            return NULL;
        label += n + 1;
    }
}

/* In A-labels, without "*.": full-width characters are converted now.  NULL: it is right. */
static const char *wrong_with_name(const char *name)
{
    const char *rule = ecert_host_name_rule(name);

    if (rule != NULL)
        return rule;
    return strchr(name, '.') == NULL ? "it has no dot, and no public CA names such a host" : NULL;
}

/* ---- A-labels ---- */

static void lower(char *text)
{
    for (; *text != '\0'; text++)
        if (*text >= 'A' && *text <= 'Z')
            *text = (char)(*text - 'A' + 'a');
}

static bool has_a_label(const char *ascii)
{
    return strncmp(ascii, "xn--", 4) == 0 || strstr(ascii, ".xn--") != NULL;
}

/* An A-label that was typed must be what its own U-label makes: nothing else is one (RFC 5890). */
static enum ecert_status check_a_labels(const char *name, const char *ascii,
                                        struct ecert_error *err)
{
    ECERT_AUTO(auto_idn) char *unicode = NULL;
    ECERT_AUTO(auto_idn) char *again = NULL;

    if (!has_a_label(ascii))
        return ECERT_OK;
    int code = idn2_to_unicode_8z8z(ascii, &unicode, 0);
    if (code == IDN2_OK)
        code = idn2_to_ascii_8z(unicode, &again, FLAGS);
    if (code == IDN2_MALLOC)
        return ecert_error_nomem(err);
    if (code != IDN2_OK || strcmp(again, ascii) != 0)
        return refuse(name, rule_of(IDN2_INVALID_ALABEL), err);
    return ECERT_OK;
}

/* To lower-case ASCII without a final dot; only the rules of Unicode are looked at. */
static enum ecert_status convert(const char *name, const char *host, char **ret,
                                 struct ecert_error *err)
{
    ECERT_AUTO(auto_idn) char *converted = NULL;

    if (ecert_text_is_ascii(host)) {
        ECERT_TRY(ecert_text_copy(ecert_view_of(host), ret, err));
    } else {
        const int code = idn2_to_ascii_8z(host, &converted, FLAGS);

        if (code == IDN2_MALLOC)
            return ecert_error_nomem(err);
        if (code != IDN2_OK)
            return refuse(name, rule_of(code), err);
        ECERT_TRY(ecert_text_copy(ecert_view_of(converted), ret, err));
    }
    lower(*ret);
    const size_t len = strlen(*ret);
    if (len > 1 && (*ret)[len - 1] == '.')
        (*ret)[len - 1] = '\0';
    return ECERT_OK;
}

enum ecert_status ecert_host_name_to_ascii(const char *name, char **ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *ascii = NULL;
    const bool wildcard = strncmp(name, "*.", 2) == 0;
    const char *host = wildcard ? name + 2 : name;

    if (name[0] == '\0')
        return ecert_error_set(err, ECERT_E_CONFIG, "a host name is empty");
    if (strlen(name) > INPUT_MAX)
        return ecert_error_set(err, ECERT_E_CONFIG, "'%.40s...' is too long for a host name", name);
    if (is_address(name))
        return refuse(name, "it is an address", err);
    const char *wrong = wrong_with_ascii(host);
    if (wrong != NULL)
        return refuse(name, wrong, err);
    ECERT_TRY(convert(name, host, &ascii, err));
    wrong = wrong_with_name(ascii);
    if (wrong != NULL)
        return refuse(name, wrong, err);
    if (is_address(ascii)) /* digits of another script */
        return refuse(name, "it is an address", err);
    if (strlen(ascii) + (wildcard ? 2 : 0) > NAME_MAX_LEN)
        return refuse(name, rule_of(IDN2_TOO_BIG_DOMAIN), err);
    ECERT_TRY(check_a_labels(name, ascii, err));
    return ecert_text_format(ret, err, "%s%s", wildcard ? "*." : "", ascii);
}

/* ---- for people ---- */

/*
 * A name is only shown as what it stands for if that leads back to it: otherwise one name could
 * look like another.
 */
static bool can_be_shown(const char *ascii, char **ret_unicode)
{
    ECERT_AUTO(ecert_auto_free) char *again = NULL;
    ECERT_AUTO(auto_idn) char *unicode = NULL;
    struct ecert_error ignored = {0};

    if (!has_a_label(ascii) || idn2_to_unicode_8z8z(ascii, &unicode, 0) != IDN2_OK ||
        ecert_host_name_to_ascii(unicode, &again, &ignored) != ECERT_OK ||
        strcmp(again, ascii) != 0)
        return false;
    *ret_unicode = unicode;
    unicode = NULL;
    return true;
}

/* The name itself, with nothing that would reorder, hide or end what stands beside it. */
static bool is_harmless(const char *unicode)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer escaped = {0};

    ecert_buffer_add_escaped(&escaped, ecert_view_of(unicode), false);
    return !escaped.failed && ecert_view_equal(ecert_buffer_view(&escaped), ecert_view_of(unicode));
}

enum ecert_status ecert_host_name_unicode(const char *ascii, char **ret, struct ecert_error *err)
{
    const char *star = strncmp(ascii, "*.", 2) == 0 ? "*." : "";
    ECERT_AUTO(auto_idn) char *unicode = NULL;

    if (!can_be_shown(ascii + strlen(star), &unicode) || !is_harmless(unicode))
        return ECERT_OK;
    return ecert_text_format(ret, err, "%s%s", star, unicode);
}

enum ecert_status ecert_host_name_shown(const char *ascii, char **ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *unicode = NULL;

    ECERT_TRY(ecert_host_name_unicode(ascii, &unicode, err));
    if (unicode == NULL)
        return ecert_text_copy(ecert_view_of(ascii), ret, err);
    return ecert_text_format(ret, err, "%s (%s)", unicode, ascii);
}
