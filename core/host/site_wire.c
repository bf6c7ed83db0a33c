/* The records of site.h on the wire. */

#include <string.h>

#include "core/host/site.h"
#include "core/host/wire.h"

/* An address belongs to the site before it. */
enum record { RECORD_SITE = 1, RECORD_ADDRESS, RECORD_NOTE, RECORD_END };

/* ---- the way there ---- */

static void encode_address(const struct ecert_probe *address, struct ecert_buffer *buffer)
{
    struct ecert_message message = {.kind = RECORD_ADDRESS};
    uint8_t storage[8];

    ecert_message_add_text(&message, address->address);
    ecert_message_add_number(&message, address->port, storage);
    ecert_message_add_text(&message, address->server_name);
    ecert_message_add_text(&message, address->starttls);
    ecert_message_encode(&message, buffer);
}

static void encode_site(const struct ecert_site *site, struct ecert_buffer *buffer)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer names = {0};
    struct ecert_message message = {.kind = RECORD_SITE};
    uint8_t storage[2][8];

    ecert_wire_join(&site->names, &names);
    ecert_message_add_text(&message, site->kind);
    ecert_message_add(&message, ecert_buffer_view(&names));
    ecert_message_add_text(&message, site->file);
    ecert_message_add_number(&message, site->line, storage[0]);
    ecert_message_add_text(&message, site->certificate);
    ecert_message_add_text(&message, site->key);
    ecert_message_add_text(&message, site->chain);
    ecert_message_add_number(&message, site->enabled, storage[1]);
    ecert_message_encode(&message, buffer);
    buffer->failed = buffer->failed || names.failed;
    for (size_t i = 0; i < site->n_addresses; i++)
        encode_address(&site->addresses[i], buffer);
}

static int64_t count(const struct ecert_discovery *discovery)
{
    size_t n = discovery->n_sites + discovery->notes.len;

    for (size_t i = 0; i < discovery->n_sites; i++)
        n += discovery->sites[i].n_addresses;
    return (int64_t)n;
}

void ecert_discovery_encode(const struct ecert_discovery *discovery, struct ecert_buffer *buffer)
{
    struct ecert_message end = {.kind = RECORD_END};
    uint8_t storage[8];

    for (size_t i = 0; i < discovery->n_sites; i++)
        encode_site(&discovery->sites[i], buffer);
    for (size_t i = 0; i < discovery->notes.len; i++) {
        struct ecert_message message = {.kind = RECORD_NOTE};

        ecert_message_add_text(&message, discovery->notes.items[i]);
        ecert_message_encode(&message, buffer);
    }
    ecert_message_add_number(&end, count(discovery), storage);
    ecert_message_encode(&end, buffer);
}

/* ---- and back ---- */

static enum ecert_status decode_address(const struct ecert_message *message,
                                        struct ecert_probe *ret, struct ecert_error *err)
{
    int64_t port = 0;

    ECERT_TRY(ecert_message_text(message, 0, &ret->address, err));
    ECERT_TRY(ecert_wire_number(message, 1, 0, UINT16_MAX, &port, err));
    ECERT_TRY(ecert_wire_optional(message, 2, &ret->server_name, err));
    ECERT_TRY(ecert_wire_optional(message, 3, &ret->starttls, err));
    ret->port = (uint16_t)port;
    return ECERT_OK;
}

/* A site with the addresses that follow it, which are added with it. */
struct arriving {
    bool there;
    struct ecert_site site;
};

static void arriving_clear(struct arriving *arriving)
{
    ecert_site_clear(&arriving->site);
}

static enum ecert_status decode_site(const struct ecert_message *message, struct arriving *arriving,
                                     struct ecert_error *err)
{
    struct ecert_site *site = &arriving->site;
    int64_t line = 0, enabled = 0;

    ECERT_TRY(ecert_message_text(message, 0, &site->kind, err));
    ECERT_TRY(ecert_wire_list(message, 1, &site->names, err));
    ECERT_TRY(ecert_wire_optional(message, 2, &site->file, err));
    ECERT_TRY(ecert_wire_number(message, 3, 0, UINT32_MAX, &line, err));
    ECERT_TRY(ecert_wire_optional(message, 4, &site->certificate, err));
    ECERT_TRY(ecert_wire_optional(message, 5, &site->key, err));
    ECERT_TRY(ecert_wire_optional(message, 6, &site->chain, err));
    ECERT_TRY(ecert_wire_number(message, 7, 0, 1, &enabled, err));
    site->line = (uint32_t)line;
    site->enabled = enabled != 0;
    arriving->there = true;
    return ECERT_OK;
}

/* The same rules as in the worker, which belonged to the plugin. */
static enum ecert_status finish_site(struct ecert_discovery *discovery, struct arriving *arriving,
                                     struct ecert_error *err)
{
    const struct ecert_site *site = &arriving->site;
    struct ecert_probe_record records[ECERT_SITE_ADDRESSES_MAX];
    const struct ecert_probe_record *addresses[ECERT_SITE_ADDRESSES_MAX + 1];

    if (!arriving->there)
        return ECERT_OK;
    for (size_t i = 0; i < site->n_addresses; i++) {
        records[i] = (struct ecert_probe_record){
            .size = sizeof records[i],
            .address = site->addresses[i].address,
            .port = site->addresses[i].port,
            .server_name = site->addresses[i].server_name,
            .starttls = site->addresses[i].starttls,
        };
        addresses[i] = &records[i];
    }
    addresses[site->n_addresses] = NULL;
    const struct ecert_site_record record = {
        .size = sizeof record,
        .kind = site->kind,
        .names = ecert_strings_array(&site->names),
        .file = site->file,
        .line = site->line,
        .addresses = addresses,
        .certificate = site->certificate,
        .key = site->key,
        .chain = site->chain,
        .enabled = site->enabled,
    };
    ECERT_TRY(ecert_discovery_add_site(discovery, &record, err));
    ecert_site_clear(&arriving->site);
    arriving->there = false;
    return ECERT_OK;
}

static enum ecert_status take_address(const struct ecert_message *message,
                                      struct arriving *arriving, struct ecert_error *err)
{
    ECERT_AUTO(ecert_probe_clear) struct ecert_probe address = {0};
    struct ecert_plan plan = {.probes = arriving->site.addresses,
                              .n_probes = arriving->site.n_addresses};

    if (!arriving->there)
        return ecert_error_set(err, ECERT_E_PLUGIN, "an address without a site");
    if (plan.n_probes >= ECERT_SITE_ADDRESSES_MAX)
        return ecert_error_set(err, ECERT_E_PLUGIN, "more than %d addresses",
                               ECERT_SITE_ADDRESSES_MAX);
    ECERT_TRY(decode_address(message, &address, err));
    const struct ecert_probe_record record = {
        .size = sizeof record,
        .address = address.address,
        .port = address.port,
        .server_name = address.server_name,
        .starttls = address.starttls,
    };
    const enum ecert_status status = ecert_plan_add_probe(&plan, &record, err);
    arriving->site.addresses = plan.probes; /* it may have moved, whatever the status */
    arriving->site.n_addresses = plan.n_probes;
    return status;
}

static enum ecert_status take_note(const struct ecert_message *message,
                                   struct ecert_discovery *discovery, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *text = NULL;

    ECERT_TRY(ecert_message_text(message, 0, &text, err));
    return ecert_discovery_add_note(discovery, text, err);
}

static enum ecert_status take_end(const struct ecert_message *message,
                                  const struct ecert_discovery *discovery, struct ecert_error *err)
{
    int64_t said = 0;

    ECERT_TRY(ecert_message_number(message, 0, &said, err));
    if (said != count(discovery))
        return ecert_error_set(err, ECERT_E_PLUGIN, "it counts %lld records, %lld arrived",
                               (long long)said, (long long)count(discovery));
    return ECERT_OK;
}

static const struct kind {
    const char *name;
    size_t fields;
} kinds[] = {
    [RECORD_SITE] = {"site", 8},
    [RECORD_ADDRESS] = {"address", 4},
    [RECORD_NOTE] = {"note", 1},
    [RECORD_END] = {"end", 1},
};

static enum ecert_status take(const struct ecert_message *message,
                              struct ecert_discovery *discovery, struct arriving *arriving,
                              struct ecert_error *err)
{
    if (message->kind == RECORD_ADDRESS)
        return take_address(message, arriving, err);
    ECERT_TRY(finish_site(discovery, arriving, err));
    if (message->kind == RECORD_SITE)
        return decode_site(message, arriving, err);
    if (message->kind == RECORD_NOTE)
        return take_note(message, discovery, err);
    return take_end(message, discovery, err);
}

static enum ecert_status take_checked(const struct ecert_message *message,
                                      struct ecert_discovery *discovery, struct arriving *arriving,
                                      struct ecert_error *err)
{
    if (message->kind == 0 || message->kind >= ARRAY_SIZE(kinds))
        return ecert_error_set(err, ECERT_E_PLUGIN, "a record of unknown kind %u",
                               (unsigned)message->kind);
    const struct kind *kind = &kinds[message->kind];
    if (message->n != kind->fields)
        return ecert_error_set(err, ECERT_E_PLUGIN, "%s record: %zu fields instead of %zu",
                               kind->name, message->n, kind->fields);
    const enum ecert_status status = take(message, discovery, arriving, err);
    if (status == ECERT_OK || status == ECERT_E_NOMEM)
        return status;
    err->status = ECERT_E_PLUGIN; /* whatever is wrong with a field, the plugin said it */
    if (strstr(err->text, " record:") == NULL)
        (void)ecert_error_wrap(err, "%s record", kind->name);
    return ECERT_E_PLUGIN;
}

enum ecert_status ecert_discovery_decode(struct ecert_view stream, struct ecert_discovery *ret,
                                         struct ecert_error *err)
{
    ECERT_AUTO(ecert_discovery_clear) struct ecert_discovery discovery = {0};
    ECERT_AUTO(arriving_clear) struct arriving arriving = {0};
    struct ecert_message message = {0};

    while (message.kind != RECORD_END) {
        const enum ecert_status status = ecert_message_decode(&stream, stream.len, &message, err);

        if (status == ECERT_E_NOT_FOUND || status == ECERT_E_REFUSED)
            return ecert_error_set(err, ECERT_E_PLUGIN,
                                   "the records are damaged or end before their end record");
        ECERT_TRY(status);
        ECERT_TRY(take_checked(&message, &discovery, &arriving, err));
    }
    if (stream.len != 0)
        return ecert_error_set(err, ECERT_E_PLUGIN, "%zu bytes follow the end record", stream.len);
    *ret = discovery;
    discovery = (struct ecert_discovery){0};
    return ECERT_OK;
}
