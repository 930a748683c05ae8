"""What a service saw before its lock may be over when it has the lock: it looks again, and does nothing twice.

Generated: every service that locks is run with every other one of the same situation committed just before each of its
transactions. Whatever comes of it, the laws of the accounts hold and nobody is moved or cancelled for a time that is no
longer theirs.
"""

import ast
from collections.abc import Callable
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone
from rest_framework.exceptions import APIException

import payment.services
from accounts.models import User
from booking.models import Booking, Cart, Slot, SlotHold
from booking.services import change_cart, check_out, close, complete, delete_cart, release, set_promo
from payment.gateways import RefundStatus
from payment.models import Offer, Payment, Refund, StateChange
from payment.phonepe.enums import ProviderStatus
from payment.services.booking_changes import move_booking
from payment.services.holds import expire_hold
from payment.services.offers import choose, close_offer, decline, expire_offer
from payment.services.outcomes import (
    accept_after_review,
    apply_status,
    fulfil,
    return_after_review,
    stop_waiting,
)
from payment.services.receipts import number_receipt
from payment.services.refunds.outcomes import apply_refund_status
from payment.services.refunds.requests import approve_refund, cancel_booking, request_refund, withdraw_refund
from payment.services.reminders import remind
from payment.services.slot_closure import Outcome, move_all, refund_all
from tests.harness import builders
from tests.harness.invariants import LAWS, query, violations
from tests.unit.payment.builders import FAILED, NOT_FOUND, PENDING, completed, make_attempt, make_payment

pytestmark = [pytest.mark.proof(every=29), pytest.mark.django_db(transaction=True)]
AFTER_THE_LOOK = range(1, 12)  # the transactions of one service, one after the other


@dataclass
class Rows:
    """One customer with one payment, at a time that has room for two; another time, a day later, has room too."""

    slot: Slot
    another: Slot
    payment: Payment
    staff: list[User] = field(default_factory=list)

    @property
    def attempt_id(self) -> int:
        return self.payment.attempts.order_by("pk").values_list("pk", flat=True)[0]

    @property
    def booking(self) -> Booking:
        return Booking.objects.select_related("user", "checkout").get(checkout=self.payment.checkout)


def opened() -> Rows:
    service = builders.make_service()
    slot, another = builders.make_slot(service, days=5), builders.make_slot(service, days=6)
    package = builders.make_package(service)
    cart = builders.make_cart(builders.make_user(), package, slot.starts_at)
    staff = [builders.make_user(is_staff=True) for _ in range(2)]
    return Rows(slot, another, make_payment(builders.make_checkout(cart)), staff)


def left_alone() -> Rows:
    """Its page is over; a bank may still be deciding."""
    rows = opened()
    past = timezone.now() - timedelta(hours=1)
    rows.payment.attempts.update(expires_at=past, call_lease_until=None)
    return rows


def booked() -> Rows:
    rows = opened()
    apply_status(rows.attempt_id, completed(), "worker")
    return rows


def refund_requested() -> Rows:
    rows = booked()
    request_refund(rows.payment.pk, None, "they wrote to us", rows.staff[0])
    return rows


def refund_sent() -> Rows:
    rows = booked()
    refund = request_refund(rows.payment.pk, 10_000, "a gesture", rows.staff[0])
    Refund.objects.filter(pk=refund.pk).update(state="PENDING", sent_at=timezone.now())
    return rows


def offered() -> Rows:
    rows = opened()
    close(rows.slot)
    apply_status(rows.attempt_id, completed(), "worker")
    Offer.objects.filter(payment=rows.payment).update(expires_at=timezone.now())
    return rows


def held() -> Rows:
    rows = opened()
    apply_status(rows.attempt_id, completed(100_000), "worker")
    make_attempt(rows.payment, number=2)
    return rows


def filled() -> Rows:
    rows = opened()
    apply_status(rows.attempt_id, FAILED, "worker")
    return rows


def refund_of(rows: Rows) -> int:
    return Refund.objects.filter(payment=rows.payment).latest("-pk").pk


def cart_of(rows: Rows) -> Cart:
    return Cart.objects.get(pk=rows.payment.checkout.cart_id)


def hold_ends(rows: Rows) -> None:
    hold = SlotHold.objects.get(checkout=rows.payment.checkout)
    SlotHold.objects.filter(pk=hold.pk).update(expires_at=timezone.now())
    expire_hold(hold.pk)


Service = Callable[[Rows], Any]
STAFF_CLOSE: dict[str, Service] = {
    "staff close and refund": lambda rows: refund_all(rows.slot, "closed", rows.staff[0]),
    "staff close and move there": lambda rows: move_all(rows.slot, "closed", rows.staff[0], rows.another),
    "staff close and move to the nearest": lambda rows: move_all(rows.slot, "closed", rows.staff[0]),
}
SITUATIONS: dict[Callable[[], Rows], dict[str, Service]] = {
    booked: {
        **STAFF_CLOSE,
        "the customer cancels": lambda rows: cancel_booking(rows.booking, "travelling"),
        "the customer moves it": lambda rows: move_booking(rows.booking, rows.another.pk),
        "they are reminded": lambda rows: remind(rows.booking.pk),
        "staff refund all": lambda rows: request_refund(rows.payment.pk, None, "", rows.staff[0]),
        "staff refund a part": lambda rows: request_refund(rows.payment.pk, 10_000, "", rows.staff[1]),
        "the receipt is numbered": lambda rows: number_receipt(rows.payment.receipt.pk),
        "the money is heard of again": lambda rows: apply_status(rows.attempt_id, completed(), "webhook"),
        "staff complete it": lambda rows: complete(rows.booking),
    },
    refund_requested: {
        **STAFF_CLOSE,
        "another one approves": lambda rows: approve_refund(refund_of(rows), rows.staff[1]),
        "another one withdraws": lambda rows: withdraw_refund(refund_of(rows), rows.staff[1]),
        "the customer cancels": lambda rows: cancel_booking(rows.booking, "travelling"),
    },
    refund_sent: {
        **STAFF_CLOSE,
        "the customer cancels": lambda rows: cancel_booking(rows.booking, "travelling"),
        "staff refund the rest": lambda rows: request_refund(rows.payment.pk, None, "", rows.staff[0]),
        "PhonePe says it went back": lambda rows: apply_refund_status(
            refund_of(rows), RefundStatus(ProviderStatus.COMPLETED), "webhook"
        ),
        "PhonePe says it failed": lambda rows: apply_refund_status(
            refund_of(rows), RefundStatus(ProviderStatus.FAILED), "webhook"
        ),
    },
    opened: {
        "staff close the time": lambda rows: close(rows.slot),
        "the money comes": lambda rows: apply_status(rows.attempt_id, completed(), "webhook"),
        "another amount comes": lambda rows: apply_status(rows.attempt_id, completed(1_000), "webhook"),
        "it fails": lambda rows: apply_status(rows.attempt_id, FAILED, "worker"),
        "PhonePe does not know it": lambda rows: apply_status(rows.attempt_id, NOT_FOUND, "worker"),
        "the customer gives up": lambda rows: apply_status(
            rows.attempt_id, PENDING, "give_up", giving_up=True
        ),
        "the hold ends": hold_ends,
        "the checkout is released": lambda rows: release(rows.payment.checkout),
        "the cart is deleted": lambda rows: delete_cart(cart_of(rows)),
        "the worker fulfils": lambda rows: fulfil(rows.payment.pk),
    },
    left_alone: {
        "the customer gives up": lambda rows: stop_waiting(rows.payment.pk, "given_up", ""),
        "staff stop waiting": lambda rows: stop_waiting(rows.payment.pk, "stopped_by_staff", ""),
        "the money comes": lambda rows: apply_status(rows.attempt_id, completed(), "webhook"),
        "another amount comes": lambda rows: apply_status(rows.attempt_id, completed(1_000), "webhook"),
        "PhonePe says pending": lambda rows: apply_status(rows.attempt_id, PENDING, "worker"),
        "the hold ends": hold_ends,
    },
    offered: {
        "the customer chooses": lambda rows: choose(Payment.objects.get(pk=rows.payment.pk), rows.another.pk),
        "the customer declines": lambda rows: decline(rows.payment.pk, "offer_declined", by=None),
        "staff end it": lambda rows: close_offer(
            rows.payment.pk, "closed_by_staff", by=builders.make_superuser()
        ),
        "its time ends": lambda rows: expire_offer(rows.payment.offers.latest("pk").pk),
        "staff refund all": lambda rows: request_refund(rows.payment.pk, None, "", rows.staff[0]),
        "staff close the other time": lambda rows: move_all(rows.another, "closed", rows.staff[0]),
    },
    held: {
        "staff accept": lambda rows: accept_after_review(rows.payment.pk, rows.staff[0]),
        "staff send it back": lambda rows: return_after_review(rows.payment.pk, builders.make_superuser()),
        "the right amount comes": lambda rows: apply_status(
            rows.payment.attempts.latest("number").pk, completed(), "webhook"
        ),
        "the hold ends": hold_ends,
    },
    filled: {
        "the late money comes": lambda rows: apply_status(rows.attempt_id, completed(), "webhook"),
        "the cart is checked out": lambda rows: make_payment(
            check_out(cart_of(rows), address_id=None, expires_at=timezone.now() + timedelta(minutes=15))
        ),
        "the cart is changed": lambda rows: change_cart(
            cart_of(rows), selected_date=timezone.localdate(rows.another.starts_at)
        ),
        "the promo is removed": lambda rows: set_promo(cart_of(rows), None),
        "the cart is deleted": lambda rows: delete_cart(cart_of(rows)),
        "staff close the time": lambda rows: close(rows.slot),
    },
}
PAIRS = [(situation, name) for situation, services in SITUATIONS.items() for name in services]


@contextmanager
def committed_before_transaction(number: int, action: Callable[[], Any], monkeypatch: pytest.MonkeyPatch):
    """Another process commits `action` when the service begins its `number`th transaction. Yields whether it did."""
    begun, enter = [], transaction.Atomic.__enter__

    def begin(self: transaction.Atomic) -> Any:
        if not connection.in_atomic_block and len(begun) < number:
            begun.append(True)
            if len(begun) == number:
                with suppress(APIException):
                    action()
        return enter(self)

    with monkeypatch.context() as patch:
        patch.setattr(transaction.Atomic, "__enter__", begin)
        yield lambda: len(begun) >= number


@pytest.fixture(autouse=True)
def two_people_for_every_refund(settings):
    settings.REFUND_SECOND_PERSON_ABOVE = 500
    settings.STAFF_EMAILS = ["ops@example.com"]


@pytest.mark.parametrize(("situation", "name"), PAIRS, ids=lambda value: getattr(value, "__name__", value))
def test_whatever_is_committed_between_look_and_lock_nothing_is_done_twice(situation, name, monkeypatch):
    for other, action in SITUATIONS[situation].items():
        for number in AFTER_THE_LOOK:
            rows = situation()
            between = committed_before_transaction(number, partial(action, rows), monkeypatch)
            with between as was_reached, suppress(APIException):
                SITUATIONS[situation][name](rows)
            story = f"{other}, before transaction {number} of: {name}"
            assert violations(query, LAWS) == {}, story
            assert moved_or_cancelled_once(rows), story
            if not was_reached():
                break


def moved_or_cancelled_once(rows: Rows) -> bool:
    """Two of the staff who close one time: who was moved by one of them is neither moved nor cancelled by the other."""
    moves = StateChange.objects.filter(payment=rows.payment, rule="moved_by_temple").count()
    closed_twice = Booking.objects.filter(
        checkout=rows.payment.checkout, status="CANCELLED", cancellation_reason="closed", moves__gt=0
    )
    return moves <= 1 and not closed_twice.exists()


def test_who_was_moved_by_a_colleague_meanwhile_is_not_cancelled(monkeypatch):
    rows = booked()
    move = STAFF_CLOSE["staff close and move there"]
    with committed_before_transaction(2, lambda: move(rows), monkeypatch):  # the first one closes the slot
        (cleared,) = refund_all(rows.slot, "closed", rows.staff[0]).cleared

    assert cleared.outcome is Outcome.ENDED
    assert (rows.booking.status, rows.booking.starts_at) == ("CONFIRMED", rows.another.starts_at)
    assert not Refund.objects.exists()


def test_when_the_nearest_time_is_taken_meanwhile_the_next_one_is_found(monkeypatch):
    rows = booked()
    last = builders.make_slot(rows.slot.service, days=8)
    full = lambda: Slot.objects.filter(pk=rows.another.pk).update(booked=2)  # noqa: E731
    with committed_before_transaction(1, full, monkeypatch):
        (cleared,) = move_all(rows.slot, "closed", rows.staff[0]).cleared

    assert cleared.outcome is Outcome.MOVED
    assert rows.booking.starts_at == last.starts_at


def test_an_offer_that_was_prolonged_meanwhile_stays_open(monkeypatch):
    rows = offered()
    later = timezone.now() + timedelta(hours=1)
    prolong = lambda: Offer.objects.update(expires_at=later)  # noqa: E731
    with committed_before_transaction(1, prolong, monkeypatch):
        expire_offer(rows.payment.offers.get().pk)

    assert Offer.objects.get().state == "OPEN"


def test_a_hold_that_was_stretched_meanwhile_is_kept(monkeypatch):
    rows = opened()
    apply_status(rows.attempt_id, FAILED, "worker")
    SlotHold.objects.update(state="HELD", expires_at=timezone.now())
    Slot.objects.filter(pk=rows.slot.pk).update(held=1)
    later = timezone.now() + timedelta(minutes=5)
    stretch = lambda: SlotHold.objects.update(expires_at=later)  # noqa: E731
    with committed_before_transaction(1, stretch, monkeypatch):
        expire_hold(SlotHold.objects.get().pk)

    assert SlotHold.objects.get().state == "HELD"


# Services that lock and are run by a worker or a request alone; what each looks at is compared under its own lock
# (`sent_at`, `call_lease_until`, the dispute's own row), and tested where it lives.
TESTED_ELSEWHERE = {
    "attempts": "tests/system/interleavings/test_opening.py",
    "by_hand": "tests/unit/payment/services/test_by_hand.py",
    "pay_links": "tests/unit/payment/services/test_pay_links.py",
    "priests": "tests/unit/payment/services/test_priests.py",
    "booking_status": "tests/unit/payment/views/test_desk_bookings.py",
    "cases": "tests/unit/backoffice/test_case.py",
    "closures": "tests/unit/payment/services/test_closures.py",
    "rehearsal": "tests/unit/payment/services/test_rehearsal.py",
    "disputes": "tests/unit/payment/services/test_disputes.py",
    "webhooks": "tests/unit/payment/services/test_webhooks.py",
    "paying": "tests/unit/payment/services/test_paying.py",
    "personal_data": "tests/unit/payment/services/test_personal_data.py",
    "sending": "tests/unit/payment/services/refunds/test_sending.py",
}


def test_every_module_whose_services_lock_a_payment_is_walked_through():
    locking = set()
    for path in Path(payment.services.__file__).parent.rglob("*.py"):
        calls = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
        names = {getattr(call.func, "id", getattr(call.func, "attr", "")) for call in calls}
        if names & {"lock_payment", "lock_refund", "select_for_update"}:
            locking.add(path.stem)
    walked = {"slot_closure", "holds", "offers", "receipts", "outcomes", "requests"}
    walked |= {"booking_changes", "reminders"}

    assert locking - {"transitions"} - TESTED_ELSEWHERE.keys() == walked
