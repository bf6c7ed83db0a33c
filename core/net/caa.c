#include "core/net/caa.h"

#include <ares.h>
#include <arpa/nameser.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "core/base/clock.h"
#include "core/net/protocol.h"
#include "core/net/transfer.h"

#define TYPE_CAA 257 /* RFC 8659, section 7 */
#define CLASS_IN 1
#define TRIES    3
#define TRY_MS   2000 /* of the first try; c-ares doubles it */
#define MAX_NAME 253

struct question {
    char *resolver, *name; /* resolver "": those of /etc/resolv.conf */
    unsigned timeout_ms;
};

/* What came back; c-ares tells, at the latest when its channel ends. */
struct reply {
    bool done;
    int status;
    struct ecert_bytes bytes; /* the whole message */
};

static void question_clear(struct question *question)
{
    free(question->resolver);
    free(question->name);
}

static void reply_clear(struct reply *reply)
{
    ecert_bytes_clear(&reply->bytes);
    *reply = (struct reply){0};
}

static void channel_clear(ares_channel *channel)
{
    if (*channel != NULL)
        ares_destroy(*channel);
}

static enum ecert_status read_question(const struct ecert_message *message,
                                       struct question *question, struct ecert_error *err)
{
    int64_t timeout_ms;

    ECERT_TRY(ecert_message_text(message, 0, &question->resolver, err));
    ECERT_TRY(ecert_message_text(message, 1, &question->name, err));
    ECERT_TRY(ecert_message_number(message, 2, &timeout_ms, err));
    if (message->n != 3 || timeout_ms <= 0 || timeout_ms > INT32_MAX)
        return ecert_error_set(err, ECERT_E_REFUSED, "a time limit of %lld ms",
                               (long long)timeout_ms);
    if (question->name[0] == '\0' || strlen(question->name) > MAX_NAME ||
        !ecert_transfer_is_printable(question->name))
        return ecert_error_set(err, ECERT_E_REFUSED, "a name that no record can have");
    question->timeout_ms = (unsigned)timeout_ms;
    return ECERT_OK;
}

static void take_reply(void *context, int status, int timeouts, unsigned char *bytes, int len)
{
    struct reply *reply = context;
    struct ecert_error ignored = {0};

    (void)timeouts;
    reply->done = true;
    reply->status = status;
    if (status == ARES_SUCCESS && ecert_bytes_copy((struct ecert_view){bytes, (size_t)len},
                                                   &reply->bytes, &ignored) != ECERT_OK)
        reply->status = ARES_ENOMEM;
}

static enum ecert_status open_channel(const struct question *question, int flags, ares_channel *ret,
                                      struct ecert_error *err)
{
    struct ares_options options = {.flags = flags, .tries = TRIES, .timeout = TRY_MS};

    const int code =
        ares_init_options(ret, &options, ARES_OPT_FLAGS | ARES_OPT_TRIES | ARES_OPT_TIMEOUTMS);
    if (code != ARES_SUCCESS)
        return ecert_error_set(err, code == ARES_ENOMEM ? ECERT_E_NOMEM : ECERT_E_NETWORK,
                               "start c-ares: %s", ares_strerror(code));
    if (question->resolver[0] != '\0' &&
        ares_set_servers_ports_csv(*ret, question->resolver) != ARES_SUCCESS)
        return ecert_error_set(err, ECERT_E_REFUSED, "'%s' is not the address of a resolver",
                               question->resolver);
    return ECERT_OK;
}

/* Wait for one of c-ares's sockets, its next retry, or the parent. */
static enum ecert_status wait_once(ares_channel channel, int64_t until, struct ecert_error *err)
{
    ares_socket_t sockets[ARES_GETSOCK_MAXNUM];
    const int wanted = ares_getsock(channel, sockets, ARES_GETSOCK_MAXNUM);
    struct pollfd fds[ARES_GETSOCK_MAXNUM + 1] = {{.fd = ECERT_NET_SOCKET, .events = POLLIN}};
    nfds_t n = 1;
    const int64_t left = until - ecert_clock_monotonic_ms();
    struct timeval longest = {.tv_sec = left / 1000, .tv_usec = left % 1000 * 1000}, storage;

    for (unsigned i = 0; i < ARES_GETSOCK_MAXNUM; i++) {
        const unsigned bits = (unsigned)wanted;
        const bool reads = (bits >> i & 1u) != 0;
        const bool writes = (bits >> (i + ARES_GETSOCK_MAXNUM) & 1u) != 0;

        if (reads || writes)
            fds[n++] = (struct pollfd){
                .fd = sockets[i],
                .events = (short)((reads ? POLLIN : 0) | (writes ? POLLOUT : 0)),
            };
    }
    const struct timeval *next = ares_timeout(channel, &longest, &storage);
    const int ready = poll(fds, n, (int)(next->tv_sec * 1000 + next->tv_usec / 1000 + 1));
    if (ready < 0 && errno != EINTR)
        return ecert_error_errno(err, ECERT_E_IO, "poll");
    if (ready > 0 && fds[0].revents != 0)
        return ecert_error_set(err, ECERT_E_IO, "the look-up was interrupted");
    for (nfds_t i = 1; ready > 0 && i < n; i++)
        if (fds[i].revents != 0)
            ares_process_fd(channel, (fds[i].revents & ~POLLOUT) != 0 ? fds[i].fd : ARES_SOCKET_BAD,
                            (fds[i].revents & POLLOUT) != 0 ? fds[i].fd : ARES_SOCKET_BAD);
    ares_process_fd(channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD); /* what is late */
    return ECERT_OK;
}

static enum ecert_status too_late(const struct question *question, struct ecert_error *err)
{
    return ecert_error_set(
        err, ECERT_E_TIMEOUT, "CAA records of '%s': %s%s did not answer within %u.%u seconds",
        question->name, question->resolver[0] == '\0' ? "" : "the resolver ",
        question->resolver[0] == '\0' ? "no resolver of /etc/resolv.conf" : question->resolver,
        question->timeout_ms / 1000, question->timeout_ms % 1000 / 100);
}

static enum ecert_status ask(const struct question *question, int flags, int64_t until,
                             struct reply *reply, struct ecert_error *err)
{
    ECERT_AUTO(channel_clear) ares_channel channel = NULL;

    ECERT_TRY(open_channel(question, flags, &channel, err));
    ares_query(channel, question->name, CLASS_IN, TYPE_CAA, take_reply, reply);
    while (!reply->done) {
        if (ecert_clock_monotonic_ms() >= until)
            return too_late(question, err);
        ECERT_TRY(wait_once(channel, until, err));
    }
    return ECERT_OK;
}

static const char *words_of(int status)
{
    switch (status) {
    case ARES_ESERVFAIL:
        return "the resolver answered SERVFAIL (it cannot reach the zone, or its DNSSEC is broken)";
    case ARES_EREFUSED:
        return "the resolver answered REFUSED (it does not answer for us)";
    case ARES_EFORMERR:
        return "the resolver answered FORMERR";
    case ARES_ENOTIMP:
        return "the resolver answered NOTIMP";
    case ARES_EBADRESP:
        return "the resolver's answer is malformed";
    case ARES_EBADNAME:
        return "no name can be like that";
    case ARES_ECONNREFUSED:
        return "the resolver cannot be reached";
    default:
        return ares_strerror(status);
    }
}

static enum ecert_status judge(const struct question *question, const struct reply *reply,
                               struct ecert_error *err)
{
    switch (reply->status) {
    case ARES_SUCCESS:
    case ARES_ENODATA:
    case ARES_ENOTFOUND: /* the name does not exist */
        return ECERT_OK;
    case ARES_ENOMEM:
        return ecert_error_nomem(err);
    case ARES_ETIMEOUT:
        return too_late(question, err);
    default:
        return ecert_error_set(err, ECERT_E_NETWORK, "CAA records of '%s': %s", question->name,
                               words_of(reply->status));
    }
}

/*
 * The records of the answer, which may hold nothing but an alias.  Not with ares_parse_caa_reply():
 * it takes an empty value, by which a zone forbids every CA, for a malformed answer.
 */
static enum ecert_status read_records(const struct question *question, const struct reply *reply,
                                      struct ecert_message *records, struct ecert_error *err)
{
    ns_msg message;
    ns_rr record;

    if (reply->bytes.len == 0)
        return ECERT_OK;
    if (reply->bytes.len > INT32_MAX ||
        ns_initparse(reply->bytes.ptr, (int)reply->bytes.len, &message) != 0)
        return ecert_error_set(err, ECERT_E_NETWORK, "CAA records of '%s': %s", question->name,
                               words_of(ARES_EBADRESP));
    for (int i = 0; i < ns_msg_count(message, ns_s_an); i++) {
        if (ns_parserr(&message, ns_s_an, i, &record) != 0)
            return ecert_error_set(err, ECERT_E_NETWORK, "CAA records of '%s': %s", question->name,
                                   words_of(ARES_EBADRESP));
        if (ns_rr_class(record) != CLASS_IN || ns_rr_type(record) != TYPE_CAA)
            continue;
        if (records->n == ECERT_NET_MAX_RECORDS)
            return ecert_error_set(err, ECERT_E_NETWORK, "CAA records of '%s': more than %d",
                                   question->name, ECERT_NET_MAX_RECORDS);
        ecert_message_add(records, (struct ecert_view){ns_rr_rdata(record), ns_rr_rdlen(record)});
    }
    return ECERT_OK;
}

enum ecert_status ecert_net_caa(const struct ecert_message *request, struct ecert_buffer *answer,
                                struct ecert_error *err)
{
    ECERT_AUTO(question_clear) struct question question = {0};
    ECERT_AUTO(reply_clear) struct reply reply = {0};
    struct ecert_message records = {.kind = ECERT_NET_RECORDS};

    ECERT_TRY(read_question(request, &question, err));
    const int64_t until = ecert_clock_monotonic_ms() + question.timeout_ms;
    ECERT_TRY(ask(&question, 0, until, &reply, err));
    if (reply.status == ARES_ECONNREFUSED) {
        /* c-ares says so also where every resolver answered with a failure: which one was it? */
        reply_clear(&reply);
        ECERT_TRY(ask(&question, ARES_FLAG_NOCHECKRESP, until, &reply, err));
    }
    ECERT_TRY(judge(&question, &reply, err));
    ECERT_TRY(read_records(&question, &reply, &records, err));
    ecert_message_encode(&records, answer);
    return answer->failed ? ecert_error_nomem(err) : ECERT_OK;
}
