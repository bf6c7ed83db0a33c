/* Sites whose texts come out of a server's configuration, in the worker. */

#include <string.h>

#include "core/host/site.h"

/*
 * One rule for what a terminal could obey (record.h), and a quick answer for what nearly every text
 * is made of.
 */
static bool is_clean(const char *text)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer escaped = {0};
    bool plain = true;

    for (const unsigned char *p = (const unsigned char *)text; plain && *p != '\0'; p++)
        plain = *p >= 0x20 && *p < 0x7F;
    if (plain)
        return true;
    ecert_buffer_add_escaped(&escaped, ecert_view_of(text), false);
    return !escaped.failed && ecert_view_equal(ecert_buffer_view(&escaped), ecert_view_of(text));
}

/* *text is replaced by an escaped one where it has to be, which `owner` keeps. */
static enum ecert_status clean(const char **text, struct ecert_strings *owner,
                               struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer escaped = {0};

    if (*text == NULL || is_clean(*text))
        return ECERT_OK;
    ecert_buffer_add_escaped(&escaped, ecert_view_of(*text), false);
    ecert_buffer_add(&escaped, (struct ecert_view){(const uint8_t *)"", 1});
    if (escaped.failed)
        return ecert_error_nomem(err);
    ECERT_TRY(ecert_strings_add(owner, (const char *)escaped.ptr, err));
    *text = owner->items[owner->len - 1];
    return ECERT_OK;
}

static enum ecert_status clean_names(const char *const *names, struct ecert_strings *ret,
                                     struct ecert_error *err)
{
    for (size_t i = 0; names != NULL && names[i] != NULL; i++) {
        ECERT_AUTO(ecert_strings_clear) struct ecert_strings owner = {0};
        const char *name = names[i];

        ECERT_TRY(clean(&name, &owner, err));
        ECERT_TRY(ecert_strings_add(ret, name, err));
    }
    return ECERT_OK;
}

static const char *clean_path(const char *path)
{
    return path == NULL || is_clean(path) ? path : NULL;
}

enum ecert_status ecert_sites_add_escaped(struct ecert_site **sites, size_t *n,
                                          const struct ecert_site_record *site,
                                          struct ecert_error *err)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings owner = {0};
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings names = {0};
    struct ecert_site_record record = {0};

    ECERT_TRY(ecert_site_check(site, err));
    memcpy(&record, site, site->size < sizeof record ? site->size : sizeof record);
    if (record.size >= sizeof record)
        ECERT_TRY(clean(&record.why, &owner, err));
    ECERT_TRY(clean(&record.file, &owner, err));
    ECERT_TRY(clean_names(record.names, &names, err));
    record.names = ecert_strings_array(&names);
    record.certificate = clean_path(record.certificate);
    record.key = clean_path(record.key);
    record.chain = clean_path(record.chain);
    return ecert_sites_add(sites, n, &record, err);
}
