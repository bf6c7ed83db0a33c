#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/base/paragraph.h"
#include "core/cli/app.h"
#include "core/flow/host_name.h"
#include "core/flow/outcome_json.h"

#define WIDTH 80 /* columns, where standard output is no terminal */

int ecert_exit_of(enum ecert_status status)
{
    if (status == ECERT_OK)
        return ECERT_EXIT_OK;
    if (status == ECERT_E_CONFIG)
        return ECERT_EXIT_USAGE;
    return status == ECERT_E_BUSY ? ECERT_EXIT_BUSY : ECERT_EXIT_FAILED;
}

/* Every line that leaves the program goes through here. */
static void put(FILE *stream, const char *prefix, struct ecert_view text, bool multiline)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer line = {0};

    ecert_buffer_add_text(&line, prefix);
    ecert_buffer_add_escaped(&line, text, multiline);
    if (!multiline)
        ecert_buffer_add_text(&line, "\n");
    if (!line.failed && line.len > 0)
        (void)fwrite(line.ptr, 1, line.len, stream);
}

static void vput(FILE *stream, const char *prefix, const char *fmt, va_list args)
    ECERT_PRINTF(3, 0);

static void vput(FILE *stream, const char *prefix, const char *fmt, va_list args)
{
    ECERT_AUTO(ecert_auto_free) char *text = ecert_text_vformat(fmt, args);

    if (text == NULL) {
        (void)fputs("ecert: out of memory\n", stderr);
        return;
    }
    put(stream, prefix, ecert_view_of(text), false);
}

void ecert_say(const struct ecert_app *app, const char *fmt, ...)
{
    va_list args;

    if (app->json != NULL || app->options.quiet)
        return;
    va_start(args, fmt);
    vput(stdout, "", fmt, args);
    va_end(args);
}

void ecert_say_more(const struct ecert_app *app, const char *fmt, ...)
{
    va_list args;

    if (app->json != NULL || app->options.quiet || !app->options.verbose)
        return;
    va_start(args, fmt);
    vput(stdout, "", fmt, args);
    va_end(args);
}

void ecert_say_behind(const struct ecert_app *app, const char *prefix, const char *fmt, ...)
{
    va_list args;

    if (app->json != NULL || app->options.quiet)
        return;
    va_start(args, fmt);
    vput(stdout, prefix, fmt, args);
    va_end(args);
}

const char *ecert_name_shown(const char *name, char **buffer)
{
    struct ecert_error ignored = {0};

    free(*buffer);
    *buffer = NULL;
    return ecert_host_name_shown(name, buffer, &ignored) == ECERT_OK ? *buffer : name;
}

void ecert_tell_names(json_t *row, const char *name)
{
    ECERT_AUTO(ecert_auto_free) char *unicode = NULL;
    struct ecert_error ignored = {0}; /* no memory: then it is not told */

    if (ecert_host_name_unicode(name, &unicode, &ignored) != ECERT_OK)
        unicode = NULL;
    (void)json_object_set_new(row, "name", ecert_text_json(name));
    (void)json_object_set_new(row, "unicode_name", ecert_text_json(unicode));
}

static size_t width_of_terminal(void)
{
    struct winsize size = {0};

    if (isatty(STDOUT_FILENO) == 1 && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 &&
        size.ws_col > 0)
        return size.ws_col;
    return WIDTH;
}

void ecert_say_paragraph(const struct ecert_app *app, const char *first, const char *text,
                         const char *const *whole)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer lines = {0};

    ecert_paragraph(&lines, first, text, whole, width_of_terminal());
    if (!lines.failed)
        ecert_say_text(app, ecert_buffer_view(&lines));
}

void ecert_say_text(const struct ecert_app *app, struct ecert_view text)
{
    if (app->json == NULL && !app->options.quiet)
        put(stdout, "", text, true);
}

/* To a list of the one object, which is made with its first element. */
static void add_to_list(struct ecert_app *app, const char *key, json_t *value)
{
    json_t *list = json_object_get(app->json, key);

    if (list == NULL) {
        list = json_array();
        (void)json_object_set_new(app->json, key, list);
    }
    (void)json_array_append_new(list, value);
}

void ecert_complain(struct ecert_app *app, const char *fmt, ...)
{
    ECERT_AUTO(ecert_auto_free) char *text = NULL;
    va_list args;

    va_start(args, fmt);
    text = ecert_text_vformat(fmt, args);
    va_end(args);
    (void)fflush(stdout); /* what was said before stands before it */
    put(stderr, "ecert: ", ecert_view_of(text == NULL ? "out of memory" : text), false);
    if (app->json == NULL || text == NULL)
        return;
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer escaped = {0};
    ecert_buffer_add_escaped(&escaped, ecert_view_of(text), true);
    if (escaped.ptr != NULL)
        add_to_list(app, "errors", json_string((const char *)escaped.ptr));
}

void ecert_complain_behind(const struct ecert_app *app, const char *fmt, ...)
{
    va_list args;

    if (app->json != NULL)
        return;
    va_start(args, fmt);
    vput(stderr, "", fmt, args);
    va_end(args);
}

void ecert_remark(struct ecert_app *app, const char *fmt, ...)
{
    ECERT_AUTO(ecert_auto_free) char *text = NULL;
    va_list args;

    va_start(args, fmt);
    text = ecert_text_vformat(fmt, args);
    va_end(args);
    if (text == NULL)
        return;
    ecert_say(app, "%s", text);
    if (app->json != NULL)
        add_to_list(app, "warnings", ecert_text_json(text));
}

void ecert_tell(struct ecert_app *app, const char *key, json_t *value)
{
    if (app->json != NULL)
        (void)json_object_set_new(app->json, key, value);
    else
        json_decref(value);
}
