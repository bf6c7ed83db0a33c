/* Who is told what: what is owed, grouped by channel and recipient; the digest; the test. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/monitor/channel_internal.h"
#include "core/monitor/reminders_internal.h"

/* What one round of telling shares. */
struct round {
    struct ecert_context *context;
    int64_t now;
    char host[256];
    unsigned hanging[ECERT_CHANNEL_COUNT];  /* recipients in a row for whom it let us wait */
    int64_t waited_ms[ECERT_CHANNEL_COUNT]; /* how long, for those */
    bool unspooled;                         /* there are no books */
    struct ecert_telling telling;
};

/* One recipient may hang alone; when it lets us wait for the next too, the channel is left alone.
 */
#define GIVEN_UP_AFTER 2

static void round_begin(struct round *round, struct ecert_context *context, int64_t now)
{
    *round = (struct round){.context = context, .now = now};
    if (gethostname(round->host, sizeof round->host - 1) != 0 || round->host[0] == '\0')
        (void)strcpy(round->host, "localhost");
}

/*
 * The notice's key: the same for the same contents to the same recipient, so that whoever gets it
 * twice after a crash can see that it is one.  What it is of was added to `contents`.
 */
static void make_key(const struct round *round, enum ecert_channel channel, const char *to,
                     struct ecert_buffer *contents, char key[ECERT_SHA256_HEX_LEN])
{
    ecert_buffer_printf(contents, "%s\n%s\n%s\n", round->host, ecert_channel_word(channel),
                        to == NULL ? "" : to);
    ecert_sha256_hex(ecert_buffer_view(contents), key);
    key[32] = '\0';
}

static void ask(struct round *round, enum ecert_channel channel, const struct ecert_notice *notice,
                struct ecert_error *ret_outcome)
{
    const int64_t begin = ecert_clock_monotonic_ms();

    if (ecert_channel_tell(round->context, channel, notice, ret_outcome) == ECERT_E_TIMEOUT) {
        round->hanging[channel]++;
        round->waited_ms[channel] += ecert_clock_monotonic_ms() - begin;
    } else {
        round->hanging[channel] = 0;
        round->waited_ms[channel] = 0;
    }
}

/* What the recipient and all his messages share. */
static void address(const struct round *round, enum ecert_channel channel, const char *to,
                    struct ecert_notice *notice)
{
    notice->host = round->host;
    notice->now = round->now;
    ecert_notice_address(notice, round->context->config, channel, to);
}

/* Hand one message over; false: the recipient was not asked, ret_outcome says why. */
static bool hand_over(struct round *round, enum ecert_channel channel,
                      const struct ecert_notice *notice, struct ecert_error *ret_outcome)
{
    *ret_outcome = (struct ecert_error){0};
    if (round->hanging[channel] < GIVEN_UP_AFTER) {
        ask(round, channel, notice, ret_outcome);
        return true;
    }
    (void)ecert_error_set(ret_outcome, ECERT_E_TIMEOUT,
                          "not asked now: %u recipients before it let us wait for %" PRId64
                          " s; it is asked first next time",
                          round->hanging[channel], (round->waited_ms[channel] + 500) / 1000);
    return false;
}

/* Count a recipient: how the last of his messages went, and how many before it were accepted. */
static enum ecert_status count(struct round *round, enum ecert_channel channel, const char *to,
                               const struct ecert_error *outcome, size_t accepted,
                               struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer who = {0};

    ecert_buffer_printf(&who, "%s%s%s", ecert_channel_word(channel), to == NULL ? "" : " to ",
                        to == NULL ? "" : to);
    if (who.failed)
        return ecert_error_nomem(err);
    if (outcome->status == ECERT_OK) {
        round->telling.told++;
        return ecert_strings_add(&round->telling.accepted, (const char *)who.ptr, err);
    }
    round->telling.failed++;
    if (accepted > 0)
        ecert_buffer_printf(&who, ": after %zu message%s that %s accepted", accepted,
                            accepted == 1 ? "" : "s", accepted == 1 ? "was" : "were");
    return ecert_strings_printf(&round->telling.errors, err, "%s: %s",
                                who.ptr == NULL ? "" : (const char *)who.ptr, outcome->text);
}

/* One message to one recipient. */
static enum ecert_status tell(struct round *round, enum ecert_channel channel, const char *to,
                              struct ecert_notice *notice, struct ecert_error *err)
{
    struct ecert_error outcome = {0};

    address(round, channel, to, notice);
    (void)hand_over(round, channel, notice, &outcome);
    return count(round, channel, to, &outcome, 0, err);
}

/* ---- what is owed ---- */

/* One line of the books: this reminder is owed to this recipient. */
struct entry {
    struct ecert_reminder *reminder;
    size_t which;   /* of its owed[] */
    size_t at;      /* of the list: older first */
    unsigned tries; /* the most that anything took which this recipient is owed */
};

static const struct ecert_owed *owed_of(const struct entry *entry)
{
    return &entry->reminder->owed[entry->which];
}

static int compare_entries(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    const int recipients = ecert_owed_compare(owed_of(x), owed_of(y));

    if (recipients != 0)
        return recipients;
    return x->at < y->at ? -1 : x->at > y->at;
}

/* Who hung before is asked behind those who did not: he lets them wait no more. */
static int compare_turns(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;

    if (owed_of(x)->channel == owed_of(y)->channel && x->tries != y->tries)
        return x->tries < y->tries ? -1 : 1;
    return compare_entries(a, b);
}

static size_t end_of_recipient(const struct entry *entries, size_t n, size_t begin)
{
    size_t end = begin + 1;

    while (end < n && ecert_owed_compare(owed_of(&entries[begin]), owed_of(&entries[end])) == 0)
        end++;
    return end;
}

/* Recipient by recipient, those with the fewest tries first. */
static void sort_entries(struct entry *entries, size_t n)
{
    qsort(entries, n, sizeof *entries, compare_entries);
    for (size_t i = 0, end; i < n; i = end) {
        unsigned tries = 0;

        end = end_of_recipient(entries, n, i);
        for (size_t k = i; k < end; k++)
            if (owed_of(&entries[k])->tries > tries)
                tries = owed_of(&entries[k])->tries;
        for (size_t k = i; k < end; k++)
            entries[k].tries = tries;
    }
    qsort(entries, n, sizeof *entries, compare_turns);
}

/* The most urgent first; of the same, the older. */
static int compare_urgency(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    const int findings = ecert_finding_compare(&x->reminder->finding, &y->reminder->finding);

    if (findings != 0)
        return findings;
    return x->at < y->at ? -1 : x->at > y->at;
}

/* Every line that is not told yet, sorted by recipient. */
static enum ecert_status list_entries(const struct ecert_reminder_list *list,
                                      struct entry **ret_entries, size_t *ret_n,
                                      struct ecert_error *err)
{
    struct entry *entries;
    size_t n = 0;

    for (size_t i = 0; i < list->n; i++)
        n += list->items[i].n_owed;
    entries = calloc(n + 1, sizeof *entries);
    if (entries == NULL)
        return ecert_error_nomem(err);
    n = 0;
    for (size_t i = 0; i < list->n; i++)
        for (size_t k = 0; k < list->items[i].n_owed; k++)
            if (!list->items[i].owed[k].told)
                entries[n++] = (struct entry){&list->items[i], k, i, 0};
    sort_entries(entries, n);
    *ret_entries = entries;
    *ret_n = n;
    return ECERT_OK;
}

static bool is_time(const struct entry *entries, size_t n, int64_t now)
{
    for (size_t i = 0; i < n; i++)
        if (ecert_owed_is_due(owed_of(&entries[i]), now))
            return true;
    return false;
}

/* Write down how it went, for each; the first that cannot be written does not stop the others. */
static enum ecert_status write_down(const struct round *round, const struct entry *entries,
                                    size_t n, const struct ecert_error *outcome,
                                    struct ecert_error *err)
{
    struct ecert_error first = {0};

    for (size_t i = 0; i < n; i++) {
        struct ecert_error one = {0};
        if (ecert_reminder_told(round->context->config, entries[i].reminder, entries[i].which,
                                round->now, outcome, &one) != ECERT_OK &&
            first.status == ECERT_OK)
            first = one;
    }
    if (first.status != ECERT_OK)
        *err = first;
    return first.status;
}

/* The key of a message with these. */
static void key_of_entries(const struct round *round, const struct ecert_owed *whom,
                           const struct entry *entries, size_t n, char key[ECERT_SHA256_HEX_LEN])
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer contents = {0};

    for (size_t i = 0; i < n; i++) /* a problem that comes back has its key again, but is news */
        ecert_buffer_printf(&contents, "%s %" PRId64 "\n", entries[i].reminder->key,
                            entries[i].reminder->created);
    make_key(round, whom->channel, whom->to, &contents, key);
}

/*
 * One message with as much as it holds of what is owed to one recipient.  What it does not hold was
 * not told; but where it is not accepted, there is no use in trying the rest now.
 */
static enum ecert_status tell_some(struct round *round, const struct ecert_owed *whom,
                                   const struct entry *entries, size_t n,
                                   struct ecert_error *ret_outcome, size_t *ret_done,
                                   struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) const struct ecert_finding **findings = calloc(n, sizeof *findings);
    struct ecert_notice notice = {.kind = ECERT_NOTICE_REMINDER, .findings = findings, .n = n};
    char key[ECERT_SHA256_HEX_LEN];

    *ret_done = n;
    if (findings == NULL)
        return ecert_error_set(ret_outcome, ecert_error_nomem(err), "no memory");
    for (size_t i = 0; i < n; i++)
        findings[i] = &entries[i].reminder->finding;
    address(round, whom->channel, whom->to, &notice);
    notice.n = ecert_channel_fits(round->context->config, whom->channel, &notice);
    key_of_entries(round, whom, entries, notice.n, key);
    notice.key = key;
    const bool asked = hand_over(round, whom->channel, &notice, ret_outcome);
    if (ret_outcome->status == ECERT_OK)
        *ret_done = notice.n;
    if (!asked || round->unspooled)
        return ECERT_OK;
    return write_down(round, entries, *ret_done, ret_outcome, err);
}

/* Everything that one recipient is owed, in as many messages as it takes. */
static enum ecert_status tell_recipient(struct round *round, struct entry *entries, size_t n,
                                        struct ecert_error *err)
{
    const struct ecert_owed *whom = owed_of(entries);
    struct ecert_error outcome = {0}, first = {0};
    size_t accepted = 0;

    qsort(entries, n, sizeof *entries, compare_urgency);
    for (size_t i = 0, done = 0; i < n; i += done) {
        struct ecert_error one = {0};

        /* the rest is told, whatever becomes of the books */
        if (tell_some(round, whom, &entries[i], n - i, &outcome, &done, &one) != ECERT_OK &&
            first.status == ECERT_OK)
            first = one;
        accepted += outcome.status == ECERT_OK;
    }
    ECERT_TRY(count(round, whom->channel, whom->to, &outcome, accepted, err));
    if (first.status != ECERT_OK)
        *err = first;
    return first.status;
}

static enum ecert_status tell_all(struct round *round, struct entry *entries, size_t n, bool force,
                                  struct ecert_error *err)
{
    struct ecert_error first = {0};

    for (size_t i = 0, end; i < n; i = end) {
        struct ecert_error one = {0};

        end = end_of_recipient(entries, n, i);
        if (!force && !is_time(&entries[i], end - i, round->now))
            round->telling.waiting++;
        else if (tell_recipient(round, &entries[i], end - i, &one) != ECERT_OK &&
                 first.status == ECERT_OK)
            first = one;
    }
    if (first.status != ECERT_OK)
        *err = first;
    return first.status;
}

enum ecert_status ecert_reminders_send(struct ecert_context *context, int64_t now, bool force,
                                       struct ecert_telling *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_reminder_list_clear) struct ecert_reminder_list list = {0};
    ECERT_AUTO(ecert_auto_free) struct entry *entries = NULL;
    struct round round;
    size_t n = 0;

    round_begin(&round, context, now);
    enum ecert_status status =
        ecert_reminders_settle(context->config, &list, &round.telling.errors, err);
    round.telling.unread = list.unread;
    if (status == ECERT_OK)
        status = list_entries(&list, &entries, &n, err);
    /* the note of a watch is said in every reminder, and may have been written since */
    for (size_t i = 0; i < list.n; i++)
        list.items[i].finding.settings =
            ecert_watch_settings_of(context->config, list.items[i].finding.name);
    if (status == ECERT_OK)
        status = tell_all(&round, entries, n, force, err);
    *ret = round.telling;
    return status;
}

static enum ecert_status unspooled_list(const struct ecert_config *config,
                                        const struct ecert_findings *findings, int64_t now,
                                        struct ecert_reminder_list *list, struct ecert_error *err)
{
    list->items = calloc(findings->n + 1, sizeof *list->items);
    if (list->items == NULL)
        return ecert_error_nomem(err);
    for (size_t i = 0; i < findings->n; i++) {
        struct ecert_reminder *reminder = &list->items[list->n];
        struct ecert_finding finding = findings->items[i];

        finding.settings = ecert_watch_settings_of(config, finding.name);
        ECERT_TRY(ecert_recipients(config, &finding, &reminder->owed, &reminder->n_owed,
                                   &reminder->escalated, err));
        list->n++;
        reminder->created = now;
        reminder->finding = finding; /* lent: forgotten before the list is cleared */
        ECERT_TRY(ecert_text_format(&reminder->key, err, "%s %s %s", finding.name,
                                    ecert_condition_word(finding.condition),
                                    finding.where == NULL ? "" : finding.where));
    }
    return ECERT_OK;
}

enum ecert_status ecert_findings_tell(struct ecert_context *context,
                                      const struct ecert_findings *findings, int64_t now,
                                      struct ecert_telling *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_reminder_list_clear) struct ecert_reminder_list list = {0};
    ECERT_AUTO(ecert_auto_free) struct entry *entries = NULL;
    struct round round;
    size_t n = 0;

    round_begin(&round, context, now);
    round.unspooled = true;
    enum ecert_status status = unspooled_list(context->config, findings, now, &list, err);
    if (status == ECERT_OK)
        status = list_entries(&list, &entries, &n, err);
    if (status == ECERT_OK)
        status = tell_all(&round, entries, n, true, err);
    for (size_t i = 0; i < list.n; i++)
        list.items[i].finding = (struct ecert_finding){0};
    *ret = round.telling;
    return status;
}

/* ---- the digest and the test ---- */

/* As `accepted` of a telling has it. */
static bool has_had(const struct ecert_strings *had, enum ecert_channel channel, const char *to)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer who = {0};

    ecert_buffer_printf(&who, "%s%s%s", ecert_channel_word(channel), to == NULL ? "" : " to ",
                        to == NULL ? "" : to);
    return who.ptr != NULL && ecert_strings_contain(had, (const char *)who.ptr);
}

/* One notice to everybody; `addresses` are those of the mail; `had` (NULL: nobody) have it already.
 */
static enum ecert_status tell_everybody(struct round *round, const struct ecert_notice *what,
                                        const struct ecert_strings *addresses, const char *stem,
                                        const struct ecert_strings *had, struct ecert_error *err)
{
    for (enum ecert_channel channel = 0; channel < ECERT_CHANNEL_COUNT; channel++) {
        const bool mail = channel == ECERT_CHANNEL_EMAIL;

        if (!ecert_channel_is_configured(round->context->config, channel))
            continue;
        for (size_t i = 0; i < (mail ? addresses->len : 1); i++) {
            const char *to = mail ? addresses->items[i] : NULL;
            ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer contents = {0};
            struct ecert_notice notice = *what;
            char key[ECERT_SHA256_HEX_LEN];

            if (had != NULL && has_had(had, channel, to))
                continue;
            ecert_buffer_printf(&contents, "%s\n", stem);
            make_key(round, channel, to, &contents, key);
            notice.key = key;
            ECERT_TRY(tell(round, channel, to, &notice, err));
        }
    }
    return ECERT_OK;
}

enum ecert_status ecert_digest_send(struct ecert_context *context,
                                    const struct ecert_finding *const *findings, size_t n,
                                    size_t fine, int64_t now, struct ecert_telling *ret,
                                    struct ecert_error *err)
{
    const struct ecert_notice notice = {
        .kind = ECERT_NOTICE_DIGEST, .findings = findings, .n = n, .fine = fine};
    ECERT_AUTO(ecert_digest_memory_clear) struct ecert_digest_memory memory = {0};
    char day[ECERT_TIME_TEXT_LEN], stem[64] = "digest ";
    struct round round;

    ecert_digest_recall(context->config, now, &memory);
    round_begin(&round, context, now);
    ecert_clock_date(now, day);
    (void)strcat(stem, day);
    enum ecert_status status = tell_everybody(&round, &notice, &context->config->reminders.email.to,
                                              stem, &memory.had, err);
    const bool done = status == ECERT_OK && round.telling.failed == 0;
    if (done)
        status = ecert_digest_sent(context->config, now, err);
    if (done && status == ECERT_OK)
        status = ecert_digest_forget(context->config, err);
    else if (status == ECERT_OK)
        status = ecert_digest_remember(context->config, &memory, &round.telling.accepted, now, err);
    *ret = round.telling;
    return status;
}

enum ecert_status ecert_channels_test(struct ecert_context *context, int64_t now,
                                      struct ecert_telling *ret, struct ecert_error *err)
{
    const struct ecert_notice notice = {.kind = ECERT_NOTICE_TEST};
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings addresses = {0};
    char text[ECERT_TIME_TEXT_LEN], stem[64] = "test ";
    struct round round;

    round_begin(&round, context, now);
    ecert_clock_text(now, text);
    (void)strcat(stem, text);
    enum ecert_status status = ecert_contacts_all(context->config, &addresses, err);
    if (status == ECERT_OK)
        status = tell_everybody(&round, &notice, &addresses, stem, NULL, err);
    *ret = round.telling;
    return status;
}
