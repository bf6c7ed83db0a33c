#include "tests/unit/plugins/corpus_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdbool.h>
#include <sys/stat.h>

#define MAX_CUTS    400u /* of one file */
#define MAX_DAMAGES 60u
#define MAX_PARTS   4u /* of a damaged text */

/* ---- reading -----------------------------------------------------------------------------------
 */

static int compare_files(const void *a, const void *b)
{
    return strcmp(((const struct corpus_file *)a)->path, ((const struct corpus_file *)b)->path);
}

static bool is_known(const struct corpus *corpus, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < corpus->n; i++)
        if (corpus->files[i].len == len && memcmp(corpus->files[i].bytes, bytes, len) == 0)
            return true;
    return false;
}

static void add_file(struct corpus *corpus, const char *path, size_t len)
{
    uint8_t *bytes = malloc(len + 1);
    FILE *file = fopen(path, "rb");

    assert_non_null(bytes);
    if (file == NULL || fread(bytes, 1, len, file) != len)
        fail_msg("%s cannot be read", path);
    (void)fclose(file);
    if (is_known(corpus, bytes, len)) {
        free(bytes);
        return;
    }
    corpus->files = realloc(corpus->files, (corpus->n + 1) * sizeof *corpus->files);
    assert_non_null(corpus->files);
    corpus->files[corpus->n++] = (struct corpus_file){strdup(path), bytes, len};
}

static void add_folder(struct corpus *corpus, const char *path)
{
    DIR *folder = opendir(path);

    if (folder == NULL)
        fail_msg("%s cannot be read", path);
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        char *name = NULL;
        struct stat about = {0};
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        assert_true(asprintf(&name, "%s/%s", path, entry->d_name) > 0);
        if (lstat(name, &about) == 0 && S_ISDIR(about.st_mode))
            add_folder(corpus, name);
        else if (S_ISREG(about.st_mode) && strcmp(entry->d_name, "case") != 0)
            add_file(corpus, name, (size_t)about.st_size);
        free(name);
    }
    (void)closedir(folder);
}

void corpus_read(const char *folder, struct corpus *to)
{
    add_folder(to, folder);
    qsort(to->files, to->n, sizeof *to->files, compare_files); /* damage is by number */
}

void corpus_clear(struct corpus *corpus)
{
    for (size_t i = 0; i < corpus->n; i++) {
        free(corpus->files[i].path);
        free(corpus->files[i].bytes);
    }
    free(corpus->files);
    *corpus = (struct corpus){0};
}

/* ---- checking ----------------------------------------------------------------------------------
 */

/* With the text in memory of just its length, so that reading behind it is seen. */
static void check(const struct corpus_file *file, const uint8_t *bytes, size_t len, size_t max,
                  const char *how, size_t number, corpus_property_fn *property)
{
    uint8_t *exact = malloc(len);

    assert_true(exact != NULL || len == 0);
    if (len != 0)
        memcpy(exact, bytes, len);
    const char *wrong = property((struct ecert_view){exact, len}, max);
    if (wrong != NULL)
        fail_msg("%s, %s %zu: %s\n%.*s", file->path, how, number, wrong,
                 (int)(len > 4000 ? 4000 : len), len == 0 ? "" : (const char *)exact);
    free(exact);
}

void corpus_check(const struct corpus *corpus, corpus_property_fn *property)
{
    for (size_t i = 0; i < corpus->n; i++)
        check(&corpus->files[i], corpus->files[i].bytes, corpus->files[i].len, 0, "as it is", 0,
              property);
}

/* A linear congruential generator: the same numbers everywhere. */
static size_t any(uint64_t *state, size_t below)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return below == 0 ? 0 : (size_t)(*state >> 33) % below;
}

void corpus_check_cut(const struct corpus *corpus, corpus_property_fn *property)
{
    uint64_t state = 5;

    for (size_t i = 0; i < corpus->n; i++) {
        const struct corpus_file *file = &corpus->files[i];
        const bool all = file->len <= MAX_CUTS;
        for (size_t n = 0; n < (all ? file->len : MAX_CUTS); n++) {
            const size_t len = all ? n : any(&state, file->len);
            check(file, file->bytes, len, MAX_PARTS, "cut off after", len, property);
        }
    }
}

static void change_bytes(uint8_t *bytes, size_t len, uint64_t *state)
{
    static const char odd[] = "{};#\"'\\$<>/ \t\r\n\0\xff";

    for (size_t n = 1 + any(state, 4); n > 0 && len > 0; n--) {
        uint8_t *byte = &bytes[any(state, len)];
        *byte = any(state, 2) == 0 ? (uint8_t)any(state, 256)
                                   : (uint8_t)odd[any(state, sizeof odd - 1)];
    }
}

/* `bytes` has room for both. */
static size_t splice(uint8_t *bytes, size_t len, const struct corpus_file *other, uint64_t *state)
{
    const size_t at = any(state, len + 1);
    const size_t gone = any(state, 2) == 0 ? any(state, len - at + 1) % 64 : 0;
    const size_t from = any(state, other->len);
    const size_t put = any(state, other->len - from + 1);

    memmove(bytes + at + put, bytes + at + gone, len - at - gone);
    if (put > 0)
        memcpy(bytes + at, other->bytes + from, put);
    return len - gone + put;
}

void corpus_check_damaged(const struct corpus *corpus, corpus_property_fn *property)
{
    uint64_t state = 12;

    for (size_t i = 0; i < corpus->n; i++) {
        const struct corpus_file *file = &corpus->files[i];
        for (size_t n = 0; n < MAX_DAMAGES; n++) {
            const struct corpus_file *other = &corpus->files[any(&state, corpus->n)];
            uint8_t *bytes = malloc(file->len + other->len + 1);
            size_t len = file->len;
            assert_non_null(bytes);
            memcpy(bytes, file->bytes, len);
            if (n % 2 == 0)
                change_bytes(bytes, len, &state);
            else
                len = splice(bytes, len, other, &state);
            check(file, bytes, len, MAX_PARTS, "damage", n, property);
            free(bytes);
        }
    }
}
