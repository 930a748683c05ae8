"""How long others wait meanwhile: the health of each server, and the catalogue."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

import requests

HEALTH, CATALOGUE = "/healthz", "/api/puja/services/"
LIMITS = {HEALTH: 1.0, CATALOGUE: 2.0}  # seconds, for the median
SECONDS_BETWEEN, TIMEOUT = 0.25, 20


@dataclass(frozen=True)
class Sample:
    phase: str
    path: str
    seconds: float
    answered: bool


class Watch:
    """Asks each server for each path all the time. `during` names what happens meanwhile."""

    def __init__(self, urls: list[str]) -> None:
        self.samples: list[Sample] = []
        self.lasted: dict[str, float] = {}
        self._phase, self._ends = "", threading.Event()
        self._threads = [
            threading.Thread(target=self._look, args=(url, path), daemon=True)
            for url in urls
            for path in LIMITS
        ]

    def __enter__(self) -> "Watch":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._ends.set()
        for thread in self._threads:
            thread.join()

    def look_for(self, seconds: float) -> None:
        self._ends.wait(seconds)

    @contextmanager
    def during(self, phase: str) -> Iterator[None]:
        began, self._phase = time.monotonic(), phase
        try:
            yield
        finally:
            self._phase = ""
            self.lasted[phase] = time.monotonic() - began

    def waits(self, phase: str, path: str) -> list[float]:
        return [sample.seconds for sample in self.samples if (sample.phase, sample.path) == (phase, path)]

    def median(self, phase: str, path: str) -> float:
        return median(self.waits(phase, path) or [TIMEOUT])

    def failures(self, phase: str) -> int:
        return sum(not sample.answered for sample in self.samples if sample.phase == phase)

    def _look(self, url: str, path: str) -> None:
        while not self._ends.wait(SECONDS_BETWEEN):
            phase, began = self._phase, time.monotonic()
            try:
                answered = requests.get(url + path, timeout=TIMEOUT).ok
            except requests.RequestException:
                answered = False
            if phase:
                self.samples.append(Sample(phase, path, time.monotonic() - began, answered))
