/* The halves of adopt.h: which site it is, and what its files hold. */
#ifndef ECERT_ISSUE_ADOPT_PARTS_H
#define ECERT_ISSUE_ADOPT_PARTS_H

#include "core/flow/bundle.h"
#include "core/flow/deploy.h"
#include "core/issue/adopt.h"

/*
 * adopt_site.c: ask the target's plugin, and choose among the sites that speak TLS.
 *
 * With `server_names` every one of these names must have a site, and all of them the same pair.
 * Otherwise the site of the certificate's name decides; one of its further names that has another
 * pair is noted; where no name has one, with everywhere_it_was that which reads the target's own
 * file (`files`).  Two sites with one name and different pairs: which one is meant cannot be told.
 *
 * Fills in the adoption's site, key_file and certificate_file, *ret_chain_file (NULL: none; the
 * caller frees), and the probes of the deployment's plan.  ECERT_E_NOT_FOUND: no such site, or it
 * names no files; ECERT_E_REFUSED: several; ECERT_E_UNSUPPORTED and others of the plugin.
 */
ECERT_MUST_CHECK enum ecert_status ecert_adopt_find_site(const struct ecert_config *config,
                                                         struct ecert_deployment *deployment,
                                                         struct ecert_adoption *adoption,
                                                         char **ret_chain_file,
                                                         struct ecert_error *err);

/*
 * adopt_read.c: read the pair of the adoption and chain_file (may be NULL), and run the checks of
 * an issued file; what they refuse goes to the adoption's notes.
 *
 * The leaf is the first certificate of its file, as it is for the server.  Its chain is built as
 * for an issued file; where the server has the part of it that leads to a known root, or none can
 * be built, it is what the server has, else that is noted.  The key is opened with
 * the passphrase of the certificate's `key`, and kept as `key.encrypted` says.
 *
 * ECERT_E_CRYPTO, ECERT_E_NOT_FOUND, ECERT_E_REFUSED: a file that cannot be read or holds something
 * else, a key that does not belong to the leaf, a leaf that does not cover the certificate's name.
 */
ECERT_MUST_CHECK enum ecert_status ecert_adopt_read(struct ecert_context *context,
                                                    struct ecert_adoption *adoption,
                                                    const char *chain_file,
                                                    struct ecert_bundle *ret,
                                                    struct ecert_error *err);

#endif
