"""The certificate that a server presents. It is read without trusting it: no data is sent over the connection."""

import base64
import contextlib
import functools
import hashlib
import http.client
import ssl
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import unquote, urlsplit

import certifi
from cryptography import x509
from cryptography.x509.oid import NameOID

from diagnostics.targets import Target
from payment.phonepe.transport import Address, Deadline


@dataclass(frozen=True)
class Certificate:
    """`issuer` and `subject` as the certificate states them; `sha256` of the DER form, in hex."""

    issuer: str
    issuer_organisation: str
    subject: str
    names: tuple[str, ...]
    valid_from: datetime
    valid_until: datetime
    sha256: str

    def is_for(self, host: str) -> bool:
        _, _, parent = host.partition(".")
        return bool({host, f"*.{parent}"} & set(self.names))

    @property
    def is_by_a_public_authority(self) -> bool:
        """As the certificate states; only a verified chain proves it. Good enough to name who intercepts."""
        return self.issuer_organisation in _public_authorities()

    def is_forged_for(self, host: str) -> bool:
        """For an untrusted certificate: an authority that is not public has issued it for this very name."""
        return self.is_for(host) and self.issuer != self.subject and not self.is_by_a_public_authority


def fetch_certificate(target: Target, address: Address, deadline: Deadline) -> Certificate | None:
    """The certificate for `target` at `address` (the proxy's, if there is one). None: none could be read.

    None behind a proxy that itself speaks TLS: its login must not be sent in clear text.
    """
    if target.proxy and urlsplit(target.proxy).scheme == "https":
        return None
    host, port = address[4][:2]
    connection = http.client.HTTPConnection(host, port, timeout=deadline.remaining() or 0.001)
    if target.proxy:
        proxy = urlsplit(target.proxy)
        login = f"{unquote(proxy.username or '')}:{unquote(proxy.password or '')}"
        basic = f"Basic {base64.b64encode(login.encode()).decode()}"
        headers = {"Proxy-Authorization": basic} if proxy.username else {}
        connection.set_tunnel(target.host, target.port, headers=headers)
    unverified = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    unverified.check_hostname = False
    unverified.verify_mode = ssl.CERT_NONE
    try:
        connection.connect()
        with unverified.wrap_socket(connection.sock, server_hostname=target.host) as secured:
            der = secured.getpeercert(binary_form=True)
        return _parse(der) if der else None
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()


def _parse(der: bytes) -> Certificate:
    certificate = x509.load_der_x509_certificate(der)
    names: list[str] = []
    with contextlib.suppress(x509.ExtensionNotFound):
        holder = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        addresses = holder.get_values_for_type(x509.IPAddress)
        names = holder.get_values_for_type(x509.DNSName)
        names += [str(each) for each in addresses if not hasattr(each, "netmask")]
    organisations = certificate.issuer.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return Certificate(
        issuer=certificate.issuer.rfc4514_string(),
        issuer_organisation=str(organisations[0].value) if organisations else "",
        subject=certificate.subject.rfc4514_string(),
        names=tuple(names),
        valid_from=certificate.not_valid_before_utc,
        valid_until=certificate.not_valid_after_utc,
        sha256=hashlib.sha256(der).hexdigest(),
    )


@functools.cache
def _public_authorities() -> frozenset[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(certifi.where())
    subjects: list[Any] = [known["subject"] for known in context.get_ca_certs()]
    parts = (part for subject in subjects for group in subject for part in group)
    return frozenset(value for name, value in parts if name == "organizationName")
