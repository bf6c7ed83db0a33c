/* What becomes of one line when a virtual host is copied; see copy.h. */
#ifndef ECERT_APACHE_COPY_RULES_H
#define ECERT_APACHE_COPY_RULES_H

#include "plugins/apache/scan.h"

struct ecert_apache_copy_rules {
    struct ecert_apache_scan *scan;
    const struct ecert_apache_host *host; /* the new one: the names that it has */
};

enum ecert_apache_copy_what {
    ECERT_APACHE_COPY_AS_IT_IS = 0,
    ECERT_APACHE_COPY_REDIRECT,  /* left out: it leads to the new virtual host itself */
    ECERT_APACHE_COPY_LEAVE_OUT, /* may not be there twice */
    ECERT_APACHE_COPY_ALIAS,     /* a name of it is not one of the new host's */
    ECERT_APACHE_COPY_WORD,      /* `word` is another one */
};

struct ecert_apache_piece_rule {
    enum ecert_apache_copy_what what;
    struct ecert_apache_word word;
    const char *with;
    bool is_condition; /* RewriteCond */
    bool is_include;
    bool is_content; /* it says what the site serves */
    bool jumps;      /* a RewriteRule that counts the ones behind it */
};

/* False: no memory. */
ECERT_MUST_CHECK bool ecert_apache_copy_rule(const struct ecert_apache_copy_rules *rules,
                                             struct ecert_view text,
                                             const struct ecert_apache_piece *piece,
                                             struct ecert_apache_piece_rule *ret);

/* Is the name one of the new host's? */
bool ecert_apache_copy_has(const struct ecert_apache_copy_rules *rules, const char *name);
/* The same of a word of ServerAlias. */
bool ecert_apache_copy_keeps(const struct ecert_apache_copy_rules *rules, struct ecert_view text,
                             struct ecert_apache_word word);

#endif
