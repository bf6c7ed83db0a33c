#include "plugins/nginx/edit.h"

#include <stdlib.h>
#include <string.h>

/* Where a line of its own can go. */
struct line {
    uint32_t indent_at, indent_len;
    uint32_t after; /* behind its line feed */
    bool crlf;
};

static enum ecert_status add(struct ecert_nginx *env, struct ecert_nginx_file *file,
                             struct ecert_nginx_edit edit, struct ecert_error *err)
{
    struct ecert_nginx_edit *edits =
        ecert_arena_grow(&env->arena, file->edits, file->n_edits, sizeof *edits);

    if (edits == NULL || edit.text == NULL)
        return ecert_nginx_no_memory(env, err);
    file->edits = edits;
    file->edits[file->n_edits++] = edit;
    return ECERT_OK;
}

/* ---- values ---------------------------------------------------------------------------------- */

static bool needs_quotes(const char *path)
{
    return path[0] == '\0' || path[0] == '#' || strpbrk(path, " \t\r\n;{}\"'\\") != NULL;
}

/* A word that nginx reads as `path`; `quote` is '\0' where there are none yet. */
static enum ecert_status encode_anew(struct ecert_nginx *env, const char *path, char quote,
                                     const char **ret, struct ecert_error *err)
{
    size_t n = 0;

    if (strchr(path, '$') != NULL)
        return env->host->fail(err, ECERT_E_CONFIG,
                               "the path '%s' contains '$', which nginx takes for a variable; give "
                               "target '%s' another path with its setting 'files'",
                               path, env->host->target(env->job));
    if (quote == '\0' && needs_quotes(path))
        quote = '"';
    char *word = ecert_arena_alloc(&env->arena, 2 * strlen(path) + 3);
    if (word == NULL)
        return ecert_nginx_no_memory(env, err);
    if (quote != '\0')
        word[n++] = quote;
    for (; *path != '\0'; path++) {
        if (quote != '\0' && (*path == '\\' || *path == quote))
            word[n++] = '\\';
        word[n++] = *path;
    }
    if (quote != '\0')
        word[n++] = quote;
    *ret = word;
    return ECERT_OK;
}

/* The same few paths go into thousands of places. */
static enum ecert_status encode(struct ecert_nginx *env, const char *path, char quote,
                                const char **ret, struct ecert_error *err)
{
    const size_t room = sizeof env->encoded / sizeof env->encoded[0];

    for (size_t i = 0; i < env->n_encoded; i++)
        if (env->encoded[i].quote == quote && strcmp(env->encoded[i].path, path) == 0) {
            *ret = env->encoded[i].word;
            return ECERT_OK;
        }
    ECERT_NGINX_TRY(encode_anew(env, path, quote, ret, err));
    if (env->n_encoded == room)
        return ECERT_OK;
    env->encoded[env->n_encoded].path = path;
    env->encoded[env->n_encoded].quote = quote;
    env->encoded[env->n_encoded++].word = *ret;
    return ECERT_OK;
}

enum ecert_status ecert_nginx_edit_value(struct ecert_nginx *env,
                                         const struct ecert_nginx_directive *directive,
                                         const char *path, struct ecert_error *err)
{
    const struct ecert_nginx_word word = directive->words[0];
    const uint8_t first = directive->file->text.ptr[word.start];
    const char quote = first == '"' || first == '\'' ? (char)first : '\0';
    const char *text = NULL;

    ECERT_NGINX_TRY(encode(env, path, quote, &text, err));
    return add(env, directive->file,
               (struct ecert_nginx_edit){word.start, word.start + word.len, text}, err);
}

enum ecert_status ecert_nginx_edit_directive(struct ecert_nginx *env, const char *name,
                                             const char *path, const char **ret,
                                             struct ecert_error *err)
{
    const char *word = NULL;

    ECERT_NGINX_TRY(encode(env, path, '\0', &word, err));
    *ret = ecert_arena_text(&env->arena, "%s %s;", name, word);
    return *ret != NULL ? ECERT_OK : ecert_nginx_no_memory(env, err);
}

/* ---- lines ----------------------------------------------------------------------------------- */

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* The blanks before `at`, if nothing else stands before it on its line. */
static bool find_indent(struct ecert_view text, uint32_t at, struct line *line)
{
    uint32_t p = at;

    while (p > 0 && is_space(text.ptr[p - 1])) /* not to the start of the line: that may be far */
        p--;
    if (p > 0 && text.ptr[p - 1] != '\n')
        return false;
    line->indent_at = p;
    line->indent_len = at - p;
    return true;
}

/* The start of the next line, if only blanks and a comment follow on this one. */
static bool find_next_line(struct ecert_view text, uint32_t at, struct line *line)
{
    while (at < text.len && is_space(text.ptr[at]))
        at++;
    if (at < text.len && text.ptr[at] != '#' && text.ptr[at] != '\n')
        return false;
    const uint8_t *feed = at < text.len ? memchr(text.ptr + at, '\n', text.len - at) : NULL;
    if (feed == NULL)
        return false;
    line->after = (uint32_t)(feed - text.ptr) + 1;
    line->crlf = feed > text.ptr && feed[-1] == '\r';
    return true;
}

static bool is_own_line(const struct ecert_nginx_directive *directive, struct line *line)
{
    struct line found = {0};

    if (!find_indent(directive->file->text, directive->start, &found) ||
        !find_next_line(directive->file->text, directive->end, &found))
        return false;
    *line = found;
    return true;
}

/* ---- insertions ------------------------------------------------------------------------------ */

/* `before` and `after` around each directive, one behind the other. */
static enum ecert_status insert_each(struct ecert_nginx *env, struct ecert_nginx_file *file,
                                     uint32_t at, const char *before, const char *after,
                                     const char *const *directives, size_t n,
                                     struct ecert_error *err)
{
    const char *text = "";

    for (size_t i = 0; i < n && text != NULL && before != NULL; i++)
        text = ecert_arena_text(&env->arena, "%s%s%s%s", text, before, directives[i], after);
    return add(env, file, (struct ecert_nginx_edit){at, at, before != NULL ? text : NULL}, err);
}

static enum ecert_status insert_lines(struct ecert_nginx *env, struct ecert_nginx_file *file,
                                      const struct line *line, const char *deeper,
                                      const char *const *directives, size_t n,
                                      struct ecert_error *err)
{
    const char *indent = ecert_arena_text(&env->arena, "%.*s%s", (int)line->indent_len,
                                          (const char *)file->text.ptr + line->indent_at, deeper);

    return insert_each(env, file, line->after, indent, line->crlf ? "\r\n" : "\n", directives, n,
                       err);
}

/* One step of indentation: what the block is deeper than the one around it, else a tab or four. */
static const char *deeper_than(const struct ecert_nginx_directive *block, const struct line *line)
{
    static const char blanks[] = "        ";
    const struct ecert_view text = block->file->text;
    struct line outer = {0};

    if (line->indent_len != 0 && text.ptr[line->indent_at] == '\t')
        return "\t";
    if (block->parent == NULL || !find_indent(text, block->parent->start, &outer) ||
        line->indent_len <= outer.indent_len || line->indent_len - outer.indent_len > 8)
        return blanks + 4;
    return blanks + 8 - (line->indent_len - outer.indent_len);
}

/* Neither listen nor server_name stands in the block itself: start with its first line. */
static enum ecert_status insert_at_open(struct ecert_nginx *env,
                                        const struct ecert_nginx_directive *block,
                                        const char *const *directives, size_t n,
                                        struct ecert_error *err)
{
    struct ecert_nginx_file *file = block->file;
    struct line line = {0};
    struct line inner = {0};

    if (!find_next_line(file->text, block->open, &line))
        return insert_each(env, file, block->open, " ", "", directives, n, err);
    for (const struct ecert_nginx_directive *d = block->first; d != NULL; d = d->next)
        if (is_own_line(d, &inner)) {
            line.indent_at = inner.indent_at;
            line.indent_len = inner.indent_len;
            return insert_lines(env, file, &line, "", directives, n, err);
        }
    (void)find_indent(file->text, block->start, &line);
    return insert_lines(env, file, &line, deeper_than(block, &line), directives, n, err);
}

enum ecert_status ecert_nginx_edit_insert(struct ecert_nginx *env,
                                          const struct ecert_nginx_directive *block,
                                          const struct ecert_nginx_directive *after,
                                          const char *const *directives, size_t n,
                                          struct ecert_error *err)
{
    const struct ecert_nginx_directive *in_line = after;
    struct line line = {0};
    bool own_line = after != NULL && is_own_line(after, &line);

    for (const struct ecert_nginx_directive *d = block->first; after == NULL && d != NULL;
         d = d->next) {
        if (d->kind != ECERT_NGINX_LISTEN && d->kind != ECERT_NGINX_SERVER_NAME)
            continue;
        in_line = d;
        own_line |= is_own_line(d, &line);
    }
    if (own_line)
        return insert_lines(env, block->file, &line, "", directives, n, err);
    if (in_line != NULL)
        return insert_each(env, block->file, in_line->end, " ", "", directives, n, err);
    return insert_at_open(env, block, directives, n, err);
}

/* ---- applying -------------------------------------------------------------------------------- */

static int compare_edits(const void *a, const void *b)
{
    const struct ecert_nginx_edit *left = a;
    const struct ecert_nginx_edit *right = b;

    return (left->start > right->start) - (left->start < right->start);
}

static size_t edited_len(const struct ecert_nginx_file *file)
{
    size_t len = file->text.len;

    for (size_t i = 0; i < file->n_edits; i++)
        len += strlen(file->edits[i].text);
    return len;
}

enum ecert_status ecert_nginx_edit_apply(struct ecert_nginx *env, struct ecert_nginx_file *file,
                                         struct ecert_view *ret, struct ecert_error *err)
{
    uint32_t at = 0;
    size_t n = 0;

    if (file->n_edits == 0) {
        *ret = file->text;
        return ECERT_OK;
    }
    uint8_t *bytes = ecert_arena_alloc(&env->arena, edited_len(file));
    if (bytes == NULL)
        return ecert_nginx_no_memory(env, err);
    qsort(file->edits, file->n_edits, sizeof *file->edits, compare_edits);
    for (size_t i = 0; i < file->n_edits; i++) {
        const struct ecert_nginx_edit *edit = &file->edits[i];
        if (i > 0 && edit->start == edit[-1].start)
            continue; /* the same edit: the block was reached through two includes */
        memcpy(bytes + n, file->text.ptr + at, edit->start - at);
        n += edit->start - at;
        memcpy(bytes + n, edit->text, strlen(edit->text));
        n += strlen(edit->text);
        at = edit->end;
    }
    memcpy(bytes + n, file->text.ptr + at, file->text.len - at);
    *ret = (struct ecert_view){bytes, n + file->text.len - at};
    return ECERT_OK;
}
