#include <string.h>

#include "core/monitor/words.h"

#define _          ECERT_WORDS
#define PIECES_MAX 6
#define LENGTH_MAX ((size_t)2 << 10) /* to look for the forms takes its square and more */
#define DEPTH_MAX \
    4 /* of sentences in sentences: a finding's text may come from a stranger's server */

/*
 * The sentences of core/ that findings carry in `where` and `detail`, with %s for what differs,
 * also where the code has another conversion.  The first that fits is taken: what begins or ends
 * with a %s stands behind what is more exact.  tests/lint/style.bats holds them against the code.
 */
/* clang-format off */
static const char *const sentences[] = {
    /* judge_served.c, look.c */
    _("it serves serial %s; generation %s, which was deployed, has serial %s"),
    _("it serves serial %s; generation %s, which was deployed, has the SHA-256 %s"),
    _("it does not cover '%s'; it is for no host name"),
    _("it does not cover '%s'; it is for %s"),
    _("'%s' stands twice in the chain"),
    _("'%s' stands behind '%s' and did not issue it"),
    _("the chain is good, but not the one of generation %s: 1 certificate behind the leaf instead of "
      "%s, or another one"),
    _("the chain is good, but not the one of generation %s: %s certificates behind the leaf instead "
      "of %s, or other ones"),
    _("the issuer of '%s' is missing"),
    _("'%s' with serial %s is on the CRL of its issuer"),
    _("'%s' with serial %s is known to be revoked; the current one has serial %s"),
    _("'%s' with serial %s is known to be revoked; the current one has SHA-256 %s"),
    _("no certificate was sent"),

    /* core/net/probe_attempt.c */
    _("connection refused"),
    _("cannot connect: %s"),
    _("the name does not resolve"),
    _("the name cannot be resolved now"),
    _("the name was not resolved in time"),
    _("timed out in the handshake"),
    _("timed out"),
    _("no TLS is spoken there"),
    _("the server closed the connection during the handshake"),
    _("the server refused the handshake (alert: %s)"),
    _("the handshake failed: %s"),
    _("the server does not offer STARTTLS"),
    _("not the greeting of a ready %s server"),
    _("not the answer of an LDAP server"),

    /* monitor_targets.c, monitor_certificates.c, monitor_key.c, monitor.c */
    _("%s; the last try failed: %s"),
    _("held at generation %s by a rollback; the newest is %s"),
    _("generation %s was never deployed"),
    _("it has generation %s, and %s is owed"),
    _("its settings were changed since"),
    _("generation %s is to be deployed again"),
    _("its dates cannot be read"),
    _("asked for on %s; it came back on %s, refused: %s"),
    _("named in the configuration: %s"),
    _("request %s is pending since %s"),
    _("asked for on %s"),
    _("made on %s, and never shown"),
    _("the place of backups is not there, nor any copy in it; is the share mounted?"),
    _("'%s' is not there; is the share mounted? If it is lost, 'ecert backup' writes it again"),
    _("these are not the bytes that were written; 'ecert backup' writes another one beside it"),
    _("it opens, and holds the key of another request"),
    _("this place has no copy of the key; 'ecert backup' writes it"),
    _("copies for the present recipients"),
    _("one copy is readable only by the former recipients or under the former passphrase; 'ecert "
      "backup' writes a new one beside it"),
    _("%s copies are readable only by the former recipients or under the former passphrase; 'ecert "
      "backup' writes a new one beside each"),
    _("places of backups '%s' and '%s' are one directory, which is one copy; name another one, or "
      "one of them only"),
    _("valid from %s; `ecert run` takes it then"),
    _("the private key '%s' is empty; put the one that belongs to the certificate back"),
    _("the private key '%s' is not a regular file; put the one that belongs to the certificate back"),
    _("the private key '%s' can be used by others: its mode is %s instead of 0600"),
    _("'%s' is not the private key of the certificate beside it; put the one that belongs to it back"),
    _("'%s' was changed: it does not begin with the certificate that was taken, whose SHA-256 is %s"),
    _("its chain cannot be decoded"),

    /* revocation: monitor_authorities.c, monitor_revocation.c, crls.c */
    _("it has no nextUpdate, so that nobody can say whether it is current"),
    _("no CRL in date with a good signature speaks of '%s' and %s more"),
    _("no CRL in date with a good signature speaks of '%s'"),
    _("no CRL from '%s': %s"),
    _("no CRL from '%s'"),
    _("the CRL from '%s' is out of date (its next update was due, or it is not valid yet): %s"),
    _("the CRL from '%s' is out of date (its next update was due, or it is not valid yet)"),
    _("the CRL of before stays in use: %s"),

    /* watches: monitor_watches.c, monitor_endpoints.c, scan*.c, fs.c, decode*.c */
    _("no file matches '%s'"),
    _("there is no certificate in '%s'"),
    _("'%s' of the chain: its dates cannot be read"),
    _("'%s' of the chain"),
    _("no line of it is an endpoint"),
    _("it is no text: there is a NUL byte in it"),
    _("the directory '%s' cannot be listed: %s"),
    _("'%s' cannot be opened: %s"),
    _("'%s' cannot be found: %s"),
    _("'%s' is a directory"),
    _("'%s' is not a regular file"),
    _("'%s' is larger than 16 MiB; it is not looked at"),
    _("the file is empty"),
    _("the file holds no certificate, only a certificate revocation list (CRL)"),
    _("the file is in no form that is known (PEM, DER, PKCS#7, PKCS#12)"),
    _("the file is an HTML page; the certificate itself is wanted"),

    /* where: monitor*.c */
    _("no generation"),
    _("its requests"),
    _("its backups"),
    _("request %s"),
    _("generation %s"),
    _("chain of %s and %s more"),
    _("chain of %s"),
    _("target %s (not deployed by ecert yet), %s"),
    _("target %s"),
    _("authority '%s'"),
    _("root %s of %s"),
    _("of the issuer '%s'"),
    _("%s, certificate %s"),

    /* what may stand within those above */
    _("%s and %s more"),
    _("'%s': %s"),
};
/* clang-format on */

struct pieces {
    struct ecert_view items[PIECES_MAX];
    size_t n;
};

/* Behind a quoted name another sentence begins: "'FILE': 'OTHER' cannot be found". */
static bool ends_name(const char *begin, const char *end)
{
    return end - begin > 3 && memcmp(end - 3, "': ", 3) == 0;
}

/* Does the text read as the sentence says?  Each %s takes as little as it can. */
static bool fits(const char *text, const char *sentence, struct pieces *pieces)
{
    const char *place = strstr(sentence, "%s");
    const size_t len = place == NULL ? strlen(sentence) : (size_t)(place - sentence);
    const bool quoted = len > 0 && sentence[len - 1] == '\'';
    const size_t before = pieces->n;

    if (strncmp(text, sentence, len) != 0)
        return false;
    text += len;
    if (place == NULL)
        return *text == '\0';
    if (pieces->n == PIECES_MAX)
        return false;
    pieces->n++;
    for (const char *end = text + 1; *text != '\0' && end[-1] != '\0'; end++) {
        pieces->items[before] = (struct ecert_view){(const uint8_t *)text, (size_t)(end - text)};
        if (fits(end, place + 2, pieces))
            return true;
        pieces->n = before + 1;
        if (quoted && ends_name(text, end))
            break;
    }
    pieces->n = before;
    return false;
}

static void say(struct ecert_buffer *out, const char *text, unsigned depth);

static void say_piece(struct ecert_buffer *out, struct ecert_view piece, unsigned depth)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer text = {0};

    ecert_buffer_add(&text, piece);
    out->failed = out->failed || text.failed;
    if (text.len > 0)
        say(out, (const char *)text.ptr, depth + 1);
}

/* %s stands for the next piece, %2$s for the second, as in formats. */
static void fill(struct ecert_buffer *out, const char *translated, const struct pieces *pieces,
                 unsigned depth)
{
    size_t next = 0;

    for (const char *at; (at = strchr(translated, '%')) != NULL;) {
        const bool numbered = at[1] >= '1' && at[1] <= '9' && at[2] == '$' && at[3] == 's';

        ecert_buffer_add(
            out, (struct ecert_view){(const uint8_t *)translated, (size_t)(at - translated)});
        const size_t which = numbered ? (size_t)(at[1] - '1') : next++;
        if (which < pieces->n)
            say_piece(out, pieces->items[which], depth);
        translated = at + (numbered ? 4 : 2);
    }
    ecert_buffer_add_text(out, translated);
}

static void say(struct ecert_buffer *out, const char *text, unsigned depth)
{
    for (size_t i = 0; depth < DEPTH_MAX && i < ARRAY_SIZE(sentences); i++) {
        struct pieces pieces = {0};

        if (fits(text, sentences[i], &pieces)) {
            fill(out, ecert_words(sentences[i]), &pieces, depth);
            return;
        }
    }
    ecert_buffer_add_text(out, text);
}

void ecert_words_sentence(struct ecert_buffer *out, const char *text)
{
    if (strcmp(ecert_words_tag(), "en") == 0 || strlen(text) > LENGTH_MAX)
        ecert_buffer_add_text(out, text);
    else
        say(out, text, 0);
}

const char *const *ecert_words_sentences(size_t *ret_n)
{
    *ret_n = ARRAY_SIZE(sentences);
    return sentences;
}
