/* How requests and the copies of their keys are judged; what is on disk is replaced by tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/flow/requests_left.h"
#include "core/issue/backup.h"
#include "core/monitor/monitor_parts.h"
#include "tests/support/test_pki.h"

#define DAY    ((int64_t)86400)
#define NOW    INT64_C(1795219200)
#define COPIES 5

static struct {
    struct ecert_requests requests;
    bool unreadable, has_place;
    enum ecert_request_state left; /* of the one that has no entry any more */
    bool has_left;
    enum ecert_status key;
    enum ecert_backup_state copy;
    size_t opened[COPIES]; /* how often, and of all how many were looked at */
    size_t looks, n_opened;
    struct ecert_finding found; /* the last one */
    size_t n;
} now;

static char paths[COPIES][32], *folder;
static char id[] = "20261121T084200Z", name[] = "www.test.hk", words[] = "the CA asks for it",
            problem[] = "'request.json' is damaged";
static struct ecert_request_backup backups[COPIES];

/* ---- in the place of what is on disk ---- */

enum ecert_status __wrap_ecert_context_requests(struct ecert_context *context,
                                                const struct ecert_certificate_config *certificate,
                                                struct ecert_requests **ret,
                                                struct ecert_error *err);
enum ecert_status __wrap_ecert_context_requests(struct ecert_context *context,
                                                const struct ecert_certificate_config *certificate,
                                                struct ecert_requests **ret,
                                                struct ecert_error *err)
{
    (void)context;
    (void)certificate;
    if (now.unreadable)
        return ecert_error_set(err, ECERT_E_IO, "the folder is gone");
    *ret = &now.requests;
    return ECERT_OK;
}

enum ecert_status __wrap_ecert_requests_left(const struct ecert_config *config,
                                             struct ecert_requests *ret, struct ecert_error *err);
enum ecert_status __wrap_ecert_requests_left(const struct ecert_config *config,
                                             struct ecert_requests *ret, struct ecert_error *err)
{
    (void)config;
    if (!now.has_left)
        return ECERT_OK;
    ret->items = calloc(1, sizeof *ret->items);
    assert_non_null(ret->items);
    ret->n = 1;
    ret->items->state = now.left;
    ret->items->created = NOW;
    ECERT_TRY(ecert_text_copy(ecert_view_of("old.test.hk"), &ret->items->name, err));
    return ecert_text_copy(ecert_view_of(id), &ret->items->id, err);
}

enum ecert_status __wrap_ecert_requests_key_file(const char *state_dir,
                                                 const struct ecert_request *request,
                                                 struct ecert_secret *ret, struct ecert_error *err);
enum ecert_status __wrap_ecert_requests_key_file(const char *state_dir,
                                                 const struct ecert_request *request,
                                                 struct ecert_secret *ret, struct ecert_error *err)
{
    (void)state_dir;
    (void)request;
    (void)ret;
    return now.key == ECERT_OK ? ECERT_OK : ecert_error_set(err, now.key, "no key");
}

enum ecert_status __wrap_ecert_backup_check(const struct ecert_config *config,
                                            const struct ecert_request *request,
                                            const struct ecert_request_backup *backup,
                                            const struct ecert_backup_opener *opener,
                                            enum ecert_backup_state *ret, char **ret_why,
                                            struct ecert_error *err);
enum ecert_status __wrap_ecert_backup_check(const struct ecert_config *config,
                                            const struct ecert_request *request,
                                            const struct ecert_request_backup *backup,
                                            const struct ecert_backup_opener *opener,
                                            enum ecert_backup_state *ret, char **ret_why,
                                            struct ecert_error *err)
{
    (void)config;
    (void)request;
    (void)ret_why;
    (void)err;
    now.looks++;
    now.n_opened += opener != NULL;
    now.opened[backup - backups] += opener != NULL;
    *ret = now.copy;
    return ECERT_OK;
}

enum ecert_status __wrap_ecert_backup_places(const struct ecert_config *config,
                                             struct ecert_strings *ret, struct ecert_error *err);
enum ecert_status __wrap_ecert_backup_places(const struct ecert_config *config,
                                             struct ecert_strings *ret, struct ecert_error *err)
{
    (void)config;
    return now.has_place ? ecert_strings_add(ret, "/backups", err) : ECERT_OK;
}

enum ecert_status __wrap_monitor_tell_place(const struct monitor *monitor, const char *copy,
                                            struct ecert_strings *told, bool *ret_gone,
                                            struct ecert_error *err);
enum ecert_status __wrap_monitor_tell_place(const struct monitor *monitor, const char *copy,
                                            struct ecert_strings *told, bool *ret_gone,
                                            struct ecert_error *err)
{
    (void)monitor;
    (void)copy;
    (void)told;
    (void)err;
    *ret_gone = false;
    return ECERT_OK;
}

static enum ecert_status keep(void *context, const struct ecert_finding *finding,
                              struct ecert_error *err)
{
    (void)context;
    ecert_finding_clear(&now.found);
    now.n++;
    return ecert_finding_copy(finding, &now.found, err);
}

static void look(struct ecert_request *request, int64_t at)
{
    struct ecert_certificate_config entry = {.name = name};
    struct ecert_config config = {.certificates = &entry, .n_certificates = 1, .state_dir = folder};
    struct monitor_certificate certificate = {.wanted = true};
    const struct ecert_monitor_options options = {0};
    const struct monitor monitor = {.config = &config,
                                    .options = &options,
                                    .certificates = &certificate,
                                    .call = keep,
                                    .now = at};
    struct ecert_error err = {0};

    config.reminders.requests_after = 7;
    now.requests = (struct ecert_requests){request, 1};
    now.n = now.looks = now.n_opened = 0;
    assert_int_equal(monitor_requests(&monitor, &err), ECERT_OK);
}

/* ---- requests ---- */

static void requests_are_judged(void **state)
{
    (void)state;
    static const struct {
        int64_t age;
        enum ecert_request_state state;
        char *reason, *problem;
        enum ecert_status key;
        bool unreadable;
        enum ecert_condition wanted;
    } rows[] = {
        {7 * DAY - 1, ECERT_REQUEST_OPEN, NULL, NULL, ECERT_OK, false, ECERT_CONDITION_FINE},
        {7 * DAY, ECERT_REQUEST_OPEN, NULL, NULL, ECERT_OK, false, ECERT_CONDITION_PENDING},
        {DAY - 1, ECERT_REQUEST_OPEN, words, NULL, ECERT_OK, false, ECERT_CONDITION_FINE},
        {DAY, ECERT_REQUEST_OPEN, words, NULL, ECERT_OK, false, ECERT_CONDITION_PENDING},
        {0, ECERT_REQUEST_MADE, NULL, NULL, ECERT_OK, false, ECERT_CONDITION_NOT_BACKED_UP},
        {0, ECERT_REQUEST_OPEN, NULL, problem, ECERT_OK, false, ECERT_CONDITION_UNDECODABLE},
        {0, ECERT_REQUEST_OPEN, NULL, NULL, ECERT_E_NOT_FOUND, false, ECERT_CONDITION_MISSING},
        {0, ECERT_REQUEST_OPEN, NULL, NULL, ECERT_E_REFUSED, false, ECERT_CONDITION_UNREADABLE},
        {0, ECERT_REQUEST_OPEN, NULL, NULL, ECERT_OK, true, ECERT_CONDITION_UNREADABLE},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct ecert_request request = {.id = id,
                                        .name = name,
                                        .state = rows[i].state,
                                        .created = NOW - rows[i].age,
                                        .reason = rows[i].reason,
                                        .problem = rows[i].problem};
        now.key = rows[i].key;
        now.unreadable = rows[i].unreadable;
        look(&request, NOW);
        if (now.n != 1 || now.found.condition != rows[i].wanted)
            fail_msg("row %zu: %zu findings, %s", i, now.n,
                     ecert_condition_word(now.found.condition));
        assert_int_equal(now.found.watched, ECERT_WATCHED_REQUEST);
    }
    struct ecert_request finished = {
        .id = id, .name = name, .state = ECERT_REQUEST_ISSUED, .problem = problem};
    now.key = ECERT_OK;
    now.unreadable = false;
    look(&finished, NOW);
    assert_int_equal(now.n, 0); /* nothing is wanted of it any more */
    ecert_finding_clear(&now.found);
}

static void one_without_an_entry_is_told(void **state)
{
    (void)state;
    struct ecert_request cancelled = {.id = id, .name = name, .state = ECERT_REQUEST_CANCELLED};

    now.has_left = true;
    now.left = ECERT_REQUEST_OPEN;
    look(&cancelled, NOW); /* however young it is */
    assert_int_equal(now.n, 1);
    assert_string_equal(now.found.name, "old.test.hk");
    assert_int_equal(now.found.condition, ECERT_CONDITION_PENDING);
    assert_int_equal(now.found.urgency, ECERT_URGENCY_DUE);
    assert_non_null(strstr(now.found.detail, "no entry in the configuration any more"));
    now.left = ECERT_REQUEST_ISSUED;
    look(&cancelled, NOW);
    assert_int_equal(now.n, 0);
    now.has_left = false;
    ecert_finding_clear(&now.found);
}

/* ---- copies ---- */

/* All of them have copies that were never opened. */
static struct ecert_request begin(void)
{
    now.has_place = true;
    now.copy = ECERT_BACKUP_OPENS;
    memset(now.opened, 0, sizeof now.opened);
    for (size_t i = 0; i < COPIES; i++) {
        (void)snprintf(paths[i], sizeof paths[i], "/backups/%zu.p7m", i);
        backups[i] = (struct ecert_request_backup){.path = paths[i]};
    }
    return (struct ecert_request){.id = id,
                                  .name = name,
                                  .state = ECERT_REQUEST_OPEN,
                                  .created = NOW,
                                  .backups = backups,
                                  .n_backups = COPIES};
}

static int make_state(void **state)
{
    (void)state;
    folder = test_folder_make();
    return 0;
}

static int remove_state(void **state)
{
    (void)state;
    test_folder_remove(folder);
    folder = NULL;
    ecert_finding_clear(&now.found);
    return 0;
}

/* Whatever the days are on which somebody looks: also those of a host that does so every n days. */
static void each_copy_is_opened_in_its_turn(void **state)
{
    struct ecert_request request = begin();
    const int every[] = {1, COPIES, 7};

    (void)state;
    int64_t at = NOW;
    for (size_t k = 0; k < ARRAY_SIZE(every); k++) {
        memset(now.opened, 0, sizeof now.opened);
        for (int i = 0; i < COPIES; i++, at += every[k] * DAY) {
            look(&request, at);
            assert_int_equal(now.looks, COPIES); /* the bytes of all, and one is opened */
            assert_int_equal(now.n_opened, 1);
        }
        for (size_t i = 0; i < COPIES; i++)
            assert_int_equal(now.opened[i], 1);
    }
}

static void within_a_day_it_is_the_same_copy(void **state)
{
    struct ecert_request request = begin();

    (void)state;
    for (int i = 0; i < 4; i++)
        look(&request, NOW + i * DAY / 4);
    assert_int_equal(now.opened[0], 4);
    look(&request, NOW + DAY);
    assert_int_equal(now.opened[1], 1);
}

static void the_longest_unopened_is_first(void **state)
{
    struct ecert_request request = begin();

    (void)state;
    for (size_t i = 0; i < COPIES; i++)
        backups[i].opened = NOW - 10 * DAY + (i == 3 ? -DAY : 0);
    backups[1].opened = NOW + 100 * DAY; /* by a clock that was wrong: not known */
    look(&request, NOW);
    assert_int_equal(now.opened[1], 1);
    look(&request, NOW + DAY);
    assert_int_equal(now.opened[3], 1);
}

/* It would be told on one day, and well again on the next. */
static void one_that_does_not_open_stays(void **state)
{
    struct ecert_request request = begin();

    (void)state;
    now.copy = ECERT_BACKUP_SHUT;
    for (int day = 0; day < 3; day++) {
        look(&request, NOW + day * DAY);
        assert_int_equal(now.opened[0], day + 1);
    }
    assert_int_equal(now.found.watched, ECERT_WATCHED_BACKUP);
    assert_int_equal(now.found.condition, ECERT_CONDITION_UNDECODABLE);
    now.copy = ECERT_BACKUP_OPENS;
    look(&request, NOW + 3 * DAY);
    look(&request, NOW + 4 * DAY);
    assert_int_equal(now.opened[1], 1);
    request.state = ECERT_REQUEST_CANCELLED; /* nobody needs its key */
    look(&request, NOW + 5 * DAY);
    assert_int_equal(now.looks, 0);
}

static void what_is_remembered_may_be_damaged(void **state)
{
    struct ecert_request request = begin();

    (void)state;
    free(test_file_write(folder, "copies.json", ecert_view_of("{\"opened\": 1"), 0600));
    look(&request, NOW);
    look(&request, NOW + DAY);
    assert_int_equal(now.opened[0], 1);
    assert_int_equal(now.opened[1], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(requests_are_judged, make_state, remove_state),
        cmocka_unit_test_setup_teardown(one_without_an_entry_is_told, make_state, remove_state),
        cmocka_unit_test_setup_teardown(each_copy_is_opened_in_its_turn, make_state, remove_state),
        cmocka_unit_test_setup_teardown(within_a_day_it_is_the_same_copy, make_state, remove_state),
        cmocka_unit_test_setup_teardown(the_longest_unopened_is_first, make_state, remove_state),
        cmocka_unit_test_setup_teardown(one_that_does_not_open_stays, make_state, remove_state),
        cmocka_unit_test_setup_teardown(what_is_remembered_may_be_damaged, make_state,
                                        remove_state),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
