#include "plugins/apache/module.h"

#include "plugins/apache/lexer.h"

#include <string.h>

#define MAIN_FILE_MAX_LEN ((size_t)4 << 20)

struct layout {
    const struct ecert_host *host;
    struct ecert_job *job;
    struct ecert_arena *arena;
    const char *folder; /* of the main file, with the slash */
};

static bool exists(const struct layout *layout, const char *folder, const char *name)
{
    const char *path = ecert_arena_text(layout->arena, "%s%s", folder, name);
    const char *const *found = NULL;
    struct ecert_error ignored = {0};

    return path != NULL && layout->host->glob(layout->job, path, &found, &ignored) == ECERT_OK &&
           found[0] != NULL;
}

/* "#LoadModule ssl_module PATH": httpd's own main file and FreeBSD's have it; "": none. */
static const char *commented_line(const struct layout *layout, const char *main_file)
{
    struct ecert_view text = {0};
    struct ecert_error ignored = {0};
    struct ecert_apache_piece piece = {0};

    if (layout->host->read_file(layout->job, main_file, MAIN_FILE_MAX_LEN, &text, &ignored) !=
        ECERT_OK)
        return "";
    struct ecert_apache_lexer lexer = {.text = text};
    while (ecert_apache_next(&lexer, &piece)) {
        char *line =
            piece.kind != ECERT_APACHE_COMMENT
                ? NULL
                : ecert_arena_copy(layout->arena, text.ptr + piece.begin, piece.end - piece.begin);
        const char *load = line == NULL ? NULL : strstr(line, "LoadModule");
        if (load == NULL || strspn(line, "# \t") != (size_t)(load - line) ||
            strspn(load + 10, " \t") == 0 ||
            strncmp(load + 10 + strspn(load + 10, " \t"), "ssl_module ", 11) != 0)
            continue;
        line[strcspn(line, "\r\n")] = '\0';
        return ecert_arena_text(layout->arena, "take away the \"#\" before \"%s\" in '%s' line %zu",
                                load, main_file, piece.line);
    }
    return "";
}

/* Where the module lies; relative to the server root, as httpd installs it, if nowhere else. */
static const char *module_file(const struct layout *layout)
{
    static const char *const known[] = {
        "/usr/lib/apache2/modules/mod_ssl.so", "/usr/lib64/apache2/mod_ssl.so",
        "/usr/lib64/httpd/modules/mod_ssl.so", "/usr/lib64/apache2/modules/mod_ssl.so",
        "/usr/local/libexec/apache24/mod_ssl.so"};

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (exists(layout, known[i], ""))
            return known[i];
    return "modules/mod_ssl.so";
}

const char *ecert_apache_ssl_advice(const struct ecert_host *host, struct ecert_job *job,
                                    struct ecert_arena *arena, const char *main_file)
{
    const char *slash = strrchr(main_file, '/');
    struct layout layout = {
        .host = host,
        .job = job,
        .arena = arena,
        .folder =
            ecert_arena_copy(arena, main_file, slash == NULL ? 0 : (size_t)(slash - main_file) + 1),
    };

    if (layout.folder == NULL)
        return NULL;
    if (layout.folder[0] != '\0') {
        if (exists(&layout, layout.folder, "mods-available/ssl.load"))
            return "a2enmod ssl, and restart the server";
        const char *line = commented_line(&layout, main_file);
        if (line == NULL || line[0] != '\0')
            return line;
        /* RHEL has the main file in conf/, and its modules beside that */
        if (exists(&layout, layout.folder, "../conf.modules.d"))
            return exists(&layout, layout.folder, "../modules/mod_ssl.so")
                       ? ecert_arena_text(arena,
                                          "write \"LoadModule ssl_module modules/mod_ssl.so\" into "
                                          "'%.*s../conf.modules.d/00-ssl.conf'",
                                          (int)strlen(layout.folder), layout.folder)
                       : "dnf install mod_ssl";
        if (exists(&layout, "/etc/", "alpine-release"))
            return "apk add apache2-ssl";
    }
    return ecert_arena_text(arena, "write \"LoadModule ssl_module %s\" into '%s'",
                            module_file(&layout), main_file[0] != '\0' ? main_file : "httpd.conf");
}

const char *ecert_apache_guess_main_file(const struct ecert_host *host, struct ecert_job *job)
{
    static const char *const known[] = {"/etc/apache2/apache2.conf",
                                        "/etc/httpd/conf/httpd.conf",
                                        "/etc/apache2/httpd.conf",
                                        "/usr/local/etc/apache24/httpd.conf",
                                        "/usr/local/apache2/conf/httpd.conf",
                                        "/usr/local/apache/conf/httpd.conf"};
    const char *const *command = host->setting_list(job, "command");
    struct ecert_error ignored = {0};

    for (size_t i = 0; command[i] != NULL; i++)
        if (strcmp(command[i], "-f") == 0 && command[i + 1] != NULL && command[i + 1][0] == '/')
            return command[i + 1];
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        const char *const *found = NULL;
        if (host->glob(job, known[i], &found, &ignored) == ECERT_OK && found[0] != NULL)
            return known[i];
    }
    return "";
}
