#include "tests/unit/plugins/apache_properties.h"

#include "plugins/apache/change.h"
#include "plugins/apache/choose.h"
#include "plugins/apache/lexer.h"
#include "plugins/apache/scan.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_PATH "/etc/apache2/any.conf"

static const char *words_hold(struct ecert_view text, const struct ecert_apache_piece *piece)
{
    size_t at = piece->name.end;
    struct ecert_apache_word word = {0};

    if (piece->kind == ECERT_APACHE_BLANK || piece->kind == ECERT_APACHE_COMMENT)
        return NULL;
    if (piece->name.begin < piece->begin || piece->name.end < piece->name.begin ||
        piece->name.end > piece->end)
        return "a name lies outside of its piece";
    for (size_t last = at; ecert_apache_next_word(text, piece, &at, &word); last = at)
        if (word.begin < last || word.end <= word.begin || word.end > piece->end || at <= last)
            return "a word lies outside of its piece, or has no letters";
    return NULL;
}

const char *apache_pieces_hold(struct ecert_view text)
{
    struct ecert_apache_lexer lexer = {.text = text};
    struct ecert_apache_piece piece = {0};
    size_t at = 0;
    size_t line = 0;

    while (ecert_apache_next(&lexer, &piece)) {
        if (piece.begin != at)
            return "a piece does not start where the one before it ended";
        if (piece.end <= piece.begin || piece.end > text.len)
            return "a piece is empty, or longer than the text";
        for (; at < piece.end; at++)
            line += text.ptr[at] == '\n' || at + 1 == text.len;
        if (piece.line != line)
            return "a piece has a wrong line";
        if (piece.end < text.len && text.ptr[piece.end - 1] != '\n')
            return "a piece ends within a line";
        const char *wrong = words_hold(text, &piece);
        if (wrong != NULL)
            return wrong;
    }
    return at == text.len ? NULL : "the last piece does not end with the text";
}

/* ---- a host with one file ----------------------------------------------------------------------
 */

struct ecert_job {
    struct ecert_view text;
    uint8_t *written;
    size_t written_len;
    unsigned n_written;
};

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

static enum ecert_status read_file(struct ecert_job *job, const char *path, size_t max_len,
                                   struct ecert_view *ret, struct ecert_error *err)
{
    (void)err;
    if (strcmp(path, FILE_PATH) != 0 || job->text.len > max_len)
        return ECERT_E_NOT_FOUND;
    *ret = job->text;
    return ECERT_OK;
}

static enum ecert_status glob_nothing(struct ecert_job *job, const char *pattern,
                                      const char *const **ret, struct ecert_error *err)
{
    static const char *const nothing[] = {NULL};

    (void)job;
    (void)pattern;
    (void)err;
    *ret = nothing;
    return ECERT_OK;
}

static enum ecert_status run_nothing(struct ecert_job *job, const char *const *argv,
                                     struct ecert_command_result *ret, struct ecert_error *err)
{
    (void)job;
    (void)argv;
    (void)ret;
    (void)err;
    return ECERT_E_COMMAND;
}

static const char *const *setting_list(const struct ecert_job *job, const char *name)
{
    static const char *const command[] = {"/usr/sbin/httpd", NULL};

    (void)job;
    (void)name;
    return command;
}

/* Of the first deployment: nothing is replaced. */
static const struct ecert_leaf_facts *leaf(const struct ecert_job *job)
{
    static const struct ecert_leaf_facts facts = {.size = sizeof facts, .key_type = "rsa"};

    (void)job;
    return &facts;
}

static enum ecert_status emit_file(struct ecert_job *job, const struct ecert_file_record *file,
                                   struct ecert_error *err)
{
    (void)err;
    job->n_written++;
    free(job->written);
    job->written = malloc(file->content.len + 1);
    if (job->written == NULL)
        abort();
    memcpy(job->written, file->content.ptr, file->content.len);
    job->written_len = file->content.len;
    return ECERT_OK;
}

static const struct ecert_host host = {.size = offsetof(struct ecert_host, forget), /* texts stay */
                                       .read_file = read_file,
                                       .glob = glob_nothing,
                                       .run = run_nothing,
                                       .setting_list = setting_list,
                                       .leaf = leaf,
                                       .emit_file = emit_file,
                                       .fail = refuse};

/* ---- a text as a server reads it ---------------------------------------------------------------
 */

struct reading {
    struct ecert_job job;
    struct ecert_arena arena;
    struct ecert_apache_dump dump;
    struct ecert_apache_node node;
    struct ecert_apache_scan scan;
    bool refused;
};

static void add_addresses(struct reading *reading, const struct ecert_apache_piece *head,
                          struct ecert_apache_host *to)
{
    struct ecert_apache_word word = {0};
    size_t at = head->name.end;

    while (ecert_apache_next_word(reading->job.text, head, &at, &word)) {
        const char *text = ecert_apache_word_text(&reading->arena, reading->job.text, word);
        if (text == NULL || !ecert_apache_host_add_address(&reading->arena, to, text, strlen(text)))
            abort();
    }
}

static void add_hosts(struct reading *reading)
{
    struct ecert_apache_lexer lexer = {.text = reading->job.text};
    struct ecert_apache_piece piece = {0};
    struct ecert_apache_dump *dump = &reading->dump;

    while (ecert_apache_next(&lexer, &piece)) {
        if (piece.kind != ECERT_APACHE_OPEN ||
            !ecert_apache_is(reading->job.text, &piece, "VirtualHost"))
            continue;
        dump->hosts =
            ecert_arena_grow(&reading->arena, dump->hosts, dump->n_hosts, sizeof *dump->hosts);
        if (dump->hosts == NULL)
            abort();
        struct ecert_apache_host *found = &dump->hosts[dump->n_hosts++];
        *found =
            (struct ecert_apache_host){.place = FILE_PATH, .file = FILE_PATH, .line = piece.line};
        add_addresses(reading, &piece, found);
    }
}

/* In place: the scan points into the reading. */
static void read_text(struct reading *reading, struct ecert_view text)
{
    static const char *modules[] = {"ssl_module", "core_module"};

    *reading = (struct reading){.job.text = text, .node = {.path = FILE_PATH}};
    reading->dump.nodes = &reading->node;
    reading->dump.n_nodes = 1;
    reading->dump.server_root = "/etc/apache2";
    reading->dump.modules = modules;
    reading->dump.n_modules = 2;
    add_hosts(reading);
    reading->scan = (struct ecert_apache_scan){
        .host = &host, .job = &reading->job, .arena = &reading->arena, .dump = &reading->dump};
    reading->refused = ecert_apache_scan_run(&reading->scan, NULL) != ECERT_OK;
}

static void reading_clear(struct reading *reading)
{
    ecert_arena_clear(&reading->arena);
    free(reading->job.written);
}

/* ---- comparing ---------------------------------------------------------------------------------
 */

static bool is_ours(struct ecert_view text, const struct ecert_apache_piece *piece)
{
    static const char *const names[] = {"SSLEngine", "SSLCertificateFile", "SSLCertificateKeyFile",
                                        "SSLCertificateChainFile"};

    if (piece->kind == ECERT_APACHE_BLANK || piece->kind == ECERT_APACHE_COMMENT)
        return true;
    for (size_t i = 0; i < 4; i++)
        if (piece->kind == ECERT_APACHE_DIRECTIVE && ecert_apache_is(text, piece, names[i]))
            return true;
    return false;
}

static bool next_other(struct ecert_apache_lexer *lexer, struct ecert_apache_piece *ret)
{
    while (ecert_apache_next(lexer, ret))
        if (!is_ours(lexer->text, ret))
            return true;
    return false;
}

/* Directives and sections that are none of ours: the same lines in the same order. */
static const char *compare_others(struct ecert_view old, struct ecert_view new)
{
    struct ecert_apache_lexer left = {.text = old};
    struct ecert_apache_lexer right = {.text = new};
    struct ecert_apache_piece a = {0};
    struct ecert_apache_piece b = {0};

    for (;;) {
        const bool more = next_other(&left, &a);
        if (next_other(&right, &b) != more)
            return "an edit makes or hides another directive";
        if (!more)
            return NULL;
        if (a.end - a.begin != b.end - b.begin ||
            memcmp(old.ptr + a.begin, new.ptr + b.begin, a.end - a.begin) != 0)
            return "an edit changes another directive";
    }
}

/* The new bytes are the old ones but for the edits, so that the edits undone give the old ones. */
static const char *compare_bytes(struct ecert_view old, const struct ecert_apache_edits *edits,
                                 struct ecert_view new)
{
    size_t at = 0;
    size_t n = 0;

    for (size_t i = 0; i < edits->n; i++) {
        const struct ecert_apache_edit *edit = &edits->edits[i];
        const size_t len = strlen(edit->with);
        if (edit->begin < at || edit->end < edit->begin || edit->end > old.len)
            return "edits overlap, or lie outside of the text";
        const size_t kept = edit->begin - at;
        if (new.len - n < kept + len || memcmp(old.ptr + at, new.ptr + n, kept) != 0 ||
            memcmp(edit->with, new.ptr + n + kept, len) != 0)
            return "the edits undone do not give the old bytes";
        n += kept + len;
        at = edit->end;
    }
    if (new.len - n != old.len - at ||
        (new.len != n &&memcmp(old.ptr + at, new.ptr + n, new.len - n) != 0))
        return "the edits undone do not give the old bytes";
    return NULL;
}

static bool same_scope(const struct ecert_apache_scope *a, const struct ecert_apache_scope *b)
{
    for (size_t kind = 0; kind < ECERT_APACHE_DIRECTIVE_COUNT; kind++) {
        if (a->of[kind].n != b->of[kind].n)
            return false;
        for (size_t i = 0; i < a->of[kind].n; i++)
            if (strcmp(a->of[kind].list[i].value, b->of[kind].list[i].value) != 0)
                return false;
    }
    return true;
}

static bool names_file(const struct ecert_apache_scope *scope,
                       enum ecert_apache_directive directive, const char *path)
{
    const struct ecert_apache_use *use = ecert_apache_use_last(scope, directive);

    return use != NULL && use->path != NULL && strcmp(use->path, path) == 0;
}

/* The server takes the n-th key with the n-th certificate; more keys than certificates do not
 * count. */
static bool has_pair(const struct ecert_apache_scope *scope, const struct ecert_apache_wish *wish)
{
    const struct ecert_apache_uses *certificates = &scope->of[ECERT_APACHE_CERTIFICATE];

    for (size_t i = 0; i < certificates->n; i++) {
        const struct ecert_apache_use *key = ecert_apache_use_at(scope, ECERT_APACHE_KEY, i);
        if (certificates->list[i].path != NULL && key != NULL && key->path != NULL &&
            strcmp(certificates->list[i].path, wish->certificate) == 0 &&
            strcmp(key->path, wish->key) == 0)
            return true;
    }
    return false;
}

static const char *compare_hosts(const struct reading *before, struct reading *after, size_t which,
                                 const struct ecert_apache_wish *wish)
{
    const struct ecert_apache_block *block = &after->scan.blocks[which];
    struct ecert_apache_changes again = {.scan = &after->scan, .wish = *wish};

    if (!same_scope(&before->scan.server, &after->scan.server))
        return "an edit changes the server level";
    for (size_t i = 0; i < before->scan.n_blocks; i++)
        if (i != which &&
            (before->scan.blocks[i].found != after->scan.blocks[i].found ||
             !same_scope(&before->scan.blocks[i].scope, &after->scan.blocks[i].scope)))
            return "an edit changes another virtual host";
    if (!block->found || !has_pair(&block->scope, wish))
        return "the virtual host does not have the new files";
    if (wish->chain != NULL && !names_file(&block->scope, ECERT_APACHE_CHAIN, wish->chain))
        return "the virtual host does not have the new chain";
    if (ecert_apache_change(&again, block, NULL) != ECERT_OK || again.edits.n != 0)
        return "a second time there is still something to change";
    return NULL;
}

/* ---- editing -----------------------------------------------------------------------------------
 */

static const char *edit_host(struct reading *before, size_t which,
                             const struct ecert_apache_wish *wish)
{
    struct ecert_apache_changes changes = {.scan = &before->scan, .wish = *wish};
    struct reading after = {0};

    if (ecert_apache_change(&changes, &before->scan.blocks[which], NULL) != ECERT_OK ||
        changes.edits.n == 0)
        return NULL;
    before->job.n_written = 0;
    if (ecert_apache_edits_emit(&host, &before->job, &changes.edits, NULL) != ECERT_OK ||
        before->job.n_written != 1)
        return "the edits of one file are not one file record";
    const struct ecert_view new = {before->job.written, before->job.written_len};
    const char *wrong = compare_bytes(before->job.text, &changes.edits, new);
    if (wrong == NULL)
        wrong = compare_others(before->job.text, new);
    if (wrong != NULL)
        return wrong;
    read_text(&after, new);
    if (after.refused || after.scan.n_blocks != before->scan.n_blocks)
        wrong = "the text cannot be read again";
    else
        wrong = compare_hosts(before, &after, which, wish);
    reading_clear(&after);
    return wrong;
}

const char *apache_edits_hold(struct ecert_view text, size_t max)
{
    static const struct ecert_apache_wish wishes[] = {
        {.certificate = "/live/full.pem", .key = "/live/key.pem", .key_type = "rsa"},
        {.certificate = "/live/cert.pem",
         .key = "/live/key.pem",
         .chain = "/live/chain.pem",
         .key_type = "rsa"},
        {.certificate = "/a b'\"<x>\\/full.pem", .key = "/a \\b/key.pem", .key_type = "ec"},
    };
    struct reading reading = {0};
    const char *wrong = NULL;

    read_text(&reading, text);
    const size_t n = reading.refused ? 0 : reading.scan.n_blocks;
    const size_t step = max == 0 || n < max ? 1 : n / max;
    for (size_t i = 0; i < n && wrong == NULL; i += step) {
        const struct ecert_apache_block *block = &reading.scan.blocks[i];
        if (!block->found || ecert_apache_why_plain(&reading.scan, block) != NULL)
            continue;
        for (size_t j = 0; j < 3 && wrong == NULL; j++)
            wrong = edit_host(&reading, i, &wishes[j]);
    }
    reading_clear(&reading);
    return wrong;
}
