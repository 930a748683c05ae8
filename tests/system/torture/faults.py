"""The faults: programs and brokers killed, PostgreSQL restarted, connections cut or stalled, the mail server closed."""

import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from tests.harness.forwarder import Forwarder
from tests.harness.processes import RestartableProcess
from tests.system.torture.installation import Testbed

KILL_EVERY = 7.0
TICK = 0.5
# Of a hundred faults that are no kill.
KINDS = {
    "postgres crashes": 15,
    "postgres restarts": 10,
    "connection cut": 35,
    "connection stalls": 20,
    "mail server": 20,
}
# Beside them, where Celery works.
KINDS_OF_BROKER = {"broker killed": 20, "broker emptied": 20, "broker cut off": 20, "broker silent": 20}


@dataclass
class FaultInjector:
    """`tick` is called twice a second; everything happens in the caller's thread, who owns the processes."""

    testbed: Testbed
    dice: Random
    time_scale: int
    done: Counter[str] = field(default_factory=Counter)
    _later: list[tuple[float, Callable[[], None]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        now = time.monotonic()
        self._clock = now
        self._next_kill = now + KILL_EVERY / 2
        self._next_other = now + 5

    def go_on_until(self, end: float) -> None:
        while time.monotonic() < end:
            self.tick()
            time.sleep(TICK)

    def tick(self) -> None:
        now = time.monotonic()
        self.pass_time(now)
        for program in self.testbed.programs:
            program.restart_if_ended()
        for moment, mend in [one for one in self._later if one[0] <= now]:
            mend()
            self._later.remove((moment, mend))
        if now >= self._next_kill:
            self.kill(self.dice.choice(self.testbed.programs))
            self._next_kill = now + self.dice.uniform(0.5, 1.5) * KILL_EVERY
        if now >= self._next_other:
            kinds = KINDS | (KINDS_OF_BROKER if self.testbed.broker else {})
            self.strike(self.dice.choices(list(kinds), list(kinds.values()))[0], now)
            self._next_other = now + self.dice.uniform(6, 18)

    def pass_time(self, now: float) -> None:
        """PhonePe's clock goes as fast as the shops' schedules do."""
        passed = int((now - self._clock) * (self.time_scale - 1))
        if passed > 0:
            self.testbed.phonepe.control("clock/", {"advance": passed})
            self._clock = now

    def kill(self, program: RestartableProcess) -> None:
        program.restart()
        self.done[f"kill -9 {program.name.split('-')[1]}"] += 1

    def strike(self, kind: str, now: float) -> None:
        self.done[kind] += 1
        if kind == "postgres crashes":
            self.testbed.postgres.restart(signal.SIGQUIT)
        elif kind == "postgres restarts":
            self.testbed.postgres.restart(signal.SIGINT)
        elif kind == "broker emptied" and self.testbed.broker:
            self.testbed.broker.empty()
        elif kind == "broker killed" and self.testbed.broker:
            self.testbed.broker.kill()
            self._later.append((now + self.dice.uniform(2, 10), self.testbed.broker.start))
        elif kind in ("broker cut off", "broker silent") and self.testbed.broker:
            network = self.testbed.broker.network
            (Forwarder.cut if kind == "broker cut off" else Forwarder.stall)(network)
            self._later.append((now + self.dice.uniform(4, 12), network.restore))
        elif kind == "mail server":
            self.testbed.inbox.is_closed = True
            self._later.append((now + self.dice.uniform(3, 10), self.reopen_mail_server))
        else:
            entrances = [installation.entrance for installation in self.testbed.installations]
            forwarder = self.dice.choice([*self.testbed.network, *entrances])
            (Forwarder.cut if kind == "connection cut" else Forwarder.stall)(forwarder)
            self._later.append((now + self.dice.uniform(1, 6), forwarder.restore))

    def reopen_mail_server(self) -> None:
        self.testbed.inbox.is_closed = False

    def end(self) -> None:
        """Everything works again."""
        for _, mend in self._later:
            mend()
        self._later.clear()
