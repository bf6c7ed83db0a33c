/*
 * What is said about one export: its file names, the operator's text, the SHA-256 sums.
 *
 * All of it is a function of its inputs, byte for byte, so that an unchanged deployment changes
 * no file.  Texts for Windows have CRLF line endings.
 */
#ifndef ECERT_PLUGINS_IIS_EXPORT_TEXT_H
#define ECERT_PLUGINS_IIS_EXPORT_TEXT_H

#include <ecert/plugin.h>

#include <openssl/x509.h>

#define ECERT_IIS_THUMBPRINT_LEN 40u
#define ECERT_IIS_OLD_MAX        16u

/* Certificates that may be bound where the new one belongs: upper-case hexadecimal SHA-1. */
struct ecert_iis_old {
    char thumbprints[ECERT_IIS_OLD_MAX][ECERT_IIS_THUMBPRINT_LEN + 1];
    size_t count;
};

/* One export.  Everything is borrowed. */
struct ecert_iis_export {
    const char *certificate;   /* managed name, for sentences */
    const char *stem;          /* ecert_iis_stem() of it */
    bool has_key;              /* false: the key was made in IIS, the container is a .p7b */
    const char *container;     /* file name: STEM.pfx or STEM.p7b */
    const char *sha256;        /* of the container, hexadecimal */
    const char *friendly_name; /* what IIS Manager shows */
    const char *end_date;      /* "2027-06-30" */
    const char *password_name; /* file name of the password file, no directory */
    const char *profile_readers;
    const char *thumbprint;       /* of the new leaf */
    const char *const *dns_names; /* that it covers, NULL-ended */
    const struct ecert_iis_old *old;
    const STACK_OF(X509) *intermediates;
    const char *site;        /* "": only bindings of old certificates are replaced */
    const char *host_header; /* "": no SNI */
    unsigned port;
};

/* A text on the heap, not NUL-ended for its length; {0} is empty. */
struct ecert_iis_text {
    char *ptr;
    size_t len;
};

void ecert_iis_text_clear(struct ecert_iis_text *text);

/*
 * The certificate's name as part of a file name: "*." becomes "_wildcard.", everything else must
 * be a letter, a digit, ".", "-" or "_".  The result is malloc'ed.  ECERT_E_CONFIG: it is not.
 */
ECERT_MUST_CHECK enum ecert_status ecert_iis_stem(const struct ecert_host *host,
                                                  const char *certificate, char **ret,
                                                  struct ecert_error *err);

/* The operator's text.  Names with other characters than ASCII make it UTF-8 with a mark. */
ECERT_MUST_CHECK enum ecert_status ecert_iis_readme(const struct ecert_host *host,
                                                    const struct ecert_iis_export *export,
                                                    struct ecert_iis_text *ret,
                                                    struct ecert_error *err);

/* One line of the sums: a file name and its bytes. */
struct ecert_iis_summed {
    const char *name;
    struct ecert_view content;
};

/*
 * STEM-SHA256SUMS as sha256sum(1) reads it: one line for each of `files`.  Its name has the stem,
 * as those of all files have: several certificates may be exported into one directory in one run,
 * each planned without the others.
 */
ECERT_MUST_CHECK enum ecert_status ecert_iis_sums(const struct ecert_host *host,
                                                  const struct ecert_iis_summed *files,
                                                  size_t n_files, struct ecert_iis_text *ret,
                                                  struct ecert_error *err);

/* SHA-256 in lower-case hexadecimal; ret has room for 65 characters. */
ECERT_MUST_CHECK enum ecert_status ecert_iis_sha256(const struct ecert_host *host,
                                                    struct ecert_view content, char *ret,
                                                    struct ecert_error *err);

#endif
