/*
 * A configuration of the real /usr/sbin/apache2 in a folder of its own, for tests of the apache
 * plugin.  Nothing is started: the server only tests its configuration and tells it.
 *
 * Texts hold "@" for the folder.  The folder has old/{rsa,ec,full,copy}.pem with their keys
 * old/rsa.key, old/ec.key (full.pem: an RSA leaf, then another certificate; copy.pem: rsa.pem), and
 * live/{fullchain,cert,chain, privkey}.pem, the files of the job.
 */
#ifndef ECERT_TESTS_APACHE_SERVER_H
#define ECERT_TESTS_APACHE_SERVER_H

#include "tests/support/plugin_host.h"

#define APACHE "/usr/sbin/apache2"

struct test_server {
    char folder[256];
    char main_file[300]; /* FOLDER/httpd.conf */
    char site_file[300]; /* FOLDER/site.conf, included by the main file */
    const char *command[5];
    struct test_setting settings[2];
    char paths[ECERT_MATERIAL_COUNT][300];
};

/* Make folder, keys, certificates and main file; false: there is no apache2 on this host. */
bool test_server_make(struct test_server *server);
void test_server_remove(struct test_server *server);

/* Write FOLDER/NAME with this text. */
void test_server_write(const struct test_server *server, const char *name, const char *text);

/* The text with "@" replaced; the caller frees it. */
char *test_server_text(const struct test_server *server, const char *text);

/* A job for www.example.test with an RSA leaf and the files below live/. */
void test_server_job(struct test_server *server, struct test_job *job);

/* The thumbprint of old/rsa.pem. */
const char *test_server_old_sha1(void);

/* Does the server accept its configuration? */
bool test_server_accepts(const struct test_server *server);

#endif
