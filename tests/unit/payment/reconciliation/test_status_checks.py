"""Asking about a whole day takes no longer than was allowed, and never a customer's place."""

import pytest

from payment.models import GatewayCall, PaymentAttempt
from payment.phonepe.enums import ProviderStatus
from payment.reconciliation import status_checks
from payment.reconciliation.status_checks import MAX_UNANSWERED, StatusChecks
from payment.services.gateway_calls import call_permits

pytestmark = pytest.mark.django_db(transaction=True)


def test_customers_come_first_and_it_waits_for_a_place(settings, opened):
    taken = [call_permits.acquire() for _ in range(settings.PHONEPE_CALLS_AT_ONCE)]
    waited = []

    def sleep(seconds):
        waited.append(seconds)
        call_permits.release()

    try:
        answer = StatusChecks(60, sleep).fetch_order_status(PaymentAttempt.objects.get())
    finally:
        for _ in taken[1:]:
            call_permits.release()

    assert answer.state is ProviderStatus.PENDING
    assert waited == [status_checks.PAUSE]


def test_a_phonepe_that_stays_silent_is_left_alone(day, opened):
    day.phonepe.inject_fault("status", "refuse", times=99)
    attempt, checks = PaymentAttempt.objects.get(), StatusChecks(60)
    for _ in range(MAX_UNANSWERED):
        checks.fetch_order_status(attempt)
    asked = GatewayCall.objects.count()

    assert checks.fetch_order_status(attempt) is None
    assert GatewayCall.objects.count() == asked
    assert checks.unanswered == MAX_UNANSWERED + 1


def test_when_the_time_is_over_nobody_is_asked(opened):
    checks = StatusChecks(0)

    assert checks.fetch_order_status(PaymentAttempt.objects.get()) is None
    assert (checks.answered, checks.unanswered) == (0, 1)
