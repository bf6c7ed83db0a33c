/* What findings say of a place and a moment, known again; the catalogue is the build tree's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/monitor/words.h"

static const struct sentence_row {
    const char *en, *zh;
} sentence_rows[] = {
    {"it serves serial 0A; generation 3, which was deployed, has serial 0B",
     "現時提供的證書序號為 0A；已部署的第 3 代證書序號為 0B"},
    {"it serves serial 0A; generation 3, which was deployed, has the SHA-256 00FF",
     "現時提供的證書序號為 0A；已部署的第 3 代證書的 SHA-256 為 00FF"},
    {"root 2 of /etc/ecert/authorities/x.conf", "/etc/ecert/authorities/x.conf 的第 2 張根源證書"},
    {"/etc/ssl/a.pem, certificate 2", "/etc/ssl/a.pem，第 2 張證書"},
    /* names and paths stay as they are, also where they look like a form */
    {"'/srv/%s.pem': the file is empty", "'/srv/%s.pem'：檔案是空的"},
    {"the issuer of '%2$s%n' is missing", "欠缺 '%2$s%n' 的簽發者證書"},
    {"10.0.0.1:443 (www.x.hk)", "10.0.0.1:443 (www.x.hk)"},
    {"/etc/ssl/a.pem", "/etc/ssl/a.pem"},
    /* what a sentence quotes is translated as well; the system's words are not */
    {"no CRL from 'http://x/': connection refused", "未能從 'http://x/' 取得 CRL：連線被拒絕"},
    {"it has generation 1, and 2 is owed; the last try failed: nginx: reload: no",
     "現有第 1 代，應部署第 2 代；上次嘗試失敗：nginx: reload: no"},
    {"it does not cover 'a.hk'; it is for 'b.hk', 'c.hk', 'd.hk' and 4 more",
     "證書不涵蓋 'a.hk'；其適用名稱為 'b.hk', 'c.hk', 'd.hk' 及另外 4 項"},
    {"'/x': Permission denied", "'/x'：Permission denied"},
    {"'/x.p12': '/etc/word' cannot be found: No such file or directory",
     "'/x.p12'：找不到 '/etc/word'：No such file or directory"},
    {"", ""},
    {"target ", "target "}, /* a form wants something for each %s */
};

/* The caller frees. */
static char *say(const char *text)
{
    struct ecert_buffer out = {0};
    struct ecert_bytes bytes = {0};
    struct ecert_error err = {0};

    ecert_words_sentence(&out, text);
    ecert_buffer_add_text(&out, ""); /* also of nothing there is a text */
    assert_int_equal(ecert_buffer_take(&out, &bytes, &err), ECERT_OK);
    return (char *)bytes.ptr;
}

static void check_said(const char *text, const char *want)
{
    char *said = say(text);

    assert_string_equal(said, want);
    free(said);
}

/* A stranger's server chooses much of it: nobody waits for its translation. */
static void what_is_long_stays_as_it_is(void **state)
{
    static const char begin[] = "no CRL from '", end[] = "'";
    char text[4096];
    (void)state;

    (void)ecert_words_use("zh_HK");
    for (size_t len = 2047; len <= 2049; len++) {
        memset(text, 'x', sizeof text);
        memcpy(text, begin, strlen(begin));
        memcpy(text + len - strlen(end), end, sizeof end);
        char *said = say(text);
        assert_int_equal(strcmp(said, text) == 0, len > 2048);
        free(said);
    }
    (void)ecert_words_use("en");
}

static void sentences_are_known_again(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(sentence_rows); i++) {
        (void)ecert_words_use("en");
        check_said(sentence_rows[i].en, sentence_rows[i].en);
        (void)ecert_words_use("zh_HK");
        check_said(sentence_rows[i].en, sentence_rows[i].zh);
        (void)ecert_words_use("en");
    }
}

/* A form that an earlier one swallows is never seen. */
static void every_sentence_is_reached(void **state)
{
    size_t n;
    const char *const *sentences = ecert_words_sentences(&n);
    (void)state;

    for (size_t i = 0; i < n; i++) {
        const char *place = sentences[i], *end;
        struct ecert_buffer text = {0}, want = {0};
        char *said;

        for (; (end = strstr(place, "%s")) != NULL; place = end + 2)
            ecert_buffer_printf(&text, "%.*sX", (int)(end - place), place);
        ecert_buffer_add_text(&text, place);
        (void)ecert_words_use("zh_HK");
        for (const char *at = ecert_words(sentences[i]); *at != '\0'; at++) {
            const bool placed = *at == '%';

            if (placed)
                at += strcspn(at, "s");
            ecert_buffer_add(&want, (struct ecert_view){(const uint8_t *)(placed ? "X" : at), 1});
        }
        said = say((const char *)text.ptr);
        (void)ecert_words_use("en");
        if (strcmp(said, (const char *)want.ptr) != 0)
            print_error("%s: %s\n", (const char *)text.ptr, said);
        assert_string_equal(said, (const char *)want.ptr);
        assert_string_not_equal(said, (const char *)text.ptr);
        free(said);
        ecert_buffer_clear(&text);
        ecert_buffer_clear(&want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_long_stays_as_it_is),
        cmocka_unit_test(sentences_are_known_again),
        cmocka_unit_test(every_sentence_is_reached),
    };

    ecert_words_directory(TEST_LOCALE_DIR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
