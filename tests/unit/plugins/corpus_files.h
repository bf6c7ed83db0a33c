/*
 * The files of the corpus (tests/corpus), and what becomes of them when they are damaged: for the
 * tests of what must hold for any bytes.  Damage is the same in every run.
 */
#ifndef ECERT_TESTS_CORPUS_FILES_H
#define ECERT_TESTS_CORPUS_FILES_H

#include <ecert/status.h>

struct corpus_file {
    char *path;
    uint8_t *bytes;
    size_t len;
};

/* Regular files; of several with the same bytes, one. */
struct corpus {
    struct corpus_file *files;
    size_t n;
};

/* Adds all that is below a folder, but for files called "case".  Fails the test if it cannot. */
void corpus_read(const char *folder, struct corpus *to);
void corpus_clear(struct corpus *corpus);

/* NULL: it holds; else what does not.  At most `max` parts of the text are tried; 0: all. */
typedef const char *corpus_property_fn(struct ecert_view text, size_t max);

/* Each file as it is. */
void corpus_check(const struct corpus *corpus, corpus_property_fn *property);
/* Each file cut off, after every byte where it is short. */
void corpus_check_cut(const struct corpus *corpus, corpus_property_fn *property);
/* Each file with bytes changed, and with parts of other files put in or taken out. */
void corpus_check_damaged(const struct corpus *corpus, corpus_property_fn *property);

#endif
