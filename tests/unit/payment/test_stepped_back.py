"""Our clock was ahead for a while, and was set right: whatever it has scheduled is worked on within a minute.

Rows are scheduled here by the schedules themselves at the wrong time, and looked for at the right one.
"""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from notifications.models import Notification
from notifications.sending import pause_after
from payment.models import (
    CreditNote,
    Payment,
    PaymentAttempt,
    Receipt,
    Reconciliation,
    Refund,
    WebhookEvent,
)
from payment.phonepe.enums import ProviderStatus
from payment.reconciliation.runs import NIGHT_ENDS
from payment.services import status
from payment.services.clock_repairs import SCHEDULES, repair_schedules
from payment.services.monitoring import run_checks
from payment.services.refunds import sending
from payment.services.schedule import scaled
from payment.services.webhooks import next_check_time
from payment.states import AttemptState, Fulfilment, PaymentState, RefundState
from tests.unit.payment.builders import make_attempt, make_payment
from worker.jobs import KINDS

pytestmark = [pytest.mark.slow, pytest.mark.proof(every=7), pytest.mark.django_db]


@pytest.fixture(autouse=True)
def nightly(settings):
    settings.RECONCILE_NIGHTLY = True


MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def an_order(now: datetime, clock: datetime, *, age: timedelta = 5 * MINUTE, state: str = "PENDING"):
    """Asked about at `clock`, without a decision."""
    sent_at = now - age
    attempt = make_attempt(
        Payment.objects.create(reference=f"P{age}{state}", amount_paise=10_000),
        sent_at=sent_at,
        expires_at=sent_at + 15 * MINUTE,
        state=state,
    )
    following = status.next_poll_at(attempt, ProviderStatus.PENDING, clock)
    PaymentAttempt.objects.update(created_at=sent_at, next_check_at=following)
    return attempt


def a_new_order(now: datetime, clock: datetime):
    """Opened at `clock`, and so is its page."""
    attempt = an_order(now, now)
    moments = {"created_at": clock, "sent_at": clock, "expires_at": clock + 15 * MINUTE}
    PaymentAttempt.objects.update(**moments, next_check_at=clock + 25 * MINUTE / 60)
    return attempt


def a_refund(now: datetime, clock: datetime, *, age: timedelta = HOUR, **fields) -> Refund:
    attempt = make_payment(state=PaymentState.SUCCESS, fulfilment=Fulfilment.REFUND_DUE).attempts.get()
    defaults = {"state": RefundState.PENDING, "sent_at": now - age, "merchant_refund_id": "R1", "checks": 1}
    refund = Refund.objects.create(
        payment=attempt.payment, attempt=attempt, amount_paise=100, next_check_at=clock, **defaults | fields
    )
    Refund.objects.filter(pk=refund.pk).update(created_at=now - age)
    refund.refresh_from_db()
    Refund.objects.filter(pk=refund.pk).update(next_check_at=sending.next_check_time(refund, clock))
    return refund


def a_new_refund(now: datetime, clock: datetime) -> Refund:
    refund = a_refund(now, clock, state=RefundState.WAITING, sent_at=None, checks=0)
    Refund.objects.update(created_at=clock, next_check_at=clock)
    return refund


def a_refund_after_one_that_failed(now: datetime, clock: datetime) -> Refund:
    failed = a_refund(now, now, state=RefundState.FAILED, merchant_refund_id="R0")
    Refund.objects.update(next_check_at=None)
    refund = Refund.objects.create(
        payment=failed.payment,
        attempt=failed.attempt,
        merchant_refund_id="R1",
        amount_paise=100,
        replaces=failed,
        next_check_at=clock + 10 * MINUTE,
    )
    Refund.objects.filter(pk=refund.pk).update(created_at=clock)
    return refund


def an_event(now: datetime, clock: datetime, *, age: timedelta = HOUR, checks: int = 20) -> WebhookEvent:
    attempt = make_payment().attempts.get()
    event = WebhookEvent.objects.create(
        digest="d", scheme="hmac", body=b"{}", attempt=attempt, checks=checks, claimed_state="COMPLETED"
    )
    event.received_at = now - age
    event.next_check_at = next_check_time(event, clock, answered=False)
    event.save()
    return event


def a_new_event(now: datetime, clock: datetime) -> WebhookEvent:
    event = an_event(now, now, checks=0)
    WebhookEvent.objects.update(received_at=clock, next_check_at=clock)
    return event


def a_message(now: datetime, clock: datetime, *, tries: int = 3) -> Notification:
    notice = Notification.objects.create(kind="booked", key=f"k{tries}", message_id="m", checks=tries)
    pause = timedelta(seconds=pause_after(notice)) if tries else timedelta()
    Notification.objects.filter(pk=notice.pk).update(next_check_at=clock + pause, created_at=now - HOUR)
    return notice


def a_new_message(now: datetime, clock: datetime) -> Notification:
    return a_message(now, clock, tries=0)


def a_paid_order(now: datetime, clock: datetime) -> Payment:
    """Its fulfilment has failed once at `clock`."""
    due = {"state": PaymentState.SUCCESS, "fulfilment": Fulfilment.DUE}
    return make_payment(**due, fulfil_at=clock + MINUTE / 2, decided_at=clock)


def a_receipt(now: datetime, clock: datetime) -> Receipt:
    payment = make_payment(state=PaymentState.SUCCESS, fulfilment=Fulfilment.BOOKED)
    return Receipt.objects.create(
        payment=payment, series="R", year=2026, received_at=clock, price_paise=100, total_paise=100
    )


def a_credit_note(now: datetime, clock: datetime) -> CreditNote:
    return CreditNote.objects.create(
        refund=a_refund(now, clock), series="C", year=2026, issued_at=clock, total_paise=100
    )


def a_night_without_answers(now: datetime, clock: datetime) -> Reconciliation:
    return Reconciliation.objects.create(
        day=timezone.localdate(now - timedelta(hours=NIGHT_ENDS)) - timedelta(days=1),
        asked_by="worker",
        started_at=now - MINUTE,
        finished_at=clock,
        compare_again_at=clock + 3 * HOUR,
    )


def in_tail(now: datetime, clock: datetime):
    return an_order(now, clock, age=25 * MINUTE, state=AttemptState.EXPIRED)


# Kind of work, how its row was scheduled.
SCHEDULED = [
    ("attempts", an_order),
    ("attempts", a_new_order),
    ("attempts", in_tail),
    ("refunds", a_refund),
    ("refunds", a_new_refund),
    ("refunds", a_refund_after_one_that_failed),
    ("events", an_event),
    ("events", a_new_event),
    ("notifications", a_message),
    ("notifications", a_new_message),
    ("fulfilments", a_paid_order),
    ("reconcile", a_night_without_answers),
    ("receipts", a_receipt),
    ("credit_notes", a_credit_note),
]
KEPT_OTHERWISE = {
    "holds": "payment.services.holds.repair_holds",
    "pay_links": "the end that the customer was told, which stands",
    "server_events": "a flag says what is to be passed on, no moment",
    "webhooks": "a try that comes later; the servers are told the same",
    "closures": "an empty outcome says what is to be done, no moment",
    "offers": "the end that the buyer was told, which stands",
    "paying_watches": "a mail that comes later, and says then what is true",
    "waiting": "a state says who waits, no moment",
    "waiting_offers": "the end that the person was told, which stands",
    "late_waiting": "counted back from the start of the puja, whatever the clock was",
    "reminders": "counted back from the start of the puja, whatever the clock was",
    "keys": "only forgets what nobody needs any more",
    "code_requests": "each that is there is due",
    "registrations": "a flag says what is to be answered, no moment",
    "left_registrations": "only forgets what nobody confirmed",
    "uploads": "only deletes files that nobody can see any more",
    "codes": "a flag says what is to be sent, no moment",
    "sessions": "only forgets what nobody needs any more",
    "diagnosis": "what it is for has a number, no moment",
    "watch": "a lease, which says when it was taken",
}


def key_of(row) -> int:
    return row.day.toordinal() if isinstance(row, Reconciliation) else row.pk


def moment_of(row):
    row.refresh_from_db()
    shown = "issued_at" if isinstance(row, CreditNote) else "received_at"
    column = next((each.column for each in SCHEDULES if isinstance(row, each.model)), shown)
    return getattr(row, column)


def is_due(kind: str, row) -> bool:
    found = KINDS[kind].due(timezone.now())
    return key_of(row) in ([each.pk for each in found] if hasattr(found, "model") else found)


def test_every_kind_of_work_has_its_rule():
    assert {kind for kind, _ in SCHEDULED} | KEPT_OTHERWISE.keys() == KINDS.keys()


@pytest.mark.parametrize("step", [HOUR, DAY, 400 * DAY], ids=["an hour", "a day", "a year"])
@pytest.mark.parametrize(("kind", "made"), SCHEDULED, ids=lambda value: getattr(value, "__name__", value))
def test_what_a_clock_that_was_ahead_has_scheduled_is_due(kind, made, step):
    now = timezone.now()
    row = made(now, now + step)

    run_checks(1)

    assert is_due(kind, row)


@pytest.mark.parametrize("skew", [0, 30, -30])
@pytest.mark.parametrize(("kind", "made"), SCHEDULED, ids=lambda value: getattr(value, "__name__", value))
def test_two_clocks_that_differ_a_little_change_nothing(kind, made, skew):
    now = timezone.now()
    row = made(now, now + timedelta(seconds=skew))
    before = moment_of(row)

    run_checks(1)

    assert moment_of(row) == before


# --- No schedule is ever mended that a right clock has set: else its rows would be worked on each minute ------------

LOOKS = [timedelta(seconds=seconds) for seconds in (0, 300, 20_000)]
AGES = [
    *(
        timedelta(seconds=seconds)
        for seconds in (0, 1, 19, 40, 61, 200, 260, 299, 301, 840, 899, 901, 1_000, 1_190)
    ),
    *(timedelta(minutes=minutes) for minutes in (21, 30, 74, 76, 200, 374, 376, 600, 1_455, 1_500)),
    *(timedelta(days=days) for days in (2, 6, 7, 8, 30)),
]


def mended_later(row, following: datetime | None, written_at: datetime) -> list:
    """The moments before its next look at which the row would be mended."""
    if following is None:
        return []
    type(row).objects.filter(pk=row.pk).update(next_check_at=following)
    looked_at = [written_at + look for look in LOOKS if written_at + look < following]
    schedule = next(each for each in SCHEDULES if isinstance(row, each.model))
    return [at - written_at for at in looked_at if schedule.repair(at)]


@pytest.mark.parametrize("said_again", [timedelta(), 3 * HOUR], ids=str)
@pytest.mark.parametrize("life", [MINUTE, 15 * MINUTE], ids=str)
@pytest.mark.parametrize("state", [AttemptState.PENDING, AttemptState.EXPIRED])
def test_questions_of_a_right_clock_stand(state, life, said_again):
    opened = timezone.now() - 60 * DAY
    attempt = make_payment().attempts.get()
    moments = {"created_at": opened, "sent_at": opened + said_again, "expires_at": opened + life}
    PaymentAttempt.objects.update(state=state, **moments)
    attempt.refresh_from_db()
    for age in AGES:
        at = opened + said_again + age
        for heard in (None, ProviderStatus.PENDING):
            assert mended_later(attempt, status.next_poll_at(attempt, heard, at), at) == []


@pytest.mark.parametrize("is_sent", [True, False])
def test_looks_of_a_right_clock_at_a_refund_stand(is_sent):
    asked = timezone.now() - 60 * DAY
    refund = a_refund(asked, asked, age=timedelta(), sent_at=asked if is_sent else None)
    for age in AGES:
        assert mended_later(refund, sending.next_check_time(refund, asked + age), asked + age) == []


@pytest.mark.parametrize("tries", [1, 2])
def test_the_pauses_of_a_refund_after_one_that_failed_stand(tries):
    refund = a_refund_after_one_that_failed(timezone.now(), timezone.now())
    assert mended_later(refund, refund.created_at + tries * scaled(300), refund.created_at) == []


@pytest.mark.parametrize("checks", [1, 9, 10, 50])
def test_looks_of_a_right_clock_at_an_event_stand(checks):
    told = timezone.now() - 60 * DAY
    event = an_event(told, told, age=timedelta(), checks=checks)
    for age in AGES:
        assert mended_later(event, next_check_time(event, told + age, answered=False), told + age) == []


@pytest.mark.parametrize("tries", range(12))
def test_the_pauses_of_a_message_stand(tries):
    now = timezone.now()
    notice = a_message(now, now, tries=tries)
    assert mended_later(notice, moment_of(notice), now) == []


def test_the_sweep_takes_as_many_statements_whatever_it_finds(django_assert_num_queries):
    for _ in range(5):
        make_payment()

    with django_assert_num_queries(len(SCHEDULES) + 5):
        repair_schedules(timezone.now())


# --- What has begun in the future is not asked about at the fastest pace until then ---------------------------------


@pytest.mark.parametrize("step", [HOUR, 400 * DAY], ids=["an hour", "a year"])
def test_a_refund_that_was_sent_in_the_future_grows_older(step):
    now = timezone.now()
    refund = a_refund(now, now + step, age=-step)

    run_checks(1)

    refund.refresh_from_db()
    assert sending.next_check_time(refund, now + DAY) > now + DAY + 5 * HOUR


@pytest.mark.parametrize("step", [HOUR, 400 * DAY], ids=["an hour", "a year"])
def test_an_event_that_came_in_the_future_is_given_up_after_a_day(step):
    now = timezone.now()
    event = an_event(now, now + step, age=-step)
    WebhookEvent.objects.update(received_at=now + step)

    run_checks(1)

    event.refresh_from_db()
    assert next_check_time(event, now + DAY + MINUTE) is None


@pytest.mark.parametrize("state", [AttemptState.PENDING, AttemptState.EXPIRED])
@pytest.mark.parametrize("step", [HOUR, 400 * DAY], ids=["an hour", "a year"])
def test_an_order_that_was_opened_in_the_future_is_over_and_asked_about_daily_in_the_end(step, state):
    now = timezone.now()
    attempt = a_new_order(now, now + step)
    PaymentAttempt.objects.update(state=state)

    run_checks(1)

    attempt.refresh_from_db()
    assert attempt.is_past_its_page(timezone.now())
    later = now + 2 * DAY + HOUR
    assert status.next_poll_at(attempt, ProviderStatus.PENDING, later) > later + 20 * HOUR


# --- What else is believed ------------------------------------------------------------------------------------------


def test_a_day_that_was_compared_before_its_end_is_compared_again():
    now = timezone.now()
    day = timezone.localdate(now)
    Reconciliation.objects.create(day=day, asked_by="worker", started_at=now + DAY, finished_at=now + DAY)

    run_checks(1)

    assert day.toordinal() in KINDS["reconcile"].due(now + 2 * DAY)  # its night has ended by then


def test_a_day_that_was_compared_by_hand_stays_as_it_is():
    now = timezone.now()
    by_hand = Reconciliation.objects.create(
        day=timezone.localdate(now), asked_by="command", started_at=now + HOUR, finished_at=now + HOUR
    )

    run_checks(1)

    by_hand.refresh_from_db()
    assert by_hand.finished_at == now + HOUR
