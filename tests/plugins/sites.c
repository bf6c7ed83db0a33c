/* Looks at as many sites as it is told to, and takes one; or fails because of some. */
#include <ecert/plugin.h>

#include <stdio.h>
#include <stdlib.h>

static const struct ecert_setting settings[] = {
    {"others", ECERT_SETTING_INTEGER, false, "3", "how many sites it leaves for the same reason"},
    {"refused", ECERT_SETTING_INTEGER, false, "0", "how many sites there are that it fails for"},
    {NULL, 0, false, NULL, NULL},
};

static enum ecert_status emit(const struct ecert_host *host, struct ecert_job *job,
                              const char *file, uint32_t line, const char *name, const char *why,
                              bool taken, struct ecert_error *err)
{
    const char *const names[] = {name, NULL};
    const struct ecert_site_record site = {.size = sizeof site,
                                           .kind = "server block",
                                           .names = names,
                                           .file = file,
                                           .line = line,
                                           .enabled = true,
                                           .tls = true,
                                           .taken = taken,
                                           .why = why};

    return host->emit_site(job, &site, err);
}

static enum ecert_status refuse(const struct ecert_host *host, struct ecert_job *job, uint32_t n,
                                struct ecert_error *err)
{
    for (uint32_t i = 1; i <= n; i++) {
        char name[64];
        const char *const names[] = {name, NULL};
        const struct ecert_site_record site = {.size = sizeof site,
                                               .kind = "server block",
                                               .names = names,
                                               .file = "/etc/sites.conf",
                                               .line = i,
                                               .tls = true,
                                               .refused = true,
                                               .why = "it has another name"};
        (void)snprintf(name, sizeof name, "u%u.example", (unsigned)i);
        const enum ecert_status status = host->emit_site(job, &site, err);
        if (status != ECERT_OK)
            return status;
    }
    return host->fail(err, ECERT_E_CONFIG, "there are %u of them", (unsigned)n);
}

static enum ecert_status plan(const struct ecert_host *host, struct ecert_job *job,
                              struct ecert_error *err)
{
    const uint32_t n = (uint32_t)strtoul(host->setting(job, "others"), NULL, 10);
    enum ecert_status status = emit(host, job, NULL, 0, NULL, NULL, false, err);
    const uint32_t n_refused = (uint32_t)strtoul(host->setting(job, "refused"), NULL, 10);
    char name[64];

    for (uint32_t i = 1; status == ECERT_OK && i <= n; i++) {
        (void)snprintf(name, sizeof name, "s%u.example", (unsigned)i);
        status = emit(host, job, "/etc/sites.conf", i, name, "it has other names", false, err);
    }
    if (status == ECERT_OK)
        status = emit(host, job, "/etc/\033[1msites.conf", 0, "odd\xff", "it is \nodd", false, err);
    if (status == ECERT_OK)
        status = emit(host, job, "/etc/mine.conf", 7, "www.myserver.com",
                      "it has the name 'www.myserver.com'", true, err);
    if (status == ECERT_OK && n_refused > 0)
        status = refuse(host, job, n_refused, err);
    return status;
}

const struct ecert_plugin ecert_plugin = {
    .abi = ECERT_PLUGIN_ABI,
    .size = sizeof(struct ecert_plugin),
    .name = "sites",
    .version = "1.0",
    .summary = "looks at sites",
    .settings = settings,
    .plan = plan,
};
