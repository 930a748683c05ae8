"""A network for one case and nobody else: addresses, routes, resolver files and mounts of its own.

Whatever is done here ends with the process that has entered. It takes the rights of root.
"""

import ctypes
import socket
import struct
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

import certifi

NEW_NETWORK, NEW_MOUNTS = 0x40000000, 0x00020000  # unshare(2)
SO_ATTACH_FILTER = 26  # socket(7): the kernel asks a small program about each packet
DROP = struct.pack("HBBI", 0x06, 0, 0, 0)  # BPF for "return 0": keep nothing of it
KEEP = struct.pack("HBBI", 0x06, 0, 0, 0xFFFFFFFF)
LOAD_RANDOM = struct.pack("HBBI", 0x20, 0, 0, 0xFFFFF000 + 56)  # SKF_AD_RANDOM
NAME_SERVER = "203.0.113.53"
FILES = {
    "/etc/resolv.conf": f"nameserver {NAME_SERVER}\n",
    "/etc/nsswitch.conf": "hosts: files dns\n",
    "/etc/hosts": "127.0.0.1 localhost\n",
}
PUBLIC_AUTHORITIES = certifi.where()


def refusal() -> str:
    """Why there can be no testbed on this machine; "" when there can."""
    try:
        tried = subprocess.run(
            ["unshare", "--net", "--mount", "ip", "link"], capture_output=True, check=False
        )
    except FileNotFoundError as error:
        return f"the laboratory needs {error.filename}"
    said = tried.stderr.decode().strip()
    return "" if tried.returncode == 0 else f"the laboratory needs root and network namespaces: {said}"


def enter(folder: Path, addresses: Iterable[str], commands: Iterable[str], files: Mapping[str, str]) -> None:
    """From now on this process is alone on a network, and all `addresses` are its own.

    `files`: what a file says instead of the usual, by its path. `commands`: for the shell, at the end.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(NEW_NETWORK | NEW_MOUNTS):
        raise OSError(ctypes.get_errno(), "unshare")
    lines = [*(f"address add {each} dev lo" for each in (NAME_SERVER, *addresses)), "link set lo up"]
    batch = folder / "addresses"
    batch.write_text("\n".join(lines))
    mounts = [_mount(folder, *each) for each in (FILES | dict(files)).items()]
    shell("set -e", "mount --make-rprivate /", f"ip -batch {batch}", *mounts, *commands)


def shell(*lines: str) -> None:
    subprocess.run(["sh", "-c", "\n".join(lines)], check=True)


def _mount(folder: Path, path: str, text: str) -> str:
    mine = folder / Path(path).name
    mine.write_text(text)
    return f"mount --bind {mine} {path}"


def deafen(sock: socket.socket) -> None:
    """Every packet that comes for this socket is dropped, as by a firewall."""
    _filter(sock, DROP)


def lose_packets(sock: socket.socket, share: float) -> None:
    """So many of the packets that come for this socket, and for the connections that it accepts, are lost."""
    jump_if_greater = struct.pack("HBBI", 0x25, 0, 1, round(share * 0xFFFFFFFF))
    _filter(sock, LOAD_RANDOM, jump_if_greater, KEEP, DROP)


def _filter(sock: socket.socket, *steps: bytes) -> None:
    program = ctypes.create_string_buffer(b"".join(steps))
    packed = struct.pack("HP", len(steps), ctypes.addressof(program))
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, packed)
