/* The sheet of requests as a file. */
#include <stdlib.h>

#include "core/base/clock.h"
#include "core/base/fs.h"
#include "core/base/words.h"
#include "core/cli/output.h"
#include "core/cli/requesting.h"
#include "core/flow/outcome_json.h"
#include "core/flow/store.h"
#include "core/issue/request.h"
#include "core/issue/sheet.h"

#define SHEET_MODE 0644 /* it holds no secret, and is meant to be handed on */

/* Entries with what they borrow. */
struct sheet {
    struct ecert_sheet_entry *entries;
    struct ecert_bytes *pems;
    char **files, **whys;
    size_t n;
};

static void sheet_clear(struct sheet *sheet)
{
    for (size_t i = 0; i < sheet->n; i++) {
        ecert_bytes_clear(&sheet->pems[i]);
        free(sheet->files[i]);
        free(sheet->whys[i]);
    }
    free(sheet->entries);
    free(sheet->pems);
    free(sheet->files);
    free(sheet->whys);
    *sheet = (struct sheet){0};
}

static enum ecert_status resolve(const struct ecert_app *app, char **ret, struct ecert_error *err)
{
    ECERT_TRY(ecert_fs_resolve_new(app->options.sheet, ret, err));
    return ecert_output_check(*ret, ECERT_SHEET_MARK, ECERT_OUTPUT_FRONT, err);
}

enum ecert_status ecert_request_sheet_check(const struct ecert_app *app, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *path = NULL;

    return app->options.sheet == NULL ? ECERT_OK : resolve(app, &path, err);
}

/* Profiles are loaded first: a later load may move those that are there. */
static void load_profiles(struct ecert_app *app, const struct ecert_shown_request *shown, size_t n)
{
    const struct ecert_authority *authority = NULL;
    struct ecert_error later = {0}; /* it is said when the entry is added */

    for (size_t i = 0; i < n; i++)
        if (shown[i].request->authority != NULL)
            (void)!ecert_context_authority(&app->context, shown[i].request->authority, &authority,
                                           &later);
}

static enum ecert_status add_entry(struct ecert_app *app, const struct ecert_shown_request *shown,
                                   struct sheet *sheet, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *sub = NULL;
    const struct ecert_request *request = shown->request;
    struct ecert_error ignored = {0};
    enum ecert_request_kind kind = request->kind;
    const size_t i = sheet->n;

    if (request->problem != NULL)
        return ecert_error_set(err, ECERT_E_REFUSED, "%s", request->problem);
    ECERT_TRY(ecert_text_format(&sub, err, "requests/%s/request.csr", request->id));
    ECERT_TRY(ecert_context_authority(&app->context, request->authority,
                                      &sheet->entries[i].authority, err));
    ECERT_TRY(ecert_store_path(app->config.state_dir, request->name, sub, &sheet->files[i], err));
    ECERT_TRY(ecert_request_pem(app, request, &sheet->pems[i], err));
    const char *before = ecert_words_use(ecert_request_language(app));
    if (ecert_request_kind_of(&app->context, shown->certificate, ecert_clock_now(), &kind,
                              &sheet->whys[i], &ignored) != ECERT_OK)
        kind = request->kind; /* without a reason, then */
    (void)ecert_words_use(before);
    sheet->entries[i].request = request;
    sheet->entries[i].csr_pem = ecert_bytes_view(&sheet->pems[i]);
    sheet->entries[i].csr_file = sheet->files[i];
    sheet->entries[i].kind_why = kind == request->kind ? sheet->whys[i] : NULL;
    sheet->n++;
    return ECERT_OK;
}

static enum ecert_status write_sheet(const struct ecert_app *app, const struct sheet *sheet,
                                     const struct ecert_sheet_failure *failures, size_t n_failures,
                                     struct ecert_error *err)
{
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes html = {0};
    ECERT_AUTO(ecert_auto_free) char *path = NULL;
    ECERT_AUTO(ecert_auto_free) char *inbox = NULL;
    const struct ecert_fs_owner owner = ecert_fs_own(SHEET_MODE);

    ECERT_TRY(ecert_request_inbox(app, &inbox, err));
    const struct ecert_sheet page = {.entries = sheet->entries,
                                     .n = sheet->n,
                                     .failures = failures,
                                     .n_failures = n_failures,
                                     .language = ecert_request_language(app),
                                     .inbox = inbox,
                                     .now = ecert_clock_now()};
    ECERT_TRY(ecert_sheet_page(&page, &html, err));
    ECERT_TRY(resolve(app, &path, err));
    return ecert_fs_replace(path, ecert_bytes_view(&html), &owner, err);
}

/* The request is left out, and why is said: of a thousand one must not stop the others. */
static void leave_out(struct ecert_app *app, const struct ecert_shown_request *shown,
                      struct sheet *sheet, const char *why)
{
    const size_t i = sheet->n;

    ecert_complain(app, "%s: request %s is not on the sheet: %s", shown->request->name,
                   shown->request->id, why);
    ecert_bytes_clear(&sheet->pems[i]);
    free(sheet->files[i]);
    free(sheet->whys[i]);
    sheet->files[i] = sheet->whys[i] = NULL;
}

enum ecert_status ecert_request_sheet(struct ecert_app *app,
                                      const struct ecert_shown_request *shown, size_t n,
                                      const struct ecert_sheet_failure *failures, size_t n_failures,
                                      size_t *ret_left_out, struct ecert_error *err)
{
    ECERT_AUTO(sheet_clear)
    struct sheet sheet = {.entries = calloc(n + 1, sizeof *sheet.entries),
                          .pems = calloc(n + 1, sizeof *sheet.pems),
                          .files = calloc(n + 1, sizeof *sheet.files),
                          .whys = calloc(n + 1, sizeof *sheet.whys)};
    size_t left_out = 0;

    if (sheet.entries == NULL || sheet.pems == NULL || sheet.files == NULL || sheet.whys == NULL)
        return ecert_error_nomem(err);
    load_profiles(app, shown, n);
    for (size_t i = 0; i < n; i++) {
        struct ecert_error why = {0};

        if (shown[i].certificate == NULL) /* what the CA sends for it would not be taken */
            continue;
        if (add_entry(app, &shown[i], &sheet, &why) == ECERT_OK)
            continue;
        leave_out(app, &shown[i], &sheet, why.text);
        if (shown[i].request->problem == NULL || ecert_request_needs_repair(shown[i].request))
            left_out++;
    }
    ECERT_TRY(write_sheet(app, &sheet, failures, n_failures, err));
    ecert_say(app, "'%s' shows %zu request%s", app->options.sheet, sheet.n,
              sheet.n == 1 ? "" : "s");
    ecert_tell(app, "sheet", ecert_text_json(app->options.sheet));
    *ret_left_out = left_out;
    return ECERT_OK;
}
