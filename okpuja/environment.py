"""How the environment is read: every variable is text, and what cannot be meant ends the start with a sentence."""

import hashlib
import hmac
import json
import os
import re
import unicodedata
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit
from zoneinfo import ZoneInfo

import dj_database_url
from django.core.exceptions import ImproperlyConfigured

RATE = re.compile(r"[1-9]\d*/(s|sec|second|m|min|minute|h|hour|d|day)")
HIGHEST_RATE = 100_000
CACHE_ENTRIES = 1_000_000
UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # Unicode's controls, marks without a shape, bytes that are no text
PARTS = re.compile(r"[|=]")  # of URL|proxy=URL
PAGE = re.compile(r"(?:/[A-Za-z0-9_-]+)+")
HEADER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
COLOUR = re.compile(r"#[0-9a-f]{6}")
LEAST_CONTRAST = 4.5
PICTURES, LARGEST_PICTURE = (".svg", ".png", ".webp", ".jpg"), 20_480
LONGEST_PURPOSE = 100
LONGEST_HOURS_AHEAD = 366 * 24  # bookings open one year ahead


# Between the letters of Indian scripts these two are seen: they join and part them.
JOINERS = "\u200c\u200d"
QUOTATION_MARKS = "\"'`\u2018\u2019\u201c\u201d\u00ab\u00bb"
LINES = "\r\n\t"

# Of every numeric setting, as it was read: least and greatest value.
BOUNDS: dict[str, tuple[int, int]] = {}


def text(name: str, default: str = "") -> str:
    """A value that has been typed for people."""
    return _raw(name, allowed=JOINERS) or default


def secret(name: str, default: str = "") -> str:
    """A secret, an address, a path: whatever has to be the same, letter by letter, somewhere else."""
    return _raw(name, is_exact=True) or default


def credential(name: str) -> str:
    """What PhonePe's dashboard shows, or what travels in a header: letters, digits and signs of ASCII."""
    value = secret(name)
    if not value.isascii() or " " in value:
        raise ImproperlyConfigured(
            f"{name} must have no spaces and no letters beyond ASCII in it: copy it again"
        )
    return value


def former_credentials(name: str) -> Any:
    """JSON, on any number of lines. The rule of secrets holds for each text in it."""
    value = os.environ.get(name, "").strip()
    _refuse_unmeant(name, value, allowed=LINES)
    try:
        parsed = json.loads(value or "[]")
    except json.JSONDecodeError as error:
        raise ImproperlyConfigured(f"{name} must be a JSON list of former credentials") from error
    for entry in parsed if isinstance(parsed, list) else ():
        for key, text_of_it in entry.items() if isinstance(entry, dict) else ():
            _refuse_unmeant(f"{name}: {key}", str(text_of_it), is_exact=True)
    return parsed


def variables_set() -> list[str]:
    """The names of all variables that are not empty. Their values stay unread."""
    return sorted(name for name, value in os.environ.items() if value.strip())


def _raw(name: str, *, is_exact: bool = False, allowed: str = "") -> str:
    value = os.environ.get(name, "")
    _refuse_unmeant(name, value, is_exact=is_exact, allowed=allowed)
    return value


def _refuse_unmeant(name: str, value: str, *, is_exact: bool = False, allowed: str = "") -> None:
    """The one rule for all variables: nothing around a value that only looks like a part of it, nothing unseen in it.

    `docker --env-file` keeps quotation marks, a mounted secret ends with a line end, a copied one with a space: the
    key then differs from PhonePe's, and looks like one of another environment. A value is not quoted: it may be secret.
    """
    ends = [letter in QUOTATION_MARKS for letter in (value[:1], value[-1:]) if letter]
    if (is_exact and any(ends)) or (len(value) > 1 and all(ends)):
        raise ImproperlyConfigured(
            f"{name} has quotation marks around its value, which `docker --env-file` keeps: take them away"
        )
    if value != value.strip():
        raise ImproperlyConfigured(f"{name} has a space or a line end around its value: take it away")
    if any(unicodedata.category(letter) in UNSEEN for letter in value if letter not in allowed):
        raise ImproperlyConfigured(
            f"{name} contains an invisible character, such as a line end or a zero-width space: type it again"
        )


def boolean(name: str, default: bool) -> bool:
    value = text(name, str(default)).lower()
    if value not in {"true", "false", "1", "0"}:
        raise ImproperlyConfigured(f"{name} must be True or False, not {value!r}")
    return value in {"true", "1"}


def number(name: str, default: int, *, at_least: int = 0, at_most: int) -> int:
    """The value is not quoted: beside PHONEPE_SALT_INDEX stands a secret, easily put into the wrong line.

    Every number has both bounds: a digit too many would stop payments later, far from here.
    """
    BOUNDS[name] = (at_least, at_most)
    value = text(name, str(default))
    if not value.isascii() or not value.isdigit() or int(value) < at_least:
        raise ImproperlyConfigured(f"{name} must be a whole number of at least {at_least}")
    if int(value) > at_most:
        raise ImproperlyConfigured(f"{name} must be a whole number of at most {at_most}")
    return int(value)


def rate(name: str, default: str) -> str:
    value = text(name, default)
    if not RATE.fullmatch(value) or int(value.partition("/")[0]) > HIGHEST_RATE:
        raise ImproperlyConfigured(
            f"{name} must be like 10/min: a number up to {HIGHEST_RATE} per sec, min, hour or day"
        )
    return value


def time_zone(name: str, default: str) -> str:
    value = text(name, default)
    try:
        return ZoneInfo(value).key
    except (KeyError, OSError, ValueError) as error:  # not found, a folder of zones, a path
        raise ImproperlyConfigured(f"{name} must be a time zone like {default}") from error


def words(
    name: str, default: str = "", parse: Callable[[str], object] = str, *, is_exact: bool = True
) -> list[str]:
    """Comma-separated. `parse` raises ValueError for a word that cannot be meant."""
    names = [word.strip() for word in (_raw(name) or default).split(",") if word.strip()]
    for part in (part.strip() for word in names for part in PARTS.split(word)):
        _refuse_unmeant(name, part, is_exact=is_exact)
    try:
        return [word for word in names if parse(word) is not None]
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}: {error}") from error


def web_address(word: str) -> SplitResult:
    parts = urlsplit(word)
    if (
        parts.scheme not in {"http", "https"}
        or not parts.hostname
        or parts.port == 0
        or len(word.split()) > 1
    ):
        raise ValueError(f"{word!r} is no http or https address")
    return parts


def origin(word: str) -> str:
    """Compared letter by letter with what browsers send: a path, even a single slash, is never the same."""
    parts = web_address(word)
    is_implied = parts.port == {"http": 80, "https": 443}[parts.scheme]
    if word != f"{parts.scheme}://{parts.netloc}".lower() or parts.username or is_implied:
        raise ValueError(f"{word!r} is no origin like https://www.example.com, without a slash at its end")
    return word


def frontend(word: str) -> str:
    """`URL` or `URL|waiting=/page`. The page is a path of that site: it must not lead to another one."""
    url, has_page, page = word.partition("|waiting=")
    parts = web_address(url)
    if "|" in url + page or parts.username or parts.query or parts.fragment:
        raise ValueError(f"{url!r} is no address of a site like https://www.example.com")
    if has_page and page and not PAGE.fullmatch(page):
        raise ValueError(f"{page!r} is no page like /payment-pending")
    return word


def host_name(word: str) -> str:
    """As Django compares it: without scheme, port and path."""
    if "/" in word or (":" in word and not word.startswith("[")) or word.split() != [word]:
        raise ValueError(f"{word!r} is no host name like www.example.com")
    return word


def header_name(word: str) -> str:
    if not HEADER_NAME.fullmatch(word):
        raise ValueError(f"{word!r} is no name of a header")
    return word


def address(name: str, default: str = "") -> str:
    """An http or https address, or "". A wrong one is not quoted: some are their own keys."""
    url = secret(name, default)
    try:
        return url and web_address(url).geturl()
    except ValueError as error:
        raise ImproperlyConfigured(
            f"{name} must be an http or https address, with a port up to 65535"
        ) from error


def simulator_target(url: str) -> str:
    """The origin of a simulator on this machine, else "". `payment.phonepe` says what is no address."""
    try:
        parts = urlsplit(url)
    except ValueError:  # http://[bad
        return ""
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme == "http" else ""


def name_server(word: str) -> tuple[IPv4Address | IPv6Address, int]:
    """`address` or, for IPv4, `address:port`."""
    host, _, port = word.partition(":") if word.count(":") == 1 else (word, "", "53")
    return ip_address(host), int(port)


def colour(name: str, default: str) -> str:
    """`#rrggbb`, as dark as white letters on it need (WCAG 2: a contrast of 4.5)."""
    value = text(name, default).lower()
    if not COLOUR.fullmatch(value):
        raise ImproperlyConfigured(f"{name} must be a colour like {default}")
    shares = (int(value[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (
        each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in shares
    )
    if 1.05 / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05) < LEAST_CONTRAST:
        raise ImproperlyConfigured(f"{name} is too light: white letters on it cannot be read")
    return value


def picture(name: str) -> str:
    """The path of a small picture, or "". Pages on slow networks load it: 20 KB at most."""
    value = secret(name)
    if not value:
        return ""
    path = Path(value)
    if path.suffix.lower() not in PICTURES or not path.is_file() or path.stat().st_size > LARGEST_PICTURE:
        raise ImproperlyConfigured(
            f"{name} must be the path of a file {', '.join(PICTURES)} of at most 20 KB"
        )
    return value


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


def amounts(name: str, default: str, at_most: int) -> list[int]:
    """`101,501`: whole rupees, the least first; empty: none."""
    words = [word.strip() for word in text(name, default).split(",") if word.strip()]
    if not all(word.isdecimal() and 1 <= int(word) <= at_most for word in words):
        raise ImproperlyConfigured(f"{name} must be rupees like 101,501, each up to {at_most}")
    return sorted({int(word) for word in words})


def purposes(name: str) -> list[tuple[str, str]]:
    """`English=Hindi|English=Hindi|…`; without the second, in English for all."""
    found = []
    for line in text(name).split("|"):
        english, _is, hindi = (part.strip() for part in line.partition("="))
        if max(len(english), len(hindi)) > LONGEST_PURPOSE or (hindi and not english):
            raise ImproperlyConfigured(f"{name}: each is at most {LONGEST_PURPOSE} letters, English=Hindi")
        if english:
            found.append((english, hindi))
    return found


def hours_ahead(name: str, default: str) -> list[int]:
    """`24,1`: whole hours, the longest first; empty: none."""
    words = [word.strip() for word in text(name, default).split(",") if word.strip()]
    if not all(word.isdecimal() and 1 <= int(word) <= LONGEST_HOURS_AHEAD for word in words):
        raise ImproperlyConfigured(f"{name} must be hours like 24,1, each up to {LONGEST_HOURS_AHEAD}")
    return sorted({int(word) for word in words}, reverse=True)


def simulator_credentials(key: str) -> dict[str, dict[str, str]]:
    """The keys of the embedded simulated PhonePe, for it and for the shop: others in each installation."""

    def derive(name: str, length: int = 48) -> str:
        return hmac.new(key.encode(), f"simulator.{name}".encode(), hashlib.sha256).hexdigest()[:length]

    return {
        "v1": {"merchant_id": "PGTESTPAYUAT", "salt_key": derive("salt_key")},
        "v2": {
            "merchant_id": "SIMMERCHANT",
            "client_secret": derive("client_secret"),
            "webhook_password": derive("webhook_password", 20),  # PhonePe allows no longer one
            "webhook_secret": derive("webhook_secret"),
        },
    }


def database(url: str, setting: str = "DATABASE_URL", *, pool_size: int = 20) -> dict[str, Any]:
    try:
        config: dict[str, Any] = dict(dj_database_url.parse(url))
    except ValueError as error:
        raise ImproperlyConfigured(f"{setting} must be like postgresql://user:password@host/name") from error
    if config["ENGINE"].endswith("sqlite3"):
        # IMMEDIATE takes the write lock when a transaction begins. Django's default takes it at the first
        # write, and two requests that have both read then fail at once with "database is locked".
        # FULL: what PhonePe was told is kept must outlive a power cut. NORMAL may lose the last commits then.
        config["OPTIONS"] = {
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
            "timeout": 5,
        }
        return config
    # A payment waits for a lock for three seconds, then the caller gets "busy" and may try again. JIT has compiled
    # statements for three seconds that PostgreSQL expected to read a million rows, and that read a thousand.
    parameters = {
        "lock_timeout": 3_000,
        "statement_timeout": 15_000,
        "idle_in_transaction_session_timeout": 20_000,
        "jit": "off",
    }
    # A server or a firewall that is gone without a word is noticed within half a minute: the system's default is a
    # quarter of an hour.
    network = {
        "connect_timeout": 5,
        "tcp_user_timeout": 10_000,
        "keepalives": 1,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
    }
    # The pool tries to connect again after a second and after two; then the next request does. Its own default is to
    # double the pause for five minutes: no request would be served for a minute after a minute without a server.
    pool = {"min_size": 0, "max_size": pool_size, "timeout": 5, "reconnect_timeout": 2}
    given = config.get("OPTIONS", {})
    options = [f"-c {name}={value}" for name, value in parameters.items()]
    options += (
        [given["options"]] if "options" in given else []
    )  # `?currentSchema=…`, for one; the last one counts
    config["ENGINE"] = "core.postgresql"
    config["OPTIONS"] = network | given | {"options": " ".join(options), "pool": pool}
    return config


def cache(url: str) -> dict[str, Any]:
    """PhonePe's token and the last diagnosis are shared between processes: by default through the database."""
    scheme, _, rest = url.partition("://")
    _port(url, "CACHE_URL must be like redis://host:6379/0")
    backends = {
        "db": ("django.core.cache.backends.db.DatabaseCache", rest or "cache"),
        "locmem": ("django.core.cache.backends.locmem.LocMemCache", rest),
        "redis": ("core.cache.SharedCache", url),
        "rediss": ("core.cache.SharedCache", url),
    }
    if scheme not in backends:
        raise ImproperlyConfigured(f"CACHE_URL must start with one of {', '.join(backends)}, not {scheme!r}")
    backend, location = backends[scheme]
    # Django's default, 300, lets the smallest key go, which may be PhonePe's token. Redis has a limit of its own.
    limit = {} if scheme.startswith("redis") else {"OPTIONS": {"MAX_ENTRIES": CACHE_ENTRIES}}
    return {"BACKEND": backend, "LOCATION": location, **limit}


def mail(url: str) -> dict[str, Any]:
    """Django's mail settings. By default mails are files, for any mail program to open."""
    port = _port(
        url, "EMAIL_URL must be like smtp+tls://user:password@host:587, with %2F for a / in the password"
    )
    parts = urlsplit(url)
    for login in (parts.username, parts.password):
        _refuse_unmeant("EMAIL_URL", unquote(login or ""))
    backends = {
        "file": "notifications.backends.MailFolder",
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
    """A wrong port is not quoted: it may be the second half of a password."""
    try:
        return urlsplit(url).port
    except ValueError:
        raise ImproperlyConfigured(hint) from None
