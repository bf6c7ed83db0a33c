/*
 * Does a server's own file hold already what a deployment would copy there?
 *
 * Compared by what is in it and not by its bytes: a file that was there before ecert may have other
 * line ends, comments, another form of the key, the root behind the chain.  Where a target has its
 * generation, such a file is left as it is, so that nothing is written after `ecert adopt` but what
 * differs.
 */
#ifndef ECERT_FLOW_HOLDS_H
#define ECERT_FLOW_HOLDS_H

#include "core/flow/bundle.h"
#include "core/flow/config.h"

/*
 * `kept` is the generation's file of the material, `path` the server's.  The key: the same public
 * key, and both encrypted or neither.  The leaf alone and the full chain: the leaf comes first; the
 * full chain and the chain: each of its certificates is there, in whatever order.
 *
 * False too where one of them cannot be read or opened: then the copy is made, or refused with the
 * reason.
 */
bool ecert_holds(const struct ecert_bundle *bundle, const struct ecert_key_config *key,
                 enum ecert_material which, const char *kept, const char *path);

#endif
