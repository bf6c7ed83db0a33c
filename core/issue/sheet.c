#include "core/issue/sheet.h"

#include <string.h>

#include "core/base/words.h"
#include "core/flow/host_name.h"

/* What placeholders stand for. */
struct filling {
    const struct ecert_sheet_entry *entry;
    const char *inbox;
};

const char *ecert_sheet_kind(enum ecert_request_kind kind)
{
    switch (kind) {
    case ECERT_REQUEST_FIRST:
        return ecert_words("first certificate");
    case ECERT_REQUEST_REISSUE:
        return ecert_words("re-issue within the subscription");
    case ECERT_REQUEST_RENEWAL:
        return ecert_words("renewal of the subscription");
    }
    return "";
}

const char *ecert_sheet_state(enum ecert_request_state state)
{
    switch (state) {
    case ECERT_REQUEST_MADE:
        return ecert_words("its key is not backed up yet");
    case ECERT_REQUEST_OPEN:
        return ecert_words("waiting for the CA");
    case ECERT_REQUEST_ISSUED:
        return ecert_words("the certificate is back");
    case ECERT_REQUEST_CANCELLED:
        return ecert_words("cancelled");
    }
    return "";
}

static enum ecert_status add_name(struct ecert_buffer *out, const char *name,
                                  struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *shown = NULL;

    ECERT_TRY(ecert_host_name_shown(name, &shown, err));
    ecert_buffer_add_text(out, shown);
    return ECERT_OK;
}

static enum ecert_status add_names(struct ecert_buffer *out, const struct ecert_strings *names,
                                   struct ecert_error *err)
{
    for (size_t i = 0; i < names->len; i++) {
        if (i > 0)
            ecert_buffer_add_text(out, ", ");
        ECERT_TRY(add_name(out, names->items[i], err));
    }
    return ECERT_OK;
}

const char *ecert_sheet_validation(enum ecert_validation validation)
{
    switch (validation) {
    case ECERT_VALIDATION_ANY:
        break;
    case ECERT_VALIDATION_OV:
        return "OV";
    case ECERT_VALIDATION_EV:
        return "EV";
    }
    return ecert_words("as it was agreed on (OV or EV)");
}

static const char *organization_of(const struct ecert_request *request)
{
    if (request->organization != NULL)
        return request->organization;
    return request->chinese_organization == NULL ? "-" : request->chinese_organization;
}

/* The value of one placeholder; *ret_known is false if there is none of this name. */
static enum ecert_status add_value(struct ecert_buffer *out, const struct filling *filling,
                                   struct ecert_view word, bool *ret_known, struct ecert_error *err)
{
    const struct ecert_request *request = filling->entry->request;

    *ret_known = true;
    if (ecert_view_equal(word, ecert_view_of("NAME")))
        return add_name(out, request->names.len > 0 ? request->names.items[0] : request->name, err);
    if (ecert_view_equal(word, ecert_view_of("NAMES")))
        return add_names(out, &request->names, err);
    if (ecert_view_equal(word, ecert_view_of("ORGANIZATION")))
        ecert_buffer_add_text(out, organization_of(request));
    else if (ecert_view_equal(word, ecert_view_of("VALIDATION")))
        ecert_buffer_add_text(out, ecert_sheet_validation(request->validation));
    else if (ecert_view_equal(word, ecert_view_of("CSR")))
        ecert_buffer_add_text(out, filling->entry->csr_file);
    else if (ecert_view_equal(word, ecert_view_of("INBOX")))
        ecert_buffer_add_text(out, filling->inbox);
    else
        *ret_known = false;
    return ECERT_OK;
}

/* The text with what its placeholders stand for; a '%' of another meaning stays. */
static enum ecert_status add_filled(struct ecert_buffer *out, const char *text,
                                    const struct filling *filling, struct ecert_error *err)
{
    while (*text != '\0') {
        const char *end = *text == '%' ? strchr(text + 1, '%') : NULL;
        bool known = false;

        if (end != NULL) {
            const struct ecert_view word = {(const uint8_t *)text + 1, (size_t)(end - text - 1)};
            ECERT_TRY(add_value(out, filling, word, &known, err));
        }
        if (!known)
            ecert_buffer_add(out, (struct ecert_view){(const uint8_t *)text, 1});
        text = known ? end + 1 : text + 1;
    }
    return ECERT_OK;
}

static enum ecert_status add_step(struct ecert_strings *steps, const char *who, const char *text,
                                  const struct filling *filling, struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer out = {0};
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes line = {0};

    ecert_buffer_add_text(&out, who == NULL ? ecert_words("the server's administrator") : who);
    ecert_buffer_add_text(&out, ecert_words(": "));
    ECERT_TRY(add_filled(&out, text, filling, err));
    ECERT_TRY(ecert_buffer_take(&out, &line, err));
    return ecert_strings_add(steps, (const char *)line.ptr, err);
}

/* A profile that says nothing: what holds for every CA. */
static enum ecert_status add_plain_steps(struct ecert_strings *steps, const struct filling *filling,
                                         struct ecert_error *err)
{
    ECERT_TRY(add_step(steps, NULL,
                       ecert_words("Hand the request to the CA, whole, with its first and last "
                                   "line: the file %CSR%."),
                       filling, err));
    return add_step(steps, NULL,
                    ecert_words("Put the certificate that comes back into %INBOX%. The next `ecert "
                                "run` checks it against this request and deploys it."),
                    filling, err);
}

static bool belongs(const struct ecert_authority_step *step, enum ecert_request_kind kind)
{
    return step->kinds.len == 0 ||
           ecert_strings_contain(&step->kinds, ecert_request_kind_word(kind));
}

static enum ecert_status add_steps(struct ecert_strings *steps, const struct filling *filling,
                                   bool chinese, struct ecert_error *err)
{
    const struct ecert_authority_request *wanted = &filling->entry->authority->request;

    for (size_t i = 0; i < wanted->n_steps; i++) {
        const struct ecert_authority_step *step = &wanted->steps[i];

        if (!belongs(step, filling->entry->request->kind))
            continue;
        ECERT_TRY(add_step(steps, chinese && step->who_zh != NULL ? step->who_zh : step->who,
                           chinese && step->text_zh != NULL ? step->text_zh : step->text, filling,
                           err));
    }
    return steps->len > 0 ? ECERT_OK : add_plain_steps(steps, filling, err);
}

enum ecert_status ecert_sheet_steps(const struct ecert_sheet_entry *entry, const char *language,
                                    const char *inbox, struct ecert_strings *ret,
                                    struct ecert_error *err)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings steps = {0};
    const struct filling filling = {entry, inbox};
    const char *before = ecert_words_use(language);
    const enum ecert_status status =
        add_steps(&steps, &filling, strcmp(language, "zh_HK") == 0, err);

    (void)ecert_words_use(before);
    ECERT_TRY(status);
    *ret = steps;
    steps = (struct ecert_strings){0};
    return ECERT_OK;
}
