#include "plugins/apache/copy_rules.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_WORDS 4

/* The arguments of a directive, as the server takes them. */
struct arguments {
    const char *list[MAX_WORDS];
    struct ecert_apache_word words[MAX_WORDS];
    size_t n;
};

static bool get_arguments(const struct ecert_apache_copy_rules *rules, struct ecert_view text,
                          const struct ecert_apache_piece *piece, struct arguments *ret)
{
    *ret = (struct arguments){0};
    for (size_t at = piece->name.end;
         ret->n < MAX_WORDS && ecert_apache_next_word(text, piece, &at, &ret->words[ret->n]);) {
        ret->list[ret->n] =
            ecert_apache_word_value(&rules->scan->variables, text, ret->words[ret->n]);
        if (ret->list[ret->n++] == NULL)
            return false;
    }
    return true;
}

static bool is_one_of(struct ecert_view text, const struct ecert_apache_piece *piece,
                      const char *const *names)
{
    for (; *names != NULL; names++)
        if (ecert_apache_is(text, piece, *names))
            return true;
    return false;
}

/* ---- names ----------------------------------------------------------------------------------- */

bool ecert_apache_copy_has(const struct ecert_apache_copy_rules *rules, const char *name)
{
    for (size_t i = 0; i < rules->host->n_names; i++)
        if (strcasecmp(rules->host->names[i], name) == 0)
            return true;
    return false;
}

bool ecert_apache_copy_keeps(const struct ecert_apache_copy_rules *rules, struct ecert_view text,
                             struct ecert_apache_word word)
{
    const char *value = ecert_apache_word_value(&rules->scan->variables, text, word);

    return value != NULL && ecert_apache_copy_has(rules, value);
}

static bool rule_alias(const struct ecert_apache_copy_rules *rules, struct ecert_view text,
                       const struct ecert_apache_piece *piece, struct ecert_apache_piece_rule *ret)
{
    struct ecert_apache_word word = {0};

    for (size_t at = piece->name.end; ecert_apache_next_word(text, piece, &at, &word);)
        if (!ecert_apache_copy_keeps(rules, text, word))
            ret->what = ECERT_APACHE_COPY_ALIAS;
    return true;
}

/* "http://www.example.com:80" would be what the site's own links lead to. */
static bool rule_name(const struct ecert_apache_copy_rules *rules,
                      const struct arguments *arguments, struct ecert_apache_piece_rule *ret)
{
    if (arguments->n == 0 || strchr(arguments->list[0], ':') == NULL)
        return true;
    ret->what = ECERT_APACHE_COPY_WORD;
    ret->word = arguments->words[0];
    ret->with = ecert_apache_bare_name(rules->scan->arena, arguments->list[0]);
    return ret->with != NULL;
}

/* ---- redirections ---------------------------------------------------------------------------- */

/*
 * Does this URL lead to the new virtual host?  Of a host name with a part that is known only when
 * the request comes it must be assumed.
 */
static bool leads_home(const struct ecert_apache_copy_rules *rules, const char *url)
{
    static const char scheme[] = "https://";
    char name[256];

    if (strncasecmp(url, scheme, strlen(scheme)) != 0)
        return false;
    const char *host = url + strlen(scheme);
    const size_t len = strcspn(host, ":/?#%$\\");
    if (len == 0 || len >= sizeof name || host[len] == '%' || host[len - 1] == '.')
        return true;
    if (host[len] == ':' && strtoul(host + len + 1, NULL, 10) != 443)
        return false;
    memcpy(name, host, len);
    name[len] = '\0';
    for (size_t i = 0; i < rules->host->n_names; i++)
        if (fnmatch(rules->host->names[i], name, FNM_NOESCAPE | FNM_CASEFOLD) == 0)
            return true;
    return false;
}

/* [chain], [C], [skip=2], [S=2]: the rules behind it are counted. */
static bool jumps(const char *flags)
{
    static const char *const names[] = {"C", "chain", "S", "skip"};

    while (*flags != '\0') {
        flags += strspn(flags, "[], \t");
        const size_t len = strcspn(flags, "=,] \t");
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
            if (len == strlen(names[i]) && strncasecmp(flags, names[i], len) == 0)
                return true;
        flags += strcspn(flags, ",]");
    }
    return false;
}

/* Redirect / URL, with or without a status */
static bool is_whole(const struct arguments *arguments)
{
    for (size_t i = 0; i < arguments->n; i++)
        if (strcmp(arguments->list[i], "/") == 0)
            return true;
    return false;
}

static bool rule_redirect(const struct ecert_apache_copy_rules *rules,
                          const struct arguments *arguments, bool rewrites,
                          struct ecert_apache_piece_rule *ret)
{
    const size_t which = rewrites ? 1 : arguments->n - 1;

    if (arguments->n <= which)
        return true;
    ret->jumps = rewrites && arguments->n > 2 && jumps(arguments->list[2]);
    if (leads_home(rules, arguments->list[which]))
        ret->what = ECERT_APACHE_COPY_REDIRECT;
    else
        ret->is_content = rewrites ? strcmp(arguments->list[1], "-") != 0 : is_whole(arguments);
    return true;
}

/* ---- what an application is told ------------------------------------------------------------- */

/* RequestHeader set X-Forwarded-Proto http */
static void rule_header(const struct arguments *arguments, struct ecert_apache_piece_rule *ret)
{
    static const struct {
        const char *header, *plain, *tls;
    } known[] = {
        {"X-Forwarded-Proto", "http", "https"},  {"X-Forwarded-Protocol", "http", "https"},
        {"X-Forwarded-Scheme", "http", "https"}, {"X-Scheme", "http", "https"},
        {"X-Url-Scheme", "http", "https"},       {"X-Forwarded-Port", "80", "443"},
        {"X-Forwarded-Ssl", "off", "on"},
    };

    for (size_t i = 0; arguments->n >= 3 && i < sizeof known / sizeof known[0]; i++) {
        const size_t len = strlen(known[i].header);
        const char *header = arguments->list[1];
        if (strncasecmp(header, known[i].header, len) != 0 ||
            (header[len] != '\0' && strcmp(header + len, ":") != 0) ||
            strcasecmp(arguments->list[2], known[i].plain) != 0)
            continue;
        ret->what = ECERT_APACHE_COPY_WORD;
        ret->word = arguments->words[2];
        ret->with = known[i].tls;
    }
}

/* ---- lines ----------------------------------------------------------------------------------- */

bool ecert_apache_copy_rule(const struct ecert_apache_copy_rules *rules, struct ecert_view text,
                            const struct ecert_apache_piece *piece,
                            struct ecert_apache_piece_rule *ret)
{
    static const char *const redirects[] = {"Redirect", "RedirectMatch", "RedirectPermanent",
                                            "RedirectTemp", NULL};
    static const char *const once[] = {"SSLEngine",
                                       "SSLCertificateFile",
                                       "SSLCertificateKeyFile",
                                       "SSLCertificateChainFile",
                                       "WSGIDaemonProcess",
                                       "FastCgiServer",
                                       "FastCgiExternalServer",
                                       NULL};
    static const char *const content[] = {"DocumentRoot",     "VirtualDocumentRoot",
                                          "ProxyPass",        "ProxyPassMatch",
                                          "WSGIScriptAlias",  "WSGIScriptAliasMatch",
                                          "SetHandler",       "JkMount",
                                          "FallbackResource", NULL};
    struct arguments arguments = {0};

    *ret = (struct ecert_apache_piece_rule){0};
    if (piece->kind != ECERT_APACHE_DIRECTIVE)
        return true;
    ret->is_include =
        ecert_apache_is(text, piece, "Include") || ecert_apache_is(text, piece, "IncludeOptional");
    ret->is_content = is_one_of(text, piece, content);
    ret->is_condition = ecert_apache_is(text, piece, "RewriteCond");
    if (is_one_of(text, piece, once)) {
        ret->what = ECERT_APACHE_COPY_LEAVE_OUT;
        return true;
    }
    if (ecert_apache_is(text, piece, "ServerAlias"))
        return rule_alias(rules, text, piece, ret);
    if (!get_arguments(rules, text, piece, &arguments))
        return false;
    if (ecert_apache_is(text, piece, "ServerName"))
        return rule_name(rules, &arguments, ret);
    if (ecert_apache_is(text, piece, "RewriteRule"))
        return rule_redirect(rules, &arguments, true, ret);
    if (arguments.n > 0 && is_one_of(text, piece, redirects))
        return rule_redirect(rules, &arguments, false, ret);
    if (ecert_apache_is(text, piece, "RequestHeader"))
        rule_header(&arguments, ret);
    return true;
}
