#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/flow/decode_forms.h"

#define NAME_SIZE   80
#define MOST_PIECES 20

/* One parameter as it stands: its name, and its value without quotes, cut off where too long. */
struct parameter {
    char name[NAME_SIZE];
    char value[ECERT_DECODE_PARAMETER_SIZE];
};

/* The value at *at; afterwards *at is behind it. */
static void read_value(const char **at, char ret[ECERT_DECODE_PARAMETER_SIZE])
{
    const char *c = *at + strspn(*at, " ");
    const bool quoted = *c == '"';
    size_t n = 0;

    for (c += quoted ? 1 : 0; *c != '\0'; c++) {
        if (quoted ? *c == '"' : strchr("; ", *c) != NULL)
            break;
        if (quoted && *c == '\\' && c[1] != '\0')
            c++;
        if (n + 1 < ECERT_DECODE_PARAMETER_SIZE)
            ret[n++] = *c;
    }
    ret[n] = '\0';
    *at = c;
}

/* The next one; *rest is at a ";" or at the end, and quotes may hold a ";". */
static bool next_parameter(const char **rest, struct parameter *ret)
{
    const char *at = *rest;

    if (*at != ';')
        return false;
    at += 1 + strspn(at + 1, " ");
    const size_t n = strcspn(at, "=; \"");
    const size_t kept = n < NAME_SIZE ? n : NAME_SIZE - 1;
    memcpy(ret->name, at, kept);
    ret->name[kept] = '\0';
    ret->value[0] = '\0';
    at += n + strspn(at + n, " ");
    if (*at == '=') {
        at++;
        read_value(&at, ret->value);
    }
    *rest = at + strcspn(at, ";");
    return true;
}

static bool find(const char *type, const char *name, struct parameter *ret)
{
    const char *rest = type + strcspn(type, ";");

    while (next_parameter(&rest, ret))
        if (strcasecmp(ret->name, name) == 0)
            return true;
    return false;
}

static int hex_digit(char c)
{
    const char *const digits = "0123456789abcdef";
    const char *const found = c == '\0' ? NULL : strchr(digits, c >= 'A' && c <= 'F' ? c + 32 : c);

    return found == NULL ? -1 : (int)(found - digits);
}

/* RFC 2231, 4: "%3D" is a byte; before the first piece stand a character set and a language. */
static void decode_percent(char *value, bool first)
{
    const char *from = value;
    char *to = value;

    for (int i = 0; first && i < 2 && strchr(from, '\'') != NULL; i++)
        from = strchr(from, '\'') + 1;
    while (*from != '\0') {
        if (*from == '%' && hex_digit(from[1]) >= 0 && hex_digit(from[2]) >= 0) {
            *to++ = (char)(hex_digit(from[1]) * 16 + hex_digit(from[2]));
            from += 3;
        } else {
            *to++ = *from++;
        }
    }
    *to = '\0';
}

/* RFC 2231, 3: `name*0=...; name*1=...`, in any order, and with a last "*" if it is encoded. */
static bool find_piece(const char *type, const char *name, int number, struct parameter *ret)
{
    char numbered[NAME_SIZE];

    (void)snprintf(numbered, sizeof numbered, "%s*%d", name, number);
    if (find(type, numbered, ret))
        return true;
    (void)snprintf(numbered, sizeof numbered, "%s*%d*", name, number);
    if (!find(type, numbered, ret)) {
        (void)snprintf(numbered, sizeof numbered, "%s*", name);
        if (number > 0 || !find(type, numbered, ret))
            return false;
    }
    decode_percent(ret->value, number == 0);
    return true;
}

void ecert_decode_parameter(const char *type, const char *name,
                            char ret[ECERT_DECODE_PARAMETER_SIZE])
{
    struct parameter found;
    size_t n = 0;

    ret[0] = '\0';
    if (find(type, name, &found)) {
        memcpy(ret, found.value, sizeof found.value);
        return;
    }
    for (int i = 0; i < MOST_PIECES && find_piece(type, name, i, &found); i++) {
        const size_t len = strlen(found.value);
        const size_t room = ECERT_DECODE_PARAMETER_SIZE - 1 - n;

        memcpy(ret + n, found.value, len < room ? len : room);
        n += len < room ? len : room;
        ret[n] = '\0';
    }
}
