"""Whether this process got the CPU time, the open files and the threads that a diagnosis takes.

One that did not must not blame others. A thread sleeps for short times and measures how much later than asked it runs
again. That shows every cause: a quota of the container, other processes, a stopped or frozen machine, other threads of
this process. Each time it also opens a file: without a free one there is no connection, no name and no database.
An error of another check may say the same: `note_own_limit` counts it, by its root cause.
"""

import contextlib
import errno
import os
import resource
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

INTERVAL = 0.02  # seconds
TOLERANCE = 0.02  # seconds: threads of one process make each other wait for that long
# Probes wait four seconds. Lost time of this length, and this share of the whole, explains that none came back.
MOST_LOST, MOST_LOST_SHARE = 1.0, 0.4
# Where a container tells how often its quota stopped it: cgroup v2, v1.
CPU_STAT = (Path("/sys/fs/cgroup/cpu.stat"), Path("/sys/fs/cgroup/cpu/cpu.stat"))
FILES, MEMORY = {errno.EMFILE, errno.ENFILE}, {errno.ENOMEM, errno.ENOBUFS}


@dataclass(frozen=True)
class Load:
    """`lost`: seconds of `seconds` in which this process wanted to run and could not. `cpu`: seconds of CPU time.

    `throttled`: how often the quota of its container stopped it meanwhile. `exhausted`: what there was none left of.
    """

    seconds: float = 0.0
    lost: float = 0.0
    cpu: float = 0.0
    throttled: int = 0
    exhausted: str = ""

    @property
    def is_heavy(self) -> bool:
        return bool(self.exhausted) or (self.lost > MOST_LOST and self.lost > MOST_LOST_SHARE * self.seconds)

    @property
    def text(self) -> str:
        if self.exhausted:
            return self.exhausted
        stopped = f", stopped {self.throttled} times by its CPU quota" if self.throttled else ""
        return (
            f"of {self.seconds:.1f} s this process was kept from running for {self.lost:.1f} s and got"
            f" {self.cpu:.2f} s of CPU time{stopped}"
        )


class LoadMeter:
    """Measures from its making on. `stop` ends its thread."""

    def __init__(self) -> None:
        self._began, self._cpu, self._throttled = time.monotonic(), time.process_time(), _times_throttled()
        self._lost = 0.0
        self._files, self._threads, self._memory = OwnLimits.files, OwnLimits.threads, OwnLimits.memory
        self._stopped = threading.Event()
        try:
            threading.Thread(target=self._measure, name="diagnosis load", daemon=True).start()
        except RuntimeError as error:
            note_own_limit(error)

    def read(self) -> Load:
        return Load(
            time.monotonic() - self._began,
            self._lost,
            time.process_time() - self._cpu,
            _times_throttled() - self._throttled,
            self._exhausted(),
        )

    def _exhausted(self) -> str:
        if OwnLimits.files > self._files:
            most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
            return (
                f"this process may have {most} open files, and had none left for a connection: raise its limit "
                "(LimitNOFILE= of systemd, `ulimit -n`), or restart it if it has opened them by mistake"
            )
        if OwnLimits.threads > self._threads:
            return (
                "a thread could not be started: raise the limit of threads or of memory (TasksMax= of systemd, "
                "--pids-limit and --memory of a container), or stop what takes them"
            )
        if OwnLimits.memory > self._memory:
            return "there was no memory left: give this server more, or stop what takes it"
        return ""

    def stop(self) -> None:
        self._stopped.set()

    def _measure(self) -> None:
        while not self._stopped.is_set():
            before = time.monotonic()
            _open_file()
            time.sleep(INTERVAL)
            late = time.monotonic() - before - INTERVAL
            if late > TOLERANCE:
                self._lost += late


def _open_file() -> None:
    """Without a free one there is no connection, and `getaddrinfo` speaks of the name server."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        note_own_limit(error)


def _times_throttled() -> int:
    """0 where it cannot be read."""
    for file in CPU_STAT:
        with contextlib.suppress(OSError, ValueError):
            for line in file.read_text().splitlines():
                name, _, count = line.partition(" ")
                if name == "nr_throttled":
                    return int(count)
    return 0


class OwnLimits:
    """How often this process could not have what every connection takes. Only differences mean something."""

    files = 0
    threads = 0
    memory = 0


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what caused it: `requests` and urllib3 wrap errors, each in its own way, some in a circle."""
    inner: BaseException | None = error
    seen: set[int] = set()
    while inner is not None and id(inner) not in seen:
        seen.add(id(inner))
        yield inner
        around = (getattr(inner, "reason", None), *inner.args, inner.__cause__, inner.__context__)
        inner = next((cause for cause in around if isinstance(cause, BaseException)), None)


def root_cause(error: BaseException) -> BaseException:
    """The error of the operating system or of OpenSSL."""
    *_, last = causes(error)
    return last


def note_own_limit(error: BaseException) -> bool:
    """True, and counted, for an error that says nothing about anybody else: no file, thread or memory was left."""
    for cause in causes(error):
        number = getattr(cause, "errno", None)
        if number in FILES:
            OwnLimits.files += 1
        elif isinstance(cause, RuntimeError) and "new thread" in str(cause):  # it has no type of its own
            OwnLimits.threads += 1
        elif number in MEMORY or isinstance(cause, MemoryError):
            OwnLimits.memory += 1
        else:
            continue
        return True
    return False
