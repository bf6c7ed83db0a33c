/* The names of what is told: see reminders.h. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/monitor/reminders_internal.h"

static void add_field(struct ecert_buffer *buffer, struct ecert_view field)
{
    ecert_buffer_printf(buffer, "%zu:", field.len);
    ecert_buffer_add(buffer, field);
}

static void add_text(struct ecert_buffer *buffer, const char *text)
{
    add_field(buffer, ecert_view_of(text));
}

static void hex16(const uint8_t digest[ECERT_SHA256_LEN], char ret[ECERT_THING_LEN + 1])
{
    for (size_t i = 0; i < ECERT_THING_LEN / 2; i++)
        (void)snprintf(ret + 2 * i, 3, "%02x", digest[i]);
}

static enum ecert_status finish(struct ecert_buffer *fields, bool problem, struct ecert_thing *ret,
                                struct ecert_error *err)
{
    if (fields->failed)
        return ecert_error_nomem(err);
    ecert_sha256(ecert_buffer_view(fields), ret->digest);
    ret->digest[0] = (uint8_t)((ret->digest[0] & 0x7F) | (problem ? 0x80 : 0));
    hex16(ret->digest, ret->prefix);
    return ECERT_OK;
}

/*
 * The place without what changes while the place stays the same: the number of a generation, and
 * the position of a certificate in its file.
 */
static void add_place(struct ecert_buffer *fields, const char *where)
{
    static const char generation[] = "generation ", position[] = ", certificate ";
    struct ecert_view place = ecert_view_of(where);
    const char *found = NULL;

    for (const char *at = where; at != NULL && (at = strstr(at, position)) != NULL; at++)
        found = at;
    if (found != NULL) {
        const char *digits = found + strlen(position);
        if (digits[strspn(digits, "0123456789")] == '\0')
            place.len = (size_t)(found - where);
    }
    if (where != NULL && strncmp(where, generation, strlen(generation)) == 0) {
        const char *rest = where + strlen(generation);
        place = ecert_view_of(rest + strspn(rest, "0123456789"));
    }
    add_field(fields, place);
}

enum ecert_status ecert_thing_of_end(const struct ecert_finding *finding, struct ecert_thing *ret,
                                     struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer fields = {0};

    add_text(&fields, "end");
    add_text(&fields, finding->name);
    add_text(&fields, finding->sha256);
    if (finding->sha256[0] == '\0') {
        char end[32];

        (void)snprintf(end, sizeof end, "%" PRId64, finding->not_after);
        add_text(&fields, ecert_watched_word(finding->watched));
        add_text(&fields, finding->serial);
        add_text(&fields, end);
        /* the lists of one authority have its name, and often one end */
        if (finding->watched == ECERT_WATCHED_CRL)
            add_place(&fields, finding->where);
    }
    return finish(&fields, false, ret, err);
}

enum ecert_status ecert_thing_of_problem(const struct ecert_finding *finding,
                                         struct ecert_thing *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer fields = {0};

    add_text(&fields, "problem");
    add_text(&fields, ecert_watched_word(finding->watched));
    add_text(&fields, finding->name);
    add_text(&fields, ecert_condition_word(finding->condition));
    /* where an issuer is shown says how many chains it is in, which changes with each of them */
    add_place(&fields, finding->watched == ECERT_WATCHED_CHAIN ? "" : finding->where);
    add_text(&fields, finding->sha256);
    return finish(&fields, true, ret, err);
}

enum ecert_status ecert_thing_of_place(const struct ecert_finding *finding, struct ecert_thing *ret,
                                       struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer fields = {0};

    add_text(&fields, "place");
    add_text(&fields, ecert_watched_word(finding->watched));
    add_text(&fields, finding->name);
    add_place(&fields, finding->where);
    return finish(&fields, true, ret, err);
}

void ecert_thing_key(const struct ecert_thing *thing, int64_t number, char ret[ECERT_KEY_LEN + 1])
{
    uint8_t bytes[ECERT_SHA256_LEN + 32], digest[ECERT_SHA256_LEN];

    memcpy(bytes, thing->digest, ECERT_SHA256_LEN);
    const int n = snprintf((char *)bytes + ECERT_SHA256_LEN, 32, "%" PRId64, number);
    ecert_sha256((struct ecert_view){bytes, ECERT_SHA256_LEN + (size_t)n}, digest);
    memcpy(ret, thing->prefix, ECERT_THING_LEN);
    hex16(digest, ret + ECERT_THING_LEN);
}

bool ecert_key_is_problem(const char *key)
{
    return key[0] >= '8';
}

bool ecert_key_of_name(const char *name, char ret[ECERT_KEY_LEN + 1])
{
    if (strspn(name, "0123456789abcdef") != ECERT_KEY_LEN ||
        strcmp(name + ECERT_KEY_LEN, ".json") != 0)
        return false;
    memcpy(ret, name, ECERT_KEY_LEN);
    ret[ECERT_KEY_LEN] = '\0';
    return true;
}
