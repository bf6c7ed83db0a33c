/* Targets of a first configuration. */

#include <string.h>

#include "core/issue/draft_parts.h"

static void put_settings(const struct ecert_inventory_server *server, const char *indent,
                         const char *deeper, struct ecert_buffer *out)
{
    for (size_t i = 0; i < server->n_settings; i++) {
        const struct ecert_setting_value *value = &server->settings[i];

        if (server->is_default && strcmp(value->name, "command") == 0)
            continue;
        if (value->is_list) {
            ecert_buffer_printf(out, "%s%s = ", indent, value->name);
            ecert_draft_put_list(out, deeper, &value->list);
            ecert_buffer_add_text(out, ";\n");
        } else if (strcmp(value->text, "true") == 0 || strcmp(value->text, "false") == 0 ||
                   (value->text[0] != '\0' &&
                    strspn(value->text, "0123456789") == strlen(value->text))) {
            ecert_buffer_printf(out, "%s%s = %s;\n", indent, value->name, value->text);
        } else {
            ecert_draft_put_key(out, indent, value->name, value->text);
        }
    }
}

static void put_files(const struct ecert_draft *draft, const struct ecert_draft_use *use,
                      struct ecert_buffer *out)
{
    const struct ecert_inventory_certificate *file = &draft->found->certificates[use->certificate];

    ecert_draft_comment(
        out, "        ",
        "the files that the server uses now: nothing changes until a renewal is put there");
    if (use->shares_chain)
        ecert_draft_comment(out, "        ",
                            "the chain file is that of other certificates, too: it always holds "
                            "what all of them need");
    ecert_buffer_add_text(out, "        files = {\n");
    ecert_draft_put_key(out, "          ", "key", use->key_file);
    if (file->chain_file == NULL) {
        ecert_draft_put_key(out, "          ", "fullchain", file->file);
    } else {
        ecert_draft_put_key(out, "          ", "certificate", file->file);
        ecert_draft_put_key(out, "          ", "chain", file->chain_file);
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
            ecert_draft_comment(out, indent, "%s", place);
    }
    if (use->n_sites > shown)
        ecert_draft_comment(out, indent, "and %zu more", use->n_sites - shown);
}

void ecert_draft_put_target(const struct ecert_draft *draft, const struct ecert_draft_use *use,
                            bool first, struct ecert_buffer *out)
{
    const struct ecert_inventory_server *server = &draft->found->servers[use->server];

    put_sites(draft, use, "      ", out);
    for (size_t i = 0; i < use->left.len && i < 5; i++)
        ecert_draft_comment(out, "      ",
                            "not for each name of the %s, which uses these files as well",
                            use->left.items[i]);
    ecert_buffer_printf(out, "      %s{\n", first ? "" : ", ");
    ecert_draft_put_key(out, "        ", "plugin", server->plugin);
    put_settings(server, "        ", "          ", out);
    if (use->names.len > 0) {
        ecert_buffer_add_text(out, "        server_names = ");
        ecert_draft_put_list(out, "          ", &use->names);
        ecert_buffer_add_text(out, ";\n");
    }
    if (use->everywhere) {
        ecert_draft_comment(
            out, "        ",
            use->names.len > 0
                ? "wherever the certificate that is replaced is in use, under whatever name"
                : "wherever the certificate that is replaced is in use: these sites have no name");
        ecert_buffer_add_text(out, "        everywhere_it_was = true;\n");
    }
    put_files(draft, use, out);
    ecert_buffer_add_text(out, "      }\n");
}

void ecert_draft_put_no_target(const struct ecert_draft *draft, const struct ecert_draft_use *use,
                               struct ecert_buffer *out)
{
    const struct ecert_inventory_server *server = &draft->found->servers[use->server];
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer example = {0};

    put_sites(draft, use, "      ", out);
    ecert_draft_comment(out, "      ", "%s: cannot be taken over as it is: %s.", server->plugin,
                        use->problem);
    if (!use->is_shared)
        return;
    ecert_draft_comment(
        out, "      ",
        "Without \"files\" ecert keeps key and chain in files of its own, and points the server "
        "at them when it deploys; `ecert plan` shows that. If you want that, take the \"#\" "
        "away:");
    ecert_buffer_printf(&example, "{ plugin = \"%s\";\n", server->plugin);
    put_settings(server, "  ", "    ", &example);
    if (use->everywhere)
        ecert_buffer_add_text(&example, "  everywhere_it_was = true; }");
    else {
        ecert_buffer_add_text(&example, "  server_names = ");
        ecert_draft_put_list(&example, "    ", &use->names);
        ecert_buffer_add_text(&example, "; }");
    }
    for (char *line = (char *)example.ptr, *next = NULL; !example.failed && line != NULL;
         line = next) {
        const size_t rest = example.len - (size_t)((uint8_t *)line - example.ptr);
        char *end = memchr(line, '\n', rest);

        next = end == NULL ? NULL : end + 1;
        ecert_buffer_printf(out, "      #%.*s\n", (int)(end == NULL ? rest : (size_t)(end - line)),
                            line);
    }
}
