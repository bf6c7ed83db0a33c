#include "core/issue/caa.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define TIMEOUT_MS 5000u
#define SILENCES   2 /* a resolver that did not answer so often is not asked again */

/* What was found at one name of the tree. */
struct place {
    char *name;
    struct ecert_caa_records records;
    struct ecert_error error; /* status ECERT_OK: it was looked up */
};

/* All that was looked up in one call. */
struct search {
    struct ecert_network *network;
    const char *resolver;
    const struct ecert_authority *authority;
    struct place *places;
    size_t n;
    unsigned silences; /* one after the other */
};

static void search_clear(struct search *search)
{
    for (size_t i = 0; i < search->n; i++) {
        free(search->places[i].name);
        ecert_caa_records_clear(&search->places[i].records);
    }
    free(search->places);
    *search = (struct search){0};
}

/* ---- looking up ---- */

static enum ecert_status ask(struct search *search, struct place *place, struct ecert_error *err)
{
    if (search->silences >= SILENCES) {
        (void)ecert_error_set(&place->error, ECERT_E_TIMEOUT,
                              "CAA records of '%s': not asked, because the resolver did not answer "
                              "before",
                              place->name);
        return ECERT_OK;
    }
    const enum ecert_status status = ecert_network_caa(
        search->network, search->resolver, place->name, TIMEOUT_MS, &place->records, &place->error);
    search->silences = status == ECERT_E_TIMEOUT ? search->silences + 1 : 0;
    if (status == ECERT_E_NOMEM) {
        *err = place->error;
        return status;
    }
    return ECERT_OK;
}

/* `ret` is valid until the next call. */
static enum ecert_status look_up(struct search *search, const char *name, const struct place **ret,
                                 struct ecert_error *err)
{
    for (size_t i = 0; i < search->n; i++)
        if (strcasecmp(search->places[i].name, name) == 0) {
            *ret = &search->places[i];
            return ECERT_OK;
        }
    struct place *more = reallocarray(search->places, search->n + 1, sizeof *more);
    if (more == NULL)
        return ecert_error_nomem(err);
    search->places = more;
    struct place *place = &more[search->n];
    *place = (struct place){0};
    ECERT_TRY(ecert_text_copy(ecert_view_of(name), &place->name, err));
    search->n++;
    ECERT_TRY(ask(search, place, err));
    *ret = place;
    return ECERT_OK;
}

/* RFC 8659, section 3: the name, else its parent, up to the top-level domain. */
static enum ecert_status climb(struct search *search, const char *name, const struct place **ret,
                               struct ecert_error *err)
{
    for (;;) {
        ECERT_TRY(look_up(search, name, ret, err));
        const char *dot = strchr(name, '.');
        if ((*ret)->error.status != ECERT_OK || (*ret)->records.n > 0 || dot == NULL ||
            dot[1] == '\0')
            return ECERT_OK;
        name = dot + 1;
    }
}

/* ---- what a value says: RFC 8659, section 4.2 ---- */

static const char *skip_space(const char *text)
{
    return text + strspn(text, " \t");
}

/* Letters and digits, hyphens inside only; NULL: there is none. */
static const char *skip_label(const char *text)
{
    const char *end = text;

    while (isalnum((unsigned char)*end) || *end == '-')
        end++;
    return end == text || text[0] == '-' || end[-1] == '-' ? NULL : end;
}

static const char *skip_domain(const char *text)
{
    const char *end = skip_label(text);

    while (end != NULL && *end == '.')
        end = skip_label(end + 1);
    return end;
}

/* "account=1; method=dns" */
static bool are_parameters(const char *text)
{
    for (;;) {
        const char *end = skip_label(text);

        if (end == NULL || *(end = skip_space(end)) != '=')
            return false;
        end = skip_space(end + 1);
        while (*end > 0x20 && *end < 0x7f && *end != ';')
            end++;
        text = skip_space(end);
        if (*text == '\0')
            return true;
        if (*text != ';')
            return false;
        text = skip_space(text + 1);
    }
}

/*
 * The issuer's domain name in the value of "issue" and "issuewild"; empty: nobody.  A value that
 * is malformed names nobody either.
 */
static struct ecert_view issuer_of(const char *value)
{
    const struct ecert_view nobody = {0};
    const char *start = skip_space(value);
    const char *end = *start == ';' || *start == '\0' ? start : skip_domain(start);

    if (end == NULL)
        return nobody;
    const char *rest = skip_space(end);
    if (*rest == ';') {
        rest = skip_space(rest + 1);
        if (*rest != '\0' && !are_parameters(rest))
            return nobody;
    } else if (*rest != '\0') {
        return nobody;
    }
    return (struct ecert_view){(const uint8_t *)start, (size_t)(end - start)};
}

static bool names_authority(const struct ecert_authority *authority, struct ecert_view issuer)
{
    for (size_t i = 0; i < authority->caa.len; i++)
        if (strlen(authority->caa.items[i]) == issuer.len &&
            strncasecmp(authority->caa.items[i], (const char *)issuer.ptr, issuer.len) == 0)
            return true;
    return false;
}

static const struct ecert_caa_record *find_tag(const struct ecert_caa_records *records,
                                               const char *tag)
{
    for (size_t i = 0; i < records->n; i++)
        if (strcmp(records->items[i].tag, tag) == 0)
            return &records->items[i];
    return NULL;
}

/* A tag that a CA need not know, and must not pass over. */
static const struct ecert_caa_record *find_unknown_critical(const struct ecert_caa_records *records)
{
    for (size_t i = 0; i < records->n; i++) {
        const char *tag = records->items[i].tag;

        if (records->items[i].critical && strcmp(tag, "issue") != 0 &&
            strcmp(tag, "issuewild") != 0 && strcmp(tag, "iodef") != 0)
            return &records->items[i];
    }
    return NULL;
}

/* ---- sentences ---- */

static enum ecert_status say_unknown(const char *name, const struct place *place,
                                     struct ecert_strings *notes, struct ecert_error *err)
{
    return ecert_strings_printf(notes, err,
                                "'%s': it is not known whether its CAA records let the CA issue: "
                                "%s",
                                name, place->error.text);
}

static enum ecert_status say_critical(const char *name, const struct place *place,
                                      const struct ecert_caa_record *record,
                                      struct ecert_strings *notes, struct ecert_error *err)
{
    return ecert_strings_printf(notes, err,
                                "'%s': the critical CAA record '%s' of '%s' forbids every CA that "
                                "does not know it to issue; have it removed, or made not critical",
                                name, record->tag, place->name);
}

static enum ecert_status say_forbidden(const char *name, const struct place *place, const char *tag,
                                       const struct ecert_authority *authority,
                                       struct ecert_strings *notes, struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer values = {0};
    const char *who = authority->name != NULL ? authority->name : authority->id;

    for (size_t i = 0; i < place->records.n; i++)
        if (strcmp(place->records.items[i].tag, tag) == 0)
            ecert_buffer_printf(&values, "%s%s \"%s\"", values.len > 0 ? ", " : "", tag,
                                place->records.items[i].value);
    if (values.failed)
        return ecert_error_nomem(err);
    return ecert_strings_printf(
        notes, err,
        "'%s': the CAA records of '%s' (%.*s) do not let %s issue; have the record "
        "'%s. CAA 0 %s \"%s\"' added",
        name, place->name, (int)values.len, (const char *)values.ptr, who, place->name, tag,
        authority->caa.items[0]);
}

/* ---- the verdict ---- */

static enum ecert_status judge(const struct search *search, const char *name,
                               const struct place *place, enum ecert_caa_verdict *ret,
                               struct ecert_strings *notes, struct ecert_error *err)
{
    const struct ecert_caa_records *records = &place->records;
    const struct ecert_caa_record *critical = find_unknown_critical(records);
    const char *tag = name[0] == '*' && find_tag(records, "issuewild") ? "issuewild" : "issue";

    if (place->error.status != ECERT_OK) {
        *ret = ECERT_CAA_UNKNOWN;
        return say_unknown(name, place, notes, err);
    }
    if (records->n == 0) {
        *ret = ECERT_CAA_NONE;
        return ECERT_OK;
    }
    *ret = ECERT_CAA_FORBIDDEN;
    if (critical != NULL)
        return say_critical(name, place, critical, notes, err);
    *ret = ECERT_CAA_ALLOWED;
    if (find_tag(records, tag) == NULL) /* iodef alone restricts nobody */
        return ECERT_OK;
    for (size_t i = 0; i < records->n; i++)
        if (strcmp(records->items[i].tag, tag) == 0 &&
            names_authority(search->authority, issuer_of(records->items[i].value)))
            return ECERT_OK;
    *ret = ECERT_CAA_FORBIDDEN;
    return say_forbidden(name, place, tag, search->authority, notes, err);
}

static enum ecert_status check_one(struct search *search, const char *name,
                                   enum ecert_caa_verdict *ret, struct ecert_strings *notes,
                                   struct ecert_error *err)
{
    const struct place *place = NULL;

    ECERT_TRY(climb(search, strncmp(name, "*.", 2) == 0 ? name + 2 : name, &place, err));
    return judge(search, name, place, ret, notes, err);
}

enum ecert_status ecert_caa_check(struct ecert_network *network, const char *resolver,
                                  const char *const *names, const struct ecert_authority *authority,
                                  enum ecert_caa_verdict *verdicts, struct ecert_strings *ret_notes,
                                  struct ecert_error *err)
{
    ECERT_AUTO(search_clear)
    struct search search = {.network = network, .resolver = resolver, .authority = authority};
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings notes = {0};

    for (size_t i = 0; names[i] != NULL; i++) {
        verdicts[i] = ECERT_CAA_NONE;
        if (authority->caa.len > 0)
            ECERT_TRY(check_one(&search, names[i], &verdicts[i], &notes, err));
    }
    return ecert_strings_add_all(ret_notes, ecert_strings_array(&notes), err);
}
