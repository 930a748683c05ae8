"""A day with money in it, and its comparison with the simulated PhonePe's accounts."""

import pytest
from django.utils import timezone

from payment.models import LedgerEntry, Payment, PaymentAttempt, Refund, StateChange
from payment.phonepe.transport import Deadline
from payment.reconciliation.runs import reconcile
from payment.services.checkout import start_payment
from payment.services.refunds.requests import create_refund
from payment.services.refunds.sending import send_or_poll
from payment.services.status import refresh
from tests.harness.phonepe import PhonePe


class Day:
    """Today, as `manage.py reconcile --date` sees it."""

    def __init__(self, phonepe: PhonePe) -> None:
        self.phonepe = phonepe
        self.day = timezone.localdate()

    def compare(self, settlement=None, *, fix=False):
        return reconcile(self.day, settlement, fix=fix)

    def found(self, settlement=None, *, fix=False) -> list[str]:
        return [found.kind.value for found in self.compare(settlement, fix=fix).discrepancies]

    def mends(self, settlement=None) -> None:
        """Once is enough: nothing is found by the next comparison."""
        report = self.compare(settlement, fix=True)
        assert report.discrepancies
        assert all(found.mended for found in report.discrepancies)
        assert self.found(settlement) == []

    def order(self, payment: Payment) -> PaymentAttempt:
        return payment.attempts.get()

    def pays(self, payment: Payment, **how) -> Payment:
        self.phonepe.decide(self.order(payment).merchant_order_id, **how)
        return payment

    def receives(self, payment: Payment) -> Payment:
        return refresh(self.pays(payment), 5, "test")

    def refunds(self, payment: Payment, paise: int = 30_000) -> Refund:
        """Sent, and under way at PhonePe."""
        refund = create_refund(self.order(payment), paise, "a gesture", asked_by=None)
        send_or_poll(refund, Deadline(5))
        return Refund.objects.get(pk=refund.pk)


@pytest.fixture
def day(phonepe):
    return Day(phonepe)


@pytest.fixture
def opened(alice, cart) -> Payment:
    """₹1100, its page open at PhonePe."""
    return start_payment(alice, cart_id=cart.pk).payment


@pytest.fixture
def paid(day, opened) -> Payment:
    return day.receives(opened)


@pytest.fixture
def rows(db):
    """Everything about money that a comparison might change."""

    def read():
        models = (Payment, PaymentAttempt, Refund, LedgerEntry, StateChange)
        return {model.__name__: list(model.objects.order_by("pk").values()) for model in models}

    return read
