/* Many new keys on every processor, handed out one after the other. */
#include "core/issue/new_key.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define WAITING_MAX 64 /* keys that are there and not taken yet */
#define THREADS_MAX 64

/* Where key i waits is i % WAITING_MAX: threads never run further ahead than that. */
struct slot {
    bool full;
    EVP_PKEY *key; /* NULL: none was wanted, or `err` says why there is none */
    struct ecert_error err;
};

struct works {
    const struct ecert_key_config *const *configs;
    size_t n;
    pthread_mutex_t mutex;   /* of all that is below */
    pthread_cond_t has_room; /* for the threads */
    pthread_cond_t has_key;  /* for the caller */
    size_t begun, taken;
    bool stopped;
    struct slot slots[WAITING_MAX];
};

/* The next to make, or n: there is none. */
static size_t begin_next(struct works *works)
{
    size_t i = works->n;

    pthread_mutex_lock(&works->mutex);
    while (!works->stopped && works->begun < works->n && works->begun - works->taken >= WAITING_MAX)
        pthread_cond_wait(&works->has_room, &works->mutex);
    if (!works->stopped && works->begun < works->n)
        i = works->begun++;
    pthread_mutex_unlock(&works->mutex);
    return i;
}

static void *make_keys(void *context)
{
    struct works *works = context;
    size_t i;

    while ((i = begin_next(works)) < works->n) {
        struct slot made = {.full = true};

        /* a key that cannot be made is an error in its slot: the caller sees it in its turn */
        if (works->configs[i] != NULL &&
            ecert_new_key(works->configs[i], &made.key, &made.err) != ECERT_OK)
            made.key = NULL;
        pthread_mutex_lock(&works->mutex);
        works->slots[i % WAITING_MAX] = made;
        pthread_cond_signal(&works->has_key);
        pthread_mutex_unlock(&works->mutex);
    }
    return NULL;
}

/* ---- the caller's side ---- */

static struct slot wait_for(struct works *works, size_t i)
{
    struct slot *slot = &works->slots[i % WAITING_MAX];

    pthread_mutex_lock(&works->mutex);
    while (!slot->full)
        pthread_cond_wait(&works->has_key, &works->mutex);
    const struct slot made = *slot;
    *slot = (struct slot){0};
    works->taken = i + 1;
    pthread_cond_broadcast(&works->has_room);
    pthread_mutex_unlock(&works->mutex);
    return made;
}

static enum ecert_status take_all(struct works *works, ecert_new_keys_fn *take, void *context,
                                  struct ecert_error *err)
{
    for (size_t i = 0; i < works->n; i++) {
        const struct slot made = wait_for(works, i);
        ECERT_AUTO(ecert_auto_pkey) EVP_PKEY *key = made.key;

        if (made.err.status != ECERT_OK) {
            *err = made.err;
            return err->status;
        }
        ECERT_TRY(take(context, i, key, err));
    }
    return ECERT_OK;
}

static size_t count_threads(size_t n)
{
    const long processors = sysconf(_SC_NPROCESSORS_ONLN);
    size_t threads = processors < 1 ? 1 : (size_t)processors;

    if (threads > THREADS_MAX)
        threads = THREADS_MAX;
    return threads < n ? threads : n;
}

/* Signals are the caller's: a handler must not run in a thread that nobody knows of. */
static size_t start_threads(struct works *works, pthread_t *threads, size_t wanted)
{
    sigset_t all, before;
    size_t n = 0;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    while (n < wanted && pthread_create(&threads[n], NULL, make_keys, works) == 0)
        n++;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return n;
}

static void stop_threads(struct works *works, const pthread_t *threads, size_t n)
{
    pthread_mutex_lock(&works->mutex);
    works->stopped = true;
    pthread_cond_broadcast(&works->has_room);
    pthread_mutex_unlock(&works->mutex);
    for (size_t i = 0; i < n; i++)
        (void)pthread_join(threads[i], NULL);
    for (size_t i = 0; i < WAITING_MAX; i++)
        EVP_PKEY_free(works->slots[i].key);
}

enum ecert_status ecert_new_keys(const struct ecert_key_config *const *configs, size_t n,
                                 ecert_new_keys_fn *take, void *context, struct ecert_error *err)
{
    struct works works = {.configs = configs,
                          .n = n,
                          .mutex = PTHREAD_MUTEX_INITIALIZER,
                          .has_room = PTHREAD_COND_INITIALIZER,
                          .has_key = PTHREAD_COND_INITIALIZER};
    pthread_t threads[THREADS_MAX];
    enum ecert_status status = ECERT_OK;

    if (n == 0)
        return ECERT_OK;
    const size_t started = start_threads(&works, threads, count_threads(n));
    if (started == 0)
        status = ecert_error_set(err, ECERT_E_IO, "no thread can be started to make keys");
    else
        status = take_all(&works, take, context, err);
    stop_threads(&works, threads, started);
    return status;
}
