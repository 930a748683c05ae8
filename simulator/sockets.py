"""Resets or holds a real connection, where the server gives access to its socket."""

import os
import select
import socket
import struct
from collections.abc import Mapping
from threading import BoundedSemaphore
from typing import Any

from django.db import connections

PROCESS_SOCKET = "simulator.socket"
GUNICORN_SOCKET = "gunicorn.socket"
RESET_AT_CLOSE = struct.pack("ii", 1, 0)
SILENCE_SECONDS = 120
waiting_slots = BoundedSemaphore(2)


def break_connection(environ: Mapping[str, Any], connection_fault: str) -> bool:
    """False when this server gives no access to its socket.

    An accepted connection can no longer be refused: `refuse` and `connect_timeout` become a reset.
    """
    connection = environ.get(PROCESS_SOCKET) or environ.get(GUNICORN_SOCKET)
    if connection is None:
        return False
    if connection_fault == "silence":
        wait_for_caller(environ, SILENCE_SECONDS)
    # Sends RST now, and leaves the server a socket whose other end is closed. The server still owns the descriptor: if
    # we closed it, a later close could hit another connection.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
    ours, theirs = socket.socketpair()
    theirs.close()
    with ours:
        os.dup2(ours.fileno(), connection.fileno())
    return True


def wait_for_caller(environ: Mapping[str, Any], seconds: int) -> None:
    """Sleeps until the caller hangs up (its socket becomes readable), at most `seconds`.

    Inside the shop's server at most two requests wait, because the shop needs its threads; others return at once.
    """
    connections.close_all()  # do not hold a database connection while waiting
    connection = environ.get(PROCESS_SOCKET) or environ.get(GUNICORN_SOCKET)
    in_site = PROCESS_SOCKET not in environ
    if in_site and not waiting_slots.acquire(blocking=False):
        return
    try:
        select.select([connection] if connection else [], [], [], seconds)
    finally:
        if in_site:
            waiting_slots.release()
