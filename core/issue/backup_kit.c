/* What opens and closes the backups of one run: recipients, passphrase, places. */

#include <fcntl.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/fs.h"
#include "core/flow/certificate.h"
#include "core/flow/decode.h"
#include "core/flow/key.h"
#include "core/issue/backup_parts.h"

#define LEFTOVER_AGE 3600 /* seconds */

void ecert_backup_kit_close(struct ecert_backup_kit **kit)
{
    if (*kit == NULL)
        return;
    for (size_t i = 0; i < (*kit)->n_places; i++) {
        free((*kit)->places[i].path);
        ecert_auto_close(&(*kit)->places[i].fd);
    }
    free((*kit)->places);
    ecert_backup_ahead_clear(*kit);
    sk_X509_pop_free((*kit)->recipients, X509_free);
    ecert_secret_clear(&(*kit)->passphrase);
    free(*kit);
    *kit = NULL;
}

/* ---- opening the kit ---- */

static enum ecert_status check_dates(const X509 *certificate, struct ecert_error *err)
{
    const int64_t now = ecert_clock_now();
    const int64_t end = ecert_certificate_not_after(certificate);
    char date[ECERT_TIME_TEXT_LEN];

    if (now > end) {
        ecert_clock_date(end, date);
        return ecert_error_set(err, ECERT_E_CONFIG,
                               "it expired on %s; name the certificate that followed it", date);
    }
    if (now < ecert_certificate_not_before(certificate)) {
        ecert_clock_date(ecert_certificate_not_before(certificate), date);
        return ecert_error_set(err, ECERT_E_CONFIG, "it is valid from %s on only", date);
    }
    return ECERT_OK;
}

static enum ecert_status read_recipient(const char *path, X509 **ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes file = {0};
    ECERT_AUTO(ecert_decoded_clear) struct ecert_decoded decoded = {0};

    /* who may write this file chooses who reads our keys */
    ECERT_TRY(ecert_fs_check_trusted(path, err));
    ECERT_TRY(ecert_fs_read(path, ECERT_DECODE_MAX_INPUT, &file, err));
    ECERT_TRY(
        ecert_decode_certificates(ecert_bytes_view(&file), (struct ecert_view){0}, &decoded, err));
    if (sk_X509_num(decoded.certificates) != 1)
        return ecert_error_set(err, ECERT_E_CONFIG,
                               "the file holds %d certificates; one is wanted, the recipient's",
                               sk_X509_num(decoded.certificates));
    ECERT_TRY(check_dates(sk_X509_value(decoded.certificates, 0), err));
    ECERT_TRY(ecert_backup_check_recipient(sk_X509_value(decoded.certificates, 0), err));
    *ret = sk_X509_shift(decoded.certificates);
    return ECERT_OK;
}

static enum ecert_status read_recipients(struct ecert_backup_kit *kit,
                                         const struct ecert_strings *files, struct ecert_error *err)
{
    kit->recipients = sk_X509_new_null();
    if (kit->recipients == NULL)
        return ecert_error_nomem(err);
    for (size_t i = 0; i < files->len; i++) {
        ECERT_AUTO(ecert_auto_x509) X509 *recipient = NULL;

        if (read_recipient(files->items[i], &recipient, err) != ECERT_OK) {
            if (err->status == ECERT_E_CRYPTO)
                err->status = ECERT_E_CONFIG;
            return ecert_error_wrap(err, "recipient of backups '%s'", files->items[i]);
        }
        if (sk_X509_push(kit->recipients, recipient) <= 0)
            return ecert_error_nomem(err);
        recipient = NULL;
    }
    return ECERT_OK;
}

/* ".try.ecert-0123456789ABCDEF" and ".backup...", as ecert_fs_temporary_name() makes them. */
static bool is_leftover(const char *name)
{
    static const char *const begins[] = {".try.ecert-", ".backup.ecert-"};

    for (size_t i = 0; i < ARRAY_SIZE(begins); i++)
        if (strncmp(name, begins[i], strlen(begins[i])) == 0 &&
            strlen(name) == strlen(begins[i]) + 16)
            return true;
    return false;
}

/*
 * What a run left that was killed.  A share may be another machine's, too: only what is so old that
 * nobody is at work on it goes.  What cannot be removed does no harm.
 */
static enum ecert_status tidy_place(const struct ecert_backup_place *place, struct ecert_error *err)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings names = {0};
    struct stat st;

    ECERT_TRY(ecert_fs_list(place->path, &names, err));
    for (size_t i = 0; i < names.len; i++)
        if (is_leftover(names.items[i]) &&
            fstatat(place->fd, names.items[i], &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(st.st_mode) && ecert_clock_now() - st.st_mtime > LEFTOVER_AGE)
            (void)unlinkat(place->fd, names.items[i], 0);
    return ECERT_OK;
}

/* A mode does not tell whether a disk is read-only or full: a file does. */
static enum ecert_status try_place(const struct ecert_backup_place *place, struct ecert_error *err)
{
    const struct ecert_fs_owner owner = ecert_fs_own(0600);
    char tmp[ECERT_FS_TEMPORARY_MAX];

    ECERT_TRY(ecert_fs_temporary_name("try", tmp, err));
    ECERT_TRY(ecert_fs_stage(place->fd, tmp, ecert_view_of("ecert\n"), &owner, -1, err));
    if (unlinkat(place->fd, tmp, 0) != 0)
        return ecert_error_errno(err, ECERT_E_IO, "remove '%s'", tmp);
    return ECERT_OK;
}

static enum ecert_status open_place(const char *path, struct ecert_backup_place *place,
                                    struct ecert_error *err)
{
    struct stat st;

    if (ecert_fs_resolve(path, &place->path, err) != ECERT_OK) {
        if (err->status == ECERT_E_NOT_FOUND)
            return ecert_error_set(err, ECERT_E_NOT_FOUND,
                                   "place of backups '%s' is not there; is the share mounted? "
                                   "(ecert does not make it)",
                                   path);
        return ecert_error_wrap(err, "place of backups '%s'", path);
    }
    if (stat(place->path, &st) == 0 && !S_ISDIR(st.st_mode))
        return ecert_error_set(err, ECERT_E_REFUSED, "place of backups '%s' is no directory", path);
    if (ecert_fs_open_trusted_directory(place->path, &place->fd, err) != ECERT_OK ||
        tidy_place(place, err) != ECERT_OK || try_place(place, err) != ECERT_OK)
        return ecert_error_wrap(err, "place of backups '%s'", path);
    return ECERT_OK;
}

static enum ecert_status open_places(struct ecert_backup_kit *kit,
                                     const struct ecert_strings *paths, struct ecert_error *err)
{
    kit->places = calloc(paths->len + 1, sizeof *kit->places);
    if (kit->places == NULL)
        return ecert_error_nomem(err);
    for (size_t i = 0; i < paths->len; i++) {
        kit->places[i].fd = -1;
        kit->n_places++;
        ECERT_TRY(open_place(paths->items[i], &kit->places[i], err));
    }
    return ECERT_OK;
}

static enum ecert_status check_places(const struct ecert_config *config, struct ecert_error *err)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings places = {0};

    return ecert_backup_places(config, &places, err);
}

/* Who shall open them. */
static enum ecert_status read_kit(struct ecert_backup_kit *kit, const struct ecert_config *whole,
                                  struct ecert_error *err)
{
    const struct ecert_backup_config *config = &whole->backup;

    ECERT_TRY(read_recipients(kit, &config->recipients, err));
    if (ecert_passphrase_find(config->passphrase_file, &config->passphrase_command,
                              &kit->passphrase, err) != ECERT_OK)
        return ecert_error_wrap(err, "passphrase of backups");
    if (sk_X509_num(kit->recipients) == 0 && kit->passphrase.len == 0)
        return ecert_error_set(err, ECERT_E_CONFIG,
                               "backups have neither recipients nor a passphrase");
    return ecert_backup_note_passphrase(whole, kit, err);
}

/* In UTF-8: bytes that do not go on with a character. */
static size_t count_characters(struct ecert_view text)
{
    size_t n = 0;

    for (size_t i = 0; i < text.len; i++)
        n += (text.ptr[i] & 0xc0) != 0x80;
    return n;
}

/* Asked before anything is written under it; what is there already is opened with what it has. */
static enum ecert_status check_passphrase(const struct ecert_backup_config *config,
                                          struct ecert_view passphrase, struct ecert_error *err)
{
    const char *from = config->passphrase_file != NULL      ? config->passphrase_file
                       : config->passphrase_command.len > 0 ? config->passphrase_command.items[0]
                                                            : "";
    const size_t n = count_characters(passphrase);

    if (passphrase.len == 0 || n >= ECERT_BACKUP_PASSPHRASE_MIN)
        return ECERT_OK;
    return ecert_error_set(err, ECERT_E_CONFIG,
                           "passphrase of backups '%s': it has %zu %s, and at least %d are wanted: "
                           "whoever gets hold of a copy can try passphrases on it for as long as "
                           "he likes ('openssl rand -base64 24' makes one)",
                           from, n, n == 1 ? "character" : "characters",
                           ECERT_BACKUP_PASSPHRASE_MIN);
}

static enum ecert_status open_kit(struct ecert_backup_kit *kit, const struct ecert_config *config,
                                  struct ecert_error *err)
{
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes sealed = {0};

    ECERT_TRY(read_kit(kit, config, err));
    ECERT_TRY(check_passphrase(&config->backup, ecert_secret_view(&kit->passphrase), err));
    /* a recipient whose key OpenSSL cannot use is found now, not after the first key was made */
    if (ecert_backup_seal(kit->recipients, (struct ecert_view){0}, ecert_view_of("try"), &sealed,
                          err) != ECERT_OK &&
        sk_X509_num(kit->recipients) > 0) {
        err->status = ECERT_E_CONFIG;
        return err->status;
    }
    return open_places(kit, &config->backup.places, err);
}

static enum ecert_status make_kit(const struct ecert_config *config,
                                  enum ecert_status (*fill)(struct ecert_backup_kit *kit,
                                                            const struct ecert_config *config,
                                                            struct ecert_error *err),
                                  struct ecert_backup_kit **ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_backup_kit_close) struct ecert_backup_kit *kit = NULL;

    if (!config->backup.wanted)
        return ecert_error_set(err, ECERT_E_CONFIG,
                               "no backups are configured: write a group 'backup' with 'places' "
                               "and 'recipients'");
    ECERT_TRY(check_places(config, err));
    kit = calloc(1, sizeof *kit);
    if (kit == NULL)
        return ecert_error_nomem(err);
    ECERT_TRY(fill(kit, config, err));
    *err = (struct ecert_error){0};
    *ret = kit;
    kit = NULL;
    return ECERT_OK;
}

enum ecert_status ecert_backup_kit_open(const struct ecert_config *config,
                                        struct ecert_backup_kit **ret, struct ecert_error *err)
{
    return make_kit(config, open_kit, ret, err);
}

enum ecert_status ecert_backup_kit_read(const struct ecert_config *config,
                                        struct ecert_backup_kit **ret, struct ecert_error *err)
{
    return make_kit(config, read_kit, ret, err);
}

size_t ecert_backup_kit_renewed(const struct ecert_backup_kit *kit)
{
    return kit->renewed;
}
