#include "core/issue/awaited.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/shell_word.h"
#include "core/base/words.h"

void ecert_awaited_clear(struct ecert_awaited *awaited)
{
    free(awaited->what);
    free(awaited->from);
    free(awaited->next);
    *awaited = (struct ecert_awaited){0};
}

/* Who does the first step that is not the administrator's; NULL: nobody else. */
static const char *first_person(const struct ecert_authority *authority)
{
    if (authority == NULL)
        return NULL;
    for (size_t i = 0; i < authority->request.n_steps; i++) {
        const struct ecert_authority_step *step = &authority->request.steps[i];

        if (step->who != NULL)
            return step->who_zh != NULL && strcmp(ecert_words_tag(), "en") != 0 ? step->who_zh
                                                                                : step->who;
    }
    return NULL;
}

static enum ecert_status of_damaged(const struct ecert_request *request, struct ecert_awaited *ret,
                                    struct ecert_error *err)
{
    ECERT_TRY(ecert_text_format(&ret->what, err, "%s", ecert_words("its repair")));
    ECERT_TRY(ecert_text_format(&ret->from, err, "%s", ecert_words("the server's administrator")));
    return ecert_text_format(&ret->next, err, "%s", request->problem); /* it says the way out */
}

/* What `ecert request` needs to find it. */
static enum ecert_status operands_of(const struct ecert_request *request, bool several, char **ret,
                                     struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *name = NULL;

    ECERT_TRY(ecert_shell_word(request->name, &name, err));
    return ecert_text_format(ret, err, "%s%s%s", name, several ? " --id " : "",
                             several ? request->id : "");
}

static enum ecert_status of_made(const struct ecert_request *request, bool several,
                                 struct ecert_awaited *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *operands = NULL;

    ECERT_TRY(operands_of(request, several, &operands, err));
    ECERT_TRY(ecert_text_format(&ret->what, err, "%s", ecert_words("the backup of its key")));
    ECERT_TRY(ecert_text_format(&ret->from, err, "%s", ecert_words("the server's administrator")));
    return ecert_text_format(
        &ret->next, err,
        ecert_words("run `ecert request %s` again: a request is shown when its "
                    "key is backed up"),
        operands);
}

/* A certificate for its key came, and the CA has to issue another one. */
static enum ecert_status of_refused(const struct ecert_request *request, const char *inbox,
                                    struct ecert_awaited *ret, struct ecert_error *err)
{
    char day[ECERT_TIME_TEXT_LEN];

    ecert_clock_date(request->refused.when, day);
    return ecert_text_format(&ret->next, err,
                             ecert_words("came back on %s, refused: %s; have the CA issue what was "
                                         "ordered, and put what comes back into %s"),
                             day, request->refused.why, inbox);
}

static enum ecert_status of_open(const struct ecert_request *request, bool several,
                                 const struct ecert_authority *authority, const char *inbox,
                                 struct ecert_awaited *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *operands = NULL;
    const char *who = first_person(authority);

    ECERT_TRY(operands_of(request, several, &operands, err));
    ECERT_TRY(ecert_text_format(&ret->what, err, "%s", ecert_words("the certificate")));
    ECERT_TRY(ecert_text_format(&ret->from, err, "%s",
                                authority != NULL && authority->name != NULL ? authority->name
                                                                             : request->authority));
    if (request->refused.when != 0)
        return of_refused(request, inbox, ret, err);
    return ecert_text_format(&ret->next, err,
                             ecert_words("%s hands the request to the CA (`ecert request %s` shows "
                                         "it and every step); put what comes back into %s"),
                             who == NULL ? ecert_words("the server's administrator") : who,
                             operands, inbox);
}

enum ecert_status ecert_awaited_of(const struct ecert_request *request, bool several,
                                   const struct ecert_authority *authority, const char *inbox,
                                   struct ecert_awaited *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_awaited_clear) struct ecert_awaited awaited = {0};

    if (request->problem != NULL)
        ECERT_TRY(of_damaged(request, &awaited, err));
    else if (request->state == ECERT_REQUEST_MADE)
        ECERT_TRY(of_made(request, several, &awaited, err));
    else if (request->state == ECERT_REQUEST_OPEN)
        ECERT_TRY(of_open(request, several, authority, inbox, &awaited, err));
    *ret = awaited;
    awaited = (struct ecert_awaited){0};
    return ECERT_OK;
}

static enum ecert_status of_left(const struct ecert_request *request, struct ecert_awaited *ret,
                                 struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *operands = NULL;

    ECERT_TRY(operands_of(request, true, &operands, err));
    ECERT_TRY(
        ecert_text_format(&ret->what, err, "%s", ecert_words("its entry in the configuration")));
    ECERT_TRY(ecert_text_format(&ret->from, err, "%s", ecert_words("the server's administrator")));
    return ecert_text_format(
        &ret->next, err,
        ecert_words("no entry in the configuration any more, so that nothing that the CA sends for "
                    "it is taken: write its entry (name = \"%s\") into the configuration again, "
                    "or, if it is not wanted any more, run `ecert request --cancel %s`"),
        request->name, operands);
}

enum ecert_status ecert_awaited_of_left(const struct ecert_request *request,
                                        struct ecert_awaited *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_awaited_clear) struct ecert_awaited awaited = {0};

    if (request->problem != NULL)
        ECERT_TRY(of_damaged(request, &awaited, err));
    else if (ecert_request_is_pending(request))
        ECERT_TRY(of_left(request, &awaited, err));
    *ret = awaited;
    awaited = (struct ecert_awaited){0};
    return ECERT_OK;
}
