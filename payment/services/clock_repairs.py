"""Finds rows that a wrong clock has scheduled too late, and makes them due.

Each schedule here grows with the age of its row or with its tries. So a time that it has set before is never later
than the time that it would set now. A row with a later time was scheduled by a clock that was ahead. To check it too
early does no harm: its own schedule then sets the next time.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Case, DateTimeField, ExpressionWrapper, F, Q, QuerySet, Value, When
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce, Greatest
from django.db.models.lookups import GreaterThan

from booking.services import longest_page_life
from core.clocks import SKEW
from notifications.models import Notification
from notifications.sending import PAUSES
from payment.models import OPEN_ATTEMPT, Payment, PaymentAttempt, Reconciliation, Refund, WebhookEvent
from payment.services.outcomes import SECONDS_BEFORE_NEXT_TRY
from payment.services.refunds import sending
from payment.services.refunds.outcomes import IDS_TRIED_BY_ITSELF, PAUSE_AFTER_FAILURE
from payment.services.schedule import DAY, MINUTE, TAIL, burst, longest_pause_on_page, scaled
from payment.services.webhooks import LATER_SECONDS, LATEST_SECONDS, SOON_CHECKS, SOON_SECONDS

STEP = 1.2  # finer than what an hour adds to any of these pauses

Latest = Callable[[datetime], Combinable]


@dataclass(frozen=True)
class Schedule:
    """`latest`: the last moment that this column of a row can be set to now, for the database to work out."""

    model: type[Any]
    column: str
    latest: Latest

    def late_rows(self, now: datetime) -> "QuerySet[Any]":
        """Rows with a later moment."""
        late = Q(**{f"{self.column}__gt": now + SKEW}) & Q(**{f"{self.column}__gt": F("latest") + SKEW})
        rows: QuerySet[Any] = self.model._default_manager.alias(latest=self.latest(now)).filter(late)
        return rows

    def repair(self, now: datetime) -> int:
        """Makes rows with a later moment due. Returns their number."""
        return self.late_rows(now).update(**{self.column: now})


SCHEDULES: list[Schedule] = []


def schedule_of(model: type[Any], column: str) -> Callable[[Latest], Latest]:
    """Adds a Schedule with the decorated function as its `latest`."""

    def register(latest: Latest) -> Latest:
        SCHEDULES.append(Schedule(model, column, latest))
        return latest

    return register


def repair_schedules(now: datetime) -> int:
    """Makes rows due that wait for longer than their schedule says. Returns their number; one statement a schedule."""
    for rows, column in _wrong_start_times(now):
        rows.update(**{column: now})
    repaired = sum(schedule.repair(now) for schedule in SCHEDULES)
    return repaired + _nights_ahead(now).update(finished_at=None, compare_again_at=None)


def wrong_schedules(now: datetime) -> list["QuerySet[Any]"]:
    """What `repair_schedules` would find."""
    starts = [rows for rows, _ in _wrong_start_times(now)]
    return [*starts, *(schedule.late_rows(now) for schedule in SCHEDULES), _nights_ahead(now)]


def _nights_ahead(now: datetime) -> "QuerySet[Reconciliation]":
    """A night that was compared in the future is compared again when it is over: the day had not ended."""
    nightly = Reconciliation.objects.filter(asked_by=Reconciliation.AskedBy.WORKER)
    return nightly.filter(started_at__gt=now + SKEW, finished_at__isnull=False)


def _wrong_start_times(now: datetime) -> list[tuple["QuerySet[Any]", str]]:
    """Rows and their column. A start in the future becomes now. Otherwise the age of the row would be below zero until
    then, and it would be polled at the fastest pace. A page with a wrong time has ended (see
    `PaymentAttempt.is_of_a_wrong_clock`)."""
    ahead = now + SKEW
    attempts = PaymentAttempt.objects.filter(next_check_at__isnull=False)
    written_at = Coalesce("sent_at", "created_at")
    opened_ahead = Q(GreaterThan(written_at, ahead)) & Q(GreaterThan(F("expires_at"), written_at))
    too_long = Q(expires_at__gt=ahead + longest_page_life())
    return [
        (attempts.filter(opened_ahead | too_long), "expires_at"),
        (attempts.filter(sent_at__gt=ahead), "sent_at"),
        (Refund.objects.filter(next_check_at__isnull=False, sent_at__gt=ahead), "sent_at"),
        (WebhookEvent.objects.filter(next_check_at__isnull=False, received_at__gt=ahead), "received_at"),
    ]


@schedule_of(PaymentAttempt, "next_check_at")
def latest_poll(now: datetime) -> Combinable:
    """An open page is polled each minute; after its end, at the moments of the tail.

    The tail of an order that was sent again after the end of its page begins with that request.
    """
    is_open = Q(state__in=OPEN_ATTEMPT)
    last_sent_at = Greatest("expires_at", Coalesce("sent_at", "created_at"))
    page_end = Case(When(is_open, then=last_sent_at), default="expires_at")
    tail = (
        When(
            GreaterThan(page_end, now - scaled(offset)),
            then=ExpressionWrapper(page_end + (scaled(offset) + burst()), output_field=DateTimeField()),
        )
        for offset in TAIL
    )
    return Case(
        When(
            is_open & Q(GreaterThan(page_end, now + scaled(MINUTE))),
            then=Value(now + longest_pause_on_page()),
        ),
        *tail,
        default=Value(now + scaled(DAY)),
        output_field=DateTimeField(),
    )


@schedule_of(Refund, "next_check_at")
def latest_check_of_refund(now: datetime) -> Combinable:
    """A refund that replaces a failed one begins with a pause for each id that was tried."""
    pause = IDS_TRIED_BY_ITSELF * scaled(PAUSE_AFTER_FAILURE)
    return Case(
        When(replaces__isnull=False, checks=0, then=Value(now + pause)),
        default=_quarter_of_age(now, Coalesce("sent_at", "created_at"), sending.SOONEST, sending.LATEST),
        output_field=DateTimeField(),
    )


@schedule_of(WebhookEvent, "next_check_at")
def latest_check_of_event(now: datetime) -> Combinable:
    return Case(
        When(checks__lt=SOON_CHECKS, then=Value(now + scaled(SOON_SECONDS))),
        default=_quarter_of_age(now, F("received_at"), LATER_SECONDS, LATEST_SECONDS),
        output_field=DateTimeField(),
    )


@schedule_of(Notification, "next_check_at")
def latest_try_of_notification(now: datetime) -> Combinable:
    """`checks` counts the tries; a notification that was never tried is due when it is written."""
    pauses = (0, *PAUSES)
    return Case(
        *(When(checks=tries, then=Value(now + scaled(pause))) for tries, pause in enumerate(pauses)),
        default=Value(now + scaled(pauses[-1])),
        output_field=DateTimeField(),
    )


@schedule_of(Payment, "fulfil_at")
def latest_fulfilment(now: datetime) -> Combinable:
    return Value(now + scaled(SECONDS_BEFORE_NEXT_TRY), output_field=DateTimeField())


@schedule_of(Reconciliation, "compare_again_at")
def latest_comparison(now: datetime) -> Combinable:
    return Value(now + Reconciliation.AGAIN, output_field=DateTimeField())


def _quarter_of_age(now: datetime, since: Combinable, soonest: int, latest: int) -> Combinable:
    """A quarter of the row's age from now, between `soonest` and `latest` seconds, in steps of a fifth: SQLite cannot
    divide a time span exactly. A row of the future has no age.
    """
    pauses, pause = [], scaled(soonest)
    while pause < scaled(latest):
        pauses.append(pause)
        pause *= STEP
    return Case(
        *(When(GreaterThan(since, now - 4 * pause), then=Value(now + pause)) for pause in pauses),
        default=Value(now + scaled(latest)),
        output_field=DateTimeField(),
    )
