#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "core/flow/outcome_json.h"
#include "core/monitor/finding_json.h"
#include "core/monitor/notice_parts.h"
#include "core/monitor/words.h"

/*
 * Slack cuts a text at 40,000 characters, Teams refuses a message of more than 28 KB: what is sent
 * stays well below both.
 */
#define CHAT_MAX      16000
#define CHAT_TEXT_MAX 400

/* ---- the documented shape (docs/reminders.md) ---- */

static json_t *subject_json(const struct ecert_notice *notice)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer subject = {0};

    ecert_notice_subject(notice, &subject);
    return subject.failed ? NULL : ecert_text_json((const char *)subject.ptr);
}

static json_t *plain_json(const struct ecert_notice *notice, size_t *ret_shown)
{
    json_t *findings = json_array();

    for (size_t i = 0; i < notice->n; i++)
        if (json_array_append_new(findings, ecert_finding_json(notice->findings[i], notice->now)) !=
            0) {
            json_decref(findings);
            return NULL;
        }
    *ret_shown = notice->n;
    return json_pack(
        "{s:i, s:o, s:s, s:o, s:o, s:s, s:o, s:o, s:o}", "version", 1, "id",
        ecert_text_json(notice->key), "kind", ecert_notice_kind_word(notice->kind), "host",
        ecert_text_json(notice->host), "time", ecert_moment_json(notice->now), "language",
        notice->language == NULL ? "en" : notice->language, "subject", subject_json(notice), "fine",
        notice->kind == ECERT_NOTICE_DIGEST ? json_integer((json_int_t)notice->fine) : json_null(),
        "findings", findings);
}

/* ---- chats ---- */

/* Only the most urgent findings are sent, as far as there is room. */
static bool has_room(size_t used, size_t of)
{
    return used + of <= CHAT_MAX;
}

static void add_finding_text(struct ecert_buffer *out, const struct ecert_notice *notice,
                             const struct ecert_finding *finding)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer line = {0};

    ecert_buffer_printf(&line, "[%s] ", ecert_words_urgency(finding->urgency));
    ecert_notice_line(&line, finding, notice->now);
    ecert_notice_add_cut(out, (const char *)line.ptr, CHAT_TEXT_MAX);
    out->failed = out->failed || line.failed;
}

/* Why it is watched, where the configuration says so: on a line of its own. */
static bool add_note(struct ecert_buffer *out, const struct ecert_finding *finding)
{
    const char *note = ecert_notice_note(finding);

    if (note == NULL)
        return false;
    ecert_buffer_printf(out, "%s%s", ecert_words("Note"), ecert_words(": "));
    ecert_notice_add_cut(out, note, CHAT_TEXT_MAX);
    return true;
}

static void add_more(struct ecert_buffer *out, size_t left_out)
{
    ecert_buffer_printf(
        out, ecert_words("%zu more are not shown; `ecert check --verbose` lists them."), left_out);
}

/* The three characters that Slack gives a meaning: neither links nor mentions come from outside. */
static void add_slack(struct ecert_buffer *out, const struct ecert_buffer *text)
{
    for (size_t i = 0; i < text->len; i++) {
        const uint8_t c = text->ptr[i];

        if (c == '&' || c == '<' || c == '>')
            ecert_buffer_add_text(out, c == '&' ? "&amp;" : c == '<' ? "&lt;" : "&gt;");
        else
            ecert_buffer_add(out, (struct ecert_view){&c, 1});
    }
    out->failed = out->failed || text->failed;
}

static json_t *slack_json(const struct ecert_notice *notice, size_t *ret_shown)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer out = {0};
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer intro = {0};
    size_t i = 0;

    ecert_notice_intro(notice, &intro);
    add_slack(&out, &intro);
    for (; i < notice->n; i++) {
        ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer block = {0};

        ecert_buffer_add_text(&block, "\n\n");
        add_finding_text(&block, notice, notice->findings[i]);
        ecert_buffer_add_text(&block, "\n");
        if (add_note(&block, notice->findings[i]))
            ecert_buffer_add_text(&block, "\n");
        ecert_buffer_printf(&block, "%s%s", ecert_words("What to do"), ecert_words(": "));
        ecert_words_what_to_do(&block, notice->findings[i]);
        if (i > 0 && !has_room(out.len, block.len))
            break;
        add_slack(&out, &block);
    }
    if (i < notice->n) {
        ecert_buffer_add_text(&out, "\n\n");
        add_more(&out, notice->n - i);
    }
    if (out.failed)
        return NULL;
    *ret_shown = i;
    return json_pack("{s:o}", "text", ecert_text_json((const char *)out.ptr));
}

/* Runs of text are shown as they are: no Markdown comes from outside. */
static json_t *teams_block(const char *text, bool bold, bool separated)
{
    return json_pack("{s:s, s:s, s:b, s:[{s:s, s:o, s:s}]}", "type", "RichTextBlock", "spacing",
                     separated ? "medium" : "small", "separator", separated, "inlines", "type",
                     "TextRun", "text", ecert_text_json(text), "weight",
                     bold ? "bolder" : "default");
}

static bool add_teams_finding(json_t *body, const struct ecert_notice *notice, size_t which,
                              size_t *used)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer head = {0};
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer note = {0};
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer what = {0};

    add_finding_text(&head, notice, notice->findings[which]);
    ecert_buffer_printf(&what, "%s%s", ecert_words("What to do"), ecert_words(": "));
    ecert_words_what_to_do(&what, notice->findings[which]);
    const bool noted = add_note(&note, notice->findings[which]);
    const size_t of = head.len + note.len + what.len + 450; /* the frame of three blocks */
    if (head.failed || note.failed || what.failed || (which > 0 && !has_room(*used, of)))
        return false;
    *used += of;
    (void)json_array_append_new(body, teams_block((const char *)head.ptr, true, true));
    if (noted)
        (void)json_array_append_new(body, teams_block((const char *)note.ptr, false, false));
    (void)json_array_append_new(body, teams_block((const char *)what.ptr, false, false));
    return true;
}

static json_t *teams_body(const struct ecert_notice *notice, size_t *ret_shown)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer words = {0};
    json_t *body = json_array();
    size_t used = 0, i = 0;

    ecert_notice_intro(notice, &words);
    (void)json_array_append_new(body, teams_block((const char *)words.ptr, false, false));
    while (i < notice->n && add_teams_finding(body, notice, i, &used))
        i++;
    if (i < notice->n) {
        ecert_buffer_clear(&words);
        add_more(&words, notice->n - i);
        (void)json_array_append_new(body, teams_block((const char *)words.ptr, false, true));
    }
    *ret_shown = i;
    return body;
}

static json_t *teams_json(const struct ecert_notice *notice, size_t *ret_shown)
{
    return json_pack("{s:s, s:[{s:s, s:n, s:{s:s, s:s, s:s, s:o}}]}", "type", "message",
                     "attachments", "contentType", "application/vnd.microsoft.card.adaptive",
                     "contentUrl", "content", "$schema",
                     "http://adaptivecards.io/schemas/adaptive-card.json", "type", "AdaptiveCard",
                     "version", "1.4", "body", teams_body(notice, ret_shown));
}

/* ---- either ---- */

static const struct template_row {
    const char *name;
    json_t *(*make)(const struct ecert_notice *notice, size_t *ret_shown);
} templates[] = {{"json", plain_json}, {"slack", slack_json}, {"teams", teams_json}};

static const struct template_row *row_of(const char *template_name)
{
    for (size_t i = 0; i < ARRAY_SIZE(templates); i++)
        if (strcmp(templates[i].name, template_name) == 0)
            return &templates[i];
    return NULL;
}

static json_t *make(const struct ecert_notice *notice, const struct template_row *row,
                    size_t *ret_shown)
{
    const char *before = ecert_words_use(notice->language);
    json_t *json = row->make(notice, ret_shown);

    (void)ecert_words_use(before);
    return json;
}

size_t ecert_notice_fits(const struct ecert_notice *notice, const char *template_name)
{
    const struct template_row *row = template_name == NULL ? NULL : row_of(template_name);
    size_t shown = 0;

    if (template_name == NULL)
        return ecert_notice_mail_fits(notice);
    if (row == NULL || row->make == plain_json)
        return notice->n;
    json_decref(make(notice, row, &shown));
    return shown == 0 && notice->n > 0 ? 1 : shown;
}

static enum ecert_status write_json(const struct ecert_notice *notice,
                                    const struct template_row *row, struct ecert_bytes *ret,
                                    struct ecert_error *err)
{
    size_t shown = 0;
    json_t *json = make(notice, row, &shown);
    char *text = json == NULL ? NULL : json_dumps(json, JSON_COMPACT);
    enum ecert_status status;

    json_decref(json);
    if (text == NULL)
        return ecert_error_nomem(err);
    status = ecert_bytes_copy(ecert_view_of(text), ret, err);
    free(text);
    return status;
}

enum ecert_status ecert_notice_json(const struct ecert_notice *notice, const char *template_name,
                                    struct ecert_bytes *ret, struct ecert_error *err)
{
    const struct template_row *row = row_of(template_name);

    if (row != NULL)
        return write_json(notice, row, ret, err);
    return ecert_error_set(err, ECERT_E_UNSUPPORTED,
                           "no template '%s': json, slack and teams are known", template_name);
}
