/* What a transaction would do, as text; nothing is changed. */

#include <stdlib.h>

#include "core/base/diff.h"
#include "core/flow/items.h"

#define SHOWN_WHOLE 20 /* lines; a longer new file is named, not printed */

static size_t count_lines(struct ecert_view text)
{
    size_t lines = 0;

    for (size_t i = 0; i < text.len; i++)
        lines += text.ptr[i] == '\n';
    return lines;
}

static enum ecert_status add_item(const struct ecert_item *item, struct ecert_buffer *out,
                                  struct ecert_error *err)
{
    if (item->is_link) {
        ecert_buffer_printf(out, "%s: link to %.*s", item->path, (int)item->after.len,
                            (const char *)item->after.ptr);
        if (item->existed)
            ecert_buffer_printf(out, ", was %.*s", (int)item->before.len,
                                (const char *)item->before.ptr);
        ecert_buffer_add_text(out, "\n");
        return ECERT_OK;
    }
    if (item->secret) {
        ecert_buffer_printf(out, "%s: %s, secret, %zu bytes\n", item->path,
                            item->existed ? "replaced" : "new", item->after.len);
        return ECERT_OK;
    }
    if (ecert_view_equal(ecert_secret_view(&item->before), ecert_secret_view(&item->after))) {
        ecert_buffer_printf(out, "%s: mode %04o, owner %u:%u\n", item->path,
                            (unsigned)item->after_owner.mode, (unsigned)item->after_owner.uid,
                            (unsigned)item->after_owner.gid);
        return ECERT_OK;
    }
    if (!item->existed && count_lines(ecert_secret_view(&item->after)) > SHOWN_WHOLE) {
        ecert_buffer_printf(out, "%s: new, %zu lines\n", item->path,
                            count_lines(ecert_secret_view(&item->after)));
        return ECERT_OK;
    }
    return ecert_diff_unified(item->existed ? item->path : "/dev/null",
                              ecert_secret_view(&item->before), item->path,
                              ecert_secret_view(&item->after), out, err);
}

enum ecert_status ecert_transaction_diff(const struct ecert_change *changes, size_t n,
                                         struct ecert_buffer *out, size_t *ret_changes,
                                         struct ecert_strings *ret_refused, struct ecert_error *err)
{
    ECERT_AUTO(ecert_items_clear) struct ecert_items items = {0};
    struct ecert_member *members = calloc(n + 1, sizeof *members);
    struct ecert_outcome *outcomes = calloc(n + 1, sizeof *outcomes);
    enum ecert_status status = ECERT_E_NOMEM;

    if (members == NULL || outcomes == NULL) {
        (void)ecert_error_nomem(err);
    } else {
        for (size_t i = 0; i < n; i++)
            members[i] = (struct ecert_member){&changes[i], &outcomes[i], true};
        status = ecert_items_collect(members, n, false, &items, err);
    }
    for (size_t i = 0; status == ECERT_OK && i < n; i++)
        if (!members[i].waiting) /* refused: the same would come of deploying it */
            status = ecert_strings_printf(ret_refused, err, "%s: %s: %s", changes[i].certificate,
                                          changes[i].target, outcomes[i].error.text);
    for (size_t i = 0; status == ECERT_OK && i < items.n; i++)
        status = add_item(&items.list[i], out, err);
    if (status == ECERT_OK)
        *ret_changes = items.n;
    for (size_t i = 0; outcomes != NULL && i < n; i++)
        ecert_outcome_clear(&outcomes[i]);
    free(members);
    free(outcomes);
    return status;
}
