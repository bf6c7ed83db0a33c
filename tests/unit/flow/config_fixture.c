#include "tests/unit/flow/config_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/base/fs.h"
#include "tests/support/test_pki.h"

static void add_with_folder(struct ecert_buffer *buffer, const char *folder, const char *text)
{
    for (const char *p = text; *p != '\0'; p++) {
        if (*p == '~')
            ecert_buffer_add_text(buffer, folder);
        else
            ecert_buffer_add(buffer, (struct ecert_view){(const uint8_t *)p, 1});
    }
}

static void make_directory(const char *folder, const char *name)
{
    ECERT_AUTO(ecert_auto_free) char *path = NULL;
    struct ecert_error err = {0};

    assert_int_equal(ecert_text_format(&path, &err, "%s/%s", folder, name), ECERT_OK);
    assert_int_equal(ecert_fs_make_directories(path, 0700, &err), ECERT_OK);
}

char *config_folder_make(void)
{
    char *folder = test_folder_make();

    make_directory(folder, "authorities");
    make_directory(folder, "d");
    config_folder_write(folder, "authorities/ca.conf", "", 0600);
    config_folder_write(folder, "key.pem", "", 0600);
    config_folder_write(folder, "word", "x\n", 0600);
    config_folder_write(folder, "shown", "x\n", 0644);
    config_folder_write(folder, "open", "x\n", 0666);
    return folder;
}

void config_folder_write(const char *folder, const char *name, const char *text, mode_t mode)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer content = {0};

    add_with_folder(&content, folder, text);
    free(test_file_write(folder, name, ecert_buffer_view(&content), mode));
}

enum ecert_status config_folder_load(const char *folder, const char *head, const char *text,
                                     struct ecert_config *ret, struct ecert_strings *ret_mistakes,
                                     struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer whole = {0};

    add_with_folder(&whole, folder, head);
    add_with_folder(&whole, folder, text);
    char *path = test_file_write(folder, "ecert.conf", ecert_buffer_view(&whole), 0600);
    const enum ecert_status status = ecert_config_load(path, ret, ret_mistakes, err);
    free(path);
    return status;
}

void config_expect_mistakes(const char *folder, const struct ecert_strings *mistakes,
                            const char *want)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer words = {0};
    char *save = NULL;
    size_t n = 0;

    add_with_folder(&words, folder, want);
    for (char *word = strtok_r((char *)words.ptr, "|", &save); word != NULL;
         word = strtok_r(NULL, "|", &save), n++) {
        ECERT_AUTO(ecert_auto_free) char *start = NULL;
        struct ecert_error err = {0};

        assert_int_equal(ecert_text_format(&start, &err, "%s/ecert.conf:%s", folder, word),
                         ECERT_OK);
        if (n >= mistakes->len)
            fail_msg("only %zu mistakes, not '%s'", mistakes->len, word);
        if (strncmp(mistakes->items[n], start, strlen(start)) != 0)
            fail_msg("'%s' is not '%s'", mistakes->items[n], word);
    }
    if (n != mistakes->len)
        fail_msg("one more: '%s'", mistakes->items[n]);
}
