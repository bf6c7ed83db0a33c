/* What single values of a configuration must look like. */
#include "core/flow/config_read.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/fs.h"
#include "core/flow/checks.h"
#include "core/flow/host_name.h"
#include "core/flow/nearest.h"

enum ecert_status ecert_config_is_path(const char *value, struct ecert_error *err)
{
    if (!ecert_path_is_plain(value))
        return ecert_error_set(err, ECERT_E_CONFIG,
                               "'%s' is not an absolute path without '.', '..' and empty parts",
                               value);
    return ECERT_OK;
}

enum ecert_status ecert_config_is_place(const char *value, struct ecert_error *err)
{
    ECERT_TRY(ecert_config_is_path(value, err));
    if (strchr(value + 1, '/') == NULL)
        return ecert_error_set(err, ECERT_E_CONFIG,
                               "'%s' is too wide to be written below; name a directory inside it",
                               value);
    return ECERT_OK;
}

enum ecert_status ecert_config_is_file(const char *value, struct ecert_error *err)
{
    struct stat st;

    ECERT_TRY(ecert_config_is_path(value, err));
    if (stat(value, &st) != 0)
        return ecert_error_errno(err, ECERT_E_CONFIG, "'%s'", value);
    if (!S_ISREG(st.st_mode))
        return ecert_error_set(err, ECERT_E_CONFIG, "'%s' is not a regular file", value);
    return ECERT_OK;
}

enum ecert_status ecert_config_is_key_file(const char *value, struct ecert_error *err)
{
    struct ecert_error why = {0};

    if (ecert_config_is_file(value, &why) == ECERT_OK)
        return ECERT_OK;
    if (why.sys_errno != ENOENT) {
        *err = why;
        return why.status;
    }
    (void)ecert_error_set(err, why.status,
                          "%s; leave 'file' out if `ecert request` shall make the key", why.text);
    err->sys_errno = why.sys_errno;
    return err->status;
}

enum ecert_status ecert_config_is_trusted_file(const char *value, struct ecert_error *err)
{
    ECERT_TRY(ecert_config_is_path(value, err));
    return ecert_fs_check_trusted(value, err);
}

enum ecert_status ecert_config_is_secret_file(const char *value, struct ecert_error *err)
{
    struct stat st;

    ECERT_TRY(ecert_config_is_trusted_file(value, err));
    if (stat(value, &st) != 0)
        return ecert_error_errno(err, ECERT_E_CONFIG, "'%s'", value);
    if ((st.st_mode & S_IROTH) != 0)
        return ecert_error_set(err, ECERT_E_REFUSED,
                               "'%s' holds a secret and everybody can read it (mode %04o); chmod "
                               "o-r '%s'",
                               value, (unsigned)(st.st_mode & 07777), value);
    return ECERT_OK;
}

enum ecert_status ecert_config_is_watch_secret(const char *value, struct ecert_error *err)
{
    struct ecert_error why = {0};

    ECERT_TRY(ecert_config_is_path(value, err));
    if (ecert_config_is_secret_file(value, &why) == ECERT_OK || why.status == ECERT_E_NOT_FOUND)
        return ECERT_OK;
    *err = why;
    return why.status;
}

enum ecert_status ecert_config_is_list_file(const char *value, struct ecert_error *err)
{
    struct ecert_error why = {0};

    ECERT_TRY(ecert_config_is_path(value, err));
    if (ecert_fs_check_trusted(value, &why) == ECERT_OK || why.status == ECERT_E_NOT_FOUND)
        return ECERT_OK;
    *err = why;
    return why.status;
}

/* ---- names ---- */

/* Also of hosts that no public CA would name: a label alone is one. */
static enum ecert_status is_ascii_host_name(const char *value, struct ecert_error *err)
{
    const char *label = strncmp(value, "*.", 2) == 0 ? value + 2 : value;
    const char *last = strrchr(value, '.');
    const char *rule = last != NULL && last > value && last[1] == '\0'
                           ? "it ends in a dot; write it without"
                           : ecert_host_name_rule(label);

    if (rule != NULL)
        return ecert_error_set(err, ECERT_E_CONFIG, "'%s' is not a host name: %s", value, rule);
    last = last == NULL ? value : last + 1;
    if (strspn(last, "0123456789") == strlen(last))
        return ecert_error_set(err, ECERT_E_CONFIG, "'%s' is not a host name but an address",
                               value);
    return ECERT_OK;
}

enum ecert_status ecert_config_is_host_name(const char *value, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *ascii = NULL;

    if (ecert_text_is_ascii(value))
        return is_ascii_host_name(value, err);
    return ecert_host_name_to_ascii(value, &ascii, err);
}

static bool is_id(const char *value)
{
    const size_t n = strlen(value);

    return n <= 64 && value[0] != '.' && value[0] != '-' &&
           strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == n;
}

enum ecert_status ecert_config_is_target_id(const char *value, struct ecert_error *err)
{
    if (!is_id(value))
        return ecert_error_set(err, ECERT_E_CONFIG,
                               "'%s' is not an id: letters, digits, '.', '_' and '-', not in front",
                               value);
    return ECERT_OK;
}

enum ecert_status ecert_config_is_authority_id(const char *value, struct ecert_error *err)
{
    return ecert_config_is_target_id(value, err);
}

enum ecert_status ecert_config_is_check_id(const char *value, struct ecert_error *err)
{
    const size_t n = ecert_checks_count();

    if (ecert_check_exists(value))
        return ECERT_OK;
    const char **ids = calloc(n + 1, sizeof *ids);
    if (ids == NULL)
        return ecert_error_nomem(err);
    for (size_t i = 0; i < n; i++) {
        struct ecert_check_result row = {0};

        ecert_checks_describe(i, &row);
        ids[i] = row.id;
    }
    const char *near = ecert_nearest_word(value, ids);
    free(ids);
    if (near != NULL)
        return ecert_error_set(err, ECERT_E_CONFIG, "there is no check '%s' (did you mean '%s'?)",
                               value, near);
    return ecert_error_set(err, ECERT_E_CONFIG,
                           "there is no check '%s'; 'ecert verify' prints the ids", value);
}

static bool is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

enum ecert_status ecert_config_is_date(const char *value, struct ecert_error *err)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year = 0, month = 0, day = 0;
    char end = '\0';

    if (strlen(value) == 10 && strspn(value, "0123456789-") == 10 && value[4] == '-' &&
        value[7] == '-' && sscanf(value, "%4d-%2d-%2d%c", &year, &month, &day, &end) == 3 &&
        year >= 2000 && month >= 1 && month <= 12 && day >= 1 &&
        day <= days[month - 1] + (month == 2 && is_leap(year)))
        return ECERT_OK;
    return ecert_error_set(err, ECERT_E_CONFIG, "'%s' is not a date like 2027-06-30", value);
}

/* ---- addresses ---- */

/* scheme://host...; a name or password in front of the host does not belong in a configuration. */
static enum ecert_status check_url(const char *value, const char *const *schemes, const char *words,
                                   struct ecert_error *err)
{
    const char *rest = strstr(value, "://");

    for (size_t i = 0; rest != NULL && schemes[i] != NULL; i++) {
        if (strlen(schemes[i]) != (size_t)(rest - value) ||
            strncasecmp(value, schemes[i], (size_t)(rest - value)) != 0)
            continue;
        const size_t authority = strcspn(rest + 3, "/?#");
        if (memchr(rest + 3, '@', authority) != NULL)
            return ecert_error_set(err, ECERT_E_CONFIG,
                                   "the address holds a name or password; those never stand in "
                                   "the configuration");
        const bool local = strcmp(schemes[i], "file") == 0;
        if (local ? !ecert_path_is_plain(rest + 3) : authority == 0)
            break;
        if (strpbrk(value, " \"<>\\^`{|}") != NULL)
            break;
        return ECERT_OK;
    }
    return ecert_error_set(err, ECERT_E_CONFIG, "'%s' is not an address (%s)", value, words);
}

enum ecert_status ecert_config_is_source_url(const char *value, struct ecert_error *err)
{
    return check_url(value, (const char *const[]){"http", "https", "file", "ldap", "ldaps", NULL},
                     "http://, https:// or file:///path; of a directory ldap:// or ldaps://", err);
}

enum ecert_status ecert_config_is_proxy_url(const char *value, struct ecert_error *err)
{
    return check_url(value, (const char *const[]){"http", "https", NULL},
                     "http://host:port or https://host:port", err);
}

/* ---- hosts with ports ---- */

/* A host name without "*.", or a numeric address that stands for one machine. */
static bool is_machine(const char *host, bool bracketed)
{
    struct ecert_error ignored = {0};
    unsigned char address[16];

    if (bracketed)
        return inet_pton(AF_INET6, host, address) == 1 && strcmp(host, "::") != 0;
    if (inet_pton(AF_INET, host, address) == 1)
        return strcmp(host, "0.0.0.0") != 0;
    return host[0] != '*' && is_ascii_host_name(host, &ignored) == ECERT_OK;
}

static bool is_port(const char *text)
{
    return text[0] != '\0' && strlen(text) <= 5 && strspn(text, "0123456789") == strlen(text) &&
           atoi(text) >= 1 && atoi(text) <= UINT16_MAX;
}

/* Cuts `text`: *ret_host into it, *ret_port into it or NULL where there is none. */
static bool split_machine(char *text, char **ret_host, char **ret_port, bool *ret_bracketed)
{
    char *end;

    *ret_bracketed = text[0] == '[';
    *ret_host = *ret_bracketed ? text + 1 : text;
    *ret_port = NULL;
    end = *ret_bracketed ? strchr(text, ']') : strchr(text, ':');
    if (end == NULL)
        return !*ret_bracketed;
    char *colon = *ret_bracketed ? end + 1 : end;
    if (*colon != ':' && *colon != '\0')
        return false;
    if (*colon == ':')
        *ret_port = colon + 1;
    *end = '\0';
    return true;
}

/* HOST:PORT, the port where it is needed.  *ret_host (owned) is the host without brackets. */
static bool read_machine(const char *value, size_t len, bool needs_port, char **ret_host,
                         bool *ret_bracketed)
{
    ECERT_AUTO(ecert_auto_free) char *copy = strndup(value, len);
    char *host = NULL, *port = NULL;

    if (copy == NULL || !split_machine(copy, &host, &port, ret_bracketed) ||
        !is_machine(host, *ret_bracketed) || (port == NULL ? needs_port : !is_port(port)))
        return false;
    *ret_host = strdup(host);
    return *ret_host != NULL;
}

enum ecert_status ecert_config_is_endpoint(const char *value, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *host = NULL;
    bool bracketed;

    if (!read_machine(value, strlen(value), true, &host, &bracketed))
        return ecert_error_set(err, ECERT_E_CONFIG,
                               "'%s' is not host:port, such as \"www.example.com:443\" or "
                               "\"[2001:db8::1]:443\"",
                               value);
    return ECERT_OK;
}

enum ecert_status ecert_config_is_resolver(const char *value, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *host = NULL;
    unsigned char address[16];
    bool bracketed;

    if (read_machine(value, strlen(value), true, &host, &bracketed) &&
        inet_pton(bracketed ? AF_INET6 : AF_INET, host, address) == 1)
        return ECERT_OK;
    return ecert_error_set(err, ECERT_E_CONFIG,
                           "'%s' is not address:port of a name server, such as \"192.0.2.53:53\" "
                           "or \"[2001:db8::53]:53\"",
                           value);
}

enum ecert_status ecert_config_is_server_name(const char *value, struct ecert_error *err)
{
    if (value[0] == '*')
        return ecert_error_set(err, ECERT_E_CONFIG,
                               "'%s' is a wildcard; name one host that the server is asked for",
                               value);
    return ecert_config_is_host_name(value, err);
}

enum ecert_status ecert_config_is_mail_url(const char *value, struct ecert_error *err)
{
    static const char words[] = "smtp://host[:port] or smtps://host[:port]";
    ECERT_AUTO(ecert_auto_free) char *host = NULL;
    bool bracketed;

    ECERT_TRY(check_url(value, (const char *const[]){"smtp", "smtps", NULL}, words, err));
    const char *machine = strstr(value, "://") + 3;
    if (!read_machine(machine, strlen(machine), false, &host, &bracketed))
        return ecert_error_set(err, ECERT_E_CONFIG, "'%s' is not an address (%s)", value, words);
    return ECERT_OK;
}

/* Numeric only: what "localhost" is, a resolver decides. */
static bool is_loopback(const char *host, bool bracketed)
{
    unsigned char address[16];

    if (bracketed)
        return inet_pton(AF_INET6, host, address) == 1 &&
               memcmp(address, &in6addr_loopback, sizeof address) == 0;
    return inet_pton(AF_INET, host, address) == 1 && address[0] == 127;
}

enum ecert_status ecert_config_is_webhook_url(const char *value, struct ecert_error *err)
{
    static const char words[] = "https://host/path";
    ECERT_AUTO(ecert_auto_free) char *host = NULL;
    bool bracketed;

    ECERT_TRY(check_url(value, (const char *const[]){"https", "http", NULL}, words, err));
    const char *machine = strstr(value, "://") + 3;
    if (!read_machine(machine, strcspn(machine, "/?#"), false, &host, &bracketed))
        return ecert_error_set(err, ECERT_E_CONFIG, "'%s' is not an address (%s)", value, words);
    if (strncasecmp(value, "http:", 5) == 0 && !is_loopback(host, bracketed))
        return ecert_error_set(err, ECERT_E_CONFIG,
                               "'%s' would be sent in the clear; use https (http only to "
                               "127.0.0.1 or [::1])",
                               value);
    return ECERT_OK;
}

enum ecert_status ecert_config_is_directory_url(const char *value, struct ecert_error *err)
{
    static const char words[] = "ldap://host[:port] or ldaps://host[:port]";
    ECERT_AUTO(ecert_auto_free) char *host = NULL;
    bool bracketed;

    ECERT_TRY(check_url(value, (const char *const[]){"ldap", "ldaps", NULL}, words, err));
    const char *machine = strstr(value, "://") + 3;
    if (!read_machine(machine, strlen(machine), false, &host, &bracketed))
        return ecert_error_set(err, ECERT_E_CONFIG, "'%s' is not an address (%s)", value, words);
    return ECERT_OK;
}

bool ecert_config_is_private_url(const char *value)
{
    ECERT_AUTO(ecert_auto_free) char *host = NULL;
    const char *machine = strstr(value, "://");
    bool bracketed;

    return strncasecmp(value, "ldaps:", 6) == 0 ||
           (machine != NULL &&
            read_machine(machine + 3, strlen(machine + 3), false, &host, &bracketed) &&
            is_loopback(host, bracketed));
}

/* ---- people ---- */

/* RFC 5321, 4.1.2, without quoted local parts and address literals, which nobody's mailbox has. */
enum ecert_status ecert_config_is_email(const char *value, struct ecert_error *err)
{
    static const char atext[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                "!#$%&'*+-/=?^_`{|}~.";
    const char *at = strrchr(value, '@');
    const size_t local = at == NULL ? 0 : (size_t)(at - value);
    struct ecert_error ignored = {0};

    if (strpbrk(value, "<> ") != NULL)
        return ecert_error_set(err, ECERT_E_CONFIG,
                               "'%s' is not an e-mail address; write the address alone, the name "
                               "belongs into 'contacts'",
                               value);
    if (local < 1 || local > 64 || strlen(value) > 254 || strspn(value, atext) != local ||
        value[0] == '.' || value[local - 1] == '.' || strstr(value, "..") != NULL || at[1] == '*' ||
        is_ascii_host_name(at + 1, &ignored) != ECERT_OK)
        return ecert_error_set(err, ECERT_E_CONFIG,
                               "'%s' is not an e-mail address such as \"admin@example.com\"",
                               value);
    return ECERT_OK;
}

enum ecert_status ecert_config_is_sender(const char *value, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *address = NULL;
    const char *open = strchr(value, '<');
    const size_t len = strlen(value);
    struct ecert_error ignored = {0};

    if (open == NULL)
        return ecert_config_is_email(value, err);
    address = strndup(open + 1, len - (size_t)(open + 1 - value) - 1);
    if (address == NULL)
        return ecert_error_nomem(err);
    if (value[len - 1] != '>' || open == value || open[-1] != ' ' ||
        memchr(value, '"', (size_t)(open - value)) != NULL ||
        ecert_config_is_email(address, &ignored) != ECERT_OK)
        return ecert_error_set(err, ECERT_E_CONFIG,
                               "'%s' is not a sender such as \"ecert@example.com\" or \"Name "
                               "<ecert@example.com>\"",
                               value);
    return ECERT_OK;
}

/* ---- words ---- */

/* `words` ends with NULL. */
static enum ecert_status check_word(const char *value, const char *const *words,
                                    struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer known = {0};

    for (size_t i = 0; words[i] != NULL; i++) {
        if (strcmp(words[i], value) == 0)
            return ECERT_OK;
        ecert_buffer_printf(&known, "%s%s", i > 0 ? ", " : "", words[i]);
    }
    const char *near = ecert_nearest_word(value, words);
    if (known.failed)
        return ecert_error_nomem(err);
    return ecert_error_set(err, ECERT_E_CONFIG, "'%s' is none of %s%s%s%s", value,
                           (const char *)known.ptr, near == NULL ? "" : " (did you mean '",
                           near == NULL ? "" : near, near == NULL ? "" : "'?)");
}

enum ecert_status ecert_config_is_starttls(const char *value, struct ecert_error *err)
{
    return check_word(value, (const char *const[]){"smtp", "imap", "pop3", "ftp", "ldap", NULL},
                      err);
}

enum ecert_status ecert_config_is_language(const char *value, struct ecert_error *err)
{
    return check_word(value, (const char *const[]){"en", "zh_HK", NULL}, err);
}

enum ecert_status ecert_config_is_digest_day(const char *value, struct ecert_error *err)
{
    return check_word(value,
                      (const char *const[]){"monday", "tuesday", "wednesday", "thursday", "friday",
                                            "saturday", "sunday", "never", NULL},
                      err);
}

enum ecert_status ecert_config_is_template(const char *value, struct ecert_error *err)
{
    return check_word(value, (const char *const[]){"json", "slack", "teams", NULL}, err);
}
