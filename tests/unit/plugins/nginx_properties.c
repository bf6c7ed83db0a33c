#include "tests/unit/plugins/nginx_properties.h"

#include "plugins/nginx/edit.h"
#include "plugins/nginx/lexer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *nginx_pieces_hold(struct ecert_view text)
{
    struct ecert_nginx_lexer lexer = {0};
    struct ecert_nginx_piece piece = {0};
    uint32_t at = 0;
    uint32_t line = 1;

    ecert_nginx_lexer_init(&lexer, text);
    while (ecert_nginx_lexer_next(&lexer, &piece)) {
        if (piece.start != at)
            return "a piece does not start where the one before it ended";
        if (piece.end <= piece.start || piece.end > text.len)
            return "a piece is empty, or longer than the text";
        if (piece.line != line)
            return "a piece has a wrong line";
        for (; at < piece.end; at++)
            line += text.ptr[at] == '\n';
    }
    return at == text.len ? NULL : "the last piece does not end with the text";
}

/* ---- a host that answers what reading and editing ask ------------------------------------------
 */

static enum ecert_status refuse(struct ecert_error *err, enum ecert_status status, const char *fmt,
                                ...) ECERT_PRINTF(3, 4);

static enum ecert_status refuse(struct ecert_error *err, enum ecert_status status, const char *fmt,
                                ...)
{
    char text[1024];
    va_list arguments;

    (void)err;
    va_start(arguments, fmt);
    (void)vsnprintf(text, sizeof text, fmt, arguments);
    va_end(arguments);
    return status;
}

static const char *target(const struct ecert_job *job)
{
    (void)job;
    return "nginx";
}

static const struct ecert_host host = {
    .size = offsetof(struct ecert_host, forget), /* texts stay */ .target = target, .fail = refuse};

/* ---- a text and its directives, in the order of the file ---------------------------------------
 */

struct reading {
    struct ecert_nginx env;
    struct ecert_nginx_file file;
    struct ecert_nginx_directive **list;
    size_t n;
    bool refused;
};

static void reading_clear(struct reading *reading)
{
    ecert_arena_clear(&reading->env.arena);
    free(reading->list);
}

static void list_all(struct reading *reading, struct ecert_nginx_directive *first)
{
    for (struct ecert_nginx_directive *d = first; d != NULL; d = d->next) {
        if ((reading->n & (reading->n - 1)) == 0) {
            const size_t room = reading->n == 0 ? 1 : 2 * reading->n;
            struct ecert_nginx_directive **more = realloc(reading->list, room * sizeof(void *));
            if (more == NULL)
                abort();
            reading->list = more;
        }
        reading->list[reading->n++] = d;
        list_all(reading, d->first);
    }
}

static void read_text(struct reading *reading, struct ecert_view text)
{
    *reading = (struct reading){.env.host = &host, .file.path = "nginx.conf", .file.text = text};
    reading->refused = ecert_nginx_parse(&reading->env, &reading->file, NULL) != ECERT_OK;
    if (!reading->refused)
        list_all(reading, reading->file.first);
}

static bool is_value(const struct ecert_nginx_directive *directive)
{
    return (directive->kind == ECERT_NGINX_CERTIFICATE ||
            directive->kind == ECERT_NGINX_CERTIFICATE_KEY) &&
           directive->n_words > 0;
}

static struct ecert_view word_of(const struct ecert_nginx_directive *directive, size_t i)
{
    return (struct ecert_view){directive->file->text.ptr + directive->words[i].start,
                               directive->words[i].len};
}

static bool same_bytes(struct ecert_view a, struct ecert_view b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* But for the first word, if that is what was changed. */
static bool same_directive(const struct ecert_nginx_directive *a,
                           const struct ecert_nginx_directive *b, bool changed)
{
    if (a->kind != b->kind || a->n_words != b->n_words || (a->open == 0) != (b->open == 0))
        return false;
    for (size_t i = changed ? 1 : 0; i < a->n_words; i++)
        if (!same_bytes(word_of(a, i), word_of(b, i)))
            return false;
    return true;
}

static struct ecert_view part(struct ecert_view text, size_t begin, size_t end)
{
    return (struct ecert_view){text.ptr + begin, end - begin};
}

/* Is `text` these three, one behind the other? */
static bool is_made_of(struct ecert_view text, struct ecert_view a, struct ecert_view b,
                       struct ecert_view c)
{
    return text.len == a.len + b.len + c.len && same_bytes(part(text, 0, a.len), a) &&
           same_bytes(part(text, a.len, a.len + b.len), b) &&
           same_bytes(part(text, a.len + b.len, text.len), c);
}

/* ---- a value that is changed -------------------------------------------------------------------
 */

static const char *compare_values(struct reading *before, struct reading *after, size_t which,
                                  const char *path)
{
    const struct ecert_view old = before->file.text;
    const struct ecert_view new = after->file.text;

    if (after->refused || after->n != before->n)
        return "a changed value makes other directives of the text";
    for (size_t i = 0; i < before->n; i++)
        if (!same_directive(before->list[i], after->list[i], i == which))
            return "a changed value changes another word";
    const struct ecert_nginx_directive *directive = after->list[which];
    const char *value = ecert_nginx_argument(&after->env, directive, 0);
    if (value == NULL || strcmp(value, path) != 0)
        return "a changed value is not the one that was asked for";
    const size_t start = directive->words[0].start;
    if (!is_made_of(old, part(new, 0, start), word_of(before->list[which], 0),
                    part(new, start + directive->words[0].len, new.len)))
        return "the old word put back does not give the old bytes";
    return NULL;
}

static const char *change_value(struct reading *before, size_t which, const char *path)
{
    struct reading after = {0};
    struct ecert_view text = {0};

    before->file.edits = NULL;
    before->file.n_edits = 0;
    if (ecert_nginx_edit_value(&before->env, before->list[which], path, NULL) != ECERT_OK ||
        ecert_nginx_edit_apply(&before->env, &before->file, &text, NULL) != ECERT_OK)
        return "a value cannot be changed";
    read_text(&after, text);
    const char *wrong = compare_values(before, &after, which, path);
    reading_clear(&after);
    return wrong;
}

/* ---- a pair that is inserted -------------------------------------------------------------------
 */

/* One directive in its line, or several lines, each of blanks, a directive and the line ending. */
static const char *check_lines(struct ecert_view old, const struct ecert_nginx_edit *edit)
{
    const char *line_feed = strchr(edit->text, '\n');

    if (line_feed == NULL)
        return edit->text[0] == ' ' ? NULL : "what is inserted in a line is not set apart";
    if (edit->start == 0 || old.ptr[edit->start - 1] != '\n')
        return "a line is inserted within another one";
    const bool crlf = edit->start > 1 && old.ptr[edit->start - 2] == '\r';
    for (const char *line = edit->text; *line != '\0'; line = line_feed + 1) {
        line_feed = strchr(line, '\n');
        const char *word = line + strspn(line, " \t\r");
        if (line_feed == NULL || strncmp(word, "ssl_certificate", 15) != 0)
            return "an inserted line is none of blanks and a directive";
        if ((line_feed[-1] == '\r') != crlf)
            return "an inserted line has another line ending than the line before it";
    }
    return NULL;
}

static const char *compare_blocks(const struct reading *before, const struct reading *after,
                                  size_t which, const struct ecert_nginx_edit *edit)
{
    const size_t len = strlen(edit->text);
    size_t n = 0;

    if (after->refused || after->n != before->n + 2)
        return "an inserted pair is not two more directives";
    for (size_t i = 0; i < after->n; i++) {
        const struct ecert_nginx_directive *d = after->list[i];
        if (d->start >= edit->start && d->start < edit->start + len) {
            if (d->parent != after->list[which] || d->end > edit->start + len || !is_value(d))
                return "an inserted directive is not one of the block";
            continue;
        }
        if (n == before->n || !same_directive(before->list[n], d, false))
            return "an inserted pair changes another directive";
        n++;
    }
    return n == before->n ? NULL : "an inserted pair hides a directive";
}

static const char *insert_pair(struct reading *before, size_t which,
                               const struct ecert_nginx_directive *behind, const char *path)
{
    const char *pair[2] = {NULL, NULL};
    struct reading after = {0};
    struct ecert_view text = {0};
    const struct ecert_view old = before->file.text;

    before->file.edits = NULL;
    before->file.n_edits = 0;
    if (ecert_nginx_edit_directive(&before->env, "ssl_certificate", path, &pair[0], NULL) !=
            ECERT_OK ||
        ecert_nginx_edit_directive(&before->env, "ssl_certificate_key", path, &pair[1], NULL) !=
            ECERT_OK ||
        ecert_nginx_edit_insert(&before->env, before->list[which], behind, pair, 2, NULL) !=
            ECERT_OK ||
        ecert_nginx_edit_apply(&before->env, &before->file, &text, NULL) != ECERT_OK)
        return "a pair cannot be inserted";
    const struct ecert_nginx_edit *edit = &before->file.edits[0];
    if (before->file.n_edits != 1 || edit->start != edit->end || edit->start > old.len)
        return "an insertion is not one of bytes";
    const struct ecert_view inserted = {(const uint8_t *)edit->text, strlen(edit->text)};
    if (!is_made_of(text, part(old, 0, edit->start), inserted, part(old, edit->start, old.len)))
        return "what was inserted taken out does not give the old bytes";
    read_text(&after, text);
    const char *wrong = compare_blocks(before, &after, which, edit);
    reading_clear(&after);
    return wrong != NULL ? wrong : check_lines(old, edit);
}

static const char *insert_everywhere(struct reading *reading, size_t which)
{
    const struct ecert_nginx_directive *block = reading->list[which];
    const char *wrong = insert_pair(reading, which, NULL, "/live/full.pem");

    for (const struct ecert_nginx_directive *d = block->first; d != NULL && wrong == NULL;
         d = d->next)
        if (d->open == 0)
            wrong = insert_pair(reading, which, d, "/a b/full.pem");
    return wrong;
}

const char *nginx_edits_hold(struct ecert_view text, size_t max)
{
    static const char *const paths[] = {"/live/full.pem", "/a b;\"'{}#\\c\\", "relative#.pem"};
    struct reading reading = {0};
    const char *wrong = NULL;
    size_t n_tried = 0;

    read_text(&reading, text);
    const size_t step = max == 0 || reading.n < max ? 1 : reading.n / max;
    for (size_t i = 0; i < reading.n && wrong == NULL; i += step) {
        if (is_value(reading.list[i]))
            wrong = change_value(&reading, i, paths[n_tried++ % 3]);
        else if (reading.list[i]->kind == ECERT_NGINX_SERVER && reading.list[i]->open != 0)
            wrong = insert_everywhere(&reading, i);
    }
    reading_clear(&reading);
    return wrong;
}
