#include "core/host/plan.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fs.h"
#include "core/host/record.h"
#include "core/host/site.h"

#define CONTENT_MAX   ((size_t)64 << 20) /* of one file; a worker says no more than this in all */
#define HOST_NAME_LEN 253 /* of a host name: RFC 1035, 2.3.4, without the final dot */

/* ---- lifetimes ---- */

static void clear_test(struct ecert_plan_test *test)
{
    ecert_strings_clear(&test->argv);
    ecert_strings_clear(&test->scratch);
}

static void clear_activation(struct ecert_plan_activation *activation)
{
    free(activation->service);
    ecert_strings_clear(&activation->reload);
    ecert_strings_clear(&activation->start);
    free(activation->pid_file);
    free(activation->executable);
    *activation = (struct ecert_plan_activation){0};
}

static void clear_file(struct ecert_plan_file *file)
{
    free(file->path);
    ecert_secret_clear(&file->content);
    *file = (struct ecert_plan_file){0};
}

void ecert_probe_clear(struct ecert_probe *probe)
{
    free(probe->address);
    free(probe->server_name);
    free(probe->starttls);
    *probe = (struct ecert_probe){0};
}

void ecert_plan_drop_file(struct ecert_plan *plan, size_t at)
{
    clear_file(&plan->files[at]);
    memmove(&plan->files[at], &plan->files[at + 1],
            (plan->n_files - at - 1) * sizeof plan->files[0]);
    plan->n_files--;
}

void ecert_plan_clear(struct ecert_plan *plan)
{
    for (size_t i = 0; i < plan->n_files; i++)
        clear_file(&plan->files[i]);
    for (size_t i = 0; i < plan->n_tests; i++)
        clear_test(&plan->tests[i]);
    for (size_t i = 0; i < plan->n_probes; i++)
        ecert_probe_clear(&plan->probes[i]);
    for (size_t i = 0; i < plan->n_sites; i++)
        ecert_site_clear(&plan->sites[i]);
    free(plan->sites);
    free(plan->files);
    free(plan->by_path);
    free(plan->tests);
    free(plan->probes);
    clear_activation(&plan->activation);
    ecert_strings_clear(&plan->notes);
    *plan = (struct ecert_plan){0};
}

/* Room for one more element of an array that doubles whenever its length is a power of two. */
static enum ecert_status grow(void **array, size_t n, size_t element, size_t max, const char *what,
                              struct ecert_error *err)
{
    if (n >= max)
        return ecert_error_set(err, ECERT_E_PLUGIN, "more than %zu %s records", max, what);
    if ((n & (n - 1)) != 0)
        return ECERT_OK;
    void *larger = realloc(*array, (n == 0 ? 1 : 2 * n) * element);
    if (larger == NULL)
        return ecert_error_nomem(err);
    *array = larger;
    return ECERT_OK;
}

/* ---- what a text may be ---- */

static bool has_control(const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++)
        if (*p < 0x20 || *p == 0x7F)
            return true;
    return false;
}

static enum ecert_status refuse(const char *record, const char *value, const char *why,
                                struct ecert_error *err)
{
    return ecert_record_refuse(record, NULL, value, why, err);
}

static enum ecert_status check_path(const char *record, const char *path, struct ecert_error *err)
{
    if (path == NULL)
        return ecert_error_set(err, ECERT_E_PLUGIN, "%s record: no path", record);
    if (!ecert_path_is_plain(path))
        return refuse(record, path,
                      "is not an absolute path without '.', '..', empty parts and control bytes",
                      err);
    if (strlen(path) >= ECERT_RECORD_TEXT_MAX)
        return refuse(record, path, "is too long for a path", err);
    return ECERT_OK;
}

static enum ecert_status check_argv(const char *record, const char *const *argv,
                                    struct ecert_error *err)
{
    if (argv == NULL || argv[0] == NULL)
        return ecert_error_set(err, ECERT_E_PLUGIN, "%s record: no command", record);
    ECERT_TRY(check_path(record, argv[0], err));
    for (size_t i = 1; argv[i] != NULL; i++) {
        if (i >= ECERT_PLAN_MAX)
            return ecert_error_set(err, ECERT_E_PLUGIN,
                                   "%s record: a command of more than %d words", record,
                                   ECERT_PLAN_MAX);
        if (has_control(argv[i]) || strlen(argv[i]) >= ECERT_RECORD_TEXT_MAX)
            return refuse(record, argv[i], "is too long, or holds control bytes", err);
    }
    return ECERT_OK;
}

static enum ecert_status check_size(const char *record, uint32_t size, size_t needed,
                                    struct ecert_error *err)
{
    if (size < needed)
        return ecert_error_set(err, ECERT_E_PLUGIN,
                               "%s record: its size is %u, this core needs %zu", record,
                               (unsigned)size, needed);
    return ECERT_OK;
}

/* ---- files ---- */

/* The place of a path in the table, which has room: where it stands, or where it would. */
static uint32_t *place_of(const struct ecert_plan *plan, const char *path)
{
    uint32_t hash = 2166136261u; /* FNV-1a */

    for (const char *p = path; *p != '\0'; p++)
        hash = (hash ^ (uint8_t)*p) * 16777619u;
    for (size_t i = hash;; i++) {
        uint32_t *place = &plan->by_path[i & (plan->n_by_path - 1)];

        if (*place == 0 || strcmp(plan->files[*place - 1].path, path) == 0)
            return place;
    }
}

/* Room for one more path, at most half of the table taken. */
static enum ecert_status grow_table(struct ecert_plan *plan, struct ecert_error *err)
{
    if (plan->n_files * 2 < plan->n_by_path)
        return ECERT_OK;
    const size_t room = plan->n_by_path == 0 ? 16 : 2 * plan->n_by_path;
    uint32_t *larger = calloc(room, sizeof *larger);

    if (larger == NULL)
        return ecert_error_nomem(err);
    free(plan->by_path);
    plan->by_path = larger;
    plan->n_by_path = room;
    for (size_t i = 0; i < plan->n_files; i++)
        *place_of(plan, plan->files[i].path) = (uint32_t)i + 1;
    return ECERT_OK;
}

static enum ecert_status check_file(const struct ecert_plan *plan,
                                    const struct ecert_file_record *file, struct ecert_error *err)
{
    ECERT_TRY(check_path("file", file->path, err));
    if (*place_of(plan, file->path) != 0)
        return refuse("file", file->path, "occurs twice", err);
    if (file->content.len > CONTENT_MAX)
        return refuse("file", file->path, "shall hold more than 64 MiB", err);
    if (file->uid < -1 || file->uid >= UINT32_MAX || file->gid < -1 || file->gid >= UINT32_MAX)
        return refuse("file", file->path, "shall belong to a user or group that cannot be", err);
    if (file->mode < -1 || file->mode > 0777)
        return refuse("file", file->path, "shall have a mode other than 0 to 0777", err);
    if (file->mode >= 0 && (file->mode & 0002) != 0)
        return refuse("file", file->path, "shall be writable by everybody", err);
    if (file->secret && file->mode >= 0 && (file->mode & ~0640) != 0)
        return refuse("file", file->path, "is secret and its mode is wider than 0640", err);
    return ECERT_OK;
}

enum ecert_status ecert_plan_add_file_expecting(struct ecert_plan *plan,
                                                const struct ecert_file_record *file, bool exists,
                                                const uint8_t expected[ECERT_SHA256_LEN],
                                                struct ecert_error *err)
{
    ECERT_AUTO(clear_file)
    struct ecert_plan_file added = {.exists = exists,
                                    .secret = file->secret,
                                    .uid = file->uid,
                                    .gid = file->gid,
                                    .mode = file->mode};

    ECERT_TRY(grow_table(plan, err));
    ECERT_TRY(check_file(plan, file, err));
    if (exists)
        memcpy(added.expected, expected, ECERT_SHA256_LEN);
    ECERT_TRY(ecert_text_copy(ecert_view_of(file->path), &added.path, err));
    ECERT_TRY(ecert_secret_copy(file->content, &added.content, err));
    void *array = plan->files;
    ECERT_TRY(grow(&array, plan->n_files, sizeof added, ECERT_PLAN_FILES_MAX, "file", err));
    plan->files = array;
    plan->files[plan->n_files++] = added;
    *place_of(plan, file->path) = (uint32_t)plan->n_files;
    added = (struct ecert_plan_file){0};
    return ECERT_OK;
}

enum ecert_status ecert_plan_add_file(struct ecert_plan *plan,
                                      const struct ecert_file_record *record,
                                      struct ecert_error *err)
{
    uint8_t expected[ECERT_SHA256_LEN] = {0};

    ECERT_TRY(check_size("file", record->size, sizeof *record, err));
    if (record->content.ptr == NULL && record->content.len > 0)
        return ecert_error_set(err, ECERT_E_PLUGIN, "file record: no content");
    if (record->expected.ptr != NULL)
        ecert_sha256(record->expected, expected);
    return ecert_plan_add_file_expecting(plan, record, record->expected.ptr != NULL, expected, err);
}

/* ---- tests, activation ---- */

enum ecert_status ecert_plan_add_test(struct ecert_plan *plan, const char *const *argv,
                                      const char *const *scratch, struct ecert_error *err)
{
    ECERT_AUTO(clear_test) struct ecert_plan_test added = {0};

    ECERT_TRY(check_argv("test", argv, err));
    for (size_t i = 0; scratch != NULL && scratch[i] != NULL; i++) {
        if (i >= ECERT_PLAN_MAX)
            return ecert_error_set(err, ECERT_E_PLUGIN, "test record: more than %d scratch files",
                                   ECERT_PLAN_MAX);
        ECERT_TRY(check_path("test", scratch[i], err));
    }
    ECERT_TRY(ecert_strings_add_all(&added.argv, argv, err));
    ECERT_TRY(ecert_strings_add_all(&added.scratch, scratch, err));
    void *array = plan->tests;
    ECERT_TRY(grow(&array, plan->n_tests, sizeof added, ECERT_PLAN_MAX, "test", err));
    plan->tests = array;
    plan->tests[plan->n_tests++] = added;
    added = (struct ecert_plan_test){0};
    return ECERT_OK;
}

static enum ecert_status copy_optional(const char *text, char **ret, struct ecert_error *err)
{
    return text == NULL ? ECERT_OK : ecert_text_copy(ecert_view_of(text), ret, err);
}

/* What systemd allows in a unit's name: systemd.unit(5). */
static bool is_unit_name(const char *text)
{
    const size_t n = strlen(text);

    return n > 0 && n < 256 &&
           strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:-_.\\@") ==
               n;
}

enum ecert_status ecert_plan_set_activation(struct ecert_plan *plan,
                                            const struct ecert_activate_record *record,
                                            struct ecert_error *err)
{
    ECERT_AUTO(clear_activation) struct ecert_plan_activation added = {0};

    ECERT_TRY(check_size("activate", record->size, sizeof *record, err));
    if (record->service == NULL)
        return ecert_error_set(err, ECERT_E_PLUGIN, "activate record: no service");
    if (plan->has_activation)
        return refuse("activate", record->service, "is the second one; a plan has at most one",
                      err);
    if (!is_unit_name(record->service))
        return refuse("activate", record->service, "is not a name of a service", err);
    ECERT_TRY(check_argv("activate", record->reload, err));
    if (record->start != NULL && record->start[0] != NULL)
        ECERT_TRY(check_argv("activate", record->start, err));
    if (record->pid_file != NULL)
        ECERT_TRY(check_path("activate", record->pid_file, err));
    if (record->executable != NULL)
        ECERT_TRY(check_path("activate", record->executable, err));
    if (record->reload_signal != 0 && record->reload_signal != SIGHUP &&
        record->reload_signal != SIGUSR1 && record->reload_signal != SIGUSR2)
        return ecert_error_set(err, ECERT_E_PLUGIN, "activate record: signal %d reloads no server",
                               (int)record->reload_signal);

    ECERT_TRY(ecert_text_copy(ecert_view_of(record->service), &added.service, err));
    ECERT_TRY(ecert_strings_add_all(&added.reload, record->reload, err));
    ECERT_TRY(ecert_strings_add_all(&added.start, record->start, err));
    ECERT_TRY(copy_optional(record->pid_file, &added.pid_file, err));
    ECERT_TRY(copy_optional(record->executable, &added.executable, err));
    added.reload_signal = record->reload_signal;
    plan->activation = added;
    plan->has_activation = true;
    added = (struct ecert_plan_activation){0};
    return ECERT_OK;
}

/* ---- probes, notes ---- */

static enum ecert_status check_address(const char *address, struct ecert_error *err)
{
    struct in_addr v4 = {0};
    struct in6_addr v6 = {0};

    if (address == NULL)
        return ecert_error_set(err, ECERT_E_PLUGIN, "probe record: no address");
    if (inet_pton(AF_INET, address, &v4) == 1) {
        if (v4.s_addr == htonl(INADDR_ANY))
            return refuse("probe", address, "is a wildcard address", err);
        return ECERT_OK;
    }
    if (inet_pton(AF_INET6, address, &v6) != 1)
        return refuse("probe", address, "is not a numeric address", err);
    const bool mapped_any =
        IN6_IS_ADDR_V4MAPPED(&v6) && memcmp(v6.s6_addr + 12, "\0\0\0\0", 4) == 0;
    if (IN6_IS_ADDR_UNSPECIFIED(&v6) || mapped_any)
        return refuse("probe", address, "is a wildcard address", err);
    return ECERT_OK;
}

static bool is_server_name(const char *text)
{
    const size_t n = strlen(text);

    return n > 0 && n <= HOST_NAME_LEN && text[0] != '.' && text[0] != '-' &&
           strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.") == n;
}

static bool is_starttls(const char *text)
{
    static const char *const kinds[] = {"smtp", "imap", "pop3", "ftp"};

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (strcmp(kinds[i], text) == 0)
            return true;
    return false;
}

enum ecert_status ecert_plan_add_probe(struct ecert_plan *plan,
                                       const struct ecert_probe_record *record,
                                       struct ecert_error *err)
{
    ECERT_AUTO(ecert_probe_clear) struct ecert_probe added = {.port = record->port};

    ECERT_TRY(check_size("probe", record->size, sizeof *record, err));
    ECERT_TRY(check_address(record->address, err));
    if (record->port == 0)
        return refuse("probe", record->address, "has port 0", err);
    if (record->server_name != NULL && !is_server_name(record->server_name))
        return refuse("probe", record->server_name, "is not a host name", err);
    if (record->starttls != NULL && !is_starttls(record->starttls))
        return refuse("probe", record->starttls, "is none of smtp, imap, pop3, ftp", err);

    ECERT_TRY(ecert_text_copy(ecert_view_of(record->address), &added.address, err));
    ECERT_TRY(copy_optional(record->server_name, &added.server_name, err));
    ECERT_TRY(copy_optional(record->starttls, &added.starttls, err));
    void *array = plan->probes;
    ECERT_TRY(grow(&array, plan->n_probes, sizeof added, ECERT_PLAN_MAX, "probe", err));
    plan->probes = array;
    plan->probes[plan->n_probes++] = added;
    added = (struct ecert_probe){0};
    return ECERT_OK;
}

enum ecert_status ecert_plan_add_note(struct ecert_plan *plan, const char *text,
                                      struct ecert_error *err)
{
    if (text == NULL || text[0] == '\0')
        return ecert_error_set(err, ECERT_E_PLUGIN, "note record: no text");
    if (plan->notes.len >= ECERT_PLAN_MAX)
        return ecert_error_set(err, ECERT_E_PLUGIN, "more than %d note records", ECERT_PLAN_MAX);
    if (strlen(text) >= ECERT_RECORD_TEXT_MAX)
        return refuse("note", text, "is too long for a sentence", err);
    ECERT_TRY(ecert_record_check_text("note", NULL, text, err));
    return ecert_strings_add(&plan->notes, text, err);
}
