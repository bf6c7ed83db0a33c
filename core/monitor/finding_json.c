#include "core/monitor/finding_json.h"

#include "core/base/clock.h"
#include "core/flow/outcome_json.h"
#include "core/monitor/words.h"

json_t *ecert_moment_json(int64_t seconds)
{
    char text[ECERT_TIME_TEXT_LEN];

    if (seconds == 0)
        return json_null();
    ecert_clock_text(seconds, text);
    return json_string(text);
}

/* A text that says nothing is not known. */
static json_t *known_json(const char *text)
{
    return ecert_text_json(text == NULL || text[0] == '\0' ? NULL : text);
}

/* What was written into `words`, which is empty afterwards. */
static json_t *words_json(struct ecert_buffer *words)
{
    json_t *json = words->failed ? NULL : known_json((const char *)words->ptr);

    ecert_buffer_clear(words);
    return json;
}

json_t *ecert_finding_json(const struct ecert_finding *finding, int64_t now)
{
    struct ecert_buffer state = {0}, why = {0}, what_to_do = {0};

    ecert_words_state(&state, finding, now);
    if (finding->urgency != ECERT_URGENCY_FINE) {
        ecert_words_why(&why, finding);
        ecert_words_what_to_do(&what_to_do, finding);
    }
    return json_pack(
        "{s:o, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
        "name", known_json(finding->name), "watched", ecert_watched_word(finding->watched),
        "condition", ecert_condition_word(finding->condition), "urgency",
        ecert_urgency_word(finding->urgency), "where", known_json(finding->where), "title",
        known_json(finding->title), "detail", known_json(finding->detail), "serial",
        known_json(finding->serial), "sha256", known_json(finding->sha256), "not_before",
        ecert_moment_json(finding->not_before), "not_after", ecert_moment_json(finding->not_after),
        "days",
        finding->not_after == 0 ? json_null() : json_integer(ecert_finding_days(finding, now)),
        "threshold",
        finding->threshold == ECERT_NO_THRESHOLD ? json_null() : json_integer(finding->threshold),
        "note", known_json(finding->settings == NULL ? NULL : finding->settings->note), "state",
        words_json(&state), "why", words_json(&why), "what_to_do", words_json(&what_to_do));
}
