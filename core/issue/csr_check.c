/* May this be asked for?  Everything that is wrong at once, before a person waits three weeks. */
#include "core/issue/csr_subject.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "core/flow/host_name.h"

#define COMMON_NAME_MAX 64   /* X.520, ub-common-name */
#define RSA_BITS_MIN    2048 /* Baseline Requirements 6.1.5 */

/*
 * Domains that will never be in the public DNS: RFC 6761, 6762, appendix G, and 8375, and what
 * ICANN holds back because so many networks use it inside.
 */
static const char *const internal_domains[] = {
    "corp",  "example", "home",      "home.arpa", "internal",    "intranet", "invalid", "lan",
    "local", "mail",    "localhost", "private",   "localdomain", "test",     NULL};

struct ecert_csr_subject ecert_csr_subject_of(const struct ecert_csr_order *order)
{
    const struct ecert_organization_config *ours = order->organization;
    const struct ecert_authority_request *theirs = &order->authority->request;

    return (struct ecert_csr_subject){
        .country = ours->country != NULL ? ours->country : theirs->country,
        .state = ours->state != NULL ? ours->state : theirs->state,
        .locality = ours->locality != NULL ? ours->locality : theirs->locality,
        .organization = ours->name,
        .common_name = order->names[0],
    };
}

static const char *authority_words(const struct ecert_authority *authority)
{
    return authority->name != NULL ? authority->name : authority->id;
}

/* ---- who applies ---- */

static enum ecert_status check_fixed(const struct ecert_authority *authority, const char *key,
                                     const char *attribute, const char *value, const char *wanted,
                                     struct ecert_strings *mistakes, struct ecert_error *err)
{
    if (wanted == NULL || value == NULL || strcmp(value, wanted) == 0)
        return ECERT_OK;
    return ecert_strings_printf(mistakes, err,
                                "'organization.%s' is \"%s\"; %s wants %s = \"%s\" in every CSR",
                                key, value, authority_words(authority), attribute, wanted);
}

static bool is_blank(const char *text)
{
    return text == NULL || text[strspn(text, " \t")] == '\0';
}

static enum ecert_status check_applicant(const struct ecert_csr_order *order,
                                         struct ecert_strings *mistakes, struct ecert_error *err)
{
    const struct ecert_authority_request *wanted = &order->authority->request;
    const struct ecert_csr_subject subject = ecert_csr_subject_of(order);

    ECERT_TRY(check_fixed(order->authority, "country", "C", subject.country, wanted->country,
                          mistakes, err));
    ECERT_TRY(
        check_fixed(order->authority, "state", "ST", subject.state, wanted->state, mistakes, err));
    ECERT_TRY(check_fixed(order->authority, "locality", "L", subject.locality, wanted->locality,
                          mistakes, err));
    if (is_blank(subject.country))
        ECERT_TRY(ecert_strings_add(mistakes,
                                    "'organization.country' is missing: a CSR says in which "
                                    "country the applicant is (C)",
                                    err));
    if (is_blank(subject.organization))
        ECERT_TRY(ecert_strings_add(mistakes,
                                    "'organization.name' is missing: the CA only issues to an "
                                    "organisation whose name stands in the CSR (O)",
                                    err));
    return ECERT_OK;
}

/* ---- names ---- */

static bool is_wildcard(const char *name)
{
    return strncmp(name, "*.", 2) == 0;
}

static bool ends_in(const char *name, const char *domain)
{
    const size_t n = strlen(name), d = strlen(domain);

    return n > d && name[n - d - 1] == '.' && strcmp(name + n - d, domain) == 0;
}

static const char *internal_domain_of(const char *name)
{
    for (size_t i = 0; internal_domains[i] != NULL; i++)
        if (ends_in(name, internal_domains[i]))
            return internal_domains[i];
    return NULL;
}

/* A CA of one's own, whose profile says nothing of requests, may well name internal hosts. */
static enum ecert_status check_public(const struct ecert_authority *authority, const char *name,
                                      struct ecert_strings *mistakes, struct ecert_error *err)
{
    const char *domain = internal_domain_of(name);

    if (domain == NULL || !authority->request.known)
        return ECERT_OK;
    return ecert_strings_printf(mistakes, err,
                                "'%s' is an internal name: '.%s' is not in the public DNS, and no "
                                "public CA may issue for it (Baseline Requirements 7.1.2.7.12)",
                                name, domain);
}

static enum ecert_status check_name(const struct ecert_csr_order *order, const char *name,
                                    struct ecert_strings *mistakes, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *ascii = NULL;
    struct ecert_error why = {0};

    if (ecert_host_name_to_ascii(name, &ascii, &why) != ECERT_OK) {
        if (why.status == ECERT_E_CONFIG)
            return ecert_strings_add(mistakes, why.text, err);
        *err = why;
        return why.status;
    }
    if (strcmp(ascii, name) != 0)
        return ecert_strings_printf(mistakes, err, "'%s' is not written as a CSR wants it: '%s'",
                                    name, ascii);
    return check_public(order->authority, name, mistakes, err);
}

static enum ecert_status check_twice(const char *const *names, struct ecert_strings *mistakes,
                                     struct ecert_error *err)
{
    for (size_t i = 0; names[i] != NULL; i++)
        for (size_t k = 0; k < i; k++)
            if (strcmp(names[i], names[k]) == 0)
                ECERT_TRY(ecert_strings_printf(mistakes, err, "'%s' is asked for twice", names[i]));
    return ECERT_OK;
}

/* "*.myserver.com" with "myserver.com": the CA adds that name by itself. */
static bool is_bare_name_of(const char *name, const char *wildcard)
{
    return is_wildcard(wildcard) && strcmp(wildcard + 2, name) == 0;
}

static enum ecert_status check_wildcards(const struct ecert_csr_order *order,
                                         struct ecert_strings *mistakes,
                                         struct ecert_strings *notes, struct ecert_error *err)
{
    const struct ecert_authority_request *wanted = &order->authority->request;
    const char *const *names = order->names;

    if (!wanted->known || wanted->wildcard_among_names || names[1] == NULL)
        return ECERT_OK;
    if (names[2] == NULL && is_bare_name_of(names[1], names[0]))
        return ecert_strings_printf(notes, err, "'%s' is not asked for: it comes with '%s'",
                                    names[1], names[0]);
    for (size_t i = 0; names[i] != NULL; i++)
        if (is_wildcard(names[i]))
            ECERT_TRY(ecert_strings_printf(mistakes, err,
                                           "'%s' is a wildcard among several names; %s issues it "
                                           "only alone: make it a certificate of its own",
                                           names[i], authority_words(order->authority)));
    return ECERT_OK;
}

static enum ecert_status check_count(const struct ecert_csr_order *order,
                                     struct ecert_strings *mistakes, struct ecert_error *err)
{
    const unsigned most = order->authority->request.max_names;
    size_t n = 0;

    while (order->names[n] != NULL)
        n++;
    if (most == 0 || n <= most)
        return ECERT_OK;
    return ecert_strings_printf(mistakes, err,
                                "%zu names are asked for; %s puts %u at most into a certificate", n,
                                authority_words(order->authority), most);
}

static enum ecert_status check_names(const struct ecert_csr_order *order,
                                     struct ecert_strings *mistakes, struct ecert_strings *notes,
                                     struct ecert_error *err)
{
    if (order->names[0] == NULL)
        return ecert_strings_add(mistakes, "no name is asked for", err);
    for (size_t i = 0; order->names[i] != NULL; i++)
        ECERT_TRY(check_name(order, order->names[i], mistakes, err));
    if (strlen(order->names[0]) > COMMON_NAME_MAX)
        ECERT_TRY(ecert_strings_printf(mistakes, err,
                                       "'%s' has %zu characters; the CN of a CSR holds %d at most "
                                       "(X.520): put a shorter name first",
                                       order->names[0], strlen(order->names[0]), COMMON_NAME_MAX));
    ECERT_TRY(check_twice(order->names, mistakes, err));
    ECERT_TRY(check_wildcards(order, mistakes, notes, err));
    return check_count(order, mistakes, err);
}

/* ---- the key ---- */

/* As ecert_new_key_describe() would say of what is made with this configuration. */
static void words_of_new(const struct ecert_key_config *key, char *ret, size_t len)
{
    if (key->type == ECERT_KEY_TYPE_EC)
        (void)snprintf(ret, len, "EC %s", key->curve == ECERT_KEY_CURVE_P384 ? "P-384" : "P-256");
    else
        (void)snprintf(ret, len, "RSA %u", key->bits);
}

/* The profile's word for a key: "rsa-2048", "ec-p256" for "RSA 2048", "EC P-256". */
static void profile_word(const char *words, char *ret, size_t len)
{
    size_t n = 0;

    for (; *words != '\0' && n + 1 < len; words++)
        if (*words == ' ')
            ret[n++] = '-';
        else if (*words != '-')
            ret[n++] = (char)tolower((unsigned char)*words);
    ret[n] = '\0';
}

/* What the CA recommends is known, what it refuses is not: so it is said and no more. */
static enum ecert_status note_key(const struct ecert_csr_order *order, const char *words,
                                  struct ecert_strings *notes, struct ecert_error *err)
{
    const struct ecert_strings *known = &order->authority->request.keys;
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer list = {0};
    char word[64];

    profile_word(words, word, sizeof word);
    if (known->len == 0 || ecert_strings_contain(known, word))
        return ECERT_OK;
    for (size_t i = 0; i < known->len; i++)
        ecert_buffer_printf(&list, "%s%s", i > 0 ? ", " : "", known->items[i]);
    if (list.failed)
        return ecert_error_nomem(err);
    return ecert_strings_printf(
        notes, err, "the key is %s; %s is known to accept %s: ask before you rely on it", word,
        authority_words(order->authority), (const char *)list.ptr);
}

/* No new key is as small as that, but a present one may be. */
static enum ecert_status check_present(const char *words, struct ecert_strings *mistakes,
                                       struct ecert_error *err)
{
    unsigned bits = 0;

    if (sscanf(words, "RSA %u", &bits) != 1 || bits >= RSA_BITS_MIN)
        return ECERT_OK;
    return ecert_strings_printf(mistakes, err,
                                "the present key is %s, and no CA may issue for RSA below %d bits "
                                "(Baseline Requirements 6.1.5): a new one is made with "
                                "key.policy = \"new\"",
                                words, RSA_BITS_MIN);
}

bool ecert_csr_key_is(const struct ecert_key_config *key, const char *words)
{
    char wanted[32];

    words_of_new(key, wanted, sizeof wanted);
    return strcmp(words, wanted) == 0;
}

enum ecert_status ecert_csr_check(const struct ecert_csr_order *order,
                                  const struct ecert_key_config *key, const char *present,
                                  struct ecert_strings *ret_mistakes,
                                  struct ecert_strings *ret_notes, struct ecert_error *err)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings mistakes = {0};
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings notes = {0};
    char made[32];

    ECERT_TRY(check_applicant(order, &mistakes, err));
    ECERT_TRY(check_names(order, &mistakes, &notes, err));
    words_of_new(key, made, sizeof made);
    if (present != NULL)
        ECERT_TRY(check_present(present, &mistakes, err));
    ECERT_TRY(note_key(order, present != NULL ? present : made, &notes, err));
    ECERT_TRY(ecert_strings_add_all(ret_notes, ecert_strings_array(&notes), err));
    if (mistakes.len == 0)
        return ECERT_OK;
    ECERT_TRY(ecert_strings_add_all(ret_mistakes, ecert_strings_array(&mistakes), err));
    return ecert_error_set(err, ECERT_E_CONFIG, "%s%s", mistakes.items[0],
                           mistakes.len > 1 ? " (and more)" : "");
}
