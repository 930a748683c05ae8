"""The certificate that a server presents, read without trusting it, and the TLS contexts that all probes share.

Loading a file of authorities costs 40 to 50 ms of CPU time: each file is loaded once, and again when it has changed. No
data is sent over a connection that reads a certificate.
"""

import base64
import contextlib
import functools
import hashlib
import http.client
import os
import ssl
import threading
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import unquote, urlsplit

import certifi
from cryptography import x509
from cryptography.x509.oid import NameOID
from urllib3.util.ssl_ import create_urllib3_context

from diagnostics.targets import Target
from payment.phonepe.transport import Address, Deadline

NO_CHECK_TIME = 0x200000  # OpenSSL's X509_V_FLAG_NO_CHECK_TIME: who has issued it, not until when
# Organisations that sign for the public by authorities of other names.
ISSUING_ORGANISATIONS = {
    "Amazon",
    "Apple Inc.",
    "Cloudflare, Inc.",
    "Google Trust Services",
    "Let's Encrypt",
    "Sectigo Limited",
    "ZeroSSL",
}
_loading = threading.Lock()


@dataclass(frozen=True)
class Certificate:
    """`issuer` and `subject` as the certificate states them; `sha256` of the DER form, in hex.

    `is_public`: its chain leads to an authority that the world trusts (those of certifi), whatever this server trusts
    besides. `has_root`: the certificates sent with it end in an authority that has signed itself. `is_logged`: it
    carries the timestamps of public logs, as those of public authorities do.
    """

    issuer: str
    issuer_organisation: str
    subject: str
    names: tuple[str, ...]
    valid_from: datetime
    valid_until: datetime
    sha256: str
    is_public: bool = False
    has_root: bool = False
    is_logged: bool = False

    def is_for(self, host: str) -> bool:
        _, _, parent = host.partition(".")
        return bool({host, f"*.{parent}"} & set(self.names))

    @property
    def is_self_signed(self) -> bool:
        return self.issuer == self.subject

    @property
    def bears_public_name(self) -> bool:
        """Of its issuer, as it states. Anybody can write that: `is_public` is the proof."""
        return self.issuer_organisation in _public_organisations()

    def is_forged_for(self, host: str) -> bool:
        """For an untrusted certificate: a private authority, sent up to its root, has issued it for this name."""
        return self.is_for(host) and self.has_root and not self.is_public and not self.is_self_signed

    def is_incomplete_for(self, host: str) -> bool:
        """For an untrusted certificate: the chain breaks off, so nobody can tell whether its end is a public one."""
        return self.is_for(host) and not (self.has_root or self.is_public or self.is_self_signed)


def trusting(bundle: bool | str) -> ssl.SSLContext | None:
    """The context of probes that trust this file; True: the built-in authorities. None: let the request say why not."""
    path = bundle if isinstance(bundle, str) else certifi.where()
    try:
        state = os.stat(path)
        with _loading:
            return _load(path, state.st_mtime_ns, state.st_size) if bundle else None
    except OSError:
        return None


def fetch_certificate(target: Target, address: Address, deadline: Deadline) -> Certificate | None:
    """The certificate for `target` at `address` (the proxy's, if there is one). None: none could be read.

    None behind a proxy that itself speaks TLS: its login must not be sent in clear text.
    """
    if target.proxy and urlsplit(target.proxy).scheme == "https":
        return None
    try:
        try:
            return _fetch(target, address, deadline, _public_authorities(), is_public=True)
        except ssl.SSLCertVerificationError:
            return _fetch(target, address, deadline, _anybody(), is_public=False)
    except (OSError, http.client.HTTPException, ValueError):
        return None


def _fetch(
    target: Target, address: Address, deadline: Deadline, context: ssl.SSLContext, *, is_public: bool
) -> Certificate | None:
    host, port = address[4][:2]
    connection = http.client.HTTPConnection(host, port, timeout=deadline.remaining() or 0.001)
    if target.proxy:
        proxy = urlsplit(target.proxy)
        login = f"{unquote(proxy.username or '')}:{unquote(proxy.password or '')}"
        basic = f"Basic {base64.b64encode(login.encode()).decode()}"
        headers = {"Proxy-Authorization": basic} if proxy.username else {}
        connection.set_tunnel(target.host, target.port, headers=headers)
    try:
        connection.connect()
        with context.wrap_socket(connection.sock, server_hostname=target.host) as secured:
            chain = _chain(secured)
        return _parse(chain, is_public) if chain else None
    finally:
        connection.close()


def _chain(secured: ssl.SSLSocket) -> list[bytes]:
    """What the server sent, its own certificate first.

    Before Python 3.13 only the private `_sslobj` tells what was sent besides. Where it does not either, its own
    certificate is all that is known, and a finding says less: "untrusted" for "intercepted".
    """
    if hasattr(secured, "get_unverified_chain"):
        return list(secured.get_unverified_chain())
    inner: Any = getattr(secured, "_sslobj", None)
    chain = inner.get_unverified_chain() if hasattr(inner, "get_unverified_chain") else None
    if chain:
        return [ssl.PEM_cert_to_DER_cert(each.public_bytes()) for each in chain]
    own = secured.getpeercert(binary_form=True)
    return [own] if own else []


def _parse(chain: list[bytes], is_public: bool) -> Certificate:
    der, *others = chain
    certificate = x509.load_der_x509_certificate(der)
    names: list[str] = []
    with contextlib.suppress(x509.ExtensionNotFound):
        holder = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        addresses = holder.get_values_for_type(x509.IPAddress)
        names = holder.get_values_for_type(x509.DNSName)
        names += [str(each) for each in addresses if not hasattr(each, "netmask")]
    is_logged = False
    with contextlib.suppress(x509.ExtensionNotFound):
        stamps = x509.PrecertificateSignedCertificateTimestamps
        is_logged = bool(list(certificate.extensions.get_extension_for_class(stamps).value))
    organisations = certificate.issuer.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return Certificate(
        issuer=certificate.issuer.rfc4514_string(),
        issuer_organisation=str(organisations[0].value) if organisations else "",
        subject=certificate.subject.rfc4514_string(),
        names=tuple(names),
        valid_from=certificate.not_valid_before_utc,
        valid_until=certificate.not_valid_after_utc,
        sha256=hashlib.sha256(der).hexdigest(),
        is_public=is_public,
        has_root=_ends_in_root(certificate, [x509.load_der_x509_certificate(each) for each in others]),
        is_logged=is_logged,
    )


def _ends_in_root(certificate: x509.Certificate, chain: list[x509.Certificate]) -> bool:
    """Names are followed from issuer to issuer, each used once; servers may send them in any order."""
    by_subject = {each.subject: each for each in chain}
    issuer = by_subject.pop(certificate.issuer, None)
    while issuer and issuer.issuer != issuer.subject:
        issuer = by_subject.pop(issuer.issuer, None)
    return issuer is not None


@functools.lru_cache(maxsize=4)
def _load(path: str, changed: int, size: int) -> ssl.SSLContext:
    """As payments make theirs. `changed` and `size` tell one state of the file from another."""
    context = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED)
    context.load_verify_locations(path)
    return context


@functools.cache
def _public_authorities() -> ssl.SSLContext:
    """Trusts them whatever the host name and the time: both are judged elsewhere."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= NO_CHECK_TIME
    context.load_verify_locations(certifi.where())
    return context


@functools.cache
def _anybody() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@functools.cache
def _public_organisations() -> frozenset[str]:
    subjects: list[Any] = [known["subject"] for known in _public_authorities().get_ca_certs()]
    parts = (part for subject in subjects for group in subject for part in group)
    named = {value for name, value in parts if name == "organizationName"}
    return frozenset(named | ISSUING_ORGANISATIONS)
