/*
 * Why a finding matters, and what to do about it: for an administrator, and readable for a manager
 * who gets the mail.  One table, English; looked up in the catalogue where it is used (words.h).
 *
 * {name} stands for the finding's name as a word of a shell's command line.  What is said of
 * Hongkong Post is said by its name: certificates of other CAs are watched too.
 */
#ifndef ECERT_MONITOR_WORDS_ADVICE_H
#define ECERT_MONITOR_WORDS_ADVICE_H

#include "core/monitor/finding.h"

struct ecert_advice {
    int watched, condition; /* ECERT_ADVICE_ANY: whichever no earlier row has */
    const char *why, *what_to_do;
};
#define ECERT_ADVICE_ANY (-1)

/* Never NULL: every condition has a row for anything. */
const struct ecert_advice *ecert_advice_for(enum ecert_watched watched,
                                            enum ecert_condition condition);

/* All rows, for the tests. */
const struct ecert_advice *ecert_advice_all(size_t *ret_n);

#endif
