/*
 * Loading a plugin, in a worker process only: dlopen runs the plugin's constructors.
 */
#ifndef ECERT_HOST_PLUGIN_LOAD_H
#define ECERT_HOST_PLUGIN_LOAD_H

#include "core/host/plugin.h"

/*
 * The file of a plugin, links followed and trusted; in the parent, before the worker is started.
 * Errors as for ecert_plugin_describe().
 */
ECERT_MUST_CHECK enum ecert_status ecert_plugin_find(const char *plugin_dir, const char *name,
                                                     char **ret_file, struct ecert_error *err);

/*
 * dlopen, then symbol, `abi`, `size`, mandatory members, the name, and every settings row.
 * `ret` is a copy that is zero where the plugin's descriptor is shorter than ours; what it points
 * at stays until the process ends (the library is never closed).  ECERT_E_PLUGIN.
 */
ECERT_MUST_CHECK enum ecert_status ecert_plugin_load(const char *file, const char *name,
                                                     struct ecert_plugin *ret,
                                                     struct ecert_error *err);

/* The checks of a descriptor after `abi` and `size`; `file` is for the sentences. */
ECERT_MUST_CHECK enum ecert_status ecert_plugin_check(const char *file, const char *name,
                                                      const struct ecert_plugin *plugin,
                                                      struct ecert_error *err);

/* A descriptor as records with an end record that counts them, and back off the stream. */
void ecert_plugin_encode(const struct ecert_plugin *plugin, struct ecert_buffer *buffer);
ECERT_MUST_CHECK enum ecert_status ecert_plugin_decode(struct ecert_view *stream,
                                                       struct ecert_plugin_description *ret,
                                                       struct ecert_error *err);

#endif
