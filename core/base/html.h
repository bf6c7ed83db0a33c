/* Text into HTML. */
#ifndef ECERT_BASE_HTML_H
#define ECERT_BASE_HTML_H

#include "core/base/bytes.h"

/*
 * `text` (NULL: nothing) as text of an element or of an attribute in quotes: the five characters
 * that HTML gives a meaning are escaped.
 */
void ecert_html_text(struct ecert_buffer *out, const char *text);

#endif
