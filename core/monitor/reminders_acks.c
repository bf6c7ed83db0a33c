/* Acknowledging: a person said that he knows. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/message.h"
#include "core/flow/store_json.h"
#include "core/monitor/reminders_internal.h"

#define FORMAT   1
#define TIME_MAX INT64_C(253402300799)

/* NAME_MAX is 255; a temporary name keeps 200 of it. */
#define NAME_ROOM 150

void ecert_ack_clear(struct ecert_ack *ack)
{
    free(ack->name);
    free(ack->note);
    free(ack->by);
    *ack = (struct ecert_ack){0};
}

/*
 * The name of a certificate or watch as a file's: paths and addresses have bytes that a file name
 * cannot have, as %XX; what is long is cut, with a hash of the whole.
 */
static enum ecert_status file_name(const char *name, char **ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer words = {0};
    char sha256[ECERT_SHA256_HEX_LEN];

    for (const char *c = name; *c != '\0'; c++)
        if (isalnum((unsigned char)*c) || (*c != '\0' && strchr("-_*:@", *c) != NULL) ||
            (*c == '.' && c != name))
            ecert_buffer_add(&words, (struct ecert_view){(const uint8_t *)c, 1});
        else
            ecert_buffer_printf(&words, "%%%02X", (unsigned)(unsigned char)*c);
    if (words.failed)
        return ecert_error_nomem(err);
    if (words.len > 0 && words.len <= NAME_ROOM)
        return ecert_text_copy(ecert_buffer_view(&words), ret, err);
    ecert_sha256_hex(ecert_view_of(name), sha256);
    return ecert_text_format(ret, err, "%.*s~%.32s", NAME_ROOM - 40,
                             words.len > 0 ? (const char *)words.ptr : "", sha256);
}

static enum ecert_status ack_path(const struct ecert_config *config, const char *name, char **ret,
                                  struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *file = NULL;

    ECERT_TRY(file_name(name, &file, err));
    return ecert_reminders_path(config, ECERT_FOLDER_ACKS, file, ret, err);
}

static json_t *ack_json(const struct ecert_ack *ack)
{
    return json_pack("{s:i, s:o, s:I, s:o, s:o, s:I}", "format", FORMAT, "name",
                     ecert_store_json_string(ack->name), "until", (json_int_t)ack->until, "note",
                     ecert_store_json_string(ack->note), "by", ecert_store_json_string(ack->by),
                     "when", (json_int_t)ack->when);
}

/* ---- writing ---- */

/* A line of its own, whatever a crash left of the line before it. */
static enum ecert_status append(int fd, const char *line, struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer text = {0};
    const off_t size = lseek(fd, 0, SEEK_END);
    char last = '\n';

    if (size > 0 && pread(fd, &last, 1, size - 1) != 1)
        return ecert_error_errno(err, ECERT_E_IO, "read");
    ecert_buffer_printf(&text, "%s%s\n", last == '\n' ? "" : "\n", line);
    if (text.failed)
        return ecert_error_nomem(err);
    ECERT_TRY(ecert_write_all(fd, ecert_buffer_view(&text), err));
    return fsync(fd) == 0 ? ECERT_OK : ecert_error_errno(err, ECERT_E_IO, "fsync");
}

static enum ecert_status keep_record(const struct ecert_config *config, const struct ecert_ack *ack,
                                     struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *folder = NULL;
    ECERT_AUTO(ecert_auto_free) char *path = NULL;
    ECERT_AUTO(ecert_auto_json) json_t *json = ack_json(ack);
    ECERT_AUTO(ecert_auto_free) char *line = json == NULL ? NULL : json_dumps(json, JSON_COMPACT);

    if (line == NULL)
        return ecert_error_nomem(err);
    ECERT_TRY(ecert_reminders_folder(config, ECERT_FOLDER_ACKS, &folder, err));
    ECERT_TRY(ecert_text_format(&path, err, "%s/history.jsonl", folder));
    ECERT_AUTO(ecert_auto_close)
    int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return ecert_error_errno(err, ECERT_E_IO, "open '%s'", path);
    if (append(fd, line, err) != ECERT_OK)
        return ecert_error_wrap(err, "append to '%s'", path);
    return ecert_fs_sync_directory(folder, err);
}

enum ecert_status ecert_ack_write(const struct ecert_config *config, const struct ecert_ack *ack,
                                  struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *path = NULL;

    ECERT_TRY(ack_path(config, ack->name, &path, err));
    ECERT_TRY(ecert_reminders_make_folder(config, ECERT_FOLDER_ACKS, err));
    ECERT_TRY(keep_record(config, ack, err));
    return ecert_store_write_json(path, ack_json(ack), err);
}

/* ---- reading ---- */

static enum ecert_status read_ack(const char *path, struct ecert_ack *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_json) json_t *json = NULL;
    ECERT_AUTO(ecert_ack_clear) struct ecert_ack ack = {0};
    int64_t format = 0;

    ECERT_TRY(ecert_store_read_json(path, &json, err));
    ECERT_TRY(ecert_store_get_number(path, json, "format", FORMAT, &format, err));
    ECERT_TRY(ecert_store_get_text(path, json, "name", false, &ack.name, err));
    ECERT_TRY(ecert_store_get_number(path, json, "until", TIME_MAX, &ack.until, err));
    ECERT_TRY(ecert_store_get_text(path, json, "note", true, &ack.note, err));
    ECERT_TRY(ecert_store_get_text(path, json, "by", true, &ack.by, err));
    ECERT_TRY(ecert_store_get_number(path, json, "when", TIME_MAX, &ack.when, err));
    *ret = ack;
    ack = (struct ecert_ack){0};
    return ECERT_OK;
}

enum ecert_status ecert_ack_read(const struct ecert_config *config, const char *name, int64_t now,
                                 struct ecert_ack *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_ack_clear) struct ecert_ack ack = {0};
    ECERT_AUTO(ecert_auto_free) char *path = NULL;

    ECERT_TRY(ack_path(config, name, &path, err));
    ECERT_TRY(read_ack(path, &ack, err));
    if (strcmp(ack.name, name) != 0 || now > ack.until)
        return ecert_error_set(err, ECERT_E_NOT_FOUND, "'%s' is not acknowledged", name);
    *ret = ack;
    ack = (struct ecert_ack){0};
    return ECERT_OK;
}

static bool is_ack_name(const char *name)
{
    const size_t len = strlen(name);

    return name[0] != '.' && len > 5 && strcmp(name + len - 5, ".json") == 0;
}

void ecert_acks_clear(struct ecert_acks *acks)
{
    for (size_t i = 0; i < acks->n; i++)
        ecert_ack_clear(&acks->items[i]);
    free(acks->items);
    *acks = (struct ecert_acks){0};
}

enum ecert_status ecert_acks_list(const struct ecert_config *config, int64_t now,
                                  struct ecert_acks *ret, struct ecert_strings *notes,
                                  struct ecert_error *err)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings files = {0};
    ECERT_AUTO(ecert_acks_clear) struct ecert_acks acks = {0};
    ECERT_AUTO(ecert_auto_free) char *folder = NULL;

    ECERT_TRY(ecert_reminders_folder(config, ECERT_FOLDER_ACKS, &folder, err));
    ECERT_TRY(ecert_reminders_list(config, ECERT_FOLDER_ACKS, &files, err));
    acks.items = calloc(files.len + 1, sizeof *acks.items);
    if (acks.items == NULL)
        return ecert_error_nomem(err);
    for (size_t i = 0; i < files.len; i++) {
        ECERT_AUTO(ecert_ack_clear) struct ecert_ack ack = {0};
        ECERT_AUTO(ecert_auto_free) char *path = NULL;

        if (!is_ack_name(files.items[i]))
            continue;
        ECERT_TRY(ecert_text_format(&path, err, "%s/%s", folder, files.items[i]));
        const enum ecert_status status = read_ack(path, &ack, err);
        if (status == ECERT_E_REFUSED)
            ECERT_TRY(ecert_reminders_set_aside(path, notes, err));
        else if (status != ECERT_OK && status != ECERT_E_NOT_FOUND)
            return status;
        else if (status == ECERT_OK && now <= ack.until) {
            acks.items[acks.n++] = ack;
            ack = (struct ecert_ack){0};
        }
    }
    *ret = acks;
    acks = (struct ecert_acks){0};
    return ECERT_OK;
}
