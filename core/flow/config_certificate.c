#include "core/flow/config_read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/fs.h"
#include "core/flow/nearest.h"

void ecert_config_certificate_clear(struct ecert_certificate_config *certificate)
{
    free(certificate->name);
    ecert_strings_clear(&certificate->names);
    free(certificate->authority);
    free(certificate->key.file);
    free(certificate->key.passphrase_file);
    ecert_strings_clear(&certificate->key.passphrase_command);
    ecert_config_source_clear(&certificate->source);
    free(certificate->chain_file);
    ecert_strings_clear(&certificate->allow);
    free(certificate->subscription_ends);
    ecert_config_watch_settings_clear(&certificate->settings);
    for (size_t i = 0; i < certificate->n_targets; i++)
        ecert_config_target_clear(&certificate->targets[i]);
    free(certificate->targets);
    free(certificate->file);
    *certificate = (struct ecert_certificate_config){0};
}

/* ---- key ---- */

/* What belongs to the other type of key, or to nothing. */
static void check_new_key(struct ecert_config_reader *reader, const config_setting_t *group,
                          const struct ecert_key_config *key)
{
    const config_setting_t *bits = config_setting_get_member(group, "bits");
    const config_setting_t *curve = config_setting_get_member(group, "curve");

    if (key->type == ECERT_KEY_TYPE_EC && bits != NULL)
        ecert_config_mistake(reader, bits, "'bits' applies to type = \"rsa\" only, write 'curve'");
    if (key->type == ECERT_KEY_TYPE_RSA && curve != NULL)
        ecert_config_mistake(reader, curve, "'curve' applies to type = \"ec\" only, write 'bits'");
    if (key->encrypted && config_setting_get_member(group, "passphrase_file") == NULL &&
        config_setting_get_member(group, "passphrase_command") == NULL)
        ecert_config_mistake(reader, config_setting_get_member(group, "encrypted"),
                             "'encrypted' needs 'passphrase_file' or 'passphrase_command' beside "
                             "it");
}

static void read_key_group(struct ecert_config_reader *reader, const config_setting_t *certificate,
                           struct ecert_key_config *key)
{
    const config_setting_t *group = ecert_config_member(certificate, "key", CONFIG_TYPE_GROUP);

    key->place = ECERT_KEY_OURS;
    key->bits = 2048; /* what the CA's guide asks for */
    if (group == NULL)
        return;
    ecert_config_read_group(reader, group, &ecert_config_key_table, key);
    ecert_config_check_unknown(reader, group, &ecert_config_key_table, NULL);

    /* what was written counts, also where its value was refused: one mistake, not two */
    const bool file = config_setting_get_member(group, "file") != NULL;
    const bool word = config_setting_get_member(group, "passphrase_file") != NULL;
    const config_setting_t *command = config_setting_get_member(group, "passphrase_command");
    if (file && key->place != ECERT_KEY_IIS)
        key->place = ECERT_KEY_FILE;
    if (key->place == ECERT_KEY_IIS && (file || word || command != NULL))
        ecert_config_mistake(reader, group,
                             "a key with where = \"iis\" is not on this host: 'file' and the "
                             "passphrase do not apply");
    if (word && command != NULL)
        ecert_config_mistake(reader, command,
                             "'passphrase_file' and 'passphrase_command' exclude each other");
    if (command != NULL && (key->passphrase_command.len > 0 || config_setting_length(command) == 0))
        ecert_config_check_command(reader, command, &key->passphrase_command);
    check_new_key(reader, group, key);
}

/* ---- authority ---- */

static void say_unknown_authority(struct ecert_config_reader *reader, const config_setting_t *at,
                                  const char *id)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings files = {0};
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings ids = {0};
    const char *dir = reader->config.authorities_dir;
    struct ecert_error err = {0};

    if (ecert_fs_list(dir, &files, &err) != ECERT_OK)
        files = (struct ecert_strings){0}; /* not there: then "system" is all there is */
    for (size_t i = 0; i < files.len; i++) {
        char *suffix = strrchr(files.items[i], '.');

        if (suffix == NULL || strcmp(suffix, ".conf") != 0)
            continue;
        *suffix = '\0';
        if (ecert_strings_add(&ids, files.items[i], &err) != ECERT_OK)
            reader->nomem = true;
    }
    if (ecert_strings_add(&ids, "system", &err) != ECERT_OK)
        reader->nomem = true;
    const char *near = ecert_nearest_word(id, ecert_strings_array(&ids));
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer known = {0};
    for (size_t i = 0; i < ids.len; i++)
        ecert_buffer_printf(&known, "%s%s", i > 0 ? ", " : "", ids.items[i]);
    if (near != NULL)
        ecert_config_mistake(reader, at, "there is no authority '%s' (did you mean '%s'?)", id,
                             near);
    else
        ecert_config_mistake(reader, at,
                             "there is no authority '%s': no file '%s/%s.conf'; there are: %.*s",
                             id, dir, id, (int)known.len, (const char *)known.ptr);
}

/* Not there, or not for this user to see?  It makes a difference to whoever is to mend it. */
static bool is_hidden(const char *path)
{
    struct stat st;

    return lstat(path, &st) != 0 && errno == EACCES;
}

/* Nobody's mistake, and the same for every certificate: said once. */
static void say_hidden(struct ecert_config_reader *reader, const config_setting_t *at,
                       const char *id)
{
    if (reader->authorities_are_hidden)
        return;
    reader->authorities_are_hidden = true;
    ecert_config_mistake(reader, at,
                         "whether there is an authority '%s' cannot be told: this user may not "
                         "enter '%s'; run ecert as root, or let the user's group enter and read it",
                         id, reader->config.authorities_dir);
}

static void check_authority(struct ecert_config_reader *reader, const config_setting_t *group,
                            const char *id)
{
    ECERT_AUTO(ecert_auto_free) char *path = NULL;
    struct ecert_error err = {0};

    if (id == NULL || strcmp(id, "system") == 0)
        return;
    if (ecert_text_format(&path, &err, "%s/%s.conf", reader->config.authorities_dir, id) !=
        ECERT_OK)
        reader->nomem = true;
    else if (is_hidden(path))
        say_hidden(reader, config_setting_get_member(group, "authority"), id);
    else if (!ecert_fs_exists(path))
        say_unknown_authority(reader, config_setting_get_member(group, "authority"), id);
}

/* ---- the certificate ---- */

static void check_twice(struct ecert_config_reader *reader, const config_setting_t *group,
                        const struct ecert_certificate_config *certificate)
{
    const struct ecert_certificate_config *first =
        certificate->name == NULL ? NULL
                                  : ecert_config_certificate(&reader->config, certificate->name);

    if (first != NULL)
        ecert_config_mistake(reader, config_setting_get_member(group, "name"),
                             "certificate '%s' is there already, at %s:%u", certificate->name,
                             first->file, first->line);
}

static void read_names(struct ecert_config_reader *reader, const config_setting_t *group,
                       struct ecert_certificate_config *certificate)
{
    ecert_config_name_to_ascii(reader, &certificate->name);
    ecert_config_names_to_ascii(reader, &certificate->names);
    for (size_t i = 0; i < certificate->names.len; i++) {
        for (size_t k = 0; k < i; k++)
            if (strcmp(certificate->names.items[i], certificate->names.items[k]) == 0)
                ecert_config_mistake(reader, config_setting_get_member(group, "names"),
                                     "'names': '%s' occurs twice", certificate->names.items[i]);
    }
}

void ecert_config_read_certificate(struct ecert_config_reader *reader,
                                   const config_setting_t *group)
{
    ECERT_AUTO(ecert_config_certificate_clear)
    struct ecert_certificate_config certificate = {.cross_certificate = true};

    if (config_setting_type(group) != CONFIG_TYPE_GROUP) {
        ecert_config_mistake(reader, group, "a certificate must be a group { ... }, not %s",
                             ecert_config_type_words(group));
        return;
    }
    certificate.file = strdup(ecert_config_file_of(reader, group));
    certificate.line = config_setting_source_line(group);
    reader->scope = ECERT_CONFIG_OF_CERTIFICATE; /* targets have no such files */
    if (certificate.line == 0) /* a file that is one certificate: libconfig's root has no line */
        certificate.line = 1;
    ecert_config_read_group(reader, group, &ecert_config_certificate_table, &certificate);
    ecert_config_check_unknown(reader, group, &ecert_config_certificate_table, NULL);
    ecert_config_check_watch_settings(reader, group, &certificate.settings);
    read_names(reader, group, &certificate);
    check_authority(reader, group, certificate.authority);
    read_key_group(reader, group, &certificate.key);
    ecert_config_read_source(reader, group, &certificate.source);
    reader->scope = ECERT_CONFIG_OF_ALL;
    ecert_config_read_targets(reader, ecert_config_member(group, "targets", CONFIG_TYPE_LIST),
                              &certificate);
    check_twice(reader, group, &certificate);

    struct ecert_certificate_config *all =
        reallocarray(reader->config.certificates, reader->config.n_certificates + 1, sizeof *all);
    if (all == NULL || certificate.file == NULL) {
        if (all != NULL)
            reader->config.certificates = all;
        reader->nomem = true;
        return;
    }
    reader->config.certificates = all;
    all[reader->config.n_certificates++] = certificate;
    certificate = (struct ecert_certificate_config){0};
}
