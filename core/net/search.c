#include "core/net/search.h"

#include <ctype.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/clock.h"
#include "core/net/protocol.h"
#include "core/net/search_internal.h"

#define ATTRIBUTE  "userCertificate;binary" /* RFC 4523, 2.1: always so, and never without */
#define MAX_AROUND 65536                    /* what stands around the values of one message */
#define SLICE_MS   200 /* libldap may hold what has arrived already: it is asked so often */

static void run_clear(struct ecert_search_run *run)
{
    if (run->ldap != NULL)
        (void)ldap_unbind_ext(run->ldap, NULL, NULL); /* says good-bye through the next one */
    SSL_free(run->ssl);
    SSL_CTX_free(run->ctx);
    free(run->url);
    free(run->base);
    free(run->filter);
    free(run->bind_dn);
    free(run->ca_file);
    ecert_buffer_clear(&run->found);
    ecert_strings_clear(&run->notes);
    *run = (struct ecert_search_run){0};
}

static void free_answer(LDAPMessage **answer)
{
    if (*answer != NULL)
        (void)ldap_msgfree(*answer);
}

static void free_words(char **words)
{
    ldap_memfree(*words);
}

static void free_list(char ***list)
{
    ldap_memvfree((void **)*list);
}

static void free_values(struct berval ***values)
{
    ldap_value_free_len(*values);
}

enum ecert_status ecert_net_search_init(struct ecert_error *err)
{
    /* neither /etc/ldap/ldap.conf nor a home's .ldaprc: they could switch the checks of TLS off */
    return setenv("LDAPNOINIT", "1", 1) == 0 ? ECERT_OK : ecert_error_nomem(err);
}

/* ---- the request ---- */

/* A scheme, a host, maybe a port, and nothing that could be a secret or another question. */
static bool is_plain_url(const char *url)
{
    const char *host = strncasecmp(url, "ldap://", 7) == 0    ? url + 7
                       : strncasecmp(url, "ldaps://", 8) == 0 ? url + 8
                                                              : "";
    const char *end = host;

    while (isalnum((unsigned char)*end) || (*end != '\0' && strchr(".-_:[]", *end) != NULL))
        end++;
    return end > host && (*end == '\0' || strcmp(end, "/") == 0);
}

static enum ecert_status read_request(const struct ecert_message *message,
                                      struct ecert_search_run *run, struct ecert_error *err)
{
    int64_t max_len, timeout_ms;

    ECERT_TRY(ecert_message_text(message, 0, &run->url, err));
    ECERT_TRY(ecert_message_text(message, 1, &run->base, err));
    ECERT_TRY(ecert_message_text(message, 2, &run->filter, err));
    ECERT_TRY(ecert_message_text(message, 3, &run->bind_dn, err));
    ECERT_TRY(ecert_message_text(message, 5, &run->ca_file, err));
    ECERT_TRY(ecert_message_number(message, 6, &max_len, err));
    ECERT_TRY(ecert_message_number(message, 7, &timeout_ms, err));
    run->password = message->fields[4];
    if (max_len <= 0 || max_len > (int64_t)ECERT_NET_MAX_BODY || timeout_ms <= 0 ||
        timeout_ms > INT32_MAX)
        return ecert_error_set(err, ECERT_E_REFUSED, "limits of %lld bytes and %lld ms",
                               (long long)max_len, (long long)timeout_ms);
    if (!is_plain_url(run->url))
        return ecert_error_set(err, ECERT_E_REFUSED,
                               "'%s' is not the address of a directory: ldap://HOST[:PORT] or "
                               "ldaps://HOST[:PORT], and nothing more",
                               run->url);
    /* RFC 4513, 5.1.2: a name without a password succeeds, and is nobody */
    if (run->bind_dn[0] != '\0' && run->password.len == 0)
        return ecert_error_set(err, ECERT_E_REFUSED, "'%s': bind as '%s' without a password",
                               run->url, run->bind_dn);
    run->max_len = (size_t)max_len;
    run->timeout_ms = (unsigned)timeout_ms;
    run->tls = strncasecmp(run->url, "ldaps:", 6) == 0;
    run->loopback_only = !run->tls && run->bind_dn[0] != '\0';
    run->max_message = run->max_len + MAX_AROUND;
    run->until = ecert_clock_monotonic_ms() + timeout_ms;
    return ECERT_OK;
}

/* ---- the conversation ---- */

static enum ecert_status lost(const struct ecert_search_run *run, struct ecert_error *err)
{
    int code = LDAP_OTHER;

    (void)ldap_get_option(run->ldap, LDAP_OPT_RESULT_CODE, &code);
    if (code == LDAP_SERVER_DOWN)
        return ecert_error_set(err, ECERT_E_NETWORK,
                               "'%s': the connection was lost, or a message was larger than %zu "
                               "bytes, or not LDAP",
                               run->url, (size_t)run->max_message);
    return ecert_error_set(err, ECERT_E_NETWORK, "'%s': %s", run->url, ldap_err2string(code));
}

/* The next message of the answer, or the parent, or the end of the time. */
static enum ecert_status next_answer(const struct ecert_search_run *run, int id, LDAPMessage **ret,
                                     struct ecert_error *err)
{
    for (;;) {
        struct timeval none = {0};
        int fd = -1;
        const int got = ldap_result(run->ldap, id, LDAP_MSG_ONE, &none, ret);

        if (got > 0)
            return ECERT_OK;
        if (got < 0)
            return lost(run, err);
        (void)ldap_get_option(run->ldap, LDAP_OPT_DESC, &fd);
        ECERT_TRY(ecert_search_wait(run, fd, POLLIN, SLICE_MS, err));
    }
}

/* Does a server repeat the password?  Then it loses its words. */
static bool tells_password(const struct ecert_search_run *run, const char *words)
{
    return run->password.len > 0 &&
           memmem(words, strlen(words), run->password.ptr, run->password.len) != NULL;
}

static enum ecert_status refused(const struct ecert_search_run *run, const char *what, int code,
                                 const char *words, struct ecert_error *err)
{
    const bool silent = words == NULL || words[0] == '\0' || tells_password(run, words);

    return ecert_error_set(err, code == LDAP_TIMELIMIT_EXCEEDED ? ECERT_E_TIMEOUT : ECERT_E_NETWORK,
                           "'%s': %s: %s (%d)%s%s", run->url, what, ldap_err2string(code), code,
                           silent ? "" : ": ", silent ? "" : words);
}

static enum ecert_status bind_as(const struct ecert_search_run *run, struct ecert_error *err)
{
    ECERT_AUTO(free_answer) LDAPMessage *answer = NULL;
    ECERT_AUTO(ecert_auto_free) char *what = NULL;
    ECERT_AUTO(free_words) char *words = NULL;
    struct berval password = {.bv_len = run->password.len,
                              .bv_val = (char *)(uintptr_t)run->password.ptr};
    int id = 0, code = LDAP_OTHER;

    ECERT_TRY(ecert_text_format(&what, err, "bind as '%s'", run->bind_dn));
    const int sent =
        ldap_sasl_bind(run->ldap, run->bind_dn, LDAP_SASL_SIMPLE, &password, NULL, NULL, &id);
    if (sent != LDAP_SUCCESS)
        return refused(run, what, sent, NULL, err);
    ECERT_TRY(next_answer(run, id, &answer, err));
    const int read = ldap_parse_result(run->ldap, answer, &code, NULL, &words, NULL, NULL, 0);
    if (read != LDAP_SUCCESS || code != LDAP_SUCCESS)
        return refused(run, what, read != LDAP_SUCCESS ? read : code, words, err);
    return ECERT_OK;
}

/* ---- what is found ---- */

static enum ecert_status take_value(struct ecert_search_run *run, const char *name,
                                    const struct berval *value, struct ecert_error *err)
{
    struct ecert_message message = {.kind = ECERT_NET_FOUND};
    const size_t name_len = strlen(name); /* it goes out with each value, and counts each time */

    if (value->bv_len > run->max_len || name_len + value->bv_len > run->max_len - run->len)
        return ecert_error_set(err, ECERT_E_REFUSED,
                               "'%s': the answer is larger than %zu bytes; narrow 'base' or "
                               "'filter'",
                               run->url, run->max_len);
    if (run->n_found == ECERT_NET_MAX_FOUND)
        return ecert_error_set(err, ECERT_E_REFUSED,
                               "'%s': the answer has more than %d certificates; narrow 'base' or "
                               "'filter'",
                               run->url, ECERT_NET_MAX_FOUND);
    ecert_message_add_text(&message, name);
    ecert_message_add(&message, (struct ecert_view){(const uint8_t *)value->bv_val, value->bv_len});
    ecert_message_encode(&message, &run->found);
    run->len += name_len + value->bv_len;
    run->n_found++;
    return run->found.failed ? ecert_error_nomem(err) : ECERT_OK;
}

static enum ecert_status take_entry(struct ecert_search_run *run, LDAPMessage *entry,
                                    struct ecert_error *err)
{
    ECERT_AUTO(free_words) char *name = ldap_get_dn(run->ldap, entry);
    ECERT_AUTO(free_values)
    struct berval **values = ldap_get_values_len(run->ldap, entry, ATTRIBUTE);

    if (name == NULL)
        return ecert_error_set(err, ECERT_E_NETWORK, "'%s': an entry without a name", run->url);
    if (strlen(name) > ECERT_NET_MAX_ENTRY_NAME)
        return ecert_error_set(err, ECERT_E_REFUSED,
                               "'%s': the name of an entry has more than %d bytes; narrow 'base' "
                               "or 'filter'",
                               run->url, ECERT_NET_MAX_ENTRY_NAME);
    for (size_t i = 0; values != NULL && values[i] != NULL; i++)
        ECERT_TRY(take_value(run, name, values[i], err));
    return ECERT_OK;
}

static enum ecert_status note_referrals(struct ecert_search_run *run, char *const *urls,
                                        struct ecert_error *err)
{
    for (size_t i = 0; urls != NULL && urls[i] != NULL; i++)
        if (run->notes.len < ECERT_NET_MAX_NOTES)
            ECERT_TRY(ecert_strings_printf(
                &run->notes, err, "the directory refers to '%s', which is not followed", urls[i]));
    return ECERT_OK;
}

static enum ecert_status take_reference(struct ecert_search_run *run, LDAPMessage *reference,
                                        struct ecert_error *err)
{
    ECERT_AUTO(free_list) char **urls = NULL;

    if (ldap_parse_reference(run->ldap, reference, &urls, NULL, 0) != LDAP_SUCCESS)
        return ecert_error_set(err, ECERT_E_NETWORK, "'%s': a referral that is not one", run->url);
    return note_referrals(run, urls, err);
}

static enum ecert_status take_end(struct ecert_search_run *run, LDAPMessage *end,
                                  struct ecert_error *err)
{
    ECERT_AUTO(free_words) char *words = NULL;
    ECERT_AUTO(free_list) char **urls = NULL;
    ECERT_AUTO(ecert_auto_free) char *what = NULL;
    int code = LDAP_OTHER;

    const int read = ldap_parse_result(run->ldap, end, &code, NULL, &words, &urls, NULL, 0);
    if (read != LDAP_SUCCESS)
        code = read;
    if (code == LDAP_SIZELIMIT_EXCEEDED)
        return ecert_strings_printf(&run->notes, err,
                                    "the directory ended its answer at its size limit, after %zu "
                                    "certificates; narrow 'base' or 'filter'",
                                    run->n_found);
    if (code == LDAP_SUCCESS || code == LDAP_REFERRAL)
        return note_referrals(run, urls, err);
    ECERT_TRY(ecert_text_format(&what, err, "search in '%s'", run->base));
    return refused(run, what, code, words, err);
}

static enum ecert_status look(struct ecert_search_run *run, struct ecert_error *err)
{
    char attribute[] = ATTRIBUTE;
    char *attributes[] = {attribute, NULL};
    struct timeval limit = {.tv_sec = (time_t)(run->timeout_ms / 1000 + 1)};
    int id = 0;

    const int sent = ldap_search_ext(run->ldap, run->base, LDAP_SCOPE_SUBTREE, run->filter,
                                     attributes, 0, NULL, NULL, &limit, 0, &id);
    if (sent == LDAP_FILTER_ERROR)
        return ecert_error_set(err, ECERT_E_REFUSED, "'%s' is not a filter (RFC 4515)",
                               run->filter);
    if (sent != LDAP_SUCCESS)
        return refused(run, "search", sent, NULL, err);
    for (;;) {
        ECERT_AUTO(free_answer) LDAPMessage *answer = NULL;

        ECERT_TRY(next_answer(run, id, &answer, err));
        const int type = ldap_msgtype(answer);
        if (type == LDAP_RES_SEARCH_RESULT)
            return take_end(run, answer, err);
        if (type == LDAP_RES_SEARCH_ENTRY)
            ECERT_TRY(take_entry(run, answer, err));
        if (type == LDAP_RES_SEARCH_REFERENCE)
            ECERT_TRY(take_reference(run, answer, err));
    }
}

enum ecert_status ecert_net_search(const struct ecert_message *request, struct ecert_buffer *answer,
                                   struct ecert_error *err)
{
    ECERT_AUTO(run_clear) struct ecert_search_run run = {0};
    struct ecert_message searched = {.kind = ECERT_NET_SEARCHED};
    uint8_t n[8];

    ECERT_TRY(read_request(request, &run, err));
    ECERT_TRY(ecert_search_open(&run, err));
    if (run.bind_dn[0] != '\0')
        ECERT_TRY(bind_as(&run, err));
    ECERT_TRY(look(&run, err));
    ecert_message_add_number(&searched, (int64_t)run.n_found, n);
    for (size_t i = 0; i < run.notes.len; i++)
        ecert_message_add_text(&searched, run.notes.items[i]);
    ecert_message_encode(&searched, answer);
    ecert_buffer_add(answer, ecert_buffer_view(&run.found));
    return answer->failed ? ecert_error_nomem(err) : ECERT_OK;
}
