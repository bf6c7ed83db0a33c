#include "core/cli/progress.h"

#include <stdio.h>
#include <unistd.h>

#define WIDTH 40

struct ecert_progress ecert_progress_of(const struct ecert_app *app, const char *what)
{
    return (struct ecert_progress){.wanted = isatty(STDERR_FILENO) == 1 && !app->options.quiet &&
                                             app->json == NULL,
                                   .what = what};
}

static void draw(void *context, size_t done, size_t of)
{
    static const char full[] = "########################################";
    struct ecert_progress *progress = context;
    const size_t percent = of == 0 ? 100 : done * 100 / of;
    const int filled = (int)(percent * WIDTH / 100);

    if (progress->shown && percent == progress->percent)
        return; /* a thousand handshakes draw a hundred times */
    (void)fprintf(stderr, "\r[%.*s%*s] %zu of %zu %s", filled, full, WIDTH - filled, "", done, of,
                  progress->what);
    (void)fflush(stderr);
    progress->shown = true;
    progress->percent = percent;
}

ecert_progress_fn *ecert_progress_call(const struct ecert_progress *progress)
{
    return progress->wanted ? draw : NULL;
}

void ecert_progress_end(struct ecert_progress *progress)
{
    if (!progress->shown)
        return;
    (void)fputs("\r\033[K", stderr);
    (void)fflush(stderr);
    progress->shown = false;
}
