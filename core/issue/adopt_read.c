#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/fs.h"
#include "core/base/shell_word.h"
#include "core/flow/certificate.h"
#include "core/flow/checks.h"
#include "core/flow/compare.h"
#include "core/flow/decode.h"
#include "core/flow/kept_key.h"
#include "core/flow/key.h"
#include "core/issue/adopt_parts.h"

/* What was read; everything that the steps borrow. */
struct reading {
    struct ecert_context *context;
    struct ecert_adoption *adoption;
    struct ecert_decoded own, more; /* the certificate's file, the chain's */
    X509 *leaf;                     /* borrowed from `own` */
    uint8_t key_id[ECERT_SHA256_LEN];
    STACK_OF(X509) *offered; /* all but the leaf; its members are borrowed */
    X509 *anchor;
};

static void reading_clear(struct reading *reading)
{
    sk_X509_free(reading->offered);
    ecert_auto_x509(&reading->anchor);
    ecert_decoded_clear(&reading->own);
    ecert_decoded_clear(&reading->more);
}

/* ---- the pair ---- */

static enum ecert_status read_certificates(const char *path, struct ecert_view passphrase,
                                           struct ecert_decoded *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret bytes = {0}; /* a key may be among them */

    if (ecert_fs_read_secret(path, ECERT_DECODE_MAX_INPUT, &bytes, err) != ECERT_OK ||
        ecert_decode_certificates(ecert_secret_view(&bytes), passphrase, ret, err) != ECERT_OK)
        return ecert_error_wrap(err, "certificate '%s'", path);
    return ECERT_OK;
}

static enum ecert_status read_leaf(struct reading *reading, const char *chain_file,
                                   struct ecert_error *err)
{
    struct ecert_adoption *adoption = reading->adoption;
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret passphrase = {0};
    struct ecert_error why = {0};

    ECERT_TRY(ecert_key_passphrase(&adoption->certificate->key, &passphrase, err));
    ECERT_TRY(read_certificates(adoption->certificate_file, ecert_secret_view(&passphrase),
                                &reading->own, err));
    if (chain_file != NULL && strcmp(chain_file, adoption->certificate_file) != 0 &&
        read_certificates(chain_file, (struct ecert_view){0}, &reading->more, &why) != ECERT_OK)
        ECERT_TRY(ecert_strings_printf(&adoption->notes, err, "its chain: %s", why.text));
    reading->leaf = sk_X509_value(reading->own.certificates, 0);
    reading->offered = sk_X509_new_null();
    if (reading->offered == NULL)
        return ecert_error_nomem(err);
    for (int i = 1; i < sk_X509_num(reading->own.certificates); i++)
        if (sk_X509_push(reading->offered, sk_X509_value(reading->own.certificates, i)) == 0)
            return ecert_error_nomem(err);
    for (int i = 0;
         reading->more.certificates != NULL && i < sk_X509_num(reading->more.certificates); i++)
        if (sk_X509_push(reading->offered, sk_X509_value(reading->more.certificates, i)) == 0)
            return ecert_error_nomem(err);
    return ECERT_OK;
}

/* "www.x.hk, x.hk, and 3 more" */
static enum ecert_status list_names(const X509 *leaf, struct ecert_buffer *ret,
                                    struct ecert_error *err)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings names = {0};

    ECERT_TRY(ecert_certificate_names(leaf, &names, err));
    for (size_t i = 0; i < names.len && i < 5; i++)
        ecert_buffer_printf(ret, "%s%s", i > 0 ? ", " : "", names.items[i]);
    if (names.len == 0)
        ecert_buffer_add_text(ret, "no name");
    if (names.len > 5)
        ecert_buffer_printf(ret, ", and %zu more", names.len - 5);
    return ret->failed ? ecert_error_nomem(err) : ECERT_OK;
}

static enum ecert_status check_name(const struct reading *reading, struct ecert_error *err)
{
    const struct ecert_adoption *adoption = reading->adoption;
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer names = {0};

    if (ecert_certificate_covers(reading->leaf, adoption->certificate->name))
        return ECERT_OK;
    ECERT_TRY(list_names(reading->leaf, &names, err));
    return ecert_error_set(err, ECERT_E_REFUSED,
                           "the site's certificate '%s' is for %s, not for '%s'; deploy one that "
                           "is",
                           adoption->certificate_file, (const char *)names.ptr,
                           adoption->certificate->name);
}

static enum ecert_status no_key(const struct ecert_key_config *config, const char *name,
                                struct ecert_error *err)
{
    const struct ecert_error why = *err;

    if (why.status != ECERT_E_CRYPTO || config->passphrase_file != NULL ||
        config->passphrase_command.len > 0)
        return why.status;
    return ecert_error_set(err, why.status,
                           "%s; if it has a passphrase, give it in key.passphrase_file or "
                           "key.passphrase_command of '%s'",
                           why.text, name);
}

/* Who encrypted the key will want to know that the next one is not; and where the next one is, and
 * this one was not, the server most likely cannot open it. */
static enum ecert_status note_encryption(struct ecert_adoption *adoption, struct ecert_error *err)
{
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret file = {0};

    ECERT_TRY(ecert_fs_read_secret(adoption->key_file, ECERT_DECODE_MAX_INPUT, &file, err));
    const bool is_encrypted = ecert_key_is_encrypted(ecert_secret_view(&file));
    if (is_encrypted == adoption->certificate->key.encrypted)
        return ECERT_OK;
    if (!is_encrypted)
        return ecert_strings_printf(&adoption->notes, err,
                                    "the key '%s' is not encrypted, and what ecert deploys from "
                                    "now on is (key.encrypted): the next deployment needs a server "
                                    "that can open it (nginx: ssl_password_file; Apache: "
                                    "SSLPassPhraseDialog exec:), and fails without",
                                    adoption->key_file);
    return ecert_strings_printf(&adoption->notes, err,
                                "the key '%s' is encrypted, and what ecert keeps and deploys is "
                                "not: set key.encrypted if it shall be",
                                adoption->key_file);
}

/* The key as it is kept, and whether it belongs to the leaf. */
static enum ecert_status read_key(struct reading *reading, struct ecert_secret *ret,
                                  struct ecert_error *err)
{
    struct ecert_adoption *adoption = reading->adoption;
    struct ecert_key_config config = adoption->certificate->key; /* its passphrase, another file */
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret pem = {0};
    uint8_t wanted[ECERT_SHA256_LEN];

    config.place = ECERT_KEY_FILE;
    config.file = adoption->key_file;
    if (ecert_key_load(&config, &pem, reading->key_id, &adoption->notes, err) != ECERT_OK)
        return no_key(&config, adoption->certificate->name, err);
    ECERT_TRY(ecert_certificate_key_id(reading->leaf, wanted, err));
    if (memcmp(wanted, reading->key_id, sizeof wanted) != 0)
        return ecert_error_set(err, ECERT_E_CRYPTO,
                               "the key '%s' does not belong to the certificate '%s', whatever the "
                               "server serves at present; nothing is adopted",
                               adoption->key_file, adoption->certificate_file);
    ECERT_TRY(note_encryption(adoption, err));
    ECERT_TRY(ecert_kept_key_make(reading->context->config->state_dir, adoption->certificate,
                                  reading->key_id, &pem, err));
    *ret = pem;
    pem = (struct ecert_secret){0};
    return ECERT_OK;
}

/* ---- the chain ---- */

/* What the server has, in order, as far as it goes; without a root. */
static enum ecert_status present_chain(const struct reading *reading, STACK_OF(X509) **ret,
                                       struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_x509_stack) STACK_OF(X509) *chain = sk_X509_new_null();
    X509 *last = reading->leaf;

    if (chain == NULL)
        return ecert_error_nomem(err);
    for (int i = 0; i < sk_X509_num(reading->offered); i++) {
        X509 *next = sk_X509_value(reading->offered, i);

        if (ecert_certificate_is_self_signed(next) || !ecert_chain_is_issuer(next, last))
            continue;
        if (X509_up_ref(next) != 1 || sk_X509_push(chain, next) == 0)
            return ecert_error_nomem(err);
        last = next;
    }
    *ret = chain;
    chain = NULL;
    return ECERT_OK;
}

static enum ecert_status build_chain(struct reading *reading,
                                     const struct ecert_authority *authority,
                                     const struct ecert_crls *crls, STACK_OF(X509) **ret,
                                     struct ecert_error *err)
{
    const struct ecert_certificate_config *entry = reading->adoption->certificate;
    const struct ecert_chain_sources sources = {
        reading->context->config->state_dir, &reading->context->network, &reading->context->silent};
    ECERT_AUTO(ecert_decoded_clear) struct ecert_decoded operator_file = {0};

    if (entry->chain_file != NULL)
        ECERT_TRY(
            read_certificates(entry->chain_file, (struct ecert_view){0}, &operator_file, err));
    const struct ecert_chain_request request = {
        .authority = authority,
        .leaf = reading->leaf,
        .offered = reading->offered,
        .operator_file = operator_file.certificates,
        .cross_certificate = entry->cross_certificate,
        .crls = crls,
    };
    return ecert_chain_build(&request, &sources, ret, &reading->anchor, &reading->adoption->notes,
                             err);
}

/* ---- the checks ---- */

static void auto_results(struct ecert_check_result **results)
{
    ecert_auto_free(results);
}

/* It is served already: what an issued file would be refused for is told, and kept from nothing. */
static enum ecert_status check(struct reading *reading, const struct ecert_authority *authority,
                               const struct ecert_crls *crls, STACK_OF(X509) *chain,
                               struct ecert_error *err)
{
    const struct ecert_config *config = reading->context->config;
    struct ecert_adoption *adoption = reading->adoption;
    const struct ecert_certificate_config *entry = adoption->certificate;
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings names = {0};
    ECERT_AUTO(auto_results)
    struct ecert_check_result *results = calloc(ecert_checks_count(), sizeof *results);
    const struct ecert_order order = {.organization = config->organization.name,
                                      .chinese_organization = config->organization.chinese_name,
                                      .validation = entry->validation};
    struct ecert_error why = {0};

    if (results == NULL)
        return ecert_error_nomem(err);
    ECERT_TRY(ecert_strings_add(&names, entry->name, err));
    ECERT_TRY(ecert_strings_add_all(&names, ecert_strings_array(&entry->names), err));
    const struct ecert_check_input input = {
        .authority = authority,
        .leaf = reading->leaf,
        .chain = chain,
        .anchor = reading->anchor,
        .key_id = reading->key_id,
        .names = ecert_strings_array(&names),
        .order = &order,
        .crls = crls,
        .allow = ecert_strings_array(&entry->allow),
        .now = ecert_clock_now(),
    };
    ecert_checks_run(&input, results);
    if (ecert_checks_verdict(results, ecert_checks_count(), &adoption->notes, &why) == ECERT_OK)
        return ECERT_OK;
    if (why.status == ECERT_E_NOMEM)
        return ecert_error_nomem(err);
    ECERT_TRY(ecert_text_copy(ecert_view_of(why.text), &adoption->unfit, err));
    return ecert_strings_printf(&adoption->notes, err, "an issued file would be refused: %s",
                                why.text);
}

static bool is_lower_part(STACK_OF(X509) *present, STACK_OF(X509) *built)
{
    if (sk_X509_num(present) > sk_X509_num(built))
        return false;
    for (int i = 0; i < sk_X509_num(present); i++)
        if (!ecert_certificate_equal(sk_X509_value(present, i), sk_X509_value(built, i)))
            return false;
    return true;
}

/* The known root above the last of them; NULL: none. */
static X509 *root_above(const struct ecert_authority *authority, STACK_OF(X509) *chain)
{
    X509 *last = sk_X509_value(chain, sk_X509_num(chain) - 1);

    for (int i = 0; last != NULL && i < sk_X509_num(authority->anchors); i++)
        if (ecert_chain_is_issuer(sk_X509_value(authority->anchors, i), last))
            return sk_X509_value(authority->anchors, i);
    return NULL;
}

/*
 * A good chain stays as the server sends it: the cross-certificate, which only old clients need, is
 * for the first renewal.
 */
static enum ecert_status keep_present(struct reading *reading,
                                      const struct ecert_authority *authority,
                                      STACK_OF(X509) **chain, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_x509_stack) STACK_OF(X509) *present = NULL;

    ECERT_TRY(present_chain(reading, &present, err));
    const bool lower = is_lower_part(present, *chain);
    if (lower && sk_X509_num(present) == sk_X509_num(*chain))
        return ECERT_OK;
    X509 *root = lower ? root_above(authority, present) : NULL;
    if (root == NULL) {
        ECERT_AUTO(ecert_auto_free) char *name = NULL;

        ECERT_TRY(ecert_shell_word(reading->adoption->certificate->name, &name, err));
        return ecert_strings_printf(&reading->adoption->notes, err,
                                    "the server has another chain than the one that was built, "
                                    "which is kept; `ecert deploy %s` installs it",
                                    name);
    }
    if (X509_up_ref(root) != 1)
        return ecert_error_openssl(err, ECERT_E_NOMEM, "keep the root");
    ecert_auto_x509(&reading->anchor);
    reading->anchor = root;
    ecert_auto_x509_stack(chain);
    *chain = present;
    present = NULL;
    return ECERT_OK;
}

static enum ecert_status examine(struct reading *reading, STACK_OF(X509) **ret,
                                 struct ecert_error *err)
{
    const char *id = reading->adoption->certificate->authority;
    ECERT_AUTO(ecert_auto_x509_stack) STACK_OF(X509) *chain = NULL;
    const struct ecert_authority *authority = NULL;
    const struct ecert_crls *crls = NULL;
    struct ecert_error why = {0};

    ECERT_TRY(ecert_context_authority(reading->context, id, &authority, err));
    ECERT_TRY(ecert_context_crls(reading->context, id, ECERT_CRL_AGE_KEPT, &crls, err));
    if (build_chain(reading, authority, crls, &chain, &why) != ECERT_OK) {
        if (why.status == ECERT_E_NOMEM)
            return ecert_error_nomem(err);
        ECERT_TRY(ecert_strings_printf(&reading->adoption->notes, err,
                                       "no chain could be built, so that it is kept as the server "
                                       "has it: %s",
                                       why.text));
        ECERT_TRY(present_chain(reading, &chain, err));
    } else {
        ECERT_TRY(keep_present(reading, authority, &chain, err));
    }
    ECERT_TRY(check(reading, authority, crls, chain, err));
    *ret = chain;
    chain = NULL;
    return ECERT_OK;
}

enum ecert_status ecert_adopt_read(struct ecert_context *context, struct ecert_adoption *adoption,
                                   const char *chain_file, struct ecert_bundle *ret,
                                   struct ecert_error *err)
{
    ECERT_AUTO(reading_clear) struct reading reading = {.context = context, .adoption = adoption};
    ECERT_AUTO(ecert_bundle_clear) struct ecert_bundle bundle = {0};

    ECERT_TRY(read_leaf(&reading, chain_file, err));
    ECERT_TRY(check_name(&reading, err));
    ECERT_TRY(read_key(&reading, &bundle.key_pem, err));
    ECERT_TRY(examine(&reading, &bundle.chain, err));
    if (X509_up_ref(reading.leaf) != 1)
        return ecert_error_openssl(err, ECERT_E_NOMEM, "keep the leaf");
    bundle.leaf = reading.leaf;
    *ret = bundle;
    bundle = (struct ecert_bundle){0};
    return ECERT_OK;
}
