"""The body of a request, read whole before Django looks at it: with or without a length, bounded in size and time.

Proxies, CDNs and tunnels send bodies with `Transfer-Encoding: chunked` and no Content-Length. Django takes such a
body for an empty one. And a body that never ends would keep a thread of the server for ever.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from io import BytesIO
from typing import Any

from django.conf import settings
from gunicorn.http.errors import ParseException

Environ = dict[str, Any]

FAULT = "okpuja.body_fault"  # where `okpuja.middleware` finds a `Fault` in the WSGI environment
AT_ONCE = 0.001  # seconds
PIECE, MOST_PASSED = 65_536, 8 * 1_048_576  # bytes


class Fault(Enum):
    """Why a body was not read."""

    UNREADABLE = "unreadable"
    TOO_LARGE = "too large"
    TOO_SLOW = "too slow"
    NO_LENGTH = "no length"


class BodyNotRead(Exception):
    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.value)
        self.fault = fault


def read_ahead(environ: Environ) -> None:
    """Replaces the stream by the body itself, with its length, or by nothing and the `Fault`."""
    try:
        body = _read(environ)
    except BodyNotRead as refused:
        environ[FAULT] = refused.fault
        body = b""
    if body is not None:
        environ["wsgi.input"], environ["CONTENT_LENGTH"] = BytesIO(body), str(len(body))
        environ.pop("HTTP_TRANSFER_ENCODING", None)


def _read(environ: Environ) -> bytes | None:
    """None: the server says nothing of a body, and could not say where one ends."""
    length, coding = environ.get("CONTENT_LENGTH", ""), environ.get("HTTP_TRANSFER_ENCODING", "")
    has_end = environ.get("wsgi.input_terminated", False)
    if coding and (length or coding.strip().lower() != "chunked"):
        raise BodyNotRead(Fault.UNREADABLE)
    if coding and not has_end:
        raise BodyNotRead(Fault.NO_LENGTH)
    if not (length or has_end):
        return None
    if length and not (length.isascii() and length.isdigit()):
        raise BodyNotRead(Fault.UNREADABLE)
    body = _bounded(environ)
    if length and len(body) < int(length):
        raise BodyNotRead(Fault.UNREADABLE)
    return body


def _bounded(environ: Environ) -> bytes:
    limit, length = settings.DATA_UPLOAD_MAX_MEMORY_SIZE, environ.get("CONTENT_LENGTH", "")
    size = min(int(length), limit + 1) if length else limit + 1
    # Without a length and chunks the server knows that nothing follows: there is nothing to wait for.
    may_wait = length not in ("", "0") or "HTTP_TRANSFER_ENCODING" in environ
    try:
        with _hurry(environ.get("gunicorn.socket") if may_wait else None, settings.REQUEST_BODY_SECONDS):
            body: bytes = environ["wsgi.input"].read(size)
            if len(body) > limit:
                _let_pass(environ["wsgi.input"])
    except TimeoutError as error:
        raise BodyNotRead(Fault.TOO_SLOW) from error
    except (OSError, ParseException) as error:  # the caller hung up; chunks that are none
        raise BodyNotRead(Fault.UNREADABLE) from error
    if len(body) > limit:
        raise BodyNotRead(Fault.TOO_LARGE)
    return body


def _let_pass(stream: Any) -> None:
    """Reads on without keeping anything: who is still speaking does not hear that it was too much."""
    passed = 0
    while passed < MOST_PASSED and (piece := stream.read(PIECE)):
        passed += len(piece)


@contextmanager
def _hurry(connection: Any, seconds: float) -> Iterator[None]:
    """Lets reads from `connection` raise TimeoutError when `seconds` are over, after twice that time at most.

    The server reads as often as it needs to, and each read has a time of its own. So when the time is over, the
    next one gets none.
    """
    if connection is None:
        yield
        return
    lock, before = threading.Lock(), connection.gettimeout()
    is_over = False

    def end() -> None:
        with lock:
            if not is_over:
                connection.settimeout(AT_ONCE)

    connection.settimeout(seconds)
    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        with lock:
            is_over = True
            connection.settimeout(before)
