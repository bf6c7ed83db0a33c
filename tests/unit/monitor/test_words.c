/* What is said about findings, in both languages; the catalogue is the one of the build tree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/monitor/words.h"
#include "core/monitor/words_advice.h"

#define DAY 86400
#define NOW 1795262400 /* 2026-11-21 12:00 UTC */

static const enum ecert_watched all_watched[] = {
#define WATCHED(value, word) value,
    ECERT_WATCHED_LIST(WATCHED)
#undef WATCHED
};
static const enum ecert_condition all_conditions[] = {
#define CONDITION(value, word, urgency) value,
    ECERT_CONDITION_LIST(CONDITION)
#undef CONDITION
};

typedef void say_fn(struct ecert_buffer *out, const struct ecert_finding *finding);

static void say_state(struct ecert_buffer *out, const struct ecert_finding *finding)
{
    ecert_words_state(out, finding, NOW);
}

/* The caller frees. */
static char *say(say_fn *fn, const struct ecert_finding *finding)
{
    struct ecert_buffer out = {0};
    struct ecert_bytes bytes = {0};
    struct ecert_error err = {0};

    fn(&out, finding);
    assert_int_equal(ecert_buffer_take(&out, &bytes, &err), ECERT_OK);
    return (char *)bytes.ptr;
}

static void check_said(say_fn *fn, const struct ecert_finding *finding, const char *want)
{
    char *said = say(fn, finding);

    assert_string_equal(said, want);
    free(said);
}

/* ---- states ---- */

static const struct state_row {
    const char *name;
    enum ecert_watched watched;
    enum ecert_condition condition;
    int64_t left; /* seconds from now to its end; 0: no end */
    const char *en, *zh;
} state_rows[] = {
    {"weeks", ECERT_WATCHED_CERTIFICATE, ECERT_CONDITION_EXPIRES, 12 * DAY + 3600,
     "expires in 12 days (2026-12-03)", "尚餘 12 日到期（2026-12-03）"},
    {"one day", ECERT_WATCHED_FILE, ECERT_CONDITION_EXPIRES, DAY, "expires in 1 day (2026-11-22)",
     "尚餘 1 日到期（2026-11-22）"},
    {"the last hours", ECERT_WATCHED_TARGET, ECERT_CONDITION_EXPIRES, DAY - 1,
     "expires in less than a day (2026-11-22)", "不足一日即到期（2026-11-22）"},
    {"just past", ECERT_WATCHED_CERTIFICATE, ECERT_CONDITION_EXPIRED, -1,
     "expired less than a day ago (2026-11-21)", "已到期不足一日（2026-11-21）"},
    {"one day past", ECERT_WATCHED_CERTIFICATE, ECERT_CONDITION_EXPIRED, -DAY - 1,
     "expired 2 days ago (2026-11-20)", "已到期 2 日（2026-11-20）"},
    {"long past", ECERT_WATCHED_ENDPOINT, ECERT_CONDITION_EXPIRED, -40 * DAY - 1,
     "expired 41 days ago (2026-10-12)", "已到期 41 日（2026-10-12）"},
    {"a subscription ends", ECERT_WATCHED_SUBSCRIPTION, ECERT_CONDITION_EXPIRES, 45 * DAY,
     "the subscription ends in 45 days (2027-01-05)", "登記期尚餘 45 日屆滿（2027-01-05）"},
    {"a subscription far from its end", ECERT_WATCHED_SUBSCRIPTION, ECERT_CONDITION_FINE, 196 * DAY,
     "the subscription ends in 196 days (2027-06-05)", "登記期尚餘 196 日屆滿（2027-06-05）"},
    {"a subscription's last day", ECERT_WATCHED_SUBSCRIPTION, ECERT_CONDITION_EXPIRES, 60,
     "the subscription ends in less than a day (2026-11-21)", "登記期不足一日即屆滿（2026-11-21）"},
    {"a list ends", ECERT_WATCHED_CRL, ECERT_CONDITION_EXPIRES, 3 * DAY,
     "ends in 3 days (2026-11-24)", "尚餘 3 日屆滿（2026-11-24）"},
    {"a subscription ended", ECERT_WATCHED_SUBSCRIPTION, ECERT_CONDITION_EXPIRED, -3 * DAY - 1,
     "the subscription ended 4 days ago (2026-11-18)", "登記期已屆滿 4 日（2026-11-18）"},
    {"fine", ECERT_WATCHED_CERTIFICATE, ECERT_CONDITION_FINE, 196 * DAY,
     "valid for 196 more days (2027-06-05)", "有效，尚餘 196 日（2027-06-05）"},
    {"fine without an end", ECERT_WATCHED_UNIT, ECERT_CONDITION_FINE, 0, "fine", "正常"},
    {"no day is known", ECERT_WATCHED_FILE, ECERT_CONDITION_EXPIRED, 0, "expired", "已到期"},
    {"drift", ECERT_WATCHED_TARGET, ECERT_CONDITION_OTHER_LEAF, 100 * DAY,
     "serves another certificate than the deployed one", "所提供的並非已部署的證書"},
    {"not yet valid", ECERT_WATCHED_CERTIFICATE, ECERT_CONDITION_NOT_YET_VALID, 100 * DAY,
     "not valid before 2026-11-22T12:00:00Z", "於 2026-11-22T12:00:00Z 之前尚未生效"},
};

static void check_state(void **state)
{
    const struct state_row *row = *state;
    const struct ecert_finding finding = {.watched = row->watched,
                                          .condition = row->condition,
                                          .not_before = NOW + DAY,
                                          .not_after = row->left == 0 ? 0 : NOW + row->left};

    (void)ecert_words_use("en");
    check_said(say_state, &finding, row->en);
    (void)ecert_words_use("zh_HK");
    check_said(say_state, &finding, row->zh);
}

/* ---- every kind in every condition ---- */

/* The first byte of an ideograph from U+4E00 on is E4 to E9. */
static bool is_chinese(const char *text)
{
    for (const char *p = text; *p != '\0'; p++)
        if ((unsigned char)*p >= 0xE4 && (unsigned char)*p <= 0xE9)
            return true;
    return false;
}

static void check_sentence(say_fn *fn, const struct ecert_finding *finding)
{
    (void)ecert_words_use("en");
    char *english = say(fn, finding);
    (void)ecert_words_use("zh_HK");
    char *chinese = say(fn, finding);

    assert_true(english[0] != '\0');
    assert_false(is_chinese(english));
    assert_true(is_chinese(chinese));
    assert_null(strchr(english, '{'));
    assert_null(strchr(chinese, '{'));
    assert_null(strchr(chinese, '\n'));
    free(english);
    free(chinese);
}

static void nothing_is_without_words(void **state)
{
    static char name[] = "www.example.hk";
    (void)state;

    for (size_t w = 0; w < ARRAY_SIZE(all_watched); w++) {
        for (size_t c = 0; c < ARRAY_SIZE(all_conditions); c++) {
            const struct ecert_finding finding = {.watched = all_watched[w],
                                                  .condition = all_conditions[c],
                                                  .name = name,
                                                  .not_before = NOW,
                                                  .not_after = NOW + 3 * DAY};
            check_sentence(say_state, &finding);
            check_sentence(ecert_words_why, &finding);
            check_sentence(ecert_words_what_to_do, &finding);
        }
        (void)ecert_words_use("zh_HK");
        assert_true(is_chinese(ecert_words_watched(all_watched[w])));
    }
    for (int u = ECERT_URGENCY_FINE; u <= ECERT_URGENCY_UNKNOWN; u++)
        assert_true(is_chinese(ecert_words_urgency((enum ecert_urgency)u)));
}

/* Every row is reached by somebody, and names commands that there are. */
static void check_commands(const char *text)
{
    static const char *const commands[] = {
        "check",  "remind", "ack",    "status",   "plan",    "deploy", "run",     "import",
        "verify", "report", "config", "rollback", "request", "backup", "restore", "adopt"};

    for (const char *p = text; (p = strstr(p, "`ecert ")) != NULL; p++) {
        const char *word = p + strlen("`ecert ");
        const size_t len = strspn(word, "abcdefghijklmnopqrstuvwxyz-");
        bool known = false;

        for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
            known = known || (strlen(commands[i]) == len && strncmp(commands[i], word, len) == 0);
        if (!known)
            print_error("no such command: %.*s\n", (int)len, word);
        assert_true(known);
    }
}

static bool reaches(const struct ecert_advice *row, enum ecert_watched watched,
                    enum ecert_condition condition)
{
    char *detail = row->detail == NULL ? NULL : strdup(row->detail);
    const struct ecert_finding finding = {
        .watched = watched, .condition = condition, .detail = detail};
    const bool reached = ecert_advice_for(&finding) == row;

    free(detail);
    return reached;
}

/* ---- every pair that there can be ---- */

/*
 * The conditions that core/monitor gives a kind, and words that would be out of place in its
 * advice: a managed certificate is in no watch, a file of somebody else is not deployed from here,
 * and only certificates and watches have a name that `ecert check` takes.
 */
static const struct pair_row {
    enum ecert_watched watched;
    const char *conditions; /* their words */
    const char *unfit[7];   /* in what to do */
} pair_rows[] = {
    {ECERT_WATCHED_CERTIFICATE,
     "fine expires expired not-yet-valid missing unreadable undecodable not-issued revoked "
     "unfit",
     {"watch", "Put it back", "take it out", "endpoints", "Restore"}},
    {ECERT_WATCHED_TARGET,
     "fine expires expired not-yet-valid missing unreadable undecodable no-answer other-leaf "
     "incomplete-chain wrong-chain revoked-issuer wrong-name revoked not-deployed",
     {"watch", "Put it back", "take it out", "endpoints", "Restore"}},
    {ECERT_WATCHED_FILE,
     "fine expires expired not-yet-valid missing unreadable undecodable",
     {"ecert deploy", "ecert import", "ecert plan", "ecert status", "ecert rollback", "endpoint"}},
    {ECERT_WATCHED_ENDPOINT,
     "fine expires expired not-yet-valid missing unreadable undecodable no-answer "
     "incomplete-chain wrong-chain revoked-issuer wrong-name revoked",
     {"ecert deploy", "ecert import", "ecert plan", "ecert status", "ecert rollback",
      "ecert verify"}},
    {ECERT_WATCHED_CHAIN,
     "fine expires expired not-yet-valid undecodable revoked",
     {"watch", "Put it back", "take it out", "ecert verify", "do not use it"}},
    {ECERT_WATCHED_ANCHOR,
     "fine expires expired not-yet-valid undecodable missing unreadable",
     {"watch", "NAME", "ecert deploy", "ecert import", "do not use it"}},
    {ECERT_WATCHED_CRL,
     "fine expires expired revocation-unknown no-answer",
     {"watch", "NAME", "ecert deploy", "ecert import"}},
    {ECERT_WATCHED_SUBSCRIPTION,
     "fine expires expired undecodable",
     {"watch", "ecert deploy", "ecert import", "ecert verify", "Replace"}},
    {ECERT_WATCHED_ORGANISATIONAL,
     "fine expires expired not-yet-valid missing unreadable undecodable",
     {"ecert deploy", "ecert import", "ecert plan", "do not use it"}},
    {ECERT_WATCHED_REQUEST,
     "fine pending not-backed-up missing unreadable undecodable",
     {"watch", "Put it back", "take it out", "ecert deploy", "ecert verify"}},
    {ECERT_WATCHED_BACKUP,
     "fine missing unreadable undecodable",
     {"watch", "Put it back", "take it out", "ecert deploy", "ecert import"}},
    {ECERT_WATCHED_INBOX, "waiting refused unreadable", {"watch", "NAME", "ecert deploy"}},
    {ECERT_WATCHED_CHANNEL,
     "missing unreadable",
     {"watch", "take it out", "ecert deploy", "ecert import", "ecert check"}},
    {ECERT_WATCHED_UNIT, "failed", {"watch", "ecert check", "ecert deploy"}},
};

static bool has_word(const char *words, const char *word)
{
    const size_t len = strlen(word);

    for (const char *at = words; (at = strstr(at, word)) != NULL; at += len)
        if ((at == words || at[-1] == ' ') && (at[len] == '\0' || at[len] == ' '))
            return true;
    return false;
}

/* The text that a reader gets; what is the same in both is not translated. */
static void check_pair(const struct pair_row *row, const struct ecert_finding *finding)
{
    static const char *const languages[] = {"en", "zh_HK"};

    for (size_t l = 0; l < ARRAY_SIZE(languages); l++) {
        (void)ecert_words_use(languages[l]);
        char *state = say(say_state, finding), *why = say(ecert_words_why, finding);
        char *what = say(ecert_words_what_to_do, finding);
        bool good = state[0] != '\0' && why[0] != '\0' && what[0] != '\0' &&
                    strcmp(why, what) != 0 && strcmp(state, why) != 0;

        for (size_t i = 0; i < ARRAY_SIZE(row->unfit) && row->unfit[i] != NULL; i++)
            good = good && strstr(what, row->unfit[i]) == NULL;
        if (!good || getenv("ECERT_TEST_READ_ALOUD") != NULL)
            print_message("%s %s (%s): %s\n  %s\n  %s\n", ecert_watched_word(finding->watched),
                          ecert_condition_word(finding->condition),
                          finding->detail == NULL ? "" : finding->detail, state, why, what);
        assert_true(good);
        free(state);
        free(why);
        free(what);
    }
    (void)ecert_words_use("en");
}

/* ECERT_TEST_READ_ALOUD=1 prints all, to be read by a person. */
static void every_pair_there_can_be_fits(void **state)
{
    static char name[] = "NAME", dates[] = "its dates cannot be read";
    (void)state;

    assert_int_equal(ARRAY_SIZE(pair_rows), ARRAY_SIZE(all_watched));
    for (size_t r = 0; r < ARRAY_SIZE(pair_rows); r++)
        for (size_t c = 0; c < ARRAY_SIZE(all_conditions); c++) {
            const bool decoded = pair_rows[r].watched == ECERT_WATCHED_CHAIN ||
                                 pair_rows[r].watched == ECERT_WATCHED_ANCHOR;
            const bool undated = decoded && all_conditions[c] == ECERT_CONDITION_UNDECODABLE;
            const struct ecert_finding finding = {.watched = pair_rows[r].watched,
                                                  .condition = all_conditions[c],
                                                  .name = name,
                                                  .detail = undated ? dates : NULL,
                                                  .not_before = NOW,
                                                  .not_after = NOW + 3 * DAY};
            if (has_word(pair_rows[r].conditions, ecert_condition_word(all_conditions[c])))
                check_pair(&pair_rows[r], &finding);
        }
}

/* Is it ever told?  Rows for any kind are a net for what nobody thought of. */
static bool is_reached(const struct ecert_advice *row)
{
    for (size_t r = 0; r < ARRAY_SIZE(pair_rows); r++)
        for (size_t c = 0; c < ARRAY_SIZE(all_conditions); c++)
            if ((row->watched == ECERT_ADVICE_ANY ||
                 has_word(pair_rows[r].conditions, ecert_condition_word(all_conditions[c]))) &&
                reaches(row, pair_rows[r].watched, all_conditions[c]))
                return true;
    return false;
}

static void every_row_is_reached_and_names_commands_that_exist(void **state)
{
    size_t n;
    const struct ecert_advice *advice = ecert_advice_all(&n);
    (void)state;

    for (size_t i = 0; i < n; i++) {
        const bool reached = is_reached(&advice[i]);

        if (!reached)
            print_error("nothing reaches row %zu: %s\n", i, advice[i].why);
        assert_true(reached);
        check_commands(advice[i].what_to_do);
    }
}

/* ---- advice that fits ---- */

static const struct fit_row {
    const char *name;
    enum ecert_watched watched;
    enum ecert_condition condition;
    const char *detail;
    const char *has, *has_not; /* the words of what to do */
} fit_rows[] = {
    {"no TLS", ECERT_WATCHED_ENDPOINT, ECERT_CONDITION_NO_ANSWER, "no TLS is spoken there",
     "set `starttls` of the watch", "firewall"},
    {"no STARTTLS", ECERT_WATCHED_ENDPOINT, ECERT_CONDITION_NO_ANSWER,
     "the server does not offer STARTTLS", "take `starttls` out of the watch", "firewall"},
    {"silence", ECERT_WATCHED_ENDPOINT, ECERT_CONDITION_NO_ANSWER, "connection refused", "firewall",
     "starttls"},
    {"a bad line", ECERT_WATCHED_ENDPOINT, ECERT_CONDITION_UNDECODABLE,
     "/etc/list:3: 'x' is not host:port, such as", "Correct the line", "the server sends"},
    {"a directory", ECERT_WATCHED_FILE, ECERT_CONDITION_UNREADABLE, "'/etc/ssl' is a directory",
     "`directory = ...`", "password"},
    {"a file of somebody else", ECERT_WATCHED_FILE, ECERT_CONDITION_UNREADABLE,
     "'/x': Permission denied", "the right to read it", "password"},
    {"a CRL", ECERT_WATCHED_FILE, ECERT_CONDITION_UNDECODABLE,
     "'/x': the file holds no certificate, only a certificate revocation list (CRL)",
     "Take the CRL out of the watch", "password"},
    {"a locked PKCS#12", ECERT_WATCHED_FILE, ECERT_CONDITION_UNDECODABLE,
     "'/x': the PKCS#12 is encrypted and no passphrase is given; set `password_file` of the source "
     "or watch, or --password-file",
     "`password_file` of the watch", "Restore"},
    {"a password that is not there", ECERT_WATCHED_FILE, ECERT_CONDITION_UNDECODABLE,
     "'/x.p12': '/etc/word' cannot be found: No such file or directory",
     "`password_file` of the watch", "Restore"},
    {"damage", ECERT_WATCHED_FILE, ECERT_CONDITION_UNDECODABLE, "'/x': the file is empty",
     "Restore the file", "password"},
    {"not yet valid, served", ECERT_WATCHED_TARGET, ECERT_CONDITION_NOT_YET_VALID, NULL,
     "`ecert rollback www.example.hk`", "do not use it"},
    {"not yet valid, watched", ECERT_WATCHED_ENDPOINT, ECERT_CONDITION_NOT_YET_VALID, NULL,
     "whoever runs the server", "do not use it"},
    {"any CA's subscription", ECERT_WATCHED_SUBSCRIPTION, ECERT_CONDITION_EXPIRES, NULL,
     "Apply at your CA for the renewal now. When it is granted", NULL},
    {"the next one", ECERT_WATCHED_CERTIFICATE, ECERT_CONDITION_EXPIRES,
     "request 20261121-0001 is pending since 2026-11-21", "`ecert request www.example.hk` makes",
     NULL},
    {"an expired one", ECERT_WATCHED_CERTIFICATE, ECERT_CONDITION_EXPIRED, NULL,
     "`ecert request www.example.hk` makes", NULL},
    {"the first one", ECERT_WATCHED_CERTIFICATE, ECERT_CONDITION_NOT_ISSUED, NULL,
     "`ecert request www.example.hk` makes", NULL},
    {"the next subscription", ECERT_WATCHED_SUBSCRIPTION, ECERT_CONDITION_EXPIRES, NULL,
     "`ecert request www.example.hk` makes", NULL},
    {"a link in a circle", ECERT_WATCHED_FILE, ECERT_CONDITION_UNREADABLE,
     "'/x': Too many levels of symbolic links", "symbolic link", "the right to read"},
    {"a lost key", ECERT_WATCHED_CERTIFICATE, ECERT_CONDITION_MISSING,
     "the private key '/x/privkey.pem': No such file or directory", "together with its key",
     "take it out"},
    {"another key", ECERT_WATCHED_CERTIFICATE, ECERT_CONDITION_UNDECODABLE,
     "'/x/privkey.pem' is not the private key of the certificate beside it; put the one that "
     "belongs to it back",
     "together with its key", "watch"},
    {"a key for everybody", ECERT_WATCHED_CERTIFICATE, ECERT_CONDITION_UNREADABLE,
     "the private key '/x' can be used by others: its mode is 0644 instead of 0600", "chmod 600",
     "together with"},
    {"a chain that was changed", ECERT_WATCHED_CERTIFICATE, ECERT_CONDITION_UNDECODABLE,
     "'/x/fullchain.pem' was changed: it does not begin with the certificate that was taken",
     "again with `ecert import FILE`, then run", "key"},
    {"no dates", ECERT_WATCHED_ENDPOINT, ECERT_CONDITION_UNDECODABLE, "its dates cannot be read",
     "issue it anew", "line"},
    {"a root that is not valid yet", ECERT_WATCHED_ANCHOR, ECERT_CONDITION_NOT_YET_VALID, NULL,
     "reliable clock", "`ecert check`"},
    {"an OCSP responder", ECERT_WATCHED_CRL, ECERT_CONDITION_NO_ANSWER, NULL, "responder",
     "the CA's list"},
};

static void advice_fits(void **state)
{
    static char name[] = "www.example.hk";
    const struct fit_row *row = *state;
    char *detail = row->detail == NULL ? NULL : strdup(row->detail);
    const struct ecert_finding finding = {.watched = row->watched,
                                          .condition = row->condition,
                                          .name = name,
                                          .detail = detail,
                                          .not_before = NOW};

    check_sentence(ecert_words_why, &finding);
    check_sentence(ecert_words_what_to_do, &finding);
    (void)ecert_words_use("en");
    char *said = say(ecert_words_what_to_do, &finding);
    if (strstr(said, row->has) == NULL)
        print_error("no '%s' in: %s\n", row->has, said);
    assert_non_null(strstr(said, row->has));
    assert_true(row->has_not == NULL || strstr(said, row->has_not) == NULL);
    free(said);
    free(detail);
}

/* What only Hongkong Post has is said behind its name. */
static void of_other_cas_nothing_untrue_is_said(void **state)
{
    static const char *const own[] = {"PIN envelope", "Authorised Representative", "of 2025",
                                      "re-issued in 2025"};
    size_t n;
    const struct ecert_advice *advice = ecert_advice_all(&n);
    (void)state;

    for (size_t i = 0; i < n; i++) {
        const char *const texts[] = {advice[i].why, advice[i].what_to_do};

        for (size_t k = 0; advice[i].watched != ECERT_WATCHED_ORGANISATIONAL && k < 2 * 4; k++) {
            const char *text = texts[k / 4], *at = strstr(text, own[k % 4]);
            const char *named = strstr(text, "Hongkong Post");

            if (at != NULL && (named == NULL || named > at))
                print_error("said of every CA: %s\n", text);
            assert_true(at == NULL || (named != NULL && named < at));
        }
    }
}

/* ---- names in commands ---- */

static const struct name_row {
    const char *name, *word; /* what it is called; how a shell has to be given it */
} name_rows[] = {
    {"www.example.hk", "www.example.hk"},
    {"*.example.hk", "'*.example.hk'"},
    {"/etc/ssl/*.pem", "'/etc/ssl/*.pem'"},
    {"two words", "'two words'"},
    {"it's", "'it'\\''s'"},
    {"$(reboot)", "'$(reboot)'"},
    {"-x", "'-x'"},
    {"", "''"},
    {"獲授權代表", "'獲授權代表'"},
    {"{name}", "'{name}'"},
    {"a\r\nb", "'a\\x0D\\x0Ab'"},
};

static void names_are_words_of_a_shell(void **state)
{
    const struct name_row *row = *state;
    char *name = strdup(row->name);
    const struct ecert_finding finding = {
        .watched = ECERT_WATCHED_TARGET, .condition = ECERT_CONDITION_OTHER_LEAF, .name = name};
    char *want = NULL;

    (void)ecert_words_use("en");
    char *said = say(ecert_words_what_to_do, &finding);
    assert_true(asprintf(&want, "`ecert plan %s` shows", row->word) > 0);
    assert_memory_equal(said, want, strlen(want));
    free(want);
    free(said);
    free(name);
}

/* ---- languages ---- */

static void languages_change_without_a_locale_of_the_machine(void **state)
{
    /* cmocka reads how it shall write, whenever it writes */
    const char *output = getenv("CMOCKA_MESSAGE_OUTPUT");
    ECERT_AUTO(ecert_auto_free) char *kept = output == NULL ? NULL : strdup(output);

    (void)state;
    assert_int_equal(clearenv(), 0); /* as core/base/process.c leaves it */
    if (kept != NULL)
        assert_int_equal(setenv("CMOCKA_MESSAGE_OUTPUT", kept, 1), 0);
    assert_int_equal(setenv("LANG", "C", 1), 0);
    assert_int_equal(setenv("LC_ALL", "C", 1), 0);
    for (int i = 0; i < 3; i++) {
        (void)ecert_words_use("en");
        assert_string_equal(ecert_words("certificate"), "certificate");
        assert_string_equal(ecert_words_n("expires in %lu day (%s)", "expires in %lu days (%s)", 1),
                            "expires in %lu day (%s)");
        assert_string_equal(ecert_words_tag(), "en");
        assert_string_equal(ecert_words_use("zh_HK"), "en");
        assert_string_equal(ecert_words("certificate"), "證書");
        assert_string_equal(ecert_words_n("expires in %lu day (%s)", "expires in %lu days (%s)", 1),
                            "尚餘 %lu 日到期（%s）");
        assert_string_equal(ecert_words_tag(), "zh-Hant-HK");
    }
    /* what is not ours stays English */
    assert_string_equal(setlocale(LC_MESSAGES, NULL), "C");
    assert_string_equal(strerror(ENOENT), "No such file or directory");
    assert_string_equal(ecert_words_use("en"), "zh_HK");
}

static void what_is_not_known_is_english(void **state)
{
    (void)state;
    assert_true(ecert_words_know("en"));
    assert_true(ecert_words_know("zh_HK"));
    assert_false(ecert_words_know("zh"));
    assert_false(ecert_words_know("../../etc"));
    (void)ecert_words_use("zh_HK");
    assert_string_equal(ecert_words("a text that no catalogue has"),
                        "a text that no catalogue has");
    (void)ecert_words_use("de");
    assert_string_equal(ecert_words("certificate"), "certificate");
    (void)ecert_words_use("zh_HK");
    (void)ecert_words_use(NULL);
    assert_string_equal(ecert_words("certificate"), "certificate");
}

static void without_a_catalogue_it_is_english(void **state)
{
    (void)state;
    ecert_words_directory("/nonexistent");
    (void)ecert_words_use("zh_HK");
    assert_string_equal(ecert_words("certificate"), "certificate");
    assert_string_equal(ecert_words_n("%zu more ends later.", "%zu more end later.", 2),
                        "%zu more end later.");
    ecert_words_directory(TEST_LOCALE_DIR);
    assert_string_equal(ecert_words("certificate"), "證書");
    (void)ecert_words_use("en");
}

int main(void)
{
    const struct CMUnitTest single[] = {
        cmocka_unit_test(nothing_is_without_words),
        cmocka_unit_test(every_pair_there_can_be_fits),
        cmocka_unit_test(every_row_is_reached_and_names_commands_that_exist),
        cmocka_unit_test(of_other_cas_nothing_untrue_is_said),
        cmocka_unit_test(languages_change_without_a_locale_of_the_machine),
        cmocka_unit_test(what_is_not_known_is_english),
        cmocka_unit_test(without_a_catalogue_it_is_english),
    };
    struct CMUnitTest states[ARRAY_SIZE(state_rows)] = {0}, names[ARRAY_SIZE(name_rows)] = {0};
    struct CMUnitTest fits[ARRAY_SIZE(fit_rows)] = {0};

    ecert_words_directory(TEST_LOCALE_DIR);
    for (size_t i = 0; i < ARRAY_SIZE(state_rows); i++)
        states[i] = (struct CMUnitTest){.name = state_rows[i].name,
                                        .test_func = check_state,
                                        .initial_state = (void *)(uintptr_t)&state_rows[i]};
    for (size_t i = 0; i < ARRAY_SIZE(name_rows); i++)
        names[i] = (struct CMUnitTest){.name = name_rows[i].word,
                                       .test_func = names_are_words_of_a_shell,
                                       .initial_state = (void *)(uintptr_t)&name_rows[i]};
    for (size_t i = 0; i < ARRAY_SIZE(fit_rows); i++)
        fits[i] = (struct CMUnitTest){.name = fit_rows[i].name,
                                      .test_func = advice_fits,
                                      .initial_state = (void *)(uintptr_t)&fit_rows[i]};
    return cmocka_run_group_tests(states, NULL, NULL) + cmocka_run_group_tests(fits, NULL, NULL) +
           cmocka_run_group_tests(names, NULL, NULL) + cmocka_run_group_tests(single, NULL, NULL);
}
