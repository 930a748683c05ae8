"""What every call needs to know before it begins: the time, and whether anything may go wrong. One question."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from django.utils import timezone

from simulator.clock import shown
from simulator.models import Clock

# Asked before every call, and so written out: to let Django compose it costs more than to have it answered.
QUESTION = """
    SELECT clock.*,
        EXISTS(SELECT 1 FROM simulator_fault WHERE operation = %s AND times_left > 0) AS armed,
        EXISTS(SELECT 1 FROM simulator_luck WHERE operation = %s) AS chance
    FROM simulator_clock AS clock
"""


class Mood(NamedTuple):
    """`calm`: neither a fault nor chance has anything to say to a call of this operation."""

    moment: datetime
    calm: bool


def read(operation: str) -> Mood:
    """The clock's row answers for the two other tables; where it is missing, they must be asked."""
    answers: Iterable[Any] = Clock.objects.raw(QUESTION, [operation, operation])
    for clock in answers:
        return Mood(shown(clock), calm=not (clock.armed or clock.chance))
    return Mood(timezone.now(), calm=False)
