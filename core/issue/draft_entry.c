/* Certificates of a first configuration. */

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/flow/certificate.h"
#include "core/flow/host_name.h"
#include "core/issue/draft_parts.h"

static void put_key_group(const struct ecert_draft *draft, const struct ecert_draft_entry *entry,
                          size_t index, struct ecert_buffer *out)
{
    const X509 *leaf = draft->found->certificates[entry->certificate].leaf;
    EVP_PKEY *key = X509_get0_pubkey(leaf);
    const char *type = ecert_certificate_key_type(leaf);
    const int bits = key == NULL ? 0 : EVP_PKEY_get_bits(key);
    char curve[64] = "";
    size_t len = 0;
    bool encrypted = false;

    for (size_t i = 0; i < draft->n_uses; i++)
        encrypted = encrypted || (draft->uses[i].entry == index &&
                                  draft->uses[i].key == ECERT_INVENTORY_KEY_ENCRYPTED);
    if (strcmp(type, "ec") == 0 && key != NULL)
        (void)EVP_PKEY_get_group_name(key, curve, sizeof curve, &len);
    const char *named = strcmp(curve, "prime256v1") == 0  ? "P-256"
                        : strcmp(curve, "secp384r1") == 0 ? "P-384"
                                                          : NULL;
    ecert_buffer_add_text(out, "    key = {\n");
    if (strcmp(type, "rsa") == 0 && (bits == 2048 || bits == 3072 || bits == 4096))
        ecert_buffer_printf(out, "      type = \"rsa\";\n      bits = %d;\n", bits);
    else if (strcmp(type, "rsa") == 0)
        ecert_draft_comment(
            out, "      ",
            "the present one has RSA %d, which is not made any more; the next has 2048 bits", bits);
    else if (strcmp(type, "ec") == 0)
        ecert_buffer_printf(out, "      type = \"ec\";\n%s%s%s",
                            named == NULL ? "" : "      curve = \"", named == NULL ? "" : named,
                            named == NULL ? "" : "\";\n");
    else
        ecert_draft_comment(out, "      ",
                            "the present one is neither RSA nor EC; the next is RSA");
    if (encrypted) {
        ecert_draft_comment(
            out, "      ",
            "the present key is encrypted: `ecert adopt` needs its passphrase, on the first "
            "line of a file that only root may read, and the server needs it by its own means. "
            "encrypted keeps it so.");
        ecert_buffer_add_text(out, "      #passphrase_file = \"/etc/ecert/key.passphrase\";\n"
                                   "      #encrypted = true;\n");
    }
    ecert_buffer_add_text(out, "    };\n");
}

bool ecert_draft_has_target(const struct ecert_draft *draft, size_t entry)
{
    for (size_t i = 0; i < draft->n_uses; i++)
        if (draft->uses[i].entry == entry && draft->uses[i].problem == NULL)
            return true;
    return false;
}

const char *ecert_draft_authority(const struct ecert_draft *draft,
                                  const struct ecert_draft_entry *entry)
{
    const struct ecert_inventory_certificate *file =
        &draft->found->certificates[entry->certificate];

    if (file->is_issued_by_profile)
        return file->authority;
    return draft->authority == NULL ? "system" : draft->authority->id;
}

/* Who issued it, and what the authority of the entry means for the next one. */
static void put_authority(const struct ecert_draft *draft, size_t index, struct ecert_buffer *out)
{
    const struct ecert_inventory_certificate *file =
        &draft->found->certificates[draft->entries[index].certificate];
    char date[ECERT_TIME_TEXT_LEN];
    char text[200] = "";

    (void)X509_NAME_get_text_by_NID(X509_get_issuer_name(file->leaf), NID_commonName, text,
                                    sizeof text);
    ecert_clock_date(ecert_certificate_not_after(file->leaf), date);
    if (file->is_issued_by_profile) {
        ecert_draft_comment(out, "    ", "issued by '%s', valid until %s; chain: %s", text, date,
                            ecert_inventory_chain_word(file->chain));
        if (file->chain == ECERT_INVENTORY_INCOMPLETE && ecert_draft_has_target(draft, index))
            ecert_draft_comment(
                out, "    ",
                "An issuer is missing in what the server sends: after `ecert adopt`, `ecert "
                "plan` shows the complete chain, and `ecert deploy` installs it.");
        ecert_draft_put_key(out, "    ", "authority", file->authority);
        return;
    }
    const char *wanted = ecert_draft_authority(draft, &draft->entries[index]);
    ecert_draft_comment(
        out, "    ",
        file->chain == ECERT_INVENTORY_SELF_SIGNED
            ? "self-signed, valid until %s%s. This entry is for replacing it by one of '%s': it "
              "stays until such a one is deployed, and a program that renews it must be stopped "
              "then. For another CA name its profile here."
            : "valid until %s, issued by '%s', for whom there is no profile. This entry is for "
              "replacing it by one of '%s': it stays until such a one is deployed, and a "
              "program that renews it must be stopped then. For another CA name its profile "
              "here.",
        date, file->chain == ECERT_INVENTORY_SELF_SIGNED ? "" : text, wanted);
    ecert_draft_put_key(out, "    ", "authority", wanted);
}

/* Those that a request of this authority may have beside the name. */
static enum ecert_status put_names(const struct ecert_draft *draft,
                                   const struct ecert_draft_entry *entry, struct ecert_buffer *out,
                                   struct ecert_error *err)
{
    const struct ecert_inventory_certificate *file =
        &draft->found->certificates[entry->certificate];
    const struct ecert_authority *authority = draft->authority;
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings names = {0};
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings left = {0};

    for (size_t i = 0; file->is_issued_by_profile && i < draft->found->n_authorities; i++)
        if (strcmp(draft->found->authorities[i].id, file->authority) == 0)
            authority = &draft->found->authorities[i];
    const struct ecert_authority_request *wants = authority == NULL ? NULL : &authority->request;
    const bool strict = wants != NULL && wants->known;
    const bool is_wild = strncmp(entry->name, "*.", 2) == 0;
    for (size_t i = 0; i < entry->names.len; i++) {
        const char *name = entry->names.items[i];
        const bool fits =
            !strict || wants->wildcard_among_names || (!is_wild && strncmp(name, "*.", 2) != 0);
        const bool room = !strict || wants->max_names == 0 || names.len + 1 < wants->max_names;

        if (is_wild && strcmp(entry->name + 2, name) == 0)
            continue; /* the CA adds the bare name of a wildcard by itself */
        ECERT_TRY(ecert_strings_add(fits && room ? &names : &left, name, err));
    }
    if (names.len > 0) {
        ecert_buffer_add_text(out, "    names = ");
        ecert_draft_put_list(out, "      ", &names);
        ecert_buffer_add_text(out, ";\n");
    }
    for (size_t i = 0; i < left.len; i++)
        ecert_draft_comment(
            out, "    ",
            "it is for '%s', too, which one request of this authority cannot have with the "
            "others",
            left.items[i]);
    for (size_t i = 0; i < entry->odd.len; i++)
        ecert_draft_comment(out, "    ",
                            "it has '%s', too, which is no host name that a request can have",
                            entry->odd.items[i]);
    return ECERT_OK;
}

enum ecert_status ecert_draft_put_entry(const struct ecert_draft *draft, size_t index, bool first,
                                        struct ecert_buffer *out, struct ecert_draft_sum *sum,
                                        struct ecert_error *err)
{
    const struct ecert_draft_entry *entry = &draft->entries[index];
    ECERT_AUTO(ecert_auto_free) char *shown = NULL;
    bool first_target = true;

    ecert_buffer_printf(out, "  %s{\n", first ? "" : ", ");
    ecert_draft_put_key(out, "    ", "name", entry->name);
    if (ecert_host_name_shown(entry->name, &shown, err) == ECERT_OK &&
        strcmp(shown, entry->name) != 0)
        ecert_draft_comment(out, "    ", "%s", shown);
    ECERT_TRY(put_names(draft, entry, out, err));
    put_authority(draft, index, out);
    put_key_group(draft, entry, index, out);
    ecert_buffer_add_text(out, "    targets = (\n");
    for (size_t i = 0; i < draft->n_uses; i++) {
        const struct ecert_draft_use *use = &draft->uses[i];

        if (use->entry != index)
            continue;
        if (use->problem != NULL) {
            ecert_draft_put_no_target(draft, use, out);
            sum->commented++;
            continue;
        }
        ecert_draft_put_target(draft, use, first_target, out);
        first_target = false;
        sum->targets++;
    }
    if (first_target)
        ecert_draft_comment(out, "      ",
                            "without a target it is not deployed; what the server uses now is "
                            "watched below");
    ecert_buffer_add_text(out, "    );\n  }\n");
    sum->certificates++;
    return ECERT_OK;
}
