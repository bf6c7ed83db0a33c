/* Who applies, and where copies of keys go: the groups 'organization' and 'backup'. */
#include "core/flow/config_read.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fs.h"

/* X.520 (2019), clause 6: upper bounds of the attributes, in characters. */
#define STATE_MAX        128
#define ORGANIZATION_MAX 64

void ecert_config_organization_clear(struct ecert_organization_config *organization)
{
    free(organization->country);
    free(organization->state);
    free(organization->locality);
    free(organization->name);
    free(organization->chinese_name);
    *organization = (struct ecert_organization_config){0};
}

void ecert_config_backup_clear(struct ecert_backup_config *backup)
{
    ecert_strings_clear(&backup->recipients);
    free(backup->passphrase_file);
    ecert_strings_clear(&backup->passphrase_command);
    ecert_strings_clear(&backup->places);
    *backup = (struct ecert_backup_config){0};
}

enum ecert_status ecert_config_is_country(const char *value, struct ecert_error *err)
{
    if (strlen(value) == 2 && isupper((unsigned char)value[0]) && isupper((unsigned char)value[1]))
        return ECERT_OK;
    return ecert_error_set(err, ECERT_E_CONFIG,
                           "'%s' is not a country of ISO 3166, two capital letters such as \"HK\"",
                           value);
}

/* In characters, not bytes: a Chinese name has three bytes for each. */
static size_t count_characters(const char *text)
{
    size_t n = 0;

    for (; *text != '\0'; text++)
        if (((unsigned char)*text & 0xC0) != 0x80)
            n++;
    return n;
}

static void check_length(struct ecert_config_reader *reader, const config_setting_t *group,
                         const char *key, const char *value, size_t most)
{
    if (value != NULL && count_characters(value) > most)
        ecert_config_mistake(reader, config_setting_get_member(group, key),
                             "'%s' has %zu characters; a certificate holds %zu at most", key,
                             count_characters(value), most);
}

static void read_organization(struct ecert_config_reader *reader, const config_setting_t *root)
{
    struct ecert_organization_config *organization = &reader->config.organization;
    const config_setting_t *group = ecert_config_member(root, "organization", CONFIG_TYPE_GROUP);

    if (group == NULL)
        return;
    ecert_config_read_group(reader, group, &ecert_config_organization_table, organization);
    ecert_config_check_unknown(reader, group, &ecert_config_organization_table, NULL);
    check_length(reader, group, "state", organization->state, STATE_MAX);
    check_length(reader, group, "locality", organization->locality, STATE_MAX);
    check_length(reader, group, "name", organization->name, ORGANIZATION_MAX);
    check_length(reader, group, "chinese_name", organization->chinese_name, ORGANIZATION_MAX);
}

/* What was written counts, also where its value was refused: one mistake, not two. */
static bool has_key(const config_setting_t *group, const char *key)
{
    return config_setting_get_member(group, key) != NULL;
}

/* A place below the state directory is lost with it; also behind a link, where both are there. */
static void check_places(struct ecert_config_reader *reader, const config_setting_t *places,
                         const struct ecert_backup_config *backup)
{
    const char *state_dir = reader->config.state_dir;
    ECERT_AUTO(ecert_auto_free) char *state = NULL;
    struct ecert_error ignored = {0};
    const bool there = ecert_fs_resolve(state_dir, &state, &ignored) == ECERT_OK;

    for (size_t i = 0; i < backup->places.len; i++) {
        const char *place = backup->places.items[i];
        ECERT_AUTO(ecert_auto_free) char *resolved = NULL;

        if (ecert_path_is_below(place, state_dir) ||
            (there && ecert_fs_resolve(place, &resolved, &ignored) == ECERT_OK &&
             ecert_path_is_below(resolved, state)))
            ecert_config_mistake(reader, places,
                                 "'places': '%s' is in the state directory '%s', and lost together "
                                 "with the keys there; name a directory elsewhere, best on another "
                                 "machine",
                                 place, state_dir);
    }
}

static void check_backup(struct ecert_config_reader *reader, const config_setting_t *group,
                         const struct ecert_backup_config *backup)
{
    const config_setting_t *command = config_setting_get_member(group, "passphrase_command");
    const config_setting_t *recipients = config_setting_get_member(group, "recipients");
    const config_setting_t *places = config_setting_get_member(group, "places");

    if (has_key(group, "passphrase_file") && command != NULL)
        ecert_config_mistake(reader, command,
                             "'passphrase_file' and 'passphrase_command' exclude each other");
    if (command != NULL &&
        (backup->passphrase_command.len > 0 || config_setting_length(command) == 0))
        ecert_config_check_command(reader, command, &backup->passphrase_command);
    if (recipients == NULL && command == NULL && !has_key(group, "passphrase_file"))
        ecert_config_mistake(reader, group,
                             "nobody could open these backups: name 'recipients' (certificates), "
                             "'passphrase_file' or 'passphrase_command'");
    if (recipients != NULL && config_setting_length(recipients) == 0)
        ecert_config_mistake(reader, recipients, "'recipients' is empty; name a certificate");
    if (places != NULL && config_setting_length(places) == 0)
        ecert_config_mistake(reader, places, "'places' is empty; name at least one directory");
    if (places != NULL)
        check_places(reader, places, backup);
}

static void read_backup(struct ecert_config_reader *reader, const config_setting_t *root)
{
    struct ecert_backup_config *backup = &reader->config.backup;
    const config_setting_t *group = ecert_config_member(root, "backup", CONFIG_TYPE_GROUP);

    if (group == NULL)
        return;
    backup->wanted = true;
    reader->scope = ECERT_CONFIG_OF_BACKUP;
    ecert_config_read_group(reader, group, &ecert_config_backup_table, backup);
    ecert_config_check_unknown(reader, group, &ecert_config_backup_table, NULL);
    check_backup(reader, group, backup);
    reader->scope = ECERT_CONFIG_OF_ALL;
}

void ecert_config_read_requesting(struct ecert_config_reader *reader, const config_setting_t *root)
{
    read_organization(reader, root);
    read_backup(reader, root);
}
