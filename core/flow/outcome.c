#include <stdarg.h>
#include <stdlib.h>

#include "core/flow/transaction_internal.h"

const char *ecert_outcome_word(enum ecert_outcome_kind kind)
{
    switch (kind) {
#define ECERT_OUTCOME_WORD(value, word, sentence) \
    case value:                                   \
        return word;
        ECERT_OUTCOME_LIST(ECERT_OUTCOME_WORD)
#undef ECERT_OUTCOME_WORD
    }
    return "unknown";
}

const char *ecert_outcome_sentence(enum ecert_outcome_kind kind)
{
    switch (kind) {
#define ECERT_OUTCOME_SENTENCE(value, word, sentence) \
    case value:                                       \
        return sentence;
        ECERT_OUTCOME_LIST(ECERT_OUTCOME_SENTENCE)
#undef ECERT_OUTCOME_SENTENCE
    }
    return "unknown";
}

void ecert_outcome_forget_observations(struct ecert_outcome *outcome)
{
    for (size_t i = 0; i < outcome->n_observations; i++) {
        ecert_probe_clear(&outcome->observations[i].probe);
        free(outcome->observations[i].after_title);
        free(outcome->observations[i].problem);
    }
    free(outcome->observations);
    outcome->observations = NULL;
    outcome->n_observations = 0;
}

void ecert_outcome_clear(struct ecert_outcome *outcome)
{
    ecert_outcome_forget_observations(outcome);
    for (size_t i = 0; i < outcome->n_files; i++)
        free(outcome->files[i].path);
    free(outcome->files);
    ecert_strings_clear(&outcome->notes);
    *outcome = (struct ecert_outcome){0};
}

/* ---- members ---- */

void ecert_member_verdict(struct ecert_member *member, enum ecert_outcome_kind kind,
                          const struct ecert_error *why)
{
    if (!member->waiting)
        return;
    member->waiting = false;
    member->outcome->kind = kind;
    if (why != NULL)
        member->outcome->error = *why;
}

void ecert_member_note(struct ecert_member *member, const char *fmt, ...)
{
    struct ecert_error ignored = {0};
    char *text = NULL;
    va_list args;

    va_start(args, fmt);
    text = ecert_text_vformat(fmt, args);
    va_end(args);
    /* a group that is tried again says the same again: once is enough */
    if (text != NULL && !ecert_strings_contain(&member->outcome->notes, text))
        (void)!ecert_strings_add(&member->outcome->notes, text, &ignored);
    free(text);
}

void ecert_members_verdict(struct ecert_member *members, size_t n, enum ecert_outcome_kind kind,
                           const struct ecert_error *why)
{
    for (size_t i = 0; i < n; i++)
        ecert_member_verdict(&members[i], kind, why);
}

void ecert_members_note(struct ecert_member *members, size_t n, const char *text)
{
    for (size_t i = 0; i < n; i++)
        if (members[i].waiting)
            ecert_member_note(&members[i], "%s", text);
}

size_t ecert_members_waiting(const struct ecert_member *members, size_t n)
{
    size_t waiting = 0;

    for (size_t i = 0; i < n; i++)
        waiting += members[i].waiting;
    return waiting;
}
