/* What came back against what was asked for. */

#include <string.h>

#include "core/flow/certificate.h"
#include "core/flow/checks_rows.h"
#include "core/flow/compare.h"

#define NAMES_SHOWN   5
#define MISSING_SHOWN 3
#define MISSING_LEN   300

/* ---- names ---- */

static bool is_among(const char *const *names, const char *name)
{
    for (; *names != NULL; names++)
        if (strcmp(*names, name) == 0)
            return true;
    return false;
}

/* "x" where "*.x" was asked for: the CA adds it to every wildcard. */
static bool is_bare_name(const char *const *names, const char *name)
{
    for (; *names != NULL; names++)
        if (strncmp(*names, "*.", 2) == 0 && strcmp(*names + 2, name) == 0)
            return true;
    return false;
}

/* Names that nobody asked for are fine (the CA adds those of a multi-domain order), and said. */
static enum ecert_check_outcome say_further(const struct ecert_check_input *input,
                                            struct ecert_check_result *result)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings names = {0};
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer further = {0};
    struct ecert_error ignored = {0};
    size_t n = 0;

    if (ecert_certificate_names(input->leaf, &names, &ignored) != ECERT_OK)
        return ECERT_CHECK_PASSED; /* it covers what it must */
    for (size_t i = 0; i < names.len; i++) {
        const char *name = names.items[i];

        if (is_among(input->names, name) || is_bare_name(input->names, name))
            continue;
        if (n++ < NAMES_SHOWN)
            ecert_buffer_printf(&further, "%s'%s'", further.len > 0 ? ", " : "", name);
    }
    if (n == 0 || further.failed)
        return ECERT_CHECK_PASSED;
    if (n > NAMES_SHOWN)
        ecert_buffer_printf(&further, " and %zu more", n - NAMES_SHOWN);
    result->said = true;
    return ecert_check_say(result, ECERT_CHECK_PASSED,
                           "the certificate also covers %s, which the request did not ask for",
                           further.failed ? "other names" : (const char *)further.ptr);
}

enum ecert_check_outcome ecert_check_names(const struct ecert_check_input *input,
                                           struct ecert_check_result *result)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer missing = {0};
    size_t n = 0, n_missing = 0, shown = 0;

    if (input->names == NULL || input->names[0] == NULL)
        return ecert_check_say(result, ECERT_CHECK_SKIPPED, "no names are asked for");
    for (; input->names[n] != NULL; n++) {
        if (ecert_certificate_covers(input->leaf, input->names[n]))
            continue;
        /* the sentence has a limited length, and must not end in the middle of a name */
        if (n_missing++ >= MISSING_SHOWN ||
            (shown > 0 && missing.len + strlen(input->names[n]) > MISSING_LEN))
            continue;
        shown++;
        ecert_buffer_printf(&missing, "%s'%s'", missing.len > 0 ? ", " : "", input->names[n]);
    }
    if (missing.failed)
        return ecert_check_say(result, ECERT_CHECK_FAILED, "out of memory");
    if (n_missing > shown)
        return ecert_check_say(result, ECERT_CHECK_FAILED,
                               "%zu of %zu names are missing: %s, and %zu more; only the subject "
                               "alternative names of the certificate count",
                               n_missing, n, (const char *)missing.ptr, n_missing - shown);
    if (n_missing > 0)
        return ecert_check_say(result, ECERT_CHECK_FAILED,
                               "the certificate does not cover %s; only its subject alternative "
                               "names count",
                               (const char *)missing.ptr);
    return input->requested ? say_further(input, result) : ECERT_CHECK_PASSED;
}

/* ---- organisation and validation ---- */

typedef enum ecert_status compare_fn(const X509 *leaf, const struct ecert_order *order,
                                     struct ecert_strings *ret_notes, struct ecert_error *err);

static enum ecert_check_outcome outcome_of(compare_fn *compare,
                                           const struct ecert_check_input *input,
                                           struct ecert_check_result *result)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings notes = {0};
    struct ecert_error why = {0};

    if (compare(input->leaf, input->order, &notes, &why) != ECERT_OK)
        return ecert_check_say(result, ECERT_CHECK_FAILED, "%s", why.text);
    if (notes.len == 0)
        return ECERT_CHECK_PASSED;
    result->said = true;
    return ecert_check_say(result, ECERT_CHECK_PASSED, "%s", notes.items[0]);
}

enum ecert_check_outcome ecert_check_organization(const struct ecert_check_input *input,
                                                  struct ecert_check_result *result)
{
    const struct ecert_order *order = input->order;

    if (order == NULL || (order->organization == NULL && order->chinese_organization == NULL))
        return ecert_check_say(result, ECERT_CHECK_SKIPPED,
                               "neither a request nor the configuration names an organisation");
    return outcome_of(ecert_compare_organization, input, result);
}

enum ecert_check_outcome ecert_check_validation(const struct ecert_check_input *input,
                                                struct ecert_check_result *result)
{
    if (input->order == NULL || input->order->validation == ECERT_VALIDATION_ANY)
        return ecert_check_say(result, ECERT_CHECK_SKIPPED,
                               "neither a request nor the configuration says what was ordered");
    return outcome_of(ecert_compare_validation, input, result);
}
