/*
 * Receivers for tests of sending.
 *
 * The mail server is a real one, Debian's exim4, with a configuration, a spool and a user of our
 * own, on free ports of 127.0.0.1: a copy of the program without its set-user-ID bit, so that it
 * ends with us and touches nothing of the machine's.  It delivers into the maildir `mail/`.
 *
 * Receivers that misbehave are tests/support/receivers.py (ECERT_RECEIVERS).
 */
#ifndef ECERT_TESTS_UNIT_FLOW_MAIL_SERVER_H
#define ECERT_TESTS_UNIT_FLOW_MAIL_SERVER_H

#include <sys/types.h>

#include "core/base/bytes.h"

#define MAIL_SERVER_USER     "me.example"
#define MAIL_SERVER_PASSWORD "a hidden password"

struct mail_server {
    char folder[400];
    unsigned starttls, smtps, plain; /* ports: STARTTLS and AUTH under it; TLS; neither */
    pid_t exim;
};

/*
 * `folder` exists and is readable by everybody; `pem`: chain and key.  Refuses the recipient
 * nobody@… with 550.  Or the test ends with a message.
 */
void mail_server_start(struct mail_server *server, const char *folder, const char *pem);
void mail_server_end(struct mail_server *server);

/* The whole mail that was delivered, awaited for ten seconds; taken away.  Empty: none. */
void mail_server_take(const struct mail_server *server, struct ecert_bytes *ret);

struct receivers {
    char folder[400];
    pid_t pid;
};
void receivers_start(struct receivers *receivers, const char *folder, const char *pem);
void receivers_end(struct receivers *receivers);
unsigned receivers_port(const struct receivers *receivers, const char *name);

/* A file of theirs; empty if there is none. */
void receivers_read(const struct receivers *receivers, const char *name, struct ecert_bytes *ret);

#endif
