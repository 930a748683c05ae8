"""Breaking a real connection on purpose, as far as the server in front of us lets go of its socket."""

import os
import select
import socket
import struct
from collections.abc import Mapping
from threading import BoundedSemaphore
from typing import Any

from django.db import connections

OUR_SERVER = "simulator.socket"
GUNICORN = "gunicorn.socket"
RESET_AT_CLOSE = struct.pack("ii", 1, 0)
SILENT_FOR = 120
places_in_the_shop = BoundedSemaphore(2)


def break_off(environ: Mapping[str, Any], breakage: str) -> bool:
    """False when this server keeps its sockets to itself.

    An accepted connection cannot be refused any more: `refuse` and `connect_timeout` become a reset.
    """
    connection = environ.get(OUR_SERVER) or environ.get(GUNICORN)
    if connection is None:
        return False
    if breakage == "silence":
        wait(environ, SILENT_FOR)
    _reset(connection)
    return True


def wait(environ: Mapping[str, Any], seconds: int) -> None:
    """Not longer than the caller does, as far as we can see the caller: readable is who has hung up.

    In the shop's own server threads are few, and the shop needs them: beyond two nobody is late or silent there.
    """
    connections.close_all()  # while the caller waits here, others may need the database
    connection = environ.get(OUR_SERVER) or environ.get(GUNICORN)
    is_shops = OUR_SERVER not in environ
    if is_shops and not places_in_the_shop.acquire(blocking=False):
        return
    try:
        select.select([connection] if connection else [], [], [], seconds)
    finally:
        if is_shops:
            places_in_the_shop.release()


def _reset(connection: socket.socket) -> None:
    """Sends RST now, and leaves the server a socket that is closed at the other end, to write its answer to.

    The server still owns the descriptor; closing it here could close somebody else's later.
    """
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
    ours, theirs = socket.socketpair()
    theirs.close()
    with ours:
        os.dup2(ours.fileno(), connection.fileno())
