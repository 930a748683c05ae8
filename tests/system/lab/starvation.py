"""Rows about a server that has too little CPU time: its time-outs are nobody else's fault.

The process that diagnoses is stopped and continued by signals, as a quota, a crowded host or a frozen machine does it;
PhonePe and everybody else run on.
"""

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from itertools import chain, repeat

from diagnostics.enums import Verdict
from tests.system.lab.case import NONE, OK, Case, nothing
from tests.system.lab.faults import HOSTING, PHONEPE, THIS_SERVER, refused
from tests.system.lab.testbed import Testbed, Wire

V = Verdict
Rhythm = tuple[float, float]  # seconds running, seconds stopped
TENTH, HUNDREDTH, NAP = (0.01, 0.09), (0.002, 0.198), (0.1, 0.9)
CRUMB, FOREVER = (0.001, 0.5), (3600.0, 0.0)
TOO_BUSY = (V.SERVER_OVERLOADED, THIS_SERVER)


def rows() -> Iterator[Case]:
    for generation in ("v1", "v2"):
        for title, rhythms in (
            ("almost no CPU for nine seconds", lambda: chain(repeat(CRUMB, 18), repeat(FOREVER))),
            ("frozen for nine seconds", lambda: chain([(0.1, 9.0)], repeat(FOREVER))),
        ):
            yield Case(
                title, generation, "this server", nothing, *TOO_BUSY, look=starved(rhythms), named="CPU",
                instead=(OK, NONE),  # all answers came before
            )  # fmt: skip
        # A fast machine comes to an end in this time, a slow one does not. Neither may accuse anybody.
        for title, rhythm, longest in (
            ("a tenth of a CPU", TENTH, 11_000),
            ("a tenth of a CPU, a second at a time", NAP, 11_000),
            (
                "a hundredth of a CPU",
                HUNDREDTH,
                20_000,
            ),  # a tenth of a second of work after the deadline takes ten
            ("a twentieth of a CPU, in long turns", (0.05, 0.95), 11_000),
            ("a third of a CPU", (0.05, 0.1), 11_000),
        ):
            yield Case(
                title, generation, "this server", nothing, OK, NONE, look=starved(repeat_of(rhythm)),
                instead=TOO_BUSY, longest=longest,
            )  # fmt: skip
        for title, arrange, verdict, culprit in (
            ("secret wrong", _wrong_secret, V.BAD_CREDENTIALS, "credentials"),
            ("PhonePe silent", _silent, V.CONNECTION_TIMEOUT, PHONEPE),
            ("names unknown", _unknown, V.DNS_FAILURE, HOSTING),
        ):
            yield Case(
                f"a tenth of a CPU, {title}", generation, "this server", arrange, verdict, culprit,
                look=starved(repeat_of(TENTH)), instead=TOO_BUSY,
            )  # fmt: skip
        yield Case(
            "frozen for two seconds", generation, "this server", nothing, OK, NONE,
            look=starved(lambda: chain([(0.15, 2.0)], repeat(FOREVER))), instead=TOO_BUSY,
        )  # fmt: skip
        yield Case(
            "a tenth of a CPU, PhonePe refused", generation, "this server", _refused, V.CONNECTION_REFUSED, PHONEPE,
            look=starved(repeat_of(TENTH)), instead=TOO_BUSY,
        )  # fmt: skip


def repeat_of(rhythm: Rhythm) -> Callable[[], Iterator[Rhythm]]:
    return lambda: repeat(rhythm)


def _refused(testbed: Testbed) -> None:
    for host in testbed.endpoints:
        refused(testbed, host)


def _wrong_secret(testbed: Testbed) -> None:
    wrong = {"PHONEPE_SALT_KEY": "not-the-salt-key", "PHONEPE_CLIENT_SECRET": "not-the-client-secret"}
    testbed.settings.update({name: value for name, value in wrong.items() if testbed.settings[name]})


def _silent(testbed: Testbed) -> None:
    for host in testbed.endpoints:
        host.is_deaf = True


def _unknown(testbed: Testbed) -> None:
    for host in testbed.endpoints:
        host.told = "NXDOMAIN"


def starved(rhythms: Callable[[], Iterator[Rhythm]]) -> Callable[[Testbed], Wire]:
    """A diagnosis by a process of its own, which runs in this rhythm from its first step on."""

    def look(testbed: Testbed) -> Wire:
        told = testbed.folder / "told.json"
        child = os.fork()
        if child == 0:
            with contextlib.suppress(BaseException):
                found = testbed.look()
                told.write_text(json.dumps([found, testbed.milliseconds, testbed.said.getvalue()]))
            os._exit(0)
        _conduct(child, rhythms())
        found, testbed.milliseconds, said = json.loads(told.read_text())
        testbed.said.write(said)
        return dict(found)

    return look


def _conduct(child: int, rhythms: Iterator[Rhythm]) -> None:
    for running, stopped in rhythms:
        if _ends_within(child, running):
            return
        os.kill(child, signal.SIGSTOP)
        time.sleep(stopped)
        os.kill(child, signal.SIGCONT)


def _ends_within(child: int, seconds: float) -> bool:
    ends_at = time.monotonic() + seconds
    while True:
        if os.waitpid(child, os.WNOHANG)[0]:
            return True
        left = ends_at - time.monotonic()
        if left <= 0:
            return False
        time.sleep(min(left, 0.02))
