/* What single values of a configuration must look like. */
#include "core/flow/config_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/fs.h"
#include "core/flow/checks.h"
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

enum ecert_status ecert_config_is_trusted_file(const char *value, struct ecert_error *err)
{
    ECERT_TRY(ecert_config_is_path(value, err));
    return ecert_fs_check_trusted(value, err);
}

/* One label: letters, digits, hyphens inside (RFC 1123, 2.1). */
static bool is_label(const char *label, size_t n)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-";

    return n > 0 && n <= 63 && strspn(label, allowed) >= n && label[0] != '-' &&
           label[n - 1] != '-';
}

enum ecert_status ecert_config_is_host_name(const char *value, struct ecert_error *err)
{
    const char *label = strncmp(value, "*.", 2) == 0 ? value + 2 : value;
    const char *last = strrchr(value, '.');

    for (const char *p = value; *p != '\0'; p++)
        if ((unsigned char)*p >= 0x80)
            return ecert_error_set(err, ECERT_E_CONFIG,
                                   "'%s' has letters outside of ASCII; write the name as A-labels, "
                                   "\"xn--...\"",
                                   value);
    if (strlen(value) > 253)
        return ecert_error_set(err, ECERT_E_CONFIG, "'%s' is too long for a host name", value);
    for (;;) {
        const size_t n = strcspn(label, ".");

        if (!is_label(label, n))
            return ecert_error_set(err, ECERT_E_CONFIG, "'%s' is not a host name", value);
        if (label[n] == '\0')
            break;
        label += n + 1;
    }
    last = last == NULL ? value : last + 1;
    if (strspn(last, "0123456789") == strlen(last))
        return ecert_error_set(err, ECERT_E_CONFIG, "'%s' is not a host name but an address",
                               value);
    return ECERT_OK;
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

/* scheme://host...; a name or password in front of the host does not belong in a configuration. */
static enum ecert_status check_url(const char *value, const char *const *schemes,
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
    return ecert_error_set(err, ECERT_E_CONFIG, "'%s' is not an address (%s)", value,
                           schemes[2] == NULL ? "http://host:port or https://host:port"
                                              : "http://, https:// or file:///path");
}

enum ecert_status ecert_config_is_source_url(const char *value, struct ecert_error *err)
{
    return check_url(value, (const char *const[]){"http", "https", "file", NULL}, err);
}

enum ecert_status ecert_config_is_proxy_url(const char *value, struct ecert_error *err)
{
    return check_url(value, (const char *const[]){"http", "https", NULL}, err);
}
