"""The rows of the table: each fault, wherever an operation can meet it."""

from dataclasses import dataclass

import pytest

from tests.integration.wire.endpoints import HOSTS
from tests.integration.wire.endpoints import PROXIES as PROXY_HOSTS
from tests.integration.wire.expectations import ALL, FIRST, ONCE, TOKEN, Outcome, outcome_of
from tests.integration.wire.faults import EXCHANGES, KEPT, NAMES, PROXIES, RETURNS, Effect, Fault

FAULTS = (*NAMES, *PROXIES, *EXCHANGES, *KEPT)
# Refunds meet the same faults: of the faults with the same effect one is enough.
ON_THE_WAY_BACK = {
    *("refuses the connection", "proxy refuses", "takes it and never answers", "loses it and never answers"),
    *("resets before reading it", "408", "500 after carrying it out", "429", "429, Retry-After 60", "400"),
    *("401", "401 HTML", "cut JSON", "unknown state and code", "hung up while idle"),
    "kept, hangs up as the message comes",
}
GENERATIONS = ("v1", "v2")

# Seconds, while the wire is broken. Silence is waited for to its end, so it gets the shorter one.
DEADLINE, DEADLINE_IN_SILENCE = 20.0, 1.5
# The deadline may be overrun by a tenth, and by what a busy machine takes to let us run again.
TENTH, BUSY_MACHINE = 1.1, 0.3
# What is told at once takes a few round trips: far from the deadline, and far from a busy machine's hiccup.
AT_ONCE = 12.0


@dataclass(frozen=True)
class Case:
    """One row of the table for one of PhonePe's protocols."""

    fault: Fault
    operation: str
    where: str
    generation: str

    @property
    def effect(self) -> Effect:
        return self.fault.effect_on(self.operation, self.generation)

    @property
    def expected(self) -> Outcome:
        return outcome_of(self.operation, self.where, self.effect, self.fault.silent)

    @property
    def category(self) -> str:
        return self.fault.category_of(self.operation)

    @property
    def hop(self) -> tuple[str, int] | None:
        """Where the last try broke, if the caller is told that something broke."""
        if self.expected.told not in ("409", "502", "503", "504"):
            return None
        broken = [entry for entry in self.expected.tries.split(" ") if entry.endswith("!")]
        position = int(broken[-1].rstrip("!")) - 1
        return (PROXY_HOSTS[position], 3128) if self.fault.by_proxy else (HOSTS[position], 443)

    @property
    def deadline(self) -> float:
        return DEADLINE_IN_SILENCE if self.fault.silent else DEADLINE

    @property
    def latest(self) -> float:
        return self.deadline * TENTH + BUSY_MACHINE if self.fault.silent else AT_ONCE + self.fault.wait

    def __str__(self) -> str:
        where = {FIRST: "first", ONCE: "once"}.get(self.where, "both")
        return f"{self.generation}-{self.operation.replace(' ', '-')}-{where}-{self.fault.slug}"


def cases(operation: str, *generations: str) -> list[Case]:
    """Every fault that this operation can meet, wherever it can meet it."""
    return [
        Case(fault, operation, where, generation)
        for where in (FIRST, ALL, ONCE)
        for fault in FAULTS
        for generation in generations
        if is_told_apart(fault, operation, where, generation)
    ]


def is_told_apart(fault: Fault, operation: str, where: str, generation: str) -> bool:
    """Not a row: what it cannot meet, and a silence that ends, which needs more time than it proves."""
    if not can_meet(operation, fault) or (where == ONCE and fault.silent):
        return False
    return outcome_of(operation, where, fault.effect_on(operation, generation), fault.silent) is not None


def can_meet(operation: str, fault: Fault) -> bool:
    if operation in RETURNS:
        return fault.title in ON_THE_WAY_BACK
    return not (operation == TOKEN and fault.kept)  # nobody has called before the first token


def table(operation: str, *generations: str):
    return pytest.mark.parametrize("case", cases(operation, *generations), ids=str)
