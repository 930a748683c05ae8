"""The clock, and whether any fault is armed: loaded by one query before each API call."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from django.utils import timezone

from simulator.clock import read_clock
from simulator.models import Clock

# Raw SQL because it runs on every call: the ORM takes longer to build it than the database to run it.
QUERY = """
    SELECT clock.*,
        EXISTS(SELECT 1 FROM simulator_fault WHERE operation = %s AND times_left > 0) AS armed,
        EXISTS(SELECT 1 FROM simulator_faultrate WHERE operation = %s) AS chance
    FROM simulator_clock AS clock
"""


class RequestContext(NamedTuple):
    """`has_no_fault`: no armed or seeded fault can strike this operation."""

    moment: datetime
    has_no_fault: bool


def load(operation: str) -> RequestContext:
    """Without a row of the clock the query returns nothing, and faults must be looked up."""
    rows: Iterable[Any] = Clock.objects.raw(QUERY, [operation, operation])
    for clock in rows:
        return RequestContext(read_clock(clock), has_no_fault=not (clock.armed or clock.chance))
    return RequestContext(timezone.now(), has_no_fault=False)
