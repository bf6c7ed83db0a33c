/*
 * JSON files of the state directory: read whole, checked member by member, replaced never in place.
 * Every failure names the file, because these files are what an operator may have to look at.
 */
#ifndef ECERT_FLOW_STORE_JSON_H
#define ECERT_FLOW_STORE_JSON_H

#include <jansson.h>

#include "core/base/bytes.h"

void ecert_auto_json(json_t **json);

/* ECERT_E_NOT_FOUND; ECERT_E_REFUSED: damaged (the line is named), or no object; ECERT_E_IO. */
ECERT_MUST_CHECK enum ecert_status ecert_store_read_json(const char *path, json_t **ret,
                                                         struct ecert_error *err);

/* The same of a text that came from `path`.  ECERT_E_REFUSED. */
ECERT_MUST_CHECK enum ecert_status ecert_store_parse_json(struct ecert_view text, const char *path,
                                                          json_t **ret, struct ecert_error *err);

/* Written to `path`, 0600.  The object is taken over in every case; NULL: memory had run out. */
ECERT_MUST_CHECK enum ecert_status ecert_store_write_json(const char *path, json_t *object,
                                                          struct ecert_error *err);

/* The text of an object, with a line end; taken over as above. */
ECERT_MUST_CHECK enum ecert_status ecert_store_json_text(json_t *object, struct ecert_bytes *ret,
                                                         struct ecert_error *err);

/*
 * A JSON string, or null for NULL; bytes that are not UTF-8 or that a terminal could obey are
 * escaped as \xNN, because json_string() would refuse them.  NULL: memory had run out.
 */
json_t *ecert_store_json_string(const char *text);

/*
 * Members of an object read from `path`.  ECERT_E_REFUSED: absent, of another type or out of range.
 * An optional text that is absent or null is NULL.
 */
ECERT_MUST_CHECK enum ecert_status ecert_store_get_number(const char *path, const json_t *object,
                                                          const char *key, int64_t max,
                                                          int64_t *ret, struct ecert_error *err);
ECERT_MUST_CHECK enum ecert_status ecert_store_get_unsigned(const char *path, const json_t *object,
                                                            const char *key, unsigned *ret,
                                                            struct ecert_error *err);
ECERT_MUST_CHECK enum ecert_status ecert_store_get_text(const char *path, const json_t *object,
                                                        const char *key, bool optional, char **ret,
                                                        struct ecert_error *err);
ECERT_MUST_CHECK enum ecert_status ecert_store_get_into(const char *path, const json_t *object,
                                                        const char *key, char *ret, size_t size,
                                                        struct ecert_error *err);

#endif
