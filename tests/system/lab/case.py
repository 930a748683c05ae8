"""One row of the table."""

from collections.abc import Callable
from dataclasses import dataclass

from diagnostics.enums import Culprit, Verdict
from tests.system.lab.testbed import Host, Wire, World


@dataclass(frozen=True)
class Case:
    """`finding`: at a layer of each of `broken`, or of our own `dependency`. `named`: in what is to be done.

    `also`: further verdicts that must be told. `look`: who diagnoses. `needs_postgresql`: starts a server.
    """

    title: str
    generation: str
    where: str
    arrange: Callable[[World], object]
    verdict: Verdict
    culprit: str
    finding: str = ""
    broken: Callable[[World], tuple[Host, ...]] = lambda world: ()
    dependency: str = ""
    named: str = ""
    also: tuple[Verdict, ...] = ()
    look: Callable[[World], Wire] = World.look
    needs_postgresql: bool = False

    @property
    def name(self) -> str:
        return f"{self.title}, {self.where}, {self.generation}"


def nothing(world: World) -> None:
    """All is well."""


OK, NONE = Verdict.OK, Culprit.NONE
