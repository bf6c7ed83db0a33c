#include "core/base/words.h"

#include <libintl.h>
#include <limits.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/bytes.h"
#include "core/base/fs.h"

#define DOMAIN "ecert"

static const char *const languages[] = {"en", "zh_HK"};

static const char *language = "en";
static char *catalogues;    /* NULL: not looked for yet */
static locale_t any_locale; /* one that is not "C", for which gettext would not look */

extern int _nl_msg_cat_cntr; /* gettext manual, 11.2.3: tells it that LANGUAGE changed */

bool ecert_words_know(const char *wanted)
{
    for (size_t i = 0; i < ARRAY_SIZE(languages); i++)
        if (strcmp(languages[i], wanted) == 0)
            return true;
    return false;
}

/* As for plugins (core/flow/config.c): CMakeCache.txt beside the program tells its build tree. */
static char *default_directory(void)
{
    ECERT_AUTO(ecert_auto_free) char *cache = NULL;
    char program[PATH_MAX], *beside = NULL;
    struct ecert_error err = {0};
    const ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);

    if (n <= 0)
        return strdup(ECERT_LOCALEDIR);
    program[n] = '\0';
    *strrchr(program, '/') = '\0'; /* the kernel's answer is absolute */
    if (ecert_text_format(&cache, &err, "%s/CMakeCache.txt", program) != ECERT_OK ||
        !ecert_fs_exists(cache))
        return strdup(ECERT_LOCALEDIR);
    return ecert_text_format(&beside, &err, "%s/locale", program) == ECERT_OK ? beside : NULL;
}

static void bind_catalogues(void)
{
    if (catalogues == NULL)
        catalogues = default_directory();
    if (catalogues == NULL || bindtextdomain(DOMAIN, catalogues) == NULL ||
        bind_textdomain_codeset(DOMAIN, "UTF-8") == NULL)
        language = languages[0]; /* no memory for it: English */
    if (any_locale == (locale_t)0)
        any_locale = newlocale(LC_MESSAGES_MASK, "C.UTF-8", (locale_t)0);
}

const char *ecert_words_use(const char *wanted)
{
    const char *before = language;

    language = languages[0];
    for (size_t i = 0; wanted != NULL && i < ARRAY_SIZE(languages); i++)
        if (strcmp(languages[i], wanted) == 0)
            language = languages[i];
    if (language == languages[0])
        return before;
    bind_catalogues();
    /* seen by gettext alone: to everything else the locale is "C", where LANGUAGE says nothing */
    if (any_locale == (locale_t)0 || setenv("LANGUAGE", language, 1) != 0)
        language = languages[0];
    _nl_msg_cat_cntr++;
    return before;
}

const char *ecert_words_tag(void)
{
    return language == languages[0] ? "en" : "zh-Hant-HK";
}

void ecert_words_directory(const char *directory)
{
    free(catalogues);
    catalogues = strdup(directory);
    if (language != languages[0])
        bind_catalogues();
}

const char *ecert_words(const char *msgid)
{
    if (language == languages[0])
        return msgid;
    const locale_t before = uselocale(any_locale);
    const char *text = dgettext(DOMAIN, msgid);
    (void)uselocale(before);
    return text;
}

const char *ecert_words_n(const char *one, const char *many, unsigned long n)
{
    if (language == languages[0])
        return n == 1 ? one : many;
    const locale_t before = uselocale(any_locale);
    const char *text = dngettext(DOMAIN, one, many, n);
    (void)uselocale(before);
    return text;
}
