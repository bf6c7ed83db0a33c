#include "core/flow/look.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/flow/certificate.h"

#define FIRST_PAUSE_MS   2
#define LONGEST_PAUSE_MS 500
#define HANDSHAKE_MS     5000
#define SURVIVED_MS      200 /* nothing to shake hands with: so long it must at least stay alive */
#define RESTORED_MS      200 /* nginx's replaced workers go on accepting for 100 ms */
#define DIED_ROUNDS      3   /* a restart replaces its pid file: absent for a moment is not dead */

/* One endpoint of one member. */
struct endpoint {
    const struct ecert_change *change;
    struct ecert_observation *observation;
    size_t number; /* of its probe */
    bool settled;
    bool ours; /* before the way back it served what the target has, for one kind of key */
};

struct endpoints {
    struct endpoint *list;
    size_t n;
};

static void endpoints_clear(struct endpoints *endpoints)
{
    free(endpoints->list);
    *endpoints = (struct endpoints){0};
}

/* ---- observations ---- */

bool ecert_look_is_wanted(const struct ecert_member *member)
{
    return member->change->look && member->change->plan->n_probes > 0;
}

static enum ecert_status copy_text(const char *from, char **ret, struct ecert_error *err)
{
    return from == NULL ? ECERT_OK : ecert_text_copy(ecert_view_of(from), ret, err);
}

static enum ecert_status copy_probe(const struct ecert_probe *from, struct ecert_probe *to,
                                    struct ecert_error *err)
{
    to->port = from->port;
    ECERT_TRY(copy_text(from->address, &to->address, err));
    ECERT_TRY(copy_text(from->server_name, &to->server_name, err));
    return copy_text(from->starttls, &to->starttls, err);
}

static enum ecert_status make_observations(struct ecert_member *member, struct ecert_error *err)
{
    struct ecert_outcome *outcome = member->outcome;
    const struct ecert_plan *plan = member->change->plan;

    ecert_outcome_forget_observations(outcome);
    if (!ecert_look_is_wanted(member))
        return ECERT_OK;
    outcome->observations = calloc(plan->n_probes, sizeof *outcome->observations);
    if (outcome->observations == NULL)
        return ecert_error_nomem(err);
    outcome->n_observations = plan->n_probes;
    for (size_t i = 0; i < plan->n_probes; i++)
        ECERT_TRY(copy_probe(&plan->probes[i], &outcome->observations[i].probe, err));
    return ECERT_OK;
}

/* The endpoints of every waiting member. */
static enum ecert_status list_endpoints(struct ecert_member *members, size_t n,
                                        struct endpoints *ret, struct ecert_error *err)
{
    size_t total = 0;

    for (size_t i = 0; i < n; i++)
        total += members[i].waiting ? members[i].outcome->n_observations : 0;
    struct endpoints endpoints = {.list = calloc(total + 1, sizeof *endpoints.list)};
    if (endpoints.list == NULL)
        return ecert_error_nomem(err);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; members[i].waiting && j < members[i].outcome->n_observations; j++)
            endpoints.list[endpoints.n++] = (struct endpoint){
                members[i].change, &members[i].outcome->observations[j], j, false, false};
    *ret = endpoints;
    return ECERT_OK;
}

/* ---- judging ---- */

static void set_problem(struct ecert_observation *observation, struct ecert_buffer *words)
{
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes text = {0};
    struct ecert_error ignored = {0};

    free(observation->problem);
    observation->problem = NULL;
    if (ecert_buffer_take(words, &text, &ignored) == ECERT_OK) {
        observation->problem = (char *)text.ptr;
        text = (struct ecert_bytes){0};
    }
}

/* "'www.myserver.com' (serial 01A2, valid until 2026-12-01)" */
static void add_served(struct ecert_buffer *out, const X509 *leaf)
{
    ECERT_AUTO(ecert_auto_free) char *title = NULL;
    struct ecert_error ignored = {0};
    char serial[ECERT_SERIAL_HEX_LEN], date[ECERT_TIME_TEXT_LEN];

    ecert_certificate_serial(leaf, serial);
    ecert_clock_date(ecert_certificate_not_after(leaf), date);
    ecert_buffer_add_text(out, "'");
    if (ecert_certificate_title(leaf, &title, &ignored) == ECERT_OK)
        ecert_buffer_add_escaped(out, ecert_view_of(title), false);
    ecert_buffer_printf(out, "' (serial %s, valid until %s)", serial, date);
}

/* The sent certificates behind the leaf begin with the chain, in order. */
static bool chain_is_complete(const struct ecert_change *change, const struct ecert_seen *seen)
{
    const int wanted = change->chain == NULL ? 0 : sk_X509_num(change->chain);

    for (int i = 0; i < wanted; i++)
        if (i + 1 >= sk_X509_num(seen->certificates) ||
            !ecert_certificate_equal(sk_X509_value(change->chain, i),
                                     sk_X509_value(seen->certificates, i + 1)))
            return false;
    return true;
}

static void add_chain_problem(struct ecert_buffer *out, const struct ecert_change *change,
                              const struct ecert_seen *seen)
{
    const int sent = sk_X509_num(seen->certificates) - 1;

    if (sent == 0)
        ecert_buffer_add_text(out, " serves the new certificate but sends no intermediate: clients "
                                   "that do not fetch it by themselves fail");
    else
        ecert_buffer_printf(out,
                            " serves the new certificate with another chain than it should: %d "
                            "sent behind it, expected the %d of this generation, in order",
                            sent, sk_X509_num(change->chain));
}

/* On the way back: is it what was served before ecert? */
static void judge_again(struct endpoint *endpoint, const X509 *leaf, struct ecert_buffer *words)
{
    struct ecert_observation *observation = endpoint->observation;

    endpoint->settled =
        strcmp(observation->after, ecert_look_wanted(endpoint->change, endpoint->number)) == 0;
    if (endpoint->settled || observation->foreign) {
        endpoint->settled = true;
        free(observation->problem);
        observation->problem = NULL;
        return;
    }
    ecert_buffer_add_text(words, " does not serve what it served before ecert, but ");
    add_served(words, leaf);
    set_problem(observation, words);
}

/* Write down what was seen.  Settled: more looking will not change it. */
static void judge(struct endpoint *endpoint, const struct ecert_seen *seen)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer words = {0};
    struct ecert_observation *observation = endpoint->observation;
    struct ecert_error ignored = {0};

    free(observation->after_title);
    observation->after_title = NULL;
    observation->after[0] = '\0';
    observation->after_not_after = 0;
    observation->chain_sent = 0;
    ecert_look_add_place(&words, &observation->probe);
    if (observation->foreign && !seen->answered) {
        endpoint->settled = true;
        return;
    }
    if (!seen->answered || sk_X509_num(seen->certificates) < 1) {
        ecert_buffer_printf(&words, " does not answer (%s)",
                            seen->why_not == NULL ? "no certificate was sent" : seen->why_not);
        set_problem(observation, &words);
        return;
    }
    const X509 *leaf = sk_X509_value(seen->certificates, 0);
    ecert_certificate_sha256(leaf, observation->after);
    observation->after_not_after = ecert_certificate_not_after(leaf);
    observation->chain_sent = (size_t)sk_X509_num(seen->certificates) - 1;
    if (ecert_certificate_title(leaf, &observation->after_title, &ignored) != ECERT_OK)
        observation->after_title = NULL;
    if (endpoint->change->served_before != NULL) {
        judge_again(endpoint, leaf, &words);
        return;
    }
    const bool new_leaf = ecert_certificate_equal(leaf, endpoint->change->leaf);
    if (new_leaf && chain_is_complete(endpoint->change, seen)) {
        free(observation->problem);
        observation->problem = NULL;
        endpoint->settled = true;
        return;
    }
    if (new_leaf) {
        char own[ECERT_SHA256_HEX_LEN];

        add_chain_problem(&words, endpoint->change, seen);
        /* what served this leaf before, with another chain, may be a worker on its way out */
        ecert_certificate_sha256(endpoint->change->leaf, own);
        endpoint->settled = strcmp(observation->before, own) != 0;
    } else {
        ecert_buffer_add_text(&words, " still serves ");
        add_served(&words, leaf);
    }
    set_problem(observation, &words);
}

/* ---- a round of handshakes ---- */

struct asking {
    struct ecert_probe *probes; /* shallow copies */
    size_t *of;                 /* which endpoint */
    struct ecert_seen *seen;
    size_t n;
};

static void asking_clear(struct asking *asking)
{
    for (size_t i = 0; asking->seen != NULL && i < asking->n; i++)
        ecert_seen_clear(&asking->seen[i]);
    free(asking->probes);
    free(asking->of);
    free(asking->seen);
    *asking = (struct asking){0};
}

static bool same_kind(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

enum which { ALL, OF_THIS_KIND, BACK };

static bool is_one_of(const struct endpoint *endpoint, enum which which, const char *key_type)
{
    return which == BACK ? endpoint->change->served_before != NULL
                         : which == ALL || same_kind(endpoint->change->key_type, key_type);
}

/* Ask every endpoint that is not settled, or those of them that want this kind of key, or those
 * that are on the way back. */
static enum ecert_status ask_kind(const struct ecert_transaction_env *env,
                                  const struct endpoints *endpoints, const char *key_type,
                                  enum which which, unsigned timeout_ms, struct asking *asking,
                                  struct ecert_error *err)
{
    asking->probes = calloc(endpoints->n + 1, sizeof *asking->probes);
    asking->of = calloc(endpoints->n + 1, sizeof *asking->of);
    asking->seen = calloc(endpoints->n + 1, sizeof *asking->seen);
    if (asking->probes == NULL || asking->of == NULL || asking->seen == NULL)
        return ecert_error_nomem(err);
    for (size_t i = 0; i < endpoints->n; i++) {
        const struct endpoint *endpoint = &endpoints->list[i];

        if (endpoint->settled || !is_one_of(endpoint, which, key_type))
            continue;
        asking->probes[asking->n] = endpoint->observation->probe;
        asking->of[asking->n++] = i;
    }
    return asking->n == 0 ? ECERT_OK
                          : ecert_network_probe(env->network, asking->probes, asking->n, key_type,
                                                timeout_ms, asking->seen, err);
}

static bool is_served(const char *sha256, const struct ecert_seen *seen)
{
    char now[ECERT_SHA256_HEX_LEN];

    if (sha256 == NULL || !seen->answered || sk_X509_num(seen->certificates) < 1)
        return false;
    ecert_certificate_sha256(sk_X509_value(seen->certificates, 0), now);
    return strcmp(now, sha256) == 0;
}

/*
 * On the way back the kind of what was served before is not known, only its SHA-256; of a server
 * with two pairs it may be the one that it gives nobody who does not ask for it.
 */
static enum ecert_status ask_each_kind(const struct ecert_transaction_env *env,
                                       struct endpoints *endpoints, unsigned timeout_ms,
                                       void (*tell)(struct endpoint *, const struct ecert_seen *),
                                       struct ecert_error *err)
{
    static const char *const kinds[] = {"rsa", "ec"};
    bool any = false;

    for (size_t i = 0; i < endpoints->n && !any; i++)
        any = endpoints->list[i].change->served_before != NULL;
    for (size_t i = 0; any && i < ARRAY_SIZE(kinds); i++) {
        ECERT_AUTO(asking_clear) struct asking asking = {0};

        ECERT_TRY(ask_kind(env, endpoints, kinds[i], BACK, timeout_ms, &asking, err));
        for (size_t k = 0; k < asking.n; k++) {
            struct endpoint *one = &endpoints->list[asking.of[k]];

            one->ours = one->ours || is_served(one->change->deployed, &asking.seen[k]);
            if (is_served(ecert_look_wanted(one->change, one->number), &asking.seen[k]))
                tell(one, &asking.seen[k]);
        }
    }
    return ECERT_OK;
}

static enum ecert_status ask_round(const struct ecert_transaction_env *env,
                                   struct endpoints *endpoints, unsigned timeout_ms,
                                   void (*tell)(struct endpoint *, const struct ecert_seen *),
                                   struct ecert_error *err)
{
    ECERT_TRY(ask_each_kind(env, endpoints, timeout_ms, tell, err));
    for (size_t i = 0; i < endpoints->n; i++) {
        ECERT_AUTO(asking_clear) struct asking asking = {0};
        const char *kind = endpoints->list[i].change->key_type;
        bool asked = false;

        for (size_t j = 0; j < i && !asked; j++)
            asked = same_kind(endpoints->list[j].change->key_type, kind);
        if (asked)
            continue;
        ECERT_TRY(ask_kind(env, endpoints, kind, OF_THIS_KIND, timeout_ms, &asking, err));
        for (size_t k = 0; k < asking.n; k++)
            tell(&endpoints->list[asking.of[k]], &asking.seen[k]);
    }
    return ECERT_OK;
}

/*
 * A server whose old certificate is of another kind than the new one does not answer the question
 * for the new kind: what it served before, and serves again after an undo, is asked without it.
 */
static enum ecert_status ask_any_kind(const struct ecert_transaction_env *env,
                                      struct endpoints *endpoints, unsigned timeout_ms,
                                      void (*tell)(struct endpoint *, const struct ecert_seen *),
                                      struct ecert_error *err)
{
    ECERT_AUTO(asking_clear) struct asking asking = {0};

    ECERT_TRY(ask_kind(env, endpoints, NULL, ALL, timeout_ms, &asking, err));
    for (size_t k = 0; k < asking.n; k++)
        tell(&endpoints->list[asking.of[k]], &asking.seen[k]);
    return ECERT_OK;
}

static bool all_settled(const struct endpoints *endpoints)
{
    for (size_t i = 0; i < endpoints->n; i++)
        if (!endpoints->list[i].settled)
            return false;
    return true;
}

/* ---- before ---- */

static void tell_before(struct endpoint *endpoint, const struct ecert_seen *seen)
{
    struct ecert_observation *observation = endpoint->observation;

    judge(endpoint, seen); /* as the end, too: where nothing changes it is the only look */
    memcpy(observation->before, observation->after, sizeof observation->before);
    observation->before_not_after = observation->after_not_after;
    endpoint->settled = observation->before[0] != '\0';
}

/* Another kind of certificate than the new one: it counts as what was before, not as the end. */
static void tell_before_any_kind(struct endpoint *endpoint, const struct ecert_seen *seen)
{
    if (!seen->answered || sk_X509_num(seen->certificates) < 1)
        return;
    const X509 *leaf = sk_X509_value(seen->certificates, 0);
    ecert_certificate_sha256(leaf, endpoint->observation->before);
    endpoint->observation->before_not_after = ecert_certificate_not_after(leaf);
}

/*
 * On the way back: a site that was disabled, or got another certificate, since ecert deployed to it
 * is not the target's any more.  What it serves in the end is told, and undoes nothing.
 */
static void find_foreign(struct endpoint *endpoint)
{
    const struct ecert_change *change = endpoint->change;

    endpoint->observation->foreign = change->served_before != NULL && change->deployed != NULL &&
                                     !endpoint->ours &&
                                     strcmp(endpoint->observation->before, change->deployed) != 0;
    if (endpoint->observation->foreign) {
        free(endpoint->observation->problem);
        endpoint->observation->problem = NULL;
    }
}

enum ecert_status ecert_look_before(const struct ecert_transaction_env *env,
                                    struct ecert_member *members, size_t n, struct ecert_error *err)
{
    ECERT_AUTO(endpoints_clear) struct endpoints endpoints = {0};

    for (size_t i = 0; i < n; i++)
        if (members[i].waiting)
            ECERT_TRY(make_observations(&members[i], err));
    ECERT_TRY(list_endpoints(members, n, &endpoints, err));
    ECERT_TRY(ask_round(env, &endpoints, HANDSHAKE_MS, tell_before, err));
    ECERT_TRY(ask_any_kind(env, &endpoints, HANDSHAKE_MS, tell_before_any_kind, err));
    for (size_t i = 0; i < endpoints.n; i++)
        find_foreign(&endpoints.list[i]);
    return ECERT_OK;
}

/* ---- after ---- */

/*
 * An eighth of what was waited already: a server that is ready after 20 ms is not kept waiting for
 * another ten, one that needs seconds is not asked a hundred times.
 */
static unsigned next_pause(int64_t waited, int64_t left)
{
    const int64_t eighth = waited / 8;
    const unsigned pause = eighth < FIRST_PAUSE_MS     ? FIRST_PAUSE_MS
                           : eighth > LONGEST_PAUSE_MS ? LONGEST_PAUSE_MS
                                                       : (unsigned)eighth;

    return left < (int64_t)pause ? (unsigned)(left < 0 ? 0 : left) : pause;
}

static unsigned handshake_ms(int64_t left)
{
    return left > HANDSHAKE_MS ? HANDSHAKE_MS : left < 100 ? 100 : (unsigned)left;
}

/* It did not answer for the new kind of certificate: what does it serve then? */
static void tell_other_kind(struct endpoint *endpoint, const struct ecert_seen *seen)
{
    if (endpoint->observation->after[0] == '\0' && seen->answered)
        judge(endpoint, seen);
}

/* Time is up; what is not settled by now is the answer. */
static enum ecert_status give_up(const struct ecert_transaction_env *env,
                                 struct endpoints *endpoints, struct ecert_error *err)
{
    return all_settled(endpoints)
               ? ECERT_OK
               : ask_any_kind(env, endpoints, HANDSHAKE_MS, tell_other_kind, err);
}

static void tell_what_is_known(const struct ecert_transaction_env *env,
                               const struct ecert_change *change)
{
    if (change->leaf != NULL)
        ecert_network_knows(env->network, change->leaf);
    for (int i = 0; change->chain != NULL && i < sk_X509_num(change->chain); i++)
        ecert_network_knows(env->network, sk_X509_value(change->chain, i));
}

enum ecert_status ecert_look_after(const struct ecert_transaction_env *env,
                                   struct ecert_member *members, size_t n,
                                   const struct ecert_service *service, unsigned timeout_ms,
                                   bool *ret_died, struct ecert_error *err)
{
    ECERT_AUTO(endpoints_clear) struct endpoints endpoints = {0};
    const int64_t start = ecert_clock_monotonic_ms(), until = start + timeout_ms;
    unsigned pause = FIRST_PAUSE_MS, dead_rounds = 0;

    *ret_died = false;
    ECERT_TRY(list_endpoints(members, n, &endpoints, err));
    for (size_t i = 0; i < endpoints.n; i++)
        tell_what_is_known(env, endpoints.list[i].change);
    for (;;) {
        ecert_clock_sleep_ms(pause);
        ECERT_TRY(ask_round(env, &endpoints, handshake_ms(until - ecert_clock_monotonic_ms()),
                            judge, err));
        if (service == NULL || ecert_service_is_alive(service))
            dead_rounds = 0;
        else if (++dead_rounds == DIED_ROUNDS)
            break;
        const int64_t left = until - ecert_clock_monotonic_ms();
        const bool early = endpoints.n == 0 && service != NULL && service->pid != 0 &&
                           ecert_clock_monotonic_ms() - start < SURVIVED_MS;
        if (dead_rounds == 0 && ((all_settled(&endpoints) && !early) || left <= 0)) {
            for (size_t i = 0; i < n; i++)
                if (members[i].waiting)
                    ecert_look_tell_foreign(&members[i]);
            return give_up(env, &endpoints, err);
        }
        pause = dead_rounds > 0 ? 30 : next_pause(ecert_clock_monotonic_ms() - start, left);
    }
    *ret_died = true;
    return ECERT_OK;
}

/* ---- after an undo ---- */

static void tell_restored(struct endpoint *endpoint, const struct ecert_seen *seen)
{
    char now[ECERT_SHA256_HEX_LEN] = "";

    if (seen->answered && sk_X509_num(seen->certificates) > 0)
        ecert_certificate_sha256(sk_X509_value(seen->certificates, 0), now);
    endpoint->settled = strcmp(now, endpoint->observation->before) == 0;
}

enum ecert_status ecert_look_restored(const struct ecert_transaction_env *env,
                                      struct ecert_member *members, size_t n, unsigned timeout_ms,
                                      struct ecert_error *err)
{
    ECERT_AUTO(endpoints_clear) struct endpoints endpoints = {0};
    const int64_t start = ecert_clock_monotonic_ms(), until = start + timeout_ms;
    int64_t good_since = start;
    unsigned pause = FIRST_PAUSE_MS;

    ECERT_TRY(list_endpoints(members, n, &endpoints, err));
    for (;;) {
        const int64_t left = until - ecert_clock_monotonic_ms();

        for (size_t i = 0; i < endpoints.n; i++) /* what did not answer before need not now */
            endpoints.list[i].settled = endpoints.list[i].observation->before[0] == '\0';
        if (all_settled(&endpoints))
            return ECERT_OK;
        ecert_clock_sleep_ms(pause);
        ECERT_TRY(ask_round(env, &endpoints, handshake_ms(left), tell_restored, err));
        ECERT_TRY(ask_any_kind(env, &endpoints, handshake_ms(left), tell_restored, err));
        const int64_t now = ecert_clock_monotonic_ms();
        if (!all_settled(&endpoints))
            good_since = now;
        else if (now - good_since >= RESTORED_MS)
            return ECERT_OK;
        if (left <= 0)
            break;
        pause = next_pause(now - start, left > RESTORED_MS ? RESTORED_MS / 4 : left);
    }
    for (size_t i = 0; i < endpoints.n; i++) {
        ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer place = {0};

        if (endpoints.list[i].settled)
            continue;
        ecert_look_add_place(&place, &endpoints.list[i].observation->probe);
        return ecert_error_set(err, ECERT_E_TIMEOUT,
                               "%.*s does not serve again what it served before", (int)place.len,
                               (const char *)place.ptr);
    }
    return ECERT_OK;
}
