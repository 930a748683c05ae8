"""What people, PhonePe and the worker do in the stories, each in one word."""

from datetime import timedelta
from typing import Any

from django.test import Client
from django.utils import timezone

from booking.models import Booking, Cart, Slot
from payment.models import LedgerEntry, Payment, PaymentAttempt, Refund, WebhookEvent, WorkLease
from simulator.models import Delivery
from simulator.webhook_deliveries import authentication_headers
from worker.jobs import KINDS, run_due

WEBHOOK = "/api/payments/webhook/phonepe/"
PAYMENTS = "/api/payments/payments/"


def click(client: Any, cart: Cart) -> Any:
    """The customer's "pay now"."""
    return client.post(PAYMENTS + "process-cart/", {"cart_id": cart.pk}, format="json")


def check_booking(client: Any, payment: Payment) -> dict[str, Any]:
    answer = client.get(f"{PAYMENTS}{payment.pk}/check-booking/")
    assert answer.status_code == 200
    return answer.json()


def call_us(delivery: Delivery) -> int:
    """PhonePe's webhook through our door, seconds after the last question: the status of our answer."""
    two_seconds_pass()
    body = delivery.body.encode()
    answer = Client().post(
        WEBHOOK, body, content_type="application/json", headers=authentication_headers(delivery)
    )
    return answer.status_code


def work(*kinds: str) -> int:
    """The worker comes when everything it could do is due."""
    past = timezone.now() - timedelta(seconds=1)
    for model in (PaymentAttempt, WebhookEvent, Refund):
        model.objects.filter(next_check_at__isnull=False).update(next_check_at=past)
    Payment.objects.filter(fulfil_at__isnull=False).update(fulfil_at=past)
    WorkLease.objects.update(held_until=past)
    return run_due(kinds or KINDS)


def leases_end() -> None:
    PaymentAttempt.objects.update(call_lease_until=timezone.now() - timedelta(seconds=1))


def two_seconds_pass() -> None:
    """PhonePe may be asked about every payment again."""
    Payment.objects.update(asked_at=None)


def orders(payment: Payment) -> list[tuple[int, str]]:
    return list(payment.attempts.order_by("number").values_list("number", "state"))


def outcome(payment: Payment) -> tuple[str, str]:
    payment.refresh_from_db()
    return payment.state, payment.fulfilment


def promised(payment: Payment) -> list[int]:
    """What is to go back of it, in paise."""
    return list(payment.refunds.values_list("amount_paise", flat=True))


def ledger() -> list[tuple[str, int]]:
    return list(LedgerEntry.objects.order_by("id").values_list("kind", "amount_paise"))


def places(slot: Slot) -> tuple[int, int]:
    slot.refresh_from_db()
    return slot.held, slot.booked


def status(cart: Cart) -> str:
    cart.refresh_from_db()
    return cart.status


def bookings() -> int:
    return Booking.objects.count()
