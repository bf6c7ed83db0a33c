#include "core/flow/silent.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* What `silent` holds of a URL: "ldap://host:389".  *ret stays NULL if it has no host. */
static enum ecert_status server_of(const char *url, char **ret, struct ecert_error *err)
{
    static const struct {
        const char *scheme, *port;
    } usual[] = {
        {"http://", ":80"}, {"https://", ":443"}, {"ldap://", ":389"}, {"ldaps://", ":636"}};

    for (size_t i = 0; i < ARRAY_SIZE(usual); i++) {
        const size_t n = strlen(usual[i].scheme);

        if (strncasecmp(url, usual[i].scheme, n) != 0)
            continue;
        const char *const host = url + n;
        const size_t len = strcspn(host, "/?#");
        const char *const colon = memrchr(host, ':', len);
        const char *const bracket = memrchr(host, ']', len); /* [2001:db8::1]:8080 */
        const bool has_port = colon != NULL && (bracket == NULL || colon > bracket);
        ECERT_TRY(ecert_text_format(ret, err, "%s%.*s%s", usual[i].scheme, (int)len, host,
                                    has_port ? "" : usual[i].port));
        for (char *c = *ret; *c != '\0'; c++)
            *c = (char)tolower((unsigned char)*c);
        return ECERT_OK;
    }
    return ECERT_OK;
}

enum ecert_status ecert_silent_check(const struct ecert_strings *silent, const char *url,
                                     struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *server = NULL;

    ECERT_TRY(server_of(url, &server, err));
    if (server == NULL || !ecert_strings_contain(silent, server))
        return ECERT_OK;
    return ecert_error_set(err, ECERT_E_TIMEOUT,
                           "'%s': not asked: '%s' did not answer in time before, in this run", url,
                           server);
}

enum ecert_status ecert_silent_note(struct ecert_strings *silent, const char *url,
                                    struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *server = NULL;
    struct ecert_error why = {0};

    if (err->status != ECERT_E_TIMEOUT)
        return err->status;
    if (server_of(url, &server, &why) != ECERT_OK ||
        (server != NULL && !ecert_strings_contain(silent, server) &&
         ecert_strings_add(silent, server, &why) != ECERT_OK))
        *err = why;
    return err->status;
}

enum ecert_status ecert_silent_fetch(struct ecert_strings *silent, struct ecert_network *network,
                                     const struct ecert_fetch *fetch, struct ecert_fetched *ret,
                                     struct ecert_error *err)
{
    ECERT_TRY(ecert_silent_check(silent, fetch->url, err));
    if (ecert_network_fetch(network, fetch, ret, err) != ECERT_OK)
        return ecert_silent_note(silent, fetch->url, err);
    return ECERT_OK;
}
