/*
 * Items: the files and links that a group of targets changes, each path once.
 *
 * A path is resolved first: where it is a symbolic link, the link stays and the file behind it is
 * the item.  Its directory must be trusted (ecert_fs_open_trusted_directory).  What several members
 * want of one file is merged by lines against the bytes on disk; secrets and copies are never
 * merged, they must be equal.  What is there already is no item.
 *
 * Owner and mode are those of the file that is replaced, else the directory's owner and 0644; a
 * secret is 0600 when new and never wider than 0640.  A plan may wish for others; the wishes of a
 * member that is left out are left out with it.
 */
#ifndef ECERT_FLOW_ITEMS_H
#define ECERT_FLOW_ITEMS_H

#include "core/flow/transaction_internal.h"

/* What one member wants of an item. */
struct ecert_version {
    size_t member;
    struct ecert_view content; /* borrowed from the plan, or from `owned` */
    struct ecert_secret owned;
    bool secret, whole;     /* for one of its writers is enough to make the item so */
    int64_t uid, gid, mode; /* -1: no wish */
};

struct ecert_item {
    bool is_link; /* a symbolic link: the contents are its value */
    bool secret;  /* these two are what its versions say */
    bool whole;   /* never merged */
    bool existed;
    char *path;                        /* resolved */
    char *directory;                   /* of path */
    const char *name;                  /* the last part; points into path */
    struct ecert_secret before, after; /* wiped */
    uint8_t before_sha256[ECERT_SHA256_LEN];
    uint8_t after_sha256[ECERT_SHA256_LEN];
    struct ecert_fs_owner before_owner, after_owner;
    struct ecert_fs_owner default_owner; /* without anybody's wishes */
    char temporary[ECERT_FS_TEMPORARY_MAX];
    char backup[ECERT_FS_TEMPORARY_MAX]; /* "" if there was nothing to keep */
    struct ecert_version *versions;
    size_t n_versions;
};

struct ecert_items {
    struct ecert_item *list;
    size_t n, room;
    uint32_t *by_path; /* while they are collected: 1 + the index of each, by its path's hash */
    size_t n_by_path;  /* a power of two; 0: not made */
};
void ecert_items_clear(struct ecert_items *items);

/* Append an empty item; the pointer is good until the next one is added. */
ECERT_MUST_CHECK enum ecert_status ecert_items_add(struct ecert_items *items,
                                                   struct ecert_item **ret,
                                                   struct ecert_error *err);

/*
 * The items of every waiting member.  A member whose files cannot be done (changed since the plan,
 * directory not trusted, conflict with an earlier member) gets its verdict, REFUSED, and takes no
 * part.  `make_places`: make a missing folder of live links.  ECERT_E_NOMEM.
 */
ECERT_MUST_CHECK enum ecert_status ecert_items_collect(struct ecert_member *members, size_t n,
                                                       bool make_places, struct ecert_items *ret,
                                                       struct ecert_error *err);

bool ecert_item_is_of(const struct ecert_item *item, size_t member);

/* Is the item on disk now as it was before, as it shall be, or something else? */
enum ecert_item_state {
    ECERT_ITEM_BEFORE = 0,
    ECERT_ITEM_AFTER = 1,
    ECERT_ITEM_OTHER = 2,
};

/* `ret_now`, if not NULL, gets what is there (empty if nothing is).  ECERT_E_IO, ECERT_E_NOMEM. */
ECERT_MUST_CHECK enum ecert_status ecert_item_look(const struct ecert_item *item,
                                                   enum ecert_item_state *ret,
                                                   struct ecert_secret *ret_now,
                                                   struct ecert_error *err);

#endif
