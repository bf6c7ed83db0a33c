/*
 * Which bytes of the configuration must change so that one virtual host serves the certificate.
 *
 * The rules, tried with httpd 2.4.71 and OpenSSL 3:
 *   - SSLCertificateFile adds: the n-th one goes with the n-th SSLCertificateKeyFile of the same
 *     virtual host, and of two with one key type the later one is served.  A virtual host's n-th
 *     takes the place of the server level's n-th; further ones of the server level stay.
 *   - SSLCertificateChainFile wins over the chain in SSLCertificateFile, also when it is inherited
 *     from the server level.  One that names the same file as SSLCertificateFile gives the chain of
 *     that file without its leaf, and takes the place of the inherited one.
 *   - Without SSLEngine on there is no TLS.
 *
 * So: a single pair is replaced; of several, the one that has the target's own path, else the one
 * whose leaf is replaced, else the ones with the key type of the leaf; another with this key type
 * behind it is refused, for it would be served.  A SSLCertificateChainFile of the block becomes a
 * comment when the full chain goes into SSLCertificateFile; where one is inherited, or stands in a
 * file shared with other virtual hosts, the block gets its own, with the full chain.  The full
 * chain in SSLCertificateFile needs httpd 2.4.8 (2014); older servers need `files` with
 * `certificate` and `chain`.
 */
#ifndef ECERT_APACHE_CHANGE_H
#define ECERT_APACHE_CHANGE_H

#include "plugins/apache/edits.h"
#include "plugins/apache/scan.h"

/* What the configuration shall name. */
struct ecert_apache_wish {
    const char *certificate; /* SSLCertificateFile: the full chain, or the leaf alone */
    const char *key;         /* NULL: the one that is named now stays */
    const char *chain;       /* SSLCertificateChainFile; NULL: the chain is in `certificate` */
    const char *key_type;    /* of the leaf */
};

struct ecert_apache_changes {
    struct ecert_apache_scan *scan;
    struct ecert_apache_wish wish;
    struct ecert_apache_edits edits;
};

/*
 * Add the edits of one block; none when it is right already.
 *
 * ECERT_E_CONFIG: it cannot be done without guessing or without touching other virtual hosts; the
 * text names file and line and what to write.
 */
ECERT_MUST_CHECK enum ecert_status ecert_apache_change(struct ecert_apache_changes *changes,
                                                       const struct ecert_apache_block *block,
                                                       struct ecert_error *err);

/*
 * A path as a word of the configuration: in quotes where it must be, or was (`quote` is the one
 * that it had, 0 if none).  NULL: no memory.
 */
const char *ecert_apache_as_word(struct ecert_arena *arena, const char *path, uint8_t quote);

/* Does this SSLEngine directive turn TLS on ("on", "optional")? */
bool ecert_apache_is_on(const struct ecert_apache_use *engine);

#endif
