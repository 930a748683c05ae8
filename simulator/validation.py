"""Validation of fields that V1 and V2 share."""

import json
import re
from collections.abc import Collection
from typing import Any
from urllib.parse import urlsplit

MIN_PAISE, MAX_PAISE = 100, 10**13
REFERENCE = re.compile(r"[A-Za-z0-9_-]+")
# DNS labels, or the inside of a bracketed IPv6 address.
HOST = re.compile(rb"(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}\.?|[0-9a-f]*:[0-9a-f:.]*")
# NUL and lone surrogates: valid in JSON, but not in a database or in UTF-8.
UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")


def is_paise(value: Any) -> bool:
    """An integer of at least one rupee. `type()`, because True is an int in Python."""
    return type(value) is int and MIN_PAISE <= value <= MAX_PAISE


def is_reference(value: Any, longest: int) -> bool:
    return is_text(value, longest) and REFERENCE.fullmatch(value) is not None


def is_text(value: Any, longest: int) -> bool:
    return isinstance(value, str) and len(value) <= longest and UNSTORABLE.search(value) is None


def is_encodable(value: Any) -> bool:
    """Whether it can be encoded as UTF-8: it has no lone surrogate."""
    return UNSTORABLE.search(json.dumps(value, ensure_ascii=False)) is None


def is_url(value: Any) -> bool:
    if not is_text(value, 2000):
        return False
    try:
        parts = urlsplit(value)
        host = (parts.hostname or "").encode("idna")
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and HOST.fullmatch(host) is not None


def is_object(value: Any, members: Collection[str]) -> bool:
    """An object with documented members only; PhonePe rejects others."""
    return isinstance(value, dict) and value.keys() <= set(members)
