"""A connection that can be cut: a TCP forwarder between an installation and PhonePe, or in front of its servers."""

import itertools
import socket
import threading
import time
from collections.abc import Iterator

Address = tuple[str, int]

LOOK_SECONDS = 0.2
BLOCK = 65_536


class Forwarder:
    """Forwards to the first of its targets that takes the call, beginning with another one each time.

    `cut` breaks what is connected and hangs up on whoever calls; `stall` lets callers wait for bytes that never come.
    """

    def __init__(self, targets: list[Address]) -> None:
        self._targets = targets
        self._turns = itertools.count()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self._sockets: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._is_cut = False
        self._is_flowing = threading.Event()
        self._is_flowing.set()
        threading.Thread(target=self._accept, name="forwarder", daemon=True).start()

    @property
    def url(self) -> str:
        return "http://{}:{}".format(*self._listener.getsockname())

    def cut(self) -> None:
        self._is_cut = True
        with self._lock:
            open_sockets, self._sockets = self._sockets, set()
        for each in open_sockets:
            reset(each)

    def stall(self) -> None:
        self._is_flowing.clear()

    def restore(self) -> None:
        self._is_cut = False
        self._is_flowing.set()

    def close(self) -> None:
        self.cut()
        self._is_flowing.set()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                caller, _ = self._listener.accept()
            except OSError:  # closed
                return
            if self._is_cut:
                reset(caller)
            else:
                threading.Thread(target=self._connect, args=(caller,), name="forwarder", daemon=True).start()

    def _connect(self, caller: socket.socket) -> None:
        called = self._call()
        if called is None:
            reset(caller)
            return
        with self._lock:
            self._sockets |= {caller, called}
        back = threading.Thread(target=self._forward, args=(called, caller), name="forwarder", daemon=True)
        back.start()
        self._forward(caller, called)
        back.join()
        with self._lock:
            self._sockets -= {caller, called}
        caller.close()
        called.close()

    def _call(self) -> socket.socket | None:
        for target in self._targets_in_turn():
            try:
                return socket.create_connection(target, timeout=2)
            except OSError:
                continue
        return None

    def _targets_in_turn(self) -> Iterator[Address]:
        first = next(self._turns) % len(self._targets)
        return iter(self._targets[first:] + self._targets[:first])

    def _forward(self, giver: socket.socket, taker: socket.socket) -> None:
        try:
            giver.settimeout(None)
            while block := giver.recv(BLOCK):
                self._is_flowing.wait()
                taker.sendall(block)
            taker.shutdown(socket.SHUT_WR)
        except OSError:  # cut, or hung up on
            reset(giver)
            reset(taker)


def reset(end: socket.socket) -> None:
    """With a reset, as a broken network does it: nothing says goodbye."""
    try:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # gone already
    end.close()


def wait_until_listening(address: Address, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            socket.create_connection(address, timeout=1).close()
            return
        except OSError:
            time.sleep(LOOK_SECONDS)
    raise AssertionError(f"after {seconds} seconds nothing listens at {address}")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
