/*
 * The inside of monitor.h.  One file per question:
 *   monitor.c               what is looked at, in which order; the words of a finding
 *   monitor_absent.c        which files of the configuration are not there?
 *   monitor_authorities.c   which roots and CRLs are there?
 *   monitor_revocation.c    is this leaf revoked?
 *   monitor_certificates.c  how do the newest generations and their chains stand?
 *   monitor_adopted.c       does an adopted generation fit the configuration?
 *   monitor_requests.c      what is asked for, and are the copies of its keys good?
 *   monitor_refused.c       what came back and was refused?
 *   monitor_opened.c        which copy of a key is opened in this run?
 *   monitor_places.c        are the places of the copies there?
 *   monitor_key.c           has the newest generation its private key?
 *   monitor_targets.c       what has each target, and what does its live server serve?
 *   monitor_watches.c       what is in the watched files?
 *   monitor_endpoints.c     which addresses are watched, and what do they serve?
 *
 * Whatever cannot be read becomes a finding there and then.  What a function returns is the
 * machinery's failure (no memory, or what the caller's function said), and ends the run.
 */
#ifndef ECERT_MONITOR_MONITOR_PARTS_H
#define ECERT_MONITOR_MONITOR_PARTS_H

#include <jansson.h>

#include "core/flow/deploy.h"
#include "core/flow/endpoints.h"
#include "core/issue/served.h"
#include "core/monitor/judge_served.h"
#include "core/monitor/monitor.h"

struct monitor_shown; /* a chain certificate that will be told: monitor_certificates.c */

/*
 * An issuer of leaves.  What a CRL says of a leaf that it does not list is the same for all of
 * them, and costs a signature to find out.
 */
struct monitor_issuer {
    X509 *certificate; /* a reference */
    bool asked;        /* `unlisted` is known */
    enum ecert_revocation unlisted;
    char *first;    /* name of the first certificate that is UNKNOWN */
    size_t unknown; /* how many are */
};

struct monitor_authority {
    char *id;
    bool has_crls;
    struct ecert_crls crls;
    struct monitor_issuer *issuers;
    size_t n_issuers;
    char *ocsp_problem;  /* the first; NULL: none */
    bool ocsp_is_silent; /* it was not reached: not asked any more in this run */
};

/* The chain of one or many generations: the same bytes are read once. */
struct monitor_chain {
    struct ecert_bytes text; /* in fullchain.pem */
    STACK_OF(X509) *members;
};

/* One for every certificate of the configuration. */
struct monitor_certificate {
    bool wanted;     /* not left out by the names */
    unsigned number; /* of the newest generation; 0: none, or it is not known */
    struct ecert_generation_facts newest; /* number 0: there is none, or it cannot be read */
    const struct monitor_chain *chain;    /* its; NULL: it cannot be read */
};

/* An endpoint that is asked; the probes stand in `endpoints` under the same index. */
struct monitor_asked {
    const struct ecert_deployment *deployment; /* NULL: it is watched */
    const struct ecert_watch_config *watch;
    struct ecert_probe probe; /* of a watch: owned; of a deployment: empty */
    char *host;               /* of a watch: the name or address that must be covered */
    const char *key_type;     /* the kind that the answer was asked for; NULL: any */
};

struct monitor {
    struct ecert_context *context;
    const struct ecert_config *config;
    const struct ecert_monitor_options *options;
    ecert_finding_fn *call;
    void *call_context;
    int64_t now;
    struct monitor_authority *authorities; /* those that could be loaded */
    size_t n_authorities;
    struct monitor_certificate *certificates;
    struct monitor_chain **chains;
    size_t n_chains;
    struct monitor_shown *shown;
    size_t n_shown;
    struct ecert_deployments deployments;
    struct ecert_served_sites sites; /* of targets that nothing was deployed to */
    struct ecert_endpoints endpoints;
    struct monitor_asked *asked;
    size_t n_asked;
};

/* ---- monitor.c ---- */

/* The names that were asked for have this one, or there are none. */
bool monitor_wants(const struct monitor *monitor, const char *name);

/*
 * Judge the finding by its dates, tell it, and clear it.  `where` is set with the words, if any;
 * urgency is set from the condition.
 */
ECERT_MUST_CHECK enum ecert_status monitor_tell(const struct monitor *monitor,
                                                struct ecert_finding *finding,
                                                struct ecert_error *err);

/*
 * A finding with name and place, escaped and cut to ECERT_SENTENCE_MAX characters here; everything
 * else is 0, the condition is FINE.
 */
ECERT_MUST_CHECK enum ecert_status monitor_begin(enum ecert_watched watched, const char *name,
                                                 const struct ecert_watch_settings *settings,
                                                 struct ecert_finding *ret, struct ecert_error *err,
                                                 const char *fmt, ...) ECERT_PRINTF(6, 7);

/*
 * A certificate whose begin or end cannot be read (0) is UNDECODABLE, if nothing else was found:
 * without an end it would be fine for ever.
 */
ECERT_MUST_CHECK enum ecert_status monitor_check_dates(struct ecert_finding *finding,
                                                       struct ecert_error *err);

/* Its serial, hash, dates, which are checked, and title; in the place of those that are there. */
ECERT_MUST_CHECK enum ecert_status monitor_describe(struct ecert_finding *finding,
                                                    const X509 *certificate,
                                                    struct ecert_error *err);

/* What could not be read is what kind of finding? */
enum ecert_condition monitor_condition_of(enum ecert_status status);

/* The detail in the place of the one that is there; escaped and cut here, as a place is. */
ECERT_MUST_CHECK enum ecert_status monitor_detail(struct ecert_finding *finding,
                                                  struct ecert_error *err, const char *fmt, ...)
    ECERT_PRINTF(3, 4);

/* ---- monitor_absent.c ---- */

/* Tell each file that the configuration names and that is not there (config.h). */
ECERT_MUST_CHECK enum ecert_status monitor_absent(const struct monitor *monitor,
                                                  struct ecert_error *err);

/* ---- monitor_authorities.c ---- */

/*
 * Load the authorities of every certificate that is wanted, get their CRLs, and tell both.  An
 * authority that cannot be loaded is a finding.
 */
ECERT_MUST_CHECK enum ecert_status monitor_authorities(struct monitor *monitor,
                                                       struct ecert_error *err);

/*
 * Those that only watched servers may come from: every profile that is there, and the roots that
 * the system trusts.  Their CRLs are got when a server that was seen comes from them.
 */
ECERT_MUST_CHECK enum ecert_status monitor_more_authorities(struct monitor *monitor,
                                                            struct ecert_error *err);

/* NULL: it could not be loaded. */
struct monitor_authority *monitor_authority_of(const struct monitor *monitor, const char *id);

/* What is known, for judging; the caller frees the array.  Valid until an authority is loaded. */
ECERT_MUST_CHECK enum ecert_status monitor_known(const struct monitor *monitor,
                                                 struct ecert_known_authority **ret, size_t *ret_n,
                                                 struct ecert_error *err);

void monitor_authorities_clear(struct monitor *monitor);

/* ---- monitor_revocation.c ---- */

/* The leaf of a generation, as far as it is known without decoding it. */
struct monitor_leaf {
    const struct ecert_certificate_config *certificate;
    const struct ecert_generation_facts *facts;
    const struct monitor_chain *chain;
};

/*
 * Is the leaf revoked?  By the CRLs that are at hand, and by the OCSP responders of the profile,
 * unless there is no network: YES if one of them says so, NO if one of them says that, else
 * UNKNOWN, which is told once per issuer by monitor_tell_unknown().
 */
ECERT_MUST_CHECK enum ecert_status monitor_revocation(struct monitor *monitor,
                                                      const struct monitor_leaf *leaf,
                                                      enum ecert_revocation *ret,
                                                      struct ecert_error *err);
ECERT_MUST_CHECK enum ecert_status monitor_tell_unknown(const struct monitor *monitor,
                                                        struct ecert_error *err);

/* ---- monitor_certificates.c ---- */

/* Which are wanted? */
ECERT_MUST_CHECK enum ecert_status monitor_choose(struct monitor *monitor, struct ecert_error *err);

/* Tell every certificate and subscription; what the generations hold is at hand afterwards. */
ECERT_MUST_CHECK enum ecert_status monitor_certificates(struct monitor *monitor,
                                                        struct ecert_error *err);

/*
 * The chain of a generation, borrowed.  With ECERT_E_CRYPTO if the files are not those that the
 * facts describe; ECERT_E_NOT_FOUND, ECERT_E_IO.
 */
ECERT_MUST_CHECK enum ecert_status monitor_read_chain(struct monitor *monitor, const char *name,
                                                      const struct ecert_generation_facts *facts,
                                                      const struct monitor_chain **ret,
                                                      struct ecert_error *err);

/* Tell the issuers that the newest generations serve: each once for those who are told of it. */
ECERT_MUST_CHECK enum ecert_status monitor_tell_chains(const struct monitor *monitor,
                                                       struct ecert_error *err);
void monitor_certificates_clear(struct monitor *monitor);

/* ---- monitor_adopted.c ---- */

/*
 * An adopted generation that an issued file would not have passed the checks with (its facts'
 * `unfit`): names, organisation and validation are judged anew against the configuration of now
 * (UNFIT); what else was found when it was adopted stands (WRONG_CHAIN where it is of the chain).
 * The finding is left alone where nothing is wrong any more.
 */
ECERT_MUST_CHECK enum ecert_status monitor_judge_adopted(
    const struct monitor *monitor, const struct ecert_certificate_config *entry,
    const struct ecert_generation_facts *facts, struct ecert_finding *finding,
    struct ecert_error *err);

/* ---- monitor_requests.c ---- */

/* Tell every pending request, and every copy of a key that is still needed; behind the
 * certificates. */
ECERT_MUST_CHECK enum ecert_status monitor_requests(const struct monitor *monitor,
                                                    struct ecert_error *err);

/* ---- monitor_refused.c ---- */

/* Tell what lies in inbox/rejected/ and was not settled since. */
ECERT_MUST_CHECK enum ecert_status monitor_refused(const struct monitor *monitor,
                                                   struct ecert_error *err);

/* ---- monitor_opened.c ---- */

/*
 * Which copy is opened, too: the one that was not opened for the longest time, whatever the days
 * are on which somebody looks; within one day it stays the same.  {0} is empty.
 */
struct monitor_opened {
    json_t *before, *now; /* seconds by the SHA-256 of the path: of the file, and of those seen */
    char last[ECERT_SHA256_HEX_LEN], chosen[ECERT_SHA256_HEX_LEN];
    int64_t chosen_when;
    size_t n;     /* that were considered */
    bool settled; /* it was opened today already */
};
void monitor_opened_load(const struct monitor *monitor, struct monitor_opened *ret);
void monitor_opened_clear(struct monitor_opened *opened);

/* Each copy is considered, in an order that stays, before the first is asked for. */
void monitor_opened_consider(const struct monitor *monitor, struct monitor_opened *opened,
                             const struct ecert_request_backup *backup);
bool monitor_opened_is_chosen(const struct monitor_opened *opened,
                              const struct ecert_request_backup *backup);

/* It had its turn.  That this cannot be written changes nothing but the next turn. */
void monitor_opened_note(const struct monitor *monitor, struct monitor_opened *opened);

/* ---- monitor_places.c ---- */

/*
 * Is the directory of this copy of a key gone (a share that is not mounted)?  Then it is told,
 * unless it is in `told` already, and nothing is to be told of the copy itself.
 */
ECERT_MUST_CHECK enum ecert_status monitor_tell_place(const struct monitor *monitor,
                                                      const char *copy, struct ecert_strings *told,
                                                      bool *ret_gone, struct ecert_error *err);

/* ---- monitor_key.c ---- */

/*
 * Is the private key of a generation there, private, and that of its leaf?  It is decoded only if
 * it was written at another time than the rest of the generation.  A generation without key is good
 * where the configuration says that the key is elsewhere.  ECERT_E_NOT_FOUND, ECERT_E_REFUSED (its
 * mode), ECERT_E_CRYPTO (not this leaf's), ECERT_E_IO.
 */
ECERT_MUST_CHECK enum ecert_status monitor_check_key(const struct monitor *monitor,
                                                     const struct ecert_certificate_config *entry,
                                                     unsigned number, struct ecert_error *err);

/* ---- monitor_targets.c ---- */

/* How do the targets of every certificate that is wanted stand?  Nothing is told. */
ECERT_MUST_CHECK enum ecert_status monitor_select_targets(struct monitor *monitor,
                                                          struct ecert_error *err);

/* Tell those whose servers are not asked, and what is owed; the others join those that are asked.
 */
ECERT_MUST_CHECK enum ecert_status monitor_targets(struct monitor *monitor,
                                                   struct ecert_error *err);

/*
 * A server may have certificates of both kinds of key, and show the other one: ask again for the
 * kind that was deployed, where another leaf was seen.
 */
ECERT_MUST_CHECK enum ecert_status monitor_look_for_kind(struct monitor *monitor,
                                                         struct ecert_error *err);

/* Ask the targets again that seem to serve something else than was deployed. */
ECERT_MUST_CHECK enum ecert_status monitor_settle(struct monitor *monitor, struct ecert_error *err);

ECERT_MUST_CHECK enum ecert_status monitor_tell_target(struct monitor *monitor, size_t index,
                                                       const struct ecert_known_authority *known,
                                                       size_t n_known, struct ecert_error *err);

/* ---- monitor_watches.c ---- */

ECERT_MUST_CHECK enum ecert_status monitor_files(const struct monitor *monitor,
                                                 struct ecert_error *err);

/* ---- monitor_endpoints.c ---- */

/* Put one into the list of those that are asked; takes the probe and the host over on success. */
ECERT_MUST_CHECK enum ecert_status monitor_ask(struct monitor *monitor, struct monitor_asked *asked,
                                               const struct ecert_probe *probe,
                                               struct ecert_error *err);

/* Those that watches name; what is wrong in a list of them is told. */
ECERT_MUST_CHECK enum ecert_status monitor_endpoints(struct monitor *monitor,
                                                     struct ecert_error *err);

/* So many more are not asked, because nobody is. */
void monitor_pass_over(const struct monitor *monitor, size_t live, size_t watched);

/* Ask all of them, and tell what they serve. */
ECERT_MUST_CHECK enum ecert_status monitor_look(struct monitor *monitor, struct ecert_error *err);

/* Tell what one handshake saw: every problem, and the dates where they are near or nothing else is
 * said.  `finding` has name and place, and is cleared. */
ECERT_MUST_CHECK enum ecert_status monitor_tell_served(const struct monitor *monitor,
                                                       const struct ecert_served_question *question,
                                                       struct ecert_finding *finding,
                                                       struct ecert_error *err);
void monitor_endpoints_clear(struct monitor *monitor);

/* "10.0.0.1:443 (www.x.hk)", "[::1]:25 (mail.x.hk, smtp)"; the caller frees. */
ECERT_MUST_CHECK enum ecert_status monitor_place(const struct ecert_probe *probe, char **ret,
                                                 struct ecert_error *err);

#endif
