/*
 * apache: the certificate of the TLS virtual hosts of an Apache httpd 2.4.
 *
 * The plan is made from one run of the server's own configuration test, which names the virtual
 * hosts, the files and the PID file, and from those files.  Only the values of SSLCertificateFile,
 * SSLCertificateKeyFile and SSLCertificateChainFile change, and what is missing is added; every
 * other byte stays.  Where all of it is right already there is no file record: the server is then
 * only reloaded, because the files behind those names have changed.
 */
#include <ecert/plugin.h>

#include "plugins/apache/change.h"
#include "plugins/apache/choose.h"
#include "plugins/apache/create.h"
#include "plugins/apache/discover.h"
#include "plugins/apache/module.h"
#include "plugins/apache/service.h"
#include "plugins/apache/sharing.h"
#include "plugins/apache/site.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static const struct ecert_setting settings[] = {
    {"command", ECERT_SETTING_COMMAND, false, "/usr/sbin/apachectl",
     "command to which \"-t\", \"-k graceful\" and the like are added; may carry -f FILE, -d ROOT"},
    {"service", ECERT_SETTING_STRING, false, NULL,
     "its unit; by default apache2.service where the server is Debian's apache2, httpd.service "
     "otherwise"},
    {"pid_file", ECERT_SETTING_PATH, false, NULL,
     "its PID file; by default the one of the server's configuration"},
    {"everywhere_it_was", ECERT_SETTING_BOOLEAN, false, "false",
     "each place that today uses the certificate that is replaced, whatever its name"},
    {"create", ECERT_SETTING_BOOLEAN, false, "false",
     "a virtual host for port 443 is added beside one for port 80 that has none, with a Listen if "
     "there is none"},
    {NULL, 0, false, NULL, NULL},
};

/* Debian, SUSE, Alpine and Gentoo; RHEL; httpd's own; FreeBSD; hosting panels and bundles. */
static const char *const may_write[] = {"/etc/apache2",
                                        "/etc/httpd",
                                        "/usr/local/apache/conf",
                                        "/usr/local/apache2/conf",
                                        "/usr/local/etc/apache24",
                                        "/opt/rh/httpd24/root/etc/httpd",
                                        "/opt/bitnami/apache/conf",
                                        "/opt/bitnami/apache2/conf",
                                        "/opt/lampp/etc",
                                        NULL};

static const char *const programs[] = {"/usr/sbin/apachectl",
                                       "/usr/sbin/apache2ctl",
                                       "/usr/sbin/httpd",
                                       "/usr/local/apache2/bin/apachectl",
                                       "/usr/local/apache/bin/apachectl",
                                       "/usr/local/sbin/apachectl",
                                       "/opt/rh/httpd24/root/usr/sbin/apachectl",
                                       "/opt/bitnami/apache/bin/apachectl",
                                       "/opt/bitnami/apache2/bin/apachectl",
                                       "/opt/lampp/bin/apachectl",
                                       NULL};

/* ---- the server's answer --------------------------------------------------------------------- */

/* Lines that say nothing of the failure. */
static bool is_idle(const char *line, size_t len)
{
    static const char *const idle[] = {"AH00558:", "Action '", "The Apache error log may",
                                       "Setting ulimit failed"};

    for (size_t i = 0; i < sizeof idle / sizeof idle[0]; i++)
        if (len >= strlen(idle[i]) && strncmp(line, idle[i], strlen(idle[i])) == 0)
            return true;
    return len == 0;
}

/* What the server said, as one sentence; NULL: no memory. */
static const char *sentence(struct ecert_arena *arena, struct ecert_view said)
{
    const char *text = ecert_arena_copy(arena, said.ptr, said.len);
    const char *all = "";

    for (const char *line = text; all != NULL && line != NULL && *line != '\0';) {
        const size_t len = strcspn(line, "\r\n");
        if (!is_idle(line, len))
            all =
                ecert_arena_text(arena, "%s%s%.*s", all, all[0] == '\0' ? "" : " ", (int)len, line);
        line += len + strspn(line + len, "\r\n");
        if (all != NULL && strlen(all) > 600)
            break;
    }
    return text == NULL ? NULL : all;
}

static enum ecert_status pass_on(const struct ecert_apache_scan *scan, const char *command,
                                 const struct ecert_command_result *result, struct ecert_error *err)
{
    const char *said = sentence(scan->arena, result->err);
    const char *hint = "";
    const char *advice = "";

    if (said != NULL && said[0] == '\0')
        said = sentence(scan->arena, result->out);
    if (said == NULL)
        return scan->host->fail(err, ECERT_E_NOMEM, "out of memory");
    if (strstr(said, "Invalid command 'SSL") != NULL) {
        hint = "; mod_ssl is not loaded: ";
        advice = ecert_apache_ssl_advice(scan->host, scan->job, scan->arena,
                                         ecert_apache_guess_main_file(scan->host, scan->job));
        if (advice == NULL)
            return scan->host->fail(err, ECERT_E_NOMEM, "out of memory");
    } else if (strstr(said, "SSLCertificate") != NULL && strstr(said, "does not exist") != NULL)
        hint = "; let it name a file that exists, or leave it out, and it will be set";
    return scan->host->fail(err, ECERT_E_COMMAND,
                            "the server's configuration is broken: %s -t "
                            "says (exit code %d): %.600s%s%s",
                            command, result->exit_code, said[0] == '\0' ? "nothing" : said, hint,
                            advice);
}

/* One run parses the configuration once and answers four questions. */
static enum ecert_status ask(const struct ecert_apache_scan *scan, struct ecert_apache_dump *ret,
                             struct ecert_error *err)
{
    static const char *const words[] = {
        "-t", "-D",           "DUMP_VHOSTS", "-D",           "DUMP_INCLUDES",
        "-D", "DUMP_RUN_CFG", "-D",          "DUMP_MODULES", NULL};
    const char *const *command = scan->host->setting_list(scan->job, "command");
    const char *const *argv = ecert_apache_command(scan->arena, command, words);
    struct ecert_command_result result = {0};

    if (argv == NULL)
        return scan->host->fail(err, ECERT_E_NOMEM, "out of memory");
    ECERT_APACHE_TRY(scan->host->run(scan->job, argv, &result, err));
    if (result.exit_code != 0)
        return pass_on(scan, command[0], &result, err);
    if (!ecert_apache_dump_parse(scan->arena, result.out, ret))
        return scan->host->fail(err, ECERT_E_NOMEM, "out of memory");
    if (ECERT_HOST_HAS(scan->host, forget)) /* the dump has copies */
        scan->host->forget(scan->job, result.out);
    if (ret->n_nodes == 0)
        return scan->host->fail(err, ECERT_E_COMMAND,
                                "'%s -t -D DUMP_INCLUDES' names no configuration file; is it the "
                                "control command of an Apache httpd 2.4?",
                                command[0]);
    return ECERT_OK;
}

/* ---- the plan -------------------------------------------------------------------------------- */

static enum ecert_status make_wish(const struct ecert_host *host, struct ecert_job *job,
                                   struct ecert_apache_wish *ret, struct ecert_error *err)
{
    const char *full = host->path(job, ECERT_MATERIAL_FULLCHAIN);
    const struct ecert_apache_wish wish = {
        .certificate = full != NULL ? full : host->path(job, ECERT_MATERIAL_CERTIFICATE),
        .key = host->path(job, ECERT_MATERIAL_KEY),
        .chain = full != NULL ? NULL : host->path(job, ECERT_MATERIAL_CHAIN),
        .key_type = host->leaf(job)->key_type,
    };

    if (wish.certificate == NULL || (full == NULL && wish.chain == NULL))
        return host->fail(err, ECERT_E_CONFIG,
                          "the target's 'files' name no complete chain; add 'fullchain', or both "
                          "'certificate' and 'chain'");
    *ret = wish;
    return ECERT_OK;
}

/*
 * An encrypted key, and a server that would ask the terminal for its passphrase: at the reload
 * there is none, and the server would end.  The directive is the server level's alone.
 */
static enum ecert_status check_dialog(const struct ecert_apache_scan *scan,
                                      const struct ecert_apache_wish *wish, struct ecert_error *err)
{
    const struct ecert_host *host = scan->host;
    const struct ecert_apache_use *dialog =
        ecert_apache_use_last(&scan->server, ECERT_APACHE_DIALOG);

    if (wish->key == NULL || !ECERT_HOST_HAS(host, key_is_encrypted) ||
        !host->key_is_encrypted(scan->job))
        return ECERT_OK;
    if (dialog != NULL && (strncasecmp(dialog->value, "exec:", 5) == 0 || dialog->value[0] == '|'))
        return ECERT_OK;
    return host->fail(err, ECERT_E_CONFIG,
                      "the key of '%s' is encrypted, and the server could not open it%s%s%s: write "
                      "\"SSLPassPhraseDialog exec:PROGRAM\" into the server's configuration, "
                      "outside of every <VirtualHost>, where PROGRAM prints the passphrase",
                      host->certificate(scan->job), dialog == NULL ? "" : " (it has '",
                      dialog == NULL ? "" : dialog->value, dialog == NULL ? "" : "')");
}

/* Does the <VirtualHost> of the macro make one that is not taken, too? */
static bool makes_others(const struct ecert_apache_scan *scan,
                         const struct ecert_apache_verdict *verdicts, size_t i)
{
    const struct ecert_apache_host *host = scan->blocks[i].host;

    for (size_t k = 0; k < scan->n_blocks; k++) {
        const struct ecert_apache_host *other = scan->blocks[k].host;
        if (!verdicts[k].taken && other->macro && other->line == host->line &&
            other->macro_line == host->macro_line && strcmp(other->file, host->file) == 0)
            return true;
    }
    return false;
}

/* A macro makes many virtual hosts: it is never edited, but it may name the right files already. */
static enum ecert_status check_macro(const struct ecert_apache_changes *changes, size_t n_before,
                                     const struct ecert_apache_verdict *verdicts, size_t i,
                                     struct ecert_error *err)
{
    const struct ecert_apache_wish *wish = &changes->wish;
    const struct ecert_apache_block *block = &changes->scan->blocks[i];

    if (!block->host->macro || changes->edits.n == n_before)
        return ECERT_OK;
    return changes->scan->host->fail(
        err, ECERT_E_CONFIG,
        "virtual host '%.100s' is made by a %.400s; macros are not edited: %swrite \"SSLEngine "
        "on\", "
        "\"SSLCertificateFile %s\", \"SSLCertificateKeyFile %s\" there, and %s%s",
        block->host->names[0], block->host->place,
        makes_others(changes->scan, verdicts, i) ? "this one makes virtual hosts of other names "
                                                   "too, so give this name a <VirtualHost> of "
                                                   "its own instead of its Use, and "
                                                 : "",
        wish->certificate, wish->key != NULL ? wish->key : "...",
        wish->chain != NULL ? "SSLCertificateChainFile " : "no SSLCertificateChainFile",
        wish->chain != NULL ? wish->chain : "");
}

/* The same lines may make another virtual host, where the file is read by another path too. */
static enum ecert_status check_twin(const struct ecert_apache_changes *changes, size_t n_before,
                                    const struct ecert_apache_block *block, struct ecert_error *err)
{
    const struct ecert_apache_block *twin = NULL;

    for (size_t i = n_before; i < changes->edits.n && twin == NULL; i++)
        if (strcmp(changes->edits.edits[i].path, block->host->file) == 0)
            twin = ecert_apache_find_twin(changes->scan, block);
    if (twin == NULL)
        return ECERT_OK;
    return changes->scan->host->fail(
        err, ECERT_E_CONFIG,
        "the virtual host '%.200s' (%.400s) and '%.200s' (%.400s), which is not changed, are the "
        "same lines of one file; give each of them a file of its own",
        block->host->names[0], block->host->place, twin->host->names[0], twin->host->place);
}

static enum ecert_status change_all(struct ecert_apache_changes *changes,
                                    const struct ecert_apache_verdict *verdicts,
                                    struct ecert_error *err)
{
    struct ecert_apache_scan *scan = changes->scan;
    bool *chosen = ecert_arena_alloc(scan->arena, scan->n_blocks + 1);

    if (chosen == NULL)
        return scan->host->fail(err, ECERT_E_NOMEM, "out of memory");
    for (size_t i = 0; i < scan->n_blocks; i++)
        chosen[i] = verdicts[i].taken;
    ecert_apache_find_shared(scan, chosen);
    for (size_t i = 0; i < scan->n_blocks; i++) {
        const size_t n_before = changes->edits.n;
        if (!chosen[i])
            continue;
        ECERT_APACHE_TRY(ecert_apache_change(changes, &scan->blocks[i], err));
        ECERT_APACHE_TRY(check_macro(changes, n_before, verdicts, i, err));
        ECERT_APACHE_TRY(check_twin(changes, n_before, &scan->blocks[i], err));
    }
    return ecert_apache_edits_emit(scan->host, scan->job, &changes->edits, err);
}

/* Each virtual host, with what becomes of it; those that are added too. */
static enum ecert_status emit_sites(struct ecert_apache_scan *scan,
                                    const struct ecert_apache_verdict *verdicts,
                                    const struct ecert_apache_creations *creations,
                                    struct ecert_error *err)
{
    struct ecert_left_out left_out = {0};

    if (!ECERT_HOST_HAS(scan->host, emit_site))
        return ECERT_OK;
    for (size_t i = 0; i < scan->n_blocks; i++)
        ECERT_APACHE_TRY(
            ecert_apache_site_emit(scan, &scan->blocks[i], &verdicts[i], false, &left_out, err));
    for (size_t i = 0; i < creations->n; i++) {
        struct ecert_apache_block block = {.host = &creations->list[i].host};
        const struct ecert_apache_verdict verdict = {.taken = true, .why = creations->list[i].why};
        ECERT_APACHE_TRY(ecert_apache_site_emit(scan, &block, &verdict, false, &left_out, err));
    }
    ECERT_APACHE_TRY(ecert_apache_main_emit(scan, true, err));
    return ecert_names_note(&left_out, scan->host, scan->job, err);
}

static bool is_set(const struct ecert_apache_scan *scan, const char *setting)
{
    const char *value = scan->host->setting(scan->job, setting);

    return value != NULL && strcmp(value, "true") == 0;
}

/* The choice, told whether it can be carried out or not. */
static enum ecert_status choose(struct ecert_apache_changes *changes,
                                struct ecert_apache_verdict **ret_verdicts,
                                struct ecert_apache_creations *ret_creations,
                                struct ecert_error *err)
{
    static const struct ecert_apache_creations none = {0};
    struct ecert_apache_scan *scan = changes->scan;
    struct ecert_apache_names names = {.everywhere = is_set(scan, "everywhere_it_was")};
    struct ecert_error ignored = {0};
    enum ecert_status status = ECERT_OK;

    names.list = scan->host->server_names(scan->job, &names.is_explicit);
    if (is_set(scan, "create")) {
        status = ecert_apache_create(changes, names.list, ret_creations, err);
        names.creations = status == ECERT_OK ? ret_creations : NULL;
    }
    const enum ecert_status chosen = ecert_apache_choose(scan, &names, &changes->wish, ret_verdicts,
                                                         status == ECERT_OK ? err : &ignored);
    status = status == ECERT_OK ? chosen : status;
    if (status == ECERT_OK)
        return emit_sites(scan, *ret_verdicts, ret_creations, err);
    if (*ret_verdicts != NULL)
        (void)emit_sites(scan, *ret_verdicts, &none, &ignored);
    return status;
}

/* More than a plan takes: the same configuration gives the others the same certificate. */
static enum ecert_status note_unseen(const struct ecert_apache_scan *scan, struct ecert_error *err)
{
    if (scan->n_probes <= ECERT_APACHE_MAX_PROBES)
        return ECERT_OK;
    const char *text =
        ecert_arena_text(scan->arena, "of %zu sockets and names the first %zu are looked at",
                         scan->n_probes, ECERT_APACHE_MAX_PROBES);
    return text == NULL ? scan->host->fail(err, ECERT_E_NOMEM, "out of memory")
                        : scan->host->emit_note(scan->job, text, err);
}

static enum ecert_status plan_in(struct ecert_arena *arena, const struct ecert_host *host,
                                 struct ecert_job *job, struct ecert_error *err)
{
    struct ecert_apache_dump dump = {0};
    struct ecert_apache_scan scan = {.host = host, .job = job, .arena = arena, .dump = &dump};
    struct ecert_apache_changes changes = {.scan = &scan};
    struct ecert_apache_verdict *verdicts = NULL;
    struct ecert_apache_creations creations = {0};

    ECERT_APACHE_TRY(make_wish(host, job, &changes.wish, err));
    ECERT_APACHE_TRY(ask(&scan, &dump, err));
    ECERT_APACHE_TRY(ecert_apache_scan_run(&scan, err));
    ECERT_APACHE_TRY(choose(&changes, &verdicts, &creations, err));
    ECERT_APACHE_TRY(check_dialog(&scan, &changes.wish, err));
    ECERT_APACHE_TRY(change_all(&changes, verdicts, err));
    ECERT_APACHE_TRY(ecert_apache_emit_service(&scan, err));
    for (size_t i = 0; i < scan.n_blocks; i++)
        if (verdicts[i].taken)
            ECERT_APACHE_TRY(
                ecert_apache_emit_probes(&scan, &scan.blocks[i], verdicts[i].name, err));
    for (size_t i = 0; i < creations.n; i++) {
        const struct ecert_apache_block block = {.host = &creations.list[i].host};
        ECERT_APACHE_TRY(ecert_apache_emit_probes(&scan, &block, creations.list[i].name, err));
    }
    return note_unseen(&scan, err);
}

static enum ecert_status plan(const struct ecert_host *host, struct ecert_job *job,
                              struct ecert_error *err)
{
    struct ecert_arena arena = {0};
    const enum ecert_status status = plan_in(&arena, host, job, err);

    ecert_arena_clear(&arena);
    return status;
}

static enum ecert_status discover_in(struct ecert_arena *arena, const struct ecert_host *host,
                                     struct ecert_job *job, struct ecert_error *err)
{
    struct ecert_apache_dump dump = {0};
    struct ecert_apache_scan scan = {.host = host, .job = job, .arena = arena, .dump = &dump};

    ECERT_APACHE_TRY(ask(&scan, &dump, err));
    ECERT_APACHE_TRY(ecert_apache_scan_run(&scan, err));
    return ecert_apache_discover(&scan, err);
}

static enum ecert_status discover(const struct ecert_host *host, struct ecert_job *job,
                                  struct ecert_error *err)
{
    struct ecert_arena arena = {0};
    const enum ecert_status status = discover_in(&arena, host, job, err);

    ecert_arena_clear(&arena);
    return status;
}

const struct ecert_plugin ecert_plugin = {
    .abi = ECERT_PLUGIN_ABI,
    .size = sizeof(struct ecert_plugin),
    .name = "apache",
    .version = "1.0",
    .summary = "TLS virtual hosts of Apache httpd 2.4",
    .settings = settings,
    .plan = plan,
    .discover = discover,
    .may_write = may_write,
    .programs = programs,
};
