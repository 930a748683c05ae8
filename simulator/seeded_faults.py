"""Chance that can be repeated: whether the n-th call of an operation goes wrong follows from the seed alone."""

import hashlib
from collections.abc import Mapping

from django.db.models import F

from simulator.models import Luck


def seed(number: int, percents: Mapping[str, int]) -> None:
    """From now on `percents[operation]` of a hundred calls go wrong; the same seed picks the same ones."""
    Luck.objects.all().delete()
    Luck.objects.bulk_create(
        Luck(operation=operation, seed=number, percent=percent) for operation, percent in percents.items()
    )


def draw(operation: str, kinds: tuple[str, ...]) -> str:
    """Which kind of fault this call meets; empty for none, also when all is reset meanwhile."""
    luck = _count(operation)
    if luck is None:
        return ""
    digest = hashlib.sha256(f"{luck.seed}/{operation}/{luck.calls}".encode()).digest()
    which, chance = divmod(int.from_bytes(digest[:8], "big"), 100)
    return kinds[which % len(kinds)] if chance < luck.percent else ""


def _count(operation: str) -> Luck | None:
    """As it was before this call. Calls that come together get numbers apart."""
    while luck := Luck.objects.filter(operation=operation).first():
        if Luck.objects.filter(pk=luck.pk, calls=luck.calls).update(calls=F("calls") + 1):
            return luck
    return None
