"""Breaking a real connection on purpose, as far as the server in front of us lets go of its socket."""

import os
import select
import socket
import struct
from collections.abc import Mapping
from typing import Any

from django.db import connections

OUR_SERVER = "simulator.socket"
GUNICORN = "gunicorn.socket"
RESET_AT_CLOSE = struct.pack("ii", 1, 0)
SILENT_FOR = 120


def break_off(environ: Mapping[str, Any], breakage: str) -> bool:
    """False when this server keeps its sockets to itself.

    An accepted connection cannot be refused any more: `refuse` and `connect_timeout` become a reset.
    """
    connection = environ.get(OUR_SERVER) or environ.get(GUNICORN)
    if connection is None:
        return False
    if breakage == "silence":
        connections.close_all()  # while the caller waits here, others may need the database
        select.select([connection], [], [], SILENT_FOR)  # readable when the caller has hung up
    _reset(connection)
    return True


def wait(environ: Mapping[str, Any], seconds: int) -> None:
    """Not longer than the caller does, as far as we can see the caller."""
    connections.close_all()
    connection = environ.get(OUR_SERVER) or environ.get(GUNICORN)
    select.select([connection] if connection else [], [], [], seconds)


def _reset(connection: socket.socket) -> None:
    """Sends RST now, and leaves the server a socket that is closed at the other end, to write its answer to.

    The server still owns the descriptor; closing it here could close somebody else's later.
    """
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
    ours, theirs = socket.socketpair()
    theirs.close()
    with ours:
        os.dup2(ours.fileno(), connection.fileno())
