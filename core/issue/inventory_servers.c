/* Which servers are asked. */

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/issue/inventory.h"

static enum ecert_status add_server(struct ecert_inventory *found, const char *plugin,
                                    struct ecert_inventory_server **ret, struct ecert_error *err)
{
    struct ecert_inventory_server *more =
        reallocarray(found->servers, found->n_servers + 1, sizeof *more);

    if (more == NULL)
        return ecert_error_nomem(err);
    found->servers = more;
    for (size_t i = 0; i < found->n_servers; i++) /* their own settings moved with them */
        if (more[i].own.name != NULL)
            more[i].settings = &more[i].own;
    *ret = &more[found->n_servers++];
    **ret = (struct ecert_inventory_server){0};
    return ecert_text_copy(ecert_view_of(plugin), &(*ret)->plugin, err);
}

static enum ecert_status set_command(struct ecert_inventory_server *server, struct ecert_error *err)
{
    ECERT_TRY(ecert_text_copy(ecert_view_of("command"), &server->own.name, err));
    ECERT_TRY(ecert_strings_add_all(&server->own.list, ecert_strings_array(&server->words), err));
    server->own.is_list = true;
    server->settings = &server->own;
    server->n_settings = 1;
    return ECERT_OK;
}

static bool are_same(const struct ecert_setting_value *a, const struct ecert_setting_value *b)
{
    return strcmp(a->name, b->name) == 0 && a->is_list == b->is_list &&
           (a->is_list
                ? ecert_strings_equal(&a->list, &b->list)
                : strcmp(a->text == NULL ? "" : a->text, b->text == NULL ? "" : b->text) == 0);
}

/* In whatever order they were written. */
bool ecert_inventory_is_server_of(const struct ecert_inventory_server *server,
                                  const struct ecert_target_config *target)
{
    size_t n = 0;

    if (strcmp(server->plugin, target->plugin) != 0 || server->n_settings != target->n_settings)
        return false;
    for (size_t i = 0; i < server->n_settings; i++)
        for (size_t k = 0; k < target->n_settings; k++)
            n += are_same(&server->settings[i], &target->settings[k]);
    return n == server->n_settings;
}

static enum ecert_status add_target(struct ecert_inventory *found,
                                    const struct ecert_target_config *target,
                                    struct ecert_error *err)
{
    struct ecert_inventory_server *server = NULL;

    for (size_t i = 0; i < found->n_servers; i++)
        if (ecert_inventory_is_server_of(&found->servers[i], target))
            return ECERT_OK;
    ECERT_TRY(add_server(found, target->plugin, &server, err));
    server->settings = target->settings;
    server->n_settings = target->n_settings;
    server->is_default = target->n_settings == 0;
    for (size_t i = 0; i < target->n_settings; i++)
        if (strcmp(target->settings[i].name, "command") == 0 && target->settings[i].is_list)
            return ecert_strings_add_all(&server->words,
                                         ecert_strings_array(&target->settings[i].list), err);
    return ECERT_OK;
}

static bool is_of_plugin(const char *wish, const char *plugin)
{
    const size_t n = strlen(plugin);

    return strncmp(wish, plugin, n) == 0 && wish[n] == '=';
}

/* "nginx=/opt/nginx/sbin/nginx -c /x.conf" */
static enum ecert_status add_wish(struct ecert_inventory *found, const char *plugin,
                                  const char *wish, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *text = NULL;
    struct ecert_inventory_server *server = NULL;
    char *rest = NULL;

    ECERT_TRY(ecert_text_copy(ecert_view_of(strchr(wish, '=') + 1), &text, err));
    ECERT_TRY(add_server(found, plugin, &server, err));
    for (char *word = strtok_r(text, " \t", &rest); word != NULL;
         word = strtok_r(NULL, " \t", &rest))
        ECERT_TRY(ecert_strings_add(&server->words, word, err));
    if (server->words.len == 0 || server->words.items[0][0] != '/')
        return ecert_error_set(err, ECERT_E_CONFIG,
                               "--command '%s': behind '=' stands how the server is called, the "
                               "absolute path of its program first",
                               wish);
    return set_command(server, err);
}

static const char *default_command(const struct ecert_plugin_description *plugin)
{
    for (size_t i = 0; i < plugin->n_settings; i++)
        if (strcmp(plugin->settings[i].name, "command") == 0)
            return plugin->settings[i].default_value;
    return NULL;
}

/* Two names of one program (apachectl and apache2ctl) are one server. */
static bool is_asked_already(const struct ecert_strings *resolved, const char *program)
{
    ECERT_AUTO(ecert_auto_free) char *real = NULL;
    struct ecert_error ignored = {0};

    return ecert_fs_resolve(program, &real, &ignored) == ECERT_OK &&
           ecert_strings_contain(resolved, real);
}

static enum ecert_status add_programs(struct ecert_inventory *found,
                                      const struct ecert_plugin_description *plugin,
                                      struct ecert_error *err)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings resolved = {0};
    const char *standard = default_command(plugin);
    const size_t before = found->n_servers;

    for (size_t i = 0; i < plugin->programs.len; i++) {
        const char *program = plugin->programs.items[i];
        ECERT_AUTO(ecert_auto_free) char *real = NULL;
        struct ecert_inventory_server *server = NULL;

        if (access(program, X_OK) != 0 || is_asked_already(&resolved, program))
            continue;
        ECERT_TRY(ecert_fs_resolve(program, &real, err));
        ECERT_TRY(ecert_strings_add(&resolved, real, err));
        ECERT_TRY(add_server(found, plugin->name, &server, err));
        ECERT_TRY(ecert_strings_add(&server->words, program, err));
        server->is_default = standard != NULL && strcmp(standard, program) == 0;
        if (!server->is_default)
            ECERT_TRY(set_command(server, err));
    }
    if (found->n_servers > before)
        return ECERT_OK;
    return ecert_strings_add_all(&found->looked_for, ecert_strings_array(&plugin->programs), err);
}

static enum ecert_status add_plugin(const struct ecert_config *config,
                                    const struct ecert_inventory_wishes *wishes, const char *name,
                                    struct ecert_inventory *found, struct ecert_error *err)
{
    ECERT_AUTO(ecert_plugin_description_clear) struct ecert_plugin_description plugin = {0};
    struct ecert_error why = {0};
    const size_t before = found->n_servers;

    for (size_t i = 0; wishes->commands != NULL && wishes->commands[i] != NULL; i++)
        if (is_of_plugin(wishes->commands[i], name))
            ECERT_TRY(add_wish(found, name, wishes->commands[i], err));
    if (found->n_servers > before)
        return ECERT_OK;
    for (size_t i = 0; i < config->n_certificates; i++)
        for (size_t k = 0; k < config->certificates[i].n_targets; k++)
            if (strcmp(config->certificates[i].targets[k].plugin, name) == 0 &&
                config->certificates[i].targets[k].plugin_problem == NULL)
                ECERT_TRY(add_target(found, &config->certificates[i].targets[k], err));
    if (found->n_servers > before)
        return ECERT_OK;
    if (ecert_plugin_describe(config->plugin_dir, name, &plugin, &why) != ECERT_OK)
        return ecert_strings_add(&found->problems, why.text, err);
    return add_programs(found, &plugin, err);
}

static bool is_wished(const char *const *plugins, const char *name)
{
    if (plugins == NULL || plugins[0] == NULL)
        return true;
    for (size_t i = 0; plugins[i] != NULL; i++)
        if (strcmp(plugins[i], name) == 0)
            return true;
    return false;
}

static enum ecert_status no_plugin(const struct ecert_config *config, const char *wish,
                                   const struct ecert_strings *plugins, struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer known = {0};

    for (size_t i = 0; i < plugins->len; i++)
        ecert_buffer_printf(&known, "%s%s", i > 0 ? ", " : "", plugins->items[i]);
    return ecert_error_set(err, ECERT_E_CONFIG, "'%s' names no plugin of '%s'; installed: %s", wish,
                           config->plugin_dir, known.len == 0 ? "none" : (const char *)known.ptr);
}

static enum ecert_status check_wishes(const struct ecert_config *config,
                                      const struct ecert_inventory_wishes *wishes,
                                      const struct ecert_strings *plugins, struct ecert_error *err)
{
    for (size_t i = 0; wishes->plugins != NULL && wishes->plugins[i] != NULL; i++)
        if (!ecert_strings_contain(plugins, wishes->plugins[i]))
            return no_plugin(config, wishes->plugins[i], plugins, err);
    for (size_t i = 0; wishes->commands != NULL && wishes->commands[i] != NULL; i++) {
        bool known = false;

        for (size_t k = 0; k < plugins->len; k++)
            known = known || is_of_plugin(wishes->commands[i], plugins->items[k]);
        if (!known)
            return no_plugin(config, wishes->commands[i], plugins, err);
    }
    return ECERT_OK;
}

enum ecert_status ecert_inventory_choose(const struct ecert_config *config,
                                         const struct ecert_inventory_wishes *wishes,
                                         struct ecert_inventory *found, struct ecert_error *err)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings plugins = {0};

    ECERT_TRY(ecert_plugin_list(config->plugin_dir, &plugins, err));
    ECERT_TRY(check_wishes(config, wishes, &plugins, err));
    for (size_t i = 0; i < plugins.len; i++)
        if (is_wished(wishes->plugins, plugins.items[i]))
            ECERT_TRY(add_plugin(config, wishes, plugins.items[i], found, err));
    return ECERT_OK;
}
