/*
 * iis-export: the files that an operator carries to a Windows server with IIS.
 *
 * With a key on this host: NAME.pfx (leaf, key, chain) and NAME.password.txt.  With a key that
 * was made in IIS: NAME.p7b for "Complete Certificate Request".  In both cases Install-NAME.ps1,
 * NAME-README.txt and NAME-SHA256SUMS.  Nothing is tested, activated or probed: the server is
 * another host, and a person carries the files there.
 *
 * A PKCS#12 file is random in every build.  One that is there already and holds exactly what the
 * new one would is kept, and everything else is a function of its inputs: a deployment without a
 * change emits no record.
 */
#include <ecert/plugin.h>

#include "plugins/iis-export/password.h"
#include "plugins/iis-export/pkcs12.h"
#include "plugins/iis-export/script.h"
#include "plugins/iis-export/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FILE_MAX_LEN (1024u * 1024u)

static const struct ecert_setting settings[] = {
    {"directory", ECERT_SETTING_OUTPUT_DIRECTORY, true, NULL,
     "existing directory for the files, best one for each certificate"},
    {"profile", ECERT_SETTING_STRING, false, "modern",
     "\"modern\" (AES-256, SHA-256: Windows Server 2019 and later) or \"windows-2016\" (3DES, "
     "SHA-1: older ones too)"},
    {"password_file", ECERT_SETTING_PATH, false, NULL,
     "file with the password of the .pfx on its first line; by default NAME.password.txt in "
     "'directory', made if absent"},
    {"site", ECERT_SETTING_STRING, false, NULL,
     "IIS site that the script binds the certificate to; without it the script only replaces "
     "bindings of older certificates"},
    {"port", ECERT_SETTING_INTEGER, false, "443", "port of the site's https binding"},
    {"host_header", ECERT_SETTING_STRING, false, NULL,
     "host name of the site's https binding, with SNI"},
    {NULL, 0, false, NULL, NULL},
};

/* One plan being made; `export` borrows from the rest. */
struct making {
    const struct ecert_host *host;
    struct ecert_job *job;
    const char *directory;
    const struct ecert_iis_profile *profile;
    struct ecert_iis_identity identity;
    struct ecert_iis_password password;
    struct ecert_iis_old old;
    struct ecert_iis_export export;
    char *stem;
    char *container_path, *password_path, *script_path, *readme_path, *sums_path;
    char end_date[16];
    char friendly_name[300];
    char sha256[65];
    struct ecert_iis_der built;  /* a container made now */
    struct ecert_view container; /* what the file shall hold: `built`, or what is there */
    struct ecert_iis_text script, readme, sums;
    size_t n_changed; /* files emitted */
};

static void making_clear(struct making *m)
{
    ecert_iis_identity_clear(&m->identity);
    ecert_iis_password_clear(&m->password);
    ecert_iis_der_clear(&m->built);
    ecert_iis_text_clear(&m->script);
    ecert_iis_text_clear(&m->readme);
    ecert_iis_text_clear(&m->sums);
    free(m->stem);
    free(m->container_path);
    free(m->password_path);
    free(m->script_path);
    free(m->readme_path);
    free(m->sums_path);
    *m = (struct making){0};
}

/* ---- the file system, through the host ----------------------------------------------------------
 */

/* The file's bytes; ptr is NULL where there is no such file. */
static enum ecert_status read_present(const struct making *m, const char *path,
                                      struct ecert_view *ret, struct ecert_error *err)
{
    static const uint8_t empty[1];
    struct ecert_view content = {0};
    const enum ecert_status status = m->host->read_file(m->job, path, FILE_MAX_LEN, &content, err);

    if (status == ECERT_E_NOT_FOUND) {
        *ret = (struct ecert_view){0};
        return ECERT_OK;
    }
    if (status != ECERT_OK)
        return status;
    /* an empty file is there all the same: only a NULL says that it is not */
    *ret = content.ptr == NULL ? (struct ecert_view){empty, 0} : content;
    return ECERT_OK;
}

/* The core writes into directories that exist; say so before it has to refuse. */
static enum ecert_status check_directory(const struct making *m, struct ecert_error *err)
{
    char pattern[2 * 4096];
    size_t n = 0;
    const char *const *found = NULL;

    for (const char *c = m->directory; *c != '\0' && n + 4 < sizeof pattern; c++) {
        if (strchr("*?[]\\", *c) != NULL)
            pattern[n++] = '\\';
        pattern[n++] = *c;
    }
    memcpy(pattern + n, "/.", 3); /* only a directory has a "." */

    const enum ecert_status status = m->host->glob(m->job, pattern, &found, err);
    if (status != ECERT_OK)
        return status;
    if (found[0] == NULL)
        return m->host->fail(err, ECERT_E_CONFIG,
                             "the directory '%s' does not exist; make it, with rights for those "
                             "alone who may have the private key",
                             m->directory);
    return ECERT_OK;
}

/* Emit a file unless it holds these bytes already. */
static enum ecert_status emit_if_changed(struct making *m, const char *path,
                                         struct ecert_view content, bool secret,
                                         struct ecert_error *err)
{
    struct ecert_view present = {0};
    const enum ecert_status status = read_present(m, path, &present, err);
    const struct ecert_file_record record = {
        .size = sizeof record,
        .path = path,
        .content = content,
        .expected = present,
        .secret = secret,
        .uid = -1,
        .gid = -1,
        .mode = -1,
    };

    if (status != ECERT_OK)
        return status;
    if (present.ptr != NULL && present.len == content.len &&
        memcmp(present.ptr, content.ptr, content.len) == 0)
        return ECERT_OK;
    m->n_changed++;
    return m->host->emit_file(m->job, &record, err);
}

static struct ecert_view text_view(const struct ecert_iis_text *text)
{
    return (struct ecert_view){(const uint8_t *)text->ptr, text->len};
}

/* ---- the settings -------------------------------------------------------------------------------
 */

static const char *setting_or_empty(const struct making *m, const char *name)
{
    const char *value = m->host->setting(m->job, name);

    return value == NULL ? "" : value;
}

static enum ecert_status read_port(struct making *m, struct ecert_error *err)
{
    const char *text = setting_or_empty(m, "port");
    char *end = NULL;
    const long port = strtol(text, &end, 10);

    if (*text == '\0' || *end != '\0' || port < 1 || port > 65535)
        return m->host->fail(err, ECERT_E_CONFIG, "port '%s' is not a number from 1 to 65535",
                             text);
    m->export.port = (unsigned)port;
    return ECERT_OK;
}

static enum ecert_status read_settings(struct making *m, struct ecert_error *err)
{
    const char *profile = setting_or_empty(m, "profile");

    m->directory = setting_or_empty(m, "directory");
    m->export.site = setting_or_empty(m, "site");
    m->export.host_header = setting_or_empty(m, "host_header");
    m->profile = ecert_iis_profile_find(profile);
    if (m->profile == NULL)
        return m->host->fail(err, ECERT_E_CONFIG,
                             "profile '%s' is not known; write \"modern\" or \"windows-2016\"",
                             profile);
    if (*m->export.host_header != '\0' && *m->export.site == '\0')
        return m->host->fail(err, ECERT_E_CONFIG,
                             "'host_header' is set but 'site' is not; name the IIS site, or leave "
                             "both out");
    const enum ecert_status status = read_port(m, err);
    return status == ECERT_OK ? check_directory(m, err) : status;
}

/* ---- names --------------------------------------------------------------------------------------
 */

static bool make_path(const struct making *m, char **ret, const char *before, const char *after)
{
    if (asprintf(ret, "%s/%s%s%s", m->directory, before, m->stem, after) >= 0)
        return true;
    *ret = NULL;
    return false;
}

static const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash == NULL ? path : slash + 1;
}

static bool make_paths(struct making *m)
{
    const char *given = m->host->setting(m->job, "password_file");

    if (given != NULL)
        m->password_path = strdup(given);
    else if (!make_path(m, &m->password_path, "", ".password.txt"))
        return false;
    return m->password_path != NULL &&
           make_path(m, &m->container_path, "", m->export.has_key ? ".pfx" : ".p7b") &&
           make_path(m, &m->script_path, "Install-", ".ps1") &&
           make_path(m, &m->readme_path, "", "-README.txt") &&
           make_path(m, &m->sums_path, "", "-SHA256SUMS");
}

static enum ecert_status make_names(struct making *m, struct ecert_error *err)
{
    const struct ecert_leaf_facts *leaf = m->host->leaf(m->job);
    const char *certificate = m->host->certificate(m->job);
    const time_t end = (time_t)leaf->not_after;
    struct tm tm = {0};
    const enum ecert_status status = ecert_iis_stem(m->host, certificate, &m->stem, err);

    if (status != ECERT_OK)
        return status;
    if (!make_paths(m))
        return m->host->fail(err, ECERT_E_NOMEM, "out of memory");
    if (gmtime_r(&end, &tm) == NULL ||
        strftime(m->end_date, sizeof m->end_date, "%Y-%m-%d", &tm) == 0)
        return m->host->fail(err, ECERT_E_CRYPTO, "the certificate's end date is out of range");
    (void)snprintf(m->friendly_name, sizeof m->friendly_name, "%s until %s", certificate,
                   m->end_date);
    m->export.certificate = certificate;
    m->export.stem = m->stem;
    m->export.container = file_name(m->container_path);
    m->export.password_name = file_name(m->password_path);
    m->export.profile_readers = m->profile->readers;
    m->export.friendly_name = m->friendly_name;
    m->export.end_date = m->end_date;
    m->export.thumbprint = leaf->sha1;
    m->export.dns_names = leaf->dns_names;
    m->export.intermediates = m->identity.chain;
    m->export.sha256 = m->sha256;
    m->export.old = &m->old;
    return ECERT_OK;
}

/* ---- the parts ----------------------------------------------------------------------------------
 */

static enum ecert_status read_identity(struct making *m, struct ecert_error *err)
{
    const struct ecert_view key = m->host->material(m->job, ECERT_MATERIAL_KEY);

    m->export.has_key = key.ptr != NULL;
    return ecert_iis_identity_parse(
        m->host, key, m->host->material(m->job, ECERT_MATERIAL_CERTIFICATE),
        m->host->material(m->job, ECERT_MATERIAL_CHAIN), &m->identity, err);
}

/* Emit the password's file; where the core refuses, the operator has to make it. */
static enum ecert_status emit_password(struct making *m, struct ecert_error *err)
{
    char line[sizeof m->password.text + 1];
    const int len = snprintf(line, sizeof line, "%s\n", m->password.text);
    const struct ecert_file_record record = {
        .size = sizeof record,
        .path = m->password_path,
        .content = {(const uint8_t *)line, (size_t)len},
        .secret = true,
        .uid = -1,
        .gid = -1,
        .mode = 0600,
    };
    const enum ecert_status status = m->host->emit_file(m->job, &record, err);

    explicit_bzero(line, sizeof line);
    m->n_changed++;
    if (status != ECERT_OK) {
        const struct ecert_error inner = *err;

        return m->host->fail(err, status,
                             "the password file '%s' does not exist and cannot be made here; make "
                             "it with the password on its first line: %.500s",
                             m->password_path, inner.text);
    }
    return ECERT_OK;
}

static enum ecert_status get_password(struct making *m, struct ecert_error *err)
{
    struct ecert_view present = {0};
    enum ecert_status status = read_present(m, m->password_path, &present, err);

    if (status != ECERT_OK)
        return status;
    if (present.ptr != NULL)
        return ecert_iis_password_parse(m->host, present, m->password_path, &m->password, err);
    status = ecert_iis_password_generate(m->host, &m->password, err);
    return status == ECERT_OK ? emit_password(m, err) : status;
}

static enum ecert_status make_pfx(struct making *m, struct ecert_error *err)
{
    struct ecert_view present = {0};
    enum ecert_status status = get_password(m, err);

    if (status == ECERT_OK)
        status = read_present(m, m->container_path, &present, err);
    if (status != ECERT_OK)
        return status;
    if (present.ptr != NULL && ecert_iis_pkcs12_check(present, &m->identity, m->profile,
                                                      m->password.text, m->friendly_name) == NULL) {
        m->container = present;
        return ECERT_OK;
    }
    return ecert_iis_pkcs12_build(m->host, &m->identity, m->profile, m->password.text,
                                  m->friendly_name, &m->built, err);
}

static enum ecert_status make_container(struct making *m, struct ecert_error *err)
{
    const enum ecert_status status =
        m->export.has_key ? make_pfx(m, err)
                          : ecert_iis_pkcs7_build(m->host, &m->identity, &m->built, err);

    if (status != ECERT_OK)
        return status;
    if (m->built.ptr != NULL)
        m->container = (struct ecert_view){m->built.ptr, m->built.len};
    return ecert_iis_sha256(m->host, m->container, m->sha256, err);
}

static enum ecert_status make_script(struct making *m, struct ecert_error *err)
{
    const struct ecert_leaf_facts *leaf = m->host->leaf(m->job);
    struct ecert_view present = {0};
    const enum ecert_status status = read_present(m, m->script_path, &present, err);

    if (status != ECERT_OK)
        return status;
    ecert_iis_script_old(present, leaf->replaced_sha1, leaf->sha1, &m->old);
    return ecert_iis_script(m->host, &m->export, &m->script, err);
}

static enum ecert_status make_sums(struct making *m, struct ecert_error *err)
{
    const struct ecert_iis_summed files[] = {
        {m->export.container, m->container},
        {file_name(m->script_path), text_view(&m->script)},
        {file_name(m->readme_path), text_view(&m->readme)},
    };

    return ecert_iis_sums(m->host, files, sizeof files / sizeof *files, &m->sums, err);
}

static enum ecert_status make_all(struct making *m, struct ecert_error *err)
{
    enum ecert_status status = read_settings(m, err);

    if (status == ECERT_OK)
        status = read_identity(m, err);
    if (status == ECERT_OK)
        status = make_names(m, err);
    if (status == ECERT_OK)
        status = make_container(m, err);
    if (status == ECERT_OK)
        status = make_script(m, err);
    if (status == ECERT_OK)
        status = ecert_iis_readme(m->host, &m->export, &m->readme, err);
    return status == ECERT_OK ? make_sums(m, err) : status;
}

/* ---- the plan -----------------------------------------------------------------------------------
 */

static enum ecert_status emit_next_step(const struct making *m, struct ecert_error *err)
{
    char text[1024];

    (void)snprintf(
        text, sizeof text,
        "the files for IIS are in '%s'; next, by hand: copy %s%s%s and %s to the Windows "
        "server and run the script there as administrator (%s tells how)",
        m->directory, m->export.container, m->export.has_key ? ", " : "",
        m->export.has_key ? m->export.password_name : "", file_name(m->script_path),
        file_name(m->readme_path));
    const enum ecert_status status = m->host->emit_note(m->job, text, err);

    if (status != ECERT_OK || *m->export.site != '\0')
        return status;
    return m->host->emit_note(m->job,
                              "no 'site' is set: the script replaces bindings of older "
                              "certificates only, and adds none",
                              err);
}

static enum ecert_status emit_all(struct making *m, struct ecert_error *err)
{
    enum ecert_status status =
        emit_if_changed(m, m->container_path, m->container, m->export.has_key, err);

    if (status == ECERT_OK)
        status = emit_if_changed(m, m->script_path, text_view(&m->script), false, err);
    if (status == ECERT_OK)
        status = emit_if_changed(m, m->readme_path, text_view(&m->readme), false, err);
    if (status == ECERT_OK)
        status = emit_if_changed(m, m->sums_path, text_view(&m->sums), false, err);
    if (status != ECERT_OK || m->n_changed == 0)
        return status; /* nothing new: nobody has to carry anything */
    return emit_next_step(m, err);
}

static enum ecert_status plan(const struct ecert_host *host, struct ecert_job *job,
                              struct ecert_error *err)
{
    struct making m = {.host = host, .job = job};
    enum ecert_status status = make_all(&m, err);

    if (status == ECERT_OK)
        status = emit_all(&m, err);
    making_clear(&m);
    return status;
}

const struct ecert_plugin ecert_plugin = {
    .abi = ECERT_PLUGIN_ABI,
    .size = sizeof(struct ecert_plugin),
    .name = "iis-export",
    .version = "1.0",
    .summary = "files and a script for a Windows server with IIS",
    .settings = settings,
    .needs = ECERT_NEEDS_PRIVATE_KEY,
    .plan = plan,
};
