"""Measurements for Prometheus at `/metrics`, of the whole installation and not of one process.

All values are read from the database, so it makes no difference which process of which server answers. An index or a
bound on the newest rows keeps each statement short, whatever the number of payments. Each process keeps its answer for
some seconds.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.db.models import (
    Avg,
    Case,
    CharField,
    Count,
    DurationField,
    ExpressionWrapper,
    F,
    Max,
    Min,
    Model,
    Q,
    QuerySet,
    Sum,
    Value,
    When,
)
from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from rest_framework.exceptions import NotAuthenticated
from rest_framework.permissions import AllowAny
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from core.clocks import database_now
from core.databases import scalars
from diagnostics.deadlines import ThreadDied, begin, result
from diagnostics.views import DiagnosisThrottle, knows_token
from notifications.models import Notification
from payment.models import (
    OPEN_REFUND,
    DiagnosisRun,
    GatewayCall,
    Payment,
    PaymentAttempt,
    Refund,
    WebhookEvent,
    WorkLease,
)
from payment.phonepe.circuit_breaker import COOLDOWN_SECONDS, FAILURE_THRESHOLD
from payment.phonepe.enums import Stage
from payment.phonepe.transport import Deadline
from payment.services.leases import WHOLE_KIND
from payment.services.monitoring import (
    SECONDS_BETWEEN_CHECKS,
    late_refunds,
    real_or_simulating,
    undecided_attempts,
    waiting_money,
)
from payment.services.queue import free
from payment.states import AttemptState, Fulfilment, PaymentState, RefundState
from worker.jobs import KINDS
from worker.moments import as_moment

SECONDS_KEPT = 5.0
SECONDS_TO_COLLECT = 8.0  # Prometheus gives up after ten, unless it is told otherwise
NEWEST_ROWS = 5_000
NEWEST_CALLS = 200  # enough to see three calls in a row to each endpoint
WINDOW = timedelta(minutes=5)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
AGES = (("5m", timedelta(minutes=5)), ("30m", timedelta(minutes=30)), ("2h", timedelta(hours=2)), ("1d", DAY))
UNFINISHED = (Fulfilment.DUE, Fulfilment.OFFERED, Fulfilment.REFUND_DUE, Fulfilment.HELD_FOR_STAFF)
NOTHING_SENT = [stage.name for stage in Stage if stage.nothing_sent]
DATABASE_ERRORS = (DatabaseError, InterfaceError, OSError)

Rows = Iterable[tuple[tuple[str, ...], float]]


class Page:
    """The text of the last collection. One thread of a process collects; others wait for its result."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._text, self._made_at = b"", float("-inf")

    def text(self) -> bytes:
        with self._lock:
            if time.monotonic() - self._made_at > SECONDS_KEPT:
                self._text, self._made_at = render(), time.monotonic()
            return self._text


page = Page()


class MetricsView(APIView):
    """Needs OPS_TOKEN, as the full diagnosis does: in X-Ops-Token, or as a bearer token, which Prometheus can send."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes = (DiagnosisThrottle,)

    @extend_schema(exclude=True)
    def get(self, request: Request) -> HttpResponse:
        scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
        offered = request.headers.get("X-Ops-Token", "") or (bearer if scheme.lower() == "bearer" else "")
        if not knows_token(request, offered):
            raise NotAuthenticated
        return HttpResponse(
            page.text(), content_type=CONTENT_TYPE_PLAIN_0_0_4, headers={"Cache-Control": "no-store"}
        )

    def get_authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="metrics"'

    def perform_content_negotiation(self, request: Request, force: bool = False) -> tuple[BaseRenderer, str]:
        """Whatever Prometheus accepts; errors are JSON."""
        return JSONRenderer(), JSONRenderer.media_type


def render() -> bytes:
    """The text of all measurements; without a database only `okpuja_database_up 0` and the build."""
    deadline, families = Deadline(SECONDS_TO_COLLECT), []
    try:
        families = result(begin(collect, deadline, DATABASE_ERRORS), deadline)
    except (*DATABASE_ERRORS, ThreadDied):  # TimeoutError is an OSError
        families = []
    families += [
        gauge("database_up", "1 while the measurements can be read", [((), float(bool(families)))]),
        gauge("build_info", "the code of this process", [((settings.BUILD,), 1)], "build"),
    ]
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Families(families))
    return generate_latest(registry)


class Families:
    """What has been collected, as prometheus_client wants it."""

    def __init__(self, families: list[GaugeMetricFamily]) -> None:
        self._families = families

    def collect(self) -> list[GaugeMetricFamily]:
        return self._families


def gauge(name: str, help_text: str, rows: Rows, *labels: str) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"okpuja_{name}", help_text, labels=labels)
    for values, number in rows:
        family.add_metric(values, number)
    return family


def collect() -> list[GaugeMetricFamily]:
    now = database_now()
    return [family for group in GROUPS for family in group(now)]


def payments(now: datetime) -> Iterator[GaugeMetricFamily]:
    real = Payment.objects.filter(real_or_simulating("simulated")).order_by()
    open_ones = real.filter(state=PaymentState.PENDING).values(age=age(now))
    yield gauge(
        "payments_open",
        "undecided payments, by the time since they were opened",
        [((row["age"],), row["count"]) for row in open_ones.annotate(count=Count("pk"))],
        "age",
    )
    unfinished = real.filter(fulfilment__in=UNFINISHED).values("fulfilment", age=age(now))
    rows = list(unfinished.annotate(count=Count("pk"), paise=Sum("amount_paise")))
    labels = "fulfilment", "age"
    yield gauge(
        "payments_unfinished",
        "payments whose money came and is no booking, donation or completed refund yet",
        [((row["fulfilment"], row["age"]), row["count"]) for row in rows],
        *labels,
    )
    yield gauge(
        "payments_unfinished_paise",
        "their money",
        [((row["fulfilment"], row["age"]), row["paise"]) for row in rows],
        *labels,
    )
    recent = newest(Payment).filter(real_or_simulating("simulated"), created_at__gt=now - DAY)
    states = recent.values("state", "fulfilment", age=age(now)).annotate(count=Count("pk"))
    yield gauge(
        "payments_recent",
        f"payments of a day, among the newest {NEWEST_ROWS}",
        [((row["state"], row["fulfilment"], row["age"]), row["count"]) for row in states],
        *("state", "fulfilment", "age"),
    )


def received(now: datetime) -> Iterator[GaugeMetricFamily]:
    attempts = PaymentAttempt.objects.filter(real_or_simulating("simulated"), state=AttemptState.COMPLETED)
    of_hour = Q(decided_at__gt=now - HOUR)
    found = attempts.filter(decided_at__gt=now - DAY).aggregate(
        day=Count("pk"),
        day_paise=Sum("received_paise", default=0),
        hour=Count("pk", filter=of_hour),
        hour_paise=Sum("received_paise", filter=of_hour, default=0),
    )
    spans = ("hour", "day")
    yield gauge("received", "orders that were paid", [((span,), found[span]) for span in spans], "within")
    yield gauge(
        "received_paise",
        "money that came",
        [((span,), found[f"{span}_paise"]) for span in spans],
        "within",
    )


def money_at_risk(now: datetime) -> Iterator[GaugeMetricFamily]:
    """The cases that staff are alerted to (payment/services/monitoring.py), and their money."""
    cases: dict[str, QuerySet[Any]] = {
        "unfulfilled": waiting_money(now).filter(real_or_simulating("simulated")),
        "undecided": undecided_attempts(now),
        "refund_late": late_refunds(now),
    }
    # One group of all rows. Without a row there is no group, which reads as None.
    columns = [
        query.order_by().annotate(group=Value(1)).values("group").annotate(found=aggregate).values("found")
        for query in cases.values()
        for aggregate in (Count("pk"), Sum("amount_paise"))
    ]
    numbers = [value or 0 for value in scalars(columns)]
    yield gauge(
        "cases_at_risk",
        "payments and refunds that wait for longer than they should",
        [((why,), number) for why, number in zip(cases, numbers[::2], strict=True)],
        "why",
    )
    yield gauge(
        "money_at_risk_paise",
        "their money",
        [((why,), number) for why, number in zip(cases, numbers[1::2], strict=True)],
        "why",
    )


def calls(now: datetime) -> Iterator[GaugeMetricFamily]:
    outcome = Case(When(error_category="", then=Value("ok")), default=F("error_category"))
    recent = newest(GatewayCall).filter(started_at__gt=now - WINDOW)
    rows = list(
        recent.values("endpoint", "operation", "stage", outcome=outcome).annotate(
            count=Count("pk"), total=Sum("milliseconds"), longest=Max("milliseconds")
        )
    )
    labels = "endpoint", "operation", "stage", "outcome"

    def by(column: str, scale: float = 1) -> Rows:
        return [(tuple(str(row[name]) for name in labels), row[column] * scale) for row in rows]

    yield gauge("calls_5m", "HTTP attempts to PhonePe within five minutes", by("count"), *labels)
    yield gauge("calls_5m_seconds", "the time that they took together", by("total", 0.001), *labels)
    yield gauge("calls_5m_longest_seconds", "the longest of them", by("longest", 0.001), *labels)
    yield from circuits(now)


def circuits(now: datetime) -> Iterator[GaugeMetricFamily]:
    """What the circuit breakers of all processes have seen together. Each process decides by its own calls."""
    newest_calls = GatewayCall.objects.order_by("-pk").values_list(
        "endpoint", "stage", "error_category", "started_at"
    )
    failures: dict[str, int] = {}
    ended: set[str] = set()
    last_at: dict[str, datetime] = {}
    for endpoint, stage, error, started_at in newest_calls[:NEWEST_CALLS]:
        failures.setdefault(endpoint, 0)
        last_at.setdefault(endpoint, started_at)
        if endpoint not in ended and error and stage in NOTHING_SENT:
            failures[endpoint] += 1
        else:
            ended.add(endpoint)
    cooldown = timedelta(seconds=COOLDOWN_SECONDS)
    yield gauge(
        "circuit_failures",
        "calls in a row, until now, that could not be sent to this endpoint",
        [((endpoint,), count) for endpoint, count in failures.items()],
        "endpoint",
    )
    yield gauge(
        "circuit_open",
        "1: new orders skip this endpoint",
        [
            ((endpoint,), float(count >= FAILURE_THRESHOLD and last_at[endpoint] > now - cooldown))
            for endpoint, count in failures.items()
        ],
        "endpoint",
    )


def webhooks(now: datetime) -> Iterator[GaugeMetricFamily]:
    recent = newest(WebhookEvent).filter(received_at__gt=now - HOUR)
    to_us = ExpressionWrapper(F("received_at") - F("attempt__paid_at"), DurationField())
    inside = ExpressionWrapper(F("handled_at") - F("received_at"), DurationField())
    is_first_news = Q(claimed_state="COMPLETED", refund=None)
    found = recent.aggregate(
        phonepe_average=Avg(to_us, filter=is_first_news),
        phonepe_longest=Max(to_us, filter=is_first_news),
        ours_average=Avg(inside),
        ours_longest=Max(inside),
        last=Max("received_at"),
    )
    delays = [
        ((who, which), max(found[f"{who}_{which}"].total_seconds(), 0.0))
        for who in ("phonepe", "ours")
        for which in ("average", "longest")
        if found[f"{who}_{which}"] is not None
    ]
    yield gauge(
        "webhook_delay_seconds",
        "of an hour: from the payment to the webhook (phonepe), and from the webhook to its end (ours)",
        delays,
        *("part", "which"),
    )
    if found["last"] is not None:
        yield gauge(
            "webhook_last_timestamp", "when the last one of this hour came", [((), found["last"].timestamp())]
        )
    states = recent.values("state").annotate(count=Count("pk"))
    yield gauge(
        "webhooks_1h", "webhooks of an hour", [((row["state"],), row["count"]) for row in states], "state"
    )


def work(now: datetime) -> Iterator[GaugeMetricFamily]:
    """Rows that a worker is busy with, and rows that wait because their work failed, are not late."""
    names: list[str] = []
    queries: list[QuerySet[Any]] = []
    for kind, job in KINDS.items():
        rows = job.due(now)
        if isinstance(rows, QuerySet):
            column = job.columns[0] if job.columns else "pk"
            names.append(kind)
            queries.append(free(rows, kind, now).order_by(column).values(column))
    found = dict(zip(names, map(as_moment, scalars(queries)), strict=True))
    lags = {
        kind: (now - value - KINDS[kind].kept).total_seconds() if isinstance(value, datetime) else 0.0
        for kind, value in found.items()
        if KINDS[kind].columns
    }
    yield gauge(
        "worker_lag_seconds",
        "for how long the most neglected row of each kind has been due",
        [((kind,), max(lag, 0.0)) for kind, lag in lags.items()],
        "kind",
    )
    yield gauge(
        "worker_due",
        "1: a row of this kind is due, and no worker has it",
        [((kind,), float(value is not None)) for kind, value in found.items()],
        "kind",
    )
    is_watch = Q(kind="watch", row=WHOLE_KIND)
    leases = WorkLease.objects.order_by().values("kind")
    failing = list(
        leases.annotate(failing=Count("pk", filter=~Q(error="")), until=Max("held_until", filter=is_watch))
    )
    yield gauge(
        "worker_failing_rows",
        "rows whose work has failed and is tried again",
        [((row["kind"],), row["failing"]) for row in failing],
        "kind",
    )
    ends = [row["until"] for row in failing if row["until"] is not None]
    if ends:
        ago = (now - ends[0]).total_seconds() + SECONDS_BETWEEN_CHECKS
        yield gauge("worker_seen_seconds", "since the last checks of any worker", [((), max(ago, 0.0))])


def outbox(now: datetime) -> Iterator[GaugeMetricFamily]:
    waiting = Notification.objects.filter(next_check_at__isnull=False, state=Notification.State.WAITING)
    rows = list(waiting.order_by().values("channel").annotate(count=Count("pk"), oldest=Min("created_at")))
    yield gauge(
        "outbox_waiting",
        "messages that are not sent yet",
        [((row["channel"],), row["count"]) for row in rows],
        "channel",
    )
    yield gauge(
        "outbox_oldest_seconds",
        "since the oldest of them was written",
        [((row["channel"],), max((now - row["oldest"]).total_seconds(), 0.0)) for row in rows],
        "channel",
    )
    counts = newest(Notification).filter(created_at__gt=now - DAY).values("state").annotate(count=Count("pk"))
    yield gauge(
        "outbox_1d", "messages of a day", [((row["state"],), row["count"]) for row in counts], "state"
    )


def refunds(now: datetime) -> Iterator[GaugeMetricFamily]:
    under_way = Refund.objects.filter(
        real_or_simulating("attempt__simulated"), state__in=(RefundState.WAITING, *OPEN_REFUND)
    )
    late = Q(expected_by__lte=now)
    rows = list(
        under_way.order_by()
        .values("state")
        .annotate(count=Count("pk"), paise=Sum("amount_paise"), late=Count("pk", filter=late))
    )
    for name, column, meaning in (
        ("refunds_open", "count", "refunds that are under way"),
        ("refunds_open_paise", "paise", "their money"),
        ("refunds_late", "late", "refunds that should have been credited by now"),
    ):
        yield gauge(name, meaning, [((row["state"],), row[column]) for row in rows], "state")


def diagnosis(now: datetime) -> Iterator[GaugeMetricFamily]:
    finished = DiagnosisRun.objects.exclude(finished_at=None).order_by("-pk")
    last = finished.values("success", "verdict", "culprit", "started_at").first()
    if last is None:
        return
    yield gauge("diagnosis_ok", "1: the last diagnosis found no fault", [((), float(last["success"]))])
    yield gauge(
        "diagnosis_info", "what it found", [((last["verdict"], last["culprit"]), 1)], *("verdict", "culprit")
    )
    yield gauge("diagnosis_age_seconds", "since it began", [((), (now - last["started_at"]).total_seconds())])


GROUPS: tuple[Callable[[datetime], Iterator[GaugeMetricFamily]], ...] = (
    *(payments, received, money_at_risk, calls, webhooks, work, outbox, refunds, diagnosis),
)


def age(now: datetime) -> Case:
    steps = [When(created_at__gt=now - longest, then=Value(f"under_{name}")) for name, longest in AGES]
    return Case(*steps, default=Value("older"), output_field=CharField())


def newest(model: type[Model]) -> QuerySet[Any]:
    """So that no statement grows with the table."""
    rows = model._default_manager
    return rows.filter(pk__in=rows.order_by("-pk").values("pk")[:NEWEST_ROWS]).order_by()
