/* Wrong on purpose: plan() reads through a null pointer and dies of SIGSEGV. */
#include <ecert/plugin.h>

/* not under the sanitizers' eyes: it shall die by the signal, not with a message */
__attribute__((no_sanitize("undefined"))) static enum ecert_status plan(
    const struct ecert_host *host, struct ecert_job *job, struct ecert_error *err)
{
    /* volatile: the compiler shall not see that it is NULL, or it may leave the read out */
    const volatile int *volatile nowhere = NULL;

    (void)host;
    (void)job;
    (void)err;
    return *nowhere == 0 ? ECERT_OK : ECERT_E_IO;
}

const struct ecert_plugin ecert_plugin = {
    .abi = ECERT_PLUGIN_ABI,
    .size = sizeof(struct ecert_plugin),
    .name = "crash",
    .version = "1.0",
    .summary = "wrong on purpose",
    .plan = plan,
};
