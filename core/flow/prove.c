#include "core/flow/prove.h"

#include <stdlib.h>
#include <string.h>

#include "core/flow/private_view.h"
#include "core/flow/service.h"

#define TEST_OUTPUT_MAX (1u << 20)

/* Did a test before (member, index) run the same command? */
static bool is_repeated(const struct ecert_member *members, size_t member, size_t index)
{
    const struct ecert_strings *argv = &members[member].change->plan->tests[index].argv;

    for (size_t i = 0; i <= member; i++) {
        const struct ecert_plan *plan = members[i].change->plan;

        for (size_t t = 0; members[i].waiting && t < (i == member ? index : plan->n_tests); t++)
            if (ecert_strings_equal(&plan->tests[t].argv, argv))
                return true;
    }
    return false;
}

/* Everybody's scratch files, each once. */
static enum ecert_status unite_scratch(const struct ecert_member *members, size_t n,
                                       struct ecert_strings *ret, struct ecert_error *err)
{
    for (size_t i = 0; i < n; i++) {
        const struct ecert_plan *plan = members[i].change->plan;

        for (size_t t = 0; members[i].waiting && t < plan->n_tests; t++)
            for (size_t s = 0; s < plan->tests[t].scratch.len; s++)
                if (!ecert_strings_contain(ret, plan->tests[t].scratch.items[s]))
                    ECERT_TRY(ecert_strings_add(ret, plan->tests[t].scratch.items[s], err));
    }
    return ECERT_OK;
}

static enum ecert_status run_one(const struct ecert_transaction_env *env,
                                 const struct ecert_view_spec *view, enum ecert_prove_where where,
                                 struct ecert_error *err)
{
    ECERT_AUTO(ecert_run_result_clear) struct ecert_run_result result = {0};
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer words = {0};
    const struct ecert_run_spec live = {.argv = view->argv,
                                        .timeout_ms = view->timeout_ms,
                                        .max_output = TEST_OUTPUT_MAX,
                                        .meanwhile = view->meanwhile};

    if (where == ECERT_PROVE_LIVE)
        ECERT_TRY(ecert_run(&live, &result, err));
    else if (env->no_private_view)
        return ecert_error_set(err, ECERT_E_UNSUPPORTED, "private views are switched off");
    else
        ECERT_TRY(ecert_private_view_run(view, &result, err));
    if (result.exit_code == 0)
        return ECERT_OK;
    ecert_service_words(&result, &words);
    return ecert_error_set(err, ECERT_E_COMMAND, "%.*s", (int)words.len, (const char *)words.ptr);
}

enum ecert_status ecert_prove(const struct ecert_transaction_env *env,
                              const struct ecert_member *members, size_t n,
                              const struct ecert_items *items, const char *workspace,
                              enum ecert_prove_where where, const struct ecert_meanwhile *meanwhile,
                              bool *ret_tested, struct ecert_error *err)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings scratch = {0};
    struct ecert_view_spec view = {.items = items,
                                   .workspace = workspace,
                                   .timeout_ms = env->command_timeout_ms,
                                   .meanwhile = meanwhile};

    *ret_tested = false;
    ECERT_TRY(unite_scratch(members, n, &scratch, err));
    view.scratch = ecert_strings_array(&scratch);
    for (size_t i = 0; i < n; i++) {
        const struct ecert_plan *plan = members[i].change->plan;

        for (size_t t = 0; members[i].waiting && t < plan->n_tests; t++) {
            if (is_repeated(members, i, t))
                continue;
            view.argv = ecert_strings_array(&plan->tests[t].argv);
            ECERT_TRY(run_one(env, &view, where, err));
            view.meanwhile = NULL; /* done */
            *ret_tested = true;
        }
    }
    return ECERT_OK;
}

/* ---- blame ---- */

/* Some of the members, in a view of their own; their real outcomes stay untouched. */
static enum ecert_status try_some(const struct ecert_transaction_env *env,
                                  const struct ecert_member *members, const bool *chosen, size_t n,
                                  const char *workspace, struct ecert_error *err)
{
    ECERT_AUTO(ecert_items_clear) struct ecert_items items = {0};
    struct ecert_outcome *outcomes = calloc(n, sizeof *outcomes);
    struct ecert_member *some = calloc(n, sizeof *some);
    enum ecert_status status = ECERT_E_NOMEM;
    bool tested = false;

    if (outcomes == NULL || some == NULL) {
        (void)ecert_error_nomem(err);
    } else {
        for (size_t i = 0; i < n; i++)
            some[i] = (struct ecert_member){members[i].change, &outcomes[i], chosen[i]};
        status = ecert_items_collect(some, n, true, &items, err);
        if (status == ECERT_OK)
            status = ecert_prove(env, some, n, &items, workspace, ECERT_PROVE_IN_VIEW, NULL,
                                 &tested, err);
    }
    for (size_t i = 0; outcomes != NULL && i < n; i++)
        ecert_outcome_clear(&outcomes[i]);
    free(outcomes);
    free(some);
    return status;
}

static void refuse(struct ecert_member *members, const size_t *list, size_t n, const char *what,
                   const struct ecert_error *words)
{
    struct ecert_error why = *words;

    (void)ecert_error_wrap(&why, "%s", what);
    for (size_t i = 0; i < n; i++)
        ecert_member_verdict(&members[list[i]], ECERT_OUTCOME_REFUSED, &why);
}

struct hunt {
    const struct ecert_transaction_env *env;
    struct ecert_member *members;
    size_t n;
    const char *workspace;
    bool *chosen;
};

/* These together were refused; who of them?  At least one gets a verdict. */
static void hunt_in(const struct hunt *hunt, const size_t *list, size_t n,
                    const struct ecert_error *words)
{
    const size_t half = n / 2;
    bool found = false;

    if (n == 1) {
        refuse(hunt->members, list, n, "the server refuses the new configuration", words);
        return;
    }
    for (size_t side = 0; side < 2; side++) {
        const size_t *part = side == 0 ? list : list + half;
        const size_t part_n = side == 0 ? half : n - half;
        struct ecert_error why = {0};

        memset(hunt->chosen, false, hunt->n * sizeof *hunt->chosen);
        for (size_t i = 0; i < part_n; i++)
            hunt->chosen[part[i]] = true;
        if (try_some(hunt->env, hunt->members, hunt->chosen, hunt->n, hunt->workspace, &why) ==
            ECERT_OK)
            continue;
        hunt_in(hunt, part, part_n, &why);
        found = true;
    }
    if (!found)
        refuse(hunt->members, list + half, n - half,
               "the server refuses it together with the other targets of the same service", words);
}

void ecert_prove_blame(const struct ecert_transaction_env *env, struct ecert_member *members,
                       size_t n, const char *workspace, const struct ecert_error *words)
{
    struct ecert_error before = {0};
    size_t *list = calloc(n, sizeof *list), waiting = 0;
    bool *chosen = calloc(n, sizeof *chosen), tested = false;

    if (list == NULL || chosen == NULL) {
        ecert_members_verdict(members, n, ECERT_OUTCOME_REFUSED, words);
    } else {
        for (size_t i = 0; i < n; i++)
            if (members[i].waiting)
                list[waiting++] = i;
        /* what is broken without us is not ours to judge members by */
        if (ecert_prove(env, members, n, NULL, workspace, ECERT_PROVE_IN_VIEW, NULL, &tested,
                        &before) == ECERT_E_COMMAND)
            refuse(members, list, waiting, "the configuration was already broken before", &before);
        else
            hunt_in(&(struct hunt){env, members, n, workspace, chosen}, list, waiting, words);
    }
    free(list);
    free(chosen);
}
