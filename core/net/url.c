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

/* Which addresses are wanted, and what is said of others. */
struct family {
    const char *schemes[3]; /* in the order of enum ecert_url_kind, from `first` on */
    enum ecert_url_kind first;
    const char *allowed, *form;
};
static const struct family files = {.schemes = {"http", "https", "file"},
                                    .first = ECERT_URL_HTTP,
                                    .allowed = "http, https and file",
                                    .form = "http://HOST/…, https://HOST/… or file:///PATH"};
static const struct family mail = {.schemes = {"smtp", "smtps"},
                                   .first = ECERT_URL_SMTP,
                                   .allowed = "smtp and smtps",
                                   .form = "smtp://HOST or smtps://HOST"};

static enum ecert_status find_kind(CURLU *url, const struct family *family, const char *words,
                                   enum ecert_url_kind *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *scheme = part_of(url, CURLUPART_SCHEME, 0);

    for (size_t i = 0; scheme != NULL && i < ARRAY_SIZE(family->schemes); i++)
        if (family->schemes[i] != NULL && strcmp(scheme, family->schemes[i]) == 0) {
            *ret = (enum ecert_url_kind)(family->first + i);
            return ECERT_OK;
        }
    return ecert_error_set(err, ECERT_E_REFUSED, "'%s': the scheme '%s' is not allowed (%s are)",
                           words, scheme == NULL ? "" : scheme, family->allowed);
}

static enum ecert_status examine(CURLU *url, const struct family *family, struct ecert_url *ret,
                                 struct ecert_error *err)
{
    ret->text = part_of(url, CURLUPART_URL, 0);
    ret->shown = shown(url);
    if (ret->text == NULL || ret->shown == NULL)
        return ecert_error_nomem(err);
    ECERT_TRY(find_kind(url, family, ret->shown, &ret->kind, err));
    if (ret->kind == ECERT_URL_FILE) {
        ret->path = part_of(url, CURLUPART_PATH, CURLU_URLDECODE);
        if (ret->path == NULL) /* %00 is one reason */
            return ecert_error_set(err, ECERT_E_REFUSED, "'%s' names no file", ret->shown);
        return ECERT_OK;
    }
    ret->host = part_of(url, CURLUPART_HOST, 0);
    if (ret->host == NULL)
        return ecert_error_set(err, ECERT_E_REFUSED, "'%s' names no host", ret->shown);
    if (family == &mail && strcmp(ret->text, ret->shown) != 0)
        return ecert_error_set(err, ECERT_E_REFUSED,
                               "'%s': the address of a mail server holds nothing but the host and "
                               "the port (a user and password are settings of their own)",
                               ret->shown);
    if (ret->kind == ECERT_URL_HTTP &&
        (has_part(url, CURLUPART_USER) || has_part(url, CURLUPART_PASSWORD)))
        return ecert_error_set(err, ECERT_E_REFUSED,
                               "'%s': a user and password are only sent with https", ret->shown);
    return ECERT_OK;
}

/* `base`: what a relative address is relative to; NULL: it must be absolute. */
static enum ecert_status parse(const char *base, const char *text, const struct family *family,
                               struct ecert_url *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_url_clear) struct ecert_url parsed = {0};
    ECERT_AUTO(auto_url) CURLU *url = curl_url();

    if (url == NULL)
        return ecert_error_nomem(err);
    if ((base != NULL && curl_url_set(url, CURLUPART_URL, base, 0) != CURLUE_OK) ||
        curl_url_set(url, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK)
        return ecert_error_set(err, ECERT_E_REFUSED, "not a URL (wanted: %s)", family->form);
    ECERT_TRY(examine(url, family, &parsed, err));
    *ret = parsed;
    parsed = (struct ecert_url){0};
    return ECERT_OK;
}

enum ecert_status ecert_url_parse(const char *text, struct ecert_url *ret, struct ecert_error *err)
{
    return parse(NULL, text, &files, ret, err);
}

enum ecert_status ecert_url_parse_mail(const char *text, struct ecert_url *ret,
                                       struct ecert_error *err)
{
    return parse(NULL, text, &mail, ret, err);
}

enum ecert_status ecert_url_redirect(const struct ecert_url *from, const char *location,
                                     struct ecert_url *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_url_clear) struct ecert_url to = {0};

    if (parse(from->text, location, &files, &to, err) != ECERT_OK)
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
