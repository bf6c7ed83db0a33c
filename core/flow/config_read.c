#include "core/flow/config_read.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fs.h"
#include "core/flow/host_name.h"
#include "core/flow/nearest.h"

#define KEYS_MAX 320 /* of one group: a table's and a plugin's */

/* ---- mistakes ---- */

/* The key that a value belongs to: an element of an array has no name of its own. */
static const char *name_of(const config_setting_t *setting)
{
    while (setting != NULL && config_setting_name(setting) == NULL)
        setting = config_setting_parent(setting);
    return setting == NULL ? "" : config_setting_name(setting);
}

static void add_mistake(struct ecert_config_reader *reader, const char *file, unsigned line,
                        const char *text)
{
    struct ecert_config_mistake *mistakes =
        reallocarray(reader->mistakes, reader->n_mistakes + 1, sizeof *mistakes);
    char *file_copy = strdup(file), *text_copy = text == NULL ? NULL : strdup(text);

    if (mistakes != NULL)
        reader->mistakes = mistakes;
    if (mistakes == NULL || file_copy == NULL || text_copy == NULL) {
        free(file_copy);
        free(text_copy);
        reader->nomem = true;
        return;
    }
    mistakes[reader->n_mistakes] = (struct ecert_config_mistake){
        .file = file_copy, .line = line, .order = reader->n_mistakes, .text = text_copy};
    reader->n_mistakes++;
}

void ecert_config_mistake_at(struct ecert_config_reader *reader, const char *file, unsigned line,
                             const char *fmt, ...)
{
    ECERT_AUTO(ecert_auto_free) char *text = NULL;
    va_list args;

    va_start(args, fmt);
    text = ecert_text_vformat(fmt, args);
    va_end(args);
    add_mistake(reader, file, line, text);
}

void ecert_config_mistake(struct ecert_config_reader *reader, const config_setting_t *at,
                          const char *fmt, ...)
{
    ECERT_AUTO(ecert_auto_free) char *text = NULL;
    va_list args;

    va_start(args, fmt);
    text = ecert_text_vformat(fmt, args);
    va_end(args);
    add_mistake(reader, ecert_config_file_of(reader, at), config_setting_source_line(at), text);
}

static size_t whose(const struct ecert_config_reader *reader)
{
    if (reader->scope == ECERT_CONFIG_OF_BACKUP)
        return ECERT_ABSENT_OF_BACKUP;
    if (reader->scope == ECERT_CONFIG_OF_REMINDERS)
        return ECERT_ABSENT_OF_REMINDERS;
    return reader->config.n_certificates;
}

/*
 * Is it a file that the system does not give us, in a group whose files may be absent?  Then it is
 * noted.  What is there and not trusted has no errno, and is nobody's to go on with.
 */
static bool note_absent(struct ecert_config_reader *reader, const config_setting_t *at,
                        const char *path, const struct ecert_error *why)
{
    const size_t n = reader->n_mistakes;

    if (reader->scope == ECERT_CONFIG_OF_ALL || why->sys_errno == 0)
        return false;
    ecert_config_mistake(reader, at, "'%s': %s", name_of(at), why->text);
    if (reader->n_mistakes == n) /* out of memory, which is latched */
        return true;
    struct ecert_config_mistake *mistake = &reader->mistakes[n];
    mistake->absent_path = strdup(path);
    mistake->missing = why->sys_errno == ENOENT || why->sys_errno == ENOTDIR;
    mistake->certificate = whose(reader);
    reader->nomem = reader->nomem || mistake->absent_path == NULL;
    return true;
}

const char *ecert_config_file_of(const struct ecert_config_reader *reader,
                                 const config_setting_t *setting)
{
    const char *file = config_setting_source_file(setting);

    return file == NULL ? reader->path : file;
}

void ecert_config_reader_clear(struct ecert_config_reader *reader)
{
    for (size_t i = 0; i < reader->n_mistakes; i++) {
        free(reader->mistakes[i].file);
        free(reader->mistakes[i].text);
        free(reader->mistakes[i].absent_path);
    }
    for (size_t i = 0; i < reader->n_bad_plugins; i++) {
        free(reader->bad_plugins[i].name);
        free(reader->bad_plugins[i].why);
    }
    free(reader->mistakes);
    free(reader->bad_plugins);
    free(reader->include_dir);
    ecert_config_clear(&reader->config);
    *reader = (struct ecert_config_reader){0};
}

/* ---- values ---- */

const char *ecert_config_type_words(const config_setting_t *setting)
{
    switch (config_setting_type(setting)) {
    case CONFIG_TYPE_GROUP:
        return "a group { ... }";
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64:
    case CONFIG_TYPE_FLOAT:
        return "a number";
    case CONFIG_TYPE_STRING:
        return "a string";
    case CONFIG_TYPE_BOOL:
        return "true or false";
    case CONFIG_TYPE_ARRAY:
        return "an array [ ... ]";
    case CONFIG_TYPE_LIST:
        return "a list ( ... )";
    default:
        return "something else";
    }
}

bool ecert_config_read_text(struct ecert_config_reader *reader, const config_setting_t *setting,
                            ecert_config_check *check, char **ret)
{
    const char *value = config_setting_get_string(setting);
    struct ecert_error err = {0};

    if (config_setting_type(setting) != CONFIG_TYPE_STRING || value == NULL) {
        ecert_config_mistake(reader, setting, "'%s' must be a string, not %s", name_of(setting),
                             ecert_config_type_words(setting));
        return false;
    }
    for (const char *p = value; *p != '\0'; p++) {
        if ((unsigned char)*p >= 0x20 && *p != 0x7F)
            continue;
        ecert_config_mistake(reader, setting, "'%s': '%s' holds a control character",
                             name_of(setting), value);
        return false;
    }
    if (value[0] == '\0') {
        ecert_config_mistake(reader, setting, "'%s' is empty", name_of(setting));
        return false;
    }
    if (check != NULL && check(value, &err) != ECERT_OK &&
        !note_absent(reader, setting, value, &err)) {
        ecert_config_mistake(reader, setting, "'%s': %s", name_of(setting), err.text);
        return false;
    }
    char *copy = strdup(value);
    if (copy == NULL) {
        reader->nomem = true;
        return false;
    }
    free(*ret);
    *ret = copy;
    return true;
}

bool ecert_config_read_list(struct ecert_config_reader *reader, const config_setting_t *setting,
                            ecert_config_check *check, struct ecert_strings *ret)
{
    const int type = config_setting_type(setting);
    bool good = true;

    if (type != CONFIG_TYPE_ARRAY && type != CONFIG_TYPE_LIST) {
        ecert_config_mistake(reader, setting,
                             "'%s' must be an array of strings [ \"...\" ], not %s",
                             name_of(setting), ecert_config_type_words(setting));
        return false;
    }
    for (int i = 0; i < config_setting_length(setting); i++) {
        const config_setting_t *item = config_setting_get_elem(setting, (unsigned)i);
        ECERT_AUTO(ecert_auto_free) char *text = NULL;
        struct ecert_error err = {0};

        if (!ecert_config_read_text(reader, item, check, &text))
            good = false;
        else if (ecert_strings_add(ret, text, &err) != ECERT_OK)
            reader->nomem = true;
    }
    return good;
}

static void read_boolean(struct ecert_config_reader *reader, const config_setting_t *setting,
                         bool *ret)
{
    if (config_setting_type(setting) != CONFIG_TYPE_BOOL) {
        ecert_config_mistake(reader, setting, "'%s' must be true or false, not %s",
                             name_of(setting), ecert_config_type_words(setting));
        return;
    }
    *ret = config_setting_get_bool(setting) != 0;
}

static void read_choice(struct ecert_config_reader *reader, const config_setting_t *setting,
                        const char *const *choices, unsigned *ret)
{
    ECERT_AUTO(ecert_auto_free) char *text = NULL;
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer words = {0};
    bool first = true;

    if (!ecert_config_read_text(reader, setting, NULL, &text))
        return;
    for (unsigned i = 0; choices[i] != NULL; i++) {
        if (strcmp(choices[i], text) == 0) {
            *ret = i;
            return;
        }
        if (choices[i][0] != '\0') {
            const char *join = choices[i + 1] == NULL ? " or " : ", ";

            ecert_buffer_printf(&words, "%s\"%s\"", first ? "" : join, choices[i]);
            first = false;
        }
    }
    ecert_config_mistake(reader, setting, "'%s' must be %s, not \"%s\"", name_of(setting),
                         words.ptr == NULL ? "" : (const char *)words.ptr, text);
}

/* ---- days ---- */

/* A whole number of days in range; else a mistake and -1. */
static int read_day(struct ecert_config_reader *reader, const config_setting_t *setting)
{
    const int type = config_setting_type(setting);

    if (type == CONFIG_TYPE_FLOAT) {
        ecert_config_mistake(reader, setting, "'%s': %g is not a whole number of days",
                             name_of(setting), config_setting_get_float(setting));
        return -1;
    }
    if (type != CONFIG_TYPE_INT && type != CONFIG_TYPE_INT64) {
        ecert_config_mistake(reader, setting,
                             "'%s' must be given in whole days, such as 30, not as %s",
                             name_of(setting), ecert_config_type_words(setting));
        return -1;
    }
    const long long value = type == CONFIG_TYPE_INT ? config_setting_get_int(setting)
                                                    : config_setting_get_int64(setting);
    if (value < 0 || value > ECERT_CONFIG_DAY_MAX) {
        ecert_config_mistake(reader, setting, "'%s': %lld is not a number of days from 0 to %d",
                             name_of(setting), value, ECERT_CONFIG_DAY_MAX);
        return -1;
    }
    return (int)value;
}

/* Put it where it belongs: the longest time first. */
static void add_day(struct ecert_config_reader *reader, const config_setting_t *setting,
                    struct ecert_days *days, int day)
{
    size_t place = 0;

    while (place < days->n && days->items[place] > day)
        place++;
    if (place < days->n && days->items[place] == day) {
        ecert_config_mistake(reader, setting, "'%s': %d occurs twice; write it once",
                             name_of(setting), day);
        return;
    }
    int *items = reallocarray(days->items, days->n + 1, sizeof *items);
    if (items == NULL) {
        reader->nomem = true;
        return;
    }
    days->items = items;
    memmove(&items[place + 1], &items[place], (days->n - place) * sizeof *items);
    items[place] = day;
    days->n++;
}

static void read_days(struct ecert_config_reader *reader, const config_setting_t *setting,
                      struct ecert_days *ret)
{
    const int type = config_setting_type(setting);
    const int n = config_setting_length(setting);

    if (type != CONFIG_TYPE_ARRAY && type != CONFIG_TYPE_LIST) {
        ecert_config_mistake(reader, setting, "'%s' must be an array of days [ 30, 7, 1 ], not %s",
                             name_of(setting), ecert_config_type_words(setting));
        return;
    }
    if (n == 0)
        ecert_config_mistake(reader, setting, "'%s' is empty; leave it out for the default",
                             name_of(setting));
    if (n > ECERT_CONFIG_DAYS_MAX) {
        ecert_config_mistake(reader, setting, "'%s' has %d days; %d are the most", name_of(setting),
                             n, ECERT_CONFIG_DAYS_MAX);
        return;
    }
    for (int i = 0; i < n; i++) {
        const config_setting_t *item = config_setting_get_elem(setting, (unsigned)i);
        const int day = read_day(reader, item);

        if (day >= 0)
            add_day(reader, item, ret, day);
    }
}

/* ---- commands ---- */

static void read_command(struct ecert_config_reader *reader, const config_setting_t *setting,
                         struct ecert_strings *ret)
{
    ECERT_AUTO(ecert_auto_free) char *program = NULL;
    const int type = config_setting_type(setting);
    struct ecert_error err = {0};

    if (type == CONFIG_TYPE_STRING) {
        if (!ecert_config_read_text(reader, setting, NULL, &program))
            return;
        if (ecert_strings_add(ret, program, &err) != ECERT_OK)
            reader->nomem = true;
    } else if (type != CONFIG_TYPE_ARRAY && type != CONFIG_TYPE_LIST) {
        ecert_config_mistake(reader, setting,
                             "'%s' must be a string or an array of strings [ \"...\" ], not %s",
                             name_of(setting), ecert_config_type_words(setting));
        return;
    } else if (!ecert_config_read_list(reader, setting, NULL, ret)) {
        return;
    }
    ecert_config_check_command(reader, setting, ret);
}

/* ---- groups ---- */

const config_setting_t *ecert_config_member(const config_setting_t *group, const char *name,
                                            int type)
{
    const config_setting_t *member = group == NULL ? NULL : config_setting_get_member(group, name);

    return member != NULL && config_setting_type(member) == type ? member : NULL;
}

static void expect_type(struct ecert_config_reader *reader, const config_setting_t *setting,
                        int type, const char *words)
{
    if (config_setting_type(setting) != type)
        ecert_config_mistake(reader, setting, "'%s' must be %s, not %s", name_of(setting), words,
                             ecert_config_type_words(setting));
}

static void read_bits(struct ecert_config_reader *reader, const config_setting_t *setting,
                      unsigned *ret)
{
    const int bits =
        config_setting_type(setting) == CONFIG_TYPE_INT ? config_setting_get_int(setting) : 0;

    if (bits == 2048 || bits == 3072 || bits == 4096)
        *ret = (unsigned)bits;
    else
        ecert_config_mistake(reader, setting, "'%s' must be 2048, 3072 or 4096", name_of(setting));
}

static void read_key(struct ecert_config_reader *reader, const config_setting_t *setting,
                     const struct ecert_config_key *key, void *member)
{
    switch (key->type) {
    case ECERT_CONFIG_TEXT:
        (void)ecert_config_read_text(reader, setting, key->check, member);
        return;
    case ECERT_CONFIG_BOOLEAN:
        read_boolean(reader, setting, member);
        return;
    case ECERT_CONFIG_DAY: {
        const int day = read_day(reader, setting);

        if (day >= 0)
            *(int *)member = day;
        return;
    }
    case ECERT_CONFIG_BITS:
        read_bits(reader, setting, member);
        return;
    case ECERT_CONFIG_DAYS:
        read_days(reader, setting, member);
        return;
    case ECERT_CONFIG_LIST:
        (void)ecert_config_read_list(reader, setting, key->check, member);
        return;
    case ECERT_CONFIG_COMMAND:
        read_command(reader, setting, member);
        return;
    case ECERT_CONFIG_CHOICE:
        read_choice(reader, setting, key->choices, member);
        return;
    case ECERT_CONFIG_GROUP:
        expect_type(reader, setting, CONFIG_TYPE_GROUP, "a group { ... }");
        return;
    case ECERT_CONFIG_GROUPS:
        expect_type(reader, setting, CONFIG_TYPE_LIST, "a list of groups ( { ... } )");
        return;
    case ECERT_CONFIG_OTHER:
        return;
    }
}

void ecert_config_read_group(struct ecert_config_reader *reader, const config_setting_t *group,
                             const struct ecert_config_table *table, void *object)
{
    for (size_t i = 0; i < table->n; i++) {
        const struct ecert_config_key *key = &table->keys[i];
        const config_setting_t *setting =
            group == NULL ? NULL : config_setting_get_member(group, key->name);

        if (setting != NULL)
            read_key(reader, setting, key, (char *)object + key->offset);
        else if (key->required && group != NULL)
            ecert_config_mistake(reader, group, "this %s lacks the key '%s'", table->title,
                                 key->name);
    }
}

void ecert_config_check_unknown(struct ecert_config_reader *reader, const config_setting_t *group,
                                const struct ecert_config_table *table, const char *const *more)
{
    const char *known[KEYS_MAX + 1] = {0};
    size_t n = 0;

    for (size_t i = 0; i < table->n && n < KEYS_MAX; i++)
        known[n++] = table->keys[i].name;
    for (size_t i = 0; more != NULL && more[i] != NULL && n < KEYS_MAX; i++)
        known[n++] = more[i];
    for (int i = 0; i < config_setting_length(group); i++) {
        const config_setting_t *setting = config_setting_get_elem(group, (unsigned)i);
        const char *name = name_of(setting);
        bool is_known = false;

        for (size_t k = 0; k < n; k++)
            is_known = is_known || strcmp(known[k], name) == 0;
        if (is_known)
            continue;
        const char *near = ecert_nearest_word(name, known);
        if (near != NULL)
            ecert_config_mistake(reader, setting, "unknown key '%s' (did you mean '%s'?)", name,
                                 near);
        else
            ecert_config_mistake(reader, setting, "unknown key '%s' in this %s", name,
                                 table->title);
    }
}

void ecert_config_check_command(struct ecert_config_reader *reader, const config_setting_t *at,
                                const struct ecert_strings *command)
{
    struct ecert_error err = {0};

    if (command->len == 0)
        ecert_config_mistake(reader, at, "'%s' is empty", name_of(at));
    else if (ecert_config_is_trusted_file(command->items[0], &err) != ECERT_OK &&
             !note_absent(reader, at, command->items[0], &err))
        ecert_config_mistake(reader, at, "'%s': %s", name_of(at), err.text);
}

/* ---- host names ---- */

void ecert_config_name_to_ascii(struct ecert_config_reader *reader, char **name)
{
    ECERT_AUTO(ecert_auto_free) char *ascii = NULL;
    struct ecert_error err = {0};

    for (char *p = *name; p != NULL && *p != '\0'; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p - 'A' + 'a');
    if (*name == NULL || ecert_text_is_ascii(*name))
        return;
    if (ecert_host_name_to_ascii(*name, &ascii, &err) != ECERT_OK) {
        reader->nomem = true; /* nothing else: it was accepted */
        return;
    }
    free(*name);
    *name = ascii;
    ascii = NULL;
}

void ecert_config_names_to_ascii(struct ecert_config_reader *reader, struct ecert_strings *names)
{
    for (size_t i = 0; i < names->len; i++)
        ecert_config_name_to_ascii(reader, &names->items[i]);
}
