"""Repeatable random faults: the seed alone decides whether the n-th call of an operation gets a fault."""

import hashlib
from collections.abc import Mapping

from django.db.models import F

from simulator.models import FaultRate


def set_rates(number: int, percents: Mapping[str, int]) -> None:
    """From now on `percents[operation]` of a hundred calls get a fault; the same seed picks the same calls."""
    FaultRate.objects.all().delete()
    FaultRate.objects.bulk_create(
        FaultRate(operation=operation, seed=number, percent=percent)
        for operation, percent in percents.items()
    )


def draw_fault(operation: str, kinds: tuple[str, ...]) -> str:
    """The kind of fault for this call, empty for none."""
    while rate := FaultRate.objects.filter(operation=operation).first():
        # `calls` is the number of this call. Concurrent calls get different numbers.
        if FaultRate.objects.filter(pk=rate.pk, calls=rate.calls).update(calls=F("calls") + 1):
            break
    else:
        return ""
    digest = hashlib.sha256(f"{rate.seed}/{operation}/{rate.calls}".encode()).digest()
    which, chance = divmod(int.from_bytes(digest[:8], "big"), 100)
    return kinds[which % len(kinds)] if chance < rate.percent else ""
