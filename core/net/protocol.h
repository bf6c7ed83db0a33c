/*
 * What the root side (core/flow/network.c) and ecert-net say to each other: messages of
 * core/base/message.h over a stream socket that ecert-net gets as descriptor 0.
 *
 * One request at a time.  A request is one FETCH, MAIL, POST, CAA or SEARCH, or one PROBE followed
 * by as many ENDPOINTs as it announces.  The answer is FETCHED, or SENT, or RECORDS, or one
 * SEARCHED and as many FOUND as it announces, or one SEEN per endpoint in any order (each as soon
 * as it is known); or FAILED, which ends the answer.  ecert-net reads nothing while it works:
 * anything that arrives on the socket then, its end above all, makes it leave.
 *
 * Neither side believes the other: every field is checked by whoever reads it.
 */
#ifndef ECERT_NET_PROTOCOL_H
#define ECERT_NET_PROTOCOL_H

#define ECERT_NET_SOCKET 0

/* Fields are texts unless said otherwise; an empty text is "none". */
enum ecert_net_kind {
    ECERT_NET_FETCH = 1, /* url, max_len (number), timeout_ms (number), ca_file, etag, modified,
                            public_only (number 0 or 1), proxy */
    ECERT_NET_FETCHED,   /* unchanged (number 0 or 1), body (bytes), etag, modified */
    ECERT_NET_PROBE,     /* key_type ("", "rsa", "ec"), timeout_ms (number), count (number) */
    ECERT_NET_ENDPOINT,  /* address (IP or a host name), port (number), server_name, starttls */
    ECERT_NET_SEEN,      /* index (number), why_not, then each certificate as DER, leaf first;
                            why_not is empty exactly if there are certificates */
    ECERT_NET_FAILED,    /* enum ecert_status (number), the sentence */
    ECERT_NET_MAIL,      /* server, require_tls (number 0 or 1), user, password, ca_file,
                            from, to, timeout_ms (number), message (bytes) */
    ECERT_NET_POST,      /* url, show_url (number 0 or 1), content_type, signature, ca_file,
                            max_len (number), timeout_ms (number), public_only (number 0 or 1),
                            any_http (number 0 or 1), proxy, body (bytes) */
    ECERT_NET_SENT,      /* what was answered (bytes; of a mail nothing) */
    ECERT_NET_CAA,       /* resolver, name, timeout_ms (number) */
    ECERT_NET_RECORDS,   /* each CAA record as its RDATA (RFC 8659, 4.1; bytes) */
    ECERT_NET_SEARCH,    /* url, base, filter, bind_dn, password, ca_file, max_len (number),
                            timeout_ms (number) */
    ECERT_NET_SEARCHED,  /* how many FOUND follow (number), then each note */
    ECERT_NET_FOUND,     /* distinguished name of an entry, one value of it (bytes) */
};

#define ECERT_NET_MAX_REQUEST      ((size_t)64 << 10) /* without what a MAIL or POST delivers */
#define ECERT_NET_MAX_CONTENT      ((size_t)16 << 20) /* that */
#define ECERT_NET_MAX_ENDPOINTS    65536
#define ECERT_NET_MAX_BODY         ((size_t)64 << 20)
#define ECERT_NET_MAX_VALIDATOR    512 /* bytes of an ETag or Last-Modified value */
#define ECERT_NET_MAX_CERTIFICATES 32  /* of one handshake; Hongkong Post's chains have three */
#define ECERT_NET_MAX_SEEN         ((size_t)1 << 20)
#define ECERT_NET_MAX_RECORDS      60   /* CAA records of one name; real ones have a handful */
#define ECERT_NET_MAX_NOTES        40   /* of one search */
#define ECERT_NET_MAX_FOUND        500  /* values of one search: each is decoded in a child */
#define ECERT_NET_MAX_ENTRY_NAME   4096 /* bytes of a distinguished name, sent with each value */

/*
 * Connections open at the same time, as far as there are descriptors for them (RLIMIT_NOFILE, which
 * jail.c sets), but at least so many.  An endpoint needs at most two (LDAP's changes hands); one
 * with a name four: for the thread that resolves it, and what that thread opens.  With one address
 * and port few at a time, however many names are asked for there (core/net/probe_turns.h).
 */
#define ECERT_NET_AT_ONCE          400
#define ECERT_NET_AT_ONCE_PLACE    8
#define ECERT_NET_AT_ONCE_LEAST    16
#define ECERT_NET_DESCRIPTORS      2
#define ECERT_NET_DESCRIPTORS_NAME 4
#define ECERT_NET_DESCRIPTORS_ELSE 32 /* the socket, libcurl's own, kept connections of fetches */

#endif
