#include <string.h>

#include "core/issue/draft_parts.h"

#define LINE_MAX_LEN 98

void ecert_draft_put_string(struct ecert_buffer *out, const char *text)
{
    ecert_buffer_add_text(out, "\"");
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\')
            ecert_buffer_add_text(out, "\\");
        ecert_buffer_add(out, (struct ecert_view){(const uint8_t *)c, 1});
    }
    ecert_buffer_add_text(out, "\"");
}

void ecert_draft_put_list(struct ecert_buffer *out, const char *indent,
                          const struct ecert_strings *texts)
{
    size_t column = strlen(indent);

    ecert_buffer_add_text(out, "[ ");
    for (size_t i = 0; i < texts->len; i++) {
        const size_t len = strlen(texts->items[i]) + 4;

        if (i > 0)
            ecert_buffer_add_text(out, ",");
        if (i > 0 && column + len > LINE_MAX_LEN) {
            ecert_buffer_printf(out, "\n%s", indent);
            column = strlen(indent);
        } else if (i > 0) {
            ecert_buffer_add_text(out, " ");
        }
        ecert_draft_put_string(out, texts->items[i]);
        column += len;
    }
    ecert_buffer_add_text(out, " ]");
}

/* A comment in lines of its own; whatever is in it, it stays one. */
static void put_comment(struct ecert_buffer *out, const char *indent, const char *text)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer escaped = {0};
    size_t column = 0;

    ecert_buffer_add_escaped(&escaped, ecert_view_of(text), false);
    for (size_t i = 0; !escaped.failed && i < escaped.len;) {
        const uint8_t *word = escaped.ptr + i;
        const uint8_t *blank = memchr(word, ' ', escaped.len - i);
        const size_t len = blank == NULL ? escaped.len - i : (size_t)(blank - word);

        if (column > 0 && column + 1 + len > LINE_MAX_LEN) {
            ecert_buffer_add_text(out, "\n");
            column = 0;
        }
        if (column == 0) {
            ecert_buffer_printf(out, "%s#", indent);
            column = strlen(indent) + 1;
        }
        ecert_buffer_add_text(out, " ");
        ecert_buffer_add(out, (struct ecert_view){word, len});
        column += 1 + len;
        i += len + 1;
    }
    ecert_buffer_add_text(out, "\n");
}

void ecert_draft_comment(struct ecert_buffer *out, const char *indent, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    ECERT_AUTO(ecert_auto_free) char *text = ecert_text_vformat(fmt, args);
    va_end(args);
    if (text == NULL)
        out->failed = true;
    else
        put_comment(out, indent, text);
}

void ecert_draft_put_key(struct ecert_buffer *out, const char *indent, const char *key,
                         const char *value)
{
    ecert_buffer_printf(out, "%s%s = ", indent, key);
    ecert_draft_put_string(out, value);
    ecert_buffer_add_text(out, ";\n");
}
