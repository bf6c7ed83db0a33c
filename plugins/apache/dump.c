#include "plugins/apache/dump.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_COMPARED 1000 /* names; a comparison of each with each must stay cheap */

struct parser {
    struct ecert_arena *arena;
    struct ecert_apache_dump dump;
    struct ecert_apache_address address; /* of the block of lines being read */
    struct ecert_apache_host *last;      /* whose aliases follow */
};

static bool starts(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* The text between the first and the last double quote of a line; NULL: no memory or no quotes. */
static const char *quoted(struct ecert_arena *arena, const char *line)
{
    const char *first = strchr(line, '"');
    const char *last = strrchr(line, '"');

    if (first == NULL || last == first)
        return NULL;
    return ecert_arena_copy(arena, first + 1, (size_t)(last - first - 1));
}

static bool parse_line_number(const char *text, size_t *ret)
{
    char *end = NULL;
    const unsigned long value = strtoul(text, &end, 10);

    if (end == text || value == 0)
        return false;
    *ret = value;
    return true;
}

/* "*:443", "[::1]:443", "_default_:*"; `text` stays NULL for others.  False: no memory. */
static bool parse_address(struct ecert_arena *arena, const char *text, size_t len,
                          struct ecert_apache_address *ret)
{
    const char *colon = memrchr(text, ':', len);

    if (colon == NULL || colon == text)
        return true;
    const char *begin = text;
    size_t n = (size_t)(colon - text);
    if (n >= 2 && begin[0] == '[' && begin[n - 1] == ']') {
        begin++;
        n -= 2;
    }
    const unsigned long port = strtoul(colon + 1, NULL, 10); /* "*" gives 0 */
    if (port > UINT16_MAX)
        return true;
    *ret = (struct ecert_apache_address){.text = ecert_arena_copy(arena, begin, n),
                                         .port = (uint16_t)port};
    return ret->text != NULL;
}

/* macro 'vh' (defined on line 32 of "/etc/x.conf") used on ... */
static bool parse_macro_place(struct parser *parser, struct ecert_apache_host *host)
{
    const char *at = strstr(host->place, "defined on line ");
    const char *open = at != NULL ? strchr(at, '"') : NULL;
    const char *close = open != NULL ? strchr(open + 1, '"') : NULL;
    const char *colon = strrchr(host->place, ':');

    host->macro = true;
    host->file = "";
    host->macro_line = colon == NULL ? 0 : strtoul(colon + 1, NULL, 10);
    if (close == NULL || !parse_line_number(at + strlen("defined on line "), &host->line))
        return true;
    host->file = ecert_arena_copy(parser->arena, open + 1, (size_t)(close - open - 1));
    return host->file != NULL;
}

/* "(/etc/apache2/sites-enabled/x.conf:2)" */
static bool parse_place(struct parser *parser, const char *text, size_t len,
                        struct ecert_apache_host *host)
{
    host->place = ecert_arena_copy(parser->arena, text, len);
    if (host->place == NULL)
        return false;
    if (starts(host->place, "macro '"))
        return parse_macro_place(parser, host);

    const char *colon = strrchr(host->place, ':');
    host->file = "";
    if (colon == NULL || !parse_line_number(colon + 1, &host->line))
        return true;
    host->file = ecert_arena_copy(parser->arena, host->place, (size_t)(colon - host->place));
    return host->file != NULL;
}

/* "NAME (PLACE)": a virtual host at the current address. */
static bool add_host(struct parser *parser, const char *text, bool aliases_unknown)
{
    const char *open = strstr(text, " (");
    const char *close = strrchr(text, ')');
    struct ecert_apache_host host = {.aliases_unknown = aliases_unknown};

    if (open == NULL || close == NULL || close < open + 2)
        return true;
    if (!parse_place(parser, open + 2, (size_t)(close - open - 2), &host))
        return false;
    const char *name = ecert_arena_copy(parser->arena, text, (size_t)(open - text));
    if (name == NULL || !ecert_apache_host_add_name(parser->arena, &host, name))
        return false;
    host.addresses = ecert_arena_grow(parser->arena, NULL, 0, sizeof *host.addresses);
    struct ecert_apache_host *hosts =
        ecert_arena_grow(parser->arena, parser->dump.hosts, parser->dump.n_hosts, sizeof *hosts);
    if (host.addresses == NULL || hosts == NULL)
        return false;
    host.addresses[host.n_addresses++] = parser->address;
    parser->dump.hosts = hosts;
    parser->last = &hosts[parser->dump.n_hosts++];
    *parser->last = host;
    return true;
}

/* Lines below an address. */
static bool parse_indented(struct parser *parser, const char *text)
{
    const char *alias = starts(text, "alias ")        ? text + strlen("alias ")
                        : starts(text, "wild alias ") ? text + strlen("wild alias ")
                                                      : NULL;

    if (alias != NULL && parser->last != NULL) {
        const char *copy = ecert_arena_copy(parser->arena, alias, strlen(alias));
        return copy != NULL && ecert_apache_host_add_name(parser->arena, parser->last, copy);
    }
    const char *name = starts(text, "port ") ? strstr(text, " namevhost ") : NULL;
    if (name != NULL)
        return add_host(parser, name + strlen(" namevhost "), false);
    return true;
}

/* "    (12) /etc/apache2/ports.conf" and "  (*) /etc/apache2/apache2.conf" */
static bool parse_include(struct parser *parser, const char *text, size_t indent)
{
    const char *close = strstr(text, ") ");
    struct ecert_apache_node node = {.level = indent / 2 - 1};

    if (close == NULL || (text[1] != '*' && !parse_line_number(text + 1, &node.line)))
        return true;
    node.path = ecert_arena_copy(parser->arena, close + 2, strlen(close + 2));
    struct ecert_apache_node *nodes =
        ecert_arena_grow(parser->arena, parser->dump.nodes, parser->dump.n_nodes, sizeof *nodes);
    if (node.path == NULL || nodes == NULL)
        return false;
    nodes[parser->dump.n_nodes++] = node;
    parser->dump.nodes = nodes;
    return true;
}

static bool add_text(struct parser *parser, const char ***list, size_t *n, const char *text,
                     size_t len)
{
    const char **larger = ecert_arena_grow(parser->arena, *list, *n, sizeof *larger);
    const char *copy = ecert_arena_copy(parser->arena, text, len);

    if (larger == NULL || copy == NULL)
        return false;
    larger[(*n)++] = copy;
    *list = larger;
    return true;
}

static bool add_define(struct parser *parser, const char *text)
{
    return add_text(parser, &parser->dump.defines, &parser->dump.n_defines, text, strlen(text));
}

/* " ssl_module (shared)" */
static bool parse_module(struct parser *parser, const char *text)
{
    const size_t len = strcspn(text, " ");
    const bool built_in = strcmp(text + len, " (static)") == 0;

    if (!built_in && strcmp(text + len, " (shared)") != 0)
        return true;
    if (built_in && !add_text(parser, &parser->dump.built_in, &parser->dump.n_built_in, text, len))
        return false;
    return add_text(parser, &parser->dump.modules, &parser->dump.n_modules, text, len);
}

/* Lines that start in the first column: an address, or a fact of the run. */
static bool parse_flush(struct parser *parser, const char *line)
{
    const size_t word = strcspn(line, " ");

    if (starts(line, "ServerRoot: \"")) {
        parser->dump.server_root = quoted(parser->arena, line);
        return true;
    }
    if (starts(line, "PidFile: \"")) {
        parser->dump.pid_file = quoted(parser->arena, line);
        return true;
    }
    if (starts(line, "Define: "))
        return add_define(parser, line + strlen("Define: "));
    if (line[word] != ' ' || memchr(line, ':', word) == NULL || line[word - 1] == ':')
        return true;
    const char *rest = line + word + strspn(line + word, " ");
    parser->address = (struct ecert_apache_address){0};
    if (!parse_address(parser->arena, line, word, &parser->address))
        return false;
    parser->last = NULL;
    if (parser->address.text == NULL || starts(rest, "is a NameVirtualHost"))
        return true;
    return add_host(parser, rest, true);
}

static bool parse_line(struct parser *parser, const char *line)
{
    const size_t indent = strspn(line, " ");

    if (line[indent] == '\0')
        return true;
    if (indent == 0)
        return parse_flush(parser, line);
    if (indent == 1)
        return parse_module(parser, line + indent);
    /* two blanks for each level; the virtual hosts' lines have no "(" there */
    if (line[indent] == '(' && indent % 2 == 0)
        return parse_include(parser, line + indent, indent);
    return parse_indented(parser, line + indent);
}

static int by_place(const void *a, const void *b)
{
    const struct ecert_apache_host *left = a;
    const struct ecert_apache_host *right = b;
    const int file = strcmp(left->file, right->file);

    if (file != 0)
        return file;
    if (left->line != right->line)
        return left->line < right->line ? -1 : 1;
    return strcmp(left->place, right->place);
}

static bool add_address(struct ecert_arena *arena, struct ecert_apache_host *host,
                        const struct ecert_apache_address *address)
{
    struct ecert_apache_address *addresses =
        ecert_arena_grow(arena, host->addresses, host->n_addresses, sizeof *addresses);

    if (addresses == NULL)
        return false;
    addresses[host->n_addresses++] = *address;
    host->addresses = addresses;
    return true;
}

/* One host that is listed at two addresses: one host with both. */
static bool merge(struct ecert_arena *arena, struct ecert_apache_host *into,
                  const struct ecert_apache_host *from)
{
    for (size_t i = 0; i < from->n_addresses; i++)
        if (!add_address(arena, into, &from->addresses[i]))
            return false;
    for (size_t i = 0; i < from->n_names; i++)
        if (!ecert_apache_host_add_name(arena, into, from->names[i]))
            return false;
    /* the long form at any address has told all aliases */
    into->aliases_unknown = into->aliases_unknown && from->aliases_unknown;
    return true;
}

static bool merge_hosts(struct ecert_arena *arena, struct ecert_apache_dump *dump)
{
    size_t kept = 0;

    if (dump->n_hosts == 0)
        return true;
    qsort(dump->hosts, dump->n_hosts, sizeof *dump->hosts, by_place);
    for (size_t i = 1; i < dump->n_hosts; i++) {
        if (strcmp(dump->hosts[kept].place, dump->hosts[i].place) == 0) {
            if (!merge(arena, &dump->hosts[kept], &dump->hosts[i]))
                return false;
        } else {
            dump->hosts[++kept] = dump->hosts[i];
        }
    }
    dump->n_hosts = kept + 1;
    return true;
}

bool ecert_apache_dump_parse(struct ecert_arena *arena, struct ecert_view out,
                             struct ecert_apache_dump *ret)
{
    struct parser parser = {.arena = arena};
    char *line = ecert_arena_copy(arena, out.ptr, out.len);

    if (line == NULL)
        return false;
    const char *const end = line + out.len;
    while (line < end) {
        const size_t len = strcspn(line, "\n"); /* a NUL byte ends a line too */
        line[len] = '\0';
        if (!parse_line(&parser, line))
            return false;
        line += len + 1;
    }
    if (!merge_hosts(arena, &parser.dump))
        return false;
    *ret = parser.dump;
    return true;
}

bool ecert_apache_host_add_name(struct ecert_arena *arena, struct ecert_apache_host *host,
                                const char *name)
{
    for (size_t i = 0; i < host->n_names && host->n_names <= MAX_COMPARED; i++)
        if (strcasecmp(host->names[i], name) == 0)
            return true;
    const char **names = ecert_arena_grow(arena, host->names, host->n_names, sizeof *names);
    if (names == NULL)
        return false;
    names[host->n_names++] = name;
    host->names = names;
    return true;
}

bool ecert_apache_host_add_address(struct ecert_arena *arena, struct ecert_apache_host *host,
                                   const char *text, size_t len)
{
    struct ecert_apache_address address = {0};

    return parse_address(arena, text, len, &address) &&
           (address.text == NULL || add_address(arena, host, &address));
}

const char *ecert_apache_bare_name(struct ecert_arena *arena, const char *value)
{
    const char *scheme = strstr(value, "://");
    const char *begin = scheme == NULL ? value : scheme + 3;

    return ecert_arena_copy(arena, begin, strcspn(begin, ":/"));
}

bool ecert_apache_has_module(const struct ecert_apache_dump *dump, const char *name, size_t len)
{
    for (size_t i = 0; i < dump->n_modules; i++)
        if (strncmp(dump->modules[i], name, len) == 0 && dump->modules[i][len] == '\0')
            return true;
    return false;
}

bool ecert_apache_lacks_ssl(const struct ecert_apache_dump *dump)
{
    static const char name[] = "ssl_module";

    return dump->n_modules > 0 && !ecert_apache_has_module(dump, name, strlen(name));
}

/* "/a//b/./c/../d" is "/a/b/d": by the text alone, as apr_filepath_merge() does it. */
static void tidy(char *path)
{
    char *end = path;

    for (const char *at = path; *at != '\0';) {
        const size_t slashes = strspn(at, "/");
        const size_t len = strcspn(at + slashes, "/");
        const char *part = at + slashes;
        at = part + len;
        if (len == 0 || (len == 1 && part[0] == '.'))
            continue;
        if (len == 2 && part[0] == '.' && part[1] == '.') {
            while (end > path && *--end != '/')
                ;
            continue;
        }
        *end++ = '/';
        memmove(end, part, len);
        end += len;
    }
    *end = '\0';
}

const char *ecert_apache_resolve(struct ecert_arena *arena, const struct ecert_apache_dump *dump,
                                 const char *value)
{
    const bool relative = value[0] != '/' && dump->server_root != NULL;

    if (!relative && strstr(value, "//") == NULL && strstr(value, "/.") == NULL)
        return value;
    char *path = relative ? ecert_arena_text(arena, "%s/%s", dump->server_root, value)
                          : ecert_arena_copy(arena, value, strlen(value));
    if (path != NULL && path[0] == '/')
        tidy(path);
    return path;
}
