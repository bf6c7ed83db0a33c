#include "core/monitor/channel.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "core/base/fs.h"
#include "core/base/process.h"
#include "core/flow/key.h"
#include "core/monitor/channel_internal.h"

#define MAIL_TIMEOUT_MS    60000u
#define WEBHOOK_TIMEOUT_MS 30000u
#define COMMAND_TIMEOUT_MS 60000u
#define COMMAND_MAX_OUTPUT 4096 /* its last line is told when it fails */

/* It may have been absent when the configuration was read, and its trust not looked at. */
static enum ecert_status check_anchors(const char *ca_file, struct ecert_error *err)
{
    return ca_file == NULL ? ECERT_OK : ecert_fs_check_trusted(ca_file, err);
}

void ecert_telling_clear(struct ecert_telling *telling)
{
    ecert_strings_clear(&telling->accepted);
    ecert_strings_clear(&telling->errors);
    *telling = (struct ecert_telling){0};
}

bool ecert_channel_is_configured(const struct ecert_config *config, enum ecert_channel channel)
{
    switch (channel) {
    case ECERT_CHANNEL_EMAIL:
        return config->reminders.has_email;
    case ECERT_CHANNEL_WEBHOOK:
        return config->reminders.has_webhook;
    case ECERT_CHANNEL_COMMAND:
        return config->reminders.command.len > 0;
    case ECERT_CHANNEL_JOURNAL:
        return config->reminders.journal &&
               ecert_journal_is_here(ECERT_JOURNAL_FOLDER, ECERT_SYSLOG_SOCKET);
    case ECERT_CHANNEL_COUNT:
        break;
    }
    return false;
}

static const char *webhook_template(const struct ecert_config *config)
{
    const char *name = config->reminders.webhook.template_name;

    return name == NULL ? "json" : name;
}

size_t ecert_channel_fits(const struct ecert_config *config, enum ecert_channel channel,
                          const struct ecert_notice *notice)
{
    if (channel == ECERT_CHANNEL_EMAIL)
        return ecert_notice_fits(notice, NULL);
    if (channel == ECERT_CHANNEL_WEBHOOK)
        return ecert_notice_fits(notice, webhook_template(config));
    return notice->n;
}

static enum ecert_status tell_email(struct ecert_context *context,
                                    const struct ecert_notice *notice, struct ecert_error *err)
{
    const struct ecert_email_config *email = &context->config->reminders.email;
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret password = {0};
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes message = {0};
    ECERT_AUTO(ecert_auto_free) char *from = NULL;

    ECERT_TRY(ecert_bare_address(email->from, &from, err));
    ECERT_TRY(check_anchors(email->ca_file, err));
    if (email->password_file != NULL)
        ECERT_TRY(ecert_password_read(email->password_file, &password, err));
    ECERT_TRY(ecert_notice_mail(notice, &message, err));
    const struct ecert_mail mail = {.server = email->server,
                                    .require_tls = email->starttls == ECERT_STARTTLS_REQUIRED ||
                                                   email->user != NULL,
                                    .user = email->user,
                                    .password = ecert_secret_view(&password),
                                    .ca_file = email->ca_file,
                                    .from = from,
                                    .to = notice->to,
                                    .message = ecert_bytes_view(&message),
                                    .timeout_ms = MAIL_TIMEOUT_MS};
    return ecert_network_mail(&context->network, &mail, err);
}

/* "sha256=" and the HMAC of the body, keyed with the first line of the secret's file. */
static enum ecert_status sign(const char *secret_file, struct ecert_view body, char **ret,
                              struct ecert_error *err)
{
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret secret = {0};
    uint8_t mac[EVP_MAX_MD_SIZE];
    char hex[2 * EVP_MAX_MD_SIZE + 1];
    unsigned len = 0;

    ECERT_TRY(ecert_password_read(secret_file, &secret, err));
    if (HMAC(EVP_sha256(), secret.ptr, (int)secret.len, body.ptr, body.len, mac, &len) == NULL)
        return ecert_error_openssl(err, ECERT_E_CRYPTO, "sign the webhook's body");
    ecert_hex((struct ecert_view){mac, len}, hex);
    for (char *c = hex; *c != '\0'; c++)
        *c = (char)tolower((unsigned char)*c);
    return ecert_text_format(ret, err, "sha256=%s", hex);
}

/*
 * Chat services put the secret into the path: of a webhook's address no sentence has more than
 * scheme and host, and nothing of one that is in a file.
 */
static enum ecert_status name_webhook(const char *url, struct ecert_error *err)
{
    const char *colon = strstr(url, "://");
    const char *host = colon == NULL ? url : colon + 3;
    const size_t len = strcspn(host, "/?#");
    const char *user = memrchr(host, '@', len);
    const char *shown = user == NULL ? host : user + 1;

    if (colon == NULL)
        return err->status;
    return ecert_error_wrap(err, "%.*s://%.*s", (int)(colon - url), url, (int)(host + len - shown),
                            shown);
}

static enum ecert_status tell_webhook(struct ecert_context *context,
                                      const struct ecert_notice *notice, struct ecert_error *err)
{
    const struct ecert_webhook_config *webhook = &context->config->reminders.webhook;
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret secret_url = {0};
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes body = {0};
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes answer = {0};
    ECERT_AUTO(ecert_auto_free) char *signature = NULL;
    const char *url = webhook->url;

    ECERT_TRY(check_anchors(webhook->ca_file, err));
    if (url == NULL) {
        ECERT_TRY(ecert_password_read(webhook->url_file, &secret_url, err));
        url = (const char *)secret_url.ptr;
    }
    ECERT_TRY(ecert_notice_json(notice, webhook_template(context->config), &body, err));
    if (webhook->secret_file != NULL)
        ECERT_TRY(sign(webhook->secret_file, ecert_bytes_view(&body), &signature, err));
    const struct ecert_post post = {.url = url,
                                    .content_type = "application/json",
                                    .signature = signature,
                                    .ca_file = webhook->ca_file,
                                    .body = ecert_bytes_view(&body),
                                    .timeout_ms = WEBHOOK_TIMEOUT_MS};
    if (ecert_network_post(&context->network, &post, &answer, err) == ECERT_OK)
        return ECERT_OK;
    return webhook->url == NULL ? err->status : name_webhook(url, err);
}

static enum ecert_status tell_command(const struct ecert_config *config,
                                      const struct ecert_notice *notice, struct ecert_error *err)
{
    ECERT_AUTO(ecert_run_result_clear) struct ecert_run_result result = {0};
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer words = {0};
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes json = {0};

    /* it may have been absent when the configuration was read */
    ECERT_TRY(ecert_fs_check_trusted(config->reminders.command.items[0], err));
    ECERT_TRY(ecert_notice_json(notice, "json", &json, err));
    const struct ecert_run_spec spec = {.argv = ecert_strings_array(&config->reminders.command),
                                        .timeout_ms = COMMAND_TIMEOUT_MS,
                                        .max_output = COMMAND_MAX_OUTPUT,
                                        .input = ecert_bytes_view(&json)};
    ECERT_TRY(ecert_run(&spec, &result, err));
    if (result.exit_code == 0)
        return ECERT_OK;
    if (result.out.len + result.err.len == 0)
        return ecert_error_set(err, ECERT_E_COMMAND, "'%s' left with exit code %d and said nothing",
                               spec.argv[0], result.exit_code);
    ecert_run_last_words(&result, &words);
    return ecert_error_set(err, ECERT_E_COMMAND, "'%s' left with exit code %d: %s", spec.argv[0],
                           result.exit_code, words.ptr == NULL ? "" : (const char *)words.ptr);
}

enum ecert_status ecert_channel_tell(struct ecert_context *context, enum ecert_channel channel,
                                     const struct ecert_notice *notice, struct ecert_error *err)
{
    if (!ecert_channel_is_configured(context->config, channel))
        return ecert_error_set(err, ECERT_E_CONFIG,
                               "it is not configured (any more): nothing goes out over it, and "
                               "what was owed over it alone is dropped by the next run");
    switch (channel) {
    case ECERT_CHANNEL_EMAIL:
        return tell_email(context, notice, err);
    case ECERT_CHANNEL_WEBHOOK:
        return tell_webhook(context, notice, err);
    case ECERT_CHANNEL_COMMAND:
        return tell_command(context->config, notice, err);
    case ECERT_CHANNEL_JOURNAL:
        return ecert_journal_tell(ECERT_JOURNAL_SOCKET, ECERT_SYSLOG_SOCKET, notice, err);
    case ECERT_CHANNEL_COUNT:
        break;
    }
    return ecert_error_set(err, ECERT_E_UNSUPPORTED, "no such channel");
}
