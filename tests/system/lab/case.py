"""One row of the table."""

from collections.abc import Callable
from dataclasses import dataclass

from diagnostics.enums import Culprit, Verdict
from tests.system.lab.testbed import Host, Testbed, Wire


@dataclass(frozen=True)
class Case:
    """`finding`: at a layer of each of `broken`, or of our own `dependency`. `named`: in what is to be done.

    `also`: further verdicts that must be told. `look`: who diagnoses. `needs_postgresql`: starts a server. `instead`:
    another verdict and who must act, as right as the first; then nothing else is expected. `longest`: milliseconds.
    """

    title: str
    generation: str
    where: str
    arrange: Callable[[Testbed], object]
    verdict: Verdict
    culprit: str
    finding: str = ""
    broken: Callable[[Testbed], tuple[Host, ...]] = lambda testbed: ()
    dependency: str = ""
    named: str = ""
    also: tuple[Verdict, ...] = ()
    look: Callable[[Testbed], Wire] = Testbed.look
    needs_postgresql: bool = False
    instead: tuple[Verdict, str] | None = None
    longest: int = 11_000  # ten seconds and a tenth

    @property
    def name(self) -> str:
        return f"{self.title}, {self.where}, {self.generation}"


def nothing(testbed: Testbed) -> None:
    """All is well."""


OK, NONE = Verdict.OK, Culprit.NONE
