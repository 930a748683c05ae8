"""The background: finds what is due in the rows, and survives the death of any of its threads."""

import uuid
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db.models import QuerySet
from django.utils import timezone

from booking.models import Cart, SlotHold
from payment.models import IdempotencyKey, Offer, Payment, PaymentAttempt, Receipt, WebhookEvent, WorkLease
from payment.phonepe.transport import Deadline
from payment.services import leases
from payment.services.checkout import start_payment
from payment.services.leases import LEASE
from payment.services.monitoring import run_checks
from payment.services.queue import oldest_overdue
from payment.services.status import poll
from payment.services.webhooks import receive_webhook
from payment.states import AttemptState, Fulfilment, PaymentState
from simulator.webhook_deliveries import authentication_headers
from worker.jobs import KINDS, run_due

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def started(generation, alice, cart):
    return start_payment(alice, cart_id=cart.pk)


def make_due(**fields) -> None:
    PaymentAttempt.objects.update(next_check_at=timezone.now() - timedelta(seconds=1), **fields)


def test_nobody_asks_before_the_schedule_says_so(started):
    assert run_due(["attempts"]) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_rows_that_are_due_at_one_moment_have_an_order(kind):
    """Else the database may choose another row each time, and one of them waits without end."""
    rows = KINDS[kind].due(timezone.now())

    assert not isinstance(rows, QuerySet) or rows.query.order_by[-1] == "pk"


def test_a_paid_order_whose_webhook_was_lost_is_found_by_asking(started, phonepe):
    phonepe.decide(started.attempt.merchant_order_id)
    make_due()

    assert run_due(["attempts"]) == 1

    assert Payment.objects.get().fulfilment == Fulfilment.BOOKED
    assert PaymentAttempt.objects.get().next_check_at is None


def test_an_open_order_is_asked_about_again_at_the_next_prescribed_moment(started):
    make_due(sent_at=timezone.now() - timedelta(seconds=26))
    run_due(["attempts"])

    attempt = PaymentAttempt.objects.get()
    assert not WorkLease.objects.exists()
    assert attempt.checks == 1
    assert 0 < (attempt.next_check_at - timezone.now()).total_seconds() < 3


def test_a_silent_phonepe_changes_nothing_and_is_asked_again(started, phonepe):
    phonepe.inject_fault("status", "status_500", times=99)
    make_due()
    run_due(["attempts"])

    assert Payment.objects.get().state == PaymentState.PENDING
    assert PaymentAttempt.objects.get().next_check_at > timezone.now()


def claim(attempt: PaymentAttempt) -> WorkLease | None:
    return leases._claim("attempts", attempt.pk, LEASE)


def test_a_row_whose_worker_died_is_found_again_when_its_lease_ends(started, phonepe):
    phonepe.decide(started.attempt.merchant_order_id)
    make_due()
    assert claim(started.attempt)  # … and the worker is killed

    assert run_due(["attempts"]) == 0
    WorkLease.objects.update(held_until=timezone.now())
    assert run_due(["attempts"]) == 1
    assert Payment.objects.get().fulfilment == Fulfilment.BOOKED


def test_a_lease_from_a_clock_that_was_set_back_since_holds_nothing(started, phonepe):
    phonepe.decide(started.attempt.merchant_order_id)
    make_due()
    assert claim(started.attempt)
    hour = timedelta(hours=1)
    WorkLease.objects.update(taken_at=timezone.now() + hour, held_until=timezone.now() + hour + LEASE)

    assert run_due(["attempts"]) == 1


def test_a_worker_that_lost_its_lease_still_settles_what_it_learned_and_ends_no_other_lease(started, phonepe):
    phonepe.decide(started.attempt.merchant_order_id)
    lost = claim(started.attempt)
    WorkLease.objects.update(held_until=timezone.now())
    assert claim(started.attempt)

    poll(started.attempt, Deadline(5), "worker")
    leases._end(lost, None)

    assert Payment.objects.get().fulfilment == Fulfilment.BOOKED
    assert WorkLease.objects.exists()


@pytest.mark.work_fails
def test_a_row_that_cannot_be_looked_at_again_after_its_claim_is_pushed_back():
    """Else the night that is to be compared would wait for the end of its long lease."""
    looks = [[7]]
    job = leases.Job(lambda now: looks.pop(), act=pytest.fail, lease=timedelta(hours=1))

    assert leases.process_next_row("reconcile", job, timezone.now())

    lease = WorkLease.objects.get()
    assert (lease.row, lease.error) == (7, "IndexError: pop from empty list")
    assert lease.held_until <= timezone.now() + leases.pause_after(1)


@pytest.mark.work_fails
def test_work_that_failed_and_was_done_in_another_way_is_forgotten(started, phonepe):
    """Else the desk would show for ever that background work fails."""
    phonepe.decide(started.attempt.merchant_order_id)
    with leases.lease_row("attempts", started.attempt.pk):
        raise ValueError("broken once")
    poll(started.attempt, Deadline(5), "webhook")
    failed = WorkLease.objects.exclude(error="")
    failed.update(held_until=timezone.now() - leases.LEFT + timedelta(minutes=1))
    run_checks(0)
    assert failed.exists()

    failed.update(held_until=timezone.now() - leases.LEFT)
    run_checks(0)
    assert not WorkLease.objects.exists()


def test_an_event_the_web_process_could_not_settle_is_handled(started, phonepe):
    phonepe.decide(started.attempt.merchant_order_id)
    delivery = phonepe.webhooks[-1]
    receive_webhook(authentication_headers(delivery), delivery.body.encode())

    assert run_due(["events"]) == 1

    assert WebhookEvent.objects.get().state == WebhookEvent.State.HANDLED
    assert Payment.objects.get().fulfilment == Fulfilment.BOOKED
    assert run_due(["events"]) == 0


def test_an_event_phonepe_does_not_confirm_yet_is_asked_about_in_three_seconds(started, phonepe):
    phonepe.decide(started.attempt.merchant_order_id)
    delivery = phonepe.webhooks[-1]
    receive_webhook(authentication_headers(delivery), delivery.body.encode())
    phonepe.inject_fault("status", "status_500", times=99)

    run_due(["events"])

    event = WebhookEvent.objects.get()
    assert event.state == WebhookEvent.State.RECEIVED
    assert 2 < (event.next_check_at - timezone.now()).total_seconds() <= 3


def test_a_payment_never_expires_without_asking_phonepe(started, cart, phonepe):
    phonepe.inject_fault("status", "status_500", times=99)
    make_due(expires_at=timezone.now() - timedelta(minutes=10))
    run_due(["attempts"])
    assert Payment.objects.get().state == PaymentState.PENDING

    phonepe.clear_faults()
    make_due()
    run_due(["attempts"])

    assert Payment.objects.get().state == PaymentState.CANCELLED
    cart.refresh_from_db()
    assert cart.status == Cart.Status.ACTIVE


def test_late_money_is_found_by_the_slow_tail(started, phonepe):
    PaymentAttempt.objects.update(expires_at=timezone.now() - timedelta(minutes=10))
    make_due()
    run_due(["attempts"])
    attempt = PaymentAttempt.objects.get()
    assert attempt.state == AttemptState.EXPIRED
    assert attempt.next_check_at > timezone.now()

    phonepe.advance_clock(2000)
    phonepe.decide(attempt.merchant_order_id, "late_success")
    make_due()
    run_due(["attempts"])

    assert Payment.objects.get().fulfilment == Fulfilment.BOOKED


def hold_ends(checkout_expired_minutes_ago: int) -> None:
    moment = timezone.now()
    SlotHold.objects.update(expires_at=moment - timedelta(seconds=1))
    SlotHold.objects.get().checkout.__class__.objects.update(
        expires_at=moment - timedelta(minutes=checkout_expired_minutes_ago)
    )


def test_a_hold_is_stretched_while_the_payment_is_undecided(started, slot):
    hold_ends(checkout_expired_minutes_ago=10)

    assert run_due(["holds"]) == 1

    hold = SlotHold.objects.get()
    assert hold.state == SlotHold.State.HELD
    assert hold.expires_at > timezone.now()


def test_after_thirty_five_minutes_somebody_else_may_have_the_place(started, slot):
    hold_ends(checkout_expired_minutes_ago=36)

    run_due(["holds"])

    slot.refresh_from_db()
    assert slot.held == 0
    assert Payment.objects.get().state == PaymentState.PENDING
    assert run_due(["holds"]) == 0


def test_what_could_not_be_fulfilled_is_fulfilled_later(started, slot, phonepe):
    slot.__class__.objects.update(held=0)
    phonepe.decide(started.attempt.merchant_order_id)
    make_due()
    run_due(["attempts"])
    assert Payment.objects.get().fulfilment == Fulfilment.DUE

    slot.__class__.objects.update(held=1)
    Payment.objects.update(fulfil_at=timezone.now())
    assert run_due(["fulfilments"]) == 1
    assert Payment.objects.get().fulfilment == Fulfilment.BOOKED


def test_stored_answers_are_forgotten_after_a_day(db):
    key = {"caller": "guest", "route": "process-cart", "key_digest": "k", "body_digest": "b"}
    IdempotencyKey.objects.create(**key, lease=uuid.uuid4(), lease_until=timezone.now())
    assert run_due(["keys"]) == 0

    IdempotencyKey.objects.update(created_at=timezone.now() - timedelta(hours=25))
    assert run_due(["keys"]) == 1


def test_the_most_neglected_row_tells_whether_a_worker_lives(started):
    assert oldest_overdue() is None

    since = timezone.now() - timedelta(minutes=3)
    PaymentAttempt.objects.update(next_check_at=since)
    assert oldest_overdue() == since


def test_money_offers_and_receipts_that_are_left_lying_tell_it_too(started):
    since = timezone.now() - timedelta(minutes=3)
    payment = started.payment
    Receipt.objects.create(
        payment=payment, series="SIM", year=2026, received_at=since, price_paise=100, total_paise=100
    )
    assert oldest_overdue() == since

    Offer.objects.create(payment=payment, expires_at=since - timedelta(minutes=1))
    assert oldest_overdue() == since - timedelta(minutes=1)

    Payment.objects.update(fulfil_at=since - timedelta(minutes=2))
    assert oldest_overdue() == since - timedelta(minutes=2)


def test_cron_may_do_the_work(started, phonepe):
    phonepe.decide(started.attempt.merchant_order_id)
    make_due()

    call_command("work", "--once")

    assert Payment.objects.get().fulfilment == Fulfilment.BOOKED
