/*
 * The words that the core and its plugins share: a status to branch on, a text for people, and
 * borrowed bytes.  Part of the plugin contract: layouts and values never change within one
 * ECERT_PLUGIN_ABI (see plugin.h).
 */
#ifndef ECERT_STATUS_H
#define ECERT_STATUS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ECERT_MUST_CHECK       __attribute__((warn_unused_result))
#define ECERT_PRINTF(at, from) __attribute__((format(printf, at, from)))

/* Few statuses, by what the caller would do differently.  X(name, value, words) */
#define ECERT_STATUS_LIST(X)                                               \
    X(ECERT_OK, 0, "ok")                                                   \
    X(ECERT_E_NOMEM, 1, "out of memory")                                   \
    X(ECERT_E_IO, 2, "a file or system call failed")                       \
    X(ECERT_E_CONFIG, 3, "the configuration or the command line is wrong") \
    X(ECERT_E_REFUSED, 4, "not trusted or not acceptable")                 \
    X(ECERT_E_CRYPTO, 5, "not a usable certificate, key or signature")     \
    X(ECERT_E_PLUGIN, 6, "a plugin is wrong")                              \
    X(ECERT_E_NETWORK, 7, "the network or the other side failed")          \
    X(ECERT_E_TIMEOUT, 8, "took too long")                                 \
    X(ECERT_E_NOT_FOUND, 9, "not there")                                   \
    X(ECERT_E_CHANGED, 10, "somebody else changed it meanwhile")           \
    X(ECERT_E_COMMAND, 11, "a command said no")                            \
    X(ECERT_E_BUSY, 12, "another run holds the lock")                      \
    X(ECERT_E_UNSUPPORTED, 13, "not permitted or not known on this system")

enum ecert_status {
#define ECERT_STATUS_ENUM(name, value, words) name = value,
    ECERT_STATUS_LIST(ECERT_STATUS_ENUM)
#undef ECERT_STATUS_ENUM
};

/*
 * What failed, in one sentence.  {0} is "nothing failed".  The text has no capital, no full stop,
 * and quotes what it names: `open '/etc/x': Permission denied`.
 */
struct ecert_error {
    enum ecert_status status;
    int sys_errno; /* errno at the point of failure, 0 if none */
    char text[1024];
};

/* Borrowed bytes.  Never freed; must not outlive whoever owns them. */
struct ecert_view {
    const uint8_t *ptr;
    size_t len;
};

#ifdef __cplusplus
}
#endif

#endif
