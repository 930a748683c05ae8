"""Reads the body of a request before Django does: with or without a length, bounded in size and time.

Proxies, CDNs and tunnels send bodies with `Transfer-Encoding: chunked` and no Content-Length. Django treats such a body
as empty. A body that never ends would never free its thread of the server; a few slow ones would keep all threads.
"""

import re
import socket
import threading
from contextlib import suppress
from enum import Enum
from io import BytesIO
from typing import Any

from django.conf import settings
from gunicorn.http.errors import ParseException

from core.waiting import WaitSlots

Environ = dict[str, Any]

FAULT = "okpuja.body_fault"  # where `core.middleware` finds a `Fault` in the WSGI environment
SECONDS_WITHOUT_SLOT = 1  # a body that comes from a proxy is there at once
CHUNK_BYTES, MAX_DISCARDED_BYTES = 65_536, 8 * 1_048_576

# Calls to PhonePe take half of the server's threads at most, waits a quarter, slow bodies an eighth.
body_slots = WaitSlots(max(settings.PHONEPE_CALLS_AT_ONCE // 4, 1))


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


def body_limit(path: str) -> int:
    """Bytes. A few routes take a picture; of those with an id, 0 stands for each."""
    plain = re.sub(r"/[0-9]+(?=/|$)", "/0", re.sub("/+", "/", path).rstrip("/"))
    return (
        settings.UPLOAD_BODY_BYTES if plain in settings.UPLOAD_PATHS else settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    )


def buffer_body(environ: Environ) -> None:
    """Replaces the stream by the complete body and its length, or by an empty body and the `Fault`."""
    try:
        body = _read_body(environ)
    except BodyNotRead as refused:
        environ[FAULT] = refused.fault
        body = b""
    if body is not None:
        environ["wsgi.input"], environ["CONTENT_LENGTH"] = BytesIO(body), str(len(body))
        environ.pop("HTTP_TRANSFER_ENCODING", None)


def _read_body(environ: Environ) -> bytes | None:
    """None: the request has no body, or none whose end this server could find. Raises BodyNotRead."""
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
    return _read_bounded(environ)


def _read_bounded(environ: Environ) -> bytes:
    limit, length = body_limit(environ.get("PATH_INFO", "")), environ.get("CONTENT_LENGTH", "")
    size = min(int(length), limit + 1) if length else limit + 1
    # A request without a length and without chunks has no body: there is nothing to wait for.
    may_wait = length not in ("", "0") or "HTTP_TRANSFER_ENCODING" in environ
    reading = _TimedRead(environ.get("gunicorn.socket") if may_wait else None)
    try:
        with reading:
            body: bytes = environ["wsgi.input"].read(size)
            discarded = 0
            # A client that is still sending does not read the answer, so the rest is read, too.
            while len(body) > limit and discarded < MAX_DISCARDED_BYTES:
                chunk = environ["wsgi.input"].read(CHUNK_BYTES)
                discarded += len(chunk)
                if not chunk:
                    break
    except (OSError, ParseException) as error:  # the client hung up or was cut off; invalid chunks
        raise BodyNotRead(reading.fault(error)) from error
    if len(body) > limit:
        raise BodyNotRead(Fault.TOO_LARGE)
    if length and len(body) < int(length):
        raise BodyNotRead(reading.fault())
    return body


class _TimedRead:
    """Shuts the receiving side of `connection` down when the body is late, so that the read ends at once.

    A socket timeout would count for each read again, and the server reads as often as it needs to.
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
        if self._is_over.wait(min(SECONDS_WITHOUT_SLOT, seconds)):
            return
        with body_slots.reserve() as may_wait:
            if may_wait and self._is_over.wait(seconds - SECONDS_WITHOUT_SLOT):
                return
            with self._lock:
                if self._is_over.is_set():
                    return
                self._is_cut = True
                with suppress(OSError):  # the client has hung up already
                    # The method of the plain class: that of a TLS socket drops its keys, and no answer could be sent.
                    socket.socket.shutdown(connection, socket.SHUT_RD)
