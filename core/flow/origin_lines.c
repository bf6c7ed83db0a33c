/* Lines of a server's file, as the way back looks at them: which somebody changed, which are ours.
 */

#include <string.h>
#include <strings.h>

#include "core/base/diff.h"
#include "core/flow/origin.h"

/* The next line, without its end; false: there is none. */
static bool next_line(struct ecert_view *rest, struct ecert_view *ret)
{
    if (rest->len == 0)
        return false;
    const uint8_t *end = memchr(rest->ptr, '\n', rest->len);
    const size_t len = end == NULL ? rest->len : (size_t)(end - rest->ptr);
    const size_t step = len + (end != NULL);

    *ret = (struct ecert_view){rest->ptr, len};
    *rest = (struct ecert_view){rest->ptr + step, rest->len - step};
    return true;
}

enum ecert_status ecert_origin_changed_lines(struct ecert_view from, struct ecert_view to,
                                             struct ecert_buffer *out, struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer diff = {0};
    struct ecert_view line = {0};
    size_t number = 0;

    if (ecert_view_equal(from, to))
        return ECERT_OK;
    ECERT_TRY(ecert_diff_unified("from", from, "to", to, &diff, err));
    for (struct ecert_view rest = ecert_buffer_view(&diff); next_line(&rest, &line); number++) {
        if (number < 2 || line.len == 0 || (line.ptr[0] != '+' && line.ptr[0] != '-'))
            continue;
        ecert_buffer_add(out, (struct ecert_view){line.ptr + 1, line.len - 1});
        ecert_buffer_add_text(out, "\n");
    }
    return out->failed ? ecert_error_nomem(err) : ECERT_OK;
}

static bool is_of_name(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_';
}

bool ecert_origin_names(struct ecert_view text, const char *name)
{
    const size_t len = name == NULL ? 0 : strlen(name);

    for (size_t i = 0; len > 0 && i + len <= text.len; i++)
        if (strncasecmp((const char *)text.ptr + i, name, len) == 0 &&
            (i == 0 || !is_of_name(text.ptr[i - 1])) &&
            (i + len == text.len || !is_of_name(text.ptr[i + len])))
            return true;
    return false;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static struct ecert_view trimmed(struct ecert_view line)
{
    while (line.len > 0 && is_blank(line.ptr[0]))
        line = (struct ecert_view){line.ptr + 1, line.len - 1};
    while (line.len > 0 && is_blank(line.ptr[line.len - 1]))
        line.len--;
    return line;
}

static bool has_line(struct ecert_view text, struct ecert_view wanted)
{
    struct ecert_view line = {0};

    while (next_line(&text, &line))
        if (ecert_view_equal(trimmed(line), wanted))
            return true;
    return false;
}

enum ecert_status ecert_origin_has_ours(struct ecert_view before, struct ecert_view written,
                                        struct ecert_view now, bool *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer changed = {0};
    struct ecert_view line = {0};
    bool added = false, found = false;

    ECERT_TRY(ecert_origin_changed_lines(before, written, &changed, err));
    for (struct ecert_view rest = ecert_buffer_view(&changed); next_line(&rest, &line) && !found;) {
        const struct ecert_view own = trimmed(line);

        if (own.len == 0 || !has_line(written, own) || has_line(before, own))
            continue;
        added = true;
        found = has_line(now, own);
    }
    *ret = found || !added;
    return ECERT_OK;
}
