#include "plugins/apache/copy.h"

#include "plugins/apache/copy_rules.h"

#include <string.h>

struct text {
    char *bytes;
    size_t len, room;
    bool failed; /* no memory */
};

/* One block being copied. */
struct copy {
    const struct ecert_apache_changes *all;
    const struct ecert_apache_creation *creation;
    const struct ecert_apache_block *block;
    struct ecert_apache_copy_rules rules;
    struct ecert_error *err;
    struct text out;
    const char *left_out; /* "'Redirect / https://...' (line 3)", for the note; "" none */
    size_t n_redirects;   /* left out */
    bool has_content;     /* something says what the site serves */
    bool rules_jump, rule_left_out;
};

static enum ecert_status no_memory(const struct copy *copy)
{
    return copy->all->scan->host->fail(copy->err, ECERT_E_NOMEM, "out of memory");
}

static struct ecert_arena *arena_of(const struct copy *copy)
{
    return copy->all->scan->arena;
}

static void put(struct copy *copy, const void *bytes, size_t len)
{
    struct text *out = &copy->out;

    if (out->failed || len == 0)
        return;
    if (out->len + len + 1 > out->room) {
        const size_t room = 2 * (out->len + len) + 1;
        char *larger = ecert_arena_alloc(arena_of(copy), room);
        out->failed = larger == NULL;
        if (out->failed)
            return;
        if (out->len != 0)
            memcpy(larger, out->bytes, out->len);
        out->bytes = larger;
        out->room = room;
    }
    memcpy(out->bytes + out->len, bytes, len);
    out->len += len;
}

static void put_text(struct copy *copy, const char *text)
{
    if (text == NULL)
        copy->out.failed = true;
    else
        put(copy, text, strlen(text));
}

static void put_bytes(struct copy *copy, size_t begin, size_t end)
{
    put(copy, copy->block->text.ptr + begin, end - begin);
}

/* ---- refusals ------------------------------------------------------------------------------- */

static enum ecert_status refuse(const struct copy *copy, const char *why)
{
    return why == NULL ? no_memory(copy)
                       : ecert_apache_create_refuse(copy->all, copy->block, why, copy->err);
}

static enum ecert_status refuse_line(const struct copy *copy, const char *path,
                                     struct ecert_view text, const struct ecert_apache_piece *piece,
                                     const char *why)
{
    const size_t len = piece->name.end - piece->name.begin;

    return refuse(copy, ecert_arena_text(arena_of(copy), "'%.*s' in '%s' line %zu %s", (int)len,
                                         (const char *)text.ptr + piece->name.begin, path,
                                         piece->line, why));
}

static bool is_hidden(struct ecert_view text, struct ecert_apache_lexer *lexer,
                      const struct ecert_apache_piece *piece)
{
    if (piece->kind == ECERT_APACHE_DIRECTIVE && ecert_apache_is(text, piece, "Use"))
        return true;
    return (piece->kind == ECERT_APACHE_DIRECTIVE || piece->kind == ECERT_APACHE_OPEN) &&
           ecert_apache_skip_opaque(lexer, piece);
}

/* ---- included files -------------------------------------------------------------------------- */

static enum ecert_status check_children(struct copy *copy, size_t node, size_t line);

/* A file that both virtual hosts will read must hold nothing that would have to be changed. */
static enum ecert_status check_file(struct copy *copy, size_t node)
{
    struct ecert_apache_scan *scan = copy->all->scan;
    struct ecert_apache_file *file = &scan->tree.files[scan->tree.files_of[node]];
    struct ecert_apache_piece piece = {0};

    ECERT_APACHE_TRY(ecert_apache_tree_read(scan->host, scan->job, file, copy->err));
    struct ecert_apache_lexer lexer = {.text = file->text};
    while (ecert_apache_next(&lexer, &piece)) {
        struct ecert_apache_piece_rule rule = {0};
        if (is_hidden(file->text, &lexer, &piece))
            return refuse_line(copy, file->path, file->text, &piece,
                               "may hold anything, and would be in force for port 443 too");
        if (!ecert_apache_copy_rule(&copy->rules, file->text, &piece, &rule))
            return no_memory(copy);
        if (rule.what == ECERT_APACHE_COPY_REDIRECT)
            return refuse_line(copy, file->path, file->text, &piece,
                               "would lead to itself on port 443; move it out of the file into the "
                               "<VirtualHost> for port 80");
        if (rule.what != ECERT_APACHE_COPY_AS_IT_IS)
            return refuse_line(copy, file->path, file->text, &piece,
                               "would have to be another one for port 443");
        copy->rules_jump = copy->rules_jump || rule.jumps;
        copy->has_content = copy->has_content || rule.is_content;
        if (rule.is_include)
            ECERT_APACHE_TRY(check_children(copy, node, piece.line));
    }
    return ECERT_OK;
}

static enum ecert_status check_children(struct copy *copy, size_t node, size_t line)
{
    const struct ecert_apache_tree *tree = &copy->all->scan->tree;

    for (size_t i = ecert_apache_tree_child(tree, node, line, node + 1); i != ECERT_APACHE_NO_NODE;
         i = ecert_apache_tree_next(tree, i))
        ECERT_APACHE_TRY(check_file(copy, i));
    return ECERT_OK;
}

/* ---- lines ----------------------------------------------------------------------------------- */

/* The conditions of a RewriteRule go with it. */
static bool belongs_to_left_out(struct copy *copy, struct ecert_apache_lexer lexer)
{
    struct ecert_apache_piece piece = {0};

    while (ecert_apache_next(&lexer, &piece) && piece.kind != ECERT_APACHE_OPEN &&
           piece.kind != ECERT_APACHE_CLOSE) {
        struct ecert_apache_piece_rule rule = {0};
        if (piece.kind != ECERT_APACHE_DIRECTIVE ||
            !ecert_apache_is(lexer.text, &piece, "RewriteRule"))
            continue;
        if (!ecert_apache_copy_rule(&copy->rules, lexer.text, &piece, &rule))
            copy->out.failed = true;
        return rule.what == ECERT_APACHE_COPY_REDIRECT;
    }
    return false;
}

static void tell_left_out(struct copy *copy, const struct ecert_apache_piece *piece)
{
    const struct ecert_view text = copy->block->text;
    const size_t indent = ecert_apache_indent(text, piece);
    size_t end = piece->end;

    while (end > piece->begin && (text.ptr[end - 1] == '\n' || text.ptr[end - 1] == '\r'))
        end--;
    const size_t len = end > piece->begin + indent ? end - piece->begin - indent : 0;
    if (copy->left_out == NULL || strlen(copy->left_out) > 400)
        return;
    copy->left_out =
        ecert_arena_text(arena_of(copy), "%s%s'%.*s' (line %zu)", copy->left_out,
                         copy->left_out[0] == '\0' ? "" : ", ", len > 120 ? 120 : (int)len,
                         (const char *)text.ptr + piece->begin + indent, piece->line);
    copy->out.failed = copy->out.failed || copy->left_out == NULL;
}

/* A ServerAlias keeps the names that the new virtual host gets; without one it goes. */
static void copy_alias(struct copy *copy, const struct ecert_apache_piece *piece)
{
    const struct ecert_view text = copy->block->text;
    struct ecert_apache_word word = {0};
    size_t from = piece->begin;
    size_t n_kept = 0;

    for (size_t at = piece->name.end; ecert_apache_next_word(text, piece, &at, &word);)
        n_kept += ecert_apache_copy_keeps(&copy->rules, text, word) ? 1 : 0;
    if (n_kept == 0)
        return;
    for (size_t at = piece->name.end; ecert_apache_next_word(text, piece, &at, &word);) {
        size_t begin = word.begin;
        if (ecert_apache_copy_keeps(&copy->rules, text, word))
            continue;
        while (begin > from && (text.ptr[begin - 1] == ' ' || text.ptr[begin - 1] == '\t'))
            begin--;
        put_bytes(copy, from, begin);
        from = word.end;
    }
    put_bytes(copy, from, piece->end);
}

static enum ecert_status copy_piece(struct copy *copy, struct ecert_apache_lexer *lexer,
                                    const struct ecert_apache_piece *piece)
{
    const struct ecert_view text = copy->block->text;
    struct ecert_apache_piece_rule rule = {0};

    if (is_hidden(text, lexer, piece))
        return refuse_line(copy, copy->block->host->file, text, piece,
                           "may hold anything, also what must not be in force for port 443");
    if (!ecert_apache_copy_rule(&copy->rules, text, piece, &rule))
        return no_memory(copy);
    copy->rules_jump = copy->rules_jump || rule.jumps;
    copy->has_content = copy->has_content || rule.is_content;
    if (rule.is_include)
        ECERT_APACHE_TRY(check_children(copy, copy->block->node, piece->line));
    if (rule.is_condition && belongs_to_left_out(copy, *lexer))
        rule.what = ECERT_APACHE_COPY_LEAVE_OUT;
    switch (rule.what) {
    case ECERT_APACHE_COPY_AS_IT_IS:
        put_bytes(copy, piece->begin, piece->end);
        break;
    case ECERT_APACHE_COPY_REDIRECT:
        copy->n_redirects++;
        copy->rule_left_out = copy->rule_left_out || ecert_apache_is(text, piece, "RewriteRule");
        tell_left_out(copy, piece);
        break;
    case ECERT_APACHE_COPY_LEAVE_OUT:
        tell_left_out(copy, piece);
        break;
    case ECERT_APACHE_COPY_ALIAS:
        copy_alias(copy, piece);
        break;
    case ECERT_APACHE_COPY_WORD:
        put_bytes(copy, piece->begin, rule.word.begin);
        put_text(copy, rule.with);
        put_bytes(copy, rule.word.end, piece->end);
        break;
    }
    return ECERT_OK;
}

/* ---- the block ------------------------------------------------------------------------------- */

/* The addresses of the head with port 80, as they stand there, with port 443; NULL: no memory. */
static const char *new_addresses(const struct copy *copy)
{
    const struct ecert_apache_block *block = copy->block;
    const char *list = "";
    struct ecert_apache_word word = {0};

    for (size_t at = block->head.name.end;
         list != NULL && ecert_apache_next_word(block->text, &block->head, &at, &word);) {
        const char *raw = ecert_apache_word_text(arena_of(copy), block->text, word);
        const char *value =
            raw == NULL ? NULL : ecert_apache_expand(&copy->all->scan->variables, raw);
        if (value == NULL)
            return NULL;
        const size_t len = strlen(value);
        if (len < 4 || strcmp(value + len - 3, ":80") != 0)
            continue;
        const size_t raw_len = strlen(raw);
        const bool as_it_is = raw_len > 3 && strcmp(raw + raw_len - 3, ":80") == 0;
        list = ecert_arena_text(arena_of(copy), "%s %.*s:443", list,
                                (int)((as_it_is ? raw_len : len) - 3), as_it_is ? raw : value);
    }
    return list;
}

static enum ecert_status copy_head(struct copy *copy)
{
    const struct ecert_apache_block *block = copy->block;
    const char *addresses = new_addresses(copy);
    size_t end = block->head.end;

    if (addresses == NULL)
        return no_memory(copy);
    if (addresses[0] == '\0')
        return refuse(copy, "the addresses in its head are not known");
    while (end > block->head.name.end && block->text.ptr[end - 1] != '>')
        end--;
    put_bytes(copy, block->head.begin, block->head.name.end);
    put_text(copy, addresses);
    put_bytes(copy, end - 1, block->head.end);
    return ECERT_OK;
}

static void put_line(struct copy *copy, const char *name, const char *word)
{
    const struct ecert_apache_block *block = copy->block;
    const struct ecert_apache_piece *like = &block->last;
    const size_t indent = ecert_apache_indent(block->text, like);

    put_bytes(copy, like->begin, like->begin + indent);
    if (like->kind == ECERT_APACHE_OPEN)
        put_text(copy, memchr(block->text.ptr + like->begin, '\t', indent) != NULL ? "\t" : "    ");
    put_text(copy, name);
    put_text(copy, " ");
    put_text(copy, word);
    put_text(copy, ecert_apache_line_end(block->text, &block->head));
}

static void put_pair(struct copy *copy)
{
    struct ecert_arena *arena = arena_of(copy);
    const struct ecert_apache_wish *wish = &copy->all->wish;
    const bool inherits = ecert_apache_use_count(&copy->all->scan->server, ECERT_APACHE_CHAIN) > 0;
    const char *chain = wish->chain != NULL ? wish->chain : inherits ? wish->certificate : NULL;

    put_line(copy, "SSLEngine", "on");
    put_line(copy, "SSLCertificateFile", ecert_apache_as_word(arena, wish->certificate, 0));
    put_line(copy, "SSLCertificateKeyFile", ecert_apache_as_word(arena, wish->key, 0));
    if (chain != NULL)
        put_line(copy, "SSLCertificateChainFile", ecert_apache_as_word(arena, chain, 0));
}

static enum ecert_status copy_block(struct copy *copy)
{
    const struct ecert_apache_block *block = copy->block;
    struct ecert_apache_lexer lexer = {
        .text = block->text, .at = block->head.end, .line = block->head.line};
    const char *line_end = ecert_apache_line_end(block->text, &block->head);
    struct ecert_apache_piece piece = {0};

    if (ecert_apache_line_end(block->text, &block->close)[0] == '\0')
        put_text(copy, line_end);
    put_text(copy, line_end);
    ECERT_APACHE_TRY(copy_head(copy));
    while (ecert_apache_next(&lexer, &piece) && piece.begin < block->close.begin)
        ECERT_APACHE_TRY(copy_piece(copy, &lexer, &piece));
    put_pair(copy);
    put_bytes(copy, block->close.begin, block->close.end);
    put(copy, "", 1);
    if (copy->rule_left_out && copy->rules_jump)
        return refuse(copy, "a RewriteRule to https:// stands among others with the flags 'chain' "
                            "or 'skip', which count it");
    if (copy->n_redirects > 0 && !copy->has_content)
        return refuse(copy, "it does nothing but lead to https://, so that it does not say what "
                            "the site serves");
    return copy->out.failed ? no_memory(copy) : ECERT_OK;
}

static enum ecert_status tell(const struct copy *copy)
{
    const struct ecert_apache_scan *scan = copy->all->scan;
    const char *names = "";
    const char *note = NULL;

    if (copy->left_out[0] != '\0') {
        note =
            ecert_arena_text(scan->arena, "the virtual host for port 443 beside %s is without %s",
                             copy->block->host->place, copy->left_out);
        if (note == NULL)
            return no_memory(copy);
        ECERT_APACHE_TRY(scan->host->emit_note(scan->job, note, copy->err));
    }
    for (size_t i = 0; names != NULL && i < copy->block->host->n_names; i++)
        if (!ecert_apache_copy_has(&copy->rules, copy->block->host->names[i]))
            names = ecert_arena_text(scan->arena, "%s%s'%s'", names, names[0] == '\0' ? "" : ", ",
                                     copy->block->host->names[i]);
    if (names == NULL)
        return no_memory(copy);
    if (names[0] == '\0')
        return ECERT_OK;
    note = ecert_arena_text(scan->arena,
                            "the virtual host for port 443 beside %s does not get the names %s: "
                            "the certificate does not cover them, or another one has them",
                            copy->block->host->place, names);
    return note == NULL ? no_memory(copy) : scan->host->emit_note(scan->job, note, copy->err);
}

enum ecert_status ecert_apache_copy(const struct ecert_apache_changes *changes,
                                    const struct ecert_apache_creation *creation, const char **ret,
                                    size_t *ret_at, struct ecert_error *err)
{
    const struct ecert_apache_block *block = creation->beside;
    struct copy copy = {
        .all = changes,
        .creation = creation,
        .block = block,
        .rules = {.scan = changes->scan, .host = &creation->host},
        .err = err,
        .left_out = "",
    };

    if (memchr(block->text.ptr + block->head.begin, '\0', block->close.end - block->head.begin) !=
        NULL)
        return refuse(&copy, "a NUL byte stands in it");
    ECERT_APACHE_TRY(copy_block(&copy));
    ECERT_APACHE_TRY(tell(&copy));
    *ret = copy.out.bytes;
    *ret_at = block->close.end;
    return ECERT_OK;
}
