/* The pre-load of an attempt: every pair of key and certificates, as a server would load it. */

#include <stdlib.h>
#include <string.h>

#include "core/flow/attempt.h"
#include "core/flow/key.h"
#include "core/flow/preload.h"

/* What opens the member's key; one that cannot be had refuses it. */
static bool find_passphrase(struct ecert_attempt *attempt, size_t member, struct ecert_secret *ret)
{
    const struct ecert_change *change = attempt->members[member].change;
    struct ecert_error why = {0};

    if (change->key == NULL || ecert_key_kept_passphrase(change->key, ret, &why) == ECERT_OK)
        return true;
    (void)ecert_error_wrap(&why, "'%s'", change->key_file);
    ecert_member_verdict(&attempt->members[member], ECERT_OUTCOME_REFUSED, &why);
    attempt->told = true;
    return false;
}

static void free_passphrases(struct ecert_secret *passphrases, size_t n)
{
    for (size_t i = 0; passphrases != NULL && i < n; i++)
        ecert_secret_clear(&passphrases[i]);
    free(passphrases);
}

/* Each distinct pair once; a bad pair refuses its members, which are told. */
enum ecert_status ecert_attempt_preload(struct ecert_attempt *attempt, struct ecert_error *err)
{
    struct ecert_pair *pairs = calloc(attempt->n + 1, sizeof *pairs);
    struct ecert_error *results = calloc(attempt->n + 1, sizeof *results);
    struct ecert_secret *passphrases = calloc(attempt->n + 1, sizeof *passphrases);
    size_t *of = calloc(attempt->n + 1, sizeof *of), n = 0;
    enum ecert_status status = ECERT_E_NOMEM;

    if (pairs == NULL || results == NULL || passphrases == NULL || of == NULL) {
        (void)ecert_error_nomem(err);
        goto out;
    }
    for (size_t i = 0; i < attempt->n; i++) {
        const struct ecert_change *change = attempt->members[i].change;

        of[i] = SIZE_MAX;
        if (!attempt->members[i].waiting || change->fullchain_file == NULL)
            continue;
        for (of[i] = 0; of[i] < n; of[i]++)
            if (strcmp(pairs[of[i]].fullchain_file, change->fullchain_file) == 0 &&
                (pairs[of[i]].key_file == NULL) == (change->key_file == NULL))
                break;
        if (of[i] < n)
            continue;
        if (find_passphrase(attempt, i, &passphrases[n]))
            pairs[n] = (struct ecert_pair){.key_file = change->key_file,
                                           .fullchain_file = change->fullchain_file,
                                           .leaf = change->leaf,
                                           .passphrase = ecert_secret_view(&passphrases[n])};
        else
            of[i] = SIZE_MAX;
        n += of[i] == n;
    }
    status = ecert_preload(pairs, n, results, err);
    for (size_t i = 0; status == ECERT_OK && i < attempt->n; i++)
        if (of[i] != SIZE_MAX && results[of[i]].status != ECERT_OK) {
            ecert_member_verdict(&attempt->members[i], ECERT_OUTCOME_REFUSED, &results[of[i]]);
            attempt->told = true;
        }
out:
    free_passphrases(passphrases, attempt->n);
    free(pairs);
    free(results);
    free(of);
    return status;
}
