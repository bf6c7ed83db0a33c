/* Names for the entries of a first configuration, and the organisation. */

#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "core/flow/certificate.h"
#include "core/flow/host_name.h"
#include "core/issue/draft.h"

/* ---- what an entry is called ---- */

static bool is_taken(const struct ecert_draft *draft, const char *name)
{
    for (size_t i = 0; i < draft->n_entries; i++)
        if (draft->entries[i].name != NULL && strcmp(draft->entries[i].name, name) == 0)
            return true;
    return false;
}

/* As a configuration has it; NULL: it can have no such name, or it is not for it. */
static char *as_name(const X509 *leaf, const char *name)
{
    struct ecert_error ignored = {0};
    char *ascii = NULL;

    if (ecert_host_name_to_ascii(name, &ascii, &ignored) != ECERT_OK)
        return NULL;
    if (ecert_certificate_covers(leaf, ascii))
        return ascii;
    free(ascii);
    return NULL;
}

static enum ecert_status name_entry(struct ecert_draft *draft, struct ecert_draft_entry *entry,
                                    struct ecert_error *err)
{
    const X509 *leaf = draft->found->certificates[entry->certificate].leaf;
    ECERT_AUTO(ecert_auto_free) char *common_name = NULL;
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings candidates = {0};
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings names = {0};

    ECERT_TRY(ecert_certificate_common_name(leaf, &common_name, err));
    ECERT_TRY(ecert_strings_add(&candidates, common_name, err));
    ECERT_TRY(ecert_certificate_names(leaf, &names, err));
    ECERT_TRY(ecert_strings_add_all(&candidates, ecert_strings_array(&names), err));
    for (size_t i = 0; i < candidates.len; i++) {
        ECERT_AUTO(ecert_auto_free) char *name = as_name(leaf, candidates.items[i]);

        if (name == NULL && i > 0) /* a common name is what a person reads, and may be anything */
            ECERT_TRY(ecert_strings_add(&entry->odd, candidates.items[i], err));
        if (name == NULL || (entry->name != NULL && strcmp(entry->name, name) == 0) ||
            ecert_strings_contain(&entry->names, name))
            continue;
        if (entry->name == NULL && !is_taken(draft, name)) {
            entry->name = name;
            name = NULL;
            continue;
        }
        ECERT_TRY(ecert_strings_add(&entry->names, name, err));
    }
    return ECERT_OK;
}

enum ecert_status ecert_draft_name_entries(struct ecert_draft *draft, struct ecert_error *err)
{
    for (size_t i = 0; i < draft->n_entries; i++)
        ECERT_TRY(name_entry(draft, &draft->entries[i], err));
    return ECERT_OK;
}

/* ---- the organisation ---- */

static const int parts[4] = {NID_countryName, NID_stateOrProvinceName, NID_localityName,
                             NID_organizationName};

static enum ecert_status read_part(const X509_NAME *name, int nid, char **ret,
                                   struct ecert_error *err)
{
    const int at = X509_NAME_get_index_by_NID(name, nid, -1);
    unsigned char *utf8 = NULL;
    struct ecert_error odd = {0};

    if (at < 0)
        return ECERT_OK;
    const int len =
        ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
    if (len <= 0) {
        OPENSSL_free(utf8);
        return ECERT_OK;
    }
    const enum ecert_status status =
        ecert_text_copy((struct ecert_view){utf8, (size_t)len}, ret, &odd);
    OPENSSL_free(utf8);
    return status == ECERT_E_NOMEM ? ecert_error_nomem(err) : ECERT_OK;
}

struct subject {
    char *part[4];
    size_t n;
};

static void subject_clear(struct subject *subject)
{
    for (size_t i = 0; i < 4; i++)
        free(subject->part[i]);
    *subject = (struct subject){0};
}

static bool is_same(const struct subject *a, const struct subject *b)
{
    for (size_t i = 0; i < 4; i++)
        if ((a->part[i] == NULL) != (b->part[i] == NULL) ||
            (a->part[i] != NULL && strcmp(a->part[i], b->part[i]) != 0))
            return false;
    return true;
}

/* Count it among those that are there; taken over or cleared. */
static void count_subject(struct subject *all, size_t *n, struct subject *one)
{
    for (size_t i = 0; i < *n; i++)
        if (is_same(&all[i], one)) {
            all[i].n++;
            subject_clear(one);
            return;
        }
    one->n = 1;
    all[(*n)++] = *one;
    *one = (struct subject){0};
}

enum ecert_status ecert_draft_find_subject(struct ecert_draft *draft, struct ecert_error *err)
{
    struct subject *all = calloc(draft->n_entries + 1, sizeof *all);
    enum ecert_status status = all == NULL ? ecert_error_nomem(err) : ECERT_OK;
    size_t n = 0, best = 0;

    for (size_t i = 0; i < draft->n_entries && status == ECERT_OK; i++) {
        const X509 *leaf = draft->found->certificates[draft->entries[i].certificate].leaf;
        struct subject one = {0};

        for (size_t k = 0; k < 4 && status == ECERT_OK; k++)
            status = read_part(X509_get_subject_name(leaf), parts[k], &one.part[k], err);
        if (status == ECERT_OK && one.part[3] != NULL) /* a name of nobody's is none */
            count_subject(all, &n, &one);
        subject_clear(&one);
    }
    for (size_t i = 1; i < n; i++)
        if (all[i].n > all[best].n)
            best = i;
    if (status == ECERT_OK && n > 0) {
        memcpy(draft->subject, all[best].part, sizeof draft->subject);
        draft->n_leafs_with_subject = all[best].n;
        all[best] = (struct subject){0};
    }
    for (size_t i = 0; i < n; i++)
        subject_clear(&all[i]);
    free(all);
    return status;
}
