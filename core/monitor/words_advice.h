/*
 * Why a finding matters, and what to do about it: for an administrator, and readable for a manager
 * who gets the mail.  One table, English; looked up in the catalogue where it is used (words.h).
 *
 * A row may be for findings whose `detail` has certain words in it: these are sentences of
 * core/net, core/flow and core/monitor, and the tests of words ask those for them where they can.
 *
 * {name} stands for the finding's name as a word of a shell's command line.  What is said of
 * Hongkong Post is said by its name: certificates of other CAs are watched too, and a finding does
 * not know of which CA it is.
 */
#ifndef ECERT_MONITOR_WORDS_ADVICE_H
#define ECERT_MONITOR_WORDS_ADVICE_H

#include "core/monitor/finding.h"

struct ecert_advice {
    int watched, condition; /* ECERT_ADVICE_ANY: whichever no earlier row has */
    const char *detail;     /* stands in the finding's detail or place; NULL: whatever is there */
    const char *why, *what_to_do;
};
#define ECERT_ADVICE_ANY (-1)

/* The first row that fits.  Never NULL: every condition has a row for anything. */
const struct ecert_advice *ecert_advice_for(const struct ecert_finding *finding);

/* All rows, for the tests. */
const struct ecert_advice *ecert_advice_all(size_t *ret_n);

#endif
