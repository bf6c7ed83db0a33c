#include "core/cli/sites.h"

#include <stdlib.h>
#include <string.h>

#include "core/flow/outcome_json.h"
#include "core/host/site.h"

#define MOST_ALIKE 20 /* sites left for one reason, each with a line of its own */
#define MOST_NAMES 6  /* of a site in its line */

/* A site that is left, and how many are for the same reason. */
struct left {
    const struct ecert_site *site;
    size_t alike;
    bool first; /* of them */
};

static const char *reason_of(const struct ecert_site *site)
{
    return site->why == NULL ? "the plugin gives no reason" : site->why;
}

static int by_reason(const void *a, const void *b)
{
    const struct left *const *left = a, *const *right = b;
    const int order = strcmp(reason_of((*left)->site), reason_of((*right)->site));

    return order != 0 ? order : (*left > *right) - (*left < *right);
}

/* In the order of the plan, each with its count; NULL: no memory. */
static struct left *gather_left(const struct ecert_plan *plan, size_t *ret_n)
{
    struct left *left = calloc(plan->n_sites + 1, sizeof *left);
    struct left **sorted = calloc(plan->n_sites + 1, sizeof *sorted);
    size_t n = 0;

    for (size_t i = 0; left != NULL && sorted != NULL && i < plan->n_sites; i++)
        if (!plan->sites[i].taken && !plan->sites[i].refused) {
            left[n].site = &plan->sites[i];
            sorted[n] = &left[n];
            n++;
        }
    if (n > 0)
        qsort(sorted, n, sizeof *sorted, by_reason);
    for (size_t from = 0, to = 0; from < n; from = to) {
        while (to < n && strcmp(reason_of(sorted[from]->site), reason_of(sorted[to]->site)) == 0)
            to++;
        sorted[from]->first = true;
        for (size_t i = from; i < to; i++)
            sorted[i]->alike = to - from;
    }
    if (sorted == NULL) {
        free(left);
        left = NULL;
    }
    free(sorted);
    *ret_n = n;
    return left;
}

static void add_place(const struct ecert_site *site, struct ecert_buffer *out)
{
    if (site->file == NULL)
        ecert_buffer_printf(out, "a %s", site->kind);
    else if (site->line == 0)
        ecert_buffer_printf(out, "%s", site->file);
    else
        ecert_buffer_printf(out, "%s:%u", site->file, (unsigned)site->line);
}

static void add_names(const struct ecert_site *site, struct ecert_buffer *out)
{
    const size_t n = site->names.len;

    if (n == 0)
        return;
    for (size_t i = 0; i < n && i < MOST_NAMES; i++)
        ecert_buffer_printf(out, "%s%s", i == 0 ? " '" : " ", site->names.items[i]);
    if (n > MOST_NAMES)
        ecert_buffer_printf(out, " and %zu more", n - MOST_NAMES);
    ecert_buffer_add_text(out, "'");
}

static const char *word_of(const struct ecert_site *site)
{
    if (site->refused)
        return "refuses";
    return site->taken ? "takes" : "leaves";
}

static void say_site(struct ecert_app *app, const struct ecert_site *site)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer line = {0};

    add_place(site, &line);
    add_names(site, &line);
    ecert_buffer_add(&line, (struct ecert_view){(const uint8_t *)"", 1});
    if (!line.failed)
        ecert_say(app, "  %s %s: %s", word_of(site), (const char *)line.ptr, reason_of(site));
}

/* The same behind a complaint. */
static void complain_of_site(struct ecert_app *app, const struct ecert_site *site)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer line = {0};

    add_place(site, &line);
    add_names(site, &line);
    ecert_buffer_add(&line, (struct ecert_view){(const uint8_t *)"", 1});
    if (!line.failed)
        ecert_complain_behind(app, "  %s %s: %s", word_of(site), (const char *)line.ptr,
                              reason_of(site));
}

static void say_left(struct ecert_app *app, const struct left *left)
{
    if (left->alike <= MOST_ALIKE || app->options.verbose)
        say_site(app, left->site);
    else if (left->first)
        ecert_say(app, "  leaves %zu sites: %s (--verbose shows each)", left->alike,
                  reason_of(left->site));
}

static size_t count_refused(const struct ecert_plan *plan)
{
    size_t n = 0;

    for (size_t i = 0; i < plan->n_sites; i++)
        n += plan->sites[i].refused;
    return n;
}

static void say_plan(struct ecert_app *app, const struct ecert_deployment *one)
{
    size_t n_left = 0;
    ECERT_AUTO(ecert_auto_free) struct left *left = gather_left(&one->plan, &n_left);
    const size_t n_taken = one->plan.n_sites - n_left - count_refused(&one->plan);

    if (left == NULL || one->plan.n_sites == 0)
        return;
    ecert_say(app, "%s: %s: %s %zu of %zu sites", one->certificate->name, one->target->id,
              one->standing == ECERT_STANDING_UNFIT ? "would take" : "takes", n_taken,
              one->plan.n_sites);
    for (size_t i = 0; i < one->plan.n_sites; i++)
        if (one->plan.sites[i].taken)
            say_site(app, &one->plan.sites[i]);
    for (size_t i = 0; i < n_left; i++)
        say_left(app, &left[i]);
}

void ecert_say_sites(struct ecert_app *app, const struct ecert_deployments *deployments)
{
    for (size_t i = 0; i < deployments->n; i++)
        if (deployments->items[i].standing != ECERT_STANDING_UNFIT)
            say_plan(app, &deployments->items[i]);
}

void ecert_complain_of_sites(struct ecert_app *app, const struct ecert_deployment *one)
{
    const struct ecert_plan *plan = &one->plan;

    for (size_t i = 0; i < plan->n_sites; i++)
        if (plan->sites[i].refused)
            complain_of_site(app, &plan->sites[i]);
    if (one->with_sites && (app->options.verbose || count_refused(plan) == 0))
        say_plan(app, one);
}

json_t *ecert_sites_json(const struct ecert_plan *plan)
{
    json_t *list = json_array();

    for (size_t i = 0; i < plan->n_sites; i++) {
        const struct ecert_site *site = &plan->sites[i];

        (void)json_array_append_new(
            list, json_pack("{s:s, s:o, s:o, s:I, s:b, s:b, s:o}", "kind", site->kind, "names",
                            ecert_strings_json(&site->names), "file", ecert_text_json(site->file),
                            "line", (json_int_t)site->line, "taken", site->taken, "refused",
                            site->refused, "why", ecert_text_json(site->why)));
    }
    return list;
}
