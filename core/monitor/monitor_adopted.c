/* An adopted generation: what was wrong with it then, and what is now. */
#include <stdlib.h>
#include <string.h>

#include "core/flow/checks_rows.h"
#include "core/flow/compare.h"
#include "core/monitor/monitor_parts.h"

/* The checks against the configuration, which may have been corrected since. */
static const struct {
    const char *id;
    ecert_check_fn *check;
} of_order[] = {
    {"names", ecert_check_names},
    {"organization", ecert_check_organization},
    {"validation", ecert_check_validation},
};

static bool is_of_order(const char *id)
{
    for (size_t i = 0; i < ARRAY_SIZE(of_order); i++)
        if (strcmp(of_order[i].id, id) == 0)
            return true;
    return false;
}

/* The id of a check that a reason begins with, "chain-anchor: ...", as ecert_checks_verdict() joins
 * them; false: none begins here. */
static bool reason_at(const char *text, struct ecert_check_result *ret)
{
    for (size_t i = 0; i < ecert_checks_count(); i++) {
        ecert_checks_describe(i, ret);
        const size_t n = strlen(ret->id);

        if (strncmp(text, ret->id, n) == 0 && strncmp(text + n, ": ", 2) == 0)
            return true;
    }
    return false;
}

/* Where the reason ends that begins at `text`. */
static const char *end_of_reason(const char *text)
{
    struct ecert_check_result next;
    const char *end = text;

    while ((end = strstr(end, "; ")) != NULL) {
        if (reason_at(end + 2, &next))
            return end;
        end += 2;
    }
    return text + strlen(text);
}

/* What stands of the reasons of that time. */
static void add_lasting(const char *unfit, struct ecert_buffer *text, bool *ret_of_chain)
{
    while (*unfit != '\0') {
        struct ecert_check_result row = {0};
        const char *end = end_of_reason(unfit);

        if (!reason_at(unfit, &row) || !is_of_order(row.id)) {
            ecert_buffer_printf(text, "%s%.*s", text->len > 0 ? "; " : "", (int)(end - unfit),
                                unfit);
            *ret_of_chain = *ret_of_chain || row.id == NULL || strncmp(row.id, "chain-", 6) == 0;
        }
        unfit = *end == '\0' ? end : end + 2;
    }
}

static enum ecert_status add_present(const struct monitor *monitor,
                                     const struct ecert_certificate_config *entry, const X509 *leaf,
                                     struct ecert_buffer *text, struct ecert_error *err)
{
    const struct ecert_organization_config *organization = &monitor->config->organization;
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings names = {0};
    const struct ecert_order order = {.organization = organization->name,
                                      .chinese_organization = organization->chinese_name,
                                      .validation = entry->validation};

    ECERT_TRY(ecert_strings_add(&names, entry->name, err));
    ECERT_TRY(ecert_strings_add_all(&names, ecert_strings_array(&entry->names), err));
    const struct ecert_check_input input = {
        .leaf = leaf, .names = ecert_strings_array(&names), .order = &order};
    for (size_t i = 0; i < ARRAY_SIZE(of_order); i++) {
        struct ecert_check_result result = {.id = of_order[i].id};

        if (!ecert_strings_contain(&entry->allow, of_order[i].id) &&
            of_order[i].check(&input, &result) == ECERT_CHECK_FAILED)
            ecert_buffer_printf(text, "%s%s: %s", text->len > 0 ? "; " : "", of_order[i].id,
                                result.why);
    }
    return ECERT_OK;
}

enum ecert_status monitor_judge_adopted(const struct monitor *monitor,
                                        const struct ecert_certificate_config *entry,
                                        const struct ecert_generation_facts *facts,
                                        struct ecert_finding *finding, struct ecert_error *err)
{
    ECERT_AUTO(ecert_bundle_clear) struct ecert_bundle bundle = {0};
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer text = {0};
    struct ecert_error told = {0}; /* a generation that cannot be read is told elsewhere */
    bool of_chain = false;

    add_lasting(facts->unfit, &text, &of_chain);
    if (ecert_store_load(monitor->config->state_dir, entry->name, facts->number, &bundle, &told) ==
        ECERT_OK)
        ECERT_TRY(add_present(monitor, entry, bundle.leaf, &text, err));
    if (text.failed || told.status == ECERT_E_NOMEM)
        return ecert_error_nomem(err);
    if (text.len == 0)
        return ECERT_OK;
    finding->condition = of_chain ? ECERT_CONDITION_WRONG_CHAIN : ECERT_CONDITION_UNFIT;
    return monitor_detail(finding, err, "adopted; an issued file would be refused: %s",
                          (const char *)text.ptr);
}
