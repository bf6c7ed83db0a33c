#include "plugins/apache/service.h"

#include "plugins/apache/create.h"

#include <arpa/inet.h>
#include <fnmatch.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static size_t count(const char *const *list)
{
    size_t n = 0;

    while (list[n] != NULL)
        n++;
    return n;
}

const char *const *ecert_apache_command(struct ecert_arena *arena, const char *const *command,
                                        const char *const *more)
{
    const size_t n = count(command);
    const char **argv = ecert_arena_alloc(arena, (n + count(more) + 1) * sizeof *argv);

    if (argv == NULL)
        return NULL;
    memcpy(argv, command, n * sizeof *argv);
    memcpy(argv + n, more, count(more) * sizeof *argv);
    return argv;
}

/* ---- test and activation ------------------------------------------------------------------- */

static bool is_named(const char *path, const char *name)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL && strcmp(slash + 1, name) == 0;
}

static bool exists(const struct ecert_apache_scan *scan, const char *path)
{
    const char *const *found = NULL;
    struct ecert_error ignored = {0};

    return scan->host->glob(scan->job, path, &found, &ignored) == ECERT_OK && found[0] != NULL;
}

/* The server behind apachectl stands beside it: apache2 on Debian, httpd elsewhere. */
static const char *find_executable(const struct ecert_apache_scan *scan, const char *command)
{
    static const char *const known[] = {"apache2", "httpd"};

    for (size_t i = 0; i < 2; i++)
        if (is_named(command, known[i]))
            return command;
    const char *slash = strrchr(command, '/');
    for (size_t i = 0; slash != NULL && i < 2; i++) {
        const char *path =
            ecert_arena_text(scan->arena, "%.*s/%s", (int)(slash - command), command, known[i]);
        if (path == NULL || exists(scan, path))
            return path;
    }
    return "/usr/sbin/httpd";
}

static const char *find_service(const struct ecert_apache_scan *scan, const char *executable)
{
    const char *set = scan->host->setting(scan->job, "service");
    const char *root = scan->dump->server_root;

    if (set != NULL)
        return set;
    if (is_named(executable, "apache2") || (root != NULL && strcmp(root, "/etc/apache2") == 0))
        return "apache2.service";
    return "httpd.service";
}

static const char *find_pid_file(const struct ecert_apache_scan *scan)
{
    const char *set = scan->host->setting(scan->job, "pid_file");

    if (set != NULL || scan->dump->pid_file == NULL)
        return set;
    return ecert_apache_resolve(scan->arena, scan->dump, scan->dump->pid_file);
}

enum ecert_status ecert_apache_emit_service(struct ecert_apache_scan *scan, struct ecert_error *err)
{
    /* "-k graceful" goes to the server as it stands; "graceful" would make apachectl test the
       configuration a second time, which costs as much as the reload */
    static const char *const test[] = {"-t", NULL};
    static const char *const graceful[] = {"-k", "graceful", NULL};
    static const char *const start[] = {"-k", "start", NULL};
    const char *const *command = scan->host->setting_list(scan->job, "command");
    const char *const *tested = ecert_apache_command(scan->arena, command, test);
    const char *const *reload = ecert_apache_command(scan->arena, command, graceful);
    const char *const *started = ecert_apache_command(scan->arena, command, start);
    const char *executable = find_executable(scan, command[0]);

    if (tested == NULL || reload == NULL || started == NULL || executable == NULL)
        return ecert_apache_no_memory(scan, err);
    const struct ecert_activate_record activate = {
        .size = sizeof activate,
        .service = find_service(scan, executable),
        .reload = reload,
        .start = started,
        .pid_file = find_pid_file(scan),
        .executable = executable,
        .reload_signal = SIGUSR1, /* httpd's manual, "Stopping and Restarting" */
    };
    ECERT_APACHE_TRY(scan->host->emit_test(scan->job, tested, NULL, err));
    return scan->host->emit_activate(scan->job, &activate, err);
}

/* ---- probes -------------------------------------------------------------------------------- */

static bool is_numeric(const char *address)
{
    unsigned char binary[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, address, binary) == 1 || inet_pton(AF_INET6, address, binary) == 1;
}

/* "443", "[::1]:443", "192.0.2.1:443": the address of a Listen; NULL: none. */
static const char *listen_address(const struct ecert_apache_scan *scan, const char *value,
                                  uint16_t *ret_port)
{
    const char *colon = strrchr(value, ':');
    size_t len = colon == NULL ? 0 : (size_t)(colon - value);

    const unsigned long port = strtoul(colon == NULL ? value : colon + 1, NULL, 10);
    if (port == 0 || port > UINT16_MAX)
        return NULL;
    *ret_port = (uint16_t)port;
    if (len >= 2 && value[0] == '[' && value[len - 1] == ']') {
        value++;
        len -= 2;
    }
    return ecert_arena_copy(scan->arena, value, len);
}

/* Where something that listens at `address` answers; NULL: `address` is not one to connect to. */
static const char *local_address(const char *address)
{
    if (address[0] == '\0' || strcmp(address, "*") == 0 || strcmp(address, "0.0.0.0") == 0)
        return "127.0.0.1";
    if (strcmp(address, "::") == 0)
        return "::1";
    return is_numeric(address) ? address : NULL;
}

const char *ecert_apache_listen_of(const struct ecert_apache_scan *scan, const char *value,
                                   const char **ret_local, uint16_t *ret_port)
{
    const char *address = listen_address(scan, value, ret_port);

    *ret_local = address != NULL ? local_address(address) : NULL;
    return *ret_local != NULL ? address : NULL;
}

/* By port, from one pass over the Listen directives; false: no memory. */
static bool find_listens(struct ecert_apache_scan *scan)
{
    const struct ecert_apache_uses *uses = &scan->server.of[ECERT_APACHE_LISTEN];
    const char **listens =
        ecert_arena_alloc(scan->arena, ((size_t)UINT16_MAX + 1) * sizeof *listens);

    if (listens == NULL)
        return false;
    for (size_t i = 0; i < uses->n; i++) {
        uint16_t port = 0;
        const char *local = NULL;
        if (ecert_apache_listen_of(scan, uses->list[i].value, &local, &port) != NULL &&
            (listens[port] == NULL || strcmp(local, "127.0.0.1") == 0))
            listens[port] = local;
    }
    scan->listens = listens;
    return true;
}

static const char *wildcard_address(struct ecert_apache_scan *scan, uint16_t port)
{
    if (scan->listens == NULL && !find_listens(scan))
        return "127.0.0.1";
    return scan->listens[port] != NULL ? scan->listens[port] : "127.0.0.1";
}

static const char *probe_address(struct ecert_apache_scan *scan,
                                 const struct ecert_apache_address *address, uint16_t port)
{
    if (strcmp(address->text, "*") == 0 || strcmp(address->text, "_default_") == 0 ||
        strcmp(address->text, "0.0.0.0") == 0)
        return wildcard_address(scan, port);
    return local_address(address->text);
}

static bool has_other_port(const struct ecert_apache_host *host, uint16_t port)
{
    for (size_t i = 0; i < host->n_addresses; i++)
        if (host->addresses[i].port != port)
            return true;
    return false;
}

bool ecert_apache_probe_of(struct ecert_apache_scan *scan, const struct ecert_apache_host *host,
                           size_t i, struct ecert_probe_record *ret)
{
    const uint16_t port = host->addresses[i].port == 0 ? 443 : host->addresses[i].port;

    *ret = (struct ecert_probe_record){.size = sizeof *ret,
                                       .address = probe_address(scan, &host->addresses[i], port),
                                       .port = port};
    return ret->address != NULL && !(port == 80 && has_other_port(host, 80));
}

bool ecert_apache_answers_to(const struct ecert_apache_host *host, const char *name)
{
    for (size_t i = 0; i < host->n_names; i++)
        if (strcasecmp(host->names[i], name) == 0 ||
            (strpbrk(host->names[i], "*?") != NULL &&
             fnmatch(host->names[i], name, FNM_NOESCAPE | FNM_CASEFOLD) == 0))
            return true;
    return false;
}

static bool is_at(const struct ecert_apache_host *host, const struct ecert_apache_address *address)
{
    for (size_t i = 0; i < host->n_addresses; i++) {
        const struct ecert_apache_address *own = &host->addresses[i];
        if ((own->port == address->port || own->port == 0 || address->port == 0) &&
            (strcmp(own->text, address->text) == 0 ||
             (ecert_apache_is_any(own->text) && ecert_apache_is_any(address->text))))
            return true;
    }
    return false;
}

/* Of those at an address the first that has the name answers, wild or not: is it one that stays? */
static bool is_answered_by_other(const struct ecert_apache_scan *scan,
                                 const struct ecert_apache_block *block,
                                 const struct ecert_apache_address *address, const char *name)
{
    for (size_t i = 0; i < scan->n_blocks; i++) {
        const struct ecert_apache_block *other = &scan->blocks[i];
        if (other->left && (block->order == 0 || other->order < block->order) &&
            is_at(other->host, address) && ecert_apache_answers_to(other->host, name))
            return true;
    }
    return false;
}

/* By this name, or for a wild one by one that it stands for; *ret NULL: others answer to it.
 * False: no memory. */
static bool choose_sni(const struct ecert_apache_scan *scan, const struct ecert_apache_block *block,
                       const struct ecert_apache_address *address, const char *name,
                       const char **ret)
{
    static const char *const labels[] = {"www", "ecert-probe"};
    const bool wild = strncmp(name, "*.", 2) == 0;

    *ret = NULL;
    for (size_t i = 0; i < (wild ? 2 : 1) && *ret == NULL; i++) {
        const char *sni = wild ? ecert_arena_text(scan->arena, "%s%s", labels[i], name + 1) : name;
        if (sni == NULL)
            return false;
        *ret = is_answered_by_other(scan, block, address, sni) ? NULL : sni;
    }
    return true;
}

/* By the name that it was chosen for, else by any other that the leaf covers. */
static bool choose_any_sni(const struct ecert_apache_scan *scan,
                           const struct ecert_apache_block *block,
                           const struct ecert_apache_address *address, const char *name,
                           const char **ret)
{
    const struct ecert_apache_host *host = block->host;

    if (!choose_sni(scan, block, address, name, ret))
        return false;
    for (size_t i = 0; i < host->n_names && *ret == NULL; i++)
        if (scan->host->covers(scan->job, host->names[i]) &&
            !choose_sni(scan, block, address, host->names[i], ret))
            return false;
    return true;
}

static enum ecert_status note_hidden(struct ecert_apache_scan *scan,
                                     const struct ecert_apache_block *block,
                                     struct ecert_error *err)
{
    const char *text = ecert_arena_text(
        scan->arena, "the virtual host '%s' (%s) is not asked: others before it have its names",
        block->host->names[0], block->host->place);

    return text == NULL ? ecert_apache_no_memory(scan, err)
                        : scan->host->emit_note(scan->job, text, err);
}

enum ecert_status ecert_apache_emit_probes(struct ecert_apache_scan *scan,
                                           const struct ecert_apache_block *block, const char *name,
                                           struct ecert_error *err)
{
    if (name == NULL) /* which host answers without a name is not asked */
        return ECERT_OK;
    for (size_t i = 0; i < block->host->n_addresses; i++) {
        struct ecert_probe_record probe = {0};
        if (!ecert_apache_probe_of(scan, block->host, i, &probe))
            continue;
        if (!choose_any_sni(scan, block, &block->host->addresses[i], name, &probe.server_name))
            return ecert_apache_no_memory(scan, err);
        if (probe.server_name == NULL)
            ECERT_APACHE_TRY(note_hidden(scan, block, err));
        else if (scan->n_probes++ < ECERT_APACHE_MAX_PROBES)
            ECERT_APACHE_TRY(scan->host->emit_probe(scan->job, &probe, err));
    }
    return ECERT_OK;
}
