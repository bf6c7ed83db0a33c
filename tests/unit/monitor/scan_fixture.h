/* What the tests of scanning share: certificates to put into files, and what a scan told. */
#ifndef ECERT_UNIT_MONITOR_SCAN_FIXTURE_H
#define ECERT_UNIT_MONITOR_SCAN_FIXTURE_H

#include "core/monitor/scan.h"
#include "tests/support/test_pki.h"

enum { ROOT, RSA_LEAF, EC_LEAF, ED_LEAF, NAMELESS, WIDE, N_CERTIFICATES };

struct scan_pki {
    EVP_PKEY *rsa, *ec, *ed;
    X509 *certificates[N_CERTIFICATES];
    struct ecert_bytes pem[N_CERTIFICATES], der[N_CERTIFICATES], key;
    char *folder;
};
extern struct scan_pki scan_pki;

/* Group setup and teardown. */
int scan_fixture_make(void **state);
int scan_fixture_clear(void **state);

struct scan_said {
    char *file, *title, *error;
    struct ecert_scanned scanned;
};

/* Of the latest scan that was opened here. */
struct scan_told {
    struct scan_said items[1200];
    size_t n;
    size_t end_after; /* the call fails then; 0: never */
};
extern struct scan_told scan_told;
void scan_told_clear(void);

struct ecert_scan *scan_opened(const char *password_file);
void scan_add_file(struct ecert_scan *scan, const char *file);
void scan_done(struct ecert_scan *scan);

/* Open, add, done. */
void scan_one_file(const char *file, const char *password_file);

#endif
