/* How far the certificates of a site lead, and to whom. */

#include <stdlib.h>
#include <string.h>

#include "core/base/fs.h"
#include "core/flow/certificate.h"
#include "core/flow/chain.h"
#include "core/issue/inventory.h"

#define DEPTH_MAX 8

/* ---- the profiles ---- */

static enum ecert_status load_one(const char *directory, const char *id,
                                  struct ecert_inventory *found, struct ecert_error *err)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings mistakes = {0};
    struct ecert_error why = {0};
    struct ecert_authority *more =
        reallocarray(found->authorities, found->n_authorities + 1, sizeof *more);

    if (more == NULL)
        return ecert_error_nomem(err);
    found->authorities = more;
    more[found->n_authorities] = (struct ecert_authority){0};
    switch (
        (int)ecert_authority_load(directory, id, &more[found->n_authorities], &mistakes, &why)) {
    case ECERT_OK:
        found->n_authorities++;
        return ECERT_OK;
    case ECERT_E_NOMEM:
        return ecert_error_nomem(err);
    default:
        if (mistakes.len > 0)
            return ecert_strings_printf(&found->remarks, err, "authority '%s': %s", id,
                                        mistakes.items[0]);
        return ecert_strings_add(&found->remarks, why.text, err); /* it names the authority */
    }
}

enum ecert_status ecert_inventory_load_authorities(const char *directory,
                                                   struct ecert_inventory *found,
                                                   struct ecert_error *err)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings names = {0};
    struct ecert_error absent = {0}; /* no profiles: only the system's anchors are known */

    if (ecert_fs_list(directory, &names, &absent) != ECERT_OK && absent.status == ECERT_E_NOMEM)
        return ecert_error_nomem(err);
    for (size_t i = 0; i < names.len; i++) {
        char *suffix = strrchr(names.items[i], '.');

        if (suffix == NULL || suffix == names.items[i] || strcmp(suffix, ".conf") != 0)
            continue;
        *suffix = '\0';
        ECERT_TRY(load_one(directory, names.items[i], found, err));
    }
    return load_one(directory, "system", found, err);
}

static bool is_system(const struct ecert_authority *authority)
{
    return strcmp(authority->id, "system") == 0;
}

/* The profile with an anchor that signed the certificate; NULL: none. */
static const struct ecert_authority *anchored_by(const struct ecert_inventory *found,
                                                 X509 *certificate)
{
    for (size_t i = 0; i < found->n_authorities; i++) {
        const struct ecert_authority *authority = &found->authorities[i];

        for (int k = 0; k < sk_X509_num(authority->anchors); k++)
            if (ecert_chain_is_issuer(sk_X509_value(authority->anchors, k), certificate))
                return authority;
    }
    return NULL;
}

/* The profile whose sub CA has the name of the leaf's issuer: what is left where it is not sent. */
static enum ecert_status named_by(const struct ecert_inventory *found, const X509 *leaf,
                                  const struct ecert_authority **ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *issuer = NULL;
    char text[256] = "";

    const int len =
        X509_NAME_get_text_by_NID(X509_get_issuer_name(leaf), NID_commonName, text, sizeof text);
    if (len <= 0)
        return ECERT_OK;
    ECERT_TRY(ecert_text_copy(ecert_view_of(text), &issuer, err));
    for (size_t i = 0; i < found->n_authorities && *ret == NULL; i++)
        for (size_t k = 0; k < found->authorities[i].n_intermediates; k++)
            if (found->authorities[i].intermediates[k].subject != NULL &&
                strcmp(found->authorities[i].intermediates[k].subject, issuer) == 0)
                *ret = &found->authorities[i];
    return ECERT_OK;
}

/* ---- the chain ---- */

/* Who of them signed `subject`, the root not; -1: none. */
static int issuer_among(STACK_OF(X509) *certificates, X509 *subject)
{
    for (int i = 1; i < sk_X509_num(certificates); i++) {
        X509 *const candidate = sk_X509_value(certificates, i);

        if (!ecert_certificate_is_self_signed(candidate) &&
            ecert_chain_is_issuer(candidate, subject))
            return i;
    }
    return -1;
}

/* The walk upwards from the leaf through what is sent. */
struct walk {
    bool in_order;
    int steps;
    const struct ecert_authority *authority; /* NULL: it ends below an anchor that nobody knows */
};

static struct walk walk_up(const struct ecert_inventory *found, STACK_OF(X509) *certificates)
{
    struct walk walk = {.in_order = true};
    X509 *subject = sk_X509_value(certificates, 0);

    while ((walk.authority = anchored_by(found, subject)) == NULL && walk.steps < DEPTH_MAX) {
        const int next = issuer_among(certificates, subject);

        if (next < 0)
            break;
        walk.steps++;
        walk.in_order = walk.in_order && next == walk.steps;
        subject = sk_X509_value(certificates, next);
    }
    return walk;
}

enum ecert_status ecert_inventory_judge(const struct ecert_inventory *found,
                                        struct ecert_inventory_certificate *certificate,
                                        struct ecert_error *err)
{
    const struct ecert_authority *by_name = NULL;

    if (ecert_certificate_is_self_signed(certificate->leaf)) {
        certificate->chain = ECERT_INVENTORY_SELF_SIGNED;
        return ECERT_OK;
    }
    const struct walk walk = walk_up(found, certificate->certificates);
    ECERT_TRY(named_by(found, certificate->leaf, &by_name, err));
    const struct ecert_authority *authority = walk.authority != NULL ? walk.authority : by_name;
    if (walk.authority != NULL)
        certificate->chain =
            walk.in_order ? ECERT_INVENTORY_COMPLETE : ECERT_INVENTORY_OUT_OF_ORDER;
    else if (authority != NULL || walk.steps == 0)
        certificate->chain = ECERT_INVENTORY_INCOMPLETE;
    else
        certificate->chain = ECERT_INVENTORY_UNKNOWN;
    if (authority == NULL)
        return ECERT_OK;
    certificate->is_issued_by_profile = !is_system(authority);
    return ecert_text_copy(ecert_view_of(authority->id), &certificate->authority, err);
}
