"""The certificates of a run: the CA of tests/support/test-ca.sh, keys made once, leaves per case.

A leaf is signed here and not by `test-ca.sh issue`: 240 cases need some 500 of them, and each of
those takes a process or four.
"""

import datetime
import http.server
import os
import pathlib
import subprocess
import threading

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

ROOT = pathlib.Path(__file__).resolve().parents[2]
POLICY = "1.3.6.1.4.1.16030.1.7.16"
ORGANISATION_VALIDATED = "2.23.140.1.2.2"
KINDS = ("rsa", "ec")
PRESENT = [kind + str(i) for kind in KINDS for i in range(1, 5)]


def make_key(kind):
    if kind == "rsa":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ec.generate_private_key(ec.SECP256R1())


class Pki:
    """`folder`/ca and `folder`/state, a state directory that has fetched everything of the CA."""

    def __init__(self, folder, ecert):
        self.folder = pathlib.Path(folder)
        self.ca = self.folder / "ca"
        self.ca.mkdir(mode=0o700)
        (self.ca / "www").mkdir(mode=0o755)
        server = self._serve()
        self.base = "http://127.0.0.1:%d" % server.server_address[1]
        making = subprocess.Popen(
            [ROOT / "tests/support/test-ca.sh", "make", self.ca, "--base-url", self.base])
        self.keys = {}
        threads = [threading.Thread(target=self._make_key, args=(which,))
                   for which in PRESENT + ["new-rsa", "new-ec"]]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if making.wait(timeout=60) != 0:
            raise RuntimeError("the test CA could not be made")
        self.issuer = x509.load_pem_x509_certificate((self.ca / "sub.pem").read_bytes())
        self.issuer_key = serialization.load_pem_private_key(
            (self.ca / "sub.key").read_bytes(), None)
        self.chain = (self.ca / "sub.pem").read_bytes() + (self.ca / "cross.pem").read_bytes()
        self._prime(ecert)
        self.files = list(self._files())
        server.shutdown()
        server.server_close()

    def _make_key(self, which):
        self.keys[which] = make_key(which.removeprefix("new-").rstrip("1234"))

    def _serve(self):
        """The CA's download addresses, for the one time that they are asked."""
        www = str(self.ca / "www")

        class Handler(http.server.SimpleHTTPRequestHandler):
            def __init__(self, *arguments):
                super().__init__(*arguments, directory=www)

            def log_message(self, *arguments):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server

    def _prime(self, ecert):
        """Chains and revocation lists, fetched once: no case has a network."""
        state = self.folder / "state"
        (self.folder / "prime.key").write_bytes(self.key_pem("new-ec"))
        (self.folder / "prime.cer").write_bytes(self.leaf(["prime.example"], "new-ec", 1))
        config = self.folder / "prime.conf"
        config.write_text(
            'state_dir = "%s"; authorities_dir = "%s/authorities"; plugin_dir = "%s/plugins";\n'
            'certificates = ( { name = "prime.example"; authority = "testpost";\n'
            '  key = { file = "%s/prime.key"; };\n'
            '  targets = ( { plugin = "nginx"; } ); } );\n'
            % (state, self.ca, ecert, self.folder))
        done = subprocess.run([str(ecert) + "/ecert", "--config", config, "import",
                               self.folder / "prime.cer"], capture_output=True, timeout=60)
        if done.returncode != 0:
            raise RuntimeError("ecert import: " + done.stderr.decode(errors="replace"))
        subprocess.run(["rm", "-rf", state / "certificates"], check=True)

    def _files(self):
        """What every case has of all this: (path, bytes). The profile names its anchors' places."""
        for name in "root.pem", "other.pem":
            yield str(self.ca / name), (self.ca / name).read_bytes()
        for source, target in ((self.folder / "state", "/var/lib/ecert"),
                               (self.ca / "authorities", "/etc/ecert/authorities")):
            for path in source.rglob("*"):
                if path.is_file():
                    yield "%s/%s" % (target, path.relative_to(source)), path.read_bytes()

    def key_pem(self, which):
        return self.keys[which].private_bytes(serialization.Encoding.PEM,
                                              serialization.PrivateFormat.PKCS8,
                                              serialization.NoEncryption())

    def leaf(self, names, which, age_hours):
        """PEM of a certificate for these names, as the CA's leaves look."""
        key = self.keys[which].public_key()
        start = datetime.datetime.utcnow() - datetime.timedelta(hours=age_hours)
        subject = x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "HK"),
                             x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Test Post"),
                             x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
        usage = x509.KeyUsage(True, False, True, False, False, False, False, False, False)
        crl = x509.UniformResourceIdentifier(self.base + "/crl/eCertSCA3-17CRL1.crl")
        issuer = x509.UniformResourceIdentifier(self.base + "/root/ecert_ssl_ca_3-17.crt")
        identifier = self.issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        policies = [x509.PolicyInformation(x509.ObjectIdentifier(p), None)
                    for p in (POLICY, ORGANISATION_VALIDATED)]
        builder = (
            x509.CertificateBuilder().subject_name(subject).issuer_name(self.issuer.subject)
            .public_key(key).serial_number(int.from_bytes(os.urandom(15), "big") | 1 << 120)
            .not_valid_before(start).not_valid_after(
                start + datetime.timedelta(days=199, seconds=-1))
            .add_extension(x509.BasicConstraints(False, None), True)
            .add_extension(usage, True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), False)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), False)
            .add_extension(x509.CertificatePolicies(policies), False)
            .add_extension(x509.CRLDistributionPoints(
                [x509.DistributionPoint([crl], None, None, None)]), False)
            .add_extension(x509.AuthorityInformationAccess(
                [x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, issuer)]), False))
        made = builder.sign(self.issuer_key, hashes.SHA256())
        return made.public_bytes(serialization.Encoding.PEM)


def thumbprint(pem):
    return x509.load_pem_x509_certificate(pem).fingerprint(hashes.SHA256()).hex()
