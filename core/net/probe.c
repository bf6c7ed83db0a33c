#include "core/net/probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "core/base/clock.h"
#include "core/net/probe_attempt.h"
#include "core/net/probe_turns.h"

/* All the handshakes of one request. */
struct round {
    CURLM *multi;
    const struct ecert_net_probe *probe;
    int fd;
    size_t descriptors;    /* that nobody uses */
    size_t for_names;      /* of them, what endpoints with names may use */
    size_t most_for_names; /* what those may use altogether */
    size_t hung;           /* theirs, in threads that still resolve: not to be had back */
    struct ecert_attempt attempts[ECERT_NET_AT_ONCE];
    struct curl_waitfd waits[1 + ECERT_NET_AT_ONCE];
    struct ecert_turns *turns;
    size_t reported;
};

/* ---- beginning and ending ---- */

/* The descriptors that the handshakes may use. */
static size_t count_descriptors(void)
{
    const size_t least = (size_t)ECERT_NET_AT_ONCE_LEAST * ECERT_NET_DESCRIPTORS_NAME;
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) != 0 ||
        files.rlim_cur < least + ECERT_NET_DESCRIPTORS_ELSE)
        return least; /* those who get none say so */
    return (size_t)files.rlim_cur - ECERT_NET_DESCRIPTORS_ELSE;
}

/* What one needs in its worst moment. */
static size_t needs(const struct ecert_net_endpoint *endpoint)
{
    return ecert_net_endpoint_is_named(endpoint) ? ECERT_NET_DESCRIPTORS_NAME
                                                 : ECERT_NET_DESCRIPTORS;
}

static enum ecert_status report(const struct ecert_attempt *attempt, CURLcode code, int fd,
                                struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer why = {0};
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer out = {0};
    struct ecert_message message = {.kind = ECERT_NET_SEEN};
    const bool seen = attempt->completed && attempt->n_certificates > 0;
    uint8_t index[8];

    if (!seen && attempt->completed)
        ecert_buffer_add_text(&why, "the server sent no certificate");
    else if (!seen)
        ecert_attempt_explain(attempt, code, &why);
    ecert_message_add_number(&message, (int64_t)attempt->index, index);
    ecert_message_add(&message, ecert_buffer_view(&why));
    for (size_t i = 0; seen && i < attempt->n_certificates; i++)
        ecert_message_add(&message, ecert_bytes_view(&attempt->certificates[i]));
    ecert_message_encode(&message, &out);
    if (why.failed || out.failed)
        return ecert_error_nomem(err);
    return ecert_write_all(fd, ecert_buffer_view(&out), err);
}

static void give_back(struct round *round, const struct ecert_attempt *attempt, CURLcode code)
{
    const size_t need = needs(attempt->endpoint);

    if (ecert_attempt_hangs(attempt, code)) {
        round->hung += need;
        return;
    }
    round->descriptors += need;
    if (ecert_net_endpoint_is_named(attempt->endpoint))
        round->for_names += need;
}

static enum ecert_status end_one(struct round *round, struct ecert_attempt *attempt, CURLcode code,
                                 struct ecert_error *err)
{
    const enum ecert_status status = report(attempt, code, round->fd, err);

    give_back(round, attempt, code);
    ecert_turns_end(round->turns, attempt->index, code != CURLE_OPERATION_TIMEDOUT);
    ecert_attempt_end(attempt, round->multi);
    round->reported++;
    return status;
}

/* It is not asked; `why` is told instead. */
static enum ecert_status give_up(struct round *round, size_t index, const char *why,
                                 struct ecert_error *err)
{
    struct ecert_attempt attempt = {
        .endpoint = &round->probe->endpoints[index], .index = index, .alert = -1};

    (void)snprintf(attempt.reason, sizeof attempt.reason, "%s", why);
    ecert_turns_begin(round->turns);
    ecert_turns_end(round->turns, index, false);
    round->reported++;
    return report(&attempt, CURLE_ABORTED_BY_CALLBACK, round->fd, err);
}

/* Why the next one is not even asked; NULL: it is. */
static const char *why_not_asked(const struct round *round, size_t index)
{
    const struct ecert_net_endpoint *endpoint = &round->probe->endpoints[index];

    if (ecert_turns_is_silent(round->turns, index))
        return "timed out, as did all the connections to this address and port before it";
    /* another would only take from those without a name */
    if (ecert_net_endpoint_is_named(endpoint) &&
        round->hung + needs(endpoint) > round->most_for_names)
        return "the name was not resolved: the resolver does not answer";
    return NULL;
}

/* Who finds too few descriptors waits until another has ended. */
static enum ecert_status begin_some(struct round *round, struct ecert_error *err)
{
    size_t place = 0, index;

    while (place < ECERT_NET_AT_ONCE && ecert_turns_next(round->turns, &index)) {
        const struct ecert_net_endpoint *endpoint = &round->probe->endpoints[index];
        const bool named = ecert_net_endpoint_is_named(endpoint);
        const size_t need = needs(endpoint);
        const char *why = why_not_asked(round, index);

        if (why != NULL) {
            ECERT_TRY(give_up(round, index, why, err));
            continue;
        }
        if (need > round->descriptors || (named && need > round->for_names))
            break;
        if (round->attempts[place].endpoint == NULL) {
            round->descriptors -= need;
            round->for_names -= named ? need : 0;
            ecert_turns_begin(round->turns);
            ECERT_TRY(ecert_attempt_begin(&round->attempts[place], round->multi, round->probe,
                                          index, err));
        }
        place++;
    }
    return ECERT_OK;
}

/* ---- going on ---- */

/* Those that libcurl has finished: for LDAP that is the connection only. */
static enum ecert_status take_finished(struct round *round, struct ecert_error *err)
{
    const CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(round->multi, &left)) != NULL) {
        char *private = NULL;

        if (message->msg != CURLMSG_DONE)
            continue;
        const CURLcode code = message->data.result;
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
        struct ecert_attempt *attempt = (struct ecert_attempt *)(void *)private;
        if (code == CURLE_OK && ecert_attempt_is_ldap(attempt))
            ECERT_TRY(ecert_ldap_take_over(attempt, round->multi, err));
        else
            ECERT_TRY(end_one(round, attempt, code, err));
    }
    return ECERT_OK;
}

static enum ecert_status end_some(struct round *round, struct ecert_error *err)
{
    ECERT_TRY(take_finished(round, err));
    for (size_t i = 0; i < ECERT_NET_AT_ONCE; i++) {
        struct ecert_attempt *attempt = &round->attempts[i];

        if (attempt->ldap != NULL) {
            CURLcode code = ecert_ldap_step(attempt);

            if (code == CURLE_AGAIN && ecert_clock_monotonic_ms() >= attempt->until)
                code = CURLE_OPERATION_TIMEDOUT;
            if (code != CURLE_AGAIN)
                ECERT_TRY(end_one(round, attempt, code, err));
        } else if (attempt->endpoint != NULL && attempt->completed) {
            /* after STARTTLS libcurl would log in; what we came for is there already */
            ECERT_TRY(end_one(round, attempt, CURLE_OK, err));
        }
    }
    return ECERT_OK;
}

/* What libcurl does not wait for itself: the parent, LDAP, and its time limits. */
static enum ecert_status wait_for_some(struct round *round, struct ecert_error *err)
{
    struct curl_waitfd *parent = &round->waits[0];
    unsigned n = 1;
    int64_t limit = 1000;

    *parent = (struct curl_waitfd){.fd = round->fd, .events = CURL_WAIT_POLLIN};
    for (size_t i = 0; i < ECERT_NET_AT_ONCE; i++) {
        const struct ecert_attempt *attempt = &round->attempts[i];

        if (attempt->ldap == NULL)
            continue;
        const int64_t left = attempt->until - ecert_clock_monotonic_ms();
        limit = left < limit ? left : limit;
        round->waits[n++] = ecert_ldap_wants(attempt);
    }
    if (curl_multi_poll(round->multi, round->waits, n, limit < 0 ? 0 : (int)limit, NULL) !=
            CURLM_OK ||
        parent->revents != 0)
        return ecert_error_set(err, ECERT_E_IO, "the probe was interrupted");
    return ECERT_OK;
}

static enum ecert_status run(struct round *round, struct ecert_error *err)
{
    int running;

    while (round->reported < round->probe->n) {
        const size_t before = round->reported;
        ECERT_TRY(begin_some(round, err));
        if (curl_multi_perform(round->multi, &running) != CURLM_OK)
            return ecert_error_set(err, ECERT_E_IO, "libcurl failed");
        ECERT_TRY(end_some(round, err));
        if (round->reported == before) /* otherwise there is room to begin others */
            ECERT_TRY(wait_for_some(round, err));
    }
    return ECERT_OK;
}

enum ecert_status ecert_net_probe_run(CURLM *multi, const struct ecert_net_probe *probe, int fd,
                                      struct ecert_error *err)
{
    ECERT_TRY(ecert_attempt_init_tls(err));
    struct round *round = calloc(1, sizeof *round);
    if (round == NULL)
        return ecert_error_nomem(err);
    round->multi = multi;
    round->probe = probe;
    round->fd = fd;
    round->descriptors = count_descriptors();
    round->for_names = round->most_for_names = round->descriptors / 4 * 3;
    enum ecert_status status = ecert_turns_new(probe, &round->turns, err);
    if (status == ECERT_OK)
        status = run(round, err);
    for (size_t i = 0; i < ECERT_NET_AT_ONCE; i++)
        if (round->attempts[i].endpoint != NULL)
            ecert_attempt_end(&round->attempts[i], multi);
    ecert_turns_free(round->turns);
    free(round);
    return status;
}
