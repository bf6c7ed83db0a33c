/* Requests that are not whole: what could not be restored is not backed up. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/issue/backup.h"
#include "tests/unit/issue/backup_fixture.h"

static void test_lost_key(void **state)
{
    struct backup_fixture *f = *state;
    struct ecert_error err = {0};
    char *path = NULL;

    backup_under(f, "open sesame, at once");
    assert_true(asprintf(&path, "%s/certificates/www.example.test/requests/%s/privkey.pem",
                         f->config.state_dir, f->request.id) > 0);
    assert_int_equal(unlink(path), 0);
    (void)!backup_now(f, &err);
    backup_check_words(&err, ECERT_E_NOT_FOUND, "privkey.pem");
    assert_int_equal(backup_count(f->place), 0);
    free(path);
}

static void check_refused(struct backup_fixture *f)
{
    struct ecert_error err = {0};

    assert_int_not_equal(backup_now(f, &err), ECERT_OK);
    assert_non_null(strstr(err.text, "'ecert restore'"));
    assert_int_equal(f->request.n_backups, 0);
    assert_int_equal(backup_count(f->place) + backup_count(f->second_place), 0);
}

/* What no restore would take is not sealed, also where nobody here could open it and see. */
static void test_damaged_csr(void **state)
{
    struct backup_fixture *f = *state;
    struct ecert_bytes other = test_csr_pem(f->ec, "www.example.test");
    const struct ecert_view cut = {f->csr_pem.ptr, 60};
    const struct ecert_view rows[] = {ecert_view_of("a letter\n"), cut, ecert_bytes_view(&other)};
    char *folder = NULL;

    assert_true(asprintf(&folder, "%s/certificates/www.example.test/requests/%s",
                         f->config.state_dir, f->request.id) > 0);
    backup_to(f, f->ec_file);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        free(test_file_write(folder, "request.csr", rows[i], 0600));
        check_refused(f);
    }
    /* the same key, and not the CSR that was shown */
    free(test_file_write(folder, "request.csr", ecert_bytes_view(&f->csr_pem), 0600));
    f->request.csr_sha256[0] = f->request.csr_sha256[0] == 'A' ? 'B' : 'A';
    check_refused(f);
    ecert_bytes_clear(&other);
    free(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_lost_key, backup_set_up, backup_tear_down),
        cmocka_unit_test_setup_teardown(test_damaged_csr, backup_set_up, backup_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
