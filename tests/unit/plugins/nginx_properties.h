/*
 * What must hold for any bytes that the nginx plugin's lexer and editor are given: for the tests
 * over the corpus and for the fuzz targets.
 *
 * Both return NULL where all of it holds, else what does not, as a clause.
 */
#ifndef ECERT_TESTS_NGINX_PROPERTIES_H
#define ECERT_TESTS_NGINX_PROPERTIES_H

#include <ecert/status.h>

/* The pieces, put together, are the text; none is empty, and each says the line where it starts. */
const char *nginx_pieces_hold(struct ecert_view text);

/*
 * For each ssl_certificate and ssl_certificate_key, changed to paths that need quotes and to one
 * that does not, and for each server block, with a pair inserted in every place that can be asked
 * for: all bytes but those of the edit are the old ones; the text, read again, has the new values
 * and differs in nothing else; inserted lines have the indentation of a line and the line ending of
 * the block; and the old word put back, or what was inserted taken out, gives the old bytes.
 *
 * Of texts that the plugin refuses (a brace too many) nothing is asked but that it survives them.
 * At most `max` edits of each kind are tried, spread over the text.
 */
const char *nginx_edits_hold(struct ecert_view text, size_t max);

#endif
