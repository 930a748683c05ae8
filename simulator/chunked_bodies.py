"""Bodies with `Transfer-Encoding: chunked`, which the server of the process does not know."""

import re
from email.message import Message
from typing import BinaryIO

LIMIT = 1_048_576  # bytes of a body
LONGEST_LINE, MOST_TRAILERS = 8_192, 100
SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(;[^\r\n]*)?\r\n")


class Unreadable(ValueError):
    """`status` is what HTTP answers to it."""

    def __init__(self, status: int = 400) -> None:
        super().__init__(status)
        self.status = status


def is_chunked(headers: Message) -> bool:
    """Raises Unreadable for a coding that is not known, and for a body with two lengths."""
    coding = headers.get("Transfer-Encoding", "").strip().lower()
    if coding and (coding != "chunked" or "Content-Length" in headers):
        raise Unreadable
    return bool(coding)


def read(line: BinaryIO) -> bytes:
    """The whole body. Raises Unreadable for one that is cut off, is none, or is larger than LIMIT."""
    body = b""
    while size := _size(line):
        if len(body) + size > LIMIT:
            raise Unreadable(413)
        body += _exactly(line, size)
        if _exactly(line, 2) != b"\r\n":
            raise Unreadable
    for _ in range(MOST_TRAILERS):  # nobody reads them
        if _line(line) == b"\r\n":
            return body
    raise Unreadable


def _size(line: BinaryIO) -> int:
    told = SIZE.fullmatch(_line(line))
    if told is None:
        raise Unreadable
    return int(told[1], 16)


def _line(line: BinaryIO) -> bytes:
    said = line.readline(LONGEST_LINE)
    if not said.endswith(b"\n"):
        raise Unreadable
    return said


def _exactly(line: BinaryIO, size: int) -> bytes:
    said = line.read(size)
    if len(said) < size:
        raise Unreadable
    return said
