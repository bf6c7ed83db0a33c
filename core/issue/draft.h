/*
 * A first configuration, written out of what this host has (inventory.h): `ecert init`.
 *
 * Nothing in it is invented: what is not known stands there as a comment that says what to write.
 * It passes `ecert config`; `ecert adopt` then takes over what every target has, and after that
 * `ecert plan` has nothing to change, because `files` names the files that the servers use today
 * (docs/decisions/0017).  What cannot be had so is commented out, with the reason.
 */
#ifndef ECERT_ISSUE_DRAFT_H
#define ECERT_ISSUE_DRAFT_H

#include "core/issue/inventory.h"

/* A pair of files as one server uses it: what becomes a target. */
struct ecert_draft_use {
    size_t server, certificate; /* indices in the inventory */
    const char *key_file;       /* borrowed; NULL: none */
    enum ecert_inventory_key_state key;
    size_t entry; /* index; ECERT_INVENTORY_NOTHING: the leaf could not be read */
    size_t *sites;
    size_t n_sites;
    struct ecert_strings names; /* server_names: of its sites, covered, and nobody else's */
    struct ecert_strings left;  /* sites whose names the certificate does not cover */
    bool everywhere;            /* everywhere_it_was */
    char *problem;              /* why it is commented out; NULL: it is not */
    bool is_shared;             /* the problem is only that `files` cannot be */
    bool shares_chain;          /* its chain file is that of other certificates, too */
};

/* A distinct leaf: what becomes a certificate. */
struct ecert_draft_entry {
    size_t certificate;         /* index in the inventory, of the first file with it */
    char *name;                 /* NULL: none of its names can be one */
    struct ecert_strings names; /* the others */
    struct ecert_strings odd;   /* names that a configuration cannot have */
};

struct ecert_draft {
    const struct ecert_inventory *found; /* borrowed, as config */
    const struct ecert_config *config;
    struct ecert_plugin_description *plugins; /* one per server */
    struct ecert_draft_use *uses;
    size_t n_uses;
    struct ecert_draft_entry *entries;
    size_t n_entries;
    char *subject[4]; /* C, ST, L, O: of most leafs; NULL: not known */
    size_t n_leafs_with_subject;
    const struct ecert_authority *authority; /* for what no profile issued */
};
void ecert_draft_clear(struct ecert_draft *draft);

/* `config` gives the directories that the new configuration names.  ECERT_E_NOMEM and others. */
ECERT_MUST_CHECK enum ecert_status ecert_draft_make(const struct ecert_inventory *found,
                                                    const struct ecert_config *config,
                                                    struct ecert_draft *ret,
                                                    struct ecert_error *err);

struct ecert_draft_sum {
    size_t certificates, targets; /* that stand there */
    size_t commented;             /* targets and certificates that are comments only */
    size_t watches;
};

/* The text of the file. */
ECERT_MUST_CHECK enum ecert_status ecert_draft_text(const struct ecert_draft *draft,
                                                    struct ecert_bytes *ret,
                                                    struct ecert_draft_sum *ret_sum,
                                                    struct ecert_error *err);

/* ---- parts ---- */

/* draft_entry.c: the id of the profile that the entry names. */
const char *ecert_draft_authority(const struct ecert_draft *draft,
                                  const struct ecert_draft_entry *entry);

/* draft_entry.c: is one of its uses no comment?  What has none is watched. */
bool ecert_draft_has_target(const struct ecert_draft *draft, size_t entry);

/* draft_sharing.c: uses whose files a renewal of another would write. */
ECERT_MUST_CHECK enum ecert_status ecert_draft_find_sharing(struct ecert_draft *draft,
                                                            struct ecert_error *err);

/* draft_names.c: who the leafs are for, and what each entry is called. */
ECERT_MUST_CHECK enum ecert_status ecert_draft_name_entries(struct ecert_draft *draft,
                                                            struct ecert_error *err);
ECERT_MUST_CHECK enum ecert_status ecert_draft_find_subject(struct ecert_draft *draft,
                                                            struct ecert_error *err);

#endif
