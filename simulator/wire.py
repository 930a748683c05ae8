"""Requests and responses, the same over HTTP and through the in-process adapter."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from django.utils import timezone
from requests.structures import CaseInsensitiveDict

Json = dict[str, Any]
ConnectionFault = Literal["refuse", "connect_timeout", "reset", "silence"]

JSON = "application/json"
JSON_HEADERS = {"Content-Type": JSON}


@dataclass(frozen=True)
class Request:
    """`moment`: when it arrived, by the simulator's clock."""

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
    """`connection_fault`: break the connection instead. `delay_seconds`: wait before the response."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=lambda: JSON_HEADERS)
    connection_fault: ConnectionFault | None = None
    delay_seconds: int = 0


Handler = Callable[..., Response]


class ApiError(Exception):
    """An error response of PhonePe."""

    def __init__(self, status: int, body: Json) -> None:
        super().__init__(body)
        self.response = json_response(body, status)


def to_json(body: Json) -> bytes:
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()


def json_response(body: Json, status: int = 200) -> Response:
    return Response(status, to_json(body))


def error_body(code: str, message: str) -> Json:
    """The body of most errors, in V1 and V2."""
    return {"success": False, "code": code, "message": message, "data": {}}


def read_object(body: bytes) -> Json | None:
    """The JSON object in `body`; None for anything else, however deep or broken it is."""
    try:
        read = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return read if isinstance(read, dict) else None
