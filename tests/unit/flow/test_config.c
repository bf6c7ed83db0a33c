#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/flow/config.h"
#include "tests/support/test_pki.h"
#include "tests/support/test_rows.h"
#include "tests/unit/flow/config_fixture.h"

/* The texts below stand behind line 1, which names the directories; '~' is the test's folder. */
static char *folder;

#define LINE_1                        \
    "plugin_dir = \"" TEST_PLUGIN_DIR \
    "\"; authorities_dir = \"~/authorities\"; state_dir = \"~/state\";\n"

static enum ecert_status load(const char *text, struct ecert_config *ret,
                              struct ecert_strings *ret_mistakes, struct ecert_error *err)
{
    return config_folder_load(folder, LINE_1, text, ret, ret_mistakes, err);
}

/* ---- wrong configurations ---- */

/* A certificate on line 2 with these further keys, and a target on line 3 with these. */
#define CERTIFICATE(more) \
    "certificates = ( { name = \"www.x.test\"; authority = \"ca\"; " more " } );\n"
#define DIRECTORY(url, more) \
    CERTIFICATE("source = { type = \"ldap\"; url = \"" url "\"; " more " };")
/* Two certificates on lines 2 and 3, each with a target that has these files. */
#define TWO(authority, first, second)                                                       \
    "certificates = ( { name = \"www.x.test\"; authority = \"ca\"; targets = ( { plugin = " \
    "\"right\"; files = { " first " }; } ); },\n"                                           \
    "{ name = \"b.x.test\"; authority = \"" authority "\"; targets = ( { plugin = "         \
    "\"right\"; files = { " second " }; } ); } );\n"
#define FILES(key, certificate, chain) \
    "key = \"" key "\"; certificate = \"" certificate "\"; chain = \"" chain "\";"
#define TARGET(more) CERTIFICATE("targets = (\n{ plugin = \"right\"; " more " } );")

/* Expected: for each mistake in order "LINE: words that it holds", '|' between. */
static const struct wrong {
    const char *name;
    const char *text;
    const char *want;
} wrong[] = {
    /* clang-format off */
    {"a syntax error", "certificates = (\n", "3: a value, a quote, a bracket or a ';' is missing or too many here or on the line before: syntax error"},
    {"a key twice", "proxy = \"http://a\";\nproxy = \"http://b\";\n", "3: this key stands here for the second time: duplicate setting name"},
    {"an unknown key at the top", "certificate = ( );\n", "2: unknown key 'certificate' (did you mean 'certificates'?)"},
    {"an unknown key, nothing near", "colour = 1;\n", "2: unknown key 'colour' in this configuration"},
    {"a relative directory", "include_dir = \"conf.d\";\n", "2: 'include_dir': 'conf.d' is not an absolute path"},
    {"an include_dir that is not there", "\ninclude_dir = \"~/none\";\n", "3: 'include_dir': '~/none' cannot be opened: No such file"},
    {"a directory that is a number", "include_dir = 5;\n", "2: 'include_dir' must be a string, not a number"},
    {"a proxy with a password", "proxy = \"http://me:secret@proxy:3128\";\n", "2: 'proxy': the address holds a name or password"},
    {"a proxy that is no address", "proxy = \"proxy:3128\";\n", "2: 'proxy': 'proxy:3128' is not an address (http://host:port or"},
    {"certificates that are a group", "certificates = { };\n", "2: 'certificates' must be a list of groups ( { ... } ), not a group"},
    {"a certificate that is a string", "certificates = ( \"www.x.test\" );\n", "2: a certificate must be a group { ... }, not a string"},
    {"a certificate without a name", "certificates = ( { authority = \"ca\"; } );\n", "2: this certificate lacks the key 'name'"},
    {"a certificate without an authority", "certificates = (\n{ name = \"www.x.test\"; } );\n", "3: this certificate lacks the key 'authority'"},
    {"an empty name", "certificates = ( { authority = \"ca\"; name = \"\"; } );\n", "2: 'name' is empty"},
    {"a name with a slash", "certificates = ( { authority = \"ca\"; name = \"../x\"; } );\n", "2: 'name': '../x' is not a host name: only letters, digits, '-' and '.' may stand in it"},
    {"a name with an empty label", "certificates = ( { authority = \"ca\"; name = \"www..x\"; } );\n", "2: 'name': 'www..x' is not a host name: a label is empty"},
    {"a name with an end dot", "certificates = ( { authority = \"ca\"; name = \"www.x.\"; } );\n", "2: 'name': 'www.x.' is not a host name: it ends in a dot; write it without"},
    {"a star in the middle", "certificates = ( { authority = \"ca\"; name = \"www.*.x\"; } );\n", "2: 'name': 'www.*.x' is not a host name: '*' may stand as the whole left-most label only"},
    {"a hyphen in front", "certificates = ( { authority = \"ca\"; name = \"-w.x\"; } );\n", "2: 'name': '-w.x' is not a host name: a label begins or ends with '-'"},
    {"half a star", "certificates = ( { authority = \"ca\"; name = \"w*.x.hk\"; } );\n", "2: 'name': 'w*.x.hk' is not a host name: '*' may stand as the whole left-most label only"},
    {"a star alone", "certificates = ( { authority = \"ca\"; name = \"*\"; } );\n", "2: 'name': '*' is not a host name: '*' may stand as the whole left-most label only"},
    {"an underscore", "certificates = ( { authority = \"ca\"; name = \"a_b.x.hk\"; } );\n", "2: 'name': 'a_b.x.hk' is not a host name: it holds '_', which no certificate may name"},
    {"a long label", "certificates = ( { authority = \"ca\"; name = \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.hk\"; } );\n", "2: 'name': 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.hk' is not a host name: a label is longer than 63 bytes"},
    {"a long name", "certificates = ( { authority = \"ca\"; name = \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"; } );\n", "2: 'name': 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' is not a host name: it is longer than 253 bytes"},
    {"an address as name", "certificates = ( { authority = \"ca\"; name = \"192.0.2.1\"; } );\n", "2: 'name': '192.0.2.1' is not a host name but an address"},
    {"a U-label that is none", "certificates = ( { authority = \"ca\"; name = \"😀.hk\"; } );\n", "2: 'name': '😀.hk' is not a host name: it holds a character that IDNA2008 does not permit"},
    {"the same name in both forms", "certificates = ( { authority = \"ca\"; name = \"電.hk\"; names = [ \"我.hk\", \"xn--wnu.hk\" ]; } );\n", "2: 'names': 'xn--wnu.hk' occurs twice"},
    {"a control character", "certificates = ( { authority = \"ca\"; name = \"a\\x1b[2J\"; } );\n", "2: 'name': 'a\\x1B[2J' holds a control character"},
    {"an unknown key of a certificate", CERTIFICATE("\nsorce = { };"), "3: unknown key 'sorce' (did you mean 'source'?)"},
    {"names that are a string", CERTIFICATE("names = \"a.x.test\";"), "2: 'names' must be an array of strings [ \"...\" ], not a string"},
    {"names with a number among them", CERTIFICATE("names = ( \"a.x.test\", 5 );"), "2: 'names' must be a string, not a number"},
    {"a further name twice", CERTIFICATE("names = [ \"a.x\", \"A.x\" ];"), "2: 'names': 'a.x' occurs twice"},
    {"an authority that is not there", "certificates = ( { name = \"www.x.test\"; authority = \"honkongpost\"; } );\n", "2: there is no authority 'honkongpost': no file '~/authorities/honkongpost.conf'"},
    {"an authority with a slip", "certificates = ( { name = \"www.x.test\"; authority = \"sistem\"; } );\n", "2: there is no authority 'sistem' (did you mean 'system'?)"},
    {"an authority with a slash", "certificates = ( { name = \"www.x.test\"; authority = \"../ca\"; } );\n", "2: 'authority': '../ca' is not an id"},
    {"a key that is a string", CERTIFICATE("key = \"~/key.pem\";"), "2: 'key' must be a group { ... }, not a string"},
    {"a key that is a directory", CERTIFICATE("key = { file = \"~/authorities\"; };"), "2: 'file': '~/authorities' is not a regular file"},
    {"an unknown key of a key", CERTIFICATE("key = { fille = \"~/key.pem\"; };"), "2: unknown key 'fille' (did you mean 'file'?)"},
    {"a passphrase file of everybody", CERTIFICATE("key = { file = \"~/key.pem\"; passphrase_file = \"~/open\"; };"), "2: 'passphrase_file': '~/open'"},
    {"two passphrases", CERTIFICATE("key = { file = \"~/key.pem\"; passphrase_file = \"~/word\";\npassphrase_command = [ \"/bin/true\" ]; };"), "3: 'passphrase_file' and 'passphrase_command' exclude each other"},
    {"a relative command", CERTIFICATE("key = { file = \"~/key.pem\"; passphrase_command = [ \"cat\", \"x\" ]; };"), "2: 'passphrase_command': 'cat' is not an absolute path"},
    {"an empty command", CERTIFICATE("key = { file = \"~/key.pem\"; passphrase_command = [ ]; };"), "2: 'passphrase_command' is empty"},
    {"a key somewhere else", CERTIFICATE("key = { where = \"hsm\"; };"), "2: 'where' must be \"iis\", not \"hsm\""},
    {"a key in IIS and here", CERTIFICATE("key = { where = \"iis\"; file = \"~/key.pem\"; };"), "2: a key with where = \"iis\" is not on this host"},
    {"a key in IIS, a server here", CERTIFICATE("key = { where = \"iis\"; }; targets = (\n{ plugin = \"right\"; } );"), "3: plugin 'right' needs the key on this host, but it is in IIS"},
    {"an unknown type of source", CERTIFICATE("source = { type = \"ftp\"; };"), "2: 'type' must be \"inbox\", \"url\" or \"ldap\", not \"ftp\""},
    {"a url without an address", CERTIFICATE("source = { type = \"url\"; };"), "2: a source of type \"url\" lacks the key 'url'"},
    {"an address of an inbox", CERTIFICATE("source = { url = \"http://x/\"; };"), "2: 'url' applies to type = \"url\" and \"ldap\" only"},
    {"an address by ftp", CERTIFICATE("source = { type = \"url\"; url = \"ftp://x/\"; };"), "2: 'url': 'ftp://x/' is not an address (http://, https:// or file:///path; of a directory ldap:// or ldaps://)"},
    {"anchors for http", CERTIFICATE("source = { type = \"url\"; url = \"http://x/\"; ca_file = \"~/key.pem\"; };"), "2: 'ca_file' applies to an https or ldaps address only"},
    {"a directory by url", CERTIFICATE("source = { type = \"url\"; url = \"ldap://x\"; };"), "2: 'ldap://x' is a directory, for which type is \"ldap\" and not \"url\""},
    {"a directory without an address", CERTIFICATE("source = { type = \"ldap\"; base = \"o=x\"; };"), "2: a source of type \"ldap\" lacks the key 'url'"},
    {"a directory without a base", CERTIFICATE("source = { type = \"ldap\"; url = \"ldap://x\"; };"), "2: a source of type \"ldap\" lacks the key 'base'"},
    {"a base that is no name", DIRECTORY("ldap://x", "base = \"example\";"), "2: 'base': 'example' is not a name like"},
    {"a directory on the web", DIRECTORY("https://x/", "base = \"o=x\";"), "2: 'url': 'https://x/' is not an address (ldap://host[:port] or ldaps://host[:port])"},
    {"an address with its question", DIRECTORY("ldap://x/o=x?cn", "base = \"o=x\";"), "2: 'url': 'ldap://x/o=x?cn' is not an address"},
    {"a port that is none", DIRECTORY("ldap://x:0", "base = \"o=x\";"), "2: 'url': 'ldap://x:0' is not an address"},
    {"a filter for no name", DIRECTORY("ldap://x", "base = \"o=x\"; filter = \"(cn=www)\";"), "2: 'filter' lacks %s"},
    {"a filter with another mark", DIRECTORY("ldap://x", "base = \"o=x\"; filter = \"(&(cn=%s)(cn=%n))\";"), "2: 'filter': '(&(cn=%s)(cn=%n))' has a % that is not %s"},
    {"a filter that is not closed", DIRECTORY("ldap://x", "base = \"o=x\"; filter = \"(&(cn=%s)\";"), "2: 'filter': '(&(cn=%s)' is not a filter like \"(cn=%s)\""},
    {"two filters", DIRECTORY("ldap://x", "base = \"o=x\"; filter = \"(cn=%s)(o=x)\";"), "2: 'filter': '(cn=%s)(o=x)' is not a filter"},
    {"a filter without parentheses", DIRECTORY("ldap://x", "base = \"o=x\"; filter = \"cn=%s\";"), "2: 'filter': 'cn=%s' is not a filter"},
    {"somebody without a password", DIRECTORY("ldaps://x", "base = \"o=x\"; bind_dn = \"cn=a\";"), "2: 'bind_dn' needs 'bind_password_file' beside it"},
    {"a password of nobody", DIRECTORY("ldaps://x", "base = \"o=x\"; bind_password_file = \"~/word\";"), "2: 'bind_password_file' needs 'bind_dn' beside it"},
    {"a bind password of everybody", DIRECTORY("ldaps://x", "base = \"o=x\"; bind_dn = \"cn=a\"; bind_password_file = \"~/open\";"), "2: 'bind_password_file': '~/open'"},
    {"a password in the clear", DIRECTORY("ldap://x", "base = \"o=x\"; bind_dn = \"cn=a\"; bind_password_file = \"~/word\";"), "2: the password of 'bind_dn' would be sent to 'ldap://x' in the clear; use ldaps://"},
    {"a password to a name for here", DIRECTORY("ldap://localhost", "base = \"o=x\"; bind_dn = \"cn=a\"; bind_password_file = \"~/word\";"), "2: the password of 'bind_dn' would be sent to 'ldap://localhost' in the clear"},
    {"anchors for ldap", DIRECTORY("ldap://x", "base = \"o=x\"; ca_file = \"~/key.pem\";"), "2: 'ca_file' applies to an https or ldaps address only"},
    {"a PKCS#12 in a directory", DIRECTORY("ldap://x", "base = \"o=x\"; password_file = \"~/word\";"), "2: 'password_file' does not apply to a directory"},
    {"a base of an inbox", CERTIFICATE("source = { base = \"o=x\"; };"), "2: 'base' applies to type = \"ldap\" only"},
    {"a filter of a url", CERTIFICATE("source = { type = \"url\"; url = \"http://x/\"; filter = \"(cn=%s)\"; };"), "2: 'filter' applies to type = \"ldap\" only"},
    {"a password file of everybody", CERTIFICATE("source = { password_file = \"~/open\"; };"), "2: 'password_file': '~/open'"},
    {"a truth in quotes", CERTIFICATE("cross_certificate = \"no\";"), "2: 'cross_certificate' must be true or false, not a string"},
    {"a check that is not there", CERTIFICATE("allow = [ \"zzzzzzzzzz\" ];"), "2: 'allow': there is no check 'zzzzzzzzzz'"},
    {"a day that is not there", CERTIFICATE("subscription_ends = \"2027-02-29\";"), "2: 'subscription_ends': '2027-02-29' is not a date"},
    {"a date of another country", CERTIFICATE("subscription_ends = \"30/06/2027\";"), "2: 'subscription_ends': '30/06/2027' is not a date like 2027-06-30"},
    {"a certificate twice", "certificates = (\n{ name = \"www.x.test\"; authority = \"ca\"; },\n{ authority = \"ca\";\nname = \"WWW.x.test\"; } );\n", "5: certificate 'www.x.test' is there already, at ~/ecert.conf:3"},
    {"a target that is a string", CERTIFICATE("targets = ( \"right\" );"), "2: a target must be a group { ... }, not a string"},
    {"a target without a plugin", CERTIFICATE("targets = (\n{ id = \"x\"; } );"), "3: this target lacks the key 'plugin'"},
    {"a plugin that is not there", CERTIFICATE("targets = (\n{ plugin = \"lighttpd\"; } );"), "3: plugin 'lighttpd' is not installed; in '"},
    {"an unknown setting", TARGET("wrod = \"x\";"), "3: unknown key 'wrod' (did you mean 'word'?)"},
    {"a setting of another type", TARGET("word = 5;"), "3: 'word' must be a string, not a number"},
    {"a number in quotes", TARGET("port = \"443\";"), "3: 'port' must be a whole number, not a string"},
    {"a list that is a string", TARGET("list = \"a\";"), "3: 'list' must be an array of strings"},
    {"a command that is not trusted", TARGET("command = [ \"~/open\" ];"), "3: 'command': '~/open'"},
    {"a wide output directory", TARGET("directory = \"/etc\";"), "3: 'directory': '/etc' is too wide to be written below"},
    {"a relative output directory", TARGET("directory = \"x/y\";"), "3: 'directory': 'x/y' is not an absolute path"},
    {"a wide may_write", TARGET("may_write = [ \"/usr\" ];"), "3: 'may_write': '/usr' is too wide"},
    {"an id that leads out", TARGET("id = \"../x\";"), "3: 'id': '../x' is not an id"},
    {"an id twice", TARGET("id = \"a\"; },\n{ plugin = \"right\"; id = \"a\";"), "4: target 'a' is there already, at line 3"},
    {"a default id that is taken", TARGET("id = \"right-2\"; },\n{ plugin = \"right\";"), "4: target 'right-2' is there already, at line 3"},
    {"files without a key", TARGET("files = { fullchain = \"/etc/x/c.pem\"; };"), "3: 'files' needs 'key', and 'fullchain' or both"},
    {"files without a chain", TARGET("files = { key = \"/etc/x/k.pem\"; certificate = \"/etc/x/c.pem\"; };"), "3: 'files' needs 'key', and 'fullchain' or both"},
    {"the same file twice", TARGET("files = { key = \"/etc/x/k.pem\"; fullchain = \"/etc/x/k.pem\"; };"), "3: 'files': two of them are '/etc/x/k.pem'"},
    {"one key for two certificates", TWO("ca", FILES("/k", "/a", "/i"), FILES("/k", "/b", "/j")), "3: 'files': '/k' is written by target 'right' of 'www.x.test' (line 2), too; only 'chain' may be"},
    {"the chain of one is the leaf of another", TWO("ca", FILES("/k", "/a", "/i"), FILES("/l", "/i", "/j")), "3: 'files': '/i' is written by target 'right'"},
    {"one chain for two authorities", TWO("system", FILES("/k", "/a", "/i"), FILES("/l", "/b", "/i")), "3: 'files': '/i' is the chain file of target 'right' of 'www.x.test' (line 2), which is of another authority"},
    {"one file in two ways in one certificate", CERTIFICATE("targets = ( { plugin = \"right\"; files = { key = \"/k\"; fullchain = \"/c\"; }; },\n { plugin = \"right\"; files = { " FILES("/k", "/c", "/i") " }; } );"), "3: 'files': '/c' is written by target 'right'"},
    {"a relative file", TARGET("files = { key = \"k.pem\"; fullchain = \"/etc/x/c.pem\"; };"), "3: 'key': 'k.pem' is not an absolute path"},
    {"an unknown file", TARGET("files = { key = \"/etc/x/k.pem\"; fulchain = \"/etc/x/c.pem\"; };"), "3: unknown key 'fulchain' (did you mean 'fullchain'?)|3: 'files' needs 'key'"},
    {"a probe that is a number", TARGET("probe = 443;"), "3: 'probe' must be false or an array of strings"},
    {"no probe at all", TARGET("probe = [ ];"), "3: 'probe' is empty; write false"},
    {"a probe of a name", TARGET("probe = [ \"localhost:443\" ];"), "3: 'probe': 'localhost' is not a numeric address"},
    {"a probe without a port", TARGET("probe = [ \"127.0.0.1\" ];"), "3: 'probe': '127.0.0.1' is not ADDRESS:PORT"},
    {"a probe of port 70000", TARGET("probe = [ \"127.0.0.1:70000\" ];"), "3: 'probe': '127.0.0.1:70000' is not ADDRESS:PORT"},
    {"a probe of a bare v6 address", TARGET("probe = [ \"::1:443\" ];"), "3: 'probe': '::1:443' is not ADDRESS:PORT"},
    {"a probe of every address", TARGET("probe = [ \"0.0.0.0:443\" ];"), "3: 'probe': '0.0.0.0' is a wildcard address"},
    {"a server name that is none", TARGET("server_names = [ \"a b\" ];"), "3: 'server_names': 'a b' is not a host name"},
    {"ten mistakes at once",
     "certificates = ( {\nname = \"www.x.test\";\nauthority = \"none\";\nkey = { fil = \"x\"; };\n"
     "source = {\ntype = \"url\"; };\nchain_file = \"x\";\nsubscription_ends = \"soon\";\n"
     "targets = (\n{ plugin = \"right\"; port = true; },\n{ plugin = \"left\"; },\n"
     "{ plugin = \"right\";\nprobe = [ \"x\" ]; colour = \"red\"; } ); } );\n"
     "sate_dir = \"/var/lib/x\";\n",
     "4: there is no authority 'none'|5: unknown key 'fil'|6: a source of type \"url\" lacks|"
     "8: 'chain_file': 'x' is not an absolute|9: 'subscription_ends': 'soon'|"
     "11: 'port' must be a whole number, not true or false|12: plugin 'left' is not installed|"
     "14: 'probe': 'x' is not ADDRESS:PORT|14: unknown key 'colour'|"
     "15: unknown key 'sate_dir' (did you mean 'state_dir'?)"},
    /* clang-format on */
};

static void a_wrong_configuration_is_refused(void **state)
{
    const struct wrong *row = *state;
    ECERT_AUTO(ecert_config_clear) struct ecert_config config = {0};
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings mistakes = {0};
    struct ecert_error err = {0};

    assert_int_equal(load(row->text, &config, &mistakes, &err), ECERT_E_CONFIG);
    config_expect_mistakes(folder, &mistakes, row->want);
    assert_null(config.file);
    assert_non_null(strstr(err.text, mistakes.len == 1 ? "' has 1 mistake" : " mistakes"));
}

/* ---- right ones ---- */

/* Names as people write them: kept as A-labels, found in both forms. */
static void chinese_names_are_a_labels(void **state)
{
    struct ecert_config config = {0};
    struct ecert_strings mistakes = {0};
    struct ecert_error err = {0};
    static const char text[] =
        "certificates = ( { name = \"WWW.我的伺服器.com\"; names = [ \"我的伺服器.香港\" ];\n"
        "authority = \"ca\"; targets = ( { plugin = \"right\"; id = \"w\";\n"
        "server_names = [ \"*.我的伺服器.com\", \"localhost\" ]; } ); } );\n"
        "watch = ( { endpoint = \"192.0.2.1:443\"; server_name = \"faß.de\"; } );\n";

    (void)state;
    if (load(text, &config, &mistakes, &err) != ECERT_OK)
        fail_msg("%s; %s", err.text, mistakes.len > 0 ? mistakes.items[0] : "");
    const struct ecert_certificate_config *only = &config.certificates[0];
    assert_string_equal(only->name, "www.xn--3pqw8o2pk43espw.com");
    assert_string_equal(only->names.items[0], "xn--3pqw8o2pk43espw.xn--j6w193g");
    assert_string_equal(only->targets[0].server_names.items[0], "*.xn--3pqw8o2pk43espw.com");
    assert_string_equal(only->targets[0].server_names.items[1], "localhost");
    assert_string_equal(config.watches[0].server_name, "xn--fa-hia.de");
    assert_ptr_equal(ecert_config_certificate(&config, "www.我的伺服器.com"), only);
    assert_ptr_equal(ecert_config_certificate(&config, "www.xn--3pqw8o2pk43espw.com"), only);
    assert_ptr_equal(ecert_config_certificate(&config, "WWW.XN--3PQW8O2PK43ESPW.com."), only);
    assert_null(ecert_config_certificate(&config, "我的伺服器.com"));
    assert_null(ecert_config_certificate(&config, "😀.com"));
    assert_int_equal(ecert_config_check_name(&config, "www.我的伺服器.com", &err), ECERT_OK);
    assert_int_equal(ecert_config_check_name(&config, "ww.我的伺服器.com", &err), ECERT_E_CONFIG);
    assert_non_null(strstr(err.text, "did you mean 'www.xn--3pqw8o2pk43espw.com'"));
    ecert_config_clear(&config);
    ecert_strings_clear(&mistakes);
}

/* The usual Apache setup: a certificate per virtual host, and one file of issuers for them. */
static void one_chain_file_for_one_authority(void **state)
{
    ECERT_AUTO(ecert_config_clear) struct ecert_config config = {0};
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings mistakes = {0};
    struct ecert_error err = {0};

    (void)state;
    if (load(TWO("ca", FILES("/k", "/a", "/i"), FILES("/l", "/b", "/i")), &config, &mistakes,
             &err) != ECERT_OK)
        fail_msg("%s; %s", err.text, mistakes.len > 0 ? mistakes.items[0] : "");
}

static void everything_is_read(void **state)
{
    ECERT_AUTO(ecert_config_clear) struct ecert_config config = {0};
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings mistakes = {0};
    struct ecert_error err = {0};
    static const char text[] =
        "proxy = \"http://proxy.x:3128\";\n"
        "certificates = ( { name = \"WWW.X.test\"; names = [ \"X.test\" ]; authority = \"ca\";\n"
        "key = { file = \"~/key.pem\"; passphrase_command = [ \"/bin/sh\", \"-c\" ]; };\n"
        "source = { type = \"url\"; url = \"https://x/c.cer\"; ca_file = \"~/key.pem\";\n"
        "password_file = \"~/word\"; };\n"
        "chain_file = \"~/key.pem\"; cross_certificate = false;\n"
        "subscription_ends = \"2028-02-29\";\n"
        "targets = (\n{ plugin = \"right\"; port = 8443; list = [ \"q\", \"\\\"r s\" ];\n"
        "directory = \"~/out\"; server_names = [ \"A.x.test\", \"*.y.test\" ]; probe = false;\n"
        "files = { key = \"/etc/x/k\"; certificate = \"/etc/x/c\"; chain = \"/etc/x/i\"; }; },\n"
        "{ plugin = \"right\"; probe = [ \"127.0.0.1:8443\", \"[::1]:443/WWW.x\" ]; },\n"
        "{ plugin = \"right\"; id = \"third\"; may_write = [ \"/srv/x\" ]; command = [ \"/bin/sh\" "
        "]; },\n"
        "{ plugin = \"right\"; } ); },\n"
        "{ name = \"*.x.test\"; authority = \"system\"; } );\n";

    (void)state;
    if (load(text, &config, &mistakes, &err) != ECERT_OK)
        fail_msg("%s; %s", err.text, mistakes.len > 0 ? mistakes.items[0] : "");
    assert_string_equal(config.proxy, "http://proxy.x:3128");
    assert_int_equal(config.n_certificates, 2);
    const struct ecert_certificate_config *first = &config.certificates[0];
    assert_ptr_equal(ecert_config_certificate(&config, "www.x.test"), first);
    assert_null(ecert_config_certificate(&config, "other"));
    assert_string_equal(first->names.items[0], "x.test");
    assert_int_equal(first->line, 3);
    assert_int_equal(first->key.place, ECERT_KEY_FILE);
    assert_int_equal(first->key.passphrase_command.len, 2);
    assert_int_equal(first->source.type, ECERT_SOURCE_URL);
    assert_string_equal(first->source.url, "https://x/c.cer");
    assert_false(first->cross_certificate);
    assert_string_equal(first->subscription_ends, "2028-02-29");
    assert_int_equal(first->n_targets, 4);
    const struct ecert_target_config *target = &first->targets[0];
    assert_string_equal(target->id, "right");
    assert_int_equal(target->line, 10);
    assert_false(target->probe);
    assert_true(target->has_files);
    assert_null(target->files[ECERT_MATERIAL_FULLCHAIN]);
    assert_string_equal(target->files[ECERT_MATERIAL_CHAIN], "/etc/x/i");
    assert_string_equal(target->server_names.items[0], "a.x.test");
    assert_int_equal(target->n_settings, 3);
    assert_string_equal(target->settings[1].name, "port");
    assert_string_equal(target->settings[1].text, "8443");
    assert_true(target->settings[2].is_list);
    assert_string_equal(target->settings[2].list.items[1], "\"r s");
    assert_string_equal(first->targets[1].id, "right-2");
    assert_true(first->targets[1].probe);
    assert_int_equal(first->targets[1].n_probes, 2);
    assert_string_equal(first->targets[1].probes[1].address, "::1");
    assert_int_equal(first->targets[1].probes[1].port, 443);
    assert_string_equal(first->targets[1].probes[1].server_name, "www.x");
    assert_string_equal(first->targets[2].id, "third");
    assert_string_equal(first->targets[2].may_write.items[0], "/srv/x");
    assert_string_equal(first->targets[3].id, "right-4");
    assert_int_equal(config.n_plugins, 1); /* described once */
    assert_string_equal(ecert_config_plugin(&config, "right")->summary, "right on purpose");
    const struct ecert_certificate_config *second = &config.certificates[1];
    assert_int_equal(second->key.place, ECERT_KEY_OURS);
    assert_int_equal(second->source.type, ECERT_SOURCE_INBOX);
    assert_true(second->cross_certificate);
}

static void an_empty_file_has_the_defaults(void **state)
{
    ECERT_AUTO(ecert_config_clear) struct ecert_config config = {0};
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings mistakes = {0};
    struct ecert_error err = {0};
    char path[160];

    (void)state;
    config_folder_write(folder, "empty.conf", "", 0600);
    (void)snprintf(path, sizeof path, "%s/empty.conf", folder);
    assert_int_equal(ecert_config_load(path, &config, &mistakes, &err), ECERT_OK);
    assert_string_equal(config.state_dir, "/var/lib/ecert");
    assert_string_equal(config.authorities_dir, "/etc/ecert/authorities");
    assert_non_null(config.plugin_dir);
    assert_null(config.proxy);
}

/* ---- files ---- */

/* Nothing else is wrong: what needs them will fail, not everything. */
static void absent_files_are_handed_out(void **state)
{
    static const struct {
        const char *path, *mistake;
        size_t certificate;
    } want[] = {
        {"~/word2", "~/ecert.conf:2: 'passphrase_file': '~/word2' cannot be found", SIZE_MAX},
        {"~/a.cer", "~/ecert.conf:2: 'recipients': '~/a.cer' cannot be found", SIZE_MAX},
        {"~/none/key",
         "~/ecert.conf:4: 'file': '~/none/key': No such file or directory; leave 'file' out if "
         "`ecert request` shall make the key",
         1},
        {"~/word3", "~/ecert.conf:4: 'passphrase_file': '~/word3' cannot be found", 1},
        {"~/p12", "~/ecert.conf:5: 'password_file': '~/p12' cannot be found", 1},
        {"~/chain", "~/ecert.conf:5: 'chain_file': '~/chain': No such file", 1},
        {"~/say", "~/ecert.conf:3: 'passphrase_command': '~/say' cannot be found", 0},
        {"~/page", "~/ecert.conf:6: 'command': '~/page' cannot be found", SIZE_MAX - 1},
        {"~/word4", "~/ecert.conf:6: 'password_file': '~/word4' cannot be found", SIZE_MAX - 1},
        {"~/anchors", "~/ecert.conf:7: 'ca_file': '~/anchors' cannot be found", SIZE_MAX - 1},
    };
    ECERT_AUTO(ecert_config_clear) struct ecert_config config = {0};
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings mistakes = {0};
    struct ecert_error err = {0};

    (void)state;
    if (load("backup = { recipients = [ \"~/a.cer\" ]; passphrase_file = \"~/word2\"; places = "
             "[ \"~/d\" ]; };\ncertificates = ( { name = \"a.x.test\"; authority = \"ca\"; key = { "
             "passphrase_command = [ \"~/say\", \"a\" ]; }; },\n"
             "{ name = \"b.x.test\"; authority = \"ca\"; key = { file = \"~/none/key\"; "
             "passphrase_file = \"~/word3\"; };\n source = { password_file = \"~/p12\"; }; "
             "chain_file = \"~/chain\"; } );\n"
             "reminders = { command = \"~/page\"; email = { user = \"me\"; password_file = "
             "\"~/word4\";\n server = \"smtps://mx.test\"; from = \"a@b.test\"; to = [ "
             "\"c@d.test\" ]; ca_file = \"~/anchors\"; }; };\n",
             &config, &mistakes, &err) != ECERT_OK)
        fail_msg("%s; %s", err.text, mistakes.len > 0 ? mistakes.items[0] : "");
    assert_int_equal(mistakes.len, 0);
    assert_int_equal(config.n_absent, ARRAY_SIZE(want));
    for (size_t i = 0; i < config.n_absent; i++) {
        const struct ecert_absent_file *absent = &config.absent[i];
        ECERT_AUTO(ecert_strings_clear) struct ecert_strings one = {0};
        size_t k = 0;

        while (k < ARRAY_SIZE(want) && strcmp(absent->path + strlen(folder), want[k].path + 1) != 0)
            k++;
        if (k == ARRAY_SIZE(want))
            fail_msg("%s: %s", absent->path, absent->mistake);
        assert_int_equal(absent->certificate, want[k].certificate);
        assert_true(absent->missing);
        assert_int_equal(ecert_strings_add(&one, absent->mistake, &err), ECERT_OK);
        config_expect_mistakes(folder, &one, want[k].mistake + strlen("~/ecert.conf:"));
    }
    assert_string_equal(config.certificates[1].key.file + strlen(folder), "/none/key");
    assert_int_equal(config.certificates[1].key.place, ECERT_KEY_FILE);
    assert_int_equal(config.backup.recipients.len, 1);
}

/* With another mistake they are mistakes; what is there and not trusted is one for every command.
 */
static void absent_files_are_mistakes_beside_others(void **state)
{
    ECERT_AUTO(ecert_config_clear) struct ecert_config config = {0};
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings mistakes = {0};
    struct ecert_error err = {0};

    (void)state;
    assert_int_equal(
        load("certificates = ( { name = \"a.x.test\"; authority = \"ca\"; chain_file = "
             "\"~/none\"; key = { passphrase_file = \"~/open\"; }; } );\n",
             &config, &mistakes, &err),
        ECERT_E_CONFIG);
    config_expect_mistakes(
        folder, &mistakes,
        "2: 'chain_file': '~/none': No such file|2: 'passphrase_file': '~/open'");
}

static void a_file_that_is_not_trusted_is_refused(void **state)
{
    ECERT_AUTO(ecert_config_clear) struct ecert_config config = {0};
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings mistakes = {0};
    struct ecert_error err = {0};
    char path[160];

    (void)state;
    (void)snprintf(path, sizeof path, "%s/open", folder);
    assert_int_equal(ecert_config_load(path, &config, &mistakes, &err), ECERT_E_REFUSED);
    (void)snprintf(path, sizeof path, "%s/none", folder);
    assert_int_equal(ecert_config_load(path, &config, &mistakes, &err), ECERT_E_NOT_FOUND);
}

static void an_included_file_must_be_trusted(void **state)
{
    ECERT_AUTO(ecert_config_clear) struct ecert_config config = {0};
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings mistakes = {0};
    struct ecert_error err = {0};
    const struct ecert_fs_owner owner = ecert_fs_own(0600);
    char path[160];

    (void)state;
    config_folder_write(folder, "part.conf", "proxy = \"http://x\";\n", 0666);
    (void)snprintf(path, sizeof path, "%s/main.conf", folder);
    assert_int_equal(
        ecert_fs_replace(path, ecert_view_of("@include \"part.conf\"\n"), &owner, &err), ECERT_OK);
    assert_int_equal(ecert_config_load(path, &config, &mistakes, &err), ECERT_E_CONFIG);
    assert_non_null(
        strstr(mistakes.items[0], "part.conf:1: this file is included and not trusted"));
    ecert_strings_clear(&mistakes);
    config_folder_write(folder, "part.conf", "proxy = \"http://x\";\n", 0600);
    if (ecert_config_load(path, &config, &mistakes, &err) != ECERT_OK)
        fail_msg("%s; %s", err.text, mistakes.len > 0 ? mistakes.items[0] : "");
    assert_string_equal(config.proxy, "http://x");
}

static void one_file_per_certificate(void **state)
{
    ECERT_AUTO(ecert_config_clear) struct ecert_config config = {0};
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings mistakes = {0};
    struct ecert_error err = {0};

    (void)state;
    config_folder_write(folder, "d/a.conf", "name = \"a.x.test\";\nauthority = \"ca\";\n", 0600);
    config_folder_write(folder, "d/b.conf",
                        "certificates = ( { name = \"b.x.test\"; authority = \"ca\"; } );\n", 0600);
    config_folder_write(folder, "d/c.conf.bak", "nonsense", 0600);
    if (load("include_dir = \"~/d\";\n", &config, &mistakes, &err) != ECERT_OK)
        fail_msg("%s; %s", err.text, mistakes.len > 0 ? mistakes.items[0] : "");
    assert_int_equal(config.n_certificates, 2);
    assert_string_equal(config.certificates[0].name, "a.x.test");
    assert_non_null(strstr(config.certificates[1].file, "/d/b.conf"));
    ecert_config_clear(&config);

    config_folder_write(folder, "d/c.conf", "name = \"a.x.test\"; authority = \"ca\";\n", 0600);
    config_folder_write(folder, "d/d.conf", "name = ;\n", 0600);
    config_folder_write(folder, "d/e.conf", "name = \"e.x.test\"; authority = \"ca\";\n", 0666);
    assert_int_equal(load("include_dir = \"~/d\"; colour = 1;\n", &config, &mistakes, &err),
                     ECERT_E_CONFIG);
    assert_int_equal(mistakes.len, 4);
    assert_non_null(strstr(mistakes.items[0], "/ecert.conf:2: unknown key 'colour'"));
    assert_non_null(strstr(mistakes.items[1], "/d/c.conf:1: certificate 'a.x.test' is there "));
    assert_non_null(strstr(mistakes.items[1], "/d/a.conf:"));
    assert_non_null(strstr(mistakes.items[2], "/d/d.conf:1: a value, a quote, a bracket"));
    assert_non_null(strstr(mistakes.items[3], "/d/e.conf:1: "));
}

/* ---- the example ---- */

static void read_example(char **ret)
{
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes bytes = {0};
    struct ecert_error err = {0};

    if (ecert_fs_read(ECERT_CONFIG_EXAMPLE, 1 << 20, &bytes, &err) != ECERT_OK)
        fail_msg("%s", err.text);
    assert_int_equal(ecert_text_copy(ecert_bytes_view(&bytes), ret, &err), ECERT_OK);
}

/*
 * The example with this folder's authority and plugin is a configuration; with every key that
 * is commented out it is one as far as syntax, names and types go.
 */
static void the_example_is_a_configuration(void **state)
{
    ECERT_AUTO(ecert_auto_free) char *example = NULL;
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer here = {0};
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer all = {0};
    ECERT_AUTO(ecert_config_clear) struct ecert_config config = {0};
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings mistakes = {0};
    struct ecert_error err = {0};
    char *save = NULL;

    (void)state;
    read_example(&example);
    for (char *line = strtok_r(example, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        char *hash = strchr(line, '#');
        const bool directory = strstr(line, "_dir = ") != NULL; /* ours stand on line 1 */

        if (strstr(line, "authority = ") != NULL)
            line = strcpy(line, "authority = \"ca\";");
        if (strstr(line, "plugin = \"nginx\";") != NULL)
            line = strcpy(line, "plugin = \"right\";");
        ecert_buffer_printf(&here, "%s\n", line);
        if (hash != NULL && hash[1] != ' ' && hash[1] != '\0' && !directory)
            *hash = ' ';
        else if (hash != NULL && strncmp(hash, "#  ", 3) == 0) /* inside a group */
            *hash = ' ';
        ecert_buffer_printf(&all, "%s\n", line);
    }
    if (load((const char *)here.ptr, &config, &mistakes, &err) != ECERT_OK)
        fail_msg("%s; %s", err.text, mistakes.len > 0 ? mistakes.items[0] : "");
    assert_int_equal(config.n_absent, 0);
    assert_int_equal(config.certificates[0].key.place, ECERT_KEY_OURS);
    assert_int_equal(config.certificates[0].n_targets, 1);
    ecert_config_clear(&config);
    assert_int_equal(load((const char *)all.ptr, &config, &mistakes, &err), ECERT_E_CONFIG);
    for (size_t i = 0; i < mistakes.len; i++)
        if (strstr(mistakes.items[i], "unknown key") != NULL ||
            strstr(mistakes.items[i], " must be ") != NULL ||
            strstr(mistakes.items[i], "syntax error") != NULL)
            fail_msg("%s", mistakes.items[i]);
}

static int make_folder(void **state)
{
    (void)state;
    folder = config_folder_make();
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
        cmocka_unit_test(chinese_names_are_a_labels),
        cmocka_unit_test(one_chain_file_for_one_authority),
        cmocka_unit_test(everything_is_read),
        cmocka_unit_test(an_empty_file_has_the_defaults),
        cmocka_unit_test(a_file_that_is_not_trusted_is_refused),
        cmocka_unit_test(an_included_file_must_be_trusted),
        cmocka_unit_test(absent_files_are_handed_out),
        cmocka_unit_test(absent_files_are_mistakes_beside_others),
        cmocka_unit_test(one_file_per_certificate),
        cmocka_unit_test(the_example_is_a_configuration),
    };
    struct CMUnitTest tests[ARRAY_SIZE(fixed) + ARRAY_SIZE(wrong)];
    size_t n = ARRAY_SIZE(fixed);

    memcpy(tests, fixed, sizeof fixed);
    n += TEST_ADD_ROWS(tests + n, a_wrong_configuration_is_refused, wrong);
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
