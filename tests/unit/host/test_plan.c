#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/host/plan.h"

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

static const uint8_t one_byte[] = {'x'};

/* ---- a plan with everything in it ---- */

static void fill(struct ecert_plan *plan)
{
    struct ecert_error err = {0};
    const struct ecert_file_record key = {.size = sizeof key,
                                          .path = "/etc/x/key.pem",
                                          .content = {(const uint8_t *)"a\0b", 3},
                                          .secret = true,
                                          .uid = 0,
                                          .gid = 33,
                                          .mode = 0640};
    const struct ecert_file_record site = {.size = sizeof site,
                                           .path = "/etc/x/site.conf",
                                           .content = {one_byte, 1},
                                           .expected = {one_byte, 0},
                                           .uid = -1,
                                           .gid = -1,
                                           .mode = -1};
    const struct ecert_activate_record activate = {.size = sizeof activate,
                                                   .service = "exampled@a.service",
                                                   .reload = LIST("/sbin/exampled", "", "-s r"),
                                                   .start = NULL,
                                                   .pid_file = "/run/e.pid",
                                                   .executable = NULL,
                                                   .reload_signal = 10};
    const struct ecert_probe_record v6 = {
        .size = sizeof v6, .address = "::1", .port = 65535, .server_name = "www.x.test"};
    const struct ecert_probe_record mail = {
        .size = sizeof mail, .address = "127.0.0.1", .port = 25, .starttls = "smtp"};

    assert_int_equal(ecert_plan_add_file(plan, &key, &err), ECERT_OK);
    assert_int_equal(ecert_plan_add_file(plan, &site, &err), ECERT_OK);
    assert_int_equal(ecert_plan_add_test(plan, LIST("/sbin/exampled", "-t"), NULL, &err), ECERT_OK);
    assert_int_equal(ecert_plan_add_test(plan, LIST("/sbin/exampled"), LIST("/var/log/e"), &err),
                     ECERT_OK);
    assert_int_equal(ecert_plan_set_activation(plan, &activate, &err), ECERT_OK);
    assert_int_equal(ecert_plan_add_probe(plan, &v6, &err), ECERT_OK);
    assert_int_equal(ecert_plan_add_probe(plan, &mail, &err), ECERT_OK);
    assert_int_equal(ecert_plan_add_note(plan, "left alone: '電子證書'", &err), ECERT_OK);
}

static void a_plan_survives_the_wire(void **state)
{
    ECERT_AUTO(ecert_plan_clear) struct ecert_plan plan = {0};
    ECERT_AUTO(ecert_plan_clear) struct ecert_plan back = {0};
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer wire = {0};
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer again = {0};
    struct ecert_error err = {0};
    uint8_t hash[ECERT_SHA256_LEN];

    (void)state;
    fill(&plan);
    ecert_plan_encode(&plan, &wire);
    assert_int_equal(ecert_plan_decode(ecert_buffer_view(&wire), &back, &err), ECERT_OK);
    ecert_plan_encode(&back, &again);
    assert_int_equal(wire.len, again.len);
    assert_memory_equal(wire.ptr, again.ptr, wire.len);

    assert_int_equal(back.n_files, 2);
    assert_string_equal(back.files[0].path, "/etc/x/key.pem");
    assert_int_equal(back.files[0].content.len, 3);
    assert_memory_equal(back.files[0].content.ptr, "a\0b", 3);
    assert_true(back.files[0].secret);
    assert_false(back.files[0].exists);
    assert_int_equal(back.files[0].gid, 33);
    assert_int_equal(back.files[0].mode, 0640);
    assert_true(back.files[1].exists); /* an empty file is a file */
    ecert_sha256((struct ecert_view){one_byte, 0}, hash);
    assert_memory_equal(back.files[1].expected, hash, sizeof hash);
    assert_int_equal(back.files[1].uid, -1);
    assert_int_equal(back.tests[0].argv.len, 2);
    assert_int_equal(back.tests[0].scratch.len, 0);
    assert_string_equal(back.tests[1].scratch.items[0], "/var/log/e");
    assert_true(back.has_activation);
    assert_string_equal(back.activation.service, "exampled@a.service");
    assert_int_equal(back.activation.reload.len, 3);
    assert_string_equal(back.activation.reload.items[1], "");
    assert_int_equal(back.activation.start.len, 0);
    assert_string_equal(back.activation.pid_file, "/run/e.pid");
    assert_null(back.activation.executable);
    assert_int_equal(back.activation.reload_signal, 10);
    assert_int_equal(back.probes[0].port, 65535);
    assert_string_equal(back.probes[0].server_name, "www.x.test");
    assert_null(back.probes[0].starttls);
    assert_string_equal(back.probes[1].starttls, "smtp");
    assert_int_equal(back.notes.len, 1);
}

static void an_empty_plan_survives_the_wire(void **state)
{
    ECERT_AUTO(ecert_plan_clear) struct ecert_plan back = {0};
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer wire = {0};
    struct ecert_error err = {0};

    (void)state;
    ecert_plan_encode(&(struct ecert_plan){0}, &wire);
    assert_int_equal(ecert_plan_decode(ecert_buffer_view(&wire), &back, &err), ECERT_OK);
    assert_int_equal(back.n_files, 0);
    assert_false(back.has_activation);
}

/* Every way to cut the stream is refused, and so is every byte added. */
static void a_cut_stream_is_refused(void **state)
{
    ECERT_AUTO(ecert_plan_clear) struct ecert_plan plan = {0};
    ECERT_AUTO(ecert_plan_clear) struct ecert_plan back = {0};
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer wire = {0};
    struct ecert_error err = {0};

    (void)state;
    fill(&plan);
    ecert_plan_encode(&plan, &wire);
    for (size_t len = 0; len < wire.len; len++)
        assert_int_equal(ecert_plan_decode((struct ecert_view){wire.ptr, len}, &back, &err),
                         ECERT_E_PLUGIN);
    ecert_buffer_add(&wire, (struct ecert_view){one_byte, 1});
    assert_int_equal(ecert_plan_decode(ecert_buffer_view(&wire), &back, &err), ECERT_E_PLUGIN);
    assert_non_null(strstr(err.text, "follow the end record"));
    assert_int_equal(back.n_files, 0);
}

/* Flipped bits and noise: any answer but a crash or an unset sentence (run under ASan). */
static void noise_is_refused_or_valid(void **state)
{
    ECERT_AUTO(ecert_plan_clear) struct ecert_plan plan = {0};
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer wire = {0};
    uint8_t noise[512];
    uint32_t random = 2463534242u; /* xorshift, so that a failure can be repeated */

    (void)state;
    fill(&plan);
    ecert_plan_encode(&plan, &wire);
    for (unsigned round = 0; round < 20000; round++) {
        ECERT_AUTO(ecert_plan_clear) struct ecert_plan back = {0};
        struct ecert_error err = {0};
        struct ecert_view view = ecert_buffer_view(&wire);
        uint8_t old = 0, *flipped = NULL;

        random ^= random << 13, random ^= random >> 17, random ^= random << 5;
        if (round % 4 == 0) {
            for (size_t i = 0; i < sizeof noise; i++)
                noise[i] = (uint8_t)((random = random * 1664525u + 1013904223u) >> 24);
            view = (struct ecert_view){noise, random % sizeof noise};
        } else {
            flipped = &wire.ptr[random % wire.len];
            old = *flipped;
            *flipped = (uint8_t)(random >> 8);
        }
        if (ecert_plan_decode(view, &back, &err) != ECERT_OK) {
            assert_int_equal(err.status, ECERT_E_PLUGIN);
            assert_true(err.text[0] != '\0');
        }
        if (flipped != NULL)
            *flipped = old;
    }
}

/* ---- bad records: each through the builders, with its sentence ---- */

static const struct bad {
    const char *name;
    const char *want;
    struct ecert_file_record file;
    const char *const *argv;
    const char *const *scratch;
    struct ecert_activate_record activate;
    struct ecert_probe_record probe;
    const char *note;
} bad[] = {
/* clang-format off */
#define FILE_(p, m, s) .file = {.size = sizeof(struct ecert_file_record), .path = p, .content = {one_byte, 1}, .secret = s, .uid = -1, .gid = -1, .mode = m}
#define BARE(p, ...) .file = {.size = sizeof(struct ecert_file_record), .path = p, __VA_ARGS__}
#define ACTIVATE(s, ...) .activate = {.size = sizeof(struct ecert_activate_record), .service = s, __VA_ARGS__}
#define PROBE(a, p, ...) .probe = {.size = sizeof(struct ecert_probe_record), .address = a, .port = p, __VA_ARGS__}
    {"a file without a path", "file record: no path", .file = {.size = sizeof(struct ecert_file_record)}},
    {"a file of an older contract", "file record: its size is 8", .file = {.size = 8, .path = "/etc/x"}},
    {"a relative path", "'etc/x' is not an absolute path", FILE_("etc/x", -1, false)},
    {"a path with ..", "'/etc/x/../y' is not", FILE_("/etc/x/../y", -1, false)},
    {"a path with .", "'/etc/./y' is not", FILE_("/etc/./y", -1, false)},
    {"a path with //", "'/etc//y' is not", FILE_("/etc//y", -1, false)},
    {"the root directory", "'/' is not", FILE_("/", -1, false)},
    {"a slash at the end", "'/etc/' is not", FILE_("/etc/", -1, false)},
    {"a path with an escape sequence", "'/etc/\\x1B[2J' is not", FILE_("/etc/\033[2J", -1, false)},
    {"the same path twice", "'/etc/twice/x' occurs twice", FILE_("/etc/twice/x", -1, false)},
    {"a length without bytes", "file record: no content", .file = {.size = sizeof(struct ecert_file_record), .path = "/etc/x", .content = {NULL, 5}}},
    {"more than a file can hold", "more than 64 MiB", BARE("/etc/x", .content = {one_byte, ((size_t)64 << 20) + 1})},
    {"an owner that cannot be", "user or group", BARE("/etc/x", .uid = -2)},
    {"a group that cannot be", "user or group", BARE("/etc/x", .gid = UINT32_MAX)},
    {"a set-uid file", "mode other than", FILE_("/etc/x", 04755, false)},
    {"a negative mode", "mode other than", FILE_("/etc/x", -2, false)},
    {"a file for everybody", "writable by everybody", FILE_("/etc/x", 0666, false)},
    {"a wide key", "wider than 0640", FILE_("/etc/x", 0644, true)},
    {"a test without a command", "test record: no command", .argv = LIST(NULL)},
    {"a test by a relative command", "'nginx' is not an absolute path", .argv = LIST("nginx", "-t")},
    {"a test with control bytes", "'-t\\x0A' is too long, or holds control bytes", .argv = LIST("/sbin/nginx", "-t\n")},
    {"a relative scratch file", "test record: 'log' is not an absolute", .argv = LIST("/sbin/nginx"), .scratch = LIST("log")},
    {"an activation of an older contract", "activate record: its size is 4", .activate = {.size = 4, .service = "a"}},
    {"an activation without a service", "no service", .activate = {.size = sizeof(struct ecert_activate_record)}},
    {"a service that is an option", "is not a name of a service", ACTIVATE("a b", .reload = LIST("/bin/true"))},
    {"an activation without a command", "activate record: no command", ACTIVATE("a.service", .pid_file = NULL)},
    {"an activation by a relative command", "'true' is not an absolute", ACTIVATE("a.service", .reload = LIST("true"))},
    {"a start by a relative command", "'true' is not an absolute", ACTIVATE("a.service", .reload = LIST("/bin/true"), .start = LIST("true"))},
    {"a relative pid file", "'a.pid' is not an absolute", ACTIVATE("a.service", .reload = LIST("/bin/true"), .pid_file = "a.pid")},
    {"a signal that ends", "signal 15 reloads no server", ACTIVATE("a.service", .reload = LIST("/bin/true"), .reload_signal = 15)},
    {"a relative executable", "'a' is not an absolute", ACTIVATE("a.service", .reload = LIST("/bin/true"), .executable = "a")},
    {"a probe of an older contract", "probe record: its size is 4", .probe = {.size = 4, .address = "::1"}},
    {"a probe without an address", "no address", .probe = {.size = sizeof(struct ecert_probe_record)}},
    {"a probe of a name", "'localhost' is not a numeric address", PROBE("localhost", 443, .starttls = NULL)},
    {"a probe of every address", "'0.0.0.0' is a wildcard", PROBE("0.0.0.0", 443, .starttls = NULL)},
    {"a probe of every v6 address", "'::' is a wildcard", PROBE("::", 443, .starttls = NULL)},
    {"a probe of every mapped address", "is a wildcard", PROBE("::ffff:0.0.0.0", 443, .starttls = NULL)},
    {"a probe of port 0", "has port 0", PROBE("::1", 0, .starttls = NULL)},
    {"a probe with a bad name", "'a b' is not a host name", PROBE("::1", 443, .server_name = "a b")},
    {"a probe with a pattern", "'*.x' is not a host name", PROBE("::1", 443, .server_name = "*.x")},
    {"a probe with an unknown kind", "'xmpp' is none of", PROBE("::1", 443, .starttls = "xmpp")},
    {"an empty note", "note record: no text", .note = ""},
    {"a note that moves the cursor", "'\\x1B[1A' holds control bytes", .note = "\033[1A"},
    {"a note that is not UTF-8", "is not UTF-8", .note = "caf\xE9"},
    /* clang-format on */
};

static void a_bad_record_is_refused(void **state)
{
    const struct bad *row = *state;
    ECERT_AUTO(ecert_plan_clear) struct ecert_plan plan = {0};
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer before = {0};
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer after = {0};
    const struct ecert_file_record first = {.size = sizeof first, .path = "/etc/twice/x"};
    struct ecert_error err = {0};
    enum ecert_status status = ECERT_OK;

    assert_int_equal(ecert_plan_add_file(&plan, &first, &err), ECERT_OK);
    ecert_plan_encode(&plan, &before);
    if (row->file.size != 0)
        status = ecert_plan_add_file(&plan, &row->file, &err);
    else if (row->argv != NULL)
        status = ecert_plan_add_test(&plan, row->argv, row->scratch, &err);
    else if (row->activate.size != 0)
        status = ecert_plan_set_activation(&plan, &row->activate, &err);
    else if (row->probe.size != 0)
        status = ecert_plan_add_probe(&plan, &row->probe, &err);
    else
        status = ecert_plan_add_note(&plan, row->note, &err);
    assert_int_equal(status, ECERT_E_PLUGIN);
    if (strstr(err.text, row->want) == NULL)
        fail_msg("'%s' does not say '%s'", err.text, row->want);
    ecert_plan_encode(&plan, &after);
    assert_int_equal(before.len, after.len); /* nothing was added */
}

static void a_second_activation_is_refused(void **state)
{
    ECERT_AUTO(ecert_plan_clear) struct ecert_plan plan = {0};
    struct ecert_error err = {0};
    const struct ecert_activate_record activate = {
        .size = sizeof activate, .service = "a.service", .reload = LIST("/bin/true")};

    (void)state;
    assert_int_equal(ecert_plan_set_activation(&plan, &activate, &err), ECERT_OK);
    assert_int_equal(ecert_plan_set_activation(&plan, &activate, &err), ECERT_E_PLUGIN);
    assert_string_equal(err.text,
                        "activate record: 'a.service' is the second one; a plan has at most one");
}

/* ---- bad streams: records that the builders would never make ---- */

static const struct stream {
    const char *name;
    uint32_t kind;
    const char *fields; /* each ended by '|' */
    const char *want;
} streams[] = {
    {"an unknown kind", 9, "x|", "a record of unknown kind 9"},
    {"kind 0", 0, "x|", "a record of unknown kind 0"},
    {"a file with too few fields", 1, "/etc/x|", "file record: 1 fields instead of 8"},
    {"a file whose numbers are texts", 1, "/etc/x|a|b|c|d|e|f|g|",
     "file record: message 1: field 2"},
    {"a list without its end", 2, "/bin/true||", "test record: field 0: a list without its end"},
    {"a relative path on the wire", 3, "a.service|12345678|true||||", "activate record: field 2"},
    {"a port that is a text", 4, "::1|443|||", "probe record: message 4: field 1 is not a number"},
    {"a bell in a note", 5, "\a|", "note record: '\\x07' holds control bytes"},
    {"an address without a site", 7, "127.0.0.1|#1|||", "an address without a site"},
    {"a count that is a text", 8, "1|", "end record: message 8: field 0 is not a number"},
};

static void a_bad_stream_is_refused(void **state)
{
    const struct stream *row = *state;
    ECERT_AUTO(ecert_plan_clear) struct ecert_plan plan = {0};
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer wire = {0};
    struct ecert_message message = {.kind = row->kind};
    struct ecert_error err = {0};

    for (const char *p = row->fields; *p != '\0'; p = strchr(p, '|') + 1)
        ecert_message_add(&message,
                          (struct ecert_view){(const uint8_t *)p, (size_t)(strchr(p, '|') - p)});
    ecert_message_encode(&message, &wire);
    assert_int_equal(ecert_plan_decode(ecert_buffer_view(&wire), &plan, &err), ECERT_E_PLUGIN);
    if (strstr(err.text, row->want) == NULL)
        fail_msg("'%s' does not say '%s'", err.text, row->want);
}

static void a_wrong_count_is_refused(void **state)
{
    ECERT_AUTO(ecert_plan_clear) struct ecert_plan plan = {0};
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer wire = {0};
    struct ecert_message end = {.kind = 8};
    struct ecert_error err = {0};
    uint8_t storage[8];

    (void)state;
    ecert_message_add_number(&end, 3, storage);
    ecert_message_encode(&end, &wire);
    assert_int_equal(ecert_plan_decode(ecert_buffer_view(&wire), &plan, &err), ECERT_E_PLUGIN);
    assert_string_equal(err.text, "end record: it counts 3 records, 0 arrived");
}

static void too_many_notes_are_refused(void **state)
{
    ECERT_AUTO(ecert_plan_clear) struct ecert_plan plan = {0};
    struct ecert_error err = {0};

    (void)state;
    for (int i = 0; i < ECERT_PLAN_MAX; i++)
        assert_int_equal(ecert_plan_add_note(&plan, "n", &err), ECERT_OK);
    assert_int_equal(ecert_plan_add_note(&plan, "n", &err), ECERT_E_PLUGIN);
    assert_string_equal(err.text, "more than 8192 note records");
}

static void as_many_files_as_sites(void **state)
{
    ECERT_AUTO(ecert_plan_clear) struct ecert_plan plan = {0};
    ECERT_AUTO(ecert_plan_clear) struct ecert_plan read = {0};
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer wire = {0};
    struct ecert_error err = {0};
    char path[64];
    struct ecert_file_record record = {
        .size = sizeof record, .path = path, .uid = -1, .gid = -1, .mode = -1};

    (void)state;
    for (int i = 0; i < ECERT_PLAN_FILES_MAX; i++) {
        (void)snprintf(path, sizeof path, "/etc/nginx/sites/%d.conf", i);
        if (ecert_plan_add_file(&plan, &record, &err) != ECERT_OK)
            fail_msg("%s", err.text);
    }
    for (int i = 0; i < ECERT_PLAN_FILES_MAX; i += 1111) { /* each is found again */
        (void)snprintf(path, sizeof path, "/etc/nginx/sites/%d.conf", i);
        assert_int_equal(ecert_plan_add_file(&plan, &record, &err), ECERT_E_PLUGIN);
        assert_non_null(strstr(err.text, "occurs twice"));
    }
    ecert_plan_encode(&plan, &wire);
    assert_int_equal(ecert_plan_decode(ecert_buffer_view(&wire), &read, &err), ECERT_OK);
    assert_int_equal(read.n_files, ECERT_PLAN_FILES_MAX);
    (void)snprintf(path, sizeof path, "/etc/nginx/one-more");
    assert_int_equal(ecert_plan_add_file(&plan, &record, &err), ECERT_E_PLUGIN);
    assert_string_equal(err.text, "more than 65536 file records");
}

/* ---- places ---- */

static char folder[] = "/tmp/ecert-test-plan-XXXXXX";

static int make_folder(void **state)
{
    struct ecert_error err = {0};
    char path[128];

    (void)state;
    if (mkdtemp(folder) == NULL)
        return -1;
    (void)snprintf(path, sizeof path, "%s/in/deep", folder);
    if (ecert_fs_make_directories(path, 0700, &err) != ECERT_OK)
        return -1;
    (void)snprintf(path, sizeof path, "%s/out", folder);
    if (ecert_fs_make_directories(path, 0700, &err) != ECERT_OK)
        return -1;
    (void)snprintf(path, sizeof path, "%s/in/link", folder); /* in/link -> ../out */
    if (symlink("../out", path) != 0)
        return -1;
    (void)snprintf(path, sizeof path, "%s/also", folder); /* also -> in */
    return symlink("in", path);
}

static int remove_folder(void **state)
{
    struct ecert_error err = {0};

    (void)state;
    return ecert_fs_remove_tree(AT_FDCWD, folder, &err) == ECERT_OK ? 0 : -1;
}

static const struct place {
    const char *name;
    const char *path;  /* below the folder */
    const char *roots; /* '|' between; below the folder unless they start with '/' */
    enum ecert_status status;
    const char *want;
} places[] = {
    {"a file below", "in/a.pem", "in", ECERT_OK, NULL},
    {"a file deep below", "in/deep/a.pem", "out|in", ECERT_OK, NULL},
    {"a file beside", "out/a.pem", "in", ECERT_E_REFUSED,
     "add its directory to the target's may_write"},
    {"a name that only begins alike", "inner.pem", "in", ECERT_E_REFUSED,
     "outside of what this target"},
    {"a link that leads out", "in/link/a.pem", "in", ECERT_E_REFUSED, "/out/a.pem' and outside"},
    {"a link that leads out, allowed", "in/link/a.pem", "in|out", ECERT_OK, NULL},
    {"a root that is a link", "in/a.pem", "also", ECERT_OK, NULL},
    {"a file by way of a link", "also/a.pem", "in", ECERT_OK, NULL},
    {"a root that is not there", "in/a.pem", "none/at/all|in", ECERT_OK, NULL},
    {"no root", "in/a.pem", "", ECERT_E_REFUSED, "outside of what this target"},
    {"a directory that is not there", "none/a.pem", "none", ECERT_E_NOT_FOUND, "the plan's file"},
    {"the whole machine", "in/a.pem", "/", ECERT_E_REFUSED,
     "'/' is not an absolute path of at least"},
    {"a root of one part", "in/a.pem", "/tmp", ECERT_E_REFUSED,
     "'/tmp' is not an absolute path of"},
};

static void a_place_is_judged(void **state)
{
    const struct place *row = *state;
    ECERT_AUTO(ecert_plan_clear) struct ecert_plan plan = {0};
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings roots = {0};
    struct ecert_error err = {0};
    char path[256], words[128];
    char *save = NULL;

    (void)snprintf(path, sizeof path, "%s/%s", folder, row->path);
    const struct ecert_file_record file = {.size = sizeof file, .path = path};
    assert_int_equal(ecert_plan_add_file(&plan, &file, &err), ECERT_OK);
    (void)snprintf(words, sizeof words, "%s", row->roots);
    for (char *root = strtok_r(words, "|", &save); root != NULL; root = strtok_r(NULL, "|", &save))
        assert_int_equal(ecert_strings_printf(&roots, &err, "%s%s%s", root[0] == '/' ? "" : folder,
                                              root[0] == '/' ? "" : "/", root),
                         ECERT_OK);
    assert_int_equal(ecert_plan_check_places(&plan, ecert_strings_array(&roots), &err),
                     row->status);
    if (row->want != NULL && strstr(err.text, row->want) == NULL)
        fail_msg("'%s' does not say '%s'", err.text, row->want);
}

/* cmocka wants a pointer that is not const; the rows are only read */
#define ROW(row, test)    \
    ((struct CMUnitTest){ \
        .name = (row)->name, .test_func = (test), .initial_state = (void *)(uintptr_t)(row)})

int main(void)
{
    static const struct CMUnitTest fixed[] = {
        cmocka_unit_test(a_plan_survives_the_wire),
        cmocka_unit_test(an_empty_plan_survives_the_wire),
        cmocka_unit_test(a_cut_stream_is_refused),
        cmocka_unit_test(noise_is_refused_or_valid),
        cmocka_unit_test(a_second_activation_is_refused),
        cmocka_unit_test(a_wrong_count_is_refused),
        cmocka_unit_test(too_many_notes_are_refused),
        cmocka_unit_test(as_many_files_as_sites),
    };
    struct CMUnitTest
        tests[ARRAY_SIZE(fixed) + ARRAY_SIZE(bad) + ARRAY_SIZE(streams) + ARRAY_SIZE(places)];
    size_t n = ARRAY_SIZE(fixed);

    memcpy(tests, fixed, sizeof fixed);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        tests[n++] = ROW(&bad[i], a_bad_record_is_refused);
    for (size_t i = 0; i < ARRAY_SIZE(streams); i++)
        tests[n++] = ROW(&streams[i], a_bad_stream_is_refused);
    for (size_t i = 0; i < ARRAY_SIZE(places); i++)
        tests[n++] = ROW(&places[i], a_place_is_judged);
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
