/*
 * What is said to people, in their language.
 *
 * English is in the code; 繁體中文 (zh_HK) is in po/zh_HK.po, by gettext (po/update.sh).  A
 * language for which there is no catalogue is English.  Nothing depends on the locales that are
 * installed on the machine or on the environment: the character set is UTF-8, and dates are written
 * as 2026-11-21 in both.  The locale of the process stays "C", so that errors stay English.
 */
#ifndef ECERT_BASE_WORDS_H
#define ECERT_BASE_WORDS_H

#include <stdbool.h>

/* "en", "zh_HK": those that a configuration may name. */
bool ecert_words_know(const char *language);

/*
 * The language of everything below, from now on; NULL and unknown ones are English.  Returns the
 * one that was in use, for whoever gives it back.  Once per message; not thread-safe.
 */
const char *ecert_words_use(const char *language);

/* The language in use as HTML and mail name it (BCP 47): "en", "zh-Hant-HK". */
const char *ecert_words_tag(void);

/*
 * Where the catalogues are: DIRECTORY/zh_HK/LC_MESSAGES/ecert.mo.  For tests: by default it is
 * `locale` beside a program that runs from its build tree, else where it was installed.
 */
void ecert_words_directory(const char *directory);

/* A text of the catalogue, for the pages and messages that are composed elsewhere (msgid). */
const char *ecert_words(const char *msgid) __attribute__((format_arg(1)));
const char *ecert_words_n(const char *one, const char *many, unsigned long n)
    __attribute__((format_arg(1), format_arg(2)));

/* Marks a text of a table for the catalogue, which is looked up where it is used. */
#define ECERT_WORDS(msgid) msgid

#endif
