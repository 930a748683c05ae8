"""What goes in and what comes out, whichever door it takes: HTTP or the in-process adapter."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from django.utils import timezone
from requests.structures import CaseInsensitiveDict

Json = dict[str, Any]
Breakage = Literal["refuse", "connect_timeout", "reset", "silence"]

JSON = "application/json"
JSON_HEADERS = {"Content-Type": JSON}


@dataclass(frozen=True)
class Request:
    """`moment`: when it came, by PhonePe's clock."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=CaseInsensitiveDict)
    body: bytes = b""
    moment: datetime = field(default_factory=timezone.now)

    @property
    def content_type(self) -> str:
        """Without its parameters, in lower case; "" when none was sent."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()


@dataclass(frozen=True)
class Response:
    """`breakage` tells the door to break the connection instead of answering, `seconds_late` to wait before."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=lambda: JSON_HEADERS)
    breakage: Breakage | None = None
    seconds_late: int = 0


Handler = Callable[..., Response]


class Refused(Exception):
    """A request that PhonePe would refuse, with what it would say."""

    def __init__(self, status: int, said: Json) -> None:
        super().__init__(said)
        self.response = answer(said, status)


def compact(said: Json) -> bytes:
    return json.dumps(said, separators=(",", ":"), ensure_ascii=False).encode()


def answer(said: Json, status: int = 200) -> Response:
    return Response(status, compact(said))


def refusal(code: str, message: str) -> Json:
    """How both generations word most refusals."""
    return {"success": False, "code": code, "message": message, "data": {}}


def read_object(body: bytes) -> Json | None:
    """The JSON object in `body`; None for anything else, however deep or broken it is."""
    try:
        read = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return read if isinstance(read, dict) else None
