"""Files that are encrypted while they are written, and cannot be cut, reordered or changed without notice.

The construction of age (STREAM): the file has a random salt, its key is derived from the secret and the salt, and each
chunk is sealed with AES-256-GCM under a nonce that counts the chunks and marks the last one.
"""

import io
import secrets
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

MAGIC = b"okpuja encrypted file 1\n"
SALT_BYTES, TAG_BYTES, CHUNK_BYTES = 16, 16, 64 * 1024


class Unreadable(Exception):
    """Another key, or not the file that was written: cut off, changed, or something else."""


class EncryptedWriter(io.RawIOBase):
    """Only a file that was closed without an error can be read again."""

    def __init__(self, file: BinaryIO, secret: str) -> None:
        self._file, self._buffer, self._number = file, bytearray(), 0
        salt = secrets.token_bytes(SALT_BYTES)
        self._cipher = _cipher(secret, salt)
        file.write(MAGIC + salt)

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._buffer += data
        while len(self._buffer) > CHUNK_BYTES:  # one is kept: the last chunk is marked
            self._seal(bytes(self._buffer[:CHUNK_BYTES]), is_last=False)
            del self._buffer[:CHUNK_BYTES]
        return len(data)

    def finish(self) -> None:
        self._seal(bytes(self._buffer), is_last=True)

    def _seal(self, chunk: bytes, *, is_last: bool) -> None:
        self._file.write(self._cipher.encrypt(_nonce(self._number, is_last), chunk, None))
        self._number += 1


class EncryptedReader(io.RawIOBase):
    """Raises Unreadable where the file is not what was written, at its end at the latest."""

    def __init__(self, file: BinaryIO, secret: str) -> None:
        self._file, self._number, self._rest, self._is_over = file, 0, b"", False
        head = file.read(len(MAGIC) + SALT_BYTES)
        if len(head) < len(MAGIC) + SALT_BYTES or not head.startswith(MAGIC):
            raise Unreadable("this is no encrypted file of ours")
        self._cipher = _cipher(secret, head[len(MAGIC) :])
        self._next = file.read(CHUNK_BYTES + TAG_BYTES)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._rest and not self._is_over:
            self._rest = self._open_chunk()
        length = min(len(buffer), len(self._rest))
        buffer[:length] = self._rest[:length]
        self._rest = self._rest[length:]
        return length

    def _open_chunk(self) -> bytes:
        sealed, self._next = self._next, self._file.read(CHUNK_BYTES + TAG_BYTES)
        self._is_over = not self._next
        try:
            chunk = self._cipher.decrypt(_nonce(self._number, self._is_over), sealed, None)
        except InvalidTag as error:
            raise Unreadable("another key, or the file was cut off or changed") from error
        self._number += 1
        return chunk


def _cipher(secret: str, salt: bytes) -> AESGCM:
    key = HKDF(SHA256(), length=32, salt=salt, info=b"okpuja encrypted file").derive(secret.encode())
    return AESGCM(key)


def _nonce(number: int, is_last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([is_last])
