#include "core/host/plugin_load.h"

#include <assert.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fs.h"

#define SETTINGS_MAX 256 /* rows; a table without its last row must not run through memory */
#define PLACES_MAX   256

static_assert(offsetof(struct ecert_plugin, abi) == 0, "abi must be readable in every version");
static_assert(offsetof(struct ecert_plugin, size) == 4, "size must be readable in every version");
static_assert(sizeof(enum ecert_status) == sizeof(int), "-fshort-enums would change the contract");

/* ---- the file ---- */

static bool is_plugin_name(const char *name, size_t len)
{
    return len > 0 && len < 64 && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") >= len;
}

enum ecert_status ecert_plugin_list(const char *plugin_dir, struct ecert_strings *ret,
                                    struct ecert_error *err)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings files = {0};
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings names = {0};

    ECERT_TRY(ecert_fs_list(plugin_dir, &files, err));
    for (size_t i = 0; i < files.len; i++) {
        char *suffix = strrchr(files.items[i], '.');

        if (suffix == NULL || strcmp(suffix, ".so") != 0)
            continue;
        *suffix = '\0';
        if (is_plugin_name(files.items[i], strlen(files.items[i])))
            ECERT_TRY(ecert_strings_add(&names, files.items[i], err));
    }
    *ret = names;
    names = (struct ecert_strings){0};
    return ECERT_OK;
}

static enum ecert_status not_installed(const char *plugin_dir, const char *name,
                                       struct ecert_error *err)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings there = {0};
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer words = {0};

    if (ecert_plugin_list(plugin_dir, &there, err) != ECERT_OK)
        return ecert_error_wrap(err, "plugin '%s' is not installed", name);
    for (size_t i = 0; i < there.len; i++)
        ecert_buffer_printf(&words, "%s'%s'", i == 0 ? "" : ", ", there.items[i]);
    if (words.failed)
        return ecert_error_nomem(err);
    if (there.len == 0)
        return ecert_error_set(err, ECERT_E_NOT_FOUND,
                               "plugin '%s' is not installed; there is none in '%s'", name,
                               plugin_dir);
    return ecert_error_set(err, ECERT_E_NOT_FOUND,
                           "plugin '%s' is not installed; in '%s' there %s %s", name, plugin_dir,
                           there.len == 1 ? "is" : "are", (const char *)words.ptr);
}

enum ecert_status ecert_plugin_find(const char *plugin_dir, const char *name, char **ret_file,
                                    struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *path = NULL;
    ECERT_AUTO(ecert_auto_free) char *file = NULL;

    if (!is_plugin_name(name, strlen(name)))
        return not_installed(plugin_dir, name, err);
    ECERT_TRY(ecert_text_format(&path, err, "%s/%s.so", plugin_dir, name));
    if (!ecert_fs_exists(path))
        return not_installed(plugin_dir, name, err);
    /* what is checked is what is loaded: the name behind all links */
    if (ecert_fs_check_trusted(path, err) != ECERT_OK ||
        ecert_fs_resolve(path, &file, err) != ECERT_OK)
        return ecert_error_wrap(err, "plugin '%s'", name);
    *ret_file = file;
    file = NULL;
    return ECERT_OK;
}

/* ---- the descriptor ---- */

static bool is_setting_name(const char *name)
{
    const size_t n = strlen(name);

    return n > 0 && n < 64 && name[0] >= 'a' && name[0] <= 'z' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == n;
}

static bool is_one_line(const char *text)
{
    return text != NULL && text[0] != '\0' && text[strcspn(text, "\r\n\t\033")] == '\0';
}

static bool is_integer(const char *text)
{
    char *end = NULL;

    errno = 0;
    (void)strtoll(text, &end, 10);
    return end != text && *end == '\0' && errno == 0;
}

/* Does the default value suit the type?  NULL always does. */
static bool default_suits(const struct ecert_setting *row)
{
    const char *value = row->default_value;

    if (value == NULL)
        return true;
    switch (row->type) {
    case ECERT_SETTING_STRING:
    case ECERT_SETTING_LIST:
        return true;
    case ECERT_SETTING_INTEGER:
        return is_integer(value);
    case ECERT_SETTING_BOOLEAN:
        return strcmp(value, "true") == 0 || strcmp(value, "false") == 0;
    case ECERT_SETTING_PATH:
    case ECERT_SETTING_OUTPUT_DIRECTORY:
        return ecert_path_is_plain(value);
    case ECERT_SETTING_COMMAND:
        return value[0] == '/';
    }
    return false; /* a type that this core does not know */
}

static enum ecert_status check_setting(const char *file, const struct ecert_setting *rows, size_t i,
                                       struct ecert_error *err)
{
    const struct ecert_setting *row = &rows[i];
    const int type = (int)row->type;

    if (!is_setting_name(row->name))
        return ecert_error_set(err, ECERT_E_PLUGIN,
                               "plugin '%s': setting '%s' is not lower case with '_' between words",
                               file, row->name);
    if (type < ECERT_SETTING_STRING || type > ECERT_SETTING_OUTPUT_DIRECTORY)
        return ecert_error_set(err, ECERT_E_PLUGIN,
                               "plugin '%s': setting '%s' has the type %d, which this core does "
                               "not know",
                               file, row->name, type);
    if (!is_one_line(row->help))
        return ecert_error_set(err, ECERT_E_PLUGIN, "plugin '%s': setting '%s' has no help", file,
                               row->name);
    if (!default_suits(row))
        return ecert_error_set(err, ECERT_E_PLUGIN,
                               "plugin '%s': setting '%s' has the default '%s', which is not of "
                               "its type",
                               file, row->name, row->default_value);
    if (row->required && row->default_value != NULL)
        return ecert_error_set(err, ECERT_E_PLUGIN,
                               "plugin '%s': setting '%s' is required and has a default", file,
                               row->name);
    for (size_t k = 0; k < i; k++)
        if (strcmp(rows[k].name, row->name) == 0)
            return ecert_error_set(err, ECERT_E_PLUGIN, "plugin '%s': setting '%s' occurs twice",
                                   file, row->name);
    return ECERT_OK;
}

static enum ecert_status check_settings(const char *file, const struct ecert_setting *rows,
                                        struct ecert_error *err)
{
    for (size_t i = 0; rows != NULL && rows[i].name != NULL; i++) {
        if (i == SETTINGS_MAX)
            return ecert_error_set(err, ECERT_E_PLUGIN,
                                   "plugin '%s': more than %d settings, or no last row", file,
                                   SETTINGS_MAX);
        ECERT_TRY(check_setting(file, rows, i, err));
    }
    return ECERT_OK;
}

static enum ecert_status check_may_write(const char *file, const char *const *places,
                                         struct ecert_error *err)
{
    for (size_t i = 0; places != NULL && places[i] != NULL; i++) {
        if (i == PLACES_MAX)
            return ecert_error_set(err, ECERT_E_PLUGIN,
                                   "plugin '%s': may_write has more than %d entries, or no end",
                                   file, PLACES_MAX);
        if (!ecert_path_is_plain(places[i]) || strchr(places[i] + 1, '/') == NULL)
            return ecert_error_set(err, ECERT_E_PLUGIN,
                                   "plugin '%s': may_write '%s' is not an absolute path of at "
                                   "least two parts",
                                   file, places[i]);
    }
    return ECERT_OK;
}

static enum ecert_status check_programs(const char *file, const char *const *programs,
                                        struct ecert_error *err)
{
    for (size_t i = 0; programs != NULL && programs[i] != NULL; i++) {
        if (i == PLACES_MAX)
            return ecert_error_set(err, ECERT_E_PLUGIN,
                                   "plugin '%s': programs has more than %d entries, or no end",
                                   file, PLACES_MAX);
        if (!ecert_path_is_plain(programs[i]))
            return ecert_error_set(err, ECERT_E_PLUGIN,
                                   "plugin '%s': programs '%s' is not an absolute path", file,
                                   programs[i]);
    }
    return ECERT_OK;
}

enum ecert_status ecert_plugin_check(const char *file, const char *name,
                                     const struct ecert_plugin *plugin, struct ecert_error *err)
{
    const struct {
        const char *member;
        bool there;
    } mandatory[] = {
        {"name", plugin->name != NULL},
        {"version", plugin->version != NULL},
        {"summary", plugin->summary != NULL},
        {"plan", plugin->plan != NULL},
    };

    for (size_t i = 0; i < ARRAY_SIZE(mandatory); i++)
        if (!mandatory[i].there)
            return ecert_error_set(err, ECERT_E_PLUGIN,
                                   "plugin '%s' lacks the mandatory member '%s'", file,
                                   mandatory[i].member);
    if (strcmp(plugin->name, name) != 0)
        return ecert_error_set(err, ECERT_E_PLUGIN,
                               "plugin '%s' calls itself '%s'; its file must be '%s.so'", file,
                               plugin->name, plugin->name);
    if (!is_one_line(plugin->version) || !is_one_line(plugin->summary))
        return ecert_error_set(err, ECERT_E_PLUGIN,
                               "plugin '%s': version and summary must be one line each", file);
    if ((plugin->needs & ~ECERT_NEEDS_PRIVATE_KEY) != 0)
        return ecert_error_set(err, ECERT_E_PLUGIN,
                               "plugin '%s' needs 0x%x, this core can give 0x%x", file,
                               (unsigned)plugin->needs, ECERT_NEEDS_PRIVATE_KEY);
    ECERT_TRY(check_settings(file, plugin->settings, err));
    ECERT_TRY(check_may_write(file, plugin->may_write, err));
    return check_programs(file, plugin->programs, err);
}

enum ecert_status ecert_plugin_load(const char *file, const char *name, struct ecert_plugin *ret,
                                    struct ecert_error *err)
{
    struct ecert_plugin copy = {0};
    void *library = dlopen(file, RTLD_NOW | RTLD_LOCAL);

    if (library == NULL)
        return ecert_error_set(err, ECERT_E_PLUGIN, "plugin '%s' cannot be loaded: %s", file,
                               dlerror());
    const struct ecert_plugin *theirs = dlsym(library, "ecert_plugin");
    if (theirs == NULL)
        return ecert_error_set(err, ECERT_E_PLUGIN, "plugin '%s' exports no 'ecert_plugin'", file);
    if (theirs->abi != ECERT_PLUGIN_ABI)
        return ecert_error_set(err, ECERT_E_PLUGIN, "plugin '%s' has ABI %u, this core needs %u",
                               file, (unsigned)theirs->abi, ECERT_PLUGIN_ABI);
    if (theirs->size < ECERT_PLUGIN_SIZE_V1)
        return ecert_error_set(err, ECERT_E_PLUGIN,
                               "plugin '%s' is truncated: its descriptor has %u bytes, this core "
                               "needs %zu",
                               file, (unsigned)theirs->size, ECERT_PLUGIN_SIZE_V1);

    memcpy(&copy, theirs, theirs->size < sizeof copy ? theirs->size : sizeof copy);
    ECERT_TRY(ecert_plugin_check(file, name, &copy, err));
    *ret = copy;
    return ECERT_OK;
}
