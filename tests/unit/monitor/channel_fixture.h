/*
 * A scene for the tests of channels.  In the place of the network, of what notices look like and of
 * the books stand functions of this fixture (the linker's --wrap, see tests/unit/CMakeLists.txt);
 * the command and the files are real.
 */
#ifndef ECERT_UNIT_MONITOR_CHANNEL_FIXTURE_H
#define ECERT_UNIT_MONITOR_CHANNEL_FIXTURE_H

#include <sys/stat.h>

#include "core/monitor/channel_internal.h"

#define NOW 1795000000 /* 2026-11-18 */

/* HMAC-SHA256 with the key "key" of this text is well known (Wikipedia, "HMAC", examples). */
#define BODY      "The quick brown fox jumps over the lazy dog"
#define SIGNATURE "sha256=f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8"

/* What went out. */
struct sent {
    char log[4096]; /* one line per message: who, in which language, what */
    unsigned n;
    const char *refuses;      /* this recipient, or "*" */
    unsigned refuses_after;   /* so many messages; 0: from the first on */
    enum ecert_status answer; /* with this */
    char from[64], user[64], password[64], url[64], signature[128], body[512];
    char keys[16][40];
    bool require_tls, show_url;
};
extern struct sent sent;

/* The books: who is owed, and what was written down. */
extern struct ecert_reminder *books;
extern size_t n_books;
extern char written[4096];
extern bool digest_was_sent, disk_is_full;

/* The scene: set up and cleared by each test. */
extern char folder[64];
extern struct ecert_config config;
extern struct ecert_context context;
int set_scene(void **state);
int clear_scene(void **state);

/* Below the folder; one of the last eight that were asked for. */
char *path_of(const char *name);
char *write_file(const char *name, const char *text, mode_t mode);

struct ecert_finding finding_of(const char *name, enum ecert_condition condition, int days);

/* `to`: "email:a@b" or a channel's word; it is owed from `next_try` on. */
void owe(const char *key, const char *name, int days, const char *const to[][1], size_t n,
         int64_t next_try);

#define OWE(key, name, days, next_try, ...)                   \
    do {                                                      \
        static const char *const to_[][1] = __VA_ARGS__;      \
        owe(key, name, days, to_, ARRAY_SIZE(to_), next_try); \
    } while (0)

#endif
