#include "core/flow/outcome_json.h"

json_t *ecert_text_json(const char *text)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer escaped = {0};
    json_t *json = NULL;

    if (text == NULL)
        return json_null();
    json = json_string(text);
    if (json != NULL)
        return json;
    ecert_buffer_add_escaped(&escaped, ecert_view_of(text), true);
    return escaped.ptr == NULL ? NULL : json_string((const char *)escaped.ptr);
}

json_t *ecert_strings_json(const struct ecert_strings *strings)
{
    json_t *list = json_array();

    for (size_t i = 0; i < strings->len; i++)
        (void)json_array_append_new(list, ecert_text_json(strings->items[i]));
    return list;
}

static json_t *observation_json(const struct ecert_observation *seen)
{
    return json_pack(
        "{s:s, s:i, s:o, s:o, s:s, s:s, s:i, s:o}", "address", seen->probe.address, "port",
        (int)seen->probe.port, "server_name", ecert_text_json(seen->probe.server_name), "starttls",
        ecert_text_json(seen->probe.starttls), "before", seen->before, "after", seen->after,
        "chain_sent", (int)seen->chain_sent, "problem", ecert_text_json(seen->problem));
}

json_t *ecert_outcome_json(const struct ecert_outcome *outcome)
{
    json_t *files = json_array(), *seen = json_array();

    for (size_t i = 0; i < outcome->n_files; i++)
        (void)json_array_append_new(
            files, json_pack("{s:o, s:s, s:s}", "path", ecert_text_json(outcome->files[i].path),
                             "before", outcome->files[i].before, "after", outcome->files[i].after));
    for (size_t i = 0; i < outcome->n_observations; i++)
        (void)json_array_append_new(seen, observation_json(&outcome->observations[i]));
    return json_pack("{s:b, s:b, s:o, s:o, s:o}", "proved", outcome->proved, "activated",
                     outcome->activated, "files", files, "seen", seen, "notes",
                     ecert_strings_json(&outcome->notes));
}
