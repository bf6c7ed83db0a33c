/* The records of site.h on the wire. */

#include "core/host/site_wire.h"

enum record { RECORD_SITE = 1, RECORD_ADDRESS, RECORD_NOTE, RECORD_END };

/* ---- the way there ---- */

static void encode_address(const struct ecert_probe *address, uint32_t kind,
                           struct ecert_buffer *buffer)
{
    struct ecert_message message = {.kind = kind};
    uint8_t storage[8];

    ecert_message_add_text(&message, address->address);
    ecert_message_add_number(&message, address->port, storage);
    ecert_message_add_text(&message, address->server_name);
    ecert_message_add_text(&message, address->starttls);
    ecert_message_encode(&message, buffer);
}

static void encode_site(const struct ecert_site *site, uint32_t kind, uint32_t address_kind,
                        struct ecert_buffer *buffer)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer names = {0};
    struct ecert_message message = {.kind = kind};
    uint8_t storage[5][8];

    ecert_wire_join(&site->names, &names);
    ecert_message_add_text(&message, site->kind);
    ecert_message_add(&message, ecert_buffer_view(&names));
    ecert_message_add_text(&message, site->file);
    ecert_message_add_number(&message, site->line, storage[0]);
    ecert_message_add_text(&message, site->certificate);
    ecert_message_add_text(&message, site->key);
    ecert_message_add_text(&message, site->chain);
    ecert_message_add_number(&message, site->enabled, storage[1]);
    ecert_message_add_number(&message, site->tls, storage[2]);
    ecert_message_add_number(&message, site->taken, storage[3]);
    ecert_message_add_text(&message, site->why);
    ecert_message_add_number(&message, site->refused, storage[4]);
    ecert_message_encode(&message, buffer);
    buffer->failed = buffer->failed || names.failed;
    for (size_t i = 0; i < site->n_addresses; i++)
        encode_address(&site->addresses[i], address_kind, buffer);
}

void ecert_sites_encode(const struct ecert_site *sites, size_t n, uint32_t kind,
                        uint32_t address_kind, struct ecert_buffer *buffer)
{
    for (size_t i = 0; i < n; i++)
        encode_site(&sites[i], kind, address_kind, buffer);
}

size_t ecert_sites_count(const struct ecert_site *sites, size_t n)
{
    size_t records = n;

    for (size_t i = 0; i < n; i++)
        records += sites[i].n_addresses;
    return records;
}

static int64_t count(const struct ecert_discovery *discovery)
{
    return (int64_t)(ecert_sites_count(discovery->sites, discovery->n_sites) +
                     discovery->notes.len);
}

void ecert_discovery_encode(const struct ecert_discovery *discovery, struct ecert_buffer *buffer)
{
    struct ecert_message end = {.kind = RECORD_END};
    uint8_t storage[8];

    ecert_sites_encode(discovery->sites, discovery->n_sites, RECORD_SITE, RECORD_ADDRESS, buffer);
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

enum ecert_status ecert_sites_take(struct ecert_site **sites, size_t *n,
                                   const struct ecert_message *message, struct ecert_error *err)
{
    ECERT_AUTO(ecert_site_clear) struct ecert_site site = {0};
    int64_t line = 0, enabled = 0, tls = 0, taken = 0, refused = 0;

    ECERT_TRY(ecert_message_text(message, 0, &site.kind, err));
    ECERT_TRY(ecert_wire_list(message, 1, &site.names, err));
    ECERT_TRY(ecert_wire_optional(message, 2, &site.file, err));
    ECERT_TRY(ecert_wire_number(message, 3, 0, UINT32_MAX, &line, err));
    ECERT_TRY(ecert_wire_optional(message, 4, &site.certificate, err));
    ECERT_TRY(ecert_wire_optional(message, 5, &site.key, err));
    ECERT_TRY(ecert_wire_optional(message, 6, &site.chain, err));
    ECERT_TRY(ecert_wire_number(message, 7, 0, 1, &enabled, err));
    ECERT_TRY(ecert_wire_number(message, 8, 0, 1, &tls, err));
    ECERT_TRY(ecert_wire_number(message, 9, 0, 1, &taken, err));
    ECERT_TRY(ecert_wire_optional(message, 10, &site.why, err));
    ECERT_TRY(ecert_wire_number(message, 11, 0, 1, &refused, err));
    const struct ecert_site_record record = {
        .size = sizeof record,
        .kind = site.kind,
        .names = ecert_strings_array(&site.names),
        .file = site.file,
        .line = (uint32_t)line,
        .certificate = site.certificate,
        .key = site.key,
        .chain = site.chain,
        .enabled = enabled != 0,
        .tls = tls != 0,
        .taken = taken != 0,
        .refused = refused != 0,
        .why = site.why,
    };
    /* the same rules as in the worker, which belonged to the plugin */
    return ecert_sites_add(sites, n, &record, err);
}

enum ecert_status ecert_sites_take_address(struct ecert_site *sites, size_t n,
                                           const struct ecert_message *message,
                                           struct ecert_error *err)
{
    ECERT_AUTO(ecert_probe_clear) struct ecert_probe address = {0};

    if (n == 0)
        return ecert_error_set(err, ECERT_E_PLUGIN, "an address without a site");
    ECERT_TRY(decode_address(message, &address, err));
    const struct ecert_probe_record record = {
        .size = sizeof record,
        .address = address.address,
        .port = address.port,
        .server_name = address.server_name,
        .starttls = address.starttls,
    };
    return ecert_site_add_address(&sites[n - 1], &record, err);
}

static enum ecert_status take_site(void *context, const struct ecert_message *message,
                                   struct ecert_error *err)
{
    struct ecert_discovery *discovery = context;

    return ecert_sites_take(&discovery->sites, &discovery->n_sites, message, err);
}

static enum ecert_status take_address(void *context, const struct ecert_message *message,
                                      struct ecert_error *err)
{
    const struct ecert_discovery *discovery = context;

    return ecert_sites_take_address(discovery->sites, discovery->n_sites, message, err);
}

static enum ecert_status take_note(void *context, const struct ecert_message *message,
                                   struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *text = NULL;

    ECERT_TRY(ecert_message_text(message, 0, &text, err));
    return ecert_discovery_add_note(context, text, err);
}

static enum ecert_status take_end(void *context, const struct ecert_message *message,
                                  struct ecert_error *err)
{
    const struct ecert_discovery *discovery = context;
    int64_t said = 0;

    ECERT_TRY(ecert_message_number(message, 0, &said, err));
    if (said != count(discovery))
        return ecert_error_set(err, ECERT_E_PLUGIN, "it counts %lld records, %lld arrived",
                               (long long)said, (long long)count(discovery));
    return ECERT_OK;
}

static const struct ecert_wire_kind kinds[] = {
    [RECORD_SITE] = {"site", ECERT_SITE_FIELDS, take_site},
    [RECORD_ADDRESS] = {"address", ECERT_SITE_ADDRESS_FIELDS, take_address},
    [RECORD_NOTE] = {"note", 1, take_note},
    [RECORD_END] = {"end", 1, take_end},
};

enum ecert_status ecert_discovery_decode(struct ecert_view stream, struct ecert_discovery *ret,
                                         struct ecert_error *err)
{
    ECERT_AUTO(ecert_discovery_clear) struct ecert_discovery discovery = {0};

    ECERT_TRY(ecert_wire_decode(stream, kinds, ARRAY_SIZE(kinds), &discovery, err));
    *ret = discovery;
    discovery = (struct ecert_discovery){0};
    return ECERT_OK;
}
