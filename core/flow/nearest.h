/*
 * "Did you mean?": which known word somebody probably meant who wrote another one.
 */
#ifndef ECERT_FLOW_NEAREST_H
#define ECERT_FLOW_NEAREST_H

/*
 * The candidate with the smallest edit distance to `word` (insert, delete, replace, or swap two
 * neighbours: one each; case does not count), the first of several equally near ones.  NULL if none
 * is near enough to be a slip: more than a third of the longer word's letters, at least one, at
 * most three, would have to change.  `candidates` ends with NULL; the answer is one of them.
 */
const char *ecert_nearest_word(const char *word, const char *const *candidates);

#endif
