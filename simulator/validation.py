"""What PhonePe accepts in a field, the same in both generations."""

import json
import re
from collections.abc import Collection
from typing import Any
from urllib.parse import urlsplit

LEAST_PAISE, MOST_PAISE = 100, 10**13
REFERENCE = re.compile(r"[A-Za-z0-9_-]+")
# Labels that a name server could know, or what stands in the brackets of an IPv6 address.
HOST = re.compile(rb"(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}\.?|[0-9a-f]*:[0-9a-f:.]*")
# Half a character, or none: JSON can carry them, databases and UTF-8 cannot.
UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")


def is_paise(value: Any) -> bool:
    """A whole number of at least one rupee; Python's True is a number too, JSON's is not."""
    return type(value) is int and LEAST_PAISE <= value <= MOST_PAISE


def is_reference(value: Any, longest: int) -> bool:
    return is_text(value, longest) and REFERENCE.fullmatch(value) is not None


def is_text(value: Any, longest: int) -> bool:
    return isinstance(value, str) and len(value) <= longest and UNSTORABLE.search(value) is None


def is_speakable(value: Any) -> bool:
    """Whether it can go out as UTF-8: nowhere in it is half a character."""
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
    """An object without a member that is not documented: merchants are told not to send any."""
    return isinstance(value, dict) and value.keys() <= set(members)
