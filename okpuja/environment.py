"""How the environment is read: every variable is text, and what cannot be meant ends the start with a sentence."""

import os
import re
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit
from zoneinfo import ZoneInfo

from django.core.exceptions import ImproperlyConfigured

RATE = re.compile(r"[1-9]\d*/(s|sec|second|m|min|minute|h|hour|d|day)")
LONGEST_HOURS_AHEAD = 366 * 24  # bookings open one year ahead


def text(name: str, default: str = "") -> str:
    return os.environ.get(name, "").strip() or default


def boolean(name: str, default: bool) -> bool:
    value = text(name, str(default)).lower()
    if value not in {"true", "false", "1", "0"}:
        raise ImproperlyConfigured(f"{name} must be True or False, not {value!r}")
    return value in {"true", "1"}


def number(name: str, default: int, at_least: int = 0, at_most: int | None = None) -> int:
    """The value is not quoted: beside PHONEPE_SALT_INDEX stands a secret, easily put into the wrong line."""
    value = text(name, str(default))
    if not value.isascii() or not value.isdigit() or int(value) < at_least:
        raise ImproperlyConfigured(f"{name} must be a whole number of at least {at_least}")
    if at_most is not None and int(value) > at_most:
        raise ImproperlyConfigured(f"{name} must be a whole number of at most {at_most}")
    return int(value)


def rate(name: str, default: str) -> str:
    value = text(name, default)
    if not RATE.fullmatch(value):
        raise ImproperlyConfigured(f"{name} must be like 10/min: a number per sec, min, hour or day")
    return value


def time_zone(name: str, default: str) -> str:
    value = text(name, default)
    try:
        return ZoneInfo(value).key
    except (KeyError, OSError, ValueError) as error:  # not found, a folder of zones, a path
        raise ImproperlyConfigured(f"{name} must be a time zone like {default}") from error


def words(name: str, default: str = "", parse: Callable[[str], object] = str) -> list[str]:
    """Comma-separated. `parse` raises ValueError for a word that cannot be meant."""
    found = [word.strip() for word in text(name, default).split(",") if word.strip()]
    try:
        return [word for word in found if parse(word) is not None]
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}: {error}") from error


def web_address(word: str) -> SplitResult:
    parts = urlsplit(word)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.port == 0:
        raise ValueError(f"{word!r} is no http or https address")
    return parts


def address(name: str, default: str = "") -> str:
    """An http or https address, or "". A wrong one is not quoted: some are their own keys."""
    found = text(name, default)
    try:
        return found and web_address(found).geturl()
    except ValueError as error:
        raise ImproperlyConfigured(
            f"{name} must be an http or https address, with a port up to 65535"
        ) from error


def name_server(word: str) -> tuple[IPv4Address | IPv6Address, int]:
    """`address` or, for IPv4, `address:port`."""
    host, _, port = word.partition(":") if word.count(":") == 1 else (word, "", "53")
    return ip_address(host), int(port)


def choice(name: str, default: str, choices: tuple[str, ...]) -> str:
    value = text(name, default)
    if value not in choices:
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(choices)}, not {value!r}")
    return value


def refund_policy(table: str) -> list[tuple[int, int]]:
    """`48:100,24:50`: 48 hours ahead all goes back, 24 hours ahead half. Longest time first."""
    rows = [row.split(":") for row in table.split(",")]
    if not all(len(row) == 2 and all(word.strip().isdecimal() for word in row) for row in rows):
        raise ImproperlyConfigured(f"REFUND_POLICY must be HOURS:PERCENT,…, not {table!r}")
    policy = sorted(((int(hours), int(percent)) for hours, percent in rows), reverse=True)
    if any(percent > 100 for _, percent in policy):
        raise ImproperlyConfigured("REFUND_POLICY gives back more than was paid")
    if policy[0][0] > LONGEST_HOURS_AHEAD:
        raise ImproperlyConfigured("REFUND_POLICY looks further ahead than bookings are taken")
    return policy


def cache(url: str) -> dict[str, str]:
    """Throttles and the last diagnosis are shared between processes: by default through the database."""
    scheme, _, rest = url.partition("://")
    _port(url, "CACHE_URL must be like redis://host:6379/0")
    backends = {
        "db": ("django.core.cache.backends.db.DatabaseCache", rest or "cache"),
        "locmem": ("django.core.cache.backends.locmem.LocMemCache", rest),
        "redis": ("okpuja.cache.SharedCache", url),
        "rediss": ("okpuja.cache.SharedCache", url),
    }
    if scheme not in backends:
        raise ImproperlyConfigured(f"CACHE_URL must start with one of {', '.join(backends)}, not {scheme!r}")
    backend, location = backends[scheme]
    return {"BACKEND": backend, "LOCATION": location}


def mail(url: str) -> dict[str, Any]:
    """Django's mail settings. By default mails are files, for any mail program to open."""
    port = _port(
        url, "EMAIL_URL must be like smtp+tls://user:password@host:587, with %2F for a / in the password"
    )
    parts = urlsplit(url)
    backends = {
        "file": "notices.backends.MailFolder",
        "console": "django.core.mail.backends.console.EmailBackend",
        "dummy": "django.core.mail.backends.dummy.EmailBackend",
        **dict.fromkeys(("smtp", "smtp+tls", "smtps"), "django.core.mail.backends.smtp.EmailBackend"),
    }
    if parts.scheme not in backends:
        raise ImproperlyConfigured(
            f"EMAIL_URL must start with one of {', '.join(backends)}, not {parts.scheme!r}"
        )
    return {
        "EMAIL_BACKEND": backends[parts.scheme],
        "EMAIL_FOLDER": unquote(parts.path),
        "EMAIL_HOST": parts.hostname or "localhost",
        "EMAIL_PORT": port or {"smtp": 25, "smtps": 465}.get(parts.scheme, 587),
        "EMAIL_HOST_USER": unquote(parts.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
        "EMAIL_USE_TLS": parts.scheme == "smtp+tls",
        "EMAIL_USE_SSL": parts.scheme == "smtps",
    }


def _port(url: str, hint: str) -> int | None:
    """The words of a wrong port are not passed on: they may be the second half of a password."""
    try:
        return urlsplit(url).port
    except ValueError:
        raise ImproperlyConfigured(hint) from None
