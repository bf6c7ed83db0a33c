/* The records of site.h on the wire. */

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

/* What arrived, and the site whose addresses still follow: it is added with them. */
struct arriving {
    struct ecert_discovery discovery;
    bool there; /* a site is */
    struct ecert_site site;
};

static void arriving_clear(struct arriving *arriving)
{
    ecert_discovery_clear(&arriving->discovery);
    ecert_site_clear(&arriving->site);
}

/* The same rules as in the worker, which belonged to the plugin. */
static enum ecert_status finish_site(struct arriving *arriving, struct ecert_error *err)
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
    ECERT_TRY(ecert_discovery_add_site(&arriving->discovery, &record, err));
    ecert_site_clear(&arriving->site);
    arriving->there = false;
    return ECERT_OK;
}

static enum ecert_status take_site(void *context, const struct ecert_message *message,
                                   struct ecert_error *err)
{
    struct arriving *arriving = context;
    struct ecert_site *site = &arriving->site;
    int64_t line = 0, enabled = 0;

    ECERT_TRY(finish_site(arriving, err));
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

static enum ecert_status take_address(void *context, const struct ecert_message *message,
                                      struct ecert_error *err)
{
    struct arriving *arriving = context;
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

static enum ecert_status take_note(void *context, const struct ecert_message *message,
                                   struct ecert_error *err)
{
    struct arriving *arriving = context;
    ECERT_AUTO(ecert_auto_free) char *text = NULL;

    ECERT_TRY(finish_site(arriving, err));
    ECERT_TRY(ecert_message_text(message, 0, &text, err));
    return ecert_discovery_add_note(&arriving->discovery, text, err);
}

static enum ecert_status take_end(void *context, const struct ecert_message *message,
                                  struct ecert_error *err)
{
    struct arriving *arriving = context;
    int64_t said = 0;

    ECERT_TRY(finish_site(arriving, err));
    ECERT_TRY(ecert_message_number(message, 0, &said, err));
    if (said != count(&arriving->discovery))
        return ecert_error_set(err, ECERT_E_PLUGIN, "it counts %lld records, %lld arrived",
                               (long long)said, (long long)count(&arriving->discovery));
    return ECERT_OK;
}

static const struct ecert_wire_kind kinds[] = {
    [RECORD_SITE] = {"site", 8, take_site},
    [RECORD_ADDRESS] = {"address", 4, take_address},
    [RECORD_NOTE] = {"note", 1, take_note},
    [RECORD_END] = {"end", 1, take_end},
};

enum ecert_status ecert_discovery_decode(struct ecert_view stream, struct ecert_discovery *ret,
                                         struct ecert_error *err)
{
    ECERT_AUTO(arriving_clear) struct arriving arriving = {0};

    ECERT_TRY(ecert_wire_decode(stream, kinds, ARRAY_SIZE(kinds), &arriving, err));
    *ret = arriving.discovery;
    arriving.discovery = (struct ecert_discovery){0};
    return ECERT_OK;
}
