/*
 * Taking over what a server has already: the key and certificate that a site uses today become
 * generation 1, and the target counts as having it.  The server and its files are not touched.  The
 * first renewal is then an ordinary deployment, with an ordinary way back.
 */
#ifndef ECERT_ISSUE_ADOPT_H
#define ECERT_ISSUE_ADOPT_H

#include "core/flow/context.h"

struct ecert_adoption {
    const struct ecert_certificate_config *certificate; /* borrowed */
    const struct ecert_target_config *target;           /* borrowed */
    char *site; /* "nginx: server block at /etc/nginx/sites-enabled/x:3" */
    char *key_file, *certificate_file;
    unsigned generation;        /* 0: nothing was adopted */
    bool added;                 /* false: it was a generation already */
    struct ecert_strings notes; /* checks that failed: what is wrong with what is there */
    char *unfit; /* why an issued file with this certificate would be refused; NULL: it would not */
    struct ecert_error error;
};

struct ecert_adoptions {
    struct ecert_adoption *items;
    size_t n;
};
void ecert_adoptions_clear(struct ecert_adoptions *adoptions);

/*
 * For each named certificate (NULL: all) and target (`target_id` NULL: each): ask the plugin which
 * site it is and what it references; read key and certificate; the pair must match and cover the
 * name; chain and checks as for an issued file, but what fails there is only noted (it is served
 * already), and kept as the generation's `unfit`.  One that has a generation deployed already is
 * left alone, and said.  So is one whose certificate is older than the newest generation, which
 * every target shall have, or would not pass the checks where there is another generation already:
 * that is an error of its adoption, like everything else that goes wrong with one target.  An
 * unfit generation sets no limit of age.
 * Afterwards the server is asked what it serves; that it is another certificate is noted.
 * ECERT_E_CONFIG: an unknown name.  The caller holds the lock.
 */
ECERT_MUST_CHECK enum ecert_status ecert_adopt(struct ecert_context *context,
                                               const char *const *names, const char *target_id,
                                               struct ecert_adoptions *ret,
                                               struct ecert_error *err);

#endif
