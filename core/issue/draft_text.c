/* A first configuration as text. */

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/flow/certificate.h"
#include "core/flow/host_name.h"
#include "core/issue/draft.h"

#define LINE_MAX_LEN 98

/* ---- pieces ---- */

/* A value as libconfig reads it: our texts hold no control bytes. */
static void put_string(struct ecert_buffer *out, const char *text)
{
    ecert_buffer_add_text(out, "\"");
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\')
            ecert_buffer_add_text(out, "\\");
        ecert_buffer_add(out, (struct ecert_view){(const uint8_t *)c, 1});
    }
    ecert_buffer_add_text(out, "\"");
}

/* [ "a", "b" ], a new line where one is full; `indent` is of those. */
static void put_list(struct ecert_buffer *out, const char *indent,
                     const struct ecert_strings *texts)
{
    size_t column = strlen(indent);

    ecert_buffer_add_text(out, "[ ");
    for (size_t i = 0; i < texts->len; i++) {
        const size_t len = strlen(texts->items[i]) + 4;

        if (i > 0)
            ecert_buffer_add_text(out, ", ");
        if (column + len > LINE_MAX_LEN && i > 0) {
            ecert_buffer_printf(out, "\n%s", indent);
            column = strlen(indent);
        }
        put_string(out, texts->items[i]);
        column += len;
    }
    ecert_buffer_add_text(out, " ]");
}

/* A comment in lines of its own; whatever is in it, it stays one. */
static void put_comment(struct ecert_buffer *out, const char *indent, const char *text)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer escaped = {0};
    size_t column = 0;

    ecert_buffer_add_escaped(&escaped, ecert_view_of(text), false);
    for (size_t i = 0; !escaped.failed && i < escaped.len;) {
        const uint8_t *word = escaped.ptr + i;
        const uint8_t *blank = memchr(word, ' ', escaped.len - i);
        const size_t len = blank == NULL ? escaped.len - i : (size_t)(blank - word);

        if (column > 0 && column + 1 + len > LINE_MAX_LEN) {
            ecert_buffer_add_text(out, "\n");
            column = 0;
        }
        if (column == 0) {
            ecert_buffer_printf(out, "%s#", indent);
            column = strlen(indent) + 1;
        }
        ecert_buffer_add_text(out, " ");
        ecert_buffer_add(out, (struct ecert_view){word, len});
        column += 1 + len;
        i += len + 1;
    }
    ecert_buffer_add_text(out, "\n");
}

static void comment(struct ecert_buffer *out, const char *indent, const char *fmt, ...)
    ECERT_PRINTF(3, 4);
static void comment(struct ecert_buffer *out, const char *indent, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    ECERT_AUTO(ecert_auto_free) char *text = ecert_text_vformat(fmt, args);
    va_end(args);
    if (text == NULL)
        out->failed = true;
    else
        put_comment(out, indent, text);
}

static void put_key(struct ecert_buffer *out, const char *indent, const char *key,
                    const char *value)
{
    ecert_buffer_printf(out, "%s%s = ", indent, key);
    put_string(out, value);
    ecert_buffer_add_text(out, ";\n");
}

/* ---- the head ---- */

static enum ecert_status put_directories(const struct ecert_draft *draft, struct ecert_buffer *out,
                                         struct ecert_error *err)
{
    ECERT_AUTO(ecert_config_clear) struct ecert_config standard = {0};
    const struct ecert_config *config = draft->config;
    const struct {
        const char *key, *value, *standard;
    } rows[] = {{"state_dir", config->state_dir, NULL},
                {"plugin_dir", config->plugin_dir, NULL},
                {"authorities_dir", config->authorities_dir, NULL}};

    ECERT_TRY(ecert_config_without_file(&standard, err));
    const char *const usual[] = {standard.state_dir, standard.plugin_dir, standard.authorities_dir};
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (strcmp(rows[i].value, usual[i]) != 0)
            put_key(out, "", rows[i].key, rows[i].value);
    return ECERT_OK;
}

static void put_organization(const struct ecert_draft *draft, struct ecert_buffer *out)
{
    static const char *const keys[4] = {"country", "state", "locality", "name"};
    static const char *const standing_for[4] = {"HK", "Hong Kong", "Hong Kong", "Example Limited"};
    const bool known = draft->subject[3] != NULL;

    if (known)
        comment(out, "",
                "Who applies: the subject of every request. This is the subject of %zu of the %zu "
                "certificates that were found; correct it if another organisation applies.",
                draft->n_leafs_with_subject, draft->n_entries);
    else
        comment(out, "",
                "Who applies: the subject of every request, as the organisation is registered. No "
                "certificate that was found names one: fill it in, and take the \"#\" away.");
    ecert_buffer_printf(out, "%sorganization = {\n", known ? "" : "#");
    for (size_t i = 0; i < 4; i++) {
        const bool there =
            draft->subject[i] != NULL &&
            (i > 0 || strlen(draft->subject[i]) == 2); /* as the table of keys has it */

        put_key(out, known && there ? "  " : "#  ", keys[i],
                there ? draft->subject[i] : standing_for[i]);
    }
    ecert_buffer_printf(out, "%s};\n\n", known ? "" : "#");
}

static void put_backup(struct ecert_buffer *out)
{
    comment(
        out, "",
        "Where a copy of every new key goes before its request is shown: without this group "
        "`ecert request` refuses (or is told --no-backup). Make the passphrase's file with "
        "(umask 077; openssl rand -base64 24 >/root/ecert-backup.passphrase), keep a copy of it "
        "elsewhere, and name directories that outlive this machine's disk.");
    ecert_buffer_add_text(out, "#backup = {\n"
                               "#  passphrase_file = \"/root/ecert-backup.passphrase\";\n"
                               "#  places = [ \"/mnt/safe/ecert\" ];\n"
                               "#};\n\n");
}

/* ---- targets ---- */

static void put_settings(const struct ecert_inventory_server *server, const char *indent,
                         const char *deeper, struct ecert_buffer *out)
{
    for (size_t i = 0; i < server->n_settings; i++) {
        const struct ecert_setting_value *value = &server->settings[i];

        if (server->is_default && strcmp(value->name, "command") == 0)
            continue;
        if (value->is_list) {
            ecert_buffer_printf(out, "%s%s = ", indent, value->name);
            put_list(out, deeper, &value->list);
            ecert_buffer_add_text(out, ";\n");
        } else if (strcmp(value->text, "true") == 0 || strcmp(value->text, "false") == 0 ||
                   (value->text[0] != '\0' &&
                    strspn(value->text, "0123456789") == strlen(value->text))) {
            ecert_buffer_printf(out, "%s%s = %s;\n", indent, value->name, value->text);
        } else {
            put_key(out, indent, value->name, value->text);
        }
    }
}

static void put_files(const struct ecert_draft *draft, const struct ecert_draft_use *use,
                      struct ecert_buffer *out)
{
    const struct ecert_inventory_certificate *file = &draft->found->certificates[use->certificate];

    comment(out, "        ",
            "the files that the server uses now: nothing changes until a renewal is put there");
    ecert_buffer_add_text(out, "        files = {\n");
    put_key(out, "          ", "key", use->key_file);
    if (file->chain_file == NULL) {
        put_key(out, "          ", "fullchain", file->file);
    } else {
        put_key(out, "          ", "certificate", file->file);
        put_key(out, "          ", "chain", file->chain_file);
    }
    ecert_buffer_add_text(out, "        };\n");
}

static void put_sites(const struct ecert_draft *draft, const struct ecert_draft_use *use,
                      const char *indent, struct ecert_buffer *out)
{
    const size_t shown = use->n_sites < 5 ? use->n_sites : 5;

    for (size_t i = 0; i < shown; i++) {
        ECERT_AUTO(ecert_auto_free) char *place = NULL;
        struct ecert_error ignored = {0};

        if (ecert_inventory_place(&draft->found->sites[use->sites[i]].site, &place, &ignored) ==
            ECERT_OK)
            comment(out, indent, "%s", place);
    }
    if (use->n_sites > shown)
        comment(out, indent, "and %zu more", use->n_sites - shown);
}

static void put_target(const struct ecert_draft *draft, const struct ecert_draft_use *use,
                       bool first, struct ecert_buffer *out)
{
    const struct ecert_inventory_server *server = &draft->found->servers[use->server];

    put_sites(draft, use, "      ", out);
    for (size_t i = 0; i < use->left.len && i < 5; i++)
        comment(out, "      ", "not for each name of the %s, which uses these files as well",
                use->left.items[i]);
    ecert_buffer_printf(out, "      %s{\n", first ? "" : ", ");
    put_key(out, "        ", "plugin", server->plugin);
    put_settings(server, "        ", "          ", out);
    ecert_buffer_add_text(out, "        server_names = ");
    put_list(out, "          ", &use->names);
    ecert_buffer_add_text(out, ";\n");
    if (use->everywhere) {
        comment(out, "        ",
                "wherever the certificate that is replaced is in use, under whatever name");
        ecert_buffer_add_text(out, "        everywhere_it_was = true;\n");
    }
    put_files(draft, use, out);
    ecert_buffer_add_text(out, "      }\n");
}

/* Why it is none, and what to write. */
static void put_no_target(const struct ecert_draft *draft, const struct ecert_draft_use *use,
                          struct ecert_buffer *out)
{
    const struct ecert_inventory_server *server = &draft->found->servers[use->server];
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer example = {0};

    put_sites(draft, use, "      ", out);
    comment(out, "      ", "%s: cannot be taken over as it is: %s.", server->plugin, use->problem);
    if (!use->is_shared)
        return;
    comment(
        out, "      ",
        "Without \"files\" ecert keeps key and chain in files of its own, and points the server "
        "at them when it deploys; `ecert plan` shows that. If you want that, take the \"#\" "
        "away:");
    ecert_buffer_printf(&example, "{ plugin = \"%s\";\n", server->plugin);
    put_settings(server, "  ", "    ", &example);
    ecert_buffer_add_text(&example, "  server_names = ");
    put_list(&example, "    ", &use->names);
    ecert_buffer_add_text(&example, "; }");
    for (char *line = (char *)example.ptr, *next = NULL; !example.failed && line != NULL;
         line = next) {
        const size_t rest = example.len - (size_t)((uint8_t *)line - example.ptr);
        char *end = memchr(line, '\n', rest);

        next = end == NULL ? NULL : end + 1;
        ecert_buffer_printf(out, "      #%.*s\n", (int)(end == NULL ? rest : (size_t)(end - line)),
                            line);
    }
}

/* ---- certificates ---- */

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
        comment(out, "      ",
                "the present one has RSA %d, which is not made any more; the next has 2048 bits",
                bits);
    else if (strcmp(type, "ec") == 0)
        ecert_buffer_printf(out, "      type = \"ec\";\n%s%s%s",
                            named == NULL ? "" : "      curve = \"", named == NULL ? "" : named,
                            named == NULL ? "" : "\";\n");
    else
        comment(out, "      ", "the present one is neither RSA nor EC; the next is RSA");
    if (encrypted) {
        comment(out, "      ",
                "the present key is encrypted: `ecert adopt` needs its passphrase, on the first "
                "line of a file that only root may read, and the server needs it by its own means. "
                "encrypted keeps it so.");
        ecert_buffer_add_text(out, "      #passphrase_file = \"/etc/ecert/key.passphrase\";\n"
                                   "      #encrypted = true;\n");
    }
    ecert_buffer_add_text(out, "    };\n");
}

static bool has_target(const struct ecert_draft *draft, size_t entry)
{
    for (size_t i = 0; i < draft->n_uses; i++)
        if (draft->uses[i].entry == entry && draft->uses[i].problem == NULL)
            return true;
    return false;
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
        comment(out, "    ", "issued by '%s', valid until %s; chain: %s", text, date,
                ecert_inventory_chain_word(file->chain));
        if (file->chain == ECERT_INVENTORY_INCOMPLETE && has_target(draft, index))
            comment(out, "    ",
                    "An issuer is missing in what the server sends: after `ecert adopt`, `ecert "
                    "plan` shows the complete chain, and `ecert deploy` installs it.");
        put_key(out, "    ", "authority", file->authority);
        return;
    }
    const char *wanted = draft->authority == NULL ? "system" : draft->authority->id;
    comment(
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
    put_key(out, "    ", "authority", wanted);
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
        put_list(out, "      ", &names);
        ecert_buffer_add_text(out, ";\n");
    }
    for (size_t i = 0; i < left.len; i++)
        comment(out, "    ",
                "it is for '%s', too, which one request of this authority cannot have with the "
                "others",
                left.items[i]);
    for (size_t i = 0; i < entry->odd.len; i++)
        comment(out, "    ", "it has '%s', too, which is no host name that a request can have",
                entry->odd.items[i]);
    return ECERT_OK;
}

static enum ecert_status put_entry(const struct ecert_draft *draft, size_t index, bool first,
                                   struct ecert_buffer *out, struct ecert_draft_sum *sum,
                                   struct ecert_error *err)
{
    const struct ecert_draft_entry *entry = &draft->entries[index];
    ECERT_AUTO(ecert_auto_free) char *shown = NULL;
    bool first_target = true;

    ecert_buffer_printf(out, "  %s{\n", first ? "" : ", ");
    put_key(out, "    ", "name", entry->name);
    if (ecert_host_name_shown(entry->name, &shown, err) == ECERT_OK &&
        strcmp(shown, entry->name) != 0)
        comment(out, "    ", "%s", shown);
    ECERT_TRY(put_names(draft, entry, out, err));
    put_authority(draft, index, out);
    put_key_group(draft, entry, index, out);
    ecert_buffer_add_text(out, "    targets = (\n");
    for (size_t i = 0; i < draft->n_uses; i++) {
        const struct ecert_draft_use *use = &draft->uses[i];

        if (use->entry != index)
            continue;
        if (use->problem != NULL) {
            put_no_target(draft, use, out);
            sum->commented++;
            continue;
        }
        put_target(draft, use, first_target, out);
        first_target = false;
        sum->targets++;
    }
    ecert_buffer_add_text(out, "    );\n  }\n");
    sum->certificates++;
    return ECERT_OK;
}

static enum ecert_status put_certificates(const struct ecert_draft *draft, struct ecert_buffer *out,
                                          struct ecert_draft_sum *sum, struct ecert_error *err)
{
    comment(out, "",
            "One entry per certificate that is in use. `ecert adopt` takes over what its targets "
            "have; `ecert request NAME` asks for the next one.");
    ecert_buffer_add_text(out, "certificates = (\n");
    for (size_t i = 0; i < draft->n_entries; i++) {
        const struct ecert_draft_entry *entry = &draft->entries[i];

        if (entry->name != NULL) {
            ECERT_TRY(put_entry(draft, i, sum->certificates == 0, out, sum, err));
            continue;
        }
        comment(out, "  ",
                "'%s' is not here: each of its names is no host name, or that of an entry above. "
                "It is watched below.",
                draft->found->certificates[entry->certificate].file);
        sum->commented++;
    }
    for (size_t i = 0; i < draft->n_uses; i++) {
        const struct ecert_inventory_certificate *file =
            &draft->found->certificates[draft->uses[i].certificate];

        if (draft->uses[i].entry != ECERT_INVENTORY_NOTHING)
            continue;
        comment(out, "  ", "'%s' is not here, because it could not be read: %s", file->file,
                file->problem == NULL ? "" : file->problem);
        sum->commented++;
    }
    if (sum->certificates == 0)
        ecert_buffer_add_text(out, "  # { name = \"www.example.com\";\n"
                                   "  #   authority = \"hongkongpost\";\n"
                                   "  #   targets = ( { plugin = \"nginx\"; } ); }\n");
    ecert_buffer_add_text(out, ");\n\n");
    return ECERT_OK;
}

/* ---- the rest ---- */

static void put_watch(const struct ecert_draft *draft, struct ecert_buffer *out,
                      struct ecert_draft_sum *sum)
{
    comment(out, "",
            "What else must not expire unnoticed: certificate files, directories, servers, the "
            "e-Cert of the Authorised Representative (see `ecert config --reference`).");
    for (size_t i = 0; i < draft->n_entries; i++) {
        if (draft->entries[i].name != NULL)
            continue;
        ecert_buffer_add_text(out, sum->watches == 0 ? "watch = (\n" : "  ,\n");
        ecert_buffer_add_text(out, "  { file = ");
        put_string(out, draft->found->certificates[draft->entries[i].certificate].file);
        ecert_buffer_add_text(out, "; }\n");
        sum->watches++;
    }
    if (sum->watches > 0)
        ecert_buffer_add_text(out, ");\n\n");
    else
        ecert_buffer_add_text(
            out,
            "#watch = ( { file = \"/etc/ecert/representative.cer\"; use = \"organisational\"; },\n"
            "#          { endpoint = \"mail.example.com:25\"; starttls = \"smtp\"; } );\n\n");
}

static void put_people(struct ecert_buffer *out)
{
    comment(out, "",
            "Who is told before something expires: write how mail leaves this host and to whom it "
            "goes; `ecert remind --test` tries it. Without this group reminders go to the journal "
            "only.");
    ecert_buffer_add_text(out,
                          "#reminders = {\n"
                          "#  email = { server = \"smtps://mail.example.com\"; user = \"ecert\";\n"
                          "#            password_file = \"/etc/ecert/smtp.password\";\n"
                          "#            from = \"ecert@example.com\";\n"
                          "#            to = [ \"webmaster@example.com\" ]; };\n"
                          "#};\n\n");
    comment(out, "", "Names and languages (\"en\", \"zh_HK\") of those who are told.");
    ecert_buffer_add_text(
        out, "#contacts = ( { email = \"webmaster@example.com\"; name = \"Chan Tai Man\";\n"
             "#               language = \"zh_HK\"; } );\n");
}

enum ecert_status ecert_draft_text(const struct ecert_draft *draft, struct ecert_bytes *ret,
                                   struct ecert_draft_sum *ret_sum, struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer out = {0};
    struct ecert_draft_sum sum = {0};
    char date[ECERT_TIME_TEXT_LEN];

    ecert_clock_date(ecert_clock_now(), date);
    comment(&out, "",
            "The configuration of ecert, written by `ecert init` on %s out of what this "
            "host had. Read it, correct it, then: `ecert config` checks it, `ecert adopt` "
            "takes over what the servers use (they are not touched), `ecert plan` shows "
            "that nothing would change. `ecert config --reference` prints every key.",
            date);
    ecert_buffer_add_text(&out, "\n");
    ECERT_TRY(put_directories(draft, &out, err));
    put_organization(draft, &out);
    put_backup(&out);
    ECERT_TRY(put_certificates(draft, &out, &sum, err));
    put_watch(draft, &out, &sum);
    put_people(&out);
    ECERT_TRY(ecert_buffer_take(&out, ret, err));
    *ret_sum = sum;
    return ECERT_OK;
}
