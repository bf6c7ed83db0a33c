/* The mail half of send.h. */

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/net/send_internal.h"
#include "core/net/transfer.h"

#define MAX_REFUSAL  8192 /* of a server's words; a sentence tells fewer, all are searched */
#define MAX_PASSWORD 1024

struct mail {
    char *server, *user, *ca_file, *from, *to; /* user, ca_file: "" is none */
    struct ecert_secret password;
    struct ecert_view message; /* in the request */
    bool require_tls;
    unsigned timeout_ms;
};

/* The way of one mail to its server. */
struct delivery {
    const struct mail *mail;
    CURL *easy;
    struct ecert_url url;
    struct curl_slist *recipients;
    char reason[CURL_ERROR_SIZE];
    size_t sent;                   /* bytes of the message */
    char refusal[MAX_REFUSAL + 1]; /* the latest reply that says no; "": none */
    bool refusal_goes_on;          /* more lines of it will come */
};

static void mail_clear(struct mail *mail)
{
    free(mail->server);
    free(mail->user);
    free(mail->ca_file);
    free(mail->from);
    free(mail->to);
    ecert_secret_clear(&mail->password);
    *mail = (struct mail){0};
}

static void delivery_clear(struct delivery *delivery)
{
    curl_easy_cleanup(delivery->easy);
    curl_slist_free_all(delivery->recipients);
    ecert_url_clear(&delivery->url);
    OPENSSL_cleanse(delivery, sizeof *delivery); /* a refusal may repeat the password */
}

/* ---- the request ---- */

/* An address without a name and brackets, that cannot end its SMTP command. */
static bool is_bare(const char *address)
{
    for (const char *p = address; *p != '\0'; p++)
        if ((unsigned char)*p <= 0x20 || *p == 0x7f || *p == '<' || *p == '>')
            return false;
    return address[0] != '\0';
}

static enum ecert_status read_password(const struct ecert_message *message, size_t i,
                                       struct ecert_secret *ret, struct ecert_error *err)
{
    if (i >= message->n || message->fields[i].len > MAX_PASSWORD ||
        memchr(message->fields[i].ptr, '\0', message->fields[i].len) != NULL)
        return ecert_error_set(err, ECERT_E_REFUSED,
                               "the mail password is longer than %d bytes or holds a NUL byte",
                               MAX_PASSWORD);
    return ecert_secret_copy(message->fields[i], ret, err);
}

static enum ecert_status read_mail(const struct ecert_message *message, struct mail *mail,
                                   struct ecert_error *err)
{
    ECERT_TRY(ecert_message_text(message, 0, &mail->server, err));
    ECERT_TRY(ecert_send_read_flag(message, 1, &mail->require_tls, err));
    ECERT_TRY(ecert_message_text(message, 2, &mail->user, err));
    ECERT_TRY(read_password(message, 3, &mail->password, err));
    ECERT_TRY(ecert_message_text(message, 4, &mail->ca_file, err));
    ECERT_TRY(ecert_message_text(message, 5, &mail->from, err));
    ECERT_TRY(ecert_message_text(message, 6, &mail->to, err));
    ECERT_TRY(ecert_send_read_timeout(message, 7, &mail->timeout_ms, err));
    ECERT_TRY(ecert_send_read_content(message, 8, &mail->message, err));
    if (!is_bare(mail->from) || !is_bare(mail->to))
        return ecert_error_set(err, ECERT_E_REFUSED,
                               "a mail from '%s' to '%s': not two plain e-mail addresses",
                               mail->from, mail->to);
    if (!ecert_transfer_is_printable(mail->server))
        return ecert_error_set(err, ECERT_E_REFUSED,
                               "the mail server's address has bytes that are not printable ASCII");
    return ECERT_OK;
}

/* ---- what libcurl calls ---- */

static size_t give_message(char *ret, size_t size, size_t n, void *context)
{
    struct delivery *delivery = context;
    const struct ecert_view message = delivery->mail->message;
    const size_t left = message.len - delivery->sent;
    const size_t len = size * n < left ? size * n : left;

    if (len > 0)
        memcpy(ret, message.ptr + delivery->sent, len);
    delivery->sent += len;
    return len;
}

/* "550-no\r\n", "550 such user\r\n" → "550 no such user"; what is no refusal forgets it. */
static size_t take_reply(char *line, size_t size, size_t n, void *context)
{
    struct delivery *delivery = context;
    char *refusal = delivery->refusal;
    size_t len = size * n;

    while (len > 0 && (line[len - 1] == '\r' || line[len - 1] == '\n'))
        len--;
    if (len < 3 || strncmp(line, "221", 3) == 0)
        return size * n; /* 221: the answer to the QUIT that follows a refusal */
    const bool refuses = line[0] == '4' || line[0] == '5';
    if (!delivery->refusal_goes_on)
        (void)snprintf(refusal, sizeof delivery->refusal, "%.3s", refuses ? line : "");
    if (refuses && len > 4) {
        const size_t used = strlen(refusal);

        (void)snprintf(refusal + used, sizeof delivery->refusal - used, " %.*s", (int)(len - 4),
                       line + 4);
    }
    delivery->refusal_goes_on = refuses && len > 3 && line[3] == '-';
    return size * n;
}

/* ---- the transfer ---- */

static bool set_protocols(CURL *easy)
{
#if LIBCURL_VERSION_NUM >= 0x075500
    return curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "smtp,smtps") == CURLE_OK;
#else
    return curl_easy_setopt(easy, CURLOPT_PROTOCOLS, (long)(CURLPROTO_SMTP | CURLPROTO_SMTPS)) ==
           CURLE_OK;
#endif
}

static bool prepare(struct delivery *delivery)
{
    const struct mail *mail = delivery->mail;
    CURL *easy = delivery->easy = curl_easy_init();
    const bool tls = mail->require_tls || mail->user[0] != '\0';
    bool ok = ecert_send_prepare(easy, mail->ca_file, mail->timeout_ms, delivery->reason) &&
              set_protocols(easy) &&
              (delivery->recipients = curl_slist_append(NULL, mail->to)) != NULL;

#define SET(option, value) (ok = ok && curl_easy_setopt(easy, option, value) == CURLE_OK)
    SET(CURLOPT_URL, delivery->url.text);
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_USE_SSL, (long)(tls ? CURLUSESSL_ALL : CURLUSESSL_TRY));
    /* one that is open may have been secured otherwise, or not at all: libcurl does not compare
     * what STARTTLS made of it */
    SET(CURLOPT_FRESH_CONNECT, 1L);
    SET(CURLOPT_FORBID_REUSE, 1L);
    /* also of the QUIT, which CURLOPT_TIMEOUT_MS does not limit */
    SET(CURLOPT_SERVER_RESPONSE_TIMEOUT, (long)mail->timeout_ms / 1000 + 1);
    SET(CURLOPT_MAIL_FROM, mail->from);
    SET(CURLOPT_MAIL_RCPT, delivery->recipients);
    SET(CURLOPT_UPLOAD, 1L);
    SET(CURLOPT_INFILESIZE_LARGE, (curl_off_t)mail->message.len);
    SET(CURLOPT_READFUNCTION, give_message);
    SET(CURLOPT_READDATA, delivery);
    SET(CURLOPT_HEADERFUNCTION, take_reply);
    SET(CURLOPT_HEADERDATA, delivery);
    if (mail->user[0] != '\0') {
        SET(CURLOPT_USERNAME, mail->user);
        SET(CURLOPT_PASSWORD, (const char *)mail->password.ptr);
        SET(CURLOPT_LOGIN_OPTIONS, "AUTH=PLAIN;AUTH=LOGIN");
    }
#undef SET
    return ok;
}

/* ---- what is told of a failure ---- */

static bool repeats(const char *words, struct ecert_view secret)
{
    return secret.len > 0 && memmem(words, strlen(words), secret.ptr, secret.len) != NULL;
}

static bool repeats_encoded(const char *words, struct ecert_view secret)
{
    unsigned char text[4 * ((4 * MAX_PASSWORD) / 3 + 2)];

    if (secret.len > 4 * (size_t)MAX_PASSWORD - 3)
        return true; /* nobody can tell */
    const int len = EVP_EncodeBlock(text, secret.ptr, (int)secret.len);
    const bool found = repeats(words, (struct ecert_view){text, (size_t)len});
    OPENSSL_cleanse(text, sizeof text);
    return found;
}

/* Does the server's answer hold the password, as it is or as AUTH LOGIN and PLAIN send it? */
static bool tells_password(const struct delivery *delivery)
{
    const struct mail *mail = delivery->mail;
    const struct ecert_view password = ecert_secret_view(&mail->password);
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer plain = {0};

    if (mail->user[0] == '\0' || delivery->refusal[0] == '\0')
        return false;
    ecert_buffer_add(&plain, (struct ecert_view){(const uint8_t *)"", 1});
    ecert_buffer_add_text(&plain, mail->user);
    ecert_buffer_add(&plain, (struct ecert_view){(const uint8_t *)"", 1});
    ecert_buffer_add(&plain, password);
    return plain.failed || repeats(delivery->refusal, password) ||
           repeats_encoded(delivery->refusal, password) ||
           repeats_encoded(delivery->refusal, ecert_buffer_view(&plain));
}

static enum ecert_status explain_no_tls(const struct delivery *delivery, struct ecert_error *err)
{
    const char *server = delivery->url.shown;
    const char *colon = delivery->refusal[0] == '\0' ? "" : ": ";

    if (delivery->mail->user[0] != '\0')
        return ecert_error_set(err, ECERT_E_REFUSED,
                               "'%s' does not offer TLS (STARTTLS), and a user and password are "
                               "only sent under TLS%s%s",
                               server, colon, delivery->refusal);
    return ecert_error_set(err, ECERT_E_NETWORK,
                           "'%s' does not offer TLS (STARTTLS), which is required%s%s", server,
                           colon, delivery->refusal);
}

static enum ecert_status explain(struct delivery *delivery, CURLcode code, struct ecert_error *err)
{
    const struct mail *mail = delivery->mail;
    const char *server = delivery->url.shown;
    long sys_errno = 0;

    (void)curl_easy_getinfo(delivery->easy, CURLINFO_OS_ERRNO, &sys_errno);
    if (tells_password(delivery))
        (void)strcpy(delivery->refusal + 3, " (its words are left out: the password is in them)");
    if (code == CURLE_OUT_OF_MEMORY)
        return ecert_error_nomem(err);
    if (code == CURLE_OPERATION_TIMEDOUT)
        return ecert_error_set(err, ECERT_E_TIMEOUT,
                               "'%s' did not accept the mail to '%s' within %u.%u seconds", server,
                               mail->to, mail->timeout_ms / 1000, mail->timeout_ms % 1000 / 100);
    if (code == CURLE_USE_SSL_FAILED)
        return explain_no_tls(delivery, err);
    if (code == CURLE_LOGIN_DENIED)
        return ecert_error_set(
            err, ECERT_E_NETWORK, "'%s' refuses the user '%s': %s", server, mail->user,
            delivery->refusal[0] != '\0' ? delivery->refusal
                                         : ecert_transfer_reason(delivery->reason, code));
    if (delivery->refusal[0] != '\0')
        return ecert_error_set(err, ECERT_E_NETWORK, "'%s' refuses the mail to '%s': %s", server,
                               mail->to, delivery->refusal);
    if (code == CURLE_COULDNT_CONNECT && sys_errno != 0) {
        errno = (int)sys_errno;
        return ecert_error_errno(err, ECERT_E_NETWORK, "'%s': connect", server);
    }
    return ecert_error_set(err, ECERT_E_NETWORK, "'%s' did not accept the mail to '%s': %s", server,
                           mail->to, ecert_transfer_reason(delivery->reason, code));
}

static enum ecert_status deliver(CURLM *multi, const struct mail *mail, struct ecert_error *err)
{
    ECERT_AUTO(delivery_clear) struct delivery delivery = {.mail = mail};
    CURLcode code = CURLE_OK;

    ECERT_TRY(ecert_url_parse_mail(mail->server, &delivery.url, err));
    if (mail->ca_file[0] != '\0')
        ECERT_TRY(
            ecert_transfer_check_readable(mail->ca_file, "anchors for ", delivery.url.shown, err));
    if (!prepare(&delivery))
        return ecert_error_set(err, ECERT_E_REFUSED, "'%s': libcurl refuses the mail",
                               delivery.url.shown);
    ECERT_TRY(ecert_transfer_run(multi, delivery.easy, &code, err));
    return code == CURLE_OK ? ECERT_OK : explain(&delivery, code, err);
}

enum ecert_status ecert_net_mail(CURLM *multi, const struct ecert_message *request,
                                 struct ecert_buffer *answer, struct ecert_error *err)
{
    ECERT_AUTO(mail_clear) struct mail mail = {0};

    ECERT_TRY(read_mail(request, &mail, err));
    ECERT_TRY(deliver(multi, &mail, err));
    return ecert_send_encode((struct ecert_view){NULL, 0}, answer, err);
}
