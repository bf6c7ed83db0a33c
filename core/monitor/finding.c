#include "core/monitor/finding.h"

#include <stdlib.h>
#include <string.h>

const char *ecert_watched_word(enum ecert_watched watched)
{
    switch (watched) {
#define ECERT_WATCHED_WORD(value, word) \
    case value:                         \
        return word;
        ECERT_WATCHED_LIST(ECERT_WATCHED_WORD)
#undef ECERT_WATCHED_WORD
    }
    return "?";
}

const char *ecert_urgency_word(enum ecert_urgency urgency)
{
    switch (urgency) {
    case ECERT_URGENCY_FINE:
        return "fine";
    case ECERT_URGENCY_DUE:
        return "due";
    case ECERT_URGENCY_CRITICAL:
        return "critical";
    case ECERT_URGENCY_UNKNOWN:
        return "unknown";
    }
    return "?";
}

static int rank(enum ecert_urgency urgency)
{
    switch (urgency) {
    case ECERT_URGENCY_FINE:
        return 0;
    case ECERT_URGENCY_UNKNOWN:
        return 1;
    case ECERT_URGENCY_DUE:
        return 2;
    case ECERT_URGENCY_CRITICAL:
        return 3;
    }
    return 0;
}

int ecert_urgency_compare(enum ecert_urgency a, enum ecert_urgency b)
{
    return rank(a) - rank(b);
}

const char *ecert_condition_word(enum ecert_condition condition)
{
    switch (condition) {
#define ECERT_CONDITION_WORD(value, word, urgency) \
    case value:                                    \
        return word;
        ECERT_CONDITION_LIST(ECERT_CONDITION_WORD)
#undef ECERT_CONDITION_WORD
    }
    return "?";
}

enum ecert_urgency ecert_condition_urgency(enum ecert_condition condition)
{
    switch (condition) {
#define ECERT_CONDITION_URGENCY(value, word, urgency) \
    case value:                                       \
        return urgency;
        ECERT_CONDITION_LIST(ECERT_CONDITION_URGENCY)
#undef ECERT_CONDITION_URGENCY
    }
    return ECERT_URGENCY_UNKNOWN;
}

enum ecert_urgency ecert_watched_urgency(enum ecert_watched watched, enum ecert_condition condition)
{
    const bool lost =
        condition == ECERT_CONDITION_MISSING || condition == ECERT_CONDITION_UNDECODABLE;

    if (lost && (watched == ECERT_WATCHED_CERTIFICATE || watched == ECERT_WATCHED_REQUEST))
        return ECERT_URGENCY_CRITICAL;
    if ((watched == ECERT_WATCHED_BACKUP || watched == ECERT_WATCHED_CHANNEL) &&
        (lost || condition == ECERT_CONDITION_UNREADABLE))
        return ECERT_URGENCY_DUE;
    return ecert_condition_urgency(condition);
}

/* Bytes of the character, or of the \xNN, that stands at the begin of an escaped text. */
static size_t length_of_one(const uint8_t *text, size_t len)
{
    size_t n = 1;

    if (len >= 4 && text[0] == '\\' && text[1] == 'x')
        return 4;
    while (n < len && (text[n] & 0xC0) == 0x80)
        n++;
    return n;
}

static size_t skip(struct ecert_view text, size_t at, size_t characters)
{
    for (; characters > 0 && at < text.len; characters--)
        at += length_of_one(text.ptr + at, text.len - at);
    return at;
}

void ecert_finding_add_text(struct ecert_buffer *out, const char *text, size_t max, size_t tail)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer escaped = {0};
    size_t n = 0;

    ecert_buffer_add_escaped(&escaped, ecert_view_of(text), false);
    const struct ecert_view whole = ecert_buffer_view(&escaped);
    for (size_t at = 0; at < whole.len; at = skip(whole, at, 1))
        n++;
    if (n <= max) {
        ecert_buffer_add(out, whole);
    } else {
        const size_t end = skip(whole, 0, n - tail);

        ecert_buffer_add(out, (struct ecert_view){whole.ptr, skip(whole, 0, max - tail - 1)});
        ecert_buffer_add_text(out, "…");
        ecert_buffer_add(out, (struct ecert_view){whole.ptr + end, whole.len - end});
    }
    out->failed = out->failed || escaped.failed;
}

void ecert_finding_clear(struct ecert_finding *finding)
{
    free(finding->name);
    free(finding->where);
    free(finding->title);
    free(finding->detail);
    *finding = (struct ecert_finding){0};
}

static enum ecert_status copy_text(const char *from, char **ret, struct ecert_error *err)
{
    return from == NULL ? ECERT_OK : ecert_text_copy(ecert_view_of(from), ret, err);
}

enum ecert_status ecert_finding_copy(const struct ecert_finding *from, struct ecert_finding *ret,
                                     struct ecert_error *err)
{
    ECERT_AUTO(ecert_finding_clear) struct ecert_finding copy = *from;

    copy.name = copy.where = copy.title = copy.detail = NULL;
    ECERT_TRY(copy_text(from->name, &copy.name, err));
    ECERT_TRY(copy_text(from->where, &copy.where, err));
    ECERT_TRY(copy_text(from->title, &copy.title, err));
    ECERT_TRY(copy_text(from->detail, &copy.detail, err));
    *ret = copy;
    copy = (struct ecert_finding){0};
    return ECERT_OK;
}

int ecert_finding_days(const struct ecert_finding *finding, int64_t now)
{
    const int64_t left = finding->not_after - now;

    /* C divides towards zero, which would make the first day past the end another last one */
    return (int)(left / 86400 - (left % 86400 < 0 ? 1 : 0));
}

static int compare_texts(const char *a, const char *b)
{
    return strcmp(a == NULL ? "" : a, b == NULL ? "" : b);
}

int ecert_finding_compare(const void *a, const void *b)
{
    const struct ecert_finding *x = a, *y = b;
    const int urgency = ecert_urgency_compare(y->urgency, x->urgency);

    if (urgency != 0)
        return urgency;
    if (x->not_after != y->not_after) {
        if (x->not_after == 0 || y->not_after == 0)
            return x->not_after == 0 ? 1 : -1;
        return x->not_after < y->not_after ? -1 : 1;
    }
    const int name = compare_texts(x->name, y->name);
    return name != 0 ? name : compare_texts(x->where, y->where);
}
