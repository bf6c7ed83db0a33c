/*
 * What must hold for any bytes that the apache plugin's lexer and editor are given: for the tests
 * over the corpus and for the fuzz targets.
 *
 * Both return NULL where all of it holds, else what does not, as a clause.
 */
#ifndef ECERT_TESTS_APACHE_PROPERTIES_H
#define ECERT_TESTS_APACHE_PROPERTIES_H

#include <ecert/status.h>

/*
 * The pieces, put together, are the text; each is a logical line and says its last physical one;
 * names and words lie within it, in order.
 */
const char *apache_pieces_hold(struct ecert_view text);

/*
 * The text as the main file of a server that finds every <VirtualHost> in it.  For each TLS host of
 * them, with a full chain and with the chain apart: all bytes but those of the edits are the old
 * ones, so that the edits undone give the old bytes; the text, read again, has the new files in
 * this virtual host, and the others, the server level and all directives that are none of ours are
 * as they were; and there is nothing left to change.
 *
 * Of virtual hosts that the plugin refuses nothing is asked.  At most `max` of them are tried, 0:
 * all.
 */
const char *apache_edits_hold(struct ecert_view text, size_t max);

#endif
