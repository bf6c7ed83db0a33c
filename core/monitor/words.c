#include "core/monitor/words.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/shell_word.h"
#include "core/monitor/words_advice.h"

/* ---- words ---- */

const char *ecert_words_watched(enum ecert_watched watched)
{
    switch (watched) {
    case ECERT_WATCHED_CERTIFICATE:
        return ecert_words("certificate");
    case ECERT_WATCHED_TARGET:
        return ecert_words("server that is deployed to");
    case ECERT_WATCHED_FILE:
        return ecert_words("certificate in a file");
    case ECERT_WATCHED_ENDPOINT:
        return ecert_words("server that is watched");
    case ECERT_WATCHED_CHAIN:
        return ecert_words("chain certificate");
    case ECERT_WATCHED_ANCHOR:
        return ecert_words("root certificate");
    case ECERT_WATCHED_CRL:
        return ecert_words("certificate revocation list");
    case ECERT_WATCHED_SUBSCRIPTION:
        return ecert_words("subscription");
    case ECERT_WATCHED_ORGANISATIONAL:
        return ecert_words("e-Cert (Organisational) of the Authorised Representative");
    case ECERT_WATCHED_REQUEST:
        return ecert_words("request to the CA");
    case ECERT_WATCHED_BACKUP:
        return ecert_words("backup of a key");
    case ECERT_WATCHED_INBOX:
        return ecert_words("file in the inbox");
    case ECERT_WATCHED_CHANNEL:
        return ecert_words("channel of reminders");
    case ECERT_WATCHED_UNIT:
        return ecert_words("systemd unit");
    }
    return "";
}

const char *ecert_words_urgency(enum ecert_urgency urgency)
{
    switch (urgency) {
    case ECERT_URGENCY_FINE:
        return ecert_words("fine");
    case ECERT_URGENCY_DUE:
        return ecert_words("due");
    case ECERT_URGENCY_CRITICAL:
        return ecert_words("critical");
    case ECERT_URGENCY_UNKNOWN:
        return ecert_words("could not tell");
    }
    return "";
}

/* ---- state ---- */

static void add_subscription(struct ecert_buffer *out, const char *date, int days)
{
    if (days == 0)
        ecert_buffer_printf(out, ecert_words("the subscription ends in less than a day (%s)"),
                            date);
    else if (days > 0)
        ecert_buffer_printf(out,
                            ecert_words_n("the subscription ends in %lu day (%s)",
                                          "the subscription ends in %lu days (%s)",
                                          (unsigned long)days),
                            (unsigned long)days, date);
    else if (days == -1)
        ecert_buffer_printf(out, ecert_words("the subscription ended less than a day ago (%s)"),
                            date);
    else
        ecert_buffer_printf(out,
                            ecert_words_n("the subscription ended %lu day ago (%s)",
                                          "the subscription ended %lu days ago (%s)",
                                          (unsigned long)-days),
                            (unsigned long)-days, date);
}

/* A list ends; a certificate expires. */
static bool expires(const struct ecert_finding *finding)
{
    return finding->watched != ECERT_WATCHED_CRL;
}

static void add_days_left(struct ecert_buffer *out, const struct ecert_finding *finding,
                          const char *date, unsigned long days)
{
    if (days == 0)
        ecert_buffer_printf(out,
                            expires(finding) ? ecert_words("expires in less than a day (%s)")
                                             : ecert_words("ends in less than a day (%s)"),
                            date);
    else if (expires(finding))
        ecert_buffer_printf(
            out, ecert_words_n("expires in %lu day (%s)", "expires in %lu days (%s)", days), days,
            date);
    else
        ecert_buffer_printf(
            out, ecert_words_n("ends in %lu day (%s)", "ends in %lu days (%s)", days), days, date);
}

/* The number that `days` shows elsewhere, of which -1 is the first day past the end. */
static void add_days_past(struct ecert_buffer *out, const struct ecert_finding *finding,
                          const char *date, unsigned long days)
{
    if (days == 1)
        ecert_buffer_printf(out,
                            expires(finding) ? ecert_words("expired less than a day ago (%s)")
                                             : ecert_words("ended less than a day ago (%s)"),
                            date);
    else if (expires(finding))
        ecert_buffer_printf(
            out, ecert_words_n("expired %lu day ago (%s)", "expired %lu days ago (%s)", days), days,
            date);
    else
        ecert_buffer_printf(
            out, ecert_words_n("ended %lu day ago (%s)", "ended %lu days ago (%s)", days), days,
            date);
}

static void add_end(struct ecert_buffer *out, const struct ecert_finding *finding, int64_t now)
{
    char date[ECERT_TIME_TEXT_LEN];
    const int days = ecert_finding_days(finding, now);

    ecert_clock_date(finding->not_after, date);
    if (finding->watched == ECERT_WATCHED_SUBSCRIPTION)
        add_subscription(out, date, days);
    else if (days >= 0)
        add_days_left(out, finding, date, (unsigned long)days);
    else
        add_days_past(out, finding, date, (unsigned long)-days);
}

static void add_fine(struct ecert_buffer *out, const struct ecert_finding *finding, int64_t now)
{
    char date[ECERT_TIME_TEXT_LEN];

    if (finding->not_after == 0) {
        ecert_buffer_add_text(out, ecert_words("fine"));
        return;
    }
    const int days = ecert_finding_days(finding, now);
    if (days < 1 || finding->watched == ECERT_WATCHED_SUBSCRIPTION) {
        add_end(out, finding, now);
        return;
    }
    ecert_clock_date(finding->not_after, date);
    ecert_buffer_printf(out,
                        ecert_words_n("valid for %d more day (%s)", "valid for %d more days (%s)",
                                      (unsigned long)days),
                        days, date);
}

static void add_dates(struct ecert_buffer *out, const struct ecert_finding *finding, int64_t now)
{
    char date[ECERT_TIME_TEXT_LEN];

    if (finding->condition == ECERT_CONDITION_FINE) {
        add_fine(out, finding, now);
    } else if (finding->condition == ECERT_CONDITION_NOT_YET_VALID) {
        ecert_clock_text(finding->not_before, date);
        ecert_buffer_printf(out, ecert_words("not valid before %s"), date);
    } else if (finding->not_after == 0) { /* without its day there is nothing to count */
        ecert_buffer_add_text(out, finding->condition == ECERT_CONDITION_EXPIRED
                                       ? ecert_words("expired")
                                       : ecert_words("expires soon"));
    } else {
        add_end(out, finding, now);
    }
}

static const char *fixed_state(enum ecert_condition condition)
{
    switch (condition) {
    case ECERT_CONDITION_FINE:
    case ECERT_CONDITION_EXPIRES:
    case ECERT_CONDITION_EXPIRED:
    case ECERT_CONDITION_NOT_YET_VALID:
        break; /* with their dates */
    case ECERT_CONDITION_MISSING:
        return ecert_words("not there");
    case ECERT_CONDITION_UNREADABLE:
        return ecert_words("cannot be opened");
    case ECERT_CONDITION_UNDECODABLE:
        return ecert_words("cannot be understood as a certificate or list");
    case ECERT_CONDITION_NO_ANSWER:
        return ecert_words("does not answer");
    case ECERT_CONDITION_OTHER_LEAF:
        return ecert_words("serves another certificate than the deployed one");
    case ECERT_CONDITION_INCOMPLETE_CHAIN:
        return ecert_words("the chain is incomplete: the certificate of an issuing CA is missing");
    case ECERT_CONDITION_WRONG_CHAIN:
        return ecert_words("the chain is out of order or holds what does not belong to it");
    case ECERT_CONDITION_REVOKED_ISSUER:
        return ecert_words("the chain holds a CA certificate that was revoked");
    case ECERT_CONDITION_WRONG_NAME:
        return ecert_words("the certificate does not cover the server's name");
    case ECERT_CONDITION_REVOKED:
        return ecert_words("revoked by the CA");
    case ECERT_CONDITION_REVOCATION_UNKNOWN:
        return ecert_words("whether it was revoked cannot be told");
    case ECERT_CONDITION_NOT_ISSUED:
        return ecert_words("no issued certificate has been taken yet");
    case ECERT_CONDITION_PENDING:
        return ecert_words("the certificate has not come back from the CA yet");
    case ECERT_CONDITION_NOT_BACKED_UP:
        return ecert_words("its key has no backup, and it was not shown");
    case ECERT_CONDITION_NOT_DEPLOYED:
        return ecert_words("the newest certificate is not deployed");
    case ECERT_CONDITION_WAITING:
        return ecert_words("waits to be taken");
    case ECERT_CONDITION_UNFIT:
        return ecert_words("is not as it is ordered in the configuration");
    case ECERT_CONDITION_REFUSED:
        return ecert_words("came back and was refused");
    case ECERT_CONDITION_FAILED:
        return ecert_words("failed");
    }
    return NULL;
}

static bool is_input(enum ecert_condition condition)
{
    return condition == ECERT_CONDITION_MISSING || condition == ECERT_CONDITION_UNREADABLE ||
           condition == ECERT_CONDITION_UNDECODABLE;
}

/* An input that is not as it should be is a file for most kinds; NULL: it is for this one. */
static const char *state_of_kind(const struct ecert_finding *finding)
{
    if (!is_input(finding->condition))
        return NULL;
    if (finding->watched == ECERT_WATCHED_TARGET)
        return ecert_words("how it stands cannot be told");
    if (finding->watched == ECERT_WATCHED_CERTIFICATE) {
        if (finding->condition == ECERT_CONDITION_MISSING)
            return ecert_words("part of it is not there any more");
        return finding->condition == ECERT_CONDITION_UNREADABLE
                   ? ecert_words("its files cannot be used as they are")
                   : ecert_words("changed or damaged since it was taken");
    }
    if (finding->watched == ECERT_WATCHED_REQUEST) {
        if (finding->condition == ECERT_CONDITION_MISSING)
            return ecert_words("its key is not there any more");
        return finding->condition == ECERT_CONDITION_UNREADABLE
                   ? ecert_words("its files cannot be used as they are")
                   : ecert_words("its files are damaged");
    }
    if (finding->condition != ECERT_CONDITION_UNDECODABLE)
        return NULL;
    if (finding->watched == ECERT_WATCHED_BACKUP)
        return ecert_words("is not the copy that was written, or does not open");
    if (finding->watched == ECERT_WATCHED_SUBSCRIPTION)
        return ecert_words("the day of its end cannot be understood");
    return finding->watched == ECERT_WATCHED_ENDPOINT ? ecert_words("cannot be understood") : NULL;
}

void ecert_words_state(struct ecert_buffer *out, const struct ecert_finding *finding, int64_t now)
{
    const char *of_kind = state_of_kind(finding);
    const char *fixed = of_kind != NULL ? of_kind : fixed_state(finding->condition);

    if (fixed == NULL)
        add_dates(out, finding, now);
    else
        ecert_buffer_add_text(out, fixed);
}

/* ---- why, and what to do ---- */

/* A text of the table, with the finding's name for each {name}. */
static void add_filled(struct ecert_buffer *out, const char *text, const char *name)
{
    static const char place[] = "{name}";
    const char *at;

    while ((at = strstr(text, place)) != NULL) {
        ecert_buffer_add(out, (struct ecert_view){(const uint8_t *)text, (size_t)(at - text)});
        ecert_shell_word_add(out, name);
        text = at + sizeof place - 1;
    }
    ecert_buffer_add_text(out, text);
}

void ecert_words_why(struct ecert_buffer *out, const struct ecert_finding *finding)
{
    const struct ecert_advice *advice = ecert_advice_for(finding);

    ecert_buffer_add_text(out, ecert_words(advice->why));
}

void ecert_words_what_to_do(struct ecert_buffer *out, const struct ecert_finding *finding)
{
    const struct ecert_advice *advice = ecert_advice_for(finding);

    add_filled(out, ecert_words(advice->what_to_do), finding->name == NULL ? "" : finding->name);
}
