/* What was there before ecert: kept across changes of ours and of others, and read back safely. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/flow/origin.h"
#include "core/flow/store.h"
#include "tests/support/test_pki.h"

#define CERTIFICATE "www.x.test"

static char *folder;

static struct ecert_secret secret_of(const char *text)
{
    struct ecert_secret secret = {0};
    struct ecert_error err = {0};

    assert_int_equal(ecert_secret_copy(ecert_view_of(text), &secret, &err), ECERT_OK);
    return secret;
}

/* One file that members change: before, what each of them wants, and after. */
struct change {
    const char *before; /* NULL: it does not exist */
    const char *wants[2];
    const char *after;
    enum { LINES, SECRET, WHOLE } kind;
};

/* Member 0 keeps what it does to /etc/x/site. */
static enum ecert_status keep(const struct change *row, struct ecert_error *err)
{
    const struct ecert_probe_record here = {
        .size = sizeof here, .address = "127.0.0.1", .port = 443};
    ECERT_AUTO(ecert_plan_clear) struct ecert_plan plan = {0};
    struct ecert_observation seen = {.before = "AB"};
    const struct ecert_change change = {
        .certificate = CERTIFICATE, .target = "nginx", .plan = &plan};
    struct ecert_outcome outcome = {.observations = &seen, .n_observations = 1};
    const struct ecert_member who = {&change, &outcome, SECRET};
    struct ecert_items items = {0};
    struct ecert_item *item = NULL;

    assert_int_equal(ecert_plan_add_probe(&plan, &here, err), ECERT_OK);
    assert_int_equal(ecert_items_add(&items, &item, err), ECERT_OK);
    item->path = strdup("/etc/x/site");
    item->existed = row->before != NULL;
    item->secret = row->kind == SECRET;
    item->whole = row->kind != LINES;
    item->before_owner = (struct ecert_fs_owner){1, 2, 0640};
    item->before = secret_of(row->before == NULL ? "" : row->before);
    item->after = secret_of(row->after);
    ecert_sha256(ecert_secret_view(&item->before), item->before_sha256);
    ecert_sha256(ecert_secret_view(&item->after), item->after_sha256);
    item->versions = calloc(2, sizeof *item->versions);
    assert_non_null(item->versions);
    for (size_t i = 0; i < 2 && row->wants[i] != NULL; i++)
        item->versions[item->n_versions++] =
            (struct ecert_version){.member = i, .content = ecert_view_of(row->wants[i])};
    const enum ecert_status status = ecert_origin_keep(folder, &items, 0, &who, err);
    ecert_items_clear(&items);
    return status;
}

static const struct row {
    const char *name;
    struct change changes[4]; /* one after the other; ends with `after` NULL */
    const char *before, *written;
} rows[] = {
    {"one change", {{"a\nb\nc\n", {"a\nX\nc\n"}, "a\nX\nc\n", LINES}}, "a\nb\nc\n", "a\nX\nc\n"},
    {"two changes",
     {{"a\nb\nc\n", {"a\nX\nc\n"}, "a\nX\nc\n", LINES},
      {"a\nX\nc\n", {"a\nY\nc\n"}, "a\nY\nc\n", LINES}},
     "a\nb\nc\n",
     "a\nY\nc\n"},
    {"somebody's lines in between stay",
     {{"a\nb\nc\n", {"a\nX\nc\n"}, "a\nX\nc\n", LINES},
      {"mine\na\nX\nc\n", {"mine\na\nY\nc\n"}, "mine\na\nY\nc\n", LINES}},
     "mine\na\nb\nc\n",
     "mine\na\nY\nc\n"},
    {"somebody's change of our line: as we left it then",
     {{"a\nb\nc\n", {"a\nX\nc\n"}, "a\nX\nc\n", LINES},
      {"a\nZ\nc\n", {"a\nY\nc\n"}, "a\nY\nc\n", LINES}},
     "a\nb\nc\n",
     "a\nX\nc\n"},
    {"undone, and done again",
     {{"a\nb\nc\n", {"a\nX\nc\n"}, "a\nX\nc\n", LINES},
      {"a\nb\nc\n", {"a\nX\nc\n"}, "a\nX\nc\n", LINES}},
     "a\nb\nc\n",
     "a\nX\nc\n"},
    {"another target's lines are not ours",
     {{"a\nb\nc\nd\ne\n", {"A\nb\nc\nd\ne\n", "a\nb\nc\nd\nE\n"}, "A\nb\nc\nd\nE\n", LINES}},
     "a\nb\nc\nd\nE\n",
     "A\nb\nc\nd\nE\n"},
    {"what another target wants as well stays",
     {{"a\nb\n", {"A\nb\n", "A\nb\n"}, "A\nb\n", LINES}},
     "A\nb\n",
     "A\nb\n"},
    {"a secret keeps the first bytes, and nothing of ours",
     {{"old", {"new"}, "new", SECRET}, {"new", {"newer"}, "newer", SECRET}},
     "old",
     ""},
    {"a whole file keeps the first bytes, whatever is written after them",
     {{"old\n", {"new\n"}, "new\n", WHOLE}, {"somebody's\n", {"newer\n"}, "newer\n", WHOLE}},
     "old\n",
     "newer\n"},
    {"after a crash before the end what we had written before is ours",
     {{"a\nb\nc\n", {"a\nX\nc\n"}, "a\nX\nc\n", LINES},
      {"a\nX\nc\n", {"a\nY\nc\n"}, "a\nY\nc\n", LINES},
      {"a\nX\nc\n", {"a\nZ\nc\n"}, "a\nZ\nc\n", LINES}},
     "a\nb\nc\n",
     "a\nZ\nc\n"},
    {"a new file", {{NULL, {"new\n"}, "new\n", LINES}}, "", "new\n"},
};

static void changes_are_kept(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ECERT_AUTO(ecert_origin_clear) struct ecert_origin origin = {0};
        struct ecert_error err = {0};
        bool there = false;

        for (size_t k = 0; k < 3 && rows[i].changes[k].after != NULL; k++)
            if (keep(&rows[i].changes[k], &err) != ECERT_OK)
                fail_msg("%s: %s", rows[i].name, err.text);
        assert_int_equal(ecert_origin_load(folder, CERTIFICATE, "nginx", &origin, &err), ECERT_OK);
        assert_int_equal(origin.n_files, 1);
        const struct ecert_origin_file *file = &origin.files[0];
        if (!ecert_view_equal(ecert_secret_view(&file->before), ecert_view_of(rows[i].before)) ||
            !ecert_view_equal(ecert_secret_view(&file->written), ecert_view_of(rows[i].written)))
            fail_msg("%s: before '%.*s' written '%.*s'", rows[i].name, (int)file->before.len,
                     (const char *)file->before.ptr, (int)file->written.len,
                     (const char *)file->written.ptr);
        assert_int_equal(file->existed, rows[i].changes[0].before != NULL);
        assert_int_equal(file->owner.mode, 0640);
        assert_string_equal(file->path, "/etc/x/site");
        assert_string_equal(origin.served.items[0], "AB");
        assert_int_equal(origin.plan.n_probes, 1);
        assert_int_equal(ecert_origin_remove(folder, CERTIFICATE, "nginx", &err), ECERT_OK);
        assert_int_equal(ecert_origin_exists(folder, CERTIFICATE, "nginx", &there, &err), ECERT_OK);
        assert_false(there);
    }
}

/* What a crash may put back: what was there when the last one took its place, if it was ours. */
static void what_was_written_before_counts(void **state)
{
    static const struct {
        struct change change;
        const char *ours[2], *not_ours;
    } steps[] = {
        {{"1", {"2"}, "2", SECRET}, {"2", "2"}, "1"},
        {{"2", {"3"}, "3", SECRET}, {"3", "2"}, "1"},
        /* the recovery put 2 back, and then came the same, and another */
        {{"2", {"3"}, "3", SECRET}, {"3", "2"}, "1"},
        {{"2", {"4"}, "4", SECRET}, {"4", "2"}, "3"},
        {{"somebody's", {"5"}, "5", SECRET}, {"5", "4"}, "somebody's"},
    };
    struct ecert_error err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        ECERT_AUTO(ecert_origin_clear) struct ecert_origin origin = {0};
        uint8_t sha256[ECERT_SHA256_LEN];

        assert_int_equal(keep(&steps[i].change, &err), ECERT_OK);
        assert_int_equal(ecert_origin_load(folder, CERTIFICATE, "nginx", &origin, &err), ECERT_OK);
        for (size_t k = 0; k < 2; k++) {
            ecert_sha256(ecert_view_of(steps[i].ours[k]), sha256);
            assert_true(ecert_origin_wrote(&origin.files[0], sha256));
        }
        ecert_sha256(ecert_view_of(steps[i].not_ours), sha256);
        assert_false(ecert_origin_wrote(&origin.files[0], sha256));
    }
    assert_int_equal(ecert_origin_remove(folder, CERTIFICATE, "nginx", &err), ECERT_OK);
}

static void lines_are_ours_or_others(void **state)
{
    static const struct {
        const char *name, *before, *written, *now;
        bool ours;
    } texts[] = {
        {"as it was written", "a\nb\n", "a\nX\n", "a\nX\n", true},
        {"ours with other blanks", "a\nb\n", "a\nX\n", "\t X \r\nq\n", true},
        {"put back by hand", "a\nb\n", "a\nX\n", "a\nb\n", false},
        {"another value", "a\nb\n", "a\nX\n", "a\nY\n", false},
        {"one of two blocks is gone, the other one not put back", "b\n{\nb\n", "X\n{\nX\n", "X\n",
         true},
        {"one of two blocks is gone, the other one put back", "b\n{\nb\n", "X\n{\nX\n", "b\n",
         false},
        {"lines that were there before are not ours", "a\n}\n", "a\nX\n}\n}\n", "q\n}\n}\n", false},
        {"where we added nothing nobody can tell", "a\nb\n", "a\n", "a\nc\n", true},
    };
    static const struct {
        const char *text, *name;
        bool found;
    } words[] = {
        {"server_name C.example;\n", "c.example", true},
        {"  c.example\n", "c.example", true},
        {"server_name x.c.example;", "c.example", false},
        {"c.example.org", "c.example", false},
        {"c-example", "c.example", false},
        {"", "c.example", false},
        {"c.example", NULL, false},
    };
    struct ecert_error err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        bool ours = !texts[i].ours;

        assert_int_equal(ecert_origin_has_ours(ecert_view_of(texts[i].before),
                                               ecert_view_of(texts[i].written),
                                               ecert_view_of(texts[i].now), &ours, &err),
                         ECERT_OK);
        if (ours != texts[i].ours)
            fail_msg("%s: %s", texts[i].name, ours ? "ours" : "not ours");
    }
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (ecert_origin_names(ecert_view_of(words[i].text), words[i].name) != words[i].found)
            fail_msg("'%s'", words[i].text);
}

/* Cut anywhere, or with a byte changed: refused, or an origin; never anything else. */
static void a_damaged_one_is_refused(void **state)
{
    const struct ecert_fs_owner owner = ecert_fs_own(0600);
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes bytes = {0};
    ECERT_AUTO(ecert_auto_free) char *path = NULL;
    struct ecert_error err = {0};
    size_t refused = 0;

    (void)state;
    assert_int_equal(keep(&rows[0].changes[0], &err), ECERT_OK);
    assert_int_equal(
        ecert_text_format(&path, &err, "%s/certificates/" CERTIFICATE "/before/nginx", folder),
        ECERT_OK);
    assert_int_equal(ecert_fs_read(path, 1 << 20, &bytes, &err), ECERT_OK);
    for (size_t i = 0; i < bytes.len; i++) {
        ECERT_AUTO(ecert_origin_clear) struct ecert_origin cut = {0};
        ECERT_AUTO(ecert_origin_clear) struct ecert_origin changed = {0};

        assert_int_equal(ecert_fs_replace(path, (struct ecert_view){bytes.ptr, i}, &owner, &err),
                         ECERT_OK);
        assert_int_equal(ecert_origin_load(folder, CERTIFICATE, "nginx", &cut, &err),
                         ECERT_E_REFUSED);
        assert_non_null(strstr(err.text, "/before/nginx' is damaged"));
        bytes.ptr[i] ^= 0x55;
        assert_int_equal(ecert_fs_replace(path, ecert_bytes_view(&bytes), &owner, &err), ECERT_OK);
        bytes.ptr[i] ^= 0x55;
        const enum ecert_status status =
            ecert_origin_load(folder, CERTIFICATE, "nginx", &changed, &err);
        assert_true(status == ECERT_OK || status == ECERT_E_REFUSED);
        refused += status != ECERT_OK;
    }
    assert_true(refused > 20);
    assert_int_equal(ecert_origin_remove(folder, CERTIFICATE, "nginx", &err), ECERT_OK);
    struct ecert_origin none = {0};
    assert_int_equal(ecert_origin_load(folder, CERTIFICATE, "nginx", &none, &err),
                     ECERT_E_NOT_FOUND);
}

static int make_folder(void **state)
{
    struct ecert_error err = {0};

    (void)state;
    folder = test_folder_make();
    return ecert_store_prepare(folder, &err) == ECERT_OK ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    test_folder_remove(folder);
    return 0;
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_are_kept),
        cmocka_unit_test(what_was_written_before_counts),
        cmocka_unit_test(lines_are_ours_or_others),
        cmocka_unit_test(a_damaged_one_is_refused),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
