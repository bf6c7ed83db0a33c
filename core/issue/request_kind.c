/* First, re-issue or renewal: different acts with different steps and dates. */
#include <stdlib.h>
#include <time.h>

#include "core/base/clock.h"
#include "core/base/words.h"
#include "core/flow/store.h"
#include "core/issue/request.h"

#define DAY ((int64_t)86400)
/* The CA wants a month for a renewal; what ends within two is the renewal's business. */
#define NEAR (60 * DAY)

/* "2027-06-30": to the end of that day.  The configuration has checked that it is one. */
static int64_t end_of_day(const char *text)
{
    struct tm tm = {0};

    if (strptime(text, "%Y-%m-%d", &tm) == NULL)
        return 0;
    return (int64_t)timegm(&tm) + DAY - 1;
}

struct answer {
    enum ecert_request_kind kind;
    char *why;
};

/* Of a certificate that ends at `end` (`day` in words), where nothing is said of its subscription.
 */
static enum ecert_status without_subscription(int64_t now, int64_t end, const char *day,
                                              struct answer *ret, struct ecert_error *err)
{
    /* a certificate never outlives its subscription, so that this one goes on until then */
    if (end - now > NEAR) {
        ret->kind = ECERT_REQUEST_REISSUE;
        return ecert_text_format(
            &ret->why, err,
            ecert_words("the present certificate is valid until %s, and its subscription "
                        "at least as long"),
            day);
    }
    if (end <= now) {
        ret->kind = ECERT_REQUEST_FIRST;
        return ecert_text_format(
            &ret->why, err,
            ecert_words("the present certificate ended on %s and 'subscription_ends' is not "
                        "configured; if the subscription goes on, it is a re-issue, else a "
                        "new application"),
            day);
    }
    ret->kind = ECERT_REQUEST_RENEWAL;
    return ecert_text_format(
        &ret->why, err,
        ecert_words("the present certificate ends on %s, and 'subscription_ends' is not "
                    "configured; if the subscription goes on, it is a re-issue"),
        day);
}

static enum ecert_status with_subscription(int64_t now, int64_t end, const char *day,
                                           const char *subscription, struct answer *ret,
                                           struct ecert_error *err)
{
    const int64_t over = end_of_day(subscription);

    if (over <= now) { /* the CA renews nothing that has expired */
        ret->kind = ECERT_REQUEST_FIRST;
        return ecert_text_format(
            &ret->why, err,
            ecert_words("the subscription ended on %s, which makes it a new application; "
                        "the present certificate's end is %s"),
            subscription, day);
    }
    if (end <= now && over - now <= NEAR) { /* too late: the certificate has expired before it */
        ret->kind = ECERT_REQUEST_FIRST;
        return ecert_text_format(
            &ret->why, err,
            ecert_words("the present certificate ended on %s, and the CA does not renew an expired "
                        "one: it is a new application, although the subscription goes on until "
                        "%s; ask the CA whether it still issues within that"),
            day, subscription);
    }
    if (over / DAY - end / DAY > NEAR / DAY) { /* whole days, as both are said */
        ret->kind = ECERT_REQUEST_REISSUE;
        return ecert_text_format(
            &ret->why, err,
            ecert_words("the subscription goes on until %s, and the present certificate "
                        "ends on %s"),
            subscription, day);
    }
    if (over - now > NEAR && end - now > NEAR) { /* a replacement in the middle of both */
        ret->kind = ECERT_REQUEST_REISSUE;
        return ecert_text_format(
            &ret->why, err,
            ecert_words("the subscription goes on until %s and the present certificate "
                        "until %s: it is replaced before its time"),
            subscription, day);
    }
    ret->kind = ECERT_REQUEST_RENEWAL;
    return ecert_text_format(
        &ret->why, err,
        ecert_words("the subscription ends on %s, within 60 days of the present "
                    "certificate's end on %s"),
        subscription, day);
}

enum ecert_status ecert_request_kind_of(struct ecert_context *context,
                                        const struct ecert_certificate_config *certificate,
                                        int64_t now, enum ecert_request_kind *ret, char **ret_why,
                                        struct ecert_error *err)
{
    ECERT_AUTO(ecert_generation_facts_clear) struct ecert_generation_facts facts = {0};
    const char *state_dir = context->config->state_dir;
    struct answer answer = {.kind = ECERT_REQUEST_FIRST};
    char day[ECERT_TIME_TEXT_LEN];
    unsigned newest = 0;

    ECERT_TRY(ecert_store_newest(state_dir, certificate->name, &newest, err));
    if (newest == 0) {
        ECERT_TRY(ecert_text_format(&answer.why, err,
                                    ecert_words("there is no certificate of this name yet")));
    } else {
        ECERT_TRY(ecert_store_facts(state_dir, certificate->name, newest, &facts, err));
        ecert_clock_date(facts.not_after, day);
        if (certificate->subscription_ends == NULL)
            ECERT_TRY(without_subscription(now, facts.not_after, day, &answer, err));
        else
            ECERT_TRY(with_subscription(now, facts.not_after, day, certificate->subscription_ends,
                                        &answer, err));
    }
    *ret = answer.kind;
    *ret_why = answer.why;
    return ECERT_OK;
}
