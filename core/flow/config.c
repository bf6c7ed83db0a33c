#include "core/flow/config.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/flow/config_read.h"
#include "core/flow/host_name.h"
#include "core/flow/nearest.h"

#define STATE_DIR "/var/lib/ecert"

/* ---- lifetimes and lookups ---- */

void ecert_config_clear(struct ecert_config *config)
{
    for (size_t i = 0; i < config->n_certificates; i++)
        ecert_config_certificate_clear(&config->certificates[i]);
    for (size_t i = 0; i < config->n_watches; i++)
        ecert_config_watch_clear(&config->watches[i]);
    for (size_t i = 0; i < config->n_contacts; i++)
        ecert_config_contact_clear(&config->contacts[i]);
    for (size_t i = 0; i < config->n_plugins; i++)
        ecert_plugin_description_clear(&config->plugins[i]);
    ecert_config_reminders_clear(&config->reminders);
    free(config->certificates);
    free(config->watches);
    free(config->contacts);
    free(config->plugins);
    for (size_t i = 0; i < config->n_absent; i++) {
        free(config->absent[i].path);
        free(config->absent[i].mistake);
    }
    free(config->absent);
    free(config->file);
    free(config->state_dir);
    free(config->plugin_dir);
    free(config->authorities_dir);
    free(config->proxy);
    free(config->resolver);
    ecert_config_organization_clear(&config->organization);
    ecert_config_backup_clear(&config->backup);
    *config = (struct ecert_config){0};
}

static const struct ecert_certificate_config *find_exactly(const struct ecert_config *config,
                                                           const char *name)
{
    for (size_t i = 0; i < config->n_certificates; i++)
        if (config->certificates[i].name != NULL && strcmp(config->certificates[i].name, name) == 0)
            return &config->certificates[i];
    return NULL;
}

/* As the configuration keeps names; NULL: it is none.  What looks so already is not converted. */
static char *as_kept(const char *name)
{
    struct ecert_error ignored = {0};
    char *ascii = NULL;

    if (name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-.*")] == '\0' ||
        ecert_host_name_to_ascii(name, &ascii, &ignored) != ECERT_OK)
        return NULL;
    return ascii;
}

const struct ecert_certificate_config *ecert_config_certificate(const struct ecert_config *config,
                                                                const char *name)
{
    const struct ecert_certificate_config *found = find_exactly(config, name);
    ECERT_AUTO(ecert_auto_free) char *kept = found == NULL ? as_kept(name) : NULL;

    return kept == NULL ? found : find_exactly(config, kept);
}

enum ecert_status ecert_config_check_name(const struct ecert_config *config, const char *name,
                                          struct ecert_error *err)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings known = {0};

    if (ecert_config_certificate(config, name) != NULL)
        return ECERT_OK;
    for (size_t i = 0; i < config->n_certificates; i++)
        ECERT_TRY(ecert_strings_add(&known, config->certificates[i].name, err));
    ECERT_AUTO(ecert_auto_free) char *kept = as_kept(name);
    const char *nearest =
        ecert_nearest_word(kept == NULL ? name : kept, ecert_strings_array(&known));
    return ecert_error_set(err, ECERT_E_CONFIG,
                           "'%s' has no certificate named '%s'%s%s%s; `ecert status` lists them",
                           config->file, name, nearest == NULL ? "" : " (did you mean '",
                           nearest == NULL ? "" : nearest, nearest == NULL ? "" : "'?)");
}

const struct ecert_plugin_description *ecert_config_plugin(const struct ecert_config *config,
                                                           const char *plugin)
{
    for (size_t i = 0; i < config->n_plugins; i++)
        if (strcmp(config->plugins[i].name, plugin) == 0)
            return &config->plugins[i];
    return NULL;
}

/* ---- defaults ---- */

/*
 * The one place that decides it: a program that runs from its build tree (CMakeCache.txt beside
 * it) uses what was built with it, every other one what was installed.
 */
static char *beside_or_installed(const char *name, const char *installed)
{
    ECERT_AUTO(ecert_auto_free) char *beside = NULL;
    ECERT_AUTO(ecert_auto_free) char *cache = NULL;
    char program[PATH_MAX];
    struct ecert_error err = {0};
    const ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);

    if (n > 0) {
        program[n] = '\0';
        *strrchr(program, '/') = '\0'; /* the kernel's answer is absolute */
        if (ecert_text_format(&beside, &err, "%s/%s", program, name) != ECERT_OK ||
            ecert_text_format(&cache, &err, "%s/CMakeCache.txt", program) != ECERT_OK)
            return NULL;
        if (ecert_fs_exists(cache) && ecert_fs_exists(beside)) {
            char *taken = beside;

            beside = NULL;
            return taken;
        }
    }
    return strdup(installed);
}

char *ecert_config_default_plugin_dir(void)
{
    return beside_or_installed("plugins", ECERT_PLUGIN_DIR);
}

static bool set_directories(struct ecert_config *config)
{
    if (config->state_dir == NULL)
        config->state_dir = strdup(STATE_DIR);
    if (config->authorities_dir == NULL)
        config->authorities_dir = beside_or_installed("authorities", ECERT_AUTHORITIES_DIR);
    if (config->plugin_dir == NULL)
        config->plugin_dir = ecert_config_default_plugin_dir();
    return config->state_dir != NULL && config->authorities_dir != NULL &&
           config->plugin_dir != NULL;
}

enum ecert_status ecert_config_without_file(struct ecert_config *ret, struct ecert_error *err)
{
    struct ecert_config config = {0};

    if (!set_directories(&config)) {
        ecert_config_clear(&config);
        return ecert_error_nomem(err);
    }
    *ret = config;
    return ECERT_OK;
}

static void set_defaults(struct ecert_config_reader *reader)
{
    struct ecert_config *config = &reader->config;

    if (config->file == NULL)
        config->file = strdup(reader->path);
    if (!set_directories(config) || config->file == NULL)
        reader->nomem = true;
}

/* ---- one file ---- */

/* libconfig keeps the name as the directive has it: relative to the file's directory, or absolute.
 */
static void check_include(struct ecert_config_reader *reader, const config_setting_t *setting,
                          const char *directory, const char *source)
{
    ECERT_AUTO(ecert_auto_free) char *path = NULL;
    struct ecert_error err = {0};

    if (ecert_text_format(&path, &err, "%s%s", source[0] == '/' ? "" : directory, source) !=
        ECERT_OK)
        reader->nomem = true;
    else if (ecert_fs_check_trusted(path, &err) != ECERT_OK)
        ecert_config_mistake(reader, setting, "this file is included and not trusted: %s",
                             err.text);
}

/* Files that @include brought in must be trusted as the one that names them. */
static void check_included(struct ecert_config_reader *reader, const config_setting_t *setting,
                           const char *file, const char *directory, struct ecert_strings *seen)
{
    const char *source = config_setting_source_file(setting);
    struct ecert_error err = {0};

    if (source != NULL && strcmp(source, file) != 0 && !ecert_strings_contain(seen, source)) {
        if (ecert_strings_add(seen, source, &err) != ECERT_OK)
            reader->nomem = true;
        else
            check_include(reader, setting, directory, source);
    }
    if (!config_setting_is_aggregate(setting))
        return;
    for (int i = 0; i < config_setting_length(setting); i++)
        check_included(reader, config_setting_get_elem(setting, (unsigned)i), file, directory,
                       seen);
}

const char *ecert_config_parse_words(const char *of_library)
{
    if (strcmp(of_library, "syntax error") == 0)
        return "a value, a quote, a bracket or a ';' is missing or too many here or on the line "
               "before: syntax error";
    if (strcmp(of_library, "cannot open include file") == 0)
        return "the file that is included here cannot be opened; is it there, and may this user "
               "read it? (root may)";
    if (strcmp(of_library, "duplicate setting name") == 0)
        return "this key stands here for the second time: duplicate setting name";
    return of_library;
}

static enum ecert_status parse(struct ecert_config_reader *reader, const char *path,
                               config_t *parsed, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *directory = NULL;
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings seen = {0};
    const char *base = ecert_path_base(path);

    ECERT_TRY(ecert_fs_check_trusted(path, err));
    ECERT_TRY(ecert_text_copy((struct ecert_view){(const uint8_t *)path, (size_t)(base - path)},
                              &directory, err));
    config_set_include_dir(parsed, directory[0] == '\0' ? "." : directory);
    if (config_read_file(parsed, path) != CONFIG_TRUE) {
        const char *file = config_error_file(parsed);

        if (config_error_type(parsed) != CONFIG_ERR_PARSE)
            return access(path, R_OK) != 0 /* libconfig does not say why */
                       ? ecert_error_errno(err, ECERT_E_IO, "read '%s'", path)
                       : ecert_error_set(err, ECERT_E_IO, "'%s' cannot be read", path);
        ecert_config_mistake_at(reader, file == NULL ? path : file,
                                (unsigned)config_error_line(parsed), "%s",
                                ecert_config_parse_words(config_error_text(parsed)));
        return ecert_error_set(err, ECERT_E_CONFIG, "'%s' is not a configuration", path);
    }
    check_included(reader, config_root_setting(parsed), path, directory, &seen);
    return ECERT_OK;
}

static void read_list(struct ecert_config_reader *reader, const config_setting_t *list)
{
    for (int i = 0; list != NULL && i < config_setting_length(list); i++)
        ecert_config_read_certificate(reader, config_setting_get_elem(list, (unsigned)i));
}

/* ---- include_dir ---- */

static const struct ecert_config_key list_only[] = {
    {.name = "certificates", .type = ECERT_CONFIG_GROUPS},
};
static const struct ecert_config_table list_table = {
    .title = "file of certificates", .keys = list_only, .n = ARRAY_SIZE(list_only)};

static void read_included(struct ecert_config_reader *reader, const char *path)
{
    ECERT_AUTO(config_destroy) config_t parsed;
    struct ecert_error err = {0};

    config_init(&parsed);
    const enum ecert_status status = parse(reader, path, &parsed, &err);
    if (status == ECERT_E_NOMEM)
        reader->nomem = true;
    else if (status != ECERT_OK && status != ECERT_E_CONFIG) /* a syntax error is noted already */
        ecert_config_mistake_at(reader, path, 1, "%s", err.text);
    if (status != ECERT_OK)
        return;
    const config_setting_t *root = config_root_setting(&parsed);
    if (config_setting_get_member(root, "certificates") == NULL) {
        ecert_config_read_certificate(reader, root);
        return;
    }
    ecert_config_read_group(reader, root, &list_table, reader);
    ecert_config_check_unknown(reader, root, &list_table, NULL);
    read_list(reader, ecert_config_member(root, "certificates", CONFIG_TYPE_LIST));
}

static void read_include_dir(struct ecert_config_reader *reader, const config_setting_t *root)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings names = {0};
    struct ecert_error err = {0};

    if (reader->include_dir == NULL)
        return;
    if (ecert_fs_list(reader->include_dir, &names, &err) != ECERT_OK)
        ecert_config_mistake(reader, config_setting_get_member(root, "include_dir"),
                             "'include_dir': %s", err.text);
    for (size_t i = 0; i < names.len; i++) {
        ECERT_AUTO(ecert_auto_free) char *path = NULL;
        const char *suffix = strrchr(names.items[i], '.');

        if (names.items[i][0] == '.' || suffix == NULL || strcmp(suffix, ".conf") != 0)
            continue;
        if (ecert_text_format(&path, &err, "%s/%s", reader->include_dir, names.items[i]) !=
            ECERT_OK)
            reader->nomem = true;
        else
            read_included(reader, path);
    }
}

/* ---- all of it ---- */

/* In the order of the lines; the main file first, then the others by name. */
static int by_place(const void *a, const void *b)
{
    const struct ecert_config_mistake *x = a, *y = b;
    const int file = strcmp(x->file, y->file);

    if (file != 0)
        return file;
    if (x->line != y->line)
        return x->line < y->line ? -1 : 1;
    return x->order < y->order ? -1 : 1;
}

/* "FILE:LINE: ...", escaped; the caller frees. */
static enum ecert_status sentence_of(const struct ecert_config_mistake *mistake, char **ret,
                                     struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer shown = {0};

    ecert_buffer_add_escaped(&shown, ecert_view_of(mistake->text), false);
    ecert_buffer_add(&shown, (struct ecert_view){(const uint8_t *)"", 1});
    if (shown.failed)
        return ecert_error_nomem(err);
    return ecert_text_format(ret, err, "%s:%u: %s", mistake->file, mistake->line,
                             (const char *)shown.ptr);
}

static enum ecert_status add_mistakes(const struct ecert_config_reader *reader, bool of_main,
                                      struct ecert_strings *ret, struct ecert_error *err)
{
    for (size_t i = 0; i < reader->n_mistakes; i++) {
        const struct ecert_config_mistake *mistake = &reader->mistakes[i];
        ECERT_AUTO(ecert_auto_free) char *sentence = NULL;

        if ((strcmp(mistake->file, reader->path) == 0) != of_main)
            continue;
        ECERT_TRY(sentence_of(mistake, &sentence, err));
        ECERT_TRY(ecert_strings_add(ret, sentence, err));
    }
    return ECERT_OK;
}

static enum ecert_status say_mistakes(struct ecert_config_reader *reader,
                                      struct ecert_strings *ret_mistakes, struct ecert_error *err)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings sentences = {0};

    ECERT_TRY(add_mistakes(reader, true, &sentences, err));
    ECERT_TRY(add_mistakes(reader, false, &sentences, err));
    *ret_mistakes = sentences;
    sentences = (struct ecert_strings){0};
    return ecert_error_set(err, ECERT_E_CONFIG, "'%s' has %zu mistake%s", reader->path,
                           reader->n_mistakes, reader->n_mistakes == 1 ? "" : "s");
}

/* ---- absent files ---- */

static bool all_are_absent(const struct ecert_config_reader *reader)
{
    for (size_t i = 0; i < reader->n_mistakes; i++)
        if (reader->mistakes[i].absent_path == NULL)
            return false;
    return true;
}

static enum ecert_status keep_absent(struct ecert_config_reader *reader, bool of_main,
                                     struct ecert_error *err)
{
    struct ecert_config *config = &reader->config;

    for (size_t i = 0; i < reader->n_mistakes; i++) {
        struct ecert_config_mistake *mistake = &reader->mistakes[i];
        struct ecert_absent_file *absent = &config->absent[config->n_absent];

        if ((strcmp(mistake->file, reader->path) == 0) != of_main)
            continue;
        ECERT_TRY(sentence_of(mistake, &absent->mistake, err));
        absent->certificate = mistake->certificate;
        absent->missing = mistake->missing;
        absent->path = mistake->absent_path;
        mistake->absent_path = NULL;
        config->n_absent++;
    }
    return ECERT_OK;
}

/* Nothing else is wrong: they become part of the configuration. */
static enum ecert_status take_absent(struct ecert_config_reader *reader, struct ecert_error *err)
{
    struct ecert_config *config = &reader->config;

    config->absent = calloc(reader->n_mistakes + 1, sizeof *config->absent);
    if (config->absent == NULL)
        return ecert_error_nomem(err);
    ECERT_TRY(keep_absent(reader, true, err));
    return keep_absent(reader, false, err);
}

enum ecert_status ecert_config_load(const char *path, struct ecert_config *ret,
                                    struct ecert_strings *ret_mistakes, struct ecert_error *err)
{
    ECERT_AUTO(ecert_config_reader_clear) struct ecert_config_reader reader = {.path = path};
    ECERT_AUTO(config_destroy) config_t parsed;

    config_init(&parsed);
    const enum ecert_status status = parse(&reader, path, &parsed, err);
    if (status == ECERT_E_NOT_FOUND)
        return ecert_error_set(err, status,
                               "there is no configuration '%s'; `ecert init` writes a first one, "
                               "ecert.conf.example shows every key, --config names another",
                               path);
    if (status != ECERT_OK && status != ECERT_E_CONFIG)
        return status;
    if (status == ECERT_OK) {
        const config_setting_t *root = config_root_setting(&parsed);

        ecert_config_read_group(&reader, root, &ecert_config_top_table, &reader);
        ecert_config_check_unknown(&reader, root, &ecert_config_top_table, NULL);
        set_defaults(&reader);
        if (!reader.nomem) {
            read_list(&reader, ecert_config_member(root, "certificates", CONFIG_TYPE_LIST));
            read_include_dir(&reader, root);
            ecert_config_check_files(&reader);
            ecert_config_read_requesting(&reader, root);
            ecert_config_read_monitoring(&reader, root);
        }
    }
    if (reader.nomem)
        return ecert_error_nomem(err);
    if (reader.n_mistakes > 0)
        qsort(reader.mistakes, reader.n_mistakes, sizeof *reader.mistakes, by_place);
    if (!all_are_absent(&reader))
        return say_mistakes(&reader, ret_mistakes, err);
    ECERT_TRY(take_absent(&reader, err));
    *ret = reader.config;
    reader.config = (struct ecert_config){0};
    return ECERT_OK;
}
