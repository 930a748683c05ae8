"""The words of PhonePe that `payment.phonepe.response_codes` has no row for."""

from datetime import datetime, timedelta
from typing import TypedDict

from django.db.models import Count, Max, QuerySet
from django.utils import timezone

from payment.models import GatewayCall, PaymentAttempt
from payment.phonepe.response_codes import MEANINGS

LOOKED_AT = timedelta(days=90)


class UnknownCode(TypedDict):
    code: str
    times: int
    last_seen: datetime


def unknown_codes() -> list[UnknownCode]:
    """Those of the last ninety days, the most frequent first. Two queries."""
    since = timezone.now() - LOOKED_AT
    calls = _counted(GatewayCall.objects.filter(started_at__gte=since), "started_at")
    orders = _counted(PaymentAttempt.objects.filter(created_at__gte=since), "created_at")
    # One order is seen in the call that told of it, and again in the row: counted once, where it is seen more often.
    found: dict[str, UnknownCode] = {}
    for row in sorted(calls + orders, key=lambda row: row["times"]):
        earlier = found.get(row["code"], row)
        found[row["code"]] = {**row, "last_seen": max(row["last_seen"], earlier["last_seen"])}
    return sorted(found.values(), key=lambda row: (-row["times"], row["code"]))


def _counted(rows: QuerySet[GatewayCall] | QuerySet[PaymentAttempt], moment: str) -> list[UnknownCode]:
    """PhonePe's codes have no small letters; the rules of our own that end an attempt have nothing else."""
    counted = (
        rows.exclude(code__in=["", *MEANINGS])
        .order_by()
        .values("code")
        .annotate(times=Count("pk"), last_seen=Max(moment))
    )
    return [
        {"code": row["code"], "times": row["times"], "last_seen": row["last_seen"]}
        for row in counted
        if not row["code"].islower()
    ]
