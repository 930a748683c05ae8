"""Rows about bad lines: packets get lost, bytes come slowly, answers are old-fashioned or broken on the way."""

import socket
import time
from collections.abc import Callable, Iterator

from diagnostics.enums import Verdict
from tests.integration.wire.endpoints import read_request
from tests.system.lab import actors
from tests.system.lab.actors import Answer, Behaviour
from tests.system.lab.case import NONE, OK, Case
from tests.system.lab.faults import PHONEPE
from tests.system.lab.testbed import Testbed

V = Verdict
Arrange = Callable[[Testbed], None]


def rows() -> Iterator[Case]:
    for generation in ("v1", "v2"):
        for share in (0.05, 0.2):
            yield Case(f"{share:.0%} of packets lost", generation, "all hosts", losing(share), OK, NONE)
        for title, answer, verdict, culprit in ANSWERS:
            yield Case(title, generation, "both", answering(answer), verdict, culprit)
    for pause in (0.3, 2.0):
        verdict, culprit = (OK, NONE) if pause < 1 else (V.PHONEPE_DOWN, PHONEPE)
        yield Case(f"a piece each {pause} s", "v1", "both", in_pieces(pause), verdict, culprit)


def losing(share: float) -> Arrange:
    """At everybody, of what this server sends: TCP sends it again."""

    def arrange(testbed: Testbed) -> None:
        for host in testbed.everybody:
            host.lost = share

    return arrange


def answering(change: Callable[[bytes], bytes]) -> Arrange:
    """PhonePe's own answers, changed on the way."""

    def arrange(testbed: Testbed) -> None:
        for host in testbed.endpoints:
            host.answer = _changed(change)

    return arrange


def _changed(change: Callable[[bytes], bytes]) -> Answer:
    return lambda request: change(actors.phonepe(request))


def of_the_last_century(answer: bytes) -> bytes:
    return answer.replace(b"HTTP/1.1", b"HTTP/1.0", 1)


def said_compressed(answer: bytes) -> bytes:
    return answer.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n", 1)


def cut_short(answer: bytes) -> bytes:
    """Fewer bytes than the header says; then nothing."""
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.replace(b"Content-Length: ", b"Content-Length: 9") + b"\r\n\r\n" + body


def in_pieces(pause: float) -> Arrange:
    def arrange(testbed: Testbed) -> None:
        for host in testbed.endpoints:
            assert host.certificate
            host.behave = actors.secured(host.certificate, _slowly(pause))

    return arrange


def _slowly(pause: float) -> Behaviour:
    def behaviour(connection: socket.socket) -> None:
        while request := read_request(connection):
            answer = actors.phonepe(request)
            size = max(len(answer) // 6, 1)
            for start in range(0, len(answer), size):
                connection.sendall(answer[start : start + size])
                time.sleep(pause)

    return behaviour


ANSWERS: tuple[tuple[str, Callable[[bytes], bytes], Verdict, str], ...] = (
    ("answers of HTTP/1.0", of_the_last_century, OK, NONE),
    ("answers said to be gzip", said_compressed, V.PHONEPE_DOWN, PHONEPE),
    ("answers cut short", cut_short, V.PHONEPE_DOWN, PHONEPE),
)
