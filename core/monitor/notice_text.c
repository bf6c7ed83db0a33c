#include <string.h>

#include "core/base/clock.h"
#include "core/monitor/notice_parts.h"
#include "core/monitor/words.h"
#include "core/monitor/words_advice.h"

#define NAMES_MAX 5

/* ---- pieces ---- */

void ecert_notice_add(struct ecert_buffer *out, const char *text)
{
    ecert_buffer_add_escaped(out, ecert_view_of(text), false);
}

void ecert_notice_add_sentence(struct ecert_buffer *out, const char *text)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer words = {0};

    ecert_words_sentence(&words, text);
    out->failed = out->failed || words.failed;
    if (words.len > 0)
        ecert_notice_add(out, (const char *)words.ptr);
}

void ecert_notice_add_cut(struct ecert_buffer *out, const char *text, size_t max)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer whole = {0};
    size_t len;

    ecert_notice_add(&whole, text);
    len = whole.len;
    if (len > max) {
        len = max;
        while (len > 0 && (whole.ptr[len] & 0xC0) == 0x80)
            len--;
    }
    ecert_buffer_add(out, (struct ecert_view){whole.ptr, len});
    if (len < whole.len)
        ecert_buffer_add_text(out, "…");
    out->failed = out->failed || whole.failed;
}

void ecert_notice_headline(struct ecert_buffer *out, const struct ecert_finding *finding,
                           int64_t now)
{
    ecert_notice_add(out, finding->name);
    ecert_buffer_add_text(out, ecert_words(": "));
    ecert_words_state(out, finding, now);
}

const char *ecert_notice_kind_word(enum ecert_notice_kind kind)
{
    switch (kind) {
    case ECERT_NOTICE_REMINDER:
        return "reminder";
    case ECERT_NOTICE_DIGEST:
        return "digest";
    case ECERT_NOTICE_TEST:
        return "test";
    }
    return "";
}

const char *ecert_notice_note(const struct ecert_finding *finding)
{
    return finding->settings == NULL ? NULL : finding->settings->note;
}

void ecert_notice_line(struct ecert_buffer *out, const struct ecert_finding *finding, int64_t now)
{
    ecert_notice_headline(out, finding, now);
    if (finding->where != NULL) {
        ecert_buffer_add_text(out, ecert_words(": "));
        ecert_notice_add_sentence(out, finding->where);
    }
    if (finding->detail != NULL) {
        ecert_buffer_add_text(out, ecert_words(": "));
        ecert_notice_add_sentence(out, finding->detail);
    }
}

/* ---- what it is about ---- */

static void subject_of_reminder(const struct ecert_notice *notice, struct ecert_buffer *out)
{
    const unsigned long more = (unsigned long)notice->n - 1;

    ecert_buffer_printf(out, "[%s] ", ecert_words_urgency(notice->findings[0]->urgency));
    ecert_notice_headline(out, notice->findings[0], notice->now);
    if (more > 0)
        ecert_buffer_printf(out, ecert_words_n(", and %lu more", ", and %lu more", more), more);
}

void ecert_notice_subject(const struct ecert_notice *notice, struct ecert_buffer *out)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer host = {0};

    ecert_notice_add(&host, notice->host);
    const char *name = host.ptr == NULL ? "" : (const char *)host.ptr;
    if (notice->kind == ECERT_NOTICE_TEST)
        ecert_buffer_printf(out, ecert_words("Test of the reminders of %s: nothing is wrong"),
                            name);
    else if (notice->kind == ECERT_NOTICE_REMINDER && notice->n > 0)
        subject_of_reminder(notice, out);
    else if (notice->n == 0)
        ecert_buffer_printf(out, ecert_words("Weekly overview of %s: all is well (%lu watched)"),
                            name, (unsigned long)notice->fine);
    else
        ecert_buffer_printf(out, ecert_words("Weekly overview of %s: %lu to look at, %lu fine"),
                            name, (unsigned long)notice->n, (unsigned long)notice->fine);
}

void ecert_notice_intro(const struct ecert_notice *notice, struct ecert_buffer *out)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer host = {0};
    const unsigned long n = (unsigned long)notice->n;

    ecert_notice_add(&host, notice->host);
    const char *name = host.ptr == NULL ? "" : (const char *)host.ptr;
    if (notice->kind == ECERT_NOTICE_TEST)
        ecert_buffer_printf(
            out,
            ecert_words("`ecert remind --test` on %s sent this. It arrived, so that "
                        "reminders will arrive too. Nothing is wrong."),
            name);
    else if (notice->kind == ECERT_NOTICE_REMINDER)
        ecert_buffer_printf(out,
                            ecert_words_n("On %s there is %lu thing to be done.",
                                          "On %s there are %lu things to be done, the most urgent "
                                          "first.",
                                          n),
                            name, n);
    else if (n == 0)
        ecert_buffer_printf(
            out,
            ecert_words("Everything that is watched on %s is fine (%lu). This overview comes every "
                        "week: if it stays away, have somebody look at the machine."),
            name, (unsigned long)notice->fine);
    else
        ecert_buffer_printf(
            out,
            ecert_words("Of what is watched on %s, %lu are to be looked at and %lu are fine. This "
                        "overview comes every week: if it stays away, have somebody look at the "
                        "machine."),
            name, n, (unsigned long)notice->fine);
}

/* ---- explanations ---- */

static bool are_alike(const struct ecert_finding *a, const struct ecert_finding *b)
{
    return a->watched == b->watched && ecert_advice_for(a) == ecert_advice_for(b);
}

bool ecert_notice_explains(const struct ecert_notice *notice, size_t which, size_t *ret_n,
                           struct ecert_buffer *names)
{
    const struct ecert_finding *finding = notice->findings[which];
    const char *last = NULL;
    size_t n = 0, named = 0;

    for (size_t i = 0; i < which; i++)
        if (are_alike(notice->findings[i], finding))
            return false;
    for (size_t i = which; i < notice->n; i++) {
        const char *name = notice->findings[i]->name;

        if (!are_alike(notice->findings[i], finding))
            continue;
        n++;
        if (name == NULL || (last != NULL && strcmp(last, name) == 0))
            continue; /* the same thing in several places */
        last = name;
        if (named++ >= NAMES_MAX)
            continue;
        ecert_buffer_add_text(names, named > 1 ? ecert_words(", ") : "");
        ecert_notice_add_cut(names, name, 200);
    }
    if (named > NAMES_MAX) {
        const unsigned long more = (unsigned long)(named - NAMES_MAX);
        ecert_buffer_printf(names, ecert_words_n(", and %lu more", ", and %lu more", more), more);
    }
    *ret_n = named;
    return true;
}

void ecert_notice_what_to_do(struct ecert_buffer *out, const struct ecert_finding *finding,
                             size_t n)
{
    char any[] = "NAME";
    struct ecert_finding one = *finding;

    if (n > 1)
        one.name = any;
    ecert_words_what_to_do(out, &one);
}

void ecert_notice_closing(const struct ecert_notice *notice, struct ecert_buffer *out)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer host = {0};
    char moment[ECERT_TIME_TEXT_LEN];

    ecert_clock_text(notice->now, moment);
    ecert_notice_add(&host, notice->host);
    if (notice->n > 0)
        ecert_buffer_add_text(
            out,
            ecert_words("Is somebody at work on it already? `ecert ack NAME --until YYYY-MM-DD "
                        "--note \"...\"` quiets the reminders of one name until that day. "));
    ecert_buffer_printf(out, ecert_words("Sent by ecert on %s, %s."),
                        host.ptr == NULL ? "" : (const char *)host.ptr, moment);
}

/* ---- text/plain ---- */

static void add_finding(const struct ecert_notice *notice, size_t which, struct ecert_buffer *out)
{
    const struct ecert_finding *finding = notice->findings[which];
    const char *note = ecert_notice_note(finding);

    ecert_buffer_printf(out, "%zu. [%s] ", which + 1, ecert_words_urgency(finding->urgency));
    ecert_notice_headline(out, finding, notice->now);
    ecert_buffer_printf(out, "\n   %s", ecert_words_watched(finding->watched));
    if (finding->where != NULL) {
        ecert_buffer_add_text(out, ecert_words(": "));
        ecert_notice_add_sentence(out, finding->where);
    }
    if (finding->title != NULL && finding->name != NULL &&
        strcmp(finding->title, finding->name) != 0) {
        ecert_buffer_add_text(out, " · ");
        ecert_notice_add(out, finding->title);
    }
    ecert_buffer_add_text(out, "\n");
    if (finding->detail != NULL) {
        ecert_buffer_add_text(out, "   ");
        ecert_notice_add_sentence(out, finding->detail);
        ecert_buffer_add_text(out, "\n");
    }
    if (finding->serial[0] != '\0')
        ecert_buffer_printf(out, "   %s%s%s\n", ecert_words("Serial"), ecert_words(": "),
                            finding->serial);
    if (note != NULL) {
        ecert_buffer_printf(out, "   %s%s", ecert_words("Note"), ecert_words(": "));
        ecert_notice_add(out, note);
        ecert_buffer_add_text(out, "\n");
    }
}

static void add_explanation(const struct ecert_notice *notice, size_t which,
                            struct ecert_buffer *out)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer names = {0};
    const struct ecert_finding *finding = notice->findings[which];
    size_t n = 0;

    if (!ecert_notice_explains(notice, which, &n, &names))
        return;
    ecert_buffer_printf(out, "\n%s%s", ecert_words_watched(finding->watched), ecert_words(": "));
    ecert_buffer_add(out, ecert_buffer_view(&names));
    ecert_buffer_printf(out, "\n   %s%s", ecert_words("Why it matters"), ecert_words(": "));
    ecert_words_why(out, finding);
    ecert_buffer_printf(out, "\n   %s%s", ecert_words("What to do"), ecert_words(": "));
    ecert_notice_what_to_do(out, finding, n);
    ecert_buffer_add_text(out, "\n");
}

size_t ecert_notice_rows(const struct ecert_notice *notice)
{
    const size_t max = notice->rows_max == 0 ? ECERT_NOTICE_ROWS_MAX : notice->rows_max;

    return notice->n < max ? notice->n : max;
}

void ecert_notice_text(const struct ecert_notice *notice, struct ecert_buffer *out)
{
    const size_t rows = ecert_notice_rows(notice);

    ecert_notice_intro(notice, out);
    ecert_buffer_add_text(out, rows > 0 ? "\n\n" : "\n");
    for (size_t i = 0; i < rows; i++)
        add_finding(notice, i, out);
    if (notice->n > rows) {
        ecert_buffer_printf(
            out, ecert_words("%zu more are not shown; `ecert check --verbose` lists them."),
            notice->n - rows);
        ecert_buffer_add_text(out, "\n");
    }
    for (size_t i = 0; i < rows; i++)
        add_explanation(notice, i, out);
    ecert_buffer_add_text(out, "\n-- \n");
    ecert_notice_closing(notice, out);
    ecert_buffer_add_text(out, "\n");
}
