#include "core/base/shell_word.h"

#include <string.h>

void ecert_shell_word_add(struct ecert_buffer *out, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "._/:@%+=,-";
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer quoted = {0};

    if (word[0] != '\0' && word[0] != '-' && word[strspn(word, plain)] == '\0') {
        ecert_buffer_add_text(out, word);
        return;
    }
    ecert_buffer_add_text(&quoted, "'");
    for (const char *p = word; *p != '\0'; p++) {
        if (*p == '\'')
            ecert_buffer_add_text(&quoted, "'\\''");
        else
            ecert_buffer_add(&quoted, (struct ecert_view){(const uint8_t *)p, 1});
    }
    ecert_buffer_add_text(&quoted, "'");
    ecert_buffer_add_escaped(out, ecert_buffer_view(&quoted), false);
}

enum ecert_status ecert_shell_word(const char *word, char **ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer text = {0};

    ecert_shell_word_add(&text, word);
    return text.failed ? ecert_error_nomem(err)
                       : ecert_text_copy(ecert_buffer_view(&text), ret, err);
}
