"""The body of a request, read whole before Django looks at it: with or without a length, bounded in size and time.

Proxies, CDNs and tunnels send bodies with `Transfer-Encoding: chunked` and no Content-Length. Django takes such a
body for an empty one. And a body that never ends would keep a thread of the server for ever; a few that are only
slow, all of its threads.
"""

import socket
import threading
from contextlib import suppress
from enum import Enum
from io import BytesIO
from typing import Any

from django.conf import settings
from gunicorn.http.errors import ParseException

from core.waiting import Places

Environ = dict[str, Any]

FAULT = "okpuja.body_fault"  # where `core.middleware` finds a `Fault` in the WSGI environment
FREELY = 1  # seconds in which a body may arrive without a place: one that comes from a proxy is there at once
PIECE, MOST_PASSED = 65_536, 8 * 1_048_576  # bytes

# Calls to PhonePe take half of the server's threads at most, waits a quarter, slow bodies an eighth.
places = Places(max(settings.PHONEPE_CALLS_AT_ONCE // 4, 1))


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
    return _bounded(environ)


def _bounded(environ: Environ) -> bytes:
    limit, length = settings.DATA_UPLOAD_MAX_MEMORY_SIZE, environ.get("CONTENT_LENGTH", "")
    size = min(int(length), limit + 1) if length else limit + 1
    # Without a length and chunks the server knows that nothing follows: there is nothing to wait for.
    may_wait = length not in ("", "0") or "HTTP_TRANSFER_ENCODING" in environ
    reading = _Reading(environ.get("gunicorn.socket") if may_wait else None)
    try:
        with reading:
            body: bytes = environ["wsgi.input"].read(size)
            if len(body) > limit:
                _let_pass(environ["wsgi.input"])
    except (OSError, ParseException) as error:  # the caller hung up, or was cut off; chunks that are none
        raise BodyNotRead(reading.fault(error)) from error
    if len(body) > limit:
        raise BodyNotRead(Fault.TOO_LARGE)
    if length and len(body) < int(length):
        raise BodyNotRead(reading.fault())
    return body


def _let_pass(stream: Any) -> None:
    """Reads on without keeping anything: who is still speaking does not hear that it was too much."""
    passed = 0
    while passed < MOST_PASSED and (piece := stream.read(PIECE)):
        passed += len(piece)


class _Reading:
    """Cuts `connection` off when its body is late: the read then ends at once, and the line after the answer.

    The server reads as often as it needs to, and a timeout would be one for each read. So the side that we read is
    shut down instead, whether a read waits there or not.
    """

    def __init__(self, connection: socket.socket | None) -> None:
        self._connection = connection
        self._lock, self._is_over, self._is_cut = threading.Lock(), threading.Event(), False

    def __enter__(self) -> None:
        if self._connection is not None:
            threading.Thread(target=self._watch, args=(self._connection,), daemon=True).start()

    def __exit__(self, *failure: object) -> None:
        with self._lock:
            self._is_over.set()

    def fault(self, error: Exception | None = None) -> Fault:
        return Fault.TOO_SLOW if self._is_cut or isinstance(error, TimeoutError) else Fault.UNREADABLE

    def _watch(self, connection: socket.socket) -> None:
        seconds = settings.REQUEST_BODY_SECONDS
        if self._is_over.wait(min(FREELY, seconds)):
            return
        with places.take() as may_wait:
            if not (may_wait and self._is_over.wait(seconds - FREELY)):
                self._cut(connection)

    def _cut(self, connection: socket.socket) -> None:
        with self._lock:
            if self._is_over.is_set():
                return
            self._is_cut = True
            with suppress(OSError):  # the caller has hung up already
                # Of the plain class: one with TLS would forget its keys, and could not answer.
                socket.socket.shutdown(connection, socket.SHUT_RD)
