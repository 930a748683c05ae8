"""What exactly stopped one try, or what kind of answer it met: by the types of errors and the stage reached.

Only what an HTTP proxy answered to CONNECT has to be read from the words of an error: `http.client` keeps it nowhere
else.
"""

import re
import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit

from diagnostics.enums import VERDICT_OF, VERDICT_OF_FINDING, Finding, Verdict
from diagnostics.targets import Door
from payment.phonepe.enums import ErrorCategory, Stage
from payment.phonepe.errors import categorize
from payment.phonepe.transport import Answer

# OpenSSL's X509_V_ERR_*: not yet valid, expired, other host name, other IP address.
CERTIFICATE = {9: Finding.NOT_YET_VALID, 10: Finding.EXPIRED, 62: Finding.WRONG_HOST, 64: Finding.WRONG_HOST}
OLD_PROTOCOL = {
    "NO_PROTOCOLS_AVAILABLE",
    "TLSV1_ALERT_PROTOCOL_VERSION",
    "UNSUPPORTED_PROTOCOL",
    "VERSION_TOO_LOW",
}
OTHER_PROTOCOL = {"HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE", "WRONG_VERSION_NUMBER"}
TUNNEL = re.compile(r"Tunnel connection failed: (\d{3})")
GATEWAY_OF_PROXY = {502, 503, 504}
TITLE = re.compile(rb"<title[^>]*>\s*([^<]{1,80})", re.IGNORECASE)

TO_CONNECT = {
    ErrorCategory.CONNECTION_REFUSED: Finding.REFUSED,
    ErrorCategory.CONNECTION_TIMEOUT: Finding.SILENT,
    ErrorCategory.CONNECTION_RESET: Finding.RESET,
    ErrorCategory.NETWORK_UNREACHABLE: Finding.UNREACHABLE,
}
TO_PROXY = {
    Finding.REFUSED: Finding.PROXY_REFUSED,
    Finding.SILENT: Finding.PROXY_SILENT,
    Finding.RESET: Finding.PROXY_REFUSED,
    Finding.UNREACHABLE: Finding.PROXY_UNREACHABLE,
}


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error, and what it was made from: `requests` and urllib3 wrap, each in its own way."""
    yield error
    around = (getattr(error, "reason", None), *error.args, error.__cause__, error.__context__)
    inner = next((cause for cause in around if isinstance(cause, BaseException)), None)
    if inner is not None:
        yield from causes(inner)


def innermost(error: BaseException) -> BaseException:
    """What the operating system or OpenSSL said."""
    *_, last = causes(error)
    return last


def met(door: Door, error: BaseException, stage: Stage) -> tuple[Finding, Verdict]:
    """What stopped a try at `door` that has come as far as `stage`; names are looked up before."""
    finding = _met(door, error, stage)
    return finding, VERDICT_OF_FINDING.get(finding) or VERDICT_OF[categorize(error, stage)]


def _met(door: Door, error: BaseException, stage: Stage) -> Finding:
    inner = innermost(error)
    if stage < Stage.CONNECTED:
        return _unconnected(door, inner)
    if door.proxy and door.is_tls and stage < Stage.PROXIED:
        return _untunnelled(inner)
    if door.is_tls and stage < Stage.TLS:
        return _unsecured(inner)
    return Finding.NO_ANSWER if isinstance(inner, TimeoutError) else Finding.CUT


def _unconnected(door: Door, inner: BaseException) -> Finding:
    finding = TO_CONNECT.get(categorize(inner, Stage.RESOLVED), Finding.SILENT)
    return TO_PROXY[finding] if door.proxy else finding


def _untunnelled(inner: BaseException) -> Finding:
    if isinstance(inner, TimeoutError):
        return Finding.PROXY_SILENT
    said = TUNNEL.search(str(inner))
    status = int(said[1]) if said else 0
    if status == 407:
        return Finding.PROXY_WANTS_LOGIN
    return Finding.PROXY_GETS_NOWHERE if status in GATEWAY_OF_PROXY else Finding.PROXY_FORBIDS


def _unsecured(inner: BaseException) -> Finding:
    if isinstance(inner, ssl.SSLCertVerificationError):
        return CERTIFICATE.get(inner.verify_code, Finding.UNTRUSTED)
    if isinstance(inner, TimeoutError):
        return Finding.HANDSHAKE_SILENT
    if not isinstance(inner, ssl.SSLError):
        return Finding.RESET
    if inner.reason in OLD_PROTOCOL:
        return Finding.PROTOCOL_TOO_OLD
    return Finding.NOT_TLS if inner.reason in OTHER_PROTOCOL else Finding.HANDSHAKE_REFUSED


def of_answer(answer: Answer) -> str:
    """What kind of answer it is; "" for JSON and other plain talk, whatever it says."""
    status, is_page = answer.http_status, is_html(answer)
    if status == 407:
        return Finding.PROXY_WANTS_LOGIN
    if 300 <= status < 400:
        return Finding.REDIRECT
    if status == 511 or (is_page and status < 300):
        return Finding.CAPTIVE_PORTAL
    if status == 429:
        return Finding.TOO_MANY
    if status >= 500:
        return Finding.SERVER_ERROR
    if is_page and status != 404:
        return Finding.FIREWALL_PAGE
    return Finding.FORBIDDEN if status == 403 else ""


def told(answer: Answer) -> str:
    """The answer in a few words: status, where it sends us, the title of its page, who says to have written it."""
    title = TITLE.search(answer.body)
    parts = [f"HTTP {answer.http_status}"]
    if location := answer.headers.get("Location", ""):
        parts.append(f"to {urlsplit(location).netloc or 'another path'}")
    if title and is_html(answer):
        parts.append(f"page {' '.join(title[1].decode(errors='replace').split())!r}")
    if server := answer.headers.get("Server", ""):
        parts.append(f"Server: {server[:40]}")
    return ", ".join(parts)


def is_html(answer: Answer) -> bool:
    return "html" in answer.headers.get("Content-Type", "").lower()
