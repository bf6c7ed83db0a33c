/* A plugin as it was built against the first version of the contract. */
#include <ecert/plugin.h>

static const char *const programs[] = {"/usr/sbin/never-read", NULL};

static enum ecert_status plan(const struct ecert_host *host, struct ecert_job *job,
                              struct ecert_error *err)
{
    return host->fail(err, ECERT_E_UNSUPPORTED, "'%s' plans nothing", host->target(job));
}

static enum ecert_status discover(const struct ecert_host *host, struct ecert_job *job,
                                  struct ecert_error *err)
{
    const struct ecert_site_record site = {.size = ECERT_SITE_RECORD_SIZE_V1,
                                           .kind = "site",
                                           .key = "/etc/first.key",
                                           .enabled = true,
                                           .why = "never read"};

    return host->emit_site(job, &site, err);
}

/* What lies behind `size` stands for the memory behind a smaller descriptor. */
const struct ecert_plugin ecert_plugin = {
    .abi = ECERT_PLUGIN_ABI,
    .size = ECERT_PLUGIN_SIZE_V1,
    .name = "first_version",
    .version = "1.0",
    .summary = "of the first version of the contract",
    .plan = plan,
    .discover = discover,
    .programs = programs,
};
