#include "core/host/plan.h"

#include "core/host/site_wire.h"
#include "core/host/wire.h"

/* The records on the wire. */

enum record {
    RECORD_FILE = 1,
    RECORD_TEST,
    RECORD_ACTIVATE,
    RECORD_PROBE,
    RECORD_NOTE,
    RECORD_SITE,
    RECORD_ADDRESS,
    RECORD_END
};

static void encode_file(const struct ecert_plan_file *file, struct ecert_buffer *buffer)
{
    struct ecert_message message = {.kind = RECORD_FILE};
    uint8_t storage[5][8];

    ecert_message_add_text(&message, file->path);
    ecert_message_add(&message, ecert_secret_view(&file->content));
    ecert_message_add_number(&message, file->exists, storage[0]);
    ecert_message_add(&message, (struct ecert_view){file->expected, ECERT_SHA256_LEN});
    ecert_message_add_number(&message, file->secret, storage[1]);
    ecert_message_add_number(&message, file->uid, storage[2]);
    ecert_message_add_number(&message, file->gid, storage[3]);
    ecert_message_add_number(&message, file->mode, storage[4]);
    ecert_message_encode(&message, buffer);
}

static void encode_lists(struct ecert_message *message, const struct ecert_strings *first,
                         const struct ecert_strings *second, struct ecert_buffer *buffer,
                         const char *const more[2])
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer a = {0};
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer b = {0};

    ecert_wire_join(first, &a);
    ecert_wire_join(second, &b);
    ecert_message_add(message, ecert_buffer_view(&a));
    ecert_message_add(message, ecert_buffer_view(&b));
    for (size_t i = 0; more != NULL && i < 2; i++)
        ecert_message_add_text(message, more[i]);
    ecert_message_encode(message, buffer);
    buffer->failed = buffer->failed || a.failed || b.failed;
}

static void encode_activation(const struct ecert_plan_activation *activation,
                              struct ecert_buffer *buffer)
{
    struct ecert_message message = {.kind = RECORD_ACTIVATE};
    uint8_t storage[8];

    ecert_message_add_text(&message, activation->service);
    ecert_message_add_number(&message, activation->reload_signal, storage);
    encode_lists(&message, &activation->reload, &activation->start, buffer,
                 (const char *const[2]){activation->pid_file, activation->executable});
}

static void encode_probe(const struct ecert_probe *probe, struct ecert_buffer *buffer)
{
    struct ecert_message message = {.kind = RECORD_PROBE};
    uint8_t storage[8];

    ecert_message_add_text(&message, probe->address);
    ecert_message_add_number(&message, probe->port, storage);
    ecert_message_add_text(&message, probe->server_name);
    ecert_message_add_text(&message, probe->starttls);
    ecert_message_encode(&message, buffer);
}

static int64_t count(const struct ecert_plan *plan)
{
    return (int64_t)(plan->n_files + plan->n_tests + plan->has_activation + plan->n_probes +
                     ecert_sites_count(plan->sites, plan->n_sites) + plan->notes.len);
}

void ecert_plan_encode(const struct ecert_plan *plan, struct ecert_buffer *buffer)
{
    struct ecert_message end = {.kind = RECORD_END};
    uint8_t storage[8];

    for (size_t i = 0; i < plan->n_files; i++)
        encode_file(&plan->files[i], buffer);
    for (size_t i = 0; i < plan->n_tests; i++)
        encode_lists(&(struct ecert_message){.kind = RECORD_TEST}, &plan->tests[i].argv,
                     &plan->tests[i].scratch, buffer, NULL);
    if (plan->has_activation)
        encode_activation(&plan->activation, buffer);
    for (size_t i = 0; i < plan->n_probes; i++)
        encode_probe(&plan->probes[i], buffer);
    for (size_t i = 0; i < plan->notes.len; i++) {
        struct ecert_message message = {.kind = RECORD_NOTE};

        ecert_message_add_text(&message, plan->notes.items[i]);
        ecert_message_encode(&message, buffer);
    }
    ecert_sites_encode(plan->sites, plan->n_sites, RECORD_SITE, RECORD_ADDRESS, buffer);
    ecert_message_add_number(&end, count(plan), storage);
    ecert_message_encode(&end, buffer);
}

/* ---- and back ---- */

static enum ecert_status decode_file(void *context, const struct ecert_message *message,
                                     struct ecert_error *err)
{
    struct ecert_plan *plan = context;
    ECERT_AUTO(ecert_auto_free) char *path = NULL;
    int64_t exists = 0, secret = 0, mode = 0;
    struct ecert_file_record record = {.size = sizeof record};

    ECERT_TRY(ecert_message_text(message, 0, &path, err));
    ECERT_TRY(ecert_wire_number(message, 2, 0, 1, &exists, err));
    ECERT_TRY(ecert_wire_number(message, 4, 0, 1, &secret, err));
    ECERT_TRY(ecert_wire_number(message, 5, INT64_MIN, INT64_MAX, &record.uid, err));
    ECERT_TRY(ecert_wire_number(message, 6, INT64_MIN, INT64_MAX, &record.gid, err));
    ECERT_TRY(ecert_wire_number(message, 7, INT32_MIN, INT32_MAX, &mode, err));
    if (message->fields[3].len != ECERT_SHA256_LEN)
        return ecert_error_set(err, ECERT_E_PLUGIN, "field 3 is not a SHA-256");
    record.path = path;
    record.content = message->fields[1];
    record.secret = secret != 0;
    record.mode = (int32_t)mode;
    return ecert_plan_add_file_expecting(plan, &record, exists != 0, message->fields[3].ptr, err);
}

static enum ecert_status decode_test(void *context, const struct ecert_message *message,
                                     struct ecert_error *err)
{
    struct ecert_plan *plan = context;
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings argv = {0};
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings scratch = {0};

    ECERT_TRY(ecert_wire_list(message, 0, &argv, err));
    ECERT_TRY(ecert_wire_list(message, 1, &scratch, err));
    return ecert_plan_add_test(plan, ecert_strings_array(&argv), ecert_strings_array(&scratch),
                               err);
}

static enum ecert_status decode_activation(void *context, const struct ecert_message *message,
                                           struct ecert_error *err)
{
    struct ecert_plan *plan = context;
    ECERT_AUTO(ecert_auto_free) char *service = NULL;
    ECERT_AUTO(ecert_auto_free) char *pid_file = NULL;
    ECERT_AUTO(ecert_auto_free) char *executable = NULL;
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings reload = {0};
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings start = {0};
    int64_t reload_signal = 0;

    ECERT_TRY(ecert_message_text(message, 0, &service, err));
    ECERT_TRY(ecert_message_number(message, 1, &reload_signal, err));
    ECERT_TRY(ecert_wire_list(message, 2, &reload, err));
    ECERT_TRY(ecert_wire_list(message, 3, &start, err));
    ECERT_TRY(ecert_wire_optional(message, 4, &pid_file, err));
    ECERT_TRY(ecert_wire_optional(message, 5, &executable, err));
    if (reload_signal < 0 || reload_signal > INT32_MAX)
        return ecert_error_set(err, ECERT_E_PLUGIN, "activate record: not a signal");
    const struct ecert_activate_record record = {
        .size = sizeof record,
        .service = service,
        .reload = ecert_strings_array(&reload),
        .start = ecert_strings_array(&start),
        .pid_file = pid_file,
        .executable = executable,
        .reload_signal = (int32_t)reload_signal,
    };
    return ecert_plan_set_activation(plan, &record, err);
}

static enum ecert_status decode_probe(void *context, const struct ecert_message *message,
                                      struct ecert_error *err)
{
    struct ecert_plan *plan = context;
    ECERT_AUTO(ecert_auto_free) char *address = NULL;
    ECERT_AUTO(ecert_auto_free) char *server_name = NULL;
    ECERT_AUTO(ecert_auto_free) char *starttls = NULL;
    int64_t port = 0;

    ECERT_TRY(ecert_message_text(message, 0, &address, err));
    ECERT_TRY(ecert_wire_number(message, 1, 0, UINT16_MAX, &port, err));
    ECERT_TRY(ecert_wire_optional(message, 2, &server_name, err));
    ECERT_TRY(ecert_wire_optional(message, 3, &starttls, err));
    const struct ecert_probe_record record = {
        .size = sizeof record,
        .address = address,
        .port = (uint16_t)port,
        .server_name = server_name,
        .starttls = starttls,
    };
    return ecert_plan_add_probe(plan, &record, err);
}

static enum ecert_status decode_note(void *context, const struct ecert_message *message,
                                     struct ecert_error *err)
{
    struct ecert_plan *plan = context;
    ECERT_AUTO(ecert_auto_free) char *text = NULL;

    ECERT_TRY(ecert_message_text(message, 0, &text, err));
    return ecert_plan_add_note(plan, text, err);
}

static enum ecert_status decode_site(void *context, const struct ecert_message *message,
                                     struct ecert_error *err)
{
    struct ecert_plan *plan = context;

    return ecert_sites_take(&plan->sites, &plan->n_sites, message, err);
}

static enum ecert_status decode_address(void *context, const struct ecert_message *message,
                                        struct ecert_error *err)
{
    const struct ecert_plan *plan = context;

    return ecert_sites_take_address(plan->sites, plan->n_sites, message, err);
}

static enum ecert_status decode_end(void *context, const struct ecert_message *message,
                                    struct ecert_error *err)
{
    const struct ecert_plan *plan = context;
    int64_t said = 0;

    ECERT_TRY(ecert_message_number(message, 0, &said, err));
    if (said != count(plan))
        return ecert_error_set(err, ECERT_E_PLUGIN, "it counts %lld records, %lld arrived",
                               (long long)said, (long long)count(plan));
    return ECERT_OK;
}

static const struct ecert_wire_kind kinds[] = {
    [RECORD_FILE] = {"file", 8, decode_file},
    [RECORD_TEST] = {"test", 2, decode_test},
    [RECORD_ACTIVATE] = {"activate", 6, decode_activation},
    [RECORD_PROBE] = {"probe", 4, decode_probe},
    [RECORD_NOTE] = {"note", 1, decode_note},
    [RECORD_SITE] = {"site", ECERT_SITE_FIELDS, decode_site},
    [RECORD_ADDRESS] = {"address", ECERT_SITE_ADDRESS_FIELDS, decode_address},
    [RECORD_END] = {"end", 1, decode_end},
};

enum ecert_status ecert_plan_decode(struct ecert_view stream, struct ecert_plan *ret,
                                    struct ecert_error *err)
{
    ECERT_AUTO(ecert_plan_clear) struct ecert_plan plan = {0};

    ECERT_TRY(ecert_wire_decode(stream, kinds, ARRAY_SIZE(kinds), &plan, err));
    *ret = plan;
    plan = (struct ecert_plan){0};
    return ECERT_OK;
}
