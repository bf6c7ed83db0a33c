/* A plugin's descriptor on its way from the worker to the parent. */
#include "core/host/plugin_load.h"

#include <stdlib.h>
#include <string.h>

enum record { RECORD_PLUGIN = 101, RECORD_SETTING, RECORD_PLACE, RECORD_PROGRAM, RECORD_END };

void ecert_plugin_description_clear(struct ecert_plugin_description *description)
{
    for (size_t i = 0; i < description->n_settings; i++) {
        free(description->settings[i].name);
        free(description->settings[i].default_value);
        free(description->settings[i].help);
    }
    free(description->settings);
    free(description->file);
    free(description->name);
    free(description->version);
    free(description->summary);
    ecert_strings_clear(&description->may_write);
    ecert_strings_clear(&description->programs);
    *description = (struct ecert_plugin_description){0};
}

static void encode_setting(const struct ecert_setting *row, struct ecert_buffer *buffer)
{
    struct ecert_message message = {.kind = RECORD_SETTING};
    uint8_t storage[3][8];

    ecert_message_add_text(&message, row->name);
    ecert_message_add_number(&message, row->type, storage[0]);
    ecert_message_add_number(&message, row->required, storage[1]);
    ecert_message_add_number(&message, row->default_value != NULL, storage[2]);
    ecert_message_add_text(&message, row->default_value);
    ecert_message_add_text(&message, row->help);
    ecert_message_encode(&message, buffer);
}

static int64_t encode_paths(const char *const *paths, uint32_t kind, struct ecert_buffer *buffer)
{
    int64_t n = 0;

    for (; paths != NULL && paths[n] != NULL; n++) {
        struct ecert_message message = {.kind = kind};

        ecert_message_add_text(&message, paths[n]);
        ecert_message_encode(&message, buffer);
    }
    return n;
}

void ecert_plugin_encode(const struct ecert_plugin *plugin, struct ecert_buffer *buffer)
{
    struct ecert_message first = {.kind = RECORD_PLUGIN};
    struct ecert_message end = {.kind = RECORD_END};
    uint8_t storage[4][8];
    int64_t n = 0;

    ecert_message_add_number(&first, plugin->abi, storage[0]);
    ecert_message_add_number(&first, plugin->size, storage[1]);
    ecert_message_add_text(&first, plugin->name);
    ecert_message_add_text(&first, plugin->version);
    ecert_message_add_text(&first, plugin->summary);
    ecert_message_add_number(&first, plugin->needs, storage[2]);
    ecert_message_encode(&first, buffer);
    for (size_t i = 0; plugin->settings != NULL && plugin->settings[i].name != NULL; i++, n++)
        encode_setting(&plugin->settings[i], buffer);
    n += encode_paths(plugin->may_write, RECORD_PLACE, buffer);
    n += encode_paths(plugin->programs, RECORD_PROGRAM, buffer);
    ecert_message_add_number(&end, n, storage[3]);
    ecert_message_encode(&end, buffer);
}

static enum ecert_status decode_first(const struct ecert_message *message,
                                      struct ecert_plugin_description *ret, struct ecert_error *err)
{
    int64_t abi = 0, size = 0, needs = 0;

    if (message->kind != RECORD_PLUGIN)
        return ecert_error_set(err, ECERT_E_PLUGIN, "a record of kind %u before the descriptor",
                               (unsigned)message->kind);
    ECERT_TRY(ecert_message_number(message, 0, &abi, err));
    ECERT_TRY(ecert_message_number(message, 1, &size, err));
    ECERT_TRY(ecert_message_text(message, 2, &ret->name, err));
    ECERT_TRY(ecert_message_text(message, 3, &ret->version, err));
    ECERT_TRY(ecert_message_text(message, 4, &ret->summary, err));
    ECERT_TRY(ecert_message_number(message, 5, &needs, err));
    ret->abi = (uint32_t)abi;
    ret->size = (uint32_t)size;
    ret->needs = (uint32_t)needs;
    return ECERT_OK;
}

static enum ecert_status decode_setting(const struct ecert_message *message,
                                        struct ecert_plugin_description *ret,
                                        struct ecert_error *err)
{
    int64_t type = 0, required = 0, has_default = 0;
    struct ecert_plugin_setting *settings =
        reallocarray(ret->settings, ret->n_settings + 1, sizeof *settings);

    if (settings == NULL)
        return ecert_error_nomem(err);
    ret->settings = settings;
    struct ecert_plugin_setting *added = &settings[ret->n_settings];
    *added = (struct ecert_plugin_setting){0};
    ret->n_settings++; /* counted before it is filled, so that it is cleared in every case */
    ECERT_TRY(ecert_message_text(message, 0, &added->name, err));
    ECERT_TRY(ecert_message_number(message, 1, &type, err));
    ECERT_TRY(ecert_message_number(message, 2, &required, err));
    ECERT_TRY(ecert_message_number(message, 3, &has_default, err));
    if (type < ECERT_SETTING_STRING || type > ECERT_SETTING_OUTPUT_DIRECTORY)
        return ecert_error_set(err, ECERT_E_PLUGIN, "setting '%s' has the type %lld", added->name,
                               (long long)type);
    if (has_default != 0)
        ECERT_TRY(ecert_message_text(message, 4, &added->default_value, err));
    ECERT_TRY(ecert_message_text(message, 5, &added->help, err));
    added->type = (enum ecert_setting_type)type;
    added->required = required != 0;
    return ECERT_OK;
}

static enum ecert_status decode_path(const struct ecert_message *message, struct ecert_strings *ret,
                                     struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *path = NULL;

    ECERT_TRY(ecert_message_text(message, 0, &path, err));
    return ecert_strings_add(ret, path, err);
}

static enum ecert_status decode_end(const struct ecert_message *message,
                                    const struct ecert_plugin_description *description,
                                    struct ecert_error *err)
{
    int64_t n = 0;

    if (message->kind != RECORD_END)
        return ecert_error_set(err, ECERT_E_PLUGIN, "a record of unknown kind %u",
                               (unsigned)message->kind);
    ECERT_TRY(ecert_message_number(message, 0, &n, err));
    if (n < 0 || (uint64_t)n != description->n_settings + description->may_write.len +
                                    description->programs.len)
        return ecert_error_set(err, ECERT_E_PLUGIN, "its end record counts %lld rows",
                               (long long)n);
    return ECERT_OK;
}

enum ecert_status ecert_plugin_decode(struct ecert_view *stream,
                                      struct ecert_plugin_description *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_plugin_description_clear) struct ecert_plugin_description read = {0};
    struct ecert_message message = {0};

    ECERT_TRY(ecert_message_decode(stream, stream->len, &message, err));
    ECERT_TRY(decode_first(&message, &read, err));
    for (;;) {
        ECERT_TRY(ecert_message_decode(stream, stream->len, &message, err));
        if (message.kind == RECORD_SETTING)
            ECERT_TRY(decode_setting(&message, &read, err));
        else if (message.kind == RECORD_PLACE)
            ECERT_TRY(decode_path(&message, &read.may_write, err));
        else if (message.kind == RECORD_PROGRAM)
            ECERT_TRY(decode_path(&message, &read.programs, err));
        else
            break;
    }
    ECERT_TRY(decode_end(&message, &read, err));
    *ret = read;
    read = (struct ecert_plugin_description){0};
    return ECERT_OK;
}
