#include "core/net/url.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static void auto_url(CURLU **url)
{
    curl_url_cleanup(*url);
}

static void auto_curl_free(char **text)
{
    curl_free(*text);
}

void ecert_url_clear(struct ecert_url *url)
{
    free(url->text);
    free(url->shown);
    free(url->host);
    free(url->path);
    *url = (struct ecert_url){0};
}

/* A part of the URL; NULL if it is absent (or memory is short, which callers take the same). */
static char *part_of(CURLU *url, CURLUPart part, unsigned flags)
{
    ECERT_AUTO(auto_curl_free) char *text = NULL;

    if (curl_url_get(url, part, &text, flags) != CURLUE_OK)
        return NULL;
    return strdup(text);
}

static bool has_part(CURLU *url, CURLUPart part)
{
    ECERT_AUTO(auto_curl_free) char *text = NULL;

    return curl_url_get(url, part, &text, 0) == CURLUE_OK;
}

static char *shown(CURLU *url)
{
    static const CURLUPart hidden[] = {CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_OPTIONS,
                                       CURLUPART_QUERY, CURLUPART_FRAGMENT};
    ECERT_AUTO(auto_url) CURLU *copy = curl_url_dup(url);

    if (copy == NULL)
        return NULL;
    for (size_t i = 0; i < ARRAY_SIZE(hidden); i++)
        (void)curl_url_set(copy, hidden[i], NULL, 0);
    return part_of(copy, CURLUPART_URL, 0);
}

static enum ecert_status find_kind(CURLU *url, const char *words, enum ecert_url_kind *ret,
                                   struct ecert_error *err)
{
    static const char *const schemes[] = {
        [ECERT_URL_HTTP] = "http", [ECERT_URL_HTTPS] = "https", [ECERT_URL_FILE] = "file"};
    ECERT_AUTO(ecert_auto_free) char *scheme = part_of(url, CURLUPART_SCHEME, 0);

    for (size_t i = 0; scheme != NULL && i < ARRAY_SIZE(schemes); i++)
        if (strcmp(scheme, schemes[i]) == 0) {
            *ret = (enum ecert_url_kind)i;
            return ECERT_OK;
        }
    return ecert_error_set(err, ECERT_E_REFUSED,
                           "'%s': the scheme '%s' is not allowed (http, https and file are)", words,
                           scheme == NULL ? "" : scheme);
}

static enum ecert_status examine(CURLU *url, struct ecert_url *ret, struct ecert_error *err)
{
    ret->text = part_of(url, CURLUPART_URL, 0);
    ret->shown = shown(url);
    if (ret->text == NULL || ret->shown == NULL)
        return ecert_error_nomem(err);
    ECERT_TRY(find_kind(url, ret->shown, &ret->kind, err));
    if (ret->kind == ECERT_URL_FILE) {
        ret->path = part_of(url, CURLUPART_PATH, CURLU_URLDECODE);
        if (ret->path == NULL) /* %00 is one reason */
            return ecert_error_set(err, ECERT_E_REFUSED, "'%s' names no file", ret->shown);
        return ECERT_OK;
    }
    ret->host = part_of(url, CURLUPART_HOST, 0);
    if (ret->host == NULL)
        return ecert_error_set(err, ECERT_E_REFUSED, "'%s' names no host", ret->shown);
    if (ret->kind == ECERT_URL_HTTP &&
        (has_part(url, CURLUPART_USER) || has_part(url, CURLUPART_PASSWORD)))
        return ecert_error_set(err, ECERT_E_REFUSED,
                               "'%s': a user and password are only sent with https", ret->shown);
    return ECERT_OK;
}

/* `base`: what a relative address is relative to; NULL: it must be absolute. */
static enum ecert_status parse(const char *base, const char *text, struct ecert_url *ret,
                               struct ecert_error *err)
{
    ECERT_AUTO(ecert_url_clear) struct ecert_url parsed = {0};
    ECERT_AUTO(auto_url) CURLU *url = curl_url();

    if (url == NULL)
        return ecert_error_nomem(err);
    if ((base != NULL && curl_url_set(url, CURLUPART_URL, base, 0) != CURLUE_OK) ||
        curl_url_set(url, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK)
        return ecert_error_set(err, ECERT_E_REFUSED,
                               "not a URL (wanted: http://HOST/…, https://HOST/… or file:///PATH)");
    ECERT_TRY(examine(url, &parsed, err));
    *ret = parsed;
    parsed = (struct ecert_url){0};
    return ECERT_OK;
}

enum ecert_status ecert_url_parse(const char *text, struct ecert_url *ret, struct ecert_error *err)
{
    return parse(NULL, text, ret, err);
}

enum ecert_status ecert_url_redirect(const struct ecert_url *from, const char *location,
                                     struct ecert_url *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_url_clear) struct ecert_url to = {0};

    if (parse(from->text, location, &to, err) != ECERT_OK)
        return ecert_error_wrap(err, "'%s' redirects to an address that is not fetched",
                                from->shown);
    if (from->host == NULL || to.host == NULL || strcasecmp(from->host, to.host) != 0)
        return ecert_error_set(err, ECERT_E_NETWORK,
                               "'%s' redirects to another host, '%s'; if that is right, configure "
                               "that address",
                               from->shown, to.shown);
    if (from->kind == ECERT_URL_HTTPS && to.kind != ECERT_URL_HTTPS)
        return ecert_error_set(err, ECERT_E_NETWORK, "'%s' redirects from https to '%s'",
                               from->shown, to.shown);
    *ret = to;
    to = (struct ecert_url){0};
    return ECERT_OK;
}
