"""Finds rows that a wrong clock has scheduled too late, and makes them due.

Each schedule here grows with the age of its row or with its tries. So a time that it has set before is never later
than the time that it would set now. A row with a later time was scheduled by a clock that was ahead. To check it too
early does no harm: its own schedule then sets the next time.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
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


@dataclass(frozen=True)
class Schedule:
    """`latest`: the last moment that this column of a row can be set to now, for the database to work out."""

    model: type[Any]
    column: str
    latest: Callable[[datetime], Combinable]

    def mend(self, now: datetime) -> int:
        late = Q(**{f"{self.column}__gt": now + SKEW}) & Q(**{f"{self.column}__gt": F("latest") + SKEW})
        rows: QuerySet[Any] = self.model._default_manager.alias(latest=self.latest(now)).filter(late)
        return rows.update(**{self.column: now})


def repair_schedules(now: datetime) -> int:
    """Rows that wait for longer than their schedule says are due. Their number; one statement a schedule."""
    _repair_start_times(now)
    return sum(schedule.mend(now) for schedule in SCHEDULES) + _repair_nightly_runs(now)


def _repair_start_times(now: datetime) -> None:
    """What has begun in the future begins now, else its age stays below zero, and it is asked about at its fastest
    until then. A page of a wrong clock has ended, in the sense of `PaymentAttempt.is_of_a_wrong_clock`."""
    ahead = now + SKEW
    attempts = PaymentAttempt.objects.filter(next_check_at__isnull=False)
    written_at = Coalesce("sent_at", "created_at")
    opened_ahead = Q(GreaterThan(written_at, ahead)) & Q(GreaterThan(F("expires_at"), written_at))
    too_long = Q(expires_at__gt=ahead + longest_page_life())
    attempts.filter(opened_ahead | too_long).update(expires_at=now)
    attempts.filter(sent_at__gt=ahead).update(sent_at=now)
    Refund.objects.filter(next_check_at__isnull=False, sent_at__gt=ahead).update(sent_at=now)
    WebhookEvent.objects.filter(next_check_at__isnull=False, received_at__gt=ahead).update(received_at=now)


def _latest_poll(now: datetime) -> Combinable:
    """A page that is open is asked about each minute; after it the next moment of the tail is the last possible one.

    The tail of an order that was said again after its page had ended begins when it was said.
    """
    is_open = Q(state__in=OPEN_ATTEMPT)
    said_at = Greatest("expires_at", Coalesce("sent_at", "created_at"))
    page_end = Case(When(is_open, then=said_at), default="expires_at")
    return Case(
        When(
            is_open & Q(GreaterThan(page_end, now + scaled(MINUTE))),
            then=Value(now + longest_pause_on_page()),
        ),
        *(
            When(GreaterThan(page_end, now - scaled(offset)), then=_later(page_end, scaled(offset) + burst()))
            for offset in TAIL
        ),
        default=Value(now + scaled(DAY)),
        output_field=DateTimeField(),
    )


def _latest_check_of_refund(now: datetime) -> Combinable:
    """Who replaces one that failed begins with a pause for each id that was tried."""
    pause = IDS_TRIED_BY_ITSELF * scaled(PAUSE_AFTER_FAILURE)
    return Case(
        When(replaces__isnull=False, checks=0, then=Value(now + pause)),
        default=_quarter_of_age(now, Coalesce("sent_at", "created_at"), sending.SOONEST, sending.LATEST),
        output_field=DateTimeField(),
    )


def _latest_check_of_event(now: datetime) -> Combinable:
    return Case(
        When(checks__lt=SOON_CHECKS, then=Value(now + scaled(SOON_SECONDS))),
        default=_quarter_of_age(now, F("received_at"), LATER_SECONDS, LATEST_SECONDS),
        output_field=DateTimeField(),
    )


def _latest_try_of_notification(now: datetime) -> Combinable:
    """`checks` counts the tries; a message that was never tried is due when it is written."""
    pauses = (0, *PAUSES)
    return Case(
        *(When(checks=tries, then=Value(now + scaled(pause))) for tries, pause in enumerate(pauses)),
        default=Value(now + scaled(pauses[-1])),
        output_field=DateTimeField(),
    )


def _latest_fulfilment(now: datetime) -> Combinable:
    return Value(now + scaled(SECONDS_BEFORE_NEXT_TRY), output_field=DateTimeField())


def _latest_comparison(now: datetime) -> Combinable:
    return Value(now + Reconciliation.AGAIN, output_field=DateTimeField())


SCHEDULES = (
    Schedule(PaymentAttempt, "next_check_at", _latest_poll),
    Schedule(Refund, "next_check_at", _latest_check_of_refund),
    Schedule(WebhookEvent, "next_check_at", _latest_check_of_event),
    Schedule(Notification, "next_check_at", _latest_try_of_notification),
    Schedule(Payment, "fulfil_at", _latest_fulfilment),
    Schedule(Reconciliation, "compare_again_at", _latest_comparison),
)


def _repair_nightly_runs(now: datetime) -> int:
    """A night that was compared in the future is compared again when it is over: the day had not ended."""
    nightly = Reconciliation.objects.filter(asked_by=Reconciliation.AskedBy.WORKER)
    ahead = nightly.filter(started_at__gt=now + SKEW, finished_at__isnull=False)
    return ahead.update(finished_at=None, compare_again_at=None)


def _quarter_of_age(now: datetime, since: Combinable, soonest: int, latest: int) -> Combinable:
    """Between `soonest` and `latest` seconds from now, in steps of a fifth: SQLite divides no span exactly.

    A row of the future has no age.
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


def _later(moment: Combinable, span: timedelta) -> Combinable:
    return ExpressionWrapper(moment + span, output_field=DateTimeField())
