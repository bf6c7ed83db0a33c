#include "core/flow/settings.h"

#include <stdlib.h>
#include <string.h>

/* Another encoding needs another first field; every target is then asked once more, no harm. */
#define ENCODING "ecert-target-1"

/* "4:text", so that no text can pass for two; "-" for what is absent. */
static void add_text(struct ecert_buffer *out, const char *text)
{
    if (text == NULL)
        ecert_buffer_add_text(out, "-");
    else
        ecert_buffer_printf(out, "%zu:%s", strlen(text), text);
}

static void add_count(struct ecert_buffer *out, size_t n)
{
    ecert_buffer_printf(out, "%zu;", n);
}

static void add_list(struct ecert_buffer *out, const struct ecert_strings *list)
{
    add_count(out, list->len);
    for (size_t i = 0; i < list->len; i++)
        add_text(out, list->items[i]);
}

static void add_probes(struct ecert_buffer *out, const struct ecert_target_config *target)
{
    add_count(out, target->probe);
    add_count(out, target->n_probes);
    for (size_t i = 0; i < target->n_probes; i++) {
        const struct ecert_probe *probe = &target->probes[i];

        add_text(out, probe->address);
        add_count(out, probe->port);
        add_text(out, probe->server_name);
        add_text(out, probe->starttls);
    }
}

static int by_name(const void *a, const void *b)
{
    const struct ecert_setting_value *const *left = a;
    const struct ecert_setting_value *const *right = b;

    return strcmp((*left)->name, (*right)->name);
}

static enum ecert_status add_settings(struct ecert_buffer *out,
                                      const struct ecert_target_config *target,
                                      struct ecert_error *err)
{
    const struct ecert_setting_value **sorted = calloc(target->n_settings + 1, sizeof *sorted);

    if (sorted == NULL)
        return ecert_error_nomem(err);
    for (size_t i = 0; i < target->n_settings; i++)
        sorted[i] = &target->settings[i];
    qsort(sorted, target->n_settings, sizeof *sorted, by_name);
    add_count(out, target->n_settings);
    for (size_t i = 0; i < target->n_settings; i++) {
        add_text(out, sorted[i]->name);
        add_count(out, sorted[i]->is_list);
        add_text(out, sorted[i]->text);
        add_list(out, &sorted[i]->list);
    }
    free(sorted);
    return ECERT_OK;
}

enum ecert_status ecert_settings_fingerprint(const struct ecert_target_config *target,
                                             char ret[ECERT_SHA256_HEX_LEN],
                                             struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer out = {0};

    if (target->plugin_problem != NULL) {
        ret[0] = '\0';
        return ECERT_OK;
    }
    add_text(&out, ENCODING);
    add_text(&out, target->plugin);
    add_list(&out, &target->server_names);
    for (size_t i = 0; i < ECERT_MATERIAL_COUNT; i++)
        add_text(&out, target->files[i]);
    add_probes(&out, target);
    add_list(&out, &target->may_write);
    ECERT_TRY(add_settings(&out, target, err));
    if (out.failed)
        return ecert_error_nomem(err);
    ecert_sha256_hex(ecert_buffer_view(&out), ret);
    return ECERT_OK;
}

bool ecert_settings_differ(const char *a, const char *b)
{
    return a[0] != '\0' && b[0] != '\0' && strcmp(a, b) != 0;
}
