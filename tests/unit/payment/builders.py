"""Rows of payments for tests that need no HTTP, and PhonePe's answers about them."""

import itertools
from datetime import timedelta

from django.utils import timezone

from booking.models import Checkout
from payment.models import Payment, PaymentAttempt
from payment.phonepe.enums import ProviderStatus
from payment.phonepe.schemas import OrderStatus
from payment.services.schedule import next_poll
from payment.states import AttemptState

numbers = itertools.count(1)


def make_payment(checkout: Checkout | None = None, **fields) -> Payment:
    """A payment whose page is open at PhonePe."""
    defaults = {
        "user": checkout.user if checkout else None,
        "checkout": checkout,
        "reference": f"OKP-{next(numbers):016}",
        "amount_paise": checkout.total_paise if checkout else 10_000,
    }
    payment = Payment.objects.create(**defaults | fields)
    make_attempt(payment)
    return payment


def make_attempt(payment: Payment, number: int = 1, **fields) -> PaymentAttempt:
    now = timezone.now()
    defaults = {
        "number": number,
        "merchant_order_id": f"OKP{next(numbers):024}",
        "state": AttemptState.PENDING,
        "amount_paise": payment.amount_paise,
        "generation": "v2",
        "environment": "UAT",
        "merchant": "SIM-CLIENT",
        "simulated": True,
        "page_url": "http://testserver/simulator/transact/made-up/",
        "sent_at": now,
        "expires_at": now + timedelta(minutes=15),
    }
    attempt = PaymentAttempt(payment=payment, **defaults | fields)
    attempt.next_check_at = next_poll(attempt.sent_at or now, attempt.expires_at, now)
    attempt.save()
    return attempt


def completed(paise: int = 110_000, **fields) -> OrderStatus:
    said = {"provider_transaction_id": "OM1", "utr": "616200000042"}
    return OrderStatus(ProviderStatus.COMPLETED, amount_paise=paise, **said | fields)


FAILED = OrderStatus(ProviderStatus.FAILED, code="INVALID_MPIN", provider_transaction_id="OM1")
PENDING = OrderStatus(ProviderStatus.PENDING)
NOT_FOUND = OrderStatus(ProviderStatus.NOT_FOUND)
NONSENSE = OrderStatus(ProviderStatus.UNKNOWN, code="SOMETHING_NEW")
