"""Whose certificate is it? Looked at without trusting it: nothing is sent over such a connection."""

import base64
import functools
import hashlib
import http.client
import ipaddress
import ssl
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import unquote, urlsplit

import certifi
from cryptography import x509
from cryptography.x509.oid import NameOID

from diagnostics.targets import Door
from payment.phonepe.transport import Address, Deadline


@dataclass(frozen=True)
class Certificate:
    """`issuer` and `subject` as they name themselves; `sha256` of the whole, in hex."""

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
        """By its own word: only a verified chain proves it. Good enough to name who is in between."""
        return self.issuer_organisation in _public_authorities()

    def is_forged_for(self, host: str) -> bool:
        """For an untrusted one: somebody who is no public authority has issued it for this very name."""
        return self.is_for(host) and self.issuer != self.subject and not self.is_by_a_public_authority


def presented(door: Door, address: Address, deadline: Deadline) -> Certificate | None:
    """What is presented for `door` at `address` (the proxy's, if there is one). None: none could be seen.

    Behind a proxy that itself speaks TLS it is not looked at: its login must not travel in clear text.
    """
    if door.proxy and urlsplit(door.proxy).scheme == "https":
        return None
    host, port = address[4][:2]
    connection = http.client.HTTPConnection(host, port, timeout=deadline.remaining() or 0.001)
    if door.proxy:
        connection.set_tunnel(door.host, door.port, headers=_login(door.proxy))
    try:
        connection.connect()
        with _untrusting().wrap_socket(connection.sock, server_hostname=door.host) as secured:
            shown = secured.getpeercert(binary_form=True)
        return _read(shown) if shown else None
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()


def _login(proxy: str) -> dict[str, str]:
    parts = urlsplit(proxy)
    if not parts.username:
        return {}
    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {"Proxy-Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"}


def _untrusting() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _read(der: bytes) -> Certificate:
    shown = x509.load_der_x509_certificate(der)
    return Certificate(
        issuer=shown.issuer.rfc4514_string(),
        issuer_organisation=_organisation(shown.issuer),
        subject=shown.subject.rfc4514_string(),
        names=_names(shown),
        valid_from=shown.not_valid_before_utc,
        valid_until=shown.not_valid_after_utc,
        sha256=hashlib.sha256(der).hexdigest(),
    )


def _organisation(name: x509.Name) -> str:
    found = name.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return str(found[0].value) if found else ""


def _names(shown: x509.Certificate) -> tuple[str, ...]:
    try:
        holder = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    addresses: list[ipaddress.IPv4Address | ipaddress.IPv6Address] = [
        each for each in holder.get_values_for_type(x509.IPAddress) if not hasattr(each, "netmask")
    ]
    return (*holder.get_values_for_type(x509.DNSName), *map(str, addresses))


@functools.cache
def _public_authorities() -> frozenset[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(certifi.where())
    subjects: list[Any] = [known["subject"] for known in context.get_ca_certs()]
    parts = (part for subject in subjects for group in subject for part in group)
    return frozenset(value for name, value in parts if name == "organizationName")
