#include "core/flow/earlier.h"

#include <string.h>

#include "core/flow/compare.h"

static bool names_it(const char *state_dir, const char *name, unsigned number,
                     const char *organization)
{
    ECERT_AUTO(ecert_bundle_clear) struct ecert_bundle bundle = {0};
    ECERT_AUTO(ecert_subject_clear) struct ecert_subject subject = {0};
    struct ecert_error ignored = {0};

    return ecert_store_load(state_dir, name, number, &bundle, &ignored) == ECERT_OK &&
           ecert_subject_of(bundle.leaf, &subject, &ignored) == ECERT_OK &&
           subject.organization != NULL && strcmp(subject.organization, organization) == 0;
}

enum ecert_status ecert_earlier_organization(const char *state_dir, const char *name,
                                             const X509 *leaf, char **ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_subject_clear) struct ecert_subject subject = {0};
    struct ecert_error ignored = {0};
    unsigned number = 0;

    ECERT_TRY(ecert_subject_of(leaf, &subject, err));
    if (subject.organization == NULL ||
        ecert_store_newest(state_dir, name, &number, &ignored) != ECERT_OK)
        return ECERT_OK;
    for (; number > 0; number--)
        if (names_it(state_dir, name, number, subject.organization))
            return ecert_text_copy(ecert_view_of(subject.organization), ret, err);
    return ECERT_OK;
}
