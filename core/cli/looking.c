#include "core/cli/looking.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

char *ecert_looking_words(const struct ecert_inventory_server *server)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer text = {0};
    struct ecert_error ignored = {0};
    char *words = NULL;

    for (size_t i = 0; i < server->words.len; i++)
        ecert_buffer_printf(&text, "%s%s", i > 0 ? " " : "", server->words.items[i]);
    if (text.failed || ecert_text_copy(ecert_buffer_view(&text), &words, &ignored) != ECERT_OK)
        return NULL;
    return words;
}

/* None, or one that only root may read: then what needs none is done without. */
static bool load(struct ecert_app *app, int *ret_code)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings mistakes = {0};
    struct ecert_error err = {0};

    if (ecert_config_load(app->options.config, &app->config, &mistakes, &err) == ECERT_OK)
        return true;
    const bool shut = (err.sys_errno == EACCES || err.sys_errno == EPERM) && geteuid() != 0;
    if (shut)
        ecert_remark(app, "%s; this goes on without it", err.text);
    if ((shut || err.status == ECERT_E_NOT_FOUND) &&
        ecert_config_without_file(&app->config, &err) == ECERT_OK)
        return true;
    for (size_t i = 0; i < mistakes.len; i++)
        ecert_complain(app, "%s", mistakes.items[i]);
    ecert_complain(app, "%s", err.text);
    *ret_code = ECERT_EXIT_USAGE;
    return false;
}

bool ecert_looking(struct ecert_app *app, struct ecert_inventory *ret, int *ret_code)
{
    const struct ecert_inventory_wishes wishes = {.plugins = app->options.plugins,
                                                  .commands = app->options.commands};
    struct ecert_error err = {0};

    if (!load(app, ret_code))
        return false;
    if (ecert_inventory_look(&app->config, &wishes, ret, &err) == ECERT_OK)
        return true;
    ecert_complain(app, "%s", err.text);
    *ret_code = ecert_exit_of(err.status);
    return false;
}

static void tell_looked_for(struct ecert_app *app, const struct ecert_inventory *inventory)
{
    const struct ecert_strings *programs = &inventory->looked_for;

    if (inventory->n_servers == 0)
        ecert_remark(app, "no server found; --command names one that is somewhere else%s",
                     programs->len == 0 ? "; no plugin tells where its server lies" : "");
    for (size_t i = 0; i < programs->len; i++)
        if (inventory->n_servers == 0)
            ecert_say(app, "  looked for %s", programs->items[i]);
        else
            ecert_say_more(app, "also looked for %s", programs->items[i]);
}

size_t ecert_looking_tell(struct ecert_app *app, const struct ecert_inventory *inventory)
{
    size_t n = inventory->problems.len;

    for (size_t i = 0; i < inventory->n_servers; i++) {
        const struct ecert_inventory_server *server = &inventory->servers[i];
        ECERT_AUTO(ecert_auto_free) char *words = ecert_looking_words(server);

        for (size_t k = 0; k < server->notes.len; k++)
            ecert_remark(app, "%s: %s", server->plugin, server->notes.items[k]);
        if (server->error.status == ECERT_OK)
            continue;
        n++;
        ecert_complain(app, "%s: the server%s%s%s could not be asked: %s%s", server->plugin,
                       words == NULL || words[0] == '\0' ? "" : " '", words == NULL ? "" : words,
                       words == NULL || words[0] == '\0' ? "" : "'", server->error.text,
                       geteuid() != 0 ? "; this is not root: what it may not read is missing" : "");
    }
    for (size_t i = 0; i < inventory->problems.len; i++)
        ecert_complain(app, "%s", inventory->problems.items[i]);
    for (size_t i = 0; i < inventory->remarks.len; i++)
        ecert_remark(app, "%s", inventory->remarks.items[i]);
    tell_looked_for(app, inventory);
    return n;
}
