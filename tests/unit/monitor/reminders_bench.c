#include "tests/unit/monitor/reminders_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fs.h"
#include "tests/support/test_pki.h"

void bench_begin(struct bench *bench)
{
    *bench = (struct bench){.folder = test_folder_make()};
    bench->config.state_dir = bench->folder;
    bench->config.reminders.has_webhook = true; /* the journal is not on every machine */
    bench->config.reminders.escalate_from = 7;
}

void bench_end(struct bench *bench)
{
    ecert_strings_clear(&bench->notes);
    free(bench->letters);
    test_folder_remove(bench->folder);
}

static char *borrowed(const char *text)
{
    char *pointer;

    memcpy(&pointer, &text, sizeof pointer); /* a finding owns its texts; these are not freed */
    return pointer;
}

struct ecert_finding bench_certificate(const char *name, const char *sha256, int64_t not_before,
                                       int64_t not_after)
{
    struct ecert_finding finding = {.watched = ECERT_WATCHED_FILE,
                                    .name = borrowed(name),
                                    .where = borrowed("/etc/ssl/x.pem, certificate 1"),
                                    .not_before = not_before,
                                    .not_after = not_after,
                                    .threshold = ECERT_NO_THRESHOLD};

    (void)snprintf(finding.sha256, sizeof finding.sha256, "%s", sha256);
    return finding;
}

struct ecert_finding bench_problem(const char *name, enum ecert_condition condition)
{
    return (struct ecert_finding){.watched = ECERT_WATCHED_ENDPOINT,
                                  .condition = condition,
                                  .urgency = ecert_condition_urgency(condition),
                                  .name = borrowed(name),
                                  .where = borrowed("10.0.0.1:443 (www.myserver.com)"),
                                  .threshold = ECERT_NO_THRESHOLD};
}

static size_t add_all(struct bench *bench, struct ecert_noticing *noticing,
                      const struct ecert_finding *findings, size_t n, int64_t now)
{
    struct ecert_error err = {0};
    size_t count = 0;

    for (size_t i = 0; i < n; i++) {
        struct ecert_finding finding = findings[i];
        bool is_new = false;

        ecert_finding_judge_dates(&finding, &bench->config.reminders, now);
        if (ecert_noticing_add(noticing, &finding, &is_new, &err) != ECERT_OK)
            fail_msg("%s", err.text);
        count += is_new;
    }
    return count;
}

size_t bench_check(struct bench *bench, const struct ecert_finding *findings, size_t n, int64_t now,
                   bool complete)
{
    struct ecert_noticing *noticing = NULL;
    struct ecert_error err = {0};

    if (ecert_noticing_begin(&bench->config, now, &noticing, &bench->notes, &err) != ECERT_OK)
        fail_msg("%s", err.text);
    const size_t count = add_all(bench, noticing, findings, n, now);
    if (ecert_noticing_end(&noticing, complete, &err) != ECERT_OK)
        fail_msg("%s", err.text);
    assert_null(noticing);
    return count;
}

size_t bench_check_and_die(struct bench *bench, const struct ecert_finding *findings, size_t n,
                           int64_t now)
{
    struct ecert_noticing *noticing = NULL;
    struct ecert_error err = {0};

    if (ecert_noticing_begin(&bench->config, now, &noticing, &bench->notes, &err) != ECERT_OK)
        fail_msg("%s", err.text);
    const size_t count = add_all(bench, noticing, findings, n, now);
    ecert_noticing_free(&noticing);
    return count;
}

static void keep_letter(struct bench *bench, const struct ecert_reminder *reminder,
                        const struct ecert_owed *owed, int64_t now)
{
    struct bench_letter *letters =
        reallocarray(bench->letters, bench->n_letters + 1, sizeof *letters);

    assert_non_null(letters);
    struct bench_letter *letter = &letters[bench->n_letters++];
    *letter = (struct bench_letter){.condition = reminder->finding.condition,
                                    .threshold = reminder->finding.threshold,
                                    .at = now,
                                    .not_after = reminder->finding.not_after};
    (void)snprintf(letter->key, sizeof letter->key, "%s", reminder->key);
    (void)snprintf(letter->name, sizeof letter->name, "%s", reminder->finding.name);
    (void)snprintf(letter->to, sizeof letter->to, "%s", owed->to == NULL ? "" : owed->to);
    bench->letters = letters;
}

size_t bench_send(struct bench *bench, int64_t now, enum bench_post post)
{
    const struct ecert_error refused = {.status = ECERT_E_NETWORK, .text = "550 not today"};
    const struct ecert_error accepted = {0};
    struct ecert_reminder_list list = {0};
    struct ecert_error err = {0};
    const size_t before = bench->n_letters;

    if (ecert_reminders_settle(&bench->config, &list, &bench->notes, &err) != ECERT_OK)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < list.n; i++)
        for (size_t k = 0; k < list.items[i].n_owed; k++) {
            struct ecert_reminder *reminder = &list.items[i];

            if (!ecert_owed_is_due(&reminder->owed[k], now))
                continue;
            if (post != BENCH_REFUSES)
                keep_letter(bench, reminder, &reminder->owed[k], now);
            if (post != BENCH_KILLED &&
                ecert_reminder_told(&bench->config, reminder, k, now,
                                    post == BENCH_REFUSES ? &refused : &accepted, &err) != ECERT_OK)
                fail_msg("%s", err.text);
        }
    ecert_reminder_list_clear(&list);
    return bench->n_letters - before;
}

size_t bench_day(struct bench *bench, const struct ecert_finding *finding, int64_t now)
{
    (void)bench_check(bench, finding, 1, now, true);
    return bench_send(bench, now, BENCH_ACCEPTS);
}

static bool is_json(const char *name)
{
    const size_t len = strlen(name);

    return name[0] != '.' && len > 5 && strcmp(name + len - 5, ".json") == 0;
}

static char *folder_path(const struct bench *bench, const char *folder)
{
    char *path = NULL;

    assert_true(asprintf(&path, "%s/reminders/%s", bench->folder, folder) > 0);
    return path;
}

size_t bench_files(const struct bench *bench, const char *folder)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings names = {0};
    ECERT_AUTO(ecert_auto_free) char *path = folder_path(bench, folder);
    struct ecert_error err = {0};
    size_t n = 0;

    if (ecert_fs_list(path, &names, &err) != ECERT_OK)
        return 0;
    for (size_t i = 0; i < names.len; i++)
        n += is_json(names.items[i]);
    return n;
}

char *bench_first_file(const struct bench *bench, const char *folder)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings names = {0};
    ECERT_AUTO(ecert_auto_free) char *path = folder_path(bench, folder);
    struct ecert_error err = {0};
    char *file = NULL;

    assert_int_equal(ecert_fs_list(path, &names, &err), ECERT_OK);
    for (size_t i = 0; file == NULL && i < names.len; i++)
        if (is_json(names.items[i]))
            assert_true(asprintf(&file, "%s/%s", path, names.items[i]) > 0);
    assert_non_null(file);
    return file;
}

void bench_write(const char *path, const char *text)
{
    const struct ecert_fs_owner own = ecert_fs_own(0600);
    struct ecert_error err = {0};

    assert_int_equal(ecert_fs_replace(path, ecert_view_of(text), &own, &err), ECERT_OK);
}
