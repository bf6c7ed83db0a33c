/*
 * The fingerprint of a target's settings: has the operator changed them since it was deployed?
 *
 * It covers what the configuration says of the target and a deployment depends on: plugin,
 * server_names, files, probe, may_write and the plugin's own settings.  It does not cover the id
 * (which names the state that holds the fingerprint), the place in the file, nor the content of
 * files that settings name.
 */
#ifndef ECERT_FLOW_SETTINGS_H
#define ECERT_FLOW_SETTINGS_H

#include "core/flow/config.h"

/*
 * SHA-256 of a canonical encoding: every field with its length, every list with its count, absent
 * and empty told apart, the plugin's settings sorted by name.  "" where the settings are not known
 * because the plugin cannot be loaded.  ECERT_E_NOMEM.
 */
ECERT_MUST_CHECK enum ecert_status ecert_settings_fingerprint(
    const struct ecert_target_config *target, char ret[ECERT_SHA256_HEX_LEN],
    struct ecert_error *err);

/* Two fingerprints that differ; one that is not known ("", an older state file) never does. */
bool ecert_settings_differ(const char *a, const char *b);

#endif
