/* A first configuration as text: its head, and what it is put together from. */

#include <string.h>

#include "core/base/clock.h"
#include "core/issue/draft_parts.h"

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
            ecert_draft_put_key(out, "", rows[i].key, rows[i].value);
    return ECERT_OK;
}

static void put_organization(const struct ecert_draft *draft, struct ecert_buffer *out)
{
    static const char *const keys[4] = {"country", "state", "locality", "name"};
    static const char *const standing_for[4] = {"HK", "Hong Kong", "Hong Kong", "Example Limited"};
    const bool known = draft->subject[3] != NULL;

    if (known)
        ecert_draft_comment(
            out, "",
            "Who applies: the subject of every request. This is the subject of %zu of the %zu "
            "certificates that were found; correct it if another organisation applies.",
            draft->n_leafs_with_subject, draft->n_entries);
    else
        ecert_draft_comment(
            out, "",
            "Who applies: the subject of every request, as the organisation is registered. No "
            "certificate that was found names one: fill it in, and take the \"#\" away.");
    ecert_buffer_printf(out, "%sorganization = {\n", known ? "" : "#");
    for (size_t i = 0; i < 4; i++) {
        const bool there =
            draft->subject[i] != NULL &&
            (i > 0 || strlen(draft->subject[i]) == 2); /* as the table of keys has it */

        ecert_draft_put_key(out, known && there ? "  " : "#  ", keys[i],
                            there ? draft->subject[i] : standing_for[i]);
    }
    ecert_buffer_printf(out, "%s};\n\n", known ? "" : "#");
}

static void put_backup(struct ecert_buffer *out)
{
    ecert_draft_comment(
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

/* ---- certificates ---- */

static enum ecert_status put_certificates(const struct ecert_draft *draft, struct ecert_buffer *out,
                                          struct ecert_draft_sum *sum, struct ecert_error *err)
{
    ecert_draft_comment(
        out, "",
        "One entry per certificate that is in use. `ecert adopt` takes over what its targets "
        "have; `ecert request NAME` asks for the next one.");
    ecert_buffer_add_text(out, "certificates = (\n");
    for (size_t i = 0; i < draft->n_entries; i++) {
        const struct ecert_draft_entry *entry = &draft->entries[i];

        if (entry->name != NULL) {
            ECERT_TRY(ecert_draft_put_entry(draft, i, sum->certificates == 0, out, sum, err));
            continue;
        }
        ecert_draft_comment(
            out, "  ",
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
        ecert_draft_comment(out, "  ", "'%s' is not here, because it could not be read: %s",
                            file->file, file->problem == NULL ? "" : file->problem);
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
    ecert_draft_comment(
        out, "",
        "What else must not expire unnoticed: certificate files, directories, servers, the "
        "e-Cert of the Authorised Representative (see `ecert config --reference`).");
    for (size_t i = 0; i < draft->n_entries; i++) {
        if (draft->entries[i].name != NULL && ecert_draft_has_target(draft, i))
            continue;
        ecert_buffer_add_text(out, sum->watches == 0 ? "watch = (\n" : "  ,\n");
        ecert_buffer_add_text(out, "  { file = ");
        ecert_draft_put_string(out, draft->found->certificates[draft->entries[i].certificate].file);
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
    ecert_draft_comment(
        out, "",
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
    ecert_draft_comment(out, "", "Names and languages (\"en\", \"zh_HK\") of those who are told.");
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
    ecert_draft_comment(
        &out, "",
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
