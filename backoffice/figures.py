"""What Today tells in numbers. Each function is one statement, over two days, open rows or the newest ones: none grows
with the trade; the sums of the days before are kept. Simulated money counts only while the simulator is on."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.db.models import Count, F, Min, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce, TruncDate, TruncHour
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from core.language import Text
from diagnostics.enums import Verdict
from diagnostics.render import DEPENDENCIES
from payment.models import (
    OPEN_ATTEMPT,
    PAYING,
    DiagnosisRun,
    LedgerEntry,
    Payment,
    PaymentAttempt,
    StateChange,
)
from payment.reconciliation.days import span
from payment.services.monitoring import real_or_simulating
from payment.states import AttemptState, PaymentState

SPANS = (1, 7, 30)  # days, with today
NEWEST_ORDERS = 5_000
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
# Money that leaves us again. All other kinds are money that came, and corrections of it.
WENT_BACK = (LedgerEntry.Kind.REFUND, LedgerEntry.Kind.CHARGEBACK)
MOST_PUJAS = 8


@dataclass(frozen=True)
class Money:
    """In paise. `by_puja`: what came within the longest span, the most first."""

    came: dict[int, int]
    went_back: dict[int, int]
    payments: dict[int, int]
    by_day: list[tuple[date, int]]
    by_puja: list[tuple[str, int]]


@dataclass(frozen=True)
class Hour:
    """Orders that were opened within this hour: paid, ended unpaid, not decided yet."""

    starts_at: datetime
    paid: int
    unpaid: int
    undecided: int

    @property
    def rate(self) -> float | None:
        decided = self.paid + self.unpaid
        return self.paid / decided if decided else None


@dataclass(frozen=True)
class Risk:
    """Payments whose end PhonePe has not told. Paise; moments are None when nothing is undecided."""

    paise: int
    count: int
    oldest: datetime | None
    next_question: datetime | None


@dataclass(frozen=True)
class Hop:
    """One thing between us and the money. `ok` is None where nothing is known."""

    name: str
    ok: bool | None
    detail: str


def money(today: date) -> Money:
    """By the ledger, so that these sums are those of its check. The day before is not over yet: a transaction that has
    begun before midnight commits after it."""
    first, open_from = today - timedelta(days=max(SPANS) - 1), today - timedelta(days=1)
    key = f"desk:money:2:{first}:{settings.PHONEPE_SIMULATION_MODE}"
    past_sums = cache.get(key)
    if past_sums is None:
        past_sums = _sums_by_day_and_puja(first, open_from)
        cache.set(key, past_sums, DAY.total_seconds())
    rows = [*past_sums, *_sums_by_day_and_puja(open_from, today + timedelta(days=1))]
    days = [first + timedelta(days=number) for number in range(max(SPANS))]
    by_day, by_puja = Counter(dict.fromkeys(days, 0)), Counter[str]()
    for row in rows:
        by_day[row["day"]] += row["came"]
        by_puja[_puja(row)] += row["came"]

    def within(column: str) -> dict[int, int]:
        return {
            span: sum(row[column] for row in rows if row["day"] > today - timedelta(days=span))
            for span in SPANS
        }

    return Money(
        came=within("came"),
        went_back={span: -paise for span, paise in within("back").items()},
        payments=within("payments"),
        by_day=sorted(by_day.items()),
        by_puja=[(puja, paise) for puja, paise in by_puja.most_common(MOST_PUJAS) if paise],
    )


def _puja(row: dict[str, Any]) -> str:
    """In the language of the reader."""
    in_hindi = row["puja_hi"] if (translation.get_language() or "").startswith("hi") else ""
    return in_hindi or row["puja"] or _("Donations")


def _sums_by_day_and_puja(first: date, before: date) -> list[dict[str, Any]]:
    entries = LedgerEntry.objects.filter(
        real_or_simulating("simulated"), created_at__gte=span(first)[0], created_at__lt=span(before)[0]
    ).exclude(kind=LedgerEntry.Kind.FEE)
    return [
        *entries.order_by()
        .values(
            day=TruncDate("created_at"),
            puja=F("payment__checkout__puja_title"),
            puja_hi=F("payment__checkout__puja_title_hi"),
        )
        .annotate(
            came=Sum("amount_paise", filter=~Q(kind__in=WENT_BACK), default=0),
            back=Sum("amount_paise", filter=Q(kind__in=WENT_BACK), default=0),
            payments=Count("pk", filter=Q(kind__in=PAYING)),
        )
    ]


def hours(now: datetime) -> list[Hour]:
    """The last 24, oldest first, of the newest orders."""
    older = PaymentAttempt.objects.filter(created_at__lte=now - DAY).order_by("-pk").values("pk")[:1]
    of_a_day = PaymentAttempt.objects.filter(pk__gt=Coalesce(Subquery(older), 0))
    newest = of_a_day.order_by("-pk").values("pk")[:NEWEST_ORDERS]
    recent = PaymentAttempt.objects.filter(
        real_or_simulating("simulated"), pk__in=newest, created_at__gt=now - DAY
    )
    is_open, is_paid = Q(state__in=OPEN_ATTEMPT), Q(state=AttemptState.COMPLETED)
    figures = {
        row["hour"]: row
        for row in recent.order_by()
        .values(hour=TruncHour("created_at"))
        .annotate(
            paid=Count("pk", filter=is_paid),
            unpaid=Count("pk", filter=~is_paid & ~is_open),
            undecided=Count("pk", filter=is_open),
        )
    }
    last = timezone.localtime(now).replace(minute=0, second=0, microsecond=0)
    counted = []
    for number in range(23, -1, -1):
        row = figures.get(last - number * HOUR, {})
        counts = (row.get(name, 0) for name in ("paid", "unpaid", "undecided"))
        counted.append(Hour(last - number * HOUR, *counts))
    return counted


def news_of_payments(now: datetime) -> dict[str, int]:
    """Of a day: whether a webhook, the customer's own page or the worker was first to learn that an order was paid."""
    changes = StateChange.objects.filter(
        real_or_simulating("attempt__simulated"),
        subject="attempt",
        after=AttemptState.COMPLETED,
        attempt__state=AttemptState.COMPLETED,
        attempt__decided_at__gt=now - DAY,
    )
    counted: Counter[str] = Counter(webhook=0, page=0, worker=0)
    for row in changes.order_by().values("detail").annotate(count=Count("pk")):
        counted[row["detail"] if row["detail"] in ("webhook", "worker") else "page"] += row["count"]
    return dict(counted)


def risk() -> Risk:
    undecided = Payment.objects.filter(real_or_simulating("simulated"), state=PaymentState.PENDING)
    found = undecided.aggregate(
        paise=Sum("amount_paise", default=0),
        count=Count("pk"),
        oldest=Min("created_at"),
        next_question=Min(Subquery(_next_question())),
    )
    return Risk(**found)


def _next_question() -> "QuerySet[Any]":
    open_orders = PaymentAttempt.objects.filter(payment=OuterRef("pk"), state__in=OPEN_ATTEMPT)
    return open_orders.order_by("next_check_at").values("next_check_at")[:1]


def last_diagnosis() -> DiagnosisRun | None:
    finished = DiagnosisRun.objects.exclude(finished_at=None).defer("circumstances")
    return finished.order_by("-pk").first()


def verdict_of(run: DiagnosisRun) -> str:
    """In words; the word itself where an older release wrote one that we do not know."""
    return translation.gettext(Verdict(run.verdict).label) if run.verdict in Verdict else run.verdict


def hops(run: DiagnosisRun) -> list[Hop]:
    """What the diagnosis has found, one after the other, as the page of the diagnosis has it in full."""
    endpoints = [
        Hop(f"PhonePe: {each['endpoint']}", each["reachable"], each["stage"])
        for each in run.answer.get("endpoints", ())
    ]
    dependencies = run.answer.get("dependencies", {}).items()
    return endpoints + [
        Hop(
            translation.gettext(DEPENDENCIES[name]) if name in DEPENDENCIES else name,
            each["ok"],
            each["finding"],
        )
        for name, each in dependencies
    ]


def chart(labels: Sequence[str], *series: tuple[Text, str, Sequence[float]], unit: str) -> str:
    """For unfold's chart component: label, colour (of unfold's theme) and values of each series.

    desk.js writes the numbers with their unit, "₹" or "%".
    """
    datasets = [
        {"label": str(label), "unit": unit, "backgroundColor": f"var(--color-{colour})", "data": [*values]}
        | {"displayYAxis": True, "maxTicksXLimit": 8, "maxBarThickness": 24}
        for label, colour, values in series
    ]
    return json.dumps({"labels": [*labels], "datasets": datasets})
