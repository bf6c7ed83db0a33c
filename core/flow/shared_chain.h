/*
 * One file of issuers that targets of several certificates name: the usual Apache setup, where many
 * virtual hosts with certificates of their own have the same SSLCertificateChainFile.
 *
 * Invariant: whatever is written there, each target that names the file still finds its issuers in
 * it, and so does a site that nobody told ecert about.  A file that holds what a deployment needs
 * is not written.  Where it must be, it gets, in this order and each once:
 *
 *   1. the chains of the generations that are being deployed and that it does not hold;
 *   2. the chains of those that its other targets have now, and of those that (1) replaces, because
 *      a deployment can fail and be put back;
 *   3. the CA certificates in date that it holds already.
 *
 * A certificate that has name, issuer and key of one before it is that one re-issued, and left out:
 * what it signed, the other one vouches for.  Every deployment of one run wants the same bytes, so
 * that none conflicts with another, and one that is undone takes nothing from the rest.
 *
 * Clients limit how many certificates they accept: ECERT_SHARED_CHAIN_MAX.  More are refused.
 * See docs/decisions/0019-one-chain-file-for-many.md.
 */
#ifndef ECERT_FLOW_SHARED_CHAIN_H
#define ECERT_FLOW_SHARED_CHAIN_H

#include "core/flow/deploy.h"

/* As many intermediate CAs as mbed TLS takes by default (MBEDTLS_X509_MAX_INTERMEDIATE_CA); OpenSSL
   and GnuTLS take more. */
#define ECERT_SHARED_CHAIN_MAX 8

/*
 * Of all that are prepared: those that would write a chain file which a target of another
 * certificate names too write what all of its targets need, or nothing.  One that RESTORES leaves
 * such a file alone, with a note.  What cannot be done makes that deployment UNFIT, with the other
 * targets' names and what to write.
 */
void ecert_shared_chain_settle(const struct ecert_config *config,
                               struct ecert_deployments *deployments);

#endif
