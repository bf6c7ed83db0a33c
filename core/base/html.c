#include "core/base/html.h"

void ecert_html_text(struct ecert_buffer *out, const char *text)
{
    for (const char *p = text == NULL ? "" : text; *p != '\0'; p++) {
        switch (*p) {
        case '&':
            ecert_buffer_add_text(out, "&amp;");
            break;
        case '<':
            ecert_buffer_add_text(out, "&lt;");
            break;
        case '>':
            ecert_buffer_add_text(out, "&gt;");
            break;
        case '"':
            ecert_buffer_add_text(out, "&quot;");
            break;
        case '\'':
            ecert_buffer_add_text(out, "&#39;");
            break;
        default:
            ecert_buffer_add(out, (struct ecert_view){(const uint8_t *)p, 1});
        }
    }
}
