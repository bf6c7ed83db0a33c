#include "core/monitor/words_advice.h"

#include <string.h>

#include "core/monitor/words.h"

#define ANY ECERT_ADVICE_ANY
#define _   ECERT_WORDS

/*
 * Facts of the CA: renewal of a subscription is applied for at least a month before its end, the
 * PIN envelope comes by registered mail or by hand; expired, suspended and revoked certificates are
 * not renewed; on-line renewal needs the Authorised Representative's active e-Cert
 * (Organisational); the sub CA certificates of 2017 are revoked, those re-issued in 2025 have the
 * same names and keys.
 */
/* clang-format off */
#define PASSWORD_WHY \
    _("Without the right password nothing in it is watched; a backup that cannot be opened is " \
      "none.")
#define PASSWORD_DO \
    _("Put the password on the first line of the file that `password_file` of the watch names, " \
      "readable for the user of `ecert check` alone; try it with `ecert verify FILE " \
      "--password-file FILE`.")

static const struct ecert_advice advice[] = {
    /* ---- everything that is fine ---- */
    {ANY, ECERT_CONDITION_FINE, NULL,
     _("It was looked at, and nothing is wrong."),
     _("Nothing.")},
    {ANY, ECERT_CONDITION_UNDECODABLE, "its dates cannot be read",
     _("Nobody can tell from when and until when it is valid, and strict clients refuse it."),
     _("Have the CA that issued it issue it anew.")},

    /* ---- managed certificates ---- */
    {ECERT_WATCHED_CERTIFICATE, ECERT_CONDITION_UNFIT, NULL,
     _("It was adopted as the server had it. What the CA issues as its successor is compared with "
       "the configuration, and refused where that says something else."),
     _("See which of the two is right. If it is the certificate, correct the configuration "
       "(`organization`, `validation`, `names`), and `ecert check` judges anew; else `ecert request "
       "{name}` asks for one that is right.")},
    {ECERT_WATCHED_CERTIFICATE, ECERT_CONDITION_EXPIRED, "its key is made in IIS",
     _("Clients refuse every server that uses it. Hongkong Post does not renew an expired "
       "certificate: if the subscription has ended too, it is a new application."),
     _("Make the request in IIS Manager on the Windows host that has the key, and hand it to the "
       "CA today. Drop the issued file into the inbox; `ecert run` checks it and exports it for "
       "that host.")},
    {ECERT_WATCHED_CERTIFICATE, ANY, "its key is made in IIS",
     _("Without the next certificate browsers, apps and partners' systems refuse every server "
       "that is to use it."),
     _("Make the request in IIS Manager on the Windows host that has the key, and hand it to the "
       "CA. Drop the issued file into the inbox; `ecert run` checks it and exports it for that "
       "host.")},
    {ECERT_WATCHED_SUBSCRIPTION, ECERT_CONDITION_EXPIRES, "its key is made in IIS",
     _("When the subscription ends the CA issues no further certificate without a renewal."),
     _("Apply at your CA for the renewal now, with a request that IIS Manager makes on the Windows "
       "host that has the key. When it is granted, set `subscription_ends` in the configuration to "
       "the new day. For Hongkong Post: at least one month ahead, because the PIN envelope comes "
       "by registered mail.")},
    {ECERT_WATCHED_CERTIFICATE, ANY, "`ecert request` will refuse",
     _("Until the certificate is issued and taken nothing can be deployed for this name, and as it "
       "stands in the configuration no request is made for it."),
     _("Correct the entry in the configuration as the sentence says; `ecert config` names file and "
       "line. Then `ecert request {name}` makes the request.")},
    {ECERT_WATCHED_CERTIFICATE, ECERT_CONDITION_EXPIRES, NULL,
     _("From that moment on browsers, apps and partners' systems refuse every server that uses "
       "it."),
     _("`ecert request {name}` makes the request. Get the next certificate from the CA now, while "
       "this one is valid; within a Hongkong Post subscription that is paid for it costs nothing "
       "more. Drop the issued file into the "
       "inbox or take it with `ecert import FILE`; `ecert run` checks it, deploys it and proves "
       "that it is served.")},
    {ECERT_WATCHED_CERTIFICATE, ECERT_CONDITION_EXPIRED, NULL,
     _("Clients refuse every server that uses it. Hongkong Post does not renew an expired "
       "certificate: if the subscription has ended too, it is a new application."),
     _("`ecert request {name}` makes the request. Contact your CA today. Take the issued file with `ecert import FILE`, then run `ecert "
       "deploy {name}`. For Hongkong Post: ask for a new application whether the PIN envelope "
       "can be handed over instead of sent by registered mail.")},
    {ECERT_WATCHED_CERTIFICATE, ECERT_CONDITION_NOT_YET_VALID, NULL,
     _("Clients refuse it until that moment. Often it is the clock of this machine that is "
       "wrong."),
     _("Compare date and time of this machine with a reliable clock. If they are right, keep "
       "the old certificate in use until then; `ecert run` deploys the new one afterwards.")},
    {ECERT_WATCHED_CERTIFICATE, ECERT_CONDITION_REVOKED, NULL,
     _("The CA has withdrawn it. Clients that ask for revocation refuse it already, it cannot "
       "be made valid again, and Hongkong Post does not renew a revoked certificate."),
     _("Ask the CA why. If the private key may be known to others, make a new key and a new "
       "CSR. Apply for a replacement, take it with `ecert import FILE`, run `ecert deploy "
       "{name}`, and look with `ecert check` for servers that still serve the old one.")},
    {ECERT_WATCHED_CERTIFICATE, ECERT_CONDITION_NOT_ISSUED, NULL,
     _("Until the certificate is issued and taken nothing can be deployed for this name."),
     _("`ecert request {name}` makes the request. If it was applied for elsewhere, follow that up "
       "at your CA. Drop the issued file into the inbox or take it with `ecert import FILE`. For "
       "Hongkong Post: the Authorised Representative gets an e-mail with the subject \"Submission "
       "of Certificate Signing Request (CSR)\", and the PIN envelope by registered mail or by "
       "hand.")},

    {ECERT_WATCHED_CERTIFICATE, ANY, "named in the configuration",
     _("What needs this file fails: without the file of `key`, of its passphrase or of `source` "
       "the next certificate cannot be taken. What is deployed stays in use."),
     _("Put the file back, or correct its path; `ecert config` names file and line. If `ecert "
       "request` shall make the key, leave `file` out of `key`.")},
    {ECERT_WATCHED_CERTIFICATE, ECERT_CONDITION_UNREADABLE, "can be used by others",
     _("Whoever reads the private key can pretend to be the server, as long as the certificate "
       "is valid."),
     _("Take the rights away with `chmod 600` on the file that is named. If somebody may have "
       "read the key, have the CA revoke the certificate, and apply for one with a new key.")},
    {ECERT_WATCHED_CERTIFICATE, ANY, "private key",
     _("Without its own private key the certificate can be deployed to no server, and a lost "
       "key cannot be made again."),
     _("Take the issued file again with `ecert import FILE`, together with its key: from where "
       "`key` in the configuration says, from the PKCS#12 file, from a backup, or from a server "
       "that still uses it. If the key is lost, make a new one and a new CSR and apply at the "
       "CA for a replacement.")},
    {ECERT_WATCHED_CERTIFICATE, ECERT_CONDITION_UNREADABLE, NULL,
     _("What cannot be opened cannot be deployed, and its expiry passes unnoticed."),
     _("Run `ecert check` as root, to whom the state directory belongs. If that is refused "
       "too, correct owner and mode of what is named.")},
    {ECERT_WATCHED_CERTIFICATE, ECERT_CONDITION_MISSING, NULL,
     _("Part of the certificate that was taken is gone: it cannot be deployed, and its expiry "
       "passes unnoticed."),
     _("Take the issued file again with `ecert import FILE`, then run `ecert deploy {name}`. "
       "What else is gone is told by `ecert status {name}`.")},
    {ECERT_WATCHED_CERTIFICATE, ECERT_CONDITION_UNDECODABLE, NULL,
     _("What was taken has been changed or damaged since: it is not deployed, and its expiry "
       "passes unnoticed."),
     _("Take the issued file again with `ecert import FILE`, then run `ecert deploy {name}`. "
       "Find out who changed the state directory: nobody but ecert writes there.")},

    /* ---- targets: servers that we deploy to ---- */
    {ECERT_WATCHED_TARGET, ANY, "(not deployed by ecert yet)",
     _("This is what the live server shows its visitors at present. ecert has no certificate for "
       "it yet, so that nothing else watches over this one."),
     _("`ecert request {name}` makes the request for its successor; `ecert adopt {name}` takes "
       "over what the server has, so that its end is reminded of.")},
    {ECERT_WATCHED_TARGET, ECERT_CONDITION_EXPIRES, NULL,
     _("This is what the live server shows its visitors. From that moment on they are refused."),
     _("See with `ecert status {name}` whether a newer certificate is here. If so, run `ecert "
       "deploy {name}`; if not, get the next one from the CA and take it with `ecert import "
       "FILE`.")},
    {ECERT_WATCHED_TARGET, ECERT_CONDITION_EXPIRED, NULL,
     _("The live server shows an expired certificate: its visitors are refused now."),
     _("Run `ecert deploy {name}` at once if a newer certificate is here (`ecert status "
       "{name}`). If not, contact the CA today; take the issued file with `ecert import FILE` "
       "and deploy it.")},
    {ECERT_WATCHED_TARGET, ECERT_CONDITION_NOT_YET_VALID, NULL,
     _("The live server shows a certificate that is not valid yet: its visitors are refused "
       "now."),
     _("Compare date and time of this machine with a reliable clock. If they are right, go "
       "back to the certificate before with `ecert rollback {name}`, and run `ecert deploy "
       "{name}` when the new one is valid.")},
    {ECERT_WATCHED_TARGET, ECERT_CONDITION_NO_ANSWER, NULL,
     _("A server that does not answer cannot be checked, and may be down for its visitors too."),
     _("See whether the server runs and whether a firewall stands between. `ecert status "
       "{name}` asks it again. If it cannot be asked from here, set `probe = false` for the "
       "target.")},
    {ECERT_WATCHED_TARGET, ECERT_CONDITION_OTHER_LEAF, NULL,
     _("Visitors do not get the certificate that is managed here: somebody changed the server, "
       "or another server or a load balancer answers at this address. That one expires on its "
       "own day."),
     _("`ecert plan {name}` shows what differs in the server's files, and `ecert deploy {name}` "
       "puts it right. A load balancer or a second server needs a target of its own.")},
    {ECERT_WATCHED_TARGET, ECERT_CONDITION_INCOMPLETE_CHAIN, NULL,
     _("The server does not send the certificate of an issuing CA. Browsers often find it "
       "elsewhere and hide the mistake; apps, programs and partners' systems fail."),
     _("Run `ecert deploy {name}`: it installs the whole chain and proves that it is served.")},
    {ECERT_WATCHED_TARGET, ECERT_CONDITION_WRONG_CHAIN, NULL,
     _("Strict clients refuse a chain that is out of order, and what does not belong to it "
       "slows down every connection."),
     _("Run `ecert deploy {name}`: it installs the chain in order, the issued certificate "
       "first, and never the root.")},
    {ECERT_WATCHED_TARGET, ECERT_CONDITION_REVOKED_ISSUER, NULL,
     _("The server sends a CA certificate that was revoked. Of Hongkong Post these are the sub "
       "CA certificates of 2017, which have the same name and key as those re-issued in 2025. "
       "Clients that ask for revocation refuse the server."),
     _("Run `ecert deploy {name}`. If `ecert check {name}` still finds it, take the issued file "
       "again with `ecert import FILE`, which builds the chain anew, and deploy once more.")},
    {ECERT_WATCHED_TARGET, ECERT_CONDITION_WRONG_NAME, NULL,
     _("Visitors are refused: the certificate that the server shows is not made for its name."),
     _("`ecert plan {name}` shows what differs in the server's files. If the certificate itself "
       "lacks the name, apply for one that has it, take it with `ecert import FILE`, and run "
       "`ecert deploy {name}`.")},
    {ECERT_WATCHED_TARGET, ECERT_CONDITION_REVOKED, NULL,
     _("The live server shows a certificate that the CA has withdrawn: clients that ask for "
       "revocation refuse it."),
     _("Run `ecert deploy {name}` at once if its replacement is here (`ecert status {name}`). "
       "If not, apply for one at the CA and take it with `ecert import FILE`.")},
    {ECERT_WATCHED_TARGET, ECERT_CONDITION_NOT_DEPLOYED, NULL,
     _("The newest certificate is here, but this server does not have it: the old one will "
       "expire in use."),
     _("`ecert status {name}` tells why the last try failed, `ecert plan {name}` what would "
       "change, and `ecert deploy {name}` does it and proves it by a handshake.")},
    {ECERT_WATCHED_TARGET, ANY, NULL,
     _("What this server has and shall have cannot be told, and nothing can be deployed to it."),
     _("`ecert status {name}` tells more: the target's plugin cannot be loaded, or something in "
       "the state directory cannot be read. Put it right, then run `ecert check {name}`.")},

    /* ---- watched files ---- */
    {ECERT_WATCHED_FILE, ECERT_CONDITION_EXPIRES, NULL,
     _("Whatever uses this file stops working on that day; nothing replaces it by itself."),
     _("Find out who uses the file, get the next certificate from its CA, and replace the file "
       "in time. If it is not used any more, remove the file or take it out of the watch.")},
    {ECERT_WATCHED_FILE, ECERT_CONDITION_EXPIRED, NULL,
     _("Whatever uses this file is refused now."),
     _("Replace the certificate at once if it is in use. If it is not, remove the file or take "
       "it out of the watch.")},
    {ECERT_WATCHED_FILE, ECERT_CONDITION_MISSING, NULL,
     _("The file, or a match for the pattern, is not where the configuration says: its expiry "
       "passes unnoticed, and a backup may be lost."),
     _("Put the file back, or correct the path in the `watch` of the configuration.")},
    {ECERT_WATCHED_FILE, ECERT_CONDITION_UNREADABLE, " is a directory",
     _("A directory is no file of certificates: nothing in it is watched this way."),
     _("Write `directory = ...` instead of `file = ...` in the watch: every certificate file in "
       "it and below is watched then.")},
    {ECERT_WATCHED_FILE, ECERT_CONDITION_UNREADABLE, " is not a regular file",
     _("A device, a socket or a pipe holds no certificate: nothing is watched this way."),
     _("Name the file of the certificate in the watch.")},
    {ECERT_WATCHED_FILE, ECERT_CONDITION_UNREADABLE, "larger than",
     _("The file is larger than files of certificates are, and was not read."),
     _("Name the file of the certificate in the watch, or put fewer certificates into one file.")},
    {ECERT_WATCHED_FILE, ECERT_CONDITION_UNREADABLE, "levels of symbolic links",
     _("The link leads back to itself: nothing is watched this way."),
     _("Let the symbolic link name the file, or name the file itself in the watch.")},
    {ECERT_WATCHED_FILE, ECERT_CONDITION_UNREADABLE, NULL,
     _("A file that cannot be opened is not watched; a backup that cannot be opened is none."),
     _("Give the user of `ecert check` the right to read it.")},
    {ECERT_WATCHED_FILE, ECERT_CONDITION_UNDECODABLE, "`password_file`", PASSWORD_WHY,
     PASSWORD_DO},
    /* the password's file is meant: that of the certificate would not be undecodable */
    {ECERT_WATCHED_FILE, ECERT_CONDITION_UNDECODABLE, "No such file or directory", PASSWORD_WHY,
     PASSWORD_DO},
    {ECERT_WATCHED_FILE, ECERT_CONDITION_UNDECODABLE, "Permission denied", PASSWORD_WHY,
     PASSWORD_DO},
    {ECERT_WATCHED_FILE, ECERT_CONDITION_UNDECODABLE, "only a certificate revocation list",
     _("A CRL is not watched as a file; those of the CAs that certificates here come from are "
       "followed anyway."),
     _("Take the CRL out of the watch, or name the file of the certificate.")},
    {ECERT_WATCHED_FILE, ECERT_CONDITION_UNDECODABLE, NULL,
     _("The file is damaged, is no certificate, or is of a form that cannot be read. It is not "
       "watched; a backup that cannot be opened is none."),
     _("`ecert verify FILE` tells more about it. Restore the file, or take it out of the watch.")},

    /* ---- watched endpoints ---- */
    {ECERT_WATCHED_ENDPOINT, ECERT_CONDITION_EXPIRES, NULL,
     _("From that moment on the clients of this server are refused; nothing is deployed to it "
       "from here."),
     _("Tell whoever runs the server to get and install the next certificate. To have it done "
       "from here, configure it as a certificate with a target.")},
    {ECERT_WATCHED_ENDPOINT, ECERT_CONDITION_EXPIRED, NULL,
     _("The server shows an expired certificate: its clients are refused now."),
     _("Tell whoever runs the server to install a valid certificate at once.")},
    {ECERT_WATCHED_ENDPOINT, ECERT_CONDITION_MISSING, NULL,
     _("The list of endpoints is not where the configuration says, or names none: no server of "
       "it is watched."),
     _("Put the file back, or correct `endpoints_file` in the configuration; a line of it is "
       "host:port, then if needed the server name and the STARTTLS protocol.")},
    {ECERT_WATCHED_ENDPOINT, ECERT_CONDITION_UNREADABLE, NULL,
     _("The list of endpoints cannot be read: none of its servers is watched."),
     _("Give the user of `ecert check` the right to read it.")},
    {ECERT_WATCHED_ENDPOINT, ECERT_CONDITION_UNDECODABLE, "NUL byte",
     _("The list of endpoints is no text: none of its servers is watched."),
     _("Write it anew as a plain text, or correct `endpoints_file` in the configuration; a line "
       "is host:port, then if needed the server name and the STARTTLS protocol.")},
    {ECERT_WATCHED_ENDPOINT, ECERT_CONDITION_UNDECODABLE, NULL,
     _("The line of the list cannot be understood, so that this server is not watched."),
     _("Correct the line: host:port, then if needed the server name and the STARTTLS "
       "protocol; what stands behind # is not read.")},
    {ECERT_WATCHED_ENDPOINT, ECERT_CONDITION_NOT_YET_VALID, NULL,
     _("The server shows a certificate that is not valid yet: its clients are refused now."),
     _("Compare date and time of this machine with a reliable clock. If they are right, tell "
       "whoever runs the server to use the certificate before until then.")},
    {ECERT_WATCHED_ENDPOINT, ECERT_CONDITION_NO_ANSWER, "no TLS is spoken there",
     _("The server answers, but not with TLS in the way that the watch asks for: its "
       "certificate cannot be seen."),
     _("If the service begins in the clear and changes to TLS, set `starttls` of the watch "
       "(in a list: the third word of the line) to smtp, imap, pop3, ftp or ldap. If not, "
       "correct the port. Then run `ecert check {name}`.")},
    {ECERT_WATCHED_ENDPOINT, ECERT_CONDITION_NO_ANSWER, "STARTTLS",
     _("The server answers, but not with TLS in the way that the watch asks for: its "
       "certificate cannot be seen."),
     _("If the port has TLS from the start (465, 993, 995, 990 or 636 do), take `starttls` "
       "out of the watch; otherwise see that `starttls` names the right protocol and that the "
       "server offers it to this machine. Then run `ecert check {name}`.")},
    {ECERT_WATCHED_ENDPOINT, ECERT_CONDITION_NO_ANSWER, NULL,
     _("A server that does not answer cannot be checked, and may be down for its clients too."),
     _("See whether the server runs and whether a firewall stands between, then run `ecert "
       "check {name}`. If it is gone for good, take it out of the configuration.")},
    {ECERT_WATCHED_ENDPOINT, ECERT_CONDITION_INCOMPLETE_CHAIN, NULL,
     _("The server does not send the certificate of an issuing CA. Browsers often find it "
       "elsewhere and hide the mistake; apps, programs and partners' systems fail."),
     _("Install the chain on the server in this order: the server's certificate, the sub CA "
       "certificate (of Hongkong Post the one re-issued in 2025), if wanted the "
       "cross-certificate; never the root.")},
    {ECERT_WATCHED_ENDPOINT, ECERT_CONDITION_REVOKED_ISSUER, NULL,
     _("The server sends a CA certificate that was revoked. Of Hongkong Post these are the "
       "sub CA certificates of 2017, which have the same name and key as those re-issued in "
       "2025. Clients that ask for revocation refuse the server."),
     _("Replace it in the server's chain file with the current sub CA certificate (of "
       "Hongkong Post the one re-issued in 2025), and reload the server.")},
    {ECERT_WATCHED_ENDPOINT, ECERT_CONDITION_REVOKED, NULL,
     _("The server shows a certificate that the CA has withdrawn: clients that ask for revocation "
       "refuse it, and it cannot be made valid again."),
     _("Tell whoever runs the server to have it replaced at once.")},
    {ECERT_WATCHED_ENDPOINT, ECERT_CONDITION_WRONG_NAME, NULL,
     _("Clients are refused: the certificate that the server shows is not made for its name."),
     _("Check `server_name` of the watch. If it is right, the server needs a certificate that "
       "covers this name, or its virtual host for the name is missing.")},

    /* ---- chain certificates, roots, lists ---- */
    {ECERT_WATCHED_CHAIN, ECERT_CONDITION_EXPIRES, NULL,
     _("When a CA certificate of the chain expires every server that sends it is affected, "
       "however long its own certificate is valid."),
     _("Ask the CA for the certificate that succeeds it. Then take the issued file again with "
       "`ecert import FILE`, which builds the chain anew, and run `ecert deploy {name}`. A "
       "cross-certificate for old clients may simply be left out: `cross_certificate = false`.")},
    {ECERT_WATCHED_CHAIN, ECERT_CONDITION_EXPIRED, NULL,
     _("Servers send a CA certificate that has expired: strict clients refuse them."),
     _("Take the issued file again with `ecert import FILE`, which builds the chain anew, and "
       "run `ecert deploy {name}`. An expired cross-certificate is left out with "
       "`cross_certificate = false`.")},
    {ECERT_WATCHED_CHAIN, ECERT_CONDITION_REVOKED, NULL,
     _("The chain holds a CA certificate that its issuer has revoked: clients that ask for "
       "revocation refuse the server. Of Hongkong Post these are the sub CA certificates of "
       "2017."),
     _("Remove the revoked certificate from the configured `chain_file`, if there is one. "
       "Take the issued file again with `ecert import FILE`: its chain is built anew, with "
       "the current sub CA certificate (of Hongkong Post the one of 2025). Then run `ecert "
       "deploy {name}`.")},
    {ECERT_WATCHED_CHAIN, ECERT_CONDITION_NOT_YET_VALID, NULL,
     _("Clients refuse every server that sends it until that moment. Often it is the clock of "
       "this machine that is wrong."),
     _("Compare date and time of this machine with a reliable clock. If they are right, put "
       "the servers back with `ecert rollback {name}`, and deploy again after that moment.")},
    {ECERT_WATCHED_ANCHOR, ECERT_CONDITION_NOT_YET_VALID, NULL,
     _("Until that moment nothing that ends at this root is trusted, and no certificate of this "
       "CA can be checked here. Often it is the clock of this machine that is wrong."),
     _("Compare date and time of this machine with a reliable clock. If they are right, put the "
       "root that is in force into the authority's profile (`authorities_dir`).")},
    {ECERT_WATCHED_ANCHOR, ECERT_CONDITION_EXPIRES, NULL,
     _("After that day nothing that ends at this root is trusted any more, and no new "
       "certificate of this CA can be checked here."),
     _("Ask the CA which root succeeds it, and put that one into the authority's profile "
       "(`authorities_dir`).")},
    {ECERT_WATCHED_ANCHOR, ECERT_CONDITION_EXPIRED, NULL,
     _("Nothing that ends at this root is trusted any more, and no new certificate of this CA "
       "can be checked here."),
     _("Put the root that succeeds it into the authority's profile (`authorities_dir`). "
       "Certificates of the old root have to be replaced.")},
    {ECERT_WATCHED_ANCHOR, ECERT_CONDITION_UNREADABLE, "Permission denied",
     _("Without its root no certificate of this CA can be checked, so that none can be taken or "
       "deployed."),
     _("Run `ecert check` as root, or give this user's group the right to read the authority's "
       "profile and the files that it names.")},
    {ECERT_WATCHED_ANCHOR, ANY, NULL,
     _("Without its root no certificate of this CA can be checked, so that none can be taken or "
       "deployed."),
     _("Look at the authority's profile in `authorities_dir` and at the files that it names, "
       "then run `ecert check`.")},
    {ECERT_WATCHED_CRL, ECERT_CONDITION_EXPIRES, NULL,
     _("After its end the list proves nothing any more: a revocation by the CA would not be "
       "noticed here."),
     _("Nothing, as long as the CA publishes a newer list and this machine can fetch it: `ecert "
       "check` does.")},
    {ECERT_WATCHED_CRL, ECERT_CONDITION_EXPIRED, NULL,
     _("The list is too old to prove anything: a revocation by the CA would not be noticed here."),
     _("See whether this machine reaches the CA's list by HTTP (of Hongkong Post: "
       "crl1.ecert.gov.hk), if needed through the configured `proxy`; then run `ecert check`.")},
    {ECERT_WATCHED_CRL, ECERT_CONDITION_NO_ANSWER, NULL,
     _("The CA's OCSP responder was not reached: a revocation by the CA is noticed late, or not "
       "at all."),
     _("See whether this machine reaches the responder by HTTP, if needed through the "
       "configured `proxy`; then run `ecert check`.")},
    {ECERT_WATCHED_CRL, ANY, NULL,
     _("Without the list a revocation by the CA is not noticed here."),
     _("See whether this machine reaches the CA's list by HTTP (of Hongkong Post: "
       "crl1.ecert.gov.hk), if needed through the configured `proxy`; then run `ecert check`.")},

    /* ---- the subscription, and what its renewal needs ---- */
    {ECERT_WATCHED_SUBSCRIPTION, ECERT_CONDITION_EXPIRES, NULL,
     _("Until then it is paid for, and its renewal takes its time at the CA. For Hongkong "
       "Post: the application is wanted at least one month before, because the PIN envelope "
       "comes by registered mail; after the end nothing is renewed, and it is a new "
       "application."),
     _("`ecert request {name}` makes the request. Apply at your CA for the renewal now. When it is granted, set `subscription_ends` in "
       "the configuration to the new date. For Hongkong Post: on-line renewal needs an "
       "unchanged Authorised Representative with an active e-Cert (Organisational); check "
       "both first.")},
    {ECERT_WATCHED_SUBSCRIPTION, ECERT_CONDITION_EXPIRED, NULL,
     _("The CA issues no further certificate for this name: the one in use will be the last. "
       "For Hongkong Post: an ended subscription is not renewed, it is a new application."),
     _("Apply at your CA today. If the renewal was granted already, set `subscription_ends` "
       "in the configuration to the new date. For Hongkong Post: the PIN envelope comes by "
       "registered mail or by hand.")},
    {ECERT_WATCHED_SUBSCRIPTION, ANY, NULL,
     _("Without the day on which the subscription ends nobody is told in time to renew it."),
     _("Set `subscription_ends` in the configuration, as a date such as \"2027-06-30\".")},
    {ECERT_WATCHED_ORGANISATIONAL, ECERT_CONDITION_EXPIRES, NULL,
     _("Without an active e-Cert (Organisational) of the Authorised Representative the CA's "
       "on-line renewal is blocked, and with it every server certificate of the organisation."),
     _("Renew this e-Cert with Hongkong Post first, at least one month ahead, before any server "
       "certificate is due. If the Authorised Representative has left, tell the CA the new one "
       "now.")},
    {ECERT_WATCHED_ORGANISATIONAL, ECERT_CONDITION_EXPIRED, NULL,
     _("The CA's on-line renewal is blocked: it needs an active e-Cert (Organisational) of the "
       "Authorised Representative. An expired one is not renewed."),
     _("Apply for a new e-Cert (Organisational) now. Until it is here, renew server "
       "certificates by application in person, and early enough.")},
    {ECERT_WATCHED_ORGANISATIONAL, ECERT_CONDITION_NOT_YET_VALID, NULL,
     _("It cannot be used before that moment, and the CA's on-line renewal needs an active one. "
       "Often it is the clock of this machine that is wrong."),
     _("Compare date and time of this machine with a reliable clock. If they are right, wait "
       "for that moment before you renew on-line, and keep the earlier e-Cert until then.")},
    {ECERT_WATCHED_ORGANISATIONAL, ANY, NULL,
     _("It is not known how long the e-Cert (Organisational) of the Authorised Representative "
       "is valid; if it expires unnoticed, the CA's on-line renewal is blocked."),
     _("Correct the path, the rights or, of a PKCS#12 file, the `password_file` of the watch "
       "with `use = \"organisational\"`, then run `ecert check {name}`.")},

    /* ---- the inbox, and the units ---- */
    /* ---- requests and the copies of their keys ---- */
    {ECERT_WATCHED_REQUEST, ECERT_CONDITION_PENDING, "no entry in the configuration",
     _("Its certificate was renamed or taken out of the configuration: what the CA sends for this "
       "request is not taken."),
     _("Write its entry (`name`) into the configuration again; its key is still in the state "
       "directory. If it is not wanted any more: `ecert request --cancel {name} --id ID`; `ecert "
       "request --list` shows the id.")},
    {ECERT_WATCHED_REQUEST, ECERT_CONDITION_PENDING, NULL,
     _("Until the certificate is issued and taken nothing can be deployed for it."),
     _("`ecert request --list {name}` shows what is awaited and from whom; drop the issued file "
       "into the inbox. For Hongkong Post: ask the Authorised Representative whether the e-mail "
       "\"Submission of Certificate Signing Request (CSR)\" and the PIN envelope, which comes by "
       "registered mail, have arrived. If it is not wanted any more: `ecert request --cancel "
       "{name}`.")},
    {ECERT_WATCHED_REQUEST, ECERT_CONDITION_NOT_BACKED_UP, NULL,
     _("If its key is lost, the certificate that the CA issues for it is of no use; so it is not "
       "shown before there is a copy of its key."),
     _("Run `ecert request {name}` again: it goes on where it stopped.")},
    {ECERT_WATCHED_REQUEST, ANY, NULL,
     _("Without the key of the request nobody can use the certificate that comes back for it."),
     _("`ecert restore FILE` puts it back from a backup. If there is none, make another one with "
       "`ecert request --another {name}`, and have the CA issue for that.")},
    {ECERT_WATCHED_BACKUP, ANY, "named in the configuration",
     _("As long as this file cannot be read, no copy of a key is made, and `ecert request` makes "
       "no key without one."),
     _("Put the file back, or correct its path; `ecert config` names file and line, and `ecert "
       "backup` tries it.")},
    {ECERT_WATCHED_BACKUP, ANY, "former recipients",
     _("Those who are configured now cannot bring these keys back, and those of before can read "
       "them."),
     _("Run `ecert backup`: it writes a new copy beside each. Remove the old ones yourself when "
       "nobody needs them, and keep what opens them until then.")},
    {ECERT_WATCHED_BACKUP, ANY, NULL,
     _("If the key is lost on this host, this copy does not bring it back."),
     _("See whether the place is mounted and its files belong to who runs ecert. `ecert backup` "
       "writes what is missing, and `ecert backup --check` opens every copy.")},
    {ECERT_WATCHED_INBOX, ECERT_CONDITION_WAITING, NULL,
     _("An issued file lies in the inbox and is not in use."),
     _("Run `ecert run`. If the file stays, `ecert verify FILE` tells what is wrong with it; "
       "what was refused lies in inbox/rejected/ with the reason beside it.")},
    {ECERT_WATCHED_INBOX, ECERT_CONDITION_REFUSED, NULL,
     _("An issued file was not taken, so that the certificate it was meant for is not replaced."),
     _("The whole reason lies beside it, in the file that ends in .reason.txt. Have the CA issue "
       "what was ordered; or correct the configuration, and take the file with `ecert import "
       "FILE`. Remove both files if they matter no more.")},
    {ECERT_WATCHED_INBOX, ANY, NULL,
     _("What lies in the inbox cannot be used, so that the certificate it was meant for is not "
       "replaced."),
     _("Correct owner and mode of the inbox and its files. `ecert verify FILE` tells what is "
       "wrong with a file; get it from the CA again, or remove it.")},
    {ECERT_WATCHED_CHANNEL, ANY, NULL,
     _("As long as this file cannot be used, nobody is told anything over this channel; what is "
       "due stays owed."),
     _("Put the file back, or correct its path; `ecert config` names file and line, and `ecert "
       "remind --test` tries every channel.")},
    {ECERT_WATCHED_UNIT, ECERT_CONDITION_FAILED, NULL,
     _("Its work was not done: certificates may not be deployed, or reminders not sent, until "
       "it is."),
     _("Read why with `journalctl -u {name}`, put it right, and start it again with `systemctl "
       "start {name}`; `ecert run` does the same work by hand.")},

    /* ---- whatever else has the condition ---- */
    {ANY, ECERT_CONDITION_EXPIRES, NULL,
     _("From that moment on whatever uses it stops working."),
     _("Replace it in time, then look with `ecert check {name}`.")},
    {ANY, ECERT_CONDITION_EXPIRED, NULL,
     _("Whatever uses it is refused now."),
     _("Replace it at once, then look with `ecert check {name}`.")},
    {ANY, ECERT_CONDITION_NOT_YET_VALID, NULL,
     _("Clients refuse it until that moment. Often it is the clock of this machine that is "
       "wrong."),
     _("Compare date and time of this machine with a reliable clock. If they are right, do not "
       "use it before that moment.")},
    {ANY, ECERT_CONDITION_MISSING, NULL,
     _("What is not there cannot be watched, and its expiry passes unnoticed."),
     _("Put it back, or take it out of the configuration, then look with `ecert check {name}`.")},
    {ANY, ECERT_CONDITION_UNREADABLE, NULL,
     _("What cannot be opened cannot be watched, and its expiry passes unnoticed."),
     _("Correct owner and mode of the file or its directory, then look with `ecert check "
       "{name}`.")},
    {ANY, ECERT_CONDITION_UNDECODABLE, NULL,
     _("What cannot be understood cannot be watched, and its expiry passes unnoticed."),
     _("Replace the damaged file; `ecert verify FILE` tells more about it.")},
    {ANY, ECERT_CONDITION_NO_ANSWER, NULL,
     _("What does not answer cannot be checked."),
     _("See whether the server runs and can be reached from here, then run `ecert check {name}`.")},
    {ANY, ECERT_CONDITION_OTHER_LEAF, NULL,
     _("Not the certificate that is expected here is in use; that one expires on its own day."),
     _("Find out who changed it; `ecert check {name}` looks again.")},
    {ANY, ECERT_CONDITION_INCOMPLETE_CHAIN, NULL,
     _("Clients that do not know the issuing CA by chance cannot verify the server: many apps, "
       "programs and partners' systems fail where a browser does not."),
     _("Add the missing CA certificates behind the server's own, in order; never the root.")},
    {ANY, ECERT_CONDITION_UNFIT, NULL,
     _("It is not what was ordered for this name."),
     _("Correct the configuration, or ask the CA for a certificate that is right.")},
    {ANY, ECERT_CONDITION_WRONG_CHAIN, NULL,
     _("Strict clients refuse a chain that is out of order, and what does not belong to it "
       "slows down every connection."),
     _("Put the chain in order: the server's certificate, the sub CA certificate, if wanted the "
       "cross-certificate; never the root.")},
    {ANY, ECERT_CONDITION_REVOKED_ISSUER, NULL,
     _("A CA certificate in the chain was revoked. Of Hongkong Post these are the sub CA "
       "certificates of 2017, which have the same name and key as those re-issued in 2025."),
     _("Replace it with the current sub CA certificate (of Hongkong Post the one re-issued in "
       "2025).")},
    {ANY, ECERT_CONDITION_WRONG_NAME, NULL,
     _("Clients refuse a certificate that does not name the server they asked for."),
     _("Use a certificate that covers the name, then look with `ecert check {name}`.")},
    {ANY, ECERT_CONDITION_REVOKED, NULL,
     _("The CA has withdrawn it: clients that ask for revocation refuse it, and it cannot be "
       "made valid again."),
     _("Replace it at once; ask the CA why it was revoked, and make a new key if the old one "
       "may be known to others.")},
    {ANY, ECERT_CONDITION_REVOCATION_UNKNOWN, NULL,
     _("If the CA revoked it, for instance after a mistake of its own, it would not be noticed "
       "here."),
     _("See whether this machine reaches the CA's list by HTTP (of Hongkong Post: "
       "crl1.ecert.gov.hk), if needed through the configured `proxy`; then run `ecert check "
       "{name}`.")},
    {ANY, ECERT_CONDITION_NOT_ISSUED, NULL,
     _("Until the certificate is issued and taken nothing can be deployed for this name."),
     _("Follow up the application at the CA, and take the issued file with `ecert import FILE`.")},
    {ANY, ECERT_CONDITION_NOT_DEPLOYED, NULL,
     _("The newest certificate is here, but not in use: the old one will expire in use."),
     _("`ecert plan {name}` shows what would change, and `ecert deploy {name}` does it.")},
    {ANY, ECERT_CONDITION_WAITING, NULL,
     _("It was issued and is not in use."),
     _("Run `ecert run`; `ecert verify FILE` tells what is wrong with a file that stays.")},
    {ANY, ECERT_CONDITION_FAILED, NULL,
     _("Its work was not done."),
     _("Read the journal, put right what it tells, and run `ecert run`.")},
};
/* clang-format on */

static bool stands_in(const char *words, const char *text)
{
    return text != NULL && strstr(text, words) != NULL;
}

static bool fits(const struct ecert_advice *row, const struct ecert_finding *finding)
{
    return (row->watched == ANY || row->watched == (int)finding->watched) &&
           (row->condition == ANY || row->condition == (int)finding->condition) &&
           (row->detail == NULL || stands_in(row->detail, finding->detail) ||
            stands_in(row->detail, finding->where));
}

const struct ecert_advice *ecert_advice_for(const struct ecert_finding *finding)
{
    for (size_t i = 0; i < ARRAY_SIZE(advice); i++)
        if (fits(&advice[i], finding))
            return &advice[i];
    return &advice[ARRAY_SIZE(advice) - 1];
}

const struct ecert_advice *ecert_advice_all(size_t *ret_n)
{
    *ret_n = ARRAY_SIZE(advice);
    return advice;
}
