/* The generations of store.h: immutable folders of key, leaf and chain. */

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fs.h"
#include "core/flow/certificate.h"
#include "core/flow/store.h"
#include "core/flow/store_json.h"

#define PEM_MAX ((size_t)4 << 20)

void ecert_generation_facts_clear(struct ecert_generation_facts *facts)
{
    free(facts->origin);
    free(facts->authority);
    ecert_strings_clear(&facts->notes);
    free(facts->unfit);
    *facts = (struct ecert_generation_facts){0};
}

/* ---- numbers ---- */

/* "0001" and so on; 0: no generation's name. */
static unsigned number_of(const char *name)
{
    unsigned long number = 0;
    char again[16];

    if (strlen(name) < 4 || strlen(name) > 9 || name[strspn(name, "0123456789")] != '\0')
        return 0;
    number = strtoul(name, NULL, 10);
    (void)snprintf(again, sizeof again, "%04lu", number);
    return strcmp(again, name) == 0 ? (unsigned)number : 0;
}

static enum ecert_status list_generations(const char *state_dir, const char *name, char **ret_path,
                                          struct ecert_strings *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *path = NULL;
    struct ecert_error why = {0};

    ECERT_TRY(ecert_store_path(state_dir, name, "generations", &path, err));
    if (ecert_fs_list(path, ret, &why) != ECERT_OK && why.status != ECERT_E_NOT_FOUND) {
        *err = why;
        return err->status;
    }
    if (ret_path != NULL) {
        *ret_path = path;
        path = NULL;
    }
    return ECERT_OK;
}

static unsigned newest_of(const struct ecert_strings *names)
{
    unsigned newest = 0;

    for (size_t i = 0; i < names->len; i++)
        if (number_of(names->items[i]) > newest)
            newest = number_of(names->items[i]);
    return newest;
}

enum ecert_status ecert_store_newest(const char *state_dir, const char *name, unsigned *ret,
                                     struct ecert_error *err)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings names = {0};

    ECERT_TRY(list_generations(state_dir, name, NULL, &names, err));
    *ret = newest_of(&names);
    return ECERT_OK;
}

/* generations/NNNN/file */
static enum ecert_status path_in(const char *state_dir, const char *name, unsigned number,
                                 const char *file, char **ret, struct ecert_error *err)
{
    char sub[64];

    (void)snprintf(sub, sizeof sub, "generations/%04u/%s", number, file);
    return ecert_store_path(state_dir, name, sub, ret, err);
}

/* ---- adding ---- */

/* The five files, in the order in which they are written. */
struct contents {
    struct ecert_bytes cert, chain, fullchain, facts;
    struct ecert_view key; /* ptr NULL: the key is not on this host */
};

static void contents_clear(struct contents *contents)
{
    ecert_bytes_clear(&contents->cert);
    ecert_bytes_clear(&contents->chain);
    ecert_bytes_clear(&contents->fullchain);
    ecert_bytes_clear(&contents->facts);
}

static enum ecert_status make_contents(const struct ecert_bundle *bundle, struct contents *contents,
                                       struct ecert_error *err)
{
    ECERT_TRY(ecert_bundle_pem(bundle, ECERT_MATERIAL_CERTIFICATE, &contents->cert, err));
    ECERT_TRY(ecert_bundle_pem(bundle, ECERT_MATERIAL_CHAIN, &contents->chain, err));
    ECERT_TRY(ecert_bundle_pem(bundle, ECERT_MATERIAL_FULLCHAIN, &contents->fullchain, err));
    if (bundle->key_pem.len > 0)
        contents->key = ecert_secret_view(&bundle->key_pem);
    return ECERT_OK;
}

/* Does this file of the generation hold these bytes?  One that cannot be read holds others. */
static bool holds(const char *state_dir, const char *name, unsigned number, const char *file,
                  struct ecert_view wanted)
{
    ECERT_AUTO(ecert_auto_free) char *path = NULL;
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret bytes = {0};
    struct ecert_error ignored = {0};

    if (path_in(state_dir, name, number, file, &path, &ignored) != ECERT_OK)
        return false;
    const enum ecert_status status = ecert_fs_read_secret(path, PEM_MAX, &bytes, &ignored);
    if (wanted.ptr == NULL)
        return status == ECERT_E_NOT_FOUND;
    return status == ECERT_OK && ecert_view_equal(ecert_secret_view(&bytes), wanted);
}

static bool is_same(const char *state_dir, const char *name, unsigned number,
                    const struct contents *contents)
{
    return holds(state_dir, name, number, "cert.pem", ecert_bytes_view(&contents->cert)) &&
           holds(state_dir, name, number, "chain.pem", ecert_bytes_view(&contents->chain)) &&
           holds(state_dir, name, number, "fullchain.pem",
                 ecert_bytes_view(&contents->fullchain)) &&
           holds(state_dir, name, number, "privkey.pem", contents->key) &&
           !holds(state_dir, name, number, "generation.json", (struct ecert_view){0});
}

static json_t *json_texts(const struct ecert_strings *texts)
{
    json_t *array = json_array();

    for (size_t i = 0; array != NULL && i < texts->len; i++)
        if (json_array_append_new(array, ecert_store_json_string(texts->items[i])) != 0) {
            json_decref(array);
            return NULL;
        }
    return array;
}

static enum ecert_status facts_text(const struct ecert_generation_facts *facts,
                                    struct ecert_bytes *ret, struct ecert_error *err)
{
    return ecert_store_json_text(
        json_pack("{s:i, s:o, s:o, s:I, s:s, s:s, s:I, s:I, s:o, s:o}", "number",
                  (int)facts->number, "origin", ecert_store_json_string(facts->origin), "authority",
                  ecert_store_json_string(facts->authority), "imported",
                  (json_int_t)facts->imported, "sha256", facts->sha256, "serial", facts->serial,
                  "not_before", (json_int_t)facts->not_before, "not_after",
                  (json_int_t)facts->not_after, "notes", json_texts(&facts->notes), "unfit",
                  ecert_store_json_string(facts->unfit)),
        ret, err);
}

static enum ecert_status build(int parent, const char *name, const struct contents *contents,
                               struct ecert_error *err)
{
    const struct ecert_fs_file all[] = {
        {"privkey.pem", contents->key},
        {"cert.pem", ecert_bytes_view(&contents->cert)},
        {"chain.pem", ecert_bytes_view(&contents->chain)},
        {"fullchain.pem", ecert_bytes_view(&contents->fullchain)},
        {"generation.json", ecert_bytes_view(&contents->facts)},
    };
    struct ecert_fs_file files[ARRAY_SIZE(all)];
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_SIZE(all); i++)
        if (all[i].content.ptr != NULL)
            files[n++] = all[i];
    return ecert_fs_add_folder(parent, name, "generation", files, n, err);
}

/* What a call that was interrupted left: it may hold a key. */
static enum ecert_status remove_left_overs(int parent, const struct ecert_strings *names,
                                           struct ecert_error *err)
{
    for (size_t i = 0; i < names->len; i++)
        if (names->items[i][0] == '.' && strstr(names->items[i], ".ecert-") != NULL)
            ECERT_TRY(ecert_fs_remove_tree(parent, names->items[i], err));
    return ECERT_OK;
}

static void fill_facts(const X509 *leaf, unsigned number, struct ecert_generation_facts *facts)
{
    char serial[ECERT_SERIAL_HEX_LEN];

    facts->number = number;
    ecert_certificate_sha256(leaf, facts->sha256);
    ecert_certificate_serial(leaf, serial);
    (void)snprintf(facts->serial, sizeof facts->serial, "%s", serial);
    facts->not_before = ecert_certificate_not_before(leaf);
    facts->not_after = ecert_certificate_not_after(leaf);
}

enum ecert_status ecert_store_add(const char *state_dir, const char *name,
                                  const struct ecert_bundle *bundle,
                                  struct ecert_generation_facts *facts, bool *ret_added,
                                  struct ecert_error *err)
{
    ECERT_AUTO(contents_clear) struct contents contents = {0};
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings names = {0};
    ECERT_AUTO(ecert_auto_free) char *path = NULL;
    ECERT_AUTO(ecert_auto_close) int parent = -1;
    char number[16];

    ECERT_TRY(make_contents(bundle, &contents, err));
    ECERT_TRY(list_generations(state_dir, name, &path, &names, err));
    const unsigned newest = newest_of(&names);
    if (newest > 0 && is_same(state_dir, name, newest, &contents)) {
        fill_facts(bundle->leaf, newest, facts);
        *ret_added = false;
        return ECERT_OK;
    }
    fill_facts(bundle->leaf, newest + 1, facts);
    ECERT_TRY(facts_text(facts, &contents.facts, err));
    ECERT_TRY(ecert_store_make_folder(state_dir, name, path, err));
    ECERT_TRY(ecert_fs_open_trusted_directory(path, &parent, err));
    ECERT_TRY(remove_left_overs(parent, &names, err));
    (void)snprintf(number, sizeof number, "%04u", newest + 1);
    ECERT_TRY(build(parent, number, &contents, err));
    *ret_added = true;
    return ECERT_OK;
}

/* ---- reading ---- */

static enum ecert_status no_generation(const char *state_dir, const char *name, unsigned number,
                                       struct ecert_error *err)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings names = {0};
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer list = {0};

    ECERT_TRY(list_generations(state_dir, name, NULL, &names, err));
    for (size_t i = 0; i < names.len; i++)
        if (number_of(names.items[i]) > 0)
            ecert_buffer_printf(&list, "%s%u", list.len > 0 ? ", " : "", number_of(names.items[i]));
    if (list.len == 0)
        return ecert_error_set(err, ECERT_E_NOT_FOUND, "'%s' has no generation yet", name);
    return ecert_error_set(err, ECERT_E_NOT_FOUND, "'%s' has no generation %u; there are: %s", name,
                           number, (const char *)list.ptr);
}

static enum ecert_status check_there(const char *state_dir, const char *name, unsigned number,
                                     struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *path = NULL;

    ECERT_TRY(path_in(state_dir, name, number, "cert.pem", &path, err));
    *strrchr(path, '/') = '\0';
    return number > 0 && ecert_fs_exists(path) ? ECERT_OK
                                               : no_generation(state_dir, name, number, err);
}

static enum ecert_status read_facts(const char *path, const json_t *json,
                                    struct ecert_generation_facts *facts, struct ecert_error *err)
{
    const json_t *notes = json_object_get(json, "notes");

    ECERT_TRY(ecert_store_get_unsigned(path, json, "number", &facts->number, err));
    ECERT_TRY(ecert_store_get_text(path, json, "origin", true, &facts->origin, err));
    ECERT_TRY(ecert_store_get_text(path, json, "authority", true, &facts->authority, err));
    ECERT_TRY(ecert_store_get_number(path, json, "imported", INT64_MAX, &facts->imported, err));
    ECERT_TRY(ecert_store_get_into(path, json, "sha256", facts->sha256, sizeof facts->sha256, err));
    ECERT_TRY(ecert_store_get_into(path, json, "serial", facts->serial, sizeof facts->serial, err));
    ECERT_TRY(ecert_store_get_number(path, json, "not_before", INT64_MAX, &facts->not_before, err));
    ECERT_TRY(ecert_store_get_number(path, json, "not_after", INT64_MAX, &facts->not_after, err));
    for (size_t i = 0; i < json_array_size(notes); i++) {
        const char *text = json_string_value(json_array_get(notes, i));
        if (text == NULL)
            return ecert_error_set(err, ECERT_E_REFUSED, "'%s' is damaged: a note is not a text",
                                   path);
        ECERT_TRY(ecert_strings_add(&facts->notes, text, err));
    }
    return ecert_store_get_text(path, json, "unfit", true, &facts->unfit, err);
}

enum ecert_status ecert_store_facts(const char *state_dir, const char *name, unsigned number,
                                    struct ecert_generation_facts *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_generation_facts_clear) struct ecert_generation_facts facts = {0};
    ECERT_AUTO(ecert_auto_free) char *path = NULL;
    ECERT_AUTO(ecert_auto_json) json_t *json = NULL;

    ECERT_TRY(check_there(state_dir, name, number, err));
    ECERT_TRY(path_in(state_dir, name, number, "generation.json", &path, err));
    ECERT_TRY(ecert_store_read_json(path, &json, err));
    ECERT_TRY(read_facts(path, json, &facts, err));
    if (facts.number != number)
        return ecert_error_set(err, ECERT_E_REFUSED,
                               "'%s' is damaged: it says that it is generation %u", path,
                               facts.number);
    *ret = facts;
    facts = (struct ecert_generation_facts){0};
    return ECERT_OK;
}

static int no_passphrase(char *ret, int size, int writing, void *context)
{
    (void)ret;
    (void)size;
    (void)writing;
    (void)context;
    return -1; /* never ask on the terminal */
}

static void auto_bio(BIO **bio)
{
    (void)BIO_free(*bio);
}

/* Our own files: what is not exactly certificates is damage. */
static enum ecert_status read_pem(const char *path, STACK_OF(X509) **ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes text = {0};
    ECERT_AUTO(ecert_auto_x509_stack) STACK_OF(X509) *certificates = sk_X509_new_null();

    if (certificates == NULL)
        return ecert_error_nomem(err);
    ECERT_TRY(ecert_fs_read(path, PEM_MAX, &text, err));
    ECERT_AUTO(auto_bio) BIO *bio = BIO_new_mem_buf(text.ptr, (int)text.len);
    if (bio == NULL)
        return ecert_error_nomem(err);
    while (BIO_pending(bio) > 0) {
        ECERT_AUTO(ecert_auto_x509)
        X509 *certificate = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
        if (certificate == NULL)
            return ecert_error_openssl(err, ECERT_E_REFUSED, "'%s' is damaged", path);
        if (sk_X509_push(certificates, certificate) <= 0)
            return ecert_error_nomem(err);
        certificate = NULL;
    }
    *ret = certificates;
    certificates = NULL;
    return ECERT_OK;
}

enum ecert_status ecert_store_load(const char *state_dir, const char *name, unsigned number,
                                   struct ecert_bundle *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_bundle_clear) struct ecert_bundle bundle = {0};
    ECERT_AUTO(ecert_auto_x509_stack) STACK_OF(X509) *leaf = NULL;
    ECERT_AUTO(ecert_auto_free) char *cert_path = NULL;
    ECERT_AUTO(ecert_auto_free) char *chain_path = NULL;

    ECERT_TRY(check_there(state_dir, name, number, err));
    ECERT_TRY(path_in(state_dir, name, number, "cert.pem", &cert_path, err));
    ECERT_TRY(path_in(state_dir, name, number, "chain.pem", &chain_path, err));
    ECERT_TRY(read_pem(cert_path, &leaf, err));
    if (sk_X509_num(leaf) != 1)
        return ecert_error_set(err, ECERT_E_REFUSED,
                               "'%s' is damaged: it holds %d certificates instead of one",
                               cert_path, sk_X509_num(leaf));
    ECERT_TRY(read_pem(chain_path, &bundle.chain, err));
    bundle.leaf = sk_X509_shift(leaf);
    *ret = bundle;
    bundle = (struct ecert_bundle){0};
    return ECERT_OK;
}

enum ecert_status ecert_store_key(const char *state_dir, const char *name, unsigned number,
                                  struct ecert_secret *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *path = NULL;

    ECERT_TRY(path_in(state_dir, name, number, "privkey.pem", &path, err));
    return ecert_fs_read_secret(path, PEM_MAX, ret, err);
}
