#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fs.h"
#include "core/flow/config_read.h"
#include "core/flow/host_name.h"
#include "core/monitor/monitor_parts.h"
#include "core/monitor/thresholds.h"

#define LIST_MAX   ((size_t)8 << 20)
#define FIELDS_MAX 3

static void asked_clear(struct monitor_asked *asked)
{
    ecert_probe_clear(&asked->probe);
    free(asked->host);
    *asked = (struct monitor_asked){0};
}

void monitor_endpoints_clear(struct monitor *monitor)
{
    ecert_endpoints_clear(&monitor->endpoints);
    for (size_t i = 0; i < monitor->n_asked; i++)
        asked_clear(&monitor->asked[i]);
    free(monitor->asked);
}

enum ecert_status monitor_ask(struct monitor *monitor, struct monitor_asked *asked,
                              const struct ecert_probe *probe, struct ecert_error *err)
{
    if ((monitor->n_asked & (monitor->n_asked - 1)) == 0) { /* 0, 1, 2, 4, 8 ...: it is full */
        const size_t room = monitor->n_asked == 0 ? 1 : 2 * monitor->n_asked;
        struct monitor_asked *more = reallocarray(monitor->asked, room, sizeof *more);

        if (more == NULL)
            return ecert_error_nomem(err);
        monitor->asked = more;
    }
    ECERT_TRY(ecert_endpoints_add(&monitor->endpoints, probe, err));
    monitor->asked[monitor->n_asked++] = *asked;
    *asked = (struct monitor_asked){0};
    return ECERT_OK;
}

enum ecert_status monitor_place(const struct ecert_probe *probe, char **ret,
                                struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer text = {0};
    const bool v6 = strchr(probe->address, ':') != NULL;

    ecert_buffer_printf(&text, "%s%s%s:%u", v6 ? "[" : "", probe->address, v6 ? "]" : "",
                        (unsigned)probe->port);
    if (probe->server_name != NULL && strcmp(probe->server_name, probe->address) != 0)
        ecert_buffer_printf(&text, " (%s%s%s)", probe->server_name,
                            probe->starttls == NULL ? "" : ", ",
                            probe->starttls == NULL ? "" : probe->starttls);
    else if (probe->starttls != NULL)
        ecert_buffer_printf(&text, " (%s)", probe->starttls);
    if (text.failed)
        return ecert_error_nomem(err);
    return ecert_text_copy(ecert_buffer_view(&text), ret, err);
}

void monitor_pass_over(const struct monitor *monitor, size_t live, size_t watched)
{
    struct ecert_monitor_passed_over *passed_over = monitor->options->passed_over;

    if (passed_over == NULL)
        return;
    passed_over->live += live;
    passed_over->watched += watched;
}

/* ---- reading ---- */

static enum ecert_status copy(const char *text, char **ret, struct ecert_error *err)
{
    return text == NULL ? ECERT_OK : ecert_text_copy(ecert_view_of(text), ret, err);
}

/* HOST:PORT, which was checked, with the name to ask for; an address asks for none by itself.
 * Without a network it is counted, not added. */
static enum ecert_status add(struct monitor *monitor, const struct ecert_watch_config *watch,
                             const char *endpoint, const char *server_name, const char *starttls,
                             struct ecert_error *err)
{
    ECERT_AUTO(asked_clear) struct monitor_asked asked = {.watch = watch};
    if (monitor->options->offline) {
        monitor_pass_over(monitor, 0, 1);
        return ECERT_OK;
    }
    const char *colon = strrchr(endpoint, ':');
    const bool bracketed = endpoint[0] == '[';
    const struct ecert_view host = {(const uint8_t *)endpoint + (bracketed ? 1 : 0),
                                    (size_t)(colon - endpoint) - (bracketed ? 2 : 0)};

    ECERT_TRY(ecert_text_copy(host, &asked.probe.address, err));
    asked.probe.port = (uint16_t)strtoul(colon + 1, NULL, 10);
    if (server_name == NULL && !ecert_served_is_address(asked.probe.address))
        server_name = asked.probe.address;
    ECERT_TRY(copy(server_name, &asked.probe.server_name, err));
    ECERT_TRY(copy(starttls, &asked.probe.starttls, err));
    ECERT_TRY(copy(server_name == NULL ? asked.probe.address : server_name, &asked.host, err));
    return monitor_ask(monitor, &asked, &asked.probe, err);
}

static enum ecert_status tell_mistake(const struct monitor *monitor,
                                      const struct ecert_watch_config *watch, size_t line,
                                      enum ecert_condition condition, const char *words,
                                      struct ecert_error *err)
{
    ECERT_AUTO(ecert_finding_clear) struct ecert_finding finding = {0};

    if (line == 0)
        ECERT_TRY(monitor_begin(ECERT_WATCHED_ENDPOINT, watch->name, &watch->settings, &finding,
                                err, "%s", watch->endpoints_file));
    else
        ECERT_TRY(monitor_begin(ECERT_WATCHED_ENDPOINT, watch->name, &watch->settings, &finding,
                                err, "%s:%zu", watch->endpoints_file, line));
    finding.condition = condition;
    if (line == 0)
        ECERT_TRY(monitor_detail(&finding, err, "%s", words));
    else
        ECERT_TRY(monitor_detail(&finding, err, "%s:%zu: %s", watch->endpoints_file, line, words));
    return monitor_tell(monitor, &finding, err);
}

/* Cuts the line into words; what stands behind '#' is for people.  FIELDS_MAX + 1: too many. */
static size_t cut(char *line, char *fields[FIELDS_MAX])
{
    size_t n = 0;
    char *rest = NULL;

    line[strcspn(line, "#")] = '\0';
    for (char *word = strtok_r(line, " \t\r\f\v", &rest); word != NULL;
         word = strtok_r(NULL, " \t\r\f\v", &rest)) {
        if (n == FIELDS_MAX)
            return FIELDS_MAX + 1;
        for (char *c = word; *c != '\0'; c++)
            *c = (char)tolower((unsigned char)*c);
        fields[n++] = word;
    }
    return n;
}

static enum ecert_status check_line(char *fields[FIELDS_MAX], size_t n, struct ecert_error *why)
{
    if (n > FIELDS_MAX)
        return ecert_error_set(why, ECERT_E_CONFIG,
                               "more than three words; a line is host:port [server_name "
                               "[starttls]]");
    ECERT_TRY(ecert_config_is_endpoint(fields[0], why));
    if (n > 1)
        ECERT_TRY(ecert_config_is_server_name(fields[1], why));
    if (n > 2)
        ECERT_TRY(ecert_config_is_starttls(fields[2], why));
    return ECERT_OK;
}

static enum ecert_status read_line(struct monitor *monitor, const struct ecert_watch_config *watch,
                                   char *line, size_t number, bool *said, struct ecert_error *err)
{
    char *fields[FIELDS_MAX] = {0};
    struct ecert_error why = {0};
    const size_t n = cut(line, fields);

    if (n == 0)
        return ECERT_OK;
    *said = true;
    if (check_line(fields, n, &why) != ECERT_OK)
        return why.status == ECERT_E_NOMEM
                   ? ecert_error_nomem(err)
                   : tell_mistake(monitor, watch, number, ECERT_CONDITION_UNDECODABLE, why.text,
                                  err);
    ECERT_AUTO(ecert_auto_free) char *server_name = NULL;
    if (fields[1] != NULL && !ecert_text_is_ascii(fields[1])) {
        ECERT_TRY(ecert_host_name_to_ascii(fields[1], &server_name, err));
        fields[1] = server_name;
    }
    return add(monitor, watch, fields[0], fields[1], fields[2], err);
}

static enum ecert_status read_list(struct monitor *monitor, const struct ecert_watch_config *watch,
                                   struct ecert_error *err)
{
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes bytes = {0};
    struct ecert_error why = {0};
    bool said = false;
    size_t number = 0;

    if (ecert_fs_read(watch->endpoints_file, LIST_MAX, &bytes, &why) != ECERT_OK)
        return why.status == ECERT_E_NOMEM
                   ? ecert_error_nomem(err)
                   : tell_mistake(monitor, watch, 0, monitor_condition_of(why.status), why.text,
                                  err);
    if (memchr(bytes.ptr, 0, bytes.len) != NULL)
        return tell_mistake(monitor, watch, 0, ECERT_CONDITION_UNDECODABLE,
                            "it is no text: there is a NUL byte in it", err);
    for (char *line = (char *)bytes.ptr, *end = NULL; line != NULL;
         line = end == NULL ? NULL : end + 1) {
        end = strchr(line, '\n');
        if (end != NULL)
            *end = '\0';
        ECERT_TRY(read_line(monitor, watch, line, ++number, &said, err));
    }
    if (said)
        return ECERT_OK;
    return tell_mistake(monitor, watch, 0, ECERT_CONDITION_MISSING, "no line of it is an endpoint",
                        err);
}

enum ecert_status monitor_endpoints(struct monitor *monitor, struct ecert_error *err)
{
    const struct ecert_config *config = monitor->config;

    for (size_t i = 0; i < config->n_watches; i++) {
        const struct ecert_watch_config *watch = &config->watches[i];

        if (!monitor_wants(monitor, watch->name))
            continue;
        if (watch->endpoints_file != NULL)
            ECERT_TRY(read_list(monitor, watch, err));
        if (watch->endpoint != NULL)
            ECERT_TRY(
                add(monitor, watch, watch->endpoint, watch->server_name, watch->starttls, err));
    }
    return ECERT_OK;
}

/* ---- telling ---- */

static enum ecert_status tell_problem(const struct monitor *monitor,
                                      const struct ecert_served_problem *problem,
                                      const struct ecert_finding *like, struct ecert_error *err)
{
    ECERT_AUTO(ecert_finding_clear) struct ecert_finding finding = {0};

    ECERT_TRY(ecert_finding_copy(like, &finding, err));
    finding.settings = like->settings;
    finding.condition = problem->condition;
    ECERT_TRY(monitor_detail(&finding, err, "%s", problem->detail));
    return monitor_tell(monitor, &finding, err);
}

static bool is_near(const struct monitor *monitor, const struct ecert_finding *finding)
{
    struct ecert_finding judged = *finding; /* borrows its texts */

    ecert_finding_judge_dates(&judged, &monitor->config->reminders, monitor->now);
    return judged.condition != ECERT_CONDITION_FINE;
}

/*
 * A chain certificate that ends soon, which nobody told of: that of a deployed chain is told as
 * such.  A root is not believed for its dates.
 */
static enum ecert_status tell_member(const struct monitor *monitor, const X509 *member,
                                     const struct ecert_finding *like, struct ecert_error *err)
{
    ECERT_AUTO(ecert_finding_clear) struct ecert_finding finding = {0};

    if (ecert_certificate_is_self_signed(member))
        return ECERT_OK;
    ECERT_TRY(ecert_finding_copy(like, &finding, err));
    finding.settings = like->settings;
    finding.condition = ECERT_CONDITION_FINE; /* that of the leaf */
    ECERT_TRY(monitor_describe(&finding, member, err));
    ECERT_TRY(monitor_detail(
        &finding, err, "'%s' of the chain%s", finding.title,
        finding.condition == ECERT_CONDITION_FINE ? "" : ": its dates cannot be read"));
    return is_near(monitor, &finding) ? monitor_tell(monitor, &finding, err) : ECERT_OK;
}

static bool is_deployed(const struct ecert_served_question *question, const X509 *member)
{
    for (int i = 0; i < sk_X509_num(question->deployed_chain); i++)
        if (ecert_certificate_equal(sk_X509_value(question->deployed_chain, i), member))
            return true;
    return false;
}

enum ecert_status monitor_tell_served(const struct monitor *monitor,
                                      const struct ecert_served_question *question,
                                      struct ecert_finding *finding, struct ecert_error *err)
{
    STACK_OF(X509) *sent = question->seen->certificates;
    ECERT_AUTO(ecert_served_problems_clear) struct ecert_served_problems problems = {0};

    ECERT_TRY(ecert_judge_served(question, &problems, err));
    if (question->seen->answered)
        ECERT_TRY(monitor_describe(finding, sk_X509_value(sent, 0), err));
    for (size_t i = 0; i < problems.n; i++)
        ECERT_TRY(tell_problem(monitor, &problems.items[i], finding, err));
    for (int i = 1; i < sk_X509_num(sent); i++)
        if (!is_deployed(question, sk_X509_value(sent, i)))
            ECERT_TRY(tell_member(monitor, sk_X509_value(sent, i), finding, err));
    if (problems.n > 0 && !is_near(monitor, finding))
        return ECERT_OK;
    return monitor_tell(monitor, finding, err);
}

static enum ecert_status tell_watched(const struct monitor *monitor, size_t index,
                                      const struct ecert_known_authority *known, size_t n_known,
                                      struct ecert_error *err)
{
    const struct monitor_asked *asked = &monitor->asked[index];
    const struct ecert_served_question question = {.seen = &monitor->endpoints.seen[index],
                                                   .host = asked->host,
                                                   .known = known,
                                                   .n_known = n_known};
    ECERT_AUTO(ecert_finding_clear) struct ecert_finding finding = {0};
    ECERT_AUTO(ecert_auto_free) char *place = NULL;

    ECERT_TRY(monitor_place(&asked->probe, &place, err));
    ECERT_TRY(monitor_begin(ECERT_WATCHED_ENDPOINT, asked->watch->name, &asked->watch->settings,
                            &finding, err, "%s", place));
    return monitor_tell_served(monitor, &question, &finding, err);
}

/* ---- asking ---- */

/* The network half failed as a whole: then no endpoint answered, and that is why. */
static enum ecert_status note_failure(struct monitor *monitor, const struct ecert_error *why,
                                      struct ecert_error *err)
{
    for (size_t i = 0; i < monitor->n_asked; i++) {
        ecert_seen_clear(&monitor->endpoints.seen[i]);
        ECERT_TRY(
            ecert_text_copy(ecert_view_of(why->text), &monitor->endpoints.seen[i].why_not, err));
    }
    return ECERT_OK;
}

static enum ecert_status tell_all(struct monitor *monitor, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) struct ecert_known_authority *known = NULL;
    size_t n_known = 0;

    ECERT_TRY(monitor_known(monitor, &known, &n_known, err));
    for (size_t i = 0; i < monitor->n_asked; i++) {
        if (monitor->asked[i].deployment != NULL)
            ECERT_TRY(monitor_tell_target(monitor, i, known, n_known, err));
        else
            ECERT_TRY(tell_watched(monitor, i, known, n_known, err));
    }
    return ECERT_OK;
}

static bool watches_servers(const struct monitor *monitor)
{
    for (size_t i = 0; i < monitor->n_asked; i++)
        if (monitor->asked[i].watch != NULL && monitor->endpoints.seen[i].answered)
            return true;
    return false;
}

enum ecert_status monitor_look(struct monitor *monitor, struct ecert_error *err)
{
    struct ecert_error why = {0};

    if (monitor->n_asked == 0)
        return ECERT_OK;
    if (ecert_endpoints_look(&monitor->endpoints, &monitor->context->network, NULL,
                             monitor->options->progress, monitor->options->progress_context,
                             &why) != ECERT_OK) {
        if (why.status == ECERT_E_NOMEM)
            return ecert_error_nomem(err);
        ECERT_TRY(note_failure(monitor, &why, err));
    }
    ECERT_TRY(monitor_look_for_kind(monitor, err));
    ECERT_TRY(monitor_settle(monitor, err));
    if (watches_servers(monitor))
        ECERT_TRY(monitor_more_authorities(monitor, err));
    return tell_all(monitor, err);
}
