#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/clock.h"
#include "core/base/fs.h"
#include "core/flow/certificate.h"
#include "core/flow/settings.h"
#include "core/flow/store.h"
#include "tests/unit/monitor/monitor_site.h"

/* ---- servers, in the place of core/flow/network_probe.c ---- */

/* cmocka runs one test after the other. */
static struct site *now_at;

void ecert_seen_clear(struct ecert_seen *seen)
{
    free(seen->why_not);
    ecert_auto_x509_stack(&seen->certificates);
    *seen = (struct ecert_seen){0};
}

void ecert_network_knows(struct ecert_network *network, const X509 *certificate)
{
    (void)network;
    (void)certificate;
}

static void answer(const struct ecert_probe *probe, const char *key_type, struct ecert_seen *seen)
{
    for (size_t i = 0; i < now_at->n_servers; i++) {
        if (strcmp(now_at->servers[i].address, probe->address) != 0 ||
            (now_at->servers[i].key_type != NULL && key_type != NULL &&
             strcmp(now_at->servers[i].key_type, key_type) != 0))
            continue;
        seen->answered = true;
        seen->certificates = fixture_stack(
            now_at->n_looks <= now_at->n_old_looks ? now_at->old_leaf : now_at->servers[i].leaf,
            now_at->servers[i].issuer, NULL);
        return;
    }
    seen->why_not = strdup("connection refused");
}

enum ecert_status ecert_network_probe_all(struct ecert_network *network,
                                          const struct ecert_probe *probes, size_t n,
                                          const char *key_type, unsigned timeout_ms,
                                          ecert_network_progress_fn *progress, void *context,
                                          struct ecert_seen *ret, struct ecert_error *err)
{
    (void)network;
    assert_true(timeout_ms > 0);
    now_at->n_looks++;
    now_at->n_probed += n;
    if (now_at->network_is_broken)
        return ecert_error_set(err, ECERT_E_NETWORK, "ecert-net cannot be started");
    for (size_t i = 0; i < n; i++) {
        answer(&probes[i], key_type, &ret[i]);
        if (progress != NULL)
            progress(context, i + 1, n);
    }
    return ECERT_OK;
}

/* What the rest of the library links; the monitor has no use for it. */
enum ecert_status ecert_network_probe(struct ecert_network *network,
                                      const struct ecert_probe *probes, size_t n,
                                      const char *key_type, unsigned timeout_ms,
                                      struct ecert_seen *ret, struct ecert_error *err)
{
    return ecert_network_probe_all(network, probes, n, key_type, timeout_ms, NULL, NULL, ret, err);
}

enum ecert_status ecert_ocsp_ask(const struct ecert_authority *authority,
                                 struct ecert_network *network, X509 *leaf, X509 *issuer,
                                 struct ecert_ocsp_answer *ret, struct ecert_error *err)
{
    (void)network;
    assert_true(authority->ocsp.len > 0);
    assert_true(ecert_chain_is_issuer(issuer, leaf));
    now_at->n_ocsp++;
    if (now_at->ocsp_status != ECERT_OK)
        return ecert_error_set(err, now_at->ocsp_status, "'%s' declined", authority->ocsp.items[0]);
    *ret = (struct ecert_ocsp_answer){.revoked = now_at->ocsp};
    return ECERT_OK;
}

void site_serve(struct site *s, const char *address, const char *key_type, X509 *leaf, X509 *issuer)
{
    assert_true(s->n_servers < SERVERS_MAX);
    s->servers[s->n_servers++] = (struct site_server){address, key_type, leaf, issuer};
}

/* ---- a configuration with what belongs to it ---- */

char *site_text(const char *fmt, ...)
{
    va_list args;
    char *ret = NULL;

    va_start(args, fmt);
    assert_true(vasprintf(&ret, fmt, args) > 0);
    va_end(args);
    return ret;
}

void site_write_text(struct site *s, const char *name, const char *content)
{
    char *path = test_file_write(s->folder, name, ecert_view_of(content), 0600);

    free(path);
}

void site_write_pem(struct site *s, const char *name, const X509 *certificate)
{
    struct ecert_bytes pem = test_certificate_pem(certificate);
    char *path = test_file_write(s->folder, name, ecert_bytes_view(&pem), 0600);

    free(path);
    ecert_bytes_clear(&pem);
}

void site_write_profile(struct site *s, const char *more)
{
    const struct ecert_authority_intermediate *sub = &s->f->authority.intermediates[0];
    char *profile =
        site_text("name = \"Test\";\n"
                  "anchors = ( { file = \"%s/root.pem\"; } );\n"
                  "intermediates = ( { subject = \"%s\"; sha256 = \"%s\"; serial = \"%s\";\n"
                  "  revoked = [ \"%s\" ]; } );\n"
                  "crls = [ \"%s\", \"%s\" ];\nhosts = [ \"crl1.test\" ];\n%s",
                  s->folder, sub->subject, sub->sha256, sub->serial, sub->revoked.items[0],
                  FIXTURE_ROOT_CRL, FIXTURE_SUB_CRL, more);

    site_write_text(s, "authorities/test.conf", profile);
    free(profile);
}

struct ecert_certificate_config *site_add_certificate(struct site *s, const char *name)
{
    struct ecert_certificate_config *entry = &s->certificates[s->config.n_certificates];

    assert_true(s->config.n_certificates < ENTRIES_MAX);
    entry->name = strdup(name);
    entry->authority = strdup("test");
    entry->key.place = ECERT_KEY_IIS; /* no key here */
    entry->file = strdup("/etc/ecert/ecert.conf");
    entry->line = (unsigned)(10 * ++s->config.n_certificates);
    return entry;
}

struct ecert_watch_config *site_add_watch(struct site *s, const char *name)
{
    assert_true(s->config.n_watches < ENTRIES_MAX);
    struct ecert_watch_config *watch = &s->watches[s->config.n_watches++];
    watch->name = strdup(name);
    return watch;
}

void site_serve_sub_crl(struct site *s, const char *const *serials)
{
    X509_CRL *crl = test_crl_make(s->f->sub, s->f->sub_key, serials, 0, 0);

    (void)fake_network_serve(FIXTURE_SUB_CRL, test_crl_der(crl));
    X509_CRL_free(crl);
}

int site_setup(void **state)
{
    struct site *s = calloc(1, sizeof *s);
    char *path = NULL;

    assert_non_null(s);
    s->f = fixture_make();
    s->folder = test_folder_make();
    path = site_text("%s/authorities", s->folder);
    assert_int_equal(mkdir(path, 0700), 0);
    s->config.authorities_dir = path;
    s->config.file = strdup("/etc/ecert/ecert.conf");
    s->config.state_dir = site_text("%s/state", s->folder);
    s->config.certificates = s->certificates;
    s->config.watches = s->watches;
    s->config.reminders.escalate_from = 7;
    assert_int_equal(ecert_store_prepare(s->config.state_dir, &s->err), ECERT_OK);
    site_write_pem(s, "root.pem", s->f->root);
    site_write_profile(s, "");
    site_serve_sub_crl(s, NULL);
    now_at = s;
    *state = s;
    return 0;
}

static void forget(struct site *s)
{
    for (size_t i = 0; i < s->n; i++)
        ecert_finding_clear(&s->found[i]);
    free(s->found);
    s->found = NULL;
    s->n = 0;
}

int site_teardown(void **state)
{
    struct site *s = *state;

    forget(s);
    for (size_t i = 0; i < ENTRIES_MAX; i++) {
        free(s->certificates[i].name);
        free(s->certificates[i].authority);
        free(s->certificates[i].file);
        free(s->certificates[i].subscription_ends);
        ecert_strings_clear(&s->certificates[i].settings.contacts);
        free(s->watches[i].name);
        free(s->watches[i].file);
        free(s->watches[i].glob);
        free(s->watches[i].endpoint);
        free(s->watches[i].server_name);
        free(s->watches[i].endpoints_file);
    }
    free(s->config.authorities_dir);
    free(s->config.file);
    free(s->config.state_dir);
    test_folder_remove(s->folder);
    fixture_free(s->f);
    free(s);
    return 0;
}

/* A leaf of the fixture's sub CA. */
X509 *site_make_leaf(struct site *s, EVP_PKEY *key, const char *serial, int64_t days)
{
    static const char *const names[] = {NAME, NULL};
    const int64_t now = ecert_clock_now();

    return test_certificate_make(&(struct test_certificate){.key = key,
                                                            .common_name = NAME,
                                                            .names = names,
                                                            .issuer = s->f->sub,
                                                            .issuer_key = s->f->sub_key,
                                                            .serial = serial,
                                                            .not_before = now - 100 * DAY,
                                                            .not_after = now + days * DAY + 3600,
                                                            .leaf_constraints = true});
}

/* The next generation; how it is numbered. */
unsigned site_issue(struct site *s, const char *name, X509 *leaf, X509 *issuer)
{
    struct ecert_bundle bundle = {.leaf = leaf, .chain = fixture_stack(issuer, NULL)};
    struct ecert_generation_facts facts = {0};
    bool added = false;

    assert_int_equal(ecert_store_add(s->config.state_dir, name, &bundle, &facts, &added, &s->err),
                     ECERT_OK);
    const unsigned number = facts.number;
    ecert_generation_facts_clear(&facts);
    ecert_auto_x509_stack(&bundle.chain);
    return number;
}

/* The first certificate has a target with files, and this generation is there, at this address. */
void site_deploy(struct site *s, unsigned generation, const X509 *leaf, const char *address)
{
    struct ecert_probe probe = {(char *)(uintptr_t)address, 443, s->certificates[0].name, NULL};
    struct ecert_target_state state = {.actual = generation,
                                       .tried_generation = generation,
                                       .deployed = ecert_clock_now(),
                                       .probes = &probe,
                                       .n_probes = address == NULL ? 0 : 1};

    s->target = (struct ecert_target_config){.plugin = (char *)(uintptr_t) "example",
                                             .id = (char *)(uintptr_t) "web",
                                             .has_files = true,
                                             .probe = true};
    s->certificates[0].targets = &s->target;
    s->certificates[0].n_targets = 1;
    ecert_certificate_sha256(leaf, state.actual_sha256);
    assert_int_equal(ecert_settings_fingerprint(&s->target, state.actual_settings, &s->err),
                     ECERT_OK);
    assert_int_equal(ecert_store_save_target(s->config.state_dir, s->certificates[0].name, "web",
                                             &state, &s->err),
                     ECERT_OK);
}

/* ---- running ---- */

static enum ecert_status collect(void *context, const struct ecert_finding *finding,
                                 struct ecert_error *err)
{
    struct site *s = context;

    s->found = reallocarray(s->found, s->n + 1, sizeof *s->found);
    assert_non_null(s->found);
    assert_non_null(finding->name);
    assert_non_null(finding->where);
    assert_int_equal(ecert_finding_copy(finding, &s->found[s->n], err), ECERT_OK);
    s->n++;
    return ECERT_OK;
}

static void note_progress(void *context, size_t done, size_t of)
{
    struct site *s = context;

    assert_true(done <= of);
    s->progress_of = of;
}

/* As ecert_context_init() makes it, without a program for the network: that is replaced. */
struct ecert_context site_context(const struct site *s)
{
    return (struct ecert_context){.config = &s->config, .network = {.fd = -1}};
}

enum ecert_status site_run_with(struct site *s, bool offline, const char *const *names)
{
    const struct ecert_monitor_options options = {
        .names = names, .offline = offline, .progress = note_progress, .progress_context = s};
    struct ecert_context context = site_context(s);

    forget(s);
    s->err = (struct ecert_error){0};
    const enum ecert_status status = ecert_monitor_run(&context, &options, collect, s, &s->err);
    ecert_context_clear(&context);
    return status;
}

void site_run(struct site *s, bool offline)
{
    assert_int_equal(site_run_with(s, offline, NULL), ECERT_OK);
}

size_t site_count(const struct site *s, enum ecert_watched watched, enum ecert_condition condition)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n; i++)
        n += s->found[i].watched == watched && s->found[i].condition == condition;
    return n;
}

/* The only one of this kind and condition. */
const struct ecert_finding *site_only(const struct site *s, enum ecert_watched watched,
                                      enum ecert_condition condition)
{
    const struct ecert_finding *found = NULL;

    if (site_count(s, watched, condition) != 1) {
        for (size_t i = 0; i < s->n; i++)
            print_message("%s %s: %s, %s (%s)\n", ecert_watched_word(s->found[i].watched),
                          ecert_condition_word(s->found[i].condition), s->found[i].name,
                          s->found[i].where, s->found[i].detail == NULL ? "" : s->found[i].detail);
        fail_msg("%zu findings %s %s", site_count(s, watched, condition),
                 ecert_watched_word(watched), ecert_condition_word(condition));
    }
    for (size_t i = 0; i < s->n; i++)
        if (s->found[i].watched == watched && s->found[i].condition == condition)
            found = &s->found[i];
    return found;
}

void site_says(const struct ecert_finding *finding, const char *where, const char *detail)
{
    assert_string_equal(finding->where, where);
    if (detail == NULL)
        assert_null(finding->detail);
    else if (finding->detail == NULL || strstr(finding->detail, detail) == NULL)
        fail_msg("'%s' instead of '%s'", finding->detail == NULL ? "" : finding->detail, detail);
}
