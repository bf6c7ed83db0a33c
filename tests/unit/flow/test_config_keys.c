#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/base/fs.h"
#include "core/flow/config_read.h"

static void read_example(char **ret)
{
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes bytes = {0};
    struct ecert_error err = {0};

    if (ecert_fs_read(ECERT_CONFIG_EXAMPLE, 1 << 20, &bytes, &err) != ECERT_OK)
        fail_msg("%s", err.text);
    assert_int_equal(ecert_text_copy(ecert_bytes_view(&bytes), ret, &err), ECERT_OK);
}

/* As the first word of a line, commented out or not. */
static bool names_key(const char *text, const char *key)
{
    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += strspn(line, "\n \t#{(,");
        const size_t n = strlen(key);
        if (strncmp(line, key, n) == 0 && line[n + strspn(line + n, " ")] == '=')
            return true;
    }
    return false;
}

static void expect_table(const char *example, const char *reference,
                         const struct ecert_config_table *table)
{
    for (size_t i = 0; i < table->n; i++) {
        if (!names_key(example, table->keys[i].name))
            fail_msg("the example does not show '%s'", table->keys[i].name);
        if (strstr(reference, table->keys[i].name) == NULL ||
            strstr(reference, table->keys[i].help) == NULL)
            fail_msg("the reference does not show '%s'", table->keys[i].name);
        if (table->keys[i].group != NULL)
            expect_table(example, reference, table->keys[i].group);
    }
}

static void example_and_reference_show_every_key(void **state)
{
    ECERT_AUTO(ecert_auto_free) char *example = NULL;
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer reference = {0};
    char plugin_dir[] = TEST_PLUGIN_DIR;
    const struct ecert_config config = {.plugin_dir = plugin_dir};

    (void)state;
    read_example(&example);
    ecert_config_reference(&config, &reference);
    assert_false(reference.failed);
    expect_table(example, (const char *)reference.ptr, &ecert_config_top_table);
    assert_non_null(strstr((const char *)reference.ptr, "plugin = \"right\" (right on purpose)"));
    assert_non_null(strstr((const char *)reference.ptr, "port (integer, default: 443)"));
    assert_non_null(strstr((const char *)reference.ptr, "plugin = \"abi\": not known: "));
}

/* Without a configuration the reference is of the default directory, which need not be there. */
static void the_reference_needs_no_configuration(void **state)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer reference = {0};

    (void)state;
    ecert_config_reference(NULL, &reference);
    assert_false(reference.failed);
    assert_non_null(strstr((const char *)reference.ptr, "state_dir (string, default: /var/lib"));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(example_and_reference_show_every_key),
        cmocka_unit_test(the_reference_needs_no_configuration),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
