/*
 * Sections that the server reads only under a condition, and sections whose text is not Apache's.
 *
 *   <IfDefine>   by Define, -D and UnDefine, as far as the walk has come
 *   <IfModule>   by the modules that are there by now, see loaded.h: "ssl_module", or "mod_ssl.c"
 *                (the source file, whose name differs from the module's only for the core and the
 *                MPMs)
 *   <IfVersion>  by the server's version, which is asked for once, when the first one is met
 *   <IfFile>     by looking
 *
 * What cannot be decided (an expression that only PCRE knows, an unknown form, <IfDirective> of
 * another module than mod_ssl) counts as active.  <If>, <ElseIf> and <Else> are decided for each
 * request; the directives that matter here are not allowed in them.
 */
#ifndef ECERT_APACHE_CONDITIONS_H
#define ECERT_APACHE_CONDITIONS_H

#include "plugins/apache/dump.h"
#include "plugins/apache/lexer.h"
#include "plugins/apache/loaded.h"
#include "plugins/apache/variables.h"

#include <ecert/plugin.h>

struct ecert_apache_conditions {
    const struct ecert_host *host;
    struct ecert_job *job;
    struct ecert_arena *arena;
    const struct ecert_apache_dump *dump;
    const struct ecert_apache_variables *variables;
    struct ecert_apache_loaded *loaded;
    bool version_asked;
    unsigned version[3]; /* 0: not known */
};

/* Does the server pass over the section that this head opens? */
bool ecert_apache_is_inactive(struct ecert_apache_conditions *conditions, struct ecert_view text,
                              const struct ecert_apache_piece *head);

/*
 * Pass over a section that is not active, with the sections within it, as the server does: the
 * lexer stands behind its head and then behind its close.
 */
void ecert_apache_skip(struct ecert_apache_lexer *lexer, const struct ecert_apache_piece *head);

/*
 * Pass over text that a module reads: <Perl> to the line "</Perl>", <Macro> to the first </Macro>,
 * <Lua...> to its close, "=pod" to "=cut" or "=over apache", "__END__" to the end of the file.
 * Sections within it mean nothing.  False: `head` is no such thing, and nothing is passed over.
 */
bool ecert_apache_skip_opaque(struct ecert_apache_lexer *lexer,
                              const struct ecert_apache_piece *head);

#endif
