"""Certificates for servers of tests: good ones, and each kind of bad one."""

import ipaddress
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

YEAR = timedelta(days=365)


class Authority:
    """Signs certificates; who trusts `bundle` trusts them. Files live in `folder`.

    `above`: the authority that has signed this one; without it this one has signed itself.
    """

    def __init__(
        self,
        folder: Path,
        name: str = "tests authority",
        organisation: str = "",
        above: "Authority | None" = None,
    ) -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = _name(name, organisation)
        signer = above or self
        now = datetime.now(timezone.utc)
        mine = _builder(self.name, signer.name, self.key, now - 3 * YEAR, now + 3 * YEAR)
        mine = mine.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        mine = mine.add_extension(_usage(signs=True), critical=True)
        self.bundle = folder / f"{name.replace(' ', '-')}-authority.pem"
        self.bundle.write_bytes(_pem(mine.sign(signer.key, hashes.SHA256())))

    def issue(
        self,
        *names: str,
        starts: timedelta = -YEAR,
        ends: timedelta = YEAR,
        with_issuer: bool = False,
    ) -> Path:
        """A file with key and certificate for these host names and addresses. `starts` and `ends` count from now.

        `with_issuer`: the certificate of this authority is sent along.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(timezone.utc)
        made = _builder(_name(names[0]), self.name, key, now + starts, now + ends)
        made = made.add_extension(x509.SubjectAlternativeName([_alternative(name) for name in names]), False)
        made = made.add_extension(_usage(signs=False), critical=True)
        secret = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        path = self.folder / f"{len(list(self.folder.iterdir()))}.pem"
        sent_along = self.bundle.read_bytes() if with_issuer else b""
        path.write_bytes(secret + _pem(made.sign(self.key, hashes.SHA256())) + sent_along)
        return path

    def issue_for_itself(self, name: str, *names: str) -> Path:
        """As `issue`, signed by its own key: nobody has issued it. `name` is its subject."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(timezone.utc)
        made = _builder(_name(name), _name(name), key, now - YEAR, now + YEAR)
        made = made.add_extension(x509.SubjectAlternativeName([_alternative(each) for each in names]), False)
        secret = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        path = self.folder / f"{len(list(self.folder.iterdir()))}.pem"
        path.write_bytes(secret + _pem(made.sign(key, hashes.SHA256())))
        return path


def _builder(subject, issuer, key, starts, ends) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    return builder.not_valid_before(starts).not_valid_after(ends)


def _usage(signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(text: str, organisation: str = "") -> x509.Name:
    parts = [(NameOID.ORGANIZATION_NAME, organisation), (NameOID.COMMON_NAME, text)]
    return x509.Name([x509.NameAttribute(kind, value) for kind, value in parts if value])


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
