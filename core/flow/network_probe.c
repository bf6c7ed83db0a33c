/* The probing half of network.h. */

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/process.h"
#include "core/flow/certificate.h"
#include "core/flow/network_internal.h"
#include "core/net/protocol.h"

void ecert_seen_clear(struct ecert_seen *seen)
{
    free(seen->why_not);
    ecert_auto_x509_stack(&seen->certificates);
    *seen = (struct ecert_seen){0};
}

/* The answers as bytes: nothing has looked into the certificates yet. */
struct sighting {
    bool told;
    char *why_not;
    struct ecert_bytes certificates[ECERT_NET_MAX_CERTIFICATES];
    uint8_t sha256[ECERT_NET_MAX_CERTIFICATES][ECERT_SHA256_LEN];
    bool good[ECERT_NET_MAX_CERTIFICATES];    /* a limited child has decoded it, now or before */
    X509 *parsed[ECERT_NET_MAX_CERTIFICATES]; /* borrowed from the result; set when it is parsed */
    /* the first sighting of the same bytes: only that one is decoded, which costs a third of a
     * millisecond, and most servers send the same few intermediates */
    struct place {
        size_t i, k;
    } first[ECERT_NET_MAX_CERTIFICATES];
    size_t n;
};

struct sightings {
    struct sighting *all;
    size_t n;
};

static void sightings_clear(struct sightings *sightings)
{
    for (size_t i = 0; i < sightings->n; i++) {
        free(sightings->all[i].why_not);
        for (size_t k = 0; k < sightings->all[i].n; k++)
            ecert_bytes_clear(&sightings->all[i].certificates[k]);
    }
    free(sightings->all);
    *sightings = (struct sightings){0};
}

static void encode_endpoint(const struct ecert_probe *probe, struct ecert_buffer *out)
{
    struct ecert_message message = {.kind = ECERT_NET_ENDPOINT};
    uint8_t port[8];

    ecert_message_add_text(&message, probe->address);
    ecert_message_add_number(&message, probe->port, port);
    ecert_message_add_text(&message, probe->server_name);
    ecert_message_add_text(&message, probe->starttls);
    ecert_message_encode(&message, out);
}

static enum ecert_status send_probes(struct ecert_talk *talk, const struct ecert_probe *probes,
                                     size_t n, const char *key_type, unsigned timeout_ms,
                                     struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer out = {0};
    struct ecert_message message = {.kind = ECERT_NET_PROBE};
    uint8_t timeout[8], count[8];

    ecert_message_add_text(&message, key_type);
    ecert_message_add_number(&message, timeout_ms, timeout);
    ecert_message_add_number(&message, (int64_t)n, count);
    ecert_message_encode(&message, &out);
    for (size_t i = 0; i < n; i++)
        encode_endpoint(&probes[i], &out);
    if (out.failed)
        return ecert_error_nomem(err);
    return ecert_talk_send(talk, ecert_buffer_view(&out), err);
}

static enum ecert_status read_why(struct ecert_view words, struct sighting *sighting,
                                  struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer shown = {0};

    ecert_buffer_add_escaped(&shown, words, false);
    if (shown.failed)
        return ecert_error_nomem(err);
    return ecert_text_copy(ecert_buffer_view(&shown), &sighting->why_not, err);
}

static enum ecert_status read_seen(const struct ecert_message *message, struct sightings *sightings,
                                   struct ecert_error *err)
{
    int64_t index;

    ECERT_TRY(ecert_message_number(message, 0, &index, err));
    if (index < 0 || (size_t)index >= sightings->n || message->n < 2 ||
        message->n > 2 + ECERT_NET_MAX_CERTIFICATES ||
        (message->fields[1].len == 0) != (message->n > 2))
        return ecert_error_set(err, ECERT_E_NETWORK, "an answer that does not fit the question");
    struct sighting *sighting = &sightings->all[index];
    if (sighting->told)
        return ecert_error_set(err, ECERT_E_NETWORK, "two answers for one endpoint");
    sighting->told = true;
    if (message->n == 2)
        return read_why(message->fields[1], sighting, err);
    for (size_t i = 2; i < message->n; i++) {
        ECERT_TRY(ecert_bytes_copy(message->fields[i], &sighting->certificates[sighting->n], err));
        sighting->n++;
    }
    return ECERT_OK;
}

/* ---- certificates of strangers ---- */

/* Endpoints whose certificates one child tries: within its limits of time with much to spare. */
#define MAX_PART 1000

static void remember(struct ecert_network *network, const uint8_t sha256[ECERT_SHA256_LEN])
{
    memcpy(network->familiar[network->n_familiar++ % ECERT_NETWORK_FAMILIAR_MAX], sha256,
           ECERT_SHA256_LEN);
}

static bool is_familiar(const struct ecert_network *network, const uint8_t sha256[ECERT_SHA256_LEN])
{
    for (size_t i = 0; i < network->n_familiar && i < ECERT_NETWORK_FAMILIAR_MAX; i++)
        if (memcmp(network->familiar[i], sha256, ECERT_SHA256_LEN) == 0)
            return true;
    return false;
}

void ecert_network_knows(struct ecert_network *network, const X509 *certificate)
{
    uint8_t sha256[ECERT_SHA256_LEN];

    if (X509_digest(certificate, EVP_sha256(), sha256, NULL) == 1 && !is_familiar(network, sha256))
        remember(network, sha256);
}

/* Hash every certificate, and find the first sighting of each. */
static enum ecert_status find_first(struct sightings *sightings, struct ecert_error *err)
{
    size_t count = 0, size = 64;

    for (size_t i = 0; i < sightings->n; i++)
        count += sightings->all[i].n;
    while (size < 2 * count)
        size *= 2;
    ECERT_AUTO(ecert_auto_free) struct place **table = calloc(size, sizeof *table);
    if (table == NULL)
        return ecert_error_nomem(err);
    for (size_t i = 0; i < sightings->n; i++) {
        struct sighting *sighting = &sightings->all[i];

        for (size_t k = 0; k < sighting->n; k++) {
            const uint8_t *sha256 = sighting->sha256[k];
            size_t at;

            ecert_sha256(ecert_bytes_view(&sighting->certificates[k]), sighting->sha256[k]);
            memcpy(&at, sha256, sizeof at);
            for (at &= size - 1; table[at] != NULL; at = (at + 1) & (size - 1))
                if (memcmp(sightings->all[table[at]->i].sha256[table[at]->k], sha256,
                           ECERT_SHA256_LEN) == 0)
                    break;
            sighting->first[k] = table[at] == NULL ? (struct place){i, k} : *table[at];
            if (table[at] == NULL)
                table[at] = &sighting->first[k];
        }
    }
    return ECERT_OK;
}

/* The certificates of the sightings [from, to): of each [from_k, to_k), as far as it has them. */
struct part {
    struct sightings *sightings;
    size_t from, to, from_k, to_k;
};

/* It is seen here first, and nobody has decoded it yet. */
static bool needs_trial(const struct part *part, size_t i, size_t k)
{
    const struct sighting *sighting = &part->sightings->all[i];

    return k < sighting->n && sighting->first[k].i == i && sighting->first[k].k == k &&
           !sighting->good[k];
}

/* How many need a trial: those that are familiar do not. */
static size_t find_familiar(const struct ecert_network *network, const struct part *part)
{
    size_t strange = 0;

    for (size_t i = part->from; i < part->to; i++)
        for (size_t k = part->from_k; k < part->to_k; k++) {
            struct sighting *sighting = &part->sightings->all[i];

            if (needs_trial(part, i, k))
                sighting->good[k] = is_familiar(network, sighting->sha256[k]);
            strange += needs_trial(part, i, k) ? 1 : 0;
        }
    return strange;
}

/*
 * In a limited child (as decode.h does with files): parse each certificate whole, its key
 * included.  The answer is one byte per certificate that is not familiar, in order: 1 if it
 * can be parsed.
 */
static int try_certificates(void *context, int fd)
{
    const struct part *part = context;
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer answer = {0};
    struct ecert_error err = {0};

    for (size_t i = part->from; i < part->to; i++)
        for (size_t k = part->from_k; k < part->to_k; k++) {
            ECERT_AUTO(ecert_auto_x509) X509 *certificate = NULL;
            if (!needs_trial(part, i, k))
                continue;
            const struct ecert_bytes *der = &part->sightings->all[i].certificates[k];
            const uint8_t good =
                ecert_certificate_parse(ecert_bytes_view(der), &certificate, &err) == ECERT_OK &&
                X509_get0_pubkey(certificate) != NULL;

            ecert_buffer_add(&answer, (struct ecert_view){&good, 1});
        }
    return !answer.failed && ecert_write_all(fd, ecert_buffer_view(&answer), &err) == ECERT_OK ? 0
                                                                                               : 1;
}

/* The child's verdicts on those that were not familiar. */
static void take_verdicts(struct ecert_network *network, const struct part *part,
                          const uint8_t *verdict)
{
    for (size_t i = part->from; i < part->to; i++)
        for (size_t k = part->from_k; k < part->to_k; k++) {
            struct sighting *sighting = &part->sightings->all[i];

            if (!needs_trial(part, i, k))
                continue;
            sighting->good[k] = *verdict++ == 1;
            if (sighting->good[k])
                remember(network, sighting->sha256[k]);
        }
}

/* Another reference to one that was parsed already, or parse it. */
static enum ecert_status parse_certificate(struct sightings *sightings, const struct place *first,
                                           X509 **ret, struct ecert_error *err)
{
    struct sighting *sighting = &sightings->all[first->i];
    X509 **parsed = &sighting->parsed[first->k];

    if (*parsed == NULL)
        ECERT_TRY(ecert_certificate_parse(ecert_bytes_view(&sighting->certificates[first->k]),
                                          parsed, err));
    else if (X509_up_ref(*parsed) != 1)
        return ecert_error_openssl(err, ECERT_E_CRYPTO, "share a certificate");
    *ret = *parsed;
    return ECERT_OK;
}

static enum ecert_status parse_one(struct sightings *sightings, struct sighting *sighting,
                                   struct ecert_seen *ret, struct ecert_error *err)
{
    if (sighting->n == 0) {
        ret->why_not = sighting->why_not;
        sighting->why_not = NULL;
        return ECERT_OK;
    }
    for (size_t k = 0; k < sighting->n; k++)
        if (!sightings->all[sighting->first[k].i].good[sighting->first[k].k])
            return ecert_text_format(&ret->why_not, err,
                                     "certificate %zu that the server sent cannot be decoded",
                                     k + 1);
    ret->certificates = sk_X509_new_reserve(NULL, (int)sighting->n);
    if (ret->certificates == NULL)
        return ecert_error_nomem(err);
    for (size_t k = 0; k < sighting->n; k++) {
        X509 *certificate = NULL;

        ECERT_TRY(parse_certificate(sightings, &sighting->first[k], &certificate, err));
        (void)sk_X509_push(ret->certificates, certificate); /* reserved: cannot fail */
    }
    ret->answered = true;
    return ECERT_OK;
}

/* Halve it: its sightings, or the certificates of its only one.  False: it is one certificate. */
static bool split(const struct part *part, struct part halves[2])
{
    halves[0] = halves[1] = *part;
    if (part->to - part->from > 1)
        halves[0].to = halves[1].from = part->from + (part->to - part->from) / 2;
    else if (part->to_k - part->from_k > 1)
        halves[0].to_k = halves[1].from_k = part->from_k + (part->to_k - part->from_k) / 2;
    else
        return false;
    return true;
}

/*
 * One child tries a whole part: it costs as much as half a handshake.  One that breaks over a
 * certificate says nothing of the others: halves are tried, down to the one that did it, which
 * stays undecoded.  Each is familiar or tried before it is parsed here.
 */
static enum ecert_status try_part(struct ecert_network *network, struct part *part,
                                  struct ecert_error *err)
{
    const size_t strange = find_familiar(network, part);
    const struct ecert_child_limits limits = {.timeout_ms = 10000,
                                              .max_output = strange,
                                              .cpu_seconds = 5,
                                              .address_space = (size_t)512 << 20,
                                              .drop_root = true};
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes verdicts = {0};

    if (strange == 0)
        return ECERT_OK;
    const enum ecert_status status =
        ecert_child_run(try_certificates, part, &limits, &verdicts, err);
    if (status == ECERT_OK && verdicts.len == strange) {
        take_verdicts(network, part, verdicts.ptr);
        return ECERT_OK;
    }
    if (status != ECERT_OK && status != ECERT_E_REFUSED && status != ECERT_E_TIMEOUT)
        return ecert_error_wrap(err, "decode the certificates that servers sent");
    struct part halves[2];
    if (!split(part, halves))
        return ECERT_OK;
    ECERT_TRY(try_part(network, &halves[0], err));
    return try_part(network, &halves[1], err);
}

static enum ecert_status parse_all(struct ecert_network *network, struct sightings *sightings,
                                   struct ecert_seen *seen, struct ecert_error *err)
{
    ECERT_TRY(find_first(sightings, err));
    for (size_t from = 0; from < sightings->n; from += MAX_PART) {
        struct part part = {sightings, from,
                            sightings->n - from < MAX_PART ? sightings->n : from + MAX_PART, 0,
                            ECERT_NET_MAX_CERTIFICATES};

        ECERT_TRY(try_part(network, &part, err));
    }
    for (size_t i = 0; i < sightings->n; i++)
        ECERT_TRY(parse_one(sightings, &sightings->all[i], &seen[i], err));
    return ECERT_OK;
}

/* ---- the whole probe ---- */

/* What is asked, and who wants to know how far it is. */
struct asked {
    const struct ecert_probe *probes;
    size_t n;
    const char *key_type;
    unsigned timeout_ms;
    ecert_network_progress_fn *progress; /* NULL: nobody */
    void *context;
};

/* While there is something to wait for, one handshake at least ends within the time of one. */
static int64_t next_until(unsigned timeout_ms)
{
    return ecert_clock_monotonic_ms() + timeout_ms + ECERT_TALK_GRACE_MS;
}

static enum ecert_status talk_probe(struct ecert_talk *talk, const struct asked *asked,
                                    struct sightings *sightings, struct ecert_error *err)
{
    const int64_t end = talk->until;

    sightings->all = calloc(asked->n, sizeof *sightings->all);
    if (sightings->all == NULL)
        return ecert_error_nomem(err);
    sightings->n = asked->n;
    ECERT_TRY(send_probes(talk, asked->probes, asked->n, asked->key_type, asked->timeout_ms, err));
    for (size_t i = 0; i < asked->n; i++) {
        struct ecert_message message = {0};
        const int64_t until = next_until(asked->timeout_ms);

        talk->until = until < end ? until : end;
        ECERT_TRY(ecert_talk_receive(talk, ECERT_NET_SEEN, &message, err));
        ECERT_TRY(read_seen(&message, sightings, err));
        if (asked->progress != NULL)
            asked->progress(asked->context, i + 1, asked->n);
    }
    return ECERT_OK;
}

/* `asked` has endpoints, and not too many. */
static enum ecert_status probe(struct ecert_network *network, const struct asked *asked,
                               struct sightings *sightings, struct ecert_error *err)
{
    const int64_t rounds = (int64_t)(asked->n / ECERT_NET_AT_ONCE_PLACE) + 1;

    ECERT_TRY(ecert_network_start(network, err));
    ECERT_AUTO(ecert_talk_clear)
    struct ecert_talk talk = {.network = network,
                              .until = ecert_clock_monotonic_ms() + rounds * asked->timeout_ms +
                                       ECERT_TALK_GRACE_MS,
                              .max_len = ECERT_NET_MAX_SEEN};
    const enum ecert_status status = talk_probe(&talk, asked, sightings, err);
    if (status != ECERT_OK)
        (void)ecert_network_stop(network);
    return status;
}

enum ecert_status ecert_network_probe_all(struct ecert_network *network,
                                          const struct ecert_probe *probes, size_t n,
                                          const char *key_type, unsigned timeout_ms,
                                          ecert_network_progress_fn *progress, void *context,
                                          struct ecert_seen *ret, struct ecert_error *err)
{
    const struct asked asked = {probes, n, key_type, timeout_ms, progress, context};
    ECERT_AUTO(sightings_clear) struct sightings sightings = {0};

    if (n == 0)
        return ECERT_OK;
    if (n > ECERT_NET_MAX_ENDPOINTS)
        return ecert_error_set(err, ECERT_E_REFUSED, "%zu endpoints are more than %d", n,
                               ECERT_NET_MAX_ENDPOINTS);
    ECERT_TRY(probe(network, &asked, &sightings, err));
    struct ecert_seen *seen = calloc(n, sizeof *seen);
    if (seen == NULL)
        return ecert_error_nomem(err);
    const enum ecert_status status = parse_all(network, &sightings, seen, err);
    if (status == ECERT_OK)
        memcpy(ret, seen, n * sizeof *seen);
    for (size_t i = 0; status != ECERT_OK && i < n; i++)
        ecert_seen_clear(&seen[i]);
    free(seen);
    return status;
}

enum ecert_status ecert_network_probe(struct ecert_network *network,
                                      const struct ecert_probe *probes, size_t n,
                                      const char *key_type, unsigned timeout_ms,
                                      struct ecert_seen *ret, struct ecert_error *err)
{
    return ecert_network_probe_all(network, probes, n, key_type, timeout_ms, NULL, NULL, ret, err);
}
