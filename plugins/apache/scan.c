#include "plugins/apache/scan.h"

#include "plugins/apache/collect.h"
#include "plugins/apache/macro.h"

#include <string.h>
#include <strings.h>

#define MAX_LEVEL 128 /* the server's own limit, AP_MAX_INCLUDE_DEPTH */

static enum ecert_status walk_node(struct ecert_apache_scan *scan, size_t node,
                                   struct ecert_apache_block *block, struct ecert_error *err);

enum ecert_status ecert_apache_no_memory(const struct ecert_apache_scan *scan,
                                         struct ecert_error *err)
{
    return scan->host->fail(err, ECERT_E_NOMEM, "out of memory");
}

/* ---- includes ------------------------------------------------------------------------------- */

/* A file that is read once more for a block whose first reading counts. */
static void own_subtree(struct ecert_apache_scan *scan, size_t node, size_t owner)
{
    const struct ecert_apache_node *nodes = scan->tree.nodes;

    for (size_t i = node;
         i < scan->tree.n_nodes && (i == node || nodes[i].level > nodes[node].level); i++)
        scan->owners[i] = owner;
}

/* Walk the files that the Include in this line brought in. */
static enum ecert_status follow(struct ecert_apache_walk *walk, size_t line,
                                struct ecert_error *err)
{
    struct ecert_apache_scan *scan = walk->scan;
    enum ecert_status status = ECERT_OK;

    if (walk->node == ECERT_APACHE_NO_NODE)
        return ECERT_OK;
    for (size_t i = ecert_apache_tree_child(&scan->tree, walk->node, line, walk->child);
         i != ECERT_APACHE_NO_NODE && status == ECERT_OK;
         i = ecert_apache_tree_next(&scan->tree, i)) {
        walk->child = i + 1;
        if (walk->scope != NULL)
            status = walk_node(scan, i, walk->block, err);
        else if (walk->block != NULL)
            own_subtree(scan, i, (size_t)(walk->block - scan->blocks) + 1);
    }
    return status;
}

/* ---- virtual hosts --------------------------------------------------------------------------- */

/* The block whose head ends in this line; NULL: the server named none there. */
static struct ecert_apache_block *find_block(struct ecert_apache_scan *scan, const char *path,
                                             size_t line)
{
    size_t low = 0;
    size_t high = scan->n_blocks;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        struct ecert_apache_block *block = &scan->blocks[middle];
        int order = strcmp(block->host->file, path);
        if (order == 0 && block->host->line != line)
            order = block->host->line < line ? -1 : 1;
        if (order == 0)
            return block->host->macro ? NULL : block;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* One more virtual host of a file that the server does not read; NULL: no memory. */
static struct ecert_apache_block *add_block(struct ecert_apache_walk *walk,
                                            const struct ecert_apache_piece *head)
{
    struct ecert_apache_unread *unread = walk->unread;
    struct ecert_arena *arena = walk->scan->arena;
    struct ecert_apache_block *blocks =
        ecert_arena_grow(arena, unread->blocks, unread->n, sizeof *blocks);
    struct ecert_apache_host *host = ecert_arena_alloc(arena, sizeof *host);
    struct ecert_apache_word word = {0};

    if (blocks == NULL || host == NULL)
        return NULL;
    *host = (struct ecert_apache_host){
        .file = unread->path, .place = unread->path, .line = head->line, .aliases_unknown = true};
    for (size_t at = head->name.end; ecert_apache_next_word(walk->lexer.text, head, &at, &word);) {
        const char *text = ecert_apache_word_value(&walk->scan->variables, walk->lexer.text, word);
        if (text == NULL || !ecert_apache_host_add_address(arena, host, text, strlen(text)))
            return NULL;
    }
    unread->blocks = blocks;
    blocks[unread->n] = (struct ecert_apache_block){.host = host};
    return &blocks[unread->n++];
}

static enum ecert_status enter_block(struct ecert_apache_walk *walk,
                                     const struct ecert_apache_piece *head, struct ecert_error *err)
{
    struct ecert_apache_scan *scan = walk->scan;
    struct ecert_apache_block *block =
        walk->unread != NULL ? add_block(walk, head)
                             : find_block(scan, scan->tree.nodes[walk->node].path, head->line);

    if (walk->unread != NULL && block == NULL)
        return ecert_apache_no_memory(scan, err);
    walk->in_block = true;
    walk->depth = 0;
    walk->block = block;
    walk->scope = NULL;
    if (block == NULL || block->found) /* a file that is included twice: its first reading counts */
        return ECERT_OK;
    block->found = true;
    block->order = ++scan->n_entered;
    block->node = walk->node;
    block->text = walk->lexer.text;
    block->head = *head;
    block->last = *head;
    walk->scope = &block->scope;
    return ECERT_OK;
}

static void leave_block(struct ecert_apache_walk *walk, const struct ecert_apache_piece *close)
{
    if (walk->scope != NULL)
        walk->block->close = *close;
    walk->in_block = false;
    walk->block = NULL;
    walk->scope = walk->outer;
}

/* ---- one file -------------------------------------------------------------------------------- */

static enum ecert_status open_section(struct ecert_apache_walk *walk,
                                      const struct ecert_apache_piece *head,
                                      struct ecert_error *err)
{
    struct ecert_apache_scan *scan = walk->scan;

    if (ecert_apache_skip_opaque(&walk->lexer, head))
        return ECERT_OK;
    if (ecert_apache_is_inactive(&scan->conditions, walk->lexer.text, head))
        ecert_apache_skip(&walk->lexer, head);
    else if (walk->block == NULL && !walk->in_block &&
             ecert_apache_is(walk->lexer.text, head, "VirtualHost"))
        return enter_block(walk, head, err);
    else
        walk->depth++;
    return ECERT_OK;
}

static enum ecert_status step(struct ecert_apache_walk *walk,
                              const struct ecert_apache_piece *piece, struct ecert_error *err)
{
    const struct ecert_view text = walk->lexer.text;

    switch (piece->kind) {
    case ECERT_APACHE_BLANK:
    case ECERT_APACHE_COMMENT:
        return ECERT_OK;
    case ECERT_APACHE_OPEN:
        return open_section(walk, piece, err);
    case ECERT_APACHE_CLOSE:
        if (walk->in_block && ecert_apache_is(text, piece, "VirtualHost"))
            leave_block(walk, piece);
        else if (walk->depth > 0)
            walk->depth--;
        return ECERT_OK;
    case ECERT_APACHE_DIRECTIVE:
        if (ecert_apache_skip_opaque(&walk->lexer, piece))
            return ECERT_OK;
        if (ecert_apache_is(text, piece, "Include") ||
            ecert_apache_is(text, piece, "IncludeOptional"))
            return follow(walk, piece->line, err);
        if (walk->scope != NULL && walk->in_block && walk->depth == 0)
            walk->block->last = *piece;
        return ecert_apache_collect(walk, piece) ? ECERT_OK
                                                 : ecert_apache_no_memory(walk->scan, err);
    }
    return ECERT_OK;
}

static enum ecert_status walk_text(struct ecert_apache_walk *walk, struct ecert_error *err)
{
    struct ecert_apache_piece piece = {0};
    enum ecert_status status = ECERT_OK;

    while (status == ECERT_OK && ecert_apache_next(&walk->lexer, &piece))
        status = step(walk, &piece, err);
    if (walk->in_block && walk->scope != NULL) /* it never ends, so it is none to be edited */
        walk->block->found = false;
    return status;
}

/* One file, in the server's scope or, where it was included by a block, in that block's. */
static enum ecert_status walk_node(struct ecert_apache_scan *scan, size_t node,
                                   struct ecert_apache_block *block, struct ecert_error *err)
{
    struct ecert_apache_file *file = &scan->tree.files[scan->tree.files_of[node]];
    struct ecert_apache_walk walk = {.scan = scan,
                                     .node = node,
                                     .child = node + 1,
                                     .outer = &scan->server,
                                     .block = block,
                                     .scope = block != NULL ? &block->scope : &scan->server};

    if (scan->tree.nodes[node].level > MAX_LEVEL)
        return scan->host->fail(err, ECERT_E_CONFIG, "'%s' is included too deeply", file->path);
    scan->owners[node] = block != NULL ? (size_t)(block - scan->blocks) + 1 : 0;
    ECERT_APACHE_TRY(ecert_apache_tree_read(scan->host, scan->job, file, err));
    walk.lexer = (struct ecert_apache_lexer){.text = file->text};
    return walk_text(&walk, err);
}

/* ---- the run --------------------------------------------------------------------------------- */

static bool is_control_script(const char *command)
{
    const char *slash = strrchr(command, '/');
    const char *name = slash == NULL ? command : slash + 1;

    return strncmp(name, "apachectl", 9) == 0 || strncmp(name, "apache2ctl", 10) == 0;
}

/* What apachectl reads first: beside itself (httpd's own), beside the main file, or Debian's. */
static bool read_environment(struct ecert_apache_scan *scan)
{
    const char *command = scan->host->setting_list(scan->job, "command")[0];
    const char *const beside[] = {command, scan->dump->nodes[0].path, "/etc/apache2/"};
    struct ecert_error ignored = {0};

    for (size_t i = 0; is_control_script(command) && i < 3; i++) {
        const char *slash = strrchr(beside[i], '/');
        struct ecert_view text = {0};
        if (slash == NULL)
            continue;
        const char *path =
            ecert_arena_text(scan->arena, "%.*s/envvars", (int)(slash - beside[i]), beside[i]);
        if (path == NULL)
            return false;
        if (scan->host->read_file(scan->job, path, (size_t)1 << 20, &text, &ignored) == ECERT_OK)
            return ecert_apache_environment(&scan->variables, text);
    }
    return true;
}

/* The command line's stand first, and ours are the last of them. */
static bool define_all(struct ecert_apache_scan *scan)
{
    bool command_line = true;

    for (size_t i = 0; i < scan->dump->n_defines; i++) {
        const char *define = scan->dump->defines[i];
        const size_t len = strcspn(define, "=");
        const char *name = ecert_arena_copy(scan->arena, define, len);
        const char *value = define[len] == '=' ? define + len + 1 : "";
        if (name == NULL || !(command_line ? ecert_apache_define(&scan->variables, name, value)
                                           : ecert_apache_suppose(&scan->variables, name, value)))
            return false;
        command_line = command_line && strcmp(name, "DUMP_MODULES") != 0;
    }
    return true;
}

static bool prepare(struct ecert_apache_scan *scan)
{
    const struct ecert_apache_dump *dump = scan->dump;

    scan->variables.arena = scan->arena;
    scan->conditions = (struct ecert_apache_conditions){.host = scan->host,
                                                        .job = scan->job,
                                                        .arena = scan->arena,
                                                        .dump = dump,
                                                        .variables = &scan->variables,
                                                        .loaded = &scan->loaded};
    scan->loaded = (struct ecert_apache_loaded){.host = scan->host,
                                                .job = scan->job,
                                                .arena = scan->arena,
                                                .dump = dump,
                                                .tree = &scan->tree,
                                                .variables = &scan->variables};
    scan->owners = ecert_arena_alloc(scan->arena, (dump->n_nodes + 1) * sizeof *scan->owners);
    scan->blocks = ecert_arena_alloc(scan->arena, (dump->n_hosts + 1) * sizeof *scan->blocks);
    if (scan->owners == NULL || scan->blocks == NULL ||
        !ecert_apache_tree_make(scan->arena, dump, &scan->tree))
        return false;
    scan->n_blocks = dump->n_hosts;
    for (size_t i = 0; i < dump->n_hosts; i++)
        scan->blocks[i].host = &dump->hosts[i];
    return read_environment(scan) && define_all(scan);
}

/* The names of a host that the server listed in the short form, or not at all. */
static bool complete_names(struct ecert_apache_scan *scan, struct ecert_apache_block *block)
{
    static const enum ecert_apache_directive kinds[] = {ECERT_APACHE_NAME, ECERT_APACHE_ALIAS};
    struct ecert_apache_host *host = block->host;

    if (!host->aliases_unknown || host->macro)
        return true;
    for (size_t k = host->n_names == 0 ? 0 : 1; k < sizeof kinds / sizeof kinds[0]; k++) {
        const struct ecert_apache_uses *uses = &block->scope.of[kinds[k]];
        for (size_t i = 0; i < uses->n; i++) {
            const char *name = k == 0 ? ecert_apache_bare_name(scan->arena, uses->list[i].value)
                                      : uses->list[i].value;
            if (name == NULL || !ecert_apache_host_add_name(scan->arena, host, name))
                return false;
        }
    }
    return true;
}

enum ecert_status ecert_apache_scan_run(struct ecert_apache_scan *scan, struct ecert_error *err)
{
    if (!prepare(scan))
        return ecert_apache_no_memory(scan, err);
    for (size_t i = 0; i < scan->tree.n_nodes; i++)
        if (scan->tree.nodes[i].level == 0)
            ECERT_APACHE_TRY(walk_node(scan, i, NULL, err));
    for (size_t i = 0; i < scan->n_blocks; i++) {
        if (scan->blocks[i].host->macro)
            ECERT_APACHE_TRY(ecert_apache_macro_walk(scan, i, err));
        if (!complete_names(scan, &scan->blocks[i]))
            return ecert_apache_no_memory(scan, err);
    }
    return ECERT_OK;
}

enum ecert_status ecert_apache_scan_unread(struct ecert_apache_scan *scan, const char *path,
                                           struct ecert_view text,
                                           struct ecert_apache_block **ret_blocks, size_t *ret_n,
                                           struct ecert_error *err)
{
    struct ecert_apache_unread unread = {.path = path};
    struct ecert_apache_scope level = {0}; /* not in force */
    struct ecert_apache_walk walk = {.scan = scan,
                                     .node = ECERT_APACHE_NO_NODE,
                                     .unread = &unread,
                                     .lexer = {.text = text},
                                     .outer = &level,
                                     .scope = &level};

    ECERT_APACHE_TRY(walk_text(&walk, err));
    for (size_t i = 0; i < unread.n; i++)
        if (!complete_names(scan, &unread.blocks[i]))
            return ecert_apache_no_memory(scan, err);
    *ret_blocks = unread.blocks;
    *ret_n = unread.n;
    return ECERT_OK;
}
