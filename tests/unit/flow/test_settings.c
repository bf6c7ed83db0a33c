#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/flow/settings.h"

/* Owned by nobody: literals in arrays that may be written, as the structures want them. */
static char nginx[] = "nginx", apache[] = "apache", empty[] = "", a[] = "a", b[] = "b", c[] = "c",
            ab[] = "ab", id[] = "id", one_then_b[] = "a1:b", problem[] = "it crashed";
static char *list_a_b[] = {a, b, NULL}, *list_ab[] = {ab, NULL}, *list_b_a[] = {b, a, NULL},
            *list_trick[] = {one_then_b, NULL}, *list_empty[] = {empty, NULL},
            *list_a[] = {a, NULL};
static struct ecert_probe one_probe[] = {{.address = a, .port = 443}};
static struct ecert_probe other_port[] = {{.address = a, .port = 444}};
static struct ecert_probe with_sni[] = {{.address = a, .port = 443, .server_name = b}};
static struct ecert_probe with_starttls[] = {{.address = a, .port = 443, .starttls = b}};
static struct ecert_setting_value x[] = {{.name = a, .text = b}, {.name = b, .text = c}};
static struct ecert_setting_value x_reordered[] = {{.name = b, .text = c}, {.name = a, .text = b}};
static struct ecert_setting_value other_value[] = {{.name = a, .text = b}, {.name = b, .text = a}};
static struct ecert_setting_value other_name[] = {{.name = a, .text = b}, {.name = c, .text = c}};
static struct ecert_setting_value list_value[] = {
    {.name = a, .list = {list_a, 1}, .is_list = true}};
static struct ecert_setting_value empty_list[] = {{.name = a, .is_list = true}};

#define BASE .plugin = nginx, .id = id, .probe = true
static const struct ecert_target_config targets[] = {
    {BASE},
    {.plugin = apache, .id = id, .probe = true},
    {.plugin = nginx, .id = id},
    {BASE, .server_names = {list_a_b, 2}},
    {BASE, .server_names = {list_b_a, 2}},
    {BASE, .server_names = {list_ab, 1}},
    {BASE, .server_names = {list_trick, 1}},
    {BASE, .server_names = {list_empty, 1}},
    {BASE, .may_write = {list_a_b, 2}},
    {BASE, .server_names = {list_a, 1}, .may_write = {list_a, 1}},
    {BASE, .files[ECERT_MATERIAL_KEY] = a, .has_files = true},
    {BASE, .files[ECERT_MATERIAL_FULLCHAIN] = a, .has_files = true},
    {BASE, .files[ECERT_MATERIAL_KEY] = b, .has_files = true},
    {BASE, .probes = one_probe, .n_probes = 1},
    {BASE, .probes = other_port, .n_probes = 1},
    {BASE, .probes = with_sni, .n_probes = 1},
    {BASE, .probes = with_starttls, .n_probes = 1},
    {BASE, .settings = x, .n_settings = 2},
    {BASE, .settings = x, .n_settings = 1},
    {BASE, .settings = other_value, .n_settings = 2},
    {BASE, .settings = other_name, .n_settings = 2},
    {BASE, .settings = list_value, .n_settings = 1},
    {BASE, .settings = empty_list, .n_settings = 1},
};

static void fingerprint(const struct ecert_target_config *target, char ret[ECERT_SHA256_HEX_LEN])
{
    struct ecert_error err = {0};

    assert_int_equal(ecert_settings_fingerprint(target, ret, &err), ECERT_OK);
}

static void every_difference_counts(void **state)
{
    char all[ARRAY_SIZE(targets)][ECERT_SHA256_HEX_LEN];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
        fingerprint(&targets[i], all[i]);
        assert_int_equal(strlen(all[i]), ECERT_SHA256_HEX_LEN - 1);
        for (size_t k = 0; k < i; k++)
            if (!ecert_settings_differ(all[i], all[k]))
                fail_msg("targets %zu and %zu have one fingerprint", k, i);
    }
}

static void what_is_no_setting_does_not(void **state)
{
    const struct ecert_target_config first = {BASE, .settings = x, .n_settings = 2, .line = 3};
    const struct ecert_target_config second = {.plugin = nginx,
                                               .id = a,
                                               .probe = true,
                                               .settings = x_reordered,
                                               .n_settings = 2,
                                               .line = 9};
    char one[ECERT_SHA256_HEX_LEN], other[ECERT_SHA256_HEX_LEN];

    (void)state;
    fingerprint(&first, one);
    fingerprint(&second, other);
    assert_string_equal(one, other);
    assert_false(ecert_settings_differ(one, other));
}

static void what_is_not_known_does_not_differ(void **state)
{
    const struct ecert_target_config broken = {BASE, .plugin_problem = problem};
    char known[ECERT_SHA256_HEX_LEN], unknown[ECERT_SHA256_HEX_LEN] = "before";

    (void)state;
    fingerprint(&targets[0], known);
    fingerprint(&broken, unknown);
    assert_string_equal(unknown, "");
    assert_false(ecert_settings_differ(known, unknown));
    assert_false(ecert_settings_differ(unknown, known));
    assert_false(ecert_settings_differ("", ""));
    assert_true(ecert_settings_differ(known, "AB"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_difference_counts),
        cmocka_unit_test(what_is_no_setting_does_not),
        cmocka_unit_test(what_is_not_known_does_not_differ),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
