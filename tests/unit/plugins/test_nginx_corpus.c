/* What must hold for the nginx plugin's lexer and editor, for every file of the corpus, and
 * for what the fuzz targets have found (tests/fuzz/found). */
#include "tests/unit/plugins/corpus_files.h"
#include "tests/unit/plugins/nginx_properties.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const char *pieces(struct ecert_view text, size_t max)
{
    (void)max;
    return nginx_pieces_hold(text);
}

static void files_are_read_in_pieces(void **state)
{
    assert_true(((struct corpus *)*state)->n > 200);
    corpus_check(*state, pieces);
}

static void files_are_edited_and_the_edit_undone(void **state)
{
    corpus_check(*state, nginx_edits_hold);
}

static void files_that_are_cut_off(void **state)
{
    corpus_check_cut(*state, pieces);
    corpus_check_cut(*state, nginx_edits_hold);
}

static void files_that_are_damaged(void **state)
{
    corpus_check_damaged(*state, pieces);
    corpus_check_damaged(*state, nginx_edits_hold);
}

static int begin(void **state)
{
    static struct corpus corpus;

    corpus_read(TEST_CORPUS_DIR, &corpus);
    corpus_read(TEST_FOUND_DIR, &corpus);
    *state = &corpus;
    return 0;
}

static int end(void **state)
{
    corpus_clear(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_read_in_pieces),
        cmocka_unit_test(files_are_edited_and_the_edit_undone),
        cmocka_unit_test(files_that_are_cut_off),
        cmocka_unit_test(files_that_are_damaged),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
