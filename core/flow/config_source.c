/* The group 'source' of a certificate: where it comes from when it is issued. */

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/flow/config_read.h"

void ecert_config_source_clear(struct ecert_source_config *source)
{
    free(source->url);
    free(source->ca_file);
    free(source->password_file);
    free(source->base);
    free(source->filter);
    free(source->bind_dn);
    free(source->bind_password_file);
    *source = (struct ecert_source_config){0};
}

static bool begins(const char *text, const char *with)
{
    return text != NULL && strncasecmp(text, with, strlen(with)) == 0;
}

static bool is_directory(const char *url)
{
    return begins(url, "ldap:") || begins(url, "ldaps:");
}

/* ---- a directory ---- */

/* Closed, and closed only at its end: RFC 4515 escapes every parenthesis of a value. */
static bool is_parenthesized(const char *filter)
{
    size_t depth = 0, len = strlen(filter);

    for (size_t i = 0; i < len; i++) {
        if (filter[i] == '(')
            depth++;
        else if (filter[i] == ')' && depth-- == 0)
            return false;
        if (depth == 0 && i + 1 < len)
            return false;
    }
    return len > 2 && depth == 0;
}

/* What its percent signs are: "%s" and nothing else. */
static bool has_only_names(const char *filter)
{
    for (; (filter = strchr(filter, '%')) != NULL; filter += 2)
        if (filter[1] != 's')
            return false;
    return true;
}

static void check_filter(struct ecert_config_reader *reader, const config_setting_t *at,
                         const char *filter)
{
    if (strstr(filter, "%s") == NULL)
        ecert_config_mistake(reader, at,
                             "'filter' lacks %%s, which stands for the server name: '%s' finds the "
                             "same for every certificate",
                             filter);
    else if (!has_only_names(filter))
        ecert_config_mistake(reader, at,
                             "'filter': '%s' has a %% that is not %%s; write \\25 for a %% itself",
                             filter);
    else if (!is_parenthesized(filter))
        ecert_config_mistake(reader, at, "'filter': '%s' is not a filter like \"(cn=%%s)\"",
                             filter);
}

static void check_bind(struct ecert_config_reader *reader, const config_setting_t *group,
                       const struct ecert_source_config *source)
{
    const config_setting_t *who = config_setting_get_member(group, "bind_dn");
    const config_setting_t *password = config_setting_get_member(group, "bind_password_file");

    if (who != NULL && password == NULL)
        ecert_config_mistake(reader, who, "'bind_dn' needs 'bind_password_file' beside it");
    if (who == NULL && password != NULL)
        ecert_config_mistake(reader, password, "'bind_password_file' needs 'bind_dn' beside it");
    if (who != NULL && source->bind_dn != NULL && source->bind_dn[0] == '\0')
        ecert_config_mistake(reader, who, "'bind_dn' is empty");
    if (who != NULL && is_directory(source->url) && !ecert_config_is_private_url(source->url))
        ecert_config_mistake(reader, who,
                             "the password of 'bind_dn' would be sent to '%s' in the clear; use "
                             "ldaps:// (ldap:// only to 127.0.0.1 or [::1])",
                             source->url);
}

static void check_directory(struct ecert_config_reader *reader, const config_setting_t *group,
                            const struct ecert_source_config *source)
{
    const config_setting_t *password = config_setting_get_member(group, "password_file");
    const config_setting_t *filter = config_setting_get_member(group, "filter");
    const config_setting_t *base = config_setting_get_member(group, "base");
    const config_setting_t *url = config_setting_get_member(group, "url");
    struct ecert_error err = {0};

    if (url == NULL)
        ecert_config_mistake(reader, group, "a source of type \"ldap\" lacks the key 'url'");
    else if (source->url != NULL && ecert_config_is_directory_url(source->url, &err) != ECERT_OK)
        ecert_config_mistake(reader, url, "'url': %s", err.text);
    if (base == NULL)
        ecert_config_mistake(reader, group, "a source of type \"ldap\" lacks the key 'base'");
    else if (source->base != NULL && strchr(source->base, '=') == NULL)
        ecert_config_mistake(reader, base, "'base': '%s' is not a name like \"o=example,c=hk\"",
                             source->base);
    if (password != NULL)
        ecert_config_mistake(reader, password,
                             "'password_file' does not apply to a directory, which has no PKCS#12 "
                             "('bind_password_file' is that of 'bind_dn')");
    if (filter != NULL && source->filter != NULL)
        check_filter(reader, filter, source->filter);
    check_bind(reader, group, source);
}

/* What belongs to a directory, in a source that is none. */
static void check_no_directory(struct ecert_config_reader *reader, const config_setting_t *group)
{
    static const char *const keys[] = {"base", "filter", "bind_dn", "bind_password_file"};

    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        const config_setting_t *at = config_setting_get_member(group, keys[i]);

        if (at != NULL)
            ecert_config_mistake(reader, at, "'%s' applies to type = \"ldap\" only", keys[i]);
    }
}

/* ---- all of them ---- */

static void check_source(struct ecert_config_reader *reader, const config_setting_t *group,
                         const struct ecert_source_config *source)
{
    const config_setting_t *url = config_setting_get_member(group, "url");
    const config_setting_t *ca_file = config_setting_get_member(group, "ca_file");
    const config_setting_t *type = config_setting_get_member(group, "type");
    /* a type that was refused says nothing about what belongs to it */
    const bool typed = type == NULL || config_setting_type(type) == CONFIG_TYPE_STRING;

    if (source->type == ECERT_SOURCE_URL && url == NULL)
        ecert_config_mistake(reader, group, "a source of type \"url\" lacks the key 'url'");
    if (typed && source->type == ECERT_SOURCE_INBOX && url != NULL)
        ecert_config_mistake(reader, url,
                             "'url' applies to type = \"url\" and \"ldap\" only, this source is "
                             "an inbox");
    if (source->type == ECERT_SOURCE_URL && is_directory(source->url))
        ecert_config_mistake(reader, url,
                             "'%s' is a directory, for which type is \"ldap\" and not \"url\"",
                             source->url);
    if (ca_file != NULL && !begins(source->url, "https:") && !begins(source->url, "ldaps:"))
        ecert_config_mistake(reader, ca_file,
                             "'ca_file' applies to an https or ldaps address only");
    if (source->type == ECERT_SOURCE_LDAP)
        check_directory(reader, group, source);
    else if (typed)
        check_no_directory(reader, group);
}

void ecert_config_read_source(struct ecert_config_reader *reader,
                              const config_setting_t *certificate,
                              struct ecert_source_config *source)
{
    const config_setting_t *group = ecert_config_member(certificate, "source", CONFIG_TYPE_GROUP);

    if (group == NULL)
        return;
    ecert_config_read_group(reader, group, &ecert_config_source_table, source);
    ecert_config_check_unknown(reader, group, &ecert_config_source_table, NULL);
    check_source(reader, group, source);
}
