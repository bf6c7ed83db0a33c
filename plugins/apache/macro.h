/* The virtual hosts that mod_macro makes: never edited, but looked at where the macro is defined.
 */
#ifndef ECERT_APACHE_MACRO_H
#define ECERT_APACHE_MACRO_H

#include "plugins/apache/scan.h"

/*
 * Find the <VirtualHost> of a macro that made the block `i`, which the dump names by the macro's
 * line and the head's line within it.  Hosts of one macro share what was found.
 */
ECERT_MUST_CHECK enum ecert_status ecert_apache_macro_walk(struct ecert_apache_scan *scan, size_t i,
                                                           struct ecert_error *err);

/* Does a macro that is used within a virtual host give it a directive? */
enum ecert_macro_gives {
    ECERT_MACRO_GIVES_NOT,
    ECERT_MACRO_MAY_GIVE, /* it includes files, uses others, or its text was not found */
    ECERT_MACRO_GIVES,
};

/* The most that is known of any macro that the scope uses. */
enum ecert_macro_gives ecert_apache_macro_gives(const struct ecert_apache_scan *scan,
                                                const struct ecert_apache_scope *scope,
                                                const char *directive);

#endif
