/*
 * The journal, spoken to by its native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL): fields in one
 * datagram, "NAME=value\n", or, where a value has a line end of its own, "NAME\n", its length as
 * 64 bits little-endian, the value and "\n".  So no text of a certificate can add a field, and
 * libsystemd is not needed for it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/fs.h"
#include "core/monitor/channel_internal.h"
#include "core/monitor/notice_parts.h"
#include "core/monitor/words.h"

/* ---- one entry ---- */

static void add_field(struct ecert_buffer *out, const char *name, const char *value)
{
    const size_t len = strlen(value);
    uint8_t length[8];

    ecert_buffer_add_text(out, name);
    if (strchr(value, '\n') == NULL) {
        ecert_buffer_printf(out, "=%s\n", value);
        return;
    }
    for (size_t i = 0; i < sizeof length; i++)
        length[i] = (uint8_t)((uint64_t)len >> (8 * i));
    ecert_buffer_add_text(out, "\n");
    ecert_buffer_add(out, (struct ecert_view){length, sizeof length});
    ecert_buffer_add(out, ecert_view_of(value));
    ecert_buffer_add_text(out, "\n");
}

static void add_known(struct ecert_buffer *out, const char *name, const char *value)
{
    if (value != NULL && value[0] != '\0')
        add_field(out, name, value);
}

static int priority_of(enum ecert_urgency urgency)
{
    switch (urgency) {
    case ECERT_URGENCY_CRITICAL:
        return LOG_CRIT;
    case ECERT_URGENCY_UNKNOWN:
        return LOG_ERR;
    case ECERT_URGENCY_DUE:
        return LOG_WARNING;
    case ECERT_URGENCY_FINE:
        break;
    }
    return LOG_INFO;
}

static void add_message(const struct ecert_notice *notice, const struct ecert_finding *finding,
                        struct ecert_buffer *out)
{
    if (finding != NULL)
        ecert_notice_line(out, finding, notice->now);
    else if (notice->kind == ECERT_NOTICE_TEST)
        ecert_buffer_add_text(out, "a test of the reminders: nothing is wrong");
    else
        ecert_buffer_printf(out, "the week's digest: %zu to be looked at, %zu fine", notice->n,
                            notice->fine);
}

static void add_finding(const struct ecert_finding *finding, int64_t now, struct ecert_buffer *out)
{
    char text[ECERT_TIME_TEXT_LEN];

    add_known(out, "ECERT_NAME", finding->name);
    add_field(out, "ECERT_WATCHED", ecert_watched_word(finding->watched));
    add_field(out, "ECERT_CONDITION", ecert_condition_word(finding->condition));
    add_field(out, "ECERT_URGENCY", ecert_urgency_word(finding->urgency));
    add_known(out, "ECERT_WHERE", finding->where);
    add_known(out, "ECERT_DETAIL", finding->detail);
    add_known(out, "ECERT_SERIAL", finding->serial);
    add_known(out, "ECERT_SHA256", finding->sha256);
    if (finding->not_after != 0) {
        ecert_clock_text(finding->not_after, text);
        add_field(out, "ECERT_NOT_AFTER", text);
        ecert_buffer_printf(out, "ECERT_DAYS=%d\n", ecert_finding_days(finding, now));
    }
    if (finding->threshold != ECERT_NO_THRESHOLD)
        ecert_buffer_printf(out, "ECERT_THRESHOLD=%d\n", finding->threshold);
}

void ecert_journal_entry(const struct ecert_notice *notice, const struct ecert_finding *finding,
                         struct ecert_buffer *out)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer message = {0};

    add_message(notice, finding, &message);
    add_field(out, "MESSAGE", message.ptr == NULL ? "" : (const char *)message.ptr);
    ecert_buffer_printf(out, "PRIORITY=%d\n",
                        finding == NULL ? LOG_INFO : priority_of(finding->urgency));
    add_field(out, "SYSLOG_IDENTIFIER", "ecert");
    add_field(out, "MESSAGE_ID", ECERT_JOURNAL_MESSAGE_ID);
    add_field(out, "ECERT_KIND", ecert_notice_kind_word(notice->kind));
    add_known(out, "ECERT_KEY", notice->key);
    if (finding != NULL)
        add_finding(finding, notice->now, out);
    else if (notice->kind == ECERT_NOTICE_DIGEST)
        ecert_buffer_printf(out, "ECERT_FINDINGS=%zu\nECERT_FINE=%zu\n", notice->n, notice->fine);
}

/* ---- sending ---- */

bool ecert_journal_is_here(const char *folder, const char *syslog_socket)
{
    struct stat status;

    return access(folder, F_OK) == 0 || lstat(syslog_socket, &status) == 0;
}

/* Connected, or -1 with errno. */
static int connect_to(const char *path, int type)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    if ((size_t)snprintf(address.sun_path, sizeof address.sun_path, "%s", path) >=
            sizeof address.sun_path ||
        connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        const int kept = errno;
        (void)close(fd);
        errno = kept;
        return -1;
    }
    return fd;
}

static bool listens(const char *path)
{
    ECERT_AUTO(ecert_auto_close) int datagrams = connect_to(path, SOCK_DGRAM);
    ECERT_AUTO(ecert_auto_close) int stream = -1;

    if (datagrams < 0 && errno == EPROTOTYPE)
        stream = connect_to(path, SOCK_STREAM);
    return datagrams >= 0 || stream >= 0;
}

static enum ecert_status send_entry(int fd, const struct ecert_notice *notice,
                                    const struct ecert_finding *finding, struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer entry = {0};
    ssize_t n;

    ecert_journal_entry(notice, finding, &entry);
    if (entry.failed)
        return ecert_error_nomem(err);
    do
        n = send(fd, entry.ptr, entry.len, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return ecert_error_errno(err, ECERT_E_IO, "send to the journal");
    return ECERT_OK;
}

/* A digest has an entry as a whole before those of what it lists; a test has nothing to list. */
static bool has_summary(const struct ecert_notice *notice)
{
    return notice->kind != ECERT_NOTICE_REMINDER;
}

static enum ecert_status send_entries(int fd, const struct ecert_notice *notice,
                                      struct ecert_error *err)
{
    if (has_summary(notice))
        ECERT_TRY(send_entry(fd, notice, NULL, err));
    for (size_t i = 0; i < notice->n; i++)
        ECERT_TRY(send_entry(fd, notice, notice->findings[i], err));
    return ECERT_OK;
}

static void log_line(const struct ecert_notice *notice, const struct ecert_finding *finding)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer line = {0};
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer escaped = {0};

    add_message(notice, finding, &line);
    ecert_buffer_add_escaped(&escaped, ecert_buffer_view(&line), false);
    syslog(finding == NULL ? LOG_INFO : priority_of(finding->urgency), "%s",
           escaped.ptr == NULL ? "" : (const char *)escaped.ptr);
}

static enum ecert_status tell_syslog(const char *syslog_socket, const struct ecert_notice *notice,
                                     struct ecert_error *err)
{
    if (!listens(syslog_socket))
        return ecert_error_errno(err, ECERT_E_IO, "neither a journal nor '%s' listens",
                                 syslog_socket);
    openlog("ecert", LOG_NDELAY, LOG_DAEMON);
    if (has_summary(notice))
        log_line(notice, NULL);
    for (size_t i = 0; i < notice->n; i++)
        log_line(notice, notice->findings[i]);
    closelog();
    return ECERT_OK;
}

enum ecert_status ecert_journal_tell(const char *journal, const char *syslog_socket,
                                     const struct ecert_notice *notice, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_close) int fd = connect_to(journal, SOCK_DGRAM);

    if (fd < 0 && errno != ENOENT && errno != ECONNREFUSED)
        return ecert_error_errno(err, ECERT_E_IO, "connect to '%s'", journal);
    const char *before = ecert_words_use(notice->language);
    enum ecert_status status = ECERT_OK;
    if (fd < 0)
        status = tell_syslog(syslog_socket, notice, err);
    else
        status = send_entries(fd, notice, err);
    (void)ecert_words_use(before);
    return status;
}
