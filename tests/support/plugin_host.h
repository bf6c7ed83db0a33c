/*
 * A host table for unit tests of plugins: reads the real file system, runs real commands, and
 * records what the plugin emitted instead of carrying it out.
 *
 * Fill in `struct test_job` (everything borrowed), call plugin->plan(&test_host, (struct ecert_job
 * *)job, &err), look at the recorded arrays, then test_job_clear().
 */
#ifndef ECERT_TESTS_PLUGIN_HOST_H
#define ECERT_TESTS_PLUGIN_HOST_H

#include <ecert/plugin.h>

/* A setting: `value` for strings, `list` for lists and commands. */
struct test_setting {
    const char *name;
    const char *value;
    const char *const *list;
};

struct test_file {
    char *path;
    uint8_t *content;
    size_t len;
    uint8_t *expected; /* NULL: the plugin said that there is no such file */
    size_t expected_len;
    bool secret;
    int64_t uid, gid;
    int32_t mode;
};

struct test_probe {
    char *address;
    uint16_t port;
    char *server_name; /* NULL: none */
    char *starttls;
};

struct test_job {
    /* in: what the job answers */
    const struct ecert_plugin *plugin;   /* for the defaults of its settings */
    const char *certificate;             /* default "www.example.test" */
    const char *target;                  /* default the plugin's name */
    const char *const *server_names;     /* NULL: leaf.dns_names, not explicit */
    const struct test_setting *settings; /* ends with name NULL; may be NULL */
    const char *paths[ECERT_MATERIAL_COUNT];
    bool key_is_encrypted;
    struct ecert_view materials[ECERT_MATERIAL_COUNT];
    struct ecert_leaf_facts leaf;

    /* out: what the plugin emitted */
    struct test_file files[64];
    size_t n_files;
    char **test_argv; /* of the last emit_test */
    char **test_scratch;
    size_t n_tests;
    char *service, **reload, **start, *pid_file, *executable;
    size_t n_activations;
    struct test_probe probes[64];
    size_t n_probes;
    char **sites;    /* one text each, see test_job_site() */
    char **verdicts; /* of the same sites, see test_job_verdict() */
    size_t n_sites;
    char *notes[256];
    size_t n_notes;
    size_t n_runs; /* commands that the plugin ran */

    void **owned; /* what the host returned; released by test_job_clear() */
    size_t n_owned;
};

extern const struct ecert_host test_host;

void test_job_clear(struct test_job *job);

/* The recorded file with this path, or NULL. */
const struct test_file *test_job_file(const struct test_job *job, const char *path);

/*
 * The recorded site whose first name this is: "KIND NAME,NAME FILE:LINE CERTIFICATE KEY CHAIN
 * on|ready|off ADDRESS:PORT,...", "-" for what is NULL or empty; NULL: none.
 */
const char *test_job_site(const struct test_job *job, const char *name);

/*
 * What becomes of that site: "takes: WHY" or "leaves: WHY", "-" where there is no reason; NULL: no
 * such site.
 */
const char *test_job_verdict(const struct test_job *job, const char *name);

/* True if one of the notes contains these words. */
bool test_job_noted(const struct test_job *job, const char *words);

#endif
