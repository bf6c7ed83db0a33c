/* The Listen that a virtual host for port 443 needs. */
#include "plugins/apache/create.h"

#include "plugins/apache/service.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One virtual host being given its Listen. */
struct work {
    struct ecert_apache_changes *changes;
    struct ecert_apache_scan *scan;
    const struct ecert_apache_creation *creation;
    size_t n; /* of the server's own Listen directives */
    struct ecert_error *err;
};

static enum ecert_status no_memory(const struct work *work)
{
    return work->scan->host->fail(work->err, ECERT_E_NOMEM, "out of memory");
}

/* The address of the i-th Listen if it has this port, "" for all; NULL: another port. */
static const char *address_of(const struct work *work, size_t i, uint16_t port)
{
    const struct ecert_apache_use *use =
        ecert_apache_use_at(&work->scan->server, ECERT_APACHE_LISTEN, i);
    const char *local = NULL;
    uint16_t found = 0;
    const char *address = ecert_apache_listen_of(work->scan, use->value, &local, &found);

    return found == port ? address : NULL;
}

/* Does a Listen at `listen` take what comes in at `address`? */
static bool takes(const char *listen, const char *address)
{
    return ecert_apache_is_any(listen) || ecert_apache_is_any(address) ||
           strcmp(listen, address) == 0;
}

/* ---- who listens there now ------------------------------------------------------------------- */

/* The address of a line of /proc/net/tcp that tells of a listener at port 443; proc(5). */
static bool parse_listener(const char *line, char ret[static INET6_ADDRSTRLEN])
{
    enum { LISTENING = 0x0A };
    char hex[33] = "";
    unsigned port = 0;
    unsigned state = 0;
    uint32_t words[4] = {0};

    if (sscanf(line, " %*u: %32[0-9A-F]:%4X %*[0-9A-F]:%*4X %2X", hex, &port, &state) != 3 ||
        port != 443 || state != LISTENING)
        return false;
    const size_t n = strlen(hex) / 8;
    for (size_t i = n; i > 0; i--) {
        words[i - 1] = (uint32_t)strtoul(hex + 8 * (i - 1), NULL, 16);
        hex[8 * (i - 1)] = '\0';
    }
    return inet_ntop(n == 4 ? AF_INET6 : AF_INET, words, ret, INET6_ADDRSTRLEN) != NULL;
}

/*
 * A port that another program has would be noticed at the reload only, and by the end of the
 * server: so it is looked at before.
 */
static enum ecert_status check_free(const struct work *work, const char *value)
{
    static const char *const argv[] = {"/bin/cat", "/proc/net/tcp", "/proc/net/tcp6", NULL};
    struct ecert_command_result result = {0};
    struct ecert_error ignored = {0};
    const char *local = NULL;
    char found[INET6_ADDRSTRLEN] = "";
    uint16_t port = 0;
    const char *address = ecert_apache_listen_of(work->scan, value, &local, &port);

    if (address == NULL ||
        work->scan->host->run(work->scan->job, argv, &result, &ignored) != ECERT_OK)
        return ECERT_OK;
    const char *text = ecert_arena_copy(work->scan->arena, result.out.ptr, result.out.len);
    if (text == NULL)
        return no_memory(work);
    for (; *text != '\0'; text += strcspn(text, "\n"), text += *text == '\n' ? 1 : 0)
        if (parse_listener(text, found) && takes(found, address))
            return ecert_apache_create_refuse(
                work->changes, work->creation->beside,
                ecert_arena_text(work->scan->arena,
                                 "\"Listen %s\" is needed, and another program listens at port 443 "
                                 "of '%s'",
                                 value, found),
                work->err);
    return ECERT_OK;
}

/* ---- edits ------------------------------------------------------------------------------------
 */

/* `use`, with this value instead of its own and without a protocol, in a line behind it. */
static enum ecert_status add_behind(const struct work *work, size_t i, const char *value)
{
    struct ecert_apache_scan *scan = work->scan;
    struct ecert_apache_uses *uses = &scan->server.of[ECERT_APACHE_LISTEN];
    struct ecert_apache_use use = uses->list[i];
    struct ecert_apache_use *list =
        ecert_arena_grow(scan->arena, uses->list, uses->n, sizeof *list);
    const char *own_end = ecert_apache_line_end(use.text, &use.piece);
    const char *end = own_end[0] != '\0' ? own_end : "\n";
    const char *line =
        value == NULL ? NULL
                      : ecert_arena_text(scan->arena, "%s%.*s%s%s", own_end[0] == '\0' ? end : "",
                                         (int)(use.word.begin - use.piece.begin),
                                         (const char *)use.text.ptr + use.piece.begin, value, end);

    if (line == NULL || list == NULL)
        return no_memory(work);
    ECERT_APACHE_TRY(check_free(work, value));
    const struct ecert_apache_edit edit = {.path = ecert_apache_use_file(scan, NULL, &use),
                                           .text = use.text,
                                           .begin = use.piece.end,
                                           .end = use.piece.end,
                                           .with = line};
    if (!ecert_apache_edits_add(scan->arena, &work->changes->edits, &edit))
        return no_memory(work);
    use.value = value;
    list[uses->n++] = use;
    uses->list = list;
    return ECERT_OK;
}

/* "80" becomes "443" in the words as they stand; with a variable, in what it stands for. */
static const char *other_port(const struct work *work, size_t i)
{
    const struct ecert_apache_use *use =
        ecert_apache_use_at(&work->scan->server, ECERT_APACHE_LISTEN, i);
    const char *raw = ecert_apache_word_text(work->scan->arena, use->text, use->word);
    const size_t len = strlen(use->value);

    if (raw == NULL)
        return NULL;
    const size_t raw_len = strlen(raw);
    const bool as_it_is = raw_len >= 2 && strcmp(raw + raw_len - 2, "80") == 0;
    return ecert_arena_text(work->scan->arena, "%.*s443", (int)((as_it_is ? raw_len : len) - 2),
                            as_it_is ? raw : use->value);
}

static enum ecert_status listen_at(const struct work *work, const char *address)
{
    const size_t n = work->n;
    size_t last_443 = n;
    size_t n_added = 0;

    for (size_t i = 0; i < n; i++) {
        const char *listen = address_of(work, i, 443);
        if (listen != NULL && takes(listen, address))
            return ECERT_OK;
        last_443 = listen != NULL ? i : last_443;
    }
    if (last_443 < n) { /* at other addresses: one for all would be in their way */
        const bool is_v6 = strchr(address, ':') != NULL;
        return add_behind(work, last_443,
                          is_v6 ? ecert_arena_text(work->scan->arena, "[%s]:443", address)
                                : ecert_arena_text(work->scan->arena, "%s:443", address));
    }
    for (size_t i = 0; i < n; i++) {
        const char *listen = address_of(work, i, 80);
        if (listen == NULL || !takes(listen, address))
            continue;
        ECERT_APACHE_TRY(add_behind(work, i, other_port(work, i)));
        n_added++;
    }
    if (n_added == 0)
        return ecert_apache_create_refuse(
            work->changes, work->creation->beside,
            "no Listen for port 80 was found, beside which \"Listen 443\" could stand: write one",
            work->err);
    return ECERT_OK;
}

enum ecert_status ecert_apache_create_listens(struct ecert_apache_changes *changes,
                                              const struct ecert_apache_creation *creation,
                                              size_t n, struct ecert_error *err)
{
    const struct work work = {
        .changes = changes, .scan = changes->scan, .creation = creation, .n = n, .err = err};

    for (size_t i = 0; i < creation->host.n_addresses; i++)
        ECERT_APACHE_TRY(listen_at(&work, creation->host.addresses[i].text));
    return ECERT_OK;
}
