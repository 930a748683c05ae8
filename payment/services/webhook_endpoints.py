"""Addresses of servers that get our webhooks, and the secrets that sign them (standardwebhooks.com).

A secret is `whsec_` and 32 random bytes in base64; the database has it encrypted. After a rotation both sign for a day.
"""

import base64
import hashlib
import hmac
import ipaddress
import secrets
import socket
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from cryptography.fernet import InvalidToken
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db.models import Max
from django.utils import timezone

from accounts.models import User
from core.data_keys import ciphers
from payment.models import ServerEvent, WebhookEndpoint
from payment.phonepe.transport import Address

BEGINNING = "whsec_"
PURPOSE = "payment.webhook_endpoints"
OVERLAP = timedelta(hours=24)
PORTS = (443, 8443)


class NotPublic(OSError):
    """The name leads into a private network: nothing is sent there."""


class SecretUnreadable(Exception):
    """None of our keys decrypts it."""


def check_url(url: str) -> None:
    """Raises ValidationError for what is never called. Where its name leads, is looked at when it is called."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError as error:
        raise ValidationError("This is no address.") from error
    if parts.username or parts.password or parts.fragment:
        raise ValidationError("Give an address without a login and without a fragment.")
    if settings.PHONEPE_SIMULATION_MODE and parts.scheme == "http":
        return
    if parts.scheme != "https":
        raise ValidationError("Give an https address: events are told to nobody between.")
    if port not in (None, *PORTS):
        raise ValidationError(f"The port must be one of {', '.join(map(str, PORTS))}.")


def public_addresses(host: str, port: int, **how: Any) -> list[Address]:
    """As `socket.getaddrinfo`, for a session's resolver: it connects to what was looked at here and to nothing else.

    Raises NotPublic. In simulation this machine may be called: a developer's server is there.
    """
    addresses = socket.getaddrinfo(host, port, **how)
    for *_, target in addresses:
        address = ipaddress.ip_address(str(target[0]).partition("%")[0])
        if not (_is_public(address) or (settings.PHONEPE_SIMULATION_MODE and address.is_loopback)):
            raise NotPublic(f"{host} leads to {address}, which is not on the public internet")
    return addresses


def _is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Also what is written inside an IPv6 address: as mapped, by 6to4, Teredo or NAT64."""
    if isinstance(address, ipaddress.IPv6Address):
        teredo = address.teredo or ()
        inside = [each for each in (address.ipv4_mapped, address.sixtofour, *teredo) if each is not None]
        if address in ipaddress.ip_network("64:ff9b::/96"):
            inside.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if inside:
            return all(_is_public(each) for each in inside)
    return address.is_global and not address.is_multicast and not address.is_reserved


def create_endpoint(
    url: str, *, types: Iterable[str] = (), description: str = "", made_by: User | None = None
) -> tuple[WebhookEndpoint, str]:
    """The row, and its secret to be shown. It gets what happens from now on. Raises ValidationError."""
    check_url(url)
    secret = make_secret()
    newest = ServerEvent.objects.aggregate(newest=Max("pk"))["newest"]
    endpoint = WebhookEndpoint.objects.create(
        url=url,
        description=description,
        types=sorted(set(types)),
        secret=encrypt(secret),
        first_event=newest or 0,
        made_by=made_by,
    )
    return endpoint, secret


def rotate_secret(endpoint: WebhookEndpoint, overlap: timedelta = OVERLAP) -> str:
    """A new secret, to be shown; the former one signs beside it until the overlap ends."""
    secret = make_secret()
    changed = {"former_secret": endpoint.secret, "former_until": timezone.now() + overlap}
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(secret=encrypt(secret), **changed)
    return secret


def make_secret() -> str:
    return BEGINNING + base64.b64encode(secrets.token_bytes(32)).decode()


def encrypt(secret: str) -> str:
    return ciphers(PURPOSE).encrypt(secret.encode()).decode()


def secrets_of(endpoint: WebhookEndpoint, now: datetime) -> list[str]:
    """The newest first. Raises SecretUnreadable."""
    stored = [endpoint.secret]
    if endpoint.former_secret and endpoint.former_until and now < endpoint.former_until:
        stored.append(endpoint.former_secret)
    try:
        return [ciphers(PURPOSE).decrypt(each.encode()).decode() for each in stored]
    except InvalidToken as error:
        raise SecretUnreadable from error


def sign(signing_secrets: Iterable[str], webhook_id: str, timestamp: int, body: bytes) -> str:
    """The header `webhook-signature`: one `v1,…` for each secret."""
    signed = f"{webhook_id}.{timestamp}.".encode() + body
    digests = (
        hmac.new(base64.b64decode(secret.removeprefix(BEGINNING)), signed, hashlib.sha256).digest()
        for secret in signing_secrets
    )
    return " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)


def enable(endpoint: WebhookEndpoint) -> None:
    """Staff say that it works again. What waited is sent now; what happened meanwhile is not made up for."""
    newest = ServerEvent.objects.aggregate(newest=Max("pk"))["newest"]
    again = {"is_enabled": True, "disabled_because": "", "failing_since": None, "first_event": newest or 0}
    WebhookEndpoint.objects.filter(pk=endpoint.pk, is_enabled=False).update(**again)
