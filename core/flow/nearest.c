#include "core/flow/nearest.h"

#include <string.h>

#define WORD_MAX 64 /* longer words are no slip of a known key */

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/*
 * Optimal string alignment (Damerau-Levenshtein without a second edit of a swapped pair).  Both
 * words are at most WORD_MAX long.
 */
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t rows[3][WORD_MAX + 1]; /* the row before the last, the last, and this one */
    size_t *before = rows[0], *last = rows[1], *row = rows[2];

    for (size_t j = 0; j <= b_len; j++)
        last[j] = before[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            const size_t cost = lower(a[i - 1]) == lower(b[j - 1]) ? 0 : 1;

            row[j] = smaller(smaller(last[j], row[j - 1]) + 1, last[j - 1] + cost);
            if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
                lower(a[i - 2]) == lower(b[j - 1]))
                row[j] = smaller(row[j], before[j - 2] + 1);
        }
        size_t *const free_row = before;
        before = last;
        last = row;
        row = free_row;
    }
    return last[b_len];
}

static size_t tolerance(size_t longer)
{
    const size_t third = longer / 3;

    return third < 1 ? 1 : smaller(third, 3);
}

const char *ecert_nearest_word(const char *word, const char *const *candidates)
{
    const size_t len = strlen(word);
    const char *nearest = NULL;
    size_t least = 0;

    if (len == 0 || len > WORD_MAX)
        return NULL;
    for (; *candidates != NULL; candidates++) {
        const size_t candidate_len = strlen(*candidates);

        if (candidate_len > WORD_MAX)
            continue;
        const size_t edits = distance(word, len, *candidates, candidate_len);
        if (edits > tolerance(len > candidate_len ? len : candidate_len))
            continue;
        if (nearest == NULL || edits < least) {
            nearest = *candidates;
            least = edits;
        }
    }
    return nearest;
}
