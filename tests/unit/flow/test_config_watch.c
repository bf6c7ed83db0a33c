#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/flow/config_read.h"
#include "tests/support/test_pki.h"
#include "tests/support/test_rows.h"
#include "tests/unit/flow/config_fixture.h"

/* The texts below stand behind line 1, which names the directories; '~' is the test's folder. */
static char *folder;

struct loaded {
    enum ecert_status status;
    struct ecert_config config;
    struct ecert_strings mistakes;
    struct ecert_error err;
};

static void loaded_clear(struct loaded *loaded)
{
    ecert_config_clear(&loaded->config);
    ecert_strings_clear(&loaded->mistakes);
}

static struct loaded load(const char *text)
{
    struct loaded loaded = {0};

    loaded.status = config_folder_load(
        folder, "authorities_dir = \"~/authorities\"; state_dir = \"~/state\";\n", text,
        &loaded.config, &loaded.mistakes, &loaded.err);
    return loaded;
}

static struct loaded load_right(const char *text)
{
    struct loaded loaded = load(text);

    if (loaded.status != ECERT_OK)
        fail_msg("%s; %s", loaded.err.text,
                 loaded.mistakes.len > 0 ? loaded.mistakes.items[0] : "");
    return loaded;
}

/* ---- wrong configurations ---- */

#define CERTIFICATE(more) \
    "certificates = ( { name = \"www.x.test\"; authority = \"ca\"; " more " } );\n"
#define WATCH(keys)     "watch = (\n{ " keys " } );\n"
#define FILE_OF         "file = \"/x/a.pem\"; "
#define HOST_OF         "endpoint = \"a.test:443\"; "
#define CONTACT(keys)   "contacts = (\n{ " keys " } );\n"
#define REMINDERS(keys) "reminders = { " keys " };\n"
#define MAIL            "server = \"smtp://mx.test\"; from = \"a@b.test\"; to = [ \"c@d.test\" ];"
#define EMAIL(keys)     REMINDERS("email = {\n" keys " };")
#define HOOK(keys)      REMINDERS("webhook = {\n" keys " };")
#define ELEVEN          "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11"

/* Expected: for each mistake in order "LINE: words that it begins with", '|' between. */
static const struct wrong {
    const char *name;
    const char *text;
    const char *want;
} wrong[] = {
    /* clang-format off */
    /* the list of watches */
    {"watches that are a group", "watch = { };\n", "2: 'watch' must be a list of groups ( { ... } ), not a group"},
    {"a watch that is a string", "watch = (\n\"/x\" );\n", "3: a watch must be a group { ... }, not a string"},
    {"a watch of nothing", WATCH("note = \"x\";"), "3: this watch says nothing to look at; give it one of 'file', 'directory'"},
    {"a watch of two things", WATCH("file = \"/x\";\ndirectory = \"/y\";"), "4: 'file' and 'directory' exclude each other; make two"},
    {"a watch of file and endpoint", WATCH("file = \"/x\"; endpoint = \"a.test:1\"; starttls = \"smtp\";"), "3: 'file' and 'endpoint' exclude each other"},
    {"a watch of three things", WATCH("glob = \"/x\"; endpoint = \"a.test:1\";\nendpoints_file = \"/y\";"), "3: 'glob' and 'endpoint'|4: 'endpoint' and 'endpoints_file'"},
    {"an unknown key of a watch", WATCH(FILE_OF "thresholt = [ 1 ];"), "3: unknown key 'thresholt' (did you mean 'thresholds'?)"},
    {"a relative file", WATCH("file = \"a.pem\";"), "3: 'file': 'a.pem' is not an absolute path"},
    {"a relative pattern", WATCH("glob = \"*.pem\";"), "3: 'glob': '*.pem' is not an absolute path"},
    {"a directory with dots", WATCH("directory = \"/a/../b\";"), "3: 'directory': '/a/../b' is not an absolute path"},
    {"a list of endpoints of everybody", WATCH("endpoints_file = \"~/open\";"), "3: 'endpoints_file': '~/open' can be written by others (mode 0666)"},
    {"a server name of a file", WATCH(FILE_OF "server_name = \"a.test\";"), "3: 'server_name' does not apply here: it is for an 'endpoint'"},
    {"STARTTLS of a directory", WATCH("directory = \"/x\"; starttls = \"smtp\";"), "3: 'starttls' does not apply here: it is for an 'endpoint'"},
    {"a server name of a list", WATCH("endpoints_file = \"/x\"; server_name = \"a.test\";"), "3: 'server_name' does not apply here: write it into the lines"},
    {"a password of a server", WATCH(HOST_OF "password_file = \"~/word\";"), "3: 'password_file' does not apply here: it opens PKCS#12"},
    {"a use of a server", WATCH(HOST_OF "use = \"organisational\";"), "3: 'use' does not apply here: it is for the file"},
    {"another use", WATCH(FILE_OF "use = \"personal\";"), "3: 'use' must be \"organisational\", not \"personal\""},
    {"a password of everybody", WATCH(FILE_OF "password_file = \"~/shown\";"), "3: 'password_file': '~/shown' holds a secret and everybody can read it (mode 0644); chmod o-r"},
    {"a password that others write", WATCH(FILE_OF "password_file = \"~/open\";"), "3: 'password_file': '~/open' can be written by others"},
    {"another STARTTLS", WATCH(HOST_OF "starttls = \"imaps\";"), "3: 'starttls': 'imaps' is none of smtp, imap, pop3, ftp, ldap (did you mean 'imap'?)"},
    {"a server name with a star", WATCH(HOST_OF "server_name = \"*.a.test\";"), "3: 'server_name': '*.a.test' is a wildcard"},
    {"an endpoint without a port", WATCH("endpoint = \"a.test\";"), "3: 'endpoint': 'a.test' is not host:port, such as"},
    {"an endpoint with port 0", WATCH("endpoint = \"a.test:0\";"), "3: 'endpoint': 'a.test:0' is not host:port"},
    {"an endpoint with port 65536", WATCH("endpoint = \"a.test:65536\";"), "3: 'endpoint': 'a.test:65536' is not host:port"},
    {"an endpoint with a service's name", WATCH("endpoint = \"a.test:https\";"), "3: 'endpoint': 'a.test:https' is not host:port"},
    {"an endpoint that is an address", WATCH("endpoint = \"https://a.test:443\";"), "3: 'endpoint': 'https://a.test:443' is not host:port"},
    {"an endpoint with a star", WATCH("endpoint = \"*.a.test:443\";"), "3: 'endpoint': '*.a.test:443' is not host:port"},
    {"an endpoint without a host", WATCH("endpoint = \":443\";"), "3: 'endpoint': ':443' is not host:port"},
    {"an endpoint of a bare v6 address", WATCH("endpoint = \"::1:443\";"), "3: 'endpoint': '::1:443' is not host:port"},
    {"an endpoint, brackets not closed", WATCH("endpoint = \"[::1:443\";"), "3: 'endpoint': '[::1:443' is not host:port"},
    {"an endpoint, text behind brackets", WATCH("endpoint = \"[::1]x:443\";"), "3: 'endpoint': '[::1]x:443' is not host:port"},
    {"an endpoint, a name in brackets", WATCH("endpoint = \"[a.test]:443\";"), "3: 'endpoint': '[a.test]:443' is not host:port"},
    {"an endpoint of every v4 address", WATCH("endpoint = \"0.0.0.0:443\";"), "3: 'endpoint': '0.0.0.0:443' is not host:port"},
    {"an endpoint of every v6 address", WATCH("endpoint = \"[::]:443\";"), "3: 'endpoint': '[::]:443' is not host:port"},
    {"an endpoint of a broken v4 address", WATCH("endpoint = \"1.2.3.999:443\";"), "3: 'endpoint': '1.2.3.999:443' is not host:port"},
    /* their names */
    {"a watch twice", "watch = (\n{ name = \"x\"; file = \"/a\"; },\n{ file = \"/b\";\nname = \"X\"; } );\n", "5: watch 'X' is there already, at line 3; give one of them another 'name'"},
    {"a file twice", "watch = (\n{ file = \"/a\"; },\n{ file = \"/a\"; } );\n", "4: watch '/a' is there already, at line 3"},
    {"a name that is another's endpoint", "watch = (\n{ endpoint = \"a.test:1\"; },\n{ file = \"/a\"; name = \"A.test:1\"; } );\n", "4: watch 'A.test:1' is there already"},
    {"the name of a certificate", WATCH(FILE_OF "name = \"WWW.x.test\";") CERTIFICATE(""), "3: 'WWW.x.test' is the name of a certificate, at ~/ecert.conf:4, which is watched anyway"},
    {"the name of an included certificate", WATCH(FILE_OF "name = \"inc.test\";") "include_dir = \"~/d\";\n", "3: 'inc.test' is the name of a certificate, at ~/d/inc.conf:1"},
    {"an empty name", WATCH(FILE_OF "name = \"\";"), "3: 'name' is empty"},
    /* thresholds */
    {"thresholds that are a number", WATCH(FILE_OF "thresholds = 30;"), "3: 'thresholds' must be an array of days [ 30, 7, 1 ], not a number"},
    {"thresholds that are texts", WATCH(FILE_OF "thresholds = [ \"30\" ];"), "3: 'thresholds' must be given in whole days, such as 30, not as a string"},
    {"thresholds that are parts of days", WATCH(FILE_OF "thresholds = [ 7.5 ];"), "3: 'thresholds': 7.5 is not a whole number of days"},
    {"no thresholds", WATCH(FILE_OF "thresholds = [ ];"), "3: 'thresholds' is empty; leave it out for the default"},
    {"a threshold twice", WATCH(FILE_OF "thresholds = [ 7, 30,\n7 ];"), "4: 'thresholds': 7 occurs twice"},
    {"a threshold below 0", WATCH(FILE_OF "thresholds = [ -1 ];"), "3: 'thresholds': -1 is not a number of days from 0 to 3650"},
    {"a threshold beyond ten years", WATCH(FILE_OF "thresholds = [ 3651 ];"), "3: 'thresholds': 3651 is not a number of days from 0 to 3650"},
    {"a threshold beyond every number", WATCH(FILE_OF "thresholds = ( 99999999999L, 1 );"), "3: 'thresholds': 99999999999 is not a number of days"},
    {"sixteen thresholds", WATCH(FILE_OF "thresholds = [ " ELEVEN ", 12, 13, 14, 15, 16 ];"), "3: 'thresholds' has 16 days; 15 are the most"},
    {"thresholds of a certificate", CERTIFICATE("thresholds = ( 1, true );"), "2: 'thresholds' must be given in whole days, such as 30, not as true or false"},
    {"subscription thresholds", REMINDERS("subscription_thresholds = [ 1, 1 ];"), "2: 'subscription_thresholds': 1 occurs twice"},
    /* who is told */
    {"contacts that are a text", WATCH(FILE_OF "contacts = \"a@b.test\";"), "3: 'contacts' must be an array of strings [ \"...\" ], not a string"},
    {"no contacts", WATCH(FILE_OF "contacts = [ ];"), "3: 'contacts' is empty; leave it out for the default"},
    {"a contact twice, in other letters", CERTIFICATE("contacts = [ \"a@b.test\", \"A@B.test\" ];"), "2: 'contacts': 'A@B.test' occurs twice"},
    {"an escalation twice", REMINDERS("escalation = [ \"a@b.test\", \"a@b.test\" ];"), "2: 'escalation': 'a@b.test' occurs twice"},
    {"an address with a name", WATCH(FILE_OF "contacts = [ \"A <a@b.test>\" ];"), "3: 'contacts': 'A <a@b.test>' is not an e-mail address; write the address alone"},
    {"an address without @", WATCH(FILE_OF "contacts = [ \"root\" ];"), "3: 'contacts': 'root' is not an e-mail address such as"},
    {"an address without a host", WATCH(FILE_OF "contacts = [ \"a@\" ];"), "3: 'contacts': 'a@' is not an e-mail address"},
    {"an address without a mailbox", WATCH(FILE_OF "contacts = [ \"@b.test\" ];"), "3: 'contacts': '@b.test' is not an e-mail address"},
    {"an address with two @", WATCH(FILE_OF "contacts = [ \"a@b@c.test\" ];"), "3: 'contacts': 'a@b@c.test' is not an e-mail address"},
    {"an address with two dots", WATCH(FILE_OF "contacts = [ \"a..b@c.test\" ];"), "3: 'contacts': 'a..b@c.test' is not an e-mail address"},
    {"an address of a wildcard", WATCH(FILE_OF "contacts = [ \"a@*.test\" ];"), "3: 'contacts': 'a@*.test' is not an e-mail address"},
    {"an address with a line break", WATCH(FILE_OF "contacts = [ \"a@b.test\\r\\nBcc: x\" ];"), "3: 'contacts': 'a@b.test\\x0D\\x0ABcc: x' holds a control character"},
    {"a note in two lines", WATCH(FILE_OF "note = \"a\\nb\";"), "3: 'note': 'a\\x0Ab' holds a control character"},
    {"contacts of the top that are texts", "contacts = [ \"a@b.test\" ];\n", "2: 'contacts' must be a list of groups ( { ... } ), not an array"},
    {"a contact that is a text", "contacts = (\n\"a@b.test\" );\n", "3: a contact must be a group { email = \"...\"; }, not a string"},
    {"a contact without an address", CONTACT("name = \"A\";"), "3: this contact lacks the key 'email'"},
    {"a contact listed twice", "contacts = (\n{ email = \"a@b.test\"; },\n{ email = \"A@b.test\"; } );\n", "4: contact 'A@b.test' is there already; list every address once"},
    {"another language", CONTACT("email = \"a@b.test\"; language = \"zh_TW\";"), "3: 'language': 'zh_TW' is none of en, zh_HK"},
    {"an unknown key of a contact", CONTACT("email = \"a@b.test\"; phone = \"1\";"), "3: unknown key 'phone' in this contact"},
    /* reminders */
    {"reminders that are a list", "reminders = ( );\n", "2: 'reminders' must be a group { ... }, not a list"},
    {"an unknown key of the reminders", REMINDERS("digset = \"monday\";"), "2: unknown key 'digset' (did you mean 'digest'?)"},
    {"a day that is none", REMINDERS("digest = \"tuesdy\";"), "2: 'digest': 'tuesdy' is none of monday, tuesday, wednesday, thursday, friday, saturday, sunday, never (did you mean 'tuesday'?)"},
    {"another language of all", REMINDERS("language = \"fr\";"), "2: 'language': 'fr' is none of en, zh_HK"},
    {"an escalation from a text", REMINDERS("escalate_from = \"7\";"), "2: 'escalate_from' must be given in whole days, such as 30, not as a string"},
    {"an escalation from before", REMINDERS("escalate_from = -7;"), "2: 'escalate_from': -7 is not a number of days from 0 to 3650"},
    {"a journal in quotes", REMINDERS("journal = \"no\";"), "2: 'journal' must be true or false, not a string"},
    {"reminders that reach nobody", REMINDERS("journal = false;"), "2: these reminders would reach nobody: 'journal' is false, and there is no 'email'"},
    {"a relative program", REMINDERS("command = \"tell\";"), "2: 'command': 'tell' is not an absolute path"},
    {"a program that others write", REMINDERS("command = [ \"~/open\", \"x\" ];"), "2: 'command': '~/open' can be written by others"},
    {"no program", REMINDERS("command = [ ];"), "2: 'command' is empty"},
    {"a program that is a truth", REMINDERS("command = true;"), "2: 'command' must be a string or an array of strings [ \"...\" ], not true or false"},
    /* e-mail */
    {"e-mail that is a text", REMINDERS("email = \"a@b.test\";"), "2: 'email' must be a group { ... }, not a string"},
    {"e-mail without anything", EMAIL(""), "2: this group 'email' lacks the key 'server'|2: this group 'email' lacks the key 'from'|2: this group 'email' lacks the key 'to'"},
    {"e-mail to nobody", EMAIL("server = \"smtp://mx.test\"; from = \"a@b.test\"; to = [ ];"), "3: 'to' is empty; name at least one address"},
    {"e-mail to nobody, as a list", EMAIL("server = \"smtp://mx.test\"; from = \"a@b.test\"; to = ( );"), "3: 'to' is empty; name at least one address"},
    {"e-mail to one twice", EMAIL("server = \"smtp://mx.test\"; from = \"a@b.test\"; to = [ \"c@d.test\", \"C@d.test\" ];"), "3: 'to': 'C@d.test' occurs twice"},
    {"a mail server without a scheme", EMAIL("server = \"mx.test\"; from = \"a@b.test\"; to = [ \"c@d.test\" ];"), "3: 'server': 'mx.test' is not an address (smtp://host[:port] or smtps://host[:port])"},
    {"a mail server by http", EMAIL("server = \"http://mx.test\"; from = \"a@b.test\"; to = [ \"c@d.test\" ];"), "3: 'server': 'http://mx.test' is not an address (smtp://"},
    {"a mail server with a path", EMAIL("server = \"smtp://mx.test/x\"; from = \"a@b.test\"; to = [ \"c@d.test\" ];"), "3: 'server': 'smtp://mx.test/x' is not an address"},
    {"a mail server with a wrong port", EMAIL("server = \"smtp://mx.test:\"; from = \"a@b.test\"; to = [ \"c@d.test\" ];"), "3: 'server': 'smtp://mx.test:' is not an address"},
    {"a mail server with a password", EMAIL("server = \"smtps://me:word@mx.test\"; from = \"a@b.test\"; to = [ \"c@d.test\" ];"), "3: 'server': the address holds a name or password; those never"},
    {"a user without a password", EMAIL(MAIL "\nuser = \"me\";"), "4: 'user' needs the key 'password_file' beside it"},
    {"a password without a user", EMAIL(MAIL "\npassword_file = \"~/word\";"), "4: 'password_file' needs the key 'user' beside it"},
    {"a password of a user, of everybody", EMAIL(MAIL "user = \"me\"; password_file = \"~/shown\";"), "3: 'password_file': '~/shown' holds a secret and everybody can read it"},
    {"a user without TLS", EMAIL(MAIL "user = \"me\"; password_file = \"~/word\";\nstarttls = \"opportunistic\";"), "4: 'starttls': with a 'user' it cannot be opportunistic, the password is never sent"},
    {"STARTTLS never", EMAIL(MAIL "starttls = \"never\";"), "3: 'starttls' must be \"required\" or \"opportunistic\", not \"never\""},
    {"STARTTLS of smtps", EMAIL("server = \"smtps://mx.test\"; from = \"a@b.test\"; to = [ \"c@d.test\" ]; starttls = \"required\";"), "3: 'starttls' applies to smtp:// only"},
    {"a sender that is a name", EMAIL("server = \"smtp://mx.test\"; from = \"ecert\"; to = [ \"c@d.test\" ];"), "3: 'from': 'ecert' is not an e-mail address"},
    {"a sender, bracket not closed", EMAIL("server = \"smtp://mx.test\"; from = \"A <a@b.test\"; to = [ \"c@d.test\" ];"), "3: 'from': 'A <a@b.test' is not a sender such as"},
    {"a sender with a bracket too many", EMAIL("server = \"smtp://mx.test\"; from = \"A <b> <a@b.test>\"; to = [ \"c@d.test\" ];"), "3: 'from': 'A <b> <a@b.test>' is not a sender"},
    {"a sender of brackets alone", EMAIL("server = \"smtp://mx.test\"; from = \"<\"; to = [ \"c@d.test\" ];"), "3: 'from': '<' is not a sender"},
    {"a sender with quotes", EMAIL("server = \"smtp://mx.test\"; from = \"\\\"A\\\" <a@b.test>\"; to = [ \"c@d.test\" ];"), "3: 'from': '\"A\" <a@b.test>' is not a sender"},
    {"mail anchors that others write", EMAIL(MAIL "ca_file = \"~/open\";"), "3: 'ca_file': '~/open' can be written by others"},
    /* webhook */
    {"a webhook without an address", HOOK("template = \"slack\";"), "2: this group 'webhook' lacks the address: 'url', or 'url_file'"},
    {"a webhook with two addresses", HOOK("url = \"https://h.test/\";\nurl_file = \"~/word\";"), "4: 'url' and 'url_file' exclude each other"},
    {"a webhook in the clear", HOOK("url = \"http://h.test/x\";"), "3: 'url': 'http://h.test/x' would be sent in the clear; use https"},
    {"a webhook in the clear, to a neighbour", HOOK("url = \"http://128.0.0.1/\";"), "3: 'url': 'http://128.0.0.1/' would be sent in the clear"},
    {"a webhook in the clear, to a name", HOOK("url = \"http://localhost/\";"), "3: 'url': 'http://localhost/' would be sent in the clear"},
    {"a webhook in the clear, loopback in front", HOOK("url = \"http://127.0.0.1.h.test/\";"), "3: 'url': 'http://127.0.0.1.h.test/' would be sent in the clear"},
    {"a webhook in the clear, v6", HOOK("url = \"http://[::2]/\";"), "3: 'url': 'http://[::2]/' would be sent in the clear"},
    {"a webhook by ftp", HOOK("url = \"ftp://h.test/\";"), "3: 'url': 'ftp://h.test/' is not an address (https://host/path)"},
    {"a webhook with a password", HOOK("url = \"https://me:word@h.test/\";"), "3: 'url': the address holds a name or password"},
    {"a webhook with a wrong host", HOOK("url = \"https://h_.test:443/\";"), "3: 'url': 'https://h_.test:443/' is not an address"},
    {"an address of everybody", HOOK("url_file = \"~/shown\";"), "3: 'url_file': '~/shown' holds a secret and everybody can read it"},
    {"a secret of everybody", HOOK("url = \"https://h.test/\"; secret_file = \"~/shown\";"), "3: 'secret_file': '~/shown' holds a secret"},
    {"webhook anchors without TLS", HOOK("url = \"http://127.0.0.1/\"; ca_file = \"~/word\";"), "3: 'ca_file' applies to an https address only"},
    {"another template", HOOK("url = \"https://h.test/\"; template = \"team\";"), "3: 'template': 'team' is none of json, slack, teams (did you mean 'teams'?)"},
    {"a template_name", HOOK("url = \"https://h.test/\"; template_name = \"json\";"), "3: unknown key 'template_name' in this group 'webhook'"},
    {"an unknown key of a certificate", CERTIFICATE("contact = [ \"a@b.test\" ];"), "2: unknown key 'contact' (did you mean 'contacts'?)"},
    {"many mistakes at once",
     "watch = (\n{ note = 5; },\n{ endpoint = \"a\";\nstarttls = \"x\"; } );\n"
     "contacts = ( { } );\nreminders = {\ndigest = \"x\";\nemail = {\nuser = \"u\"; };\n"
     "webhook = { }; };\n",
     "3: 'note' must be a string|3: this watch says nothing|4: 'endpoint': 'a' is not|"
     "5: 'starttls': 'x' is none of|6: this contact lacks the key 'email'|"
     "8: 'digest': 'x' is none of|9: this group 'email' lacks the key 'server'|"
     "9: this group 'email' lacks the key 'from'|9: this group 'email' lacks the key 'to'|"
     "10: 'user' needs|11: this group 'webhook' lacks the address"},
    /* clang-format on */
};

static void a_wrong_configuration_is_refused(void **state)
{
    const struct wrong *row = *state;
    ECERT_AUTO(loaded_clear) struct loaded loaded = load(row->text);

    assert_int_equal(loaded.status, ECERT_E_CONFIG);
    config_expect_mistakes(folder, &loaded.mistakes, row->want);
    assert_null(loaded.config.watches);
}

/* ---- right ones ---- */

static void expect_days(const struct ecert_days *days, size_t n, const int *want)
{
    assert_int_equal(days->n, n);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(days->items[i], want[i]);
}

static void watches_are_read(void **state)
{
    ECERT_AUTO(loaded_clear)
    struct loaded loaded = load_right(CERTIFICATE(
        "contacts = [ \"Web@x.test\" ]; escalation = ( \"boss@x.test\" );\n"
        "thresholds = [ 1, 60, 7 ]; note = \"the shop\";") "watch = ( { file = \"/none/a.p12\"; "
                                                           "name = \"授權代表\"; use = "
                                                           "\"organisational\";\n"
                                                           "password_file = \"~/word\"; contacts = "
                                                           "[ \"a+b@x.test\", \"root@localhost\" "
                                                           "];\n"
                                                           "escalation = [ \"c@x.test\" ]; "
                                                           "thresholds = ( 0, 3650L, 30 ); note = "
                                                           "\"要續期\"; },\n"
                                                           "{ directory = \"/none\"; password_file "
                                                           "= \"/none/word\"; }, { glob = "
                                                           "\"/none/*/[ab]?.pem\"; },\n"
                                                           "{ endpoint = \"Mail.X.test:587\"; "
                                                           "server_name = \"SMTP.x.test\"; "
                                                           "starttls = \"ldap\"; },\n"
                                                           "{ endpoint = \"[2001:DB8::1]:65535\"; "
                                                           "}, { endpoint = \"192.0.2.1:1\"; },\n"
                                                           "{ endpoints_file = \"/none/list\"; }, "
                                                           "{ endpoints_file = \"~/word\"; } );\n");
    const struct ecert_watch_settings *settings = &loaded.config.certificates[0].settings;
    const struct ecert_watch_config *watch = loaded.config.watches;

    (void)state;
    assert_string_equal(settings->contacts.items[0], "Web@x.test");
    assert_string_equal(settings->escalation.items[0], "boss@x.test");
    expect_days(&settings->thresholds, 3, (const int[]){60, 7, 1});
    assert_string_equal(settings->note, "the shop");
    assert_int_equal(loaded.config.n_watches, 8);
    assert_string_equal(watch[0].name, "授權代表");
    assert_string_equal(watch[0].file, "/none/a.p12");
    assert_int_equal(watch[0].use, ECERT_WATCH_ORGANISATIONAL);
    assert_non_null(watch[0].password_file);
    assert_int_equal(watch[0].settings.contacts.len, 2);
    assert_string_equal(watch[0].settings.escalation.items[0], "c@x.test");
    expect_days(&watch[0].settings.thresholds, 3, (const int[]){3650, 30, 0});
    assert_string_equal(watch[0].settings.note, "要續期");
    assert_int_equal(watch[0].line, 4);
    assert_non_null(strstr(watch[0].config_file, "/ecert.conf"));
    assert_string_equal(watch[1].name, "/none");
    assert_string_equal(watch[1].password_file, "/none/word"); /* told when it is needed */
    assert_int_equal(watch[1].use, ECERT_WATCH_PLAIN);
    assert_int_equal(watch[1].settings.thresholds.n, 0);
    assert_string_equal(watch[2].name, "/none/*/[ab]?.pem");
    assert_string_equal(watch[3].name, "mail.x.test:587");
    assert_string_equal(watch[3].endpoint, "mail.x.test:587");
    assert_string_equal(watch[3].server_name, "smtp.x.test");
    assert_string_equal(watch[3].starttls, "ldap");
    assert_string_equal(watch[4].endpoint, "[2001:db8::1]:65535");
    assert_string_equal(watch[6].endpoints_file, "/none/list");
}

static void reminders_are_read(void **state)
{
    ECERT_AUTO(loaded_clear)
    struct loaded loaded = load_right(
        "contacts = ( { email = \"a@x.test\"; name = \"陳大文\"; language = \"zh_HK\"; },\n"
        "{ email = \"b@x.test\"; } );\n"
        "reminders = { email = { server = \"smtp://[::1]:2525\"; user = \"me\";\n"
        "password_file = \"~/word\"; ca_file = \"~/shown\"; from = \"e-Cert 提示 <e@x.test>\";\n"
        "to = [ \"a@x.test\", \"b@x.test\" ]; };\n"
        "webhook = { url = \"http://127.9.9.9:8080/x?y\"; template = \"teams\";\n"
        "secret_file = \"~/word\"; };\n"
        "command = [ \"/bin/sh\", \"-c\" ]; journal = false; escalation = [ \"c@x.test\" ];\n"
        "escalate_from = 0; language = \"zh_HK\"; thresholds = [ 7, 30 ];\n"
        "subscription_thresholds = [ 90 ]; digest = \"never\"; };\n");
    const struct ecert_reminders_config *reminders = &loaded.config.reminders;

    (void)state;
    assert_int_equal(loaded.config.n_contacts, 2);
    assert_string_equal(loaded.config.contacts[0].name, "陳大文");
    assert_string_equal(loaded.config.contacts[0].language, "zh_HK");
    assert_null(loaded.config.contacts[1].language);
    assert_true(reminders->has_email);
    assert_string_equal(reminders->email.server, "smtp://[::1]:2525");
    assert_int_equal(reminders->email.starttls, ECERT_STARTTLS_REQUIRED);
    assert_string_equal(reminders->email.user, "me");
    assert_string_equal(reminders->email.from, "e-Cert 提示 <e@x.test>");
    assert_int_equal(reminders->email.to.len, 2);
    assert_true(reminders->has_webhook);
    assert_string_equal(reminders->webhook.url, "http://127.9.9.9:8080/x?y");
    assert_null(reminders->webhook.url_file);
    assert_string_equal(reminders->webhook.template_name, "teams");
    assert_non_null(reminders->webhook.secret_file);
    assert_int_equal(reminders->command.len, 2);
    assert_false(reminders->journal);
    assert_string_equal(reminders->escalation.items[0], "c@x.test");
    assert_int_equal(reminders->escalate_from, 0);
    assert_string_equal(reminders->language, "zh_HK");
    expect_days(&reminders->thresholds, 2, (const int[]){30, 7});
    expect_days(&reminders->subscription_thresholds, 1, (const int[]){90});
    assert_string_equal(reminders->digest, "never");
}

static void other_forms_are_read(void **state)
{
    ECERT_AUTO(loaded_clear)
    struct loaded loaded =
        load_right("reminders = { email = { server = \"smtps://mx.test\"; from = \"e@x.test\";\n"
                   "user = \"u\"; password_file = \"~/word\"; to = ( \"a@x.test\" ); };\n"
                   "webhook = { url_file = \"~/word\"; }; command = \"/bin/sh\"; };\n");
    const struct ecert_reminders_config *reminders = &loaded.config.reminders;

    (void)state;
    assert_int_equal(reminders->command.len, 1);
    assert_string_equal(reminders->command.items[0], "/bin/sh");
    assert_string_equal(reminders->webhook.template_name, "json");
    assert_true(reminders->journal);
    loaded_clear(&loaded);
    loaded = load_right(EMAIL(MAIL "starttls = \"opportunistic\";")); /* nobody logs in */
    assert_int_equal(loaded.config.reminders.email.starttls, ECERT_STARTTLS_OPPORTUNISTIC);
    loaded_clear(&loaded);
    loaded = load_right(HOOK("url = \"http://[::1]:8080/\";"));
    assert_true(loaded.config.reminders.has_webhook);
}

static void the_defaults_are_there_without_the_group(void **state)
{
    static const char *const texts[] = {"", "reminders = { };\n"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        ECERT_AUTO(loaded_clear) struct loaded loaded = load_right(texts[i]);
        const struct ecert_reminders_config *reminders = &loaded.config.reminders;

        assert_true(reminders->journal);
        assert_int_equal(reminders->escalate_from, 7);
        assert_string_equal(reminders->language, "en");
        assert_string_equal(reminders->digest, "monday");
        assert_false(reminders->has_email);
        assert_false(reminders->has_webhook);
        assert_int_equal(reminders->command.len, 0);
        assert_int_equal(reminders->thresholds.n, 0);
        assert_int_equal(loaded.config.n_watches, 0);
    }
}

static void an_included_file_holds_certificates_only(void **state)
{
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"name = \"b.test\"; authority = \"ca\"; contacts = [ \"a@b.test\" ];\n"
         "watch = ( { file = \"/x\"; } );\n",
         "b.conf:2: unknown key 'watch' in this certificate"},
        {"certificates = ( );\nreminders = { };\n", "b.conf:2: unknown key 'reminders' in this"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char *path = test_file_write(folder, "d/b.conf", ecert_view_of(rows[i].text), 0600);
        ECERT_AUTO(loaded_clear) struct loaded loaded = load("include_dir = \"~/d\";\n");

        assert_int_equal(loaded.status, ECERT_E_CONFIG);
        assert_int_equal(loaded.mistakes.len, 1);
        assert_non_null(strstr(loaded.mistakes.items[0], rows[i].want));
        free(path);
    }
    char *path = test_file_write(folder, "d/b.conf",
                                 ecert_view_of("name = \"b.test\"; authority = \"ca\";\n"
                                               "contacts = [ \"a@b.test\" ];\n"),
                                 0600);
    ECERT_AUTO(loaded_clear) struct loaded loaded = load_right("include_dir = \"~/d\";\n");
    assert_string_equal(loaded.config.certificates[0].settings.contacts.items[0], "a@b.test");
    free(path);
}

/* ---- the folder ---- */

static int make_folder(void **state)
{
    (void)state;
    folder = config_folder_make();
    config_folder_write(folder, "d/inc.conf", "name = \"inc.test\"; authority = \"ca\";\n", 0600);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    test_folder_remove(folder);
    return 0;
}

int main(void)
{
    static const struct CMUnitTest fixed[] = {
        cmocka_unit_test(watches_are_read),
        cmocka_unit_test(reminders_are_read),
        cmocka_unit_test(other_forms_are_read),
        cmocka_unit_test(the_defaults_are_there_without_the_group),
    };
    static const struct CMUnitTest last =
        cmocka_unit_test(an_included_file_holds_certificates_only);
    struct CMUnitTest tests[ARRAY_SIZE(fixed) + ARRAY_SIZE(wrong) + 1];
    size_t n = ARRAY_SIZE(fixed);

    memcpy(tests, fixed, sizeof fixed);
    n += TEST_ADD_ROWS(tests + n, a_wrong_configuration_is_refused, wrong);
    tests[n] = last; /* it writes into the folder that is included */
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
