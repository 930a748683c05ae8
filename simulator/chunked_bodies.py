"""Reads bodies with `Transfer-Encoding: chunked`, which Django's development server does not support."""

import re
from email.message import Message
from typing import BinaryIO

MAX_BYTES = 1_048_576  # bytes of a body
MAX_LINE_BYTES, MAX_TRAILERS = 8_192, 100
SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(;[^\r\n]*)?\r\n")


class InvalidBody(ValueError):
    """`status`: the HTTP status of the response."""

    def __init__(self, status: int = 400) -> None:
        super().__init__(status)
        self.status = status


def is_chunked(headers: Message) -> bool:
    """Raises InvalidBody for an unknown coding, and for a body with two lengths."""
    coding = headers.get("Transfer-Encoding", "").strip().lower()
    if coding and (coding != "chunked" or "Content-Length" in headers):
        raise InvalidBody
    return bool(coding)


def read(stream: BinaryIO) -> bytes:
    """The whole body. Raises InvalidBody when it is truncated, malformed, or larger than MAX_BYTES."""
    body = b""
    while True:
        match = SIZE.fullmatch(_read_line(stream))
        if match is None:
            raise InvalidBody
        size = int(match[1], 16)
        if size == 0:
            break
        if len(body) + size > MAX_BYTES:
            raise InvalidBody(413)
        body += _read_exactly(stream, size)
        if _read_exactly(stream, 2) != b"\r\n":
            raise InvalidBody
    for _ in range(MAX_TRAILERS):  # trailers are ignored
        if _read_line(stream) == b"\r\n":
            return body
    raise InvalidBody


def _read_line(stream: BinaryIO) -> bytes:
    data = stream.readline(MAX_LINE_BYTES)
    if not data.endswith(b"\n"):
        raise InvalidBody
    return data


def _read_exactly(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise InvalidBody
    return data
