/* The files that sites name, each read and decoded once. */

#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fs.h"
#include "core/flow/certificate.h"
#include "core/flow/decode.h"
#include "core/flow/key.h"
#include "core/issue/inventory.h"

/* ---- finding again what was read, among thousands ---- */

/* A key file; of the key only what tells whether it belongs to a leaf. */
struct key {
    char *path;
    enum ecert_inventory_key_state state; /* MATCHES: it was read, `id` is its public half's */
    uint8_t id[ECERT_SHA256_LEN];
    char *problem;
};

/* What a tree of search.h holds: a name, and where in an array it is. */
struct known {
    char *name;
    size_t at;
};

struct reading {
    struct ecert_inventory *found;
    void *pairs, *keys_by_path; /* tsearch(3) */
    struct key *keys;
    size_t n_keys;
};

static int by_name(const void *a, const void *b)
{
    const struct known *x = a, *y = b;

    return strcmp(x->name, y->name);
}

static void entry_free(void *pointer)
{
    struct known *entry = pointer;

    free(entry->name);
    free(entry);
}

static void reading_clear(struct reading *reading)
{
    tdestroy(reading->pairs, entry_free);
    tdestroy(reading->keys_by_path, entry_free);
    for (size_t i = 0; i < reading->n_keys; i++) {
        free(reading->keys[i].path);
        free(reading->keys[i].problem);
    }
    free(reading->keys);
}

/* The entry of this name, made with `at` where there is none (*ret_new). */
static enum ecert_status find(void **tree, const char *name, size_t at, size_t *ret, bool *ret_new,
                              struct ecert_error *err)
{
    struct known *made = calloc(1, sizeof *made);
    struct known **there = NULL;

    if (made != NULL && (made->name = strdup(name)) != NULL) {
        made->at = at;
        there = tsearch(made, tree, by_name);
    }
    if (there == NULL) {
        if (made != NULL)
            entry_free(made);
        return ecert_error_nomem(err);
    }
    *ret_new = *there == made;
    *ret = (*there)->at;
    if (!*ret_new)
        entry_free(made);
    return ECERT_OK;
}

/* ---- certificates ---- */

static enum ecert_status decode(const char *path, struct ecert_decoded *ret,
                                struct ecert_error *err)
{
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret bytes = {0}; /* a key may be among them */

    ECERT_TRY(ecert_fs_read_secret(path, ECERT_DECODE_MAX_INPUT, &bytes, err)); /* names it */
    if (ecert_decode_certificates(ecert_secret_view(&bytes), (struct ecert_view){0}, ret, err) !=
        ECERT_OK)
        return ecert_error_wrap(err, "'%s'", path);
    return ECERT_OK;
}

static enum ecert_status take_all(STACK_OF(X509) *from, STACK_OF(X509) *to, struct ecert_error *err)
{
    for (int i = 0; i < sk_X509_num(from); i++) {
        X509 *const certificate = sk_X509_value(from, i);

        if (X509_up_ref(certificate) != 1)
            return ecert_error_nomem(err);
        if (sk_X509_push(to, certificate) == 0) {
            X509_free(certificate);
            return ecert_error_nomem(err);
        }
    }
    return ECERT_OK;
}

/* *ret_problem: what is wrong with a file; other failures are ours. */
static enum ecert_status read_pair(struct ecert_inventory_certificate *certificate,
                                   char **ret_problem, struct ecert_error *err)
{
    ECERT_AUTO(ecert_decoded_clear) struct ecert_decoded own = {0};
    ECERT_AUTO(ecert_decoded_clear) struct ecert_decoded more = {0};
    struct ecert_error why = {0};

    if (decode(certificate->file, &own, &why) != ECERT_OK)
        return ecert_text_copy(ecert_view_of(why.text), ret_problem, err);
    certificate->certificates = sk_X509_new_null();
    if (certificate->certificates == NULL)
        return ecert_error_nomem(err);
    ECERT_TRY(take_all(own.certificates, certificate->certificates, err));
    certificate->n_in_file = (size_t)sk_X509_num(own.certificates);
    certificate->leaf = sk_X509_value(certificate->certificates, 0);
    ecert_certificate_sha256(certificate->leaf, certificate->sha256);
    if (certificate->chain_file == NULL || strcmp(certificate->chain_file, certificate->file) == 0)
        return ECERT_OK;
    if (decode(certificate->chain_file, &more, &why) !=
        ECERT_OK) /* the leaf is known all the same */
        return ecert_text_copy(ecert_view_of(why.text), ret_problem, err);
    return take_all(more.certificates, certificate->certificates, err);
}

static enum ecert_status add_certificate(struct ecert_inventory *found,
                                         const struct ecert_site *site, struct ecert_error *err)
{
    struct ecert_inventory_certificate *more =
        reallocarray(found->certificates, found->n_certificates + 1, sizeof *more);

    if (more == NULL)
        return ecert_error_nomem(err);
    found->certificates = more;
    struct ecert_inventory_certificate *added = &more[found->n_certificates++];
    *added = (struct ecert_inventory_certificate){0};
    ECERT_TRY(ecert_text_copy(ecert_view_of(site->certificate), &added->file, err));
    if (site->chain != NULL)
        ECERT_TRY(ecert_text_copy(ecert_view_of(site->chain), &added->chain_file, err));
    ECERT_TRY(read_pair(added, &added->problem, err));
    return added->leaf == NULL ? ECERT_OK : ecert_inventory_judge(found, added, err);
}

static enum ecert_status find_certificate(struct reading *reading, size_t at,
                                          struct ecert_error *err)
{
    struct ecert_inventory *found = reading->found;
    struct ecert_inventory_site *site = &found->sites[at];
    ECERT_AUTO(ecert_auto_free) char *pair = NULL;
    bool is_new = false;

    site->certificate = ECERT_INVENTORY_NOTHING;
    if (site->site.certificate == NULL)
        return ECERT_OK;
    ECERT_TRY(ecert_text_format(&pair, err, "%s\n%s", site->site.certificate,
                                site->site.chain == NULL ? "" : site->site.chain));
    ECERT_TRY(find(&reading->pairs, pair, found->n_certificates, &site->certificate, &is_new, err));
    if (is_new)
        ECERT_TRY(add_certificate(found, &site->site, err));
    struct ecert_inventory_certificate *certificate = &found->certificates[site->certificate];
    if ((certificate->n_sites & (certificate->n_sites - 1)) == 0) { /* 0, 1, 2, 4 ...: full */
        const size_t room = certificate->n_sites == 0 ? 1 : 2 * certificate->n_sites;
        size_t *more = reallocarray(certificate->sites, room, sizeof *more);

        if (more == NULL)
            return ecert_error_nomem(err);
        certificate->sites = more;
    }
    certificate->sites[certificate->n_sites++] = at;
    return ECERT_OK;
}

/* ---- keys ---- */

static enum ecert_status read_key(struct key *key, struct ecert_error *err)
{
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret bytes = {0};
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret pem = {0};
    struct ecert_error why = {0};

    key->state = ECERT_INVENTORY_KEY_UNREADABLE;
    if (ecert_fs_read_secret(key->path, ECERT_DECODE_MAX_INPUT, &bytes, &why) != ECERT_OK)
        return ecert_text_copy(ecert_view_of(why.text), &key->problem, err); /* names it */
    if (ecert_key_is_encrypted(ecert_secret_view(&bytes)))
        key->state = ECERT_INVENTORY_KEY_ENCRYPTED;
    else if (ecert_decode_key(ecert_secret_view(&bytes), (struct ecert_view){0}, &pem, key->id,
                              &why) == ECERT_OK)
        key->state = ECERT_INVENTORY_KEY_MATCHES;
    else
        return ecert_text_format(&key->problem, err, "the key '%s': %s", key->path, why.text);
    return ECERT_OK;
}

static enum ecert_status find_key(struct reading *reading, struct ecert_inventory_site *site,
                                  struct ecert_error *err)
{
    const struct ecert_inventory *found = reading->found;
    uint8_t wanted[ECERT_SHA256_LEN];
    bool is_new = false;
    size_t at = 0;

    if (site->site.key == NULL)
        return ECERT_OK;
    ECERT_TRY(find(&reading->keys_by_path, site->site.key, reading->n_keys, &at, &is_new, err));
    if (is_new) {
        struct key *more = reallocarray(reading->keys, reading->n_keys + 1, sizeof *more);

        if (more == NULL)
            return ecert_error_nomem(err);
        reading->keys = more;
        more[reading->n_keys++] = (struct key){0};
        ECERT_TRY(ecert_text_copy(ecert_view_of(site->site.key), &more[at].path, err));
        ECERT_TRY(read_key(&more[at], err));
    }
    const struct key *key = &reading->keys[at];
    site->key = key->state;
    if (key->problem != NULL)
        ECERT_TRY(ecert_text_copy(ecert_view_of(key->problem), &site->key_problem, err));
    if (key->state != ECERT_INVENTORY_KEY_MATCHES)
        return ECERT_OK;
    const X509 *leaf = site->certificate == ECERT_INVENTORY_NOTHING
                           ? NULL
                           : found->certificates[site->certificate].leaf;
    if (leaf == NULL) {
        site->key = ECERT_INVENTORY_KEY_NONE; /* nothing to compare it with */
        return ECERT_OK;
    }
    ECERT_TRY(ecert_certificate_key_id(leaf, wanted, err));
    if (memcmp(wanted, key->id, sizeof wanted) != 0)
        site->key = ECERT_INVENTORY_KEY_DIFFERS;
    return ECERT_OK;
}

enum ecert_status ecert_inventory_read(struct ecert_inventory *found, struct ecert_error *err)
{
    ECERT_AUTO(reading_clear) struct reading reading = {.found = found};

    for (size_t i = 0; i < found->n_sites; i++) {
        ECERT_TRY(find_certificate(&reading, i, err));
        ECERT_TRY(find_key(&reading, &found->sites[i], err));
    }
    return ECERT_OK;
}
