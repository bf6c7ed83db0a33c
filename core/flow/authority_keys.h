/*
 * The keys of an authority profile: one table per kind of group.  The reader (authority.c) and the
 * reference (`ecert config --reference`) both work from it, so that neither can know a key that
 * the other does not.
 */
#ifndef ECERT_FLOW_AUTHORITY_KEYS_H
#define ECERT_FLOW_AUTHORITY_KEYS_H

#include "core/flow/authority.h"

enum ecert_authority_key_type {
    ECERT_PROFILE_TEXT,       /* char *: not empty, no control bytes */
    ECERT_PROFILE_URL,        /* char *: http, https or file */
    ECERT_PROFILE_SHA256,     /* char *: kept as 64 upper-case digits, colons are dropped */
    ECERT_PROFILE_SERIAL,     /* char *: kept upper case, colons are dropped */
    ECERT_PROFILE_PATH,       /* char *: absolute and plain */
    ECERT_PROFILE_VALIDATION, /* char *: "ov" or "ev" */
    ECERT_PROFILE_COUNTRY,    /* char *: two capital letters (ISO 3166) */
    ECERT_PROFILE_STEP_TEXT,  /* char *: text whose placeholders are those of a step */
    ECERT_PROFILE_URLS,       /* struct ecert_strings from here on */
    ECERT_PROFILE_SHA256S,
    ECERT_PROFILE_HOSTS,     /* kept lower case */
    ECERT_PROFILE_OIDS,      /* dotted numbers */
    ECERT_PROFILE_KEY_TYPES, /* "rsa-2048" ... "ec-p384" */
    ECERT_PROFILE_KINDS,     /* of requests: requests.h */
    ECERT_PROFILE_GROUPS,    /* a list of groups with keys of their own */
    ECERT_PROFILE_GROUP,     /* one group with keys of its own */
    ECERT_PROFILE_BOOL,
    ECERT_PROFILE_COUNT, /* unsigned: from 1 to 1,000 */
};

struct ecert_authority_group;

struct ecert_authority_key {
    const char *name;
    enum ecert_authority_key_type type;
    bool required;
    size_t offset;                              /* of the member; of GROUP(S) not used */
    const struct ecert_authority_group *groups; /* of GROUPS and GROUP only */
    const char *help;                           /* one sentence, no full stop */
};

enum ecert_authority_group_kind {
    ECERT_PROFILE_TOP,
    ECERT_PROFILE_ANCHOR,
    ECERT_PROFILE_INTERMEDIATE,
    ECERT_PROFILE_CROSS_CERTIFICATE,
    ECERT_PROFILE_REQUEST,
    ECERT_PROFILE_STEP
};

struct ecert_authority_group {
    enum ecert_authority_group_kind kind;
    const struct ecert_authority_key *keys;
    size_t n_keys;
};

/* An anchor as it is written; it lives only while the profile is read. */
struct ecert_authority_anchor {
    char *sha256;
    char *file;
};

extern const struct ecert_authority_group ecert_authority_top;

/* "a list of addresses", for sentences. */
const char *ecert_authority_key_type_words(enum ecert_authority_key_type type);

/*
 * Is this a value of the (scalar) type, and how is it kept?  *ret is a copy that the caller frees.
 * ECERT_E_CONFIG: it is not; the text says what was expected.
 */
ECERT_MUST_CHECK enum ecert_status ecert_authority_value(enum ecert_authority_key_type type,
                                                         const char *text, char **ret,
                                                         struct ecert_error *err);

/*
 * The text of authority->file into `authority`.  What is wrong goes to ret_mistakes, each with its
 * line, and is no error: then `authority` is good for clearing only.  ECERT_E_NOMEM.
 */
ECERT_MUST_CHECK enum ecert_status ecert_authority_read(struct ecert_authority *authority,
                                                        const char *text,
                                                        struct ecert_strings *ret_mistakes,
                                                        struct ecert_error *err);

/*
 * Of the certificates of a trusted file, those which the pin (NULL: any) names become anchors.
 * ECERT_E_REFUSED: not trusted; ECERT_E_CRYPTO: damaged, or none of them is there.
 */
ECERT_MUST_CHECK enum ecert_status ecert_authority_load_anchors(struct ecert_authority *authority,
                                                                const char *file, const char *pin,
                                                                struct ecert_error *err);

#endif
