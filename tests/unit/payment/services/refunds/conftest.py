"""A booking that was paid with money that PhonePe really has, so that it can go back."""

from datetime import timedelta

import pytest
from django.utils import timezone

from payment.models import Payment, Refund, WorkLease
from payment.services.checkout import start_payment
from payment.services.status import refresh
from worker.jobs import run_due


@pytest.fixture
def paid(alice, cart, phonepe):
    """₹1100, booked. With `generation` a test does it in both of PhonePe's protocols."""
    started = start_payment(alice, cart_id=cart.pk)
    phonepe.decide(started.attempt.merchant_order_id)
    return refresh(started.payment, 5, "test")


@pytest.fixture
def attempt(paid):
    return paid.attempts.get()


@pytest.fixture
def work():
    """The worker comes to the refunds when all of them are due."""

    def come() -> int:
        waiting = Refund.objects.filter(next_check_at__isnull=False)
        waiting.update(next_check_at=timezone.now() - timedelta(seconds=1))
        WorkLease.objects.update(held_until=timezone.now())
        return run_due(["refunds"])

    return come


@pytest.fixture
def ledger():
    def entries(payment: Payment) -> list[tuple[str, int]]:
        return list(payment.ledger.values_list("kind", "amount_paise"))

    return entries
